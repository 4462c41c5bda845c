//! Values of every type: as keys, through expressions, under odd names.

use super::Db;

#[tokio::test]
async fn every_type_can_be_a_key() {
    for (ty, low, same, high) in [
        ("BOOLEAN", "false", "'no'", "true"),
        ("SMALLINT", "-5", "'-5'", "7"),
        ("INTEGER", "-5", "-5.2", "7"),
        ("BIGINT", "-9223372036854775808", "'-9223372036854775808'", "9223372036854775807"),
        ("REAL", "-0.5", "'-0.5'", "1e30"),
        ("DOUBLE PRECISION", "0", "-0.0", "'NaN'"),
        ("NUMERIC(20,4)", "-1.5", "-1.50004", "12345678901234.5678"),
        ("TEXT", "''", "''", "'ünïcode'"),
        ("VARCHAR(3)", "'a'", "'a'", "'abc  '"),
        ("BYTEA", "'\\x0000'", "'\\000\\000'", "'\\xff00'"),
        ("DATE", "'1969-12-31'", "DATE '1969-12-31'", "'2024-02-29'"),
        ("TIME", "'00:00'", "'00:00:00.0'", "'24:00'"),
        ("TIMESTAMP", "'1969-12-31 23:59:59.999999'", "'1969-12-31T23:59:59.999999'", "'2024-02-29'"),
        ("TIMESTAMPTZ", "'2024-01-01 00:00+02'", "'2023-12-31 22:00Z'", "now()"),
        (
            "UUID",
            "'00000000-0000-0000-0000-00000000000a'",
            "'{0000000000000000000000000000000A}'",
            "'ffffffff-0000-0000-0000-000000000000'",
        ),
    ] {
        let mut db = Db::with(&format!(
            "CREATE TABLE t (k {ty} PRIMARY KEY, v TEXT); INSERT INTO t VALUES ({high}, 'high'), ({low}, 'low')"
        ))
        .await;
        assert_eq!(db.err(&format!("INSERT INTO t VALUES ({same}, 'again')")).await.sqlstate, "23505", "{ty}");
        db.holds("SELECT v FROM t ORDER BY k", &["low", "high"]).await;
        let upsert = format!("INSERT INTO t VALUES ({same}, 'up') ON CONFLICT (k) DO UPDATE SET v = t.v || excluded.v");
        assert_eq!(db.ok(&upsert).await, "INSERT 0 1", "{ty}");
        assert_eq!(
            db.ok("UPDATE t SET v = upper(v) WHERE k = (SELECT min(o.k) FROM t AS o)").await,
            "UPDATE 1",
            "{ty}"
        );
        db.holds("SELECT v FROM t ORDER BY k", &["LOWUP", "high"]).await;
        assert_eq!(db.ok("DELETE FROM t WHERE v = 'high'").await, "DELETE 1", "{ty}");
        assert_eq!(db.ok(&format!("DELETE FROM t WHERE k = CAST({low} AS {ty})")).await, "DELETE 1", "{ty}");
        db.holds("SELECT v FROM t", &[]).await;
    }
}

#[tokio::test]
async fn expressions_assign_across_types() {
    let mut db = Db::with(
        "CREATE TABLE t (id INT PRIMARY KEY, x TEXT, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, n NUMERIC(8,2), f DOUBLE PRECISION, i INT, b BOOLEAN, y BYTEA)",
    )
    .await;
    db.ok("INSERT INTO t (id, x, d, ts, tz, n, f, i, b) VALUES
             (1, 40 + 2, TIMESTAMP '2024-03-01 10:00:00' - INTERVAL '1 day', DATE '2024-01-01', TIMESTAMP '2024-01-01 12:00:00', 10.0 / 4, 1 + 1, 7.0 / 2, 1 < 2)")
        .await;
    db.holds("SELECT x, d, ts, n, f, i, b FROM t", &["42|2024-02-29|2024-01-01T00:00:00|2.50|2.0|4|true"]).await;
    db.ok("UPDATE t SET x = b, n = f * 1.005, i = n + 0.1, f = i, d = tz, y = x::bytea").await;
    db.holds("SELECT x, n, i, f, d, encode(y, 'hex') FROM t", &["true|2.01|3|4.0|2024-01-01|3432"]).await;
    db.refuses(&[
        ("UPDATE t SET i = d", "42804"),
        ("UPDATE t SET b = i", "42804"),
        ("UPDATE t SET d = i", "42804"),
        ("UPDATE t SET n = f * 1000000", "22003"),
        ("UPDATE t SET i = f * 1e9 + 1e10", "22003"),
        ("UPDATE t SET i = x || 'z'", "22P02"),
    ])
    .await;
}

#[tokio::test]
async fn names_in_quotes_keep_their_case() {
    let mut db =
        Db::with("CREATE TABLE \"Odd Table\" (\"Key\" INT, \"a b\" TEXT, \"select\" INT, PRIMARY KEY (\"Key\"))").await;
    db.ok("INSERT INTO \"Odd Table\" (\"select\", \"Key\", \"a b\") VALUES (1, 1, 'x'), (2, 2, 'y')").await;
    db.ok("INSERT INTO \"Odd Table\" VALUES (1, 'z', 5) ON CONFLICT (\"Key\") DO UPDATE SET \"a b\" = EXCLUDED.\"a b\" || \"Odd Table\".\"a b\"").await;
    assert_eq!(
        db.rows(
            "UPDATE \"Odd Table\" AS \"T\" SET \"select\" = \"T\".\"Key\" * 10 WHERE \"Key\" = 2 RETURNING \"T\".*"
        )
        .await,
        ["2|y|20"]
    );
    assert_eq!(db.err("INSERT INTO \"Odd Table\" (key) VALUES (1)").await.sqlstate, "42703");
    db.holds("SELECT * FROM \"Odd Table\" ORDER BY \"Key\"", &["1|zx|1", "2|y|20"]).await;
    assert_eq!(db.rows("DELETE FROM \"Odd Table\" RETURNING \"a b\", \"a b\", 1, 1").await.len(), 2);
}

#[tokio::test]
async fn returning_answers_the_same_to_a_repeated_request() {
    let mut db = Db::with("CREATE TABLE t (k INT PRIMARY KEY, u UUID DEFAULT gen_random_uuid())").await;
    let sql = "INSERT INTO t (k) VALUES (1), (2) RETURNING k, u";
    let first = db.request(sql, "request-1").await.unwrap();
    assert_eq!((first.0.as_str(), first.1.len()), ("INSERT 0 2", 2));
    assert_eq!(db.request(sql, "request-1").await.unwrap(), first);
    db.reopen().await;
    assert_eq!(db.request(sql, "request-1").await.unwrap(), first);
    assert_eq!(
        db.request("DELETE FROM t WHERE k > 5 RETURNING *", "request-2").await.unwrap(),
        ("DELETE 0".to_owned(), vec![])
    );
    db.holds("SELECT count(*) FROM t", &["2"]).await;
}
