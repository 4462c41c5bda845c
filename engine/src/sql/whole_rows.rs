//! What needs the columns of tables before anything is planned: whole rows as values (`row_to_json(t)`, `json_agg(t)`,
//! `to_jsonb(t)`, where `t` is a table of the FROM list) and NATURAL RIGHT and FULL joins.
//!
//! Promises: the row's columns are those that `t.*` gives, in that order; a row that an outer join made up is NULL.
//! Never: a name that is a column is taken for a table.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinOperator, Query as Ast, Select,
    Statement, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::casts::call;
use super::merged;
use super::query::Query;
use super::resolve::folded;
use super::sources::{Source, Sources};
use crate::error::{Error, Result};

/// Functions that take rows.
const TAKE_ROWS: [&str; 11] = [
    "row_to_json",
    "to_json",
    "to_jsonb",
    "json_agg",
    "jsonb_agg",
    "json_build_array",
    "jsonb_build_array",
    "json_build_object",
    "jsonb_build_object",
    "json_object_agg",
    "jsonb_object_agg",
];

/// Puts the columns of every whole row in the place of its table's name.
///
/// # Errors
/// 0A000 for joins that need columns which cannot be told.
pub fn place(statement: &mut Statement, query: &Query) -> Result<()> {
    if Visit::visit(&*statement, &mut Needs).is_continue() {
        return Ok(());
    }
    let mut rows = Rows { sources: Sources::new(query), scopes: vec![], inside: vec![0] };
    match VisitMut::visit(statement, &mut rows) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Looks for something to do.
struct Needs;

impl Visitor for Needs {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if merged::is_natural(select) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if takes_rows(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

struct Scope {
    sources: Vec<Source>,
    /// whether a join may make rows up
    outer: bool,
}

struct Rows<'a> {
    sources: Sources<'a>,
    scopes: Vec<Scope>,
    /// calls of [`TAKE_ROWS`] around the place, by query
    inside: Vec<usize>,
}

impl Rows<'_> {
    /// The row that a name means, where it means one.
    fn row(&self, name: &Ident) -> Option<Expr> {
        let name = folded(name);
        let scope = self.scopes.last()?;
        let is_column = |(_, columns): &Source| columns.as_ref().is_some_and(|c| c.contains(&name));
        if scope.sources.iter().any(is_column) {
            return None;
        }
        let columns = scope.sources.iter().find(|(known, _)| *known == name)?.1.as_ref()?;
        let quoted = |name: &str| Ident::with_quote('"', name);
        let mut arguments = Vec::with_capacity(2 * columns.len());
        let mut made_up: Option<Expr> = None;
        for column in columns {
            let value = Expr::CompoundIdentifier(vec![quoted(&name), quoted(column)]);
            let null = Expr::IsNull(Box::new(value.clone()));
            made_up = Some(match made_up.take() {
                Some(before) => {
                    Expr::BinaryOp { left: Box::new(before), op: BinaryOperator::And, right: Box::new(null) }
                }
                None => null,
            });
            arguments.push(Expr::Value(Value::SingleQuotedString(column.clone()).into()));
            arguments.push(value);
        }
        let row = call("named_struct", arguments);
        match made_up {
            Some(made_up) if scope.outer => {
                let mut case = super::parse::parse_expr("CASE WHEN true THEN NULL ELSE 1 END").ok()?;
                if let Expr::Case { conditions, else_result, .. } = &mut case {
                    conditions.first_mut()?.condition = made_up;
                    *else_result = Some(Box::new(row));
                }
                Some(case)
            }
            _ => Some(row),
        }
    }
}

fn is_outer(select: &Select) -> bool {
    select.from.iter().flat_map(|t| &t.joins).any(|join| {
        !matches!(join.join_operator, JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_))
    })
}

fn takes_rows(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => match function.name.0.as_slice() {
            [only] => only.as_ident().is_some_and(|name| TAKE_ROWS.contains(&folded(name).as_str())),
            _ => false,
        },
        _ => false,
    }
}

/// The values of `ROW(a, b)` or `(a, b)`, whose columns have no names.
fn row_of(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(values) if values.len() > 1 => Some(values.clone()),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let value = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
                _ => None,
            };
            list.args.iter().map(value).collect()
        }
        _ => None,
    }
}

impl VisitorMut for Rows<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Ast) -> ControlFlow<Box<Error>> {
        self.inside.push(0);
        self.sources.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Ast) -> ControlFlow<Box<Error>> {
        self.inside.pop();
        self.sources.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Box<Error>> {
        if let Err(error) = merged::natural(select, &self.sources) {
            return ControlFlow::Break(Box::new(error));
        }
        self.scopes.push(Scope { sources: self.sources.of(select), outer: is_outer(select) });
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Box<Error>> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        if takes_rows(expr)
            && let Some(inside) = self.inside.last_mut()
        {
            *inside += 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        if takes_rows(expr)
            && let Some(inside) = self.inside.last_mut()
        {
            *inside -= 1;
        }
        if self.inside.last().is_some_and(|inside| *inside > 0) {
            match expr {
                Expr::Identifier(name) => {
                    if let Some(row) = self.row(name) {
                        *expr = row;
                    }
                }
                _ => {
                    if let Some(values) = row_of(expr) {
                        let named = values.into_iter().zip(1..).flat_map(|(value, i)| {
                            [Expr::Value(Value::SingleQuotedString(format!("f{i}")).into()), value]
                        });
                        *expr = call("named_struct", named.collect());
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}
