//! Secondary indexes and UNIQUE: entries that follow every change, reads that go by them at every position, and
//! transactions that bring the same value.

use super::Db;
use crate::harness::run;

const TABLE: &str = "CREATE TABLE t (k INT PRIMARY KEY, a INT, b TEXT); INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, NULL, 'z'), (4, 10, NULL);";

async fn plan(db: &mut Db, sql: &str) -> String {
    db.rows(&format!("EXPLAIN {sql}")).await.join("\n")
}

#[tokio::test]
async fn reads_go_by_the_index() {
    let mut db = Db::with(&format!("{TABLE} CREATE INDEX t_ab ON t (a, b); CREATE INDEX ON t (b)")).await;
    for _ in 0..2 {
        for (filter, index, want) in [
            ("a = 10", "t_ab", vec!["1", "4"]),
            ("a = 10 AND b = 'x'", "t_ab", vec!["1"]),
            ("a IN (10, 20) AND b >= 'x'", "t_ab", vec!["1", "2"]),
            ("a IS NULL", "t_ab", vec!["3"]),
            ("a = 10 AND b IS NULL", "t_ab", vec!["4"]),
            ("a > 10", "t_ab", vec!["2"]),
            ("a BETWEEN 5 AND 10", "t_ab", vec!["1", "4"]),
            ("10 >= a", "t_ab", vec!["1", "4"]),
            ("b < 'y'", "t_b_idx", vec!["1"]),
            ("b > 'x' AND b <= 'z'", "t_b_idx", vec!["2", "3"]),
            ("b = 'nope'", "t_b_idx", vec![]),
        ] {
            let sql = format!("SELECT k FROM t WHERE {filter} ORDER BY k");
            assert_eq!(db.rows(&sql).await, want, "{sql}");
            let plan = plan(&mut db, &sql).await;
            assert!(plan.contains(&format!("index={index}")), "{sql}:\n{plan}");
        }
        let plan = plan(&mut db, "SELECT * FROM t WHERE k = 1 AND a = 10").await;
        assert!(plan.contains("keys=1") && !plan.contains("index="), "{plan}");
        db.reopen().await;
    }
}

#[tokio::test]
async fn an_index_serves_the_positions_since_it_was_made() {
    let mut db = Db::with(TABLE).await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("CREATE INDEX i ON t (a); UPDATE t SET a = 11 WHERE k = 1; DELETE FROM t WHERE k = 4").await;
    let middle = db.rows("SELECT firn_position()").await.remove(0);
    db.ok("UPDATE t SET a = a + 100; INSERT INTO t VALUES (7, 11, 'new')").await;
    for _ in 0..2 {
        let old = format!("SELECT k FROM t AS OF POSITION {before} WHERE a = 10 ORDER BY k");
        assert_eq!(db.rows(&old).await, ["1", "4"]);
        assert!(!plan(&mut db, &old).await.contains("index="));
        let then = format!("SELECT k FROM t AS OF POSITION {middle} WHERE a = 11");
        assert_eq!(db.rows(&then).await, ["1"]);
        assert!(plan(&mut db, &then).await.contains("index=i"));
        assert_eq!(db.rows("SELECT k FROM t WHERE a = 11").await, ["7"]);
        db.reopen().await;
    }
    db.ok("DROP INDEX i").await;
    assert!(!plan(&mut db, "SELECT k FROM t WHERE a = 11").await.contains("index="));
    assert_eq!(db.rows(&format!("SELECT k FROM t AS OF POSITION {middle} WHERE a = 11")).await, ["1"]);
    db.refuses(&[("DROP INDEX i", "42704"), ("DROP INDEX t", "42809"), ("SELECT * FROM i", "42P01")]).await;
    db.ok("DROP INDEX IF EXISTS i; CREATE INDEX i ON t (b); CREATE INDEX IF NOT EXISTS i ON t (a); ALTER INDEX i RENAME TO j").await;
    assert!(plan(&mut db, "SELECT k FROM t WHERE b = 'x'").await.contains("index=j"));
}

