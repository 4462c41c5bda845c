//! The texts of the libraries below, read for what they mean: which SQLSTATE, which words.
//!
//! Promises: a text that is not recognised keeps its content and gets the class code of where it arose.
//! Never: a value is lost from a message that named it.

use super::{context, names};
use crate::error::Error;

/// Prefixes that libraries put before the fact.
const PREFIXES: [&str; 12] = [
    "Error during planning: ",
    "Execution error: ",
    "This feature is not implemented: ",
    "Invalid or Unsupported Configuration: ",
    "Schema error: ",
    "Arrow error: ",
    "Cast error: ",
    "Parser error: ",
    "Invalid argument error: ",
    "Compute error: ",
    "External error: ",
    "Optimizer rule ",
];

/// What the planner refuses, by its words.
const PLANNED: [(&str, &str); 27] = [
    ("for SELECT DISTINCT, ORDER BY", "42P10"),
    ("WITH query name", "42712"),
    ("names given as column alias", "42P10"),
    ("step cannot be zero", "22023"),
    ("not allowed in the WHERE clause", "42803"),
    ("UNION queries have different number of columns", "42601"),
    ("queries have different number of columns", "42601"),
    ("DISTINCT ON expressions must match", "42P10"),
    ("LIMIT must be >=", "2201W"),
    ("OFFSET must be >=", "2201X"),
    ("xpected LIMIT to be", "42804"),
    ("xpected OFFSET to be", "42804"),
    ("rder by column out of bounds", "42P10"),
    ("nconsistent data length across values", "42601"),
    ("requires a boolean expression", "42804"),
    ("nary operator '-' only supports", "42883"),
    ("window function calls cannot be nested", "42P20"),
    ("cannot contain window function calls", "42803"),
    ("function calls cannot be nested", "42803"),
    ("not in grouping columns", "42803"),
    ("join condition should not be empty", "42601"),
    ("order by index starts at 1", "42P10"),
    ("incompatible inputs for union", "42804"),
    ("frame offsets for rows / groups must be", "22013"),
    ("nvalid window frame", "42P20"),
    ("range requires exactly one order by", "42P20"),
    ("must be aggregated to return at most one row", "0A000"),
];

/// What a function refuses while it runs, by its words.
const EXECUTED: [(&str, &str); 10] = [
    ("factorial of a negative", "22003"),
    ("square root of a negative", "2201F"),
    ("raised to a negative power", "2201F"),
    ("negative count not allowed", "22011"),
    ("negative substring length", "22011"),
    ("field position must not be zero", "22023"),
    ("unicode scalar value", "22023"),
    ("date part '", "22023"),
    ("date_trunc granularity", "22023"),
    ("ntile requires", "22014"),
];

/// The fact without the prefixes of the layers it came through, and without a backtrace.
#[must_use]
pub fn tidy(message: &str) -> String {
    let mut text = message.split("\n\nbacktrace:").next().unwrap_or(message).trim();
    while let Some(rest) = PREFIXES.iter().find_map(|p| text.strip_prefix(p)) {
        text = rest;
    }
    let text = text.split("\nThis issue was likely caused by a bug").next().unwrap_or(text);
    lower_first(&sql_types(text).replace('\n', " "))
}

/// The text with its first letter in lower case, unless that is part of an acronym.
#[must_use]
pub fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// A parser's message and the place in it.
#[must_use]
pub fn split_place(message: &str) -> (String, Option<(u64, u64)>) {
    let Some(start) = message.rfind(" at Line: ") else { return (message.to_owned(), None) };
    let mut numbers = message[start..].split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(line), Some(column)) => (message[..start].to_owned(), Some((line, column))),
        _ => (message.to_owned(), None),
    }
}

/// An error of something that is not built.
#[must_use]
pub fn not_implemented(message: &str) -> Error {
    let text = tidy(message);
    if text.contains("nsupported CAST") || text.contains("nsupported cast") {
        return Error::statement(
            "42846",
            text.replace("unsupported CAST", "cannot cast").replace(" is not supported", ""),
        );
    }
    if text.contains("hysical plan does not support logical expression") {
        return internal(message);
    }
    if text.contains("Unsupported ast node") || text.contains("nsupported ast") {
        return Error::unsupported("this form of the statement", "write it with plain SELECT, JOIN, WITH or VALUES");
    }
    let text = [" is not supported yet", " not supported yet", " is not supported", " not supported"]
        .iter()
        .fold(text.trim_end_matches('.'), |t, end| t.strip_suffix(end).unwrap_or(t));
    Error::unsupported(text, "see the dialect's page in docs/ for what is there")
}

