//! A database in memory that can be closed and opened again, and statements whose rows come back as text.
//!
//! Promises: two databases of one test share nothing with those of another.
//! Never: a helper hides an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use firn_engine::session::{Session, Statement, parse};
use firn_engine::{Database, Error, FlushPolicy, OpenOptions};
use firn_manifest::uri::StoreUri;
use futures::StreamExt;
use tempfile::TempDir;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// With `FILES` every commit is flushed at once.
pub struct Db<const FILES: bool> {
    uri: StoreUri,
    _keys: TempDir,
    database: Arc<Database>,
    session: Session,
}

impl<const FILES: bool> Db<FILES> {
    pub async fn new() -> Self {
        let keys = TempDir::new().unwrap();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = keys.path().join("master.key");
        let text = format!("memory://write-{}-{n}?ns=acme&kms=local:{}", std::process::id(), path.display());
        let uri = StoreUri::parse(&text).unwrap();
        let database = Database::open(&uri, Self::options()).await.unwrap();
        let session = database.session();
        Self { uri, _keys: keys, database, session }
    }

    fn options() -> OpenOptions {
        let at_once = FlushPolicy { bytes: 1, segments: 1, close_segments: 0, close_bytes: 0 };
        OpenOptions { flush: if FILES { at_once } else { FlushPolicy::default() }, ..OpenOptions::default() }
    }

    /// A database after those statements.
    pub async fn with(sql: &str) -> Self {
        let mut db = Self::new().await;
        db.ok(sql).await;
        db
    }

    /// Closes and opens again.
    pub async fn reopen(&mut self) {
        self.database.close().await.unwrap();
        self.database = Database::open(&self.uri, Self::options()).await.unwrap();
        self.session = self.database.session();
    }

    pub fn session(&self) -> Session {
        self.database.session()
    }

    /// The tag of the last statement.
    pub async fn ok(&mut self, sql: &str) -> String {
        run(&mut self.session, sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}")).0
    }

    /// The rows of the last statement, columns joined by `|`, in order.
    pub async fn rows(&mut self, sql: &str) -> Vec<String> {
        run(&mut self.session, sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}")).1
    }

    pub async fn with_params(&mut self, sql: &str, params: &[ScalarValue]) -> Result<(String, Vec<String>), Error> {
        run(&mut self.session, sql, params).await
    }

    /// One statement under a request id.
    pub async fn request(&mut self, sql: &str, id: &str) -> Result<(String, Vec<String>), Error> {
        let statement = parse(sql)?.remove(0);
        answer(&mut self.session, &statement, &[], Some(id)).await
    }

    /// The error of a statement.
    pub async fn err(&mut self, sql: &str) -> Error {
        match run(&mut self.session, sql, &[]).await {
            Ok((tag, rows)) => panic!("{sql} gave {tag} {rows:?}"),
            Err(error) => error,
        }
    }

    /// Each statement fails with its SQLSTATE, and with a hint where it is not supported.
    pub async fn refuses(&mut self, cases: &[(&str, &str)]) {
        for (sql, state) in cases {
            let error = self.err(sql).await;
            assert_eq!(error.sqlstate, *state, "{sql}: {error}");
            assert!(*state != "0A000" || error.hint.is_some(), "{sql} has no hint: {error}");
        }
    }

    pub async fn load(&mut self, table: &str, batch: RecordBatch) -> Result<(String, u64), Error> {
        let outcome = self.session.load_batch(table, batch, None).await?;
        Ok((outcome.tag, outcome.rows_affected))
    }

    /// The whole table now, and again after reopening, must be these rows.
    pub async fn holds(&mut self, sql: &str, want: &[&str]) {
        assert_eq!(self.rows(sql).await, want, "{sql}");
        self.reopen().await;
        assert_eq!(self.rows(sql).await, want, "{sql} after reopening");
    }
}

/// Runs a script; the last statement's tag and rows.
pub async fn run(session: &mut Session, sql: &str, params: &[ScalarValue]) -> Result<(String, Vec<String>), Error> {
    let mut last = (String::new(), vec![]);
    for statement in parse(sql)? {
        last = answer(session, &statement, params, None).await?;
    }
    Ok(last)
}

async fn answer(
    session: &mut Session,
    statement: &Statement,
    params: &[ScalarValue],
    id: Option<&str>,
) -> Result<(String, Vec<String>), Error> {
    let outcome = session.run(statement, params, id).await?;
    let mut rows = Vec::new();
    if let Some(mut stream) = outcome.rows {
        while let Some(batch) = stream.next().await {
            rows.extend(lines(&batch?));
        }
    }
    Ok((outcome.tag, rows))
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}
