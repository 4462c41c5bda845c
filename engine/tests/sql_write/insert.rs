//! INSERT.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;

use super::Db;

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, a TEXT NOT NULL DEFAULT 'd', n NUMERIC(6,2))";

#[tokio::test]
async fn values_queries_and_expressions() {
    let mut db = Db::with(TABLE).await;
    assert_eq!(
        db.ok("INSERT INTO t VALUES (1, 'one', 1.5), (1 + 1, upper('two'), NULL), ((3), 'x' || 'y', -0.005)").await,
        "INSERT 0 3"
    );
    assert_eq!(db.ok("INSERT INTO t (n, id) VALUES ('7.25', '4')").await, "INSERT 0 1");
    assert_eq!(
        db.ok("INSERT INTO t (id, n) SELECT id + 10, n * 2 FROM t WHERE id < 3 ORDER BY id").await,
        "INSERT 0 2"
    );
    assert_eq!(db.ok("INSERT INTO t SELECT * FROM t WHERE false").await, "INSERT 0 0");
    assert_eq!(db.ok("INSERT INTO t WITH x AS (SELECT 20 AS id) SELECT id, 'with' FROM x").await, "INSERT 0 1");
    assert_eq!(db.ok("WITH x AS (SELECT 21 AS id) INSERT INTO t SELECT id, 'before' FROM x").await, "INSERT 0 1");
    assert_eq!(db.ok("INSERT INTO t VALUES ((SELECT max(id) FROM t) + 1, 'sub', 1e3)").await, "INSERT 0 1");
    db.holds(
        "SELECT * FROM t ORDER BY id",
        &[
            "1|one|1.50",
            "2|TWO|NULL",
            "3|xy|-0.01",
            "4|d|7.25",
            "11|d|3.00",
            "12|d|NULL",
            "20|with|NULL",
            "21|before|NULL",
            "22|sub|1000.00",
        ],
    )
    .await;
}

#[tokio::test]
async fn parameters() {
    let mut db = Db::with(TABLE).await;
    let params =
        [ScalarValue::Int64(Some(1)), ScalarValue::Utf8(Some("p".into())), ScalarValue::Utf8(Some("2.5".into()))];
    let (tag, _) = db.with_params("INSERT INTO t VALUES ($1, $2, $3), ($1 + 1, $2, NULL)", &params).await.unwrap();
    assert_eq!(tag, "INSERT 0 2");
    let error = db.with_params("INSERT INTO t VALUES ($4, 'x')", &params).await.unwrap_err();
    assert_eq!(error.sqlstate, "42P02");
    let (_, rows) =
        db.with_params("UPDATE t SET a = $2 || a, n = $1 WHERE id = $1 RETURNING a, n", &params).await.unwrap();
    assert_eq!(rows, ["pp|1.00"]);
    db.holds("SELECT * FROM t ORDER BY id", &["1|pp|1.00", "2|p|NULL"]).await;
}

#[tokio::test]
async fn the_whole_statement_or_nothing() {
    let mut db = Db::with(TABLE).await;
    db.ok("INSERT INTO t VALUES (1, 'kept', 1)").await;
    db.refuses(&[
        ("INSERT INTO t VALUES (2, 'a', 1), (3, 'b', 1), (1, 'c', 1)", "23505"),
        ("INSERT INTO t VALUES (2, 'a', 1), (2, 'b', 1)", "23505"),
        ("INSERT INTO t VALUES (2, 'a', 1), (3, NULL, 1)", "23502"),
        ("INSERT INTO t (a) VALUES ('no key')", "23502"),
        ("INSERT INTO t VALUES (2, 'a', 1), (3, 'b', 'abc')", "22P02"),
        ("INSERT INTO t VALUES (2, 'a', 10000)", "22003"),
        ("INSERT INTO t VALUES (2147483648, 'a', 1)", "22003"),
        ("INSERT INTO t VALUES (true, 'a', 1)", "42804"),
        ("INSERT INTO t VALUES (2, 'a', 1, 4)", "42601"),
        ("INSERT INTO t (id, a) VALUES (2)", "42601"),
        ("INSERT INTO t (id) VALUES (2, 'a')", "42601"),
        ("INSERT INTO t VALUES (2, 'a'), (3)", "42601"),
        ("INSERT INTO t (id, nope) VALUES (2, 1)", "42703"),
        ("INSERT INTO t (id, id) VALUES (2, 3)", "42701"),
        ("INSERT INTO t VALUES (x, 'a')", "42703"),
        ("INSERT INTO nope VALUES (1)", "42P01"),
        ("INSERT INTO t SELECT id, a, n, 1 FROM t", "42601"),
        ("INSERT INTO t SELECT id, a, n FROM t", "23505"),
        ("INSERT INTO t VALUES (1 / 0, 'a')", "22012"),
        ("INSERT INTO firn_commits (actor) VALUES ('me')", "42501"),
        ("REPLACE INTO t VALUES (1)", "42601"),
    ])
    .await;
    let error = db.err("INSERT INTO t VALUES (5, 'a', 1), (1, 'c', 1)").await;
    assert!(error.message.contains("\"t\""), "{error}");
    assert!(error.detail.as_deref().is_some_and(|d| d.contains("(id)=(1)")), "{error}");
    let error = db.err("INSERT INTO t VALUES (5, 'a', 1), (6, 'c', 'many')").await;
    assert!(
        error.to_string().contains("row 2")
            && error.to_string().contains("\"n\"")
            && error.to_string().contains("many"),
        "{error}"
    );
    db.holds("SELECT * FROM t", &["1|kept|1.00"]).await;
}

