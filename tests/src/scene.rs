//! A scene: one store, one master key, and databases opened on it as separate processes would.
//!
//! Promises: every `open` has its own `Store` over its own door, so nothing is shared but the stored bytes and the key.
//! Never: a look into the engine's inside.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use firn_engine::session::Session;
use firn_engine::{Database, Error, Mode, OpenOptions};
use firn_manifest::store::Store;
use firn_manifest::world::{World, system};
use firn_manifest::{KeyService, StoreUri, key_service};
use futures::TryStreamExt as _;

use crate::quick::QuickWorld;
use crate::scripted::Scripted;

/// See the module.
#[derive(Debug)]
pub struct Scene {
    /// the first door to the store
    pub door: Arc<Scripted>,
    keys: Arc<dyn KeyService>,
    _folder: tempfile::TempDir,
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// An empty store and a fresh master key.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("memory://scene?ns=acme&kms=local:{}", folder.path().join("master.key").display());
        let keys = key_service(&StoreUri::parse(&uri).unwrap(), system()).unwrap();
        Self { door: Scripted::new(), keys, _folder: folder }
    }

    /// A database through `door`, in real time.
    pub async fn open(&self, door: &Arc<Scripted>, mode: Mode) -> Arc<Database> {
        self.open_in(door, mode, system()).await
    }

    /// A database through `door` whose waits take no time.
    pub async fn open_quick(&self, door: &Arc<Scripted>, mode: Mode) -> Arc<Database> {
        self.open_in(door, mode, Arc::new(QuickWorld::default())).await
    }

    /// A database through `door` in a world of its own.
    pub async fn open_in(&self, door: &Arc<Scripted>, mode: Mode, world: Arc<dyn World>) -> Arc<Database> {
        let store = Store::from_backend(door.clone(), "prefix", world).namespace(&"acme".parse().unwrap());
        let options = OpenOptions { mode, ..OpenOptions::default() };
        Database::open_in(store, self.keys.clone(), options).await.unwrap()
    }

    /// What a process that opens the namespace now, only to read, sees.
    pub async fn reads(&self, sql: &str) -> Vec<Vec<String>> {
        let db = self.open(&Scripted::beside(&self.door), Mode::ReadOnly).await;
        rows(&mut db.session(), sql).await.unwrap()
    }

    /// `verify --replay` of what is stored; the findings.
    pub async fn findings(&self) -> Vec<String> {
        let db = self.open(&Scripted::beside(&self.door), Mode::ReadOnly).await;
        let report = firn_engine::verify::verify_replay(&db).await.unwrap();
        report.findings.iter().map(|f| format!("{} {}: {}", f.invariant, f.object, f.problem)).collect()
    }
}

/// Runs statements; the rows of the last that has any, as text.
///
/// # Errors
/// The first statement's that fails.
pub async fn rows(session: &mut Session, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let mut last = Vec::new();
    for outcome in session.execute(sql).await? {
        if let Some(stream) = outcome.rows {
            let batches: Vec<RecordBatch> = stream.try_collect().await?;
            last = batches.iter().flat_map(texts).collect();
        }
    }
    Ok(last)
}

/// Runs statements whose rows nobody wants.
///
/// # Errors
/// The first statement's that fails.
pub async fn run(session: &mut Session, sql: &str) -> Result<(), Error> {
    rows(session, sql).await.map(drop)
}

fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()).collect()
}
