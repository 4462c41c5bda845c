//! `firn sql`: formats, scripts, errors, points in time, signals.

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use crate::{Home, exists, ran, signal};

fn filled() -> Home {
    let home = Home::new();
    home.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, d DECIMAL(20,2)); INSERT INTO t VALUES (1, 'a', 1.5), (2, NULL, NULL)").ends(0);
    home
}

#[test]
fn every_command_has_help_with_examples_and_exit_codes() {
    let home = Home::new();
    for command in ["sql", "load", "migrate", "verify", "inspect", "serve", "tenant", "demo"] {
        let help = home.run(&[command, "--help"]).ends(0);
        assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    }
    assert!(home.run(&["--help"]).ends(0).contains("firn demo"));
    assert!(home.run(&["--version"]).ends(0).starts_with("firn "));
    home.run(&["branch"]).fails(2, &["branch"]);
    home.run(&["serve", "--http", "0.0.0.0:0"]).fails(2, &["--plaintext"]);
    home.run(&["serve", "--store", "file:///tmp/x?ns=a"]).fails(2, &["ns="]);
    home.run(&["tenant", "list", "--store", &format!("file://{}", home.path("none").display())])
        .fails(1, &["firn tenant create"]);
}

#[test]
fn a_wrong_call_is_usage_and_touches_nothing() {
    let home = Home::new();
    let store = home.path("store").display().to_string();
    for (uri, text) in [
        ("nonsense", "file:///DIR"),
        ("file://relative?ns=a", "file:///DIR"),
        (&format!("file://{store}"), "?ns="),
        (&format!("file://{store}?ns=Not_Ok"), "a-z"),
        (&format!("file://{store}?ns=a&colour=red"), "endpoint"),
        ("s3://?ns=a", "bucket"),
        ("http://localhost:7575?ns=a", "gateway"),
    ] {
        home.run(&["sql", uri, "-c", "SELECT 1"]).fails(2, &[text]);
    }
    home.run(&["sql", &home.uri("a"), "-c", "SELECT 1", "--as-of", "someday"]).fails(2, &["--as-of"]);
    home.run(&["sql", &home.uri("a"), "-f", "none.sql"]).fails(2, &["none.sql"]);
    home.run(&["sql", &home.uri("a"), "-c", "SELECT 1", "-f", "x"]).fails(2, &["-c"]);
    assert!(!exists(&home.path("store")) && !exists(&home.path("data")));
}

#[test]
fn a_statement_may_begin_with_a_comment_and_a_request_id_is_never_empty() {
    let home = filled();
    assert_eq!(home.sql("-- which one\nSELECT 1 AS one").ends(0), "one\n1\n");
    home.run(&["sql", &home.uri("a"), "--request-id", "", "-c", "SELECT 1"]).fails(2, &["--request-id"]);
}

#[test]
fn reading_never_creates_a_namespace() {
    let home = Home::new();
    home.sql("SELECT * FROM t").fails(1, &["3D000"]);
    home.run(&["sql", &home.uri("a"), "--read-only", "-c", "CREATE TABLE t (a INT)"]).fails(1, &["SQLSTATE"]);
    home.run(&["verify", &home.uri("a")]).fails(1, &["3D000"]);
    home.run(&["inspect", &home.uri("a")]).fails(1, &["3D000"]);
    assert!(home.objects().is_empty());
}

