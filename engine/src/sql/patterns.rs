//! `to_char` patterns: PostgreSQL's (`YYYY-MM-DD HH24:MI:SS`) in the planner's own spelling (`%Y-%m-%d %H:%M:%S`).
//!
//! Promises: a literal pattern means what PostgreSQL means by it; one that already holds `%` is taken as it is.
//! Never: a field that is not known is dropped: it stands in the output as it was written, as PostgreSQL has it.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

/// Longest first where one begins another.
const FIELDS: [(&str, &str); 30] = [
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("YYYY", "%Y"),
    ("IYYY", "%G"),
    ("MONTH", "%B"),
    ("Month", "%B"),
    ("month", "%B"),
    ("DDD", "%j"),
    ("DAY", "%A"),
    ("Day", "%A"),
    ("MON", "%b"),
    ("Mon", "%b"),
    ("mon", "%b"),
    ("yyyy", "%Y"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("DY", "%a"),
    ("Dy", "%a"),
    ("IW", "%V"),
    ("ID", "%u"),
    ("TZ", "%Z"),
    ("mm", "%m"),
];

/// The literal pattern of a call of `to_char`.
pub fn of(function: &mut Function) -> Option<&mut String> {
    let named =
        function.name.0.last().and_then(|p| p.as_ident()).is_some_and(|i| {
            ["to_char", "to_date", "to_timestamp"].iter().any(|name| i.value.eq_ignore_ascii_case(name))
        });
    let FunctionArguments::List(list) = &mut function.args else { return None };
    match list.args.as_mut_slice() {
        [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] if named => match &mut value.value {
            Value::SingleQuotedString(pattern) => Some(pattern),
            _ => None,
        },
        _ => None,
    }
}

/// The pattern in the planner's spelling.
#[must_use]
pub fn translated(pattern: &str) -> String {
    if pattern.contains('%') {
        return pattern.to_owned();
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            // what stands in double quotes is text
            let text = &rest[1..];
            let end = text.find('"').unwrap_or(text.len());
            out.push_str(&text[..end]);
            rest = text.get(end + 1..).unwrap_or_default();
        } else if let Some((field, spelled)) = FIELDS.iter().find(|(field, _)| rest.starts_with(field)) {
            out.push_str(spelled);
            rest = &rest[field.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn patterns_and_zones_mean_what_postgres_means() {
        for (sql, want) in [
            (
                "SELECT to_char(TIMESTAMP '2024-03-05 14:07:09.25', 'YYYY-MM-DD HH24:MI:SS.MS')",
                "2024-03-05 14:07:09.250",
            ),
            ("SELECT to_char(DATE '2024-03-05', 'DD Mon \"of\" YY')", "05 Mar of 24"),
            ("SELECT to_char(DATE '2024-03-05', '%d/%m')", "05/03"),
            ("SELECT (TIMESTAMPTZ '2024-07-01 08:00Z' AT TIME ZONE 'Europe/Berlin')::text", "2024-07-01 10:00:00"),
            (
                "SELECT TIMESTAMP '2024-07-01 10:00' AT TIME ZONE 'Europe/Berlin' = TIMESTAMPTZ '2024-07-01 08:00Z'",
                "true",
            ),
            ("SELECT TIMESTAMP '2024-07-01 10:00' AT TIME ZONE '+03' = TIMESTAMPTZ '2024-07-01 07:00Z'", "true"),
            ("SELECT x FROM (VALUES (1), (2)) t(x) ORDER BY x DESC FETCH FIRST ROW ONLY", "2"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
        assert_eq!(error("SELECT now() AT TIME ZONE 'Nowhere/Land'").await, "22023");
        assert_eq!(error("SELECT 1 FETCH FIRST 1 ROW WITH TIES").await, "0A000");
    }
}
