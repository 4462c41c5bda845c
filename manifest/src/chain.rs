//! The chain of manifests: open, claim, commit.
//!
//! Promises: a namespace has at most one writer epoch whose commits can be acknowledged (I2): to write version n+1 is to
//! have read version n, and one slot has one winner. A claim carries everything else over unchanged. Opening writes
//! nothing (I9).
//! Never: a version written without its predecessor's hash (I6), or after an outcome that is not known (I4).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::codec;
use crate::crypto::{DataKey, KeyRing};
use crate::error::{Error, KeyErrorKind, StoreError, StoreErrorKind};
use crate::ids::{ChainHash, Epoch, NamespaceId, Position, Seq, TableId, Version};
use crate::keys::{KeyContext, KeyService};
use crate::model::{Envelope, ManifestKind, ObjectRef, RetiredObject, Sealed, WalFloor, WrappedKey};
use crate::slot::{self, SlotOutcome};
use crate::store::{LIST_PAGE, Store};
use crate::tally::Cause;
use crate::validate;
use crate::world::{World, new_uuid};

const FOLDER: &str = "manifest/";
const SUFFIX: &str = ".json";

/// How often a claim is tried while others win.
const CLAIM_ATTEMPTS: usize = 16;

/// How often the newest manifest is looked up when it vanishes between LIST and GET.
const READ_ATTEMPTS: usize = 4;

/// One version of a namespace's root, read and checked.
#[derive(Clone, Debug)]
pub struct Head {
    /// the clear part
    pub envelope: Envelope,
    /// the sealed part
    pub sealed: Arc<Sealed>,
    /// SHA-256 of the stored bytes
    pub hash: ChainHash,
}

/// An open namespace: where it is, its keys and its newest root.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// the view of the namespace
    pub store: Store,
    /// its data keys
    pub keys: Arc<KeyRing>,
    /// the newest version as of opening
    pub head: Head,
}

/// What the next version changes; keys and pins are carried over.
#[derive(Clone, Debug)]
pub struct Draft {
    /// why it is written (neither `Create` nor `Claim`)
    pub kind: ManifestKind,
    /// how far the WAL is covered
    pub wal: WalFloor,
    /// the oldest position that can still be read
    pub horizon: Position,
    /// all objects of the new state
    pub objects: Vec<ObjectRef>,
    /// all objects removed and not yet collected
    pub retired: Vec<RetiredObject>,
    /// the sealed part
    pub sealed: Sealed,
}

/// The key of a version's object: the newest sorts first.
#[must_use]
pub fn manifest_key(v: Version) -> String {
    format!("{FOLDER}{:020}{SUFFIX}", u64::MAX - v.0)
}

/// The version of a manifest's key, if it is one.
#[must_use]
pub fn parse_manifest_key(key: &str) -> Option<Version> {
    let digits = key.strip_prefix(FOLDER)?.strip_suffix(SUFFIX)?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let version = u64::MAX - digits.parse::<u64>().ok()?;
    (version > 0).then_some(Version(version))
}

/// Opens a namespace at its newest version: a LIST, then one round of GETs. Writes nothing.
///
/// # Errors
/// [`Error::NoNamespace`] if there is none; [`Error::Integrity`], [`Error::Key`], [`Error::Store`].
pub async fn open(store: &Store, keys: &dyn KeyService) -> Result<Namespace, Error> {
    match load(&store.for_cause(Cause::Open), keys).await? {
        Some(found) => Ok(Namespace { store: store.clone(), keys: found.keys, head: found.head }),
        None => Err(Error::NoNamespace { store: store.describe() }),
    }
}

/// A head newer than version `than`, if there is one.
///
/// # Errors
/// [`Error::Integrity`], [`Error::Store`]; [`Error::Key`] if it names a key younger than the ring (reopen).
pub async fn newest(store: &Store, keys: &Arc<KeyRing>, than: Version) -> Result<Option<Head>, Error> {
    let store = store.for_cause(Cause::Manifest);
    for _ in 0..READ_ATTEMPTS {
        let Some(version) = newest_versions(&store, 1).await?.first().copied() else {
            return Err(Error::integrity(&manifest_key(than), "no manifest is left of a namespace that had one (I1)"));
        };
        if version <= than {
            return Ok(None);
        }
        let name = manifest_key(version);
        if let Some(bytes) = store.get_optional(&name).await? {
            let (envelope, sealed) = codec::decode(&bytes, &name, keys)?;
            return Ok(Some(head(envelope, sealed, &bytes)));
        }
    }
    Err(vanishing(&store))
}

