//! Rows named by their whole keys are changed without a plan. `AND true` makes a plan of the same statement: both must say
//! the same, error or not, and leave the same row.

use datafusion::common::ScalarValue as V;

use super::Db;

const TABLE: &str =
    "CREATE TABLE t (k BIGINT PRIMARY KEY, a INT, n DECIMAL(10,2), d DOUBLE PRECISION, s SMALLINT, x TEXT);
  CREATE TABLE p (a INT, b TEXT, v INT, PRIMARY KEY (b, a));
  INSERT INTO t VALUES (1, 10, 1.25, 0.5, 7, 'one'), (-2, NULL, 2.50, NULL, 32767, NULL);
  INSERT INTO p VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 3)";

/// Statement, table, whole-key condition, and what stands after it.
const CASES: &[(&str, &str, &str)] = &[
    ("UPDATE t SET a = a + 1", "k = 1", ""),
    ("UPDATE t SET a = a + 1", "1 = t.k", " RETURNING *"),
    ("UPDATE t AS q SET a = q.a * 2 - k, x = 'two'", "q.k = 1", " RETURNING k, a, x"),
    ("UPDATE t AS q SET a = 0", "t.k = 1", ""),
    ("UPDATE t SET a = 2147483647 + a", "k = 1", ""),
    ("UPDATE t SET a = a * 2147483647", "k = 1", ""),
    ("UPDATE t SET s = s + 1", "k = -2", ""),
    ("UPDATE t SET n = n * 1.005, d = d * 3 + a", "k = 1", " RETURNING n, d"),
    ("UPDATE t SET n = n + 1, d = d + 1, a = a - 1", "(k = -2)", " RETURNING *"),
    ("UPDATE t SET n = 99999999 + n * 10", "k = 1", ""),
    ("UPDATE t SET a = n", "k = 1", " RETURNING a"),
    ("UPDATE t SET x = x + 1", "k = 1", ""),
    ("UPDATE t SET a = nope + 1", "k = 1", ""),
    ("UPDATE t SET a = DEFAULT, x = NULL", "k = 1", " RETURNING *"),
    ("UPDATE t SET k = 5", "k = 1", " RETURNING *"),
    ("UPDATE t SET k = k - 3", "k = 1", ""),
    ("UPDATE t SET a = 1", "k = 77", " RETURNING *"),
    ("UPDATE t SET a = a + 1", "k = 77", " RETURNING *"),
    ("UPDATE t SET a = 1", "k = '1'", ""),
    ("UPDATE t SET a = 1", "k = 1.0", " RETURNING a"),
    ("UPDATE t SET a = 1", "k = 1.5", ""),
    ("UPDATE t SET a = 1", "k = 99999999999999999999", ""),
    ("UPDATE t SET a = 1", "k = NULL", ""),
    ("UPDATE t SET a = 1", "k = 1 AND k = -2", ""),
    ("DELETE FROM t", "k = 1", " RETURNING *"),
    ("DELETE FROM t", "k = 78", " RETURNING *"),
    ("UPDATE p SET v = v + 1", "a = 1 AND b = 'x'", " RETURNING *"),
    ("UPDATE p SET v = v + 1", "b = 'x' AND 1 = a", " RETURNING *"),
    ("UPDATE p SET v = v + 1", "a = 1", " RETURNING *"),
    ("UPDATE p SET v = v + 1", "a = 99999999999 AND b = 'x'", ""),
    ("UPDATE p SET b = 'y'", "a = 1 AND b = 'x'", ""),
    ("DELETE FROM p", "p.b = 'y' AND p.a = 1", " RETURNING v"),
    ("UPDATE t SET a = a + 1, x = 'many'", "k IN (1, -2)", " RETURNING k, a"),
    ("UPDATE t AS q SET n = n * 2", "(q.k IN (1, 77, 1, -2, 1))", " RETURNING k, n"),
    ("UPDATE t SET a = k", "k IN (5, 6)", " RETURNING *"),
    ("UPDATE t SET s = s + 1", "k IN (1, -2)", ""),
    ("UPDATE t SET k = k + 3", "k IN (-2, 1)", " RETURNING k"),
    ("UPDATE t SET k = 9", "k IN (-2, 1)", ""),
    ("UPDATE t SET a = 3", "k IN (1, 1.0)", " RETURNING k"),
    ("UPDATE t SET a = 3", "k IN (1, 1.5)", " RETURNING k"),
    ("UPDATE t SET a = 3", "k IN (1, NULL)", " RETURNING k"),
    ("UPDATE t SET a = 3", "k IN (1, '-2')", ""),
    ("UPDATE t SET a = 3", "k IN (1, nope)", ""),
    ("UPDATE t SET a = 3", "k IN (1, a - 12)", ""),
    ("UPDATE t SET a = 3", "k NOT IN (1, 5)", " RETURNING k"),
    ("DELETE FROM t", "k IN (1, -2, 3)", " RETURNING *"),
    ("DELETE FROM t", "a IN (10, 11)", " RETURNING *"),
    ("UPDATE p SET v = 0", "a IN (1)", ""),
    ("DELETE FROM p", "b IN ('x')", " RETURNING v"),
];

#[tokio::test]
async fn by_key_and_by_plan_are_the_same() {
    let mut db = Db::with(TABLE).await;
    for (statement, key, rest) in CASES {
        let mut said = Vec::new();
        for condition in [(*key).to_owned(), format!("({key}) AND true")] {
            let mut fresh = Db::with(TABLE).await;
            let sql = format!("{statement} WHERE {condition}{rest}");
            let answer = fresh.with_params(&sql, &[]).await.map_err(|e| (e.sqlstate, e.message, e.detail));
            let table = if statement.contains(" p") { "p" } else { "t" };
            said.push((answer, fresh.rows(&format!("SELECT * FROM {table} ORDER BY 1, 2")).await));
        }
        let planned = said.pop();
        assert_eq!(said.pop(), planned, "{statement} WHERE {key}{rest}");
    }
    // parameters: of the key's type, of a narrower one, of another
    let update = "UPDATE t SET a = a + $2 WHERE k = $1 RETURNING a";
    for (key, by, want) in [
        (V::Int64(Some(1)), V::Int64(Some(5)), vec!["15"]),
        (V::Int32(Some(1)), V::Int32(Some(5)), vec!["20"]),
        (V::Float64(Some(1.0)), V::Int64(Some(1)), vec!["21"]),
        (V::Int64(None), V::Int64(Some(1)), vec![]),
        (V::Int64(Some(1)), V::Int64(None), vec!["NULL"]),
    ] {
        assert_eq!(db.with_params(update, &[key, by]).await.unwrap().1, want);
    }
    assert_eq!(db.with_params(update, &[V::Int64(Some(1))]).await.unwrap_err().sqlstate, "42P02");
    db.holds("SELECT k, a FROM t ORDER BY k", &["-2|NULL", "1|NULL"]).await;
}
