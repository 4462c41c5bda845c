//! `firn load`: what goes in, what is refused, and going on after a crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Date32Array, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::{Home, Ran, ran, signal};

impl Home {
    fn load(&self, table: &str, file: &str, flags: &[&str]) -> Ran {
        let uri = self.uri("a");
        let mut args = vec!["load", &uri, table, file];
        args.extend(flags);
        self.run(&args)
    }
}

#[test]
fn types_are_found_and_nulls_kept() {
    let home = Home::new();
    let csv = "ID,name,price,born,at,ok,zip\n1,\"a, b\",1.5,2020-02-29,2020-01-01T00:00:00Z,true,00501\n2,\"\",NaN,,,FALSE,\n3,,,2021-01-01,,,9\n";
    let loaded = home.load("People", &home.write("p.csv", csv), &["--create", "--key", "id"]);
    assert!(loaded.err.contains("3 rows loaded in 1 batch") && loaded.err.contains("position 2"), "{loaded:?}");
    assert_eq!(loaded.ends(0), "");
    assert_eq!(
        home.sql("SELECT * FROM people ORDER BY id").ends(0),
        "id,name,price,born,at,ok,zip\n1,\"a, b\",1.5,2020-02-29,2020-01-01 00:00:00+00,true,00501\n2,\"\",NaN,,,false,\n3,,,2021-01-01,,,9\n"
    );
    let types = home.sql("SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'people'");
    assert_eq!(
        types.ends(0).lines().nth(1).unwrap().trim_matches('"'),
        "bigint,text,double precision,date,timestamp with time zone,boolean,text"
    );
}

#[test]
fn a_null_string_replaces_the_empty_field() {
    let home = Home::new();
    home.load("t", &home.write("t.csv", "a,b\nNA,NA\n1,\n2,\"NA\"\n"), &["--create", "--null", "NA"]).ends(0);
    assert_eq!(home.sql("SELECT a, b FROM t ORDER BY a NULLS FIRST").ends(0), "a,b\n,\n1,\"\"\n2,NA\n");
}

#[test]
fn what_sql_writes_load_reads() {
    let home = Home::new();
    home.sql("CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT, c BYTEA, d DECIMAL(10,3), e UUID, f TIMESTAMP, g REAL)")
        .ends(0);
    home.sql(
        "INSERT INTO t VALUES (1, 'x\"y,\nz', '\\x00ff', 1.25, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2020-01-01 00:00:00.5', 0.1), \
         (2, '', NULL, NULL, NULL, NULL, 'Infinity')",
    )
    .ends(0);
    let csv = home.sql("SELECT * FROM t ORDER BY a").ends(0);
    home.sql("CREATE TABLE u (a BIGINT PRIMARY KEY, b TEXT, c BYTEA, d DECIMAL(10,3), e UUID, f TIMESTAMP, g REAL)")
        .ends(0);
    home.load("u", &home.write("t.csv", &csv), &[]).ends(0);
    assert_eq!(home.sql("SELECT * FROM u ORDER BY a").ends(0), csv);
}