/// Becomes the writer: creates the namespace at epoch 1, or commits a claim of the next epoch. Before the first write the
/// store is asked whether it honours put-if-absent.
///
/// # Errors
/// [`Error::Store`] if the store cannot be written or is refused; [`Error::Fenced`] if others keep winning;
/// [`Error::Unresolved`] if the outcome is not known; [`Error::Integrity`], [`Error::Key`].
pub async fn claim(store: &Store, keys: &dyn KeyService, writer: &str) -> Result<Namespace, Error> {
    let opening = store.for_cause(Cause::Open);
    let mut winner = Epoch::ZERO;
    for _ in 0..CLAIM_ATTEMPTS {
        let (ring, envelope, sealed) = match load(&opening, keys).await? {
            None => create(opening.world().as_ref(), keys, writer).await?,
            Some(found) => {
                let newest = manifest_key(found.head.envelope.version);
                opening.check_put_if_absent(&newest, found.bytes).await?;
                winner = found.head.envelope.epoch;
                let envelope = claiming(&found.head, opening.world().as_ref(), writer)?;
                (found.keys, envelope, found.head.sealed)
            }
        };
        let name = manifest_key(envelope.version);
        let bytes = codec::encode(&envelope, &sealed, &ring, opening.world().as_ref())?;
        match slot::put(&opening, &name, bytes.clone(), slot::DEADLINE).await {
            SlotOutcome::Committed => {
                if envelope.version == Version(1) {
                    opening.check_put_if_absent(&name, bytes.clone()).await?;
                }
                return Ok(Namespace {
                    store: store.clone(),
                    keys: ring,
                    head: Head { envelope, sealed, hash: ChainHash::of(&bytes) },
                });
            }
            SlotOutcome::Lost(_) => {}
            // a definite refusal: nothing of ours is there, and the reason is what the user needs
            SlotOutcome::Unknown(e) if !e.retryable() => return Err(e.into()),
            SlotOutcome::Unknown(source) => {
                return Err(Error::Unresolved { object: name, source });
            }
        }
    }
    Err(Error::Fenced { by_epoch: winner })
}

/// Commits the next version on `head`, in its epoch.
///
/// # Errors
/// [`Error::Fenced`] if a later epoch holds the slot; [`Error::Superseded`] if another process of this epoch does;
/// [`Error::Unresolved`] if the outcome is not known; [`Error::Invalid`] if the draft breaks MAN-1 or MAN-2.
pub async fn commit(store: &Store, keys: &KeyRing, head: &Head, draft: Draft, writer: &str) -> Result<Head, Error> {
    let store = store.for_cause(Cause::Manifest);
    let envelope = Envelope {
        version: head.envelope.version.next(),
        kind: draft.kind,
        prev: head.hash,
        written_at: store.world().now_micros().max(head.envelope.written_at),
        writer: writer.to_owned(),
        wal: draft.wal,
        horizon: draft.horizon,
        objects: draft.objects,
        retired: draft.retired,
        ..head.envelope.clone()
    };
    let name = manifest_key(envelope.version);
    if matches!(envelope.kind, ManifestKind::Create | ManifestKind::Claim) {
        return Err(Error::invalid(&name, format!("a commit is not of kind {:?} (I2)", envelope.kind)));
    }
    validate::follows(&head.envelope, head.hash, &envelope).map_err(|what| Error::invalid(&name, what))?;
    let bytes = codec::encode(&envelope, &draft.sealed, keys, store.world().as_ref())?;
    match slot::put(&store, &name, bytes.clone(), slot::DEADLINE).await {
        SlotOutcome::Committed => Ok(Head { envelope, sealed: Arc::new(draft.sealed), hash: ChainHash::of(&bytes) }),
        SlotOutcome::Lost(winner) => Err(lost_to(&winner, &name, &envelope)),
        SlotOutcome::Unknown(source) => Err(Error::Unresolved { object: name, source }),
    }
}

