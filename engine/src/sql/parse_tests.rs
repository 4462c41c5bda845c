//! Tests of the parser: AS OF in every place, places of errors, depth.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use sqlparser::ast::{SetExpr, Statement as Ast, TableFactor, TableVersion};

use super::*;

fn factors(sql: &str) -> Vec<TableFactor> {
    let statements = parse(sql).unwrap();
    let Ast::Query(query) = &statements[0].ast else { panic!("not a query") };
    let SetExpr::Select(select) = query.body.as_ref() else { panic!("not a select") };
    select
        .from
        .iter()
        .flat_map(|f| std::iter::once(&f.relation).chain(f.joins.iter().map(|j| &j.relation)))
        .cloned()
        .collect()
}

fn version(factor: &TableFactor) -> (String, Option<String>) {
    let TableFactor::Table { version, alias, .. } = factor else { panic!("not a table") };
    let shown = match version {
        Some(TableVersion::VersionAsOf(e)) => format!("position {e}"),
        Some(TableVersion::TimestampAsOf(e)) => format!("time {e}"),
        Some(TableVersion::ForSystemTimeAsOf(e)) => format!("time {e}"),
        other => format!("{other:?}"),
    };
    (shown, alias.as_ref().map(|a| a.name.value.clone()))
}

#[test]
fn as_of_in_every_form() {
    for (sql, shown, alias) in [
        ("SELECT * FROM t AS OF POSITION 3", "position 3", None),
        ("SELECT * FROM t AS OF POSITION 3 AS a WHERE a.x = 1", "position 3", Some("a")),
        ("SELECT * FROM t as of position 3 a", "position 3", Some("a")),
        ("SELECT * FROM t AS OF POSITION $1 a", "position $1", Some("a")),
        ("SELECT * FROM t AS OF TIMESTAMP '2024-01-01' AS a", "time '2024-01-01'", Some("a")),
        ("SELECT * FROM t AS OF TIMESTAMP $2", "time $2", None),
        ("SELECT * FROM t AS OF TIMESTAMP now() - INTERVAL '7 days' w", "time now() - INTERVAL '7 days'", Some("w")),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01' w", "time TIMESTAMP(6) '2024-01-01'", Some("w")),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF '2024-01-01'", "time '2024-01-01'", None),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF POSITION 9 w", "position 9", Some("w")),
        ("SELECT * FROM public.\"T x\" AS OF POSITION 3 AS \"A\"", "position 3", Some("A")),
    ] {
        let (got, name) = version(&factors(sql)[0]);
        assert_eq!((got.as_str(), name.as_deref()), (shown, alias), "{sql}");
        assert!(parse(sql).unwrap()[0].versions, "{sql}");
    }
}

#[test]
fn several_points_in_one_query() {
    let all = factors("SELECT * FROM t AS OF POSITION 1 a JOIN t AS OF POSITION 2 b ON a.x = b.x, t");
    assert_eq!(version(&all[0]).0, "position 1");
    assert_eq!(version(&all[1]).0, "position 2");
    assert_eq!(version(&all[2]).0, "None");
}

#[test]
fn words_in_strings_comments_and_names_stay() {
    let all = parse("SELECT 'x AS OF POSITION 3', \"AS OF\" -- AS OF POSITION 4\n FROM t").unwrap();
    assert!(!all[0].versions);
    assert!(all[0].sql.contains("'x AS OF POSITION 3'"));
    assert!(parse("SELECT 1 AS of, 2 AS changes, position('a' in 'b') FROM t at, u before").is_ok());
    assert!(parse("SELECT ts AT TIME ZONE 'UTC' FROM t").is_ok());
}

#[test]
fn a_script_is_split_and_numbered() {
    let all = parse("SELECT 1;\n\n  SELECT 'a;b' ;;\nINSERT INTO t VALUES ('é;'), (2);\n").unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!((all[1].sql.as_str(), all[1].line, all[1].column), ("SELECT 'a;b'", 3, 3));
    assert_eq!((all[2].sql.as_str(), all[2].line), ("INSERT INTO t VALUES ('é;'), (2)", 4));
    assert!(parse("  -- nothing\n;;").unwrap().is_empty());
}

#[test]
fn errors_say_where() {
    let place = |sql: &str| {
        let error = parse(sql).unwrap_err();
        assert_eq!(error.sqlstate, "42601", "{sql}");
        error.at.unwrap()
    };
    assert_eq!(place("SELECT 1;\nSELEC 2"), (2, 1));
    assert_eq!(place("SELECT 1;\nSELECT 'abc"), (2, 8));
    assert_eq!(place("SELECT 1;\n SELECT \"abc"), (2, 9));
    assert_eq!(place("SELECT 1;\nSELECT 1 +").0, 2);
    assert_eq!(place("SELECT (1"), (1, 10));
    assert_eq!(place("SELECT 1 /* never closed").0, 1);
    let error = parse("SELECT * FROM t a AS OF POSITION 3").unwrap_err();
    assert!(error.hint.unwrap().contains("before its alias"), "{}", error.message);
}

#[test]
fn names_of_ours_cannot_be_written() {
    assert_eq!(parse("SELECT * FROM \"t\u{1}3\"").unwrap_err().sqlstate, "42602");
    assert_eq!(parse("SELECT 1 AS \"\"").unwrap_err().sqlstate, "42602");
}

#[test]
fn depth_is_bounded() {
    let deep = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    let nested = |n: usize| format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(n), ") x".repeat(n));
    let chain = |n: usize| format!("SELECT 1{}", " + 1".repeat(n));
    let minus = |n: usize| format!("SELECT {}1", "- ".repeat(n));
    let nots = |n: usize| format!("SELECT {}true", "NOT ".repeat(n));
    let cases = |n: usize| format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(n), " END".repeat(n));
    let brackets = |n: usize| format!("SELECT {}1{}", "ARRAY[".repeat(n), "]".repeat(n));
    let unions = |n: usize| format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(n));
    let types = |n: usize| format!("SELECT CAST(x AS {}INT{})", "ARRAY<".repeat(n), "> ".repeat(n));
    let calls = |n: usize| format!("SELECT {}1{}", "abs(".repeat(n), ")".repeat(n));
    let mixed = |n: usize| format!("SELECT {}1{}", "NOT ARRAY[".repeat(n), "]".repeat(n));
    for make in [
        &deep as &dyn Fn(usize) -> String,
        &nested,
        &chain,
        &minus,
        &nots,
        &cases,
        &brackets,
        &unions,
        &types,
        &calls,
        &mixed,
    ] {
        for n in [10, 60, 500, 2_000, 50_000] {
            match parse(&make(n)) {
                Ok(_) => assert!(n <= 500, "{}", &make(n)[..40]),
                Err(error) => assert!(error.sqlstate == "54001" && n >= 50, "{n} {}: {error}", &make(n)[..40]),
            }
        }
    }
    assert_eq!(parse(&format!("{}SELECT 1", "EXPLAIN ".repeat(50_000))).unwrap_err().sqlstate, "54001");
    // breadth is no depth
    let wide = format!("SELECT * FROM t WHERE x IN ({}1)", "-1, ".repeat(50_000));
    parse(&wide).unwrap();
    let rows = format!("INSERT INTO t VALUES {}(0)", "(1 + 2), ".repeat(50_000));
    parse(&rows).unwrap();
    parse(&chain(700)).unwrap();
}
