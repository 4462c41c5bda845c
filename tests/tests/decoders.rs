//! Bytes from outside: whatever stands in a bucket, a URI or a statement gives an error, never a panic, and costs memory
//! that its own length justifies.
//!
//! Promises: every decoder meets arbitrary bytes, and valid bytes with pieces cut, put in and overwritten, under sums and
//! hashes made right again, as whoever can write to the bucket could make them, and every input that fuzzing found; allocations are counted.
//! Never: two decoders at once, for the allocations of a process are counted together.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "decoders/seeds.rs"]
mod seeds;

use std::alloc::System;
use std::sync::Mutex;

use bytes::Bytes;
use firn_engine::session::parse;
use firn_manifest::codec::{decode, decode_envelope};
use firn_manifest::ids::{ChainHash, Epoch, NamespaceId, Position, Seq, TableId};
use firn_manifest::model::VectorRef;
use firn_manifest::schema::ColumnType;
use firn_manifest::world::system;
use firn_manifest::{DataKey, KeyRing, StoreUri};
use firn_segment::key::{decode_key, describe_key};
use firn_segment::record::{decode_answers, encode_answers};
use firn_segment::{
    Answer, CommitRecord, DeletedRow, DeletionVector, SegmentHeader, SegmentKind, TableChange, batch_from_ipc,
    batch_to_ipc, open_vector, wal,
};
use proptest::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use uuid::Uuid;

#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What decoding may allocate beside a multiple of its input: parsers' tables, messages.
const FIXED_BYTES: usize = 8 << 20;
const BYTES_A_BYTE: usize = 4_096;

const NAMESPACE: NamespaceId = NamespaceId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
const SEGMENT: &str = "wal/00000000000000000042.wal";

fn ring() -> KeyRing {
    KeyRing::new(NAMESPACE, vec![DataKey::new(1, NAMESPACE, &[7; 32]).unwrap()], 1).unwrap()
}

/// Runs a decoder and holds it to the bound.
fn bounded(input: &[u8], decoder: impl FnOnce(&[u8])) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let region = Region::new(ALLOCATIONS);
    decoder(input);
    let allocated = region.change().bytes_allocated;
    let bound = FIXED_BYTES + BYTES_A_BYTE * input.len();
    assert!(allocated <= bound, "{allocated} bytes were allocated for {} bytes from outside", input.len());
}

/// Any bytes.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..1_500)
}

/// Where, how much of it goes, and what comes instead; lengths that are too large are likely.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let with = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..24),
        prop::sample::select(vec![
            vec![0xff; 4],
            vec![0x7f, 0xff, 0xff, 0xff],
            vec![0x7f; 8],
            vec![0; 8],
            vec![0xff; 8]
        ]),
    ];
    (any::<prop::sample::Index>(), 0usize..24, with)
}

fn changed(valid: &[u8], changes: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for (at, cut, with) in changes {
        let at = at.index(bytes.len().max(1)).min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with.iter().copied());
    }
    bytes
}

fn record() -> CommitRecord {
    let rows = arrow::array::Int64Array::from(vec![1, 2, 3]);
    let batch = arrow::array::RecordBatch::try_from_iter([("c1", std::sync::Arc::new(rows) as _)]).unwrap();
    CommitRecord {
        position: Position(9),
        commit_time: 1_700_000_000_000_000,
        actor: Some("maren".to_owned()),
        request_id: None,
        reason: Some("a reason".to_owned()),
        kind: "TRANSACTION".to_owned(),
        answers: vec![Answer { tag: "INSERT 0 3".to_owned(), rows: 3, returning: Some(batch_to_ipc(&batch).unwrap()) }],
        catalog: vec![],
        changes: vec![TableChange {
            table: TableId(16),
            deletes: vec![DeletedRow { key: Box::from(&b"\x01key"[..]), locator: None }],
            inserts: Some(batch),
            operations: vec![firn_segment::RowOp::Insert; 3],
        }],
    }
}

fn segment() -> Vec<u8> {
    let mut nonce = [0; 16];
    system().fill(&mut nonce);
    let header = SegmentHeader {
        namespace: NAMESPACE,
        seq: Seq(42),
        epoch: Epoch(3),
        kind: SegmentKind::Data,
        nonce,
        prev: ChainHash::of(b"before"),
        first: Position(9),
        last: Position(9),
        key_id: 1,
        written_at: 1_700_000_000_000_000,
    };
    wal::seal(&header, &[record().encode().unwrap()], ring().active()).unwrap().to_vec()
}

fn resealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes[..bytes.len().saturating_sub(wal::TRAILER_LEN)].to_vec();
    bytes.extend_from_slice(&((bytes.len() + wal::TRAILER_LEN) as u64).to_be_bytes());
    let hash = ChainHash::of(&bytes).0;
    bytes.extend_from_slice(&hash);
    bytes
}

fn read_segment(bytes: &[u8]) {
    if let Ok(segment) = wal::inspect(SEGMENT, Bytes::copy_from_slice(bytes)) {
        for frame in segment.frames(&ring()).unwrap_or_default() {
            let _ = CommitRecord::decode(&frame);
        }
    }
}

fn read_record(bytes: &[u8]) {
    let _ = (CommitRecord::decode(bytes), decode_answers(bytes), batch_from_ipc(bytes));
}

