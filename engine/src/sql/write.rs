//! Statements that write, planned: what each would change, as one write set, before anything is changed.
//!
//! Promises: a [`Write`] exists only if the whole statement passed every check; its set is all of the statement's
//! effects and its answer.
//! Never: planning changes anything, or a statement's effects are handed over in parts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use firn_manifest::schema::{CatalogChange, TableSchema};
use firn_segment::record::{Answer, RowOp};
use firn_segment::types::column_to_sql;
use sqlparser::ast::{self, SetExpr, Statement};

use super::constraints::effects::effects;
use super::query::Query;
use super::relation::target;
use super::{
    alter, comment, constraints, create_as, ddl, delete, drop, insert, merge, schemas, truncate, update, views,
};
use crate::commit::{Delete, WriteSet};
use crate::error::{Error, Result, sqlstate};
use crate::state::sql_schema;

/// The most bytes of rows that one statement writes.
pub const MAX_STATEMENT_BYTES: usize = 128 << 20;
/// The most bytes of rows that one UPDATE or DELETE reads to change them.
pub const MAX_TOUCHED_BYTES: usize = 512 << 20;

/// A statement that passed: its effects and its answer.
#[derive(Debug)]
pub struct Write {
    /// every change
    pub set: WriteSet,
    /// the command tag, e.g. `INSERT 0 3`
    pub tag: String,
    /// rows inserted, updated or deleted
    pub rows: u64,
    /// what RETURNING gave
    pub returning: Option<(SchemaRef, Vec<RecordBatch>)>,
}

/// The row changes of one statement.
#[derive(Debug)]
pub(super) struct Changed {
    /// the table
    pub table: Arc<TableSchema>,
    /// rows that end
    pub deletes: Vec<Delete>,
    /// those rows in full
    pub old_rows: Option<RecordBatch>,
    /// rows that begin, stored types
    pub inserts: Option<RecordBatch>,
    /// how each of them came
    pub operations: Vec<RowOp>,
}

/// Plans a statement that writes; `None` for any other statement.
///
/// # Errors
/// Everything that is wrong with the statement, by its SQLSTATE.
///
/// Each kind's future stands on the heap: together they would make every caller's frame as large as the largest.
pub async fn plan_write(statement: &Statement, q: &Query) -> Result<Option<Write>> {
    Ok(Some(match statement {
        Statement::Insert(insert) => Box::pin(insert::insert(insert, q)).await?,
        Statement::Update(update) => Box::pin(update::update(update, None, q)).await?,
        Statement::Delete(delete) => Box::pin(delete::delete(delete, None, q)).await?,
        Statement::CreateTable(create) if create.query.is_some() => {
            Box::pin(create_as::create_table_as(create, q)).await?
        }
        Statement::CreateTable(create) => Box::pin(ddl::create_table(create, q)).await?,
        Statement::AlterTable(alter) => Box::pin(alter::alter_table(alter, q)).await?,
        Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            drop::drop_objects(*object_type, *if_exists, *cascade, names, q)?
        }
        Statement::CreateView(create) => Box::pin(views::create_view(create, q)).await?,
        Statement::CreateSchema { .. } => schemas::create_schema(statement, q)?,
        Statement::Comment { .. } => comment::comment(statement, q)?,
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(inner) => match with_inside(query, inner) {
                Some(insert) => Box::pin(insert::insert(&insert, q)).await?,
                None => return Err(leading_with("INSERT")),
            },
            SetExpr::Update(Statement::Update(update)) => {
                Box::pin(update::update(update, query.with.as_ref(), q)).await?
            }
            SetExpr::Delete(Statement::Delete(delete)) => {
                Box::pin(delete::delete(delete, query.with.as_ref(), q)).await?
            }
            SetExpr::Merge(Statement::Merge(merge)) if query.with.is_none() => Box::pin(merge::merge(merge, q)).await?,
            SetExpr::Merge(_) => return Err(leading_with("MERGE")),
            _ => match create_as::into_of(query) {
                Some(into) => Box::pin(create_as::select_into(into, query, q)).await?,
                None => return Ok(None),
            },
        },
        Statement::Truncate(truncate) => Box::pin(truncate::truncate(truncate, q)).await?,
        Statement::Merge(merge) => Box::pin(merge::merge(merge, q)).await?,
        Statement::CreateIndex(create) => Box::pin(constraints::ddl::create_index(create, q)).await?,
        Statement::AlterIndex { name, operation } => constraints::ddl::alter_index(name, operation, q)?,
        _ => return Ok(None),
    }))
}

fn leading_with(what: &str) -> Error {
    Error::unsupported(format!("WITH before {what}"), "write the WITH query as a subquery inside the statement")
}

