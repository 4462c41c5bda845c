//! SELECT in its breadth, names of columns, parameters, point reads.

use datafusion::common::ScalarValue;
use firn_engine::Mode;

use super::harness::Db;

async fn shop() -> Db {
    Db::with(
        "CREATE TABLE item (id INT PRIMARY KEY, name TEXT NOT NULL, price NUMERIC(10,2), tags VARCHAR(20));
         CREATE TABLE sale (day DATE, id INT, n BIGINT, at TIMESTAMPTZ, PRIMARY KEY (day, id));
         INSERT INTO item VALUES (1, 'pen', 1.50, NULL), (2, 'ink', 7.25, 'blue'), (3, 'paper', NULL, 'a4');
         INSERT INTO sale VALUES ('2024-01-01', 1, 10, '2024-01-01 10:00Z'), ('2024-01-01', 2, 3, '2024-01-01 11:00Z'),
                                 ('2024-01-02', 1, 5, '2024-01-02 10:00Z'), ('2024-01-03', 3, 1, NULL)",
    )
    .await
}

#[tokio::test]
async fn joins_groups_windows_sets() {
    let mut db = shop().await;
    for (sql, want) in [
        (
            "SELECT i.name, sum(s.n * i.price) FROM sale s JOIN item i ON i.id = s.id GROUP BY i.name ORDER BY 2 DESC NULLS LAST",
            vec!["pen|22.50", "ink|21.75", "paper|NULL"],
        ),
        (
            "SELECT i.name, s.n FROM item i LEFT JOIN sale s ON s.id = i.id AND s.n > 4 ORDER BY 1, 2",
            vec!["ink|NULL", "paper|NULL", "pen|5", "pen|10"],
        ),
        (
            "SELECT day, n, sum(n) OVER (ORDER BY day, id) FROM sale ORDER BY day, id LIMIT 2",
            vec!["2024-01-01|10|10", "2024-01-01|3|13"],
        ),
        (
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 4) SELECT sum(x) FROM c",
            vec!["10"],
        ),
        (
            "SELECT id FROM item WHERE EXISTS (SELECT 1 FROM sale s WHERE s.id = item.id AND s.n < 4) ORDER BY id",
            vec!["2", "3"],
        ),
        (
            "SELECT EXISTS (SELECT 1 FROM item WHERE id = 2), NOT EXISTS (SELECT id FROM item WHERE id = 9), EXISTS (SELECT count(*) FROM item WHERE false)",
            vec!["true|true|true"],
        ),
        (
            "SELECT id, EXISTS (SELECT 1 FROM sale s WHERE s.id = item.id AND s.n > 4) AS sold FROM item ORDER BY id",
            vec!["1|true", "2|false", "3|false"],
        ),
        ("SELECT name FROM item WHERE id IN (SELECT id FROM sale WHERE day = '2024-01-02')", vec!["pen"]),
        ("SELECT id FROM item INTERSECT SELECT id FROM sale WHERE n > 4", vec!["1"]),
        (
            "SELECT count(*), count(price), avg(price), min(name), max(at) IS NOT NULL FROM item, sale WHERE item.id = sale.id",
            vec!["4|3|3.4166666666666667|ink|true"],
        ),
        ("SELECT day FROM sale GROUP BY day HAVING count(*) > 1", vec!["2024-01-01"]),
        ("SELECT DISTINCT id FROM sale ORDER BY id", vec!["1", "2", "3"]),
        ("SELECT date_trunc('month', at) = TIMESTAMPTZ '2024-01-01 00:00:00Z' FROM sale WHERE id = 2", vec!["true"]),
        ("SELECT name FROM item WHERE name LIKE 'p%' AND name ~ 'n$'", vec!["pen"]),
        ("SELECT extract(day FROM day) FROM sale WHERE id = 3", vec!["3"]),
        ("SELECT coalesce(price, 0) FROM item WHERE id = 3", vec!["0.00"]),
        ("SELECT x FROM generate_series(1, 3) AS g(x) WHERE x <> 2", vec!["1", "3"]),
        ("VALUES (1, 'a'), (2, 'b')", vec!["1|a", "2|b"]),
        ("SELECT name FROM item ORDER BY price NULLS FIRST LIMIT 1", vec!["paper"]),
        ("SELECT name FROM item ORDER BY price DESC LIMIT 1", vec!["paper"]),
    ] {
        assert_eq!(db.rows(sql).await, want, "{sql}");
    }
}

