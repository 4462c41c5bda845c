//! Plans that let go: whoever drops a query's stream gets its thread back soon.
//!
//! Promises: an operator that can make many batches of one (a join, an unnest, a recursion) yields to the scheduler
//! every so many batches, however seldom its inputs do. DataFusion lets scans and exchanges yield; a cross join of
//! millions would take one batch of its input and then run for minutes.
//! Never: rows, their order or their partitions are changed.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Operators whose output is not bounded by their input.
const GROWING: [&str; 8] = [
    "CrossJoinExec",
    "NestedLoopJoinExec",
    "HashJoinExec",
    "SortMergeJoinExec",
    "SymmetricHashJoinExec",
    "PiecewiseMergeJoinExec",
    "UnnestExec",
    "RecursiveQueryExec",
];

/// Puts a [`CooperativeExec`] above every operator of [`GROWING`].
#[derive(Debug)]
pub struct YieldWhereRowsGrow;

impl PhysicalOptimizerRule for YieldWhereRowsGrow {
    fn name(&self) -> &'static str {
        "YieldWhereRowsGrow"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if GROWING.contains(&node.name()) {
                return Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>));
            }
            Ok(Transformed::no(node))
        })
        .map(|plan| plan.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::SessionContext;
    use futures::StreamExt;

    use super::*;

    /// A poll that never came back would keep the one thread of this test for hours.
    #[tokio::test]
    async fn a_cross_join_of_millions_lets_go() {
        for sql in [
            "SELECT count(*) FROM generate_series(1, 3000000) a(x), generate_series(1, 3000000) b(y)",
            "SELECT sum(x + y) FROM generate_series(1, 3000000) a(x) JOIN generate_series(1, 3000000) b(y) ON x <> y",
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT count(*) FROM r",
        ] {
            let state = SessionStateBuilder::new()
                .with_default_features()
                .with_physical_optimizer_rule(Arc::new(YieldWhereRowsGrow))
                .build();
            let mut rows =
                SessionContext::new_with_state(state).sql(sql).await.unwrap().execute_stream().await.unwrap();
            let work = tokio::spawn(async move { rows.next().await });
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            work.abort();
            assert!(work.await.unwrap_err().is_cancelled(), "{sql}");
        }
    }
}
