//! What a statement does to rows of several tables: its own changes and those that foreign keys make follow.
//!
//! Promises: cascades are followed until nothing follows any more; a row is ended once, whoever ends it.
//! Never: a followed row escapes the checks that a written one passes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, concat_batches, filter_record_batch};
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{ForeignKey, ReferentialAction, TableSchema};
use firn_segment::key::{Key, encode_entries};
use firn_segment::record::RowOp;
use firn_segment::types::{sql_type, storage_schema, storage_type, to_storage};

use super::children::{self, chosen, columns_of, same_columns, types_of};
use super::rows;
use crate::commit::Delete;
use crate::error::{Error, Result, sqlstate};
use crate::sql::assign::{Rows, assign};
use crate::sql::keys;
use crate::sql::query::Query;
use crate::state::rows::sql_columns;
use crate::state::sql_schema;

/// Steps of cascades in one statement.
const MOST_STEPS: usize = 1_000;

/// Rows that a statement makes begin.
#[derive(Debug)]
pub struct NewRows {
    /// in stored types
    pub batch: RecordBatch,
    /// their keys
    pub keys: Vec<Key>,
    /// whether a cascade has not taken the row away again
    pub live: Vec<bool>,
}

/// What happens to one table.
#[derive(Debug)]
pub struct TableChanges {
    /// the table
    pub schema: Arc<TableSchema>,
    /// rows that end
    pub deletes: Vec<Delete>,
    /// those rows in full, SQL types, in the same order
    pub old: Vec<RecordBatch>,
    /// their keys
    pub ended: HashSet<Key>,
    /// rows that begin
    pub new: Vec<NewRows>,
    /// whether a cascade changed key columns
    pub moved: bool,
}

/// A change that others may have to follow: rows before, and after if they go on.
#[derive(Debug)]
pub struct Event {
    /// the table
    pub table: Arc<TableSchema>,
    /// the rows before, SQL types
    pub old: RecordBatch,
    /// the same rows after, SQL types
    pub new: Option<RecordBatch>,
}

/// Values that a table lost and that a foreign key without an action may still refer to.
#[derive(Debug)]
pub struct Lost {
    /// the table that refers
    pub child: Arc<TableSchema>,
    /// by this constraint
    pub key: ForeignKey,
    /// the table that lost them
    pub parent: Arc<TableSchema>,
    /// the values, SQL types of the parent
    pub tuples: Vec<ArrayRef>,
}

/// All changes of a statement.
#[derive(Debug)]
pub struct Changes {
    /// by table, the statement's own first
    pub tables: Vec<TableChanges>,
    /// what must not be referred to when all is done
    pub lost: Vec<Lost>,
}

impl TableChanges {
    /// Nothing yet.
    #[must_use]
    pub fn new(schema: Arc<TableSchema>) -> Self {
        Self { schema, deletes: vec![], old: vec![], ended: HashSet::new(), new: vec![], moved: false }
    }

    /// Rows that end.
    pub fn end(&mut self, deletes: Vec<Delete>, rows: RecordBatch) {
        self.ended.extend(deletes.iter().map(|d| d.key.clone()));
        self.deletes.extend(deletes);
        self.old.push(rows);
    }

    /// Rows that begin.
    ///
    /// # Errors
    /// 54000 for a key that is too long.
    pub fn begin(&mut self, batch: RecordBatch) -> Result<()> {
        let keys = keys::keys_of(&self.schema, batch.columns())?;
        self.new.push(NewRows { live: vec![true; keys.len()], keys, batch });
        Ok(())
    }

    /// The rows that begin and stay, with how each came and its key.
    ///
    /// # Errors
    /// None that a statement can cause.
    pub fn live(&self) -> Result<(RecordBatch, Vec<RowOp>, Vec<Key>)> {
        let (mut batches, mut operations, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for new in &self.new {
            let mask = BooleanArray::from(new.live.clone());
            batches.push(
                filter_record_batch(&new.batch, &mask)
                    .map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))?,
            );
            for (key, _) in new.keys.iter().zip(&new.live).filter(|(_, live)| **live) {
                operations.push(if self.ended.contains(key) { RowOp::Update } else { RowOp::Insert });
                keys.push(key.clone());
            }
        }
        let all = concat_batches(&storage_schema(&self.schema), &batches)
            .map_err(|e| Error::internal(format!("rows do not join: {e}")))?;
        Ok((all, operations, keys))
    }
}

impl Changes {
    /// The changes of a table.
    #[must_use]
    pub fn table(&self, id: TableId) -> Option<&TableChanges> {
        self.tables.iter().find(|t| t.schema.id == id)
    }

