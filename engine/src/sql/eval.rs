//! The writing statements' own little queries: expressions without rows, and rows under a name with expressions over them.
//!
//! Promises: whatever a user's expression may hold (subqueries, functions, tables in the past) means here what it means
//! in a SELECT; no name of ours can be confused with one of his.
//! Never: a query is built from text that a user wrote; his expressions are placed into it as they were parsed.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use futures::StreamExt;
use sqlparser::ast::{
    Expr, Ident, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query as AstQuery, Select, SelectItem, SetExpr,
};

use super::query::Query;
use super::{errors, parse};
use crate::error::{Error, Result};

/// Expressions that one query evaluates at the most.
const CHUNK: usize = 1_000;

/// `SELECT 1 FROM <from>`, to be given a projection; `from` is text of ours.
pub(super) fn skeleton(from: &str) -> Result<AstQuery> {
    let text = if from.is_empty() { "SELECT 1".to_owned() } else { format!("SELECT 1 FROM {from}") };
    parse::trusted(&text)
}

/// The name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `alias."column"`.
pub(super) fn qualified(alias: &str, column: &str) -> Expr {
    Expr::CompoundIdentifier(vec![Ident::with_quote('"', alias), Ident::with_quote('"', column)])
}

/// `expr AS "name"`.
pub(super) fn named(expr: Expr, name: impl Into<String>) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

/// The query's SELECT.
pub(super) fn select_of(query: &mut AstQuery) -> Result<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Ok(select),
        _ => Err(Error::internal("a query of ours is no SELECT")),
    }
}

/// A query over `from` with that projection and condition.
pub(super) fn select(from: &str, projection: Vec<SelectItem>, selection: Option<Expr>) -> Result<AstQuery> {
    let mut query = skeleton(from)?;
    let select = select_of(&mut query)?;
    select.projection = projection;
    select.selection = selection;
    Ok(query)
}

/// The query with its rows in the order of `expr`.
pub(super) fn ordered(mut query: AstQuery, expr: Expr) -> AstQuery {
    let options = OrderByOptions { asc: None, nulls_first: None };
    let by = OrderByExpr { expr, options, with_fill: None };
    query.order_by = Some(OrderBy { kind: OrderByKind::Expressions(vec![by]), interpolate: None });
    query
}

/// Each expression's value; all are evaluated as one row.
///
/// # Errors
/// What the query layer says of them.
pub(super) async fn values(exprs: Vec<Expr>, q: &Query) -> Result<Vec<ScalarValue>> {
    let mut values = Vec::with_capacity(exprs.len());
    let mut rest = exprs.into_iter().peekable();
    while rest.peek().is_some() {
        let items = rest.by_ref().take(CHUNK).enumerate().map(|(i, e)| named(e, format!("firn_v{i}"))).collect();
        let (_, batches) = q.collect(select("", items, None)?).await?;
        let batch =
            batches.iter().find(|b| b.num_rows() > 0).ok_or_else(|| Error::internal("an expression gave no row"))?;
        for column in batch.columns() {
            values.push(ScalarValue::try_from_array(column, 0).map_err(|e| errors::from_datafusion(&e))?);
        }
    }
    Ok(values)
}

/// All rows of a query, refused beyond `limit` bytes.
///
/// # Errors
/// What the query layer says; 54000 beyond the limit.
pub(super) async fn rows(
    query: AstQuery,
    limit: usize,
    what: &str,
    q: &Query,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let (schema, mut stream) = q.stream(query).await?;
    let (mut batches, mut bytes) = (Vec::new(), 0usize);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        bytes += super::write::bytes_of(&batch);
        super::write::check_size(bytes, limit, what)?;
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    Ok((schema, batches))
}

/// Whether a query gives any row.
///
/// # Errors
/// What the query layer says.
pub(super) async fn any_row(query: AstQuery, q: &Query) -> Result<bool> {
    let (_, mut stream) = q.stream(query).await?;
    while let Some(batch) = stream.next().await {
        if batch?.num_rows() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One column of all batches, as one array.
pub(super) fn column(batches: &[RecordBatch], index: usize, schema: &SchemaRef) -> Result<arrow::array::ArrayRef> {
    if batches.is_empty() {
        return Ok(arrow::array::new_empty_array(schema.field(index).data_type()));
    }
    let parts: Vec<&dyn Array> = batches.iter().map(|b| b.column(index).as_ref()).collect();
    arrow::compute::concat(&parts).map_err(|e| Error::internal(format!("batches of a query do not join: {e}")))
}
