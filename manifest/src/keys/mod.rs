//! The key service: what wraps the keys that are stored (a namespace's data keys, a tenant's key-encryption key).
//!
//! Providers: [`local`] (a key file, the embedded default) and [`aws`] (AWS KMS); [`CachedKeys`] stands before either.
//! Another one implements [`KeyService`] and is handed to whoever opens a namespace.
//!
//! Promises: what was wrapped in one context unwraps in no other (I8); unwrapping makes nothing.
//! Never: key material or credentials in a message, a log or a Debug output.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::ids::{NamespaceId, TenantId};
use crate::uri::{KmsSpec, StoreUri};
use crate::world::World;

mod aws;
mod cache;
mod local;

pub use cache::{CacheLimits, CachedKeys, KeyFault, KeyHealth};

use aws::AwsKeys;
use local::LocalKeys;

/// What a wrapped key belongs to; it opens for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyContext {
    /// the namespace
    pub namespace: NamespaceId,
    /// for a tenant's key-encryption key: the tenant; a data key has none, so one never passes for the other
    pub tenant: Option<TenantId>,
}

impl KeyContext {
    /// The context of a data key.
    #[must_use]
    pub fn data_key(namespace: NamespaceId) -> Self {
        Self { namespace, tenant: None }
    }

    /// The context of a tenant's key-encryption key.
    #[must_use]
    pub fn tenant_key(namespace: NamespaceId, tenant: TenantId) -> Self {
        Self { namespace, tenant: Some(tenant) }
    }
}

impl fmt::Display for KeyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenant {
            None => write!(f, "data key of namespace {}", self.namespace),
            Some(tenant) => write!(f, "key of tenant {tenant} (namespace {})", self.namespace),
        }
    }
}

/// Wraps and unwraps keys under a master key that stays where it is.
///
/// What a provider must hold:
///
/// - **Bound.** The [`KeyContext`] is authenticated with the wrapped bytes: unwrapping in another context is an error
///   (`Damaged`), never other bytes. KMS takes it as encryption context, a cipher as associated data or in its derivation.
/// - **Pinned.** `wrapped_by` names provider and key (`local:…`, `aws:ARN`) and comes from outside, as the wrapped bytes
///   do: a provider unwraps under the keys it was configured with and no other, whatever `wrapped_by` says (`Wrong`). Both
///   may have any length and content: nothing panics on them, and nothing grows with them.
/// - **Bounded.** Each call ends within seconds, its own retries included; it may be dropped at any point.
/// - **Typed.** The kind of [`Error::Key`] tells a caller what to do, first of all by [`KeyErrorKind::transient`]: only
///   when the service did not decide (no answer, its own fault, too many requests) may a key it gave out before be used
///   on. A refusal is final, and so is what is not known to be transient.
/// - **Silent.** No key material in `Debug`, in a message, in a log; plain keys in zeroizing memory as far as the
///   provider's own code goes. A message says what was tried, on which key, and what to do next.
/// - **Through the World.** Time, waiting and randomness come from the [`World`] it was given.
///
/// A provider does not cache: that is [`CachedKeys`]' work.
///
/// [`KeyErrorKind::transient`]: crate::KeyErrorKind::transient
#[async_trait]
pub trait KeyService: Send + Sync + Debug {
    /// Which service and key this is, for messages; no secrets.
    fn describe(&self) -> String;

    /// The identity that a namespace created with these keys must have; `None` where it is to be drawn.
    fn namespace(&self) -> Option<NamespaceId> {
        None
    }

    /// Wraps `plain` (at most 4,096 bytes): the wrapping key's fingerprint and the wrapped bytes. Makes the local master key
    /// if there is none.
    ///
    /// # Errors
    /// [`Error::Key`].
    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error>;

    /// Unwraps what [`KeyService::wrap`] made. Makes nothing.
    ///
    /// # Errors
    /// [`Error::Key`].
    async fn unwrap(&self, wrapped_by: &str, wrapped: &[u8], context: &KeyContext)
    -> Result<Zeroizing<Vec<u8>>, Error>;
}

/// The key service of a URI: its `kms=`, else `FIRN_KMS`, else `local:$XDG_DATA_HOME/firn/master.key`
/// (`~/.local/share/…`). Nothing is read, made or asked yet.
///
/// # Errors
/// [`Error::Uri`] if the specification is not one; [`Error::Key`] if the key file would stand inside the store.
pub fn key_service(uri: &StoreUri, world: Arc<dyn World>) -> Result<Arc<dyn KeyService>, Error> {
    let variable = std::env::var("FIRN_KMS").ok().filter(|value| !value.is_empty());
    let spec = match (&uri.kms, variable) {
        (Some(spec), _) => spec.clone(),
        (None, Some(value)) => value.parse()?,
        (None, None) => KmsSpec::Local(local::default_path()?),
    };
    match spec {
        KmsSpec::Local(path) => {
            let keys = LocalKeys::new(path, world);
            keys.check_outside(uri)?;
            Ok(Arc::new(keys))
        }
        KmsSpec::Aws { key_arn, endpoint } => Ok(Arc::new(AwsKeys::new(key_arn, endpoint, world)?)),
    }
}
