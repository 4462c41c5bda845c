//! From a commit record to changes of this process's state: where the rows that end stand here.
//!
//! Promises: a row that a record ends is found whatever this process has flushed, reloaded or not: first by key in the
//! memtable, then where the record says it stood, then by key in the files.
//! Never: a record that ends a row nobody has is applied.

use std::collections::HashMap;
use std::sync::Arc;

use firn_manifest::ids::Position;
use firn_manifest::schema::TableSchema;
use firn_manifest::store::Store;
use firn_segment::key::Key;
use firn_segment::record::{CommitRecord, DeletedRow, TableChange};

use crate::commit::{Applied, AppliedTable, State, Target};
use crate::error::{Error, Result};
use crate::state::Snapshot;
use crate::state::lookup::chunk_keys;
use crate::state::snapshot::{Place, TableData};

/// Resolves a record against the state it is to be applied to.
pub(crate) async fn resolve(state: &State, store: &Store, record: &CommitRecord) -> Result<Applied> {
    let mut tables = Vec::with_capacity(record.changes.len());
    for change in &record.changes {
        let schema = schema_of(state, record, change)?;
        let data = state.tables.get(&change.table).cloned().unwrap_or_default();
        let ends = targets(state, store, &schema, &data, record.position, &change.deletes).await?;
        let inserts = match &change.inserts {
            Some(batch) if batch.num_rows() > 0 => {
                let keys = chunk_keys(&schema, batch)?;
                Some((batch.clone(), change.operations.clone(), keys))
            }
            _ => None,
        };
        tables.push(AppliedTable { table: change.table, ends, inserts, old_rows: None });
    }
    Ok(Applied { position: record.position, commit_time: record.commit_time, catalog: record.catalog.clone(), tables })
}

/// The schema whose key the change's rows have: a table's key never changes, so any version will do.
fn schema_of(state: &State, record: &CommitRecord, change: &TableChange) -> Result<Arc<TableSchema>> {
    let made_here = record.catalog.iter().find_map(|c| match c {
        firn_manifest::schema::CatalogChange::Create { schema }
        | firn_manifest::schema::CatalogChange::Alter { schema }
            if schema.id == change.table =>
        {
            Some(Arc::new(schema.clone()))
        }
        _ => None,
    });
    made_here.or_else(|| state.schema(change.table).cloned()).ok_or_else(|| {
        Error::integrity(
            format!("commit record {}", record.position),
            format!("it writes to table {}, which does not exist", change.table),
        )
    })
}

async fn targets(
    state: &State,
    store: &Store,
    schema: &TableSchema,
    data: &TableData,
    position: Position,
    deletes: &[DeletedRow],
) -> Result<Vec<Target>> {
    let ordinals: HashMap<_, usize> = data.files.iter().enumerate().map(|(i, f)| (f.ulid, i)).collect();
    let mut targets = vec![None; deletes.len()];
    let mut unknown: Vec<(Key, usize)> = Vec::new();
    for (i, row) in deletes.iter().enumerate() {
        let in_memory = data
            .mem
            .newest(&row.key)
            .filter(|loc| data.mem.chunk(loc.chunk).is_some_and(|c| c.end(loc.row as usize).is_none()));
        let in_file = row.locator.and_then(|l| ordinals.get(&l.file).map(|ordinal| Target::File(*ordinal, l.row)));
        targets[i] = in_memory.map(Target::Mem).or(in_file);
        if targets[i].is_none() {
            unknown.push((row.key.clone(), i));
        }
    }
    if !unknown.is_empty() {
        let view = state.view(state.newest, state.newest_time);
        let snapshot = Snapshot::new(Arc::new(view), store.clone());
        let keys: Vec<Key> = unknown.iter().map(|(key, _)| key.clone()).collect();
        for ((_, i), found) in unknown.iter().zip(snapshot.locate(schema, &keys).await?) {
            targets[*i] = match found.map(|f| f.loc.place()) {
                Some(Place::File(ordinal, row)) => Some(Target::File(ordinal as usize, row)),
                _ => None,
            };
        }
    }
    targets
        .into_iter()
        .map(|t| {
            t.ok_or_else(|| {
                Error::integrity(
                    format!("commit record {position}"),
                    format!("it ends a row of table {} that does not exist", schema.id),
                )
            })
        })
        .collect()
}