    fn table_mut(&mut self, schema: &Arc<TableSchema>) -> &mut TableChanges {
        let at = match self.tables.iter().position(|t| t.schema.id == schema.id) {
            Some(at) => at,
            None => {
                self.tables.push(TableChanges::new(schema.clone()));
                self.tables.len() - 1
            }
        };
        &mut self.tables[at]
    }

    /// Follows every event to its end.
    ///
    /// # Errors
    /// What the followed rows' checks say; 54001 for cascades without an end.
    pub async fn follow(&mut self, events: Vec<Event>, q: &Query) -> Result<()> {
        let mut events = VecDeque::from(events);
        let mut steps = 0;
        while let Some(event) = events.pop_front() {
            let snapshot = q.snapshot();
            let referring: Vec<_> =
                snapshot.catalog().referring(event.table.id, snapshot.position()).cloned().collect();
            for child in referring {
                for key in child.foreign_keys.iter().filter(|f| f.table == event.table.id) {
                    let Some((old, new)) = lost(&event, &key.referenced)? else { continue };
                    let action = if event.new.is_some() { key.on_update } else { key.on_delete };
                    if action == ReferentialAction::NoAction {
                        let (child, parent) = (child.clone(), event.table.clone());
                        self.lost.push(Lost { child, key: key.clone(), parent, tuples: old });
                        continue;
                    }
                    steps += 1;
                    if steps > MOST_STEPS {
                        return Err(Error::statement("54001", "the cascades of foreign keys do not end")
                            .with_detail(format!("at constraint \"{}\" of table \"{}\"", key.name, child.name)));
                    }
                    let step = Step { child: &child, key, action, old: &old, new: new.as_deref() };
                    events.extend(self.step(&step, q).await?);
                }
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step<'_>, q: &Query) -> Result<Vec<Event>> {
        let child = step.child;
        let types = types_of(child, &step.key.columns)?;
        let cast: Vec<ArrayRef> =
            step.old.iter().zip(&types).map(|(array, ty)| loosely(array, &sql_type(*ty))).collect::<Result<_>>()?;
        let mut events = Vec::new();
        let (rows, tuples, dead) = self.pending(child, &step.key.columns, &cast)?;
        if !tuples.is_empty() {
            let changes = self.table_mut(child);
            for (chunk, row) in dead {
                changes.new[chunk].live[row] = false;
            }
            events.push(self.carry(step, rows, &tuples, q)?);
        }
        let whole = children::without_nulls(&cast)?;
        if whole.first().is_none_or(|a| a.is_empty()) {
            return Ok(events);
        }
        // the places of the tuples among those without NULL
        let kept: Vec<usize> = (0..cast[0].len()).filter(|row| cast.iter().all(|a| a.is_valid(*row))).collect();
        let mut found = children::find(child, &step.key.columns, &whole, q).await?;
        let ended = self.table(child.id).map(|t| &t.ended);
        let fresh: Vec<u32> = (0u32..)
            .zip(&found.deletes)
            .filter(|(_, d)| ended.is_none_or(|ended| !ended.contains(&d.key)))
            .map(|(row, _)| row)
            .collect();
        if fresh.is_empty() {
            return Ok(events);
        }
        let rows = RecordBatch::try_new(found.rows.schema(), chosen(found.rows.columns(), &fresh)?)
            .map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))?;
        let tuples: Vec<usize> = fresh.iter().map(|row| kept[found.tuples[*row as usize]]).collect();
        let mut row = 0u32;
        found.deletes.retain(|_| {
            row += 1;
            fresh.binary_search(&(row - 1)).is_ok()
        });
        self.table_mut(child).end(found.deletes, rows.clone());
        events.push(self.carry(step, rows, &tuples, q)?);
        Ok(events)
    }

