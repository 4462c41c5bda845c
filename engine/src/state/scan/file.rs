//! One row group of a file, as a scan sees it at its position.
//!
//! Promises: dead rows are dropped by a selection before they are decoded; `_begin` and `_end` are read only where the
//! file's bounds say that they can decide something.
//! Never: a row group is read as a whole when only keys are asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use firn_manifest::ids::Position;
use firn_manifest::model::FileKind;
use firn_segment::sst::reader::{ReadColumn, ReadPlan, SstReader};
use firn_segment::types::column_to_sql;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use super::super::columns::GroupKey;
use super::super::files::SstFile;
use super::super::rows::initial_values;
use super::super::snapshot::{Loc, Place};
use super::{Inner, ScanColumn};
use crate::error::{BatchStream, Error, Result};

pub(super) fn row_group(scan: Arc<Inner>, ordinal: u32, row_group: usize) -> BatchStream {
    Box::pin(stream::once(open(scan, ordinal, row_group)).try_flatten())
}

async fn open(scan: Arc<Inner>, ordinal: u32, row_group: usize) -> Result<BatchStream> {
    let empty = || -> BatchStream { Box::pin(stream::empty()) };
    let Some(file) = scan.data.files.get(ordinal as usize).cloned() else { return Ok(empty()) };
    let snapshot = &scan.snapshot;
    let (store, keys) = (&snapshot.store, &snapshot.view.keys);
    let columns = snapshot.file_columns(scan.request.table.id);
    let reader = file.reader(store, keys, &columns).await?;
    let groups = reader.row_groups();
    let Some(group) = groups.get(row_group) else { return Ok(empty()) };
    let span = group.first_row..group.first_row + group.rows;

    let selected = selection(&scan, &file, &reader, ordinal, &span).await?;
    if selected.is_empty() {
        return Ok(empty());
    }
    let at = scan.at();
    let check_begin = file.entry.max_begin > at;
    let history = file.entry.kind == FileKind::History;
    let read = Read::new(&scan, &reader, check_begin, history);
    let ends = if scan.all_versions() && !history && scan.request.columns.contains(&ScanColumn::End) {
        Some(file.ends(scan.at(), store, keys).await?)
    } else {
        None
    };

    let group = Group { file: file.clone(), reader, row_group, span };
    let parts = group.read(&scan, &selected, &read.columns);
    let placed = ends.is_some() || scan.request.columns.contains(&ScanColumn::Loc);
    let mut left: usize = selected.iter().map(ExactSizeIterator::len).sum();
    let mut rows = selected.into_iter().flatten();
    let stream = parts.map(move |part| {
        let part = part?;
        left = left
            .checked_sub(part.rows)
            .ok_or_else(|| Error::integrity(&file.entry.name, "a row group holds more rows than its footer says"))?;
        let ordinals: Vec<u32> = if placed { rows.by_ref().take(part.rows).collect() } else { Vec::new() };
        let out = read.shape(&scan, &part, ordinal, &ordinals, ends.as_ref(), at, history)?;
        let seen = read.seen(&part, at)?;
        match seen {
            Some(seen) => filter_record_batch(&out, &seen).map_err(|e| Error::internal(e.to_string())),
            None => Ok(out),
        }
    });
    Ok(Box::pin(stream.try_filter(|b| std::future::ready(b.num_rows() > 0))))
}

/// Rows of some columns of a row group.
struct Part {
    arrays: Vec<ArrayRef>,
    rows: usize,
}

impl Part {
    fn of(batch: &RecordBatch) -> Self {
        Self { arrays: batch.columns().to_vec(), rows: batch.num_rows() }
    }

    fn column(&self, place: usize) -> Result<&ArrayRef> {
        self.arrays.get(place).ok_or_else(|| Error::internal("a column of a row group was not read"))
    }
}

/// A row group of an open file.
struct Group {
    file: Arc<SstFile>,
    reader: Arc<SstReader>,
    row_group: usize,
    span: Range<u32>,
}

