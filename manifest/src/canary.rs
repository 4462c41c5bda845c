//! Canaries: deliberate bugs, each behind one switch, that show that the simulator would catch a bug of their kind.
//!
//! Promises: without the feature `canary` every [`canary!`](crate::canary!) is the constant `false` and nothing of this is
//! in the product. With it, at most one is on in a thread, and each time it is asked while on is counted.
//! Never: a canary in a build that anybody uses.

macro_rules! canaries {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Canary { $($(#[$doc])* $name,)* }

        /// All of them.
        pub const ALL: &[Canary] = &[$(Canary::$name,)*];
    };
}

canaries! {
    /// a commit is acknowledged before its PUT
    AcknowledgeBeforePut,
    /// a new writer plants no fence
    SkipFence,
    /// an unknown outcome counts as success
    UnknownIsSuccess,
    /// "already exists" counts as lost, without a look at whose it is
    ExistsIsLost,
    /// the next segment is written although the one before it is unresolved
    NextWhileUnresolved,
    /// every segment of a writer has one nonce
    NonceReused,
    /// the collector frees fences
    FenceCollected,
    /// a segment does not name the one before it
    PrevHashForgotten,
    /// a writer serves strong reads without asking whether it was replaced
    StaleHeadServed,
    /// a writer that asks does not look at the epoch it finds
    EpochNotCompared,
    /// request ids are not taken over from the log
    RequestsForgotten,
    /// a flush stores no deletion vectors
    VectorDropped,
    /// the reads of one table are not validated
    ValidationSkipped,
    /// the first commit after a transaction's snapshot is not validated against
    ConflictBaseOff,
    /// ROLLBACK leaves the transaction's writes for the next COMMIT
    RollbackKeepsRows,
    /// a past position is read with the newest schema
    SchemaOfNow,
    /// commit times are the clock's
    TimeNotMonotone,
    /// a replay leaves the last segment out
    ReplayStopsEarly,
    /// a follower passes over the records of a segment
    FollowerSkips,
    /// a follower trusts a free slot however long it slept
    FollowerTrustsOldSlot,
    /// a row is still seen at the position it ended at
    EndOffByOne,
    /// a flush covers what is not durable yet
    FlushBeforeDurable,
    /// the next row id is forgotten when the namespace is opened
    RowIdsReused,
}

/// Whether the canary is on, in this thread.
#[cfg(not(feature = "canary"))]
#[inline(always)]
#[must_use]
pub const fn on(_: Canary) -> bool {
    false
}

/// Switches one on in this thread, or all off; false in a build without them.
#[cfg(not(feature = "canary"))]
#[must_use]
pub const fn set(_: Option<Canary>) -> bool {
    false
}

/// How often the one that is on was asked since it was set.
#[cfg(not(feature = "canary"))]
#[must_use]
pub const fn hits() -> u64 {
    0
}

#[cfg(feature = "canary")]
mod switch {
    use std::cell::Cell;

    use super::Canary;

    thread_local! {
        static ON: Cell<(Option<Canary>, u64)> = const { Cell::new((None, 0)) };
    }

    /// Whether the canary is on, in this thread; counted.
    pub fn on(canary: Canary) -> bool {
        ON.with(|cell| {
            let (current, hits) = cell.get();
            let is_on = current == Some(canary);
            cell.set((current, hits + u64::from(is_on)));
            is_on
        })
    }

    /// Switches one on in this thread, or all off; false in a build without them.
    pub fn set(canary: Option<Canary>) -> bool {
        ON.with(|cell| cell.set((canary, 0)));
        true
    }

    /// How often the one that is on was asked since it was set.
    pub fn hits() -> u64 {
        ON.with(|cell| cell.get().1)
    }
}

#[cfg(feature = "canary")]
pub use switch::{hits, on, set};

/// Whether a deliberate bug is on; the constant `false` without the feature `canary`.
#[macro_export]
macro_rules! canary {
    ($name:ident) => {
        $crate::canary::on($crate::canary::Canary::$name)
    };
}