#[test]
fn json_lines_and_parquet() {
    let home = Home::new();
    let json = "{\"id\": 1, \"big\": 9007199254740993, \"tags\": [\"a\", 1]}\n\n{\"big\": null, \"id\": 2, \"when\": \"2020-01-01\"}\n";
    home.load("j", &home.write("j.ndjson", json), &["--create"]).ends(0);
    assert_eq!(
        home.sql("SELECT id, big, tags, \"when\" FROM j ORDER BY id").ends(0),
        "id,big,tags,when\n1,9007199254740993,\"[\"\"a\"\", 1]\",\n2,,,2020-01-01\n"
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("Id", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("s", Arc::new(StringArray::from(vec![Some("x"), None, Some("")]))),
        ("d", Arc::new(Date32Array::from(vec![Some(0), Some(1), None]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let path = home.path("p.parquet");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let path = path.display().to_string();
    home.load("p", &path, &["--create", "--key", "id", "--batch-rows", "2"]).ends(0);
    assert_eq!(home.sql("SELECT * FROM p ORDER BY id").ends(0), "id,s,d\n1,x,1970-01-01\n2,,1970-01-02\n3,\"\",\n");
    assert!(home.load("p", &path, &["--batch-rows", "2"]).err.contains("nothing to do: 2 batches"));
}

#[test]
fn the_same_file_is_loaded_once_also_without_a_key() {
    let home = Home::new();
    let rows: String = (0..1000).map(|n| format!("{},x\n", n % 7)).collect();
    let path = home.write("t.csv", format!("n,s\n{rows}"));
    home.load("t", &path, &["--create", "--batch-rows", "300"]).ends(0);
    let again = home.load("t", &path, &["--create", "--batch-rows", "300"]);
    assert!(again.err.contains("nothing to do: 4 batches with 1000 rows"), "{again:?}");
    let copy = home.write("copy.csv", format!("n,s\n{rows}"));
    home.load("t", &copy, &["--batch-rows", "300"]).ends(0);
    assert_eq!(home.value("SELECT count(*) FROM t"), "1000");
    home.load("t", &copy, &["--batch-rows", "299"]).ends(0);
    assert_eq!(home.value("SELECT count(*) FROM t"), "2000", "another --batch-rows loads it on purpose");
    home.sql("DROP TABLE t").ends(0);
    home.load("t", &path, &["--create", "--batch-rows", "300"]).ends(0);
    assert_eq!(home.value("SELECT count(*) FROM t"), "1000", "a new table of the same name is another table");
}

#[test]
fn a_bad_line_is_named_and_a_corrected_file_goes_on() {
    let home = Home::new();
    let mut lines: Vec<String> = (1..=100).map(|n| format!("{n},{n}.5")).collect();
    lines[74] = "75,NA".to_owned();
    let content = |lines: &[String]| format!("id,v\n{}\n", lines.join("\n"));
    home.sql("CREATE TABLE t (id INT, v DOUBLE PRECISION)").ends(0);
    let path = home.write("t.csv", content(&lines));
    home.load("t", &path, &["--batch-rows", "20"])
        .fails(1, &["t.csv, line 76, column \"v\"", "\"NA\"", "rows 1 to 60", "--null"]);
    assert_eq!(home.value("SELECT count(*) FROM t"), "60");
    lines[74] = "75,".to_owned();
    home.write("t.csv", content(&lines));
    let rest = home.load("t", &path, &["--batch-rows", "20"]);
    assert!(
        rest.err.contains("40 rows loaded in 2 batches")
            && rest.err.contains("3 batches with 60 rows were already loaded"),
        "{rest:?}"
    );
    assert_eq!(home.value("SELECT count(*) || ' ' || count(DISTINCT id) FROM t"), "100 100");
}

#[test]
fn broken_files_are_refused_with_their_line() {
    let home = Home::new();
    home.sql("CREATE TABLE t (a SMALLINT, b DATE, c VARCHAR(3), k INT NOT NULL)").ends(0);
    for (content, state, text) in [
        (&b""[..], "22P04", "the file is empty"),
        (b"a,b\n1,2020-01-01\n2\n", "22P04", "line 3: 1 field, but the header has 2 fields"),
        (b"a,b\n1,2020-01-01,9\n", "22P04", "line 2: 3 fields"),
        (b"a,k\n1,2\n\xff\xfe,3\n", "22021", "line 3: field 1"),
        (b"a,k\n40000,1\n", "22003", "line 2, column \"a\": \"40000\" is out of range for SMALLINT"),
        (b"b,k\n2021-02-29,1\n", "22007", "line 2, column \"b\""),
        (b"c,k\nabcd,1\n", "22001", "line 2, column \"c\""),
        (b"a,k\n1,\n", "23502", "line 2, column \"k\""),
        (b"a,nope\n1,2\n", "42703", "no column \"nope\""),
        (b"a,A\n1,2\n", "22P04", "twice"),
        (b"a,\n1,2\n", "22P04", "field 2 of the header has no name"),
        (b"a,k\n1,\"2\n", "22P04", "line 2: a quote is opened here and never closed"),
        (b"a,k\n1,\"2\"x\n", "22P04", "line 2: field 2 goes on after its closing quote"),
    ] {
        home.load("t", &home.write("bad.csv", content), &[]).fails(1, &[state, text, "bad.csv"]);
    }
    for (content, state, text) in [
        ("", "22P04", "empty"),
        ("{\"a\":1,\"k\":1}\n[1]\n", "22P04", "line 2"),
        ("{\"a\":1,\"k\":1}\n{\"a\":\n", "22P04", "line 2"),
        ("{\"a\":99999,\"k\":1}\n", "22003", "line 1, column \"a\""),
        ("{\"k\":1,\"x\":1}\n", "42703", "no column \"x\""),
        ("{\"k\":1,\"k\":2}\n", "22P04", "twice"),
        ("{\"a\":1}\n", "23502", "line 1, column \"k\""),
    ] {
        home.load("t", &home.write("bad.ndjson", content), &[]).fails(1, &[state, text, "bad.ndjson"]);
    }
    home.load("t", &home.write("bad.parquet", "not parquet"), &[]).fails(1, &["22P04", "bad.parquet"]);
    home.load("t", &home.write("t.dat", "a\n1\n"), &[]).fails(2, &["--format"]);
    home.load("t", "missing.csv", &[]).fails(2, &["missing.csv"]);
    home.load("none", &home.write("ok.csv", "a\n1\n"), &[]).fails(1, &["42P01", "--create"]);
    assert_eq!(home.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_huge_record_and_a_broken_sample_do_not_take_memory_or_make_tables() {
    let home = Home::new();
    let mut row = b"a\n1\n".to_vec();
    row.resize(200 << 20, b'x');
    let path = home.write("huge.csv", &row);
    drop(row);
    home.sql("CREATE TABLE t (a TEXT)").ends(0);
    let mut command = home.command(&["load", &home.uri("a"), "t", &path]);
    let child = command.spawn().unwrap();
    let mut peak_kib = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) {
        let hwm = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|v| v.trim().trim_end_matches(" kB"));
        match hwm.and_then(|v| v.parse::<u64>().ok()) {
            Some(kib) => peak_kib = kib.max(peak_kib),
            None => break,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    ran(child.wait_with_output().unwrap()).fails(1, &["54000", "huge.csv, line 3", "64 MiB"]);
    assert!(peak_kib < 400 << 10, "{peak_kib} KiB");
    assert_eq!(home.value("SELECT count(*) FROM t"), "0");
    home.load("u", &home.write("bad.csv", "a,b\n1\n"), &["--create"]).fails(1, &["22P04"]);
    home.sql("SELECT * FROM u").fails(1, &["42P01"]);
}

#[test]
fn a_duplicate_key_leaves_nothing_of_its_batch() {
    let home = Home::new();
    let path = home.write("t.csv", "id\n1\n2\n3\n4\n3\n6\n");
    home.load("t", &path, &["--create", "--key", "id", "--batch-rows", "2"])
        .fails(1, &["23505", "rows 5 to 6", "rows 1 to 4"]);
    assert_eq!(home.value("SELECT count(*) FROM t"), "4");
    home.load("t", &path, &["--key", "other"]).fails(2, &["key"]);
}

#[test]
fn stdin_is_loaded_and_says_that_it_cannot_be_read_again() {
    let home = Home::new();
    let loaded = home.pipe(&["load", &home.uri("a"), "t", "-", "--create"], b"a,b\n1,x\n2,y\n");
    assert!(loaded.err.contains("stdin cannot be read again") && loaded.err.contains("2 rows loaded"), "{loaded:?}");
    assert_eq!(loaded.ends(0), "");
    assert_eq!(home.value("SELECT count(*) FROM t"), "2");
}

#[test]
fn ctrl_c_keeps_the_batches_that_were_committed() {
    let home = Home::new();
    let content: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let path = home.write("t.csv", format!("n\n{content}"));
    home.sql("CREATE TABLE t (n BIGINT)").ends(0);
    let uri = home.uri("a");
    let child = home.command(&["load", &uri, "t", &path, "--batch-rows", "100"]).spawn().unwrap();
    let since = Instant::now();
    while home.objects().len() < 20 && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "INT");
    ran(child.wait_with_output().unwrap()).fails(130, &["cancelled", "run the same command again"]);
    let count: u64 = home.value("SELECT count(*) FROM t").parse().unwrap();
    assert!(count > 0 && count < 200_000 && count.is_multiple_of(100), "{count}");
}

/// A load is killed at several moments under way. What it had committed must be there once, the same command must load
/// the rest, and the log must replay. The table has no key, so nothing but the request ids can keep rows from doubling.
#[test]
fn a_killed_load_goes_on_without_doubling() {
    let home = Home::new();
    let rows = 20_000;
    let content: String = (0..rows).map(|n| format!("{n},value {n}\n")).collect();
    let path = home.write("t.csv", format!("n,s\n{content}"));
    home.sql("CREATE TABLE t (n BIGINT, s TEXT)").ends(0);
    let uri = home.uri("a");
    let args = ["load", &uri, "t", &path, "--batch-rows", "100"];
    let mut killed = 0;
    for n in 0..6u64 {
        let before = home.objects().len();
        let mut child = home.command(&args).spawn().unwrap();
        let since = Instant::now();
        while home.objects().len() < before + 12
            && since.elapsed() < Duration::from_secs(20)
            && child.try_wait().unwrap().is_none()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(7 * n));
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let counted = home.value("SELECT count(*) || ' ' || count(DISTINCT n) || ' ' || (count(*) % 100) FROM t");
        let numbers: Vec<&str> = counted.split(' ').collect();
        assert_eq!((numbers[0], numbers[2]), (numbers[1], "0"), "whole batches, each once");
    }
    assert!(killed >= 3, "the load was too quick to be killed: {killed}");
    let last = home.run(&args);
    assert!(last.err.contains("were already loaded"), "{last:?}");
    last.ends(0);
    assert_eq!(
        home.value("SELECT count(*) || ' ' || count(DISTINCT n) || ' ' || sum(n) FROM t"),
        "20000 20000 199990000"
    );
    home.run(&["verify", &uri, "--replay"]).ends(0);
}
