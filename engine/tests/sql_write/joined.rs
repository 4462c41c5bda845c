//! UPDATE … FROM, DELETE … USING, MERGE, TRUNCATE, WITH before them.

use super::Db;

const TABLES: &str = "CREATE TABLE t (id INT PRIMARY KEY, x INT, s VARCHAR(5)); \
    INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'); \
    CREATE TABLE src (id INT, d INT); INSERT INTO src VALUES (2, 5), (3, 7), (4, 9)";

#[tokio::test]
async fn update_from_other_tables() {
    let mut db = Db::with(TABLES).await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    assert_eq!(db.ok("UPDATE t SET x = x + d FROM src WHERE src.id = t.id").await, "UPDATE 2");
    db.holds("SELECT id, x FROM t ORDER BY id", &["1|10", "2|25", "3|37"]).await;
    assert_eq!(
        db.rows("UPDATE t AS a SET (x, s) = (b.d, 'z') FROM src b JOIN src c ON b.id = c.id WHERE b.id = a.id AND c.d > 5 RETURNING a.id, x, s").await,
        ["3|7|z"]
    );
    // a row that meets several is changed once
    db.ok("INSERT INTO src VALUES (1, 100), (1, 100)").await;
    assert_eq!(db.ok("UPDATE t SET x = d FROM src WHERE src.id = t.id AND t.id = 1").await, "UPDATE 1");
    assert_eq!(db.ok("UPDATE t SET (x, s) = (SELECT max(d), 'q' FROM src) WHERE id = 2").await, "UPDATE 1");
    db.holds("SELECT id, x, s FROM t ORDER BY id", &["1|100|a", "2|100|q", "3|7|z"]).await;
    db.holds(&format!("SELECT sum(x) FROM t AS OF POSITION {before}"), &["60"]).await;
    assert_eq!(
        db.ok("WITH big AS (SELECT id FROM src WHERE d > 50) UPDATE t SET s = 'w' FROM big WHERE big.id = t.id").await,
        "UPDATE 1"
    );
    db.holds("SELECT s FROM t WHERE id = 1", &["w"]).await;
    db.refuses(&[
        ("UPDATE t SET x = 1 FROM nope", "42P01"),
        ("UPDATE t SET id = src.id FROM src WHERE t.id = 1 AND src.id = 3", "23505"),
        ("UPDATE t SET (x, s) = (SELECT 1)", "42601"),
    ])
    .await;
}

#[tokio::test]
async fn delete_using_other_tables() {
    let mut db = Db::with(TABLES).await;
    assert_eq!(db.rows("DELETE FROM t USING src WHERE src.id = t.id AND d > 5 RETURNING t.id").await, ["3"]);
    assert_eq!(
        db.ok("WITH gone AS (SELECT 2 AS id) DELETE FROM t WHERE id IN (SELECT id FROM gone)").await,
        "DELETE 1"
    );
    db.holds("SELECT id FROM t", &["1"]).await;
}

