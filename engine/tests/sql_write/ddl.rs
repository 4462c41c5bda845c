//! CREATE TABLE and DROP TABLE.

use super::Db;

#[tokio::test]
async fn every_type_can_be_declared_written_and_read_again() {
    let mut db = Db::with(
        "CREATE TABLE t (id INT PRIMARY KEY, b BOOL, s SMALLINT, i INTEGER, l BIGINT, r REAL, d DOUBLE PRECISION,
           n NUMERIC(12,3), p NUMERIC, t TEXT, v VARCHAR(5), y BYTEA, dt DATE, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID)",
    )
    .await;
    let tag = db
        .ok("INSERT INTO t VALUES (1, true, -32768, 2147483647, -9223372036854775808, 1.5, 1e300, 123456789.0005,
               1234567890123456789012345678.0123456789, 'text', 'abcde', '\\x00ff', '2024-02-29', '2024-02-29 12:34:56.789',
               '2024-02-29 12:34:56+02', '{A0EEBC999C0B4EF8BB6D6BB9BD380A11}')")
        .await;
    assert_eq!(tag, "INSERT 0 1");
    db.ok("INSERT INTO t (id) VALUES (2)").await;
    db.holds(
        "SELECT b, s, i, l, r, d, n, p, t, v, dt, ts, u FROM t ORDER BY id",
        &[
            "true|-32768|2147483647|-9223372036854775808|1.5|1e300|123456789.001|1234567890123456789012345678.0123456789|text|abcde|2024-02-29|2024-02-29T12:34:56.789|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        ],
    )
    .await;
    assert_eq!(db.rows("SELECT encode(y, 'hex') FROM t WHERE id = 1").await, ["00ff"]);
    assert_eq!(db.rows("SELECT tz = TIMESTAMPTZ '2024-02-29 10:34:56Z' FROM t WHERE id = 1").await, ["true"]);
}

#[tokio::test]
async fn create_and_drop() {
    let mut db = Db::new().await;
    assert_eq!(db.ok("CREATE TABLE a (id INT PRIMARY KEY)").await, "CREATE TABLE");
    assert_eq!(db.ok("CREATE TABLE IF NOT EXISTS a (x TEXT)").await, "CREATE TABLE");
    db.ok("CREATE TABLE public.b (x INT, y INT, PRIMARY KEY (y, x)); CREATE TABLE \"C d\" (\"Odd Name\" INT)").await;
    assert_eq!(db.err("CREATE TABLE a (x TEXT)").await.sqlstate, "42P07");
    assert_eq!(db.rows("SELECT count(*) FROM \"C d\"").await, ["0"]);
    // one missing table keeps both
    assert_eq!(db.err("DROP TABLE a, nope").await.sqlstate, "42P01");
    assert_eq!(db.rows("SELECT count(*) FROM a").await, ["0"]);
    assert_eq!(db.ok("DROP TABLE IF EXISTS nope, a, a, b CASCADE").await, "DROP TABLE");
    for table in ["a", "b"] {
        assert_eq!(db.err(&format!("SELECT * FROM {table}")).await.sqlstate, "42P01");
    }
    db.reopen().await;
    assert_eq!(db.err("SELECT * FROM a").await.sqlstate, "42P01");
    // the name is free again, and the new table is another one
    db.ok("CREATE TABLE a (other TEXT); INSERT INTO a VALUES ('x')").await;
    db.holds("SELECT * FROM a", &["x"]).await;
}

#[tokio::test]
async fn a_table_without_a_key_keeps_equal_rows() {
    let mut db = Db::with(
        "CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (1, 'x'); INSERT INTO t VALUES (1, 'x')",
    )
    .await;
    db.holds("SELECT * FROM t", &["1|x", "1|x", "1|x"]).await;
    assert_eq!(db.ok("UPDATE t SET a = 2").await, "UPDATE 3");
    assert_eq!(db.ok("DELETE FROM t WHERE a = 2").await, "DELETE 3");
    db.holds("SELECT count(*) FROM t", &["0"]).await;
}

