//! A WAL segment: any bytes, and any body under a right length and hash, as whoever can write to the bucket can make.
//!
//! Promises: an error or a segment; opening its frames an error or frames that decode or do not.
//! Never: a panic, or memory beyond what the bytes justify.
#![no_main]

use bytes::Bytes;
use firn_segment::{CommitRecord, wal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for bytes in [data.to_vec(), firn_fuzz::with_wal_trailer(data)] {
        if let Ok(segment) = wal::inspect("wal/00000000000000000042.wal", Bytes::from(bytes)) {
            for frame in segment.frames(&firn_fuzz::ring()).unwrap_or_default() {
                let _ = CommitRecord::decode(&frame);
            }
        }
    }
});