#[tokio::test]
async fn columns_are_named_as_in_postgres() {
    let mut db = shop().await;
    for (sql, want) in [
        ("SELECT id, item.name, price AS p, \"tags\" FROM item", vec!["id", "name", "p", "tags"]),
        (
            "SELECT count(*), max(id) + 1, id::text, 1, 'a' || name FROM item GROUP BY id, name",
            vec!["count", "?column?", "id", "?column?", "?column?"],
        ),
        (
            "SELECT 1, 1, NULL, name::uuid, 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid FROM item WHERE false",
            vec!["?column?", "?column?", "?column?", "name", "uuid"],
        ),
        ("SELECT id, id, count(*), count(*) FROM item GROUP BY id", vec!["id", "id", "count", "count"]),
        ("SELECT upper(name), * , lower(name) FROM item", vec!["upper", "id", "name", "price", "tags", "lower"]),
        ("SELECT id AS x, name AS x FROM item", vec!["x", "x"]),
        ("SELECT id, id::text, id::bigint + 1, id + 1 FROM item", vec!["id", "id", "?column?", "?column?"]),
        ("SELECT a.id, b.id FROM item a, item b", vec!["id", "id"]),
        ("SELECT id AS one, 2 FROM item UNION ALL SELECT 1, 1", vec!["one", "?column?"]),
        ("SELECT CASE WHEN true THEN 1 END, now() IS NULL, firn_position()", vec!["case", "?column?", "firn_position"]),
    ] {
        assert_eq!(db.names(sql).await, want, "{sql}");
    }
    assert_eq!(db.rows("SELECT 1, 1, 2").await, ["1|1|2"]);
    assert_eq!(db.rows("SELECT * FROM (SELECT 1, 1, (SELECT 2), (SELECT 2)) x").await, ["1|1|2|2"]);
    assert_eq!(db.names("SELECT * FROM (SELECT 1, 1, count(*) FROM item) x").await, ["?column?", "?column?", "count"]);
    assert_eq!(db.one("SELECT count + max FROM (SELECT count(*), max(id) FROM item) s").await, "6");
    assert_eq!(db.one("WITH c AS (SELECT id, upper(name) FROM item) SELECT upper FROM c WHERE id = 1").await, "PEN");
    db.ok("INSERT INTO item SELECT 9, 'x', 1, 1").await;
    db.ok("DELETE FROM item WHERE id = 9").await;
    assert_eq!(db.rows("SELECT id, id FROM item ORDER BY id DESC LIMIT 1").await, ["3|3"]);
}

#[tokio::test]
async fn parameters_are_values() {
    let mut db = shop().await;
    let text = |s: &str| ScalarValue::from(s);
    assert_eq!(db.rows_of("SELECT name FROM item WHERE id = $1", &[ScalarValue::from(2i64)]).await, ["ink"]);
    assert_eq!(db.rows_of("SELECT name FROM item WHERE id = $1", &[text("2")]).await, ["ink"]);
    assert_eq!(
        db.rows_of("SELECT name FROM item WHERE name = $1 OR $2", &[text("x' OR '1'='1"), ScalarValue::from(false)])
            .await,
        Vec::<String>::new()
    );
    assert_eq!(
        db.rows_of("SELECT $1 + $2, $3::text, $4 IS NULL", &[1i64.into(), 2i64.into(), text("z"), ScalarValue::Null])
            .await,
        ["3|z|true"]
    );
    assert_eq!(
        db.rows_of("SELECT name FROM item ORDER BY id LIMIT $1 OFFSET $2", &[1i64.into(), 1i64.into()]).await,
        ["ink"]
    );
    assert_eq!(db.rows_of("SELECT count(*) FROM sale WHERE day >= $1", &[text("2024-01-02")]).await, ["2"]);
    assert_eq!(db.rows_of("SELECT count(*) FROM sale WHERE at < $1", &[text("2024-01-01 10:30:00Z")]).await, ["1"]);
    assert_eq!(db.err("SELECT $1").await.sqlstate, "42P02");
    let error = db.run("SELECT name FROM item WHERE id = $1", &[text("two")]).await.err().unwrap();
    assert_eq!(error.sqlstate, "22P02");
}

#[tokio::test]
async fn keys_are_read_by_point() {
    let mut db = shop().await;
    for (sql, keys, rows) in [
        ("SELECT name FROM item WHERE id = 2", "keys=1", vec!["ink"]),
        ("SELECT name FROM item WHERE id IN (1, 3, 9) ORDER BY 1", "keys=3", vec!["paper", "pen"]),
        ("SELECT n FROM sale WHERE day = '2024-01-01' AND id = 2", "keys=1", vec!["3"]),
        (
            "SELECT n FROM sale WHERE id IN (1, 2) AND day IN ('2024-01-01', '2024-01-02') ORDER BY n",
            "keys=4",
            vec!["3", "5", "10"],
        ),
        ("SELECT name FROM item WHERE id = 1 + 1", "keys=1", vec!["ink"]),
        ("SELECT name FROM item WHERE id = 2 AND name = 'pen'", "keys=1", vec![]),
        ("SELECT name FROM item WHERE id = 4000000000", "", vec![]),
        ("SELECT n FROM sale WHERE id = 3", "", vec!["1"]),
    ] {
        let plan = db.rows(&format!("EXPLAIN {sql}")).await.join("\n");
        assert_eq!(plan.contains("keys="), !keys.is_empty(), "{sql}\n{plan}");
        assert!(plan.contains(keys), "{sql}\n{plan}");
        assert_eq!(db.rows(sql).await, rows, "{sql}");
    }
}