#[tokio::test]
async fn definitions_that_contradict_themselves() {
    let mut db = Db::new().await;
    let wide = (0..1601).map(|i| format!("c{i} INT")).collect::<Vec<_>>().join(", ");
    db.refuses(&[
        ("CREATE TABLE t (a INT, A TEXT)", "42701"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (b))", "42703"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a, a))", "42701"),
        ("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)", "42P16"),
        ("CREATE TABLE t (a INT PRIMARY KEY, b INT, PRIMARY KEY (a, b))", "42P16"),
        ("CREATE TABLE t (a INT NULL NOT NULL)", "42601"),
        ("CREATE TABLE t (a INT NULL PRIMARY KEY)", "42601"),
        ("CREATE TABLE t (a INT NULL, PRIMARY KEY (a))", "42601"),
        ("CREATE TABLE t (a INT DEFAULT 1 DEFAULT 2)", "42601"),
        (&format!("CREATE TABLE t ({wide})"), "54011"),
        ("CREATE TABLE firn_t (a INT)", "42939"),
        ("CREATE TABLE _t (a INT)", "42939"),
        ("CREATE TABLE t (_a INT)", "42939"),
        ("CREATE TABLE firn_commits (a INT)", "42939"),
        ("CREATE TABLE other.t (a INT)", "3F000"),
        ("CREATE TABLE \"t@rows\" (a INT)", "42602"),
        (&format!("CREATE TABLE {} (a INT)", "x".repeat(300)), "42622"),
        ("DROP TABLE firn_commits", "42501"),
        ("DELETE FROM firn_commits", "42501"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_not_supported_says_so() {
    let mut db = Db::with("CREATE TABLE other (a INT PRIMARY KEY)").await;
    db.refuses(&[
        ("CREATE TABLE t (a XML)", "0A000"),
        ("CREATE TABLE t (a INT[][])", "0A000"),
        ("CREATE TABLE t (a CHAR(3))", "0A000"),
        ("CREATE TABLE t (LIKE other)", "0A000"),
        ("CREATE TEMPORARY TABLE t (a INT)", "0A000"),
        ("CREATE TABLE t (a INT) WITH (fillfactor = 70)", "0A000"),
        ("CREATE TABLE t (a INT PRIMARY KEY DEFERRABLE)", "0A000"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1 AS a", "0A000"),
        ("DROP VIEW v", "42P01"),
        ("TRUNCATE nope", "42P01"),
    ])
    .await;
    assert_eq!(db.err("SELECT * FROM t").await.sqlstate, "42P01");
}

#[tokio::test]
async fn defaults_are_checked_when_declared_and_used_when_needed() {
    let mut db = Db::new().await;
    db.refuses(&[
        ("CREATE TABLE t (a INT, b INT DEFAULT a)", "0A000"),
        ("CREATE TABLE t (a INT DEFAULT (SELECT 1))", "0A000"),
        ("CREATE TABLE t (a INT DEFAULT 'x')", "22P02"),
        ("CREATE TABLE t (a SMALLINT DEFAULT 100000)", "22003"),
        ("CREATE TABLE t (a VARCHAR(2) DEFAULT 'abc')", "22001"),
        ("CREATE TABLE t (a INT DEFAULT $1)", "42P02"),
        ("CREATE TABLE t (a INT DEFAULT nothing())", "42883"),
        ("CREATE TABLE t (a DATE DEFAULT 5)", "42804"),
    ])
    .await;
    db.ok("CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT 1 + 1, b TEXT DEFAULT 'it''s', c TIMESTAMPTZ DEFAULT now(),
             d DOUBLE PRECISION DEFAULT random(), e UUID DEFAULT gen_random_uuid(), f BOOL NOT NULL DEFAULT false, g INT)")
        .await;
    db.reopen().await;
    db.ok("INSERT INTO t (id) VALUES (1), (2), (3); INSERT INTO t (id, a, b, g) VALUES (4, DEFAULT, NULL, DEFAULT), (5, 7, DEFAULT, 8)").await;
    db.holds(
        "SELECT id, a, b, f, g FROM t ORDER BY id",
        &[
            "1|2|it's|false|NULL",
            "2|2|it's|false|NULL",
            "3|2|it's|false|NULL",
            "4|2|NULL|false|NULL",
            "5|7|it's|false|8",
        ],
    )
    .await;
    // one time for a statement, another draw for each row
    assert_eq!(
        db.rows("SELECT count(DISTINCT c), count(DISTINCT d), count(DISTINCT e) FROM t WHERE id <= 3").await,
        ["1|3|3"]
    );
    db.ok("CREATE TABLE only_defaults (a INT DEFAULT 5, b TEXT DEFAULT 'x'); INSERT INTO only_defaults DEFAULT VALUES")
        .await;
    db.holds("SELECT * FROM only_defaults", &["5|x"]).await;
}
