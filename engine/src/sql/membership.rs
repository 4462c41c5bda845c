//! `x IN (SELECT …)` in a condition, where the planner's joins know true and false only.
//!
//! Promises: where NULL and false lead to different rows, IN and NOT IN have SQL's three answers: NULL when nothing is
//! equal and `x` is NULL or a row of the subquery is.
//! Never: an IN that a join answers rightly (one of the conditions that WHERE joins with AND) is touched.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, not, when,
};

/// The plan with every such IN taken apart into what a join and one more look at the subquery tell.
///
/// # Errors
/// Of building the plan.
pub fn three_valued(plan: LogicalPlan) -> Result<LogicalPlan> {
    let whole = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan else { return Ok(Transformed::no(plan)) };
        let settled = condition(predicate, true, input.schema())?;
        Ok(Transformed::new_transformed(
            LogicalPlan::Filter(Filter::try_new(settled.data, input)?),
            settled.transformed,
        ))
    })?;
    Ok(whole.data)
}

/// A condition for which NULL is as good as false; `alone` when all of WHERE is false with it.
fn condition(expr: Expr, alone: bool, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let alone = alone && op == Operator::And;
            let (left, right) = (condition(*left, alone, schema)?, condition(*right, alone, schema)?);
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr { left: Box::new(left.data), op, right: Box::new(right.data) };
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), changed))
        }
        Expr::InSubquery(asked) if !asked.negated || (alone && joins(&asked)) => {
            Ok(Transformed::no(Expr::InSubquery(asked)))
        }
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(asked) if asked.negated || (alone && joins(&asked)) => {
                Ok(Transformed::no(not(Expr::InSubquery(asked))))
            }
            other => anywhere(not(other), schema),
        },
        other => anywhere(other, schema),
    }
}

/// Whether the planner's NULL-aware join does what NOT IN means: it compares one column of either side.
fn joins(asked: &InSubquery) -> bool {
    asked.subquery.outer_ref_columns.is_empty() && !asked.expr.column_refs().is_empty()
}

fn anywhere(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::InSubquery(asked) => exact(asked, schema),
        other => Ok(Transformed::no(other)),
    })
}

/// What the subquery's rows say of NULL: 2 when one is NULL, 1 when none is, NULL when there are no rows.
fn nulls(subquery: &Subquery) -> Result<Expr> {
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    let value = Expr::Column(Column::new(qualifier.cloned(), field.name()));
    let kind = when(value.is_null(), lit(2_i64)).otherwise(lit(1_i64))?;
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .aggregate(Vec::<Expr>::new(), vec![max(kind)])?
        .build()?;
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery.clone() }))
}

fn exact(asked: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let rows = asked.subquery.subquery.schema();
    let certain = !asked.expr.nullable(schema)? && rows.fields().iter().all(|f| !f.is_nullable());
    if certain || rows.fields().len() != 1 {
        return Ok(Transformed::no(Expr::InSubquery(asked)));
    }
    let InSubquery { expr, subquery, negated } = asked;
    let doubtful = when(expr.clone().is_null(), lit(0_i64)).otherwise(lit(1_i64))?;
    let unknown = nulls(&subquery)?.gt(doubtful);
    let found = Expr::InSubquery(InSubquery { expr, subquery, negated: false });
    let answer = when(found, lit(true)).when(unknown, lit(ScalarValue::Boolean(None))).otherwise(lit(false))?;
    Ok(Transformed::yes(if negated { not(answer) } else { answer }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::one;

    async fn found(condition: &str) -> String {
        one(&format!(
            "SELECT coalesce(string_agg(coalesce(x::text, 'n'), '' ORDER BY x), '') FROM (VALUES (1), (2), (3), (NULL)) t(x) WHERE {condition}"
        ))
        .await
    }

    #[tokio::test]
    async fn null_is_neither_in_nor_out() {
        let some = "SELECT y FROM (VALUES (1), (NULL)) s(y)";
        let full = "SELECT y FROM (VALUES (1), (4)) s(y)";
        let none = "SELECT y FROM (VALUES (1)) s(y) WHERE y > 9";
        for (condition, want) in [
            (format!("x NOT IN ({some})"), ""),
            (format!("x NOT IN ({full})"), "23"),
            (format!("x NOT IN ({none})"), "123n"),
            (format!("x NOT IN ({some}) OR x = 2"), "2"),
            (format!("x NOT IN ({full}) OR x IS NULL"), "23n"),
            (format!("NOT (x IN ({some}) OR x = 2)"), ""),
            (format!("NOT (x IN ({full}) OR x = 2)"), "3"),
            (format!("NOT (x NOT IN ({some}))"), "1"),
            (format!("x IN ({some}) OR x = 2"), "12"),
            (format!("(x IN ({some})) IS NULL"), "23n"),
            (format!("(x IN ({full})) IS NULL"), "n"),
            (format!("(x NOT IN ({none})) IS NULL"), ""),
            (format!("coalesce(x IN ({some}), true)"), "123n"),
            (format!("CASE WHEN x NOT IN ({some}) THEN true ELSE x IS NULL END"), "n"),
            (format!("CASE WHEN x IN ({full}) THEN false ELSE true END"), "23n"),
            (format!("5 NOT IN ({some})"), ""),
            (format!("5 NOT IN ({full})"), "123n"),
            (format!("NULL NOT IN ({full})"), ""),
            (format!("NULL NOT IN ({none})"), "123n"),
            ("x NOT IN (SELECT y FROM (VALUES (1, 1), (2, NULL), (2, 5)) s(z, y) WHERE z = x)".to_owned(), "3n"),
            (
                "x > 1 AND (x NOT IN (SELECT y FROM (VALUES (1, 1), (2, NULL)) s(z, y) WHERE z = x) OR x = 7)"
                    .to_owned(),
                "3",
            ),
            ("x NOT IN (SELECT y FROM (VALUES (1, 1), (2, NULL)) s(z, y) WHERE z < x) OR x = 7".to_owned(), "12n"),
        ] {
            assert_eq!(found(&condition).await, want, "{condition}");
        }
    }
}
