//! The inputs that fuzzing begins with, and those that it found, in `tests/fuzz/seeds`, a folder for each target.
//!
//! Promises: every one of them is read here as its target reads it, so what was found once stays found; `sst_tail` and
//! `csv` need code that only the fuzzer compiles and are left to it.
//! Never: seeds written but by asking: `cargo test --workspace --test decoders -- --ignored`.

use std::path::{Path, PathBuf};

use firn_manifest::codec::encode;
use firn_manifest::ids::{ColumnId, Digest, Seq, Version};
use firn_manifest::model::{
    Envelope, FileEntry, FileKind, ManifestKind, ObjectRef, Sealed, TableCounters, WalFloor, WrappedKey,
};
use firn_manifest::schema::{Column, ColumnType, TableSchema, TableVersion};
use firn_segment::key::encode_keys;
use firn_segment::{SstSpec, SstWriter};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = folder().join(target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn table() -> TableSchema {
    let types = [ColumnType::BigInt, ColumnType::Text, ColumnType::Decimal { precision: 10, scale: 2 }];
    let column = |(id, ty)| Column::new(ColumnId(id), format!("c{id}"), ty);
    TableSchema::new(TableId::FIRST_USER, "t", (1..).zip(types).map(column).collect(), vec![ColumnId(1)])
}

fn envelope(name: &str) -> Envelope {
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
        objects: vec![ObjectRef { name: name.to_owned(), size: 4096, digest: Digest::of(b""), key_id: 1 }],
        keys: vec![WrappedKey { id: 1, wrapped_by: "local:0123456789abcdef".to_owned(), wrapped: "AAAA".to_owned() }],
        active_key: 1,
        pins: vec![],
        retired: vec![],
    }
}

fn sealed(name: &str) -> Sealed {
    let file = FileEntry {
        name: name.to_owned(),
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
        vector: None,
    };
    Sealed {
        catalog: vec![TableVersion { schema: table(), begin: Position(2), end: None }],
        next_table: TableId(17),
        files: vec![file],
        counters: vec![TableCounters { table: TableId::FIRST_USER, next_row_id: 1, identity: vec![] }],
        ..Sealed::default()
    }
}

/// A file's tail, its key index sealed again for the name that the target gives it, and that index in the clear.
fn tail() -> (Vec<u8>, Vec<u8>) {
    use arrow::array::{ArrayRef, Decimal128Array, Int64Array, StringArray, UInt8Array, UInt64Array};
    const NAME: &str = "sst/00000000000000000000000000.parquet";

    let spec = SstSpec::of(&table(), FileKind::Current);
    let rows = 3_000;
    let columns: Vec<ArrayRef> = vec![
        std::sync::Arc::new(Int64Array::from_iter_values(0..rows)),
        std::sync::Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("text {}", n % 7)))),
        std::sync::Arc::new(
            Decimal128Array::from_iter_values((0..rows).map(i128::from)).with_precision_and_scale(10, 2).unwrap(),
        ),
        std::sync::Arc::new(UInt64Array::from_iter_values((0..rows).map(|n| n as u64 + 1))),
        std::sync::Arc::new(UInt8Array::from_iter_values((0..rows).map(|_| 0))),
    ];
    let ring = ring();
    let key = ring.active();
    let mut writer = SstWriter::new(spec.clone(), key, system().as_ref()).unwrap();
    writer.push(&arrow::array::RecordBatch::try_new(spec.schema(), columns).unwrap()).unwrap();
    let file = writer.finish().unwrap();
    let tail = file.bytes.slice(usize::try_from(file.entry.tail_offset).unwrap()..);
    let length = u32::from_be_bytes(tail[12..16].try_into().unwrap()) as usize;
    let nonce: [u8; 16] = tail[16..32].try_into().unwrap();
    let aad = |name: &str| [b"firn\0".as_slice(), NAMESPACE.0.as_bytes(), b"sst\0", name.as_bytes()].concat();
    let index_key = |name: &str| key.object_key(&format!("{name}#index"), &nonce);
    let name = &file.entry.name;
    let plain = index_key(name).open(0, &aad(name), &tail[64..64 + length]).unwrap();
    let again = index_key(NAME).seal(0, &aad(NAME), &plain).unwrap();
    ([&tail[..64], &again, &tail[64 + length..]].concat(), plain)
}

