//! The immutable bytes of FirnDB: WAL segments, commit records, columnar files and deletion vectors.
//!
//! Promises: what is written here is sealed under the namespace's key and bound to its name; what is read is checked
//! before it is used, so bytes from outside give an error and never a panic or a wrong row.
//! Never: policy, SQL, a clock, or a request to a store other than the ranged reads a reader was given a source for.

mod bytes_io;
pub mod error;
pub mod ipc;
pub mod key;
pub mod record;
pub mod sst;
pub mod types;
pub mod vector;
pub mod wal;

pub use error::{SegmentError, SegmentErrorKind};
pub use ipc::{batch_from_ipc, batch_to_ipc};
pub use key::Key;
pub use record::{Answer, CommitRecord, DeletedRow, Locator, RowOp, TableChange};
pub use sst::{RangeSource, ReadColumn, ReadPlan, RowGroupInfo, SstOutput, SstReader, SstSpec, SstWriter};
pub use vector::{DeletionVector, build_vectors, open_vector};
pub use wal::{SegmentHeader, SegmentKind, StoredSegment};
