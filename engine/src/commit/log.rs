//! The log task of a writer: it seals what the lane hands it into WAL segments, one PUT in flight, and acknowledges.
//!
//! Promises: segment n is tried only after n−1 is known to be stored (I5); an acknowledgement follows a resolved
//! `Committed` and nothing else (I4). While a PUT is in flight, what arrives is collected into the next segment.
//! Never: after a lost slot or an unknown outcome is anything written or acknowledged again.

use std::sync::Arc;

use bytes::Bytes;
use firn_manifest::canary;
use firn_manifest::ids::{ChainHash, Position};
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::{Cause, Store};
use firn_segment::wal::{self, SegmentHeader, SegmentKind};
use tokio::sync::{mpsc, oneshot};

use super::core::Core;
use super::durable::Mark;
use super::requests::CommitRow;
use crate::error::{Error, ErrorKind, Result, sqlstate};

/// A segment takes at most this many bytes of records (one larger record goes alone).
const SEGMENT_BYTES: usize = 8 << 20;

/// A commit record on its way to the log.
pub(crate) struct Pending {
    pub(crate) frame: Bytes,
    pub(crate) position: Position,
    pub(crate) commit_time: i64,
    pub(crate) row: CommitRow,
    /// the first waiter's store, so that the PUT is counted in its tally
    pub(crate) store: Store,
    pub(crate) ack: oneshot::Sender<Result<()>>,
}

/// What a writer says whose log task is gone.
pub(super) fn ended() -> Error {
    Error::internal("the task that writes the log ended; whether what was on its way was stored is unknown")
        .with_hint("open the namespace again: what the log holds decides. A retry with the same request id is safe")
}

/// Poisons a core that outlives its log task: nobody waits for a commit that nothing will store.
struct Ending(std::sync::Weak<Core>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.poison(ended());
        }
    }
}

/// Runs until the core is dropped or the log is lost to it.
pub(crate) async fn run(core: std::sync::Weak<Core>, mut queue: mpsc::UnboundedReceiver<Pending>) {
    let _ending = Ending(core.clone());
    let mut carried: Option<Pending> = None;
    loop {
        let first = match carried.take() {
            Some(pending) => pending,
            None => match queue.recv().await {
                Some(pending) => pending,
                None => return,
            },
        };
        let Some(core) = core.upgrade() else { return };
        let mut size = first.frame.len();
        let mut group = vec![first];
        while let Ok(next) = queue.try_recv() {
            if size + next.frame.len() > SEGMENT_BYTES {
                carried = Some(next);
                break;
            }
            size += next.frame.len();
            group.push(next);
        }
        if canary!(AcknowledgeBeforePut) {
            for pending in &mut group {
                let _ = std::mem::replace(&mut pending.ack, oneshot::channel().0).send(Ok(()));
            }
        }
        let outcome = match core.poisoned() {
            Some(error) => Err(error),
            None => append(&core, &group).await,
        };
        match outcome {
            Ok(()) => {
                for pending in group {
                    let _ = pending.ack.send(Ok(()));
                }
                core.flush_if_due();
            }
            Err(error) => {
                if error.sqlstate != sqlstate::STATEMENT_COMPLETION_UNKNOWN || !canary!(NextWhileUnresolved) {
                    core.poison(error.clone());
                }
                for pending in group {
                    let _ = pending.ack.send(Err(error.clone()));
                }
            }
        }
    }
}

async fn append(core: &Arc<Core>, group: &[Pending]) -> Result<()> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
    let before = core.durable();
    let seq = before.seq.next();
    let world = core.store().world();
    let mut nonce = [0u8; 16];
    if !canary!(NonceReused) {
        world.fill(&mut nonce);
    }
    let keys = core.keys();
    let header = SegmentHeader {
        namespace: keys.namespace(),
        seq,
        epoch: core.epoch(),
        kind: SegmentKind::Data,
        nonce,
        prev: if canary!(PrevHashForgotten) { ChainHash::GENESIS } else { before.hash },
        first: first.position,
        last: last.position,
        key_id: keys.active().id(),
        written_at: world.now_micros(),
    };
    let frames: Vec<Bytes> = group.iter().map(|p| p.frame.clone()).collect();
    let bytes = wal::seal(&header, &frames, keys.active())?;
    let hash = ChainHash::of(&bytes);
    let name = wal::segment_key(seq);
    let store = first.store.for_cause(Cause::Commit);
    let mark = Mark { seq, hash, epoch: header.epoch, position: last.position, commit_time: last.commit_time };
    let rows: Vec<&CommitRow> = group.iter().map(|p| &p.row).collect();
    let outcome = slot::put(&store, &name, bytes, slot::DEADLINE).await;
    if matches!(outcome, SlotOutcome::Unknown(_)) && canary!(NextWhileUnresolved) {
        core.durable_to(mark, &rows)?;
    }
    match outcome {
        SlotOutcome::Committed => core.durable_to(mark, &rows),
        SlotOutcome::Lost(winner) => Err(lost(core, &name, winner)),
        SlotOutcome::Unknown(source) => Err(Error::new(
            ErrorKind::Store,
            sqlstate::STATEMENT_COMPLETION_UNKNOWN,
            format!("whether the commit at position {} was stored is unknown: {source}", first.position),
        )
        .with_hint(
            "this writer closed itself; open the namespace again: what the log holds decides. A retry with the same request id is safe",
        )),
    }
}

/// Why a slot was lost.
fn lost(core: &Core, name: &str, winner: Bytes) -> Error {
    match wal::inspect(name, winner) {
        Ok(segment) if segment.header.epoch > core.epoch() => Error::fenced(segment.header.epoch),
        Ok(segment) => Error::integrity(
            name,
            format!(
                "the slot was taken under epoch {}, which is not above this writer's {}",
                segment.header.epoch,
                core.epoch()
            ),
        ),
        Err(error) => error.into(),
    }
}
