//! INSERT: rows from VALUES, a query, defaults or a loaded batch, checked as a whole.
//!
//! Promises: every row is assigned, completed with defaults and checked (NOT NULL, keys, sizes) before the write exists.
//! Never: a row's place in the statement is lost from an error about it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use firn_manifest::schema::{Column, TableSchema};
use firn_segment::record::RowOp;
use firn_segment::types::storage_schema;
use futures::StreamExt;
use sqlparser::ast::{Expr, Ident, Insert, ObjectName, OnInsert, Parens, Query as AstQuery, SetExpr, TableObject};

use super::assign::{Rows, assign};
use super::cells::{self, Cell};
use super::convert::joined;
use super::query::Query;
use super::returning::returning;
use super::write::{
    Changed, MAX_STATEMENT_BYTES, Write, bytes_of, check_size, column_index, folded, placed, row_write, sql_rows,
    target_table,
};
use super::{codes, conflict, defaults, eval, keys};
use crate::error::{Error, Result, sqlstate};

/// INSERT.
///
/// # Errors
/// 42P01, 42703, 42701, 42601, 23502, 23505, 21000, 42P10, 54000, 0A000, and what assignment says of a value.
pub async fn insert(insert: &Insert, q: &Query) -> Result<Write> {
    refuse_other_forms(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(Error::unsupported("INSERT INTO anything but a table's name", "name the table"));
    };
    let table = target_table(name, q)?;
    let alias = insert.table_alias.as_ref().map_or_else(|| table.name.clone(), |a| folded(&a.alias).value);
    let targets = targets(&table, &insert.columns)?;
    let explicit = !insert.columns.is_empty();
    let rows = match &insert.source {
        None => Given { targets: vec![], arrays: vec![], rows: 1 },
        Some(source) => match plain_values(source) {
            Some(rows) => from_values(&table, targets, explicit, rows, q).await?,
            None => from_query(&table, targets, explicit, source, q).await?,
        },
    };
    let batch = complete(&table, rows, q).await?;
    let on = match &insert.on {
        None => None,
        Some(OnInsert::OnConflict(on)) => Some(on),
        Some(other) => {
            return Err(Error::unsupported(
                format!("{other}").trim().to_owned(),
                "use ON CONFLICT (key columns) DO UPDATE SET …",
            ));
        }
    };
    let changed = match on {
        Some(on) => conflict::resolve(&table, &alias, on, batch, q).await?,
        None => plain(&table, batch, q).await?,
    };
    let count = changed.inserts.as_ref().map_or(0, RecordBatch::num_rows);
    let written = || match &changed.inserts {
        Some(stored) => sql_rows(&table, stored, false),
        None => Ok(RecordBatch::new_empty(crate::state::sql_schema(&table, false))),
    };
    let returned = returning(insert.returning.as_deref(), &table, &alias, written, q).await?;
    row_write("INSERT", count, changed, returned)
}

/// Rows of a batch whose columns are found by name, as `firn load` brings them.
///
/// # Errors
/// As [`insert`].
pub async fn insert_batch(table: &str, batch: &RecordBatch, q: &Query) -> Result<Write> {
    let table = target_table(&ObjectName::from(vec![Ident::with_quote('"', table)]), q)?;
    let names: Vec<ObjectName> =
        batch.schema().fields().iter().map(|f| ObjectName::from(vec![Ident::with_quote('"', f.name())])).collect();
    let targets = targets(&table, &names)?;
    let arrays = assign_all(&table, &targets, batch.columns(), 0)?;
    let stored = complete(&table, Given { targets, arrays, rows: batch.num_rows() }, q).await?;
    let count = stored.num_rows();
    let changed = plain(&table, stored, q).await?;
    row_write("INSERT", count, changed, None)
}

