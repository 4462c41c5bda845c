//! Views, SQL schemas, tables made of queries, comments.

use super::Db;

const TABLES: &str = "CREATE TABLE f (id INT PRIMARY KEY, carrier VARCHAR(2), delay INT); \
    INSERT INTO f VALUES (1, 'AA', 10), (2, 'UA', -5), (3, 'AA', 30)";

#[tokio::test]
async fn a_view_is_its_query() {
    let mut db = Db::with(TABLES).await;
    assert_eq!(
        db.ok("CREATE VIEW late AS SELECT id, carrier, delay AS minutes FROM f WHERE delay > 0").await,
        "CREATE VIEW"
    );
    db.ok("CREATE VIEW per (c, n, total) AS SELECT carrier, count(*), sum(minutes) FROM late GROUP BY carrier").await;
    db.holds("SELECT * FROM late ORDER BY id", &["1|AA|10", "3|AA|30"]).await;
    db.holds("SELECT c, n, total FROM per ORDER BY c", &["AA|2|40"]).await;
    db.ok("INSERT INTO f VALUES (4, 'DL', 7)").await;
    db.holds("SELECT p.c, l.minutes FROM per p JOIN late l ON l.carrier = p.c WHERE p.n = 1", &["DL|7"]).await;
    db.holds("SELECT late.id FROM late WHERE carrier = 'AA' AND id = 3", &["3"]).await;
    assert_eq!(db.rows("WITH late AS (SELECT 1 AS one) SELECT * FROM late").await, ["1"]);
}

#[tokio::test]
async fn a_view_is_read_in_the_past() {
    let mut db = Db::with(TABLES).await;
    db.ok("CREATE VIEW v AS SELECT id, delay FROM f WHERE delay > 0").await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("UPDATE f SET delay = delay + 100").await;
    db.ok("CREATE OR REPLACE VIEW v AS SELECT id, delay FROM f WHERE id = 2").await;
    db.holds("SELECT id, delay FROM v", &["2|95"]).await;
    let then = format!("SELECT id, delay FROM v AS OF POSITION {before} ORDER BY id");
    db.holds(&then, &["1|10", "3|30"]).await;
    db.ok("DROP VIEW v; DROP TABLE f").await;
    db.holds(&then, &["1|10", "3|30"]).await;
    db.ok(&format!("SET firn.as_of = {before}")).await;
    assert_eq!(db.rows("SELECT count(*) FROM v").await, ["2"]);
    assert_eq!(
        db.rows(
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
        )
        .await,
        ["f|BASE TABLE", "firn_commits|SYSTEM TABLE", "v|VIEW"]
    );
    db.ok("RESET firn.as_of").await;
    assert_eq!(db.err("SELECT * FROM v").await.sqlstate, "42P01");
}