#[tokio::test]
async fn merge_updates_deletes_and_inserts() {
    let mut db = Db::with(TABLES).await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    let tag = db
        .ok("MERGE INTO t USING src AS s ON t.id = s.id \
             WHEN MATCHED AND s.d > 6 THEN DELETE \
             WHEN MATCHED THEN UPDATE SET x = t.x + s.d, s = DEFAULT \
             WHEN NOT MATCHED THEN INSERT (id, x, s) VALUES (s.id, s.d * 100, 'new')")
        .await;
    assert_eq!(tag, "MERGE 3");
    db.holds("SELECT id, x, s FROM t ORDER BY id", &["1|10|a", "2|25|NULL", "4|900|new"]).await;
    db.holds(&format!("SELECT count(*) FROM t AS OF POSITION {before}"), &["3"]).await;
    assert_eq!(
        db.ok("MERGE INTO t a USING (VALUES (1, '7'), (9, '8')) AS v (id, y) ON a.id = v.id \
               WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND v.id > 100 THEN INSERT VALUES (v.id, 1, 'x') \
               WHEN NOT MATCHED THEN DO NOTHING")
            .await,
        "MERGE 0"
    );
    // a value is computed for its own rows alone
    db.ok("MERGE INTO t USING (SELECT 1 AS id, 0 AS z) v ON t.id = v.id WHEN MATCHED AND z > 0 THEN UPDATE SET x = 1 / z WHEN MATCHED THEN UPDATE SET x = -1").await;
    db.holds("SELECT x FROM t WHERE id = 1", &["-1"]).await;
    db.refuses(&[
        ("MERGE INTO t USING (VALUES (1), (1)) v (id) ON t.id = v.id WHEN MATCHED THEN UPDATE SET x = 0", "21000"),
        ("MERGE INTO t USING (VALUES (5), (5)) v (id) ON t.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'a')", "23505"),
        ("MERGE INTO t USING src ON t.id = src.id WHEN NOT MATCHED BY SOURCE THEN DELETE", "0A000"),
        ("MERGE INTO nope USING src ON true WHEN MATCHED THEN DELETE", "42P01"),
        ("MERGE INTO t USING src ON t.id = src.id WHEN NOT MATCHED THEN INSERT (id, s) VALUES (77, 'too long')", "22001"),
    ])
    .await;
    db.ok("CREATE TABLE k (a INT); INSERT INTO k VALUES (1)").await;
    db.ok("MERGE INTO k USING (VALUES (1), (2)) v (a) ON k.a = v.a WHEN MATCHED THEN UPDATE SET a = 10 WHEN NOT MATCHED THEN INSERT VALUES (v.a)").await;
    db.holds("SELECT a FROM k ORDER BY a", &["2", "10"]).await;
    db.ok("BEGIN; MERGE INTO k USING (VALUES (2), (3)) v (a) ON k.a = v.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.a); COMMIT").await;
    db.holds("SELECT a FROM k ORDER BY a", &["3", "10"]).await;
}

#[tokio::test]
async fn truncate_ends_every_row() {
    let mut db = Db::with(TABLES).await;
    let before = db.rows("SELECT firn_position()").await.remove(0);
    assert_eq!(db.ok("TRUNCATE t, src").await, "TRUNCATE TABLE");
    db.holds("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM src)", &["0|0"]).await;
    db.holds(&format!("SELECT count(*) FROM t AS OF POSITION {before}"), &["3"]).await;
    db.ok("INSERT INTO t VALUES (1, 1, 'x'); BEGIN; TRUNCATE TABLE t; ROLLBACK").await;
    db.holds("SELECT id FROM t", &["1"]).await;
    assert_eq!(db.rows("SELECT count(*) FROM firn_history('t') WHERE _end_operation = 'DELETE'").await, ["3"]);
}

#[tokio::test]
async fn prepared_statements() {
    let mut db = Db::with(TABLES).await;
    assert_eq!(db.ok("PREPARE p (int, text) AS INSERT INTO t VALUES ($1, 1, $2)").await, "PREPARE");
    assert_eq!(db.ok("EXECUTE p (8, 'h')").await, "INSERT 0 1");
    db.ok("PREPARE q AS SELECT s FROM t WHERE id = $1").await;
    assert_eq!(db.rows("EXECUTE q (4 + 4)").await, ["h"]);
    db.refuses(&[("EXECUTE p (1)", "42601"), ("EXECUTE nope", "26000"), ("PREPARE q AS SELECT 1", "42P05")]).await;
    assert_eq!(db.ok("DEALLOCATE q").await, "DEALLOCATE");
    assert_eq!(db.err("EXECUTE q (1)").await.sqlstate, "26000");
    assert_eq!(db.ok("DEALLOCATE ALL").await, "DEALLOCATE ALL");
}

#[tokio::test]
async fn explain_as_json() {
    let mut db = Db::with(TABLES).await;
    let text =
        db.rows("EXPLAIN (ANALYZE, COSTS OFF, FORMAT JSON) SELECT count(*) FROM t WHERE id > 1").await.join("\n");
    for part in [
        "\"Node Type\": \"FirnScan\"",
        "\"Actual Rows\": 1",
        "\"Execution Time\"",
        "\"Round Trips\"",
        "\"Files Pruned\"",
        "\"Position\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = db.rows("EXPLAIN (FORMAT JSON) UPDATE t SET x = 1 WHERE id = 1").await.join("\n");
    assert!(text.contains("\"Statement\": \"Update on t\""), "{text}");
    assert_eq!(db.err("EXPLAIN (FORMAT YAML) SELECT 1").await.sqlstate, "0A000");
}
