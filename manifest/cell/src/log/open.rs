//! Creating, opening and following a log.
//!
//! Opening is three requests deep: a LIST of one name finds the newest checkpoint; the checkpoint is read while the
//! entries from it on are listed; the entries are read side by side.
//!
//! Promises: what is opened was checked link by link (DIR-2), the checkpoint against the entry it stands for (DIR-4);
//! opening writes nothing (I9).
//! Never: a gap passed over: an entry that is missing while a later one is there is an integrity error.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use firn_manifest::ids::{ChainHash, NamespaceId};
use firn_manifest::model::WrappedKey;
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::Cause;
use firn_manifest::{Error, KeyContext, KeyErrorKind, KeyRing, KeyService, Store, new_uuid};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use zeroize::Zeroizing;

use super::format::{
    self, CHECKPOINTS, Checkpoint, ENTRIES, Entry, EntryEnvelope, EntryKind, Secrets, checkpoint_name, data_key,
    decode_checkpoint, decode_entry, entry_name, follows, open_checkpoint, open_entry, parse_checkpoint_name,
    parse_entry_name,
};
use crate::document::FORMAT;
use crate::error::{integrity, key};
use crate::ids::{DirectoryId, EntrySeq, Time};
use crate::op::Command;
use crate::receipt::LogHead;
use crate::state::Directory;

/// Entries read side by side.
const READ_AHEAD: usize = 32;

/// Names looked at when the first one of a LIST is not ours.
const STRANGERS: usize = 1_000;

/// Where the log is, and what is needed to go on from there.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) head: LogHead,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) wrapped: Vec<WrappedKey>,
    pub(crate) active_key: u32,
    pub(crate) secrets: Secrets,
    pub(crate) public_key: String,
    /// entries since the newest checkpoint
    pub(crate) entries: u64,
    /// bytes of those
    pub(crate) bytes: u64,
    /// bytes of the newest checkpoint
    pub(crate) checkpoint_bytes: u64,
    /// an object known to be there, for the store's self-test before the first write
    pub(crate) probe: Option<(String, Bytes)>,
}

/// What a key of the directory itself is wrapped for.
pub(crate) fn context(directory: DirectoryId) -> KeyContext {
    KeyContext::data_key(NamespaceId(directory.0))
}

/// Creates a directory, or opens the one that is there.
pub(crate) async fn create(store: &Store, master: &dyn KeyService, writer: &str) -> Result<(Cursor, Directory), Error> {
    let world = store.world().clone();
    let id = DirectoryId(new_uuid(&*world));
    let mut material = Zeroizing::new([0u8; 32]);
    world.fill(material.as_mut_slice());
    let (wrapped_by, wrapped) = master.wrap(material.as_slice(), &context(id)).await?;
    if master.unwrap(&wrapped_by, &wrapped, &context(id)).await?.as_slice() != material.as_slice() {
        let what = format!("{} does not give back what it wrapped; nothing was created", master.describe());
        return Err(key(KeyErrorKind::Damaged, what));
    }
    let keys = vec![WrappedKey { id: 1, wrapped_by, wrapped: STANDARD.encode(wrapped) }];
    let ring = KeyRing::new(NamespaceId(id.0), vec![data_key(1, id, material.as_slice())?], 1)?;
    let secrets = Secrets::generate(&*world);
    let public = ed25519_dalek::SigningKey::from_bytes(&secrets.signing).verifying_key();
    let public_key = hex::encode(public.to_bytes());
    let envelope = EntryEnvelope {
        format: FORMAT,
        directory: id,
        seq: EntrySeq(1),
        kind: EntryKind::Create,
        prev: ChainHash::GENESIS,
        written_at: Time(world.now_micros()),
        writer: writer.to_owned(),
        commands: 0,
        active_key: 1,
        keys: keys.clone(),
        public_key: Some(public_key.clone()),
    };
    let bytes = format::encode_entry(&envelope, Some(&secrets), &[], ring.active(), &*world)?;
    let name = entry_name(EntrySeq(1));
    match slot::put(&store.for_cause(Cause::Commit), &name, bytes.clone(), slot::DEADLINE).await {
        SlotOutcome::Committed => {
            store.check_put_if_absent(&name, bytes.clone()).await?;
            let cursor = Cursor {
                head: LogHead { id, seq: EntrySeq(1), sha256: ChainHash::of(&bytes) },
                ring: Arc::new(ring),
                wrapped: keys,
                active_key: 1,
                secrets,
                public_key,
                entries: 1,
                bytes: bytes.len() as u64,
                checkpoint_bytes: 0,
                probe: None,
            };
            Ok((cursor, Directory::new(id, envelope.written_at)))
        }
        SlotOutcome::Lost(_) => open(store, master)
            .await?
            .ok_or_else(|| integrity(&name, "the log's first entry is there and is not listed (I1)")),
        SlotOutcome::Unknown(e) if !e.retryable() => Err(e.into()),
        SlotOutcome::Unknown(source) => Err(Error::Unresolved { object: name, source }),
    }
}

