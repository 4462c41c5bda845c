//! API keys as their owners hold them, and the SCRAM verifiers made of them.
//!
//! ```text
//! firn_<48 characters: base64url of the 32 key bytes ‖ the first 4 bytes of SHA-256("firn api key v1" ‖ key)>
//! ```
//!
//! A mistyped or cut key is known as such without asking anybody; scanners for leaked secrets know one by its beginning
//! and its sum.
//!
//! Promises: a token is shown where it is made and nowhere else; it is wiped from memory when dropped.
//! Never: a token in `Debug`, in an error or in the directory.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firn_manifest::World;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::access::{KeyHash, ScramKey, ScramVerifier};

/// What every token begins with.
pub const PREFIX: &str = "firn_";

/// The rounds of PBKDF2 in a verifier: the least that every client accepts. The password is 256 random bits, so more
/// rounds would protect nothing.
pub const ITERATIONS: u32 = 4_096;

const CHECK_INFO: &[u8] = b"firn api key v1";
const CHECK_LEN: usize = 4;

/// An API key, whole.
pub struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// A fresh one.
    #[must_use]
    pub fn generate(world: &dyn World) -> Self {
        let mut key = Zeroizing::new([0u8; 32]);
        world.fill(key.as_mut_slice());
        Self(key)
    }

    /// Its text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut whole = Zeroizing::new([0u8; 32 + CHECK_LEN]);
        whole[..32].copy_from_slice(self.0.as_slice());
        whole[32..].copy_from_slice(&check(&self.0));
        let digits = Zeroizing::new(URL_SAFE_NO_PAD.encode(whole.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}", *digits))
    }

    /// What the directory knows it by.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_slice()).into())
    }

    /// Its SCRAM-SHA-256 verifier, the token's text being the password. Takes about a millisecond of computing.
    #[must_use]
    pub fn scram(&self, salt: &[u8; 16]) -> ScramVerifier {
        let salted = Zeroizing::new(pbkdf2(self.expose().as_bytes(), salt, ITERATIONS));
        let client = Zeroizing::new(hmac(salted.as_slice(), b"Client Key"));
        ScramVerifier {
            salt: hex::encode(salt),
            iterations: ITERATIONS,
            stored: ScramKey(Sha256::digest(client.as_slice()).into()),
            server: ScramKey(hmac(salted.as_slice(), b"Server Key")),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let none = || format!("this is not an API key: one begins with {PREFIX} and is copied whole");
        let digits = s.strip_prefix(PREFIX).filter(|digits| digits.len() == 48).ok_or_else(none)?;
        let whole = Zeroizing::new(URL_SAFE_NO_PAD.decode(digits).map_err(|_| none())?);
        let (key, sum) = whole.split_first_chunk::<32>().ok_or_else(none)?;
        let mut own = Zeroizing::new([0u8; 32]);
        own.copy_from_slice(key);
        if sum != check(&own) {
            return Err("this API key was mistyped or cut: its sum does not fit".to_owned());
        }
        Ok(Self(own))
    }
}

fn check(key: &Zeroizing<[u8; 32]>) -> [u8; CHECK_LEN] {
    let digest = Sha256::new().chain_update(CHECK_INFO).chain_update(key.as_slice()).finalize();
    let mut check = [0u8; CHECK_LEN];
    check.copy_from_slice(&digest[..CHECK_LEN]);
    check
}

/// HMAC-SHA-256.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(message).finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of every length"),
    }
}

/// PBKDF2-HMAC-SHA-256 with an output of one block.
fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let keyed = keyed(password);
    let mut block: [u8; 32] =
        keyed.clone().chain_update(salt).chain_update([0, 0, 0, 1]).finalize().into_bytes().into();
    let mut sum = block;
    for _ in 1..iterations {
        block = keyed.clone().chain_update(block).finalize().into_bytes().into();
        sum.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use firn_manifest::world::SystemWorld;

    #[test]
    fn a_token_survives_its_text_and_no_change_of_it() {
        let token = Token::generate(&SystemWorld);
        let text = token.expose();
        assert_eq!((text.len(), &text[..5]), (53, "firn_"));
        let again: Token = text.parse().unwrap();
        assert_eq!(again.hash(), token.hash());
        for i in 0..text.len() {
            let mut bad = text.as_bytes().to_vec();
            bad[i] = if bad[i] == b'A' { b'B' } else { b'A' };
            assert!(String::from_utf8(bad).unwrap().parse::<Token>().is_err(), "byte {i}");
            assert!(text[..i].parse::<Token>().is_err());
        }
        assert!(format!("{token:?}").len() < 12);
    }

    /// The test vector of RFC 7677, section 3.
    #[test]
    fn pbkdf2_and_scram_are_those_of_the_rfc() {
        let salt = base64::engine::general_purpose::STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = pbkdf2(b"pencil", &salt, 4096);
        let client = hmac(&salted, b"Client Key");
        let stored = Sha256::digest(client);
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac(&stored, message);
        let proof: Vec<u8> = client.iter().zip(signature).map(|(key, byte)| key ^ byte).collect();
        let engine = base64::engine::general_purpose::STANDARD;
        assert_eq!(engine.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let server = hmac(&hmac(&salted, b"Server Key"), message);
        assert_eq!(engine.encode(server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
