//! The engine below SQL: commits, flushes, reopening, followers, fences and request ids, each against a memory store.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "core/model.rs"]
mod model;
#[path = "core/pressure.rs"]
mod pressure;
#[path = "core/related.rs"]
mod related;
#[path = "core/sessions.rs"]
mod sessions;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt64Array};
use firn_engine::commit::{Delete, Read, TableWrite, Transaction, WriteRequest, WriteSet};
use firn_engine::database::{Database, FlushPolicy, Mode, OpenOptions};
use firn_engine::state::{ScanAt, ScanColumn, ScanRequest, Snapshot};
use firn_engine::{ErrorKind, verify};
use firn_manifest::ids::{ColumnId, Position, TableId};
use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::schema::{CatalogChange, Column, ColumnType, TableSchema};
use firn_manifest::store::Store;
use firn_manifest::tally::Tally;
use firn_manifest::uri::StoreUri;
use firn_manifest::world::system;
use firn_segment::key::encode_keys;
use firn_segment::record::{Answer, RowOp};
use firn_segment::types::storage_schema;
use futures::TryStreamExt;
use tempfile::TempDir;

struct Place {
    _dir: TempDir,
    store: Store,
    keys: Arc<dyn KeyService>,
}

fn place() -> Place {
    let dir = TempDir::new().unwrap();
    let uri = format!(
        "file://{}?ns=acme&kms=local:{}",
        dir.path().join("store").display(),
        dir.path().join("master.key").display()
    );
    let uri = StoreUri::parse(&uri).unwrap();
    let store = Store::connect(&uri, system()).unwrap().namespace(uri.namespace().unwrap());
    let keys = key_service(&uri, system()).unwrap();
    Place { _dir: dir, store, keys }
}

async fn open(place: &Place, mode: Mode) -> Arc<Database> {
    let flush = FlushPolicy { bytes: 64 << 20, segments: 1 << 20, close_segments: 1 << 20, close_bytes: 64 << 20 };
    let options = OpenOptions { mode, flush, ..OpenOptions::default() };
    Database::open_in(place.store.clone(), place.keys.clone(), options).await.unwrap()
}

fn table() -> Arc<TableSchema> {
    let id = Column::new(ColumnId(1), "id", ColumnType::BigInt).not_null();
    let v = Column::new(ColumnId(2), "v", ColumnType::Text);
    Arc::new(TableSchema::new(TableId::FIRST_USER, "t", vec![id, v], vec![ColumnId(1)]))
}

fn request(place: &Place, id: Option<&str>) -> WriteRequest {
    WriteRequest { actor: Some("me".into()), reason: None, request_id: id.map(Into::into), store: place.store.clone() }
}

fn rows(pairs: &[(i64, &str)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(pairs.iter().map(|p| p.0))),
        Arc::new(StringArray::from_iter_values(pairs.iter().map(|p| p.1))),
    ];
    RecordBatch::try_new(storage_schema(&table()), columns).unwrap()
}

fn insert(pairs: &[(i64, &str)]) -> WriteSet {
    WriteSet {
        kind: "INSERT".into(),
        answers: vec![Answer { tag: format!("INSERT 0 {}", pairs.len()), rows: pairs.len() as u64, returning: None }],
        tables: vec![TableWrite {
            schema: table(),
            deletes: vec![],
            inserts: Some(rows(pairs)),
            operations: vec![RowOp::Insert; pairs.len()],
            old_rows: None,
        }],
        catalog: vec![],
    }
}

