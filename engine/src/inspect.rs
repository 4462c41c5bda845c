//! What a namespace consists of: versions, epochs, the log, files and sizes.
//!
//! Promises: without a key it says all that stands in the clear; with one, also which file belongs to which table.
//! Never: a value or a key of a row is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_manifest::chain;
use firn_manifest::codec::decode_envelope;
use firn_manifest::keys::KeyService;
use firn_manifest::model::{Envelope, FileKind, ManifestKind};
use firn_manifest::store::{Cause, Store};
use firn_segment::wal::{self, SegmentKind, parse_segment_key};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::error::{Error, Result};

/// Objects read at once.
const READS: usize = 8;

/// What a namespace consists of.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Inspection {
    /// its UUID
    pub namespace: String,
    /// the newest manifest's version
    pub version: u64,
    /// the newest epoch
    pub epoch: u64,
    /// the newest position in files
    pub flushed_position: u64,
    /// the newest position in the log
    pub position: u64,
    /// manifest versions, oldest first
    pub versions: Vec<VersionInfo>,
    /// the log
    pub wal: WalInfo,
    /// files of the newest version
    pub files: Vec<FileInfo>,
    /// tables, when the key was at hand
    pub tables: Vec<TableInfo>,
    /// objects removed and not yet collected
    pub retired: u64,
    /// objects in all
    pub objects: u64,
    /// bytes in all
    pub bytes: u64,
}

/// One manifest version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionInfo {
    /// its number
    pub version: u64,
    /// the epoch it belongs to
    pub epoch: u64,
    /// why it was written
    pub kind: ManifestKind,
    /// when, microseconds since 1970 UTC
    pub written_at: i64,
    /// by which build
    pub writer: String,
}

/// The log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WalInfo {
    /// segments stored
    pub segments: u64,
    /// of these, fences
    pub fences: u64,
    /// bytes
    pub bytes: u64,
    /// the last segment that files cover
    pub floor: u64,
    /// the newest segment
    pub head: u64,
    /// its hash
    pub head_hash: String,
}

/// One file.
#[derive(Clone, Debug, Serialize)]
pub struct FileInfo {
    /// its name
    pub name: String,
    /// bytes
    pub size: u64,
    /// open versions or history, when the key was at hand
    pub kind: Option<FileKind>,
    /// the table, when the key was at hand
    pub table: Option<String>,
    /// rows, when the key was at hand
    pub rows: Option<u64>,
    /// rows that have ended, when the key was at hand
    pub dead: Option<u64>,
}

/// One table.
#[derive(Clone, Debug, Serialize)]
pub struct TableInfo {
    /// its name
    pub name: String,
    /// columns
    pub columns: u64,
    /// files
    pub files: u64,
    /// rows in files, ended ones included
    pub rows: u64,
    /// bytes in files
    pub bytes: u64,
}

/// Looks at a namespace. With a key service, also at what is sealed.
///
/// # Errors
/// `NoNamespace`; store, key and integrity errors.
pub async fn inspect(store: &Store, keys: Option<Arc<dyn KeyService>>) -> Result<Inspection> {
    let store = store.for_cause(Cause::Verify);
    let listed = store.list("", None, None).await?;
    let mut out = Inspection {
        objects: listed.len() as u64,
        bytes: listed.iter().map(|o| o.size).sum(),
        ..Inspection::default()
    };
    let newest = versions(&store, &mut out).await?;
    let Some(newest) = newest else {
        return Err(Error::from(firn_manifest::error::Error::NoNamespace { store: store.describe() }));
    };
    out.namespace = newest.namespace.to_string();
    out.version = newest.version.0;
    out.epoch = newest.epoch.0;
    out.flushed_position = newest.wal.position.0;
    out.position = newest.wal.position.0;
    out.retired = newest.retired.len() as u64;
    out.wal.floor = newest.wal.seq.0;
    out.files = newest
        .objects
        .iter()
        .map(|o| FileInfo { name: o.name.clone(), size: o.size, kind: None, table: None, rows: None, dead: None })
        .collect();
    let segments: Vec<_> = listed.iter().filter_map(|o| parse_segment_key(&o.key).map(|seq| (seq, o.size))).collect();
    out.wal.segments = segments.len() as u64;
    out.wal.bytes = segments.iter().map(|(_, size)| size).sum();
    let mut read = stream::iter(segments.into_iter().map(|(seq, _)| {
        let store = &store;
        async move {
            let name = wal::segment_key(seq);
            let bytes = store.get(&name).await?;
            Ok::<_, Error>(wal::inspect(&name, bytes)?)
        }
    }))
    .buffered(READS);
    while let Some(segment) = read.try_next().await? {
        out.wal.fences += u64::from(segment.header.kind == SegmentKind::Fence);
        out.wal.head = segment.header.seq.0;
        out.wal.head_hash = segment.hash.to_string();
        out.position = out.position.max(segment.header.last.0);
    }
    drop(read);
    if let Some(keys) = keys {
        sealed(&store, keys.as_ref(), &mut out).await?;
    }
    Ok(out)
}

async fn versions(store: &Store, out: &mut Inspection) -> Result<Option<Envelope>> {
    let versions = chain::versions(store).await?;
    let mut newest = None;
    let mut read = stream::iter(versions.into_iter().map(|v| async move {
        let name = chain::manifest_key(v);
        let bytes = chain::read_raw(store, v).await?;
        Ok::<_, Error>(decode_envelope(&bytes, &name)?.0)
    }))
    .buffered(READS);
    while let Some(envelope) = read.try_next().await? {
        out.versions.push(VersionInfo {
            version: envelope.version.0,
            epoch: envelope.epoch.0,
            kind: envelope.kind,
            written_at: envelope.written_at,
            writer: envelope.writer.clone(),
        });
        newest = Some(envelope);
    }
    Ok(newest)
}

async fn sealed(store: &Store, keys: &dyn KeyService, out: &mut Inspection) -> Result<()> {
    let namespace = chain::open(store, keys).await?;
    let sealed = &namespace.head.sealed;
    let catalog = crate::state::Catalog::from_manifest(sealed);
    let mut tables: BTreeMap<String, TableInfo> = BTreeMap::new();
    for entry in &sealed.files {
        let schema = catalog.any_version(entry.table);
        let name = schema.map_or_else(|| entry.table.to_string(), |s| s.name.clone());
        let table = tables.entry(name.clone()).or_insert_with(|| TableInfo {
            name: name.clone(),
            columns: schema.map_or(0, |s| s.columns.iter().filter(|c| !c.hidden).count() as u64),
            files: 0,
            rows: 0,
            bytes: 0,
        });
        table.files += 1;
        table.rows += entry.rows;
        table.bytes += entry.size;
        if let Some(file) = out.files.iter_mut().find(|f| f.name == entry.name) {
            file.kind = Some(entry.kind);
            file.table = Some(name);
            file.rows = Some(entry.rows);
            file.dead = Some(entry.vector.as_ref().map_or(0, |v| v.dead));
        }
    }
    out.tables = tables.into_values().collect();
    Ok(())
}
