//! BEGIN … COMMIT, request ids, two writers.

use firn_engine::Mode;

use super::harness::{Db, text};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 10), (2, 20)";

#[tokio::test]
async fn a_transaction_reads_its_own_writes_and_is_one_commit() {
    let mut db = Db::with(TABLE).await;
    let mut other = db.session();
    assert_eq!(db.ok("BEGIN").await, "BEGIN");
    db.ok("INSERT INTO t VALUES (3, 30)").await;
    db.ok("UPDATE t SET v = v + 1").await;
    db.ok("DELETE FROM t WHERE id = 1").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, ["2|21", "3|31"]);
    assert_eq!(db.rows("SELECT * FROM t AS OF POSITION 2 ORDER BY id").await, ["1|10", "2|20"]);
    assert_eq!(other.rows("SELECT * FROM t ORDER BY id").await, ["1|10", "2|20"]);
    assert_eq!(db.write("COMMIT").await, 3);
    assert!(!db.session.in_transaction());
    assert_eq!(other.rows("SELECT * FROM t ORDER BY id").await, ["2|21", "3|31"]);
    assert_eq!(db.one("SELECT kind FROM firn_commits WHERE position = 3").await, "TRANSACTION");
    db.ok("START TRANSACTION").await;
    db.ok("CREATE TABLE u (x INT)").await;
    db.ok("INSERT INTO u VALUES (1)").await;
    assert_eq!(db.one("SELECT count(*) FROM u").await, "1");
    assert_eq!(db.ok("ROLLBACK").await, "ROLLBACK");
    assert_eq!(db.err("SELECT * FROM u").await.sqlstate, "42P01");
}

#[tokio::test]
async fn a_failed_transaction_waits_for_rollback() {
    let mut db = Db::with(TABLE).await;
    db.ok("BEGIN").await;
    db.ok("INSERT INTO t VALUES (3, 30)").await;
    assert_eq!(db.err("INSERT INTO t VALUES (1, 0)").await.sqlstate, "23505");
    assert!(db.session.transaction_failed());
    for sql in ["SELECT 1", "INSERT INTO t VALUES (4, 40)", "SET firn.actor = 'x'", "BEGIN"] {
        assert_eq!(db.err(sql).await.sqlstate, "25P02", "{sql}");
    }
    assert_eq!(db.ok("COMMIT").await, "ROLLBACK");
    assert_eq!(db.one("SELECT count(*) FROM t").await, "2");
    db.refuses(&[("COMMIT", "25P01"), ("END", "25P01")]).await;
    assert_eq!(db.ok("ROLLBACK").await, "ROLLBACK");
    db.ok("BEGIN").await;
    assert_eq!(db.err("BEGIN").await.sqlstate, "25001");
    db.ok("ROLLBACK").await;
    db.ok("BEGIN READ ONLY").await;
    assert_eq!(db.one("SELECT count(*) FROM t").await, "2");
    assert_eq!(db.err("DELETE FROM t").await.sqlstate, "25006");
    db.ok("ROLLBACK").await;
    assert_eq!(db.ok("BEGIN").await, "BEGIN");
    assert_eq!(db.ok("END").await, "COMMIT");
}

