//! The rows an UPDATE or DELETE names by their whole keys, found without a plan.
//!
//! Promises: it finds what the planned way would find and evaluates what that would evaluate; whatever is not plainly
//! `key = value` for every key column or `key IN (values)`, or sets more than arithmetic over the row's own columns, is
//! left to a plan.
//! Never: a value is bent to fit a key column: one that is not exactly of its type leaves the statement to a plan.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use firn_manifest::schema::{Column, ColumnType};
use firn_segment::key::encode_keys;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use sqlparser::ast::{BinaryOperator, Expr, Ident, SelectItem, UnaryOperator, Value};

use super::cells::{Cell, cell};
use super::located::{Located, Subject};
use super::query::Query;
use super::write::{MAX_TOUCHED_BYTES, bytes_of, check_size, folded};
use crate::commit::Delete;
use crate::error::{Error, Result};
use crate::state::{Found, sql_schema};

/// Rows read at once, after which their size is checked.
const FETCH_ROWS: usize = 1024;

/// The rows that `selection` names; `None` when a plan must find out. A transaction remembers what its plans read, so
/// inside one there is always a plan.
///
/// # Errors
/// 42P02; what the expressions say; of reading the rows; 54000 when they are beyond what one statement may touch.
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
    keys.sort_unstable();
    keys.dedup();
    let places = q.snapshot().locate(table, &keys).await?;
    let mut deletes: Vec<Delete> =
        keys.into_iter().zip(places).filter_map(|(key, found)| Some(Delete { key, found: found? })).collect();
    // as a scan would come to them
    deletes.sort_unstable_by_key(|delete| delete.found.loc);
    if deletes.is_empty() && !extra.is_empty() {
        return Ok(None);
    }
    let rows = fetch(subject, &deletes, q).await?;
    // what fails here fails in a plan too, which words it for the whole statement
    let Ok(extra) = evaluate(subject, extra, &rows, q) else { return Ok(None) };
    Ok(Some(Located { deletes, rows, extra }))
}

/// The rows in full, some at a time, read by as many tasks as a scan has streams.
async fn fetch(subject: &Subject, deletes: &[Delete], q: &Query) -> Result<RecordBatch> {
    let streams = q.snapshot().store().world().streams().max(1);
    let mut pieces: Vec<BoxFuture<'static, Result<RecordBatch>>> = Vec::new();
    for some in deletes.chunks(FETCH_ROWS) {
        let (snapshot, table) = (q.snapshot().clone(), subject.table.clone());
        let found: Vec<Found> = some.iter().map(|delete| delete.found).collect();
        let piece = async move { snapshot.fetch(&table, &found).await };
        pieces.push(if streams == 1 || deletes.len() <= FETCH_ROWS {
            piece.boxed()
        } else {
            let joined = async move { SpawnedTask::spawn(piece).join().await };
            joined.map(|done| done.map_err(|e| Error::internal(format!("reading rows was cut off: {e}")))?).boxed()
        });
    }
    let mut pieces = stream::iter(pieces).buffered(streams);
    let (mut parts, mut bytes) = (Vec::new(), 0);
    while let Some(part) = pieces.try_next().await? {
        bytes += bytes_of(&part);
        check_size(bytes, MAX_TOUCHED_BYTES, "touches")?;
        parts.push(part);
    }
    let rows = concat_batches(&sql_schema(&subject.table, true), &parts);
    rows.map_err(|e| Error::internal(format!("rows that were found: {e}")))
}

/// The values of each key column, in stored types, when the condition is `key = value AND …` over all of them, or
/// `key IN (values)` where one column is the key, and nothing else.
fn key_values(subject: &Subject, selection: &Expr, q: &Query) -> Result<Option<Vec<ArrayRef>>> {
    let table = &subject.table;
    if table.row_id().is_some() {
        return Ok(None);
    }
    if let Some(list) = listed(subject, selection) {
        let [column] = table.key.as_slice() else { return Ok(None) };
        let Some(ty) = table.columns.iter().find(|c| c.id == *column).map(|c| c.ty) else { return Ok(None) };
        return Ok(stored(list, ty, q)?.map(|values| vec![values]));
    }
    let mut conjuncts = Vec::new();
    if !split(selection, &mut conjuncts) || conjuncts.len() != table.key.len() {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(conjuncts.len());
    for column in table.key_columns() {
        let mut value = None;
        for (left, right) in &conjuncts {
            if names(left, column, subject) {
                value = stored(std::slice::from_ref(*right), column.ty, q)?;
            } else if names(right, column, subject) {
                value = stored(std::slice::from_ref(*left), column.ty, q)?;
            }
        }
        match value {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    Ok(Some(values))
}

/// The list of `key IN (list)`.
fn listed<'a>(subject: &Subject, selection: &'a Expr) -> Option<&'a [Expr]> {
    match selection {
        Expr::Nested(inner) => listed(subject, inner),
        Expr::InList { expr, list, negated: false } if !list.is_empty() => {
            let mut key = subject.table.key_columns();
            let (Some(column), None) = (key.next(), key.next()) else { return None };
            names(expr, column, subject).then_some(list)
        }
        _ => None,
    }
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

/// The values as stored rows of the key column, when each is exactly one of its type.
fn stored(list: &[Expr], ty: ColumnType, q: &Query) -> Result<Option<ArrayRef>> {
    match ty {
        ColumnType::BigInt => numbers::<Int64Type>(list, ty, q),
        ColumnType::Integer => numbers::<Int32Type>(list, ty, q),
        ColumnType::SmallInt => numbers::<Int16Type>(list, ty, q),
        ColumnType::Text | ColumnType::Varchar { .. } => {
            let mut texts = Vec::with_capacity(list.len());
            for expr in list {
                match plain(expr, ty, q)? {
                    Some(
                        Cell::Text(text)
                        | Cell::Value(
                            ScalarValue::Utf8(Some(text))
                            | ScalarValue::LargeUtf8(Some(text))
                            | ScalarValue::Utf8View(Some(text)),
                        ),
                    ) => texts.push(text),
                    _ => return Ok(None),
                }
            }
            Ok(Some(Arc::new(StringArray::from(texts))))
        }
        _ => Ok(None),
    }
}

fn numbers<T>(list: &[Expr], ty: ColumnType, q: &Query) -> Result<Option<ArrayRef>>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64>,
{
    let mut values = Vec::with_capacity(list.len());
    for expr in list {
        let number = match plain(expr, ty, q)? {
            Some(Cell::Number(digits)) => digits.parse::<i64>().ok(),
            Some(Cell::Value(ScalarValue::Int64(n))) => n,
            Some(Cell::Value(ScalarValue::Int32(n))) => n.map(i64::from),
            Some(Cell::Value(ScalarValue::Int16(n))) => n.map(i64::from),
            _ => None,
        };
        match number.and_then(|n| T::Native::try_from(n).ok()) {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    Ok(Some(Arc::new(PrimitiveArray::<T>::from_iter_values(values))))
}

/// The value of a literal or parameter; `None` for any other expression.
fn plain(expr: &Expr, ty: ColumnType, q: &Query) -> Result<Option<Cell>> {
    if !matches!(expr, Expr::Value(_) | Expr::UnaryOp { .. }) {
        return Ok(None);
    }
    cell(expr, ty, q.params()).map(Some)
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

/// The values of the extra expressions over the rows.
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
