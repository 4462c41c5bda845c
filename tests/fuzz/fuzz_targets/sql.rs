//! The parser: any text is statements or an error with its place.
//!
//! Promises: an error or statements.
//! Never: a panic, or a stack that overflows.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = firn_engine::session::parse(text);
});
