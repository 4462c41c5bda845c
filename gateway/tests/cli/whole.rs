//! The demo, verification, keys, and two writers.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::{Home, exists, ran};

#[test]
fn the_demo_tells_its_story_without_any_set_up() {
    let home = Home::new();
    let dir = home.path("demo dir");
    let since = Instant::now();
    let ran = home.run(&["demo", "--dir", &dir.display().to_string()]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    for text in ["AS OF POSITION", "NOT SOUND", "I8", "exit code 4", "What to try next", "firn sql 'file:///"] {
        assert!(ran.out.contains(text), "{text:?} is missing from {}", ran.out);
    }
    assert!(exists(&dir.join("master.key")) && !exists(&dir.join("store/master.key")));
    assert!(!exists(&home.path("data")), "the user's own key is not touched");
    let next = ran.out.lines().find_map(|line| line.trim().strip_prefix("firn sql '")).unwrap().trim_end_matches('\'');
    assert_eq!(home.run(&["sql", next, "-c", "SELECT count(*) FROM flights"]).ends(0), "count\n825\n");
    home.run(&["demo", "--dir", &dir.display().to_string()]).fails(2, &["not empty"]);
}

#[test]
fn damage_is_found_and_refused() {
    let home = Home::new();
    home.sql(
        "CREATE TABLE t (a BIGINT PRIMARY KEY); INSERT INTO t SELECT generate_series FROM generate_series(1, 1000)",
    )
    .ends(0);
    let uri = home.uri("a");
    assert!(home.run(&["verify", &uri]).ends(0).starts_with("sound"));
    let json: serde_json::Value =
        serde_json::from_str(&home.run(&["verify", &uri, "--json", "--replay"]).ends(0)).unwrap();
    assert_eq!((&json["ok"], &json["position"]), (&true.into(), &2.into()));
    let largest = home.objects().into_iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&largest).unwrap();
    std::fs::write(&largest, bytes).unwrap();
    let found = home.run(&["verify", &uri]).ends(4);
    assert!(found.contains(largest.file_name().unwrap().to_str().unwrap()) && found.contains("I6"), "{found}");
    let json: serde_json::Value = serde_json::from_str(&home.run(&["verify", &uri, "--json"]).ends(4)).unwrap();
    assert_eq!(json["ok"], false);
    home.sql("SELECT count(*) FROM t").fails(4, &["XX001"]);
}

#[test]
fn a_missing_or_wrong_key_is_told_and_verify_needs_none() {
    let home = Home::new();
    home.sql("CREATE TABLE t (a BIGINT)").ends(0);
    let key = home.path("data/firn/master.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let moved = home.path("moved.key");
    std::fs::rename(&key, &moved).unwrap();
    home.sql("SELECT * FROM t").fails(3, &["master.key"]);
    home.run(&["verify", &home.uri("a")]).ends(0);
    assert!(home.run(&["inspect", &home.uri("a")]).ends(0).contains("version"));
    home.run(&["sql", &home.uri("b"), "-c", "CREATE TABLE t (a BIGINT)"]).ends(0);
    home.sql("SELECT * FROM t").fails(3, &["key"]);
    let uri = format!("{}&kms=local:{}", home.uri("a"), moved.display());
    assert_eq!(home.run(&["sql", &uri, "-c", "SELECT count(*) FROM t"]).ends(0), "count\n0\n");
}

#[test]
fn inspect_shows_versions_and_the_log() {
    let home = Home::new();
    home.sql("CREATE TABLE t (a BIGINT)").ends(0);
    let text = home.run(&["inspect", &home.uri("a")]).ends(0);
    assert!(text.contains("versions (1)") && text.contains("create"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&home.run(&["inspect", &home.uri("a"), "--json"]).ends(0)).unwrap();
    assert_eq!(json["position"], 1);
}

/// The first writer has committed, a second one takes the namespace over. The first must learn it with exit code 5 and
/// commit nothing more; a reader meanwhile fences nobody.
#[test]
fn the_older_of_two_writers_is_fenced() {
    let home = Home::new();
    home.sql("CREATE TABLE t (a BIGINT PRIMARY KEY)").ends(0);
    let mut first = home.spawn(&["sql", &home.uri("a")]);
    let mut stdin = first.stdin.take().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    let mut insert = |n: u32| writeln!(stdin, "INSERT INTO t VALUES ({n}) RETURNING a;").unwrap();
    insert(1);
    assert_eq!((lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()), ("a".into(), "1".into()));
    assert_eq!(home.run(&["sql", &home.uri("a"), "--read-only", "-c", "SELECT count(*) FROM t"]).ends(0), "count\n1\n");
    insert(2);
    assert_eq!((lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()), ("a".into(), "2".into()));
    home.sql("INSERT INTO t VALUES (3)").ends(0);
    insert(4);
    let ended = ran(first.wait_with_output().unwrap());
    ended.fails(5, &["57P01", "fenced"]);
    assert_eq!(home.value("SELECT string_agg(CAST(a AS TEXT), ' ' ORDER BY a) FROM t"), "1 2 3");
}

/// What is derived from the log again is compared for every kind of value, from memory and from files.
#[test]
fn every_type_is_replayed() {
    let home = Home::new();
    home.sql(
        "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, i INTERVAL, d TIME, j JSON, b JSONB, a TEXT[], n INT[], u TEXT UNIQUE);
         CREATE INDEX by_time ON t (d);
         INSERT INTO t (i, d, j, b, a, n, u) VALUES ('1 mon 2 days 03:04', '10:11', '{\"k\": 1}', '{\"k\": [1, 2]}', '{x,NULL}', '{1,2}', 'one'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         INSERT INTO t (i, d) SELECT '2 days 00:01', '00:00' FROM generate_series(1, 2000);
         UPDATE t SET d = '23:59', a = a || 'y' WHERE id < 5; DELETE FROM t WHERE id = 7",
    )
    .ends(0);
    let verified = || home.run(&["verify", &home.uri("a"), "--replay"]).ends(0);
    assert!(verified().contains(" 0 objects"), "in the log alone");
    home.sql(&"INSERT INTO t (i, u) VALUES ('1 hour', gen_random_uuid()::text);".repeat(14)).ends(0);
    assert!(!verified().contains(" 0 objects"), "in files");
}
