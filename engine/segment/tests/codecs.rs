//! WAL segments, commit records, deletion vectors: what is written comes back, and nothing else is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use firn_manifest::ids::{ChainHash, ColumnId, Epoch, Position, Seq, TableId};
use firn_manifest::schema::{CatalogChange, Column, ColumnType, TableSchema};
use firn_manifest::{KeyRing, World as _};
use firn_segment::record::{decode_answers, encode_answers};
use firn_segment::wal::{self, HEADER_LEN, TRAILER_LEN, parse_segment_key, segment_key};
use firn_segment::{
    Answer, CommitRecord, DeletedRow, DeletionVector, Locator, RowOp, SegmentErrorKind, SegmentHeader, SegmentKind,
    TableChange, batch_to_ipc, build_vectors, open_vector,
};
use proptest::prelude::*;
use support::{FixedWorld, contains, namespace, ring};
use ulid::Ulid;

fn batch() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("c1", DataType::Int64, false), Field::new("c2", DataType::Utf8, true)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec![Some("a secret value"), None]))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn table() -> TableSchema {
    let column = Column::new(ColumnId(1), "secret_column", ColumnType::Decimal { precision: 12, scale: 2 });
    let column = Column { default: Some("0.00".to_owned()), ..column.not_null() };
    TableSchema::new(TableId(16), "secret_table", vec![column], vec![ColumnId(1)])
}

fn record() -> CommitRecord {
    let locator = Locator { file: Ulid::from_parts(77, 99), row: 5 };
    CommitRecord {
        position: Position(9),
        commit_time: 1_700_000_000_000_000,
        actor: Some("maren".to_owned()),
        request_id: None,
        reason: Some("\"quoted\" \u{1F9CA}\n".to_owned()),
        kind: "TRANSACTION".to_owned(),
        answers: vec![
            Answer { tag: "INSERT 0 2".to_owned(), rows: 2, returning: Some(batch_to_ipc(&batch()).unwrap()) },
            Answer { tag: "CREATE TABLE".to_owned(), rows: 0, returning: None },
        ],
        catalog: vec![CatalogChange::Create { schema: table() }, CatalogChange::Drop { id: TableId(17) }],
        changes: vec![
            TableChange {
                table: TableId(16),
                deletes: vec![
                    DeletedRow { key: Box::from(&b"\x01key"[..]), locator: Some(locator) },
                    DeletedRow { key: Box::from(&b""[..]), locator: None },
                ],
                inserts: Some(batch()),
                operations: vec![RowOp::Insert, RowOp::Update],
            },
            TableChange { table: TableId(18), deletes: vec![], inserts: None, operations: vec![] },
            TableChange {
                table: TableId(19),
                deletes: vec![],
                inserts: Some(batch()),
                operations: vec![RowOp::Insert, RowOp::Insert],
            },
        ],
    }
}

fn header(kind: SegmentKind, first: u64, last: u64) -> SegmentHeader {
    let mut nonce = [0; 16];
    FixedWorld::default().fill(&mut nonce);
    SegmentHeader {
        namespace: namespace(0xA),
        seq: Seq(42),
        epoch: Epoch(3),
        kind,
        nonce,
        prev: ChainHash::of(b"the segment before"),
        first: Position(first),
        last: Position(last),
        key_id: 2,
        written_at: -5,
    }
}

fn data_segment() -> Bytes {
    let frames = [record().encode().unwrap(), Bytes::from_static(b""), Bytes::from_static(b"third")];
    wal::seal(&header(SegmentKind::Data, 9, 11), &frames, ring(0xA).active()).unwrap()
}

fn open(bytes: Bytes, keys: &KeyRing) -> Result<Vec<Vec<u8>>, firn_segment::SegmentError> {
    wal::inspect(&segment_key(Seq(42)), bytes)?.frames(keys)
}