async fn update(snapshot: &Snapshot, pairs: &[(i64, &str)], keep: bool) -> WriteSet {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(pairs.iter().map(|p| p.0)));
    let keys = encode_keys(&[ids], &[ColumnType::BigInt]).unwrap();
    let found: Vec<_> = snapshot.locate(&table(), &keys).await.unwrap().into_iter().map(Option::unwrap).collect();
    let old_rows = Some(snapshot.fetch(&table(), &found).await.unwrap());
    let deletes = keys.into_iter().zip(found).map(|(key, found)| Delete { key, found }).collect();
    WriteSet {
        kind: "UPDATE".into(),
        answers: vec![Answer { tag: "UPDATE".into(), rows: pairs.len() as u64, returning: None }],
        tables: vec![TableWrite {
            schema: table(),
            deletes,
            inserts: keep.then(|| rows(pairs)),
            operations: if keep { vec![RowOp::Update; pairs.len()] } else { vec![] },
            old_rows,
        }],
        catalog: vec![],
    }
}

async fn create(db: &Database, place: &Place) -> Position {
    let set = WriteSet {
        kind: "CREATE TABLE".into(),
        catalog: vec![CatalogChange::Create { schema: (*table()).clone() }],
        ..WriteSet::default()
    };
    db.writer().await.unwrap().write(request(place, None), |_| async { Ok(set) }).await.unwrap().position
}

async fn put(db: &Database, place: &Place, pairs: &[(i64, &str)]) -> Position {
    let set = insert(pairs);
    db.writer().await.unwrap().write(request(place, None), |_| async { Ok(set) }).await.unwrap().position
}

async fn change(db: &Database, place: &Place, pairs: &'static [(i64, &'static str)], keep: bool) -> Position {
    let core = db.writer().await.unwrap();
    core.write(request(place, None), |s| async move { Ok(update(&s, pairs, keep).await) }).await.unwrap().position
}

async fn read(snapshot: &Snapshot, at: Option<Position>) -> Vec<(i64, String, u64)> {
    let scan = snapshot
        .scan(ScanRequest {
            table: table(),
            at: ScanAt::Position(at.unwrap_or(snapshot.position())),
            columns: vec![ScanColumn::Column(ColumnId(1)), ScanColumn::Column(ColumnId(2)), ScanColumn::Begin],
            predicate: None,
            keys: None,
            ranges: None,
            index: None,
            partitions: 2,
            batch_size: 100,
        })
        .unwrap();
    let mut out = Vec::new();
    for partition in 0..scan.partitions() {
        let batches: Vec<RecordBatch> = scan.execute(partition).try_collect().await.unwrap();
        for batch in batches {
            let ids = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().clone();
            let values = arrow::compute::cast(batch.column(1), &arrow::datatypes::DataType::Utf8).unwrap();
            let values = values.as_any().downcast_ref::<StringArray>().unwrap().clone();
            let begins = batch.column(2).as_any().downcast_ref::<UInt64Array>().unwrap().clone();
            out.extend((0..batch.num_rows()).map(|i| (ids.value(i), values.value(i).to_owned(), begins.value(i))));
        }
    }
    out.sort();
    out
}

fn plain(rows: &[(i64, String, u64)]) -> Vec<(i64, &str)> {
    rows.iter().map(|r| (r.0, r.1.as_str())).collect()
}

/// Every position answers the same before and after flushes and reopening, as writer and as follower.
#[tokio::test]
async fn every_position_survives_flush_and_reopen() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    create(&db, &place).await;
    let p1 = put(&db, &place, &[(1, "a"), (2, "b"), (3, "c")]).await;
    let p2 = change(&db, &place, &[(2, "B")], true).await;
    let p3 = change(&db, &place, &[(1, "")], false).await;
    let expect = |p: Position| -> Vec<(i64, &str)> {
        match p {
            p if p == p1 => vec![(1, "a"), (2, "b"), (3, "c")],
            p if p == p2 => vec![(1, "a"), (2, "B"), (3, "c")],
            _ => vec![(2, "B"), (3, "c")],
        }
    };
    let check = async |db: &Database| {
        let snapshot = db.snapshot(&place.store).await.unwrap();
        for p in [p1, p2, p3] {
            assert_eq!(plain(&read(&snapshot, Some(p)).await), expect(p), "position {p}");
        }
    };
    check(&db).await;
    db.writer().await.unwrap().flush().await.unwrap();
    check(&db).await;
    let p4 = change(&db, &place, &[(3, "C"), (2, "BB")], true).await;
    check(&db).await;
    drop(db);

    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        let db = open(&place, mode).await;
        let snapshot = db.snapshot(&place.store).await.unwrap();
        assert_eq!(plain(&read(&snapshot, Some(p4)).await), vec![(2, "BB"), (3, "C")]);
        check(&db).await;
        if mode == Mode::ReadWrite {
            db.writer().await.unwrap().flush().await.unwrap();
            check(&db).await;
            change(&db, &place, &[(2, "BBB")], true).await;
            db.writer().await.unwrap().flush().await.unwrap();
            check(&db).await;
        }
    }
    let db = open(&place, Mode::ReadOnly).await;
    let report = verify::verify_replay(&db).await.unwrap();
    assert!(report.ok, "{:?}", report.findings);
    assert!(report.replay.unwrap().versions > 5);
}

