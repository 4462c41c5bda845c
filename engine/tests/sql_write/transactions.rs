//! The writing statements inside BEGIN … COMMIT.

use super::Db;
use crate::harness::run;

const TABLE: &str = "CREATE TABLE t (k INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 10), (2, 20)";

#[tokio::test]
async fn a_transaction_reads_its_own_writes() {
    let mut db = Db::with(TABLE).await;
    db.ok("BEGIN; INSERT INTO t VALUES (3, 30); UPDATE t SET v = v + 1 WHERE k >= 2; DELETE FROM t WHERE k = 1").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY k").await, ["2|21", "3|31"]);
    let mut other = db.session();
    assert_eq!(run(&mut other, "SELECT * FROM t ORDER BY k", &[]).await.unwrap().1, ["1|10", "2|20"]);
    db.ok("INSERT INTO t VALUES (3, 1), (1, 1) ON CONFLICT (k) DO UPDATE SET v = t.v + excluded.v").await;
    db.ok("COMMIT").await;
    db.holds("SELECT * FROM t ORDER BY k", &["1|1", "2|21", "3|32"]).await;
}

#[tokio::test]
async fn rollback_leaves_nothing() {
    let mut db = Db::with(TABLE).await;
    db.ok("BEGIN; CREATE TABLE u (a INT); INSERT INTO u VALUES (1); DELETE FROM t; ALTER TABLE t ADD COLUMN x INT; ROLLBACK").await;
    assert_eq!(db.err("SELECT * FROM u").await.sqlstate, "42P01");
    db.holds("SELECT * FROM t ORDER BY k", &["1|10", "2|20"]).await;
}

#[tokio::test]
async fn schema_and_rows_in_one_commit() {
    let mut db = Db::with(TABLE).await;
    db.ok("BEGIN; CREATE TABLE u (a INT PRIMARY KEY, b TEXT); INSERT INTO u SELECT k, 'from t' FROM t; ALTER TABLE u ADD COLUMN c INT DEFAULT 5; INSERT INTO u VALUES (9, 'late', 6); COMMIT").await;
    db.holds("SELECT * FROM u ORDER BY a", &["1|from t|5", "2|from t|5", "9|late|6"]).await;
}

#[tokio::test]
async fn the_same_key_twice_loses() {
    let mut db = Db::with(TABLE).await;
    let mut other = db.session();
    run(&mut other, "BEGIN; INSERT INTO t VALUES (5, 1)", &[]).await.unwrap();
    db.ok("INSERT INTO t VALUES (5, 2)").await;
    assert_eq!(run(&mut other, "COMMIT", &[]).await.unwrap_err().sqlstate, "40001");
    db.holds("SELECT v FROM t WHERE k = 5", &["2"]).await;
}

#[tokio::test]
async fn a_key_that_do_nothing_relied_on_is_a_read() {
    let mut db = Db::with(TABLE).await;
    let mut other = db.session();
    run(&mut other, "BEGIN; INSERT INTO t VALUES (1, 99) ON CONFLICT DO NOTHING; INSERT INTO t VALUES (7, 7)", &[])
        .await
        .unwrap();
    db.ok("DELETE FROM t WHERE k = 1").await;
    assert_eq!(run(&mut other, "COMMIT", &[]).await.unwrap_err().sqlstate, "40001");
    db.holds("SELECT * FROM t ORDER BY k", &["2|20"]).await;
}
