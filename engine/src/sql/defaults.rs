//! DEFAULT expressions: checked when they are declared, evaluated when a row lacks the column.
//!
//! Promises: a declared default is known to evaluate and to assign to its column. A statement evaluates it once for all
//! its rows, except volatile functions (`random()`, `gen_random_uuid()`), which are drawn for each row.
//! Never: a default sees a column, a table or a parameter.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use firn_manifest::schema::Column;
use firn_segment::types::storage_type;
use sqlparser::ast::{Expr, Value, Visit, Visitor};

use super::assign::{Rows, assign};
use super::cells::{self, Cell};
use super::query::Query;
use super::{codes, errors, eval, parse};
use crate::error::{Error, Result};

/// Refuses an expression that cannot be a default: it refers to columns, queries, parameters or windows.
///
/// # Errors
/// 0A000, 42P02.
pub(super) fn check_form(expr: &Expr) -> Result<()> {
    struct Check;
    impl Visitor for Check {
        type Break = Error;

        fn pre_visit_query(&mut self, _: &sqlparser::ast::Query) -> ControlFlow<Error> {
            ControlFlow::Break(Error::unsupported(
                "a subquery in DEFAULT",
                "use a constant or a function, or compute the value in INSERT",
            ))
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(Error::unsupported(
                    format!("a column reference in DEFAULT ({expr})"),
                    "use a constant or a function, or compute the value in INSERT",
                )),
                Expr::Value(v) if matches!(v.value, Value::Placeholder(_)) => ControlFlow::Break(
                    Error::statement(codes::UNDEFINED_PARAMETER, format!("a DEFAULT cannot hold the parameter {v}"))
                        .with_hint("write the value itself"),
                ),
                Expr::Function(f) if f.over.is_some() => ControlFlow::Break(Error::unsupported(
                    "a window function in DEFAULT",
                    "compute the value in INSERT",
                )),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut Check) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Checks a declared default and gives the value it has now, one row in stored type.
///
/// # Errors
/// As [`check_form`], and whatever evaluating and assigning it says.
pub(super) async fn check(expr: &Expr, column: &Column, q: &Query) -> Result<ArrayRef> {
    check_form(expr)?;
    evaluate(expr, column, 1, q).await
}

/// Whether the expression gives another value each time.
///
/// # Errors
/// What the query layer says of it.
pub(super) fn volatile(expr: &Expr, column: &Column, q: &Query) -> Result<bool> {
    if !matches!(cells::cell(expr, column.ty, &[])?, Cell::Expr(_)) {
        return Ok(false);
    }
    Ok(is_volatile(&q.physical_expr(expr, &DFSchema::empty())?))
}

/// The default of a column for `rows` rows, in stored type; NULLs when it has none.
///
/// # Errors
/// What evaluating it says.
pub(super) async fn values(column: &Column, rows: usize, q: &Query) -> Result<ArrayRef> {
    match &column.default {
        None => Ok(new_null_array(&storage_type(column.ty), rows)),
        Some(text) => evaluate(&parse::parse_expr(text)?, column, rows, q).await,
    }
}

async fn evaluate(expr: &Expr, column: &Column, rows: usize, q: &Query) -> Result<ArrayRef> {
    match cells::cell(expr, column.ty, &[])? {
        Cell::Expr(_) | Cell::Default => {}
        literal => return repeat(&cells::build(&[literal], column, None)?, rows),
    }
    let schema = Arc::new(Schema::new(vec![Field::new("firn_row", DataType::Boolean, false)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(BooleanArray::from(vec![true; rows]))])
        .map_err(|e| Error::internal(format!("rows for a DEFAULT: {e}")))?;
    let query = eval::select("firn_rows", vec![eval::named(expr.clone(), "firn_v0")], None)?;
    let (schema, batches) = q.with_batch("firn_rows", batch).collect(query).await?;
    assign(&eval::column(&batches, 0, &schema)?, column, Rows::From(0))
}

/// One value for each of `rows` rows.
pub(super) fn repeat(one: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    if rows == 1 {
        return Ok(one.clone());
    }
    ScalarValue::try_from_array(one, 0).and_then(|v| v.to_array_of_size(rows)).map_err(|e| errors::from_datafusion(&e))
}