impl Group {
    /// The selected rows of some columns, batch after batch. When they are most of the row group, they are taken from
    /// what earlier scans kept, and kept for later ones unless the scan is too large for that.
    fn read(
        &self,
        scan: &Arc<Inner>,
        selected: &[Range<u32>],
        columns: &[ReadColumn],
    ) -> BoxStream<'static, Result<Part>> {
        let first = self.span.start;
        let within: Vec<Range<usize>> =
            selected.iter().map(|r| (r.start - first) as usize..(r.end - first) as usize).collect();
        let chosen: usize = within.iter().map(ExactSizeIterator::len).sum();
        let whole = chosen == self.span.len();
        // picking out most rows one by one costs more than decoding all of them and dropping the rest
        if columns.is_empty() || (!whole && chosen * 2 < self.span.len()) {
            let ranges = (!whole).then_some(within);
            return self.reader.stream(self.plan(scan, ranges, columns)).map(|batch| Ok(Part::of(&batch?))).boxed();
        }
        let mask = (!whole).then(|| mask(&within, self.span.len()));
        if scan.keeps_columns { self.read_kept(scan, mask, columns) } else { self.read_dense(scan, mask, columns) }
    }

    fn plan(&self, scan: &Inner, ranges: Option<Vec<Range<usize>>>, columns: &[ReadColumn]) -> ReadPlan {
        let batch_size = scan.request.batch_size.max(1);
        ReadPlan { columns: columns.to_vec(), row_groups: vec![self.row_group], ranges, batch_size }
    }

    /// All rows are decoded; those of the mask come out.
    fn read_dense(
        &self,
        scan: &Inner,
        mut mask: Option<BooleanBuffer>,
        columns: &[ReadColumn],
    ) -> BoxStream<'static, Result<Part>> {
        let batches = self.reader.stream(self.plan(scan, None, columns));
        let parts = batches.map(move |batch| {
            let batch = batch?;
            let Some(rest) = &mut mask else { return Ok(Part::of(&batch)) };
            let (here, after) = (batch.num_rows().min(rest.len()), batch.num_rows());
            let bits = BooleanArray::new(rest.slice(0, here), None);
            *rest = rest.slice(here, rest.len() - here);
            if here < after {
                return Err(Error::internal("a row group gave more rows than its footer says"));
            }
            Ok(Part::of(&filter_record_batch(&batch, &bits).map_err(|e| Error::internal(e.to_string()))?))
        });
        parts.boxed()
    }

    /// As [`Group::read_dense`], by way of the cache.
    fn read_kept(
        &self,
        scan: &Arc<Inner>,
        mask: Option<BooleanBuffer>,
        columns: &[ReadColumn],
    ) -> BoxStream<'static, Result<Part>> {
        let key = GroupKey {
            file: self.file.ulid,
            row_group: self.row_group,
            batch_size: scan.request.batch_size,
            rows: mask.as_ref().map(|bits| *blake3::hash(bits.values()).as_bytes()),
        };
        let cache = &scan.snapshot.view.pages.columns;
        let held: Vec<_> = columns.iter().map(|column| cache.get(key, *column)).collect();
        let missing: Vec<ReadColumn> =
            columns.iter().zip(&held).filter(|(_, held)| held.is_none()).map(|(column, _)| *column).collect();
        if missing.is_empty() {
            let batches = held.iter().flatten().map(|arrays| arrays.len()).next().unwrap_or(0);
            return stream::iter((0..batches).map(move |batch| join(&held, batch, None))).boxed();
        }
        let mut fresh = self.read_dense(scan, mask, &missing);
        let mut read: Vec<Vec<ArrayRef>> = vec![Vec::new(); missing.len()];
        let (scan, mut batch, mut whole) = (scan.clone(), 0, true);
        stream::poll_fn(move |context| {
            let next = std::task::ready!(fresh.poll_next_unpin(context));
            whole &= !matches!(next, Some(Err(_)));
            if next.is_none() && whole {
                let cache = &scan.snapshot.view.pages.columns;
                for (column, arrays) in missing.iter().zip(read.drain(..)) {
                    cache.put(key, *column, arrays);
                }
            }
            std::task::Poll::Ready(next.map(|part| {
                let part = part?;
                read.iter_mut().zip(&part.arrays).for_each(|(kept, array)| kept.push(array.clone()));
                batch += 1;
                join(&held, batch - 1, Some(&part))
            }))
        })
        .boxed()
    }
}

