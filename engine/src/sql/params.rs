//! Parameters: `$1`, `$2`, … replaced by their values in the parsed statement.
//!
//! Numbers that only floating point can hold are marked as such on the way.
//!
//! Promises: a parameter is a value wherever it stands and never becomes SQL; text without a type takes the type of its
//! place, as a literal would.
//! Never: a statement with a parameter that was not given is run.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use sqlparser::ast::{CastKind, DataType as SqlType, Expr, Statement, TimezoneInfo, Value, VisitMut, VisitorMut};

use super::casts::call;
use super::datetime::{format_date, format_timestamp};
use crate::error::{Error, Result};

/// The parameter of that name (`$1`).
///
/// # Errors
/// 42P02 when it was not given.
pub fn find<'a>(name: &str, params: &'a [ScalarValue]) -> Result<&'a ScalarValue> {
    let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
    let value = number.and_then(|n| params.get(n - 1));
    value.ok_or_else(|| {
        let error = Error::statement("42P02", format!("there is no parameter {name}"));
        match number {
            Some(_) => error.with_hint(format!("{} were given; give a value for each of $1, $2, …", params.len())),
            None => error.with_hint("parameters are written $1, $2, …"),
        }
    })
}

/// Puts the values in place in a statement.
///
/// # Errors
/// 42P02; 0A000 for a value of a type that SQL here does not have.
pub fn place(statement: &mut Statement, params: &[ScalarValue]) -> Result<()> {
    finish(statement.visit(&mut Placer { params }))
}

/// Puts the values in place in an expression.
///
/// # Errors
/// See [`place`].
pub fn place_expr(expr: &mut Expr, params: &[ScalarValue]) -> Result<()> {
    finish(expr.visit(&mut Placer { params }))
}

fn finish(flow: ControlFlow<Box<Error>>) -> Result<()> {
    match flow {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Placer<'a> {
    params: &'a [ScalarValue],
}

impl VisitorMut for Placer<'_> {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let start = value.span.start;
        let name = match &value.value {
            Value::Placeholder(name) => name,
            Value::Number(digits, _) => {
                if beyond_decimal(digits) {
                    *expr = cast(digits.to_string(), SqlType::DoublePrecision);
                }
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        match find(name, self.params).and_then(literal) {
            Ok(new) => *expr = new,
            Err(error) => return ControlFlow::Break(Box::new(error.at(start.line, start.column))),
        }
        ControlFlow::Continue(())
    }
}

/// Whether a number is written with an exponent that no decimal type holds: such a one is a DOUBLE PRECISION.
fn beyond_decimal(digits: &str) -> bool {
    let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) else { return false };
    let exponent = exponent.trim_start_matches(['+', '-']).parse::<usize>().unwrap_or(usize::MAX);
    exponent.saturating_add(mantissa.len()) > 38
}

fn cast(text: String, data_type: SqlType) -> Expr {
    let expr = Box::new(Expr::Value(Value::SingleQuotedString(text).into()));
    Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None }
}

fn number(text: String) -> Expr {
    Expr::Value(Value::Number(text, false).into())
}

/// The expression that stands for a value.
///
/// # Errors
/// 0A000 for a type that SQL here does not have.
pub fn literal(value: &ScalarValue) -> Result<Expr> {
    if value.is_null() {
        return Ok(Expr::Value(Value::Null.into()));
    }
    let zone =
        |tz: &Option<std::sync::Arc<str>>| if tz.is_some() { TimezoneInfo::WithTimeZone } else { TimezoneInfo::None };
    let stamp = |micros: i64, tz: &Option<std::sync::Arc<str>>| {
        let text = format_timestamp(micros, if tz.is_some() { "+00" } else { "" });
        cast(text, SqlType::Timestamp(Some(6), zone(tz)))
    };
    Ok(match value {
        ScalarValue::Boolean(Some(b)) => Expr::Value(Value::Boolean(*b).into()),
        ScalarValue::Utf8(Some(s)) | ScalarValue::LargeUtf8(Some(s)) | ScalarValue::Utf8View(Some(s)) => {
            Expr::Value(Value::SingleQuotedString(s.clone()).into())
        }
        ScalarValue::Binary(Some(b)) | ScalarValue::LargeBinary(Some(b)) | ScalarValue::BinaryView(Some(b)) => {
            let text = Expr::Value(Value::SingleQuotedString(format!("\\x{}", hex::encode(b))).into());
            call("firn_bytea", vec![text])
        }
        ScalarValue::Float32(Some(v)) => cast(v.to_string(), SqlType::Real),
        ScalarValue::Float64(Some(v)) => cast(v.to_string(), SqlType::DoublePrecision),
        ScalarValue::Date32(Some(days)) => cast(format_date(*days), SqlType::Date),
        ScalarValue::TimestampMicrosecond(Some(v), tz) => stamp(*v, tz),
        ScalarValue::TimestampNanosecond(Some(v), tz) => stamp(v.div_euclid(1_000), tz),
        ScalarValue::TimestampMillisecond(Some(v), tz) => stamp(v.saturating_mul(1_000), tz),
        ScalarValue::TimestampSecond(Some(v), tz) => stamp(v.saturating_mul(1_000_000), tz),
        other if other.data_type().is_integer() || matches!(other.data_type(), DataType::Decimal128(..)) => {
            let text = arrow::util::display::array_value_to_string(&other.to_array()?, 0)
                .map_err(|e| super::errors::from_arrow(&e))?;
            // in brackets: a minus sign is an operator, and operators bind in their own order
            Expr::Nested(Box::new(match text.strip_prefix('-') {
                Some(rest) => {
                    Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr: Box::new(number(rest.to_owned())) }
                }
                None => return Ok(number(text)),
            }))
        }
        other => {
            return Err(Error::unsupported(
                format!("a parameter of type {}", other.data_type()),
                "send it as text and cast it in the statement",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::sql::parse::parse;

    fn placed(sql: &str, params: &[ScalarValue]) -> Result<String> {
        let mut ast = parse(sql).unwrap().remove(0).ast;
        place(&mut ast, params)?;
        Ok(ast.to_string())
    }

    #[test]
    fn values_take_their_places() {
        let params = [
            ScalarValue::from("it's; DROP TABLE t --"),
            ScalarValue::from(-5i64),
            ScalarValue::Boolean(None),
            ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into())),
            ScalarValue::Binary(Some(vec![0xde, 0xad])),
        ];
        assert_eq!(placed("SELECT $1", &params).unwrap(), "SELECT 'it''s; DROP TABLE t --'");
        assert_eq!(placed("SELECT 1 - $2", &params).unwrap(), "SELECT 1 - (-5)");
        assert_eq!(placed("SELECT $3 LIMIT $2", &params).unwrap(), "SELECT NULL LIMIT (-5)");
        assert_eq!(
            placed("SELECT $4", &params).unwrap(),
            "SELECT CAST('1970-01-01 00:00:00+00' AS TIMESTAMP(6) WITH TIME ZONE)"
        );
        assert_eq!(placed("SELECT $5", &params).unwrap(), "SELECT firn_bytea('\\xdead')");
        assert_eq!(placed("SELECT $6", &params).unwrap_err().sqlstate, "42P02");
        assert_eq!(placed("SELECT $name", &params).unwrap_err().at, Some((1, 8)));
    }
}
