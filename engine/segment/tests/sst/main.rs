//! Files: what is written comes back by scan, by key and by row, from few reads; and nothing else is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "../support/mod.rs"]
mod support;
mod tamper;

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt64Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Int64Type, UInt64Type};
use common::{C1, C2, C3, all, assert_same, key_of, open, parts, rows, scan, spec, write};
use firn_manifest::ids::{ColumnId, Digest, Position, TableId};
use firn_manifest::model::{FileEntry, FileKind};
use firn_manifest::schema::ColumnType;
use firn_segment::key::encode_keys;
use firn_segment::sst::{GROUP_ROWS, PAGE_ROWS, parse_sst_name};
use firn_segment::types::{batch_to_sql, to_sql};
use firn_segment::{Key, ReadColumn, SegmentErrorKind, SstReader, SstSpec, SstWriter};
use support::{FixedWorld, Object, ring};

#[tokio::test]
async fn two_hundred_thousand_rows_with_a_composite_key() {
    const ROWS: usize = 200_000;
    let spec = spec(FileKind::Current);
    // batches of odd sizes, so that pages and groups do not fall on their borders
    let batches: Vec<RecordBatch> = (0..ROWS).step_by(7_001).map(|i| rows(i..(i + 7_001).min(ROWS))).collect();
    let out = write(spec.clone(), &batches, &FixedWorld::default()).unwrap();
    let entry = &out.entry;
    assert_eq!(entry.rows, ROWS as u64);
    assert_eq!((entry.size, out.object.size), (out.bytes.len() as u64, out.bytes.len() as u64));
    assert_eq!((&out.object.name, out.object.digest), (&entry.name, Digest::of(&out.bytes)));
    assert_eq!((entry.min_begin, entry.max_begin, entry.max_end), (Position(1000), Position(1049), None));
    assert_eq!(entry.min_key, hex::encode(key_of("name-00000000", -7)));
    assert_eq!(entry.max_key, hex::encode(key_of("name-00019999", 20)));
    assert!(parse_sst_name(&entry.name).is_some());
    // the tail stays small: filters of 10 bits a key, a bound for each page
    assert!(entry.size - entry.tail_offset < 400_000, "{}", entry.size - entry.tail_offset);

    let (reader, object) = open(&out, &spec).await;
    assert_eq!(object.reads(), 1, "opening is one read");
    assert_eq!(object.read_bytes(), entry.size - entry.tail_offset);
    let groups = reader.row_groups();
    assert_eq!(groups.iter().map(|g| g.rows).collect::<Vec<_>>(), [GROUP_ROWS, GROUP_ROWS, GROUP_ROWS, 3_392]);
    assert_eq!(groups[2].first_row, 2 * GROUP_ROWS);

    // pages of 1,024 rows in every column
    for group in reader.metadata().offset_index().unwrap() {
        for column in group {
            let firsts: Vec<i64> = column.page_locations.iter().map(|p| p.first_row_index).collect();
            assert!(
                firsts.iter().enumerate().all(|(i, first)| *first == i as i64 * i64::from(PAGE_ROWS)),
                "{firsts:?}"
            );
        }
    }

    // a dictionary for the column that repeats, none for the key
    let dictionaries = reader.metadata().row_group(1).columns().iter().map(|c| c.dictionary_page_offset().is_some());
    assert_eq!(dictionaries.collect::<Vec<_>>(), [false, false, true, false, false]);

    let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
    let columns = all(&spec);
    assert_same(&scan(&reader, columns.clone(), None).await, &columns, &whole);

    // a selection over all row groups, in another order of columns
    let some = vec![ReadColumn::Op, ReadColumn::Column(C3, ColumnType::Text)];
    let ranges = vec![5..6, 65_000..66_000, 150_000..150_001, 199_999..200_000];
    let chosen: arrow::array::UInt32Array = ranges.iter().cloned().flatten().map(|i| i as u32).collect();
    let read = scan(&reader, some.clone(), Some(ranges)).await;
    assert_same(&read, &some, &take_record_batch(&whole, &chosen).unwrap());

    // no columns: rows are counted, nothing is read
    object.reads();
    assert_eq!(scan(&reader, vec![], None).await.num_rows(), ROWS);
    assert_eq!(object.reads(), 0);

    let picked: Vec<u32> = vec![0, 1, 1023, 1024, 65_535, 65_536, 131_071, 131_072, 199_999];
    let taken = reader.take(&picked, &columns).await.unwrap();
    assert_same(
        &taken,
        &columns,
        &take_record_batch(&whole, &arrow::array::UInt32Array::from(picked.clone())).unwrap(),
    );
    assert_eq!(reader.take(&[], &columns).await.unwrap().num_rows(), 0);
    for bad in [vec![2, 1], vec![1, 1], vec![ROWS as u32]] {
        assert_eq!(reader.take(&bad, &columns).await.unwrap_err().kind, SegmentErrorKind::Input);
    }

    // by key: present ones are found where they are, absent ones are not
    let mut wanted: Vec<(Key, Option<u32>)> =
        picked.iter().map(|i| (key_of(&parts(*i as usize).0, parts(*i as usize).1), Some(*i))).collect();
    for i in [0, 500, 19_999] {
        wanted.push((key_of(&format!("name-{i:08}"), -6), None));
        wanted.push((key_of(&format!("name-{i:08}x"), -7), None));
    }
    wanted.push((key_of("", 0), None));
    wanted.push((key_of("zzz", 0), None));
    wanted.sort();
    let keys: Vec<Key> = wanted.iter().map(|(k, _)| k.clone()).collect();
    let expected: Vec<Option<u32>> = wanted.iter().map(|(_, row)| *row).collect();
    assert_eq!(reader.find(&keys).await.unwrap(), expected);
    for (key, row) in &wanted {
        let Some(row) = row else { continue };
        let candidates = reader.candidates(key).unwrap();
        assert!(candidates.contains(row) && candidates.len() <= PAGE_ROWS as usize, "{candidates:?}");
    }
    assert_eq!(reader.candidates(&key_of("", 0)), None);
    assert_eq!(reader.candidates(&key_of("zzz", 0)), None);

    // one key costs one round trip and a few pages, one absent key nearly always nothing
    object.reads();
    object.read_bytes();
    assert_eq!(reader.find(&[key_of("name-00012345", 2)]).await.unwrap(), [Some(123_453)]);
    let (reads, bytes) = (object.reads(), object.read_bytes());
    assert!(reads <= 2 && bytes < 300_000, "{reads} reads of {bytes} bytes");
    let absent = (0..10_000).filter(|i| reader.candidates(&key_of(&format!("name-{i:08}"), -6)).is_some()).count();
    assert!(absent < 250, "{absent} of 10,000 absent keys were not excluded");
    assert_eq!(object.reads(), 0);

    // every key finds its row
    let every: Vec<Key> = (0..ROWS).step_by(37).map(|i| key_of(&parts(i).0, parts(i).1)).collect();
    let found = reader.find(&every).await.unwrap();
    assert!(found.iter().zip((0..ROWS).step_by(37)).all(|(found, i)| *found == Some(i as u32)));

    let (mins, maxes, nulls) = reader.row_group_bounds(C1, ColumnType::BigInt).unwrap();
    assert_eq!(mins.as_primitive::<Int64Type>().value(3), -7);
    assert_eq!(maxes.as_primitive::<Int64Type>().value(0), 20);
    assert_eq!(nulls.value(0), 0);
    let (mins, _, nulls) = reader.row_group_bounds(C3, ColumnType::Text).unwrap();
    assert_eq!(to_sql(&mins).unwrap().as_string_view().value(1), "kind-0");
    assert_eq!(nulls.value(3), (196_608..200_000).filter(|i| i % 7 == 0).count() as u64);
    assert!(reader.row_group_bounds(ColumnId(9), ColumnType::Text).is_none());
}

