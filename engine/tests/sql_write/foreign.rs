//! FOREIGN KEY: references that must lead somewhere, cascades, and transactions that meet.

use super::Db;
use crate::harness::run;

const TABLES: &str =
    "CREATE TABLE p (id INT PRIMARY KEY, u TEXT UNIQUE); INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, NULL);";

#[tokio::test]
async fn references_are_checked_both_ways() {
    let mut db = Db::with(&format!(
        "{TABLES} CREATE TABLE c (k INT PRIMARY KEY, p BIGINT REFERENCES p, u TEXT REFERENCES p (u))"
    ))
    .await;
    db.ok("INSERT INTO c VALUES (1, 1, 'b'), (2, NULL, NULL)").await;
    let error = db.err("INSERT INTO c VALUES (3, 7, NULL)").await;
    assert_eq!(error.sqlstate, "23503");
    assert_eq!(error.message, "insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\"");
    assert_eq!(error.detail.as_deref(), Some("Key (p)=(7) is not present in table \"p\"."));
    let error = db.err("DELETE FROM p WHERE id = 1").await;
    assert_eq!(
        error.message,
        "update or delete on table \"p\" violates foreign key constraint \"c_p_fkey\" on table \"c\""
    );
    assert_eq!(error.detail.as_deref(), Some("Key (id)=(1) is still referenced from table \"c\"."));
    db.refuses(&[
        ("UPDATE p SET u = 'z' WHERE u = 'b'", "23503"),
        ("UPDATE p SET id = 9 WHERE id = 1", "23503"),
        ("UPDATE c SET u = 'nope'", "23503"),
        ("UPDATE c SET p = 99999999999 WHERE k = 1", "23503"),
        ("DROP TABLE p", "2BP01"),
        ("DROP INDEX p_u_key", "2BP01"),
        ("ALTER TABLE p DROP CONSTRAINT p_u_key", "2BP01"),
        ("ALTER TABLE p DROP COLUMN u", "2BP01"),
        ("CREATE TABLE d (a INT REFERENCES p (u))", "42804"),
        ("CREATE TABLE d (a INT REFERENCES c (p))", "42830"),
        ("CREATE TABLE d (a INT REFERENCES nope)", "42P01"),
    ])
    .await;
    db.ok("DELETE FROM p WHERE id = 3; UPDATE p SET u = 'q' WHERE id = 1").await;
    db.reopen().await;
    db.refuses(&[("DELETE FROM p WHERE id = 2", "23503"), ("INSERT INTO c VALUES (3, 3, NULL)", "23503")]).await;
    db.ok("DROP TABLE p CASCADE; INSERT INTO c VALUES (3, 7, 'free')").await;
    db.holds("SELECT * FROM c ORDER BY k", &["1|1|b", "2|NULL|NULL", "3|7|free"]).await;
}

#[tokio::test]
async fn cascades_follow_through_tables() {
    let mut db = Db::with(&format!(
        "{TABLES} CREATE TABLE c (k INT PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE); \
         CREATE TABLE g (k INT PRIMARY KEY, c INT REFERENCES c ON DELETE SET NULL ON UPDATE SET NULL); CREATE INDEX ON g (c); \
         INSERT INTO c VALUES (10, 1), (11, 1), (20, 2); INSERT INTO g VALUES (100, 10), (110, 11), (200, 20)"
    ))
    .await;
    assert_eq!(db.ok("DELETE FROM p WHERE id = 1").await, "DELETE 1");
    assert_eq!(db.rows("SELECT * FROM c").await, ["20|2"]);
    assert_eq!(db.rows("SELECT * FROM g ORDER BY k").await, ["100|NULL", "110|NULL", "200|20"]);
    db.ok("UPDATE p SET id = id + 40").await;
    assert_eq!(db.rows("SELECT * FROM c").await, ["20|42"]);
    assert_eq!(db.rows("SELECT * FROM g WHERE c IS NULL ORDER BY k").await, ["100|NULL", "110|NULL"]);
    db.ok("UPDATE c SET k = 21").await;
    db.holds("SELECT * FROM g ORDER BY k", &["100|NULL", "110|NULL", "200|NULL"]).await;
    let before = db.rows("SELECT firn_position()").await;
    db.ok("DELETE FROM p").await;
    assert_eq!(db.rows("SELECT count(*) FROM c").await, ["0"]);
    assert_eq!(db.rows(&format!("SELECT * FROM c AS OF POSITION {}", before[0])).await, ["21|42"]);
}

