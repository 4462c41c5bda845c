//! Opening a namespace: as a follower, or as the writer that claims the next epoch and fences the log.
//!
//! Promises: a writer answers its first statement only after its fence stands, so nothing that an earlier writer was
//! acknowledged for is missing (I2). A follower writes nothing.
//! Never: an epoch is claimed to read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use firn_manifest::keys::KeyService;
use firn_manifest::store::{Cause, Store};
use firn_manifest::{canary, chain};
use futures::{StreamExt, stream};
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard, OnceCell, mpsc};

use super::Committed;
use super::apply::State;
use super::core::{Core, FlushPolicy, Moment, Writer};
use super::durable::{Durable, Mark};
use super::lane::Lane;
use super::log;
use super::requests::CommitRow;
use crate::error::Result;
use crate::wal::{Follower, Tail, plant};

/// Tails of files that opening reads ahead, bytes in all: a first query then needs only its pages.
const READ_AHEAD_BYTES: u64 = 8 << 20;
/// A follower whose memtables are this many times what the policy flushes at starts again from the newest manifest.
const RELOAD_FACTOR: usize = 2;

impl Core {
    /// Opens to read. `store` is the namespace's view and counts into the opening statement's tally.
    ///
    /// # Errors
    /// `NoNamespace`; store, key and integrity errors.
    pub(crate) async fn follower(store: &Store, keys: &dyn KeyService, policy: FlushPolicy) -> Result<Arc<Self>> {
        let store = store.for_cause(Cause::Open);
        let begun = Moment::now(&store);
        let loaded = load(&store, keys).await?;
        Ok(Arc::new(Self::assemble(&store, loaded, begun, None, policy)))
    }

    /// Claims the next epoch, or creates the namespace, and opens to write.
    ///
    /// # Errors
    /// `Fenced` when another writer claims at the same time and wins; store, key and integrity errors.
    pub(crate) async fn claim(
        store: &Store,
        keys: &dyn KeyService,
        policy: FlushPolicy,
        build: &str,
    ) -> Result<Arc<Self>> {
        let store = store.for_cause(Cause::Open);
        let begun = Moment::now(&store);
        let namespace = chain::claim(&store, keys, build).await?;
        let epoch = namespace.head.envelope.epoch;
        let mut state = State::of_manifest(namespace.head, namespace.keys)?;
        let mut tail = Tail::of(&state);
        tail.replay(&mut state, &store).await?;
        if !canary!(SkipFence) {
            plant(&mut tail, &mut state, &store, epoch).await?;
        }
        let (queue, pending) = mpsc::unbounded_channel();
        let writer = Writer { epoch, lane: Mutex::new(Lane::default()), queue, build: build.to_owned() };
        let core = Arc::new(Self::assemble(&store, (state, tail.mark), begun, Some(writer), policy));
        tokio::spawn(log::run(Arc::downgrade(&core), pending));
        Ok(core)
    }

    fn assemble(
        store: &Store,
        (state, mark): (State, Mark),
        current_at: Moment,
        writer: Option<Writer>,
        policy: FlushPolicy,
    ) -> Self {
        Self {
            store: store.without_tally(),
            state: RwLock::new(state),
            mark: Durable::new(mark),
            writer,
            follower: Mutex::new(Follower),
            policy,
            poison: OnceLock::new(),
            requests: OnceCell::new(),
            flushing: AtomicBool::new(false),
            flush_lock: Mutex::new(()),
            torn: AtomicBool::new(false),
            current_at: parking_lot::Mutex::new(current_at),
        }
    }

    pub(crate) async fn follower_lock(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().await
    }

    /// A follower whose memtables have outgrown what a flush would allow starts again from the newest manifest.
    pub(crate) fn reload_due(&self) -> bool {
        self.torn() || self.memory() > self.policy.bytes.saturating_mul(RELOAD_FACTOR)
    }

    /// Whether it stopped half way through a segment.
    pub(crate) fn torn(&self) -> bool {
        self.torn.load(Ordering::Acquire)
    }

