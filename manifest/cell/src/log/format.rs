//! Names and bytes of the log's objects.
//!
//! Promises: the clear part says nothing about tenants; an entry opens only as the entry of its number and directory.
//! Never: a decision; what an entry says is applied by the state machine alone.

use bytes::Bytes;
use firn_manifest::ids::{ChainHash, NamespaceId};
use firn_manifest::model::WrappedKey;
use firn_manifest::{DataKey, Error, KeyRing, World};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::document::{self, FORMAT, Sealed};
use crate::error::integrity;
use crate::ids::{DirectoryId, EntrySeq, Time};
use crate::op::Command;
use crate::state::Directory;

/// Where everything of a directory stands.
pub const ROOT: &str = "_directory/";
/// Where entries stand.
pub const ENTRIES: &str = "_directory/entry/";
/// Where checkpoints stand.
pub const CHECKPOINTS: &str = "_directory/checkpoint/";

/// The largest entry, bytes.
pub const ENTRY_MAX: usize = 16 << 20;
/// The largest checkpoint, bytes.
pub const CHECKPOINT_MAX: usize = 1 << 30;

const ENTRY_LABEL: &[u8] = b"firn directory entry v1";
const CHECKPOINT_LABEL: &[u8] = b"firn directory checkpoint v1";
const SUFFIX: &str = ".json";

/// Why an entry was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// the directory's first
    Create,
    /// commands
    Commands,
    /// the directory's own data keys, wrapped anew
    Keys,
}

/// The clear part of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryEnvelope {
    /// 1
    pub format: u32,
    /// the directory's identity
    pub directory: DirectoryId,
    /// its number; must agree with the object's name
    pub seq: EntrySeq,
    /// why it was written
    pub kind: EntryKind,
    /// SHA-256 of the stored bytes of the entry before it; zeros for the first
    pub prev: ChainHash,
    /// the commands' time; never before that of the entry before it
    pub written_at: Time,
    /// which build wrote it
    pub writer: String,
    /// how many commands it holds
    pub commands: u64,
    /// the data key that sealed it
    pub active_key: u32,
    /// all data keys, wrapped, where they changed
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<WrappedKey>,
    /// the public key that receipts are signed by, in the first entry
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// The clear part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointEnvelope {
    /// 1
    pub format: u32,
    /// the directory's identity
    pub directory: DirectoryId,
    /// the entry as of which this is the state; must agree with the object's name
    pub seq: EntrySeq,
    /// SHA-256 of that entry's stored bytes
    pub head: ChainHash,
    /// when it was written
    pub written_at: Time,
    /// which build wrote it
    pub writer: String,
    /// the data key that sealed it
    pub active_key: u32,
    /// all data keys, wrapped
    pub keys: Vec<WrappedKey>,
    /// the public key that receipts are signed by
    pub public_key: String,
}

/// What the directory keeps secret for itself. It is sealed in the first entry and in every checkpoint.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// the seed of the Ed25519 key that signs receipts
    pub(crate) signing: Zeroizing<[u8; 32]>,
    /// what the SCRAM salts of names are derived from
    pub(crate) names: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    pub(crate) fn generate(world: &dyn World) -> Self {
        let mut secrets = Self { signing: Zeroizing::new([0; 32]), names: Zeroizing::new([0; 32]) };
        world.fill(secrets.signing.as_mut_slice());
        world.fill(secrets.names.as_mut_slice());
        secrets
    }

    fn text(&self) -> SecretsText {
        SecretsText { signing: Wiped::from(hex::encode(*self.signing)), names: Wiped::from(hex::encode(*self.names)) }
    }

    fn of(name: &str, text: &SecretsText) -> Result<Self, Error> {
        let mut secrets = Self { signing: Zeroizing::new([0; 32]), names: Zeroizing::new([0; 32]) };
        let damaged = |_| integrity(name, "its secrets are damaged");
        hex::decode_to_slice(text.signing.as_str(), secrets.signing.as_mut_slice()).map_err(damaged)?;
        hex::decode_to_slice(text.names.as_str(), secrets.names.as_mut_slice()).map_err(damaged)?;
        Ok(secrets)
    }
}

#[derive(Serialize, Deserialize)]
struct SecretsText {
    signing: Wiped,
    names: Wiped,
}

