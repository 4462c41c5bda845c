//! The one row an UPDATE or DELETE names by its whole key, found without a plan.
//!
//! Promises: it finds what the planned way would find and evaluates what that would evaluate; whatever is not plainly
//! `key = value` for every key column, or sets more than arithmetic over the row's own columns, is left to a plan.
//! Never: a value is bent to fit a key column: one that is not exactly of its type leaves the statement to a plan.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use firn_manifest::schema::{Column, ColumnType};
use firn_segment::key::encode_keys;
use sqlparser::ast::{BinaryOperator, Expr, Ident, SelectItem, UnaryOperator, Value};

use super::cells::{Cell, cell};
use super::located::{Located, Subject};
use super::query::Query;
use super::write::folded;
use crate::commit::Delete;
use crate::error::{Error, Result};
use crate::state::sql_schema;

/// The row that `selection` names; `None` when a plan must find out. A transaction remembers what its plans read, so
/// inside one there is always a plan.
///
/// # Errors
/// 42P02; what the expressions say; of reading the row.
pub(super) async fn locate(
    subject: &Subject,
    extra: &[SelectItem],
    selection: Option<&Expr>,
    q: &Query,
) -> Result<Option<Located>> {
    let table = &subject.table;
    let plain = extra.iter().all(|item| matches!(item, SelectItem::ExprWithAlias { expr, .. } if arithmetic(expr)));
    let (Some(selection), true, false) = (selection, plain, q.records_reads()) else { return Ok(None) };
    let Some(columns) = key_values(subject, selection, q)? else { return Ok(None) };
    let types: Vec<ColumnType> = table.key_columns().map(|c| c.ty).collect();
    let Ok(mut keys) = encode_keys(&columns, &types) else { return Ok(None) };
    let found = match q.snapshot().locate(table, &keys).await?.pop().flatten() {
        Some(found) => found,
        None if extra.is_empty() => {
            let rows = RecordBatch::new_empty(sql_schema(table, true));
            return Ok(Some(Located { deletes: vec![], rows, extra: vec![] }));
        }
        None => return Ok(None),
    };
    let rows = q.snapshot().fetch(table, &[found]).await?;
    // what fails here fails in a plan too, which words it for the whole statement
    let Ok(extra) = evaluate(subject, extra, &rows, q) else { return Ok(None) };
    let key = keys.pop().ok_or_else(|| Error::internal("a key was lost"))?;
    Ok(Some(Located { deletes: vec![Delete { key, found }], rows, extra }))
}

/// The value of each key column, in stored types, when the condition is `key = value AND …` over all of them and
/// nothing else.
fn key_values(subject: &Subject, selection: &Expr, q: &Query) -> Result<Option<Vec<ArrayRef>>> {
    let table = &subject.table;
    let mut conjuncts = Vec::new();
    if table.row_id().is_some() || !split(selection, &mut conjuncts) || conjuncts.len() != table.key.len() {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(conjuncts.len());
    for column in table.key_columns() {
        let mut value = None;
        for (left, right) in &conjuncts {
            if names(left, column, subject) {
                value = stored(right, column.ty, q)?;
            } else if names(right, column, subject) {
                value = stored(left, column.ty, q)?;
            }
        }
        match value {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    Ok(Some(values))
}

/// Takes `a = b AND c = d` apart; false when it is anything else.
fn split<'a>(expr: &'a Expr, pairs: &mut Vec<(&'a Expr, &'a Expr)>) -> bool {
    match expr {
        Expr::Nested(inner) => split(inner, pairs),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => split(left, pairs) && split(right, pairs),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            pairs.push((left, right));
            true
        }
        _ => false,
    }
}

/// Whether the expression is the column's name and nothing else.
fn names(expr: &Expr, column: &Column, subject: &Subject) -> bool {
    let is = |ident: &Ident, name: &str| folded(ident).value == name;
    match expr {
        Expr::Identifier(ident) => is(ident, &column.name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, ident] => is(table, &subject.alias) && is(ident, &column.name),
            _ => false,
        },
        _ => false,
    }
}

/// The value as one stored row of the key column, when it is exactly one of its type.
fn stored(expr: &Expr, ty: ColumnType, q: &Query) -> Result<Option<ArrayRef>> {
    if !matches!(expr, Expr::Value(_) | Expr::UnaryOp { .. }) {
        return Ok(None);
    }
    let value = cell(expr, ty, q.params())?;
    let number = match &value {
        Cell::Number(digits) => digits.parse::<i64>().ok(),
        Cell::Value(ScalarValue::Int64(Some(n))) => Some(*n),
        Cell::Value(ScalarValue::Int32(Some(n))) => Some(i64::from(*n)),
        Cell::Value(ScalarValue::Int16(Some(n))) => Some(i64::from(*n)),
        _ => None,
    };
    let text = match &value {
        Cell::Text(text)
        | Cell::Value(
            ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)),
        ) => Some(text),
        _ => None,
    };
    Ok(match ty {
        ColumnType::BigInt => number.map(|n| Arc::new(Int64Array::from(vec![n])) as ArrayRef),
        ColumnType::Integer => {
            number.and_then(|n| i32::try_from(n).ok()).map(|n| Arc::new(Int32Array::from(vec![n])) as ArrayRef)
        }
        ColumnType::SmallInt => {
            number.and_then(|n| i16::try_from(n).ok()).map(|n| Arc::new(Int16Array::from(vec![n])) as ArrayRef)
        }
        ColumnType::Text | ColumnType::Varchar { .. } => {
            text.map(|text| Arc::new(StringArray::from(vec![text.as_str()])) as ArrayRef)
        }
        _ => None,
    })
}

/// Whether an expression is arithmetic over columns and values: what evaluates the same with and without a plan.
fn arithmetic(expr: &Expr) -> bool {
    use BinaryOperator as B;
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Value(value) => matches!(value.value, Value::Number(..) | Value::Placeholder(_)),
        Expr::Nested(inner) => arithmetic(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => arithmetic(expr),
        Expr::BinaryOp { left, op: B::Plus | B::Minus | B::Multiply, right } => arithmetic(left) && arithmetic(right),
        _ => false,
    }
}

/// The values of the extra expressions over the row.
fn evaluate(subject: &Subject, extra: &[SelectItem], rows: &RecordBatch, q: &Query) -> Result<Vec<ArrayRef>> {
    if extra.is_empty() {
        return Ok(vec![]);
    }
    let alias = TableReference::bare(subject.alias.as_str());
    let schema = DFSchema::try_from_qualified_schema(alias, rows.schema_ref()).map_err(Error::from)?;
    let mut arrays = Vec::with_capacity(extra.len());
    for item in extra {
        let SelectItem::ExprWithAlias { expr, .. } = item else {
            return Err(Error::internal("a value without a name"));
        };
        let value = q.physical_expr(expr, &schema)?.evaluate(rows).map_err(Error::from)?;
        arrays.push(value.into_array(rows.num_rows()).map_err(Error::from)?);
    }
    Ok(arrays)
}
