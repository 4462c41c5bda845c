//! Who may do what: API keys, grants, and the leases that route.
//!
//! Promises: a record holds only what a key can be checked by (its SHA-256, a SCRAM verifier), never the key.
//! Never: a verifier in `Debug` or in the audit trail.

use std::fmt;
use std::sync::Arc;

use firn_manifest::ids::TenantId;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::ids::{ApiKeyId, GatewayId, GrantId, Time};
use crate::tenant::Tenant;

/// What a key allows, each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// statements that read
    Reader,
    /// statements that write
    Writer,
    /// schema changes, grants and keys
    Admin,
}

/// Whom a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// the directory itself and every tenant
    Operator,
    /// one tenant
    Tenant(TenantId),
}

macro_rules! secret_digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Whether both are the same, in a time that says nothing of where they differ.
            #[must_use]
            pub fn matches(&self, other: &[u8; 32]) -> bool {
                self.0.ct_eq(other).into()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&hex::encode(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let mut out = [0u8; 32];
                hex::decode_to_slice(String::deserialize(d)?, &mut out).map_err(serde::de::Error::custom)?;
                Ok(Self(out))
            }
        }
    };
}

secret_digest! {
    /// SHA-256 of a key's 32 bytes.
    KeyHash
}
secret_digest! {
    /// A SCRAM-SHA-256 key of a verifier.
    ScramKey
}

/// What SCRAM-SHA-256 checks a key (as password) by: RFC 5802, RFC 7677.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    /// the salt, 32 hex digits
    pub salt: String,
    /// rounds of PBKDF2
    pub iterations: u32,
    /// `StoredKey`
    pub stored: ScramKey,
    /// `ServerKey`
    pub server: ScramKey,
}

/// What an API key is checked by, and what it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// its number
    pub id: ApiKeyId,
    /// whom it is for
    pub scope: Scope,
    /// what it allows
    pub role: Role,
    /// what its owner calls it
    pub label: String,
    /// when it was made
    pub created_at: Time,
    /// from when on it is no good; `None`: never
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// when it was revoked
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// its hash
    pub hash: KeyHash,
    /// its SCRAM verifier
    pub scram: ScramVerifier,
}

impl ApiKey {
    /// Whether it is good at `now`.
    #[must_use]
    pub fn good_at(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// Who was recognised.
#[derive(Clone, Debug)]
pub struct Principal {
    /// by which key
    pub key: ApiKeyId,
    /// what the key's owner calls it
    pub label: String,
    /// whom the key is for
    pub scope: Scope,
    /// what it allows
    pub role: Role,
    /// the tenant that was named, if one was
    pub tenant: Option<Arc<Tenant>>,
}

/// What a server needs for SCRAM with one user name: the same salt and rounds for all keys of a tenant, so that the keys
/// that may have been meant are known only when the client's proof comes.
#[derive(Clone, Debug)]
pub struct ScramChallenge {
    /// the salt, 16 bytes
    pub salt: [u8; 16],
    /// rounds of PBKDF2
    pub iterations: u32,
    /// the keys that are good now; none for a name that nobody bears
    pub keys: Vec<Arc<ApiKey>>,
}

/// One tenant's permission for another to read a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// its number
    pub id: GrantId,
    /// whose table it is
    pub grantor: TenantId,
    /// who may read
    pub grantee: TenantId,
    /// the table, as the grantor named it
    pub table: String,
    /// the columns; `None`: all
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// SQL text of the condition that a row must meet
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// from when on it is over; `None`: never
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// how often it can still be used; `None`: always
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u64>,
    /// when it was given
    pub created_at: Time,
    /// when it was revoked
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
}

impl Grant {
    /// Why it cannot be used at `now`, if it cannot.
    #[must_use]
    pub fn over_at(&self, now: Time) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            Some("revoked")
        } else if self.until.is_some_and(|end| now >= end) {
            Some("expired")
        } else if self.uses_left == Some(0) {
            Some("used up")
        } else {
            None
        }
    }
}

/// Which gateway a tenant's writes are sent to. It routes; it never protects data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// the tenant
    pub tenant: TenantId,
    /// the holder
    pub gateway: GatewayId,
    /// where it is reached
    pub address: String,
    /// rises each time another gateway takes it
    pub term: u64,
    /// from when on another gateway may take it
    pub until: Time,
}
