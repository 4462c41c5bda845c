//! Writing a file: rows in key order in, sealed bytes and their description out.
//!
//! Promises: rows out of order, of a key that comes twice, or with a NULL where none may be are refused, and then
//! nothing comes out; the description (key range, positions, rows, digest) is computed from the rows and bytes
//! themselves.
//! Never: a file of no rows; I/O.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{SchemaRef, UInt8Type, UInt64Type};
use bytes::Bytes;
use firn_manifest::ids::{Digest, Position};
use firn_manifest::model::{FileEntry, FileKind, ObjectRef};
use firn_manifest::schema::ColumnType;
use firn_manifest::{DataKey, World, new_ulid};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;

use super::index::IndexBuilder;
use super::layout;
use super::tail::FileKeys;
use super::{FileMeta, GROUP_ROWS, MetaColumn, PAGE_ROWS, sst_name};
use crate::error::SegmentError;
use crate::key::{Key, KeyEncoder};
use crate::record::RowOp;
use crate::types::{BEGIN, END, OP, to_storage};

pub use super::{SstOutput, SstSpec};

/// A row group of wide rows ends here.
const GROUP_BYTES: usize = 64 * 1024 * 1024;

/// Writes one file.
pub struct SstWriter {
    name: String,
    spec: SstSpec,
    schema: SchemaRef,
    key_at: Vec<usize>,
    key_types: Vec<ColumnType>,
    key_id: u32,
    keys: FileKeys,
    index: IndexBuilder,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    parquet: Option<ArrowWriter<Vec<u8>>>,
    seen: Seen,
}

/// What the rows so far say.
#[derive(Default)]
struct Seen {
    rows: u64,
    min_key: Vec<u8>,
    last_key: Vec<u8>,
    last_begin: u64,
    min_begin: u64,
    max_begin: u64,
    max_end: u64,
}

impl std::fmt::Debug for SstWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SstWriter {{ name: {}, rows: {} }}", self.name, self.seen.rows)
    }
}

impl SstWriter {
    /// A writer of a new file with a fresh name, sealed under `key`.
    ///
    /// # Errors
    /// Kind `Input` if the spec's key is empty or names a column it does not have, or a column comes twice.
    pub fn new(spec: SstSpec, key: &DataKey, world: &dyn World) -> Result<Self, SegmentError> {
        let name = sst_name(new_ulid(world));
        let mut nonce = [0; 16];
        world.fill(&mut nonce);
        let mut ids = HashSet::new();
        if spec.key.is_empty() || !spec.columns.iter().all(|(id, _)| ids.insert(*id)) {
            return Err(SegmentError::input(&name, "its spec has no key, or a column twice"));
        }
        let at = |id| spec.columns.iter().position(|(column, _)| *column == id);
        let key_at: Vec<usize> = spec.key.iter().filter_map(|id| at(*id)).collect();
        if key_at.len() != spec.key.len() {
            return Err(SegmentError::input(&name, "its key names a column its spec does not have"));
        }
        Ok(Self {
            keys: FileKeys::derive(key, &name, nonce),
            key_id: key.id(),
            key_types: key_at.iter().map(|at| spec.columns[*at].1).collect(),
            key_at,
            schema: spec.schema(),
            name,
            spec,
            index: IndexBuilder::default(),
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            parquet: None,
            seen: Seen::default(),
        })
    }

