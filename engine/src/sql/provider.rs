//! A table at a position as the planner sees it.
//!
//! Promises: the plan pins its snapshot, so it answers the same however late it runs; equality on the whole primary key
//! becomes a point read, and what an index bounds a read by it; what a transaction reads is recorded before it is read.
//! Never: a filter is dropped: pruning only skips what cannot match, and the plan above filters again.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Constraint, Constraints, DFSchema, Result, Statistics, internal_err};
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
use super::constraints::choose;
use super::context::BATCH_ROWS;
use super::errors::external;
use super::points;
use crate::commit::Read;
use crate::state::{IndexRead, Scan, ScanAt, ScanColumn, ScanRequest, Snapshot, sql_schema};

/// An index that gives more rows than this is left, and the table scanned.
const INDEX_ROWS: usize = 4096;

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
    /// the primary key: a group of it has one value of every other column
    constraints: Constraints,
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
        let constraints = key_of(&table, view);
        Self { snapshot, table, at, view, reads, schema, constraints }
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

    /// The read by an index that the filters allow, at the position the table is read at.
    fn index(&self, filters: &[Expr]) -> Result<Option<IndexRead>> {
        let Some(choice) = choose::choose(&self.table, filters).map_err(external)? else { return Ok(None) };
        let at = match self.at {
            ScanAt::Position(at) => at,
            ScanAt::AllVersions => return Ok(None),
        };
        let entries = self.snapshot.catalog().by_id(choice.index.table, at).cloned();
        Ok(entries.map(|entries| IndexRead {
            name: choice.index.name.clone(),
            entries,
            ranges: choice.ranges,
            limit: INDEX_ROWS,
        }))
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

/// The primary key by its places among the columns; none of a history, nor of a hidden row id.
fn key_of(table: &TableSchema, view: View) -> Constraints {
    let shown = table.columns.iter().filter(|c| view != View::Plain || !c.hidden);
    let places: Vec<usize> =
        shown.enumerate().filter(|(_, c)| !c.hidden && table.key.contains(&c.id)).map(|(place, _)| place).collect();
    if view == View::History || places.is_empty() || places.len() != table.key.len() {
        return Constraints::default();
    }
    Constraints::new_unverified(vec![Constraint::PrimaryKey(places)])
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

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
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
        let index = if keys.is_none() && self.view != View::History { self.index(filters)? } else { None };
        let wanted = state.config().target_partitions().max(1);
        let request = ScanRequest {
            table: self.table.clone(),
            at: self.at,
            columns,
            predicate: predicate.clone(),
            ranges: None,
            index,
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
        let by =
            By { keys: request.keys.as_ref().map(Vec::len), index: request.index.as_ref().map(|i| i.name.clone()) };
        let scan = self.snapshot.scan(request).map_err(external)?;
        Ok(Arc::new(FirnScan::new(scan, schema, self.table.name.clone(), label, by, predicate)))
    }
}

/// How a scan finds its rows, when not by reading all.
#[derive(Debug)]
struct By {
    /// so many keys
    keys: Option<usize>,
    /// an index
    index: Option<String>,
}

/// The scan as a leaf of a physical plan.
#[derive(Debug)]
pub struct FirnScan {
    scan: Scan,
    schema: SchemaRef,
    table: String,
    label: String,
    by: By,
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
        by: By,
        predicate: Option<Arc<dyn PhysicalExpr>>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(scan.partitions()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { scan, schema, table, label, by, predicate, properties: Arc::new(properties), metrics }
    }
}

impl FirnScan {
    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Files that can hold rows of it.
    pub(crate) fn files_read(&self) -> usize {
        self.scan.files()
    }

    /// Files of the table that cannot.
    pub(crate) fn files_pruned(&self) -> usize {
        self.scan.all_files().saturating_sub(self.scan.files())
    }

    /// Rows at the most, before any filter.
    pub(crate) fn estimated_rows(&self) -> u64 {
        self.by.keys.map_or(self.scan.estimated_rows(), |keys| keys as u64)
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
        if let Some(keys) = self.by.keys {
            write!(f, ", keys={keys}")?;
        }
        if let Some(index) = &self.by.index {
            write!(f, ", index={index}")?;
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
            let all = self.scan.estimated_rows();
            let few = self.by.index.as_ref().map(|_| all.min(INDEX_ROWS as u64));
            let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
            statistics.num_rows = match self.scan.exact_rows() {
                Some(rows) => Precision::Exact(count(rows)),
                None => Precision::Inexact(self.by.keys.unwrap_or_else(|| count(few.unwrap_or(all)))),
            };
        }
        Ok(Arc::new(statistics))
    }
}
