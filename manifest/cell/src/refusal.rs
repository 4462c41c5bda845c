//! Why a command was not done: one kind for each thing a caller would do differently.
//!
//! Promises: a refused command changed nothing but the log; the message says what was tried and what to do next.
//! Never: a secret in a message, or a difference between an unknown tenant and a wrong key.

use firn_manifest::ids::{NamespaceName, TenantId};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, GatewayId, GrantId, RequestNumber, Time};
use crate::tenant::{Quota, Status};

/// A command that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// there is no such record
    #[error("there is no {what} {name}: look for it in the list of them")]
    NotFound {
        /// the kind of record
        what: String,
        /// what was asked for
        name: String,
    },
    /// the name is borne by another tenant, or was before and is kept
    #[error("the name {name} is taken by tenant {tenant}{}: choose another", if *former { ", which bore it before; it is free when that tenant is erased" } else { "" })]
    NameTaken {
        /// the name
        name: NamespaceName,
        /// the tenant that has it
        tenant: TenantId,
        /// whether it is a former name
        former: bool,
    },
    /// the tenant's number or namespace was taken meanwhile
    #[error("tenant {tenant} or its namespace is there already: draw another and try again")]
    IdTaken {
        /// the number
        tenant: TenantId,
    },
    /// the tenant bears another name now
    #[error("tenant {from} was renamed to {to}: use that name")]
    Renamed {
        /// what was asked for
        from: NamespaceName,
        /// its name now
        to: NamespaceName,
    },
    /// the tenant's status does not allow it
    #[error("{op} of tenant {tenant} needs it to be {allowed}, and it is {status}: {}", next_for(*status))]
    WrongStatus {
        /// the tenant
        tenant: TenantId,
        /// its status
        status: Status,
        /// what was tried
        op: String,
        /// where it would be allowed
        allowed: String,
    },
    /// a limit that cannot be set
    #[error("{quota} = {value} is out of range: set {} to {}, or none", quota.least(), Quota::MOST)]
    QuotaOutOfRange {
        /// what was to be limited
        quota: Quota,
        /// to what
        value: u64,
    },
    /// a field of the command is not what it must be
    #[error("{what}: correct it and try again")]
    Invalid {
        /// which, and why
        what: String,
    },
    /// there are too many of them
    #[error("there are {most} {what} already, as many as can be: remove some that are not needed")]
    TooMany {
        /// of what
        what: String,
        /// the limit
        most: u64,
    },
    /// the key-encryption key changed meanwhile
    #[error("the key-encryption key of tenant {tenant} changed meanwhile (generation {generation}): rotate again")]
    KekChanged {
        /// the tenant
        tenant: TenantId,
        /// the generation that is there
        generation: u32,
    },
    /// another gateway holds the lease
    #[error("gateway {gateway} at {address} holds tenant {tenant} until {until}: forward to it, or try again then")]
    LeaseHeld {
        /// the tenant
        tenant: TenantId,
        /// the holder
        gateway: GatewayId,
        /// where it is reached
        address: String,
        /// until when
        until: Time,
    },
    /// this gateway does not hold the lease
    #[error("gateway {gateway} does not hold tenant {tenant}: acquire it first")]
    LeaseNotHeld {
        /// the tenant
        tenant: TenantId,
        /// who thought it did
        gateway: GatewayId,
    },
    /// the grant cannot be used any more
    #[error("grant {grant} is {why}: ask the tenant that gave it for another")]
    GrantOver {
        /// the grant
        grant: GrantId,
        /// revoked, expired or used up
        why: String,
    },
    /// the request number was used for something else
    #[error("request {request} of client {client} was a {first}: give every request a number of its own")]
    RequestReused {
        /// the client
        client: ClientId,
        /// the number
        request: RequestNumber,
        /// what it was
        first: String,
    },
    /// unknown tenant or wrong key; from outside they are the same
    #[error("unknown tenant or wrong key: check both")]
    Unauthenticated,
}

impl Refusal {
    /// There is no such record.
    pub fn not_found(what: &str, name: impl ToString) -> Self {
        Self::NotFound { what: what.to_owned(), name: name.to_string() }
    }

    /// A field is not what it must be.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }

    /// A short stable name of the kind, for metrics and problem documents.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound { .. } => "not_found",
            Refusal::NameTaken { .. } => "name_taken",
            Refusal::IdTaken { .. } => "id_taken",
            Refusal::Renamed { .. } => "renamed",
            Refusal::WrongStatus { .. } => "wrong_status",
            Refusal::QuotaOutOfRange { .. } => "quota_out_of_range",
            Refusal::Invalid { .. } => "invalid",
            Refusal::TooMany { .. } => "too_many",
            Refusal::KekChanged { .. } => "kek_changed",
            Refusal::LeaseHeld { .. } => "lease_held",
            Refusal::LeaseNotHeld { .. } => "lease_not_held",
            Refusal::GrantOver { .. } => "grant_over",
            Refusal::RequestReused { .. } => "request_reused",
            Refusal::Unauthenticated => "unauthenticated",
        }
    }
}

fn next_for(status: Status) -> &'static str {
    match status {
        Status::Active => "suspend, seal or erase it first, whichever is meant",
        Status::Suspended | Status::Sealed => "resume it first",
        Status::Pending | Status::Erasing => "finish its erasure",
        Status::Erased => "it is gone; create a new one",
    }
}
