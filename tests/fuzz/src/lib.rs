//! What the fuzz targets share: one namespace and its keys.
//!
//! Promises: the same keys in every run, so that a found input stays a finding.
//! Never: a decoder's result is used for more than to see that there is one.

use firn_manifest::ids::{ChainHash, NamespaceId};
use firn_manifest::{DataKey, KeyRing};
use uuid::Uuid;

/// The namespace of all targets.
pub const NAMESPACE: NamespaceId = NamespaceId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));

/// Its only key.
pub fn ring() -> KeyRing {
    let key = DataKey::new(1, NAMESPACE, &[7; 32]).expect("a key of 32 bytes");
    KeyRing::new(NAMESPACE, vec![key], 1).expect("a ring of one key")
}

/// The bytes with the trailing length and hash that whoever can write to the bucket can compute.
pub fn with_wal_trailer(body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&(body.len() as u64 + 40).to_be_bytes());
    let hash = ChainHash::of(&bytes).0;
    bytes.extend_from_slice(&hash);
    bytes
}

/// A manifest's bytes up to its sum, with the sum.
pub fn with_manifest_sum(front: &[u8]) -> Vec<u8> {
    [front, b",\"sum\":\"", ChainHash::of(front).to_string().as_bytes(), b"\"}"].concat()
}