/// An error of planning.
#[must_use]
pub fn plan(message: &str) -> Error {
    let text = message.split("\n\nbacktrace:").next().unwrap_or(message);
    if let Some(name) = between(text, "table '", "' not found") {
        return no_table(name);
    }
    for (start, end) in
        [("Invalid function '", "'"), ("table function '", "' not found"), ("Table function '", "' not found")]
    {
        if let Some(name) = between(text, start, end) {
            let error = Error::statement("42883", format!("function {name} does not exist"));
            return match between(text, "Did you mean '", "'") {
                Some(other) => error.with_hint(format!("did you mean {other}?")),
                None => error,
            };
        }
    }
    if text.contains("nsupported Value") {
        return Error::unsupported("this kind of literal", "write it as a string in single quotes, or as a number");
    }
    let lower = text.to_lowercase();
    if let Some((_, code)) = PLANNED.iter().find(|(words, _)| lower.contains(&words.to_lowercase())) {
        return Error::statement(code, tidy(text));
    }
    if text.contains("SQL type") && text.to_lowercase().contains("unsupported") {
        return Error::unsupported(tidy(text), "the types are those of the dialect's page in docs/");
    }
    if (text.contains("failed to match any signature") || text.contains("user-defined coercion failed"))
        && let Some(name) = between(text, "unction '", "'")
    {
        if name.starts_with("firn_any_") || name.starts_with("firn_all_") {
            return Error::statement("42809", "op ANY/ALL (array) requires array on right side");
        }
        let message = format!("function {name} does not take these arguments");
        return Error::statement("42883", message).with_hint("cast the arguments to the types it takes");
    }
    let misgrouped = text.contains("must be in GROUP BY") || text.contains("must appear in the GROUP BY");
    let code = if misgrouped || (text.contains("aggregate") && text.contains("not allowed")) {
        "42803"
    } else if text.contains("unique expression names") {
        "42701"
    } else if text.contains("table name") && text.contains("specified more than once") {
        "42712"
    } else if text.contains("laceholder") && (text.contains("No value") || text.contains("found for")) {
        return Error::statement("42P02", tidy(text)).with_hint("give a value for each of $1, $2, …");
    } else if text.contains("No function matches")
        || text.contains("does not support")
        || text.contains("Cannot coerce")
        || text.contains("Cannot get result type")
        || text.contains("Cannot infer common argument type")
        || text.contains("oercion")
        || text.contains("Failed to coerce")
    {
        "42883"
    } else if text.contains("Cannot cast") || text.contains("nsupported CAST") || text.contains("Can't cast") {
        "42846"
    } else if text.contains("annot create filter with non-boolean") || text.contains("type mismatch") {
        "42804"
    } else if text.contains("subquery should only return one column") || text.contains("Too many columns") {
        "42601"
    } else {
        "42000"
    };
    Error::statement(code, tidy(text))
}

/// The error of a table that is not there, by its full name.
fn no_table(full: &str) -> Error {
    let mut parts = full.splitn(3, '.');
    let (catalog, schema, name) = match (parts.next(), parts.next(), parts.next()) {
        (Some(catalog), Some(schema), Some(name)) => (catalog, schema, name),
        _ => (context::CATALOG, context::SCHEMA, full),
    };
    if catalog != context::CATALOG {
        return Error::statement("3D000", format!("database \"{catalog}\" cannot be reached from here"))
            .with_hint("a session sees one namespace; write the table's name without a database");
    }
    let before = match schema {
        context::SCHEMA | context::PATH => String::new(),
        context::INFORMATION_SCHEMA => {
            return Error::statement("42P01", format!("table \"{schema}.{name}\" does not exist")).with_hint(
                "information_schema has tables, columns, schemata, table_constraints, key_column_usage and views",
            );
        }
        _ => format!("{schema}."),
    };
    let error = match names::split_position(name) {
        Some((table, position)) => format!("table \"{before}{table}\" does not exist at position {position}"),
        None => format!("table \"{before}{}\" does not exist", names::shown(name)),
    };
    Error::statement("42P01", error)
}