/// A text that is wiped when dropped.
#[derive(Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Wiped(Zeroizing<String>);

impl Wiped {
    fn as_str(&self) -> &str {
        &self.0
    }
}

impl Clone for Wiped {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<String> for Wiped {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Wiped> for String {
    fn from(text: Wiped) -> Self {
        text.0.to_string()
    }
}

#[derive(Serialize, Deserialize)]
struct EntryBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<SecretsText>,
    commands: Vec<Command>,
}

/// The name of an entry.
#[must_use]
pub fn entry_name(seq: EntrySeq) -> String {
    format!("{ENTRIES}{:020}{SUFFIX}", seq.0)
}

/// The number of an entry's name, if it is one.
#[must_use]
pub fn parse_entry_name(name: &str) -> Option<EntrySeq> {
    number(name, ENTRIES).filter(|seq| *seq > 0).map(EntrySeq)
}

/// The name of a checkpoint.
#[must_use]
pub fn checkpoint_name(seq: EntrySeq) -> String {
    format!("{CHECKPOINTS}{:020}{SUFFIX}", u64::MAX - seq.0)
}

/// The entry that a checkpoint's name stands for, if it is one.
#[must_use]
pub fn parse_checkpoint_name(name: &str) -> Option<EntrySeq> {
    number(name, CHECKPOINTS).map(|number| u64::MAX - number).filter(|seq| *seq > 0).map(EntrySeq)
}

fn number(name: &str, folder: &str) -> Option<u64> {
    let digits = name.strip_prefix(folder)?.strip_suffix(SUFFIX)?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// A data key of the directory.
pub(crate) fn data_key(id: u32, directory: DirectoryId, material: &[u8]) -> Result<DataKey, Error> {
    DataKey::new(id, NamespaceId(directory.0), material)
}

/// Encodes an entry; `secrets` in the first one only.
pub(crate) fn encode_entry(
    envelope: &EntryEnvelope,
    secrets: Option<&Secrets>,
    commands: &[Command],
    key: &DataKey,
    world: &dyn World,
) -> Result<Bytes, Error> {
    let name = entry_name(envelope.seq);
    let body = EntryBody { secrets: secrets.map(Secrets::text), commands: commands.to_vec() };
    let plain = Zeroizing::new(document::json(&name, &body)?);
    document::seal(&name, ENTRY_LABEL, envelope, &plain, key, world)
}

/// An entry whose sealed part was not opened yet.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) envelope: EntryEnvelope,
    pub(crate) hash: ChainHash,
    pub(crate) size: usize,
    sealed: Sealed,
}

/// Reads an entry's clear part.
///
/// # Errors
/// [`Error::Integrity`] if the bytes are not the one encoding of an entry of that number.
pub(crate) fn decode_entry(seq: EntrySeq, bytes: &[u8]) -> Result<Entry, Error> {
    let name = entry_name(seq);
    let (envelope, sealed): (EntryEnvelope, Sealed) = document::parse(&name, bytes, ENTRY_MAX)?;
    let first = seq == EntrySeq(1);
    let whole = envelope.format == FORMAT
        && first == (envelope.kind == EntryKind::Create)
        && first == envelope.public_key.is_some()
        && first == (envelope.prev == ChainHash::GENESIS)
        && (envelope.kind == EntryKind::Commands) == envelope.keys.is_empty();
    if envelope.seq != seq {
        return Err(integrity(&name, format!("it says it is entry {} (DIR-2)", envelope.seq)));
    }
    if !whole {
        return Err(integrity(&name, "its clear part is not that of an entry of its number and kind (DIR-2)"));
    }
    Ok(Entry { envelope, hash: ChainHash::of(bytes), size: bytes.len(), sealed })
}

/// Opens an entry's sealed part.
pub(crate) fn open_entry(entry: &Entry, ring: &KeyRing) -> Result<(Option<Secrets>, Vec<Command>), Error> {
    let name = entry_name(entry.envelope.seq);
    let plain = document::open(&name, ENTRY_LABEL, &entry.sealed, ring.get(entry.envelope.active_key)?)?;
    let body: EntryBody = document::body(&name, &plain)?;
    if body.commands.len() as u64 != entry.envelope.commands
        || body.secrets.is_some() != entry.envelope.public_key.is_some()
    {
        return Err(integrity(&name, "its sealed part is not the one its clear part describes (DIR-2)"));
    }
    let secrets = body.secrets.as_ref().map(|secrets| Secrets::of(&name, secrets)).transpose()?;
    Ok((secrets, body.commands))
}

/// What must hold between an entry and the one before it (DIR-2).
pub(crate) fn follows(
    directory: DirectoryId,
    (seq, hash): (EntrySeq, ChainHash),
    now: Time,
    next: &EntryEnvelope,
) -> Result<(), Error> {
    let name = entry_name(next.seq);
    if next.directory != directory {
        let what = format!("it belongs to directory {}, not to {directory} (I8)", next.directory);
        return Err(integrity(&name, what));
    }
    if next.seq != seq.next() || next.prev != hash {
        return Err(integrity(
            &name,
            format!("it names {} as the entry before it, and entry {seq} has hash {hash} (DIR-2)", next.prev),
        ));
    }
    if next.written_at < now {
        return Err(integrity(&name, "it was written before the entry before it (DIR-2)"));
    }
    Ok(())
}

/// Encodes a checkpoint.
pub(crate) fn encode_checkpoint(
    envelope: &CheckpointEnvelope,
    secrets: &Secrets,
    state: &Directory,
    key: &DataKey,
    world: &dyn World,
) -> Result<Bytes, Error> {
    let name = checkpoint_name(envelope.seq);
    let state = state.encode().map_err(|what| crate::error::invalid(&name, what))?;
    let secrets = Zeroizing::new(document::json(&name, &secrets.text())?);
    let plain = Zeroizing::new([b"{\"secrets\":".as_slice(), &secrets, b",\"state\":", &state, b"}"].concat());
    document::seal(&name, CHECKPOINT_LABEL, envelope, &plain, key, world)
}

/// A checkpoint whose sealed part was not opened yet.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) envelope: CheckpointEnvelope,
    pub(crate) size: usize,
    sealed: Sealed,
}

