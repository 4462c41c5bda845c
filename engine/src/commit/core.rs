//! The core: one open namespace, as its writer or as a follower.
//!
//! Promises: a snapshot shows only durable commits; a strong one shows every commit that was acknowledged before it was
//! asked for (one GET of the next slot proves it). Opened to read, it writes nothing (I9); idle, it asks nothing (I10).
//! Never: a core that lost its epoch, or does not know what became of a write, answers anything again.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firn_manifest::canary;
use firn_manifest::crypto::KeyRing;
use firn_manifest::ids::{Epoch, Position};
use firn_manifest::store::{Cause, Store};
use firn_segment::wal;
use parking_lot::RwLock;
use tokio::sync::{Mutex, OnceCell, mpsc};

use super::apply::State;
use super::durable::{Durable, Mark};
use super::lane::Lane;
use super::log::Pending;
use super::requests::{CommitRow, RequestIndex, commit_rows};
use crate::error::{Error, Result};
use crate::state::Snapshot;
use crate::wal::Follower;

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// everything acknowledged before the read began, by whichever writer
    #[default]
    Strong,
    /// what this process knows; [`Snapshot::commit_time`] says how old it is
    Snapshot,
}

/// When a memtable becomes files.
#[derive(Clone, Copy, Debug)]
pub struct FlushPolicy {
    /// resident bytes of all memtables
    pub bytes: usize,
    /// WAL segments since the last flush: bounds what a crash leaves to replay
    pub segments: u64,
    /// segments since the last flush that a clean close leaves to replay
    pub close_segments: u64,
    /// resident bytes that a clean close leaves to replay
    pub close_bytes: usize,
}

impl Default for FlushPolicy {
    fn default() -> Self {
        Self { bytes: 32 << 20, segments: 1024, close_segments: 12, close_bytes: 4 << 20 }
    }
}

/// What makes a core a writer.
pub(crate) struct Writer {
    pub(crate) epoch: Epoch,
    pub(crate) lane: Mutex<Lane>,
    pub(crate) queue: mpsc::UnboundedSender<Pending>,
    pub(crate) build: String,
}

/// One open namespace.
pub struct Core {
    pub(crate) store: Store,
    pub(crate) state: RwLock<State>,
    pub(super) mark: Durable,
    pub(super) writer: Option<Writer>,
    pub(super) follower: Mutex<Follower>,
    pub(crate) policy: FlushPolicy,
    pub(super) poison: OnceLock<Error>,
    pub(crate) requests: OnceCell<RequestIndex>,
    pub(crate) flushing: AtomicBool,
    /// held by the flush at work
    pub(crate) flush_lock: Mutex<()>,
    /// a follower stopped half way through a segment: it starts again from the newest manifest
    pub(super) torn: AtomicBool,
    /// when a follower's head was last known to be the newest
    pub(super) current_at: parking_lot::Mutex<Moment>,
}

/// A moment by both clocks: one stands still while the machine sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    monotonic: Duration,
    wall_us: i64,
}

impl Moment {
    pub(crate) fn now(store: &Store) -> Self {
        let world = store.world();
        Self { monotonic: world.monotonic(), wall_us: world.now_micros() }
    }

    /// How long ago it was, by the clock that says the longer.
    fn age(&self, store: &Store) -> Duration {
        let now = Self::now(store);
        let wall = Duration::from_micros(u64::try_from(now.wall_us.saturating_sub(self.wall_us)).unwrap_or(0));
        now.monotonic.saturating_sub(self.monotonic).max(wall)
    }
}

