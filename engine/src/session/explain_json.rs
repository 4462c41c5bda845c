//! A plan as JSON, with PostgreSQL's names for what PostgreSQL has too.
//!
//! Promises: one document of one element, as `EXPLAIN (FORMAT JSON)` of PostgreSQL gives; figures are of this run alone.
//! Never: a name of the planner's own making is shown.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use firn_manifest::tally::Tally;
use serde_json::{Value, json};

use crate::sql::provider::FirnScan;

/// One operator of a plan and what is below it; with `ran`, what it did.
pub(super) fn node(plan: &Arc<dyn ExecutionPlan>, ran: bool) -> Value {
    let line = DisplayableExecutionPlan::new(plan.as_ref()).one_line().to_string();
    let mut node = json!({
        "Node Type": plan.name(),
        "Detail": line.trim().chars().filter(|c| !c.is_control()).collect::<String>(),
    });
    if let Some(rows) = estimated(plan) {
        node["Plan Rows"] = json!(rows);
    }
    if let Some(scan) = plan.downcast_ref::<FirnScan>() {
        node["Relation Name"] = json!(scan.table());
        node["Files Read"] = json!(scan.files_read());
        node["Files Pruned"] = json!(scan.files_pruned());
    }
    if ran && let Some(metrics) = plan.metrics() {
        if let Some(rows) = metrics.output_rows() {
            node["Actual Rows"] = json!(rows);
        }
        if let Some(nanos) = metrics.elapsed_compute() {
            node["Actual Compute Time"] = json!(millis(Duration::from_nanos(nanos as u64)));
        }
    }
    let below: Vec<Value> = plan.children().into_iter().map(|child| self::node(child, ran)).collect();
    if !below.is_empty() {
        node["Plans"] = Value::Array(below);
    }
    node
}

fn estimated(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let scan = plan.downcast_ref::<FirnScan>()?;
    usize::try_from(scan.estimated_rows()).ok()
}

/// Milliseconds with three digits.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// What the statement asked of the store.
pub(super) fn add_requests(document: &mut Value, tally: &Tally) {
    let t = tally.summary();
    document["Requests"] =
        json!({ "Total": t.requests, "GET": t.gets, "PUT": t.puts, "LIST": t.lists, "DELETE": t.deletes });
    document["Bytes Read"] = json!(t.bytes_read);
    document["Bytes Written"] = json!(t.bytes_written);
    document["Round Trips"] = json!(t.round_trips);
}

/// The document as the one row that PostgreSQL gives.
pub(super) fn lines(document: &Value) -> Vec<String> {
    vec![serde_json::to_string_pretty(&json!([document])).unwrap_or_default()]
}
