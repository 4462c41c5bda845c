//! Memtables of a few kilobytes under many writers: flushes run beside commits all the time.
//!
//! Every writer keeps its own account of its own keys; in the end the accounts, every process and the log agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_engine::database::{Database, FlushPolicy, Mode, OpenOptions};
use firn_engine::verify;
use firn_manifest::tally::{Cause, Op};
use futures::TryStreamExt;

use super::{Place, place};

const WRITERS: i64 = 6;
const STEPS: i64 = 40;
const KEYS: i64 = 5;

async fn open(place: &Place, mode: Mode) -> Arc<Database> {
    let flush = FlushPolicy { bytes: 6_000, segments: 1 << 20, close_segments: 1 << 20, close_bytes: 64 << 20 };
    let options = OpenOptions { mode, flush, ..OpenOptions::default() };
    Database::open_in(place.store.clone(), place.keys.clone(), options).await.unwrap()
}

/// Inserts, updates by key and by a scan, and deletes keys of its own.
async fn writer(db: Arc<Database>, number: i64) -> BTreeMap<i64, i64> {
    let mut session = db.session();
    let mut account = BTreeMap::new();
    let (low, high) = (number * 100, number * 100 + KEYS);
    for step in 0..STEPS {
        let id = low + (step * 7) % KEYS;
        let sql = match (account.get(&id).copied(), step % 4) {
            (None, _) => {
                account.insert(id, step);
                format!("INSERT INTO t VALUES ({id}, {step}, 'some text of a row that takes its bytes')")
            }
            (Some(_), 0) => {
                account.remove(&id);
                format!("DELETE FROM t WHERE id = {id}")
            }
            (Some(v), 1 | 2) => {
                account.insert(id, v + 1);
                format!("UPDATE t SET v = v + 1 WHERE id = {id}")
            }
            (Some(_), _) => {
                account.values_mut().for_each(|v| *v += 10);
                format!("UPDATE t SET v = v + 10 WHERE id >= {low} AND id < {high}")
            }
        };
        session.execute(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    account
}

async fn all(db: &Arc<Database>) -> BTreeMap<i64, i64> {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    let outcome = db.session().execute("SELECT id, v FROM t").await.unwrap().remove(0);
    let batches: Vec<_> = outcome.rows.unwrap().try_collect().await.unwrap();
    let mut rows = BTreeMap::new();
    for batch in batches {
        let (ids, values) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
        for (id, v) in ids.values().iter().zip(values.values()) {
            assert!(rows.insert(*id, *v).is_none(), "key {id} is there twice");
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_beside_many_flushes() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    db.session().execute("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT, note TEXT)").await.unwrap();
    let follower = open(&place, Mode::ReadOnly).await;
    let tasks: Vec<_> = (0..WRITERS).map(|number| tokio::spawn(writer(db.clone(), number))).collect();
    let mut expected = BTreeMap::new();
    for task in tasks {
        all(&follower).await;
        expected.extend(task.await.unwrap());
    }
    let manifests =
        place.store.totals().iter().filter(|t| t.op == Op::Put && t.cause == Cause::Flush).map(|t| t.requests).sum();
    assert!((4u64..).contains(&manifests), "{manifests} objects were flushed");
    for (who, process) in [("writer", &db), ("follower", &follower), ("anew", &open(&place, Mode::ReadOnly).await)] {
        assert_eq!(all(process).await, expected, "{who}");
    }
    db.writer().await.unwrap().flush().await.unwrap();
    let anew = open(&place, Mode::ReadOnly).await;
    assert_eq!(all(&anew).await, expected);
    let report = verify::verify_replay(&anew).await.unwrap();
    assert!(report.ok, "{:?}", report.findings);
}