#[tokio::test]
async fn columns_of_a_view_stay() {
    let mut db = Db::with(TABLES).await;
    db.ok("CREATE VIEW v AS SELECT * FROM f; ALTER TABLE f ADD COLUMN note TEXT DEFAULT 'x'").await;
    db.holds("SELECT * FROM v WHERE id = 1", &["1|AA|10"]).await;
    for sql in [
        "ALTER TABLE f DROP COLUMN delay",
        "ALTER TABLE f RENAME COLUMN delay TO d",
        "ALTER TABLE f RENAME TO g",
        "DROP TABLE f",
    ] {
        let error = db.err(sql).await;
        assert_eq!(error.sqlstate, "2BP01", "{sql}: {error}");
    }
    db.ok("ALTER TABLE f DROP COLUMN note").await;
    db.ok("CREATE VIEW w AS SELECT id FROM v").await;
    assert_eq!(db.err("DROP VIEW v").await.sqlstate, "2BP01");
    db.refuses(&[
        ("CREATE OR REPLACE VIEW v AS SELECT id FROM w", "42P16"),
        ("CREATE OR REPLACE VIEW v AS SELECT f.id, f.carrier, f.delay FROM f JOIN w ON f.id = w.id", "42P17"),
        ("CREATE VIEW v AS SELECT 1 AS a", "42P07"),
        ("CREATE VIEW x AS SELECT id, id FROM f", "42701"),
        ("CREATE VIEW x (a, b) AS SELECT id FROM f", "42601"),
        ("CREATE VIEW x AS SELECT nope FROM f", "42703"),
        ("CREATE VIEW f AS SELECT 1 AS a", "42P07"),
        ("CREATE TABLE v (a INT)", "42P07"),
        ("INSERT INTO v VALUES (9, 'X', 1)", "42809"),
        ("UPDATE v SET delay = 1", "42809"),
        ("DELETE FROM v", "42809"),
        ("ALTER TABLE v ADD COLUMN z INT", "42809"),
        ("DROP TABLE v", "42809"),
        ("DROP VIEW f", "42809"),
        ("DROP VIEW nope", "42P01"),
        ("SELECT * FROM firn_history('v')", "0A000"),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1 AS a", "0A000"),
    ])
    .await;
    assert_eq!(db.ok("DROP VIEW IF EXISTS nope").await, "DROP VIEW");
    db.ok("DROP TABLE f CASCADE").await;
    assert_eq!(db.err("SELECT * FROM w").await.sqlstate, "42P01");
}

#[tokio::test]
async fn views_stand_in_views_to_a_bound() {
    let mut db = Db::with("CREATE VIEW v0 AS SELECT 1 AS a").await;
    for n in 1..16 {
        db.ok(&format!("CREATE VIEW v{n} AS SELECT a FROM v{}", n - 1)).await;
    }
    assert_eq!(db.rows("SELECT a FROM v15").await, ["1"]);
    assert_eq!(db.err("CREATE VIEW v16 AS SELECT a FROM v15; SELECT a FROM v16").await.sqlstate, "54001");
}

#[tokio::test]
async fn schemas_hold_tables() {
    let mut db = Db::new().await;
    assert_eq!(db.ok("CREATE SCHEMA app").await, "CREATE SCHEMA");
    db.ok("CREATE SCHEMA IF NOT EXISTS app; CREATE TABLE app.t (id INT PRIMARY KEY, x INT DEFAULT 7); CREATE TABLE t (id INT PRIMARY KEY)").await;
    db.ok("INSERT INTO app.t (id) VALUES (1), (2); INSERT INTO t VALUES (9)").await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("UPDATE app.t SET x = x + id; DELETE FROM app.t WHERE id = 2").await;
    db.holds("SELECT * FROM app.t", &["1|8"]).await;
    db.holds("SELECT id FROM t", &["9"]).await;
    db.holds(&format!("SELECT app.t.x FROM app.t AS OF POSITION {before} ORDER BY id"), &["7", "7"]).await;
    db.holds("SELECT count(*) FROM firn_history('app.t')", &["4"]).await;
    db.ok("CREATE VIEW app.v AS SELECT sum(x) AS s FROM app.t; ALTER TABLE app.t ADD COLUMN y TEXT").await;
    db.ok("SET search_path = app, public").await;
    assert_eq!(db.rows("SELECT current_schema(), x FROM t").await, ["app|8"]);
    assert_eq!(db.rows("SHOW search_path").await, ["app, public"]);
    assert_eq!(db.rows("SELECT s FROM v").await, ["8"]);
    assert_eq!(db.rows("SELECT id FROM public.t").await, ["9"]);
    db.ok("CREATE TABLE mine (a INT); INSERT INTO mine VALUES (5); INSERT INTO t VALUES (3, 30, 'n')").await;
    assert_eq!(db.rows("SELECT count(*) FROM firn_history('t')").await, ["5"]);
    assert_eq!(db.rows(&format!("SELECT count(*) FROM t AS OF POSITION {before}")).await, ["2"]);
    assert_eq!(db.err("SELECT * FROM nope").await.message, "table \"nope\" does not exist");
    db.ok("RESET search_path").await;
    assert_eq!(db.rows("SELECT a FROM app.mine").await, ["5"]);
    assert_eq!(db.err("SELECT * FROM mine").await.sqlstate, "42P01");
    assert_eq!(
        db.rows("SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 2").await,
        ["app|mine|BASE TABLE", "app|t|BASE TABLE", "app|v|VIEW"]
    );
    assert_eq!(db.rows("SELECT tables FROM firn_commits ORDER BY position DESC LIMIT 1").await, ["app.t"]);
    db.refuses(&[
        ("CREATE SCHEMA app", "42P06"),
        ("CREATE SCHEMA pg_x", "42939"),
        ("CREATE TABLE nope.t (a INT)", "3F000"),
        ("INSERT INTO nope.t VALUES (1)", "3F000"),
        ("SELECT * FROM nope.t", "42P01"),
        ("DROP SCHEMA app", "2BP01"),
        ("DROP SCHEMA nope", "3F000"),
        ("DROP SCHEMA public", "42501"),
    ])
    .await;
    db.ok("CREATE VIEW over_it AS SELECT x FROM app.t; DROP SCHEMA app CASCADE").await;
    assert_eq!(db.err("SELECT * FROM over_it").await.sqlstate, "42P01");
    db.holds("SELECT schema_name FROM information_schema.schemata ORDER BY 1", &["information_schema", "public"]).await;
    db.holds(&format!("SELECT count(*) FROM app.t AS OF POSITION {before}"), &["2"]).await;
    db.ok("CREATE SCHEMA app; CREATE TABLE app.t (z INT)").await;
    db.holds("SELECT count(*) FROM app.t", &["0"]).await;
}

