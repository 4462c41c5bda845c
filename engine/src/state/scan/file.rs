//! One row group of a file, as a scan sees it at its position.
//!
//! Promises: dead rows are dropped by a selection before they are decoded; `_begin` and `_end` are read only where the
//! file's bounds say that they can decide something.
//! Never: a row group is read as a whole when only keys are asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
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
use super::selected::{Selected, selected};
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

    let selected = selected(&scan, &file, &reader, ordinal, &span).await?;
    if selected.rows() == 0 {
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
    let mut left = selected.rows();
    let mut rows = if placed { selected.ranges() } else { Vec::new() }.into_iter().flatten();
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
    /// what earlier scans kept, and kept for later ones; a scan too large for that does so with some row groups.
    fn read(&self, scan: &Arc<Inner>, selected: &Selected, columns: &[ReadColumn]) -> BoxStream<'static, Result<Part>> {
        if columns.is_empty() || selected.is_few() {
            let first = self.span.start;
            let within = |r: Range<u32>| (r.start - first) as usize..(r.end - first) as usize;
            let ranges = (!selected.is_all()).then(|| selected.ranges().into_iter().map(within).collect());
            return self.reader.stream(self.plan(scan, ranges, columns)).map(|batch| Ok(Part::of(&batch?))).boxed();
        }
        let kept = scan.kept.keeps(self.file.ulid, self.row_group);
        if kept { self.read_kept(scan, selected, columns) } else { self.read_dense(scan, selected.mask(), columns) }
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
        selected: &Selected,
        columns: &[ReadColumn],
    ) -> BoxStream<'static, Result<Part>> {
        let key = GroupKey {
            file: self.file.ulid,
            row_group: self.row_group,
            batch_size: scan.request.batch_size,
            rows: selected.digest(),
        };
        let cache = &scan.snapshot.view.pages.columns;
        let held: Vec<_> = columns.iter().map(|column| cache.get(key, *column)).collect();
        let missing: Vec<ReadColumn> =
            columns.iter().zip(&held).filter(|(_, held)| held.is_none()).map(|(column, _)| *column).collect();
        if missing.is_empty() {
            let batches = held.iter().flatten().map(|arrays| arrays.len()).next().unwrap_or(0);
            return stream::iter((0..batches).map(move |batch| join(&held, batch, None))).boxed();
        }
        let mut fresh = self.read_dense(scan, selected.mask(), &missing);
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
