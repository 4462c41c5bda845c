//! The planner's surroundings: settings, functions and limits that every statement shares, and the small part that
//! each has for itself.
//!
//! Promises: a statement sees the tables of one namespace and nothing of the machine: no file, no address, no option of
//! the planner can be reached from SQL. Memory for sorting and joining is bounded for the process.
//! Never: intermediate results are written to a disk, where they would stand unencrypted.

use std::sync::{Arc, LazyLock};

use chrono::DateTime;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider};
use datafusion::config::Dialect;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::AggregateUDF;
use datafusion::optimizer::Analyzer;
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::prelude::SessionConfig;
use firn_manifest::world::World;

use super::arithmetic::ExactArithmetic;
use super::catalog::Tables;
use super::counted::CountedSets;
use super::functions::{self, Facts};
use super::mixed::FloatsFirst;
use super::operators::{self, Operators};
use super::sum::ExactSum;
use super::yielding::YieldWhereRowsGrow;
use super::zones::AtTimeZone;
use super::{cast, guarded};
use crate::error::{Error, Result};

/// The catalog's name.
pub const CATALOG: &str = "firn";
/// The schema of the user's tables.
pub const SCHEMA: &str = "public";
/// The schema that plain names are in when the search path is not `public` alone; users cannot write it.
pub const PATH: &str = "\u{1}path";
/// The schema that describes them.
pub const INFORMATION_SCHEMA: &str = "information_schema";

/// Streams a plan is split into where the world does not say otherwise.
const STREAMS: usize = 2;

/// Rows a batch.
pub const BATCH_ROWS: usize = 8192;

/// Bytes that all statements of the process may hold for sorts, joins and groups.
const MEMORY_BYTES: usize = 2 << 30;

static RUNTIME: LazyLock<Arc<RuntimeEnv>> = LazyLock::new(|| {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let builder = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY_BYTES)))
        .with_disk_manager_builder(disk);
    Arc::new(builder.build().unwrap_or_default())
});

static BASE: LazyLock<SessionState> = LazyLock::new(|| {
    let mut state = SessionStateBuilder::new()
        .with_config(config())
        .with_runtime_env(RUNTIME.clone())
        .with_expr_planners(vec![Arc::new(Operators)])
        .with_default_features()
        .with_analyzer_rules(rules())
        .with_physical_optimizer_rule(Arc::new(YieldWhereRowsGrow))
        .build();
    for function in functions::shared()
        .into_iter()
        .chain(cast::named())
        .chain([AtTimeZone::udf(), cast::to_array()])
        .chain(operators::functions())
        .chain(super::ordered::functions())
        .chain(super::quantified::functions())
        .chain(super::ties::functions())
    {
        let _ = state.register_udf(Arc::new(function));
    }
    for name in guarded::NAMES {
        if let Ok(function) = state.udf(name) {
            let _ = state.register_udf(Arc::new(guarded::guarded(function)));
        }
    }
    let _ = state.register_udaf(Arc::new(AggregateUDF::from(ExactSum::default())));
    state
});

fn rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(FloatsFirst));
    rules.insert(0, Arc::new(CountedSets));
    rules.push(Arc::new(ExactArithmetic));
    rules
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(STREAMS)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".to_owned());
    options.explain.show_schema = false;
    // the planner's two halves disagree now and then whether a CASE can be NULL; no answer depends on it
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}

/// A state for one statement: its tables, by schema and along its search path.
///
/// # Errors
/// When a function cannot be registered.
pub fn state(
    tables: Tables,
    information: Arc<dyn SchemaProvider>,
    facts: &Facts,
    world: &Arc<dyn World>,
) -> Result<SessionState> {
    let plain = if *facts.path == [SCHEMA.to_owned()] { SCHEMA } else { PATH };
    state_over(Arc::new(Schemas { plain, tables, information }), plain, facts, world)
}

/// A state over any catalog, whose plain names are in the schema `plain`.
///
/// # Errors
/// When a function cannot be registered.
pub(super) fn state_over(
    catalog: Arc<dyn CatalogProvider>,
    plain: &str,
    facts: &Facts,
    world: &Arc<dyn World>,
) -> Result<SessionState> {
    let mut state = BASE.clone();
    if world.streams() != STREAMS {
        state.config_mut().options_mut().execution.target_partitions = world.streams().max(1);
    }
    if plain != SCHEMA {
        plain.clone_into(&mut state.config_mut().options_mut().catalog.default_schema);
    }
    state.register_catalog_list(Arc::new(OneCatalog { catalog }));
    let props = state.execution_props_mut();
    props.query_execution_start_time = DateTime::from_timestamp_micros(facts.now);
    for function in functions::of_statement(facts).into_iter().chain(functions::of_world(world)) {
        state.register_udf(Arc::new(function)).map_err(Error::from)?;
    }
    Ok(state)
}

/// The list of catalogs: one.
#[derive(Debug)]
struct OneCatalog {
    catalog: Arc<dyn CatalogProvider>,
}

impl CatalogProviderList for OneCatalog {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| self.catalog.clone())
    }
}

/// The catalog: the SQL schemas, and the one that describes them.
#[derive(Debug)]
struct Schemas {
    plain: &'static str,
    tables: Tables,
    information: Arc<dyn SchemaProvider>,
}

impl CatalogProvider for Schemas {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.tables.snapshot().catalog().schema_names(self.tables.at());
        names.push(INFORMATION_SCHEMA.to_owned());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            // plain names are in this one; it knows the statement's own batches too
            _ if name == self.plain => Some(Arc::new(self.tables.clone())),
            INFORMATION_SCHEMA => Some(self.information.clone()),
            // whether it is there is a question of the position that a table is read at
            _ => Some(Arc::new(self.tables.in_schema(name))),
        }
    }
}
