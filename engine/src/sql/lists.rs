//! Array literals: PostgreSQL's `{a,"b c",NULL}`.
//!
//! Promises: what is printed reads back to the same elements.
//! Never: an array of more than one dimension (0A000).

use super::fault::Fault;

/// Reads the elements of an array literal; `None` is NULL.
///
/// # Errors
/// 22P02 for what is none, 0A000 for a nested one.
pub fn parse(text: &str) -> Result<Vec<Option<String>>, Fault> {
    let malformed = || Fault { sqlstate: "22P02", what: "malformed array literal".into() };
    let inner = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(malformed)?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Ok(items);
    }
    let mut rest = inner.trim_start();
    loop {
        let (item, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let (item, after) = unquote(quoted).ok_or_else(malformed)?;
            (Some(item), after.trim_start())
        } else {
            let end = end_of_word(rest);
            if rest[end..].starts_with('{') {
                return Err(Fault {
                    sqlstate: "0A000",
                    what: "arrays of more than one dimension are not supported".into(),
                });
            }
            let word = rest[..end].trim_end();
            if word.is_empty() || rest[end..].starts_with(['"', '}']) {
                return Err(malformed());
            }
            (Some(unescape(word)).filter(|_| !word.eq_ignore_ascii_case("null")), &rest[end..])
        };
        items.push(item);
        if after.is_empty() {
            return Ok(items);
        }
        rest = after.strip_prefix(',').ok_or_else(malformed)?.trim_start();
        if rest.is_empty() {
            return Err(malformed());
        }
    }
}

/// Where a word without quotes ends; what a backslash stands before is part of it.
fn end_of_word(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' | '"' | '{' | '}' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

fn unescape(word: &str) -> String {
    let mut out = String::new();
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

/// Prints elements as an array literal.
#[must_use]
pub fn format<'a>(items: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut out = String::from("{");
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        match item {
            None => out.push_str("NULL"),
            Some(text) => push(text, &mut out),
        }
    }
    out.push('}');
    out
}

fn push(text: &str, out: &mut String) {
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c: char| c.is_ascii_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\'));
    if plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn literals_read_and_print() {
        for (text, want) in [
            ("{}", "{}"),
            (" { a , \"b c\" ,NULL, null, \"NULL\",\"\" } ", "{a,\"b c\",NULL,NULL,\"NULL\",\"\"}"),
            ("{\"a\\\"b\",c\\,d}", "{\"a\\\"b\",\"c,d\"}"),
            ("{1,-2}", "{1,-2}"),
        ] {
            let items = parse(text).unwrap();
            assert_eq!(format(items.iter().map(Option::as_deref)), want, "{text}");
        }
        for text in ["", "1,2", "{1", "{1,}", "{,1}", "{\"a}", "{a\"b\"}", "{a}b"] {
            assert_eq!(parse(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
        assert_eq!(parse("{{1},{2}}").unwrap_err().sqlstate, "0A000");
    }
}
