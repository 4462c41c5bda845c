//! Statements that nest or chain far: a clean error or an answer, on the small stacks of worker threads.

use super::harness::Db;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_chains_and_deep_nests_end_well() {
    let handle = tokio::spawn(async {
        let mut db = Db::with("CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')").await;
        let chains = [
            format!("SELECT count(*) FROM t WHERE {} id = 1", "id = 0 OR ".repeat(250)),
            format!("SELECT count(*) FROM t WHERE {} id = 1", "v <> 'zz' AND ".repeat(380)),
            format!("SELECT id{} FROM t", " + 0".repeat(780)),
            format!("SELECT v{} FROM t", " || 'x'".repeat(780)),
            format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200)),
            format!("SELECT {}id{} FROM t", "(".repeat(48), ")".repeat(48)),
            format!("SELECT {}id{} FROM t", "abs(".repeat(48), ")".repeat(48)),
            format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(40), ") x".repeat(40)),
            format!("SELECT {}1{}", "(SELECT ".repeat(8), ")".repeat(8)),
            format!("SELECT {}1{} FROM t", "CASE WHEN id = 1 THEN ".repeat(40), " END".repeat(40)),
        ];
        for sql in &chains {
            db.run(sql, &[]).await.unwrap_or_else(|e| panic!("{}…: {e}", &sql[..60]));
        }
        for sql in [
            format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
            format!("SELECT 1{}", " + 1".repeat(5_000)),
            format!("SELECT {}true", "NOT ".repeat(5_000)),
            format!("SELECT {}1{}", "(SELECT ".repeat(30), ")".repeat(30)),
            format!("SELECT 1 FROM t WHERE {}1{}", "EXISTS (SELECT 1 FROM t WHERE id = ".repeat(30), ")".repeat(30)),
            format!("INSERT INTO t VALUES (2, {}'x'{})", "upper(".repeat(5_000), ")".repeat(5_000)),
            format!("DELETE FROM t WHERE {}id = 1", "id = 0 OR ".repeat(5_000)),
        ] {
            assert_eq!(db.err(&sql).await.sqlstate, "54001");
        }
        assert_eq!(db.one("SELECT count(*) FROM t").await, "1");
        let update = format!("UPDATE t SET v = v{} WHERE {} id = 1", " || 'x'".repeat(300), "id = 0 OR ".repeat(200));
        assert_eq!(db.ok(&update).await, "UPDATE 1");
        let insert = format!("INSERT INTO t VALUES (2, 'x'{})", " || 'x'".repeat(700));
        assert_eq!(db.ok(&insert).await, "INSERT 0 1");
        let list = (0..20_000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        assert_eq!(db.one(&format!("SELECT count(*) FROM t WHERE id IN ({list})")).await, "2");
    });
    handle.await.unwrap();
}
