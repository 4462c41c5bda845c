//! The way in for the fuzz target of tails; only there for the fuzzer and the tests.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use firn_manifest::DataKey;
    use firn_manifest::ids::NamespaceId;
    use uuid::Uuid;

    use super::{KeyIndex, tail};

    /// The key of the fuzz targets.
    fn key() -> DataKey {
        let namespace = NamespaceId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
        DataKey::new(1, namespace, &[7; 32]).unwrap()
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/sst_tail");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
            .collect()
    }

    #[test]
    fn every_seed_of_fuzzing_is_survived() {
        for (_, bytes) in seeds() {
            tail(&bytes, &key());
        }
    }

    #[test]
    fn the_seeds_reach_what_is_behind_the_code() {
        let seeds = seeds();
        let of = |wanted: &str| seeds.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
        assert!(KeyIndex::decode(of("index")).is_ok());
        let mut signed = of("tail");
        super::FileKeys::derive(&key(), super::NAME, signed[16..32].try_into().unwrap()).sign(0, &mut signed);
        assert!(super::open(super::NAME, &key(), 0, &signed).is_ok());
    }
}
