//! Unit tests of JSON values.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;

#[test]
fn the_canonical_text_is_postgresqls() {
    for (text, want) in [
        (r#"{"b":1, "a":[1,2 ,3],"aa":null,"b":2}"#, r#"{"a": [1, 2, 3], "b": 2, "aa": null}"#),
        (" [ ] ", "[]"),
        ("{}", "{}"),
        (r#""a\u00e4\n\"\/""#, "\"aä\\n\\\"/\""),
        ("1e2", "100"),
        ("1.50", "1.50"),
        ("-0", "0"),
        ("1E-3", "0.001"),
        ("1.0e2", "100"),
        ("1.500e1", "15.00"),
        ("-12.5e-4", "-0.00125"),
        ("0.0", "0.0"),
        (r#""\ud83d\ude00""#, "\"😀\""),
    ] {
        assert_eq!(parse(text).unwrap().text(), want, "{text}");
        assert_eq!(parse(want).unwrap().text(), want, "{want}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for text in
        ["", "{", "[1,]", "{\"a\" 1}", "{a: 1}", "01", "1.", "+1", "nul", "\"\\x\"", "\"a", "1 2", "\"\\ud800\"", "é"]
    {
        assert_eq!(parse(text).unwrap_err().sqlstate, "22P02", "{text}");
    }
    assert!(parse("{\"a\": nope}").unwrap_err().what.ends_with("character 7"));
    assert_eq!(parse(&"[".repeat(100_000)).unwrap_err().sqlstate, "54001");
    assert_eq!(parse("1e999999999").unwrap_err().sqlstate, "22003");
    assert_eq!(parse("\"\\u0000\"").unwrap_err().sqlstate, "22P05");
}

#[test]
fn containment() {
    let has = |a: &str, b: &str| parse(a).unwrap().contains(&parse(b).unwrap());
    assert!(has(r#"{"a":1,"b":{"c":[1,2,{"d":3}]}}"#, r#"{"b":{"c":[{"d":3}]}}"#));
    assert!(has("[1,2,3]", "[3,1]"));
    assert!(has("[1,2]", "1.0"));
    assert!(!has("1", "[1]"));
    assert!(!has("[[1,2]]", "1"));
    assert!(!has(r#"{"a":1}"#, r#"{"a":2}"#));
    assert!(!has(r#"[{"a":1}]"#, r#"{"a":1}"#));
}
