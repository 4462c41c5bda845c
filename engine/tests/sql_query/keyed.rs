//! Queries by key, which do not go through the planner, against the same queries through it.
//!
//! `LIMIT` changes nothing of a query by key, and leaves it to the planner.

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use firn_engine::session::{Outcome, Session, Statement, parse};
use firn_engine::{Error, Mode};
use futures::TryStreamExt;

use super::harness::{Db, text};

async fn outcome(
    session: &mut Session,
    statement: &Statement,
    params: &[ScalarValue],
) -> Result<(Outcome, Vec<RecordBatch>), Error> {
    let mut outcome = session.run(statement, params, None).await?;
    let batches = outcome.rows.take().unwrap().try_collect().await?;
    Ok((outcome, batches))
}

/// Both ways give the same rows, names, types, position and error.
async fn agree(session: &mut Session, sql: &str, params: &[ScalarValue]) -> usize {
    let keyed = parse(sql).unwrap().remove(0);
    agree_again(session, &keyed, params).await
}

async fn agree_again(session: &mut Session, keyed: &Statement, params: &[ScalarValue]) -> usize {
    let sql = &keyed.sql;
    let planned = parse(&format!("{sql} LIMIT 1000")).unwrap().remove(0);
    let (a, b) = (outcome(session, keyed, params).await, outcome(session, &planned, params).await);
    match (a, b) {
        (Ok((a, rows)), Ok((b, planned))) => {
            let (mut rows, mut planned) = (text(&rows), text(&planned));
            rows.sort();
            planned.sort();
            assert_eq!(rows, planned, "{sql} {params:?}");
            assert_eq!(a.schema, b.schema, "{sql}");
            assert_eq!((a.position, a.tag), (b.position, b.tag), "{sql}");
            rows.len()
        }
        (Err(a), Err(b)) => {
            assert_eq!((a.sqlstate, &a.message, &a.hint, a.at), (b.sqlstate, &b.message, &b.hint, b.at), "{sql}");
            0
        }
        (a, b) => panic!("{sql} {params:?}: {:?} and {:?}", a.map(|a| text(&a.1)), b.map(|b| text(&b.1))),
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(n)).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(u32::try_from(of.len()).unwrap()) as usize]
    }

    /// A query that mostly is one by key.
    fn query(&mut self, newest: u64) -> (String, Vec<ScalarValue>) {
        let past = match self.below(6) {
            0 | 1 => format!(" AS OF POSITION {}", self.below(u32::try_from(newest).unwrap() + 2)),
            2 => " AS OF POSITION $1".to_owned(),
            _ => String::new(),
        };
        let mut params = vec![ScalarValue::from(i64::from(self.below(u32::try_from(newest).unwrap() + 2)))];
        let id = self.below(14);
        if self.below(2) == 0 {
            let what = self.one(&["*", "v", "id, v", "v AS x, v, id \"Y\"", "t.n, id", "w", "*, id", "nosuch"]);
            let given = match self.below(5) {
                0 => {
                    params.push(ScalarValue::from(i64::from(id)));
                    "= $2".to_owned()
                }
                1 => {
                    params.push(ScalarValue::Int32(if self.below(5) == 0 { None } else { Some(id as i32) }));
                    "= $2".to_owned()
                }
                2 => format!("IN ({id}, {}, {id}, -1)", self.below(14)),
                3 => {
                    format!("= {}", self.one(&["'3'", "3.0", "-3", "NULL", "99999999999999999999", "id", "$7", "'x'"]))
                }
                _ => format!("= {id}"),
            };
            (format!("SELECT {what} FROM t{past} WHERE id {given}"), params)
        } else {
            let what = self.one(&["*", "x", "k.b, k.a", "x AS a"]);
            let b = self.one(&["'one'", "'two'", "'three'", "'four'", "$2", "7"]);
            params.push(ScalarValue::from(self.one(&["one", "two"])));
            let more = self.one(&["", "", "", " AND x > 0", " AND a = 1", " OR a = 1"]);
            (format!("SELECT {what} FROM u{past} AS k WHERE k.a = {} AND (b = {b}){more}", self.below(5)), params)
        }
    }
}

const SCRIPT: [&str; 9] = [
    "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, n INT NOT NULL);
     CREATE TABLE u (a INT, b TEXT, x DOUBLE PRECISION, PRIMARY KEY (b, a));
     INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(0, 9) AS g(i);
     INSERT INTO u VALUES (0, 'one', 1), (1, 'one', 2), (1, 'two', 3), (2, 'two', NULL)",
    "UPDATE t SET v = v || '!' WHERE id % 3 = 0; DELETE FROM t WHERE id = 4; UPDATE u SET x = x + 1",
    "INSERT INTO t VALUES (4, 'again', 4), (10, NULL, 1); UPDATE t SET n = 5 WHERE id = 4",
    "ALTER TABLE t ADD COLUMN w TEXT DEFAULT 'new'; UPDATE t SET v = 'w' WHERE id < 2",
    "DELETE FROM u WHERE b = 'two'; INSERT INTO u VALUES (1, 'two', 9)",
    "ALTER TABLE t RENAME COLUMN v TO z; UPDATE t SET n = n + 1",
    "ALTER TABLE t RENAME COLUMN z TO v; DELETE FROM t WHERE id > 8",
    "DROP TABLE u; CREATE TABLE u (a INT, b TEXT, x INT, PRIMARY KEY (a, b)); INSERT INTO u VALUES (1, 'one', 1)",
    "UPDATE u SET x = 2; UPDATE t SET v = 'last'",
];