/// The stored bytes of a version.
///
/// # Errors
/// [`Error::Store`].
pub async fn read_raw(store: &Store, v: Version) -> Result<Bytes, Error> {
    Ok(store.get(&manifest_key(v)).await?)
}

/// All versions that are stored, ascending. Early ones may have been collected.
///
/// # Errors
/// [`Error::Store`].
pub async fn versions(store: &Store) -> Result<Vec<Version>, Error> {
    let found = store.list(FOLDER, None, None).await?;
    let mut versions: Vec<Version> = found.iter().filter_map(|object| parse_manifest_key(&object.key)).collect();
    versions.sort_unstable();
    Ok(versions)
}

struct Loaded {
    head: Head,
    keys: Arc<KeyRing>,
    bytes: Bytes,
}

/// The newest version, checked against the one before it where that is still stored.
async fn load(store: &Store, keys: &dyn KeyService) -> Result<Option<Loaded>, Error> {
    for _ in 0..READ_ATTEMPTS {
        let versions = newest_versions(store, 2).await?;
        let Some(name) = versions.first().map(|v| manifest_key(*v)) else {
            return Ok(None);
        };
        let before = versions.get(1).map(|v| manifest_key(*v));
        let (bytes, before_bytes) = futures::join!(store.get_optional(&name), async {
            match &before {
                Some(before) => store.get_optional(before).await,
                None => Ok(None),
            }
        });
        let Some(bytes) = bytes? else { continue };
        let (envelope, sealed) = codec::decode_envelope(&bytes, &name)?;
        if let (Some(before), Some(before_bytes)) = (&before, before_bytes?) {
            check_link(before, &before_bytes, &name, &envelope)?;
        }
        let ring = Arc::new(unwrap_ring(&envelope, &name, keys).await?);
        let sealed = codec::open(&envelope, &sealed, &name, &ring)?;
        return Ok(Some(Loaded { head: head(envelope, sealed, &bytes), keys: ring, bytes }));
    }
    Err(vanishing(store))
}

/// Whether `next` can stand above `before`: a manifest put there from another namespace or another time does not.
fn check_link(before: &str, before_bytes: &[u8], name: &str, next: &Envelope) -> Result<(), Error> {
    let (older, _) = codec::decode_envelope(before_bytes, before)?;
    if older.namespace != next.namespace {
        return Err(Error::integrity(
            name,
            format!("it belongs to namespace {}, {before} to {} (I8)", next.namespace, older.namespace),
        ));
    }
    if older.version.next() == next.version {
        let hash = ChainHash::of(before_bytes);
        validate::follows(&older, hash, next)
            .map_err(|what| Error::integrity(name, format!("after {before}: {what}")))?;
    }
    Ok(())
}

async fn unwrap_ring(envelope: &Envelope, name: &str, keys: &dyn KeyService) -> Result<KeyRing, Error> {
    let context = KeyContext::data_key(envelope.namespace);
    let mut ring = Vec::with_capacity(envelope.keys.len());
    for key in &envelope.keys {
        let wrapped = STANDARD
            .decode(&key.wrapped)
            .map_err(|e| Error::integrity(name, format!("wrapped key {} is not base64 ({e})", key.id)))?;
        let plain = keys.unwrap(&key.wrapped_by, &wrapped, &context).await?;
        ring.push(DataKey::new(key.id, envelope.namespace, &plain)?);
    }
    KeyRing::new(envelope.namespace, ring, envelope.active_key)
}

