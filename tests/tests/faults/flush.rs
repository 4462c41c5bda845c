//! A flush is under way and everything else goes on.
//!
//! The flush is stopped at a gate: before a file is stored, before the manifest is, or after it stands and before the
//! writer knows. Rows of older files, of frozen memtables and of fresh ones change meanwhile. Then the flush goes on, or
//! the process is gone and another opens what is stored.

use std::sync::Arc;

use firn_engine::session::{Session, parse};
use firn_engine::{Database, ErrorKind, Mode};
use firn_tests::scene::{Scene, rows, run};
use firn_tests::scripted::{Fault, Gate, Scripted};

const ALL: &str = "SELECT id, v FROM t ORDER BY id";
const HISTORY: &str = "SELECT id, v, _begin, _end FROM firn_history('t') ORDER BY id, _begin";

/// Where the flush stands still.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// no file is stored
    Files,
    /// files are, the manifest is not
    Manifest,
    /// the manifest stands; the writer does not know
    Answer,
}

const STOPS: [Stop; 3] = [Stop::Files, Stop::Manifest, Stop::Answer];

/// Rows 1 to 4 in a file (row 2 ended since, 1 changed), rows 5 to 9 in memory (5 changed there, 6 ended there).
async fn prepared(scene: &Scene) -> Arc<Database> {
    let db = scene.open(&scene.door, Mode::ReadWrite).await;
    let mut session = db.session();
    run(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT); CREATE TABLE log (what TEXT)").await.unwrap();
    run(&mut session, "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4)").await.unwrap();
    db.writer().await.unwrap().flush().await.unwrap();
    run(&mut session, "UPDATE t SET v = 10 WHERE id = 1; DELETE FROM t WHERE id = 2").await.unwrap();
    run(&mut session, "INSERT INTO t VALUES (5, 5), (6, 6), (7, 7), (8, 8), (9, 9)").await.unwrap();
    run(&mut session, "UPDATE t SET v = 50 WHERE id = 5; DELETE FROM t WHERE id = 6").await.unwrap();
    let once = &parse("INSERT INTO log VALUES ('before')").unwrap()[0];
    session.run(once, &[], Some("before")).await.unwrap();
    db
}

/// Starts a flush and waits until it stands still.
async fn stopped(scene: &Scene, db: &Arc<Database>, stop: Stop) -> (Arc<Gate>, tokio::task::JoinHandle<bool>) {
    let gate = Gate::new();
    match stop {
        Stop::Files => scene.door.on_put("/sst/", [Fault::Held(gate.clone())]),
        Stop::Manifest => scene.door.on_put("/manifest/", [Fault::Held(gate.clone())]),
        Stop::Answer => scene.door.on_put("/manifest/", [Fault::AnswerHeld(gate.clone())]),
    }
    let writer = db.writer().await.unwrap();
    let flush = tokio::spawn(async move { writer.flush().await.is_ok() });
    match stop {
        Stop::Answer => gate.landed().await,
        _ => gate.arrived().await,
    }
    (gate, flush)
}

/// Changes rows of every kind of place; each statement is acknowledged although the flush stands still.
async fn meanwhile(session: &mut Session) {
    for statement in [
        // in the old file, in the frozen memtable, both by key and by a scan
        "UPDATE t SET v = v + 100 WHERE id = 3",
        "UPDATE t SET v = v + 100 WHERE id = 7",
        "UPDATE t SET v = v + 1000 WHERE v IN (4, 8)",
        "DELETE FROM t WHERE id = 9",
        // keys that ended come back; one more than once
        "INSERT INTO t VALUES (9, 900), (2, 200)",
        "DELETE FROM t WHERE id = 9",
        "INSERT INTO t VALUES (9, 901)",
        // fresh rows that come, change and go
        "INSERT INTO t VALUES (20, 20), (21, 21)",
        "UPDATE t SET v = 22 WHERE id = 20",
        "DELETE FROM t WHERE id = 21",
        "INSERT INTO t VALUES (1, 11) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    ] {
        run(session, statement).await.unwrap_or_else(|e| panic!("{statement}: {e:?}"));
    }
    let duplicate = run(session, "INSERT INTO t VALUES (7, 0)").await.unwrap_err();
    assert_eq!(duplicate.sqlstate, "23505");
    let once = &parse("INSERT INTO log VALUES ('during')").unwrap()[0];
    session.run(once, &[], Some("during")).await.unwrap();
}

