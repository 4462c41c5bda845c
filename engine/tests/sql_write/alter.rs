//! ALTER TABLE.

use super::Db;

#[tokio::test]
async fn columns_come_and_go() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one')").await;
    assert_eq!(db.ok("ALTER TABLE t ADD COLUMN b INT").await, "ALTER TABLE");
    db.ok("ALTER TABLE t ADD c VARCHAR(9) NOT NULL DEFAULT 'old', ADD COLUMN IF NOT EXISTS c TEXT, DROP COLUMN a")
        .await;
    db.ok("INSERT INTO t (id, b) VALUES (2, 20)").await;
    db.holds("SELECT * FROM t ORDER BY id", &["1|NULL|old", "2|20|old"]).await;
    // a column of the old name is a new column
    db.ok("ALTER TABLE t ADD COLUMN a TEXT; ALTER TABLE t RENAME COLUMN b TO bb; ALTER TABLE t RENAME TO u").await;
    db.holds("SELECT id, bb, c, a FROM u ORDER BY id", &["1|NULL|old|NULL", "2|20|old|NULL"]).await;
    assert_eq!(db.err("SELECT * FROM t").await.sqlstate, "42P01");
    assert_eq!(db.ok("ALTER TABLE IF EXISTS t ADD COLUMN z INT").await, "ALTER TABLE");
    db.ok("ALTER TABLE u DROP COLUMN IF EXISTS nope, DROP COLUMN c").await;
    db.holds("SELECT * FROM u ORDER BY id", &["1|NULL|NULL", "2|20|NULL"]).await;
}

#[tokio::test]
async fn constant_defaults_of_every_type_show_in_old_rows() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    db.ok("ALTER TABLE t ADD b BOOL DEFAULT true, ADD s SMALLINT DEFAULT -1, ADD l BIGINT DEFAULT 9223372036854775807,
             ADD r REAL DEFAULT 0.1, ADD d DOUBLE PRECISION DEFAULT 1e300, ADD n NUMERIC(10,2) DEFAULT 1.005,
             ADD x TEXT DEFAULT 'a''b', ADD y BYTEA DEFAULT '\\x00ff', ADD dt DATE DEFAULT '2024-02-29',
             ADD ts TIMESTAMP DEFAULT '2024-02-29 01:02:03.000004', ADD tz TIMESTAMPTZ DEFAULT '2024-02-29 01:02:03+01',
             ADD u UUID DEFAULT 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'")
        .await;
    db.ok("INSERT INTO t (id) VALUES (2)").await;
    let same = "SELECT count(DISTINCT b), count(DISTINCT s), count(DISTINCT l), count(DISTINCT r), count(DISTINCT d), count(DISTINCT n),
                count(DISTINCT x), count(DISTINCT y), count(DISTINCT dt), count(DISTINCT ts), count(DISTINCT tz), count(DISTINCT u), count(u) FROM t";
    db.holds(same, &["1|1|1|1|1|1|1|1|1|1|1|1|2"]).await;
    assert_eq!(db.rows("SELECT n, x, dt FROM t WHERE id = 1").await, ["1.01|a'b|2024-02-29"]);
}

#[tokio::test]
async fn alterations_that_are_refused() {
    let mut db = Db::with(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES (1, NULL); CREATE TABLE other (x INT)",
    )
    .await;
    db.refuses(&[
        ("ALTER TABLE nope ADD COLUMN b INT", "42P01"),
        ("ALTER TABLE t ADD COLUMN a INT", "42701"),
        ("ALTER TABLE t ADD COLUMN b INT NOT NULL", "23502"),
        ("ALTER TABLE t ADD COLUMN b INT NOT NULL DEFAULT NULL", "23502"),
        ("ALTER TABLE t ADD COLUMN b UUID DEFAULT gen_random_uuid()", "0A000"),
        ("ALTER TABLE t ADD COLUMN b INT PRIMARY KEY", "0A000"),
        ("ALTER TABLE t ADD COLUMN _b INT", "42939"),
        ("ALTER TABLE t ADD COLUMN b SMALLINT DEFAULT 70000", "22003"),
        ("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)", "0A000"),
        ("ALTER TABLE t DROP COLUMN id", "42P16"),
        ("ALTER TABLE t DROP COLUMN nope", "42703"),
        ("ALTER TABLE other DROP COLUMN x", "0A000"),
        ("ALTER TABLE t RENAME COLUMN nope TO b", "42703"),
        ("ALTER TABLE t RENAME COLUMN a TO id", "42701"),
        ("ALTER TABLE t RENAME COLUMN a TO firn_a", "42939"),
        ("ALTER TABLE t RENAME TO other", "42P07"),
        ("ALTER TABLE t ALTER COLUMN a TYPE SMALLINT", "0A000"),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "23502"),
        ("ALTER TABLE t ALTER COLUMN id DROP NOT NULL", "42P16"),
        // the second action fails, so the first leaves nothing
        ("ALTER TABLE t ADD COLUMN b INT, DROP COLUMN nope", "42703"),
        ("ALTER TABLE firn_commits ADD COLUMN x INT", "42501"),
    ])
    .await;
    db.holds("SELECT * FROM t", &["1|NULL"]).await;
}

#[tokio::test]
async fn defaults_and_null_can_be_changed() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, a INT NOT NULL)").await;
    db.ok("ALTER TABLE t ALTER COLUMN a SET DEFAULT 5; INSERT INTO t (id) VALUES (1)").await;
    db.ok("ALTER TABLE t ALTER COLUMN a DROP DEFAULT, ALTER COLUMN a DROP NOT NULL; INSERT INTO t (id) VALUES (2)")
        .await;
    db.holds("SELECT * FROM t ORDER BY id", &["1|5", "2|NULL"]).await;
    db.ok("UPDATE t SET a = 0 WHERE a IS NULL; ALTER TABLE t ALTER COLUMN a SET NOT NULL").await;
    assert_eq!(db.err("INSERT INTO t VALUES (3, NULL)").await.sqlstate, "23502");
    assert_eq!(db.err("ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x'").await.sqlstate, "22P02");
}
