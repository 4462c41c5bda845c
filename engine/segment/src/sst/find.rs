//! Point reads: from keys to rows, from rows to values.
//!
//! Promises: only pages that can hold a key are read, and of those only the key's columns; all row groups concerned are
//! asked at once.
//! Never: a search by anything but the encoded key, whose order is the file's.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use parquet::arrow::arrow_reader::RowSelection;

use super::reader::{POINT_READS, SstReader};
use super::{PAGE_ROWS, ReadColumn, RowGroupInfo};
use crate::error::SegmentError;
use crate::key::{Key, KeyEncoder};

/// A key to look for in some rows of a row group: its place in the request, and the rows (from the group's first).
type Wanted = (usize, Range<u32>);

impl SstReader {
    /// The rows that can hold `key`, without I/O; `None`: it is not in the file. In a history file the range covers
    /// all versions.
    #[must_use]
    pub fn candidates(&self, key: &[u8]) -> Option<Range<u32>> {
        self.file.index.candidates(key)
    }

    /// The rows that can hold a key from `low` on and below `high`, without I/O.
    #[must_use]
    pub fn between(&self, low: &[u8], high: &[u8]) -> Range<u32> {
        self.file.index.between(low, high)
    }

    /// The row ordinal of each key, `None` where the file does not have it; `keys` ascending. In a history file it is
    /// the first version's.
    ///
    /// # Errors
    /// Kind `Store` if a read fails; kind `Integrity` if a page does not open.
    pub async fn find(&self, keys: &[Key]) -> Result<Vec<Option<u32>>, SegmentError> {
        let mut found = vec![None; keys.len()];
        let tasks = self.group_keys(keys);
        let groups = stream::iter(tasks.into_iter().map(|(group, wanted)| self.find_in_group(group, wanted, keys)));
        let mut groups = groups.buffered(POINT_READS);
        while let Some(rows) = groups.try_next().await? {
            for (at, row) in rows {
                found[at] = Some(found[at].map_or(row, |other: u32| other.min(row)));
            }
        }
        Ok(found)
    }

    /// The rows of these ordinals (strictly ascending), as one batch.
    ///
    /// # Errors
    /// Kind `Input` if the ordinals do not ascend or the file does not have one; else as [`SstReader::find`].
    pub async fn take(&self, rows: &[u32], columns: &[ReadColumn]) -> Result<RecordBatch, SegmentError> {
        let projection = self.project(columns)?;
        let ascending = rows.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || rows.last().is_some_and(|row| u64::from(*row) >= self.entry().rows) {
            return Err(SegmentError::input(
                &self.entry().name,
                "rows to take do not ascend, or the file does not have one",
            ));
        }
        let mut tasks = Vec::new();
        let mut rest = rows;
        for group in self.groups() {
            let end = group.first_row + group.rows;
            let (own, others) = rest.split_at(rest.partition_point(|row| *row < end));
            rest = others;
            if !own.is_empty() {
                let ranges = own.iter().map(|row| row - group.first_row..row - group.first_row + 1);
                tasks.push((group.index, selection(ranges, group)));
            }
        }
        let projection = &projection;
        let batches = stream::iter(tasks)
            .map(|(group, selection)| self.read_group(group, selection, projection))
            .buffered(POINT_READS)
            .try_collect::<Vec<_>>()
            .await?;
        self.concat(&projection.schema, batches)
    }

    /// The rows of the page that `row` stands in; `None` if the file does not have that row.
    #[must_use]
    pub fn page_of(&self, row: u32) -> Option<Range<u32>> {
        let group = self.group_of(row)?;
        let start = group.first_row + (row - group.first_row) / PAGE_ROWS * PAGE_ROWS;
        Some(start..start.saturating_add(PAGE_ROWS).min(group.first_row + group.rows))
    }

    /// Rows that stand one after another in one row group, such as a page's.
    ///
    /// # Errors
    /// Kind `Input` if the rows are not of one row group; else as [`SstReader::find`].
    pub async fn read_rows(&self, rows: Range<u32>, columns: &[ReadColumn]) -> Result<RecordBatch, SegmentError> {
        let group = self.group_of(rows.start).filter(|g| rows.start < rows.end && rows.end <= g.first_row + g.rows);
        let Some(group) = group else {
            return Err(SegmentError::input(&self.entry().name, "rows to read are not of one row group"));
        };
        let projection = self.project(columns)?;
        let chosen = std::iter::once(rows.start - group.first_row..rows.end - group.first_row);
        self.read_group(group.index, selection(chosen, group), &projection).await
    }