#[tokio::test]
async fn a_column_the_file_does_not_have_is_null() {
    let spec = spec(FileKind::Current);
    let out = write(spec.clone(), &[rows(0..100)], &FixedWorld::default()).unwrap();
    let later = (ColumnId(4), ColumnType::Uuid);
    let mut columns = spec.columns.clone();
    columns.push(later);
    let object = Object::new(out.bytes.clone());
    let reader = SstReader::open(&out.entry, object.clone(), &ring(1), &columns).await.unwrap();
    assert!(reader.has_column(C1) && !reader.has_column(later.0));
    let read = vec![ReadColumn::Column(later.0, later.1), ReadColumn::Begin];
    let batch = scan(&reader, read.clone(), Some(std::iter::once(3..5).collect())).await;
    assert_eq!((batch.num_rows(), batch.column(0).null_count()), (2, 2));
    assert_eq!(reader.take(&[7], &read[..1]).await.unwrap().column(0).null_count(), 1);

    // the same number with another type is another column's
    let wrong = [(C1, ColumnType::Text)];
    let error = SstReader::open(&out.entry, object, &ring(1), &wrong).await.unwrap_err();
    assert_eq!(error.kind, SegmentErrorKind::Integrity);
    assert!(reader.take(&[0], &[ReadColumn::Column(C1, ColumnType::Text)]).await.is_err());
}