/// An error of a value: bad text, out of range, a cast that cannot be.
#[must_use]
pub fn value(message: &str) -> Error {
    let text = tidy(message);
    if let Some(error) = known(&text) {
        return error;
    }
    if let (Some(given), Some(ty)) = (quoted(&text), between(&text, "to value of ", " type")) {
        return bad_text(&given, ty);
    }
    if text.contains("rror parsing timestamp") || text.contains("as time") || text.contains("to datetime") {
        let given = quoted(&text).unwrap_or_default();
        return bad_time(&given, "timestamp", &text);
    }
    if text.contains("type interval") || text.contains("as interval") {
        return Error::statement("22007", text);
    }
    if text.contains("too large to store")
        || text.contains("too small to store")
        || text.contains("verflow")
        || text.contains("an't cast value")
        || text.contains("out of range")
        || text.contains("Unable to represent")
        || text.contains("causes overflow")
    {
        return overflow(&text);
    }
    if text.contains("decimal format") || text.contains("to decimal") {
        let given = quoted(&text).unwrap_or_else(|| text.clone());
        return Error::statement("22P02", format!("invalid input syntax for type numeric: \"{given}\""));
    }
    if text.contains("asting from") || text.contains("cannot cast") {
        return Error::statement("42846", text);
    }
    if text.contains("regex") {
        return Error::statement("2201B", text);
    }
    Error::statement("22000", text)
}

/// A number left its type's range.
#[must_use]
pub fn overflow(message: &str) -> Error {
    let text = tidy(message);
    if let Some(error) = known(&text) {
        return error;
    }
    let ty = between(&text, "to type ", "").map(str::trim).unwrap_or_default();
    match (between(&text, "an't cast value ", " to type"), ty) {
        (Some(given), ty) if !ty.is_empty() => {
            Error::statement("22003", format!("value {given} is out of range for type {}", type_name(ty)))
        }
        _ => Error::statement("22003", format!("number out of range: {}", lower_first(&text)))
            .with_hint("cast one side to a wider type, such as BIGINT or DECIMAL(38, 0)"),
    }
}

/// What a function said in words that are known.
fn known(text: &str) -> Option<Error> {
    let lower = text.to_lowercase();
    if lower.contains("timestamp out of range") || lower.contains("date arithmetic overflow") {
        return Some(Error::statement("22008", "date/time value out of range"));
    }
    let (_, code) = EXECUTED.iter().find(|(words, _)| lower.contains(words))?;
    Some(Error::statement(code, text))
}

/// An error of execution.
#[must_use]
pub fn execution(message: &str) -> Error {
    let text = tidy(message);
    let lower = text.to_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Error::statement("22012", "division by zero");
    }
    if let Some(error) = known(&text) {
        return error;
    }
    if lower.contains("more than one row") {
        return Error::statement("21000", "a subquery used as an expression gave more than one row");
    }
    if lower.contains("placeholder") {
        return Error::statement("42P02", text).with_hint("give a value for each of $1, $2, …");
    }
    if lower.contains("unable to parse date") {
        return Error::statement("22008", text);
    }
    if lower.contains("overflow") || lower.contains("out of range") || lower.contains("to value of") {
        return value(message);
    }
    if lower.contains("parsing timestamp") {
        return value(message);
    }
    if lower.contains("regular expression") || lower.contains("regex") {
        return Error::statement("2201B", text);
    }
    Error::statement("22000", text)
}

/// A library found itself in a state it excludes: most often a statement it cannot plan.
#[must_use]
pub fn internal(message: &str) -> Error {
    let text = tidy(message);
    if text.contains("hysical plan does not support logical expression") {
        if text.contains("WindowFunction") {
            return Error::statement("42P20", "window functions are not allowed in WHERE, HAVING or GROUP BY")
                .with_hint("compute them in a subquery in FROM, and filter outside of it");
        }
        if text.contains("AggregateFunction") {
            return Error::statement("42803", "aggregate functions are not allowed here");
        }
        return Error::unsupported(
            "this kind of subquery",
            "write it as a JOIN, or move it into a WITH query that is joined",
        );
    }
    Error::internal(format!("the statement could not be carried out: {text}"))
}

/// Those of `candidates` that could have been meant, best first.
#[must_use]
pub fn similar<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut close: Vec<(usize, &str)> = candidates
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = datafusion::common::utils::datafusion_strsim::levenshtein(&wanted, &other);
            let longest = wanted.chars().count().max(other.chars().count());
            (distance * 2 <= longest || other.starts_with(&wanted)).then_some((distance, candidate))
        })
        .collect();
    close.sort();
    close.truncate(3);
    close.into_iter().map(|(_, c)| c.to_owned()).collect()
}

