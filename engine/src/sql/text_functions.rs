//! Functions of texts and of any values that the planner lacks: quoting, `format`, counting NULLs, regular expressions
//! that give arrays.
//!
//! Promises: what is quoted reads back as the same name or literal.
//! Never: an argument of `format` is taken for SQL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListBuilder, StringViewArray, StringViewBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use regex::{Regex, RegexBuilder};

use super::errors::external;
use super::fun::{Fun, Gives, Takes, is_text, list_of, wrong};
use super::text::as_text;

fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    as_text(array).map_err(external)
}

fn quoted_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let reserved = || {
        let keyword = sqlparser::keywords::ALL_KEYWORDS.binary_search(&name.to_ascii_uppercase().as_str());
        keyword.is_ok_and(|at| {
            let word = sqlparser::keywords::ALL_KEYWORDS_INDEX[at];
            sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(&word)
                || sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS.contains(&word)
        })
    };
    if plain && !reserved() { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn quoted_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// One text through `answer`.
fn mapped(args: &[ArrayRef], null: Option<&str>, answer: fn(&str) -> String) -> Result<ArrayRef> {
    let given = texts(&args[0])?;
    let answers = given.as_string::<i32>().iter().map(|t| t.map(answer).or_else(|| null.map(str::to_owned)));
    Ok(Arc::new(answers.collect::<StringViewArray>()))
}

/// `format('%s %I %L %2$s %-10s', …)`.
fn format(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let columns: Vec<ArrayRef> = args.iter().map(texts).collect::<Result<_>>()?;
    let of = |at: usize, row: usize| -> Result<Option<&str>> {
        let column = columns.get(at).ok_or_else(|| wrong("22023", "too few arguments for format()"))?;
        let column = column.as_string::<i32>();
        Ok(column.is_valid(row).then(|| column.value(row)))
    };
    let mut out = Vec::with_capacity(count);
    for row in 0..count {
        let Some(pattern) = of(0, row)? else {
            out.push(None);
            continue;
        };
        out.push(Some(formatted(pattern, |at| of(at, row))?));
    }
    Ok(Arc::new(StringViewArray::from_iter(out)))
}

fn formatted<'a>(pattern: &str, of: impl Fn(usize) -> Result<Option<&'a str>>) -> Result<String> {
    let mut made = String::new();
    let mut next = 1;
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        made.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            made.push('%');
            rest = after;
            continue;
        }
        let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let digits = number(rest);
        if digits > 0 && rest[digits..].starts_with('$') {
            next = rest[..digits].parse().unwrap_or(0);
            if next == 0 {
                return Err(wrong("22023", "format specifies argument 0, but arguments are numbered from 1"));
            }
            rest = &rest[digits + 1..];
        }
        let left = rest.starts_with('-');
        rest = rest.trim_start_matches('-');
        let digits = number(rest);
        let width: usize = rest[..digits].parse().unwrap_or(0);
        if width > 1 << 20 {
            return Err(wrong("54000", "a width in format() is beyond all bounds"));
        }
        rest = &rest[digits..];
        let kind = rest.chars().next().ok_or_else(|| wrong("22023", "unterminated format() type specifier"))?;
        rest = &rest[kind.len_utf8()..];
        let value = of(next)?;
        next += 1;
        let text = match (kind, value) {
            ('s', value) => value.unwrap_or_default().to_owned(),
            ('I', Some(name)) => quoted_name(name),
            ('I', None) => return Err(wrong("22004", "null values cannot be formatted as an SQL identifier")),
            ('L', value) => value.map_or_else(|| "NULL".to_owned(), quoted_literal),
            (other, _) => {
                return Err(wrong("22023", format!("unrecognized format() type specifier \"{other}\"")));
            }
        };
        let pad = " ".repeat(width.saturating_sub(text.chars().count()));
        if left { made.extend([text, pad]) } else { made.extend([pad, text]) }
    }
    made.push_str(rest);
    Ok(made)
}

/// The regular expression with PostgreSQL's flags.
fn regex(pattern: &str, flags: &str) -> Result<(Regex, bool)> {
    let mut builder = RegexBuilder::new(pattern);
    let mut global = false;
    for flag in flags.chars() {
        match flag {
            'g' => global = true,
            'i' => {
                builder.case_insensitive(true);
            }
            'n' | 'm' => {
                builder.multi_line(true);
            }
            's' => {
                builder.dot_matches_new_line(true);
            }
            'x' => {
                builder.ignore_whitespace(true);
            }
            'c' | 't' => {}
            other => return Err(wrong("22023", format!("invalid regular expression option: \"{other}\""))),
        }
    }
    let made = builder.size_limit(1 << 20).build();
    made.map(|regex| (regex, global)).map_err(|e| wrong("2201B", format!("invalid regular expression: {e}")))
}