/// The arrays of one batch: those held, and between them those just read.
fn join(held: &[Option<Arc<[ArrayRef]>>], batch: usize, read: Option<&Part>) -> Result<Part> {
    let uneven = || Error::internal("columns of one row group were read in batches of different sizes");
    let mut fresh = read.map(|part| part.arrays.as_slice()).unwrap_or_default().iter();
    let arrays: Vec<ArrayRef> = held
        .iter()
        .map(|held| match held {
            Some(arrays) => arrays.get(batch).cloned(),
            None => fresh.next().cloned(),
        })
        .collect::<Option<_>>()
        .ok_or_else(uneven)?;
    let rows = arrays.first().map_or(0, |array| array.len());
    if arrays.iter().any(|array| array.len() != rows) {
        return Err(uneven());
    }
    Ok(Part { arrays, rows })
}

/// Rows of the row group to read: asked keys, less the dead.
async fn selection(
    scan: &Inner,
    file: &SstFile,
    reader: &SstReader,
    ordinal: u32,
    span: &Range<u32>,
) -> Result<Vec<Range<u32>>> {
    let mut wanted: Vec<Range<u32>> = Vec::new();
    match (scan.keys(), &scan.request.ranges) {
        (None, None) => wanted.push(span.clone()),
        (None, Some(ranges)) => {
            for (low, high) in ranges.iter().filter(|(low, high)| file.overlaps(low, high)) {
                add(&mut wanted, &reader.between(low, high), span);
            }
        }
        (Some(keys), _) => {
            for key in keys.iter().filter(|k| file.spans(k)) {
                if let Some(range) = reader.candidates(key) {
                    add(&mut wanted, &range, span);
                }
            }
        }
    }
    if scan.all_versions() || wanted.is_empty() {
        return Ok(wanted);
    }
    let mut dead = Vec::new();
    if file.entry.kind == FileKind::Current {
        dead = file.dead_at(span.clone(), scan.at(), &scan.snapshot.store, &scan.snapshot.view.keys).await?;
        if let Some(own) = scan.own() {
            dead.extend(own.dead_in_file(ordinal));
            dead.sort_unstable();
        }
    }
    Ok(subtract(&wanted, &dead))
}

/// Adds what of `range` lies in `span`; ranges come in ascending order.
fn add(wanted: &mut Vec<Range<u32>>, range: &Range<u32>, span: &Range<u32>) {
    let (start, end) = (range.start.max(span.start), range.end.min(span.end));
    match wanted.last_mut() {
        Some(last) if start <= last.end && start < end => last.end = last.end.max(end),
        _ if start < end => wanted.push(start..end),
        _ => {}
    }
}

/// The ranges without the given rows (ascending).
fn subtract(ranges: &[Range<u32>], dead: &[u32]) -> Vec<Range<u32>> {
    let mut out = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut from = range.start;
        let first = dead.partition_point(|row| *row < range.start);
        for &row in dead.get(first..).unwrap_or_default() {
            if row >= range.end {
                break;
            }
            if row > from {
                out.push(from..row);
            }
            from = from.max(row + 1);
        }
        if from < range.end {
            out.push(from..range.end);
        }
    }
    out
}

/// Which physical columns are read, and where each output column is found among them.
struct Read {
    columns: Vec<ReadColumn>,
    places: Vec<Option<usize>>,
    begin: Option<usize>,
    end: Option<usize>,
}

impl Read {
    fn new(scan: &Inner, reader: &SstReader, check_begin: bool, history: bool) -> Self {
        let mut read = Self { columns: Vec::new(), places: Vec::new(), begin: None, end: None };
        for column in &scan.request.columns {
            let place = match column {
                ScanColumn::Column(id) if reader.has_column(*id) => {
                    scan.request.table.column(*id).map(|c| read.add(ReadColumn::Column(*id, c.ty)))
                }
                ScanColumn::Begin => Some(read.add(ReadColumn::Begin)),
                ScanColumn::End if history => Some(read.add(ReadColumn::End)),
                ScanColumn::Op => Some(read.add(ReadColumn::Op)),
                ScanColumn::Column(_) | ScanColumn::End | ScanColumn::Loc => None,
            };
            read.places.push(place);
        }
        if check_begin {
            read.begin = Some(read.add(ReadColumn::Begin));
        }
        if history && !scan.all_versions() {
            read.end = Some(read.add(ReadColumn::End));
        }
        read
    }

    fn add(&mut self, column: ReadColumn) -> usize {
        if let Some(i) = self.columns.iter().position(|c| *c == column) {
            return i;
        }
        self.columns.push(column);
        self.columns.len() - 1
    }

