//! Point reads: the row of a key at a position, without a plan.
//!
//! The transaction's own rows are asked first, then the memtable, then the files that can hold the key, newest first:
//! filter and key index name the page, whose columns come from the cache of decoded pages or by one read.
//!
//! Promises: gives the version that a scan at the position gives, in the shape of the table's version asked for, at any
//! position.
//! Never: a file without a page that can hold the key is read.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::UInt64Type;
use firn_manifest::ids::{ColumnId, Position};
use firn_manifest::model::FileKind;
use firn_manifest::schema::{Column, ColumnType, TableSchema};
use firn_manifest::store::Store;
use firn_segment::key::{Key, KeyEncoder};
use firn_segment::sst::reader::{ReadColumn, SstReader};
use firn_segment::types::{column_field_name, column_to_sql, read_as, storage_type};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::files::SstFile;
use super::pages::PageKey;
use super::rows::initial_values;
use super::snapshot::{Snapshot, TableData};
use crate::error::{Error, Result};

/// Keys looked for, and files opened, at once.
const SIDE_BY_SIDE: usize = 16;

/// What a point read asks of a table.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// the table, in the version valid at `at`
    pub table: &'a TableSchema,
    /// the position whose versions are seen
    pub at: Position,
    /// the columns, in the order they come out
    pub columns: &'a [Column],
}

impl Snapshot {
    /// The visible rows of the keys, in their order, as one array a column in SQL type, and how many there are.
    ///
    /// # Errors
    /// Store, key and integrity errors of the reads.
    pub async fn read_keys(&self, points: Points<'_>, keys: &[Key]) -> Result<(Vec<ArrayRef>, usize)> {
        let data = self.table_data(points.table.id);
        let mut found: Vec<Vec<ArrayRef>> = match keys {
            [key] => self.read_key(points, &data, key).await?.into_iter().collect(),
            keys => {
                let reads: Vec<_> = keys.iter().map(|key| self.read_key(points, &data, key).boxed()).collect();
                let rows = stream::iter(reads).buffered(SIDE_BY_SIDE).try_filter_map(|row| std::future::ready(Ok(row)));
                rows.try_collect().await?
            }
        };
        let rows = found.len();
        if rows == 1 {
            return Ok((found.pop().unwrap_or_default(), 1));
        }
        let mut columns = Vec::with_capacity(points.columns.len());
        for (i, column) in points.columns.iter().enumerate() {
            let parts: Vec<&dyn Array> = found.iter().filter_map(|row| row.get(i).map(AsRef::as_ref)).collect();
            columns.push(match parts.as_slice() {
                [] => column_to_sql(&initial_values(column, 0)?, column.ty)?,
                parts => concat(parts).map_err(broken)?,
            });
        }
        Ok((columns, rows))
    }

