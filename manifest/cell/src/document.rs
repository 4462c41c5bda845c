//! The directory's objects as bytes: canonical JSON with a sum, and for most of them one sealed section.
//!
//! ```text
//! {"envelope":{"format":1,…},"sealed":{"nonce":"<32 hex digits>","data":"<base64>"},"sum":"<64 hex digits>"}
//! {"envelope":{"format":1,…},"sum":"<64 hex digits>"}
//! ```
//!
//! `data` is sealed under the object key of (object name, nonce) of the directory's data key, counter 0, with the object's
//! label and the envelope's bytes as AAD. `sum` is the SHA-256 of all bytes before its comma.
//!
//! Promises: an object has one encoding; a changed byte is refused here or changes the hash.
//! Never: a panic or an unbounded allocation on bytes from outside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use firn_manifest::ids::ChainHash;
use firn_manifest::{DataKey, Error, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{integrity, invalid};

/// The one format of every object of a directory.
pub(crate) const FORMAT: u32 = 1;

const HEAD: &[u8] = b"{\"envelope\":{\"format\":";
const SUM_HEAD: &[u8] = b",\"sum\":\"";
const SUM_TAIL: &[u8] = b"\"}";
const SUM_LEN: usize = SUM_HEAD.len() + 64 + SUM_TAIL.len();

/// A sealed section that was not opened yet.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    nonce: [u8; 16],
    data: Vec<u8>,
    envelope: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct WithSeal<E> {
    envelope: E,
    sealed: SealedText,
}

#[derive(Serialize, Deserialize)]
struct Clear<E> {
    envelope: E,
}

#[derive(Serialize, Deserialize)]
struct SealedText {
    nonce: String,
    data: String,
}

/// Encodes an object with a sealed section, under a fresh nonce.
pub(crate) fn seal<E: Serialize>(
    name: &str,
    label: &[u8],
    envelope: &E,
    plain: &[u8],
    key: &DataKey,
    world: &dyn World,
) -> Result<Bytes, Error> {
    let mut nonce = [0u8; 16];
    world.fill(&mut nonce);
    let aad = [label, &json(name, envelope)?].concat();
    let data = key.object_key(name, &nonce).seal(0, &aad, plain)?;
    let sealed = SealedText { nonce: hex::encode(nonce), data: STANDARD.encode(data) };
    summed(name, &WithSeal { envelope, sealed }).map(Bytes::from)
}

/// Reads the clear part of an object with a sealed section; needs no key.
pub(crate) fn parse<E: Serialize + DeserializeOwned>(
    name: &str,
    bytes: &[u8],
    most: usize,
) -> Result<(E, Sealed), Error> {
    let outer: WithSeal<E> = whole(name, bytes, most)?;
    let mut nonce = [0u8; 16];
    hex::decode_to_slice(&outer.sealed.nonce, &mut nonce)
        .map_err(|e| integrity(name, format!("its nonce is damaged ({e})")))?;
    let data = STANDARD
        .decode(&outer.sealed.data)
        .map_err(|e| integrity(name, format!("its sealed section is damaged ({e})")))?;
    let envelope = json(name, &outer.envelope)?;
    Ok((outer.envelope, Sealed { nonce, data, envelope }))
}

/// Opens a sealed section.
pub(crate) fn open(name: &str, label: &[u8], sealed: &Sealed, key: &DataKey) -> Result<Zeroizing<Vec<u8>>, Error> {
    let aad = [label, &sealed.envelope].concat();
    key.object_key(name, &sealed.nonce).open(0, &aad, &sealed.data).map(Zeroizing::new)
}

/// Encodes an object without a sealed section.
pub(crate) fn clear<E: Serialize>(name: &str, envelope: &E) -> Result<Bytes, Error> {
    summed(name, &Clear { envelope }).map(Bytes::from)
}

/// Reads an object without a sealed section.
pub(crate) fn parse_clear<E: Serialize + DeserializeOwned>(name: &str, bytes: &[u8], most: usize) -> Result<E, Error> {
    whole::<Clear<E>>(name, bytes, most).map(|outer| outer.envelope)
}

/// The canonical JSON of a body.
pub(crate) fn json<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|e| invalid(name, format!("it has no JSON form ({e})")))
}

/// A body of its canonical JSON.
pub(crate) fn body<T: Serialize + DeserializeOwned>(name: &str, plain: &[u8]) -> Result<T, Error> {
    let value: T = serde_json::from_slice(plain).map_err(|e| {
        integrity(name, format!("its sealed section is not known to this build ({e}): use a newer firn"))
    })?;
    if Zeroizing::new(json(name, &value)?).as_slice() != plain {
        return Err(integrity(name, "its sealed section is not in canonical form"));
    }
    Ok(value)
}

fn whole<T: Serialize + DeserializeOwned>(name: &str, bytes: &[u8], most: usize) -> Result<T, Error> {
    if bytes.len() > most {
        return Err(integrity(name, format!("{} bytes, more than such an object can have", bytes.len())));
    }
    if let Some(format) = other_format(bytes) {
        return Err(integrity(name, format!("format {format} is not known to this build: use a newer firn")));
    }
    let parts = bytes.len().checked_sub(SUM_LEN).map(|at| bytes.split_at(at));
    let Some((before, _)) = parts.filter(|(before, sum)| *sum == sum_of(before)) else {
        return Err(integrity(name, "its bytes do not add up to its sum: it was changed or cut short (I6)"));
    };
    let value: T = serde_json::from_slice(&[before, b"}"].concat())
        .map_err(|e| integrity(name, format!("it is not the JSON of such an object ({e}) (I6)")))?;
    if summed(name, &value)? != bytes {
        return Err(integrity(name, "its bytes are not in canonical form (I6)"));
    }
    Ok(value)
}

fn other_format(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(HEAD)?;
    let digits = rest.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let format = std::str::from_utf8(&rest[..digits]).ok()?;
    (!format.is_empty() && format != FORMAT.to_string()).then_some(format)
}

fn summed<T: Serialize>(name: &str, outer: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = json(name, outer)?;
    bytes.pop();
    let sum = sum_of(&bytes);
    bytes.extend_from_slice(&sum);
    Ok(bytes)
}

fn sum_of(bytes: &[u8]) -> Vec<u8> {
    [SUM_HEAD, ChainHash::of(bytes).to_string().as_bytes(), SUM_TAIL].concat()
}