/// A second writer takes over; the first is fenced and its commit is lost to it, but nothing acknowledged is.
#[tokio::test]
async fn second_writer_fences_the_first() {
    let place = place();
    let first = open(&place, Mode::ReadWrite).await;
    create(&first, &place).await;
    put(&first, &place, &[(1, "first")]).await;
    let second = open(&place, Mode::ReadWrite).await;
    put(&second, &place, &[(2, "second")]).await;
    let core = first.writer().await.unwrap();
    let set = insert(&[(3, "late")]);
    let lost = core.write(request(&place, None), |_| async { Ok(set) }).await.unwrap_err();
    assert_eq!(lost.kind, ErrorKind::Fenced, "{lost}");
    let stale = first.snapshot(&place.store).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::Fenced, "a fenced writer serves no strong read");
    let reader = open(&place, Mode::ReadOnly).await;
    let snapshot = reader.snapshot(&place.store).await.unwrap();
    assert_eq!(plain(&read(&snapshot, None).await), vec![(1, "first"), (2, "second")]);
}

/// A follower sees each commit with one request, over a flush of the writer too.
#[tokio::test]
async fn follower_tails_with_one_request() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    create(&db, &place).await;
    put(&db, &place, &[(1, "a")]).await;
    let reader = open(&place, Mode::ReadOnly).await;
    reader.snapshot(&place.store).await.unwrap();
    let tally = Tally::new();
    reader.snapshot(&place.store.with_tally(tally.clone())).await.unwrap();
    assert_eq!(tally.summary().requests, 1);
    put(&db, &place, &[(2, "b")]).await;
    db.writer().await.unwrap().flush().await.unwrap();
    change(&db, &place, &[(1, "A")], true).await;
    change(&db, &place, &[(2, "")], false).await;
    let snapshot = reader.snapshot(&place.store).await.unwrap();
    assert_eq!(plain(&read(&snapshot, None).await), vec![(1, "A")]);
}

/// A request id gives its first answer again: at once, after a flush, after reopening, and to a second writer.
#[tokio::test]
async fn request_ids_survive() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    create(&db, &place).await;
    let once = async |db: &Database| {
        let set = insert(&[(7, "once")]);
        db.writer().await.unwrap().write(request(&place, Some("r1")), |_| async { Ok(set) }).await.unwrap()
    };
    let first = once(&db).await;
    assert!(!first.replayed);
    for round in 0..3 {
        let again = once(&db).await;
        assert!(again.replayed, "round {round}");
        assert_eq!((again.position, again.answers.clone()), (first.position, first.answers.clone()));
        db.writer().await.unwrap().flush().await.unwrap();
    }
    let other = open(&place, Mode::ReadWrite).await;
    assert!(once(&other).await.replayed);
    assert_eq!(plain(&read(&other.snapshot(&place.store).await.unwrap(), None).await), vec![(7, "once")]);
}

