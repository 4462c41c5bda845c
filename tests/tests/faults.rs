//! The store misbehaves and the outcome of every commit is still known, or said to be unknown.
//!
//! Each test tells its story first: what goes wrong where, and what must survive. After each, `verify --replay` finds
//! nothing, and a process that opens the namespace anew sees what the story says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "faults/flush.rs"]
mod flush;

use std::sync::Arc;
use std::time::Duration;

use firn_engine::{Database, Error, ErrorKind, Mode};
use firn_manifest::store::Backend as _;
use firn_tests::quick::QuickWorld;
use firn_tests::scene::{Scene, rows, run};
use firn_tests::scripted::{Fault, Gate, Scripted};

const COUNT: &str = "SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0) FROM t";

async fn prepared(scene: &Scene, quick: bool) -> Arc<Database> {
    let db = match quick {
        true => scene.open_quick(&scene.door, Mode::ReadWrite).await,
        false => scene.open(&scene.door, Mode::ReadWrite).await,
    };
    run(&mut db.session(), "CREATE TABLE t (id BIGINT); INSERT INTO t VALUES (1)").await.unwrap();
    db
}

async fn insert(db: &Arc<Database>, id: u64) -> Result<(), Error> {
    run(&mut db.session(), &format!("INSERT INTO t VALUES ({id})")).await
}

async fn stands(scene: &Scene, ids: &[u64]) {
    let expected = [ids.len().to_string(), ids.len().to_string(), ids.iter().sum::<u64>().to_string()];
    assert_eq!(scene.reads(COUNT).await, [expected]);
    assert_eq!(scene.findings().await, Vec::<String>::new());
}

/// The PUT of a segment takes effect and its reply is lost, or the store answers that the object exists, which it now
/// does. Reading the slot back finds our own bytes: committed, acknowledged, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_a_commit() {
    let scene = Scene::new();
    let db = prepared(&scene, true).await;
    for (id, fault) in [(2, Fault::ReplyLost), (3, Fault::ConflictAfterEffect)] {
        scene.door.on_put("/wal/", [fault]);
        insert(&db, id).await.unwrap();
    }
    stands(&scene, &[1, 2, 3]).await;
}

/// The store answers 409 or 412 although nothing is there (a racing multi-part upload, a confused replica), or fails
/// many times with 503. Reading the slot back finds it free: the same bytes go into the same slot until they stand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_that_is_none_and_a_burst_of_errors_are_tried_again() {
    let scene = Scene::new();
    let db = prepared(&scene, true).await;
    scene.door.on_put("/wal/", [Fault::FalseConflict, Fault::FalseConflict]);
    insert(&db, 2).await.unwrap();
    scene.door.on_put("/wal/", vec![Fault::FailedBefore; 8]);
    insert(&db, 3).await.unwrap();
    scene.door.on_put("/wal/", [Fault::FailedBefore, Fault::ReplyLost]);
    scene.door.break_reads("/wal/", 2);
    insert(&db, 4).await.unwrap();
    stands(&scene, &[1, 2, 3, 4]).await;
}

/// The store is gone for longer than the deadline. The statement is not acknowledged, the writer goes no further (no
/// later statement may overtake the one whose outcome is unknown), and when the store is back a new opening decides:
/// the lost statement is not there, and writing goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_closes_the_writer() {
    let scene = Scene::new();
    let db = prepared(&scene, true).await;
    scene.door.on_put("/wal/", vec![Fault::FailedBefore; 10_000]);
    let refused = insert(&db, 2).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Store, "{refused:?}");
    assert!(refused.message.to_lowercase().contains("unknown"), "{refused:?}");
    let next = insert(&db, 3).await;
    assert!(next.is_err(), "a statement was acknowledged behind one whose outcome is unknown");
    scene.door.heal();
    let again = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    insert(&again, 4).await.unwrap();
    stands(&scene, &[1, 4]).await;
}

/// The PUT takes effect, the reply is lost, and the store cannot be read either: the writer cannot know. It says so; the
/// next opening finds the segment, whole, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_that_was_a_commit_is_found_by_the_next_opening() {
    let scene = Scene::new();
    let db = prepared(&scene, true).await;
    scene.door.on_put("/wal/", [Fault::ReplyLost]);
    scene.door.break_reads("/wal/", 10_000);
    let refused = insert(&db, 2).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Store, "{refused:?}");
    scene.door.heal();
    let again = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    insert(&again, 3).await.unwrap();
    stands(&scene, &[1, 2, 3]).await;
}