#[tokio::test]
async fn unique_holds() {
    let mut db = Db::with("CREATE TABLE t (k INT PRIMARY KEY, a INT UNIQUE, b INT, c INT, CONSTRAINT bc UNIQUE (b, c)); INSERT INTO t VALUES (1, 1, 1, 1), (2, NULL, 1, NULL), (3, NULL, 1, NULL)").await;
    let error = db.err("INSERT INTO t VALUES (4, 1, 9, 9)").await;
    assert_eq!(error.sqlstate, "23505");
    assert_eq!(error.message, "duplicate key value violates unique constraint \"t_a_key\"");
    assert_eq!(error.detail.as_deref(), Some("Key (a)=(1) already exists."));
    let error = db.err("INSERT INTO t VALUES (4, 4, 1, 1)").await;
    assert_eq!(error.detail.as_deref(), Some("Key (b, c)=(1, 1) already exists."));
    db.refuses(&[
        ("INSERT INTO t VALUES (4, 4, 4, 4), (5, 4, 5, 5)", "23505"),
        ("UPDATE t SET a = 7", "23505"),
        ("CREATE TABLE u (a INT, CONSTRAINT t_a_key UNIQUE (a))", "42P07"),
        ("CREATE UNIQUE INDEX u ON t (b)", "23505"),
        ("DROP INDEX bc", "2BP01"),
        ("CREATE INDEX bc ON t (a)", "42710"),
        ("CREATE TABLE bc (a INT)", "42P07"),
    ])
    .await;
    db.ok("UPDATE t SET a = CASE k WHEN 1 THEN 2 WHEN 2 THEN 1 END WHERE k < 3").await;
    db.ok("DELETE FROM t WHERE k = 1; INSERT INTO t VALUES (10, 2, 1, 1)").await;
    db.reopen().await;
    db.refuses(&[("INSERT INTO t VALUES (11, 1, 0, 0)", "23505"), ("INSERT INTO t VALUES (11, 0, 1, 1)", "23505")])
        .await;
    db.holds("SELECT * FROM t ORDER BY k", &["2|1|1|NULL", "3|NULL|1|NULL", "10|2|1|1"]).await;
}

#[tokio::test]
async fn of_two_transactions_with_one_value_one_loses() {
    let mut db = Db::with("CREATE TABLE t (k INT PRIMARY KEY, a TEXT UNIQUE)").await;
    let (mut one, mut two) = (db.session(), db.session());
    run(&mut one, "BEGIN; INSERT INTO t VALUES (1, 'same')", &[]).await.unwrap();
    run(&mut two, "BEGIN; INSERT INTO t VALUES (2, 'same')", &[]).await.unwrap();
    run(&mut one, "COMMIT", &[]).await.unwrap();
    assert_eq!(run(&mut two, "COMMIT", &[]).await.unwrap_err().sqlstate, "40001");
    run(&mut one, "BEGIN; INSERT INTO t VALUES (3, 'mine')", &[]).await.unwrap();
    assert_eq!(run(&mut one, "INSERT INTO t VALUES (4, 'mine')", &[]).await.unwrap_err().sqlstate, "23505");
    run(&mut one, "ROLLBACK; BEGIN; INSERT INTO t VALUES (3, 'mine'); DELETE FROM t WHERE a = 'same'; INSERT INTO t VALUES (5, 'same')", &[]).await.unwrap();
    assert_eq!(run(&mut one, "SELECT k FROM t WHERE a >= 'a' ORDER BY k", &[]).await.unwrap().1, ["3", "5"]);
    db.ok("INSERT INTO t VALUES (9, 'Other')").await;
    run(&mut one, "COMMIT", &[]).await.unwrap();
    db.holds("SELECT * FROM t ORDER BY k", &["3|mine", "5|same", "9|Other"]).await;
}

#[tokio::test]
async fn rows_without_a_key_are_indexed_too() {
    let mut db = Db::with(
        "CREATE TABLE t (a INT, b TEXT UNIQUE); INSERT INTO t VALUES (1, 'x'), (1, 'y'); CREATE INDEX ON t (a)",
    )
    .await;
    db.ok("INSERT INTO t VALUES (2, 'z'), (1, 'q'); BEGIN; INSERT INTO t VALUES (1, 'in'), (3, 'in2'); UPDATE t SET a = 5 WHERE b = 'in'; COMMIT").await;
    for _ in 0..2 {
        assert_eq!(db.rows("SELECT b FROM t WHERE a = 1 ORDER BY b").await, ["q", "x", "y"]);
        assert_eq!(db.rows("SELECT a FROM t WHERE b = 'in'").await, ["5"]);
        db.reopen().await;
    }
    db.refuses(&[("INSERT INTO t VALUES (1, 'x')", "23505")]).await;
    db.ok("DELETE FROM t WHERE a = 1").await;
    db.holds("SELECT * FROM t WHERE a > 0 ORDER BY a", &["2|z", "3|in2", "5|in"]).await;
}

