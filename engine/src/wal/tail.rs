//! The tail of the log: fetching the segments after a head, side by side, and applying them in order.
//!
//! Promises: one GET that answers 404 proves that the head is the newest. Replay fetches a bounded window at once.
//! Never: a segment is applied that does not chain to the one before it.

use bytes::Bytes;
use firn_manifest::canary;
use firn_manifest::ids::Seq;
use firn_manifest::store::{Cause, Store};
use firn_segment::record::CommitRecord;
use firn_segment::wal::{self, SegmentKind, StoredSegment};
use futures::{StreamExt, TryStreamExt, stream};

use super::resolve::resolve;
use crate::commit::CommitRow;
use crate::commit::{Core, Mark, Moment, State};
use crate::error::{Error, Result};

/// Segments asked for at once before it is known whether there are any.
const FIRST_WINDOW: u64 = 16;
/// Segments asked for at once at the most.
const WINDOW: u64 = 128;
/// Segments a LIST beside the first window names at the most.
const LISTED: usize = 1000;

/// Replays the log into a state that nobody else sees yet.
pub(crate) struct Tail {
    pub(crate) mark: Mark,
}

/// What a follower keeps between reads; one follows at a time.
#[derive(Debug, Default)]
pub(crate) struct Follower;

impl Tail {
    /// The head that a manifest's files stand for.
    pub(crate) fn of(state: &State) -> Self {
        let envelope = &state.head.envelope;
        let wal = envelope.wal;
        Self {
            mark: Mark {
                seq: wal.seq,
                hash: wal.hash,
                epoch: firn_manifest::ids::Epoch::ZERO,
                position: wal.position,
                commit_time: wal.commit_time,
            },
        }
    }

    /// Applies everything that is stored after the head. The first segments are asked for beside a LIST that says how far
    /// the log goes, so that a hole in it is never taken for its end.
    pub(crate) async fn replay(&mut self, state: &mut State, store: &Store) -> Result<()> {
        let store = store.for_cause(Cause::Replay);
        let round = store.round();
        let after = wal::segment_key(self.mark.seq);
        let (segments, listed) = futures::join!(
            fetch(&round, self.mark.seq.next(), FIRST_WINDOW),
            round.list("wal/", Some(&after), Some(LISTED))
        );
        let listed = listed?.iter().filter_map(|object| wal::parse_segment_key(&object.key)).max();
        let mut segments = segments?;
        if canary!(ReplayStopsEarly) {
            segments.pop();
        }
        let mut window = FIRST_WINDOW;
        loop {
            let more = segments.len() as u64 == window;
            for (name, bytes) in segments {
                self.apply(state, &store, &name, bytes).await?;
            }
            if !more && (listed.is_none_or(|last| last <= self.mark.seq) || canary!(ReplayStopsEarly)) {
                return Ok(());
            }
            window = (window * 4).min(WINDOW);
            segments = fetch(&store.round(), self.mark.seq.next(), window).await?;
            if let (true, Some(last)) = (segments.is_empty(), listed.filter(|last| *last > self.mark.seq)) {
                return Err(hole(self.mark.seq.next(), last));
            }
        }
    }

    /// Moves the head over a segment without its records: what no build does, see [`firn_manifest::canary`].
    pub(crate) fn pass_over(&mut self, name: &str, bytes: Bytes) -> Result<()> {
        let segment = inspect_next(&self.mark, name, bytes)?;
        (self.mark.seq, self.mark.hash) = (segment.header.seq, segment.hash);
        Ok(())
    }

    /// Applies one stored segment.
    pub(crate) async fn apply(&mut self, state: &mut State, store: &Store, name: &str, bytes: Bytes) -> Result<()> {
        let segment = inspect_next(&self.mark, name, bytes)?;
        let records = records_of(&segment, state)?;
        let mut mark = self.mark;
        mark.seq = segment.header.seq;
        mark.hash = segment.hash;
        mark.epoch = segment.header.epoch;
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let applied = resolve(state, store, &record).await?;
            let row = CommitRow::of(&record, state);
            if let Some(id) = &record.request_id
                && !canary!(RequestsForgotten)
            {
                state.requests.insert(id.clone(), row.committed());
            }
            state.apply(applied, false)?;
            mark.position = record.position;
            mark.commit_time = record.commit_time;
            rows.push(row);
        }
        state.show_commits(&mark, &rows.iter().collect::<Vec<_>>())?;
        self.mark = mark;
        Ok(())
    }
}

