//! A file's tail: its range, its front, and the key index behind the code that proves it.
//!
//! Promises: an error or an index.
//! Never: a panic, or memory beyond what the bytes justify.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| firn_segment::sst::fuzzing::tail(data, firn_fuzz::ring().active()));
