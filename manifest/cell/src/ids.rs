//! Identifiers of the directory, each a type of its own.
//!
//! Promises: a text id is bounded and printable where it is made, also when it is read from the log.
//! Never: a bare number or string standing for an id crosses the crate's border.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
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

number! {
    /// An API key's number, never given out twice.
    ApiKeyId
}
number! {
    /// A grant's number, never given out twice.
    GrantId
}
number! {
    /// The number of an entry of the directory's log; the first is 1.
    EntrySeq
}
number! {
    /// A client's number for one of its requests.
    RequestNumber
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $most:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The longest one, bytes.
            pub const MOST: usize = $most;

            /// It as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(s: &str) -> Result<Self, String> {
                if s.is_empty() || s.len() > Self::MOST || s.chars().any(char::is_control) {
                    return Err(format!(
                        "{} must be 1 to {} bytes without control characters",
                        stringify!($name).to_lowercase(),
                        Self::MOST
                    ));
                }
                Ok(Self(s.to_owned()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// Who does it: the name of a key, a person or a process, for the audit trail.
    Actor, 256
}
text! {
    /// A gateway process, unique among those alive.
    GatewayId, 128
}
text! {
    /// A client that numbers its requests, or one request's own id.
    ClientId, 128
}
text! {
    /// A region's name, for example `eu-central-1`.
    Region, 64
}

impl Region {
    /// The home of a tenant for which none was named.
    #[must_use]
    pub fn default_home() -> Self {
        Self("local".to_owned())
    }
}

/// A directory's identity, drawn when it is created; it binds every sealed byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DirectoryId(pub Uuid);

impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A time of the directory: microseconds since 1970 UTC, from the log, never going back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// The time `ms` milliseconds later.
    #[must_use]
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms.saturating_mul(1_000)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
