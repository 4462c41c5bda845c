//! PREPARE, EXECUTE and DEALLOCATE.
//!
//! Promises: EXECUTE runs the statement anew with its values, in the state of then; names are the session's own.
//! Never: a plan outlives its statement.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use sqlparser::ast::{self, CastKind, DataType, Expr, Ident};

use super::{Call, Outcome, Session};
use crate::error::{Error, Result, sqlstate};
use crate::sql::parse::Statement;
use crate::sql::resolve::folded;

/// Statements that a session may hold.
const MOST: usize = 1_000;

/// The statements of a session.
#[derive(Default)]
pub(super) struct Prepared(BTreeMap<String, One>);

struct One {
    statement: Statement,
    types: Vec<DataType>,
}

impl Session {
    pub(super) fn prepare(
        &mut self,
        call: &Call<'_>,
        name: &Ident,
        types: &[DataType],
        inner: &ast::Statement,
    ) -> Result<Outcome> {
        let name = folded(name);
        if matches!(inner, ast::Statement::Prepare { .. } | ast::Statement::Execute { .. }) {
            return Err(Error::unsupported("PREPARE of PREPARE or EXECUTE", "prepare the statement itself"));
        }
        if self.prepared.0.contains_key(&name) {
            let error = Error::statement("42P05", format!("prepared statement \"{name}\" exists already"));
            return Err(error.with_hint("DEALLOCATE it first, or choose another name"));
        }
        if self.prepared.0.len() >= MOST {
            let message = format!("a session holds at most {MOST} prepared statements");
            return Err(Error::statement(sqlstate::PROGRAM_LIMIT_EXCEEDED, message).with_hint("DEALLOCATE some"));
        }
        let statement = call.statement.inner(inner.clone());
        self.prepared.0.insert(name, One { statement, types: types.to_vec() });
        Ok(call.done("PREPARE"))
    }

    pub(super) async fn execute_prepared(&mut self, call: &Call<'_>, name: &str, given: &[Expr]) -> Result<Outcome> {
        let Some(one) = self.prepared.0.get(name) else { return Err(missing(name)) };
        let (statement, types) = (one.statement.clone(), one.types.clone());
        if !types.is_empty() && types.len() != given.len() {
            let message = format!(
                "wrong number of parameters for prepared statement \"{name}\": {} are expected, {} are given",
                types.len(),
                given.len()
            );
            return Err(Error::statement("42601", message));
        }
        let mut params = Vec::with_capacity(given.len());
        if !given.is_empty() {
            let view = self.query(&call.store, call.params).await?;
            for (index, expr) in given.iter().enumerate() {
                params.push(view.evaluate(typed(expr.clone(), types.get(index))).await?);
            }
        }
        self.run_inner(call, &statement, &params).await
    }

    async fn run_inner(&mut self, call: &Call<'_>, statement: &Statement, params: &[ScalarValue]) -> Result<Outcome> {
        let inner = Call {
            statement,
            params,
            request_id: call.request_id,
            store: call.store.clone(),
            tally: call.tally.clone(),
        };
        Box::pin(self.dispatch(&inner)).await
    }

    pub(super) fn deallocate(&mut self, call: &Call<'_>, name: &Ident) -> Result<Outcome> {
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") {
            self.prepared.0.clear();
            return Ok(call.done("DEALLOCATE ALL"));
        }
        let name = folded(name);
        match self.prepared.0.remove(&name) {
            Some(_) => Ok(call.done("DEALLOCATE")),
            None => Err(missing(&name)),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::statement("26000", format!("prepared statement \"{name}\" does not exist")).with_hint("PREPARE it first")
}

/// The value as the type that PREPARE declared.
fn typed(expr: Expr, ty: Option<&DataType>) -> Expr {
    match ty {
        None | Some(DataType::Unspecified) => expr,
        Some(ty) => {
            Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type: ty.clone(), array: false, format: None }
        }
    }
}
