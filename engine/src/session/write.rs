//! Statements that write.
//!
//! Promises: outside a transaction a statement is one commit, planned against the newest state; inside, it is added to
//! the transaction. A request id that was seen before gives its first answer.
//! Never: a statement is applied in part.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use firn_manifest::ids::Position;
use firn_segment::record::Answer;
use sqlparser::ast;

use super::block::Block;
use super::{Call, Outcome, Session, unsupported};
use crate::commit::WriteRequest;
use crate::error::{Error, Result, sqlstate};
use crate::sql::query::Query;
use crate::sql::resolve::resolve;
use crate::sql::write::{Write, plan_write};

/// A write's answer, without its effects.
struct Answered {
    tag: String,
    rows: u64,
    returning: Option<(SchemaRef, Vec<RecordBatch>)>,
}

impl Session {
    pub(super) async fn write(&mut self, call: &Call<'_>, statement: &ast::Statement) -> Result<Outcome> {
        if let Some(as_of) = self.settings.as_of {
            return Err(Error::statement(
                sqlstate::READ_ONLY,
                format!("the session reads the past (firn.as_of = {as_of}), which cannot be changed"),
            )
            .with_hint("RESET firn.as_of to write"));
        }
        match &mut self.block {
            Block::Open(open) if open.read_only => {
                Err(Error::statement(sqlstate::READ_ONLY, "the transaction is READ ONLY")
                    .with_hint("begin one without READ ONLY to write"))
            }
            Block::Open(_) => self.write_inside(call, statement).await,
            Block::Replay(replay) => {
                let answer = replay.next()?;
                replayed(call, &answer, None)
            }
            _ => self.write_alone(call, statement).await,
        }
    }

    async fn write_alone(&mut self, call: &Call<'_>, statement: &ast::Statement) -> Result<Outcome> {
        let core = self.db.writer_with(&call.store).await?;
        let request = WriteRequest {
            actor: self.settings.actor.clone(),
            reason: self.settings.reason.clone(),
            request_id: call.request_id.map(str::to_owned),
            store: call.store.clone(),
        };
        let mut answered = None;
        let slot = &mut answered;
        let session = &*self;
        let committed = core
            .write(request, |snapshot| async move {
                let query = session.query_on(snapshot, call.params, None).await?;
                let write = plan(statement, &query).await?;
                let (mut set, answer) = split(write);
                if call.request_id.is_none() {
                    set.answers.clear();
                }
                *slot = Some(answer);
                Ok(set)
            })
            .await?;
        match (committed.answers.first(), answered) {
            (Some(answer), _) if committed.replayed => replayed(call, answer, Some(committed.position)),
            (None, _) if committed.replayed => Err(Error::statement(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!(
                    "this request id was committed at position {} by a transaction without an answer",
                    committed.position
                ),
            )
            .with_hint("repeat exactly what was run first, or use a new request id")),
            (_, Some(answer)) => Ok(outcome(call, answer, Some(committed.position))),
            _ => Err(Error::internal("a write was acknowledged without an answer")),
        }
    }

    async fn write_inside(&mut self, call: &Call<'_>, statement: &ast::Statement) -> Result<Outcome> {
        let Block::Open(open) = &mut self.block else { return Err(Error::internal("a transaction that is none")) };
        let reads = open.reads.clone();
        let snapshot = open.for_writing(&self.db, &call.store).await?.snapshot(&call.store);
        let query = self.query_on(snapshot, call.params, Some(reads)).await?;
        let (mut set, answer) = split(plan(statement, &query).await?);
        let Block::Open(open) = &mut self.block else { return Err(Error::internal("a transaction that is none")) };
        if open.request_id.is_none() {
            set.answers.clear();
        }
        open.for_writing(&self.db, &call.store).await?.apply(set)?;
        open.keep_reads();
        Ok(outcome(call, answer, None))
    }
}

/// Plans a write against a view.
async fn plan(statement: &ast::Statement, query: &Query) -> Result<Write> {
    let mut statement = statement.clone();
    resolve(&mut statement, query).await?;
    plan_write(&statement, query).await?.ok_or_else(|| unsupported::error(&statement))
}

fn split(write: Write) -> (crate::commit::WriteSet, Answered) {
    (write.set, Answered { tag: write.tag, rows: write.rows, returning: write.returning })
}

fn outcome(call: &Call<'_>, answered: Answered, position: Option<Position>) -> Outcome {
    let done = match answered.returning {
        Some((schema, batches)) if batches.is_empty() => call.rows(&answered.tag, vec![RecordBatch::new_empty(schema)]),
        Some((_, batches)) => call.rows(&answered.tag, batches),
        None => call.done(answered.tag),
    };
    Outcome { position, rows_affected: answered.rows, ..done }
}

fn replayed(call: &Call<'_>, answer: &Answer, position: Option<Position>) -> Result<Outcome> {
    let done = match &answer.returning {
        Some(bytes) => call.rows(&answer.tag, vec![firn_segment::batch_from_ipc(bytes)?]),
        None => call.done(answer.tag.clone()),
    };
    Ok(Outcome { position, rows_affected: answer.rows, ..done })
}