#[tokio::test]
async fn conflicts_are_settled_by_unique_constraints() {
    let mut db = Db::with("CREATE TABLE t (k INT PRIMARY KEY, a TEXT, n INT DEFAULT 0, CONSTRAINT ua UNIQUE (a)); INSERT INTO t VALUES (1, 'x', 1)").await;
    db.ok("INSERT INTO t VALUES (2, 'x', 5), (3, 'y', 6) ON CONFLICT (a) DO UPDATE SET n = t.n + excluded.n").await;
    db.ok("INSERT INTO t VALUES (4, 'y', 9) ON CONFLICT ON CONSTRAINT ua DO NOTHING").await;
    db.ok("INSERT INTO t VALUES (5, 'y', 9), (1, 'w', 9), (6, 'v', 9), (7, 'v', 9) ON CONFLICT DO NOTHING").await;
    db.refuses(&[
        ("INSERT INTO t VALUES (3, 'q', 9) ON CONFLICT (a) DO NOTHING", "23505"),
        ("INSERT INTO t VALUES (8, 'x', 9) ON CONFLICT (k) DO NOTHING", "23505"),
        ("INSERT INTO t VALUES (8, 's', 9), (9, 's', 9) ON CONFLICT (a) DO UPDATE SET n = 1", "21000"),
        ("INSERT INTO t VALUES (8, 's', 9) ON CONFLICT (n) DO NOTHING", "42P10"),
    ])
    .await;
    db.holds("SELECT * FROM t ORDER BY k", &["1|x|6", "3|y|6", "6|v|9"]).await;
}

#[tokio::test]
async fn entries_stay_hidden() {
    let mut db = Db::with(&format!("{TABLE} CREATE UNIQUE INDEX i ON t (k, a)")).await;
    assert_eq!(
        db.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1").await,
        ["firn_commits", "t"]
    );
    assert_eq!(db.rows("SELECT tables, rows FROM firn_commits ORDER BY position").await, ["t|0", "t|4", "t|0"]);
    db.refuses(&[("SELECT * FROM i", "42P01"), ("INSERT INTO i VALUES ('', '')", "42P01"), ("DROP TABLE i", "42P01")])
        .await;
    db.ok("DROP TABLE t; CREATE TABLE i (a INT)").await;
}

/// Random changes; then, at every position, what the index says is what a scan says.
#[tokio::test]
async fn an_index_agrees_with_a_scan_at_every_position() {
    let mut db = Db::with("CREATE TABLE t (k INT PRIMARY KEY, a INT, b TEXT); CREATE INDEX i ON t (a, b)").await;
    let mut seed = 42u64;
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for step in 0..60 {
        let (k, a) = (next(30), next(6));
        let value = if next(5) == 0 { "NULL".to_owned() } else { a.to_string() };
        let sql = match next(4) {
            0 => format!("DELETE FROM t WHERE k = {k}"),
            1 => format!("UPDATE t SET a = {value}, b = 'u{step}' WHERE k % 7 = {}", k % 7),
            _ => format!(
                "INSERT INTO t VALUES ({k}, {value}, 'v{}') ON CONFLICT (k) DO UPDATE SET a = excluded.a",
                k % 3
            ),
        };
        db.ok(&sql).await;
        if step % 20 == 19 {
            db.reopen().await;
        }
    }
    let newest: u64 = db.rows("SELECT firn_position()").await[0].parse().unwrap();
    for at in (2..=newest).step_by(3) {
        for filter in ["a = 3", "a IN (1, 4) AND b > 'u2'", "a IS NULL", "a >= 2 AND a < 5"] {
            let by_index = db.rows(&format!("SELECT * FROM t AS OF POSITION {at} WHERE {filter} ORDER BY k")).await;
            let hidden = filter.replace("a ", "a + 0 ").replace("b ", "b || '' ");
            let by_scan = db.rows(&format!("SELECT * FROM t AS OF POSITION {at} WHERE {hidden} ORDER BY k")).await;
            assert_eq!(by_index, by_scan, "{filter} at {at}");
        }
    }
}