#[tokio::test]
async fn tables_are_made_of_queries() {
    let mut db = Db::with(TABLES).await;
    assert_eq!(
        db.ok("CREATE TABLE c AS SELECT carrier, count(*) AS n, max(delay) FROM f GROUP BY carrier").await,
        "SELECT 2"
    );
    db.holds("SELECT * FROM c ORDER BY carrier", &["AA|2|30", "UA|1|-5"]).await;
    assert_eq!(
        db.rows("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'c' ORDER BY ordinal_position").await,
        ["carrier|character varying", "n|bigint", "max|integer"]
    );
    assert_eq!(db.ok("CREATE TABLE e (k, d) AS SELECT id, delay FROM f WITH NO DATA").await, "SELECT 0");
    db.ok("INSERT INTO e VALUES (1, 2)").await;
    db.holds("SELECT k, d FROM e", &["1|2"]).await;
    assert_eq!(db.ok("CREATE TABLE IF NOT EXISTS e AS SELECT 1 AS a").await, "CREATE TABLE AS");
    assert_eq!(db.ok("SELECT id AS i, delay INTO g FROM f WHERE id > 1").await, "SELECT 2");
    db.holds("SELECT * FROM g ORDER BY i", &["2|-5", "3|30"]).await;
    db.ok("BEGIN; CREATE TABLE h AS SELECT * FROM g; INSERT INTO h VALUES (7, 7); COMMIT").await;
    db.holds("SELECT count(*) FROM h", &["3"]).await;
    db.refuses(&[
        ("CREATE TABLE e AS SELECT 1 AS a", "42P07"),
        ("CREATE TABLE x AS SELECT 1 AS a, 2 AS a", "42701"),
        ("CREATE TABLE x (a, b) AS SELECT 1 AS a", "42601"),
        ("CREATE TABLE x AS SELECT nope FROM f", "42703"),
    ])
    .await;
}