fn bad_text(given: &str, ty: &str) -> Error {
    let name = type_name(ty);
    if matches!(name, "date" | "timestamp" | "timestamptz" | "time" | "interval") {
        return bad_time(given, name, given);
    }
    let number = given.trim().trim_start_matches(['+', '-']);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if digits && matches!(name, "smallint" | "integer" | "bigint" | "numeric") {
        return Error::statement("22003", format!("value \"{given}\" is out of range for type {name}"));
    }
    Error::statement("22P02", format!("invalid input syntax for type {name}: \"{given}\""))
}

fn bad_time(given: &str, ty: &str, detail: &str) -> Error {
    let shaped = given.trim().len() >= 8
        && given.trim().starts_with(|c: char| c.is_ascii_digit())
        && given.chars().all(|c| c.is_ascii_digit() || "-:./ TZ+".contains(c));
    let error = if shaped {
        Error::statement("22008", format!("date/time field value out of range: \"{given}\""))
    } else {
        Error::statement("22007", format!("invalid input syntax for type {ty}: \"{given}\""))
    };
    if detail == given { error } else { error.with_detail(detail) }
}

/// The SQL name of an Arrow type as Arrow prints it.
fn type_name(arrow: &str) -> &str {
    let head = arrow.trim().split(['(', ' ']).next().unwrap_or(arrow);
    match head {
        "Boolean" => "boolean",
        "Int8" | "Int16" | "UInt8" => "smallint",
        "Int32" | "UInt16" => "integer",
        "Int64" | "UInt32" | "UInt64" => "bigint",
        "Float16" | "Float32" => "real",
        "Float64" => "double precision",
        "Decimal32" | "Decimal64" | "Decimal128" | "Decimal256" => "numeric",
        "Utf8" | "LargeUtf8" | "Utf8View" => "text",
        "Binary" | "LargeBinary" | "BinaryView" => "bytea",
        "Date32" | "Date64" => "date",
        "Timestamp" => "timestamp",
        "Time32" | "Time64" => "time",
        "Interval" => "interval",
        _ => arrow,
    }
}

/// The text with Arrow's names of types replaced by SQL's.
fn sql_types(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        if word.chars().last().is_some_and(|c| c.is_ascii_digit()) || word.ends_with("View") || word == "Boolean" {
            out.push_str(type_name(word));
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    // what stands in quotes is the user's
    let mut quoted = false;
    for c in text.chars() {
        if c == '\'' || c == '"' {
            flush(&mut word, &mut out);
            quoted = !quoted;
            out.push(c);
        } else if quoted {
            out.push(c);
        } else if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    let rest = &text[from..];
    if end.is_empty() { Some(rest) } else { rest.find(end).map(|to| &rest[..to]) }
}

fn quoted(text: &str) -> Option<String> {
    let from = text.find(['\'', '"'])?;
    let quote = text.as_bytes()[from] as char;
    let to = text.rfind(quote)?;
    (to > from).then(|| text[from + 1..to].to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn values_get_their_codes() {
        for (text, code) in [
            ("Cannot cast string 'abc' to value of Int64 type", "22P02"),
            ("Cannot cast string '99999999999999999999' to value of Int64 type", "22003"),
            ("Can't cast value 70000 to type Int16", "22003"),
            ("Cannot cast string '2024-13-45' to value of Date32 type", "22008"),
            ("Cannot cast string 'soon' to value of Date32 type", "22007"),
            ("Error parsing timestamp from 'soon': error parsing date", "22007"),
            ("Error parsing timestamp from '2024-02-30 00:00:00': error parsing date", "22008"),
            ("12345 is too large to store in a Decimal128 of precision 3. Max is 999", "22003"),
            ("Cannot cast value 'maybe' to value of Boolean type", "22P02"),
        ] {
            assert_eq!(value(text).sqlstate, code, "{text}");
        }
    }

    #[test]
    fn plans_get_their_codes() {
        assert_eq!(plan("table 'firn.public.nope' not found").message, "table \"nope\" does not exist");
        assert_eq!(plan("Invalid function 'foo'.\nDid you mean 'floor'?").sqlstate, "42883");
        assert_eq!(plan("Error during planning: something else").message, "something else");
    }

    #[test]
    fn similar_names() {
        let names = ["flights", "airlines", "planes"];
        assert_eq!(similar("flight", names.into_iter()), vec!["flights"]);
        assert!(similar("zzz", names.into_iter()).is_empty());
    }
}