#[tokio::test]
async fn queries_by_key_answer_as_the_planner_does() {
    let mut dice = Dice(7);
    let mut db = Db::with("").await;
    let mut hits = 0;
    for (step, script) in SCRIPT.iter().enumerate() {
        db.session.execute(script).await.unwrap();
        if step % 2 == 0 {
            db.database.writer().await.unwrap().flush().await.unwrap();
        }
        let newest =
            db.database.reader().await.unwrap().snapshot(db.database.store(), Default::default()).await.unwrap();
        for _ in 0..40 {
            let (sql, params) = dice.query(newest.position().0);
            hits += agree(&mut db.session, &sql, &params).await;
        }
    }
    assert!(hits > 60, "only {hits} rows were found");
    // another process reads the same
    let mut other = db.another(Mode::ReadOnly).await;
    for _ in 0..60 {
        let (sql, params) = dice.query(20);
        agree(&mut other.session, &sql, &params).await;
    }
}

#[tokio::test]
async fn inside_a_transaction_and_in_a_session_in_the_past_too() {
    let mut dice = Dice(8);
    let mut db = Db::with(&SCRIPT[..5].join(";")).await;
    db.session
        .execute("BEGIN; UPDATE t SET v = 'mine' WHERE id < 5; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'b', 1, 'c'), (12, 'n', 2, 'd')")
        .await
        .unwrap();
    for sql in ["SELECT * FROM t WHERE id IN (0, 2, 5, 12)", "SELECT v FROM t AS OF POSITION 5 WHERE id = 3"] {
        assert!(agree(&mut db.session, sql, &[]).await > 0);
    }
    for _ in 0..60 {
        let (sql, params) = dice.query(14);
        // an error ends the transaction
        let wrong = ["AS OF", "nosuch", "$7", "'x'", "*, id", "(b = 7)"];
        if !wrong.iter().any(|part| sql.contains(part)) {
            agree(&mut db.session, &sql, &params).await;
            assert!(!db.session.transaction_failed(), "{sql}");
        }
    }
    db.ok("ROLLBACK").await;
    for position in [4, 6, 9] {
        db.ok(&format!("SET firn.as_of = '{position}'")).await;
        for _ in 0..30 {
            let (sql, params) = dice.query(14);
            agree(&mut db.session, &sql, &params).await;
        }
    }
}

#[tokio::test]
async fn a_statement_kept_is_never_stale() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')").await;
    let mut other = Db::with("CREATE TABLE t (v INT, id INT PRIMARY KEY); INSERT INTO t VALUES (7, 1)").await;
    let all = parse("SELECT * FROM t WHERE id = 1").unwrap().remove(0);
    let one = parse("SELECT v FROM t WHERE id = $1").unwrap().remove(0);
    let id = [ScalarValue::from(1i64)];
    for script in [
        "UPDATE t SET v = 'b'",
        "ALTER TABLE t ADD COLUMN w INT DEFAULT 3",
        "ALTER TABLE t DROP COLUMN v",
        "ALTER TABLE t ADD COLUMN v BIGINT",
        "ALTER TABLE t RENAME TO s; CREATE TABLE t (id TEXT PRIMARY KEY, v DATE)",
        "DROP TABLE t; CREATE TABLE t (a INT, id INT PRIMARY KEY, v BOOLEAN); INSERT INTO t VALUES (0, 1, true)",
        "DROP TABLE t; CREATE TABLE t (id INT, v TEXT); INSERT INTO t VALUES (1, 'x'), (1, 'y')",
        "DROP TABLE t",
        "ALTER TABLE s RENAME TO t",
    ] {
        db.session.execute(script).await.unwrap();
        for statement in [&all, &one] {
            agree_again(&mut db.session, statement, &id).await;
            assert_eq!(agree_again(&mut other.session, statement, &id).await, 1, "{script}");
        }
    }
    let (_, rows) = outcome(&mut other.session, &all, &[]).await.unwrap();
    assert_eq!(text(&rows), ["7|1"]);
}

#[tokio::test]
async fn a_key_that_was_read_is_validated() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let mut other = db.session();
    for (read, changed, conflicts) in [(1, 1, true), (1, 2, false), (3, 3, true), (2, 4, false)] {
        db.ok("BEGIN").await;
        db.rows(&format!("SELECT v FROM t WHERE id = {read}")).await;
        db.ok(&format!("INSERT INTO t VALUES ({}, 0)", 100 + read * 10 + changed)).await;
        let write = format!("INSERT INTO t VALUES ({changed}, 9) ON CONFLICT (id) DO UPDATE SET v = t.v + 1");
        other.ok(&write).await;
        match db.run("COMMIT", &[]).await {
            Ok(_) => assert!(!conflicts, "read {read}, changed {changed}"),
            Err(error) => assert_eq!((error.sqlstate, conflicts), ("40001", true), "read {read}, changed {changed}"),
        }
    }
}