/// Transactions: own writes are read, others do not see them, and the loser of a conflict changes nothing.
#[tokio::test]
async fn transactions_validate() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    create(&db, &place).await;
    put(&db, &place, &[(1, "a"), (2, "b")]).await;
    let core = db.writer().await.unwrap();
    let base = db.snapshot(&place.store).await.unwrap();
    let (mut one, mut two) = (Transaction::begin(base.clone()), Transaction::begin(base.clone()));
    one.apply(update(&one.snapshot(&place.store), &[(1, "one")], true).await).unwrap();
    one.apply(insert(&[(5, "new")])).unwrap();
    one.apply(update(&one.snapshot(&place.store), &[(5, "newer")], true).await).unwrap();
    assert_eq!(plain(&read(&one.snapshot(&place.store), None).await), vec![(1, "one"), (2, "b"), (5, "newer")]);
    two.apply(update(&two.snapshot(&place.store), &[(1, "two")], true).await).unwrap();
    assert_eq!(plain(&read(&base, None).await), vec![(1, "a"), (2, "b")]);
    core.commit(request(&place, None), one).await.unwrap();
    let lost = core.commit(request(&place, None), two).await.unwrap_err();
    assert_eq!(lost.sqlstate, "40001");

    // disjoint writes pass, unless one read what the other changed
    let base = db.snapshot(&place.store).await.unwrap();
    let (mut one, mut two) = (Transaction::begin(base.clone()), Transaction::begin(base.clone()));
    one.apply(update(&base, &[(1, "x")], true).await).unwrap();
    two.apply(update(&base, &[(2, "y")], true).await).unwrap();
    two.record_read(Read { table: table().id, predicate: None });
    core.commit(request(&place, None), one).await.unwrap();
    assert_eq!(core.commit(request(&place, None), two).await.unwrap_err().sqlstate, "40001");
    let now = db.snapshot(&place.store).await.unwrap();
    assert_eq!(plain(&read(&now, None).await), vec![(1, "x"), (2, "b"), (5, "newer")]);
}

/// Concurrent commits share PUTs, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_share_puts() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    create(&db, &place).await;
    let before: u64 =
        place.store.totals().iter().filter(|t| t.op == firn_manifest::tally::Op::Put).map(|t| t.requests).sum();
    let mut tasks = Vec::new();
    for i in 0..64i64 {
        let core = db.writer().await.unwrap();
        let request = request(&place, None);
        tasks.push(tokio::spawn(async move {
            let set = insert(&[(i, "x")]);
            core.write(request, |_| async { Ok(set) }).await.unwrap().position
        }));
    }
    let mut positions = Vec::new();
    for task in tasks {
        positions.push(task.await.unwrap());
    }
    positions.sort();
    positions.dedup();
    assert_eq!(positions.len(), 64);
    let after: u64 =
        place.store.totals().iter().filter(|t| t.op == firn_manifest::tally::Op::Put).map(|t| t.requests).sum();
    assert!(after - before < 64, "64 commits took {} PUTs", after - before);
    assert_eq!(read(&db.snapshot(&place.store).await.unwrap(), None).await.len(), 64);
}

/// Objects with numbers out of all reason, or beginning with a dot, stand among those of a healthy namespace: the walk ends
/// and names the strange ones only.
#[tokio::test]
async fn verify_ends_whatever_is_in_the_bucket() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    create(&db, &place).await;
    put(&db, &place, &[(1, "a")]).await;
    db.writer().await.unwrap().flush().await.unwrap();
    put(&db, &place, &[(2, "b")]).await;
    assert!(verify::verify(&place.store).await.unwrap().ok);
    let strange = ["manifest/00000000000000000000.json", "wal/18446744073709551615.wal"];
    for name in strange {
        place.store.put_if_absent(name, bytes::Bytes::from_static(b"strange")).await.unwrap();
    }
    let report = verify::verify(&place.store).await.unwrap();
    assert!(!report.ok);
    for name in strange {
        assert!(report.findings.iter().any(|f| f.object == name), "{name}: {:?}", report.findings);
    }
}
