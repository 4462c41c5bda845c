//! The front of a file's tail: which keys open the file, and the code that proves the whole tail.
//!
//! Promises: nothing behind the front is parsed before the code over all of it was found right, so neither the key
//! index nor Parquet's thrift ever sees bytes a holder of the key did not write.
//! Never: one key for two ciphers; pages, key index and code have a derived key each.
//!
//! The tail runs from `FileEntry.tail_offset` to the end of the file:
//!
//! | offset | bytes | field (integers big-endian) |
//! |---|---|---|
//! | 0 | 8 | `FIRNTAIL` |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | *n*, length of the sealed key index |
//! | 16 | 16 | attempt nonce |
//! | 32 | 32 | code: keyed BLAKE3 of tail offset (8) ‖ tail bytes 0 to 31 ‖ tail bytes 64 to the end |
//! | 64 | *n* | key index, sealed with counter 0 and the AAD `object_aad(namespace, "sst", name)` |
//! | 64 + *n* | | Parquet's column indexes, offset indexes and footer |
//!
//! Object keys, all with the attempt nonce: of `NAME` for Parquet's modules (AAD prefix: as above), of `NAME#index`
//! for the key index, of `NAME#tail` for the code.

use std::ops::Range;

use firn_manifest::{DataKey, ObjectKey};

use crate::bytes_io::{Reader, object_aad};
use crate::error::SegmentError;

const MAGIC: &[u8; 8] = b"FIRNTAIL";
const VERSION: u16 = 1;
const NONCE_AT: usize = 16;
const CODE_AT: usize = 32;
/// Where the sealed key index begins.
pub(super) const FRONT_LEN: usize = 64;
/// The longest tail that is read.
const MAX_TAIL: u64 = 1024 * 1024 * 1024;

/// The keys of one file.
#[derive(Debug)]
pub(super) struct FileKeys {
    nonce: [u8; 16],
    aad: Vec<u8>,
    pages: ObjectKey,
    index: ObjectKey,
    code: ObjectKey,
}

impl FileKeys {
    pub(super) fn derive(key: &DataKey, name: &str, nonce: [u8; 16]) -> Self {
        Self {
            nonce,
            aad: object_aad(key.namespace(), "sst", name),
            pages: key.object_key(name, &nonce),
            index: key.object_key(&format!("{name}#index"), &nonce),
            code: key.object_key(&format!("{name}#tail"), &nonce),
        }
    }

    /// The key of Parquet's modules.
    pub(super) fn pages(&self) -> Vec<u8> {
        self.pages.expose().to_vec()
    }

    /// Parquet's AAD prefix.
    pub(super) fn aad(&self) -> Vec<u8> {
        self.aad.clone()
    }

    /// The front and the sealed key index, the code still zero.
    pub(super) fn seal_index(&self, object: &str, index: &[u8]) -> Result<Vec<u8>, SegmentError> {
        let sealed = self.index.seal(0, &self.aad, index).map_err(|e| SegmentError::too_large(object, e))?;
        let length = u32::try_from(sealed.len())
            .map_err(|_| SegmentError::too_large(object, "its key index is beyond 4 GiB"))?;
        let mut out = Vec::with_capacity(FRONT_LEN + sealed.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&[0; FRONT_LEN - CODE_AT]);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Writes the code into a tail that is complete but for it.
    pub(super) fn sign(&self, offset: u64, tail: &mut [u8]) {
        let code = self.code_of(offset, tail);
        if let Some(place) = tail.get_mut(CODE_AT..FRONT_LEN) {
            place.copy_from_slice(code.as_bytes());
        }
    }

    fn code_of(&self, offset: u64, tail: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(self.code.expose());
        hasher.update(&offset.to_be_bytes());
        hasher.update(tail.get(..CODE_AT).unwrap_or_default());
        hasher.update(tail.get(FRONT_LEN..).unwrap_or_default());
        hasher.finalize()
    }
}

/// Refuses a tail range that no file has, before it is read.
pub(super) fn check_range(object: &str, range: &Range<u64>) -> Result<(), SegmentError> {
    let length = range.end.saturating_sub(range.start);
    if length < FRONT_LEN as u64 || length > MAX_TAIL {
        return Err(SegmentError::integrity(
            object,
            format!("bytes {} to {} are no tail of a file", range.start, range.end),
        ));
    }
    Ok(())
}

/// Proves a whole tail and opens its key index.
pub(super) fn open(object: &str, key: &DataKey, offset: u64, tail: &[u8]) -> Result<(FileKeys, Vec<u8>), SegmentError> {
    let bad = |what: String| SegmentError::integrity(object, what);
    let mut r = Reader::new(tail);
    if &r.array::<8>("its tail").map_err(bad)? != MAGIC {
        return Err(bad("its tail does not begin with FIRNTAIL".to_owned()));
    }
    let version = r.u16("its tail").map_err(bad)?;
    r.u16("its tail").map_err(bad)?;
    let length = r.u32("its tail").map_err(bad)? as usize;
    let nonce: [u8; CODE_AT - NONCE_AT] = r.array("its tail").map_err(bad)?;
    let code: [u8; FRONT_LEN - CODE_AT] = r.array("its tail").map_err(bad)?;
    if version != VERSION {
        return Err(SegmentError::unsupported(
            object,
            format!("its tail is of version {version}, this build knows {VERSION}"),
        ));
    }
    let keys = FileKeys::derive(key, object, nonce);
    // blake3::Hash compares in constant time
    if keys.code_of(offset, tail) != blake3::Hash::from_bytes(code) {
        return Err(bad(
            "its tail does not verify: it was changed, or written for another namespace, name or key (I8)".to_owned(),
        ));
    }
    let sealed = r.take(length, "its key index").map_err(bad)?;
    let index = keys.index.open(0, &keys.aad, sealed).map_err(|_| bad("its key index does not open".to_owned()))?;
    Ok((keys, index))
}
