//! Functions that give rows: in FROM under PostgreSQL's names, in the output list spread out.
//!
//! Promises: `generate_series(1, 3) g` has one column named `g`, without an alias `generate_series`; arguments may
//! name columns of the tables before it; in an output list each element is a row.
//! Never: a function that gives one value is touched.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query,
    Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs, UnaryOperator,
};

use super::{casts, parse};

const SERIES: &str = "generate_series";

/// Settles the functions of one SELECT.
pub fn settle(select: &mut Select) {
    for table in &mut select.from {
        from(&mut table.relation);
        for join in &mut table.joins {
            from(&mut join.relation);
        }
    }
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) if is_series(expr) => {
                let spread = spread(expr);
                *item = SelectItem::ExprWithAlias { expr: spread, alias: Ident::new(SERIES) };
            }
            SelectItem::ExprWithAlias { expr, .. } if is_series(expr) => *expr = spread(expr),
            _ => {}
        }
    }
}

fn is_series(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(f) if f.over.is_none() && last(&f.name) == SERIES)
}

fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|p| p.as_ident()).map(super::resolve::folded).unwrap_or_default()
}

fn spread(expr: &mut Expr) -> Expr {
    let list = std::mem::replace(expr, Expr::Value(sqlparser::ast::Value::Null.into()));
    casts::call("unnest", vec![list])
}

fn from(factor: &mut TableFactor) {
    match factor {
        TableFactor::UNNEST { alias: Some(alias), array_exprs, with_offset: false, with_ordinality: false, .. }
            if alias.columns.is_empty() && array_exprs.len() == 1 =>
        {
            alias.columns.push(column(alias.name.clone()));
        }
        TableFactor::Table { name, alias, args: Some(args), with_ordinality: false, .. } if last(name) == SERIES => {
            let alias = alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::new(SERIES),
                columns: vec![],
                at: None,
            });
            if alias.columns.is_empty() {
                alias.columns.push(column(alias.name.clone()));
            }
            if args.args.iter().all(literal) {
                return;
            }
            if let Some(subquery) = derived(name, args) {
                let alias = Some(alias.clone());
                *factor = TableFactor::Derived { lateral: true, subquery: Box::new(subquery), alias, sample: None };
            }
        }
        _ => {}
    }
}

fn column(name: Ident) -> TableAliasColumnDef {
    TableAliasColumnDef { name, data_type: None }
}

/// Whether the planner's own function takes the argument.
fn literal(arg: &FunctionArg) -> bool {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { return false };
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => matches!(**expr, Expr::Value(_)),
        Expr::Value(_) => true,
        _ => false,
    }
}

/// `SELECT unnest(generate_series(…))`.
fn derived(name: &ObjectName, args: &TableFunctionArgs) -> Option<Query> {
    let mut query = parse::trusted("SELECT 1").ok()?;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let call = Expr::Function(Function {
        name: name.clone(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.args.clone(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    });
    let expr = casts::call("unnest", vec![call]);
    select.projection = vec![SelectItem::ExprWithAlias { expr, alias: Ident::new(SERIES) }];
    Some(query)
}
