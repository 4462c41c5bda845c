//! What must hold in a manifest: checked before it is written and after it is read.
//!
//! MAN-1: a manifest is whole in itself ([`envelope`], [`state`]). MAN-2: it follows its predecessor ([`follows`]).
//!
//! Promises: pure functions of their arguments; the answer names the broken promise.
//! Never: a manifest that breaks one of these is written or served from.

use std::collections::{HashMap, HashSet};

use crate::ids::{ChainHash, Epoch, Position, Seq, Version};
use crate::model::{Envelope, ManifestKind, ObjectRef, Sealed};

/// The format this build reads and writes.
pub const FORMAT: u32 = 1;

/// MAN-1, the clear part: numbers, keys and objects agree among themselves.
///
/// # Errors
/// What does not hold.
pub fn envelope(e: &Envelope) -> Result<(), String> {
    ensure(e.format == FORMAT, || {
        format!("format {} is not known to this build, which reads format {FORMAT}: use a newer firn", e.format)
    })?;
    let first = e.version == Version(1);
    ensure(e.version >= Version(1), || "version 0 is none (MAN-1)".to_owned())?;
    ensure((e.kind == ManifestKind::Create) == first, || {
        format!("kind {:?} at version {} (MAN-1)", e.kind, e.version)
    })?;
    ensure(first == (e.prev == ChainHash::GENESIS), || {
        format!("version {} names {} as its predecessor (I6)", e.version, e.prev)
    })?;
    ensure(e.epoch >= Epoch(1) && e.epoch.0 <= e.version.0 && (!first || e.epoch == Epoch(1)), || {
        format!("epoch {} at version {} (I2)", e.epoch, e.version)
    })?;
    let before_all = e.wal.seq == Seq::ZERO;
    ensure(before_all == (e.wal.hash == ChainHash::GENESIS), || {
        format!("WAL floor {} with hash {} (I6)", e.wal.seq, e.wal.hash)
    })?;
    ensure(!before_all || e.wal.position == Position::ZERO, || {
        format!("WAL floor 0 holds position {} (MAN-1)", e.wal.position)
    })?;
    let mut ids = HashSet::new();
    ensure(e.keys.iter().all(|key| ids.insert(key.id)), || "a data key comes twice (MAN-1)".to_owned())?;
    ensure(ids.contains(&e.active_key), || format!("active key {} is not among the keys (MAN-1)", e.active_key))?;
    let mut names = HashSet::new();
    for object in e.objects.iter().chain(e.retired.iter().map(|retired| &retired.object)) {
        let name = &object.name;
        ensure(plain_name(name), || format!("{name:?} is not an object's name (MAN-1)"))?;
        ensure(names.insert(name), || format!("{name} is named twice (MAN-1)"))?;
        ensure(object.size > 0, || format!("{name} has no bytes (MAN-1)"))?;
    }
    match e.objects.iter().find(|object| !ids.contains(&object.key_id)) {
        Some(object) => {
            Err(format!("{} is sealed under key {}, which is not there (MAN-1)", object.name, object.key_id))
        }
        None => Ok(()),
    }
}

/// MAN-1, the sealed part: every file it describes is an object of the envelope.
///
/// # Errors
/// What does not hold.
pub fn state(e: &Envelope, sealed: &Sealed) -> Result<(), String> {
    let objects: HashMap<&str, &ObjectRef> = e.objects.iter().map(|o| (o.name.as_str(), o)).collect();
    let mut names = HashSet::new();
    for file in &sealed.files {
        let name = &file.name;
        ensure(names.insert(name), || format!("file {name} comes twice (MAN-1)"))?;
        let object = objects.get(name.as_str());
        ensure(object.is_some_and(|o| o.size == file.size && o.key_id == file.key_id), || {
            format!("file {name} is not among the objects with its size and key (MAN-1)")
        })?;
        ensure(file.tail_offset <= file.size && file.min_begin <= file.max_begin, || {
            format!("file {name} has bounds that cannot be (MAN-1)")
        })?;
        let Some(vector) = &file.vector else { continue };
        let end = vector.offset.checked_add(vector.length);
        let inside = objects.get(vector.object.as_str()).is_some_and(|o| end.is_some_and(|end| end <= o.size));
        ensure(inside, || format!("the deletion vector of {name} is not inside an object (MAN-1)"))?;
        ensure(vector.dead <= file.rows, || {
            format!("{name} has {} rows and {} dead ones (MAN-1)", file.rows, vector.dead)
        })?;
    }
    match sealed.catalog.iter().find(|table| table.schema.id >= sealed.next_table) {
        Some(table) => Err(format!(
            "table {} is there although {} is the next id never used (MAN-1)",
            table.schema.id, sealed.next_table
        )),
        None => Ok(()),
    }
}

/// MAN-2: `next` follows `prev`, whose stored bytes have the hash `prev_hash`: chained, in the same namespace, nothing
/// going backwards, and no object dropped without being retired first.
///
/// # Errors
/// What does not hold.
pub fn follows(prev: &Envelope, prev_hash: ChainHash, next: &Envelope) -> Result<(), String> {
    ensure(next.namespace == prev.namespace, || {
        format!("it belongs to namespace {}, its predecessor to {} (I8)", next.namespace, prev.namespace)
    })?;
    ensure(next.version == prev.version.next(), || {
        format!("version {} comes after {} (MAN-2)", next.version, prev.version)
    })?;
    ensure(next.prev == prev_hash, || {
        format!("it names {} as its predecessor, which has hash {prev_hash} (I6)", next.prev)
    })?;
    let claim = next.kind == ManifestKind::Claim;
    let epoch = if claim { prev.epoch.next() } else { prev.epoch };
    ensure(next.epoch == epoch, || {
        format!("{:?} of epoch {} comes after epoch {} (I2)", next.kind, next.epoch, prev.epoch)
    })?;
    ensure(next.written_at >= prev.written_at, || "it was written before its predecessor (MAN-2)".to_owned())?;
    if claim {
        let expected = Envelope {
            version: next.version,
            epoch: next.epoch,
            kind: next.kind,
            prev: next.prev,
            written_at: next.written_at,
            writer: next.writer.clone(),
            ..prev.clone()
        };
        ensure(*next == expected, || "a claim changes more than the epoch (I2)".to_owned())?;
    }
    let (from, to) = (&prev.wal, &next.wal);
    let forward = to.seq >= from.seq && to.position >= from.position && to.commit_time >= from.commit_time;
    let same = to.seq != from.seq || to == from;
    ensure(forward && same, || format!("the WAL floor goes from {} to {} (MAN-2)", from.seq, to.seq))?;
    ensure(next.horizon >= prev.horizon, || {
        format!("the horizon goes back from {} to {} (MAN-2)", prev.horizon, next.horizon)
    })?;
    let kept: HashMap<&str, &ObjectRef> = next
        .objects
        .iter()
        .chain(next.retired.iter().map(|retired| &retired.object))
        .map(|object| (object.name.as_str(), object))
        .collect();
    for object in &prev.objects {
        ensure(kept.get(object.name.as_str()) == Some(&object), || {
            format!("{} is dropped without being retired, or renamed in size or digest (MAN-2)", object.name)
        })?;
    }
    let returned = prev.retired.iter().find(|r| next.objects.iter().any(|o| o.name == r.object.name));
    match returned {
        Some(retired) => Err(format!("{} was retired and comes back (MAN-2)", retired.object.name)),
        None => Ok(()),
    }
}

/// A key inside a namespace: plain parts, at least two of them.
fn plain_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    name.len() <= 255 && name.contains('/') && name.split('/').all(plain)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
