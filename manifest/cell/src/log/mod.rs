//! The object log: the directory's commands as a chain of write-once objects, and the driver that keeps them.
//!
//! ```text
//! _directory/checkpoint/<u64::MAX − seq, 20 digits>.json   the state as of entry seq; the newest is first in a LIST
//! _directory/entry/<seq, 20 digits>.json                   one entry: the commands of one group commit
//! _directory/kek/…                                         wrapped keys (see `kek`)
//! ```
//!
//! In the order of their names, so that a copy in that order holds every entry that a checkpoint needs and every key that
//! an entry names.
//!
//! Promises: entries are numbered without gaps, each naming the one before it by SHA-256 (DIR-2); nothing is overwritten,
//! and no entry or checkpoint is ever deleted.
//! Never: an entry n + 1 while entry n is unresolved.

mod driver;
pub mod format;
pub(crate) mod history;
pub(crate) mod open;
pub mod verify;

pub use driver::Driver;
pub use format::{CheckpointEnvelope, EntryEnvelope, EntryKind};
