//! The state of one open namespace: catalog, memtables, files, and the snapshots that read them.
//!
//! Promises: a [`snapshot::Snapshot`] is stable: whatever commits or flushes later, it answers the same.
//! Never: state is changed except by applying commit records in order and by swapping in a flush's result.

pub mod catalog;
pub mod columns;
pub mod counters;
pub mod files;
pub mod index;
pub mod lookup;
pub mod memtable;
pub mod overlay;
pub mod pages;
pub mod point;
pub mod prune;
pub mod rows;
pub mod scan;
pub mod snapshot;
mod time;

pub use catalog::{Catalog, CatalogVersion};
pub use index::IndexRead;
pub use rows::sql_schema;
pub use scan::{Scan, ScanAt, ScanColumn, ScanRequest};
pub use snapshot::{Found, Loc, Snapshot};