#[test]
fn answers_in_every_format() {
    let home = filled();
    let run = |format: &str| {
        home.run(&["sql", &home.uri("a"), "--format", format, "-c", "SELECT * FROM t ORDER BY id"]).ends(0)
    };
    assert_eq!(home.sql("SELECT * FROM t ORDER BY id").ends(0), "id,v,d\n1,a,1.50\n2,,\n");
    assert_eq!(run("csv"), "id,v,d\n1,a,1.50\n2,,\n");
    assert_eq!(run("ndjson"), "{\"id\":1,\"v\":\"a\",\"d\":1.50}\n{\"id\":2,\"v\":null,\"d\":null}\n");
    assert!(run("table").ends_with("  1 | a    | 1.50\n  2 | NULL | NULL\n(2 rows)\n"));
    let json = run("json");
    assert!(json.contains("\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"}"), "{json}");
    assert!(json.contains("\"rows\":[[1,\"a\",1.50],[2,null,null]],\"row_count\":2"), "{json}");
    assert!(json.contains("\"stats\":{\"requests\":") && json.contains("\"round_trips\":"), "{json}");
    let arrow = home.command(&["sql", &home.uri("a"), "--format", "arrow", "-c", "SELECT * FROM t"]).output().unwrap();
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.stdout.as_slice(), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
}

#[test]
fn writes_tell_their_tag_and_position() {
    let home = filled();
    let run = |format: &str, id: u32| {
        let sql = format!("INSERT INTO t VALUES ({id}, 'x', 0)");
        home.run(&["sql", &home.uri("a"), "--format", format, "-c", &sql])
    };
    let csv = run("csv", 3);
    assert_eq!((csv.out.as_str(), csv.err.as_str(), csv.code), ("", "INSERT 0 1\n", 0));
    assert_eq!(run("table", 4).ends(0), "INSERT 0 1\n");
    let json = run("json", 5).ends(0);
    assert!(json.starts_with("{\"command\":\"INSERT 0 1\",\"row_count\":1,\"position\":5,\"stats\":{"), "{json}");
    let returning = home.run(&["sql", &home.uri("a"), "-c", "UPDATE t SET v = 'y' WHERE id = 5 RETURNING id, v"]);
    assert_eq!((returning.out.as_str(), returning.err.as_str()), ("id,v\n5,y\n", "UPDATE 1\n"));
    let timing = home
        .run(&["sql", &home.uri("a"), "-c", "\\timing", "-c", "DELETE FROM t WHERE id = 5", "--format", "table"])
        .ends(0);
    assert!(timing.contains("round trip") && timing.contains("position 7"), "{timing}");
}

#[test]
fn the_first_failing_statement_ends_the_run() {
    let home = filled();
    home.sql("INSERT INTO t VALUES (3, 'c', 0); INSERT INTO t VALUES (4, 'd', 0), (1, 'again', 0); INSERT INTO t VALUES (5, 'e', 0)")
        .fails(1, &["ERROR: ", "SQLSTATE 23505", "\"t\""]);
    assert_eq!(home.value("SELECT count(*) FROM t"), "3");
    home.sql("INSERT INTO t VALUES (6, 'f', 0); SELEC 1").fails(1, &["42601", "line 1, column "]);
    assert_eq!(home.value("SELECT count(*) FROM t"), "3", "the text of -c is checked as a whole first");
    home.sql("SELECT * FROM nothing").fails(1, &["42P01"]);
    home.sql("SELECT 'open").fails(1, &["42601", "line 1, column 8"]);
}

#[test]
fn scripts_run_as_they_are_read_and_errors_name_their_place() {
    let home = filled();
    let script = "-- a script\nINSERT INTO t VALUES (3, 'semi;colon', 0);\n\n  SELECT count(*)\n  FROM t;\nSELECT\n  * FROM nothing;\nDELETE FROM t;";
    let path = home.write("s.sql", script);
    for ran in [
        home.run(&["sql", &home.uri("a"), "-f", &path]),
        home.pipe(&["sql", &home.uri("a")], b"SELECT 1;\nSELECT\n  x FROM t"),
    ] {
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("SQLSTATE 42"), "{ran:?}");
    }
    assert_eq!(home.value("SELECT count(*) FROM t"), "3");
    let piped = home.pipe(
        &["sql", &home.uri("a"), "--format", "ndjson"],
        "\u{feff}SELECT 1 AS a; SELECT 2 AS a;\n\\d t\n".as_bytes(),
    );
    assert!(piped.ends(0).starts_with("{\"a\":1}\n{\"a\":2}\n{\"Column\":\"id\""));
    home.pipe(&["sql", &home.uri("a")], b"SELECT 1;\nSELECT '\xff';\n").fails(1, &["stdin, line 2", "UTF-8"]);
    home.pipe(&["sql", &home.uri("a")], b"SELECT 1;\n\nSELECT 'open\n")
        .fails(1, &["42601", "line 3, column 8 of stdin"]);
    assert_eq!(home.pipe(&["sql", &home.uri("a")], b"").ends(0), "");
}