#[tokio::test]
async fn the_loser_gets_40001() {
    let mut db = Db::with(TABLE).await;
    let mut other = db.session();
    // both read everything and write: the second to commit read what the first changed
    for s in [&mut db, &mut other] {
        s.ok("BEGIN").await;
        s.one("SELECT sum(v) FROM t").await;
    }
    db.ok("INSERT INTO t VALUES (3, 1)").await;
    other.ok("INSERT INTO t VALUES (4, 1)").await;
    db.ok("COMMIT").await;
    assert_eq!(other.err("COMMIT").await.sqlstate, "40001");
    assert!(!other.session.in_transaction());
    assert_eq!(db.one("SELECT count(*) FROM t").await, "3");
    // an autocommit write in between counts as well
    other.ok("BEGIN").await;
    assert_eq!(other.one("SELECT v FROM t WHERE id = 1").await, "10");
    other.ok("UPDATE t SET v = 0 WHERE id = 2").await;
    db.ok("UPDATE t SET v = 11 WHERE id = 1").await;
    assert_eq!(other.err("COMMIT").await.sqlstate, "40001");
    // what does not touch what was read does not hinder
    other.ok("BEGIN").await;
    other.one("SELECT v FROM t WHERE id = 1").await;
    other.ok("UPDATE t SET v = 0 WHERE id = 1").await;
    db.ok("UPDATE t SET v = 21 WHERE id = 2").await;
    other.ok("COMMIT").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, ["1|0", "2|21", "3|1"]);
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_answer() {
    let mut db = Db::with(TABLE).await;
    let insert = "INSERT INTO t VALUES (3, 30), (4, 40) RETURNING id, v";
    let (first, rows) = db.run_as(insert, &[], Some("a")).await.unwrap();
    let (again, repeated) = db.run_as(insert, &[], Some("a")).await.unwrap();
    assert_eq!((first.tag.as_str(), first.position), (again.tag.as_str(), again.position));
    assert_eq!(text(&rows), text(&repeated));
    assert_eq!(again.rows_affected, 2);
    // by another process after this one is gone, too
    let mut next = db.another(Mode::ReadWrite).await;
    let (after, _) = next.run_as(insert, &[], Some("a")).await.unwrap();
    assert_eq!(after.position, first.position);
    assert_eq!(next.one("SELECT count(*) FROM t").await, "4");
}

#[tokio::test]
async fn a_repeated_transaction_is_answered_statement_by_statement() {
    let mut db = Db::with(TABLE).await;
    for round in 0..2 {
        db.run_as("BEGIN", &[], Some("tx")).await.unwrap();
        let (insert, rows) = db.run("INSERT INTO t VALUES (7, 70) RETURNING id", &[]).await.unwrap();
        assert_eq!((insert.tag.as_str(), text(&rows)), ("INSERT 0 1", vec!["7".to_owned()]), "round {round}");
        assert_eq!(db.ok("UPDATE t SET v = v + 1").await, "UPDATE 3");
        assert_eq!(db.write("COMMIT").await, 3, "round {round}");
    }
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, ["1|11", "2|21", "7|71"]);
    db.run_as("BEGIN", &[], Some("tx")).await.unwrap();
    db.ok("INSERT INTO t VALUES (7, 70)").await;
    db.ok("UPDATE t SET v = v + 1").await;
    assert_eq!(db.err("DELETE FROM t").await.sqlstate, "22023");
}

#[tokio::test]
async fn readers_see_and_never_write() {
    let mut db = Db::with(TABLE).await;
    let mut reader = db.another(Mode::ReadOnly).await;
    assert_eq!(reader.one("SELECT count(*) FROM t").await, "2");
    db.ok("INSERT INTO t VALUES (3, 30)").await;
    assert_eq!(reader.one("SELECT count(*) FROM t").await, "3");
    assert_eq!(reader.err("INSERT INTO t VALUES (4, 40)").await.sqlstate, "25006");
    // a second process that only reads does not take the epoch
    let mut second = db.another(Mode::ReadWrite).await;
    assert_eq!(second.one("SELECT count(*) FROM t").await, "3");
    db.ok("INSERT INTO t VALUES (4, 40)").await;
    // a transaction that read through a follower goes on when nothing changed
    second.ok("BEGIN").await;
    assert_eq!(second.one("SELECT count(*) FROM t").await, "4");
    second.ok("INSERT INTO t VALUES (5, 50)").await;
    second.ok("COMMIT").await;
    assert_eq!(db.err("INSERT INTO t VALUES (6, 60)").await.kind, firn_engine::ErrorKind::Fenced);
    assert_eq!(second.one("SELECT count(*) FROM t").await, "5");
}
