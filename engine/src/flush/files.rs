//! From a frozen memtable to files: rows gathered, sorted by key, encoded.
//!
//! Promises: every row version goes into exactly one file: a current one if it was open at the flush's position, else
//! a history file. Where each row of a current file came from is kept, for those that end while it is written.
//! Never: an end after the flush's position is written into a file.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt8Array, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use firn_manifest::crypto::KeyRing;
use firn_manifest::ids::Position;
use firn_manifest::model::FileKind;
use firn_manifest::schema::{Column, TableSchema};
use firn_manifest::world::World;
use firn_segment::key::Key;
use firn_segment::sst::{SstOutput, SstSpec, SstWriter};
use firn_segment::types::{BEGIN, END, OP, column_field_name, storage_type};

use crate::error::{Error, Result};
use crate::state::lookup::chunk_keys;
use crate::state::memtable::Chunk;
use crate::state::rows::stored_column;
use crate::state::snapshot::TableData;

/// Rows pushed into a file at once.
const PUSH_ROWS: usize = 65_536;

/// A file that holds rows of a memtable.
pub(super) struct Pressed {
    pub(super) output: SstOutput,
    /// the memtable's rows in the file's order, numbered chunk by chunk
    rows: Vec<u32>,
}

impl Pressed {
    /// The rows of the file that ended after `at`, of the memtable it was made from.
    pub(super) fn late_ends(&self, data: &TableData, at: Position) -> Vec<(u32, Position)> {
        let mut late: Vec<(u32, Position)> = Vec::new();
        let mut first = 0u32;
        for chunk in data.mem.chunks(at) {
            let rows = u32::try_from(chunk.batch.num_rows()).unwrap_or(u32::MAX);
            if !chunk.all_open() {
                let ended = (0..rows).filter_map(|row| Some((first + row, chunk.end(row as usize)?)));
                late.extend(ended.filter(|(_, end)| *end > at));
            }
            first += rows;
        }
        if late.is_empty() || self.output.entry.kind == FileKind::History {
            return Vec::new();
        }
        let mut ordinals = vec![0u32; first as usize];
        for (ordinal, row) in (0u32..).zip(&self.rows) {
            if let Some(slot) = ordinals.get_mut(*row as usize) {
                *slot = ordinal;
            }
        }
        late.into_iter().filter_map(|(row, end)| Some((*ordinals.get(row as usize)?, end))).collect()
    }
}

/// The files that hold what a table's memtable held at `at`, its newest position: open versions, and versions that
/// ended in it.
pub(super) fn table_files(
    schema: &TableSchema,
    columns: &[Column],
    data: &TableData,
    at: Position,
    keys: &KeyRing,
    world: &dyn World,
) -> Result<Vec<Pressed>> {
    let chunks = data.mem.chunks(at);
    if chunks.is_empty() {
        return Ok(Vec::new());
    }
    let present: Vec<&Column> = columns
        .iter()
        .filter(|c| {
            let name = column_field_name(c.id);
            schema.key.contains(&c.id) || chunks.iter().any(|chunk| chunk.batch.column_by_name(&name).is_some())
        })
        .collect();
    let all = gather(schema, &present, &chunks, at)?;
    let mut outputs = Vec::new();
    for kind in [FileKind::Current, FileKind::History] {
        let mut rows: Vec<u32> = (0u32..)
            .zip(&all.ends)
            .filter(|(_, end)| end.is_some() == (kind == FileKind::History))
            .map(|(row, _)| row)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let place = |row: &u32| (&all.keys[*row as usize], all.begins[*row as usize]);
        // rows often come in the order of their keys; a stable sort knows runs
        rows.sort_by(|a, b| place(a).cmp(&place(b)));
        let spec = SstSpec {
            table: schema.id,
            kind,
            columns: present.iter().map(|c| (c.id, c.ty)).collect(),
            key: schema.key.clone(),
            required: Vec::new(),
        };
        let mut writer = SstWriter::new(spec, keys.active(), world)?;
        for part in rows.chunks(PUSH_ROWS) {
            let batch = all.part(part, kind)?;
            let part_keys: Vec<&Key> = part.iter().map(|row| &all.keys[*row as usize]).collect();
            writer.push_keyed(&batch, &part_keys)?;
        }
        outputs.push(Pressed { output: writer.finish()?, rows });
    }
    Ok(outputs)
}

/// A memtable's rows side by side.
struct Gathered {
    batch: RecordBatch,
    keys: Vec<Key>,
    begins: Vec<u64>,
    ends: Vec<Option<u64>>,
    operations: Vec<u8>,
}

fn gather(schema: &TableSchema, columns: &[&Column], chunks: &[Arc<Chunk>], at: Position) -> Result<Gathered> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|c| Field::new(column_field_name(c.id), storage_type(c.ty), !schema.key.contains(&c.id)))
        .collect();
    let whole = Arc::new(Schema::new(fields));
    let mut out = Gathered {
        batch: RecordBatch::new_empty(whole.clone()),
        keys: Vec::new(),
        begins: Vec::new(),
        ends: Vec::new(),
        operations: Vec::new(),
    };
    let mut batches = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let arrays = columns.iter().map(|c| stored_column(&chunk.batch, c)).collect::<Result<Vec<ArrayRef>>>()?;
        batches.push(RecordBatch::try_new(whole.clone(), arrays).map_err(|e| Error::internal(format!("flush: {e}")))?);
        out.keys.extend(chunk_keys(schema, &chunk.batch)?);
        for row in 0..chunk.batch.num_rows() {
            out.begins.push(chunk.begin.0);
            out.ends.push(chunk.end(row).filter(|end| *end <= at).map(|p| p.0));
            out.operations.push(chunk.operations.get(row).map_or(0, |op| *op as u8));
        }
    }
    out.batch = concat_batches(&whole, &batches).map_err(|e| Error::internal(format!("flush: {e}")))?;
    Ok(out)
}

impl Gathered {
    /// The given rows with their system columns, as a file takes them.
    fn part(&self, rows: &[u32], kind: FileKind) -> Result<RecordBatch> {
        let taken = take_record_batch(&self.batch, &UInt32Array::from(rows.to_vec()))
            .map_err(|e| Error::internal(format!("flush: {e}")))?;
        let mut fields: Vec<Field> = taken.schema_ref().fields().iter().map(|f| f.as_ref().clone()).collect();
        let mut columns: Vec<ArrayRef> = taken.columns().to_vec();
        fields.push(Field::new(BEGIN, DataType::UInt64, false));
        columns.push(Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| self.begins[*r as usize]))));
        if kind == FileKind::History {
            fields.push(Field::new(END, DataType::UInt64, false));
            columns.push(Arc::new(UInt64Array::from_iter_values(
                rows.iter().map(|r| self.ends[*r as usize].unwrap_or(u64::MAX)),
            )));
        }
        fields.push(Field::new(OP, DataType::UInt8, false));
        columns.push(Arc::new(UInt8Array::from_iter_values(rows.iter().map(|r| self.operations[*r as usize]))));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::internal(format!("flush: {e}")))
    }
}