#[tokio::test]
async fn composite_keys() {
    let mut db = Db::with("CREATE TABLE t (a TEXT, b DATE, c INT, PRIMARY KEY (b, a))").await;
    db.ok("INSERT INTO t VALUES ('x', '2024-01-01', 1), ('y', '2024-01-01', 2), ('x', '2024-01-02', 3)").await;
    let error = db.err("INSERT INTO t VALUES ('x', '2024-01-02', 4)").await;
    assert_eq!(error.sqlstate, "23505");
    assert!(error.detail.as_deref().is_some_and(|d| d.contains("(b, a)=(2024-01-02, x)")), "{error}");
    db.holds("SELECT * FROM t ORDER BY c", &["x|2024-01-01|1", "y|2024-01-01|2", "x|2024-01-02|3"]).await;
}

#[tokio::test]
async fn returning_gives_the_rows_as_written() {
    let mut db = Db::with(TABLE).await;
    let rows = db.rows("INSERT INTO t VALUES (2, 'b', 1), (1, 'a', 2.005) RETURNING *").await;
    assert_eq!(rows, ["2|b|1.00", "1|a|2.01"]);
    let rows =
        db.rows("INSERT INTO t AS x (id) VALUES (3) RETURNING x.id + 1 AS next, x.a, (SELECT count(*) FROM t)").await;
    assert_eq!(rows, ["4|d|2"]);
    assert_eq!(db.err("INSERT INTO t VALUES (9, 'z') RETURNING nope").await.sqlstate, "42703");
    db.holds("SELECT count(*) FROM t", &["3"]).await;
    db.ok("CREATE TABLE k (v INT)").await;
    assert_eq!(db.rows("INSERT INTO k VALUES (1), (2) RETURNING *").await, ["1", "2"]);
}

#[tokio::test]
async fn too_much_at_once() {
    let mut db = Db::with("CREATE TABLE big (id INT PRIMARY KEY, a TEXT)").await;
    let value = ScalarValue::Utf8(Some("x".repeat((64 << 20) + 1)));
    let error = db.with_params("INSERT INTO big VALUES (1, $1)", &[value]).await.unwrap_err();
    assert_eq!(error.sqlstate, "54000", "{error}");
    let value = ScalarValue::Utf8(Some("x".repeat(1 << 20)));
    let error = db
        .with_params("INSERT INTO big SELECT value, $1 FROM generate_series(1, 200) AS g(value)", &[value])
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate, "54000", "{error}");
    let key = "k".repeat(9_000);
    db.ok("CREATE TABLE keyed (k TEXT PRIMARY KEY)").await;
    assert_eq!(db.err(&format!("INSERT INTO keyed VALUES ('{key}')")).await.sqlstate, "54000");
    db.holds("SELECT count(*) FROM big", &["0"]).await;
}

#[tokio::test]
async fn loaded_batches_find_their_columns_by_name() {
    let mut db = Db::with(TABLE).await;
    let batch = |names: [&str; 2], ids: Vec<i64>| {
        let texts: Vec<String> = ids.iter().map(|i| format!("{i}.5")).collect();
        let schema =
            Schema::new(vec![Field::new(names[0], DataType::Utf8, true), Field::new(names[1], DataType::Int64, true)]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(StringArray::from(texts)), Arc::new(Int64Array::from(ids))],
        )
        .unwrap()
    };
    let done = db.load("t", batch(["n", "id"], vec![1, 2, 3])).await.unwrap();
    assert_eq!(done, ("INSERT 0 3".to_owned(), 3));
    assert_eq!(db.load("t", batch(["nope", "id"], vec![4])).await.unwrap_err().sqlstate, "42703");
    assert_eq!(db.load("t", batch(["n", "id"], vec![4, 1])).await.unwrap_err().sqlstate, "23505");
    db.holds("SELECT * FROM t ORDER BY id", &["1|d|1.50", "2|d|2.50", "3|d|3.50"]).await;
}

#[tokio::test]
async fn many_rows_survive() {
    let mut db = Db::with("CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT, x DOUBLE PRECISION)").await;
    let tag = db
        .ok("INSERT INTO t SELECT value, 'row ' || value, value / 3.0 FROM generate_series(1, 20000) AS g(value)")
        .await;
    assert_eq!(tag, "INSERT 0 20000");
    db.holds("SELECT count(*), sum(id), min(s), max(s) FROM t", &["20000|200010000|row 1|row 9999"]).await;
    assert_eq!(db.err("INSERT INTO t VALUES (20001, 'new'), (777, 'old')").await.sqlstate, "23505");
    db.holds("SELECT count(*) FROM t", &["20000"]).await;
}
