//! The manifest: one version of a namespace's root.
//!
//! Promises: the envelope is readable without any key and holds all that `verify` needs; everything that could leak
//! data (schemas, key ranges, statistics) stands in the sealed section.
//! Never: a manifest is changed after it was written; the next version names it by hash.

use serde::{Deserialize, Serialize};

use crate::ids::{ChainHash, ColumnId, Digest, Epoch, NamespaceId, Position, Seq, TableId, Version};
use crate::schema::{SchemaVersion, TableVersion};

/// Why a manifest version was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestKind {
    /// the first version: the namespace begins, and its creator holds epoch 1
    Create,
    /// a writer took the next epoch
    Claim,
    /// a memtable became files
    Flush,
    /// the compactor replaced files
    Compact,
    /// a setting changed (keys, pins, retention)
    Configure,
}

/// How far the WAL is covered by files: replay starts after `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalFloor {
    /// the last segment whose effects the files hold; 0 before the first flush
    pub seq: Seq,
    /// the hash of that segment's stored bytes; [`ChainHash::GENESIS`] for seq 0
    pub hash: ChainHash,
    /// the last position the files hold
    pub position: Position,
    /// the commit time of that position, microseconds since 1970 UTC
    pub commit_time: i64,
}

/// What a manifest says of one object it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// the key inside the namespace, e.g. `sst/01J….parquet`
    pub name: String,
    /// stored bytes
    pub size: u64,
    /// BLAKE3 of the stored bytes
    pub digest: Digest,
    /// which data key it is sealed under
    pub key_id: u32,
}

/// An object that no longer belongs to the newest state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredObject {
    /// the object as it was named
    #[serde(flatten)]
    pub object: ObjectRef,
    /// when it was removed from the list, microseconds since 1970 UTC; grace counts from here
    pub retired_at: i64,
}

/// A data key, wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// its number; objects name it
    pub id: u32,
    /// which key wraps it, e.g. `local:3fa9c1d2` (a fingerprint, never key material)
    pub wrapped_by: String,
    /// the wrapped bytes, base64
    pub wrapped: String,
}

/// A position kept readable beyond retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// its name
    pub name: String,
    /// the position it keeps
    pub position: Position,
}

/// The clear part of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// the format's number
    pub format: u32,
    /// the namespace's identity
    pub namespace: NamespaceId,
    /// this version's number
    pub version: Version,
    /// the writer's epoch as of this version
    pub epoch: Epoch,
    /// why it was written
    pub kind: ManifestKind,
    /// SHA-256 of the predecessor's stored bytes
    pub prev: ChainHash,
    /// when it was written, microseconds since 1970 UTC
    pub written_at: i64,
    /// which firn build wrote it
    pub writer: String,
    /// how far the WAL is covered
    pub wal: WalFloor,
    /// the oldest position that can still be read
    pub horizon: Position,
    /// the objects of this state
    pub objects: Vec<ObjectRef>,
    /// the data keys, wrapped
    pub keys: Vec<WrappedKey>,
    /// the key that new objects are sealed under
    pub active_key: u32,
    /// positions kept
    pub pins: Vec<Pin>,
    /// objects removed and not yet collected
    pub retired: Vec<RetiredObject>,
}

/// What kind of row versions a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// versions that were open when the file was written; later ends stand in its deletion vector
    Current,
    /// versions that had ended, with `_end` in the file
    History,
}

/// Where a file's deletion vector stands: a byte range of a `.dv` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorRef {
    /// the object's key inside the namespace
    pub object: String,
    /// first byte
    pub offset: u64,
    /// bytes
    pub length: u64,
    /// rows that have ended
    pub dead: u64,
    /// the highest end position in it
    pub max_end: Position,
}

/// What the sealed section says of one SST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// the object's key inside the namespace
    pub name: String,
    /// the table it belongs to
    pub table: TableId,
    /// what it holds
    pub kind: FileKind,
    /// rows in it
    pub rows: u64,
    /// its size, bytes
    pub size: u64,
    /// where its tail (filters, indexes, footer) begins, bytes from the start
    pub tail_offset: u64,
    /// which data key it is sealed under
    pub key_id: u32,
    /// lowest key, in the order-preserving encoding, hex
    pub min_key: String,
    /// highest key, in the order-preserving encoding, hex
    pub max_key: String,
    /// lowest `_begin`
    pub min_begin: Position,
    /// highest `_begin`
    pub max_begin: Position,
    /// highest `_end` (history files); for current files see the vector
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_end: Option<Position>,
    /// rows that have ended since it was written
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<VectorRef>,
}

/// Per-table counters that must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounters {
    /// the table
    pub table: TableId,
    /// the next hidden row id
    pub next_row_id: u64,
    /// the next numbers of its identity columns
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<IdentityCounter>,
}

/// The next number of an identity column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCounter {
    /// the column
    pub column: ColumnId,
    /// the number
    pub next: i64,
}

/// The sealed part of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// every table version since the horizon, dropped tables included
    pub catalog: Vec<TableVersion>,
    /// every version of a SQL schema since the horizon; `public` is always there and not among them
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<SchemaVersion>,
    /// the next table id that was never used
    pub next_table: TableId,
    /// every SST of this state
    pub files: Vec<FileEntry>,
    /// counters
    pub counters: Vec<TableCounters>,
}
