//! Forms of the standard that the planner lacks or reads otherwise, rewritten in the parsed statement.
//!
//! Promises: after it, SIMILAR TO matches the whole text, LIKE has any ESCAPE, rows compare with NULL as PostgreSQL has
//! it.
//! Never: a form that would be answered wrongly goes through: it is refused by name.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, ObjectName,
    OrderBy, OrderByKind, Query, Select, UnaryOperator, Value, ValueWithSpan,
};

use crate::error::{Error, Result};

/// Comparisons that a list of rows may become; a longer one is looked up in VALUES.
pub(super) const COMPARISONS: usize = 64;

/// Columns that one SELECT may name, as PostgreSQL has it.
const COLUMNS: usize = 1664;

/// Tables that one FROM list may name.
const TABLES: usize = 100;

/// Grouping sets that one GROUP BY may make, as PostgreSQL has it.
const GROUPINGS: usize = 4096;

/// Tables that a WITH query may read, those read through others counted each time.
const EXPANDED: usize = 2_000;

/// Functions under another name of theirs.
const RENAMED: [(&str, &str); 4] =
    [("sign", "signum"), ("ceiling", "ceil"), ("variance", "var_samp"), ("every", "bool_and")];

/// Refuses an ORDER BY beyond all bounds.
///
/// # Errors
/// 54011.
pub fn check_order(query: &Query) -> Result<()> {
    if let Some(OrderBy { kind: OrderByKind::Expressions(by), .. }) = &query.order_by
        && by.len() > COLUMNS
    {
        return Err(Error::statement("54011", format!("ORDER BY has at most {COLUMNS} columns, not {}", by.len())));
    }
    Ok(())
}

/// Refuses a SELECT whose plan would be larger than what it says.
///
/// # Errors
/// 54001, 54011.
pub fn check_size(select: &Select) -> Result<()> {
    if select.projection.len() > COLUMNS {
        let message = format!("a SELECT has at most {COLUMNS} columns, not {}", select.projection.len());
        return Err(Error::statement("54011", message));
    }
    if select.from.len() > TABLES {
        let message = format!("a FROM list has at most {TABLES} tables, not {}", select.from.len());
        return Err(Error::statement("54001", message).with_hint("join some of them in a WITH query"));
    }
    let GroupByExpr::Expressions(by, _) = &select.group_by else { return Ok(()) };
    if by.len() > COLUMNS {
        return Err(Error::statement("54011", format!("GROUP BY has at most {COLUMNS} columns, not {}", by.len())));
    }
    let sets = by.iter().fold(1usize, |sets, expr| {
        sets.saturating_mul(match expr {
            Expr::Cube(columns) => 1usize.checked_shl(u32::try_from(columns.len()).unwrap_or(64)).unwrap_or(usize::MAX),
            Expr::Rollup(columns) => columns.len() + 1,
            Expr::GroupingSets(sets) => sets.len().max(1),
            _ => 1,
        })
    });
    if sets > GROUPINGS {
        return Err(Error::statement("54001", format!("GROUP BY makes more than {GROUPINGS} grouping sets")));
    }
    Ok(())
}

/// `GROUP BY ()` is one group of all rows: an aggregate without GROUP BY says the same.
pub fn whole_group(select: &mut Select) {
    if let GroupByExpr::Expressions(by, modifiers) = &mut select.group_by
        && modifiers.is_empty()
        && matches!(by.as_slice(), [Expr::Tuple(columns)] if columns.is_empty())
    {
        by.clear();
    }
}

/// Refuses WITH queries that, put where they are used, grow beyond all bounds. `known` are the sizes of those seen.
///
/// # Errors
/// 54001.
pub fn check_with(query: &Query, known: &mut HashMap<String, usize>) -> Result<()> {
    let Some(with) = &query.with else { return Ok(()) };
    for table in &with.cte_tables {
        let mut size = 1usize;
        let _ = sqlparser::ast::visit_relations(table.query.as_ref(), |name| {
            let last = name.0.last().and_then(|p| p.as_ident()).map(|i| i.value.to_lowercase());
            size = size.saturating_add(last.and_then(|n| known.get(&n).copied()).unwrap_or(1));
            ControlFlow::<()>::Continue(())
        });
        if size > EXPANDED {
            let message =
                format!("the WITH query \"{}\" reads more than {EXPANDED} tables through others", table.alias.name);
            return Err(Error::statement("54001", message).with_hint("read each WITH query fewer times"));
        }
        known.insert(table.alias.name.value.to_lowercase(), size);
    }
    Ok(())
}

