//! The durable head of the log as one process knows it, and waiting for it to move.
//!
//! Promises: who waits is woken in the order of waiting, so a run over a simulated store repeats itself.
//! Never: a change between looking and waiting is missed.

use std::future::Future;

use firn_manifest::ids::{ChainHash, Position, Seq};
use parking_lot::RwLock;
use tokio::sync::Notify;

/// The durable head of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// the newest segment known to be stored
    pub(crate) seq: Seq,
    /// its hash
    pub(crate) hash: ChainHash,
    /// the epoch it carries
    pub(crate) epoch: firn_manifest::ids::Epoch,
    /// the newest durable position
    pub(crate) position: Position,
    /// its commit time
    pub(crate) commit_time: i64,
}

/// The head and those who wait for it.
#[derive(Debug)]
pub(crate) struct Durable {
    mark: RwLock<Mark>,
    changed: Notify,
}

impl Durable {
    pub(super) fn new(mark: Mark) -> Self {
        Self { mark: RwLock::new(mark), changed: Notify::new() }
    }

    pub(super) fn get(&self) -> Mark {
        *self.mark.read()
    }

    pub(super) fn set(&self, mark: Mark) {
        *self.mark.write() = mark;
        self.wake();
    }

    /// Wakes all who wait, for another reason than a new head.
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Resolves at the next change after this call.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }
}
