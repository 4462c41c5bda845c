//! Index entries that follow from changes of rows, and UNIQUE.
//!
//! Promises: every change of a row changes the entries of all its table's indexes in the same commit record; an entry
//! that stays the same is not written again. Uniqueness is decided against the newest state the statement sees, and a
//! transaction counts what it looked up as read, so of two that bring the same value one loses.
//! Never: two rows of a unique index agree in all its columns, unless one of them is NULL.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch};
use firn_manifest::schema::{Index, TableSchema};
use firn_segment::key::{Key, encode_entries};
use firn_segment::record::RowOp;
use firn_segment::types::{storage_schema, to_sql};
use firn_segment::{SegmentError, SegmentErrorKind};

use super::cascade::TableChanges;
use super::children::{self, columns_of, types_of};
use super::rows::shown_value;
use crate::commit::{Delete, TableWrite};
use crate::error::{Error, Result, sqlstate};
use crate::sql::keys;
use crate::sql::query::Query;
use crate::state::index::{ENTRY, after};
use crate::state::rows::sql_columns;
use crate::state::{ScanAt, sql_schema};

/// An entry: the indexed values and the row's key.
type Entry = (Vec<u8>, Key);

/// The entries of rows (stored or SQL types) in an index.
///
/// # Errors
/// 54000 for values that are too long.
pub fn entries_of(table: &TableSchema, index: &Index, arrays: &[ArrayRef]) -> Result<Vec<Vec<u8>>> {
    let own = columns_of(table, arrays, &index.columns)?;
    encode_entries(&own, &types_of(table, &index.columns)?).map_err(|e| entry_error(index, e))
}

fn entry_error(index: &Index, error: SegmentError) -> Error {
    if error.kind != SegmentErrorKind::TooLarge {
        return error.into();
    }
    let message = format!("the values of a row are too long for index \"{}\": {}", index.name, error.what);
    Error::statement(sqlstate::PROGRAM_LIMIT_EXCEEDED, message)
        .with_hint("an index holds at most 3 KiB of values for a row; index a shorter column")
}

/// The schema of an index's entries.
///
/// # Errors
/// When the catalog lacks it.
pub fn entries_table(index: &Index, q: &Query) -> Result<Arc<TableSchema>> {
    let snapshot = q.snapshot();
    let found = snapshot.catalog().by_id(index.table, snapshot.position()).cloned();
    found.ok_or_else(|| Error::internal(format!("index \"{}\" has no entries", index.name)))
}

/// What changes of a table do to one of its indexes.
///
/// # Errors
/// 23505, 54000.
pub async fn entries(changes: &TableChanges, index: &Index, q: &Query) -> Result<Option<TableWrite>> {
    let table = &changes.schema;
    let entries = entries_table(index, q)?;
    let mut removed: HashSet<Entry> = HashSet::new();
    let mut deletes = changes.deletes.iter();
    for old in &changes.old {
        let held = entries_of(table, index, old.columns())?;
        removed.extend(held.into_iter().zip(deletes.by_ref().map(|d| d.key.clone())));
    }
    let mut added: Vec<Entry> = Vec::new();
    let (live, _, live_keys) = changes.live()?;
    let mut places = Vec::new();
    for (row, entry) in entries_of(table, index, live.columns())?.into_iter().zip(live_keys).enumerate() {
        // what stays as it was is not written
        if !removed.remove(&entry) {
            added.push(entry);
            places.push(row);
        }
    }
    if index.unique {
        let shown = Shown { table, index, arrays: live.columns(), places: &places };
        check_unique(&shown, &entries, &added, &removed, q).await?;
    }
    write(&entries, &added, removed.into_iter().collect(), q).await
}

/// The rows an error may show.
pub struct Shown<'a> {
    /// the table
    pub table: &'a TableSchema,
    /// the index
    pub index: &'a Index,
    /// the rows
    pub arrays: &'a [ArrayRef],
    /// the row of each added entry
    pub places: &'a [usize],
}

impl Shown<'_> {
    /// `(a, b)=(1, 2)` of an added entry.
    #[must_use]
    pub fn key(&self, at: usize) -> String {
        let row = self.places.get(at).copied().unwrap_or_default();
        let columns = self.index.columns.iter().filter_map(|id| self.table.columns.iter().position(|c| c.id == *id));
        let (names, values): (Vec<&str>, Vec<String>) =
            columns.map(|at| (self.table.columns[at].name.as_str(), shown_value(&self.arrays[at], row))).unzip();
        format!("({})=({})", names.join(", "), values.join(", "))
    }

    fn has_null(&self, at: usize) -> bool {
        let row = self.places.get(at).copied().unwrap_or_default();
        columns_of(self.table, self.arrays, &self.index.columns)
            .is_ok_and(|own| own.iter().any(|array| array.is_null(row)))
    }
}