#[tokio::test]
async fn what_fails_while_rows_come_is_an_error() {
    let mut db = shop().await;
    db.refuses(&[
        ("SELECT 1 / (id - 1) FROM item", "22012"),
        ("SELECT id::smallint * 30000::smallint FROM item WHERE id > 1", "22003"),
        ("SELECT name::int FROM item", "22P02"),
        ("SELECT (SELECT id FROM item)", "21000"),
        ("SELECT sum(n * 9223372036854775807) FROM sale", "22003"),
    ])
    .await;
}

#[tokio::test]
async fn uuids_and_bytes() {
    let mut db = Db::with(
        "CREATE TABLE u (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), b BYTEA);
         INSERT INTO u VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\\x00ff'); INSERT INTO u (b) VALUES ('plain')",
    )
    .await;
    let plan = db.rows("EXPLAIN SELECT * FROM u WHERE id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'").await.join("\n");
    assert!(plan.contains("keys=1"), "{plan}");
    assert_eq!(
        db.one("SELECT encode(b, 'hex') FROM u WHERE id = 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid").await,
        "00ff"
    );
    assert_eq!(
        db.one("SELECT encode(b, 'hex') FROM u WHERE id = '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'").await,
        "00ff"
    );
    assert_eq!(db.one("SELECT count(DISTINCT id) FROM u WHERE length(id::text) = 36").await, "2");
    assert_eq!(db.one("SELECT count(*) FROM u WHERE b = '\\x00ff'").await, "1");
    assert_eq!(db.err("SELECT * FROM u WHERE id = 'nonsense'").await.sqlstate, "22P02");
}

#[tokio::test]
async fn a_subquery_without_rows_is_null_even_of_a_key() {
    let mut db = shop().await;
    for (sql, want) in [
        ("SELECT (SELECT id FROM item WHERE id = 99)", "NULL"),
        ("SELECT coalesce((SELECT id FROM item WHERE id = 99), 7)", "7"),
        ("TABLE item ORDER BY id LIMIT 1", "1|pen|1.50|NULL"),
    ] {
        assert_eq!(db.rows(sql).await, [want], "{sql}");
    }
}

/// `count(*)` reads no row; a condition that is always true makes it read them.
#[tokio::test]
async fn counts_are_those_of_the_rows_at_every_position() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, v INT)").await;
    for (step, script) in [
        "INSERT INTO t SELECT i, i FROM generate_series(1, 50) AS g(i)",
        "UPDATE t SET v = v + 1 WHERE id % 3 = 0",
        "DELETE FROM t WHERE id > 40; INSERT INTO t VALUES (45, 1)",
        "UPDATE t SET v = 0 WHERE id IN (3, 4, 45)",
        "DELETE FROM t WHERE id < 5",
        "UPDATE t SET v = 7",
    ]
    .into_iter()
    .enumerate()
    {
        db.session.execute(script).await.unwrap();
        if step % 2 == 1 {
            db.database.writer().await.unwrap().flush().await.unwrap();
        }
        let newest: u64 = db.one("SELECT max(position) FROM firn_commits").await.parse().unwrap();
        for position in 1..=newest {
            let count = format!("SELECT count(*) FROM t AS OF POSITION {position}");
            let read = db.one(&format!("{count} WHERE id + v > -1")).await;
            assert_eq!(db.one(&count).await, read, "position {position} of {newest}");
            assert_eq!(
                db.another(Mode::ReadOnly).await.one(&count).await,
                read,
                "anew, position {position} of {newest}"
            );
        }
    }
    db.session.execute("BEGIN; INSERT INTO t VALUES (100, 1), (101, 1); DELETE FROM t WHERE id = 10").await.unwrap();
    assert_eq!(db.one("SELECT count(*) FROM t").await, db.one("SELECT count(*) FROM t WHERE id > 0").await);
    let lines = db.another(Mode::ReadOnly).await.rows("EXPLAIN SELECT count(*) FROM t").await.join("\n");
    assert!(!lines.contains("FirnScan"), "{lines}");
}
