//! The driver: proposes commands, follows what others committed, writes checkpoints.
//!
//! Promises: an outcome is answered only after the entry that holds its command is known to be stored (DIR-3); commands
//! that are proposed while an entry is being written share the next one; a command that was not done because another
//! process won the slot is decided anew on what that one did.
//! Never: an entry n + 1 while entry n is unresolved: after an unknown outcome slot n is the one that is tried again.

mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::Cause;
use firn_manifest::{Error, KeyRing, KeyService, Store, StoreError, World};
use futures::channel::oneshot;
use parking_lot::{Mutex, RwLock};

use super::format::{self, EntryEnvelope, EntryKind, decode_entry, entry_name};
use super::open::{self, Cursor};
use crate::document::FORMAT;
use crate::error::invalid;
use crate::ids::Time;
use crate::op::{Command, Outcome};
use crate::receipt::LogHead;
use crate::state::Directory;

/// Commands in one entry.
const BATCH: usize = 256;

/// Is told of every command that took effect here, with the state after it.
pub(crate) type Observer = Box<dyn Fn(&Command, &Directory) + Send + Sync>;

struct Proposal {
    command: Command,
    answer: oneshot::Sender<Result<Outcome, Error>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Proposal>,
    running: bool,
}

#[derive(Clone)]
struct View {
    directory: Arc<Directory>,
    head: LogHead,
}

struct Inner {
    store: Store,
    world: Arc<dyn World>,
    master: RwLock<Arc<dyn KeyService>>,
    writer: String,
    cursor: tokio::sync::Mutex<Cursor>,
    view: RwLock<View>,
    queue: Mutex<Queue>,
    /// asks for currency are numbered; the highest one that a later proof covers
    asked: AtomicU64,
    proved: AtomicU64,
    /// since when the state is known to be current
    proved_at: Mutex<Option<Duration>>,
    observer: Observer,
}

/// A handle on an open log; cheap to clone.
#[derive(Clone)]
pub struct Driver(Arc<Inner>);

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Driver {{ store: {}, entry: {} }}", self.0.store.describe(), self.0.view.read().head.seq)
    }
}

impl Driver {
    /// Goes on from where a log was opened.
    pub(crate) fn start(
        store: &Store,
        master: Arc<dyn KeyService>,
        writer: &str,
        (cursor, directory): (Cursor, Directory),
        observer: Observer,
    ) -> Self {
        let view = View { directory: Arc::new(directory), head: cursor.head };
        Self(Arc::new(Inner {
            store: store.clone(),
            world: store.world().clone(),
            master: RwLock::new(master),
            writer: writer.to_owned(),
            cursor: tokio::sync::Mutex::new(cursor),
            view: RwLock::new(view),
            queue: Mutex::default(),
            asked: AtomicU64::new(0),
            proved: AtomicU64::new(0),
            proved_at: Mutex::default(),
            observer,
        }))
    }

    /// The state as last seen; no request.
    #[must_use]
    pub fn state(&self) -> Arc<Directory> {
        self.0.view.read().directory.clone()
    }

