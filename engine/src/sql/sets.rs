//! SET lists of UPDATE and ON CONFLICT DO UPDATE: which column gets what.
//!
//! Promises: each column is set once; `(a, b) = (1, 2)` sets each by its own expression; the old values are what every
//! expression sees.
//! Never: the hidden row id is set.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use arrow::array::{ArrayRef, RecordBatch};
use firn_manifest::schema::TableSchema;
use firn_segment::types::to_storage;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, GroupByExpr, Ident, ObjectName, Query as AstQuery, SelectItem, SetExpr, Visit,
    Visitor,
};

use super::assign::{Rows, assign};
use super::cells::{self, Cell};
use super::constraints::{identity, rows};
use super::query::Query;
use super::write::{column_index, folded, placed};
use super::{codes, defaults, eval};
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
    /// 42703, 42601, 42P02, 428C9, 0A000.
    pub(super) fn read(table: &TableSchema, alias: &str, assignments: &[Assignment], q: &Query) -> Result<Self> {
        let mut list: Vec<Set> = Vec::new();
        for (name, value) in pairs(assignments)? {
            let ident = target(name, alias, &table.name)?;
            let column = column_index(table, ident)?;
            if list.iter().any(|s| s.column == column) {
                let message = format!("column \"{}\" is set twice", table.columns[column].name);
                return Err(placed(Error::statement(codes::SYNTAX_ERROR, message), Some(ident)));
            }
            let cell = cells::cell(&value, table.columns[column].ty, q.params())?;
            if cell != Cell::Default {
                identity::refuse_set(&table.columns[column]).map_err(|e| placed(e, Some(ident)))?;
            }
            list.push(Set { column, cell });
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
    /// 23502, 23514, 54000, and what assignment says of a value.
    pub(super) async fn apply(
        &self,
        table: &TableSchema,
        old: &RecordBatch,
        evaluated: &[ArrayRef],
        q: &Query,
    ) -> Result<RecordBatch> {
        let count = old.num_rows();
        let mut arrays = old.columns().iter().map(|a| Ok(to_storage(a)?)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut evaluated = evaluated.iter();
        for set in &self.list {
            let column = &table.columns[set.column];
            arrays[set.column] = match &set.cell {
                Cell::Expr(_) => {
                    let values = evaluated.next().ok_or_else(|| Error::internal("a SET expression gave no values"))?;
                    assign(values, column, Rows::From(0))?
                }
                Cell::Default => rows::unset(table, column, count, q).await?,
                literal => {
                    let one = cells::build(std::slice::from_ref(literal), column, None)?;
                    defaults::repeat(&one, count)?
                }
            };
        }
        rows::finish(table, arrays, count, q)
    }
}

fn pairs(assignments: &[Assignment]) -> Result<Vec<(&ObjectName, Cow<'_, Expr>)>> {
    let mut pairs = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => pairs.push((name, Cow::Borrowed(value))),
            (AssignmentTarget::Tuple(names), Expr::Tuple(values)) => {
                if names.len() != values.len() {
                    let message = format!(
                        "number of columns ({}) does not match number of values ({}) in SET",
                        names.len(),
                        values.len()
                    );
                    return Err(Error::statement(codes::SYNTAX_ERROR, message));
                }
                pairs.extend(names.iter().zip(values.iter().map(Cow::Borrowed)));
            }
            (AssignmentTarget::Tuple(names), value) if names.len() == 1 => {
                pairs.push((&names[0], Cow::Borrowed(value)))
            }
            (AssignmentTarget::Tuple(names), Expr::Subquery(query)) => {
                for (index, name) in names.iter().enumerate() {
                    pairs.push((name, Cow::Owned(one_column(query, index, names.len())?)));
                }
            }
            (AssignmentTarget::Tuple(_), _) => {
                return Err(Error::unsupported(
                    "setting several columns from this expression",
                    "write SET (a, b) = (x, y), or SET (a, b) = (SELECT x, y …)",
                ));
            }
        }
    }
    Ok(pairs)
}

/// A query of several columns with one of them alone.
fn one_column(query: &AstQuery, index: usize, wanted: usize) -> Result<Expr> {
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(Error::unsupported(
            "setting several columns from a set operation",
            "put it into FROM: SET (a, b) = (SELECT x, y FROM (…) AS q)",
        ));
    };
    let plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(plain) || select.distinct.is_some() {
        return Err(Error::unsupported(
            "* or DISTINCT in a subquery that sets several columns",
            "name the columns, with DISTINCT in a query of its own in FROM",
        ));
    }
    if select.projection.len() != wanted {
        let given = select.projection.len();
        let message = format!("number of columns ({wanted}) does not match number of values ({given}) in SET");
        return Err(Error::statement(codes::SYNTAX_ERROR, message));
    }
    let aggregated = select.projection.iter().any(aggregates) && group_by_nothing(&select.group_by);
    let one = select.projection.swap_remove(index);
    match one {
        // beside an aggregate without GROUP BY stands what is the same for every row, and there is always one row
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }
            if aggregated && select.having.is_none() && !contains_aggregate(&expr) =>
        {
            Ok(expr)
        }
        one => {
            select.projection = vec![one];
            Ok(Expr::Subquery(Box::new(query)))
        }
    }
}

fn group_by_nothing(group_by: &GroupByExpr) -> bool {
    matches!(group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty())
}

fn aggregates(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => contains_aggregate(expr),
        _ => false,
    }
}

fn contains_aggregate(expr: &Expr) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let all = datafusion::functions_aggregate::all_default_aggregate_functions();
        all.iter()
            .flat_map(|f| {
                std::iter::once(f.name())
                    .chain(f.aliases().iter().map(String::as_str))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    });
    struct Seen;
    impl Visitor for Seen {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(f) if f.over.is_none() && NAMES.contains(&f.name.to_string().to_lowercase()) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(expr, &mut Seen).is_break()
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
