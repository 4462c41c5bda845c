//! CHECK, and constraints that come and go by ALTER TABLE.

use super::Db;

#[tokio::test]
async fn a_check_refuses_false_and_lets_null_pass() {
    let mut db = Db::with(
        "CREATE TABLE t (k INT PRIMARY KEY, a INT CHECK (a > 0), b INT, CONSTRAINT less CHECK (a < b), CHECK (t.b <> 13))",
    )
    .await;
    db.ok("INSERT INTO t VALUES (1, 1, 2), (2, NULL, NULL), (3, 5, NULL)").await;
    let error = db.err("INSERT INTO t VALUES (4, 1, 2), (5, -1, 20)").await;
    assert_eq!(error.sqlstate, "23514");
    assert_eq!(error.message, "new row for relation \"t\" violates check constraint \"t_a_check\"");
    assert_eq!(error.detail.as_deref(), Some("Failing row contains (5, -1, 20)."));
    let error = db.err("UPDATE t SET b = 1 WHERE k = 1").await;
    assert!(error.message.contains("\"less\""), "{error}");
    let error = db.err("INSERT INTO t VALUES (1, 1, 2) ON CONFLICT (k) DO UPDATE SET b = 13").await;
    assert!(error.message.contains("\"t_b_check\""), "{error}");
    db.holds("SELECT * FROM t ORDER BY k", &["1|1|2", "2|NULL|NULL", "3|5|NULL"]).await;
    db.refuses(&[("INSERT INTO t VALUES (9, 0, 1)", "23514")]).await;
}

#[tokio::test]
async fn alter_adds_and_drops_constraints() {
    let mut db =
        Db::with("CREATE TABLE t (k INT PRIMARY KEY, a INT, b TEXT); INSERT INTO t VALUES (1, 1, 'x'), (2, -1, 'x')")
            .await;
    db.refuses(&[
        ("ALTER TABLE t ADD CHECK (a > 0)", "23514"),
        ("ALTER TABLE t ADD CHECK (nope > 0)", "42703"),
        ("ALTER TABLE t ADD CHECK (a)", "42804"),
        ("ALTER TABLE t ADD CHECK (a IN (SELECT 1))", "0A000"),
        ("ALTER TABLE t ADD UNIQUE (b)", "23505"),
        ("ALTER TABLE t DROP CONSTRAINT nope", "42704"),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", "0A000"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "0A000"),
    ])
    .await;
    db.ok("UPDATE t SET a = 2, b = 'y' WHERE k = 2; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD UNIQUE (b)")
        .await;
    db.refuses(&[
        ("UPDATE t SET a = 0", "23514"),
        ("UPDATE t SET b = 'z'", "23505"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)", "42710"),
    ])
    .await;
    db.ok(
        "ALTER TABLE t RENAME COLUMN a TO \"A b\"; ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME CONSTRAINT c TO d",
    )
    .await;
    db.reopen().await;
    let error = db.err("UPDATE u SET \"A b\" = 0").await;
    assert!(error.message.contains("\"d\""), "{error}");
    db.ok("ALTER TABLE u DROP CONSTRAINT d, DROP CONSTRAINT t_b_key; ALTER TABLE u DROP CONSTRAINT IF EXISTS d").await;
    db.ok("UPDATE u SET \"A b\" = 0, b = 'z'").await;
    db.holds("SELECT * FROM u ORDER BY k", &["1|0|z", "2|0|z"]).await;
}

#[tokio::test]
async fn a_column_takes_what_concerns_it_alone() {
    let mut db = Db::with(
        "CREATE TABLE t (k INT PRIMARY KEY, a INT CHECK (a > 0) UNIQUE, b INT, c INT GENERATED ALWAYS AS (b * 2) STORED); \
         CREATE INDEX t_ab ON t (a, b); INSERT INTO t VALUES (1, 1, 1)",
    )
    .await;
    db.refuses(&[("ALTER TABLE t DROP COLUMN b", "2BP01")]).await;
    db.ok("ALTER TABLE t DROP COLUMN a; INSERT INTO t VALUES (2, 5)").await;
    db.holds("SELECT * FROM t ORDER BY k", &["1|1|2", "2|5|10"]).await;
    assert_eq!(
        db.rows("SELECT count(*) FROM information_schema.table_constraints WHERE table_name = 't'").await,
        ["1"]
    );
}

#[tokio::test]
async fn types_widen() {
    let mut db = Db::with("CREATE TABLE t (k INT PRIMARY KEY, a VARCHAR(2)); INSERT INTO t VALUES (1, 'ab')").await;
    db.refuses(&[
        ("INSERT INTO t VALUES (2, 'abc')", "22001"),
        ("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(1)", "0A000"),
    ])
    .await;
    db.ok("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(3); INSERT INTO t VALUES (2, 'abc')").await;
    db.ok("ALTER TABLE t ALTER COLUMN a SET DATA TYPE TEXT; INSERT INTO t VALUES (3, 'abcd')").await;
    db.holds("SELECT a FROM t ORDER BY k", &["ab", "abc", "abcd"]).await;
}

#[tokio::test]
async fn stored_values_are_read_as_the_wider_type() {
    let mut db = Db::with(
        "CREATE TABLE t (k INT PRIMARY KEY, a SMALLINT UNIQUE, b DECIMAL(4,2), c REAL, d DATE DEFAULT '2020-01-02'); \
         INSERT INTO t VALUES (1, 5, 12.34, 1.5), (2, 6, NULL, NULL)",
    )
    .await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("ALTER TABLE t ALTER COLUMN a TYPE BIGINT, ALTER b TYPE DECIMAL(20,4), ALTER c TYPE DOUBLE PRECISION, ALTER d TYPE TIMESTAMP").await;
    db.ok("INSERT INTO t VALUES (3, 5000000000, 123456789.1234, 1e200, '2020-01-02 03:04:05'); UPDATE t SET b = b + 1 WHERE a = 5").await;
    db.refuses(&[
        ("INSERT INTO t VALUES (4, 6, 0, 0)", "23505"),
        ("ALTER TABLE t ALTER COLUMN a TYPE INT", "0A000"),
        ("ALTER TABLE t ALTER COLUMN k TYPE BIGINT", "0A000"),
        ("ALTER TABLE t ALTER COLUMN d TYPE DATE", "0A000"),
        ("ALTER TABLE t ALTER COLUMN b TYPE INT USING b::int", "0A000"),
    ])
    .await;
    let now = [
        "1|5|13.3400|1.5|2020-01-02T00:00:00",
        "2|6|NULL|NULL|2020-01-02T00:00:00",
        "3|5000000000|123456789.1234|1e200|2020-01-02T03:04:05",
    ];
    db.holds("SELECT * FROM t ORDER BY k", &now).await;
    assert_eq!(db.rows("SELECT k FROM t WHERE a > 5 AND a < 6000000000 ORDER BY k").await, ["2", "3"]);
    assert_eq!(db.rows("SELECT k FROM t WHERE d < '2020-01-02 01:00:00' AND c + 0 < 2").await, ["1"]);
    let old = format!("SELECT * FROM t AS OF POSITION {before} WHERE a < 9 ORDER BY k");
    assert_eq!(db.rows(&old).await, ["1|5|12.34|1.5|2020-01-02", "2|6|NULL|NULL|2020-01-02"]);
}
