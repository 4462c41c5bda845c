//! The tenant directory: who the tenants are, where they live, who may do what, and which keys open them.
//!
//! A pure state machine ([`Directory`]: state + command + time → outcome) and a driver that keeps it in the object store
//! ([`DirectoryClient`]: a chained log of write-once objects under `_directory/`).
//!
//! Promises: the same commands give the same state, byte for byte, on every machine (DIR-1); an answer follows a PUT that
//! is known to have succeeded (DIR-3); no tenant, table or column name and no key stands in clear in the store.
//! Never: a clock, randomness or I/O in the state machine; SQL or HTTP anywhere.

pub mod access;
pub mod audit;
pub mod client;
mod document;
pub mod error;
pub mod ids;
pub mod kek;
pub mod log;
pub mod op;
pub mod receipt;
pub mod refusal;
pub mod state;
pub mod tenant;
pub mod tenant_keys;
pub mod token;

pub use access::{ApiKey, Grant, Lease, Principal, Role, Scope, ScramChallenge, ScramVerifier};
pub use audit::{AuditEntry, AuditQuery};
pub use client::{By, DirectoryClient, NewGrant, NewKey, NewTenant};
pub use error::Error;
pub use firn_manifest::ids::TenantId;
pub use ids::{Actor, ApiKeyId, ClientId, DirectoryId, EntrySeq, GatewayId, GrantId, Region, RequestNumber, Time};
pub use log::verify::{ChainReport, verify_chain};
pub use op::{Command, Op, Outcome, Reply};
pub use receipt::{Receipt, verify_receipt};
pub use refusal::Refusal;
pub use state::Directory;
pub use tenant::{Quota, Quotas, ReadAudit, Status, Tenant};
pub use tenant_keys::TenantKeys;
pub use token::Token;