    /// The state as last seen, with the log's head it is the state of; no request.
    #[must_use]
    pub fn state_at(&self) -> (Arc<Directory>, LogHead) {
        let view = self.0.view.read();
        (view.directory.clone(), view.head)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The master key service.
    #[must_use]
    pub fn master(&self) -> Arc<dyn KeyService> {
        self.0.master.read().clone()
    }

    pub(crate) fn set_master(&self, master: Arc<dyn KeyService>) {
        *self.0.master.write() = master;
    }

    /// The directory's data keys.
    pub(crate) async fn ring(&self) -> Arc<KeyRing> {
        self.0.cursor.lock().await.ring.clone()
    }

    /// Proves the state current as of this call: one GET of the next slot that answers 404, or a proof of somebody else
    /// that began after this call.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Integrity`] if the next entry is damaged; [`Error::Key`].
    pub async fn refresh(&self) -> Result<Arc<Directory>, Error> {
        let ask = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut cursor = self.0.cursor.lock().await;
        if self.0.proved.load(Ordering::SeqCst) < ask {
            self.0.catch_up(&mut cursor).await?;
        }
        drop(cursor);
        Ok(self.state())
    }

    /// As [`Driver::refresh`], unless the state was proved current within the last `age`.
    ///
    /// # Errors
    /// As [`Driver::refresh`].
    pub async fn refresh_if_older(&self, age: Duration) -> Result<Arc<Directory>, Error> {
        let proved = *self.0.proved_at.lock();
        match proved {
            Some(at) if self.0.world.monotonic().saturating_sub(at) < age => Ok(self.state()),
            _ => self.refresh().await,
        }
    }

    /// Has a command done: its outcome, once the entry that holds it is stored.
    ///
    /// # Errors
    /// [`Error::Unresolved`] if it is not known whether it was; [`Error::Store`], [`Error::Integrity`], [`Error::Key`].
    pub async fn propose(&self, command: Command) -> Result<Outcome, Error> {
        let (answer, outcome) = oneshot::channel();
        let start = {
            let mut queue = self.0.queue.lock();
            queue.waiting.push(Proposal { command, answer });
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            tokio::spawn(run(self.0.clone()));
        }
        match outcome.await {
            Ok(outcome) => outcome,
            Err(oneshot::Canceled) => Err(self.0.stopped()),
        }
    }

    /// Has the directory's own data keys wrapped anew, by `to`.
    pub(crate) async fn rewrap(&self, to: &dyn KeyService) -> Result<(), Error> {
        let mut cursor = self.0.cursor.lock().await;
        self.0.rewrap(&mut cursor, to).await
    }
}

/// Writes entries until nobody waits.
async fn run(inner: Arc<Inner>) {
    let mut guard = Running { inner, ended: false };
    loop {
        let batch: Vec<Proposal> = {
            let mut queue = guard.inner.queue.lock();
            if queue.waiting.is_empty() {
                queue.running = false;
                guard.ended = true;
                return;
            }
            let most = queue.waiting.len().min(BATCH);
            queue.waiting.drain(..most).collect()
        };
        let mut cursor = guard.inner.cursor.lock().await;
        guard.inner.commit(&mut cursor, batch).await;
        guard.inner.checkpoint_if_due(&mut cursor).await;
    }
}

/// Whoever waits learns it when the task ends before its time.
struct Running {
    inner: Arc<Inner>,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let mut queue = self.inner.queue.lock();
            queue.running = false;
            queue.waiting.clear();
        }
    }
}

impl Inner {
    fn stopped(&self) -> Error {
        let name = entry_name(self.view.read().head.seq.next());
        let why = "the process stopped before it was known";
        let kind = firn_manifest::StoreErrorKind::Other;
        let source = StoreError::new(kind, firn_manifest::Op::Put, &name, &self.store.describe(), why);
        Error::Unresolved { object: name, source }
    }

    fn state(&self) -> Arc<Directory> {
        self.view.read().directory.clone()
    }

    /// The state was current at some time after `begin`, when `ask` was the newest ask.
    fn prove(&self, ask: u64, begin: Duration) {
        self.proved.fetch_max(ask, Ordering::SeqCst);
        let mut at = self.proved_at.lock();
        *at = (*at).max(Some(begin));
    }

    async fn commit(&self, cursor: &mut Cursor, mut batch: Vec<Proposal>) {
        let (ask, begin) = (self.asked.load(Ordering::SeqCst), self.world.monotonic());
        let mut current = false;
        loop {
            let at = Time(self.world.now_micros()).max(self.state().now());
            let done = match self.settle(cursor, &mut batch, at, &mut current).await {
                Ok(Some(written)) => self.write(cursor, &mut batch, written, &mut current).await,
                Ok(None) => Ok(true),
                Err(e) => Err(e),
            };
            match done {
                Ok(true) => break,
                Ok(false) => {}
                Err(e) => {
                    tracing::warn!(error = %e, "commands of the directory were not done");
                    for proposal in batch {
                        let _ = proposal.answer.send(Err(e.clone()));
                    }
                    return;
                }
            }
        }
        if current {
            self.prove(ask, begin);
        }
    }

