//! Finding rows by key: memtable first, then the files whose range, filter and pages can hold the key.
//!
//! Promises: at most one version of a key is visible at a position, and `locate` finds it if there is one.
//! Never: a whole file is read to find a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use firn_manifest::ids::Position;
use firn_manifest::model::FileKind;
use firn_manifest::schema::{ColumnType, TableSchema};
use firn_segment::key::{Key, encode_keys};
use firn_segment::sst::reader::ReadColumn;
use firn_segment::types::column_to_sql;

use super::memtable::{Chunk, MemLoc};
use super::rows::{initial_values, sql_column, sql_schema};
use super::snapshot::{Found, Loc, Place, Snapshot, TableData};
use crate::error::{Error, Result};

impl Snapshot {
    /// The open version of each key at this snapshot, a transaction's own writes included.
    ///
    /// # Errors
    /// Store, key and integrity errors of the reads.
    pub async fn locate(&self, table: &TableSchema, keys: &[Key]) -> Result<Vec<Option<Found>>> {
        let data = self.table_data(table.id);
        let own = self.overlay.as_ref().and_then(|o| o.table(table.id));
        let mut answers: Vec<Option<Found>> = vec![None; keys.len()];
        // keys that neither the transaction nor the memtable has an opinion on, with their place in the answer
        let mut rest: Vec<(&Key, usize)> = Vec::new();
        // rows often come in key order, above all that is there
        let beyond = own.is_none() && keys.iter().min().is_some_and(|lowest| data.mem.is_below(lowest));
        if beyond {
            rest.extend(keys.iter().zip(0..));
        }
        for (i, key) in keys.iter().enumerate().filter(|_| !beyond) {
            if let Some(own) = own {
                if let Some(&(chunk, row)) = own.index.get(key) {
                    answers[i] = Some(Found { loc: Loc::of(Place::Own(chunk, row)), begin: self.position() });
                    continue;
                }
                if own.superseded.contains_key(key) {
                    continue;
                }
            }
            match self.in_memtable(&data, key) {
                Some(found) => answers[i] = found,
                None => rest.push((key, i)),
            }
        }
        if !rest.is_empty() && !data.files.is_empty() {
            self.in_files(table, &data, rest, &mut answers).await?;
        }
        Ok(answers)
    }

    /// `Some(answer)` when the memtable decides, `None` when the files must be asked.
    fn in_memtable(&self, data: &TableData, key: &Key) -> Option<Option<Found>> {
        let visible = data.mem.version_at(key, self.position())?;
        let found = |(loc, chunk): (MemLoc, Arc<Chunk>)| Found {
            loc: Loc::of(Place::Mem(loc.chunk, loc.row)),
            begin: chunk.begin,
        };
        Some(visible.map(found))
    }

    async fn in_files(
        &self,
        table: &TableSchema,
        data: &TableData,
        mut rest: Vec<(&Key, usize)>,
        answers: &mut [Option<Found>],
    ) -> Result<()> {
        let at = self.position();
        let columns = self.file_columns(table.id);
        rest.sort_unstable();
        for (ordinal, file) in data.files.iter().enumerate().rev() {
            let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
            if file.entry.kind == FileKind::History || !file.may_see(at) {
                continue;
            }
            let inside: Vec<(&Key, usize)> =
                rest.iter().copied().filter(|(key, i)| answers[*i].is_none() && file.spans(key)).collect();
            if inside.is_empty() {
                continue;
            }
            let reader = file.reader(&self.store, &self.view.keys, &columns).await?;
            let wanted: Vec<Key> = inside.iter().map(|(key, _)| (*key).clone()).collect();
            let rows = reader.find(&wanted).await?;
            for ((_, i), row) in inside.iter().zip(rows) {
                let Some(row) = row else { continue };
                if file.end_of(row, &self.store, &self.view.keys).await?.is_some_and(|end| end <= at) {
                    continue;
                }
                let begin =
                    if file.entry.max_begin <= at { file.entry.max_begin } else { begin_of(&reader, row).await? };
                if begin <= at {
                    answers[*i] = Some(Found { loc: Loc::of(Place::File(ordinal, row)), begin });
                }
            }
        }
        Ok(())
    }

    /// The exact position a found row began at.
    ///
    /// # Errors
    /// Store, key and integrity errors of the read.
    pub(crate) async fn exact_begin(&self, table: &TableSchema, found: Found) -> Result<Position> {
        let data = self.table_data(table.id);
        match found.loc.place() {
            Place::File(ordinal, row) => {
                let Some(file) = data.files.get(ordinal as usize) else { return Ok(found.begin) };
                let columns = self.file_columns(table.id);
                let reader = file.reader(&self.store, &self.view.keys, &columns).await?;
                begin_of(&reader, row).await
            }
            Place::Mem(..) | Place::Own(..) => Ok(found.begin),
        }
    }

