//! The receipt of an erasure: JSON, signed with Ed25519 by the directory's key.
//!
//! ```text
//! {"receipt":{…},"public_key":"<64 hex digits>","signature":"<128 hex digits>"}
//! ```
//!
//! The signature is over `"firn erasure receipt v1"`, a zero byte, and the bytes of `receipt`'s value.
//!
//! Promises: whoever has the directory's public key can check a receipt, without firn and without any other key.
//! Never: a receipt accepted for another public key than the caller trusts.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use firn_manifest::ids::{ChainHash, NamespaceId, NamespaceName, TenantId};
use serde::{Deserialize, Serialize};

use crate::ids::{DirectoryId, EntrySeq, Time};
use crate::tenant::{KekRef, ManifestHead, Tenant};

const LABEL: &[u8] = b"firn erasure receipt v1\0";

/// What became of the namespace's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objects {
    /// they are still there, and nothing opens them
    Kept,
    /// so many were removed
    Removed(u64),
}

/// A head of the directory's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// the directory
    pub id: DirectoryId,
    /// its newest entry
    pub seq: EntrySeq,
    /// SHA-256 of that entry's stored bytes
    pub sha256: ChainHash,
}

/// A wrapped key that sealed the tenant's data keys, and is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyedKek {
    /// which key of the tenant
    pub generation: u32,
    /// how often it was wrapped
    pub revision: u32,
    /// the master key that wrapped it last
    pub wrapped_by: String,
    /// SHA-256 of the object's stored bytes
    pub sha256: ChainHash,
}

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// 1
    pub format: u32,
    /// the tenant's number
    pub tenant: TenantId,
    /// its namespace
    pub namespace: NamespaceId,
    /// its name
    pub name: NamespaceName,
    /// why it was erased
    pub basis: String,
    /// when that was asked for, microseconds since 1970 UTC
    pub requested_at: Time,
    /// by whom
    pub requested_by: String,
    /// when its keys were destroyed
    pub erased_at: Time,
    /// the namespace's newest manifest, if it had one: every backup of it is bound to this chain
    pub manifest: Option<ManifestHead>,
    /// the wrapped keys that were destroyed
    pub keks: Vec<DestroyedKek>,
    /// what became of the objects
    pub objects: Objects,
    /// the log as of the receipt: the erasure stands at or before that entry
    pub directory: LogHead,
}

impl Receipt {
    /// The receipt of a tenant whose keys were destroyed at `at`; `None` if no erasure of it was begun.
    pub(crate) fn of(tenant: &Tenant, at: Time, objects: Objects, directory: LogHead) -> Option<Self> {
        let erasure = tenant.erasure.as_ref()?;
        let destroyed = |kek: &KekRef| DestroyedKek {
            generation: kek.generation,
            revision: kek.revision,
            wrapped_by: kek.wrapped_by.clone(),
            sha256: kek.digest,
        };
        Some(Self {
            format: 1,
            tenant: tenant.id,
            namespace: tenant.namespace,
            name: tenant.name.clone(),
            basis: erasure.basis.clone(),
            requested_at: erasure.requested_at,
            requested_by: erasure.requested_by.clone(),
            erased_at: at,
            manifest: erasure.head,
            keks: tenant.keks.iter().map(destroyed).collect(),
            objects,
            directory,
        })
    }

    /// The signed text.
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<String, String> {
        let json = serde_json::to_string(self).map_err(|e| e.to_string())?;
        let signature = hex::encode(key.sign(&message(&json)).to_bytes());
        let public = hex::encode(key.verifying_key().to_bytes());
        Ok(format!("{{\"receipt\":{json},\"public_key\":\"{public}\",\"signature\":\"{signature}\"}}"))
    }
}

#[derive(Serialize, Deserialize)]
struct Signed {
    receipt: Receipt,
    public_key: String,
    signature: String,
}

/// Checks a receipt against the public key of the directory that is trusted to issue it (64 hex digits, from the clear
/// part of the directory's first entry or its checkpoints).
///
/// # Errors
/// Why it is not a receipt of that directory.
pub fn verify_receipt(text: &str, public_key: &str) -> Result<Receipt, String> {
    let signed: Signed = serde_json::from_str(text).map_err(|e| format!("this is not a receipt ({e})"))?;
    if signed.public_key != public_key {
        return Err("the receipt names another public key than the one that is trusted".to_owned());
    }
    let mut public = [0u8; 32];
    let mut signature = [0u8; 64];
    hex::decode_to_slice(public_key, &mut public).map_err(|e| format!("the public key is damaged ({e})"))?;
    hex::decode_to_slice(&signed.signature, &mut signature).map_err(|e| format!("the signature is damaged ({e})"))?;
    let key = VerifyingKey::from_bytes(&public).map_err(|_| "the public key is none of Ed25519".to_owned())?;
    let json = serde_json::to_string(&signed.receipt).map_err(|e| e.to_string())?;
    if !text.trim_end().starts_with(&format!("{{\"receipt\":{json},")) {
        return Err("the receipt is not in canonical form".to_owned());
    }
    key.verify_strict(&message(&json), &Signature::from_bytes(&signature))
        .map_err(|_| "the signature does not fit: the receipt was changed or is not this directory's".to_owned())?;
    Ok(signed.receipt)
}

fn message(json: &str) -> Vec<u8> {
    [LABEL, json.as_bytes()].concat()
}
