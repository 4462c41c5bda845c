//! One FirnDB namespace: commit pipeline, memtable, snapshots, SQL with time travel.
//!
//! Promises: a commit is acknowledged only after its WAL segment is known to be stored (I4); opening to read writes
//! nothing (I9); a read at a position sees exactly what was committed up to it.
//! Never: this crate knows HTTP, wire protocols or terminals.

pub mod commit;
pub mod database;
pub mod error;
mod flush;
pub mod inspect;
pub mod session;
pub mod sql;
pub mod state;
pub mod verify;
mod wal;

pub use datafusion::common::ScalarValue;

pub use database::{Consistency, Database, FlushPolicy, Mode, OpenOptions};
pub use error::{BatchStream, Error, ErrorKind, Result};

/// The build, as `firn_version()` and manifests show it.
pub const BUILD: &str = concat!("firn ", env!("CARGO_PKG_VERSION"));
