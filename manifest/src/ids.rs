//! Identifiers and counters of a namespace, each a type of its own.
//!
//! Promises: an id is validated where it is made, so code that holds one never checks it again.
//! Never: a bare `u64` or `String` standing for a position, an epoch or a name crosses a crate's border.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The first value that is ever given out is `1`; zero means "before everything".
            pub const ZERO: $name = $name(0);

            /// The value after this one; the last one stays.
            #[must_use]
            pub const fn next(self) -> $name {
                $name(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// The number of a manifest in its chain; the first is 1.
    Version
}
counter! {
    /// A writer's term. Each claim raises it by one.
    Epoch
}
counter! {
    /// The number of a commit record: the one time domain of a namespace.
    Position
}
counter! {
    /// The number of a WAL segment; the first is 1.
    Seq
}
counter! {
    /// A table's number, unique in its namespace for ever. Tables below [`TableId::FIRST_USER`] belong to the system.
    TableId
}
counter! {
    /// A tenant's number in the directory, never given out twice.
    TenantId
}
counter! {
    /// A column's number, unique in its table for ever: a rename keeps it, a dropped one is never reused.
    ColumnId
}

impl TableId {
    /// The system table of commits (one row for each commit record).
    pub const COMMITS: TableId = TableId(1);
    /// The first id that a user's table can have.
    pub const FIRST_USER: TableId = TableId(16);
}

/// A namespace's identity, drawn when it is created; it binds every sealed byte (AAD).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamespaceId(pub Uuid);

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A namespace's name: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NamespaceName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ok = (1..=63).contains(&s.len())
            && s.bytes().next().is_some_and(plain)
            && s.bytes().all(|b| plain(b) || b == b'-');
        if ok {
            Ok(Self(s.to_owned()))
        } else {
            Err(format!(
                "namespace name {s:?} is not valid: use 1 to 63 of a-z, 0-9 and '-', the first a letter or a digit"
            ))
        }
    }
}

impl<'de> Deserialize<'de> for NamespaceName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                let mut out = [0u8; 32];
                hex::decode_to_slice(&text, &mut out).map_err(serde::de::Error::custom)?;
                Ok(Self(out))
            }
        }
    };
}

hash_type! {
    /// SHA-256 of an object's stored bytes: the links of the chain.
    ChainHash
}
hash_type! {
    /// BLAKE3 of an object's stored bytes: what a manifest says of each file it names.
    Digest
}

impl ChainHash {
    /// The predecessor of the first manifest and of the first WAL segment.
    pub const GENESIS: ChainHash = ChainHash([0; 32]);

    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl Digest {
    /// The BLAKE3 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}
