//! Settings, EXPLAIN, functions of ours, streams.

use firn_engine::ErrorKind;
use firn_engine::session::parse;
use futures::StreamExt;

use super::harness::Db;

#[tokio::test]
async fn settings_are_kept_and_shown() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY)").await;
    assert_eq!(db.ok("SET firn.actor TO 'ann'").await, "SET");
    assert_eq!(db.one("SHOW firn.actor").await, "ann");
    assert_eq!(db.one("SELECT current_user").await, "ann");
    assert_eq!(db.ok("RESET firn.actor").await, "RESET");
    assert_eq!(db.one("SHOW firn.actor").await, "");
    assert_eq!(db.one("SHOW TIME ZONE").await, "UTC");
    assert_eq!(db.one("SHOW TRANSACTION ISOLATION LEVEL").await, "serializable");
    assert!(db.rows("SHOW ALL").await.iter().any(|r| r == "client_encoding|UTF8"));
    db.ok("SET application_name = 'x'; ").await;
    assert_eq!(db.one("SHOW application_name").await, "x");
    db.ok("RESET ALL").await;
    assert_eq!(db.one("SHOW application_name").await, "");
    db.session.set_actor(Some("eve".into()));
    db.session.set_reason(Some("why".into()));
    db.ok("INSERT INTO t VALUES (1)").await;
    assert_eq!(db.one("SELECT actor || '/' || reason FROM firn_commits WHERE position = 2").await, "eve/why");
}

#[tokio::test]
async fn functions_of_ours() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY)").await;
    assert_eq!(db.one("SELECT firn_position()").await, "1");
    assert!(db.one("SELECT firn_version()").await.starts_with("firn "));
    assert_eq!(db.one("SELECT current_database() || '.' || current_schema()").await, "firn.public");
    assert_eq!(db.one("SELECT now() = current_timestamp AND now() - now() = INTERVAL '0 seconds'").await, "true");
    assert_eq!(db.one("SELECT now() > TIMESTAMPTZ '2024-01-01' AND current_date > DATE '2024-01-01'").await, "true");
    assert_eq!(db.one("SELECT count(DISTINCT gen_random_uuid()) FROM generate_series(1, 50)").await, "50");
    assert_eq!(db.one("SELECT count(*) FROM generate_series(1, 50) WHERE random() >= 1").await, "0");
}

#[tokio::test]
async fn explain_analyze_counts_the_store() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)").await;
    let lines = db.rows("EXPLAIN SELECT count(*) FROM t WHERE id > 1").await.join("\n");
    assert!(lines.contains("FirnScan: table=t") && !lines.contains("Requests"), "{lines}");
    let lines = db.rows("EXPLAIN VERBOSE SELECT 1").await.join("\n");
    assert!(lines.contains("Projection"), "{lines}");
    let lines = db.rows("EXPLAIN ANALYZE SELECT sum(id) FROM t").await.join("\n");
    for words in ["output_rows=2", "Rows: 1", "Requests: ", "Bytes read: ", "Round trips: "] {
        assert!(lines.contains(words), "{words} in\n{lines}");
    }
    let lines = db.rows("EXPLAIN (ANALYZE, VERBOSE) INSERT INTO t VALUES (3)").await.join("\n");
    for words in ["INSERT 0 1", "Position: 3", "PUT 1", "Round trips: "] {
        assert!(lines.contains(words), "{words} in\n{lines}");
    }
    assert_eq!(db.one("SELECT count(*) FROM t").await, "3");
    let lines = db.rows("EXPLAIN UPDATE t SET id = id + 10 WHERE id = 2").await.join("\n");
    assert!(lines.contains("Update on t") && lines.contains("keys=1"), "{lines}");
    let lines = db.rows("EXPLAIN DELETE FROM t").await.join("\n");
    assert!(lines.contains("Delete on t"), "{lines}");
    assert_eq!(db.one("SELECT count(*) FROM t").await, "3");
    assert_eq!(db.err("EXPLAIN (FORMAT YAML) SELECT 1").await.sqlstate, "0A000");
}

#[tokio::test]
async fn a_commit_is_one_put() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let (outcome, _) = db.run("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let t = outcome.tally.summary();
    assert_eq!((t.puts, t.requests), (1, 1), "{t:?}");
}

#[tokio::test]
async fn rows_come_as_they_are_taken() {
    let mut db = Db::with("CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let all = parse("SELECT a.value FROM generate_series(1, 100000000) a(value)").unwrap().remove(0);
    let mut outcome = db.session.run(&all, &[], None).await.unwrap();
    let first = outcome.rows.as_mut().unwrap().next().await.unwrap().unwrap();
    assert!(first.num_rows() > 0 && first.num_rows() <= 8192);
    drop(outcome);
    // the snapshot stays while rows are taken
    db.ok("INSERT INTO t SELECT * FROM generate_series(1, 30000)").await;
    let scan = parse("SELECT * FROM t").unwrap().remove(0);
    let mut rows = db.session.run(&scan, &[], None).await.unwrap().rows.unwrap();
    let mut taken = rows.next().await.unwrap().unwrap().num_rows();
    db.ok("DELETE FROM t").await;
    while let Some(batch) = rows.next().await {
        taken += batch.unwrap().num_rows();
    }
    assert_eq!(taken, 30_000);
    assert_eq!(db.one("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_namespace_that_is_not_there() {
    let mut db = Db::with("").await;
    let error = db.err("SELECT * FROM t").await;
    assert_eq!(error.kind, ErrorKind::NoNamespace);
    assert_eq!(db.ok("SET firn.actor = 'x'").await, "SET");
    db.ok("CREATE TABLE t (id INT)").await;
    assert_eq!(db.one("SELECT count(*) FROM t").await, "0");
}
