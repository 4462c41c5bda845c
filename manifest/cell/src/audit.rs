//! The audit trail: every admin command that was done, with the record it changed before and after.
//!
//! Promises: entries are numbered without gaps; the newest [`RECENT`] are in the state, the others come out of the log
//! again by replaying it.
//! Never: a hash, a verifier or any other secret in an entry.

use firn_manifest::ids::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::access::{ApiKey, Grant, Scope};
use crate::ids::{Actor, ApiKeyId, GrantId, Region, Time};
use crate::op::RequestId;
use crate::tenant::Tenant;

/// How many entries the state keeps.
pub const RECENT: usize = 256;

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// a tenant
    Tenant(TenantId),
    /// an API key
    Key(ApiKeyId),
    /// a grant
    Grant(GrantId),
    /// a region
    Region(Region),
}

/// One change, who made it, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// 1, 2, 3 …
    pub number: u64,
    /// when
    pub at: Time,
    /// who
    pub actor: Actor,
    /// the command's name
    pub op: String,
    /// what was changed
    pub subject: Subject,
    /// the tenants it concerns
    pub tenants: Vec<TenantId>,
    /// under which request id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// the record before; null if there was none
    pub before: Value,
    /// the record after; null if there is none
    pub after: Value,
}

/// Which entries are asked for; newest first.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// only those that concern this tenant
    pub tenant: Option<TenantId>,
    /// only those of a smaller number: where the last answer ended
    pub before: Option<u64>,
    /// at most so many
    pub limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { tenant: None, before: None, limit: 100 }
    }
}

impl AuditQuery {
    /// Whether an entry is asked for.
    #[must_use]
    pub fn wants(&self, entry: &AuditEntry) -> bool {
        self.tenant.is_none_or(|tenant| entry.tenants.contains(&tenant))
            && self.before.is_none_or(|before| entry.number < before)
    }
}

/// A tenant as the trail shows it.
pub(crate) fn tenant_view(tenant: &Tenant) -> Value {
    let mut view = serde_json::to_value(tenant).unwrap_or(Value::Null);
    if let Some(fields) = view.as_object_mut() {
        fields.remove("scram_salt");
    }
    view
}

/// A key as the trail shows it: without hash and verifier.
pub(crate) fn key_view(key: &ApiKey) -> Value {
    let mut view = Map::new();
    view.insert("id".to_owned(), json!(key.id));
    view.insert("scope".to_owned(), json!(key.scope));
    view.insert("role".to_owned(), json!(key.role));
    view.insert("label".to_owned(), json!(key.label));
    view.insert("created_at".to_owned(), json!(key.created_at));
    view.insert("expires_at".to_owned(), json!(key.expires_at));
    view.insert("revoked_at".to_owned(), json!(key.revoked_at));
    Value::Object(view)
}

/// A grant as the trail shows it.
pub(crate) fn grant_view(grant: &Grant) -> Value {
    serde_json::to_value(grant).unwrap_or(Value::Null)
}

/// The tenants that a key's scope concerns.
pub(crate) fn tenants_of(scope: Scope) -> Vec<TenantId> {
    match scope {
        Scope::Operator => Vec::new(),
        Scope::Tenant(tenant) => vec![tenant],
    }
}
