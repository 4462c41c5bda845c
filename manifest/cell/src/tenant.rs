//! A tenant's record: who it is, where it lives, what it may use, and which keys seal it.
//!
//! | status | statements read | statements write | may become |
//! |---|---|---|---|
//! | `active` | yes | yes | `suspended`, `sealed`, `pending` |
//! | `suspended` | no | no | `active`, `sealed`, `pending` |
//! | `sealed` | yes | no | `active`, `suspended`, `pending` |
//! | `pending` | no | no | `erasing` |
//! | `erasing` | no | no | `erased` |
//! | `erased` | no | no | nothing |
//!
//! Promises: [`Status::may_become`] is that table; a quota that is not set is no limit.
//! Never: key material; a KEK is named by generation, revision and digest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use firn_manifest::ids::{ChainHash, NamespaceId, NamespaceName, TenantId, Version};
use serde::{Deserialize, Serialize};

use crate::ids::{Region, Time};

/// What a tenant's namespace is good for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// reads and writes
    Active,
    /// neither, until resumed
    Suspended,
    /// reads only, until resumed
    Sealed,
    /// erasure was asked for; nothing is destroyed yet
    Pending,
    /// its keys are being destroyed
    Erasing,
    /// its keys are destroyed and the receipt is issued
    Erased,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 6] =
        [Status::Active, Status::Suspended, Status::Sealed, Status::Pending, Status::Erasing, Status::Erased];

    /// Whether statements may read.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Status::Active | Status::Sealed)
    }

    /// Whether statements may write.
    #[must_use]
    pub fn writes(self) -> bool {
        self == Status::Active
    }

    /// Whether the tenant is in service or may come back into it: no erasure was begun.
    #[must_use]
    pub fn alive(self) -> bool {
        matches!(self, Status::Active | Status::Suspended | Status::Sealed)
    }

    /// The transitions of the table above.
    #[must_use]
    pub fn may_become(self, next: Status) -> bool {
        match next {
            Status::Active | Status::Suspended | Status::Sealed | Status::Pending => self.alive() && self != next,
            Status::Erasing => self == Status::Pending,
            Status::Erased => self == Status::Erasing,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Sealed => "sealed",
            Status::Pending => "pending",
            Status::Erasing => "erasing",
            Status::Erased => "erased",
        })
    }
}

/// How much of a tenant's statements goes into its audit table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAudit {
    /// nothing
    Off,
    /// statements that write
    #[default]
    Writes,
    /// reads too
    All,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// bytes stored; beyond it writes are refused, reads and deletes never
    StorageBytes,
    /// bytes written in a second
    WriteBytesPerS,
    /// statements begun in a second
    StatementsPerS,
    /// statements that run at a time
    ConcurrentStatements,
    /// bytes of one result
    ResultBytes,
    /// bytes of memory of one query
    QueryMemoryBytes,
    /// time of one query, milliseconds
    QueryTimeMs,
}

impl Quota {
    /// All of them.
    pub const ALL: [Quota; 7] = [
        Quota::StorageBytes,
        Quota::WriteBytesPerS,
        Quota::StatementsPerS,
        Quota::ConcurrentStatements,
        Quota::ResultBytes,
        Quota::QueryMemoryBytes,
        Quota::QueryTimeMs,
    ];

    /// The highest limit that can be set: the largest whole number that every JSON reader keeps.
    pub const MOST: u64 = (1 << 53) - 1;

    /// The lowest limit that can be set: only storage can be nothing at all.
    #[must_use]
    pub fn least(self) -> u64 {
        u64::from(self != Quota::StorageBytes)
    }

    /// Its name in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Quota::StorageBytes => "storage_bytes",
            Quota::WriteBytesPerS => "write_bytes_per_s",
            Quota::StatementsPerS => "statements_per_s",
            Quota::ConcurrentStatements => "concurrent_statements",
            Quota::ResultBytes => "result_bytes",
            Quota::QueryMemoryBytes => "query_memory_bytes",
            Quota::QueryTimeMs => "query_time_ms",
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|quota| quota.name() == s).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            format!("{s:?} is no quota; there are {}", known.join(", "))
        })
    }
}

/// A tenant's limits; what is not set is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quotas(pub BTreeMap<Quota, u64>);

impl Quotas {
    /// The limit, if there is one.
    #[must_use]
    pub fn get(&self, quota: Quota) -> Option<u64> {
        self.0.get(&quota).copied()
    }
}

/// Which stored, wrapped key-encryption key is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KekRef {
    /// which key of the tenant; the first is 1
    pub generation: u32,
    /// how often it was wrapped anew; the first is 1
    pub revision: u32,
    /// the master key that wrapped it
    pub wrapped_by: String,
    /// SHA-256 of the object's stored bytes
    pub digest: ChainHash,
    /// when this generation came
    pub created_at: Time,
    /// when its object was given up because nothing is wrapped by it any more
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
}

/// A name that a tenant bore before; nobody else can have it until the tenant is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerName {
    /// the name
    pub name: NamespaceName,
    /// until when it bore it
    pub until: Time,
}

/// The newest manifest of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHead {
    /// its version
    pub version: Version,
    /// SHA-256 of its stored bytes
    pub sha256: ChainHash,
}

/// How far an erasure is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// why: a request, a contract, a law
    pub basis: String,
    /// when it was asked for
    pub requested_at: Time,
    /// by whom
    pub requested_by: String,
    /// since when keys are destroyed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasing_at: Option<Time>,
    /// the namespace's newest manifest as of then, if there was one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<ManifestHead>,
    /// when it was done
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Time>,
    /// the signed receipt, exactly as issued
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// its number, never given out twice
    pub id: TenantId,
    /// its namespace's identity
    pub namespace: NamespaceId,
    /// its name
    pub name: NamespaceName,
    /// the namespace's folder below the store's prefix; it stays when the tenant is renamed and is never given out again
    pub folder: NamespaceName,
    /// the region whose gateways serve it
    pub region: Region,
    /// what it is good for
    pub status: Status,
    /// its limits
    pub quotas: Quotas,
    /// what its audit table records
    pub read_audit: ReadAudit,
    /// its key-encryption keys, oldest first; the last is the one that wraps
    pub keks: Vec<KekRef>,
    /// the salt of its keys' SCRAM verifiers, 32 hex digits
    pub scram_salt: String,
    /// names it bore before, oldest first
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<FormerName>,
    /// when it was created
    pub created_at: Time,
    /// when its record last changed
    pub changed_at: Time,
    /// its erasure, once asked for
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
}

impl Tenant {
    /// The key-encryption key that wraps now.
    #[must_use]
    pub fn kek(&self) -> Option<&KekRef> {
        self.keks.last()
    }

    /// The key-encryption key of a generation.
    #[must_use]
    pub fn kek_of(&self, generation: u32) -> Option<&KekRef> {
        self.keks.iter().find(|kek| kek.generation == generation)
    }

    /// The receipt of its erasure, once there is one.
    #[must_use]
    pub fn receipt(&self) -> Option<&str> {
        self.erasure.as_ref()?.receipt.as_deref()
    }
}
