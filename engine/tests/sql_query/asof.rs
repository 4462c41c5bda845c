//! Time travel: per table reference, several points in one query, for a session; bounds; schemas of then.

use datafusion::common::ScalarValue;

use super::harness::Db;

/// Positions: 1 creates, 2 inserts, 3 updates, 4 deletes.
async fn stocks() -> Db {
    Db::with(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 10), (2, 20);
         UPDATE t SET v = 11 WHERE id = 1; DELETE FROM t WHERE id = 2",
    )
    .await
}

#[tokio::test]
async fn each_reference_reads_its_own_point() {
    let mut db = stocks().await;
    assert_eq!(db.rows("SELECT * FROM t").await, ["1|11"]);
    assert_eq!(db.rows("SELECT * FROM t AS OF POSITION 2 ORDER BY id").await, ["1|10", "2|20"]);
    assert_eq!(db.rows("SELECT * FROM t AS OF POSITION 3 ORDER BY id").await, ["1|11", "2|20"]);
    assert_eq!(db.rows("SELECT * FROM t AS OF POSITION 1").await, Vec::<String>::new());
    let joined = "SELECT now.id, before.v, now.v FROM t now JOIN t AS OF POSITION 2 AS before ON now.id = before.id";
    assert_eq!(db.rows(joined).await, ["1|10|11"]);
    let three =
        "SELECT (SELECT sum(v) FROM t AS OF POSITION 2), (SELECT sum(v) FROM t AS OF POSITION 3 x), sum(v) FROM t";
    assert_eq!(db.rows(three).await, ["30|31|11"]);
    assert_eq!(db.rows("SELECT t.v FROM t AS OF POSITION 2 WHERE t.id = 2").await, ["20"]);
    assert_eq!(db.rows("SELECT a.v FROM public.t AS OF POSITION 2 a WHERE a.id = 2").await, ["20"]);
    let cte = "WITH old AS (SELECT * FROM t AS OF POSITION 2) SELECT old.id FROM old LEFT JOIN t ON t.id = old.id WHERE t.id IS NULL";
    assert_eq!(db.rows(cte).await, ["2"]);
    let set = "SELECT id FROM t AS OF POSITION 2 EXCEPT SELECT id FROM t";
    assert_eq!(db.rows(set).await, ["2"]);
}

#[tokio::test]
async fn points_are_parameters_and_times() {
    let mut db = stocks().await;
    let at = |p: i64| vec![ScalarValue::from(p)];
    assert_eq!(db.rows_of("SELECT sum(v) FROM t AS OF POSITION $1", &at(2)).await, ["30"]);
    assert_eq!(db.rows_of("SELECT sum(v) FROM t FOR SYSTEM_TIME AS OF POSITION $1 x", &at(3)).await, ["31"]);
    let time = db.one("SELECT CAST(committed_at AS TEXT) FROM firn_commits WHERE position = 2").await;
    assert_eq!(db.one(&format!("SELECT sum(v) FROM t AS OF TIMESTAMP '{time}'")).await, "30");
    assert_eq!(db.one(&format!("SELECT sum(v) FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '{time}' AS x")).await, "30");
    assert_eq!(
        db.rows_of("SELECT sum(v) FROM t AS OF TIMESTAMP $1", &[ScalarValue::from(time.as_str())]).await,
        ["30"]
    );
    let (_, batches) = db.run("SELECT committed_at FROM firn_commits WHERE position = 3", &[]).await.unwrap();
    let stamp = ScalarValue::try_from_array(batches.iter().find(|b| b.num_rows() > 0).unwrap().column(0), 0).unwrap();
    assert_eq!(db.rows_of("SELECT sum(v) FROM t AS OF TIMESTAMP $1 + INTERVAL '0 days'", &[stamp]).await, ["31"]);
    assert_eq!(db.one("SELECT sum(v) FROM t AS OF TIMESTAMP now()").await, "11");
}