fn read_vector(bytes: &[u8]) {
    let _ = DeletionVector::decode(bytes, 1 << 20);
    let at = VectorRef {
        object: "sst/a.dv".to_owned(),
        offset: 0,
        length: bytes.len() as u64,
        dead: 1,
        max_end: Position(1),
    };
    let _ = open_vector(bytes, &at, "sst/a.parquet", 1 << 20, &ring());
}

fn read_manifest(bytes: &[u8]) {
    const NAME: &str = "manifest/18446744073709551612.json";
    let _ = decode_envelope(bytes, NAME);
    let summed = [bytes, b",\"sum\":\"", ChainHash::of(bytes).to_string().as_bytes(), b"\"}"].concat();
    let _ = decode(&summed, NAME, &ring());
}

fn read_key(bytes: &[u8], types: &[ColumnType]) {
    let _ = decode_key(bytes, types);
    let _ = describe_key(bytes, types);
}

fn read_uri(text: &str) {
    if let Ok(uri) = StoreUri::parse(text) {
        let shown = uri.to_string();
        assert_eq!(StoreUri::parse(&shown).unwrap().to_string(), shown);
    }
}

const TYPES: [ColumnType; 6] = [
    ColumnType::BigInt,
    ColumnType::Text,
    ColumnType::Decimal { precision: 38, scale: 10 },
    ColumnType::Bytea,
    ColumnType::Double,
    ColumnType::Timestamptz,
];

#[test]
fn valid_bytes_are_read() {
    let segment = wal::inspect(SEGMENT, segment().into()).unwrap();
    assert_eq!(CommitRecord::decode(&segment.frames(&ring()).unwrap()[0]).unwrap().position, Position(9));
    read_segment(&resealed(&self::segment()));
}

proptest! {
    #[test]
    fn a_segment(bytes in noise(), changes in prop::collection::vec(change(), 1..4)) {
        bounded(&bytes, read_segment);
        bounded(&resealed(&bytes), read_segment);
        let changed = changed(&segment(), &changes);
        bounded(&changed, read_segment);
        bounded(&resealed(&changed), read_segment);
    }

    #[test]
    fn a_commit_record(bytes in noise(), changes in prop::collection::vec(change(), 1..4)) {
        bounded(&bytes, read_record);
        bounded(&changed(&record().encode().unwrap(), &changes), read_record);
        bounded(&changed(&encode_answers(&record().answers).unwrap(), &changes), read_record);
        let batch = record().changes.remove(0).inserts.unwrap();
        bounded(&changed(&batch_to_ipc(&batch).unwrap(), &changes), read_record);
    }

    #[test]
    fn a_vector(bytes in noise(), rows in prop::collection::btree_map(0u32..1 << 20, any::<u64>(), 0..100), changes in prop::collection::vec(change(), 1..4)) {
        bounded(&bytes, read_vector);
        let vector = DeletionVector::from_pairs(rows.into_iter().map(|(row, end)| (row, Position(end))));
        bounded(&changed(&vector.encode(), &changes), read_vector);
    }

    #[test]
    fn a_manifest(bytes in noise(), text in "[{}\\[\\]\",:a-z0-9]{0,400}") {
        bounded(&bytes, read_manifest);
        bounded(text.as_bytes(), read_manifest);
        bounded(format!("{{\"envelope\":{{\"format\":{text}").as_bytes(), read_manifest);
    }

    #[test]
    fn a_key(bytes in noise(), picks in prop::collection::vec(0usize..6, 0..4)) {
        let types: Vec<ColumnType> = picks.iter().map(|pick| TYPES[*pick]).collect();
        bounded(&bytes, |bytes| read_key(bytes, &types));
    }

    #[test]
    fn a_uri(text in "(s3|file|memory|gs|az|http)?:?/{0,3}[a-z0-9._%/-]{0,40}\\??((ns|kms|region|endpoint|cell|allow_http|x)=[a-zA-Z0-9:/%?&=._-]{0,20}&?){0,4}", any in "\\PC{0,60}") {
        for text in [text, any] {
            bounded(text.as_bytes(), |_| read_uri(&text));
        }
    }

    #[test]
    fn a_statement(any in "\\PC{0,200}", words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..60)) {
        for text in [any, words.join(" "), words.concat()] {
            bounded(text.as_bytes(), |_| {
                let _ = parse(&text);
            });
        }
    }
}

const WORDS: [&str; 48] = [
    "SELECT",
    "FROM",
    "WHERE",
    "INSERT",
    "INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "DELETE",
    "CREATE",
    "TABLE",
    "ALTER",
    "DROP",
    "AS",
    "OF",
    "POSITION",
    "TIMESTAMP",
    "FOR",
    "SYSTEM_TIME",
    "JOIN",
    "LATERAL",
    "WITH",
    "RECURSIVE",
    "MERGE",
    "USING",
    "CASE",
    "WHEN",
    "END",
    "NOT",
    "NULL",
    "(",
    ")",
    ",",
    ";",
    "*",
    "'x'",
    "\"y\"",
    "$1",
    "17",
    "1e9",
    "--",
    "/*",
    "*/",
    "$$",
    "::",
    "E'\\",
    "t",
    "[",
];
