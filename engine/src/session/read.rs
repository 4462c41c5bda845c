//! Statements that read.
//!
//! Promises: one statement reads one snapshot, its points in the past resolved against it.
//! Never: a read opens the writer.

use datafusion::common::ScalarValue;
use firn_manifest::store::Store;
use sqlparser::ast;

use super::block::Block;
use super::{Call, Outcome, Session};
use crate::commit::Consistency;
use crate::error::{Error, Result, sqlstate};
use crate::sql::catalog::{Reads, committed};
use crate::sql::output;
use crate::sql::query::Query;
use crate::sql::resolve::resolve;
use crate::state::Snapshot;

impl Session {
    /// The view of one statement that reads.
    pub(super) async fn query(&mut self, store: &Store, params: &[ScalarValue]) -> Result<Query> {
        let (snapshot, reads) = self.snapshot(store).await?;
        self.query_on(snapshot, params, reads).await
    }

    /// The state that a statement reads, and where a transaction notes what it read.
    async fn snapshot(&mut self, store: &Store) -> Result<(Snapshot, Option<Reads>)> {
        Ok(match &mut self.block {
            Block::Open(open) => {
                let transaction = open.transaction(&self.db, store).await?;
                (transaction.snapshot(store), Some(open.reads.clone()))
            }
            _ => (self.fresh(store).await?, None),
        })
    }

    async fn fresh(&self, store: &Store) -> Result<Snapshot> {
        let Some((consistency, at_least)) = self.freshness else { return self.db.snapshot(store).await };
        let snapshot = self.db.snapshot_with(store, consistency).await?;
        let Some(wanted) = at_least.filter(|wanted| snapshot.position() < *wanted) else { return Ok(snapshot) };
        let snapshot = match consistency {
            Consistency::Strong => snapshot,
            Consistency::Snapshot => self.db.snapshot_with(store, Consistency::Strong).await?,
        };
        if snapshot.position() >= wanted {
            return Ok(snapshot);
        }
        let message = format!("position {wanted} was asked for, and the newest is {}", snapshot.position());
        Err(Error::statement(sqlstate::INVALID_PARAMETER_VALUE, message)
            .with_hint("ask for a position that a write of this namespace returned"))
    }

    pub(super) async fn query_on(
        &self,
        snapshot: Snapshot,
        params: &[ScalarValue],
        reads: Option<Reads>,
    ) -> Result<Query> {
        let now = snapshot.store().world().now_micros();
        let (snapshot, at) = match self.settings.as_of {
            Some(as_of) => {
                let at = as_of.resolve(&snapshot, now).await?;
                (committed(&snapshot), at)
            }
            None => (snapshot.clone(), snapshot.position()),
        };
        let query = Query::new(snapshot, at, params, self.user(), now, reads, self.settings.path.clone());
        Ok(if self.deep { query.in_one_stream() } else { query })
    }

    pub(super) fn user(&self) -> String {
        self.settings.actor.clone().unwrap_or_else(|| "firn".to_owned())
    }

    pub(super) async fn select(&mut self, call: &Call<'_>, query: &ast::Query) -> Result<Outcome> {
        let (snapshot, reads) = self.snapshot(&call.store).await?;
        if let Some(keyed) = call.statement.keyed()
            && let Some(outcome) = self.by_key(call, keyed, &snapshot, reads.as_ref()).await?
        {
            return Ok(outcome);
        }
        let view = self.query_on(snapshot, call.params, reads).await?;
        let mut statement = ast::Statement::Query(Box::new(query.clone()));
        resolve(&mut statement, &view).await?;
        let mut names = output::Names::default();
        if let ast::Statement::Query(query) = &mut statement {
            names = output::prepare(query);
        }
        let plan = view.physical(statement).await?;
        let (schema, rows) = view.run(plan)?;
        let (schema, rows) = names.apply(&schema, rows);
        Ok(Outcome { schema, rows: Some(rows), position: Some(view.at()), ..call.done("SELECT") })
    }
}
