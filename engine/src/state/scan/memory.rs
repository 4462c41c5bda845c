//! The rows of a scan that stand in memory: the memtable's chunks and the transaction's own.
//!
//! Promises: small chunks come out joined into batches of the asked size.
//! Never: a row's visibility is decided after it was copied.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt8Array, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take};

use super::super::lookup::chunk_keys;
use super::super::memtable::Chunk;
use super::super::rows::sql_column;
use super::super::snapshot::{Loc, Place};
use super::{Inner, ScanColumn, Unit};
use crate::error::{Error, Result};

/// Rows a memory unit holds at the most before another is begun: few, so that the streams have equal shares.
const UNIT_ROWS: usize = 8_192;

/// The rows of each chunk whose keys lie in the asked ranges, for a table that is read by ranges.
pub(super) fn in_ranges(scan: &Inner) -> Result<Option<BTreeMap<u32, Vec<u32>>>> {
    match &scan.request.ranges {
        Some(ranges) if !scan.data.mem.is_empty() => {
            scan.data.mem.between(ranges, |batch| chunk_keys(&scan.request.table, batch)).map(Some)
        }
        _ => Ok(None),
    }
}

pub(super) fn units(scan: &Inner) -> Vec<Unit> {
    let mut units = Vec::new();
    let (mut first, mut rows) = (0u32, 0usize);
    let mut next = 0u32;
    for chunk in scan.data.mem.chunks(scan.at()) {
        next += 1;
        rows += chunk.batch.num_rows();
        if rows >= UNIT_ROWS {
            units.push(Unit::Memory(first..next));
            (first, rows) = (next, 0);
        }
    }
    if rows > 0 {
        units.push(Unit::Memory(first..next));
    }
    units
}

pub(super) fn chunks(scan: &Inner, range: Range<u32>) -> Result<Vec<RecordBatch>> {
    let mut pieces = Vec::new();
    let asked = in_ranges(scan)?;
    for ordinal in range {
        if asked.as_ref().is_some_and(|asked| !asked.contains_key(&ordinal)) {
            continue;
        }
        let Some(chunk) = scan.data.mem.chunk(ordinal) else { continue };
        let mut rows = visible(scan, ordinal, &chunk)?;
        if let Some(inside) = asked.as_ref().and_then(|asked| asked.get(&ordinal)) {
            rows.retain(|row| inside.binary_search(row).is_ok());
        }
        if rows.is_empty() {
            continue;
        }
        let ends: Vec<Option<u64>> = if scan.all_versions() {
            let at = scan.at();
            rows.iter().map(|row| chunk.end(*row as usize).filter(|end| *end <= at).map(|p| p.0)).collect()
        } else {
            vec![None; rows.len()]
        };
        let whole = rows.len() == chunk.batch.num_rows();
        let picked = if whole { None } else { Some(UInt32Array::from(rows.clone())) };
        pieces.push(shape(scan, &chunk.batch, picked.as_ref(), rows.len(), |column| match column {
            ScanColumn::Begin => Arc::new(UInt64Array::from(vec![chunk.begin.0; rows.len()])) as ArrayRef,
            ScanColumn::End => Arc::new(UInt64Array::from(ends.clone())),
            ScanColumn::Op => Arc::new(UInt8Array::from_iter_values(
                rows.iter().map(|row| chunk.operations.get(*row as usize).map_or(0, |op| *op as u8)),
            )),
            ScanColumn::Loc | ScanColumn::Column(_) => {
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| Loc::of(Place::Mem(ordinal, *row)).0)))
            }
        })?);
    }
    join(scan, pieces)
}