    /// Found rows in full, in the order asked: every column of `table` by name, in SQL types.
    ///
    /// # Errors
    /// Store, key and integrity errors of the reads.
    pub async fn fetch(&self, table: &TableSchema, found: &[Found]) -> Result<RecordBatch> {
        let schema = sql_schema(table, true);
        let data = self.table_data(table.id);
        // one batch a source, and for each asked row its place in the concatenation
        let mut by_source: BTreeMap<(u8, u32), Vec<(u32, usize)>> = BTreeMap::new();
        for (i, f) in found.iter().enumerate() {
            let (source, row) = match f.loc.place() {
                Place::File(s, r) => ((0, s), r),
                Place::Mem(s, r) => ((1, s), r),
                Place::Own(s, r) => ((2, s), r),
            };
            by_source.entry(source).or_default().push((row, i));
        }
        let mut batches = Vec::new();
        let mut order = vec![0u64; found.len()];
        let mut total = 0u64;
        for ((tag, source), mut rows) in by_source {
            rows.sort_unstable();
            let mut distinct: Vec<u32> = rows.iter().map(|(row, _)| *row).collect();
            distinct.dedup();
            let batch = match tag {
                0 => self.take_from_file(table, &data, source, &distinct).await?,
                1 => {
                    let chunk = data.mem.chunk(source).ok_or_else(|| lost(table))?;
                    take_stored(table, &chunk.batch, &distinct)?
                }
                _ => {
                    let chunk = self
                        .overlay
                        .as_ref()
                        .and_then(|o| o.table(table.id))
                        .and_then(|t| t.chunks.get(source as usize))
                        .ok_or_else(|| lost(table))?;
                    take_stored(table, &chunk.batch, &distinct)?
                }
            };
            for (row, i) in rows {
                let place = distinct.binary_search(&row).unwrap_or_default();
                order[i] = total + place as u64;
            }
            total += batch.num_rows() as u64;
            batches.push(batch);
        }
        let all = concat_batches(&schema, &batches).map_err(|e| Error::internal(format!("reading rows: {e}")))?;
        take_record_batch(&all, &UInt64Array::from(order)).map_err(|e| Error::internal(format!("reading rows: {e}")))
    }

    async fn take_from_file(
        &self,
        table: &TableSchema,
        data: &TableData,
        ordinal: u32,
        rows: &[u32],
    ) -> Result<RecordBatch> {
        let file = data.files.get(ordinal as usize).ok_or_else(|| lost(table))?;
        let columns = self.file_columns(table.id);
        let reader = file.reader(&self.store, &self.view.keys, &columns).await?;
        let wanted: Vec<ReadColumn> = table.columns.iter().map(|c| ReadColumn::Column(c.id, c.ty)).collect();
        let batch = reader.take(rows, &wanted).await?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
        for (i, column) in table.columns.iter().enumerate() {
            if column.initial.is_some() && !reader.has_column(column.id) {
                arrays.push(column_to_sql(&initial_values(column, batch.num_rows())?, column.ty)?);
            } else {
                arrays.push(batch.column(i).clone());
            }
        }
        build(table, arrays, rows.len())
    }
}

/// The keys of stored rows of a table.
pub(crate) fn chunk_keys(table: &TableSchema, batch: &RecordBatch) -> Result<Vec<Key>> {
    let mut arrays = Vec::with_capacity(table.key.len());
    let mut types: Vec<ColumnType> = Vec::with_capacity(table.key.len());
    for column in table.key_columns() {
        arrays.push(super::rows::stored_column(batch, column)?);
        types.push(column.ty);
    }
    Ok(encode_keys(&arrays, &types)?)
}

async fn begin_of(reader: &firn_segment::sst::reader::SstReader, row: u32) -> Result<Position> {
    let batch = reader.take(&[row], &[ReadColumn::Begin]).await?;
    let begin = batch.column(0).as_any().downcast_ref::<UInt64Array>().filter(|a| !a.is_empty());
    begin.map(|a| Position(a.value(0))).ok_or_else(|| Error::integrity(&reader.entry().name, "it has no _begin column"))
}

fn take_stored(table: &TableSchema, batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    let taken = take_record_batch(batch, &UInt32Array::from(rows.to_vec()))
        .map_err(|e| Error::internal(format!("reading rows: {e}")))?;
    let arrays = table.columns.iter().map(|c| sql_column(&taken, c)).collect::<Result<Vec<_>>>()?;
    build(table, arrays, rows.len())
}

fn build(table: &TableSchema, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(sql_schema(table, true), arrays, &options)
        .map_err(|e| Error::internal(format!("reading rows of table {:?}: {e}", table.name)))
}

fn lost(table: &TableSchema) -> Error {
    Error::internal(format!("a row of table {:?} was addressed under another snapshot", table.name))
}