/// `WITH … INSERT … SELECT` as `INSERT … WITH … SELECT`, which means the same.
fn with_inside(outer: &ast::Query, inner: &Statement) -> Option<ast::Insert> {
    let Statement::Insert(insert) = inner else { return None };
    let mut insert = insert.clone();
    let source = insert.source.as_mut()?;
    if source.with.is_some() {
        return None;
    }
    source.with.clone_from(&outer.with);
    Some(insert)
}

/// A write that changes schemas.
pub(super) fn schema_write(tag: &str, catalog: Vec<CatalogChange>) -> Write {
    let answer = Answer { tag: tag.to_owned(), rows: 0, returning: None };
    Write {
        set: WriteSet { kind: tag.to_owned(), catalog, tables: vec![], answers: vec![answer] },
        tag: tag.to_owned(),
        rows: 0,
        returning: None,
    }
}

/// A write that changes rows.
pub(super) async fn row_write(
    kind: &str,
    rows: usize,
    changed: Changed,
    returning: Option<(SchemaRef, Vec<RecordBatch>)>,
    q: &Query,
) -> Result<Write> {
    let tag = if kind == "INSERT" { format!("INSERT 0 {rows}") } else { format!("{kind} {rows}") };
    let rows = rows as u64;
    let sealed = match &returning {
        Some((schema, batches)) => {
            let all = concat_batches(schema, batches)
                .map_err(|e| Error::internal(format!("RETURNING rows do not join: {e}")))?;
            Some(firn_segment::batch_to_ipc(&all)?)
        }
        None => None,
    };
    let answer = Answer { tag: tag.clone(), rows, returning: sealed };
    let tables = Box::pin(effects(kind, changed, q)).await?;
    let set = WriteSet { kind: kind.to_owned(), catalog: vec![], tables, answers: vec![answer] };
    Ok(Write { set, tag, rows, returning })
}

/// The table a statement writes to.
///
/// # Errors
/// 42P01, 3F000; 42501 for a system table, 42809 for a view.
pub(super) fn target_table(name: &ast::ObjectName, q: &Query) -> Result<Arc<TableSchema>> {
    target(name, q)
}

/// The identifier folded to lower case unless quoted.
pub(super) fn folded(ident: &ast::Ident) -> ast::Ident {
    let mut ident = ident.clone();
    if ident.quote_style.is_none() {
        ident.value = ident.value.to_ascii_lowercase();
    }
    ident
}

/// The error with the place the identifier stands at.
pub(super) fn placed(error: Error, ident: Option<&ast::Ident>) -> Error {
    match ident.map(|i| i.span.start) {
        Some(start) if start.line > 0 => error.at(start.line, start.column),
        _ => error,
    }
}

/// The visible column of that name, by its place in the table.
///
/// # Errors
/// 42703.
pub(super) fn column_index(table: &TableSchema, ident: &ast::Ident) -> Result<usize> {
    let name = folded(ident).value;
    table.columns.iter().position(|c| c.name == name && !c.hidden).ok_or_else(|| {
        let error = Error::statement(
            sqlstate::UNDEFINED_COLUMN,
            format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
        );
        let names = table.columns.iter().filter(|c| !c.hidden).map(|c| c.name.as_str());
        let close = super::messages::similar(&name, names);
        let error =
            if close.is_empty() { error } else { error.with_hint(format!("did you mean {}?", close.join(" or "))) };
        placed(error, Some(ident))
    })
}

/// Rows in stored types as SQL sees them: by column name, the hidden row id only when asked for.
pub(super) fn sql_rows(table: &TableSchema, stored: &RecordBatch, with_hidden: bool) -> Result<RecordBatch> {
    let columns = table
        .columns
        .iter()
        .zip(stored.columns())
        .filter(|(column, _)| with_hidden || !column.hidden)
        .map(|(column, array)| Ok(column_to_sql(array, column.ty)?))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
    RecordBatch::try_new_with_options(sql_schema(table, with_hidden), columns, &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" do not fit its schema: {e}", table.name)))
}

/// Bytes that a batch's rows take, whatever they share with others.
pub(super) fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(bytes_of_column).sum()
}

fn bytes_of_column(array: &ArrayRef) -> usize {
    // the texts behind views stand outside what a slice is said to take
    let behind = match array.data_type() {
        DataType::Utf8View => array.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => array.as_binary_view().total_buffer_bytes_used(),
        _ => 0,
    };
    behind + array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

/// Refuses rows beyond a statement's limit.
pub(super) fn check_size(bytes: usize, limit: usize, what: &str) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::statement(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("the statement {what} more than {} MiB of rows", limit >> 20),
    )
    .with_hint("use smaller batches: several statements, each over a part of the rows"))
}
