//! What a request to the store costs is counted at the store, not believed.
//!
//! Promises: a commit is one PUT and nothing else; commits that come together share one; an idle namespace asks nothing;
//! a cold open with its first point query is at most four requests deep; a strong read of a follower is one request.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use firn_engine::Mode;
use firn_manifest::store::Op;
use firn_manifest::world::system;
use firn_tests::scene::{Scene, rows, run};
use firn_tests::scripted::{Call, Fault, Gate, Scripted};

fn shape(calls: &[Call]) -> Vec<(Op, &str)> {
    calls.iter().map(|call| (call.op, call.key.as_str())).collect()
}

fn depth(calls: &[Call]) -> u64 {
    calls.iter().map(|call| call.depth).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_one_put_and_nothing_else() {
    let scene = Scene::new();
    let db = scene.open(&scene.door, Mode::ReadWrite).await;
    let mut session = db.session();
    run(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)").await.unwrap();
    run(&mut session, "INSERT INTO t VALUES (1, 'a')").await.unwrap();
    scene.door.take_calls();
    let statements = [
        "INSERT INTO t VALUES (2, 'b'), (3, 'c')",
        "UPDATE t SET v = 'x' WHERE id = 1",
        "DELETE FROM t WHERE id = 3",
        "INSERT INTO t VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET v = excluded.v",
        "ALTER TABLE t ADD COLUMN w INTEGER",
        "BEGIN; INSERT INTO t (id) VALUES (7), (8); UPDATE t SET v = 'z' WHERE id = 7; COMMIT",
    ];
    for statement in statements {
        run(&mut session, statement).await.unwrap();
        let calls = scene.door.take_calls();
        let puts: Vec<_> = calls.iter().filter(|call| call.op == Op::Put).collect();
        assert_eq!(puts.len(), 1, "{statement}: {calls:?}");
        assert!(puts[0].key.starts_with("prefix/acme/wal/"), "{statement}: {calls:?}");
        // BEGIN takes its snapshot as a read does; a statement of its own asks nothing.
        let reads = if statement.starts_with("BEGIN") { 4 } else { 0 };
        assert!(
            calls.len() <= 1 + reads && calls.iter().all(|c| matches!(c.op, Op::Put | Op::Get)),
            "{statement}: {calls:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_come_together_share_a_put() {
    let scene = Scene::new();
    let db = scene.open(&scene.door, Mode::ReadWrite).await;
    run(&mut db.session(), "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    let gate = Gate::new();
    scene.door.on_put("/wal/", [Fault::Held(gate.clone())]);
    scene.door.take_calls();
    let first = tokio::spawn({
        let mut session = db.session();
        async move { run(&mut session, "INSERT INTO t VALUES (0)").await }
    });
    gate.arrived().await;
    let others: Vec<_> = (1..=40)
        .map(|n| {
            let mut session = db.session();
            tokio::spawn(async move { run(&mut session, &format!("INSERT INTO t VALUES ({n})")).await })
        })
        .collect();
    system().sleep(Duration::from_millis(500)).await;
    gate.open();
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    let calls = scene.door.take_calls();
    let puts = calls.iter().filter(|call| call.op == Op::Put).count();
    assert_eq!(puts, 2, "one for the first, one for the forty that came while it was on the way: {:?}", shape(&calls));
    assert_eq!(calls.len(), puts);
    assert_eq!(scene.reads("SELECT count(*) FROM t").await, [["41"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_namespace_asks_nothing() {
    let scene = Scene::new();
    let writer = scene.open(&scene.door, Mode::ReadWrite).await;
    run(&mut writer.session(), "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    let reader = scene.open(&scene.door, Mode::ReadOnly).await;
    rows(&mut reader.session(), "SELECT * FROM t").await.unwrap();
    scene.door.take_calls();
    system().sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.door.take_calls(), [], "an open writer and an open reader that nobody uses");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strong_read_of_a_follower_is_one_request() {
    let scene = Scene::new();
    let writer = scene.open(&scene.door, Mode::ReadWrite).await;
    let mut session = writer.session();
    run(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    let door = Scripted::beside(&scene.door);
    let follower = scene.open(&door, Mode::ReadOnly).await;
    let mut reading = follower.session();
    assert_eq!(rows(&mut reading, "SELECT count(*) FROM t").await.unwrap(), [["1"]]);
    for _ in 0..3 {
        door.take_calls();
        assert_eq!(rows(&mut reading, "SELECT id FROM t WHERE id = 1").await.unwrap(), [["1"]]);
        let calls = door.take_calls();
        assert_eq!(calls.len(), 1, "{:?}", shape(&calls));
        assert_eq!(calls[0].op, Op::Get);
    }
    // What was acknowledged elsewhere before the read began is in it.
    for n in 2..6 {
        run(&mut session, &format!("INSERT INTO t VALUES ({n})")).await.unwrap();
        door.take_calls();
        assert_eq!(rows(&mut reading, "SELECT count(*) FROM t").await.unwrap(), [[n.to_string()]]);
        assert!(depth(&door.take_calls()) <= 2, "the new segment, and the proof that there is no further one");
    }
}

/// A namespace with flushed files and a WAL tail; returns with everything closed.
async fn with_files(scene: &Scene) {
    let db = scene.open(&scene.door, Mode::ReadWrite).await;
    let mut session = db.session();
    run(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, n DOUBLE PRECISION)").await.unwrap();
    for part in 0..12 {
        let sql = format!(
            "INSERT INTO t SELECT n, 'a text of some length for row ' || n, n * 0.5 FROM generate_series({}, {}) AS s(n)",
            part * 25_000 + 1,
            (part + 1) * 25_000
        );
        run(&mut session, &sql).await.unwrap();
    }
    run(&mut session, "UPDATE t SET v = 'changed' WHERE id = 77").await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_open_and_a_point_query_are_four_deep() {
    let scene = Scene::new();
    with_files(&scene).await;
    assert!(scene.door.keys().await.iter().any(|key| key.contains("/sst/")), "nothing was flushed");
    for (id, text) in [(123_456, "a text of some length for row 123456"), (77, "changed")] {
        let door = Scripted::beside(&scene.door);
        let db = scene.open(&door, Mode::ReadOnly).await;
        let found = rows(&mut db.session(), &format!("SELECT v FROM t WHERE id = {id}")).await.unwrap();
        assert_eq!(found, [[text]]);
        let calls = door.take_calls();
        assert!(depth(&calls) <= 4, "{} deep: {:#?}", depth(&calls), calls);
        assert!(calls.iter().all(|call| call.op != Op::Put && call.op != Op::Delete), "a read wrote");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_products_own_count_agrees() {
    let scene = Scene::new();
    with_files(&scene).await;
    let door = Scripted::beside(&scene.door);
    let db = scene.open(&door, Mode::ReadOnly).await;
    let mut session = db.session();
    rows(&mut session, "SELECT 1 FROM t WHERE id = 1").await.unwrap();
    door.take_calls();
    let mut outcomes = session.execute("SELECT count(*), sum(n) FROM t WHERE id > 200000").await.unwrap();
    let outcome = outcomes.pop().unwrap();
    let batches: Vec<_> = futures::TryStreamExt::try_collect(outcome.rows.unwrap()).await.unwrap();
    assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 1);
    let (summary, calls) = (outcome.tally.summary(), door.take_calls());
    assert_eq!(summary.requests, calls.len() as u64);
    assert_eq!(summary.puts + summary.lists + summary.deletes, 0);
}