#[tokio::test]
async fn history_holds_many_versions_of_a_key() {
    let spec = spec(FileKind::History);
    // 30 keys of 400 versions each: a key's versions span pages
    let n = 12_000u64;
    let begin = |i: u64| 10 + i % 400;
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..n).map(|_| Some(1)).collect::<Int64Array>()),
        Arc::new((0..n).map(|i| Some(format!("k{:02}", i / 400))).collect::<StringArray>()),
        Arc::new((0..n).map(|i| Some(format!("v{i}"))).collect::<StringArray>()),
        Arc::new((0..n).map(|i| Some(begin(i))).collect::<UInt64Array>()),
        Arc::new((0..n).map(|i| Some(begin(i) + 1)).collect::<UInt64Array>()),
        Arc::new((0..n).map(|_| Some(1)).collect::<UInt8Array>()),
    ];
    let batch = RecordBatch::try_new(spec.schema(), columns).unwrap();
    let out = write(spec.clone(), std::slice::from_ref(&batch), &FixedWorld::default()).unwrap();
    assert_eq!(out.entry.max_end, Some(Position(410)));
    let (reader, _) = open(&out, &spec).await;
    assert_same(&scan(&reader, all(&spec), None).await, &all(&spec), &batch);
    for k in 0..30u32 {
        let key = key_of(&format!("k{k:02}"), 1);
        let rows = reader.candidates(&key).unwrap();
        assert!(rows.start <= k * 400 && rows.end >= (k + 1) * 400, "{k}: {rows:?}");
        assert_eq!(reader.find(&[key]).await.unwrap(), [Some(k * 400)]);
    }
    let ends = scan(&reader, vec![ReadColumn::End], None).await;
    assert_eq!(ends.column(0).as_primitive::<UInt64Type>().value(399), 410);

    // an end at or before the begin is refused
    let mut columns = batch.columns().to_vec();
    columns[4] = batch.column(3).clone();
    let bad = RecordBatch::try_new(spec.schema(), columns).unwrap();
    assert_eq!(write(spec, &[bad], &FixedWorld::default()).unwrap_err().kind, SegmentErrorKind::Input);
}

/// Each type with its extremes and NULL.
fn every_type() -> Vec<(ColumnType, ArrayRef)> {
    let decimal = |p: u8, s: i8, v: Vec<Option<i128>>| -> ArrayRef {
        Arc::new(Decimal128Array::from(v).with_precision_and_scale(p, s).unwrap())
    };
    let long = "x".repeat(300_000);
    let max38 = 99_999_999_999_999_999_999_999_999_999_999_999_999i128;
    vec![
        (ColumnType::Boolean, Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, None]))),
        (ColumnType::SmallInt, Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None, Some(0)]))),
        (ColumnType::Integer, Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(0)]))),
        (ColumnType::BigInt, Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)]))),
        (ColumnType::Real, Arc::new(Float32Array::from(vec![Some(f32::MIN), Some(f32::INFINITY), None, Some(-0.0)]))),
        (
            ColumnType::Double,
            Arc::new(Float64Array::from(vec![Some(f64::MIN_POSITIVE), Some(f64::NEG_INFINITY), None, Some(-0.0)])),
        ),
        (ColumnType::Decimal { precision: 4, scale: 2 }, decimal(4, 2, vec![Some(-9999), Some(9999), None, Some(0)])),
        (
            ColumnType::Decimal { precision: 18, scale: 0 },
            decimal(18, 0, vec![Some(-1), Some(10i128.pow(18) - 1), None, Some(0)]),
        ),
        (
            ColumnType::Decimal { precision: 38, scale: 38 },
            decimal(38, 38, vec![Some(-max38), Some(max38), None, Some(1)]),
        ),
        (
            ColumnType::Text,
            Arc::new(StringArray::from(vec![Some(""), Some("\u{0}\u{1F9CA}"), None, Some(long.as_str())])),
        ),
        (ColumnType::Varchar { length: 9 }, Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("c")]))),
        (
            ColumnType::Bytea,
            Arc::new(BinaryArray::from(vec![Some(&b""[..]), Some(b"\xFF\x00"), None, Some(long.as_bytes())])),
        ),
        (ColumnType::Date, Arc::new(Date32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(0)]))),
        (
            ColumnType::Timestamp,
            Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)])),
        ),
        (
            ColumnType::Timestamptz,
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)])
                    .with_timezone("UTC"),
            ),
        ),
        (
            ColumnType::Uuid,
            Arc::new(StringArray::from(vec![
                Some("67e55044-10b1-426f-9247-bb680e5fe0c8"),
                None,
                None,
                Some("00000000-0000-0000-0000-000000000000"),
            ])),
        ),
    ]
}

