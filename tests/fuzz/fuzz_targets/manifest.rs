//! A manifest: any bytes, any front under a right sum, and any sealed section under the right key.
//!
//! Promises: an error or a manifest.
//! Never: a panic, or memory beyond what the bytes justify.
#![no_main]

use firn_manifest::codec::{decode, decode_envelope, encode};
use firn_manifest::model::{Envelope, Sealed};
use firn_manifest::system;
use libfuzzer_sys::fuzz_target;

const NAME: &str = "manifest/18446744073709551612.json";

fuzz_target!(|data: &[u8]| {
    let keys = firn_fuzz::ring();
    let _ = decode_envelope(data, NAME);
    let _ = decode(&firn_fuzz::with_manifest_sum(data), NAME, &keys);
    let Some(middle) = data.iter().position(|byte| *byte == 0) else { return };
    let (Ok(envelope), Ok(sealed)) =
        (serde_json::from_slice::<Envelope>(&data[..middle]), serde_json::from_slice::<Sealed>(&data[middle + 1..]))
    else {
        return;
    };
    if let Ok(bytes) = encode(&envelope, &sealed, &keys, system().as_ref()) {
        let name = firn_manifest::chain::manifest_key(envelope.version);
        let _ = decode(&bytes, &name, &keys);
    }
});