    #[allow(clippy::too_many_arguments)]
    fn shape(
        &self,
        scan: &Inner,
        part: &Part,
        source: u32,
        ordinals: &[u32],
        ends: Option<&std::collections::BTreeMap<u32, Position>>,
        at: Position,
        history: bool,
    ) -> Result<RecordBatch> {
        let rows = part.rows;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.places.len());
        for (column, place) in scan.request.columns.iter().zip(&self.places) {
            arrays.push(match (column, place) {
                (ScanColumn::End, Some(i)) if history => later_ends_are_null(part.column(*i)?, at)?,
                (_, Some(i)) => part.column(*i)?.clone(),
                (ScanColumn::Column(id), None) => {
                    let column = scan
                        .request
                        .table
                        .column(*id)
                        .ok_or_else(|| Error::internal(format!("no column number {id}")))?;
                    column_to_sql(&initial_values(column, rows)?, column.ty)?
                }
                (ScanColumn::Loc, None) => Arc::new(UInt64Array::from_iter_values(
                    ordinals.iter().map(|row| Loc::of(Place::File(source, *row)).0),
                )),
                (_, None) => Arc::new(UInt64Array::from_iter(
                    ordinals.iter().map(|row| ends.and_then(|e| e.get(row)).filter(|end| **end <= at).map(|end| end.0)),
                )),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(scan.schema.clone(), arrays, &options)
            .map_err(|e| Error::internal(format!("scan of table {:?}: {e}", scan.request.table.name)))
    }

    /// The rows of a batch that had begun and had not ended at `at`; `None` when that was asked of none.
    fn seen(&self, part: &Part, at: Position) -> Result<Option<BooleanArray>> {
        let mut seen = None;
        if let Some(i) = self.begin {
            seen = Some(positions(part.column(i)?)?.values().iter().map(|begin| Some(*begin <= at.0)).collect());
        }
        if let Some(i) = self.end {
            let open: BooleanArray = positions(part.column(i)?)?.values().iter().map(|end| Some(*end > at.0)).collect();
            seen = Some(both(open, seen)?);
        }
        Ok(seen)
    }
}

fn both(one: BooleanArray, other: Option<BooleanArray>) -> Result<BooleanArray> {
    match other {
        Some(other) => arrow::compute::and(&one, &other).map_err(|e| Error::internal(e.to_string())),
        None => Ok(one),
    }
}

/// A bit for each of `rows`, set in the ranges (ascending).
fn mask(ranges: &[Range<usize>], rows: usize) -> BooleanBuffer {
    let mut bits = BooleanBufferBuilder::new(rows);
    for range in ranges {
        bits.append_n(range.start - bits.len(), false);
        bits.append_n(range.len(), true);
    }
    bits.append_n(rows - bits.len(), false);
    bits.finish()
}

fn positions(array: &ArrayRef) -> Result<&UInt64Array> {
    array
        .as_any()
        .downcast_ref::<UInt64Array>()
        .ok_or_else(|| Error::integrity("sst", "a position column is not of type UInt64"))
}

/// Ends after `at` are not known at `at`.
fn later_ends_are_null(array: &ArrayRef, at: Position) -> Result<ArrayRef> {
    let ends = positions(array)?;
    Ok(Arc::new(UInt64Array::from_iter(
        (0..ends.len()).map(|i| (!ends.is_null(i) && ends.value(i) <= at.0).then(|| ends.value(i))),
    )))
}

#[cfg(test)]
mod tests {
    use super::{mask, subtract};

    #[test]
    fn dead_rows_split_ranges() {
        let whole = std::slice::from_ref(&(0u32..10));
        assert_eq!(subtract(whole, &[]), whole);
        assert_eq!(subtract(whole, &[0, 3, 4, 9]), vec![1..3, 5..9]);
        assert_eq!(subtract(&[2..4, 6..8], &[1, 2, 3, 7]), std::slice::from_ref(&(6u32..7)));
        assert!(subtract(std::slice::from_ref(&(5u32..6)), &[5]).is_empty());
    }

    #[test]
    fn ranges_become_bits() {
        let bits = mask(&[1..3, 5..6], 8);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [false, true, true, false, false, true, false, false]);
        assert_eq!(mask(&[], 3).count_set_bits(), 0);
    }
}
