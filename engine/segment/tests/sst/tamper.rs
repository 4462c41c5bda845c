//! Whoever can write the bucket can change, cut, swap and copy objects: nothing is served from such bytes, and nothing
//! can be learnt from them.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::concat_batches;
use firn_manifest::ids::TableId;
use firn_manifest::model::{FileEntry, FileKind};
use firn_manifest::{DataKey, KeyRing};
use firn_segment::sst::read_schema;
use firn_segment::{ReadPlan, SegmentError, SegmentErrorKind, SstReader};
use futures::TryStreamExt as _;

use crate::common::{all, rows, spec, write};
use crate::support::{FixedWorld, Object, contains, namespace, ring};

#[test]
fn no_value_and_no_column_stands_readable_in_a_file() {
    for kind in [FileKind::Current, FileKind::History] {
        let mut batch = rows(0..3_000);
        if kind == FileKind::History {
            let mut columns = batch.columns().to_vec();
            columns.insert(4, Arc::new((0..3_000).map(|_| Some(9_999)).collect::<UInt64Array>()));
            batch = RecordBatch::try_new(spec(kind).schema(), columns).unwrap();
        }
        let out = write(spec(kind), &[batch], &FixedWorld::default()).unwrap();
        for secret in ["name-", "kind-", "_begin", "_end", "_op", "schema", "BigInt", "big_int", "current", "history"] {
            assert!(!contains(&out.bytes, secret.as_bytes()), "{secret}");
        }
    }
}

async fn try_read(entry: &FileEntry, bytes: Vec<u8>, keys: &KeyRing) -> Result<RecordBatch, SegmentError> {
    let spec = spec(FileKind::Current);
    let reader = SstReader::open(entry, Object::new(bytes), keys, &spec.columns).await?;
    let columns = all(&spec);
    let row_groups = (0..reader.row_groups().len()).collect();
    let plan = ReadPlan { columns: columns.clone(), row_groups, ranges: None, batch_size: 100_000 };
    let batches: Vec<RecordBatch> = reader.stream(plan).try_collect().await?;
    Ok(concat_batches(&read_schema(&columns), &batches).unwrap())
}

#[tokio::test]
async fn every_changed_byte_is_refused() {
    let out = write(spec(FileKind::Current), &[rows(0..2_100)], &FixedWorld::default()).unwrap();
    let keys = ring(1);
    let good = try_read(&out.entry, out.bytes.to_vec(), &keys).await.unwrap();
    for i in 0..out.bytes.len() {
        for mask in [0x01, 0xFF] {
            let mut bad = out.bytes.to_vec();
            bad[i] ^= mask;
            match try_read(&out.entry, bad, &keys).await {
                // the magic at the very front is the one place no read touches; the digest in the manifest covers it
                Ok(read) => assert!(i < 4 && read == good, "byte {i} changed unseen"),
                Err(e) => assert!(
                    matches!(e.kind, SegmentErrorKind::Integrity | SegmentErrorKind::Unsupported),
                    "byte {i}: {e}"
                ),
            }
        }
    }
    for cut in (0..out.bytes.len()).step_by(97) {
        let error = try_read(&out.entry, out.bytes[..cut].to_vec(), &keys).await.unwrap_err();
        assert!(matches!(error.kind, SegmentErrorKind::Integrity | SegmentErrorKind::Store), "cut at {cut}: {error}");
    }
}

#[tokio::test]
async fn a_file_opens_only_where_it_belongs() {
    let out = write(spec(FileKind::Current), &[rows(0..100)], &FixedWorld::default()).unwrap();
    let refused = async |entry: FileEntry, keys: KeyRing, kind: SegmentErrorKind| {
        let error = try_read(&entry, out.bytes.to_vec(), &keys).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    };
    let integrity = SegmentErrorKind::Integrity;
    let entry = out.entry.clone();
    let single = |n: u128, id: u32, byte: u8| {
        KeyRing::new(namespace(n), vec![DataKey::new(id, namespace(n), &[byte; 32]).unwrap()], id).unwrap()
    };
    refused(entry.clone(), ring(2), integrity).await;
    refused(entry.clone(), single(1, 2, 77), integrity).await;
    refused(entry.clone(), single(1, 1, 1), SegmentErrorKind::Key).await;
    refused(FileEntry { name: "sst/other.parquet".to_owned(), ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { key_id: 1, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { rows: 99, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { table: TableId(17), ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { kind: FileKind::History, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { tail_offset: entry.tail_offset + 1, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { tail_offset: entry.size, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { tail_offset: 0, size: u64::MAX, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { size: entry.size - 1, ..entry.clone() }, ring(1), integrity).await;
    refused(FileEntry { size: entry.size + 1, ..entry }, ring(1), integrity).await;
}

#[tokio::test]
async fn two_writes_of_the_same_rows_share_no_bytes() {
    let world = FixedWorld::default();
    let (a, b) = (
        write(spec(FileKind::Current), &[rows(0..100)], &world),
        write(spec(FileKind::Current), &[rows(0..100)], &world),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(a.entry.name, b.entry.name);
    // a page of one, put into the other, does not open
    let mut mixed = a.bytes.to_vec();
    let end = a.entry.tail_offset.min(b.entry.tail_offset) as usize;
    mixed[4..end].copy_from_slice(&b.bytes[4..end]);
    assert_eq!(try_read(&a.entry, mixed, &ring(1)).await.unwrap_err().kind, SegmentErrorKind::Integrity);
}
