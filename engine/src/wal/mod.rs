//! Reading the log: replay at opening, tailing afterwards, and the fence a new writer plants.
//!
//! Promises: segments are applied in order, each checked against the hash of the one before it (I6); what is recovered is
//! a prefix of what was acknowledged plus at most the segment that was in flight (I5).
//! Never: a segment of a lower epoch follows one of a higher; a gap is skipped.

mod fence;
mod resolve;
mod tail;

pub(crate) use fence::plant;
pub(crate) use tail::{Follower, Tail};
