//! Errors: each with its SQLSTATE, a place where one can be told, and a way on.

use super::harness::Db;

#[tokio::test]
async fn every_error_has_its_code() {
    let mut db = Db::with("CREATE TABLE flights (id INT PRIMARY KEY, \"tailNum\" TEXT, dep TIMESTAMP)").await;
    db.refuses(&[
        ("SELECT * FROM fligths", "42P01"),
        ("SELECT * FROM other.flights", "42P01"),
        ("SELECT * FROM db.public.flights", "3D000"),
        ("SELECT nope FROM flights", "42703"),
        ("SELECT f.nope FROM flights f", "42703"),
        ("SELECT flights.id FROM flights f", "42703"),
        ("SELECT id FROM flights a, flights b", "42702"),
        ("SELECT * FROM flights, flights", "42712"),
        ("SELECT nope(1)", "42883"),
        ("SELECT * FROM nope(1)", "42883"),
        ("SELECT upper(1, 2)", "42883"),
        ("SELECT id + dep FROM flights", "42883"),
        ("SELECT id, count(*) FROM flights", "42803"),
        ("SELECT * FROM flights WHERE id", "42804"),
        ("SELECT * FROM flights WHERE id = 'x'", "22P02"),
        ("SELECT CAST(dep AS BOOLEAN) FROM flights", "42846"),
        ("SELEC 1", "42601"),
        ("SELECT 1 FROM", "42601"),
        ("SELECT 'a", "42601"),
        ("SELECT * FROM 'file.csv'", "42P01"),
        ("SELECT * FROM \"/etc/passwd\"", "42P01"),
        ("SELECT * FROM \"s3://bucket/x.parquet\"", "42P01"),
        ("SELECT * FROM read_csv('/etc/passwd')", "42883"),
        ("COPY flights TO '/tmp/x.csv'", "0A000"),
        ("CREATE SEQUENCE s", "0A000"),
        ("EXECUTE p", "26000"),
        ("GRANT SELECT ON flights TO bob", "0A000"),
        ("VACUUM", "0A000"),
        ("LISTEN x", "0A000"),
        ("SELECT * FROM flights TABLESAMPLE SYSTEM (10)", "0A000"),
        ("SAVEPOINT s", "25P01"),
        ("SET datafusion.execution.batch_size = 1", "0A000"),
        ("SHOW nonsense", "42704"),
        ("SELECT INTERVAL 'soon'", "22007"),
        ("SELECT DATE '2024-13-01'", "22008"),
        ("SELECT x ~ '(' FROM (VALUES ('a')) t(x)", "2201B"),
    ])
    .await;
}

#[tokio::test]
async fn hints_lead_on() {
    let mut db = Db::with("CREATE TABLE flights (id INT PRIMARY KEY, \"tailNum\" TEXT)").await;
    for (sql, words) in [
        ("SELECT * FROM fligths", "did you mean flights?"),
        ("SELECT idd FROM flights", "did you mean id?"),
        ("SELECT tailnum FROM flights", "\"tailNum\" in double quotes"),
        ("SELECT uppre('x')", "did you mean upper?"),
        ("CREATE TABLE nope.t (a INT)", "CREATE SCHEMA"),
        ("COPY flights FROM STDIN", "firn load"),
    ] {
        let error = db.err(sql).await;
        assert!(error.hint.as_deref().unwrap_or_default().contains(words), "{sql}: {error:?}");
    }
    let error = db.err("SELECT id,\n  nope FROM flights").await;
    assert_eq!(error.at, Some((2, 3)), "{error:?}");
    let error = db.session.execute("SELECT 1;\nSELECT 2;\n  SELECT nope FROM flights").await.err().unwrap();
    assert_eq!(error.at, Some((3, 10)), "{error:?}");
}

#[tokio::test]
async fn a_script_with_an_error_runs_nothing() {
    let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let error = db.session.execute("INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2;").await.err().unwrap();
    assert_eq!((error.sqlstate, error.at.map(|a| a.0)), ("42601", Some(2)));
    assert_eq!(db.one("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn internals_cannot_be_named() {
    let mut db = Db::with("CREATE TABLE t (id INT); INSERT INTO t VALUES (1)").await;
    db.refuses(&[
        ("SELECT * FROM \"t@rows\"", "42P01"),
        ("SELECT _loc FROM t", "42703"),
        ("SELECT _answers FROM firn_commits", "42703"),
        ("SELECT * FROM \"t\u{1}1\"", "42602"),
    ])
    .await;
    assert_eq!(db.names("SELECT * FROM t").await, ["id"]);
}