    /// The name the file will have.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.seen.rows
    }

    /// Bytes the file would have so far, about; for deciding when to begin the next one.
    #[must_use]
    pub fn size_estimate(&self) -> usize {
        self.parquet.as_ref().map_or(0, ArrowWriter::bytes_written) + self.pending_bytes / 2
    }

    /// The next rows: the columns of [`SstSpec::schema`], found by name, in their stored or SQL types, sorted by key
    /// (history: by key, then `_begin`), after all rows before.
    ///
    /// # Errors
    /// Kind `Input` if they are not that; kind `TooLarge` beyond what a file carries. After an error the writer is of no use.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        let batch = self.conform(batch)?;
        let columns: Vec<ArrayRef> = self.key_at.iter().map(|at| Arc::clone(batch.column(*at))).collect();
        let encoder = KeyEncoder::new(&columns, &self.key_types)?;
        let mut scratch = Vec::with_capacity(64);
        self.take_rows(&batch, |row, take| {
            scratch.clear();
            encoder.append(row, &mut scratch)?;
            take(&scratch)
        })
    }

    /// As [`SstWriter::push`] when the keys are at hand: `keys[i]` is the encoded key of row *i*.
    ///
    /// # Errors
    /// As [`SstWriter::push`].
    pub fn push_keyed(&mut self, batch: &RecordBatch, keys: &[&Key]) -> Result<(), SegmentError> {
        if keys.len() != batch.num_rows() {
            return Err(self.input(format!("{} keys for {} rows", keys.len(), batch.num_rows())));
        }
        let batch = self.conform(batch)?;
        self.take_rows(&batch, |row, take| take(keys[row]))
    }

    /// Seals the file.
    ///
    /// # Errors
    /// Kind `Input` if it has no rows; kind `TooLarge` beyond what a file carries.
    pub fn finish(mut self) -> Result<SstOutput, SegmentError> {
        self.flush_group()?;
        let Some(mut parquet) = self.parquet.take() else {
            return Err(self.input("a file of no rows".to_owned()));
        };
        let meta = FileMeta {
            table: self.spec.table,
            kind: self.spec.kind,
            rows: self.seen.rows,
            page_rows: PAGE_ROWS,
            columns: self.spec.columns.iter().map(|(id, ty)| MetaColumn { id: *id, ty: *ty }).collect(),
            key: self.spec.key.clone(),
        };
        let index = self.index.finish(&meta).map_err(|e| SegmentError::input(&self.name, e))?;
        let front = self.keys.seal_index(&self.name, &index)?;
        let tail_offset = parquet.bytes_written();
        parquet.write_all(&front).map_err(|e| SegmentError::too_large(&self.name, e))?;
        let mut bytes = parquet.into_inner().map_err(|e| failed(&self.name, &e))?;
        if let Some(tail) = bytes.get_mut(tail_offset..) {
            self.keys.sign(tail_offset as u64, tail);
        }
        let bytes = Bytes::from(bytes);
        let entry = FileEntry {
            name: self.name.clone(),
            table: self.spec.table,
            kind: self.spec.kind,
            rows: self.seen.rows,
            size: bytes.len() as u64,
            tail_offset: tail_offset as u64,
            key_id: self.key_id,
            min_key: hex::encode(&self.seen.min_key),
            max_key: hex::encode(&self.seen.last_key),
            min_begin: Position(self.seen.min_begin),
            max_begin: Position(self.seen.max_begin),
            max_end: (self.spec.kind == FileKind::History).then_some(Position(self.seen.max_end)),
            vector: None,
        };
        let object =
            ObjectRef { name: self.name, size: bytes.len() as u64, digest: Digest::of(&bytes), key_id: self.key_id };
        Ok(SstOutput { bytes, entry, object })
    }

    fn input(&self, what: String) -> SegmentError {
        SegmentError::input(&self.name, what)
    }

    /// The batch in the file's schema and stored types.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
        if batch.num_columns() != self.schema.fields().len() {
            return Err(self.input(format!(
                "a batch of {} columns for a file of {}",
                batch.num_columns(),
                self.schema.fields().len()
            )));
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for field in self.schema.fields() {
            let column = batch
                .column_by_name(field.name())
                .ok_or_else(|| self.input(format!("a batch without the column {}", field.name())))?;
            columns.push(to_storage(column)?);
        }
        // also refuses another type, and NULL in a column that is not nullable
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| self.input(e.to_string()))
    }

    /// Takes the rows in, key by key, ending row groups where they are full.
    fn take_rows(
        &mut self,
        batch: &RecordBatch,
        mut key_of: impl FnMut(usize, &mut dyn FnMut(&[u8]) -> Result<(), SegmentError>) -> Result<(), SegmentError>,
    ) -> Result<(), SegmentError> {
        let rows = batch.num_rows();
        let positions = Positions::of(batch).ok_or_else(|| self.input("_begin, _end or _op is missing".to_owned()))?;
        let bytes: usize = batch.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        let bytes_per_row = bytes.div_ceil(rows.max(1));
        let mut from = 0;
        while from < rows {
            let by_bytes = GROUP_BYTES.saturating_sub(self.pending_bytes) / bytes_per_row.max(1);
            let by_rows = (GROUP_ROWS as usize).saturating_sub(self.pending_rows);
            let count = by_rows.min(by_bytes.max(1)).min(rows - from);
            for row in from..from + count {
                let (name, kind) = (&self.name, self.spec.kind);
                let (seen, index) = (&mut self.seen, &mut self.index);
                key_of(row, &mut |key| {
                    seen.add(key, &positions, row, kind).map_err(|what| SegmentError::input(name, what))?;
                    index.add(key);
                    Ok(())
                })?;
            }
            self.pending.push(batch.slice(from, count));
            self.pending_rows += count;
            self.pending_bytes += count * bytes_per_row;
            from += count;
            if self.pending_rows >= GROUP_ROWS as usize || self.pending_bytes >= GROUP_BYTES {
                self.flush_group()?;
            }
        }
        Ok(())
    }

    /// Writes the pending rows as a row group.
    fn flush_group(&mut self) -> Result<(), SegmentError> {
        if self.pending_rows == 0 {
            return Ok(());
        }
        // one batch, so that pages of PAGE_ROWS begin at the group's first row
        let group = concat_batches(&self.schema, &self.pending).map_err(|e| SegmentError::too_large(&self.name, e))?;
        self.pending.clear();
        self.pending_rows = 0;
        self.pending_bytes = 0;
        self.index.end_group();
        let name = &self.name;
        let parquet = match &mut self.parquet {
            Some(parquet) => parquet,
            none => {
                let options = ArrowWriterOptions::new()
                    .with_properties(layout::properties(&self.spec, &self.keys, &group).map_err(|e| failed(name, &e))?)
                    .with_skip_arrow_metadata(true);
                let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&self.schema), options);
                none.insert(writer.map_err(|e| failed(name, &e))?)
            }
        };
        parquet.write(&group).map_err(|e| failed(name, &e))?;
        parquet.flush().map_err(|e| failed(name, &e))
    }
}