/// A's PUT is held on the way. B takes the namespace: its fence stands in the slot A wanted, and it commits. Then A's
/// PUT arrives and finds the slot taken. A says that it was fenced; its row is nowhere; A never writes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_arrives_after_a_takeover_loses() {
    let scene = Scene::new();
    let first = prepared(&scene, false).await;
    let gate = Gate::new();
    scene.door.on_put("/wal/", [Fault::Held(gate.clone())]);
    let delayed = tokio::spawn({
        let first = first.clone();
        async move { insert(&first, 2).await }
    });
    gate.arrived().await;
    let second = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    insert(&second, 3).await.unwrap();
    gate.open();
    let refused = delayed.await.unwrap().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused:?}");
    let later = insert(&first, 4).await.unwrap_err();
    assert_eq!(later.kind, ErrorKind::Fenced, "{later:?}");
    insert(&second, 5).await.unwrap();
    stands(&scene, &[1, 3, 5]).await;
}

/// A's PUT takes effect and its reply is slow to come. Meanwhile B takes the namespace and commits. Asked for a read, A
/// finds its own segment in the next slot, which proves nothing: B's fence stands behind it. A serves nothing; what it
/// stored before the fence is acknowledged when the reply comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_reply_is_late_serves_no_stale_read() {
    let scene = Scene::new();
    let first = prepared(&scene, false).await;
    let gate = Gate::new();
    scene.door.on_put("/wal/", [Fault::AnswerHeld(gate.clone())]);
    let delayed = tokio::spawn({
        let first = first.clone();
        async move { insert(&first, 2).await }
    });
    gate.landed().await;
    let during = rows(&mut first.session(), "SELECT id FROM t").await.unwrap();
    assert_eq!(during, [["1"]], "nobody took over yet");
    let second = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    insert(&second, 3).await.unwrap();
    let stale = rows(&mut first.session(), "SELECT id FROM t").await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::Fenced, "{stale:?}");
    gate.open();
    delayed.await.unwrap().unwrap();
    stands(&scene, &[1, 2, 3]).await;
}

/// A is told at once that its PUT failed, but the request lives on in the network. A is gone. B takes over and commits.
/// Then the request arrives: it finds B's fence. Nothing of A appears after the fact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_outlives_its_writer_changes_nothing() {
    let scene = Scene::new();
    let first = prepared(&scene, true).await;
    let gate = Gate::new();
    let mut script = vec![Fault::FailedThenLate(gate.clone())];
    script.extend(vec![Fault::FailedBefore; 10_000]);
    scene.door.on_put("/wal/", script);
    assert!(insert(&first, 2).await.is_err());
    drop(first);
    let second = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    insert(&second, 3).await.unwrap();
    gate.open();
    gate.landed().await;
    insert(&second, 4).await.unwrap();
    stands(&scene, &[1, 3, 4]).await;
}

/// The same, but A is alive and tries again: its second attempt stands, and the first, arriving late, finds the very
/// same bytes. The row is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_arrives_twice_counts_once() {
    let scene = Scene::new();
    let db = prepared(&scene, true).await;
    let gate = Gate::new();
    scene.door.on_put("/wal/", [Fault::FailedThenLate(gate.clone())]);
    insert(&db, 2).await.unwrap();
    gate.open();
    gate.landed().await;
    insert(&db, 3).await.unwrap();
    stands(&scene, &[1, 2, 3]).await;
}

/// Two open at once on a namespace that does not exist: both want version 1, and every reply of the first is lost. One
/// creates it, the other claims it after; both rows stand or the loser is told; there is one chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_creators_make_one_namespace() {
    for faults in
        [vec![], vec![Fault::ReplyLost; 3], vec![Fault::FalseConflict, Fault::ReplyLost, Fault::ConflictAfterEffect]]
    {
        let scene = Scene::new();
        scene.door.on_put("/acme/", faults);
        let (a, b) = (
            scene.open(&scene.door, Mode::ReadWrite).await,
            scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await,
        );
        let creating =
            |db: Arc<Database>| async move { run(&mut db.session(), "CREATE TABLE IF NOT EXISTS t (id BIGINT)").await };
        let (first, second) = futures::join!(creating(a.clone()), creating(b.clone()));
        for outcome in [&first, &second] {
            assert!(outcome.as_ref().err().is_none_or(|e| e.kind == ErrorKind::Fenced), "{outcome:?}");
        }
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        let last = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
        insert(&last, 9).await.unwrap();
        stands(&scene, &[9]).await;
    }
}

