//! The manifest's bytes: canonical JSON, one clear envelope and one sealed section.
//!
//! ```text
//! {"envelope":{…},"sealed":{"nonce":"<32 hex digits>","data":"<base64>"},"sum":"<64 hex digits>"}
//! ```
//!
//! Fields in the order of the model's structs, no insignificant whitespace, nothing after the last brace. `data` is the
//! sealed section's JSON under the object key of (manifest name, nonce), counter 0, with `"firn manifest v1"` and the
//! envelope's bytes as AAD. `sum` is the SHA-256 of all bytes before its comma: the newest manifest, which no other names
//! by hash yet, is found damaged without a key.
//!
//! Promises: a manifest has exactly one encoding, so its hash is the hash of what it says; a changed byte is refused
//! here or changes the hash.
//! Never: a panic or an unbounded allocation on bytes from outside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chain::{manifest_key, parse_manifest_key};
use crate::crypto::KeyRing;
use crate::error::Error;
use crate::ids::ChainHash;
use crate::model::{Envelope, Sealed};
use crate::validate;
use crate::world::World;

/// The largest manifest, bytes.
pub const MAX_SIZE: usize = 256 << 20;

/// The start of the sealed section's AAD; the envelope's bytes follow.
pub const MANIFEST_AAD: &[u8] = b"firn manifest v1";

/// What stands before the sum's digits.
const SUM_HEAD: &[u8] = b",\"sum\":\"";
/// What stands after them.
const SUM_TAIL: &[u8] = b"\"}";
/// Bytes of the sum with what stands around it.
const SUM_LEN: usize = SUM_HEAD.len() + 64 + SUM_TAIL.len();

/// A sealed section that was not opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBytes {
    /// the attempt nonce
    pub nonce: [u8; 16],
    /// ciphertext and tag
    pub data: Vec<u8>,
    aad: Vec<u8>,
}

#[derive(Serialize)]
struct Outer<'a> {
    envelope: &'a Envelope,
    sealed: SealedText,
}

#[derive(Deserialize)]
struct OuterRead {
    envelope: Envelope,
    sealed: SealedText,
}

#[derive(Serialize, Deserialize)]
struct SealedText {
    nonce: String,
    data: String,
}

/// Encodes a manifest, its sealed section under the ring's active key and a fresh nonce.
///
/// # Errors
/// [`Error::Invalid`] if it breaks MAN-1 or is too large; nothing was written.
pub fn encode(envelope: &Envelope, sealed: &Sealed, keys: &KeyRing, world: &dyn World) -> Result<Bytes, Error> {
    let name = manifest_key(envelope.version);
    let invalid = |what: String| Error::invalid(&name, what);
    validate::envelope(envelope).and_then(|()| validate::state(envelope, sealed)).map_err(invalid)?;
    let key = keys.active();
    if key.id() != envelope.active_key || keys.namespace() != envelope.namespace {
        return Err(invalid("the key ring is not the one the envelope names (MAN-1)".to_owned()));
    }
    let mut nonce = [0u8; 16];
    world.fill(&mut nonce);
    let plain = zeroize::Zeroizing::new(json(&name, sealed)?);
    let data = key.object_key(&name, &nonce).seal(0, &aad(&json(&name, envelope)?), &plain)?;
    let bytes = whole(&name, envelope, &nonce, &data)?;
    if bytes.len() > MAX_SIZE {
        return Err(invalid(format!("{} bytes, more than {MAX_SIZE}; compact the namespace", bytes.len())));
    }
    Ok(bytes.into())
}