#[tokio::test]
async fn a_table_refers_to_itself() {
    let mut db = Db::with(
        "CREATE TABLE t (id INT PRIMARY KEY, up INT, CONSTRAINT tree FOREIGN KEY (up) REFERENCES t ON DELETE CASCADE); \
         INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, 4), (9, NULL)",
    )
    .await;
    db.refuses(&[("INSERT INTO t VALUES (5, 6)", "23503"), ("UPDATE t SET id = 8 WHERE id = 1", "23503")]).await;
    db.ok("INSERT INTO t VALUES (5, 6), (6, 5); DELETE FROM t WHERE id = 1").await;
    db.holds("SELECT id FROM t ORDER BY id", &["4", "5", "6", "9"]).await;
    db.ok("DELETE FROM t WHERE id IN (5, 4)").await;
    db.holds("SELECT id FROM t ORDER BY id", &["9"]).await;
}

#[tokio::test]
async fn composite_keys_match_simply() {
    let mut db = Db::with(
        "CREATE TABLE p (a INT, b TEXT, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 'x'), (2, 'y'); \
         CREATE TABLE c (k INT PRIMARY KEY, b TEXT, a INT, FOREIGN KEY (a, b) REFERENCES p (a, b) ON DELETE SET NULL)",
    )
    .await;
    db.ok("INSERT INTO c VALUES (1, 'x', 1), (2, NULL, 77), (3, 'y', 2)").await;
    db.refuses(&[("INSERT INTO c VALUES (4, 'x', 2)", "23503")]).await;
    db.ok("DELETE FROM p WHERE a = 1").await;
    db.holds("SELECT * FROM c ORDER BY k", &["1|NULL|NULL", "2|NULL|77", "3|y|2"]).await;
    db.ok("ALTER TABLE c DROP CONSTRAINT c_a_b_fkey; DELETE FROM p").await;
    db.refuses(&[("ALTER TABLE c ADD FOREIGN KEY (a, b) REFERENCES p", "23503")]).await;
}

#[tokio::test]
async fn parent_and_child_do_not_pass_each_other() {
    let mut db = Db::with(&format!("{TABLES} CREATE TABLE c (k INT PRIMARY KEY, p INT REFERENCES p)")).await;
    let (mut one, mut two) = (db.session(), db.session());
    run(&mut one, "BEGIN; INSERT INTO c VALUES (1, 1)", &[]).await.unwrap();
    run(&mut two, "BEGIN; DELETE FROM p WHERE id = 1", &[]).await.unwrap();
    run(&mut one, "COMMIT", &[]).await.unwrap();
    assert_eq!(run(&mut two, "COMMIT", &[]).await.unwrap_err().sqlstate, "40001");
    run(&mut one, "BEGIN; INSERT INTO c VALUES (2, 2)", &[]).await.unwrap();
    db.ok("DELETE FROM p WHERE id = 2").await;
    assert_eq!(run(&mut one, "COMMIT", &[]).await.unwrap_err().sqlstate, "40001");
    run(&mut one, "BEGIN; INSERT INTO p VALUES (5, 'e'); INSERT INTO c VALUES (5, 5); DELETE FROM c WHERE k = 1; DELETE FROM p WHERE id = 1; COMMIT", &[])
        .await
        .unwrap();
    db.holds("SELECT * FROM c ORDER BY k", &["5|5"]).await;
}
