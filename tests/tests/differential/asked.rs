//! A database that is asked.
//!
//! Promises: a statement that fails fails the test with its text.
//! Never: anything but SQL reaches the database.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use firn_engine::session::{Session, parse};
use firn_engine::{Database, FlushPolicy, OpenOptions};
use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::StoreUri;
use firn_manifest::world::system;
use futures::TryStreamExt;
use tempfile::TempDir;

/// A database in a folder, with one session.
pub struct Place {
    database: Arc<Database>,
    session: Session,
    store: Store,
    keys: Arc<dyn KeyService>,
    _dir: TempDir,
}

/// Flushes after almost every statement, so that files, vectors and the memtable all take part.
fn options() -> OpenOptions {
    let flush = FlushPolicy { bytes: 64 << 20, segments: 3, close_segments: 2, close_bytes: 64 << 20 };
    OpenOptions { flush, ..OpenOptions::default() }
}

impl Place {
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (store, key) = (dir.path().join("store"), dir.path().join("master.key"));
        let uri = format!("file://{}?ns=acme&kms=local:{}", store.display(), key.display());
        let uri = StoreUri::parse(&uri).unwrap();
        let store = Store::connect(&uri, system()).unwrap().namespace(uri.namespace().unwrap());
        let keys = key_service(&uri, system()).unwrap();
        let database = Database::open_in(store.clone(), keys.clone(), options()).await.unwrap();
        let session = database.session();
        Self { database, session, store, keys, _dir: dir }
    }

    pub async fn reopen(&mut self) {
        self.database.close().await.unwrap();
        self.database = Database::open_in(self.store.clone(), self.keys.clone(), options()).await.unwrap();
        self.session = self.database.session();
    }

    pub async fn run(&mut self, sql: &str) {
        self.session.execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// The rows as text, sorted.
    pub async fn rows(&mut self, sql: &str) -> Vec<String> {
        let statement = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}")).remove(0);
        let outcome = self.session.run(&statement, &[], None).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let batches: Vec<_> = outcome.rows.unwrap().try_collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let format = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in &batches {
            let columns: Vec<_> =
                batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &format).unwrap()).collect();
            for row in 0..batch.num_rows() {
                rows.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"));
            }
        }
        rows.sort();
        rows
    }

    pub async fn one(&mut self, sql: &str) -> String {
        self.rows(sql).await.remove(0)
    }

    pub async fn position(&mut self) -> u64 {
        self.one("SELECT firn_position()").await.parse().unwrap()
    }
}
