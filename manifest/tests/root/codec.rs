//! The manifest's bytes: one encoding, every change noticed, any input survived.
//!
//! Promises: what is read is what was written, or an integrity error.
//! Never: a panic on bytes from outside.

use std::path::Path;

use bytes::Bytes;
use firn_manifest::chain::{manifest_key, parse_manifest_key};
use firn_manifest::codec::{decode, decode_envelope, encode};
use firn_manifest::ids::{ChainHash, ColumnId, Digest, Epoch, NamespaceId, Position, Seq, TableId, Version};
use firn_manifest::model::{
    Envelope, FileEntry, FileKind, ManifestKind, ObjectRef, Pin, RetiredObject, Sealed, TableCounters, VectorRef,
    WalFloor, WrappedKey,
};
use firn_manifest::schema::{Column, ColumnType, SchemaVersion, SqlSchema, TableSchema, TableVersion};
use firn_manifest::{DataKey, Error, KeyRing};
use proptest::prelude::*;
use uuid::Uuid;

use crate::worlds::TestWorld;

const NAMESPACE: NamespaceId = NamespaceId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));

fn ring(namespace: NamespaceId, byte: u8) -> KeyRing {
    let key = DataKey::new(1, namespace, &[byte; 32]).unwrap();
    KeyRing::new(namespace, vec![key], 1).unwrap()
}

fn object(name: &str, size: u64) -> ObjectRef {
    ObjectRef { name: name.to_owned(), size, digest: Digest::of(name.as_bytes()), key_id: 1 }
}

fn envelope() -> Envelope {
    Envelope {
        format: 1,
        namespace: NAMESPACE,
        version: Version(3),
        epoch: Epoch(2),
        kind: ManifestKind::Flush,
        prev: ChainHash::of(b"version 2"),
        written_at: 1_700_000_000_000_000,
        writer: "firn 0.1.0".to_owned(),
        wal: WalFloor {
            seq: Seq(7),
            hash: ChainHash::of(b"segment 7"),
            position: Position(41),
            commit_time: 1_699_999_999_000_000,
        },
        horizon: Position(1),
        objects: vec![object("sst/a.parquet", 4096), object("sst/a.dv", 100)],
        keys: vec![WrappedKey { id: 1, wrapped_by: "local:0123456789abcdef".to_owned(), wrapped: "AAAA".to_owned() }],
        active_key: 1,
        pins: vec![Pin { name: "audit-2025".to_owned(), position: Position(12) }],
        retired: vec![RetiredObject { object: object("sst/old.parquet", 77), retired_at: 1_699_999_000_000_000 }],
    }
}

fn sealed() -> Sealed {
    let column = Column::new(ColumnId(1), "employee", ColumnType::Decimal { precision: 10, scale: 2 });
    let column = Column { default: Some("0".to_owned()), ..column.not_null() };
    let schema = TableSchema::new(TableId::FIRST_USER, "salaries", vec![column], vec![ColumnId(1)]);
    Sealed {
        catalog: vec![TableVersion { schema, begin: Position(2), end: None }],
        schemas: vec![SchemaVersion {
            schema: SqlSchema { name: "app".to_owned(), comment: None },
            begin: Position(1),
            end: Some(Position(9)),
        }],
        next_table: TableId(17),
        files: vec![FileEntry {
            name: "sst/a.parquet".to_owned(),
            table: TableId::FIRST_USER,
            kind: FileKind::Current,
            rows: 10,
            size: 4096,
            tail_offset: 4000,
            key_id: 1,
            min_key: "00".to_owned(),
            max_key: "ff".to_owned(),
            min_begin: Position(2),
            max_begin: Position(41),
            max_end: None,
            vector: Some(VectorRef {
                object: "sst/a.dv".to_owned(),
                offset: 0,
                length: 100,
                dead: 1,
                max_end: Position(40),
            }),
        }],
        counters: vec![TableCounters { table: TableId::FIRST_USER, next_row_id: 1, identity: vec![] }],
    }
}

fn name() -> String {
    manifest_key(Version(3))
}

fn encoded() -> Bytes {
    encode(&envelope(), &sealed(), &ring(NAMESPACE, 5), &*TestWorld::new(9)).unwrap()
}

#[test]
fn names_sort_the_newest_first() {
    assert_eq!(manifest_key(Version(1)), "manifest/18446744073709551614.json");
    assert!(manifest_key(Version(2)) < manifest_key(Version(1)));
    for v in [1, 2, 1_000_000, u64::MAX] {
        assert_eq!(parse_manifest_key(&manifest_key(Version(v))), Some(Version(v)));
    }
    for odd in [
        "manifest/18446744073709551615.json",
        "manifest/1.json",
        "manifest/+8446744073709551614.json",
        "manifest/99999999999999999999.json",
        "manifest/18446744073709551614.json.bak",
        "manifest/",
        "x/18446744073709551614.json",
    ] {
        assert_eq!(parse_manifest_key(odd), None, "{odd}");
    }
}

#[test]
fn what_was_written_is_read_and_nothing_secret_stands_in_clear() {
    let bytes = encoded();
    let (e, s) = decode(&bytes, &name(), &ring(NAMESPACE, 5)).unwrap();
    assert_eq!((e, s), (envelope(), sealed()));
    assert_eq!(decode_envelope(&bytes, &name()).unwrap().0, envelope());
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(!text.contains("salaries") && !text.contains("employee"));
}

