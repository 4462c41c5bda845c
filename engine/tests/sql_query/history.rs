//! `firn_history`, `firn_commits`, and the catalog as tables.

use super::harness::Db;

#[tokio::test]
async fn every_version_with_its_begin_and_end() {
    let mut db = Db::with(
        "SET firn.actor = 'ann'; CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 10), (2, 20)",
    )
    .await;
    db.ok("SET firn.actor = 'bob'").await;
    db.ok("UPDATE t SET v = 11 WHERE id = 1").await;
    db.ok("DELETE FROM t WHERE id = 2").await;
    db.ok("INSERT INTO t VALUES (2, 22)").await;
    let columns = "id, v, _begin, _end, _actor, _ended_by, _operation, _end_operation";
    let versions = [
        "1|10|2|3|ann|bob|INSERT|UPDATE",
        "1|11|3|NULL|bob|NULL|UPDATE|NULL",
        "2|20|2|4|ann|bob|INSERT|DELETE",
        "2|22|5|NULL|bob|NULL|INSERT|NULL",
    ];
    let all = format!("SELECT {columns} FROM firn_history('t') ORDER BY id, _begin");
    assert_eq!(db.rows(&all).await, versions);
    assert_eq!(
        db.names("SELECT * FROM firn_history('t')").await,
        [
            "id",
            "v",
            "_begin",
            "_end",
            "_committed_at",
            "_ended_at",
            "_actor",
            "_ended_by",
            "_operation",
            "_end_operation"
        ]
    );
    assert_eq!(
        db.one("SELECT count(*) FROM firn_history('t') h WHERE h._committed_at <= now() AND h._ended_at <= now()")
            .await,
        "2"
    );
    // what a session in the past sees of it
    db.ok("SET firn.as_of = 3").await;
    assert_eq!(
        db.rows(&all).await,
        ["1|10|2|3|ann|bob|INSERT|UPDATE", "1|11|3|NULL|bob|NULL|UPDATE|NULL", "2|20|2|NULL|ann|NULL|INSERT|NULL"]
    );
    db.ok("RESET firn.as_of").await;
    db.ok("ALTER TABLE t ADD COLUMN w INT").await;
    db.ok("DROP TABLE t").await;
    assert_eq!(db.one("SELECT count(*) FROM firn_history('t') WHERE w IS NULL").await, "4");
    assert_eq!(db.err("SELECT * FROM t").await.sqlstate, "42P01");
    db.refuses(&[
        ("SELECT * FROM firn_history('nope')", "42P01"),
        ("SELECT * FROM firn_history()", "42883"),
        ("SELECT * FROM firn_history('a', 'b')", "42883"),
    ])
    .await;
}

#[tokio::test]
async fn history_of_a_table_without_a_key() {
    let mut db = Db::with("CREATE TABLE \"Log\" (line TEXT); INSERT INTO \"Log\" VALUES ('a'), ('a')").await;
    db.ok("UPDATE \"Log\" SET line = 'b'").await;
    let rows =
        db.rows("SELECT line, _begin, _end, _end_operation FROM firn_history('Log') ORDER BY line, _begin").await;
    assert_eq!(rows, ["a|2|3|UPDATE", "a|2|3|UPDATE", "b|3|NULL|NULL", "b|3|NULL|NULL"]);
}

#[tokio::test]
async fn commits_are_the_audit_trail() {
    let mut db =
        Db::with("SET firn.actor = 'ann'; SET firn.reason = 'first load'; CREATE TABLE t (id INT PRIMARY KEY)").await;
    db.run_as("INSERT INTO t VALUES (1), (2)", &[], Some("req-1")).await.unwrap();
    let rows = db
        .rows("SELECT position, actor, reason, request_id, kind, tables, rows FROM firn_commits ORDER BY position")
        .await;
    assert_eq!(rows, ["1|ann|first load|NULL|CREATE TABLE|t|0", "2|ann|first load|req-1|INSERT|t|2"]);
    assert_eq!(db.one("SELECT count(*) FROM firn_commits WHERE length(hash) = 64 AND segment > 0").await, "2");
    assert!(!db.names("SELECT * FROM firn_commits").await.iter().any(|n| n.starts_with('_')));
}

#[tokio::test]
async fn the_catalog_is_tables() {
    let mut db = Db::with(
        "CREATE TABLE t (a INT, b VARCHAR(9) NOT NULL DEFAULT 'x', c NUMERIC(10,2), d TIMESTAMPTZ, e UUID, PRIMARY KEY (b, a));
         CREATE TABLE bare (x BYTEA)",
    )
    .await;
    let columns = "SELECT column_name, data_type, is_nullable, ordinal_position, character_maximum_length, numeric_precision, numeric_scale, udt_name
                   FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position";
    assert_eq!(
        db.rows(columns).await,
        [
            "a|integer|NO|1|NULL|32|0|int4",
            "b|character varying|NO|2|9|NULL|NULL|varchar",
            "c|numeric|YES|3|NULL|10|2|numeric",
            "d|timestamp with time zone|YES|4|NULL|NULL|NULL|timestamptz",
            "e|uuid|YES|5|NULL|NULL|NULL|uuid",
        ]
    );
    let tables =
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    assert_eq!(db.rows(tables).await, ["bare|BASE TABLE", "firn_commits|SYSTEM TABLE", "t|BASE TABLE"]);
    let keys = "SELECT column_name, ordinal_position FROM information_schema.key_column_usage WHERE table_name = 't' ORDER BY 2";
    assert_eq!(db.rows(keys).await, ["b|1", "a|2"]);
    assert_eq!(db.rows("SHOW TABLES").await, ["public|bare|BASE TABLE", "public|t|BASE TABLE"]);
    assert_eq!(db.rows("DESCRIBE bare").await, ["x|bytea|YES|NULL|NULL"]);
    let shown = db.rows("SHOW COLUMNS FROM t").await;
    assert!(shown[1].starts_with("b|character varying(9)|NO|") && shown[1].ends_with("|1"), "{shown:?}");
    let tables = super::harness::text(&[db.session.describe_tables().await.unwrap()]);
    assert_eq!(tables, ["bare|NULL|1", "t|b, a|5"]);
    assert_eq!(db.session.describe_table("nope").await.unwrap_err().sqlstate, "42P01");
    db.ok("SET firn.as_of = 1").await;
    assert_eq!(db.rows("SHOW TABLES").await, ["public|t|BASE TABLE"]);
}
