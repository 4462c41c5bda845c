//! A transaction: a snapshot, the writes on top of it, and what was read, for validation at COMMIT.
//!
//! Promises: it reads one position and its own writes; its COMMIT is one commit record or none.
//! Never: it holds anything another session waits for.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use datafusion::physical_expr::PhysicalExpr;
use firn_manifest::ids::TableId;
use firn_manifest::store::Store;
use firn_segment::record::Answer;
use firn_segment::types::column_field_name;
use parking_lot::Mutex;

use super::{TableWrite, WriteSet};
use crate::error::{Error, Result};
use crate::state::Snapshot;
use crate::state::lookup::chunk_keys;
use crate::state::overlay::Overlay;

/// Something a transaction read: the rows of a table that satisfy a predicate.
#[derive(Clone, Debug)]
pub struct Read {
    /// the table
    pub table: TableId,
    /// over `sql_schema(table, true)`; `None` means every row
    pub predicate: Option<Arc<dyn PhysicalExpr>>,
}

/// What a transaction had written at a savepoint.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// nothing yet when there is none
    overlay: Option<Arc<Overlay>>,
    answers: usize,
}

/// A running transaction.
#[derive(Debug)]
pub struct Transaction {
    pub(super) base: Snapshot,
    pub(super) overlay: Arc<Overlay>,
    pub(super) reads: Mutex<Vec<Read>>,
    pub(super) answers: Vec<Answer>,
}

impl Transaction {
    /// Begins on a snapshot of durable state.
    #[must_use]
    pub fn begin(base: Snapshot) -> Self {
        let overlay = Arc::new(Overlay::new(base.view.catalog.clone()));
        Self { base, overlay, reads: Mutex::default(), answers: Vec::new() }
    }

    /// Its snapshot with its own writes, counting into `store`'s tally.
    #[must_use]
    pub fn snapshot(&self, store: &Store) -> Snapshot {
        self.base.with_overlay(self.overlay.clone(), store)
    }

    /// The position it reads.
    #[must_use]
    pub fn position(&self) -> firn_manifest::ids::Position {
        self.base.position()
    }

    /// Remembers what was read.
    pub fn record_read(&self, read: Read) {
        self.reads.lock().push(read);
    }

    /// Whether it wrote nothing.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.overlay.changes().is_empty() && self.overlay.tables().is_empty()
    }

    /// Adds one statement's writes.
    ///
    /// # Errors
    /// When a catalog change does not fit; nothing of the statement was added then.
    pub fn apply(&mut self, write: WriteSet) -> Result<()> {
        let mut overlay = (*self.overlay).clone();
        overlay.change_catalog(&write.catalog, self.base.position())?;
        for mut table in write.tables {
            provisional_ids(&mut overlay, &mut table)?;
            let keys = match &table.inserts {
                Some(batch) => chunk_keys(&table.schema, batch)?,
                None => Vec::new(),
            };
            overlay.write(&table, keys);
        }
        self.overlay = Arc::new(overlay);
        self.answers.extend(write.answers);
        Ok(())
    }

    /// What it wrote so far, to come back to.
    #[must_use]
    pub fn mark(&self) -> Written {
        let overlay = (!self.is_read_only()).then(|| self.overlay.clone());
        Written { overlay, answers: self.answers.len() }
    }

    /// Forgets what was written since that mark; what was read stays read.
    pub fn back_to(&mut self, mark: &Written) {
        self.overlay = match &mark.overlay {
            Some(overlay) => overlay.clone(),
            None => Arc::new(Overlay::new(self.base.view.catalog.clone())),
        };
        self.answers.truncate(mark.answers);
    }

    /// The answers of its statements so far.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }
}

/// Rows without a key get ids below zero, unique in the transaction.
fn provisional_ids(overlay: &mut Overlay, write: &mut TableWrite) -> Result<()> {
    let (Some(column), Some(batch)) = (write.schema.row_id(), &write.inserts) else { return Ok(()) };
    let Some((index, _)) = batch.schema_ref().column_with_name(&column_field_name(column.id)) else {
        return Err(Error::internal("a row without its row id column"));
    };
    let Some(ids) = batch.column(index).as_any().downcast_ref::<Int64Array>() else {
        return Err(Error::internal("a row id column that is no BIGINT"));
    };
    let drawn: Int64Array = (0..ids.len())
        .map(|row| {
            let given = ids.is_valid(row) && ids.value(row) != 0;
            Some(if given { ids.value(row) } else { overlay.provisional_row_id() })
        })
        .collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    if let Some(slot) = columns.get_mut(index) {
        *slot = Arc::new(drawn);
    }
    write.inserts =
        Some(RecordBatch::try_new(batch.schema(), columns).map_err(|e| Error::internal(format!("row ids: {e}")))?);
    Ok(())
}
