//! Sealed bytes and deletion vectors: any ciphertext, any plain vector.
//!
//! Promises: an error or a vector, and a vector that was decoded encodes to the same bytes.
//! Never: a panic, or memory beyond what the bytes justify.
#![no_main]

use firn_manifest::ids::Position;
use firn_manifest::model::VectorRef;
use firn_segment::vector::DeletionVector;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let keys = firn_fuzz::ring();
    let _ = keys.active().object_key("wal/1", &[1; 16]).open(0, b"aad", data);
    if let Ok(vector) = DeletionVector::decode(data, 1 << 20) {
        assert_eq!(vector.encode(), data);
    }
    let at = VectorRef {
        object: "sst/a.dv".to_owned(),
        offset: 0,
        length: data.len() as u64,
        dead: 1,
        max_end: Position(1),
    };
    let _ = firn_segment::open_vector(data, &at, "sst/a.parquet", 1 << 20, &keys);
});
