//! Rows that come as batches instead of statements: what `firn load` uses.
//!
//! Promises: a batch is one commit, checked like an INSERT; with a request id it may be sent again safely.
//! Never: a batch is added to a transaction block; a load commits as it goes. A batch is reported before it is durable.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use firn_manifest::schema::TableSchema;
use firn_manifest::tally::Tally;

use super::{Outcome, Session};
use crate::commit::{Core, Passed, WriteRequest};
use crate::error::{Error, Result, sqlstate};
use crate::sql::insert::insert_batch;
use crate::sql::relation::Relation;

/// A batch that has its place among the commits and may not be durable yet.
#[derive(Debug)]
pub struct PassedBatch {
    core: Arc<Core>,
    passed: Passed,
    tag: String,
    rows_affected: u64,
    tally: Arc<Tally>,
}

impl PassedBatch {
    /// Comes back when it is durable.
    ///
    /// # Errors
    /// `Fenced`; a store error when the outcome is unknown.
    pub async fn acknowledged(self) -> Result<Outcome> {
        let Self { core, passed, tag, rows_affected, tally } = self;
        let position = Some(core.acknowledged(passed).await?.position);
        Ok(Outcome { tag, position, schema: Arc::new(Schema::empty()), rows: None, rows_affected, tally })
    }
}

impl Session {
    /// Inserts a batch of rows: columns are found by name, values are assigned as INSERT assigns them, missing columns
    /// take their defaults.
    ///
    /// # Errors
    /// As INSERT; 25001 inside a transaction block, 25006 while the session reads the past.
    pub async fn load_batch(&mut self, table: &str, batch: RecordBatch, request_id: Option<&str>) -> Result<Outcome> {
        self.pass_batch(table, batch, request_id).await?.acknowledged().await
    }

    /// As [`Session::load_batch`], but comes back when the batch has its place among the commits, so that the next one can
    /// be prepared while this one is stored. It failed or stands only when [`PassedBatch::acknowledged`] says so.
    ///
    /// # Errors
    /// What is wrong with the batch; nothing of it is there then.
    pub async fn pass_batch(
        &mut self,
        table: &str,
        batch: RecordBatch,
        request_id: Option<&str>,
    ) -> Result<PassedBatch> {
        if self.in_transaction() {
            return Err(Error::statement("25001", "a batch cannot be loaded inside a transaction block")
                .with_hint("COMMIT or ROLLBACK first"));
        }
        if self.settings.as_of.is_some() {
            return Err(Error::statement(sqlstate::READ_ONLY, "the session reads the past, which cannot be changed")
                .with_hint("RESET firn.as_of to write"));
        }
        let tally = Tally::new();
        let store = self.db.store().with_tally(tally.clone());
        let core = self.db.writer_with(&store).await?;
        let request = WriteRequest {
            actor: self.settings.actor.clone(),
            reason: self.settings.reason.clone(),
            request_id: request_id.map(str::to_owned),
            store,
        };
        let mut done = None;
        let slot = &mut done;
        let session = &*self;
        let passed = core
            .pass_lane(request, |snapshot| async move {
                let query = session.query_on(snapshot, &[], None).await?;
                let mut write = Box::pin(insert_batch(table, &batch, &query)).await?;
                *slot = Some((write.tag, write.rows));
                if request_id.is_none() {
                    write.set.answers.clear();
                }
                Ok(write.set)
            })
            .await?;
        let committed = passed.committed();
        let first = committed.answers.first().map(|a| (a.tag.clone(), a.rows));
        let (tag, rows_affected) = if committed.replayed { first } else { done }
            .ok_or_else(|| Error::internal("a batch was passed without an answer"))?;
        Ok(PassedBatch { core, passed, tag, rows_affected, tally })
    }

    /// The table of that name as the session reads it, if there is one.
    ///
    /// # Errors
    /// Of reading the catalog; the kind `NoNamespace` when there is no namespace.
    pub async fn table_schema(&mut self, name: &str) -> Result<Option<Arc<TableSchema>>> {
        let store = self.db.store().clone();
        let query = self.query(&store, &[]).await?;
        Ok(Relation::parse(name, &query)?.read(&query))
    }
}