    /// Rows that the statement itself makes begin and that hold one of the tuples: the rows (SQL types), their tuples
    /// and their places.
    #[allow(clippy::type_complexity)]
    fn pending(
        &self,
        child: &Arc<TableSchema>,
        columns: &[ColumnId],
        tuples: &[ArrayRef],
    ) -> Result<(RecordBatch, Vec<usize>, Vec<(usize, usize)>)> {
        let schema = sql_schema(child, true);
        let empty = RecordBatch::new_empty(schema.clone());
        let Some(changes) = self.table(child.id).filter(|c| !c.new.is_empty()) else {
            return Ok((empty, vec![], vec![]));
        };
        let types = types_of(child, columns)?;
        let wanted: HashMap<Vec<u8>, usize> = encode_entries(tuples, &types)?.into_iter().zip(0..).collect();
        let (mut batches, mut found, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (chunk, new) in changes.new.iter().enumerate() {
            let own = columns_of(child, new.batch.columns(), columns)?;
            let held = encode_entries(&own, &types)?;
            let mut rows = Vec::new();
            for (row, entry) in held.iter().enumerate() {
                let whole = own.iter().all(|a| a.is_valid(row));
                if let Some(tuple) = wanted.get(entry).filter(|_| whole && new.live[row]) {
                    rows.push(u32::try_from(row).unwrap_or(u32::MAX));
                    found.push(*tuple);
                    places.push((chunk, row));
                }
            }
            let arrays = chosen(new.batch.columns(), &rows)?;
            let arrays = sql_columns(child, &arrays)?;
            batches.push(
                RecordBatch::try_new(schema.clone(), arrays)
                    .map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))?,
            );
        }
        let all = concat_batches(&schema, &batches).map_err(|e| Error::internal(format!("rows do not join: {e}")))?;
        Ok((all, found, places))
    }

    /// Lets rows that refer to lost tuples go, or go on with new values.
    fn carry(&mut self, step: &Step<'_>, rows: RecordBatch, tuples: &[usize], q: &Query) -> Result<Event> {
        let child = step.child;
        let goes_on = step.action == ReferentialAction::SetNull || step.new.is_some();
        if !goes_on {
            return Ok(Event { table: child.clone(), old: rows, new: None });
        }
        let mut arrays = rows.columns().iter().map(|a| Ok(to_storage(a)?)).collect::<Result<Vec<ArrayRef>>>()?;
        let picks: Vec<u32> = tuples.iter().map(|t| u32::try_from(*t).unwrap_or(u32::MAX)).collect();
        for (place, id) in step.key.columns.iter().enumerate() {
            let Some(at) = child.columns.iter().position(|c| c.id == *id) else { continue };
            let column = &child.columns[at];
            arrays[at] = match step.new.filter(|_| step.action == ReferentialAction::Cascade) {
                None => new_null_array(&storage_type(column.ty), rows.num_rows()),
                Some(new) => {
                    let values = chosen(std::slice::from_ref(&new[place]), &picks)?;
                    assign(&values[0], column, Rows::From(0))?
                }
            };
        }
        let new = rows::finish(child, arrays, rows.num_rows(), q)?;
        let shown = sql_columns(child, new.columns())?;
        let shown = RecordBatch::try_new(sql_schema(child, true), shown)
            .map_err(|e| Error::internal(format!("rows of table \"{}\": {e}", child.name)))?;
        let changes = self.table_mut(child);
        changes.moved |= step.key.columns.iter().any(|id| child.key.contains(id));
        changes.begin(new)?;
        Ok(Event { table: child.clone(), old: rows, new: Some(shown) })
    }
}

/// One foreign key following one event.
struct Step<'a> {
    child: &'a Arc<TableSchema>,
    key: &'a ForeignKey,
    action: ReferentialAction,
    old: &'a [ArrayRef],
    new: Option<&'a [ArrayRef]>,
}

/// The referenced values that an event takes away, and what they become.
#[allow(clippy::type_complexity)]
fn lost(event: &Event, referenced: &[ColumnId]) -> Result<Option<(Vec<ArrayRef>, Option<Vec<ArrayRef>>)>> {
    let types = types_of(&event.table, referenced)?;
    let old = columns_of(&event.table, event.old.columns(), referenced)?;
    let before = encode_entries(&old, &types)?;
    let new = match &event.new {
        Some(new) => Some(columns_of(&event.table, new.columns(), referenced)?),
        None => None,
    };
    let now = match &new {
        Some(new) => encode_entries(new, &types)?,
        None => vec![],
    };
    let gone: Vec<u32> = (0u32..)
        .zip(&before)
        .filter(|(row, entry)| {
            let row = *row as usize;
            old.iter().all(|a| a.is_valid(row)) && now.get(row) != Some(*entry)
        })
        .map(|(row, _)| row)
        .collect();
    if gone.is_empty() {
        return Ok(None);
    }
    Ok(Some((chosen(&old, &gone)?, new.map(|new| chosen(&new, &gone)).transpose()?)))
}

/// The values in another type; those that it cannot hold become NULL, which nothing equals.
///
/// # Errors
/// When there is no such cast.
pub fn loosely(array: &ArrayRef, ty: &arrow::datatypes::DataType) -> Result<ArrayRef> {
    if array.data_type() == ty {
        return Ok(array.clone());
    }
    cast_with_options(array, ty, &CastOptions { safe: true, ..CastOptions::default() })
        .map_err(|e| Error::statement(sqlstate::INTERNAL_ERROR, format!("a foreign key's values do not compare: {e}")))
}

/// Whether the columns are the table's key.
#[must_use]
pub fn is_key(table: &TableSchema, columns: &[ColumnId]) -> bool {
    same_columns(columns, &table.key)
}