#[tokio::test]
async fn comments_are_part_of_the_catalog() {
    let mut db = Db::with(TABLES).await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("CREATE SCHEMA app; CREATE VIEW v AS SELECT id FROM f").await;
    assert_eq!(db.ok("COMMENT ON TABLE f IS 'flights'").await, "COMMENT");
    db.ok("COMMENT ON COLUMN f.delay IS 'minutes'; COMMENT ON VIEW v IS 'ids'; COMMENT ON SCHEMA app IS 'ours'").await;
    db.holds(
        "SELECT table_name, table_comment FROM information_schema.tables WHERE table_comment IS NOT NULL ORDER BY 1",
        &["f|flights", "v|ids"],
    )
    .await;
    db.holds("SELECT column_comment FROM information_schema.columns WHERE column_name = 'delay'", &["minutes"]).await;
    db.holds("SELECT schema_comment FROM information_schema.schemata WHERE schema_name = 'app'", &["ours"]).await;
    db.ok("COMMENT ON TABLE f IS NULL").await;
    db.holds("SELECT count(*) FROM information_schema.tables WHERE table_comment = 'flights'", &["0"]).await;
    db.ok(&format!("SET firn.as_of = {before}")).await;
    assert_eq!(
        db.rows("SELECT count(*) FROM information_schema.columns WHERE column_comment IS NOT NULL").await,
        ["0"]
    );
    db.ok("RESET firn.as_of").await;
    db.refuses(&[
        ("COMMENT ON TABLE nope IS 'x'", "42P01"),
        ("COMMENT ON COLUMN f.nope IS 'x'", "42703"),
        ("COMMENT ON VIEW f IS 'x'", "42809"),
        ("COMMENT ON INDEX nope IS 'x'", "42704"),
        ("COMMENT ON SCHEMA nope IS 'x'", "3F000"),
    ])
    .await;
}

#[tokio::test]
async fn savepoints_come_back() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, x INT); INSERT INTO t VALUES (1, 1)").await;
    db.ok("BEGIN; INSERT INTO t VALUES (2, 2)").await;
    assert_eq!(db.ok("SAVEPOINT a").await, "SAVEPOINT");
    db.ok("UPDATE t SET x = 10; SAVEPOINT b; DELETE FROM t; CREATE TABLE u (a INT)").await;
    assert_eq!(db.rows("SELECT count(*) FROM t").await, ["0"]);
    assert_eq!(db.ok("ROLLBACK TO SAVEPOINT b").await, "ROLLBACK");
    assert_eq!(db.rows("SELECT id, x FROM t ORDER BY id").await, ["1|10", "2|10"]);
    assert_eq!(db.err("SELECT * FROM u").await.sqlstate, "42P01");
    assert_eq!(db.err("SELECT 1").await.sqlstate, "25P02");
    db.ok("ROLLBACK TO a").await;
    assert_eq!(db.rows("SELECT id, x FROM t ORDER BY id").await, ["1|1", "2|2"]);
    assert_eq!(db.err("ROLLBACK TO b").await.sqlstate, "3B001");
    db.ok("ROLLBACK TO a; INSERT INTO t VALUES (3, 3); RELEASE a; COMMIT").await;
    db.holds("SELECT id, x FROM t ORDER BY id", &["1|1", "2|2", "3|3"]).await;
    db.refuses(&[("SAVEPOINT a", "25P01"), ("RELEASE a", "25P01"), ("ROLLBACK TO a", "25P01")]).await;
    db.ok("BEGIN; SAVEPOINT s; INSERT INTO t VALUES (4, 4)").await;
    assert_eq!(db.err("INSERT INTO t VALUES (4, 5)").await.sqlstate, "23505");
    db.ok("ROLLBACK TO s; INSERT INTO t VALUES (4, 6); COMMIT").await;
    db.holds("SELECT x FROM t WHERE id = 4", &["6"]).await;
    // without savepoints a failed transaction stays failed
    db.ok("BEGIN").await;
    assert_eq!(db.err("SELECT 1/0").await.sqlstate, "22012");
    assert_eq!(db.err("ROLLBACK TO s").await.sqlstate, "3B001");
    assert_eq!(db.ok("COMMIT").await, "ROLLBACK");
}
