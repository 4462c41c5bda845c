#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]
mod support;
use arrow::array::*;
use firn_manifest::ids::*;
use firn_manifest::model::FileKind;
use firn_manifest::schema::ColumnType;
use firn_segment::key::encode_keys;
use firn_segment::*;
use futures::TryStreamExt as _;
use std::sync::Arc;
use std::time::Instant;
use support::*;

#[tokio::test]
async fn speed() {
    const N: usize = 1_000_000;
    let columns = vec![
        (ColumnId(1), ColumnType::BigInt),
        (ColumnId(2), ColumnType::Text),
        (ColumnId(3), ColumnType::Text),
        (ColumnId(4), ColumnType::Double),
        (ColumnId(5), ColumnType::Integer),
        (ColumnId(6), ColumnType::Timestamp),
        (ColumnId(7), ColumnType::BigInt),
    ];
    let spec = SstSpec {
        table: TableId(16),
        kind: FileKind::Current,
        columns: columns.clone(),
        key: vec![ColumnId(1)],
        required: vec![],
    };
    let keys = ring(1);
    let t = Instant::now();
    let mut w = SstWriter::new(spec.clone(), keys.active(), &FixedWorld::default()).unwrap();
    for s in (0..N).step_by(8192) {
        let r = s..(s + 8192).min(N);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(r.clone().map(|i| Some(i as i64 * 3)).collect::<Int64Array>()),
            Arc::new(
                r.clone()
                    .map(|i| Some(format!("customer-{}", i.wrapping_mul(2654435761) % 99991)))
                    .collect::<StringArray>(),
            ),
            Arc::new(r.clone().map(|i| Some(["red", "green", "blue"][i % 3])).collect::<StringArray>()),
            Arc::new(r.clone().map(|i| Some((i.wrapping_mul(40503) % 100000) as f64 / 7.0)).collect::<Float64Array>()),
            Arc::new(r.clone().map(|i| Some((i.wrapping_mul(7919) % 50021) as i32)).collect::<Int32Array>()),
            Arc::new(
                r.clone()
                    .map(|i| Some(1_600_000_000_000_000 + i as i64 * 1_000_003))
                    .collect::<TimestampMicrosecondArray>(),
            ),
            Arc::new(r.clone().map(|i| Some((i.wrapping_mul(0x9E3779B97F4A7C15)) as i64)).collect::<Int64Array>()),
            Arc::new(r.clone().map(|_| Some(5u64)).collect::<UInt64Array>()),
            Arc::new(r.clone().map(|_| Some(0u8)).collect::<UInt8Array>()),
        ];
        w.push(&RecordBatch::try_new(spec.schema(), arrays).unwrap()).unwrap();
    }
    let out = w.finish().unwrap();
    eprintln!("write {:?} size {} tail {}", t.elapsed(), out.bytes.len(), out.entry.size - out.entry.tail_offset);
    let object = Object::new(out.bytes.clone());
    let t = Instant::now();
    let reader = SstReader::open(&out.entry, object.clone(), &keys, &columns).await.unwrap();
    eprintln!("open {:?}", t.elapsed());
    let all: Vec<ReadColumn> = columns.iter().map(|(i, t)| ReadColumn::Column(*i, *t)).collect();
    let key = |i: i64| {
        let a: ArrayRef = Arc::new(Int64Array::from(vec![i]));
        encode_keys(&[a], &[ColumnType::BigInt]).unwrap().remove(0)
    };
    object.reads();
    object.read_bytes();
    let (mut f, mut k) = (vec![], vec![]);
    for i in 0..2000i64 {
        let i = (i * 7919) % N as i64;
        let t = Instant::now();
        let row = reader.find(&[key(i * 3)]).await.unwrap()[0].unwrap();
        f.push(t.elapsed());
        let t = Instant::now();
        let b = reader.take(&[row], &all).await.unwrap();
        assert_eq!(b.num_rows(), 1);
        k.push(t.elapsed());
    }
    f.sort();
    k.sort();
    eprintln!("find p50 {:?} p99 {:?}; take p50 {:?} p99 {:?}", f[1000], f[1980], k[1000], k[1980]);
    eprintln!("reads {} bytes {}", object.reads(), object.read_bytes());
    let t = Instant::now();
    for i in 0..10000 {
        assert!(reader.candidates(&key(i)).is_some() || i % 3 != 0);
    }
    eprintln!("10000 candidates {:?}", t.elapsed());
    for _ in 0..2 {
        let t = Instant::now();
        let plan = ReadPlan {
            columns: all.clone(),
            row_groups: (0..reader.row_groups().len()).collect(),
            ranges: None,
            batch_size: 8192,
        };
        let n: usize = reader.stream(plan).try_fold(0, |n, b| async move { Ok(n + b.num_rows()) }).await.unwrap();
        eprintln!("scan {n} {:?}", t.elapsed());
    }
}
