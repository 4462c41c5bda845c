//! A commit record, as it stands in an opened frame; what decodes must encode again to something that decodes.
//!
//! Promises: an error or a record.
//! Never: a panic, or memory beyond what the bytes justify.
#![no_main]

use firn_segment::CommitRecord;
use firn_segment::record::decode_answers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = decode_answers(data);
    let _ = firn_segment::batch_from_ipc(data);
    if let Ok(record) = CommitRecord::decode(data) {
        let again = record.encode().expect("what was decoded can be encoded");
        CommitRecord::decode(&again).expect("what was encoded can be decoded");
    }
});
