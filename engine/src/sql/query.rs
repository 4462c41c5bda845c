//! One statement's view: a snapshot, the tables in it, the parameters, and the planner over them.
//!
//! Promises: everything planned through one [`Query`] reads the same snapshot at the same time; its streams hold what
//! they need and end when they are dropped.
//! Never: planning writes, or reads more than the plan's own constants.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr as Planned, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use firn_manifest::ids::Position;
use firn_manifest::world::World;
use futures::{StreamExt, TryStreamExt};
use sqlparser::ast::{self, Statement};

use super::catalog::{Reads, Tables, Used};
use super::functions::Facts;
use super::information::Information;
use super::relation::Scope;
use super::{arithmetic, context, errors, messages, mixed, names, nested, output, params, parse, ties, whole_rows};
use crate::commit::Read;
use crate::error::{BatchStream, Error, Result};
use crate::state::Snapshot;

/// One statement's view.
#[derive(Clone, Debug)]
pub struct Query {
    tables: Tables,
    params: Arc<[ScalarValue]>,
    facts: Facts,
    world: Arc<dyn World>,
    one_stream: bool,
    /// made when something is first planned: most statements that write by key never are
    state: Arc<OnceLock<Result<SessionState>>>,
}

impl Query {
    /// A view of `snapshot` as of `at`. `reads` remembers what a transaction reads.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        at: Position,
        params: &[ScalarValue],
        user: String,
        now: i64,
        reads: Option<Reads>,
        path: Arc<[String]>,
    ) -> Self {
        let world = snapshot.store().world().clone();
        let position = i64::try_from(at.0).unwrap_or(i64::MAX);
        let schema = path.iter().find(|name| snapshot.catalog().has_schema(name, at)).cloned();
        let facts = Facts { now, position, user, path: path.clone(), schema };
        let tables = Tables::new(snapshot, at, reads, Scope::Path(path), facts.clone());
        Self::over(tables, params.into(), facts, world)
    }

    /// A view over those tables, for the query of a view among them.
    pub(super) fn within(tables: Tables, facts: Facts) -> Self {
        let world = tables.snapshot().store().world().clone();
        Self::over(tables, Arc::from([]), facts, world)
    }

    /// The same view, which remembers the tables and views that its plans name.
    pub(super) fn noting(&self) -> (Self, Used) {
        let (tables, used) = self.tables.noting();
        (Self::over(tables, self.params.clone(), self.facts.clone(), self.world.clone()), used)
    }

    /// The same view over a catalog in which changes were made.
    pub(super) fn after(&self, changes: &[firn_manifest::schema::CatalogChange]) -> Result<Self> {
        let tables = self.tables.after(changes)?;
        Ok(Self::over(tables, self.params.clone(), self.facts.clone(), self.world.clone()))
    }

    /// What the functions of a statement answer, for a query along another path.
    pub(super) fn facts_on(&self, path: &[String]) -> Facts {
        Facts { path: path.into(), ..self.facts.clone() }
    }

    /// The tables along another path.
    pub(super) fn tables_on(&self, path: &[String]) -> Tables {
        self.tables.on_path(path.into())
    }

    /// The SQL schemas that plain names are looked up in, in order.
    #[must_use]
    pub fn path(&self) -> &Arc<[String]> {
        &self.facts.path
    }

    fn over(tables: Tables, params: Arc<[ScalarValue]>, facts: Facts, world: Arc<dyn World>) -> Self {
        Self { tables, params, facts, world, one_stream: false, state: Arc::default() }
    }

    /// The planner over the view.
    fn state(&self) -> Result<&SessionState> {
        let made = self.state.get_or_init(|| {
            let information = Information::new(self.tables.snapshot().clone(), self.tables.at());
            let mut state = context::state(self.tables.clone(), Arc::new(information), &self.facts, &self.world)?;
            if self.one_stream {
                state.config_mut().options_mut().execution.target_partitions = 1;
            }
            Ok(state)
        });
        made.as_ref().map_err(Clone::clone)
    }

    /// The same view, whose plans run in one stream and so on the stack of whoever takes the rows.
    #[must_use]
    pub fn in_one_stream(self) -> Self {
        Self { one_stream: true, state: Arc::default(), ..self }
    }

    /// The snapshot everything is read from.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        self.tables.snapshot()
    }

    /// The position plain table names are read at.
    #[must_use]
    pub fn at(&self) -> Position {
        self.tables.at()
    }

    /// The statement's time, microseconds since 1970 UTC.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.facts.now
    }

    /// The parameters, `$1` first.
    #[must_use]
    pub fn params(&self) -> &[ScalarValue] {
        &self.params
    }

    /// The parameter of that name (`$1`).
    ///
    /// # Errors
    /// 42P02 when there is none.
    pub fn param(&self, name: &str) -> Result<ScalarValue> {
        params::find(name, &self.params).cloned()
    }

    /// Whether a transaction remembers what is read here.
    #[must_use]
    pub fn records_reads(&self) -> bool {
        self.tables.records_reads()
    }

    /// Remembers, for a transaction, a read that no scan makes, such as a key that was looked up.
    pub fn record(&self, read: Read) {
        self.tables.record(read);
    }

    /// The same view, with a batch under a name that hides a table's.
    #[must_use]
    pub fn with_batch(&self, name: &str, batch: RecordBatch) -> Self {
        Self { tables: self.tables.with_batch(name, batch), state: Arc::default(), ..self.clone() }
    }

    /// A query's rows as they come.
    ///
    /// # Errors
    /// Everything that is wrong with the query; the stream's own errors come out of the stream.
    pub async fn stream(&self, query: ast::Query) -> Result<(SchemaRef, BatchStream)> {
        let plan = self.physical(Statement::Query(Box::new(query))).await?;
        self.run(plan)
    }

    /// A query's rows, all of them.
    ///
    /// # Errors
    /// See [`Self::stream`].
    pub async fn collect(&self, query: ast::Query) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let (schema, rows) = self.stream(query).await?;
        Ok((schema, rows.try_collect().await?))
    }

    /// The value of an expression that names no column.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn evaluate(&self, expr: ast::Expr) -> Result<ScalarValue> {
        self.evaluate_with(expr, vec![]).await
    }

    /// The same of one whose subqueries may name WITH queries, the outermost first.
    pub(super) async fn evaluate_with(&self, expr: ast::Expr, with: Vec<ast::With>) -> Result<ScalarValue> {
        let mut query = parse::trusted("SELECT 1")?;
        query.with = with.into_iter().reduce(|outer, inner| ast::With {
            recursive: outer.recursive || inner.recursive,
            cte_tables: outer.cte_tables.into_iter().chain(inner.cte_tables).collect(),
            ..outer
        });
        if let ast::SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![ast::SelectItem::UnnamedExpr(expr)];
        }
        let (_, batches) = self.collect(query).await?;
        match batches.iter().find(|b| b.num_rows() > 0) {
            Some(batch) => Ok(ScalarValue::try_from_array(batch.column(0), 0)?),
            None => Err(Error::internal("an expression gave no row")),
        }
    }

    /// An expression over the columns of `schema`, ready to be evaluated.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn physical_expr(&self, expr: &ast::Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        let mut expr = expr.clone();
        params::place_expr(&mut expr, &self.params)?;
        let state = self.state()?;
        let planned = state.create_logical_expr_from_sql_expr(ExprWithAlias { expr, alias: None }, schema)?;
        Ok(Self::exact(state, planned, schema)?)
    }

    fn exact(
        state: &SessionState,
        expr: Planned,
        schema: &DFSchema,
    ) -> datafusion::common::Result<Arc<dyn PhysicalExpr>> {
        let props = state.execution_props();
        let simplifier = ExprSimplifier::new(
            SimplifyContext::builder()
                .with_schema(Arc::new(schema.clone()))
                .with_config_options(state.config_options().clone())
                .with_query_execution_start_time(props.query_execution_start_time)
                .build(),
        );
        let settled = mixed::settle(expr, schema)?.data;
        let coerced = simplifier.coerce(settled, schema)?;
        let exact = arithmetic::exact_expr(coerced, schema)?.data;
        let simple = simplifier.simplify(exact)?;
        create_physical_expr(
            &simple,
            schema,
            props,
            &datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext::default(),
        )
    }

    /// The logical plan of a query.
    ///
    /// # Errors
    /// Everything that is wrong with the query.
    pub async fn plan(&self, mut statement: Statement) -> Result<LogicalPlan> {
        params::place(&mut statement, &self.params)?;
        whole_rows::place(&mut statement, self)?;
        output::settle(&mut statement);
        ties::answer(&mut statement, self).await?;
        let planned = match self.planned(statement.clone()).await {
            // a column of a `*` and one beside it may have one name
            Err(error) if ["42701", "42702"].contains(&error.sqlstate) && output::apart(&mut statement) => {
                self.planned(statement).await.map_err(|_| error)?
            }
            planned => planned?,
        };
        Ok(ties::settled(planned)?)
    }

    async fn planned(&self, statement: Statement) -> Result<LogicalPlan> {
        let planned = DfStatement::Statement(Box::new(statement));
        self.state()?.statement_to_plan(planned).await.map_err(|e| self.explained(errors::from_datafusion(&e)))
    }

    /// The physical plan of a query.
    ///
    /// # Errors
    /// See [`Self::plan`].
    pub async fn physical(&self, statement: Statement) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan(statement).await?;
        if !matches!(plan, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_))
        {
            return Ok(nested::physical(self.state()?, &plan).await?);
        }
        Err(Error::unsupported("this statement inside a query", "run it as a statement of its own"))
    }

    /// Starts a plan.
    ///
    /// # Errors
    /// When an operator cannot start.
    pub fn run(&self, plan: Arc<dyn ExecutionPlan>) -> Result<(SchemaRef, BatchStream)> {
        let schema = plan.schema();
        let rows = execute_stream(plan, self.state()?.task_ctx())?;
        Ok((schema, rows.map_err(|e| errors::from_datafusion(&e)).boxed()))
    }

    /// The optimised logical plan, for EXPLAIN.
    ///
    /// # Errors
    /// See [`Self::plan`].
    pub fn optimized(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        Ok(nested::optimized(self.state()?, plan)?)
    }

    /// The error of a table that is not there, with what could have been meant.
    #[must_use]
    pub fn no_table(&self, name: &str) -> Error {
        self.explained(Error::statement("42P01", format!("table \"{name}\" does not exist")))
    }

    /// Adds what the catalog knows to the error of an unknown table.
    fn explained(&self, error: Error) -> Error {
        if error.sqlstate != "42P01" || error.hint.is_some() {
            return error;
        }
        let Some(name) = error.message.split('"').nth(1).map(str::to_owned) else { return error };
        let catalog = self.snapshot().catalog();
        let at = self.at();
        if let Some(version) = catalog.versions().iter().rev().find(|v| v.schema.qualified_name() == name) {
            return match version.end {
                Some(end) if end <= at => error.with_hint(format!(
                    "it was there until position {end}: read it with AS OF POSITION {}",
                    end.0.saturating_sub(1)
                )),
                _ => error.with_hint(format!("it is there since position {}", version.begin)),
            };
        }
        let tables = catalog.tables(at);
        let close = {
            let names: Vec<String> = tables.iter().map(|t| t.qualified_name()).collect();
            messages::similar(&name, names.iter().map(String::as_str))
        };
        if close.is_empty() {
            error.with_hint("SHOW TABLES lists what is there")
        } else {
            let quoted: Vec<String> = close.iter().map(|c| shown_name(c)).collect();
            error.with_hint(format!("did you mean {}?", quoted.join(" or ")))
        }
    }
}

fn shown_name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { names::shown(name).to_owned() } else { format!("\"{name}\"") }
}