/// Opens the log; `None` if there is none.
pub(crate) async fn open(store: &Store, master: &dyn KeyService) -> Result<Option<(Cursor, Directory)>, Error> {
    let store = store.for_cause(Cause::Open);
    let from = newest_checkpoint(&store, None).await?;
    let Some((mut cursor, mut directory, entries)) = base(&store, master, from, None, None).await? else {
        return Ok(None);
    };
    for entry in entries {
        step(&mut cursor, &mut directory, &entry, master, |_, _| ()).await?;
    }
    Ok(Some((cursor, directory)))
}

/// The state at a checkpoint (or after the first entry), and the entries after it up to `to`. `ring`: the data keys, where
/// they are at hand already.
pub(crate) async fn base(
    store: &Store,
    master: &dyn KeyService,
    from: Option<EntrySeq>,
    to: Option<EntrySeq>,
    ring: Option<&Arc<KeyRing>>,
) -> Result<Option<(Cursor, Directory, Vec<Entry>)>, Error> {
    let first = from.unwrap_or(EntrySeq(1));
    let (checkpoint, names) = futures::join!(read_checkpoint(store, from), list_entries(store, first, to));
    let (checkpoint, names) = (checkpoint?, names?);
    if checkpoint.is_none() && names.is_empty() {
        return Ok(None);
    }
    let expected = (first.0..).map(EntrySeq);
    if let Some((missing, _)) = expected.zip(names.iter()).find(|(expected, found)| expected != *found) {
        return Err(integrity(&entry_name(missing), "it is missing, and a later entry is there (DIR-2)"));
    }
    let Some(newest) = names.last().copied() else {
        return Err(integrity(&entry_name(first), "it is missing, and a checkpoint stands on it (DIR-4)"));
    };
    let read = |seq: EntrySeq| async move {
        let bytes = store.get(&entry_name(seq)).await?;
        let probe = (seq == newest).then(|| (entry_name(seq), bytes.clone()));
        Ok::<_, Error>((decode_entry(seq, &bytes)?, probe))
    };
    let read: Vec<_> = stream::iter(names).map(read).buffered(READ_AHEAD).try_collect().await?;
    let mut probe = None;
    let mut entries = Vec::with_capacity(read.len());
    for (entry, bytes) in read {
        probe = bytes.or(probe);
        entries.push(entry);
    }
    // the newest wrapping is the one that the master key of today opens
    let wrapped = entries
        .iter()
        .rev()
        .map(|entry| &entry.envelope.keys)
        .find(|keys| !keys.is_empty())
        .or_else(|| checkpoint.as_ref().map(|checkpoint| &checkpoint.envelope.keys))
        .cloned()
        .unwrap_or_default();
    let rest = entries.split_off(1);
    let Some(base) = entries.pop() else {
        return Ok(None);
    };
    let id = base.envelope.directory;
    let newest = rest.last().unwrap_or(&base);
    let ring = match ring {
        Some(ring) => ring.clone(),
        None => Arc::new(unwrap_ring(id, &wrapped, newest.envelope.active_key, &base, master).await?),
    };
    let head = LogHead { id, seq: first, sha256: base.hash };
    let (secrets, directory, public_key, size) = match checkpoint {
        Some(checkpoint) => {
            if checkpoint.envelope.directory != id || checkpoint.envelope.head != base.hash {
                let what = format!("it is not of the log's entry {first}, whose hash is {} (DIR-4)", base.hash);
                return Err(integrity(&checkpoint_name(first), what));
            }
            let (secrets, directory) = open_checkpoint(&checkpoint, &ring)?;
            (secrets, directory, checkpoint.envelope.public_key.clone(), checkpoint.size)
        }
        None => {
            let (secrets, commands) = open_entry(&base, &ring)?;
            let (Some(secrets), Some(public_key)) = (secrets, base.envelope.public_key.clone()) else {
                return Err(integrity(&entry_name(first), "the first entry holds no secrets (DIR-2)"));
            };
            let mut directory = Directory::new(id, base.envelope.written_at);
            for command in &commands {
                // a refusal is an outcome like any other
                let _ = directory.apply(command, base.envelope.written_at);
            }
            (secrets, directory, public_key, 0)
        }
    };
    let cursor = Cursor {
        head,
        ring,
        wrapped,
        active_key: newest.envelope.active_key,
        secrets,
        public_key,
        entries: 0,
        bytes: 0,
        checkpoint_bytes: size as u64,
        probe,
    };
    Ok(Some((cursor, directory, rest)))
}

