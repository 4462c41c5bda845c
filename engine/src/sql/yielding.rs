//! Plans that let go: whoever drops a query's stream gets its thread back soon.
//!
//! Promises: an operator that can make many batches of one (a join, an unnest, a recursion) yields to the scheduler
//! every so many batches, however seldom its inputs do. DataFusion lets scans and exchanges yield; a cross join of
//! millions would take one batch of its input and then run for minutes. A join by a condition that finds nothing makes
//! no batch at all for long; its condition looks whether the statement's [`Interrupt`] was pulled.
//! Never: rows, their order or their partitions are changed.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::exec_err;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};

tokio::task_local! {
    static CURRENT: Interrupt;
}

/// Ends the work of one statement wherever it runs: what was planned inside of [`Interrupt::scope`] gives up soon
/// after [`Interrupt::pull`].
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Runs a statement under it.
    pub fn scope<T>(&self, statement: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self.clone(), statement)
    }

    /// The statement is not wanted any more.
    pub fn pull(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A condition that looks at the interrupt each time it is evaluated.
#[derive(Debug)]
struct Watched {
    condition: Arc<dyn PhysicalExpr>,
    interrupt: Interrupt,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition) && Arc::ptr_eq(&self.interrupt.0, &other.interrupt.0)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl PhysicalExpr for Watched {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.interrupt.0.load(Ordering::Relaxed) {
            return exec_err!("the statement was cancelled");
        }
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.is_empty()) {
            (Some(condition), true) => Ok(Arc::new(Self { condition, interrupt: self.interrupt.clone() })),
            _ => exec_err!("a watched condition has one input"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

/// The join with its condition watched, if it has one and the statement an interrupt.
fn watched(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Ok(interrupt) = CURRENT.try_with(Clone::clone) else { return Ok(None) };
    let watch = |filter: &JoinFilter| {
        let condition: Arc<dyn PhysicalExpr> =
            Arc::new(Watched { condition: filter.expression().clone(), interrupt: interrupt.clone() });
        Some(JoinFilter::new(condition, filter.column_indices().to_vec(), filter.schema().clone()))
    };
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        let Some(filter) = join.filter() else { return Ok(None) };
        return Ok(Some(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(watch(filter)).build()?)));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        let Some(filter) = join.filter() else { return Ok(None) };
        return Ok(Some(Arc::new(join.builder().with_filter(watch(filter)).build()?)));
    }
    Ok(None)
}

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

/// Puts a [`CooperativeExec`] above every operator of [`GROWING`] and watches the conditions of joins.
#[derive(Debug)]
pub struct YieldWhereRowsGrow;

impl PhysicalOptimizerRule for YieldWhereRowsGrow {
    fn name(&self) -> &'static str {
        "YieldWhereRowsGrow"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if GROWING.contains(&node.name()) {
                let node = watched(&node)?.unwrap_or(node);
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

    /// Its first poll would take hours, so only the interrupt from another thread can end it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_join_that_finds_nothing_hears_the_interrupt() {
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(YieldWhereRowsGrow))
            .build();
        let context = SessionContext::new_with_state(state);
        for condition in ["x + y < 0", "x % 2 = y % 2 AND x + y < 0"] {
            let series = "generate_series(1, 3000000)";
            let sql = format!("SELECT count(*) FROM {series} a(x) JOIN {series} b(y) ON {condition}");
            let interrupt = Interrupt::default();
            let planned = async { context.sql(&sql).await.unwrap().execute_stream().await.unwrap() };
            let mut rows = interrupt.scope(planned).await;
            let work = tokio::spawn(async move { rows.next().await });
            tokio::task::yield_now().await;
            interrupt.pull();
            let error = work.await.unwrap().unwrap().unwrap_err();
            assert!(error.to_string().contains("cancelled"), "{condition}: {error}");
        }
    }
}