    async fn read_key(&self, points: Points<'_>, data: &TableData, key: &Key) -> Result<Option<Vec<ArrayRef>>> {
        let at = points.at.min(self.position());
        let own = self.overlay.as_ref().filter(|_| at >= self.position()).and_then(|o| o.table(points.table.id));
        if let Some(own) = own {
            if let Some((chunk, row)) = own.index.get(key) {
                let chunk = own.chunks.get(*chunk as usize);
                return chunk.map(|chunk| stored_row(points, &chunk.batch, *row)).transpose();
            }
            if own.superseded.contains_key(key) {
                return Ok(None);
            }
        }
        if let Some(visible) = data.mem.version_at(key, at) {
            return visible.map(|(loc, chunk)| stored_row(points, &chunk.batch, loc.row)).transpose();
        }
        let files = || data.files.iter().rev().filter(|f| f.may_see(at) && f.spans(key));
        if !files().all(|file| file.is_open()) {
            self.open_files(points.table, files().cloned().collect()).await?;
        }
        for file in files() {
            if let Some(row) = self.read_from_file(points, at, file, key).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Reads the tails and vectors of files, as far as they were not read before, in one round trip.
    async fn open_files(&self, table: &TableSchema, files: Vec<Arc<SstFile>>) -> Result<()> {
        let (store, columns) = (self.store.round(), self.file_columns(table.id));
        let opened: Vec<_> = files.iter().map(|file| self.open_file(file, &store, &columns).boxed()).collect();
        stream::iter(opened).buffer_unordered(SIDE_BY_SIDE).try_collect::<()>().await
    }

    async fn open_file(&self, file: &SstFile, store: &Store, columns: &[(ColumnId, ColumnType)]) -> Result<()> {
        let keys = &self.view.keys;
        futures::try_join!(file.reader(store, keys, columns), file.stored_vector(store, keys)).map(|_| ())
    }

    async fn read_from_file(
        &self,
        points: Points<'_>,
        at: Position,
        file: &SstFile,
        key: &Key,
    ) -> Result<Option<Vec<ArrayRef>>> {
        let reader = match file.opened(&self.store) {
            Some(reader) => reader,
            None => file.reader(&self.store, &self.view.keys, &self.file_columns(points.table.id)).await?,
        };
        let Some(rows) = reader.candidates(key) else { return Ok(None) };
        let history = file.entry.kind == FileKind::History;
        let mut search: Vec<ReadColumn> = points.table.key_columns().map(|c| ReadColumn::Column(c.id, c.ty)).collect();
        let key_columns = search.len();
        if history || file.entry.max_begin > at {
            search.push(ReadColumn::Begin);
        }
        if history {
            search.push(ReadColumn::End);
        }
        let held = |column: &&Column| reader.has_column(column.id) || column.initial.is_none();
        let wanted = points.columns.iter().filter(held).map(|c| ReadColumn::Column(c.id, c.ty));
        let all: Vec<ReadColumn> = search.iter().copied().chain(wanted).collect();

        let mut next = rows.start;
        while let Some(page) = reader.page_of(next).filter(|_| next < rows.end) {
            next = page.end;
            // only one page can hold the key, or nearly so: what the row needs comes with what finds it
            let alone = page.start <= rows.start && rows.end <= page.end;
            let columns = if alone { &all } else { &search };
            let arrays = self.page(file, &reader, &page, columns).await?;
            let told = arrays.get(..search.len()).unwrap_or_default();
            let Some(place) = visible(points, told, key_columns, key, at, history)? else { continue };
            if !history {
                let end = file.end_of(page.start + place, &self.store, &self.view.keys).await?;
                if end.is_some_and(|end| end <= at) {
                    return Ok(None);
                }
            }
            let arrays = if alone { arrays } else { self.page(file, &reader, &page, &all).await? };
            let values = arrays.get(search.len()..).unwrap_or_default();
            return file_row(points, &reader, values, place).map(Some);
        }
        Ok(None)
    }

    /// Columns of a page: from the cache, and by one read what it does not have.
    async fn page(
        &self,
        file: &SstFile,
        reader: &SstReader,
        rows: &Range<u32>,
        columns: &[ReadColumn],
    ) -> Result<Vec<ArrayRef>> {
        let key = |column: ReadColumn| PageKey { file: file.ulid, first_row: rows.start, column };
        let mut arrays: Vec<Option<ArrayRef>> = columns.iter().map(|c| self.view.pages.get(key(*c))).collect();
        let mut missing: Vec<ReadColumn> = Vec::new();
        for (column, _) in columns.iter().zip(&arrays).filter(|(_, array)| array.is_none()) {
            if !missing.contains(column) {
                missing.push(*column);
            }
        }
        if !missing.is_empty() {
            let batch = reader.read_rows(rows.clone(), &missing).await?;
            for (column, values) in missing.iter().zip(batch.columns()) {
                self.view.pages.put(key(*column), values.clone());
                for (_, array) in columns.iter().zip(&mut arrays).filter(|(c, _)| *c == column) {
                    *array = Some(values.clone());
                }
            }
        }
        arrays.into_iter().map(|a| a.ok_or_else(|| Error::internal("a column of a page was not read"))).collect()
    }
}

/// The place in a page of the version of `key` that is visible at `at`, as far as the page itself tells. `arrays` are
/// the key's columns, then `_begin` if it can decide something, then `_end` in a history file.
fn visible(
    points: Points<'_>,
    arrays: &[ArrayRef],
    key_columns: usize,
    key: &Key,
    at: Position,
    history: bool,
) -> Result<Option<u32>> {
    let types: Vec<_> = points.table.key_columns().map(|c| c.ty).collect();
    let encoder = KeyEncoder::new(arrays.get(..key_columns).unwrap_or_default(), &types)?;
    let mut scratch = Vec::with_capacity(key.len());
    let mut compare = |row: usize| -> Result<Ordering> {
        scratch.clear();
        encoder.append(row, &mut scratch)?;
        Ok(scratch.as_slice().cmp(key))
    };
    let (mut low, mut high) = (0, encoder.rows());
    while low < high {
        let middle = low + (high - low) / 2;
        if compare(middle)? == Ordering::Less {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let position = |column: Option<&ArrayRef>, row: usize| {
        let values = column.and_then(|c| c.as_primitive_opt::<UInt64Type>());
        values.filter(|v| row < v.len() && v.is_valid(row)).map(|v| Position(v.value(row)))
    };
    // a history file holds a key's versions one after another, any other file one
    while low < encoder.rows() && compare(low)? == Ordering::Equal {
        let begun = position(arrays.get(key_columns), low).is_none_or(|begin| begin <= at);
        let open = !history || position(arrays.get(key_columns + 1), low).is_none_or(|end| at < end);
        if begun && open {
            return Ok(Some(u32::try_from(low).unwrap_or(u32::MAX)));
        }
        low += 1;
    }
    Ok(None)
}

fn file_row(points: Points<'_>, reader: &SstReader, values: &[ArrayRef], place: u32) -> Result<Vec<ArrayRef>> {
    let picked = UInt32Array::from(vec![place]);
    let mut values = values.iter();
    let mut row = Vec::with_capacity(points.columns.len());
    for column in points.columns {
        if column.initial.is_some() && !reader.has_column(column.id) {
            row.push(column_to_sql(&initial_values(column, 1)?, column.ty)?);
        } else {
            let values = values.next().ok_or_else(|| Error::internal("a column of a page was not read"))?;
            row.push(take(values, &picked, None).map_err(broken)?);
        }
    }
    Ok(row)
}

fn stored_row(points: Points<'_>, batch: &RecordBatch, row: u32) -> Result<Vec<ArrayRef>> {
    let picked = UInt32Array::from(vec![row]);
    let one = |column: &Column| {
        let values = match batch.column_by_name(&column_field_name(column.id)) {
            // the column's type may have been widened since the row was written
            Some(values) => {
                read_as(&take(values, &picked, None).map_err(broken)?, &storage_type(column.ty)).map_err(broken)?
            }
            None => initial_values(column, 1)?,
        };
        Ok(column_to_sql(&values, column.ty)?)
    };
    points.columns.iter().map(one).collect()
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("reading rows by key: {error}"))
}