fn refuse_other_forms(insert: &Insert) -> Result<()> {
    let instead_conflict = "use ON CONFLICT (key columns) DO UPDATE or DO NOTHING";
    let refused = [
        (insert.or.is_some(), "INSERT OR …", instead_conflict),
        (insert.replace_into, "REPLACE INTO", instead_conflict),
        (insert.ignore, "INSERT IGNORE", "use ON CONFLICT DO NOTHING"),
        (insert.overwrite, "INSERT OVERWRITE", "use DELETE and INSERT in one transaction"),
        (!insert.assignments.is_empty(), "INSERT … SET", "use INSERT INTO t (columns) VALUES (…)"),
        (insert.partitioned.is_some() || !insert.after_columns.is_empty(), "INSERT … PARTITION", "leave it away"),
        (insert.output.is_some(), "OUTPUT", "use RETURNING"),
        (
            insert.priority.is_some() || insert.insert_alias.is_some(),
            "this form of INSERT",
            "use INSERT INTO t (columns) VALUES (…)",
        ),
        (insert.settings.is_some() || insert.format_clause.is_some(), "INSERT … FORMAT", "use `firn load`"),
        (
            insert.multi_table_insert_type.is_some(),
            "INSERT into several tables",
            "use one INSERT for each in one transaction",
        ),
    ];
    match refused.iter().find(|(given, ..)| *given) {
        Some((_, what, instead)) => Err(Error::unsupported(what, instead)),
        None => Ok(()),
    }
}

/// The places of the columns that are given; all visible ones without a list.
fn targets(table: &TableSchema, names: &[ObjectName]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok(table.columns.iter().enumerate().filter(|(_, c)| !c.hidden).map(|(i, _)| i).collect());
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let [part] = name.0.as_slice() else {
            return Err(Error::statement(codes::SYNTAX_ERROR, format!("\"{name}\" is not a column's name")));
        };
        let ident = part
            .as_ident()
            .ok_or_else(|| Error::statement(codes::SYNTAX_ERROR, format!("\"{name}\" is not a column's name")))?;
        let at = column_index(table, ident)?;
        if targets.contains(&at) {
            let message = format!("column \"{}\" is named twice", table.columns[at].name);
            return Err(placed(Error::statement(codes::DUPLICATE_COLUMN, message), Some(ident)));
        }
        targets.push(at);
    }
    Ok(targets)
}

/// The rows of `VALUES …` when nothing else is around it.
fn plain_values(source: &AstQuery) -> Option<&[Parens<Vec<Expr>>]> {
    let bare = source.with.is_none()
        && source.order_by.is_none()
        && source.limit_clause.is_none()
        && source.fetch.is_none()
        && source.pipe_operators.is_empty();
    match source.body.as_ref() {
        SetExpr::Values(values) if bare => Some(&values.rows),
        _ => None,
    }
}

/// Values of some columns, in stored types.
struct Given {
    targets: Vec<usize>,
    arrays: Vec<ArrayRef>,
    rows: usize,
}

/// Refuses a number of expressions that does not fit the columns; without a column list fewer are allowed.
fn check_width(table: &TableSchema, targets: &mut Vec<usize>, explicit: bool, width: usize) -> Result<()> {
    if width > targets.len() {
        return Err(Error::statement(
            codes::SYNTAX_ERROR,
            format!(
                "INSERT has more expressions ({width}) than target columns ({}) of table \"{}\"",
                targets.len(),
                table.name
            ),
        ));
    }
    if width < targets.len() && explicit {
        return Err(Error::statement(
            codes::SYNTAX_ERROR,
            format!("INSERT has more target columns ({}) than expressions ({width})", targets.len()),
        ));
    }
    targets.truncate(width);
    Ok(())
}

async fn from_values(
    table: &TableSchema,
    mut targets: Vec<usize>,
    explicit: bool,
    rows: &[Parens<Vec<Expr>>],
    q: &Query,
) -> Result<Given> {
    let width = rows.first().map_or(0, |r| r.content.len());
    if let Some(at) = rows.iter().position(|r| r.content.len() != width) {
        let message = format!(
            "VALUES lists must all be the same length: row {} has {}, not {width}",
            at + 1,
            rows[at].content.len()
        );
        return Err(Error::statement(codes::SYNTAX_ERROR, message));
    }
    check_width(table, &mut targets, explicit, width)?;
    let mut columns: Vec<Vec<Cell>> = vec![Vec::with_capacity(rows.len()); width];
    for row in rows {
        for ((expr, at), cells) in row.content.iter().zip(&targets).zip(&mut columns) {
            cells.push(cells::cell(expr, table.columns[*at].ty, q.params())?);
        }
    }
    evaluate(&mut columns, q).await?;
    let mut arrays = Vec::with_capacity(width);
    for (cells, at) in columns.iter().zip(&targets) {
        let column = &table.columns[*at];
        let wanted = cells.iter().filter(|c| **c == Cell::Default).count();
        let given = if wanted > 0 { Some(defaults::values(column, wanted, q).await?) } else { None };
        arrays.push(cells::build(cells, column, given.as_ref())?);
    }
    Ok(Given { targets, arrays, rows: rows.len() })
}