/// For so long after a follower's head was the newest, a free slot behind it proves that it still is. Afterwards the
/// segment may have been written, covered by files and collected; a day is the shortest grace of a collector.
const SLOT_TRUSTED: Duration = Duration::from_secs(12 * 3600);

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("durable", &self.durable())
            .field("writer", &self.is_writer())
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Whether it holds the writer epoch (or held it until it was fenced).
    #[must_use]
    pub fn is_writer(&self) -> bool {
        self.writer.is_some()
    }

    /// The epoch it writes under; zero for a follower.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.writer.as_ref().map_or(Epoch::ZERO, |w| w.epoch)
    }

    /// The namespace's view of the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        self.state.read().keys.clone()
    }

    /// The durable head of the log as this process knows it.
    pub(crate) fn durable(&self) -> Mark {
        self.mark.get()
    }

    /// Why it answers nothing any more.
    pub(crate) fn poisoned(&self) -> Option<Error> {
        self.poison.get().cloned()
    }

    /// Whether a slot that was found free just now has been free since the head was the newest.
    pub(crate) fn trusts_free_slot(&self) -> bool {
        self.current_at.lock().age(&self.store) < SLOT_TRUSTED || canary!(FollowerTrustsOldSlot)
    }

    /// The head was the newest at some time after `begun`.
    pub(crate) fn was_current(&self, begun: Moment) {
        *self.current_at.lock() = begun;
    }

    pub(crate) fn poison(&self, error: Error) {
        let _ = self.poison.set(error);
        // wakes those who wait for durability
        self.mark.wake();
    }

    pub(crate) fn alive(&self) -> Result<()> {
        self.poisoned().map_or(Ok(()), Err)
    }

    /// A snapshot of what is durable.
    ///
    /// # Errors
    /// Store and integrity errors of catching up; `Fenced` when this writer finds that it was replaced.
    pub async fn snapshot(&self, store: &Store, consistency: Consistency) -> Result<Snapshot> {
        self.alive()?;
        if consistency == Consistency::Strong {
            if self.is_writer() {
                if !canary!(StaleHeadServed) {
                    self.probe_as_writer(store).await?;
                }
            } else {
                self.follow(store).await?;
            }
        }
        Ok(self.durable_snapshot(store))
    }

    pub(crate) fn durable_snapshot(&self, store: &Store) -> Snapshot {
        // the head is read under the state's lock: no flush may come between, whose files hold no row that ended before it
        // where a lookup by key would find it
        let state = self.state.read();
        let mark = self.durable();
        let view = state.view(mark.position, mark.commit_time);
        drop(state);
        Snapshot::new(Arc::new(view), store.for_cause(Cause::Read))
    }

    /// One GET of the slot after the durable head: 404 proves that nobody replaced us. Our own segment in flight there
    /// proves nothing (its reply may be late, and a fence may stand behind it), so then the slot after it is asked too:
    /// free, or ours, which was tried only after the probe began, does.
    pub(super) async fn probe_as_writer(&self, store: &Store) -> Result<()> {
        let store = store.for_cause(Cause::Probe);
        let mut seq = self.durable().seq;
        for _ in 0..2 {
            seq = seq.next();
            let name = wal::segment_key(seq);
            let Some(bytes) = store.get_optional(&name).await? else { return Ok(()) };
            let segment = wal::inspect(&name, bytes)?;
            if segment.header.epoch > self.epoch() && !canary!(EpochNotCompared) {
                let error = Error::fenced(segment.header.epoch);
                self.poison(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Marks a segment durable and shows its commits in `firn_commits`.
    pub(crate) fn durable_to(&self, mark: Mark, rows: &[&CommitRow]) -> Result<()> {
        {
            let mut state = self.state.write();
            state.show_commits(&mark, rows)?;
        }
        self.mark.set(mark);
        Ok(())
    }

    /// Waits until `position` is durable.
    pub(crate) async fn wait_durable(&self, position: Position) -> Result<()> {
        loop {
            let changed = self.mark.changed();
            if self.durable().position >= position {
                return Ok(());
            }
            self.alive()?;
            changed.await;
        }
    }

    pub(crate) fn as_writer(&self) -> Result<&Writer> {
        self.writer.as_ref().ok_or_else(|| {
            Error::statement(crate::error::sqlstate::READ_ONLY, "the namespace is open for reading only")
                .with_hint("open it without --read-only to write")
        })
    }

    /// Segments since the last flush.
    pub(crate) fn unflushed_segments(&self) -> u64 {
        let floor = self.state.read().head.envelope.wal.seq;
        self.durable().seq.0.saturating_sub(floor.0)
    }

    /// Resident bytes of all memtables, roughly.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.state.read().memory()
    }

    pub(crate) fn flush_due(&self) -> bool {
        self.memory() >= self.policy.bytes || self.unflushed_segments() >= self.policy.segments
    }
}

impl State {
    /// Appends the rows of a stored segment to the commits table.
    pub(crate) fn show_commits(&mut self, mark: &Mark, rows: &[&CommitRow]) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let (batch, operations, keys) = commit_rows(mark, rows)?;
        let begin = first.position;
        // one chunk begins at one position; a segment of several commits is cut so that each begins at its own
        let data = self.rows_of(firn_manifest::ids::TableId::COMMITS);
        if rows.len() == 1 {
            data.mem.append(begin, batch, operations, keys);
            return Ok(());
        }
        for (i, (row, key)) in rows.iter().zip(keys).enumerate() {
            data.mem.append(row.position, batch.slice(i, 1), vec![firn_segment::record::RowOp::Insert], vec![key]);
        }
        Ok(())
    }
}