pub(super) fn own(scan: &Inner) -> Result<Vec<RecordBatch>> {
    let Some(table) = scan.own() else { return Ok(Vec::new()) };
    let mut pieces = Vec::new();
    for (ordinal, chunk) in (0u32..).zip(&table.chunks) {
        let rows: Vec<u32> = (0u32..).zip(&chunk.live).filter(|(_, live)| **live).map(|(row, _)| row).collect();
        if rows.is_empty() {
            continue;
        }
        let picked = UInt32Array::from(rows.clone());
        pieces.push(shape(scan, &chunk.batch, Some(&picked), rows.len(), |column| match column {
            ScanColumn::Begin => Arc::new(UInt64Array::from(vec![scan.at().0; rows.len()])) as ArrayRef,
            ScanColumn::End => Arc::new(UInt64Array::from(vec![None::<u64>; rows.len()])),
            ScanColumn::Op => Arc::new(UInt8Array::from_iter_values(
                rows.iter().map(|row| chunk.operations.get(*row as usize).map_or(0, |op| *op as u8)),
            )),
            ScanColumn::Loc | ScanColumn::Column(_) => {
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| Loc::of(Place::Own(ordinal, *row)).0)))
            }
        })?);
    }
    join(scan, pieces)
}

/// The rows of a chunk that the scan sees.
fn visible(scan: &Inner, ordinal: u32, chunk: &Chunk) -> Result<Vec<u32>> {
    let at = scan.at();
    let rows = u32::try_from(chunk.batch.num_rows()).unwrap_or(u32::MAX);
    if chunk.begin > at {
        return Ok(Vec::new());
    }
    if scan.all_versions() {
        return Ok((0..rows).collect());
    }
    let own = scan.own().filter(|own| own.touches_mem());
    let mut seen: Vec<u32> = if chunk.all_open() {
        (0..rows).collect()
    } else {
        (0..rows).filter(|row| chunk.sees(*row as usize, at)).collect()
    };
    if let Some(own) = own {
        seen.retain(|row| !own.is_dead(Loc::of(Place::Mem(ordinal, *row))));
    }
    // asked for a few keys: only their rows, found by computing the keys of this chunk
    if let Some(keys) = scan.keys()
        && !seen.is_empty()
    {
        let stored = chunk_keys(&scan.request.table, &chunk.batch)?;
        seen.retain(|row| stored.get(*row as usize).is_some_and(|key| keys.binary_search(key).is_ok()));
    }
    Ok(seen)
}

fn shape(
    scan: &Inner,
    batch: &RecordBatch,
    picked: Option<&UInt32Array>,
    rows: usize,
    system: impl Fn(ScanColumn) -> ArrayRef,
) -> Result<RecordBatch> {
    let mut arrays = Vec::with_capacity(scan.request.columns.len());
    for column in &scan.request.columns {
        arrays.push(match column {
            ScanColumn::Column(id) => {
                let column =
                    scan.request.table.column(*id).ok_or_else(|| Error::internal(format!("no column number {id}")))?;
                let array = sql_column(batch, column)?;
                match picked {
                    Some(rows) => take(&array, rows, None).map_err(|e| Error::internal(e.to_string()))?,
                    None => array,
                }
            }
            other => system(*other),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(scan.schema.clone(), arrays, &options)
        .map_err(|e| Error::internal(format!("scan of table {:?}: {e}", scan.request.table.name)))
}

fn join(scan: &Inner, pieces: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let size = scan.request.batch_size.max(1);
    let mut out = Vec::new();
    let mut group: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for piece in pieces {
        rows += piece.num_rows();
        group.push(piece);
        if rows >= size {
            flush(scan, &mut group, &mut out)?;
            rows = 0;
        }
    }
    flush(scan, &mut group, &mut out)?;
    // batches above the asked size are cut, without copying
    Ok(out
        .into_iter()
        .flat_map(|batch| {
            (0..batch.num_rows().max(1))
                .step_by(size)
                .map(move |from| batch.slice(from, size.min(batch.num_rows() - from)))
                .collect::<Vec<_>>()
        })
        .collect())
}

fn flush(scan: &Inner, group: &mut Vec<RecordBatch>, out: &mut Vec<RecordBatch>) -> Result<()> {
    match group.len() {
        0 => {}
        1 => out.append(group),
        _ => {
            let joined = concat_batches(&scan.schema, group.iter())
                .map_err(|e| Error::internal(format!("scan of table {:?}: {e}", scan.request.table.name)))?;
            out.push(joined);
            group.clear();
        }
    }
    Ok(())
}