#[test]
fn a_program_can_talk_through_the_pipe() {
    let home = filled();
    let mut child = home.spawn(&["sql", &home.uri("a")]);
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in [10, 11] {
        writeln!(stdin, "INSERT INTO t VALUES ({n}, 'p', 0) RETURNING id;").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "id");
        assert_eq!(lines.next().unwrap().unwrap(), n.to_string());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_request_id_makes_a_write_repeatable() {
    let home = filled();
    let uri = home.uri("a");
    let run = || {
        home.run(&["sql", &uri, "--format", "json", "--request-id", "r1", "-c", "INSERT INTO t VALUES (9, 'once', 0)"])
            .ends(0)
    };
    let first: serde_json::Value = serde_json::from_str(&run()).unwrap();
    let second: serde_json::Value = serde_json::from_str(&run()).unwrap();
    assert_eq!((&first["command"], &first["position"]), (&second["command"], &second["position"]));
    let two = [
        "sql",
        &uri,
        "--request-id",
        "r2",
        "-c",
        "BEGIN; UPDATE t SET v = v || '+' WHERE id = 9; COMMIT; DELETE FROM t WHERE id = 1",
    ];
    home.run(&two).ends(0);
    home.run(&two).ends(0);
    assert_eq!(home.value("SELECT v FROM t WHERE id = 9"), "once+");
    assert_eq!(home.value("SELECT string_agg(request_id, ' ' ORDER BY position) FROM firn_commits"), "r1 r2 r2#2");
}

#[test]
fn the_past_is_read_by_position_and_by_time() {
    let home = filled();
    home.sql("UPDATE t SET v = 'new'").ends(0);
    let at = |as_of: &str| home.run(&["sql", &home.uri("a"), "--as-of", as_of, "-c", "SELECT v FROM t WHERE id = 1"]);
    assert_eq!(at("2").ends(0), "v\na\n");
    assert_eq!(at("3").ends(0), "v\nnew\n");
    at("99").fails(1, &["SQLSTATE", "3"]);
    let when = home.value("SELECT committed_at FROM firn_commits WHERE position = 2");
    assert_eq!(at(&when).ends(0), "v\na\n");
    let script = "\\asof 2\nSELECT v FROM t WHERE id = 1;\n\\asof off\nSELECT v FROM t WHERE id = 1;\n";
    assert_eq!(home.pipe(&["sql", &home.uri("a")], script.as_bytes()).ends(0), "v\na\nv\nnew\n");
}

#[test]
fn meta_commands_work_outside_of_the_prompt() {
    let home = filled();
    let run = |command: &str| home.run(&["sql", &home.uri("a"), "--format", "table", "-c", command]);
    assert!(run("\\d").ends(0).contains(" t "));
    assert!(run("\\d t").ends(0).contains("(20,2)"));
    run("\\d nothing").fails(1, &["42P01"]);
    run("CREATE TABLE child (id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t BIGINT REFERENCES t ON DELETE CASCADE, \
         n INT DEFAULT 7 CHECK (n > 0), m INT GENERATED ALWAYS AS (n + 1) STORED, UNIQUE (n)); CREATE INDEX ON child (t, m)")
    .ends(0);
    let child = run("\\d child").ends(0);
    for line in [
        "generated always as identity",
        "generated always as (n + 1) stored",
        "Indexes:\n    \"child_pkey\" PRIMARY KEY, btree (id)\n    \"child_n_key\" UNIQUE CONSTRAINT, btree (n)\n    \"child_t_m_idx\" btree (t, m)\n",
        "Check constraints:\n    \"child_n_check\" CHECK (n > 0)\n",
        "Foreign-key constraints:\n    \"child_t_fkey\" FOREIGN KEY (t) REFERENCES t(id) ON DELETE CASCADE\n",
    ] {
        assert!(child.contains(line), "{line}\n{child}");
    }
    let parent = run("\\d t").ends(0);
    let referred = "Referenced by:\n    TABLE \"child\" CONSTRAINT \"child_t_fkey\" FOREIGN KEY (t) REFERENCES t(id) ON DELETE CASCADE\n";
    assert!(parent.contains(referred), "{parent}");
    run("\\nonsense").fails(1, &["\\?"]);
    assert!(run("\\?").ends(0).contains("\\timing"));
    let expanded =
        home.run(&["sql", &home.uri("a"), "--format", "table", "-c", "\\x", "-c", "SELECT 1 AS one"]).ends(0);
    assert!(expanded.contains("-[ RECORD 1 ]-\none | 1"), "{expanded}");
    let path = home.write("i.sql", "SELECT 7 AS seven;");
    assert_eq!(
        home.pipe(&["sql", &home.uri("a")], format!("\\i {path}\n\\q\nSELECT 8;").as_bytes()).ends(0),
        "seven\n7\n"
    );
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let home = filled();
    let numbers = "SELECT generate_series FROM generate_series(1, 3000000)";
    for (more, code) in [(None, 0), (Some("INSERT INTO t VALUES (77, 'late', 0)"), 1)] {
        let uri = home.uri("a");
        let mut args = vec!["sql", &uri, "-c", numbers];
        args.extend(more.iter().flat_map(|sql| ["-c", sql]));
        let mut child = home.spawn(&args);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!((line.as_str(), ran.code), ("generate_series\n", code), "{ran:?}");
        assert_eq!(ran.err.is_empty(), code == 0, "{ran:?}");
    }
    assert_eq!(home.value("SELECT count(*) FROM t WHERE id = 77"), "0");
}

#[test]
fn ctrl_c_cancels_the_statement() {
    let home = filled();
    let sql = "INSERT INTO t SELECT a.a, 'x', 0 FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b WHERE a.a + b.b < 0";
    let child = home.spawn(&["sql", &home.uri("a"), "-c", sql]);
    std::thread::sleep(Duration::from_millis(1500));
    let since = Instant::now();
    signal(&child, "INT");
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(home.value("SELECT count(*) FROM t"), "2");
    home.run(&["verify", &home.uri("a"), "--replay"]).ends(0);
}
