//! RETURNING: a SELECT list over the rows a statement wrote or deleted.
//!
//! Promises: rows come in the order the statement wrote them; a subquery inside sees the table as it was before the
//! statement, as in PostgreSQL.
//! Never: the hidden row id is shown.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use firn_manifest::schema::TableSchema;
use futures::TryStreamExt;
use sqlparser::ast::{Ident, SelectItem, SelectItemQualifiedWildcardKind};

use super::query::Query;
use super::write::folded;
use super::{eval, output};
use crate::error::{Error, Result};

const SOURCE: &str = "firn_returning";
const ORDINAL: &str = "firn_n";

/// Evaluates a RETURNING list over `rows` (visible columns, SQL types), known to it as `alias`.
///
/// # Errors
/// What the query layer says of the list.
pub(super) async fn returning(
    items: Option<&[SelectItem]>,
    table: &TableSchema,
    alias: &str,
    rows: impl FnOnce() -> Result<RecordBatch>,
    q: &Query,
) -> Result<Option<(SchemaRef, Vec<RecordBatch>)>> {
    let Some(items) = items else { return Ok(None) };
    let source = numbered(rows()?)?;
    let mut projection = Vec::with_capacity(items.len());
    for item in items {
        match item {
            SelectItem::Wildcard(_) => projection.extend(all_columns(table, alias)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _)
                if names(name, alias) =>
            {
                projection.extend(all_columns(table, alias));
            }
            other => projection.push(other.clone()),
        }
    }
    let from = format!("{} AS {}", eval::quoted(SOURCE), eval::quoted(alias));
    let mut query = eval::ordered(eval::select(&from, projection, None)?, eval::qualified(alias, ORDINAL));
    let names = output::prepare(&mut query);
    let (schema, rows) = q.with_batch(SOURCE, source).stream(query).await?;
    let (schema, rows) = names.apply(&schema, rows);
    Ok(Some((schema, rows.try_collect().await?)))
}

fn names(name: &sqlparser::ast::ObjectName, alias: &str) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|i: &Ident| folded(i).value == alias))
}

fn all_columns<'a>(table: &'a TableSchema, alias: &'a str) -> impl Iterator<Item = SelectItem> + 'a {
    table.columns.iter().filter(|c| !c.hidden).map(|c| SelectItem::UnnamedExpr(eval::qualified(alias, &c.name)))
}

/// The rows with their ordinals as one more column.
pub(super) fn numbered(rows: RecordBatch) -> Result<RecordBatch> {
    let count = i64::try_from(rows.num_rows()).unwrap_or(i64::MAX);
    let ordinals: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ORDINAL, DataType::Int64, false)));
    let mut columns = rows.columns().to_vec();
    columns.push(ordinals);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Error::internal(format!("rows do not take ordinals: {e}")))
}
