//! Casts that the planner's own types cannot say, rewritten in the parsed statement: UUID, BYTEA, VARCHAR(n) and
//! PostgreSQL's longer spellings of types.
//!
//! Promises: a cast to UUID or BYTEA reads its text and refuses what is none; an explicit cast to VARCHAR(n) cuts, as
//! the standard has it.
//! Never: a column's declared type is touched, only expressions.

use std::collections::HashMap;
use std::ops::ControlFlow;

use firn_manifest::schema::ColumnType;
use sqlparser::ast::{
    CastKind, CharacterLength, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, Interval, ObjectName, Query, Select, Statement, TableFactor, TimezoneInfo, TypedString,
    UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::{forms, interval, standard, types};
use crate::error::{Error, Result};
use crate::state::rows::type_name;

/// How deep subqueries may nest in expressions: the planner's work doubles with each level.
const SUBQUERIES: usize = 10;

/// Rewrites a statement.
///
/// # Errors
/// 54001 for subqueries that nest too deep.
pub fn normalise(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Casts::default()) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Rewrites an expression.
///
/// # Errors
/// See [`normalise`].
pub fn normalise_expr(expr: &mut Expr) -> Result<()> {
    match expr.visit(&mut Casts::default()) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// A call of one of our functions with those arguments.
#[must_use]
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

#[derive(Default)]
struct Casts {
    subqueries: usize,
    /// the sizes of the WITH queries seen so far
    known: HashMap<String, usize>,
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
}

impl VisitorMut for Casts {
    type Break = Box<Error>;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Box<Error>> {
        if let Err(error) = standard::check_size(select) {
            return ControlFlow::Break(Box::new(error));
        }
        if let Err(error) = super::windows::settle(select).and_then(|()| super::rows_in::in_where(select)) {
            return ControlFlow::Break(Box::new(error));
        }
        if let Err(error) = super::merged::settle(select) {
            return ControlFlow::Break(Box::new(error));
        }
        super::tablefuncs::settle(select);
        standard::whole_group(select);
        super::exists::in_projection(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        self.subqueries += usize::from(is_subquery(expr));
        if self.subqueries > SUBQUERIES {
            ControlFlow::Break(Box::new(super::parse::too_deep()))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Box<Error>> {
        if let Err(error) = standard::check_order(query) {
            return ControlFlow::Break(Box::new(error));
        }
        super::ties::fetch(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Box<Error>> {
        match standard::check_with(query, &mut self.known) {
            Err(error) => ControlFlow::Break(Box::new(error)),
            Ok(()) => ControlFlow::Continue(()),
        }
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Box<Error>> {
        forms::table(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        self.subqueries -= usize::from(is_subquery(expr));
        if let Err(error) = standard::rewrite(expr).and_then(|()| super::rows_in::anywhere(expr)) {
            return ControlFlow::Break(Box::new(error));
        }
        match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                let take = |e: &mut Expr| std::mem::replace(e, Expr::Value(Value::Null.into()));
                *expr = call("timezone", vec![take(time_zone), take(timestamp)]);
            }
            // the planner would turn round the first unit only
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
                if let Expr::Interval(given) = inner.as_ref()
                    && let Some(value) = text_of(&given.value).and_then(|text| interval::parse(text).ok())
                    && let Ok(value) = interval::interval(
                        -i128::from(value.months),
                        -i128::from(value.days),
                        -i128::from(interval::micros(value)),
                    )
                {
                    *expr = Expr::Nested(Box::new(interval_literal(value)));
                }
            }
            Expr::Interval(given) => match read_interval(given) {
                Ok(Some(new)) => *expr = new,
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(Box::new(error)),
            },
            Expr::Function(function) => {
                super::ordered::settle(function);
                if let Some(new) = forms::function(function) {
                    *expr = new;
                }
            }
            Expr::CompoundFieldAccess { access_chain, .. } => forms::slice(access_chain),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr: inner,
                data_type,
                format: None,
                array: false,
            } => {
                if let Some(new) = cast(inner, data_type) {
                    *expr = new;
                }
            }
            Expr::TypedString(TypedString { data_type, value, .. }) => {
                let mut inner = Expr::Value(value.clone());
                if let Some(new) = cast(&mut inner, data_type) {
                    *expr = new;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The text of a string literal.
fn text_of(expr: &Expr) -> Option<&String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// An interval in words that the planner reads exactly.
fn interval_literal(value: arrow::datatypes::IntervalMonthDayNano) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(Expr::Value(Value::SingleQuotedString(interval::plain(value)).into())),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// The interval that a literal means, in the planner's words; `None` for what is no literal.
fn read_interval(given: &Interval) -> Result<Option<Expr>> {
    let Some(text) = text_of(&given.value) else { return Ok(None) };
    let bare = text.trim().trim_start_matches(['-', '+']);
    let number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let text = match &given.leading_field {
        Some(unit) if number && given.last_field.is_none() => format!("{} {unit}", text.trim()),
        _ => text.clone(),
    };
    match interval::parse(&text) {
        Ok(value) => Ok(Some(interval_literal(value))),
        Err(fault) => Err(Error::statement(fault.sqlstate, format!("{}: \"{text}\"", fault.what))
            .with_hint("write it as '1 day 02:03:04', '1 year 2 mons' or 'P1DT2H'")),
    }
}

/// The expression that stands for the cast, when the planner cannot say it; else the type is given its plain spelling.
fn cast(inner: &mut Expr, data_type: &mut DataType) -> Option<Expr> {
    let take = |e: &mut Expr| std::mem::replace(e, Expr::Value(Value::Null.into()));
    if let DataType::Char(length) | DataType::Character(length) = data_type {
        let length = match length {
            Some(CharacterLength::IntegerLength { length, .. }) => *length,
            _ => 1,
        };
        let text = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(take(inner)),
            data_type: DataType::Text,
            array: false,
            format: None,
        };
        return Some(call("left", vec![text, Expr::Value(Value::Number(length.to_string(), false).into())]));
    }
    let ty = types::column_type(data_type).ok()?;
    match ty {
        ColumnType::Uuid => Some(call("firn_uuid", vec![take(inner)])),
        ColumnType::Bytea => Some(call("firn_bytea", vec![take(inner)])),
        ColumnType::Time => Some(call("firn_time", vec![take(inner)])),
        ColumnType::Json => Some(call("firn_json", vec![take(inner)])),
        ColumnType::Jsonb => Some(call("firn_jsonb", vec![take(inner)])),
        ColumnType::Interval => match text_of(inner).and_then(|text| interval::parse(text).ok()) {
            Some(value) => Some(interval_literal(value)),
            None => Some(call("firn_interval", vec![take(inner)])),
        },
        ColumnType::Array { .. } => {
            let name = Value::SingleQuotedString(type_name(ty));
            Some(call("firn_array", vec![take(inner), Expr::Value(name.into())]))
        }
        ColumnType::Varchar { length } => {
            let text = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(take(inner)),
                data_type: DataType::Text,
                array: false,
                format: None,
            };
            let length = Expr::Value(Value::Number(length.to_string(), false).into());
            Some(call("left", vec![text, length]))
        }
        ColumnType::Text => {
            *data_type = DataType::Text;
            None
        }
        ColumnType::Timestamp => {
            *data_type = DataType::Timestamp(Some(6), TimezoneInfo::None);
            None
        }
        ColumnType::Timestamptz => {
            *data_type = DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone);
            None
        }
        ColumnType::Double => {
            *data_type = DataType::DoublePrecision;
            None
        }
        ColumnType::Real => {
            *data_type = DataType::Real;
            None
        }
        ColumnType::Decimal { precision, scale } => {
            *data_type =
                DataType::Numeric(sqlparser::ast::ExactNumberInfo::PrecisionAndScale(precision.into(), scale.into()));
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::parse::parse;

    #[test]
    fn casts_become_calls() {
        for (sql, want) in [
            ("SELECT x::uuid", "SELECT firn_uuid(x)"),
            (
                "SELECT UUID '00000000-0000-0000-0000-000000000000'",
                "SELECT firn_uuid('00000000-0000-0000-0000-000000000000')",
            ),
            ("SELECT CAST('\\x00' AS bytea)", "SELECT firn_bytea('\\x00')"),
            ("SELECT x::varchar(3)", "SELECT left(CAST(x AS TEXT), 3)"),
            ("SELECT x::timestamptz", "SELECT x::TIMESTAMP(6) WITH TIME ZONE"),
            ("SELECT x::int", "SELECT x::INT"),
        ] {
            assert_eq!(parse(sql).unwrap()[0].ast.to_string(), want);
        }
    }
}
