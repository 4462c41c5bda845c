//! All that follows from what a statement does to the rows of its table.
//!
//! Promises: the write set holds the statement's own changes, what foreign keys made follow, and the entries of every
//! index concerned; it exists only if UNIQUE and FOREIGN KEY hold after all of it.
//! Never: a table that nothing depends on is looked at twice.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use firn_manifest::schema::TableSchema;
use firn_segment::key::Key;

use super::cascade::{Changes, Event, TableChanges};
use super::children::chosen;
use super::{foreign, identity, maintain};
use crate::commit::{Delete, TableWrite};
use crate::error::{Error, Result};
use crate::sql::keys;
use crate::sql::query::Query;
use crate::sql::write::Changed;
use crate::state::rows::sql_columns;
use crate::state::sql_schema;

/// The changes of all tables; `kind` is the statement's.
///
/// # Errors
/// 23503, 23505, and what the checks of rows that follow say.
pub async fn effects(kind: &str, changed: Changed, q: &Query) -> Result<Vec<TableWrite>> {
    let Changed { table, deletes, old_rows, inserts, operations } = changed;
    let inserts = inserts.filter(|batch| batch.num_rows() > 0);
    if deletes.is_empty() && inserts.is_none() {
        return Ok(vec![]);
    }
    let snapshot = q.snapshot();
    let referred = !deletes.is_empty() && snapshot.catalog().referring(table.id, snapshot.position()).next().is_some();
    if table.indexes.is_empty() && table.foreign_keys.is_empty() && !referred {
        return Ok(vec![TableWrite { schema: table, deletes, inserts, operations, old_rows }]);
    }
    let mut own = TableChanges::new(table.clone());
    let mut events = Vec::new();
    let inserts = inserts.map(|batch| with_row_ids(&table, batch, q)).transpose()?;
    if !deletes.is_empty() {
        let old = match old_rows {
            Some(rows) => rows,
            None => snapshot.fetch(&table, &deletes.iter().map(|d| d.found).collect::<Vec<_>>()).await?,
        };
        if referred {
            events = pairs(kind, &table, &deletes, &old, inserts.as_ref())?;
        }
        own.end(deletes, old);
    }
    if let Some(batch) = inserts {
        own.begin(batch)?;
    }
    let mut changes = Changes { tables: vec![own], lost: vec![] };
    changes.follow(events, q).await?;
    writes(&changes, q).await
}

/// The changes of a table whose rows all end, together with those of every table that refers to it.
///
/// # Errors
/// Of reading index entries.
pub async fn emptied(changed: Changed, q: &Query) -> Result<Vec<TableWrite>> {
    let Changed { table, deletes, old_rows, .. } = changed;
    if deletes.is_empty() {
        return Ok(vec![]);
    }
    let mut writes = Vec::with_capacity(1 + table.indexes.len());
    if !table.indexes.is_empty() {
        let mut own = TableChanges::new(table.clone());
        let old = old_rows.clone().ok_or_else(|| Error::internal("rows that end were not read"))?;
        own.end(deletes.clone(), old);
        for index in &table.indexes {
            writes.extend(maintain::entries(&own, index, q).await?);
        }
    }
    writes.insert(0, TableWrite { schema: table, deletes, inserts: None, operations: vec![], old_rows });
    Ok(writes)
}

async fn writes(changes: &Changes, q: &Query) -> Result<Vec<TableWrite>> {
    let mut rows = Vec::new();
    let mut entries = Vec::new();
    for table in &changes.tables {
        let (live, operations, keys) = table.live()?;
        if table.moved {
            keys::check_free(&table.schema, &keys, &table.ended.iter().collect(), q).await?;
        }
        for index in &table.schema.indexes {
            entries.extend(maintain::entries(table, index, q).await?);
        }
        let schema = sql_schema(&table.schema, true);
        let old = arrow::compute::concat_batches(&schema, &table.old)
            .map_err(|e| Error::internal(format!("rows of table \"{}\" do not join: {e}", table.schema.name)))?;
        rows.push(TableWrite {
            schema: table.schema.clone(),
            deletes: table.deletes.clone(),
            inserts: (live.num_rows() > 0).then_some(live),
            operations,
            old_rows: Some(old),
        });
    }
    foreign::check_lost(changes, q).await?;
    foreign::check_references(changes, q).await?;
    rows.extend(entries);
    Ok(rows)
}

/// Row ids for rows of an indexed table without a key: its entries name them.
fn with_row_ids(table: &TableSchema, batch: RecordBatch, q: &Query) -> Result<RecordBatch> {
    let place = table.columns.iter().position(|c| c.hidden);
    let Some((at, ids)) = place.and_then(|at| Some((at, batch.columns().get(at)?.as_primitive_opt::<Int64Type>()?)))
    else {
        return Ok(batch);
    };
    let missing = ids.iter().filter(|id| id.is_none_or(|id| id == 0)).count();
    if missing == 0 || table.indexes.is_empty() {
        return Ok(batch);
    }
    let mut drawn = identity::row_ids(table, &table.columns[at], missing, q)?.into_iter();
    let filled: Int64Array = ids.iter().map(|id| id.filter(|id| *id != 0).or_else(|| drawn.next())).collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[at] = Arc::new(filled);
    RecordBatch::try_new(batch.schema(), columns).map_err(|e| Error::internal(format!("row ids: {e}")))
}

/// Which old row became which new one: in order for an UPDATE, otherwise by key; the rest was deleted.
fn pairs(
    kind: &str,
    table: &Arc<TableSchema>,
    deletes: &[Delete],
    old: &RecordBatch,
    new: Option<&RecordBatch>,
) -> Result<Vec<Event>> {
    let Some(new) = new else {
        return Ok(vec![Event { table: table.clone(), old: old.clone(), new: None }]);
    };
    let mut before: Vec<u32> = Vec::with_capacity(deletes.len());
    let mut now: Vec<u32> = Vec::with_capacity(deletes.len());
    let mut gone: Vec<u32> = Vec::new();
    let rows = (0u32..).take(deletes.len());
    if kind == "UPDATE" && new.num_rows() == deletes.len() {
        before.extend(rows.clone());
        now.extend(rows);
    } else {
        let keys: HashMap<Key, u32> = keys::keys_of(table, new.columns())?.into_iter().zip(0u32..).collect();
        for (row, delete) in rows.zip(deletes) {
            match keys.get(&delete.key) {
                Some(at) => {
                    before.push(row);
                    now.push(*at);
                }
                None => gone.push(row),
            }
        }
    }
    let schema = sql_schema(table, true);
    let built = |arrays: Vec<ArrayRef>| {
        RecordBatch::try_new(schema.clone(), arrays)
            .map_err(|e| Error::internal(format!("rows of table \"{}\": {e}", table.name)))
    };
    let mut events = Vec::new();
    if !gone.is_empty() {
        events.push(Event { table: table.clone(), old: built(chosen(old.columns(), &gone)?)?, new: None });
    }
    if !before.is_empty() {
        let after = sql_columns(table, &chosen(new.columns(), &now)?)?;
        let old = built(chosen(old.columns(), &before)?)?;
        events.push(Event { table: table.clone(), old, new: Some(built(after)?) });
    }
    Ok(events)
}