#[test]
#[ignore = "writes the seeds"]
fn seeds_are_written() {
    let whole = segment();
    write("wal", "segment", &whole);
    write("wal", "segment-without-trailer", &whole[..whole.len() - wal::TRAILER_LEN]);
    write("record", "record", record().encode().unwrap());
    write("record", "answers", encode_answers(&record().answers).unwrap());
    write("record", "batch", batch_to_ipc(&record().changes.remove(0).inserts.unwrap()).unwrap());
    let name = "sst/01M81M5SQ495SRPE14BEGCSKAW.parquet";
    let (envelope, sealed) = (envelope(name), sealed(name));
    let manifest = encode(&envelope, &sealed, &ring(), system().as_ref()).unwrap();
    let sum = manifest.len() - b",\"sum\":\"\"}".len() - 64;
    write("manifest", "whole", &manifest);
    write("manifest", "without-sum", &manifest[..sum]);
    let json = [serde_json::to_vec(&envelope).unwrap(), serde_json::to_vec(&sealed).unwrap()];
    write("manifest", "envelope-and-state", json.join(&0));
    let (tail, index) = tail();
    write("sst_tail", "tail", tail);
    write("sst_tail", "index", index);
    let vector = DeletionVector::from_pairs((0..50).map(|n| (n * n, Position(u64::from(n) + 9))));
    write("envelope", "vector", vector.encode());
    write("envelope", "sealed", ring().active().object_key("wal/1", &[1; 16]).seal(0, b"aad", b"some text").unwrap());
    for (n, uri) in URIS.iter().enumerate() {
        write("uri", &format!("uri-{n}"), uri);
    }
    let numbers: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::Int64Array::from(vec![7]));
    let texts: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(vec!["a\0b"]));
    let keys = encode_keys(&[numbers, texts], &[ColumnType::BigInt, ColumnType::Text]).unwrap();
    write("key", "bigint-and-text", [&[2, 3, 6], &*keys[0]].concat());
    let row = "1,\"a \"\"quoted\"\"\ntext\",2.5,1e300,2026-01-31T12:00:00Z,2026-01-31,\\x00ff,true\n";
    write("csv", "rows", row.repeat(3));
    write("csv", "headed", format!("a,b,c,d,e,f,g,h\n{row}"));
    write(
        "csv",
        "objects",
        "{\"a\": 1, \"b\": \"text \\u00e9\", \"c\": 2.5, \"e\": \"2026-01-31T12:00:00Z\", \"h\": null}\n",
    );
    for file in std::fs::read_dir(folder().parent().unwrap().parent().unwrap().join("slt/sources")).unwrap() {
        let path = file.unwrap().path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".sql"))
        else {
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("--") && line.len() < 300).collect();
        write("sql", name, lines.iter().step_by(lines.len().div_ceil(12)).copied().collect::<Vec<_>>().join("\n"));
    }
}

const URIS: [&str; 6] = [
    "s3://bucket/some/prefix?ns=acme&region=eu-central-1&endpoint=http://127.0.0.1:9000&allow_http=true",
    "gs://bucket?ns=a-1",
    "az://container/prefix?ns=acme",
    "file:///dir/with%20space?ns=acme&kms=local:/keys/master.key",
    "memory://?ns=acme",
    "https://gateway:7575?ns=acme&cell=10.0.0.1:7580,10.0.0.2:7580",
];

#[test]
fn every_seed_is_survived() {
    let mut read = 0;
    for target in std::fs::read_dir(folder()).unwrap() {
        let target = target.unwrap().path();
        for file in std::fs::read_dir(&target).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            match target.file_name().and_then(|name| name.to_str()).unwrap() {
                "wal" => {
                    bounded(&bytes, read_segment);
                    bounded(&[&bytes[..], &[0; wal::TRAILER_LEN]].concat(), |bytes| read_segment(&resealed(bytes)));
                }
                "record" => bounded(&bytes, read_record),
                "manifest" => bounded(&bytes, read_manifest),
                "envelope" => bounded(&bytes, read_vector),
                "key" => bounded(&bytes, |bytes| read_key(bytes.get(3..).unwrap_or_default(), &TYPES[..2])),
                "uri" => bounded(&bytes, |_| read_uri(&text())),
                "sql" => bounded(&bytes, |_| drop(parse(&text()))),
                "sst_tail" | "csv" => continue,
                other => panic!("no decoder of {other}"),
            }
            read += 1;
        }
    }
    assert!(read >= 30, "{read} seeds");
}
