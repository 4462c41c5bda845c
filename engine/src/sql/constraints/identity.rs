//! Identity columns: numbers drawn for rows, and who may give values of his own.
//!
//! Promises: a number is drawn once in a writer's life; after a reopen the next one lies beyond every committed one.
//! Gaps are allowed: a statement that failed, or a transaction that rolled back, keeps its numbers. TRUNCATE … RESTART
//! IDENTITY begins them again.
//! Never: a GENERATED ALWAYS column takes a value that the statement gave, unless it says OVERRIDING SYSTEM VALUE.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::compute::cast;
use firn_manifest::schema::{Column, ColumnType, Generated, TableSchema};
use firn_segment::types::storage_type;
use sqlparser::ast::{Expr, SequenceOptions, UnaryOperator, Value};

use crate::error::{Error, Result};
use crate::sql::codes;
use crate::sql::query::Query;
use crate::state::counters::restarts;

/// The bounds of an integer type.
#[must_use]
pub fn bounds(ty: ColumnType) -> Option<(i64, i64)> {
    match ty {
        ColumnType::SmallInt => Some((i16::MIN.into(), i16::MAX.into())),
        ColumnType::Integer => Some((i32::MIN.into(), i32::MAX.into())),
        ColumnType::BigInt => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// The next numbers of an identity column, in stored type.
///
/// # Errors
/// 2200H when they have run out.
pub fn draw(table: &TableSchema, column: &Column, rows: usize, q: &Query) -> Result<ArrayRef> {
    let Some(Generated::Identity { start, increment, .. }) = column.generated else {
        return Err(Error::internal(format!("column \"{}\" draws no numbers", column.name)));
    };
    let (low, high) = bounds(column.ty).unwrap_or((i64::MIN, i64::MAX));
    let of = (table.id, column.id, restarts(column));
    let Some(numbers) = q.snapshot().counters().draw(of, rows, (start, increment), (low, high)) else {
        let message =
            format!("the numbers of identity column \"{}\" of table \"{}\" have run out", column.name, table.name);
        return Err(Error::statement(codes::SEQUENCE_LIMIT, message)
            .with_hint("give the column a wider type: ALTER TABLE … ALTER COLUMN … TYPE BIGINT"));
    };
    let wide: ArrayRef = Arc::new(Int64Array::from(numbers));
    cast(&wide, &storage_type(column.ty)).map_err(|e| Error::internal(format!("identity numbers: {e}")))
}

/// Row ids for rows of a table without a key.
///
/// # Errors
/// When they have run out.
pub fn row_ids(table: &TableSchema, column: &Column, rows: usize, q: &Query) -> Result<Vec<i64>> {
    let drawn = q.snapshot().counters().draw((table.id, column.id, 0), rows, (1, 1), (1, i64::MAX));
    drawn.ok_or_else(|| Error::internal(format!("the row ids of table \"{}\" have run out", table.name)))
}

/// Refuses a given value for a column that makes its own.
///
/// # Errors
/// 428C9.
pub fn refuse_given(column: &Column, overriding: bool) -> Result<()> {
    let (detail, hint) = match &column.generated {
        Some(Generated::Stored { .. }) => {
            (format!("column \"{}\" is a generated column", column.name), "leave the column away, or give DEFAULT")
        }
        Some(Generated::Identity { always: true, .. }) if !overriding => (
            format!("column \"{}\" is an identity column defined as GENERATED ALWAYS", column.name),
            "use OVERRIDING SYSTEM VALUE to override",
        ),
        _ => return Ok(()),
    };
    let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
    Err(Error::statement(codes::GENERATED_ALWAYS, message).with_detail(detail).with_hint(hint))
}

/// Refuses a SET of a column that makes its own values.
///
/// # Errors
/// 428C9.
pub fn refuse_set(column: &Column) -> Result<()> {
    let detail = match &column.generated {
        Some(Generated::Stored { .. }) => "is a generated column",
        Some(Generated::Identity { always: true, .. }) => "is an identity column defined as GENERATED ALWAYS",
        _ => return Ok(()),
    };
    let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
    Err(Error::statement(codes::GENERATED_ALWAYS, message).with_detail(format!("column \"{}\" {detail}", column.name)))
}

/// What `(START … INCREMENT …)` says: start and increment.
///
/// # Errors
/// 0A000, 22023.
pub fn steps(options: &[SequenceOptions], ty: ColumnType) -> Result<(i64, i64)> {
    let (mut start, mut increment) = (None, 1);
    for option in options {
        match option {
            SequenceOptions::StartWith(expr, _) => start = Some(number(expr)?),
            SequenceOptions::IncrementBy(expr, _) => increment = number(expr)?,
            SequenceOptions::MinValue(None)
            | SequenceOptions::MaxValue(None)
            | SequenceOptions::Cache(_)
            | SequenceOptions::Cycle(true) => {}
            other => {
                return Err(Error::unsupported(
                    format!("the sequence option{other}"),
                    "use START WITH and INCREMENT BY; the type bounds the numbers",
                ));
            }
        }
    }
    if increment == 0 {
        return Err(Error::statement(crate::error::sqlstate::INVALID_PARAMETER_VALUE, "INCREMENT must not be zero"));
    }
    let start = start.unwrap_or(if increment > 0 { 1 } else { -1 });
    match bounds(ty) {
        Some((low, high)) if (low..=high).contains(&start) => Ok((start, increment)),
        _ => Err(Error::statement(
            crate::error::sqlstate::INVALID_PARAMETER_VALUE,
            format!("START value ({start}) does not fit the column's type"),
        )),
    }
}

fn number(expr: &Expr) -> Result<i64> {
    let value = match expr {
        Expr::Value(v) => match &v.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr)?.checked_neg(),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => Some(number(expr)?),
        _ => None,
    };
    value.ok_or_else(|| {
        Error::statement(codes::SYNTAX_ERROR, format!("\"{expr}\" is no whole number"))
            .with_hint("write START WITH 1 INCREMENT BY 1")
    })
}