#[tokio::test]
async fn every_type_with_extremes_and_nulls() {
    for kind in [FileKind::Current, FileKind::History] {
        let types = every_type();
        let mut columns: Vec<(ColumnId, ColumnType)> = vec![(ColumnId(100), ColumnType::Integer)];
        columns.extend((200..).zip(&types).map(|(id, (ty, _))| (ColumnId(id), *ty)));
        let spec = SstSpec { table: TableId(16), kind, columns, key: vec![ColumnId(100)], required: vec![] };
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1, 2, 3, 4]))];
        arrays.extend(types.iter().map(|(_, array)| array.clone()));
        arrays.push(Arc::new(UInt64Array::from(vec![1, 2, 3, u64::MAX - 1])));
        if kind == FileKind::History {
            arrays.push(Arc::new(UInt64Array::from(vec![2, 3, 4, u64::MAX])));
        }
        arrays.push(Arc::new(UInt8Array::from(vec![0, 1, 0, 1])));
        let batch = RecordBatch::try_new(spec.schema(), arrays).unwrap();

        let stored = write(spec.clone(), std::slice::from_ref(&batch), &FixedWorld::default()).unwrap();
        let viewed = write(spec.clone(), &[batch_to_sql(&batch).unwrap()], &FixedWorld::default()).unwrap();
        for out in [stored, viewed] {
            let (reader, _) = open(&out, &spec).await;
            assert_same(&scan(&reader, all(&spec), None).await, &all(&spec), &batch);
            assert_same(&reader.take(&[0, 1, 2, 3], &all(&spec)).await.unwrap(), &all(&spec), &batch);
            for (id, ty) in &spec.columns {
                let none = matches!(ty, ColumnType::Real | ColumnType::Double);
                assert_eq!(reader.row_group_bounds(*id, *ty).is_none(), none, "{ty:?}");
            }
        }
    }
}

#[tokio::test]
async fn long_keys_share_their_cut_bounds() {
    // keys that differ only after the 64 bytes that bounds keep
    let spec = SstSpec { columns: vec![(C2, ColumnType::Text)], key: vec![C2], ..spec(FileKind::Current) };
    let text = |i: usize| format!("{}{i:06}", "p".repeat(80));
    let n = 5_000usize;
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..n).map(|i| Some(text(i * 2))).collect::<StringArray>()),
        Arc::new((0..n).map(|_| Some(1)).collect::<UInt64Array>()),
        Arc::new((0..n).map(|_| Some(0)).collect::<UInt8Array>()),
    ];
    let batch = RecordBatch::try_new(spec.schema(), columns).unwrap();
    let out = write(spec.clone(), &[batch], &FixedWorld::default()).unwrap();
    let (reader, _) = open(&out, &spec).await;
    let keys: Vec<Key> = (0..2 * n)
        .map(|i| {
            let column: ArrayRef = Arc::new(StringArray::from(vec![text(i)]));
            encode_keys(&[column], &[ColumnType::Text]).unwrap().remove(0)
        })
        .collect();
    let found = reader.find(&keys).await.unwrap();
    for (i, found) in found.iter().enumerate() {
        assert_eq!(*found, (i % 2 == 0).then_some(i as u32 / 2), "{i}");
    }
}

#[test]
fn rows_out_of_order_are_refused() {
    let refused = |batches: &[RecordBatch]| {
        assert_eq!(
            write(spec(FileKind::Current), batches, &FixedWorld::default()).unwrap_err().kind,
            SegmentErrorKind::Input
        );
    };
    refused(&[]);
    refused(&[rows(0..0)]);
    refused(&[rows(10..20), rows(0..10)]);
    refused(&[rows(0..10), rows(9..12)]);
    refused(&[rows(0..10).project(&[0, 1, 2, 3]).unwrap()]);
    let mut columns = rows(0..1).columns().to_vec();
    columns[4] = Arc::new(UInt8Array::from(vec![7]));
    refused(&[RecordBatch::try_new(rows(0..1).schema(), columns).unwrap()]);
    let no_key = SstSpec { key: vec![], ..spec(FileKind::Current) };
    let other_key = SstSpec { key: vec![ColumnId(9)], ..spec(FileKind::Current) };
    for bad in [no_key, other_key] {
        assert!(SstWriter::new(bad, ring(1).active(), &FixedWorld::default()).is_err());
    }
    let mut writer = SstWriter::new(spec(FileKind::Current), ring(1).active(), &FixedWorld::default()).unwrap();
    assert!(writer.push_keyed(&rows(0..2), &[&key_of("a", 1)]).is_err());
    writer.push_keyed(&rows(0..1), &[&key_of(&parts(0).0, parts(0).1)]).unwrap();
    assert_eq!(writer.rows(), 1);
}