#[tokio::test]
async fn bounds_are_named() {
    let mut db = stocks().await;
    let error = db.err("SELECT * FROM t AS OF POSITION 5").await;
    assert_eq!((error.sqlstate, error.message.contains("newest position is 4")), ("22023", true), "{error}");
    let error = db.err("SELECT * FROM t AS OF TIMESTAMP '2001-01-01'").await;
    assert_eq!((error.sqlstate, error.message.contains("no commit yet")), ("22023", true), "{error}");
    let error = db.err("SELECT * FROM t AS OF TIMESTAMP '2999-01-01'").await;
    assert_eq!((error.sqlstate, error.message.contains("in the future")), ("22023", true), "{error}");
    db.refuses(&[
        ("SELECT * FROM t AS OF POSITION -1", "42601"),
        ("SELECT * FROM t AS OF POSITION 1.5", "22023"),
        ("SELECT * FROM t AS OF TIMESTAMP 'soon'", "22007"),
        ("SELECT * FROM t AS OF TIMESTAMP '2024-02-30'", "22008"),
        ("SELECT * FROM t AS OF TIMESTAMP NULL", "22004"),
        ("SELECT * FROM t AS OF TIMESTAMP 5 + 1", "42804"),
        ("SELECT * FROM t AS OF POSITION $1", "42P02"),
        ("UPDATE t AS OF POSITION 2 SET v = 1", "25006"),
        ("DELETE FROM t AS OF POSITION 2", "25006"),
    ])
    .await;
}

#[tokio::test]
async fn the_schema_is_that_of_then() {
    let mut db = stocks().await;
    db.ok("ALTER TABLE t ADD COLUMN w TEXT DEFAULT 'new'").await;
    db.ok("ALTER TABLE t RENAME COLUMN v TO value").await;
    let dropped = db.write("DROP TABLE t").await;
    let created = db.write("CREATE TABLE t (other TEXT)").await;
    db.ok("INSERT INTO t VALUES ('x')").await;
    assert_eq!(db.rows("SELECT * FROM t").await, ["x"]);
    assert_eq!(db.names("SELECT * FROM t AS OF POSITION 4").await, ["id", "v"]);
    assert_eq!(db.names("SELECT * FROM t AS OF POSITION 5").await, ["id", "v", "w"]);
    assert_eq!(db.rows("SELECT id, value, w FROM t AS OF POSITION 6").await, ["1|11|new"]);
    let error = db.err(&format!("SELECT * FROM t AS OF POSITION {dropped}")).await;
    assert_eq!((error.sqlstate, error.message.as_str()), ("42P01", "table \"t\" does not exist at position 7"));
    assert_eq!(db.err("SELECT w FROM t AS OF POSITION 4").await.sqlstate, "42703");
    assert_eq!(db.names(&format!("SELECT * FROM t AS OF POSITION {created}")).await, ["other"]);
    db.ok("DROP TABLE t").await;
    let error = db.err("SELECT * FROM t").await;
    assert!(error.hint.unwrap().contains("AS OF POSITION 9"), "{}", error.message);
}

#[tokio::test]
async fn a_session_reads_the_past() {
    let mut db = stocks().await;
    db.ok("SET firn.as_of = 2").await;
    assert_eq!(db.rows("SELECT sum(v) FROM t").await, ["30"]);
    assert_eq!(db.one("SELECT firn_position()").await, "2");
    assert_eq!(db.one("SELECT count(*) FROM firn_commits").await, "2");
    assert_eq!(db.one("SHOW firn.as_of").await, "2");
    // a reference's own point wins
    assert_eq!(db.rows("SELECT sum(v) FROM t AS OF POSITION 3").await, ["31"]);
    let error = db.err("INSERT INTO t VALUES (9, 9)").await;
    assert_eq!((error.sqlstate, error.hint.unwrap().as_str()), ("25006", "RESET firn.as_of to write"));
    db.ok("RESET firn.as_of").await;
    assert_eq!(db.rows("SELECT sum(v) FROM t").await, ["11"]);
    db.session.set_as_of(Some("1".parse().unwrap()));
    assert_eq!(db.one("SELECT count(*) FROM t").await, "0");
    db.session.set_as_of(Some("77".parse().unwrap()));
    assert_eq!(db.err("SELECT 1 FROM t").await.sqlstate, "22023");
    db.session.set_as_of(None);
    db.ok("INSERT INTO t SELECT * FROM t AS OF POSITION 2 WHERE id = 2").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, ["1|11", "2|20"]);
    db.ok("UPDATE t SET v = (SELECT max(v) FROM t AS OF POSITION 2 WHERE id = 1) WHERE id = 1").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, ["1|10", "2|20"]);
}

#[tokio::test]
async fn explain_names_the_point() {
    let mut db = stocks().await;
    let plan = db.rows("EXPLAIN SELECT * FROM t AS OF POSITION 2 WHERE id = 1").await.join("\n");
    assert!(plan.contains("table=t, as of position 2") && plan.contains("keys=1"), "{plan}");
    assert!(!plan.contains('\u{1}'));
}
