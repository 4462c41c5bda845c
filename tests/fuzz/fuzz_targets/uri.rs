//! A URI: what parses must print to something that parses to the same.
//!
//! Promises: an error or a URI.
//! Never: a panic.
#![no_main]

use firn_manifest::StoreUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(uri) = StoreUri::parse(text) {
        let shown = uri.to_string();
        let again = StoreUri::parse(&shown).expect("what was printed can be parsed");
        assert_eq!(again.to_string(), shown);
    }
});