fn failed(name: &str, e: &ParquetError) -> SegmentError {
    SegmentError::too_large(name, e)
}

/// The system columns of a batch.
struct Positions<'a> {
    begin: &'a [u64],
    end: Option<&'a [u64]>,
    op: &'a [u8],
}

impl<'a> Positions<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let numbers =
            |name: &str| Some(batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>()?.values().as_ref());
        Some(Self {
            begin: numbers(BEGIN)?,
            end: numbers(END),
            op: batch.column_by_name(OP)?.as_primitive_opt::<UInt8Type>()?.values(),
        })
    }
}

impl Seen {
    /// Notes a row, or says why it cannot be the next one.
    fn add(&mut self, key: &[u8], positions: &Positions<'_>, row: usize, kind: FileKind) -> Result<(), String> {
        let begin = positions.begin[row];
        let end = positions.end.map(|ends| ends[row]);
        if self.rows > 0 {
            let after = match kind {
                FileKind::Current => key > self.last_key.as_slice(),
                FileKind::History => (key, begin) > (self.last_key.as_slice(), self.last_begin),
            };
            if !after {
                return Err(format!("row {} does not come after the row before it in key order", self.rows));
            }
        } else {
            self.min_key = key.to_vec();
            self.min_begin = begin;
        }
        if end.is_some_and(|end| end <= begin) {
            return Err(format!("row {} ends at or before the position it begins at", self.rows));
        }
        if RowOp::from_u8(positions.op[row]).is_none() {
            return Err(format!("row {} has the unknown operation {}", self.rows, positions.op[row]));
        }
        if self.rows >= u64::from(u32::MAX) {
            return Err("a file holds less than 2^32 rows".to_owned());
        }
        self.rows += 1;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.last_begin = begin;
        self.min_begin = self.min_begin.min(begin);
        self.max_begin = self.max_begin.max(begin);
        self.max_end = self.max_end.max(end.unwrap_or(0));
        Ok(())
    }
}
