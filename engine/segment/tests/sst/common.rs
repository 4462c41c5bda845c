//! A table to write and read, and how the tests of files do it.
//!
//! Promises: row *i* is the same in every test.
//! Never: a test; those are beside it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
use arrow::compute::concat_batches;
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::model::FileKind;
use firn_manifest::schema::ColumnType;
use firn_segment::key::encode_keys;
use firn_segment::sst::read_schema;
use firn_segment::types::batch_to_sql;
use firn_segment::{Key, ReadColumn, ReadPlan, SegmentError, SstOutput, SstReader, SstSpec, SstWriter};
use futures::TryStreamExt as _;

use crate::support::{FixedWorld, Object, ring};

pub const C1: ColumnId = ColumnId(1);
pub const C2: ColumnId = ColumnId(2);
pub const C3: ColumnId = ColumnId(3);

/// Key (c2 TEXT, c1 BIGINT), a nullable text that repeats (c3).
pub fn spec(kind: FileKind) -> SstSpec {
    SstSpec {
        table: TableId(16),
        kind,
        columns: vec![(C1, ColumnType::BigInt), (C2, ColumnType::Text), (C3, ColumnType::Text)],
        key: vec![C2, C1],
        required: vec![],
    }
}

/// The key of row `i`: ten numbers for each text.
pub fn parts(i: usize) -> (String, i64) {
    (format!("name-{:08}", i / 10), (i % 10) as i64 * 3 - 7)
}

pub fn rows(range: Range<usize>) -> RecordBatch {
    let schema = spec(FileKind::Current).schema();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(range.clone().map(|i| Some(parts(i).1)).collect::<Int64Array>()),
        Arc::new(range.clone().map(|i| Some(parts(i).0)).collect::<StringArray>()),
        Arc::new(range.clone().map(|i| (i % 7 != 0).then(|| format!("kind-{}", i % 5))).collect::<StringArray>()),
        Arc::new(range.clone().map(|i| Some(1000 + i as u64 % 50)).collect::<UInt64Array>()),
        Arc::new(range.map(|i| Some((i % 2) as u8)).collect::<UInt8Array>()),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

pub fn key_of(text: &str, number: i64) -> Key {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec![text])), Arc::new(Int64Array::from(vec![number]))];
    encode_keys(&columns, &[ColumnType::Text, ColumnType::BigInt]).unwrap().remove(0)
}

pub fn write(spec: SstSpec, batches: &[RecordBatch], world: &FixedWorld) -> Result<SstOutput, SegmentError> {
    let keys = ring(1);
    let mut writer = SstWriter::new(spec, keys.active(), world)?;
    for batch in batches {
        writer.push(batch)?;
    }
    writer.finish()
}

pub async fn open(out: &SstOutput, spec: &SstSpec) -> (Arc<SstReader>, Arc<Object>) {
    let object = Object::new(out.bytes.clone());
    let reader = SstReader::open(&out.entry, object.clone(), &ring(1), &spec.columns).await.unwrap();
    (reader, object)
}

pub fn all(spec: &SstSpec) -> Vec<ReadColumn> {
    let columns = spec.columns.iter().map(|(id, ty)| ReadColumn::Column(*id, *ty));
    columns.chain([ReadColumn::Begin, ReadColumn::End, ReadColumn::Op]).collect()
}

pub async fn scan(reader: &Arc<SstReader>, columns: Vec<ReadColumn>, ranges: Option<Vec<Range<usize>>>) -> RecordBatch {
    let row_groups = (0..reader.row_groups().len()).collect();
    let schema = read_schema(&columns);
    let plan = ReadPlan { columns, row_groups, ranges, batch_size: 8192 };
    let batches: Vec<RecordBatch> = reader.stream(plan).try_collect().await.unwrap();
    assert!(batches.iter().all(|b| b.num_rows() <= 8192 && b.schema() == schema));
    concat_batches(&schema, &batches).unwrap()
}

/// Compares values, as SQL types, column by column.
pub fn assert_same(read: &RecordBatch, columns: &[ReadColumn], written: &RecordBatch) {
    let written = batch_to_sql(written).unwrap();
    assert_eq!(read.num_rows(), written.num_rows());
    for (column, field) in read.columns().iter().zip(read_schema(columns).fields()) {
        match written.column_by_name(field.name()) {
            Some(expected) => assert_eq!(column, expected, "{}", field.name()),
            None => assert_eq!(column.null_count(), read.num_rows(), "{}", field.name()),
        }
    }
}
