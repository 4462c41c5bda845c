//! Opening namespaces and running statements to their last row, as every measurement does.
//!
//! Promises: a statement counts as done when its last row is there.
//! Never: a setting that the command would not have, but where a measurement says so.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use firn_engine::session::{Session, Statement, parse};
use firn_engine::{Database, Error, FlushPolicy, OpenOptions};
use firn_manifest::store::TallySummary;
use firn_manifest::uri::StoreUri;
use futures::TryStreamExt as _;

/// A namespace, opened as the command opens it.
///
/// # Errors
/// The URI's, the store's, the key service's.
pub async fn open(uri: &str) -> Result<Arc<Database>, Error> {
    open_with(uri, OpenOptions::default()).await
}

/// A namespace whose memtables stay in memory until a flush is asked for.
///
/// # Errors
/// As [`open`].
pub async fn open_unflushed(uri: &str) -> Result<Arc<Database>, Error> {
    let flush = FlushPolicy { bytes: 4 << 30, segments: 1 << 30, close_segments: 1 << 30, close_bytes: 4 << 30 };
    open_with(uri, OpenOptions { flush, ..OpenOptions::default() }).await
}

async fn open_with(uri: &str, options: OpenOptions) -> Result<Arc<Database>, Error> {
    let uri = StoreUri::parse(uri).map_err(|e| Error::internal(e.to_string()))?;
    Database::open(&uri, options).await
}

/// The one statement of `sql`.
///
/// # Errors
/// The parser's.
pub fn statement(sql: &str) -> Result<Statement, Error> {
    parse(sql)?.into_iter().next().ok_or_else(|| Error::internal("no statement"))
}

/// What a statement gave.
pub struct Answer {
    /// its rows
    pub batches: Vec<RecordBatch>,
    /// rows written
    pub affected: u64,
    /// where it wrote or read
    pub position: u64,
    /// its requests
    pub tally: TallySummary,
}

/// Runs a statement to its last row.
///
/// # Errors
/// The statement's.
pub async fn run(session: &mut Session, statement: &Statement, params: &[ScalarValue]) -> Result<Answer, Error> {
    let outcome = session.run(statement, params, None).await?;
    let batches = match outcome.rows {
        Some(rows) => rows.try_collect().await?,
        None => Vec::new(),
    };
    Ok(Answer {
        batches,
        affected: outcome.rows_affected,
        position: outcome.position.map_or(0, |p| p.0),
        tally: outcome.tally.summary(),
    })
}

/// Runs a statement given as text.
///
/// # Errors
/// The statement's.
pub async fn run_sql(session: &mut Session, sql: &str) -> Result<Answer, Error> {
    run(session, &statement(sql)?, &[]).await
}
