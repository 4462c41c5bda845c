//! For unit tests: statements that read no table, planned and run as every other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use datafusion::catalog::MemoryCatalogProvider;
use datafusion::physical_plan::collect;
use datafusion::sql::parser::Statement as Planned;

use super::{context, functions::Facts, parse};
use crate::error::{Error, Result};

/// The first column of the first row as text.
pub async fn run(sql: &str) -> Result<String> {
    let mut statement = parse::parse(sql)?.remove(0);
    super::params::place(&mut statement.ast, &[])?;
    let path = super::relation::public_path();
    let facts =
        Facts { now: 1_700_000_000_000_000, position: 7, user: "tester".into(), path, schema: Some("public".into()) };
    let catalog = Arc::new(MemoryCatalogProvider::new());
    let state = context::state_over(catalog, context::SCHEMA, &facts, &firn_manifest::world::system())?;
    let plan = state.statement_to_plan(Planned::Statement(Box::new(statement.ast))).await.map_err(Error::from)?;
    let plan = super::nested::physical(&state, &plan).await.map_err(Error::from)?;
    let batches = collect(plan, state.task_ctx()).await.map_err(Error::from)?;
    let batch = batches.iter().find(|b| b.num_rows() > 0);
    Ok(batch.map_or_else(String::new, |b| array_value_to_string(b.column(0), 0).unwrap()))
}

/// The answer.
pub async fn one(sql: &str) -> String {
    run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// The SQLSTATE of the failure.
pub async fn error(sql: &str) -> &'static str {
    match run(sql).await {
        Ok(value) => panic!("{sql} gave {value}"),
        Err(error) => error.sqlstate,
    }
}