#[tokio::test]
async fn wide_tables_and_wide_rows() {
    // a thousand columns
    let mut columns: Vec<(ColumnId, ColumnType)> = vec![(ColumnId(1), ColumnType::BigInt)];
    columns.extend((2..=1000).map(|id| (ColumnId(id), ColumnType::SmallInt)));
    let spec =
        SstSpec { table: TableId(16), kind: FileKind::Current, columns, key: vec![ColumnId(1)], required: vec![] };
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1, 2]))];
    arrays.extend((2..=1000).map(|id| -> ArrayRef { Arc::new(Int16Array::from(vec![Some(id), None])) }));
    arrays.push(Arc::new(UInt64Array::from(vec![1, 1])));
    arrays.push(Arc::new(UInt8Array::from(vec![0, 0])));
    let batch = RecordBatch::try_new(spec.schema(), arrays).unwrap();
    let out = write(spec.clone(), std::slice::from_ref(&batch), &FixedWorld::default()).unwrap();
    let (reader, object) = open(&out, &spec).await;
    object.reads();
    assert_same(&reader.take(&[0, 1], &all(&spec)).await.unwrap(), &all(&spec), &batch);
    assert!(object.reads() <= 3, "the pages of a row are near each other");

    // rows of a megabyte end a row group early, and are found all the same
    let spec = SstSpec {
        columns: vec![(C1, ColumnType::BigInt), (C3, ColumnType::Bytea)],
        key: vec![C1],
        ..common::spec(FileKind::Current)
    };
    let blob = |i: usize| (0..1 << 20).map(|b| (b * 31 + i * 7 + b / 255) as u8).collect::<Vec<u8>>();
    let n = 150;
    let arrays: Vec<ArrayRef> = vec![
        Arc::new((0..n).map(|i| Some(i as i64)).collect::<Int64Array>()),
        Arc::new(BinaryArray::from_iter_values((0..n).map(blob))),
        Arc::new((0..n).map(|_| Some(1)).collect::<UInt64Array>()),
        Arc::new((0..n).map(|_| Some(0)).collect::<UInt8Array>()),
    ];
    let batch = RecordBatch::try_new(spec.schema(), arrays).unwrap();
    let out = write(spec.clone(), &[batch], &FixedWorld::default()).unwrap();
    let (reader, object) = open(&out, &spec).await;
    assert!(reader.row_groups().len() >= 2, "{:?}", reader.row_groups());
    object.read_bytes();
    let row = reader.take(&[100], &[ReadColumn::Column(C3, ColumnType::Bytea)]).await.unwrap();
    assert_eq!(row.column(0).as_binary_view().value(0), blob(100));
    assert!(object.read_bytes() < 6 << 20, "a wide row is read with few others");
}

/// Parquet's encryption draws its own nonces, so a file's bytes cannot be compared; but the files of years ago open today.
#[tokio::test]
async fn golden_files_open() {
    let place = |name: &str| std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    for kind in [FileKind::Current, FileKind::History] {
        let spec = spec(kind);
        let mut batch = rows(0..1_500);
        if kind == FileKind::History {
            let mut columns = batch.columns().to_vec();
            columns.insert(4, Arc::new((0..1_500).map(|i| Some(2_000 + i)).collect::<UInt64Array>()));
            batch = RecordBatch::try_new(spec.schema(), columns).unwrap();
        }
        let stem = if kind == FileKind::Current { "current" } else { "history" };
        let (file, entry) = (place(&format!("{stem}.parquet")), place(&format!("{stem}.json")));
        if std::env::var("FIRN_GOLDEN").as_deref() == Ok("write") {
            let out = write(spec.clone(), std::slice::from_ref(&batch), &FixedWorld::default()).unwrap();
            std::fs::write(&file, &out.bytes).unwrap();
            std::fs::write(&entry, serde_json::to_vec_pretty(&out.entry).unwrap()).unwrap();
        }
        let entry: FileEntry = serde_json::from_slice(&std::fs::read(&entry).unwrap()).unwrap();
        let object = Object::new(std::fs::read(&file).unwrap());
        let reader = SstReader::open(&entry, object, &ring(1), &spec.columns).await.unwrap();
        assert_same(&scan(&reader, all(&spec), None).await, &all(&spec), &batch);
        assert_eq!(reader.find(&[key_of(&parts(1_234).0, parts(1_234).1)]).await.unwrap(), [Some(1_234)]);
    }
}
