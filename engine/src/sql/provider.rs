//! A table at a position as the planner sees it.
//!
//! Promises: the plan pins its snapshot, so it answers the same however late it runs; equality on the whole primary key
//! becomes a point read; what a transaction reads is recorded before it is read.
//! Never: a filter is dropped: pruning only skips what cannot match, and the plan above filters again.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Result, Statistics, internal_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
    StatisticsArgs,
};
use firn_manifest::schema::TableSchema;
use futures::{StreamExt, TryStreamExt};

use super::catalog::Reads;
use super::context::BATCH_ROWS;
use super::errors::external;
use super::points;
use crate::commit::Read;
use crate::state::{Scan, ScanAt, ScanColumn, ScanRequest, Snapshot, sql_schema};

/// Which columns a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// the user's
    Plain,
    /// all, the hidden row id included, then `_loc` and `_begin`: what the writing statements plan over
    Rows,
    /// all, then `_begin`, `_end` and `_op`, for every version
    History,
}

/// A table at a position.
pub struct FirnTable {
    snapshot: Snapshot,
    table: Arc<TableSchema>,
    at: ScanAt,
    view: View,
    reads: Option<Reads>,
    schema: SchemaRef,
}

impl FirnTable {
    /// The table in the version it had at `at`.
    #[must_use]
    pub fn new(snapshot: Snapshot, table: Arc<TableSchema>, at: ScanAt, view: View, reads: Option<Reads>) -> Self {
        let mut fields: Vec<Arc<Field>> = sql_schema(&table, view != View::Plain).fields().iter().cloned().collect();
        let mut push = |name: &str, ty, nullable| fields.push(Arc::new(Field::new(name, ty, nullable)));
        match view {
            View::Plain => {}
            View::Rows => {
                push("_loc", DataType::UInt64, false);
                push("_begin", DataType::UInt64, false);
            }
            View::History => {
                // older versions may lack what the newest requires
                fields = fields.iter().map(|f| Arc::new(f.as_ref().clone().with_nullable(true))).collect();
                fields.push(Arc::new(Field::new("_begin", DataType::UInt64, false)));
                fields.push(Arc::new(Field::new("_end", DataType::UInt64, true)));
                fields.push(Arc::new(Field::new("_op", DataType::UInt8, false)));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        Self { snapshot, table, at, view, reads, schema }
    }

    fn columns(&self) -> Vec<ScanColumn> {
        let hidden = self.view != View::Plain;
        let mut columns: Vec<ScanColumn> =
            self.table.columns.iter().filter(|c| hidden || !c.hidden).map(|c| ScanColumn::Column(c.id)).collect();
        match self.view {
            View::Plain => {}
            View::Rows => columns.extend([ScanColumn::Loc, ScanColumn::Begin]),
            View::History => columns.extend([ScanColumn::Begin, ScanColumn::End, ScanColumn::Op]),
        }
        columns
    }

    /// The filters over the stored columns alone, for pruning and for validation.
    fn predicate(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let full = DFSchema::try_from(sql_schema(&self.table, true).as_ref().clone())?;
        let stored: Vec<Expr> = filters
            .iter()
            .filter(|f| f.column_refs().iter().all(|c| full.has_column_with_unqualified_name(&c.name)))
            .cloned()
            .collect();
        conjunction(stored).map(|e| state.create_physical_expr(e, &full)).transpose()
    }
}

impl fmt::Debug for FirnTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirnTable").field("table", &self.table.name).field("at", &self.at).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for FirnTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let how = match self.view {
            View::History => TableProviderFilterPushDown::Unsupported,
            _ => TableProviderFilterPushDown::Inexact,
        };
        Ok(vec![how; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = self.columns();
        let (columns, schema) = match projection {
            None => (all, self.schema.clone()),
            Some(indices) => {
                (indices.iter().filter_map(|i| all.get(*i).copied()).collect(), Arc::new(self.schema.project(indices)?))
            }
        };
        let predicate = self.predicate(state, filters)?;
        let keys = points::keys(&self.table, filters).map_err(external)?;
        if let Some(reads) = &self.reads {
            reads.record(Read { table: self.table.id, predicate: predicate.clone() });
        }
        let wanted = state.config().target_partitions().max(1);
        let request = ScanRequest {
            table: self.table.clone(),
            at: self.at,
            columns,
            predicate: predicate.clone(),
            partitions: if keys.is_some() { 1 } else { wanted },
            keys,
            batch_size: BATCH_ROWS,
        };
        let newest = self.snapshot.position();
        let label = match self.at {
            ScanAt::Position(position) if position < newest => format!(", as of position {position}"),
            ScanAt::Position(_) => String::new(),
            ScanAt::AllVersions => ", every version".to_owned(),
        };
        let points = request.keys.as_ref().map(Vec::len);
        let scan = self.snapshot.scan(request).map_err(external)?;
        Ok(Arc::new(FirnScan::new(scan, schema, self.table.name.clone(), label, points, predicate)))
    }
}

/// The scan as a leaf of a physical plan.
#[derive(Debug)]
pub struct FirnScan {
    scan: Scan,
    schema: SchemaRef,
    table: String,
    label: String,
    points: Option<usize>,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FirnScan {
    fn new(
        scan: Scan,
        schema: SchemaRef,
        table: String,
        label: String,
        points: Option<usize>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(scan.partitions()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { scan, schema, table, label, points, predicate, properties: Arc::new(properties), metrics }
    }
}

impl DisplayAs for FirnScan {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        if matches!(t, DisplayFormatType::TreeRender) {
            return writeln!(f, "table={}{}", self.table, self.label);
        }
        write!(f, "FirnScan: table={}{}", self.table, self.label)?;
        let names: Vec<&str> = self.schema.fields().iter().map(|c| c.name().as_str()).collect();
        write!(f, ", columns=[{}]", names.join(", "))?;
        if let Some(points) = self.points {
            write!(f, ", keys={points}")?;
        }
        if let Some(predicate) = &self.predicate {
            write!(f, ", pruning={predicate}")?;
        }
        write!(f, ", files={}", self.scan.files())
    }
}

impl ExecutionPlan for FirnScan {
    fn name(&self) -> &'static str {
        "FirnScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no inputs") }
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let schema = self.schema.clone();
        let rows = self.scan.execute(partition).map_err(external).map(move |batch| {
            // names and nullability are the plan's; the values are the scan's
            batch
                .and_then(|b| {
                    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(b.num_rows()));
                    Ok(arrow::array::RecordBatch::try_new_with_options(schema.clone(), b.columns().to_vec(), &options)?)
                })
                .record_output(&baseline)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        if args.partition().is_none() {
            let rows = self.points.map_or(self.scan.estimated_rows(), |p| p as u64);
            statistics.num_rows = Precision::Inexact(usize::try_from(rows).unwrap_or(usize::MAX));
        }
        Ok(Arc::new(statistics))
    }
}
