//! Sealing: one derived key for each object, AES-256-GCM under it.
//!
//! Promises: bytes sealed for one namespace, object name and attempt open only with that namespace's data key and that
//! name; no nonce is drawn twice under a key, because the key itself comes from a random attempt nonce and a caller
//! gives each part of an object its own counter.
//! Never: key material in `Debug`, in an error, or left in memory after the key is dropped.

use std::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, KeyErrorKind};
use crate::ids::NamespaceId;
use crate::world::World;

/// Bytes that sealing adds: the authentication tag.
pub const TAG_LEN: usize = 16;

/// The start of the HKDF info of an object's key.
pub const OBJECT_INFO: &[u8] = b"firn object v1";

/// A namespace's data key: 256 bits and a number.
pub struct DataKey {
    id: u32,
    namespace: NamespaceId,
    material: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// A data key from its material, which must be 32 bytes.
    ///
    /// # Errors
    /// [`Error::Key`] if the material has another length.
    pub fn new(id: u32, namespace: NamespaceId, material: &[u8]) -> Result<Self, Error> {
        let mut own = Zeroizing::new([0u8; 32]);
        if material.len() != own.len() {
            return Err(Error::key(
                KeyErrorKind::Damaged,
                format!(
                    "data key {id} of namespace {namespace} has {} bytes instead of 32; restore the manifest from a backup",
                    material.len()
                ),
            ));
        }
        own.copy_from_slice(material);
        Ok(Self { id, namespace, material: own })
    }

    /// A fresh random data key.
    #[must_use]
    pub fn generate(id: u32, namespace: NamespaceId, world: &dyn World) -> Self {
        let mut material = Zeroizing::new([0u8; 32]);
        world.fill(material.as_mut_slice());
        Self { id, namespace, material }
    }

    /// Its number: what objects and manifests name it by.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The namespace it belongs to.
    #[must_use]
    pub fn namespace(&self) -> NamespaceId {
        self.namespace
    }

    /// The key of one object: HKDF-SHA256 of this key, salted with the namespace's UUID, with
    /// `"firn object v1" ‖ nonce ‖ name` as info. `nonce` must be random for each attempt to write the object.
    #[must_use]
    pub fn object_key(&self, name: &str, nonce: &[u8; 16]) -> ObjectKey {
        derive(&self.material, self.namespace, OBJECT_INFO, nonce, name)
    }

    /// The material, to be wrapped by a key service.
    pub(crate) fn material(&self) -> &[u8; 32] {
        &self.material
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey {{ id: {}, namespace: {}, .. }}", self.id, self.namespace)
    }
}

/// HKDF-SHA256 of `material` for `label ‖ nonce ‖ name`, salted with the namespace's UUID.
pub(crate) fn derive(
    material: &[u8; 32],
    namespace: NamespaceId,
    label: &[u8],
    nonce: &[u8; 16],
    name: &str,
) -> ObjectKey {
    let mut key = Zeroizing::new([0u8; 32]);
    let kdf = Hkdf::<Sha256>::new(Some(namespace.0.as_bytes()), material);
    // 32 bytes are far below HKDF's bound of 255 hashes, its only error
    if kdf.expand_multi_info(&[label, nonce, name.as_bytes()], key.as_mut_slice()).is_err() {
        unreachable!("HKDF-SHA256 gives 32 bytes for every input");
    }
    ObjectKey { name: name.to_owned(), key }
}

/// The key of one object, for one attempt to write it.
pub struct ObjectKey {
    name: String,
    key: Zeroizing<[u8; 32]>,
}

impl ObjectKey {
    /// Seals `plain`: ciphertext, then the 16-byte tag. `counter` must differ for each part sealed under this key.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `plain` is beyond what AES-GCM can seal (64 GiB).
    pub fn seal(&self, counter: u32, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        self.cipher().encrypt(&nonce(counter), Payload { msg: plain, aad }).map_err(|_| {
            Error::invalid(&self.name, format!("part {counter} of {} bytes is too large to seal", plain.len()))
        })
    }

    /// Opens what [`ObjectKey::seal`] made with the same counter and `aad`.
    ///
    /// # Errors
    /// [`Error::Integrity`] if the bytes, the name, the namespace, the key, the counter or `aad` differ from what was sealed.
    pub fn open(&self, counter: u32, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.cipher().decrypt(&nonce(counter), Payload { msg: sealed, aad }).map_err(|_| {
            Error::integrity(
                &self.name,
                format!(
                    "part {counter} does not open: it was changed, or written for another namespace, name or key (I8)"
                ),
            )
        })
    }

    /// The bare key, for Parquet Modular Encryption, which takes nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.key
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.key).into())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey {{ name: {:?}, .. }}", self.name)
    }
}

/// 96 bits: eight zero bytes and the counter, big-endian.
fn nonce(counter: u32) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0u8; 12];
    bytes[8..].copy_from_slice(&counter.to_be_bytes());
    Nonce::from(bytes)
}

/// The data keys of one namespace.
#[derive(Debug)]
pub struct KeyRing {
    namespace: NamespaceId,
    active: usize,
    keys: Vec<DataKey>,
}