const AFTER: [[&str; 2]; 9] = [
    ["1", "11"],
    ["2", "200"],
    ["3", "103"],
    ["4", "1004"],
    ["5", "50"],
    ["7", "107"],
    ["8", "1008"],
    ["9", "901"],
    ["20", "22"],
];

const BEFORE: [[&str; 2]; 7] = [["1", "10"], ["3", "3"], ["4", "4"], ["5", "50"], ["7", "7"], ["8", "8"], ["9", "9"]];

async fn position(session: &mut Session) -> String {
    rows(session, "SELECT firn_position()").await.unwrap()[0][0].clone()
}

/// What one process sees of both times, by scan and by key.
async fn sees(session: &mut Session, before: &str, who: &str) {
    assert_eq!(rows(session, ALL).await.unwrap(), AFTER, "{who}");
    let past = format!("SELECT id, v FROM t AS OF POSITION {before} ORDER BY id");
    assert_eq!(rows(session, &past).await.unwrap(), BEFORE, "{who}, as of {before}");
    for [id, v] in AFTER {
        let one = format!("SELECT v FROM t WHERE id = {id}");
        assert_eq!(rows(session, &one).await.unwrap(), [[v]], "{who}, id {id}");
    }
    for id in [6, 21] {
        let none = rows(session, &format!("SELECT v FROM t WHERE id = {id}")).await.unwrap();
        assert!(none.is_empty(), "{who}, id {id}");
    }
    for request in ["before", "during"] {
        let again = &parse("INSERT INTO log VALUES ('again')").unwrap()[0];
        if who != "reader" {
            session.run(again, &[], Some(request)).await.unwrap();
        }
    }
    assert_eq!(rows(session, "SELECT count(*) FROM log").await.unwrap(), [["2"]], "{who}");
}

/// Writers are not held up, readers see every acknowledged change at once, and when the flush is done the same rows stand
/// in files: for this process, for one that follows, for one that opens anew, now and in the past.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_go_on_beside_a_flush() {
    for stop in STOPS {
        let scene = Scene::new();
        let db = prepared(&scene).await;
        let mut session = db.session();
        let follower = scene.open(&Scripted::beside(&scene.door), Mode::ReadOnly).await;
        let mut following = follower.session();
        rows(&mut following, ALL).await.unwrap();
        let before = position(&mut session).await;
        let (gate, flush) = stopped(&scene, &db, stop).await;
        meanwhile(&mut session).await;
        sees(&mut session, &before, "writer during").await;
        sees(&mut following, &before, "reader").await;
        let history = rows(&mut session, HISTORY).await.unwrap();
        gate.open();
        assert!(flush.await.unwrap(), "{stop:?}");
        sees(&mut session, &before, "writer after").await;
        sees(&mut following, &before, "reader").await;
        assert_eq!(rows(&mut session, HISTORY).await.unwrap(), history, "{stop:?}");
        assert_eq!(scene.reads(HISTORY).await, history, "{stop:?}");
        // the ends that came meanwhile go into the next flush's vectors
        db.writer().await.unwrap().flush().await.unwrap();
        sees(&mut session, &before, "writer flushed again").await;
        assert_eq!(scene.reads(HISTORY).await, history, "{stop:?}");
        assert_eq!(scene.findings().await, Vec::<String>::new(), "{stop:?}");
        drop(db);
        let again = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
        sees(&mut again.session(), &before, "next writer").await;
        assert_eq!(scene.findings().await, Vec::<String>::new(), "{stop:?}");
    }
}