    fn group_of(&self, row: u32) -> Option<&RowGroupInfo> {
        let groups = self.groups();
        groups.get(groups.partition_point(|g| g.first_row + g.rows <= row))
    }

    /// Which keys to look for in which row groups.
    fn group_keys(&self, keys: &[Key]) -> Vec<(RowGroupInfo, Vec<Wanted>)> {
        let mut tasks: Vec<(RowGroupInfo, Vec<Wanted>)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let Some(rows) = self.candidates(key) else { continue };
            let groups = self.groups();
            let first = groups.partition_point(|g| g.first_row + g.rows <= rows.start);
            for group in groups[first..].iter().take_while(|g| g.first_row < rows.end) {
                let start = rows.start.max(group.first_row) - group.first_row;
                let end = rows.end.min(group.first_row + group.rows) - group.first_row;
                let place = tasks.binary_search_by_key(&group.index, |(g, _)| g.index);
                let place = place.unwrap_or_else(|place| {
                    tasks.insert(place, (*group, Vec::new()));
                    place
                });
                tasks[place].1.push((at, start..end));
            }
        }
        tasks
    }

    /// Looks for keys in one row group: gives the place in `keys` and the row of each that is there.
    async fn find_in_group(
        &self,
        group: RowGroupInfo,
        wanted: Vec<Wanted>,
        keys: &[Key],
    ) -> Result<Vec<(usize, u32)>, SegmentError> {
        let runs = merge(wanted.iter().map(|(_, rows)| rows.clone()));
        let columns: Vec<ReadColumn> = self.file.key.iter().map(|(id, ty)| ReadColumn::Column(*id, *ty)).collect();
        let types: Vec<_> = self.file.key.iter().map(|(_, ty)| *ty).collect();
        let projection = self.project(&columns)?;
        let batch = self.read_group(group.index, selection(runs.iter().cloned(), &group), &projection).await?;
        let arrays: Vec<ArrayRef> = batch.columns().iter().map(Arc::clone).collect();
        let encoder =
            KeyEncoder::new(&arrays, &types).map_err(|e| SegmentError::integrity(&self.entry().name, e.what))?;

        // where each run begins in the batch
        let mut starts = Vec::with_capacity(runs.len());
        let mut total = 0;
        for run in &runs {
            starts.push(total);
            total += run.end - run.start;
        }
        let mut found = Vec::new();
        let mut scratch = Vec::new();
        for (at, rows) in wanted {
            let run = runs.partition_point(|run| run.start <= rows.start).saturating_sub(1);
            let (Some(run), Some(start)) = (runs.get(run), starts.get(run)) else { continue };
            let offset = start + (rows.start - run.start);
            let (mut low, mut high) = (0, rows.end - rows.start);
            let mut hit = false;
            while low < high {
                let middle = low + (high - low) / 2;
                scratch.clear();
                encoder.append((offset + middle) as usize, &mut scratch)?;
                match scratch.as_slice().cmp(&keys[at]) {
                    Ordering::Less => low = middle + 1,
                    other => {
                        hit |= other == Ordering::Equal;
                        high = middle;
                    }
                }
            }
            // the lowest row that is not less; it was compared unless nothing was equal
            if hit {
                found.push((at, group.first_row + rows.start + low));
            }
        }
        Ok(found)
    }
}

/// A selection of these rows of a group; ranges ascend.
fn selection(ranges: impl Iterator<Item = Range<u32>>, group: &RowGroupInfo) -> RowSelection {
    RowSelection::from_consecutive_ranges(ranges.map(|r| r.start as usize..r.end as usize), group.rows as usize)
}

/// The union of ranges, as runs that ascend and do not touch.
fn merge(ranges: impl Iterator<Item = Range<u32>>) -> Vec<Range<u32>> {
    let mut sorted: Vec<Range<u32>> = ranges.collect();
    sorted.sort_unstable_by_key(|r| (r.start, r.end));
    let mut runs: Vec<Range<u32>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match runs.last_mut() {
            Some(run) if range.start <= run.end => run.end = run.end.max(range.end),
            _ => runs.push(range),
        }
    }
    runs
}