    /// Reads the newest manifest and the log after it into a fresh state, and swaps it in.
    pub(crate) async fn reload(&self, store: &Store) -> Result<()> {
        let (keys, version) = {
            let state = self.state.read();
            (state.keys.clone(), state.head.envelope.version)
        };
        let store = store.for_cause(Cause::Open);
        let begun = Moment::now(&store);
        let head = match chain::newest(&store, &keys, version).await? {
            Some(head) => head,
            None => self.state.read().head.clone(),
        };
        let mut state = State::of_manifest(head, keys)?;
        let mut tail = Tail::of(&state);
        tail.replay(&mut state, &store).await?;
        self.swap_in(state, tail.mark);
        self.was_current(begun);
        Ok(())
    }

    /// Replaces a follower's state and its head at once: no snapshot sees one without the other.
    fn swap_in(&self, state: State, mark: Mark) {
        let mut current = self.state.write();
        *current = state;
        self.mark.set(mark);
        drop(current);
        self.torn.store(false, Ordering::Release);
    }

    /// Applies one more segment to a follower's state.
    pub(crate) async fn follow_one(
        &self,
        tail: &mut Tail,
        store: &Store,
        name: &str,
        bytes: bytes::Bytes,
    ) -> Result<()> {
        // The state is cloned cheaply (its parts are shared), changed and swapped in, so that no lock is held over a read.
        // The memtables are shared with the clone: stopped half way (an error, a cancelled query), they are not used again.
        if canary!(FollowerSkips) {
            tail.pass_over(name, bytes)?;
            self.mark.set(tail.mark);
            return Ok(());
        }
        let mut state = self.state.read().share();
        self.torn.store(true, Ordering::Release);
        tail.apply(&mut state, store, name, bytes).await?;
        self.swap_in(state, tail.mark);
        Ok(())
    }
}

impl State {
    /// The same state, sharing memtables and files. What only a writer is asked for (request ids) is left out.
    pub(super) fn share(&self) -> Self {
        Self {
            head: self.head.clone(),
            keys: self.keys.clone(),
            catalog: self.catalog.clone(),
            tables: self.tables.clone(),
            pages: self.pages.clone(),
            next_row_id: self.next_row_id.clone(),
            counters: self.counters.clone(),
            newest: self.newest,
            newest_time: self.newest_time,
            requests: std::collections::HashMap::new(),
            recent: std::collections::VecDeque::new(),
            recent_bytes: 0,
            recent_forgotten: 0,
            recent_floor: self.recent_floor,
        }
    }
}

impl CommitRow {
    /// The answer a repeated request gets.
    pub(crate) fn committed(&self) -> Committed {
        Committed {
            position: self.position,
            commit_time: self.commit_time,
            answers: self.answers.clone(),
            replayed: true,
        }
    }
}

/// The newest manifest's state and the log after it; the files' tails are read beside the log.
async fn load(store: &Store, keys: &dyn KeyService) -> Result<(State, Mark)> {
    let namespace = chain::open(store, keys).await?;
    let mut state = State::of_manifest(namespace.head, namespace.keys)?;
    let ahead = read_ahead(&state, store);
    let mut tail = Tail::of(&state);
    let (replayed, ()) = futures::join!(tail.replay(&mut state, store), ahead);
    replayed?;
    Ok((state, tail.mark))
}

/// Opens files whose tails are small enough in all. What fails here fails again, with its error, where it is needed.
fn read_ahead(state: &State, store: &Store) -> impl Future<Output = ()> + use<> {
    let mut left = READ_AHEAD_BYTES;
    let mut wanted = Vec::new();
    for (table, data) in state.tables.iter() {
        let columns: Vec<_> = state.catalog.all_columns(*table).iter().map(|c| (c.id, c.ty)).collect();
        if columns.is_empty() || *table == firn_manifest::ids::TableId::COMMITS {
            continue;
        }
        for file in data.files.iter() {
            let tail = file.entry.size.saturating_sub(file.entry.tail_offset);
            if tail <= left {
                left -= tail;
                wanted.push((file.clone(), columns.clone()));
            }
        }
    }
    let (store, keys) = (store.for_cause(Cause::Open).round(), state.keys.clone());
    async move {
        stream::iter(wanted)
            .for_each_concurrent(None, |(file, columns)| {
                let (store, keys) = (store.clone(), keys.clone());
                async move {
                    let _ = futures::join!(file.reader(&store, &keys, &columns), file.stored_vector(&store, &keys));
                }
            })
            .await;
    }
}
