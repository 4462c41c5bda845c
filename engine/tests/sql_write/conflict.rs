//! INSERT … ON CONFLICT.

use super::Db;

const TABLE: &str =
    "CREATE TABLE t (k INT PRIMARY KEY, v INT, s TEXT DEFAULT 's'); INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b')";

#[tokio::test]
async fn do_nothing_keeps_what_is_there() {
    let mut db = Db::with(TABLE).await;
    assert_eq!(db.ok("INSERT INTO t VALUES (1, 99), (3, 30), (3, 31) ON CONFLICT DO NOTHING").await, "INSERT 0 1");
    assert_eq!(db.ok("INSERT INTO t VALUES (1, 99) ON CONFLICT (k) DO NOTHING").await, "INSERT 0 0");
    assert_eq!(
        db.rows("INSERT INTO t VALUES (2, 0), (4, 40) ON CONFLICT ON CONSTRAINT t_pkey DO NOTHING RETURNING k").await,
        ["4"]
    );
    db.holds("SELECT * FROM t ORDER BY k", &["1|10|a", "2|20|b", "3|30|s", "4|40|s"]).await;
}

#[tokio::test]
async fn do_update_sees_both_rows() {
    let mut db = Db::with(TABLE).await;
    let rows = db
        .rows("INSERT INTO t AS old VALUES (3, 30), (1, 5), (2, 7) ON CONFLICT (k) DO UPDATE SET v = old.v + excluded.v, s = DEFAULT WHERE old.v < 20 RETURNING *")
        .await;
    assert_eq!(rows, ["3|30|s", "1|15|s"]);
    assert_eq!(
        db.ok("INSERT INTO t VALUES (2, 7), (9, 9) ON CONFLICT (k) DO UPDATE SET v = excluded.v").await,
        "INSERT 0 2"
    );
    assert_eq!(
        db.ok("INSERT INTO t VALUES (2, 7) ON CONFLICT (k) DO UPDATE SET (v, s) = (1, 'set')").await,
        "INSERT 0 1"
    );
    assert_eq!(db.ok("INSERT INTO t SELECT k, 100 FROM t WHERE k < 3 ON CONFLICT (k) DO UPDATE SET v = t.v + (SELECT max(v) FROM t)").await, "INSERT 0 2");
    db.holds("SELECT * FROM t ORDER BY k", &["1|45|s", "2|31|set", "3|30|s", "9|9|s"]).await;
}

#[tokio::test]
async fn do_update_may_move_the_key() {
    let mut db = Db::with(TABLE).await;
    assert_eq!(db.ok("INSERT INTO t VALUES (1, 0) ON CONFLICT (k) DO UPDATE SET k = 5").await, "INSERT 0 1");
    assert_eq!(db.err("INSERT INTO t VALUES (2, 0) ON CONFLICT (k) DO UPDATE SET k = 5").await.sqlstate, "23505");
    assert_eq!(
        db.err("INSERT INTO t VALUES (2, 0), (7, 0) ON CONFLICT (k) DO UPDATE SET k = 7").await.sqlstate,
        "23505"
    );
    db.holds("SELECT * FROM t ORDER BY k", &["2|20|b", "5|10|a"]).await;
}

#[tokio::test]
async fn conflicts_that_are_refused() {
    let mut db = Db::with(TABLE).await;
    db.ok("CREATE TABLE bare (a INT); CREATE TABLE two (a INT, b INT, c INT, PRIMARY KEY (a, b))").await;
    db.refuses(&[
        ("INSERT INTO t VALUES (1, 1), (1, 2) ON CONFLICT (k) DO UPDATE SET v = excluded.v", "21000"),
        ("INSERT INTO t VALUES (8, 1), (8, 2) ON CONFLICT (k) DO UPDATE SET v = excluded.v", "21000"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (v) DO NOTHING", "42P10"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (nope) DO NOTHING", "42703"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT ON CONSTRAINT nope DO NOTHING", "42704"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT DO UPDATE SET v = 1", "42601"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET nope = 1", "42703"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = 1, v = 2", "42601"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = excluded.nope", "42703"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = v + 1", "42702"),
        ("INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = 'x'", "22P02"),
        ("INSERT INTO bare VALUES (1) ON CONFLICT (a) DO NOTHING", "42P10"),
        ("INSERT INTO two VALUES (1, 1) ON CONFLICT (a) DO NOTHING", "42P10"),
    ])
    .await;
    db.ok("INSERT INTO two VALUES (1, 1, 1); INSERT INTO two VALUES (1, 1, 2) ON CONFLICT (b, a) DO UPDATE SET c = excluded.c").await;
    assert_eq!(db.rows("SELECT * FROM two").await, ["1|1|2"]);
    // the same row may be proposed twice when WHERE lets neither pass
    assert_eq!(
        db.ok("INSERT INTO t VALUES (1, 1), (1, 2) ON CONFLICT (k) DO UPDATE SET v = 0 WHERE t.v > 1000").await,
        "INSERT 0 0"
    );
    assert_eq!(db.ok("INSERT INTO bare VALUES (1), (1) ON CONFLICT DO NOTHING").await, "INSERT 0 2");
    db.holds("SELECT * FROM t ORDER BY k", &["1|10|a", "2|20|b"]).await;
}
