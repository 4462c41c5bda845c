//! A database: one namespace behind a URI, opened as far as statements need it.
//!
//! Promises: reading opens a follower and writes nothing; the first statement that writes claims the epoch, once. A
//! database that was fenced stays fenced: it does not take the epoch back by itself.
//! Never: opening to read creates a namespace.

use std::sync::Arc;

use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::StoreUri;
use firn_manifest::world::{World, system};
use tokio::sync::{Mutex, OnceCell};

use crate::commit::Core;
pub use crate::commit::{Consistency, FlushPolicy};
use crate::error::{Error, ErrorKind, Result, sqlstate};
use crate::session::Session;
use crate::state::Snapshot;

/// Whether statements may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// the first statement that writes claims the epoch, and creates the namespace when there is none
    #[default]
    ReadWrite,
    /// statements that write are refused
    ReadOnly,
}

/// How a namespace is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// whether statements may write
    pub mode: Mode,
    /// how fresh reads are
    pub consistency: Consistency,
    /// when memtables become files
    pub flush: FlushPolicy,
    /// the door to time and randomness
    pub world: Arc<dyn World>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            consistency: Consistency::default(),
            flush: FlushPolicy::default(),
            world: system(),
        }
    }
}

/// One namespace.
#[derive(Debug)]
pub struct Database {
    name: String,
    store: Store,
    keys: Arc<dyn KeyService>,
    options: OpenOptions,
    reader: Mutex<Option<Arc<Core>>>,
    writer: OnceCell<Arc<Core>>,
}

impl Database {
    /// The namespace that `uri` names. Nothing is asked of the store before a statement needs it.
    ///
    /// # Errors
    /// A URI that cannot be served, or a key service that cannot be used.
    pub async fn open(uri: &StoreUri, options: OpenOptions) -> Result<Arc<Self>> {
        let keys = key_service(uri, options.world.clone())?;
        Self::open_with(uri, keys, options).await
    }

    /// The namespace that `uri` names, opened by these keys.
    ///
    /// # Errors
    /// A URI that cannot be served.
    pub async fn open_with(uri: &StoreUri, keys: Arc<dyn KeyService>, options: OpenOptions) -> Result<Arc<Self>> {
        let name = uri.namespace()?.clone();
        let store = Store::connect(uri, options.world.clone())?.namespace(&name);
        Self::open_named(name.as_str(), store, keys, options)
    }

    /// The namespace in a view of a store.
    ///
    /// # Errors
    /// None today; kept for what opening may check.
    pub async fn open_in(store: Store, keys: Arc<dyn KeyService>, options: OpenOptions) -> Result<Arc<Self>> {
        Self::open_named("firn", store, keys, options)
    }

    fn open_named(name: &str, store: Store, keys: Arc<dyn KeyService>, options: OpenOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            name: name.to_owned(),
            store,
            keys,
            options,
            reader: Mutex::new(None),
            writer: OnceCell::new(),
        }))
    }

    /// A session: the settings and the transaction of one client.
    #[must_use]
    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(self.clone())
    }

    /// The namespace's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace's view of the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The key service it was opened with.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeyService> {
        &self.keys
    }

    /// How it was opened.
    #[must_use]
    pub fn options(&self) -> &OpenOptions {
        &self.options
    }

    /// The core that reads: the writer once there is one, else a follower.
    ///
    /// # Errors
    /// `NoNamespace` when there is none; store, key and integrity errors.
    pub async fn reader(&self) -> Result<Arc<Core>> {
        Ok(self.reader_with(&self.store).await?.0)
    }

    /// As [`Self::reader`]; the second value tells that it was opened by this call and is as fresh as a probe.
    async fn reader_with(&self, store: &Store) -> Result<(Arc<Core>, bool)> {
        if let Some(writer) = self.writer.get() {
            return Ok((writer.clone(), false));
        }
        let mut reader = self.reader.lock().await;
        if let Some(core) = reader.as_ref() {
            return Ok((core.clone(), false));
        }
        let core = Core::follower(store, self.keys.as_ref(), self.options.flush).await?;
        *reader = Some(core.clone());
        Ok((core, true))
    }

    /// Whether snapshots come from the writer by now.
    pub(crate) fn has_writer(&self) -> bool {
        self.writer.get().is_some()
    }

    /// The core that writes; the first call claims the epoch.
    ///
    /// # Errors
    /// 25006 when opened for reading; store, key and integrity errors.
    pub async fn writer(&self) -> Result<Arc<Core>> {
        self.writer_with(&self.store).await
    }

    /// As [`Self::writer`], its requests counted by `store`'s tally.
    ///
    /// # Errors
    /// See [`Self::writer`].
    pub async fn writer_with(&self, store: &Store) -> Result<Arc<Core>> {
        if self.options.mode == Mode::ReadOnly {
            return Err(Error::statement(sqlstate::READ_ONLY, "the namespace is open for reading only")
                .with_hint("open it without --read-only to write"));
        }
        let writer = self
            .writer
            .get_or_try_init(|| Core::claim(store, self.keys.as_ref(), self.options.flush, crate::BUILD))
            .await?;
        // nobody asks the follower any more, and its memtables are a second copy
        if let Ok(mut reader) = self.reader.try_lock() {
            reader.take();
        }
        Ok(writer.clone())
    }

    /// A snapshot for a statement that reads; its requests are counted by `store`'s tally. In a database that may write,
    /// a namespace that does not exist yet reads as an empty one would: not at all, with what to do.
    ///
    /// # Errors
    /// See [`Core::snapshot`] and [`Self::reader`].
    pub async fn snapshot(&self, store: &Store) -> Result<Snapshot> {
        self.snapshot_with(store, self.options.consistency).await
    }

    /// As [`Self::snapshot`], as fresh as is asked.
    ///
    /// # Errors
    /// See [`Self::snapshot`].
    pub async fn snapshot_with(&self, store: &Store, consistency: Consistency) -> Result<Snapshot> {
        let (core, fresh) = match self.reader_with(store).await {
            Err(error) if error.kind == ErrorKind::NoNamespace && self.options.mode == Mode::ReadWrite => {
                return Err(error.with_hint(
                    "the first statement that writes (such as CREATE TABLE) creates it; check the URI if it should exist",
                ));
            }
            other => other?,
        };
        let consistency = if fresh { Consistency::Snapshot } else { consistency };
        core.snapshot(store, consistency).await
    }

    /// Closes cleanly: a writer leaves a short log behind.
    ///
    /// # Errors
    /// Store errors of the last flush; the log holds everything all the same.
    pub async fn close(&self) -> Result<()> {
        let Some(writer) = self.writer.get() else { return Ok(()) };
        let policy = self.options.flush;
        writer.flush_at_rest().await;
        let long = writer.unflushed_segments() > policy.close_segments || writer.memory() > policy.close_bytes;
        if writer.poisoned().is_none() && long {
            writer.flush().await?;
        }
        Ok(())
    }
}
