//! Rows before they are written: generated values, NOT NULL, CHECK.
//!
//! Promises: what comes out is complete, in stored types, and satisfies everything that a row alone can satisfy, in
//! PostgreSQL's order: generated columns, NOT NULL, CHECK by name.
//! Never: RETURNING sees a row that was not through here.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use firn_manifest::schema::{Column, Generated, TableSchema};
use firn_segment::types::{storage_schema, storage_type};

use super::{expression, identity};
use crate::error::{Error, Result, sqlstate};
use crate::sql::assign::{Rows, assign};
use crate::sql::query::Query;
use crate::sql::text::value_text;
use crate::sql::write::{MAX_STATEMENT_BYTES, bytes_of, check_size};
use crate::sql::{codes, defaults};

/// The most characters of one value that a message shows (PostgreSQL's bound).
const SHOWN: usize = 64;

/// Whole rows: stored generated columns computed, then checked.
///
/// # Errors
/// 23502, 23514, 54000, and what the expressions say.
pub fn finish(table: &TableSchema, mut arrays: Vec<ArrayRef>, rows: usize, q: &Query) -> Result<RecordBatch> {
    compute(table, &mut arrays, rows, q)?;
    for (column, array) in table.columns.iter().zip(&arrays) {
        check_nulls(table, column, array, &arrays)?;
    }
    check(table, &arrays, rows, q)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(storage_schema(table), arrays, &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" do not fit its schema: {e}", table.name)))?;
    check_size(bytes_of(&batch), MAX_STATEMENT_BYTES, "writes")?;
    Ok(batch)
}

/// What a column gets when the statement gives nothing, or DEFAULT.
///
/// # Errors
/// What evaluating a default says; 2200H when an identity column has run out.
pub async fn unset(table: &TableSchema, column: &Column, rows: usize, q: &Query) -> Result<ArrayRef> {
    match &column.generated {
        None => defaults::values(column, rows, q).await,
        Some(Generated::Identity { .. }) => identity::draw(table, column, rows, q),
        Some(Generated::Stored { .. }) => Ok(new_null_array(&storage_type(column.ty), rows)),
    }
}

fn compute(table: &TableSchema, arrays: &mut [ArrayRef], rows: usize, q: &Query) -> Result<()> {
    let stored = |c: &Column| matches!(c.generated, Some(Generated::Stored { .. }));
    if !table.columns.iter().any(stored) {
        return Ok(());
    }
    let batch = expression::row_batch(table, arrays, rows)?;
    for (column, slot) in table.columns.iter().zip(arrays) {
        if let Some(Generated::Stored { expression }) = &column.generated {
            *slot = assign(&expression::run(expression, table, &batch, q)?, column, Rows::From(0))?;
        }
    }
    Ok(())
}

fn check(table: &TableSchema, arrays: &[ArrayRef], rows: usize, q: &Query) -> Result<()> {
    if table.checks.is_empty() || rows == 0 {
        return Ok(());
    }
    let batch = expression::row_batch(table, arrays, rows)?;
    let mut checks: Vec<_> = table.checks.iter().collect();
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    for check in checks {
        if let Some(row) = first_false(&expression::run(&check.expression, table, &batch, q)?) {
            let message =
                format!("new row for relation \"{}\" violates check constraint \"{}\"", table.name, check.name);
            return Err(Error::statement(codes::CHECK_VIOLATION, message)
                .with_detail(format!("Failing row contains {}.", shown_row(table, arrays, row)))
                .with_hint(format!("the constraint is CHECK ({})", check.expression)));
        }
    }
    Ok(())
}

/// The first row that is FALSE.
pub fn first_false(mask: &ArrayRef) -> Option<usize> {
    let mask = mask.as_boolean_opt()?;
    (0..mask.len()).find(|i| mask.is_valid(*i) && !mask.value(*i))
}

/// A row as PostgreSQL shows it: `(1, abc, null)`.
pub fn shown_row(table: &TableSchema, arrays: &[ArrayRef], row: usize) -> String {
    let visible = table.columns.iter().zip(arrays).filter(|(c, _)| !c.hidden);
    let texts: Vec<String> = visible.map(|(_, array)| shown_value(array, row)).collect();
    format!("({})", texts.join(", "))
}

/// A value as a message shows it.
pub fn shown_value(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    let text = value_text(array.as_ref(), row);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

fn check_nulls(table: &TableSchema, column: &Column, array: &ArrayRef, arrays: &[ArrayRef]) -> Result<()> {
    let required = !column.nullable || table.key.contains(&column.id);
    if !required || array.null_count() == 0 {
        return Ok(());
    }
    let row = (0..array.len()).find(|i| array.is_null(*i)).unwrap_or_default();
    Err(Error::statement(
        sqlstate::NOT_NULL_VIOLATION,
        format!(
            "null value in column \"{}\" of relation \"{}\" violates its NOT NULL constraint",
            column.name, table.name
        ),
    )
    .with_detail(format!("row {}: failing row contains {}", row + 1, shown_row(table, arrays, row))))
}
