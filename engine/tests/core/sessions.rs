//! Sessions against the commit pipeline: transactions that meet other commits, and callers that go away.

use futures::FutureExt;

use super::{Mode, open, place};
use firn_engine::ErrorKind;
use firn_engine::session::parse;

/// A transaction that has read goes on to write although another session committed something else meanwhile.
#[tokio::test]
async fn a_transaction_that_reads_first_survives_unrelated_commits() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    let (mut one, mut two) = (db.session(), db.session());
    one.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE u (id INT PRIMARY KEY)").await.unwrap();
    one.execute("INSERT INTO t VALUES (1, 1); BEGIN; SELECT * FROM t WHERE id = 1").await.unwrap();
    two.execute("INSERT INTO u VALUES (1)").await.unwrap();
    one.execute("UPDATE t SET v = 2 WHERE id = 1; COMMIT").await.unwrap();

    one.execute("BEGIN; SELECT * FROM t WHERE id = 1").await.unwrap();
    two.execute("UPDATE t SET v = 3 WHERE id = 1").await.unwrap();
    one.execute("INSERT INTO u VALUES (2)").await.unwrap();
    let lost = one.execute("COMMIT").await.err().unwrap();
    assert_eq!(lost.sqlstate, "40001");
}

/// What a transaction read of `firn_commits` every other commit changes.
#[tokio::test]
async fn a_transaction_that_read_the_commits_conflicts_with_any() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    let (mut one, mut two) = (db.session(), db.session());
    one.execute("CREATE TABLE t (n BIGINT); CREATE TABLE u (n BIGINT)").await.unwrap();
    let copy = "BEGIN; INSERT INTO t SELECT count(*) FROM firn_commits";
    let statements = parse(copy).unwrap();
    for statement in &statements {
        one.run(statement, &[], None).await.unwrap();
    }
    two.execute("INSERT INTO u VALUES (1)").await.unwrap();
    assert_eq!(one.execute("COMMIT").await.err().unwrap().sqlstate, "40001");
    one.execute(copy).await.unwrap();
    one.execute("COMMIT").await.unwrap();
}

/// A statement inside a transaction is dropped before it ends: the rest of the transaction is not committed without it.
#[tokio::test]
async fn a_dropped_statement_fails_its_transaction() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    let mut session = db.session();
    session.execute("CREATE TABLE t (id INT PRIMARY KEY); BEGIN").await.unwrap();
    let insert = parse("INSERT INTO t VALUES (1)").unwrap().remove(0);
    assert!(session.run(&insert, &[], None).now_or_never().is_none(), "it was to be dropped under way");
    assert!(session.transaction_failed());
    assert_eq!(session.execute("INSERT INTO t VALUES (2)").await.err().unwrap().sqlstate, "25P02");
    assert_eq!(session.execute("COMMIT").await.unwrap()[0].tag, "ROLLBACK");
    session.execute("INSERT INTO t VALUES (3)").await.unwrap();
    assert!(!session.transaction_failed());
}

/// A writer that was replaced and does not know it yet says nothing of the tables: not that no row matched, and not inside
/// a transaction that begins with a write.
#[tokio::test]
async fn a_fenced_writer_does_not_say_that_nothing_matched() {
    for script in [
        "UPDATE t SET v = 0 WHERE id = 2",
        "INSERT INTO t VALUES (1, 1) ON CONFLICT DO NOTHING",
        "BEGIN; DELETE FROM t WHERE id = 2; SELECT * FROM t; COMMIT",
    ] {
        let place = place();
        let first = open(&place, Mode::ReadWrite).await;
        let setup = "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)";
        first.session().execute(setup).await.unwrap();
        let second = open(&place, Mode::ReadWrite).await;
        second.session().execute("INSERT INTO t VALUES (2, 2); DELETE FROM t WHERE id = 1").await.unwrap();
        let stale = first.session().execute(script).await.err().unwrap_or_else(|| panic!("{script} was answered"));
        assert_eq!(stale.kind, ErrorKind::Fenced, "{script}: {stale:?}");
    }
}