/// Reads the clear part; needs no key. `name` is the object's key inside the namespace.
///
/// # Errors
/// [`Error::Integrity`] if the bytes are not the one encoding of a manifest of that name.
pub fn decode_envelope(bytes: &[u8], name: &str) -> Result<(Envelope, SealedBytes), Error> {
    let broken = |what: String| Error::integrity(name, what);
    if bytes.len() > MAX_SIZE {
        return Err(broken(format!("{} bytes, more than a manifest can have", bytes.len())));
    }
    if let Some(format) = other_format(bytes) {
        return Err(broken(format!("format {format} is not known to this build: use a newer firn")));
    }
    let summed = bytes.len().checked_sub(SUM_LEN).map(|at| bytes.split_at(at));
    let Some((summed, _)) = summed.filter(|(summed, sum)| *sum == sum_of(summed)) else {
        return Err(broken("its bytes do not add up to its sum: it was changed or cut short (I6)".to_owned()));
    };
    let outer: OuterRead = serde_json::from_slice(&[summed, b"}"].concat())
        .map_err(|e| broken(format!("it is not a manifest's JSON ({e}) (I6)")))?;
    let mut nonce = [0u8; 16];
    hex::decode_to_slice(&outer.sealed.nonce, &mut nonce).map_err(|e| broken(format!("its nonce is damaged ({e})")))?;
    let data =
        STANDARD.decode(&outer.sealed.data).map_err(|e| broken(format!("its sealed section is damaged ({e})")))?;
    let envelope = outer.envelope;
    validate::envelope(&envelope).map_err(broken)?;
    if parse_manifest_key(name) != Some(envelope.version) {
        return Err(broken(format!("it says it is version {} (I1)", envelope.version)));
    }
    if whole(name, &envelope, &nonce, &data)? != bytes {
        return Err(broken("its bytes are not in canonical form (I6)".to_owned()));
    }
    let aad = aad(&json(name, &envelope)?);
    Ok((envelope, SealedBytes { nonce, data, aad }))
}

/// Reads both parts.
///
/// # Errors
/// [`Error::Integrity`] if the bytes were changed or belong to another namespace; [`Error::Key`] if the ring lacks the key.
pub fn decode(bytes: &[u8], name: &str, keys: &KeyRing) -> Result<(Envelope, Sealed), Error> {
    let (envelope, sealed) = decode_envelope(bytes, name)?;
    let sealed = open(&envelope, &sealed, name, keys)?;
    Ok((envelope, sealed))
}

/// Opens the sealed section of an envelope that was read before.
///
/// # Errors
/// As [`decode`].
pub fn open(envelope: &Envelope, sealed: &SealedBytes, name: &str, keys: &KeyRing) -> Result<Sealed, Error> {
    let broken = |what: String| Error::integrity(name, what);
    if envelope.namespace != keys.namespace() {
        return Err(broken(format!(
            "it belongs to namespace {}, not to {} (I8)",
            envelope.namespace,
            keys.namespace()
        )));
    }
    let key = keys.get(envelope.active_key)?.object_key(name, &sealed.nonce);
    let plain = zeroize::Zeroizing::new(key.open(0, &sealed.aad, &sealed.data)?);
    let state: Sealed =
        serde_json::from_slice(&plain).map_err(|e| broken(format!("its sealed section is not known ({e})")))?;
    if *plain != json(name, &state)? {
        return Err(broken("its sealed section is not in canonical form (I6)".to_owned()));
    }
    validate::state(envelope, &state).map_err(broken)?;
    Ok(state)
}

/// The format's number if it is not ours; it stands at a fixed place, because later formats may have other fields.
fn other_format(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(b"{\"envelope\":{\"format\":")?;
    let digits = rest.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let format = std::str::from_utf8(&rest[..digits]).ok()?;
    (!format.is_empty() && format != validate::FORMAT.to_string()).then_some(format)
}

/// The one encoding of a manifest.
fn whole(name: &str, envelope: &Envelope, nonce: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = json(name, &Outer { envelope, sealed: text(nonce, data) })?;
    bytes.pop();
    let sum = sum_of(&bytes);
    bytes.extend_from_slice(&sum);
    Ok(bytes)
}

/// How the sum of these bytes is written after them.
fn sum_of(bytes: &[u8]) -> Vec<u8> {
    [SUM_HEAD, ChainHash::of(bytes).to_string().as_bytes(), SUM_TAIL].concat()
}

fn text(nonce: &[u8; 16], data: &[u8]) -> SealedText {
    SealedText { nonce: hex::encode(nonce), data: STANDARD.encode(data) }
}

fn aad(envelope: &[u8]) -> Vec<u8> {
    [MANIFEST_AAD, envelope].concat()
}

fn json<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|e| Error::invalid(name, format!("it has no JSON form ({e})")))
}