/// Checks an entry and applies its commands; `seen` is told each command with the state after it.
pub(crate) async fn step(
    cursor: &mut Cursor,
    directory: &mut Directory,
    entry: &Entry,
    master: &dyn KeyService,
    mut seen: impl FnMut(&Command, &Directory),
) -> Result<(), Error> {
    let commands = check(cursor, directory.now(), entry, master).await?;
    for command in &commands {
        let _ = directory.apply(command, entry.envelope.written_at);
        seen(command, directory);
    }
    advance(cursor, entry);
    Ok(())
}

/// Checks that an entry is the next one, and opens it.
pub(crate) async fn check(
    cursor: &mut Cursor,
    now: Time,
    entry: &Entry,
    master: &dyn KeyService,
) -> Result<Vec<Command>, Error> {
    follows(cursor.head.id, (cursor.head.seq, cursor.head.sha256), now, &entry.envelope)?;
    if !entry.envelope.keys.is_empty() {
        cursor.wrapped.clone_from(&entry.envelope.keys);
    }
    if cursor.ring.get(entry.envelope.active_key).is_err() {
        let ring = unwrap_ring(cursor.head.id, &cursor.wrapped, entry.envelope.active_key, entry, master).await?;
        cursor.ring = Arc::new(ring);
    }
    cursor.active_key = entry.envelope.active_key;
    Ok(open_entry(entry, &cursor.ring)?.1)
}

/// Moves on behind an entry that was applied.
pub(crate) fn advance(cursor: &mut Cursor, entry: &Entry) {
    cursor.head.seq = entry.envelope.seq;
    cursor.head.sha256 = entry.hash;
    cursor.entries += 1;
    cursor.bytes += entry.size as u64;
}

async fn unwrap_ring(
    id: DirectoryId,
    wrapped: &[WrappedKey],
    active: u32,
    named_in: &Entry,
    master: &dyn KeyService,
) -> Result<KeyRing, Error> {
    let name = entry_name(named_in.envelope.seq);
    let mut keys = Vec::with_capacity(wrapped.len());
    for key in wrapped {
        let bytes = STANDARD
            .decode(&key.wrapped)
            .map_err(|e| integrity(&name, format!("wrapped key {} is not base64 ({e})", key.id)))?;
        let plain = master.unwrap(&key.wrapped_by, &bytes, &context(id)).await?;
        keys.push(data_key(key.id, id, &plain)?);
    }
    KeyRing::new(NamespaceId(id.0), keys, active)
}

/// The newest checkpoint, or the newest at or before an entry: one LIST, or a second one when strange objects stand there.
pub(crate) async fn newest_checkpoint(store: &Store, at: Option<EntrySeq>) -> Result<Option<EntrySeq>, Error> {
    // names run backwards: those of later entries come before
    let after = at.and_then(|at| at.0.checked_add(1)).map(|later| checkpoint_name(EntrySeq(later)));
    for limit in [1, STRANGERS] {
        let found = store.list(CHECKPOINTS, after.as_deref(), Some(limit)).await?;
        let first = found.iter().find_map(|object| parse_checkpoint_name(&object.key));
        if first.is_some() || found.len() < limit {
            return Ok(first);
        }
    }
    Ok(None)
}

async fn read_checkpoint(store: &Store, seq: Option<EntrySeq>) -> Result<Option<Checkpoint>, Error> {
    let Some(seq) = seq else { return Ok(None) };
    let bytes = store.get(&checkpoint_name(seq)).await?;
    decode_checkpoint(seq, &bytes).map(Some)
}

/// The numbers of the entries from `first` on, in order, up to `to`.
async fn list_entries(store: &Store, first: EntrySeq, to: Option<EntrySeq>) -> Result<Vec<EntrySeq>, Error> {
    let after = (first.0 > 1).then(|| entry_name(EntrySeq(first.0 - 1)));
    let limit = to.map(|to| usize::try_from(to.0.saturating_sub(first.0) + 1).unwrap_or(usize::MAX));
    let found = store.list(ENTRIES, after.as_deref(), limit).await?;
    Ok(found.iter().filter_map(|object| parse_entry_name(&object.key)).collect())
}