/// Replaces every expression among the cells by its value.
async fn evaluate(columns: &mut [Vec<Cell>], q: &Query) -> Result<()> {
    let mut exprs = Vec::new();
    for cell in columns.iter().flatten() {
        if let Cell::Expr(expr) = cell {
            exprs.push((**expr).clone());
        }
    }
    if exprs.is_empty() {
        return Ok(());
    }
    let mut values = eval::values(exprs, q).await?.into_iter();
    for cell in columns.iter_mut().flatten() {
        if matches!(cell, Cell::Expr(_)) {
            *cell = Cell::Value(values.next().ok_or_else(|| Error::internal("an expression of VALUES gave no value"))?);
        }
    }
    Ok(())
}

async fn from_query(
    table: &TableSchema,
    mut targets: Vec<usize>,
    explicit: bool,
    source: &AstQuery,
    q: &Query,
) -> Result<Given> {
    let (schema, mut stream) = q.stream(source.clone()).await?;
    check_width(table, &mut targets, explicit, schema.fields().len())?;
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); targets.len()];
    let (mut rows, mut bytes) = (0, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        bytes += bytes_of(&batch);
        check_size(bytes, MAX_STATEMENT_BYTES, "writes")?;
        for (array, parts) in assign_all(table, &targets, batch.columns(), rows)?.into_iter().zip(&mut parts) {
            parts.push(array);
        }
        rows += batch.num_rows();
    }
    let mut arrays = Vec::with_capacity(targets.len());
    for (parts, at) in parts.iter().zip(&targets) {
        arrays.push(if parts.is_empty() {
            arrow::array::new_empty_array(&firn_segment::types::storage_type(table.columns[*at].ty))
        } else {
            joined(parts)?
        });
    }
    Ok(Given { targets, arrays, rows })
}

fn assign_all(table: &TableSchema, targets: &[usize], columns: &[ArrayRef], first: usize) -> Result<Vec<ArrayRef>> {
    targets.iter().zip(columns).map(|(at, source)| assign(source, &table.columns[*at], Rows::From(first))).collect()
}

/// All columns of the rows: given ones, defaults, and zeros for the hidden row id (the engine draws it).
async fn complete(table: &TableSchema, given: Given, q: &Query) -> Result<RecordBatch> {
    let rows = given.rows;
    let mut arrays = Vec::with_capacity(table.columns.len());
    for (at, column) in table.columns.iter().enumerate() {
        let place = given.targets.iter().position(|t| *t == at);
        arrays.push(match place.and_then(|p| given.arrays.get(p)) {
            Some(array) => array.clone(),
            None if column.hidden => Arc::new(Int64Array::from(vec![0; rows])),
            None => defaults::values(column, rows, q).await?,
        });
    }
    stored_batch(table, arrays, rows)
}

/// A batch of whole rows, checked for NULLs and size.
///
/// # Errors
/// 23502, 54000.
pub(super) fn stored_batch(table: &TableSchema, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    for (column, array) in table.columns.iter().zip(&arrays) {
        check_nulls(table, column, array)?;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(storage_schema(table), arrays, &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" do not fit its schema: {e}", table.name)))?;
    check_size(bytes_of(&batch), MAX_STATEMENT_BYTES, "writes")?;
    Ok(batch)
}

fn check_nulls(table: &TableSchema, column: &Column, array: &ArrayRef) -> Result<()> {
    let required = !column.nullable || table.key.contains(&column.id);
    if !required || array.null_count() == 0 {
        return Ok(());
    }
    let row = (0..array.len()).find(|i| array.is_null(*i)).map_or(0, |i| i + 1);
    Err(Error::statement(
        sqlstate::NOT_NULL_VIOLATION,
        format!(
            "null value in column \"{}\" of relation \"{}\" violates its NOT NULL constraint",
            column.name, table.name
        ),
    )
    .with_detail(format!("row {row}")))
}

/// New rows whose keys must all be free.
async fn plain(table: &Arc<TableSchema>, batch: RecordBatch, q: &Query) -> Result<Changed> {
    if table.row_id().is_none() {
        let keys = keys::keys_of(table, batch.columns())?;
        keys::check_free(table, &keys, &std::collections::HashSet::new(), q).await?;
    }
    let operations = vec![RowOp::Insert; batch.num_rows()];
    Ok(Changed { table: table.clone(), deletes: vec![], old_rows: None, inserts: Some(batch), operations })
}
