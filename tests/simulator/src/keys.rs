//! A key service in memory: wraps by a keyed stream bound to namespace and tenant, at once and without a file.
//!
//! Promises: what was wrapped for one namespace does not unwrap for another.
//! Never: a secret; this is a simulator's.

use async_trait::async_trait;
use firn_manifest::error::Error;
use firn_manifest::{KeyContext, KeyErrorKind, KeyService};
use zeroize::Zeroizing;

const MASTER: [u8; 32] = [42; 32];
const TAG: usize = 16;
const NAME: &str = "sim:master";

/// See the module.
#[derive(Debug)]
pub struct SimKeys;

fn bound_to(context: &KeyContext) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_keyed(&MASTER);
    hasher.update(context.namespace.0.as_bytes());
    if let Some(tenant) = context.tenant {
        hasher.update(&tenant.0.to_be_bytes());
    }
    hasher
}

fn stream(context: &KeyContext, label: u8, out: &mut [u8]) {
    let mut hasher = bound_to(context);
    hasher.update(&[label]);
    hasher.finalize_xof().fill(out);
}

fn tag(context: &KeyContext, plain: &[u8]) -> [u8; TAG] {
    let mut hasher = bound_to(context);
    hasher.update(b"tag").update(plain);
    let mut tag = [0; TAG];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

fn xor(context: &KeyContext, bytes: &[u8]) -> Vec<u8> {
    let mut mask = vec![0; bytes.len()];
    stream(context, 1, &mut mask);
    bytes.iter().zip(mask).map(|(b, m)| b ^ m).collect()
}

#[async_trait]
impl KeyService for SimKeys {
    fn describe(&self) -> String {
        NAME.to_owned()
    }

    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        let mut wrapped = tag(context, plain).to_vec();
        wrapped.extend(xor(context, plain));
        Ok((NAME.to_owned(), wrapped))
    }

    async fn unwrap(
        &self,
        wrapped_by: &str,
        wrapped: &[u8],
        context: &KeyContext,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let wrong = || Error::Key { kind: KeyErrorKind::Wrong, message: format!("{wrapped_by} is not this key") };
        let (stored, sealed) = wrapped.split_at_checked(TAG).ok_or_else(wrong)?;
        let plain = xor(context, sealed);
        if wrapped_by != NAME || tag(context, &plain) != stored {
            return Err(wrong());
        }
        Ok(Zeroizing::new(plain))
    }
}
