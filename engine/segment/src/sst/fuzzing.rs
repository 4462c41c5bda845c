//! The way in for the fuzz target of tails; only there when the fuzzer compiles this crate.
//!
//! Promises: the parts behind the authentication code are reached as a holder of the key could reach them.
//! Never: compiled into anything else.

use firn_manifest::DataKey;

use super::index::KeyIndex;
use super::tail::{FileKeys, check_range, open};

const NAME: &str = "sst/00000000000000000000000000.parquet";

/// A tail's range and front, a tail that is signed, and a key index.
pub fn tail(data: &[u8], key: &DataKey) {
    let length = data.len() as u64;
    let _ = check_range(NAME, &(0..length));
    let _ = open(NAME, key, 0, data);
    let mut signed = data.to_vec();
    let nonce = data.get(16..32).and_then(|nonce| nonce.try_into().ok()).unwrap_or_default();
    FileKeys::derive(key, NAME, nonce).sign(0, &mut signed);
    let _ = open(NAME, key, 0, &signed);
    if let Ok(index) = KeyIndex::decode(data.to_vec()) {
        let probe = data.get(..9).unwrap_or_default();
        let _ = index.candidates(probe);
        let _ = index.row_groups().len();
    }
}
