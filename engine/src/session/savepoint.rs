//! SAVEPOINT, RELEASE and ROLLBACK TO: points inside a transaction.
//!
//! Promises: ROLLBACK TO forgets exactly what was written since, and makes a failed transaction go on; what was read
//! since stays read, so that COMMIT is as serializable as without it.
//! Never: a savepoint outlives its transaction, or is seen by another session.

use sqlparser::ast::Ident;

use super::block::{Block, Savepoint};
use super::{Call, Outcome, Session};
use crate::error::{Error, Result};
use crate::sql::resolve::folded;

/// Savepoints that a transaction can hold.
const MOST: usize = 1_000;

impl Session {
    pub(super) fn savepoint(&mut self, call: &Call<'_>, name: &Ident) -> Result<Outcome> {
        self.block.check()?;
        let Block::Open(open) = &mut self.block else { return Err(outside(&self.block, "SAVEPOINT")) };
        if open.request_id.is_some() {
            return Err(Error::unsupported(
                "SAVEPOINT in a transaction with a request id",
                "leave the savepoint or the request id away; a repeated transaction gets its first answers",
            ));
        }
        if open.savepoints.len() >= MOST {
            let message = format!("a transaction holds at most {MOST} savepoints");
            return Err(Error::statement("54000", message).with_hint("RELEASE those that are no longer needed"));
        }
        let written = open.mark();
        open.savepoints.push(Savepoint { name: folded(name), written });
        Ok(call.done("SAVEPOINT"))
    }

    pub(super) fn release(&mut self, call: &Call<'_>, name: &Ident) -> Result<Outcome> {
        self.block.check()?;
        let Block::Open(open) = &mut self.block else { return Err(outside(&self.block, "RELEASE SAVEPOINT")) };
        let at = place(&open.savepoints, name)?;
        open.savepoints.truncate(at);
        Ok(call.done("RELEASE"))
    }

    pub(super) fn rollback_to(&mut self, call: &Call<'_>, name: &Ident) -> Result<Outcome> {
        let open = match &mut self.block {
            Block::Open(open) => open,
            Block::Failed(Some(open)) => open,
            Block::Failed(None) => return Err(missing(name)),
            other => return Err(outside(other, "ROLLBACK TO SAVEPOINT")),
        };
        let at = place(&open.savepoints, name)?;
        let mark = open.savepoints[at].written.clone();
        open.savepoints.truncate(at + 1);
        open.back_to(&mark);
        if let Block::Failed(Some(open)) = &mut self.block {
            let open = std::mem::take(open);
            self.block = Block::Open(open);
        }
        Ok(call.done("ROLLBACK"))
    }
}

/// The newest savepoint of that name.
fn place(savepoints: &[Savepoint], name: &Ident) -> Result<usize> {
    let wanted = folded(name);
    savepoints.iter().rposition(|s| s.name == wanted).ok_or_else(|| missing(name))
}

fn missing(name: &Ident) -> Error {
    let error = Error::statement("3B001", format!("savepoint \"{}\" does not exist", folded(name)));
    error.at(name.span.start.line, name.span.start.column).with_hint("say ROLLBACK to end the transaction")
}

fn outside(block: &Block, what: &str) -> Error {
    if matches!(block, Block::Replay(_)) {
        return Error::unsupported(
            format!("{what} in a transaction with a request id"),
            "leave the savepoint or the request id away",
        );
    }
    Error::statement("25P01", format!("{what} goes only inside a transaction")).with_hint("say BEGIN first")
}
