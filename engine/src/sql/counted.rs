//! EXCEPT ALL and INTERSECT ALL: equal rows are numbered on both sides, so that each takes only one other away.
//!
//! Promises: a row that is m times on the left and n times on the right comes max(m − n, 0) times out of EXCEPT ALL and
//! min(m, n) times out of INTERSECT ALL; NULLs are equal to each other. Numbers of rows are BIGINT.
//! Never: set operations without ALL are touched.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Alias, WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, cast,
};
use datafusion::optimizer::analyzer::AnalyzerRule;
use std::sync::Arc;

use super::names;

/// The rule.
#[derive(Debug, Default)]
pub struct CountedSets;

impl AnalyzerRule for CountedSets {
    fn name(&self) -> &'static str {
        "counted_sets"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) if counts(&join) => numbered(&join).map(Transformed::yes),
            LogicalPlan::Window(_) if unsigned(&plan) => signed(plan).map(Transformed::yes),
            other => other.recompute_schema().map(Transformed::no),
        })
        .map(|t| t.data)
    }
}

/// Only set operations join rows whose NULLs are equal; without ALL the left side is distinct.
fn counts(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn numbered(join: &Join) -> Result<LogicalPlan> {
    let number = names::unique_output(0, "number");
    let side = |plan: &LogicalPlan, by: Vec<Expr>| {
        let call = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
        let call = Expr::WindowFunction(Box::new(call)).partition_by(by).build()?;
        let columns: Vec<Expr> =
            plan.schema().iter().map(|(q, f)| Expr::Column(Column::new(q.cloned(), f.name()))).collect();
        let shown = call.schema_name().to_string();
        LogicalPlanBuilder::from(plan.clone())
            .window(vec![call])?
            .project(columns.into_iter().chain([Expr::Column(Column::from_name(shown)).alias(&number)]))?
            .build()
    };
    let (lefts, rights): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
    let mut both = join.clone();
    both.left = Arc::new(side(&join.left, lefts)?);
    both.right = Arc::new(side(&join.right, rights)?);
    let key = || Expr::Column(Column::from_name(&number));
    both.on.push((key(), key()));
    both.schema = both.left.schema().clone();
    let columns: Vec<Expr> =
        join.left.schema().iter().map(|(q, f)| Expr::Column(Column::new(q.cloned(), f.name()))).collect();
    LogicalPlanBuilder::from(LogicalPlan::Join(both)).project(columns)?.build()
}

fn unsigned(plan: &LogicalPlan) -> bool {
    plan.schema().fields().iter().any(|f| f.data_type() == &DataType::UInt64)
}

/// Row numbers and ranks as BIGINT, under their names.
fn signed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let exprs = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if field.data_type() != &DataType::UInt64 {
                return column;
            }
            Expr::Alias(Alias::new(cast(column, DataType::Int64), qualifier.cloned(), field.name()))
        })
        .collect();
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::one;

    #[tokio::test]
    async fn equal_rows_are_counted() {
        let both = |op: &str| {
            format!(
                "SELECT coalesce(string_agg(x, '' ORDER BY x), '-') || count(*) FROM (SELECT x FROM (VALUES ('a'), ('a'), ('b'), (NULL), (NULL)) l(x) {op} SELECT x FROM (VALUES ('a'), ('c'), (NULL)) r(x)) t"
            )
        };
        for (op, want) in [("EXCEPT ALL", "ab3"), ("INTERSECT ALL", "a2"), ("EXCEPT", "b1"), ("INTERSECT", "a2")] {
            assert_eq!(one(&both(op)).await, want, "{op}");
        }
        assert_eq!(one("SELECT row_number() OVER () - 5").await, "-4");
    }
}
