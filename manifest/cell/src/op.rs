//! Commands: everything that changes the directory.
//!
//! Promises: a command carries every random value it needs (ids, hashes, salts); times come with the entry it stands in.
//! Never: a key, a token or any other secret in a command.

use std::collections::BTreeMap;

use firn_manifest::ids::{NamespaceId, NamespaceName, TenantId};
use serde::{Deserialize, Serialize};

use crate::access::{KeyHash, Lease, Role, Scope, ScramVerifier};
use crate::ids::{Actor, ApiKeyId, ClientId, GatewayId, GrantId, Region, RequestNumber, Time};
use crate::refusal::Refusal;
use crate::tenant::{KekRef, ManifestHead, Quota, Quotas, ReadAudit};

/// An API key before the directory has numbered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDraft {
    /// what it allows
    pub role: Role,
    /// what its owner calls it
    pub label: String,
    /// from when on it is no good
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// its hash
    pub hash: KeyHash,
    /// its SCRAM verifier
    pub scram: ScramVerifier,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// a new tenant, active
    CreateTenant {
        /// its number, not used before
        tenant: TenantId,
        /// its namespace's identity
        namespace: NamespaceId,
        /// its name
        name: NamespaceName,
        /// its home
        region: Region,
        /// its first key-encryption key, generation 1
        kek: KekRef,
        /// the salt of its keys' SCRAM verifiers
        scram_salt: String,
        /// its limits
        quotas: Quotas,
        /// what its audit table records
        read_audit: ReadAudit,
        /// its first API key
        key: Option<KeyDraft>,
    },
    /// another name; the folder stays
    RenameTenant {
        /// which
        tenant: TenantId,
        /// its name from now on
        name: NamespaceName,
    },
    /// another home region
    MoveTenant {
        /// which
        tenant: TenantId,
        /// its home from now on
        region: Region,
    },
    /// neither reads nor writes
    Suspend {
        /// which
        tenant: TenantId,
    },
    /// reads only
    Seal {
        /// which
        tenant: TenantId,
    },
    /// reads and writes again
    Resume {
        /// which
        tenant: TenantId,
    },
    /// sets limits, or with `None` lifts them; others stay
    SetQuota {
        /// whose
        tenant: TenantId,
        /// the limits
        limits: BTreeMap<Quota, Option<u64>>,
    },
    /// sets what the audit table records
    SetReadAudit {
        /// whose
        tenant: TenantId,
        /// how much
        level: ReadAudit,
    },
    /// a new generation of the key-encryption key
    AddKek {
        /// whose
        tenant: TenantId,
        /// the next generation
        kek: KekRef,
    },
    /// the same key, wrapped anew by the master key
    RewrapKek {
        /// whose
        tenant: TenantId,
        /// the next revision of a generation
        kek: KekRef,
    },
    /// a generation that wraps nothing any more is given up
    RetireKek {
        /// whose
        tenant: TenantId,
        /// which
        generation: u32,
    },
    /// a new API key
    CreateKey {
        /// whom it is for
        scope: Scope,
        /// the key
        key: KeyDraft,
    },
    /// an API key is no good any more
    RevokeKey {
        /// whose
        scope: Scope,
        /// which
        key: ApiKeyId,
    },
    /// one tenant lets another read a table
    Grant {
        /// whose table
        grantor: TenantId,
        /// who may read
        grantee: TenantId,
        /// the table
        table: String,
        /// the columns; `None`: all
        columns: Option<Vec<String>>,
        /// the condition that a row must meet
        predicate: Option<String>,
        /// until when
        until: Option<Time>,
        /// how often
        uses: Option<u64>,
    },
    /// a grant is over
    RevokeGrant {
        /// who gave it
        grantor: TenantId,
        /// which
        grant: GrantId,
    },
    /// a grant is used once
    UseGrant {
        /// who uses it
        grantee: TenantId,
        /// which
        grant: GrantId,
    },
    /// a gateway takes a tenant that is free, or its own already
    AcquireLease {
        /// which
        tenant: TenantId,
        /// the gateway
        gateway: GatewayId,
        /// where it is reached
        address: String,
        /// for how long, milliseconds
        ttl_ms: u64,
    },
    /// the holder keeps it
    RenewLease {
        /// which
        tenant: TenantId,
        /// the holder
        gateway: GatewayId,
        /// for how long from now, milliseconds
        ttl_ms: u64,
    },
    /// the holder gives it back
    ReleaseLease {
        /// which
        tenant: TenantId,
        /// the holder
        gateway: GatewayId,
    },
    /// where a region's gateways are reached
    SetRegion {
        /// the region
        region: Region,
        /// where; `None`: not from here
        address: Option<String>,
    },
    /// a tenant is to be erased: out of service from now on
    BeginErase {
        /// which
        tenant: TenantId,
        /// why
        basis: String,
    },
    /// its keys are destroyed from now on
    DestroyKeys {
        /// which
        tenant: TenantId,
        /// its namespace's newest manifest, if it has one
        head: Option<ManifestHead>,
    },
    /// its keys are destroyed; the first receipt is the one that stays
    FinishErase {
        /// which
        tenant: TenantId,
        /// the signed receipt
        receipt: String,
    },
}

impl Op {
    /// Its name, as in the log and in the audit trail.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Op::CreateTenant { .. } => "create_tenant",
            Op::RenameTenant { .. } => "rename_tenant",
            Op::MoveTenant { .. } => "move_tenant",
            Op::Suspend { .. } => "suspend",
            Op::Seal { .. } => "seal",
            Op::Resume { .. } => "resume",
            Op::SetQuota { .. } => "set_quota",
            Op::SetReadAudit { .. } => "set_read_audit",
            Op::AddKek { .. } => "add_kek",
            Op::RewrapKek { .. } => "rewrap_kek",
            Op::RetireKek { .. } => "retire_kek",
            Op::CreateKey { .. } => "create_key",
            Op::RevokeKey { .. } => "revoke_key",
            Op::Grant { .. } => "grant",
            Op::RevokeGrant { .. } => "revoke_grant",
            Op::UseGrant { .. } => "use_grant",
            Op::AcquireLease { .. } => "acquire_lease",
            Op::RenewLease { .. } => "renew_lease",
            Op::ReleaseLease { .. } => "release_lease",
            Op::SetRegion { .. } => "set_region",
            Op::BeginErase { .. } => "begin_erase",
            Op::DestroyKeys { .. } => "destroy_keys",
            Op::FinishErase { .. } => "finish_erase",
        }
    }

    /// Whether it goes into the audit trail: what people do, not what gateways do all the time.
    #[must_use]
    pub fn audited(&self) -> bool {
        !matches!(self, Op::UseGrant { .. } | Op::AcquireLease { .. } | Op::RenewLease { .. } | Op::ReleaseLease { .. })
    }
}

/// A request that may be sent again: which client, which of its requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// the client
    pub client: ClientId,
    /// its request
    pub number: RequestNumber,
}

/// An op, who asks for it, and under which request id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// who asks
    pub actor: Actor,
    /// a repetition of the same request is answered as the first time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// what is asked
    pub op: Op,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// it is done
    Done,
    /// a tenant was created or changed
    Tenant {
        /// which
        tenant: TenantId,
        /// its first API key
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<ApiKeyId>,
    },
    /// an API key was made
    Key(ApiKeyId),
    /// a grant was given or used
    Grant(GrantId),
    /// a lease is held
    Lease(Lease),
}

/// What became of a command.
pub type Outcome = Result<Reply, Refusal>;