/// The first version of a new namespace, not written yet.
async fn create(
    world: &dyn World,
    keys: &dyn KeyService,
    writer: &str,
) -> Result<(Arc<KeyRing>, Envelope, Arc<Sealed>), Error> {
    let namespace = keys.namespace().unwrap_or_else(|| NamespaceId(new_uuid(world)));
    let key = DataKey::generate(1, namespace, world);
    let context = KeyContext::data_key(namespace);
    let (wrapped_by, wrapped) = keys.wrap(key.material(), &context).await?;
    // what cannot be unwrapped again must not become the only copy of a key
    let again = keys.unwrap(&wrapped_by, &wrapped, &context).await?;
    if again.as_slice() != key.material() {
        return Err(Error::key(
            KeyErrorKind::Damaged,
            format!("{} does not give back what it wrapped; nothing was created", keys.describe()),
        ));
    }
    let envelope = Envelope {
        format: validate::FORMAT,
        namespace,
        version: Version(1),
        epoch: Epoch(1),
        kind: ManifestKind::Create,
        prev: ChainHash::GENESIS,
        written_at: world.now_micros(),
        writer: writer.to_owned(),
        wal: WalFloor { seq: Seq::ZERO, hash: ChainHash::GENESIS, position: Position::ZERO, commit_time: 0 },
        horizon: Position::ZERO,
        objects: Vec::new(),
        keys: vec![WrappedKey { id: key.id(), wrapped_by, wrapped: STANDARD.encode(wrapped) }],
        active_key: key.id(),
        pins: Vec::new(),
        retired: Vec::new(),
    };
    let sealed = Sealed { next_table: TableId::FIRST_USER, ..Sealed::default() };
    let ring = KeyRing::new(namespace, vec![key], envelope.active_key)?;
    Ok((Arc::new(ring), envelope, Arc::new(sealed)))
}

fn claiming(head: &Head, world: &dyn World, writer: &str) -> Result<Envelope, Error> {
    let claim = Envelope {
        version: head.envelope.version.next(),
        epoch: head.envelope.epoch.next(),
        kind: ManifestKind::Claim,
        prev: head.hash,
        written_at: world.now_micros().max(head.envelope.written_at),
        writer: writer.to_owned(),
        ..head.envelope.clone()
    };
    validate::follows(&head.envelope, head.hash, &claim)
        .map_err(|what| Error::invalid(&manifest_key(claim.version), what))?;
    Ok(claim)
}

/// Who holds the slot that `ours` wanted.
fn lost_to(winner: &[u8], name: &str, ours: &Envelope) -> Error {
    match codec::decode_envelope(winner, name) {
        Err(e) => e,
        Ok((winner, _)) if winner.namespace != ours.namespace => Error::integrity(
            name,
            format!("it belongs to namespace {}, not to {} (I8)", winner.namespace, ours.namespace),
        ),
        Ok((winner, _)) if winner.epoch > ours.epoch => Error::Fenced { by_epoch: winner.epoch },
        Ok((winner, _)) if winner.epoch == ours.epoch => Error::Superseded { version: winner.version },
        Ok((winner, _)) => Error::integrity(
            name,
            format!("it is of epoch {}, after epoch {} had begun (I2)", winner.epoch, ours.epoch),
        ),
    }
}

/// The newest versions, newest first: one LIST, or a second one when strange objects stand in between.
async fn newest_versions(store: &Store, count: usize) -> Result<Vec<Version>, Error> {
    let mut found = store.list(FOLDER, None, Some(count)).await?;
    let versions = |found: &[crate::store::ObjectInfo]| -> Vec<Version> {
        found.iter().filter_map(|object| parse_manifest_key(&object.key)).collect()
    };
    if found.len() == count && versions(&found).len() < count {
        found = store.list(FOLDER, None, Some(LIST_PAGE)).await?;
    }
    let mut newest = versions(&found);
    newest.truncate(count);
    Ok(newest)
}

fn head(envelope: Envelope, sealed: Sealed, bytes: &[u8]) -> Head {
    Head { envelope, sealed: Arc::new(sealed), hash: ChainHash::of(bytes) }
}

fn vanishing(store: &Store) -> Error {
    StoreError::new(
        StoreErrorKind::Other,
        crate::tally::Op::Get,
        FOLDER,
        &store.describe(),
        "the newest manifest is listed and cannot be read, again and again",
    )
    .into()
}
