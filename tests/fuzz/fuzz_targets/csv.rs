//! A CSV or NDJSON file for `firn load`: its head is looked at, then all of it is read into a table of every type.
//!
//! Promises: an error that names a line, or batches.
//! Never: a panic, or memory beyond a batch.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    firn_gateway::fuzzing::load(data);
});
