//! A database in memory and short ways to ask it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use firn_engine::session::{Outcome, Session, parse};
use firn_engine::{Database, Error, Mode, OpenOptions};
use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::StoreUri;
use firn_manifest::world::system;
use futures::TryStreamExt;
use tempfile::TempDir;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A namespace and one session of it.
pub struct Db {
    pub database: Arc<Database>,
    pub session: Session,
    store: Store,
    keys: Arc<dyn KeyService>,
    _dir: Arc<TempDir>,
}

impl Db {
    /// A new namespace on which the script has been run.
    pub async fn with(script: &str) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let key = dir.path().join("master.key");
        let uri = format!("memory://queries-{number}?ns=acme&kms=local:{}", key.display());
        let uri = StoreUri::parse(&uri).unwrap();
        let store = Store::connect(&uri, system()).unwrap().namespace(uri.namespace().unwrap());
        let keys = key_service(&uri, system()).unwrap();
        let database = Database::open_in(store.clone(), keys.clone(), OpenOptions::default()).await.unwrap();
        let session = database.session();
        let mut db = Self { database, session, store, keys, _dir: dir };
        if !script.is_empty() {
            db.session.execute(script).await.unwrap();
        }
        db
    }

    /// Another process's view of the same namespace.
    pub async fn another(&self, mode: Mode) -> Self {
        let options = OpenOptions { mode, ..OpenOptions::default() };
        let database = Database::open_in(self.store.clone(), self.keys.clone(), options).await.unwrap();
        let session = database.session();
        Self { database, session, store: self.store.clone(), keys: self.keys.clone(), _dir: self._dir.clone() }
    }

    /// Another session of the same process.
    pub fn session(&self) -> Self {
        Self {
            database: self.database.clone(),
            session: self.database.session(),
            store: self.store.clone(),
            keys: self.keys.clone(),
            _dir: self._dir.clone(),
        }
    }

    /// Runs one statement with parameters.
    pub async fn run(&mut self, sql: &str, params: &[ScalarValue]) -> Result<(Outcome, Vec<RecordBatch>), Error> {
        self.run_as(sql, params, None).await
    }

    /// Runs one statement with parameters and a request id.
    pub async fn run_as(
        &mut self,
        sql: &str,
        params: &[ScalarValue],
        id: Option<&str>,
    ) -> Result<(Outcome, Vec<RecordBatch>), Error> {
        let statement = parse(sql)?.remove(0);
        let mut outcome = self.session.run(&statement, params, id).await?;
        let batches = match outcome.rows.take() {
            Some(rows) => rows.try_collect().await?,
            None => vec![],
        };
        for batch in &batches {
            assert_eq!(batch.schema(), outcome.schema, "{sql}");
        }
        Ok((outcome, batches))
    }

    /// Runs a statement; its tag.
    pub async fn ok(&mut self, sql: &str) -> String {
        let (outcome, _) = self.run(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        outcome.tag
    }

    /// Runs a statement that writes; its position.
    pub async fn write(&mut self, sql: &str) -> u64 {
        let (outcome, _) = self.run(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        outcome.position.unwrap_or_else(|| panic!("{sql} reported no position")).0
    }

    /// The rows as text, columns joined by `|`.
    pub async fn rows(&mut self, sql: &str) -> Vec<String> {
        self.rows_of(sql, &[]).await
    }

    /// The rows of a statement with parameters.
    pub async fn rows_of(&mut self, sql: &str, params: &[ScalarValue]) -> Vec<String> {
        let (_, batches) = self.run(sql, params).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        text(&batches)
    }

    /// The only value.
    pub async fn one(&mut self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0].clone()
    }

    /// The output's column names.
    pub async fn names(&mut self, sql: &str) -> Vec<String> {
        let (outcome, _) = self.run(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        outcome.schema.fields().iter().map(|f| f.name().clone()).collect()
    }

    /// The error of a statement.
    pub async fn err(&mut self, sql: &str) -> Error {
        match self.run(sql, &[]).await {
            Ok((_, batches)) => panic!("{sql} gave {:?}", text(&batches)),
            Err(error) => error,
        }
    }

    /// Each statement fails with that SQLSTATE.
    pub async fn refuses(&mut self, cases: &[(&str, &str)]) {
        for (sql, code) in cases {
            let error = self.err(sql).await;
            assert_eq!(error.sqlstate, *code, "{sql}: {error:?}");
            for words in
                ["Error during planning", "DataFusion", "Arrow error", "Execution error", "This feature is not"]
            {
                assert!(!error.to_string().contains(words), "{sql}: {error}");
            }
        }
    }
}

/// Batches as text.
pub fn text(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}
