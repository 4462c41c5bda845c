//! UPDATE and DELETE.

use super::Db;

const TABLE: &str = "CREATE TABLE t (k INT PRIMARY KEY, v INT, s TEXT NOT NULL DEFAULT 's');
  INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, NULL, 'c')";

#[tokio::test]
async fn update_sets_what_it_says() {
    let mut db = Db::with(TABLE).await;
    assert_eq!(db.ok("UPDATE t SET v = v + 1, s = upper(s) WHERE k <= 2").await, "UPDATE 2");
    assert_eq!(db.ok("UPDATE t AS x SET (v, s) = (x.k * 100, DEFAULT) WHERE x.v IS NULL").await, "UPDATE 1");
    assert_eq!(db.ok("UPDATE t SET v = 0 WHERE k = 77").await, "UPDATE 0");
    assert_eq!(db.rows("UPDATE t SET v = -v WHERE k = 1 RETURNING k, v, s").await, ["1|-11|A"]);
    assert_eq!(
        db.ok(
            "UPDATE t SET v = (SELECT max(o.v) FROM t o WHERE o.k = t.k - 1) WHERE k IN (SELECT k FROM t WHERE s = 's')"
        )
        .await,
        "UPDATE 1"
    );
    db.holds("SELECT * FROM t ORDER BY k", &["1|-11|A", "2|21|B", "3|21|s"]).await;
    // the old values are what every expression sees
    db.ok(
        "CREATE TABLE p (k INT PRIMARY KEY, a INT, b INT); INSERT INTO p VALUES (1, 1, 2); UPDATE p SET a = b, b = a",
    )
    .await;
    db.holds("SELECT * FROM p", &["1|2|1"]).await;
}

#[tokio::test]
async fn keys_can_move_and_swap() {
    let mut db = Db::with(TABLE).await;
    assert_eq!(db.ok("UPDATE t SET k = 3 - k WHERE k <= 2").await, "UPDATE 2");
    assert_eq!(db.ok("UPDATE t SET k = k + 1").await, "UPDATE 3");
    assert_eq!(db.err("UPDATE t SET k = 2 WHERE k = 3").await.sqlstate, "23505");
    assert_eq!(db.err("UPDATE t SET k = 9").await.sqlstate, "23505");
    assert_eq!(db.err("UPDATE t SET k = NULL WHERE k = 3").await.sqlstate, "23502");
    db.holds("SELECT * FROM t ORDER BY k", &["2|20|b", "3|10|a", "4|NULL|c"]).await;
}

#[tokio::test]
async fn delete_ends_rows() {
    let mut db = Db::with(TABLE).await;
    assert_eq!(db.rows("DELETE FROM t WHERE v > 10 RETURNING *").await, ["2|20|b"]);
    assert_eq!(db.ok("DELETE FROM t AS x WHERE x.k = (SELECT min(k) FROM t)").await, "DELETE 1");
    assert_eq!(db.ok("DELETE FROM t WHERE k = 1").await, "DELETE 0");
    db.holds("SELECT * FROM t", &["3|NULL|c"]).await;
    db.ok("INSERT INTO t VALUES (2, 22)").await;
    assert_eq!(db.ok("DELETE FROM t").await, "DELETE 2");
    db.holds("SELECT count(*) FROM t", &["0"]).await;
}

#[tokio::test]
async fn the_whole_statement_or_nothing() {
    let mut db = Db::with(TABLE).await;
    db.refuses(&[
        ("UPDATE t SET v = 100 / (k - 2)", "22012"),
        ("UPDATE t SET v = v * 1000000000", "22003"),
        ("UPDATE t SET v = 'x'", "22P02"),
        ("UPDATE t SET v = true", "42804"),
        ("UPDATE t SET s = NULL WHERE k = 2", "23502"),
        ("UPDATE t SET nope = 1", "42703"),
        ("UPDATE t SET v = nope", "42703"),
        ("UPDATE t SET v = 1, v = 2", "42601"),
        ("UPDATE t SET (v, s) = (1, 2, 3)", "42601"),
        ("UPDATE t SET x.v = 1", "42703"),
        ("UPDATE t SET v = 1 WHERE nope = 1", "42703"),
        ("UPDATE nope SET v = 1", "42P01"),
        ("UPDATE t SET (v, s) = (SELECT 1, 'x' UNION SELECT 2, 'y')", "0A000"),
        ("UPDATE firn_commits SET actor = 'x'", "42501"),
        ("DELETE FROM nope", "42P01"),
        ("DELETE FROM t WHERE nope = 1", "42703"),
        ("DELETE FROM t WHERE k = 1 RETURNING nope", "42703"),
        ("DELETE FROM t AS OF POSITION 1", "25006"),
    ])
    .await;
    db.holds("SELECT * FROM t ORDER BY k", &["1|10|a", "2|20|b", "3|NULL|c"]).await;
}

#[tokio::test]
async fn the_past_stays_as_it_was() {
    let mut db = Db::with(TABLE).await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("UPDATE t SET v = 0; DELETE FROM t WHERE k = 1; INSERT INTO t VALUES (4, 4)").await;
    let past = format!("SELECT * FROM t AS OF POSITION {before} ORDER BY k");
    db.holds(&past, &["1|10|a", "2|20|b", "3|NULL|c"]).await;
    db.holds("SELECT * FROM t ORDER BY k", &["2|0|b", "3|0|c", "4|4|s"]).await;
}