/// Rewrites one expression whose parts are rewritten already.
///
/// # Errors
/// 0A000, 42601, 22025.
pub fn rewrite(expr: &mut Expr) -> Result<()> {
    let new = match expr {
        Expr::SimilarTo { negated, expr: text, pattern, escape_char } => {
            let escape = escape_of(escape_char.as_ref(), "SIMILAR TO")?;
            let regex = match literal(pattern) {
                Some(pattern) => string(similar(pattern, escape)?),
                None if is_null(pattern) => take(pattern),
                None => return Err(not_literal("SIMILAR TO")),
            };
            let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            Some(nested(binary(take(text), op, regex)))
        }
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(written) = escape_char.take() {
                let escape = escape_of(Some(&written), "LIKE")?;
                if escape != Some('\\') && !is_null(pattern) {
                    let Some(text) = literal(pattern) else { return Err(not_literal("LIKE … ESCAPE")) };
                    **pattern = string(escaped(text, escape)?);
                }
            }
            None
        }
        Expr::BinaryOp { left, op, right } => match (left.as_mut(), right.as_mut()) {
            (Expr::Tuple(left), Expr::Tuple(right)) if is_comparison(op) => Some(nested(rows(left, op, right)?)),
            _ => None,
        },
        Expr::InList { expr: row, list, negated } => match row.as_ref() {
            Expr::Tuple(row) if list.len() * row.len() <= COMPARISONS => {
                let mut equal = Vec::with_capacity(list.len());
                for one in list.iter() {
                    let Expr::Tuple(one) = one else { return Ok(()) };
                    equal.push(nested(rows(row, &BinaryOperator::Eq, one)?));
                }
                joined(equal, &BinaryOperator::Or).map(|any| {
                    let any = nested(any);
                    if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any }
                })
            }
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => {
            let minus_one = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number("1")) };
            Some(nested(binary(minus_one, BinaryOperator::Minus, nested(take(inner)))))
        }
        Expr::AnyOp { left, compare_op, right, .. } => quantified(left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => quantified(left, compare_op, right, true),
        Expr::Function(function) => call(function),
        _ => None,
    };
    if let Some(new) = new {
        *expr = new;
    }
    Ok(())
}

/// A comparison with an array; the planner reads those with subqueries.
fn quantified(left: &mut Expr, op: &BinaryOperator, right: &mut Expr, all: bool) -> Option<Expr> {
    if matches!(right, Expr::Subquery(_)) || matches!(left, Expr::Tuple(_)) {
        return None;
    }
    super::quantified::name_of(op, all).map(|name| super::casts::call(name, vec![take(left), take(right)]))
}

fn call(function: &mut Function) -> Option<Expr> {
    if let Some((_, known)) = RENAMED.iter().find(|(name, _)| is_named(function, name)) {
        function.name = ObjectName::from(vec![Ident::new(*known)]);
        return None;
    }
    if is_named(function, "mod")
        && let FunctionArguments::List(list) = &mut function.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(a)), FunctionArg::Unnamed(FunctionArgExpr::Expr(b))] =
            list.args.as_mut_slice()
    {
        return Some(nested(binary(nested(take(a)), BinaryOperator::Modulo, nested(take(b)))));
    }
    None
}

fn is_named(function: &Function, name: &str) -> bool {
    match function.name.0.as_slice() {
        [only] => only.as_ident().is_some_and(|i| i.value.eq_ignore_ascii_case(name)),
        _ => false,
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn number(text: &str) -> Expr {
    Expr::Value(Value::Number(text.to_owned(), false).into())
}

fn string(text: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).into())
}

fn literal(expr: &Expr) -> Option<&String> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        Expr::Value(ValueWithSpan { value: Value::EscapedStringLiteral(text), .. }) => Some(text),
        _ => None,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Null, .. }))
}

fn not_literal(what: &str) -> Error {
    Error::unsupported(
        format!("{what} with a computed pattern"),
        "write the pattern as a literal, or use ~ with a regular expression",
    )
}

/// The escape character; `None` is no escape at all.
fn escape_of(written: Option<&ValueWithSpan>, what: &str) -> Result<Option<char>> {
    let Some(written) = written else { return Ok(Some('\\')) };
    let text = match &written.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text.as_str(),
        _ => return Err(Error::unsupported(format!("{what} with a computed ESCAPE"), "write it as a literal")),
    };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(Error::statement("22019", "an ESCAPE is one character, or empty for none")),
    }
}

fn ends_with_escape() -> Error {
    Error::statement("22025", "a pattern must not end with its escape character")
}

/// A LIKE pattern with the backslash as its escape.
fn escaped(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            out.push('\\');
            out.push(chars.next().ok_or_else(ends_with_escape)?);
        } else {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }
    Ok(out)
}

