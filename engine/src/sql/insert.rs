//! INSERT: rows from VALUES, a query, defaults or a loaded batch, checked as a whole.
//!
//! Promises: every row is assigned, completed with defaults and checked (NOT NULL, keys, sizes) before the write exists.
//! Never: a row's place in the statement is lost from an error about it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use firn_manifest::schema::TableSchema;
use firn_segment::record::RowOp;
use futures::StreamExt;
use sqlparser::ast::{
    Expr, Ident, Insert, ObjectName, OnInsert, Parens, Query as AstQuery, SelectItem, SetExpr, TableObject,
};

use super::assign::{Rows, assign};
use super::cells::{self, Cell};
use super::constraints::{identity, rows as constraints};
use super::convert::joined;
use super::query::Query;
use super::relation::Relation;
use super::returning::returning;
use super::write::{
    Changed, MAX_STATEMENT_BYTES, Write, bytes_of, check_size, column_index, folded, placed, row_write, sql_rows,
    target_table,
};
use super::{codes, conflict, eval, keys};
use crate::error::{Error, Result};

/// INSERT.
///
/// # Errors
/// 42P01, 42703, 42701, 42601, 23502, 23503, 23505, 23514, 21000, 42P10, 428C9, 54000, 0A000, and what assignment says of a value.
pub async fn insert(insert: &Insert, q: &Query) -> Result<Write> {
    refuse_other_forms(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(Error::unsupported("INSERT INTO anything but a table's name", "name the table"));
    };
    let table = target_table(name, q)?;
    let alias = insert.table_alias.as_ref().map_or_else(|| table.name.clone(), |a| folded(&a.alias).value);
    let targets = targets(&table, &insert.columns)?;
    let explicit = !insert.columns.is_empty();
    // the parser's place for OVERRIDING SYSTEM VALUE, which sqlparser has no word for
    let overriding = insert.overwrite && insert.into;
    let rows = match &insert.source {
        None => Given { targets: vec![], arrays: vec![], rows: 1 },
        Some(source) => match plain_values(source) {
            Some(rows) => from_values(&table, targets, (explicit, overriding), rows, q).await?,
            None => from_query(&table, targets, (explicit, overriding), source, q).await?,
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
    row_write("INSERT", count, changed, returned, q).await
}

/// Rows of a batch whose columns are found by name, as `firn load` brings them.
///
/// # Errors
/// As [`insert`].
pub async fn insert_batch(table: &str, batch: &RecordBatch, q: &Query) -> Result<Write> {
    let table = Relation::parse(table, q)?.target(q)?;
    let names: Vec<ObjectName> =
        batch.schema().fields().iter().map(|f| ObjectName::from(vec![Ident::with_quote('"', f.name())])).collect();
    let targets = targets(&table, &names)?;
    targets.iter().try_for_each(|at| identity::refuse_given(&table.columns[*at], true))?;
    let arrays = assign_all(&table, &targets, batch.columns(), 0)?;
    let stored = complete(&table, Given { targets, arrays, rows: batch.num_rows() }, q).await?;
    let count = stored.num_rows();
    let changed = plain(&table, stored, q).await?;
    row_write("INSERT", count, changed, None, q).await
}

fn refuse_other_forms(insert: &Insert) -> Result<()> {
    let instead_conflict = "use ON CONFLICT (key columns) DO UPDATE or DO NOTHING";
    let refused = [
        (insert.or.is_some(), "INSERT OR …", instead_conflict),
        (insert.replace_into, "REPLACE INTO", instead_conflict),
        (insert.ignore, "INSERT IGNORE", "use ON CONFLICT DO NOTHING"),
        (insert.overwrite && !insert.into, "INSERT OVERWRITE", "use DELETE and INSERT in one transaction"),
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
    (explicit, overriding): (bool, bool),
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
        if wanted < cells.len() {
            identity::refuse_given(column, overriding)?;
        }
        let given = if wanted > 0 { Some(constraints::unset(table, column, wanted, q).await?) } else { None };
        arrays.push(cells::build(cells, column, given.as_ref())?);
    }
    Ok(Given { targets, arrays, rows: rows.len() })
}

/// A row of VALUES whose expressions a query evaluates over other rows, as MERGE inserts it.
pub(super) struct Proposed {
    targets: Vec<usize>,
    cells: Vec<Cell>,
}

impl Proposed {
    /// Reads `(columns) VALUES (…)`.
    ///
    /// # Errors
    /// 42703, 42701, 42601, 42P02.
    pub(super) fn read(table: &TableSchema, columns: &[ObjectName], values: &[Expr], q: &Query) -> Result<Self> {
        let mut targets = targets(table, columns)?;
        check_width(table, &mut targets, !columns.is_empty(), values.len())?;
        let cells = values
            .iter()
            .zip(&targets)
            .map(|(expr, at)| {
                let cell = cells::cell(expr, table.columns[*at].ty, q.params())?;
                if cell != Cell::Default {
                    identity::refuse_given(&table.columns[*at], false)?;
                }
                Ok(cell)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { targets, cells })
    }

    /// The expressions that the query must evaluate.
    pub(super) fn projection(&self) -> Vec<SelectItem> {
        let exprs = self.cells.iter().filter_map(|cell| match cell {
            Cell::Expr(expr) => Some((**expr).clone()),
            _ => None,
        });
        exprs.enumerate().map(|(i, expr)| eval::named(expr, format!("firn_v{i}"))).collect()
    }

    /// Whole rows, checked; `evaluated` are the projection's values.
    ///
    /// # Errors
    /// As [`insert`].
    pub(super) async fn rows(
        &self,
        table: &TableSchema,
        evaluated: &[ArrayRef],
        rows: usize,
        q: &Query,
    ) -> Result<RecordBatch> {
        let mut evaluated = evaluated.iter();
        let mut arrays = Vec::with_capacity(self.cells.len());
        for (cell, at) in self.cells.iter().zip(&self.targets) {
            let column = &table.columns[*at];
            arrays.push(match cell {
                Cell::Expr(_) => {
                    let values =
                        evaluated.next().ok_or_else(|| Error::internal("a value of MERGE was not evaluated"))?;
                    assign(values, column, Rows::From(0))?
                }
                Cell::Default => constraints::unset(table, column, rows, q).await?,
                literal => super::defaults::repeat(&cells::build(std::slice::from_ref(literal), column, None)?, rows)?,
            });
        }
        complete(table, Given { targets: self.targets.clone(), arrays, rows }, q).await
    }
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

/// A query's rows as a table's whole rows.
///
/// # Errors
/// As [`insert`].
pub(super) async fn rows_of_query(table: &TableSchema, source: &AstQuery, q: &Query) -> Result<RecordBatch> {
    let rows = from_query(table, targets(table, &[])?, (false, false), source, q).await?;
    complete(table, rows, q).await
}

async fn from_query(
    table: &TableSchema,
    mut targets: Vec<usize>,
    (explicit, overriding): (bool, bool),
    source: &AstQuery,
    q: &Query,
) -> Result<Given> {
    let (schema, mut stream) = q.stream(source.clone()).await?;
    check_width(table, &mut targets, explicit, schema.fields().len())?;
    targets.iter().try_for_each(|at| identity::refuse_given(&table.columns[*at], overriding))?;
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
            None => constraints::unset(table, column, rows, q).await?,
        });
    }
    constraints::finish(table, arrays, rows, q)
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
