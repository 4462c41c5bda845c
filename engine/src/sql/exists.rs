//! `SELECT EXISTS (…)`: the planner knows EXISTS as a condition only, so as a value it becomes a count.
//!
//! Promises: the value is true or false, never NULL, and the column keeps its name.
//! Never: EXISTS in WHERE, where it becomes a semi-join, is touched.

use std::ops::ControlFlow;

use sqlparser::ast::Ident;
use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
    Value, VisitMut, VisitorMut,
};

use super::parse;

/// Rewrites every EXISTS among the output columns.
pub fn in_projection(select: &mut Select) {
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                if matches!(expr, Expr::Exists { .. }) {
                    let mut taken = std::mem::replace(expr, Expr::Value(Value::Null.into()));
                    let _ = taken.visit(&mut Exists::default());
                    *item = SelectItem::ExprWithAlias { expr: taken, alias: Ident::with_quote('"', "exists") };
                } else {
                    let _ = expr.visit(&mut Exists::default());
                }
            }
            SelectItem::ExprWithAlias { expr, .. } => {
                let _ = expr.visit(&mut Exists::default());
            }
            _ => {}
        }
    }
}

/// Rewrites what is not inside another query.
#[derive(Default)]
struct Exists {
    inside: usize,
}

impl VisitorMut for Exists {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.inside > 0 {
            return ControlFlow::Continue(());
        }
        if let Expr::Exists { subquery, negated } = expr
            && let Some(count) = counted(subquery)
        {
            let op = if *negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
            let zero = Box::new(Expr::Value(Value::Number("0".to_owned(), false).into()));
            let compared = Expr::BinaryOp { left: Box::new(Expr::Subquery(Box::new(count))), op, right: zero };
            *expr = Expr::Nested(Box::new(compared));
        }
        ControlFlow::Continue(())
    }
}

/// The query that counts the subquery's rows. A plain SELECT counts in its own place, so that its references to the
/// outer query stay where the planner finds them.
fn counted(subquery: &Query) -> Option<Query> {
    let mut counting = parse::trusted("SELECT count(*)").ok()?;
    let SetExpr::Select(outer) = counting.body.as_mut() else { return None };
    let whole = |body: &Select| {
        let plain_groups =
            matches!(&body.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty());
        plain_groups && body.having.is_none() && body.distinct.is_none() && body.top.is_none() && !aggregates(body)
    };
    match subquery.body.as_ref() {
        SetExpr::Select(body)
            if subquery.with.is_none()
                && subquery.limit_clause.is_none()
                && subquery.fetch.is_none()
                && whole(body) =>
        {
            let projection = std::mem::take(&mut outer.projection);
            let mut body = body.clone();
            body.projection = projection;
            **outer = *body;
        }
        _ => {
            let alias = TableAlias { explicit: true, name: Ident::new("firn_exists"), columns: vec![], at: None };
            let relation = TableFactor::Derived {
                lateral: false,
                subquery: Box::new(subquery.clone()),
                alias: Some(alias),
                sample: None,
            };
            outer.from = vec![TableWithJoins { relation, joins: vec![] }];
        }
    }
    Some(counting)
}

/// Whether the output of a SELECT without GROUP BY may be an aggregate, which gives a row even of none.
fn aggregates(select: &Select) -> bool {
    struct Calls;
    impl VisitorMut for Calls {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Function(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    select.projection.clone().visit(&mut Calls).is_break()
}
