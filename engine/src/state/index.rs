//! Secondary indexes as they are stored: entries, each a row of a hidden table, and the reads through them.
//!
//! Promises: an index of the schema version of a position has an entry for every row visible there; whoever reads by it
//! still filters.
//! Never: more entries are collected than were asked for.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{Column, ColumnType, TableSchema};
use firn_segment::key::{Key, bytea_prefix};
use futures::StreamExt;

use super::scan::{ScanAt, ScanColumn, ScanRequest};
use super::snapshot::Snapshot;
use crate::error::{Error, Result};

/// The column that holds the indexed values, encoded.
pub const ENTRY: ColumnId = ColumnId(1);
/// The column that holds the row's key.
pub const ROW: ColumnId = ColumnId(2);
/// The name of [`ENTRY`].
pub const ENTRY_NAME: &str = "_entry";

/// Entries from the first on and below the second.
pub type EntryRange = (Vec<u8>, Vec<u8>);

/// A read of a table by one of its indexes.
#[derive(Clone, Debug)]
pub struct IndexRead {
    /// the index's name
    pub name: String,
    /// the table of its entries
    pub entries: Arc<TableSchema>,
    /// the entries that can match, ascending
    pub ranges: Vec<EntryRange>,
    /// with more entries than this the whole table is read instead
    pub limit: usize,
}

/// The schema of an index's entries.
#[must_use]
pub fn entries_schema(id: TableId, name: &str, of: &TableSchema) -> TableSchema {
    let columns = vec![
        Column::new(ENTRY, ENTRY_NAME, ColumnType::Bytea).not_null(),
        Column::new(ROW, "_row", ColumnType::Bytea).not_null(),
    ];
    TableSchema {
        schema: of.schema.clone(),
        index_of: Some(of.id),
        ..TableSchema::new(id, name, columns, vec![ENTRY, ROW])
    }
}

/// The lowest bytes above everything that begins with `bytes`.
#[must_use]
pub fn after(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    while let Some(last) = out.pop() {
        if last < u8::MAX {
            out.push(last + 1);
            return out;
        }
    }
    vec![u8::MAX; 1]
}

impl Snapshot {
    /// The entries in those ranges (ascending): the indexed values, encoded, and the row's key. `None` when there are
    /// more than `limit`.
    ///
    /// # Errors
    /// Store, key and integrity errors of the read.
    pub async fn index_entries(
        &self,
        entries: &Arc<TableSchema>,
        ranges: &[EntryRange],
        at: ScanAt,
        limit: usize,
    ) -> Result<Option<Vec<(Vec<u8>, Key)>>> {
        let bounds = ranges.iter().map(|(low, high)| (bytea_prefix(low), bytea_prefix(high))).collect();
        let scan = self.scan(ScanRequest {
            table: entries.clone(),
            at,
            columns: vec![ScanColumn::Column(ENTRY), ScanColumn::Column(ROW)],
            predicate: None,
            keys: None,
            ranges: Some(bounds),
            index: None,
            partitions: 1,
            batch_size: 1024,
        })?;
        let mut found = Vec::new();
        let mut batches = scan.execute(0);
        while let Some(batch) = batches.next().await {
            pick(&batch?, ranges, &mut found)?;
            if found.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// The keys of the rows that an index names, sorted; `None` when they are too many.
    pub(super) async fn keys_by_index(&self, read: &IndexRead, at: ScanAt) -> Result<Option<Vec<Key>>> {
        let found = self.index_entries(&read.entries, &read.ranges, at, read.limit).await?;
        Ok(found.map(|found| {
            let mut keys: Vec<Key> = found.into_iter().map(|(_, key)| key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        }))
    }
}

/// The entries of a batch that lie in the ranges.
fn pick(batch: &RecordBatch, ranges: &[EntryRange], found: &mut Vec<(Vec<u8>, Key)>) -> Result<()> {
    let column = |i: usize| batch.columns().get(i).and_then(|c| c.as_binary_view_opt());
    let (Some(entries), Some(rows)) = (column(0), column(1)) else {
        return Err(Error::internal("index entries of another type"));
    };
    for (entry, row) in entries.iter().flatten().zip(rows.iter().flatten()) {
        let before = ranges.partition_point(|(low, _)| low.as_slice() <= entry);
        if before.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, high)| entry < high.as_slice()) {
            found.push((entry.to_vec(), row.into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn what_comes_after_a_prefix() {
        assert_eq!(after(&[0, 1]), [0, 2]);
        assert_eq!(after(&[0, 255]), [1]);
        assert_eq!(after(&[255, 255]), [255]);
    }
}
