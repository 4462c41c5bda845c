//! BEGIN … COMMIT.
//!
//! Promises: the snapshot is taken by the first statement inside; what was read is validated at COMMIT; after an error
//! nothing is done until ROLLBACK, and COMMIT of a failed transaction rolls back.
//! Never: a transaction's writes are seen outside before COMMIT, or in part.

use std::collections::VecDeque;

use firn_manifest::canary;
use firn_manifest::ids::Position;
use firn_manifest::store::Store;
use firn_segment::record::Answer;
use sqlparser::ast::{Ident, TransactionAccessMode, TransactionMode};

use super::{Call, Outcome, Session};
use crate::commit::{Consistency, Read, Transaction, WriteRequest, Written};
use crate::database::Database;
use crate::error::{Error, Result, sqlstate};
use crate::sql::catalog::Reads;

/// Where a session stands between BEGIN and COMMIT.
pub(super) enum Block {
    /// outside
    None,
    /// inside
    Open(Box<Open>),
    /// inside one that was committed before under the same request id: its answers come back
    Replay(Replay),
    /// inside one that failed; with its savepoints, if it has any to come back to
    Failed(Option<Box<Open>>),
}

/// A transaction under way.
#[derive(Default)]
pub(super) struct Open {
    transaction: Option<Transaction>,
    on_writer: bool,
    pub(super) reads: Reads,
    log: Vec<Read>,
    pub(super) request_id: Option<String>,
    pub(super) read_only: bool,
    pub(super) savepoints: Vec<Savepoint>,
}

/// A point inside a transaction that it can come back to.
pub(super) struct Savepoint {
    pub(super) name: String,
    pub(super) written: Written,
}

/// A transaction that is answered from its first run.
pub(super) struct Replay {
    position: Position,
    answers: VecDeque<Answer>,
}

impl Block {
    /// After an error.
    pub(super) fn fail(&mut self) {
        if let Self::Open(open) = self {
            let open = std::mem::take(open);
            *self = Self::Failed(Some(open).filter(|open| !open.savepoints.is_empty()));
        }
    }

    /// Refuses statements inside a failed transaction.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Failed(open) => {
                let hint = if open.is_some() {
                    "say ROLLBACK TO a savepoint, or ROLLBACK and begin again"
                } else {
                    "say ROLLBACK, then begin again"
                };
                let message = "the transaction has failed: nothing is done until it ends";
                Err(Error::statement("25P02", message).with_hint(hint))
            }
            _ => Ok(()),
        }
    }
}

impl Replay {
    /// The first answer of the next writing statement.
    pub(super) fn next(&mut self) -> Result<Answer> {
        self.answers.pop_front().ok_or_else(|| {
            Error::statement(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("this request id was committed at position {} with fewer statements", self.position),
            )
            .with_hint("repeat exactly the statements of the first run, or use a new request id")
        })
    }
}

impl Open {
    /// The transaction; its first statement takes the snapshot.
    pub(super) async fn transaction(&mut self, db: &Database, store: &Store) -> Result<&mut Transaction> {
        if self.transaction.is_none() {
            self.on_writer = db.has_writer();
            self.transaction = Some(Transaction::begin(db.snapshot(store).await?));
        }
        self.transaction.as_mut().ok_or_else(|| Error::internal("a transaction without its snapshot"))
    }

    /// The transaction, for a statement that writes: on the writer's own state.
    pub(super) async fn for_writing(&mut self, db: &Database, store: &Store) -> Result<&mut Transaction> {
        if !self.on_writer || self.transaction.is_none() {
            let core = db.writer_with(store).await?;
            let begun = self.transaction.as_ref().map(Transaction::position);
            // what was begun has read a proven state; what begins here has to prove it
            let consistency = if begun.is_some() { Consistency::Snapshot } else { db.options().consistency };
            let snapshot = core.snapshot(store, consistency).await?;
            if begun.is_some_and(|position| position != snapshot.position()) {
                return Err(Error::statement(
                    sqlstate::SERIALIZATION_FAILURE,
                    "the transaction read a state that another writer has changed since",
                )
                .with_hint("begin the transaction again"));
            }
            self.transaction = Some(Transaction::begin(snapshot));
            self.on_writer = true;
        }
        self.transaction.as_mut().ok_or_else(|| Error::internal("a transaction without its snapshot"))
    }

