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

/// The id of a transaction that wrote nothing, used again for a statement: the caller is told, nothing is done.
#[tokio::test]
async fn an_id_of_an_empty_transaction_is_no_answer_to_a_statement() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    let mut session = db.session();
    session.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
    for statement in parse("BEGIN; SELECT * FROM t; COMMIT").unwrap() {
        session.run(&statement, &[], Some("r1")).await.unwrap();
    }
    let insert = parse("INSERT INTO t VALUES (1)").unwrap().remove(0);
    let refused = session.run(&insert, &[], Some("r1")).await.err().unwrap();
    assert_eq!(refused.sqlstate, "22023", "{refused:?}");
}

/// Transfers between accounts, as transactions and as single statements with repeated request ids, while flushes run and
/// followers read: the sum is the same in every snapshot, and each request counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_keep_the_sum_in_every_snapshot() {
    let place = place();
    let db = open(&place, Mode::ReadWrite).await;
    let setup =
        "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (0, 100), (1, 100), (2, 100), (3, 100);
                 CREATE TABLE n (id INT PRIMARY KEY, v INT); INSERT INTO n VALUES (1, 0)";
    db.session().execute(setup).await.unwrap();
    let mut tasks = Vec::new();
    for worker in 0..4 {
        let mut session = db.session();
        tasks.push(tokio::spawn(async move {
            for round in 0..12 {
                let (from, to) = ((worker + round) % 4, (worker + round * 3 + 1) % 4);
                let id = format!("count-{}", round * 2 + worker % 2);
                let count = parse("UPDATE n SET v = v + 1 WHERE id = 1").unwrap().remove(0);
                session.run(&count, &[], Some(&id)).await.unwrap();
                if from == to {
                    continue;
                }
                let script = format!(
                    "BEGIN; SELECT * FROM t WHERE id = {from}; UPDATE t SET v = v - 1 WHERE id = {from};
                     UPDATE t SET v = v + 1 WHERE id = {to}; COMMIT"
                );
                while let Err(error) = session.execute(&script).await {
                    assert_eq!(error.sqlstate, "40001", "{error:?}");
                    if session.in_transaction() {
                        session.execute("ROLLBACK").await.unwrap();
                    }
                }
            }
        }));
    }
    let reader = open(&place, Mode::ReadOnly).await;
    let check = async |db: &std::sync::Arc<super::Database>| {
        let statement = parse("SELECT 1 WHERE (SELECT sum(v) FROM t) = 400 AND (SELECT count(*) FROM t) = 4").unwrap();
        let rows = db.session().run(&statement[0], &[], None).await.unwrap().rows.unwrap();
        let batches: Vec<super::RecordBatch> = futures::TryStreamExt::try_collect(rows).await.unwrap();
        assert_eq!(batches.iter().map(super::RecordBatch::num_rows).sum::<usize>(), 1, "the sum is another");
    };
    while tasks.iter().any(|task| !task.is_finished()) {
        check(&reader).await;
        check(&db).await;
        db.writer().await.unwrap().flush().await.unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
    check(&reader).await;
    let statement = parse("SELECT 1 FROM n WHERE v = 24").unwrap();
    let rows = reader.session().run(&statement[0], &[], None).await.unwrap().rows.unwrap();
    let batches: Vec<super::RecordBatch> = futures::TryStreamExt::try_collect(rows).await.unwrap();
    assert_eq!(batches.iter().map(super::RecordBatch::num_rows).sum::<usize>(), 1, "a request counted twice or not");
    let report = super::verify::verify_replay(&reader).await.unwrap();
    assert!(report.ok, "{:?}", report.findings);
}