    /// Answers what needs no entry (a repeated request; a refusal, once the state is known to be current) and encodes the
    /// rest; `None` if there is none left.
    async fn settle(
        &self,
        cursor: &mut Cursor,
        batch: &mut Vec<Proposal>,
        at: Time,
        current: &mut bool,
    ) -> Result<Option<bytes::Bytes>, Error> {
        loop {
            let state = self.state();
            let refused = |proposal: &Proposal| state.preview(&proposal.command, at).is_err();
            if *current || !batch.iter().any(refused) {
                break;
            }
            drop(state);
            self.catch_up(cursor).await?;
            *current = true;
        }
        let state = self.state();
        for proposal in std::mem::take(batch) {
            match state.preview(&proposal.command, at) {
                Ok(_) if state.repeated(&proposal.command).is_none() => batch.push(proposal),
                outcome => {
                    let _ = proposal.answer.send(Ok(outcome));
                }
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let commands: Vec<Command> = batch.iter().map(|proposal| proposal.command.clone()).collect();
        let envelope = self.envelope(cursor, EntryKind::Commands, at, commands.len());
        let bytes = format::encode_entry(&envelope, None, &commands, cursor.ring.active(), &*self.world)?;
        if bytes.len() > format::ENTRY_MAX {
            return Err(invalid(&entry_name(envelope.seq), format!("{} bytes of commands are too many", bytes.len())));
        }
        Ok(Some(bytes))
    }

    /// Writes the entry of a batch; true when its commands are done and answered, false when another process won.
    async fn write(
        &self,
        cursor: &mut Cursor,
        batch: &mut Vec<Proposal>,
        bytes: bytes::Bytes,
        current: &mut bool,
    ) -> Result<bool, Error> {
        let ours = self.put(cursor, bytes).await?;
        let entry = decode_entry(cursor.head.seq.next(), &ours.bytes)?;
        if !ours.committed {
            // whoever is behind by one entry may be behind by more
            self.follow(cursor, &entry).await?;
            self.catch_up(cursor).await?;
            *current = true;
            return Ok(false);
        }
        let outcomes: Vec<Outcome> = {
            let mut view = self.view.write();
            let directory = Arc::make_mut(&mut view.directory);
            let mut outcomes = Vec::with_capacity(batch.len());
            for proposal in batch.iter() {
                outcomes.push(directory.apply(&proposal.command, entry.envelope.written_at));
                (self.observer)(&proposal.command, directory);
            }
            open::advance(cursor, &entry);
            view.head = cursor.head;
            outcomes
        };
        *current = true;
        for (proposal, outcome) in std::mem::take(batch).into_iter().zip(outcomes) {
            let _ = proposal.answer.send(Ok(outcome));
        }
        Ok(true)
    }

    /// Puts an entry into the next slot: ours or the winner's bytes, whichever is there now.
    async fn put(&self, cursor: &mut Cursor, bytes: bytes::Bytes) -> Result<Put, Error> {
        if let Some((name, known)) = cursor.probe.take()
            && let Err(e) = self.store.check_put_if_absent(&name, known.clone()).await
        {
            cursor.probe = Some((name, known));
            return Err(e.into());
        }
        let name = entry_name(cursor.head.seq.next());
        match slot::put(&self.store.for_cause(Cause::Commit), &name, bytes.clone(), slot::DEADLINE).await {
            SlotOutcome::Committed => Ok(Put { bytes, committed: true }),
            SlotOutcome::Lost(winner) => Ok(Put { bytes: winner, committed: false }),
            // a definite refusal: nothing of ours is there, and the reason is what the user needs
            SlotOutcome::Unknown(e) if !e.retryable() => Err(e.into()),
            SlotOutcome::Unknown(source) => Err(Error::Unresolved { object: name, source }),
        }
    }

    fn envelope(&self, cursor: &Cursor, kind: EntryKind, at: Time, commands: usize) -> EntryEnvelope {
        EntryEnvelope {
            format: FORMAT,
            directory: cursor.head.id,
            seq: cursor.head.seq.next(),
            kind,
            prev: cursor.head.sha256,
            written_at: at,
            writer: self.writer.clone(),
            commands: commands as u64,
            active_key: cursor.active_key,
            keys: Vec::new(),
            public_key: None,
        }
    }

    /// Applies an entry that another process committed.
    async fn follow(&self, cursor: &mut Cursor, entry: &format::Entry) -> Result<(), Error> {
        let master = self.master.read().clone();
        let now = self.state().now();
        let commands = open::check(cursor, now, entry, &*master).await?;
        let mut view = self.view.write();
        let directory = Arc::make_mut(&mut view.directory);
        for command in &commands {
            let _ = directory.apply(command, entry.envelope.written_at);
            (self.observer)(command, directory);
        }
        open::advance(cursor, entry);
        view.head = cursor.head;
        Ok(())
    }

    /// Reads on until the next slot is free.
    async fn catch_up(&self, cursor: &mut Cursor) -> Result<(), Error> {
        let store = self.store.for_cause(Cause::Probe);
        loop {
            // what was asked before this GET began is proved by it
            let (ask, begin) = (self.asked.load(Ordering::SeqCst), self.world.monotonic());
            let seq = cursor.head.seq.next();
            match store.get_optional(&entry_name(seq)).await? {
                Some(bytes) => self.follow(cursor, &decode_entry(seq, &bytes)?).await?,
                None => {
                    self.prove(ask, begin);
                    return Ok(());
                }
            }
        }
    }
}

struct Put {
    bytes: bytes::Bytes,
    committed: bool,
}