/// Reads a checkpoint's clear part.
///
/// # Errors
/// [`Error::Integrity`] if the bytes are not the one encoding of a checkpoint as of that entry.
pub(crate) fn decode_checkpoint(seq: EntrySeq, bytes: &[u8]) -> Result<Checkpoint, Error> {
    let name = checkpoint_name(seq);
    let (envelope, sealed): (CheckpointEnvelope, Sealed) = document::parse(&name, bytes, CHECKPOINT_MAX)?;
    if envelope.seq != seq || envelope.format != FORMAT || envelope.keys.is_empty() {
        return Err(integrity(&name, format!("it says it is the state as of entry {} (DIR-4)", envelope.seq)));
    }
    Ok(Checkpoint { envelope, size: bytes.len(), sealed })
}

/// Opens a checkpoint's sealed part.
pub(crate) fn open_checkpoint(checkpoint: &Checkpoint, ring: &KeyRing) -> Result<(Secrets, Directory), Error> {
    let name = checkpoint_name(checkpoint.envelope.seq);
    let key = ring.get(checkpoint.envelope.active_key)?;
    let plain = document::open(&name, CHECKPOINT_LABEL, &checkpoint.sealed, key)?;
    // the state's bytes are taken as they stand: it checks their canonical form itself
    let broken = || integrity(&name, "its sealed part is not that of a checkpoint (DIR-4)");
    let rest = plain.strip_prefix(b"{\"secrets\":").ok_or_else(broken)?;
    let at = rest.windows(9).position(|part| part == b",\"state\":").ok_or_else(broken)?;
    let (secrets, rest) = rest.split_at(at);
    let state = rest.get(9..rest.len().saturating_sub(1)).filter(|_| rest.ends_with(b"}")).ok_or_else(broken)?;
    let secrets: SecretsText = document::body(&name, secrets)?;
    let state = Directory::decode(state).map_err(|what| integrity(&name, what))?;
    if state.id() != checkpoint.envelope.directory {
        return Err(integrity(&name, format!("it holds the state of directory {} (I8)", state.id())));
    }
    Ok((Secrets::of(&name, &secrets)?, state))
}