impl KeyRing {
    /// A ring of `keys`, new objects sealed under the one numbered `active`.
    ///
    /// # Errors
    /// [`Error::Key`] if no key has that number, a number comes twice, or a key belongs to another namespace.
    pub fn new(namespace: NamespaceId, keys: Vec<DataKey>, active: u32) -> Result<Self, Error> {
        let damaged = |what: String| Err(Error::key(KeyErrorKind::Damaged, what));
        for (i, key) in keys.iter().enumerate() {
            if key.namespace != namespace {
                return damaged(format!(
                    "data key {} belongs to namespace {}, not to {namespace}; restore the manifest from a backup",
                    key.id, key.namespace
                ));
            }
            if keys[..i].iter().any(|other| other.id == key.id) {
                return damaged(format!(
                    "data key {} comes twice in namespace {namespace}; restore the manifest from a backup",
                    key.id
                ));
            }
        }
        match keys.iter().position(|key| key.id == active) {
            Some(active) => Ok(Self { namespace, active, keys }),
            None => damaged(format!(
                "namespace {namespace} has no data key {active}, which is named as active; restore the manifest from a backup"
            )),
        }
    }

    /// The data key of that number.
    ///
    /// # Errors
    /// [`Error::Key`] if the ring has none.
    pub fn get(&self, id: u32) -> Result<&DataKey, Error> {
        self.keys.iter().find(|key| key.id == id).ok_or_else(|| {
            Error::key(
                KeyErrorKind::Missing,
                format!(
                    "namespace {} has no data key {id}; reopen it (the key may be newer than this process), or run `firn verify`",
                    self.namespace
                ),
            )
        })
    }

    /// The key that new objects are sealed under.
    #[must_use]
    pub fn active(&self) -> &DataKey {
        &self.keys[self.active]
    }

    /// The namespace whose keys these are.
    #[must_use]
    pub fn namespace(&self) -> NamespaceId {
        self.namespace
    }

    /// All keys, in the manifest's order.
    pub fn iter(&self) -> impl Iterator<Item = &DataKey> {
        self.keys.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn namespace(n: u128) -> NamespaceId {
        NamespaceId(Uuid::from_u128(n))
    }

    fn key(ns: u128, byte: u8) -> DataKey {
        DataKey::new(1, namespace(ns), &[byte; 32]).unwrap()
    }

    #[test]
    fn sealed_bytes_open_only_as_they_were_sealed() {
        let k = key(1, 7);
        let object = k.object_key("wal/1", &[3; 16]);
        let sealed = object.seal(4, b"head", b"secret").unwrap();
        assert_eq!(sealed.len(), 6 + TAG_LEN);
        assert_eq!(object.open(4, b"head", &sealed).unwrap(), b"secret");
        let refused = |o: ObjectKey, counter, aad: &[u8], bytes: &[u8]| {
            assert!(matches!(o.open(counter, aad, bytes), Err(Error::Integrity { .. })));
        };
        refused(k.object_key("wal/1", &[3; 16]), 5, b"head", &sealed);
        refused(k.object_key("wal/1", &[3; 16]), 4, b"hEad", &sealed);
        refused(k.object_key("wal/2", &[3; 16]), 4, b"head", &sealed);
        refused(k.object_key("wal/1", &[4; 16]), 4, b"head", &sealed);
        refused(key(2, 7).object_key("wal/1", &[3; 16]), 4, b"head", &sealed);
        refused(key(1, 8).object_key("wal/1", &[3; 16]), 4, b"head", &sealed);
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            refused(k.object_key("wal/1", &[3; 16]), 4, b"head", &bad);
            refused(k.object_key("wal/1", &[3; 16]), 4, b"head", &sealed[..i]);
        }
    }

    #[test]
    fn debug_shows_no_material() {
        let k = DataKey::new(1, namespace(1), &[0xAB; 32]).unwrap();
        let ring = KeyRing::new(namespace(1), vec![k], 1).unwrap();
        let object = ring.active().object_key("x", &[0; 16]);
        let shown = format!("{ring:?} {object:?}").to_lowercase();
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }

    #[test]
    fn a_ring_is_whole_or_refused() {
        let none = KeyRing::new(namespace(1), vec![key(1, 1)], 2);
        let twice = KeyRing::new(namespace(1), vec![key(1, 1), key(1, 2)], 1);
        let foreign = KeyRing::new(namespace(1), vec![key(2, 1)], 1);
        for bad in [none, twice, foreign] {
            assert!(matches!(bad, Err(Error::Key { kind: KeyErrorKind::Damaged, .. })));
        }
        assert!(DataKey::new(1, namespace(1), &[0; 31]).is_err());
        let ring = KeyRing::new(namespace(1), vec![key(1, 1)], 1).unwrap();
        assert!(matches!(ring.get(9), Err(Error::Key { kind: KeyErrorKind::Missing, .. })));
    }

    #[test]
    fn derivation_is_pinned() {
        let object = key(0x1234, 5).object_key("sst/a.parquet", &[9; 16]);
        let kdf = Hkdf::<Sha256>::new(Some(Uuid::from_u128(0x1234).as_bytes()), &[5; 32]);
        let mut expected = [0u8; 32];
        let info = [b"firn object v1".as_slice(), &[9; 16], b"sst/a.parquet"].concat();
        kdf.expand(&info, &mut expected).unwrap();
        assert_eq!(object.expose(), &expected);
    }
}
