//! TIME, INTERVAL, JSON, JSONB and arrays: stored, flushed, read again, altered, refused as keys.

use super::Db;

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, t TIME, i INTERVAL, j JSON, b JSONB, n BIGINT[], s TEXT[] DEFAULT '{x,NULL}', d DATE[])";

#[tokio::test]
async fn values_are_stored_as_postgresql_prints_them() {
    let mut db = Db::with(TABLE).await;
    db.ok(r#"INSERT INTO t VALUES
        (1, '13:45:00.5', '1 day 02:03', '{"b": 1,  "a":[1]}', '{"bb":1.50,"a":[1, 2],"a":{"x":null}}', '{1,NULL,-3}', '{a,"b c",NULL,"NULL",""}', '{2024-02-29}'),
        (2, TIME '24:00', INTERVAL '1 year 2 mons -3 days' , 'null', '"x\u0041"', ARRAY[1,2], DEFAULT, NULL),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"#)
        .await;
    let shown = "SELECT t::text, i::text, j, b, n::text, s::text, d::text FROM t ORDER BY id";
    let want = [
        r#"13:45:00.5|1 day 02:03:00|{"b": 1,  "a":[1]}|{"a": {"x": null}, "bb": 1.50}|{1,NULL,-3}|{a,"b c",NULL,"NULL",""}|{2024-02-29}"#,
        r#"24:00:00|1 year 2 mons -3 days|null|"xA"|{1,2}|{x,NULL}|NULL"#,
        "NULL|NULL|NULL|NULL|NULL|NULL|NULL",
    ];
    db.holds(shown, &want).await;
    db.reopen().await;
    db.holds(shown, &want).await;
    db.ok("UPDATE t SET b = '[1]', n = '{}', i = i + INTERVAL '1 hour', s = NULL WHERE id = 1").await;
    db.ok("INSERT INTO t (id, b) VALUES (2, '{\"up\": true}') ON CONFLICT (id) DO UPDATE SET b = excluded.b").await;
    db.holds(
        "SELECT b, n::text, i::text FROM t WHERE id < 3 ORDER BY id",
        &["[1]|{}|1 day 03:03:00", "{\"up\": true}|{1,2}|1 year 2 mons -3 days"],
    )
    .await;
    db.reopen().await;
    db.holds("SELECT b FROM t AS OF POSITION 2 WHERE id = 1", &[r#"{"a": {"x": null}, "bb": 1.50}"#]).await;
    db.holds("SELECT id FROM t WHERE t > '13:00' ORDER BY id", &["1", "2"]).await;
    db.holds("SELECT id FROM t WHERE b = '{ \"up\" :true}'", &["2"]).await;
}

#[tokio::test]
async fn columns_are_added_with_values() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    db.ok("ALTER TABLE t ADD COLUMN i INTERVAL DEFAULT '1 mon'").await;
    db.ok("ALTER TABLE t ADD COLUMN n INTEGER[] DEFAULT '{1,2}'").await;
    db.ok("ALTER TABLE t ADD COLUMN b JSONB NOT NULL DEFAULT '{\"a\":1}'").await;
    db.ok("ALTER TABLE t ADD COLUMN t TIME DEFAULT '1:02'").await;
    db.ok("INSERT INTO t (id) VALUES (2)").await;
    let rows = "1 mon|{1,2}|{\"a\": 1}|01:02:00";
    db.holds("SELECT i::text, n::text, b, t::text FROM t ORDER BY id", &[rows, rows]).await;
    db.reopen().await;
    db.holds("SELECT i::text, n::text, b, t::text FROM t ORDER BY id", &[rows, rows]).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let mut db = Db::with(TABLE).await;
    db.refuses(&[
        ("INSERT INTO t (id, t) VALUES (1, '25:00')", "22008"),
        ("INSERT INTO t (id, t) VALUES (1, 'noon-ish')", "22007"),
        ("INSERT INTO t (id, i) VALUES (1, '1 fortnight')", "22007"),
        ("INSERT INTO t (id, i) VALUES (1, '999999999999 years')", "22008"),
        ("INSERT INTO t (id, j) VALUES (1, '{a: 1}')", "22P02"),
        ("INSERT INTO t (id, b) VALUES (1, '[1,]')", "22P02"),
        ("INSERT INTO t (id, n) VALUES (1, '{1,x}')", "22P02"),
        ("INSERT INTO t (id, n) VALUES (1, '1,2')", "22P02"),
        ("INSERT INTO t (id, b) VALUES (1, 5)", "42804"),
        ("CREATE TABLE k (i INTERVAL PRIMARY KEY)", "0A000"),
        ("CREATE TABLE k (a INT, n INT[], PRIMARY KEY (a, n))", "0A000"),
        ("CREATE TABLE k (j JSONB PRIMARY KEY)", "0A000"),
        ("CREATE TABLE k (j TIMETZ)", "0A000"),
        ("CREATE TABLE k (j MONEY)", "0A000"),
        ("CREATE TABLE k (j CHAR(3))", "0A000"),
        ("CREATE TABLE k (j INT[][])", "0A000"),
    ])
    .await;
}