/// A SIMILAR TO pattern as a regular expression over the whole text.
fn similar(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            _ if Some(c) == escape => {
                let next = chars.next().ok_or_else(ends_with_escape)?;
                if next.is_ascii_punctuation() {
                    out.push('\\');
                }
                out.push(next);
            }
            '[' => {
                class = true;
                out.push('[');
            }
            ']' => {
                class = false;
                out.push(']');
            }
            '%' if !class => out.push_str(".*"),
            '_' if !class => out.push('.'),
            '.' | '^' | '$' if !class => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\\\"),
            other => out.push(other),
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// `(a, b) op (c, d)` by its columns.
fn rows(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Result<Expr> {
    if left.len() != right.len() || left.is_empty() {
        let message = format!("rows of {} and {} columns cannot be compared", left.len(), right.len());
        return Err(Error::statement("42601", message));
    }
    if left.iter().chain(right).any(|e| matches!(e, Expr::Tuple(_))) {
        return Err(Error::unsupported("comparing rows inside rows", "write all columns in one row"));
    }
    let each = |op: &BinaryOperator| {
        let pairs = left.iter().zip(right);
        pairs.map(|(l, r)| binary(nested(l.clone()), op.clone(), nested(r.clone()))).collect::<Vec<_>>()
    };
    let strict = match op {
        BinaryOperator::Eq => return Ok(joined(each(op), &BinaryOperator::And).unwrap_or_else(|| number("1"))),
        BinaryOperator::NotEq => return Ok(joined(each(op), &BinaryOperator::Or).unwrap_or_else(|| number("1"))),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        _ => BinaryOperator::Gt,
    };
    if left.len() > COMPARISONS / 2 {
        return Err(super::parse::too_deep());
    }
    let mut columns = left.iter().zip(right).rev();
    let pair = |(l, r): (&Expr, &Expr), op: BinaryOperator| binary(nested(l.clone()), op, nested(r.clone()));
    let mut whole = match columns.next() {
        Some(last) => pair(last, op.clone()),
        None => return Err(Error::internal("a row without columns")),
    };
    for column in columns {
        let rest = binary(pair(column, BinaryOperator::Eq), BinaryOperator::And, nested(whole));
        whole = binary(pair(column, strict.clone()), BinaryOperator::Or, nested(rest));
    }
    Ok(whole)
}

/// All of them, joined into a tree as flat as can be.
fn joined(mut all: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    while all.len() > 1 {
        let mut next = Vec::with_capacity(all.len().div_ceil(2));
        let mut rest = all.into_iter();
        while let Some(left) = rest.next() {
            next.push(match rest.next() {
                Some(right) => nested(binary(left, op.clone(), right)),
                None => left,
            });
        }
        all = next;
    }
    all.pop()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn forms_of_the_standard() {
        for (sql, want) in [
            ("SELECT 'abc' SIMILAR TO 'a(b|c)%'", "true"),
            ("SELECT 'abc' SIMILAR TO 'b'", "false"),
            ("SELECT 'a.c' NOT SIMILAR TO 'a.c'", "false"),
            ("SELECT 'abc' SIMILAR TO 'a.c'", "false"),
            ("SELECT 'a%c' SIMILAR TO 'a!%c' ESCAPE '!'", "true"),
            ("SELECT 'a%c' LIKE 'a!%c' ESCAPE '!'", "true"),
            ("SELECT 'abc' LIKE 'a!%c' ESCAPE '!'", "false"),
            ("SELECT 'a\\c' LIKE 'a\\c' ESCAPE ''", "true"),
            ("SELECT (1, NULL) = (1, 2)", ""),
            ("SELECT (1, NULL) = (2, 2)", "false"),
            ("SELECT (1, 2) < (1, 3)", "true"),
            ("SELECT (1, 2) >= (1, 2)", "true"),
            ("SELECT (2, NULL) > (1, 3)", "true"),
            ("SELECT (1, 2) NOT IN ((1, NULL), (3, 4))", ""),
            ("SELECT (1, 2) IN ((3, 4), (1, 2))", "true"),
            ("SELECT ~5", "-6"),
            ("SELECT mod(-7, 3)", "-1"),
            ("SELECT ceiling(2.1)", "3.0"),
            ("SELECT extract(second FROM TIMESTAMP '2024-01-01 13:14:15.5')", "15.500000"),
            ("SELECT date_part('second', TIMESTAMP '2024-01-01 13:14:15.5')", "15.5"),
            ("SELECT extract(milliseconds FROM TIMESTAMP '2024-01-01 13:14:15.5')", "15500.000"),
            ("SELECT to_date('06.05.2024', 'DD.MM.YYYY')", "2024-05-06"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
        for (sql, code) in [
            (
                "WITH a AS (SELECT 1 x), b AS (SELECT 1 FROM a, a c, a d, a e, a f, a g, a h, a i), c AS (SELECT 1 FROM b, b c, b d, b e, b f, b g, b h, b i), d AS (SELECT 1 FROM c, c d, c e, c f, c g, c h, c i, c j), e AS (SELECT 1 FROM d, d e, d f, d g, d h) SELECT 1 FROM e",
                "54001",
            ),
            ("SELECT count(*) FROM (VALUES (1)) t(a) GROUP BY CUBE(a,a,a,a,a,a,a,a,a,a,a,a,a)", "54001"),
            ("SELECT 'a' SIMILAR TO x FROM (VALUES ('a')) t(x)", "0A000"),
            ("SELECT 'a' LIKE 'a!' ESCAPE '!'", "22025"),
            ("SELECT 'a' LIKE 'a' ESCAPE 'ab'", "22019"),
            ("SELECT (1, 2) = (1, 2, 3)", "42601"),
            ("SELECT mod(5, 0)", "22012"),
        ] {
            assert_eq!(error(sql).await, code, "{sql}");
        }
    }
}
