//! SET lists of UPDATE and ON CONFLICT DO UPDATE: which column gets what.
//!
//! Promises: each column is set once; `(a, b) = (1, 2)` sets each by its own expression; the old values are what every
//! expression sees.
//! Never: the hidden row id is set.

use arrow::array::{ArrayRef, RecordBatch};
use firn_manifest::schema::TableSchema;
use firn_segment::types::to_storage;
use sqlparser::ast::{Assignment, AssignmentTarget, Expr, Ident, ObjectName, SelectItem};

use super::assign::{Rows, assign};
use super::cells::{self, Cell};
use super::query::Query;
use super::write::{column_index, folded, placed};
use super::{codes, defaults, eval, insert};
use crate::error::{Error, Result, sqlstate};

/// A SET list, taken apart.
pub(super) struct Sets {
    list: Vec<Set>,
}

struct Set {
    column: usize,
    cell: Cell,
}

impl Sets {
    /// Reads a list; `alias` is what the table is called in the statement.
    ///
    /// # Errors
    /// 42703, 42601, 42P02, 0A000.
    pub(super) fn read(table: &TableSchema, alias: &str, assignments: &[Assignment], q: &Query) -> Result<Self> {
        let mut list: Vec<Set> = Vec::new();
        for (name, value) in pairs(assignments)? {
            let ident = target(name, alias, &table.name)?;
            let column = column_index(table, ident)?;
            if list.iter().any(|s| s.column == column) {
                let message = format!("column \"{}\" is set twice", table.columns[column].name);
                return Err(placed(Error::statement(codes::SYNTAX_ERROR, message), Some(ident)));
            }
            list.push(Set { column, cell: cells::cell(value, table.columns[column].ty, q.params())? });
        }
        Ok(Self { list })
    }

    /// Whether a key column is among them.
    pub(super) fn touch_key(&self, table: &TableSchema) -> bool {
        self.list.iter().any(|s| table.key.contains(&table.columns[s.column].id))
    }

    /// The expressions that a query must evaluate, each under a name of its own.
    pub(super) fn projection(&self) -> Vec<SelectItem> {
        let exprs = self.list.iter().filter_map(|s| match &s.cell {
            Cell::Expr(expr) => Some((**expr).clone()),
            _ => None,
        });
        exprs.enumerate().map(|(i, expr)| eval::named(expr, format!("firn_v{i}"))).collect()
    }

    /// The new rows: `old` (all columns, SQL types) with the columns set; `evaluated` are the projection's values.
    ///
    /// # Errors
    /// 23502, 54000, and what assignment says of a value.
    pub(super) async fn apply(
        &self,
        table: &TableSchema,
        old: &RecordBatch,
        evaluated: &[ArrayRef],
        q: &Query,
    ) -> Result<RecordBatch> {
        let rows = old.num_rows();
        let mut arrays = old.columns().iter().map(|a| Ok(to_storage(a)?)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut evaluated = evaluated.iter();
        for set in &self.list {
            let column = &table.columns[set.column];
            arrays[set.column] = match &set.cell {
                Cell::Expr(_) => {
                    let values = evaluated.next().ok_or_else(|| Error::internal("a SET expression gave no values"))?;
                    assign(values, column, Rows::From(0))?
                }
                Cell::Default => defaults::values(column, rows, q).await?,
                literal => {
                    let one = cells::build(std::slice::from_ref(literal), column, None)?;
                    defaults::repeat(&one, rows)?
                }
            };
        }
        insert::stored_batch(table, arrays, rows)
    }
}

fn pairs(assignments: &[Assignment]) -> Result<Vec<(&ObjectName, &Expr)>> {
    let mut pairs = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => pairs.push((name, value)),
            (AssignmentTarget::Tuple(names), Expr::Tuple(values)) => {
                if names.len() != values.len() {
                    let message = format!(
                        "number of columns ({}) does not match number of values ({}) in SET",
                        names.len(),
                        values.len()
                    );
                    return Err(Error::statement(codes::SYNTAX_ERROR, message));
                }
                pairs.extend(names.iter().zip(values));
            }
            (AssignmentTarget::Tuple(names), value) if names.len() == 1 => pairs.push((&names[0], value)),
            (AssignmentTarget::Tuple(_), _) => {
                return Err(Error::unsupported(
                    "setting several columns from one subquery",
                    "write one subquery for each column: SET a = (SELECT …), b = (SELECT …)",
                ));
            }
        }
    }
    Ok(pairs)
}

/// The column's own name; the table's name or alias may stand before it.
fn target<'a>(name: &'a ObjectName, alias: &str, table: &str) -> Result<&'a Ident> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|p| p.as_ident()).collect();
    match parts.as_slice() {
        [column] => Ok(column),
        [qualifier, column] if folded(qualifier).value == alias => Ok(column),
        [first, ..] => {
            let message = format!("column \"{}\" of relation \"{table}\" does not exist", first.value);
            Err(placed(Error::statement(sqlstate::UNDEFINED_COLUMN, message), Some(first)))
        }
        [] => Err(Error::statement(codes::SYNTAX_ERROR, "SET names no column")),
    }
}