    /// What was written so far, to come back to.
    pub(super) fn mark(&self) -> Written {
        self.transaction.as_ref().map(Transaction::mark).unwrap_or_default()
    }

    /// Forgets what was written since that mark.
    pub(super) fn back_to(&mut self, mark: &Written) {
        self.keep_reads();
        if let Some(transaction) = &mut self.transaction {
            transaction.back_to(mark);
        }
    }

    /// Keeps what the last statement read.
    pub(super) fn keep_reads(&mut self) {
        self.log.extend(self.reads.take());
    }
}

impl Session {
    pub(super) async fn begin(&mut self, call: &Call<'_>, modes: &[TransactionMode], begin: bool) -> Result<Outcome> {
        self.block.check()?;
        if self.in_transaction() {
            return Err(
                Error::statement("25001", "there is a transaction already").with_hint("COMMIT or ROLLBACK it first")
            );
        }
        let read_only = modes.iter().any(|m| matches!(m, TransactionMode::AccessMode(TransactionAccessMode::ReadOnly)));
        let tag = if begin { "BEGIN" } else { "START TRANSACTION" };
        if let Some(id) = call.request_id {
            let core = self.db.writer_with(&call.store).await?;
            if let Some(first) = core.answered(&call.store, id).await? {
                let answers = first.answers.into();
                self.block = Block::Replay(Replay { position: first.position, answers });
                return Ok(call.done(tag));
            }
        }
        let request_id = call.request_id.map(str::to_owned);
        self.block = Block::Open(Box::new(Open { request_id, read_only, ..Open::default() }));
        Ok(call.done(tag))
    }

    pub(super) async fn commit(&mut self, call: &Call<'_>, chain: bool) -> Result<Outcome> {
        if chain {
            return Err(Error::unsupported("COMMIT AND CHAIN", "say COMMIT, then BEGIN"));
        }
        match std::mem::replace(&mut self.block, Block::None) {
            Block::None => {
                Err(Error::statement("25P01", "there is no transaction to commit").with_hint("say BEGIN first"))
            }
            Block::Failed(_) => Ok(call.done("ROLLBACK")),
            Block::Replay(replay) => Ok(Outcome { position: Some(replay.position), ..call.done("COMMIT") }),
            Block::Open(mut open) => {
                open.keep_reads();
                let Some(transaction) = open.transaction else { return Ok(call.done("COMMIT")) };
                if transaction.is_read_only() && open.request_id.is_none() {
                    return Ok(call.done("COMMIT"));
                }
                for read in open.log {
                    transaction.record_read(read);
                }
                let request = WriteRequest {
                    actor: self.settings.actor.clone(),
                    reason: self.settings.reason.clone(),
                    request_id: open.request_id,
                    store: call.store.clone(),
                };
                let core = self.db.writer_with(&call.store).await?;
                let committed = core.commit(request, transaction).await?;
                Ok(Outcome { position: Some(committed.position), ..call.done("COMMIT") })
            }
        }
    }

    pub(super) fn rollback(&mut self, call: &Call<'_>, chain: bool, savepoint: Option<&Ident>) -> Result<Outcome> {
        if chain {
            return Err(Error::unsupported("ROLLBACK AND CHAIN", "say ROLLBACK, then BEGIN"));
        }
        if let Some(savepoint) = savepoint {
            return self.rollback_to(call, savepoint);
        }
        if canary!(RollbackKeepsRows) {
            return Ok(call.done("ROLLBACK"));
        }
        match std::mem::replace(&mut self.block, Block::None) {
            Block::Replay(replay) => Err(Error::statement(
                "25000",
                format!("this request id was committed at position {}: it cannot be rolled back", replay.position),
            )),
            _ => Ok(call.done("ROLLBACK")),
        }
    }
}