/// The rows' texts, each with its regular expression.
fn searched(
    args: &[ArrayRef],
    count: usize,
    mut found: impl FnMut(Option<(&str, &Regex, bool)>) -> Result<()>,
) -> Result<()> {
    let (given, patterns) = (args[0].as_string_view(), args[1].as_string_view());
    let mut known: Option<(String, String, Regex, bool)> = None;
    for row in 0..count {
        let flags = match args.get(2).map(|a| a.as_string_view()) {
            Some(flags) if flags.is_null(row) => None,
            Some(flags) => Some(flags.value(row)),
            None => Some(""),
        };
        let (Some(flags), true, true) = (flags, given.is_valid(row), patterns.is_valid(row)) else {
            found(None)?;
            continue;
        };
        let pattern = patterns.value(row);
        if !known.as_ref().is_some_and(|(p, f, ..)| p == pattern && f == flags) {
            let (made, global) = regex(pattern, flags)?;
            known = Some((pattern.to_owned(), flags.to_owned(), made, global));
        }
        if let Some((_, _, made, global)) = &known {
            found(Some((given.value(row), made, *global)))?;
        }
    }
    Ok(())
}

fn split(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringViewBuilder::new());
    searched(args, count, |row| {
        if let Some((text, regex, _)) = row {
            let mut from = 0;
            for found in regex.find_iter(text) {
                // an empty match at either end parts nothing
                if found.is_empty() && (found.start() == 0 || found.end() == text.len()) {
                    continue;
                }
                out.values().append_value(&text[from..found.start()]);
                from = found.end();
            }
            out.values().append_value(&text[from..]);
        }
        out.append(row.is_some());
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

/// A list of arrays: the groups of each match.
fn matches(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(ListBuilder::new(StringViewBuilder::new()));
    searched(args, count, |row| {
        if let Some((text, regex, global)) = row {
            for groups in regex.captures_iter(text).take(if global { usize::MAX } else { 1 }) {
                let from = usize::from(groups.len() > 1);
                for at in from..groups.len() {
                    out.values().values().append_option(groups.get(at).map(|m| m.as_str()));
                }
                out.values().append(true);
            }
        }
        out.append(row.is_some());
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

/// The name of a type as `pg_typeof` shows it.
fn type_name(ty: &DataType) -> String {
    match ty {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "integer".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".into(),
        DataType::Binary | DataType::BinaryView => "bytea".into(),
        DataType::Date32 => "date".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone".into(),
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond,
            None,
        ) => "timestamp without time zone".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::LargeBinary => "jsonb".into(),
        DataType::LargeUtf8 => "json".into(),
        DataType::List(of) => format!("{}[]", type_name(of.data_type())),
        DataType::Null => "unknown".into(),
        _ => "text".into(),
    }
}

fn nulls(args: &[ArrayRef], count: usize, null: bool) -> ArrayRef {
    let known: Vec<_> = args.iter().map(|a| a.logical_nulls()).collect();
    let counts = (0..count).map(|row| {
        let found = known.iter().filter(|n| n.as_ref().is_some_and(|n| n.is_null(row)) == null).count();
        i32::try_from(found).unwrap_or(i32::MAX)
    });
    Arc::new(Int32Array::from_iter_values(counts))
}

fn takes_pattern(types: &[DataType]) -> Option<Vec<DataType>> {
    ((2..=3).contains(&types.len()) && types.iter().all(is_text)).then(|| vec![DataType::Utf8View; types.len()])
}

/// The functions.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    let text: Gives = |_| DataType::Utf8View;
    let number: Gives = |_| DataType::Int32;
    let list: Gives = |_| list_of(DataType::Utf8View);
    let any: Takes = |types| Some(types.to_vec());
    let one: Takes = |types| (types.len() == 1).then(|| types.to_vec());
    vec![
        Fun::udf("quote_ident", one, text, |args, _| mapped(args, None, quoted_name)),
        Fun::udf("quote_literal", one, text, |args, _| mapped(args, None, quoted_literal)),
        Fun::udf("quote_nullable", one, text, |args, _| mapped(args, Some("NULL"), quoted_literal)),
        Fun::udf("format", |types| types.first().is_some_and(is_text).then(|| types.to_vec()), text, format),
        Fun::udf("num_nulls", any, number, |args, n| Ok(nulls(args, n, true))),
        Fun::udf("num_nonnulls", any, number, |args, n| Ok(nulls(args, n, false))),
        Fun::udf("pg_typeof", one, text, |args, n| {
            let name = type_name(args[0].data_type());
            Ok(Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(name, n))))
        }),
        Fun::udf("regexp_split_to_array", takes_pattern, list, split),
        Fun::udf("firn_regexp_matches", takes_pattern, |_| list_of(list_of(DataType::Utf8View)), matches),
        Fun::udf(
            "isfinite",
            one,
            |_| DataType::Boolean,
            |args, n| Ok(Arc::new((0..n).map(|row| args[0].is_valid(row).then_some(true)).collect::<BooleanArray>())),
        ),
    ]
}