#[test]
fn a_record_comes_back_as_it_was() {
    let record = record();
    let bytes = record.encode().unwrap();
    assert_eq!(CommitRecord::decode(&bytes).unwrap(), record);
    assert_eq!(CommitRecord::decode(&bytes).unwrap().encode().unwrap(), bytes);
    for i in 0..bytes.len() {
        let mut bad = bytes.to_vec();
        bad[i] ^= 0x10;
        assert!(CommitRecord::decode(&bad).is_err(), "flip at {i}");
        assert!(CommitRecord::decode(&bytes[..i]).is_err(), "cut at {i}");
    }
    assert!(CommitRecord::decode(&[&bytes[..], b"x"].concat()).is_err());
}

#[test]
fn answers_travel_on_their_own() {
    let answers = record().answers;
    let bytes = encode_answers(&answers).unwrap();
    assert_eq!(decode_answers(&bytes).unwrap(), answers);
    assert!(decode_answers(&encode_answers(&[]).unwrap()).unwrap().is_empty());
    assert!(decode_answers(&record().encode().unwrap()).is_err());
    assert!(decode_answers(&bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn a_record_whose_parts_contradict_is_not_written() {
    let mut record = record();
    record.changes[0].operations.pop();
    assert_eq!(record.encode().unwrap_err().kind, SegmentErrorKind::Input);
}

#[test]
fn a_segment_comes_back_as_it_was() {
    let bytes = data_segment();
    let stored = wal::inspect(&segment_key(Seq(42)), bytes.clone()).unwrap();
    assert_eq!(stored.header, header(SegmentKind::Data, 9, 11));
    assert_eq!(stored.hash, ChainHash::of(&bytes));
    let frames = stored.frames(&ring(0xA)).unwrap();
    assert_eq!(frames.len(), 3);
    assert_eq!(CommitRecord::decode(&frames[0]).unwrap(), record());
    assert_eq!((&frames[1][..], &frames[2][..]), (&b""[..], &b"third"[..]));

    let fence = wal::seal(&header(SegmentKind::Fence, 9, 8), &[], ring(0xA).active()).unwrap();
    assert_eq!(fence.len(), HEADER_LEN + 16 + TRAILER_LEN);
    assert!(open(fence, &ring(0xA)).unwrap().is_empty());
}

#[test]
fn no_name_and_no_value_stands_readable_in_a_segment() {
    let bytes = data_segment();
    for secret in ["secret_table", "secret_column", "a secret value", "maren", "TRANSACTION", "INSERT"] {
        assert!(!contains(&bytes, secret.as_bytes()), "{secret}");
    }
}

#[test]
fn every_changed_byte_is_refused_even_with_a_fresh_trailer() {
    let bytes = data_segment();
    let keys = ring(0xA);
    for i in 0..bytes.len() {
        let mut bad = bytes.to_vec();
        bad[i] ^= 1;
        let error = open(bad.clone().into(), &keys).unwrap_err();
        assert_eq!(error.kind, SegmentErrorKind::Integrity, "flip at {i}");
        // whoever can write the bucket can also fit the trailer, which needs no key
        if i < bytes.len() - 32 {
            let summed = bad.len() - 32;
            let hash = ChainHash::of(&bad[..summed]);
            bad[summed..].copy_from_slice(&hash.0);
            assert!(open(bad.into(), &keys).is_err(), "flip at {i} with a fresh hash");
        }
        assert!(open(bytes.slice(..i), &keys).is_err(), "cut at {i}");
    }
    assert!(open([&bytes[..], b"x"].concat().into(), &keys).is_err());
}

#[test]
fn a_segment_opens_only_where_it_belongs() {
    let bytes = data_segment();
    let renamed = wal::inspect(&segment_key(Seq(43)), bytes.clone()).unwrap_err();
    assert!(renamed.what.contains("segment 42"), "{renamed}");
    for name in ["wal/42.wal", "wal/00000000000000000042.wal.bak", "sst/00000000000000000042.wal", ""] {
        assert!(wal::inspect(name, bytes.clone()).is_err(), "{name}");
        assert_eq!(parse_segment_key(name), None);
    }
    assert!(open(bytes.clone(), &ring(0xB)).unwrap_err().what.contains("I8"));
    let foreign =
        KeyRing::new(namespace(0xA), vec![firn_manifest::DataKey::new(2, namespace(0xA), &[9; 32]).unwrap()], 2);
    assert_eq!(open(bytes.clone(), &foreign.unwrap()).unwrap_err().kind, SegmentErrorKind::Integrity);
    let short =
        KeyRing::new(namespace(0xA), vec![firn_manifest::DataKey::new(1, namespace(0xA), &[1; 32]).unwrap()], 1);
    assert_eq!(open(bytes, &short.unwrap()).unwrap_err().kind, SegmentErrorKind::Key);
}

#[test]
fn a_segment_that_contradicts_itself_is_not_written() {
    let keys = ring(0xA);
    let frame = Bytes::from_static(b"x");
    let refused = |h: &SegmentHeader, frames: &[Bytes]| {
        assert_eq!(wal::seal(h, frames, keys.active()).unwrap_err().kind, SegmentErrorKind::Input);
    };
    refused(&header(SegmentKind::Data, 9, 8), &[]);
    refused(&header(SegmentKind::Data, 9, 10), std::slice::from_ref(&frame));
    refused(&header(SegmentKind::Data, 0, 0), std::slice::from_ref(&frame));
    refused(&header(SegmentKind::Data, 9, 3), std::slice::from_ref(&frame));
    refused(&header(SegmentKind::Data, 1, u64::MAX), std::slice::from_ref(&frame));
    refused(&header(SegmentKind::Fence, 9, 9), std::slice::from_ref(&frame));
    refused(&header(SegmentKind::Seal, 9, 9), &[]);
    refused(&SegmentHeader { key_id: 1, ..header(SegmentKind::Fence, 9, 8) }, &[]);
    refused(&SegmentHeader { namespace: namespace(1), ..header(SegmentKind::Fence, 9, 8) }, &[]);
    refused(&SegmentHeader { seq: Seq(0), ..header(SegmentKind::Fence, 9, 8) }, &[]);
}

fn vectors() -> Vec<(String, DeletionVector)> {
    let pairs = |rows: &[(u32, u64)]| rows.iter().map(|(r, e)| (*r, Position(*e))).collect::<DeletionVector>();
    vec![
        ("sst/a.parquet".to_owned(), pairs(&[(0, 7)])),
        ("sst/b.parquet".to_owned(), pairs(&[(3, 900), (4, 5), (70_000, u64::MAX), (70_001, 1)])),
    ]
}

#[test]
fn vectors_come_back_as_they_were_and_nowhere_else() {
    let keys = ring(0xA);
    let (bytes, refs) = build_vectors("sst/x.dv", &vectors(), keys.active(), &FixedWorld::default()).unwrap();
    assert_eq!(refs.iter().map(|r| r.length).sum::<u64>(), bytes.len() as u64);
    for ((file, vector), at) in vectors().iter().zip(&refs) {
        let range = &bytes[at.offset as usize..(at.offset + at.length) as usize];
        assert_eq!(&open_vector(range, at, file, 70_002, &keys).unwrap(), vector);
        assert_eq!((at.dead, Some(at.max_end)), (vector.len() as u64, vector.max_end()));

        let refused = |range: &[u8], at: &_, file: &str, rows, keys: &KeyRing| {
            assert!(open_vector(range, at, file, rows, keys).is_err());
        };
        refused(range, at, "sst/c.parquet", 70_002, &keys);
        refused(range, at, file, u64::from(vector.iter().next_back().unwrap().0), &keys);
        refused(range, at, file, 70_002, &ring(0xB));
        refused(
            range,
            &firn_manifest::model::VectorRef { object: "sst/y.dv".to_owned(), ..at.clone() },
            file,
            70_002,
            &keys,
        );
        refused(range, &firn_manifest::model::VectorRef { offset: at.offset + 1, ..at.clone() }, file, 70_002, &keys);
        refused(range, &firn_manifest::model::VectorRef { dead: at.dead + 1, ..at.clone() }, file, 70_002, &keys);
        for i in 0..range.len() {
            let mut bad = range.to_vec();
            bad[i] ^= 1;
            refused(&bad, at, file, 70_002, &keys);
            refused(&range[..i], at, file, 70_002, &keys);
        }
    }
    let (a, b) = (&refs[0], &refs[1]);
    let range_b = &bytes[b.offset as usize..];
    assert!(
        open_vector(
            range_b,
            &firn_manifest::model::VectorRef { offset: a.offset, ..b.clone() },
            "sst/b.parquet",
            70_002,
            &keys
        )
        .is_err()
    );
    assert!(build_vectors("sst/x.dv", &[], keys.active(), &FixedWorld::default()).is_err());
    let empty = [("sst/a.parquet".to_owned(), DeletionVector::new())];
    assert!(build_vectors("sst/x.dv", &empty, keys.active(), &FixedWorld::default()).is_err());
}

#[test]
fn the_first_end_of_a_row_stands() {
    let mut vector = DeletionVector::from_pairs([(1, Position(9)), (2, Position(4))]);
    assert_eq!(vector.insert(1, Position(12)), Some(Position(9)));
    assert_eq!(vector.insert(2, Position(3)), Some(Position(4)));
    assert_eq!((vector.get(1), vector.get(2), vector.get(3)), (Some(Position(9)), Some(Position(3)), None));
    let other = DeletionVector::from_pairs([(1, Position(5)), (8, Position(1)), (9, Position(2))]);
    let expected = [(1, Position(5)), (2, Position(3)), (8, Position(1)), (9, Position(2))];
    assert_eq!(vector.merge(&other).iter().collect::<Vec<_>>(), expected);
    assert_eq!(other.merge(&vector), vector.merge(&other));
    assert_eq!(other.range(2..9).collect::<Vec<_>>(), [(8, Position(1))]);
}

/// Compares with a committed file; `FIRN_GOLDEN=write` writes it anew.
fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var("FIRN_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, bytes).unwrap();
    }
    let stored = std::fs::read(&path).unwrap();
    assert!(
        stored == bytes,
        "{name}: what is written now differs from what was written before; stored data would not open"
    );
}

/// The bytes of years ago open today, and today's are those of years ago.
#[test]
fn golden_bytes() {
    let keys = ring(0xA);
    golden("record.bin", &record().encode().unwrap());
    golden("data.wal", &data_segment());
    golden("fence.wal", &wal::seal(&header(SegmentKind::Fence, 9, 8), &[], keys.active()).unwrap());
    golden("seal.wal", &wal::seal(&header(SegmentKind::Seal, 9, 8), &[], keys.active()).unwrap());
    let (bytes, _) = build_vectors("sst/x.dv", &vectors(), keys.active(), &FixedWorld::default()).unwrap();
    golden("vectors.dv", &bytes);
    golden("vector.bin", &vectors()[1].1.encode());
}

proptest! {
    #[test]
    fn a_vector_is_its_bytes(pairs in proptest::collection::btree_map(any::<u32>(), any::<u64>(), 0..200)) {
        let vector: DeletionVector = pairs.iter().map(|(r, e)| (*r, Position(*e))).collect();
        prop_assert_eq!(DeletionVector::decode(&vector.encode(), 1 << 32).unwrap(), vector);
    }

    #[test]
    fn decoders_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), n in any::<u8>()) {
        let _ = DeletionVector::decode(&bytes, 100);
        let _ = CommitRecord::decode(&bytes);
        let _ = firn_segment::batch_from_ipc(&bytes);
        let _ = wal::inspect(&segment_key(Seq(42)), bytes.clone().into());
        // a header of chance behind a good trailer
        let mut segment = data_segment().to_vec();
        let i = at.index(segment.len() - 40);
        segment[i] = n;
        let summed = segment.len() - 32;
        let hash = ChainHash::of(&segment[..summed]);
        segment[summed..].copy_from_slice(&hash.0);
        if let Ok(stored) = wal::inspect(&segment_key(Seq(42)), segment.into()) {
            let _ = stored.frames(&ring(0xA));
        }
    }
}
