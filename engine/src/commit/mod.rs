//! The commit pipeline of one namespace: statements that write run one after another against the newest state and share
//! the PUT of their WAL segment; transactions are validated at COMMIT.
//!
//! Promises: a commit is acknowledged only after its segment is known to be stored, and never before an earlier one (I4, I5).
//! Never: two PUTs of one namespace's WAL are in flight; a slot is tried while the one before it is unresolved.

mod apply;
mod core;
mod durable;
mod lane;
mod log;
mod open;
mod requests;
mod transaction;
mod validate;

use std::sync::Arc;

use arrow::array::RecordBatch;
use firn_manifest::ids::Position;
use firn_manifest::schema::{CatalogChange, TableSchema};
use firn_manifest::store::Store;
use firn_segment::key::Key;
use firn_segment::record::{Answer, RowOp};

pub(crate) use self::apply::{Applied, AppliedTable, State, Target};
pub use self::core::{Consistency, Core, FlushPolicy};
pub(crate) use self::core::{Moment, Writer};
pub(crate) use self::durable::Mark;
pub use self::lane::Passed;
pub(crate) use self::requests::{CommitRow, commit_rows};
pub use self::transaction::{Read, Transaction, Written};
use crate::state::Found;

/// Who writes, and under which id.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// who: stands in `firn_commits`
    pub actor: Option<String>,
    /// why: stands in `firn_commits`
    pub reason: Option<String>,
    /// an id that makes the write safe to retry: seen again, the first answer comes back
    pub request_id: Option<String>,
    /// the store, counting into the statement's tally
    pub store: Store,
}

/// What one statement or transaction changes: all of it in one commit record.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    /// the kind as `firn_commits` shows it: `INSERT`, `CREATE TABLE`, `TRANSACTION`
    pub kind: String,
    /// schema changes, in order
    pub catalog: Vec<CatalogChange>,
    /// row changes
    pub tables: Vec<TableWrite>,
    /// the answers of the statements
    pub answers: Vec<Answer>,
}

/// The row changes of one table.
#[derive(Clone, Debug)]
pub struct TableWrite {
    /// the schema version the rows have
    pub schema: Arc<TableSchema>,
    /// rows that end
    pub deletes: Vec<Delete>,
    /// rows that begin, in `storage_schema(schema)`
    pub inserts: Option<RecordBatch>,
    /// how each inserted row came
    pub operations: Vec<RowOp>,
    /// the deleted rows in full, by column name in SQL types; without them concurrent transactions are validated by table
    pub old_rows: Option<RecordBatch>,
}

/// A row that ends. An update is a `Delete` and an inserted row with [`RowOp::Update`].
#[derive(Clone, Debug)]
pub struct Delete {
    /// its key
    pub key: Key,
    /// where it stands, as [`crate::state::Snapshot::locate`] or a `_loc` column said
    pub found: Found,
}

/// An acknowledged commit.
#[derive(Clone, Debug)]
pub struct Committed {
    /// its position
    pub position: Position,
    /// its commit time, microseconds since 1970 UTC
    pub commit_time: i64,
    /// the answers of its statements
    pub answers: Vec<Answer>,
    /// the request id had been seen: nothing was done now, the answers are the first ones
    pub replayed: bool,
}

impl WriteSet {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.catalog.is_empty()
            && self.tables.iter().all(|t| t.deletes.is_empty() && t.inserts.as_ref().is_none_or(|b| b.num_rows() == 0))
    }
}