/// The process is gone at the gate, with commits acknowledged meanwhile. Whoever opens the namespace next, to read or to
/// write, finds all of them; the old process, should it wake, is told that it was replaced and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_during_a_flush_loses_nothing() {
    for stop in STOPS {
        let scene = Scene::new();
        let db = prepared(&scene).await;
        let mut session = db.session();
        let before = position(&mut session).await;
        let (gate, flush) = stopped(&scene, &db, stop).await;
        meanwhile(&mut session).await;
        let history = rows(&mut session, HISTORY).await.unwrap();
        assert_eq!(scene.reads(HISTORY).await, history, "{stop:?}");
        let next = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
        let mut after = next.session();
        sees(&mut after, &before, "next writer").await;
        gate.open();
        let _ = flush.await;
        let late = run(&mut session, "INSERT INTO t VALUES (99, 99)").await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::Fenced, "{late:?}");
        next.writer().await.unwrap().flush().await.unwrap();
        sees(&mut after, &before, "next writer, flushed").await;
        assert_eq!(scene.reads(HISTORY).await, history, "{stop:?}");
        assert_eq!(scene.findings().await, Vec::<String>::new(), "{stop:?}");
    }
}

/// A transaction began before the flush and commits after it, or while it stands still: its rows have changed their
/// places, and it is validated all the same. One whose row somebody else changed meanwhile loses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_spans_a_flush() {
    for (stop, commit_during) in STOPS.into_iter().flat_map(|stop| [(stop, true), (stop, false)]) {
        let scene = Scene::new();
        let db = prepared(&scene).await;
        let (mut winner, mut loser, mut other) = (db.session(), db.session(), db.session());
        run(&mut winner, "BEGIN; UPDATE t SET v = v + 1 WHERE id = 5; DELETE FROM t WHERE id = 3").await.unwrap();
        run(&mut loser, "BEGIN; UPDATE t SET v = v + 1 WHERE id = 7").await.unwrap();
        let (gate, flush) = stopped(&scene, &db, stop).await;
        run(&mut other, "UPDATE t SET v = 70 WHERE id = 7").await.unwrap();
        if !commit_during {
            gate.open();
            assert!(flush.await.unwrap());
            run(&mut winner, "COMMIT").await.unwrap();
            assert_eq!(run(&mut loser, "COMMIT").await.unwrap_err().sqlstate, "40001");
        } else {
            run(&mut winner, "COMMIT").await.unwrap();
            assert_eq!(run(&mut loser, "COMMIT").await.unwrap_err().sqlstate, "40001");
            gate.open();
            assert!(flush.await.unwrap());
        }
        let expected = [["1", "10"], ["4", "4"], ["5", "51"], ["7", "70"], ["8", "8"], ["9", "9"]];
        assert_eq!(rows(&mut other, ALL).await.unwrap(), expected, "{stop:?}");
        assert_eq!(scene.reads(ALL).await, expected, "{stop:?}");
        assert_eq!(scene.findings().await, Vec::<String>::new(), "{stop:?}");
    }
}

/// The store is full while files are stored. The flush says so; what was frozen and what came meanwhile stays, changes
/// further, and is flushed when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_fails_changes_nothing() {
    let scene = Scene::new();
    let db = prepared(&scene).await;
    let mut session = db.session();
    let before = position(&mut session).await;
    let writer = db.writer().await.unwrap();
    scene.door.on_put("/sst/", vec![Fault::Full; 100]);
    assert!(writer.flush().await.is_err());
    meanwhile(&mut session).await;
    assert!(writer.flush().await.is_err());
    sees(&mut session, &before, "writer").await;
    let history = rows(&mut session, HISTORY).await.unwrap();
    scene.door.heal();
    writer.flush().await.unwrap();
    sees(&mut session, &before, "writer, flushed").await;
    assert_eq!(scene.reads(HISTORY).await, history);
    assert_eq!(scene.findings().await, Vec::<String>::new());
}