/// Checks a segment's own bytes and that it follows `mark`: sequence, epoch, chain.
pub(crate) fn inspect_next(mark: &Mark, name: &str, bytes: Bytes) -> Result<StoredSegment> {
    let segment = wal::inspect(name, bytes)?;
    let header = &segment.header;
    if header.seq != mark.seq.next() {
        return Err(Error::integrity(name, format!("it is segment {}, expected {}", header.seq, mark.seq.next())));
    }
    if header.prev != mark.hash {
        return Err(Error::integrity(name, "it does not name the segment before it (I6)"));
    }
    if header.epoch < mark.epoch {
        return Err(Error::integrity(
            name,
            format!("its epoch {} is below epoch {} of the segment before it (I2)", header.epoch, mark.epoch),
        ));
    }
    Ok(segment)
}

/// The commit records of a segment, in order.
fn records_of(segment: &StoredSegment, state: &State) -> Result<Vec<CommitRecord>> {
    let frames = segment.frames(&state.keys)?;
    if segment.header.kind != SegmentKind::Data {
        return Ok(Vec::new());
    }
    let records = frames.iter().map(|f| CommitRecord::decode(f)).collect::<Result<Vec<_>, _>>()?;
    let range = (records.first().map(|r| r.position), records.last().map(|r| r.position));
    if range != (Some(segment.header.first), Some(segment.header.last)) {
        return Err(Error::integrity(&segment.name, "its header names other positions than its records"));
    }
    Ok(records)
}

/// The segments from `first` that are stored, at most `window`, fetched side by side; ends before the first that is absent.
/// One that is absent although a later one is there was stored after it was asked for, or is lost: asked again, it tells.
async fn fetch(store: &Store, first: Seq, window: u64) -> Result<Vec<(String, Bytes)>> {
    let answers: Vec<(Seq, Option<Bytes>)> = stream::iter((first.0..first.0.saturating_add(window)).map(Seq))
        .map(|seq| async move { Ok::<_, Error>((seq, store.get_optional(&wal::segment_key(seq)).await?)) })
        .buffered(usize::try_from(window).unwrap_or(usize::MAX))
        .try_collect()
        .await?;
    let last = answers.iter().rev().find(|(_, bytes)| bytes.is_some()).map(|(seq, _)| *seq);
    let mut found = Vec::new();
    for (seq, bytes) in answers {
        let Some(last) = last.filter(|last| seq <= *last) else { break };
        let name = wal::segment_key(seq);
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => store.get_optional(&name).await?.ok_or_else(|| hole(seq, last))?,
        };
        found.push((name, bytes));
    }
    Ok(found)
}

/// A segment is gone although the log goes on after it.
fn hole(missing: Seq, later: Seq) -> Error {
    Error::integrity(
        wal::segment_key(missing),
        format!("it is missing, and segment {later} after it is there: the log has a hole (I5)"),
    )
}

impl Core {
    /// Catches up with the log: one GET when nothing is new.
    ///
    /// # Errors
    /// Store, key and integrity errors.
    pub(crate) async fn follow(&self, store: &Store) -> Result<()> {
        let _one = self.follower_lock().await;
        let begun = Moment::now(store);
        let probe = store.for_cause(Cause::Probe);
        let mut tail = Tail { mark: self.durable() };
        let next = wal::segment_key(tail.mark.seq.next());
        if self.torn() {
            return self.reload(store).await;
        }
        let Some(bytes) = probe.get_optional(&next).await? else {
            if !self.trusts_free_slot() {
                return self.reload(store).await;
            }
            self.was_current(begun);
            return Ok(());
        };
        if self.reload_due() {
            return self.reload(store).await;
        }
        self.follow_one(&mut tail, store, &next, bytes).await?;
        let mut window = FIRST_WINDOW;
        loop {
            let segments = fetch(&probe.round(), tail.mark.seq.next(), window).await?;
            let more = segments.len() as u64 == window;
            for (name, bytes) in segments {
                self.follow_one(&mut tail, store, &name, bytes).await?;
            }
            if !more {
                break;
            }
            window = (window * 4).min(WINDOW);
        }
        // the segments that were found go on from the head, but the slot after them is as old as the head was
        if self.trusts_free_slot() {
            self.was_current(begun);
            return Ok(());
        }
        self.reload(store).await
    }
}