/// The disk is full: the statement is refused with that reason at once (waiting would not help), nothing of it is there,
/// and with room again the next opening goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_is_said_to_be_full() {
    let scene = Scene::new();
    let db = prepared(&scene, false).await;
    scene.door.on_put("/wal/", vec![Fault::Full; 10_000]);
    let refused = insert(&db, 2).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Store, "{refused:?}");
    let said = format!("{refused:?}").to_lowercase();
    assert!(said.contains("space"), "{said}");
    scene.door.heal();
    let again = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    insert(&again, 3).await.unwrap();
    stands(&scene, &[1, 3]).await;
}

/// Eight sessions write at once while every second PUT goes wrong in some way: each acknowledged row is there once, and
/// every row is acknowledged, because every fault heals within the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_sessions_over_a_bad_network() {
    let scene = Scene::new();
    let db = prepared(&scene, true).await;
    let kinds = [
        Fault::ReplyLost,
        Fault::None,
        Fault::FalseConflict,
        Fault::None,
        Fault::FailedBefore,
        Fault::ConflictAfterEffect,
        Fault::None,
    ];
    scene.door.on_put("/wal/", kinds.iter().cycle().take(600).cloned().collect::<Vec<_>>());
    let writers: Vec<_> = (0..8u64)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    insert(&db, 100 + writer * 100 + n).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let ids: Vec<u64> =
        std::iter::once(1).chain((0..8).flat_map(|w| (0..20).map(move |n| 100 + w * 100 + n))).collect();
    stands(&scene, &ids).await;
}

/// A request id whose first answer was lost with its process is answered again by the next writer, from the log: the
/// balance grows once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_survives_the_failover() {
    let scene = Scene::new();
    let first = prepared(&scene, true).await;
    let mut session = first.session();
    let statement = &firn_engine::session::parse("UPDATE t SET id = id + 10 RETURNING id").unwrap()[0];
    scene.door.on_put("/wal/", [Fault::ReplyLost]);
    scene.door.break_reads("/wal/", 10_000);
    assert!(session.run(statement, &[], Some("move-1")).await.is_err());
    drop(session);
    drop(first);
    scene.door.heal();
    let second = scene.open(&Scripted::beside(&scene.door), Mode::ReadWrite).await;
    let mut session = second.session();
    let outcome = session.run(statement, &[], Some("move-1")).await.unwrap();
    assert_eq!(outcome.rows_affected, 1);
    assert_eq!(rows(&mut session, "SELECT id FROM t").await.unwrap(), [["11"]]);
    stands(&scene, &[11]).await;
}

/// A follower sleeps for half a day while what it has not read is covered by files and collected. The free slot behind its
/// head proves nothing then: it starts again from the newest manifest.
#[tokio::test]
async fn a_follower_that_slept_past_a_collector_is_not_stale() {
    let scene = Scene::new();
    let writer = scene.open(&scene.door, Mode::ReadWrite).await;
    let mut session = writer.session();
    run(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    let world = Arc::new(QuickWorld::default());
    let reader = scene.open_in(&Scripted::beside(&scene.door), Mode::ReadOnly, world.clone()).await;
    let count = async || rows(&mut reader.session(), "SELECT count(*) FROM t").await.unwrap()[0][0].clone();
    assert_eq!(count().await, "1");
    run(&mut session, "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)").await.unwrap();
    writer.writer().await.unwrap().flush().await.unwrap();
    let segments: Vec<String> = scene.door.keys().await.into_iter().filter(|key| key.contains("/wal/")).collect();
    // the last one stays, as the manifest names it
    let unread = &segments[segments.len() - 2];
    scene.door.delete(unread).await.unwrap();
    world.skip(Duration::from_secs(13 * 3600));
    assert_eq!(count().await, "3");
}