/// The error of a value that exists.
fn violates(shown: &Shown<'_>, at: usize) -> Error {
    let message = format!("duplicate key value violates unique constraint \"{}\"", shown.index.name);
    Error::statement(sqlstate::UNIQUE_VIOLATION, message).with_detail(format!("Key {} already exists.", shown.key(at)))
}

/// The first added entry that agrees with an earlier one in all columns.
#[must_use]
pub fn first_duplicate(shown: &Shown<'_>, added: &[Entry]) -> Option<usize> {
    let mut seen: HashSet<&[u8]> = HashSet::with_capacity(added.len());
    added.iter().enumerate().position(|(at, (entry, _))| !shown.has_null(at) && !seen.insert(entry))
}

async fn check_unique(
    shown: &Shown<'_>,
    entries: &Arc<TableSchema>,
    added: &[Entry],
    removed: &HashSet<Entry>,
    q: &Query,
) -> Result<()> {
    if let Some(at) = first_duplicate(shown, added) {
        return Err(violates(shown, at));
    }
    let mut asked: HashMap<&[u8], usize> = HashMap::new();
    for (at, (entry, _)) in added.iter().enumerate() {
        if !shown.has_null(at) {
            asked.insert(entry, at);
        }
    }
    let held = held(entries, &asked.keys().map(|e| e.to_vec()).collect::<Vec<_>>(), q).await?;
    match held.iter().filter(|entry| !removed.contains(*entry)).find_map(|(entry, _)| asked.get(entry.as_slice())) {
        Some(at) => Err(violates(shown, *at)),
        None => Ok(()),
    }
}

/// The stored entries with exactly those values; a transaction counts them as read.
///
/// # Errors
/// Store, key and integrity errors of the read.
pub async fn held(entries: &Arc<TableSchema>, values: &[Vec<u8>], q: &Query) -> Result<Vec<Entry>> {
    if values.is_empty() {
        return Ok(vec![]);
    }
    let mut values: Vec<&Vec<u8>> = values.iter().collect();
    values.sort_unstable();
    values.dedup();
    let asked: ArrayRef = Arc::new(BinaryArray::from_iter_values(values.iter().map(|v| v.as_slice())));
    children::record(entries, &[ENTRY], &[to_sql(&asked)?], q)?;
    let ranges: Vec<_> = values.into_iter().map(|low| (low.clone(), after(low))).collect();
    let at = ScanAt::Position(q.snapshot().position());
    let found = q.snapshot().index_entries(entries, &ranges, at, usize::MAX).await?;
    Ok(found.unwrap_or_default())
}

/// A batch of entries, in stored types.
///
/// # Errors
/// None that a statement can cause.
pub fn batch(entries: &TableSchema, rows: &[Entry]) -> Result<RecordBatch> {
    let values: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|(entry, _)| entry)));
    let keys: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|(_, key)| key)));
    RecordBatch::try_new(storage_schema(entries), vec![values, keys])
        .map_err(|e| Error::internal(format!("entries of index \"{}\": {e}", entries.name)))
}

async fn write(
    entries: &Arc<TableSchema>,
    added: &[Entry],
    mut removed: Vec<Entry>,
    q: &Query,
) -> Result<Option<TableWrite>> {
    if added.is_empty() && removed.is_empty() {
        return Ok(None);
    }
    removed.sort_unstable();
    let old = batch(entries, &removed)?;
    let gone = keys::keys_of(entries, old.columns())?;
    let found = keys::locate(entries, &gone, q).await?;
    let mut deletes = Vec::with_capacity(gone.len());
    for (key, found) in gone.into_iter().zip(found) {
        let found = found.ok_or_else(|| {
            Error::internal(format!("index \"{}\" lacks the entry of a row that ends", entries.name))
                .with_hint("read the table without it: DROP INDEX and CREATE INDEX build it anew")
        })?;
        deletes.push(Delete { key, found });
    }
    let inserts = if added.is_empty() { None } else { Some(batch(entries, added)?) };
    if let Some(inserts) = &inserts {
        keys::keys_of(entries, inserts.columns())?;
    }
    let shown = sql_columns(entries, old.columns())?;
    let old_rows = RecordBatch::try_new(sql_schema(entries, true), shown)
        .map_err(|e| Error::internal(format!("entries of index \"{}\": {e}", entries.name)))?;
    Ok(Some(TableWrite {
        schema: entries.clone(),
        deletes,
        operations: vec![RowOp::Insert; added.len()],
        inserts,
        old_rows: Some(old_rows),
    }))
}