#[test]
fn golden_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/manifest-v1.json");
    if std::env::var_os("FIRN_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&path, encoded()).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    assert_eq!(
        String::from_utf8(golden).unwrap(),
        String::from_utf8(encoded().to_vec()).unwrap(),
        "the format changed, or {} is missing",
        path.display()
    );
}

#[test]
fn every_flipped_byte_and_every_cut_is_refused() {
    let bytes = encoded();
    let keys = ring(NAMESPACE, 5);
    for i in 0..bytes.len() {
        for mask in [0x01, 0x04, 0x20, 0x80] {
            let mut bad = bytes.to_vec();
            bad[i] ^= mask;
            let error = decode(&bad, &name(), &keys).expect_err("a changed byte");
            assert!(matches!(error, Error::Integrity { .. } | Error::Key { .. }), "byte {i}: {error}");
            assert_ne!(ChainHash::of(&bad), ChainHash::of(&bytes));
        }
        assert!(decode(&bytes[..i], &name(), &keys).is_err());
    }
    for more in [b" ".as_slice(), b"\n", b"{}", b"\0"] {
        assert!(decode_envelope(&[&bytes, more].concat(), &name()).is_err());
    }
}

#[test]
fn another_spelling_of_the_same_json_is_refused_without_a_key() {
    let text = String::from_utf8(encoded().to_vec()).unwrap();
    for (from, to) in [
        ("{\"envelope\":{", "{ \"envelope\":{"),
        ("\"format\":1,", "\"format\":1,\"extra\":null,"),
        ("\"version\":3,\"epoch\":2", "\"epoch\":2,\"version\":3"),
        ("\"format\":1", "\"format\":2"),
        ("\"kind\":\"flush\"", "\"kind\":\"melt\""),
        ("01234567-89ab", "01234567-89AB"),
        ("\"retired_at\":", "\"x\":1,\"retired_at\":"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = decode_envelope(changed.as_bytes(), &name()).unwrap_err();
        assert!(matches!(error, Error::Integrity { .. }), "{to}: {error}");
    }
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    let error = decode_envelope(newer.as_bytes(), &name()).unwrap_err().to_string();
    assert!(error.contains("newer firn"), "{error}");
}

#[test]
fn it_opens_only_under_its_name_namespace_and_key() {
    let bytes = encoded();
    let other = NamespaceId(Uuid::from_u128(7));
    let refused = |name: &str, keys: &KeyRing| decode(&bytes, name, keys).unwrap_err();
    assert!(matches!(refused(&manifest_key(Version(4)), &ring(NAMESPACE, 5)), Error::Integrity { .. }));
    let foreign = refused(&name(), &ring(other, 5)).to_string();
    assert!(foreign.contains("I8"), "{foreign}");
    assert!(matches!(refused(&name(), &ring(NAMESPACE, 6)), Error::Integrity { .. }));
    let key = DataKey::new(2, NAMESPACE, &[5; 32]).unwrap();
    let without = KeyRing::new(NAMESPACE, vec![key], 2).unwrap();
    assert!(matches!(refused(&name(), &without), Error::Key { .. }));
}

#[test]
fn what_breaks_man_1_is_not_written() {
    type Change = fn(&mut Envelope, &mut Sealed);
    let changes: [(&str, Change); 16] = [
        ("version 0", |e, _| e.version = Version(0)),
        ("create later", |e, _| e.kind = ManifestKind::Create),
        ("genesis later", |e, _| e.prev = ChainHash::GENESIS),
        ("epoch beyond version", |e, _| e.epoch = Epoch(4)),
        ("floor without hash", |e, _| e.wal.hash = ChainHash::GENESIS),
        ("no active key", |e, _| e.active_key = 9),
        ("key twice", |e, _| e.keys.push(e.keys[0].clone())),
        ("object twice", |e, _| e.objects.push(e.objects[0].clone())),
        ("both kept and retired", |e, _| e.retired[0].object = e.objects[0].clone()),
        ("no bytes", |e, _| e.objects[0].size = 0),
        ("unknown key", |e, _| e.objects[0].key_id = 3),
        ("path", |e, _| e.objects[0].name = "sst/../x".to_owned()),
        ("file without object", |_, s| s.files[0].name = "sst/b.parquet".to_owned()),
        ("file of another size", |_, s| s.files[0].size = 4097),
        ("vector outside", |_, s| s.files[0].vector.as_mut().unwrap().offset = u64::MAX),
        ("table id in use", |_, s| s.next_table = TableId(16)),
    ];
    for (what, change) in changes {
        let (mut e, mut s) = (envelope(), sealed());
        change(&mut e, &mut s);
        let answer = encode(&e, &s, &ring(NAMESPACE, 5), &*TestWorld::new(1));
        assert!(matches!(answer, Err(Error::Invalid { .. })), "{what}: {answer:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(decode(&bytes, &name(), &ring(NAMESPACE, 5)).is_err());
    }

    #[test]
    fn any_splice_is_survived(at in 0usize..4000, cut in 0usize..50, with in "[\\x00-\\x7f]{0,40}") {
        let bytes = encoded();
        let at = at.min(bytes.len());
        let end = (at + cut).min(bytes.len());
        let spliced = [&bytes[..at], with.as_bytes(), &bytes[end..]].concat();
        let read = decode(&spliced, &name(), &ring(NAMESPACE, 5));
        prop_assert_eq!(read.is_ok(), spliced == bytes);
    }
}
