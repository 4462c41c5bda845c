//! Requests that were answered, so that a repeated one is answered as the first time.
//!
//! Promises: at most [`REMEMBERED`] answers, forgotten in the order they were committed, on every machine the same.
//! Never: an answer to another command than the one that was asked first.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::op::{Command, Outcome, RequestId};
use crate::refusal::Refusal;

/// How many answers are remembered.
pub const REMEMBERED: usize = 4_096;

/// An answer and what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) request: RequestId,
    pub(super) op: String,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    answers: BTreeMap<RequestId, Answer>,
    order: VecDeque<RequestId>,
}

impl Sessions {
    pub(super) fn repeated(&self, command: &Command) -> Option<Outcome> {
        self.answered(command.request.as_ref()?, command.op.name())
    }

    pub(super) fn answered(&self, request: &RequestId, op: &str) -> Option<Outcome> {
        let first = self.answers.get(request)?;
        if first.op == op {
            return Some(first.outcome.clone());
        }
        Some(Err(Refusal::RequestReused {
            client: request.client.clone(),
            request: request.number,
            first: first.op.clone(),
        }))
    }

    /// Remembers the outcome of a command that was not asked before.
    pub(super) fn remember(&mut self, command: &Command, outcome: &Outcome) {
        if let Some(request) = &command.request {
            self.add(Answer { request: request.clone(), op: command.op.name().to_owned(), outcome: outcome.clone() });
        }
    }

    /// Adds an answer; false if its request has one already.
    pub(super) fn add(&mut self, answer: Answer) -> bool {
        let request = answer.request.clone();
        if self.answers.insert(request.clone(), answer).is_some() {
            return false;
        }
        self.order.push_back(request);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        true
    }

    /// All answers, oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Answer> {
        self.order.iter().filter_map(|request| self.answers.get(request))
    }
}
