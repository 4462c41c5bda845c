//! Wrapped key-encryption keys: one write-once object each, outside the log, because the log is for ever and an erasure
//! must really destroy them.
//!
//! ```text
//! _directory/kek/<namespace UUID>-<generation, 10 digits>.json                        revision 1
//! _directory/kek/<namespace UUID>-<generation, 10 digits>-<revision, 10 digits>.json  later ones, wrapped anew
//! ```
//!
//! Promises: the object is there before the command that names it; what is read is what the log names by digest (KEK-1).
//! Never: a plain key outside zeroizing memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_manifest::ids::{ChainHash, NamespaceId, TenantId};
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::{Error, KeyContext, KeyErrorKind, KeyService, Store, World};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::document;
use crate::error::{integrity, key};
use crate::ids::Time;
use crate::tenant::KekRef;

/// Where the objects stand.
pub const FOLDER: &str = "_directory/kek/";

/// The largest one, bytes.
pub const MAX_SIZE: usize = 64 << 10;

/// How often a folder of deleted keys is listed before the store is not believed any more.
const DESTROY_ROUNDS: usize = 8;

/// A tenant's key-encryption key, 32 bytes.
pub type Kek = Zeroizing<[u8; 32]>;

/// A wrapped key as it is stored; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KekObject {
    /// 1
    pub format: u32,
    /// the namespace whose data keys it wraps
    pub namespace: NamespaceId,
    /// which key of the tenant
    pub generation: u32,
    /// how often it was wrapped
    pub revision: u32,
    /// the master key that wrapped it
    pub wrapped_by: String,
    /// the wrapped bytes, base64
    pub wrapped: String,
}

/// The name of a wrapped key's object.
#[must_use]
pub fn kek_name(namespace: NamespaceId, generation: u32, revision: u32) -> String {
    match revision {
        1 => format!("{FOLDER}{namespace}-{generation:010}.json"),
        _ => format!("{FOLDER}{namespace}-{generation:010}-{revision:010}.json"),
    }
}

/// The namespace that a wrapped key's object belongs to.
#[must_use]
pub fn parse_kek_name(name: &str) -> Option<NamespaceId> {
    let rest = name.strip_prefix(FOLDER)?.strip_suffix(".json")?;
    uuid::Uuid::parse_str(rest.get(..36)?).ok().map(NamespaceId)
}

/// What a tenant's key-encryption key is wrapped for.
pub(crate) fn context(namespace: NamespaceId, tenant: TenantId) -> KeyContext {
    KeyContext::tenant_key(namespace, tenant)
}

/// A fresh key.
pub(crate) fn generate(world: &dyn World) -> Kek {
    let mut kek = Zeroizing::new([0u8; 32]);
    world.fill(kek.as_mut_slice());
    kek
}

/// Wraps a key and stores the object; if one of that name is there already (of a proposal that came to nothing, or of
/// another process that rotates), that one is taken. Gives what the log names.
pub(crate) async fn store(
    store: &Store,
    master: &dyn KeyService,
    (namespace, tenant): (NamespaceId, TenantId),
    (generation, revision): (u32, u32),
    kek: &Kek,
) -> Result<KekRef, Error> {
    let name = kek_name(namespace, generation, revision);
    let context = context(namespace, tenant);
    let (wrapped_by, wrapped) = master.wrap(kek.as_slice(), &context).await?;
    // what cannot be unwrapped again must not become the only copy of a key
    if master.unwrap(&wrapped_by, &wrapped, &context).await?.as_slice() != kek.as_slice() {
        let what = format!("{} does not give back what it wrapped; nothing was stored", master.describe());
        return Err(key(KeyErrorKind::Damaged, what));
    }
    let wrapped = STANDARD.encode(wrapped);
    let object = KekObject { format: document::FORMAT, namespace, generation, revision, wrapped_by, wrapped };
    let bytes = document::clear(&name, &object)?;
    let (object, digest) = match slot::put(store, &name, bytes.clone(), slot::DEADLINE).await {
        SlotOutcome::Committed => (object, ChainHash::of(&bytes)),
        SlotOutcome::Lost(theirs) => {
            let object = parse(&name, &theirs, namespace, generation, revision)?;
            plain(&name, &object, master, &context).await?;
            (object, ChainHash::of(&theirs))
        }
        SlotOutcome::Unknown(e) if !e.retryable() => return Err(e.into()),
        SlotOutcome::Unknown(source) => return Err(Error::Unresolved { object: name, source }),
    };
    Ok(KekRef {
        generation,
        revision,
        wrapped_by: object.wrapped_by,
        digest,
        created_at: Time::default(),
        retired_at: None,
    })
}

/// Reads and unwraps a key that the log names; `None` if its object is not there.
pub(crate) async fn load(
    store: &Store,
    master: &dyn KeyService,
    namespace: NamespaceId,
    tenant: TenantId,
    wanted: &KekRef,
) -> Result<Option<Kek>, Error> {
    let name = kek_name(namespace, wanted.generation, wanted.revision);
    let Some(bytes) = store.get_optional(&name).await? else {
        return Ok(None);
    };
    if ChainHash::of(&bytes) != wanted.digest {
        return Err(integrity(&name, "it is not the key that the directory's log names by digest (KEK-1)"));
    }
    let object = parse(&name, &bytes, namespace, wanted.generation, wanted.revision)?;
    plain(&name, &object, master, &context(namespace, tenant)).await.map(Some)
}

async fn plain(name: &str, object: &KekObject, master: &dyn KeyService, context: &KeyContext) -> Result<Kek, Error> {
    let wrapped = STANDARD
        .decode(&object.wrapped)
        .map_err(|e| integrity(name, format!("the wrapped key is not base64 ({e})")))?;
    let plain = master.unwrap(&object.wrapped_by, &wrapped, context).await?;
    let mut kek = Zeroizing::new([0u8; 32]);
    if plain.len() != kek.len() {
        return Err(integrity(name, format!("it holds a key of {} bytes instead of 32", plain.len())));
    }
    kek.copy_from_slice(&plain);
    Ok(kek)
}

fn parse(name: &str, bytes: &[u8], namespace: NamespaceId, generation: u32, revision: u32) -> Result<KekObject, Error> {
    let object: KekObject = document::parse_clear(name, bytes, MAX_SIZE)?;
    if (object.namespace, object.generation, object.revision) != (namespace, generation, revision) {
        return Err(integrity(name, "it says it is another key than its name does (I8)"));
    }
    Ok(object)
}

/// The wrapped keys of a namespace that an erasure or a retirement destroys: all of them, or those of one generation.
pub(crate) fn kek_prefix(namespace: NamespaceId, generation: Option<u32>) -> String {
    match generation {
        None => format!("{FOLDER}{namespace}-"),
        Some(generation) => format!("{FOLDER}{namespace}-{generation:010}"),
    }
}

/// Deletes every wrapped key below a prefix of [`kek_prefix`] until none is listed. Gives their names.
pub(crate) async fn destroy(store: &Store, prefix: &str) -> Result<Vec<String>, Error> {
    let mut destroyed = Vec::new();
    for _ in 0..DESTROY_ROUNDS {
        let found = store.list(prefix, None, None).await?;
        if found.is_empty() {
            return Ok(destroyed);
        }
        for object in found {
            store.delete(&object.key).await?;
            destroyed.push(object.key);
        }
    }
    Err(integrity(
        prefix,
        "the store lists wrapped keys again and again after they were deleted; nothing is erased yet",
    ))
}
