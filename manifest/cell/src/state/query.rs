//! What a directory can be asked.
//!
//! Promises: reads only; an unknown tenant and a wrong key cannot be told apart (AUTH-1).
//! Never: a decision on the clock: `now` is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_manifest::ids::{NamespaceId, NamespaceName, TenantId};

use super::Directory;
use crate::access::{ApiKey, Grant, KeyHash, Lease, Principal, Scope};
use crate::audit::{AuditEntry, AuditQuery};
use crate::ids::{ApiKeyId, DirectoryId, GrantId, Region, Time};
use crate::op::{Outcome, RequestId};
use crate::refusal::Refusal;
use crate::tenant::{Status, Tenant};

/// The user name of the Postgres wire that operator keys belong to; no tenant can bear it.
pub const OPERATOR_USER: &str = "_operator";

/// What a name leads to.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// the tenant that bears it
    Tenant(Arc<Tenant>),
    /// the tenant that bore it, under another name now
    Renamed(Arc<Tenant>),
}

impl Directory {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    /// The time of the newest command.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many commands were applied, refused ones included.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The tenant of that number.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> Option<&Arc<Tenant>> {
        self.records.tenants.get(&id)
    }

    /// The tenant of that namespace.
    #[must_use]
    pub fn tenant_of(&self, namespace: NamespaceId) -> Option<&Arc<Tenant>> {
        self.records.tenants.get(self.records.namespaces.get(&namespace)?)
    }

    /// What a name leads to.
    #[must_use]
    pub fn resolve(&self, name: &NamespaceName) -> Option<Resolved> {
        let tenant = self.records.tenants.get(self.records.names.get(name)?)?.clone();
        Some(if tenant.name == *name { Resolved::Tenant(tenant) } else { Resolved::Renamed(tenant) })
    }

    /// The tenant that bears this name now.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Renamed`] if it bears another by now.
    pub fn named(&self, name: &NamespaceName) -> Result<Arc<Tenant>, Refusal> {
        match self.resolve(name) {
            Some(Resolved::Tenant(tenant)) => Ok(tenant),
            Some(Resolved::Renamed(tenant)) => Err(Refusal::Renamed { from: name.clone(), to: tenant.name.clone() }),
            None => Err(Refusal::not_found("tenant", name)),
        }
    }

    /// All tenants ever, oldest first; `after` begins behind one.
    pub fn tenants(&self, after: Option<TenantId>) -> impl Iterator<Item = &Arc<Tenant>> {
        let first = after.map_or(TenantId(0), TenantId::next);
        self.records.tenants.range(first..).map(|(_, tenant)| tenant)
    }

    /// The highest number of a tenant so far.
    #[must_use]
    pub fn newest_tenant(&self) -> TenantId {
        self.records.tenants.last_key_value().map_or(TenantId(0), |(id, _)| *id)
    }

    /// The API key of that number.
    #[must_use]
    pub fn key(&self, id: ApiKeyId) -> Option<&Arc<ApiKey>> {
        self.records.keys.get(&id)
    }

    /// The API keys of a scope, oldest first, revoked ones included.
    pub fn keys(&self, scope: Scope) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.records.keys_of(scope)
    }

    /// Who bears the key of this hash, for the named tenant or (`None`) for the directory itself.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] for an unknown, revoked, expired or foreign key and for an unknown tenant alike;
    /// with a good key, [`Refusal::Renamed`], and for operators [`Refusal::NotFound`].
    pub fn authenticate(&self, name: Option<&str>, hash: &KeyHash, now: Time) -> Result<Principal, Refusal> {
        // both are looked up, whatever the first one says
        let key = self.records.hashes.get(hash).and_then(|id| self.records.keys.get(id));
        let named: Option<NamespaceName> = name.and_then(|name| name.parse().ok());
        let found = named.as_ref().and_then(|name| self.resolve(name));
        let key = key.filter(|key| key.hash.matches(&hash.0) && key.good_at(now)).ok_or(Refusal::Unauthenticated)?;
        let tenant = match (name, found, key.scope) {
            (None, _, Scope::Operator) => None,
            (None, _, Scope::Tenant(own)) => self.tenant(own).cloned(),
            (Some(name), None, Scope::Operator) => return Err(Refusal::not_found("tenant", name)),
            (Some(_), None, Scope::Tenant(_)) => return Err(Refusal::Unauthenticated),
            (Some(_), Some(found), scope) => {
                let (Resolved::Tenant(tenant) | Resolved::Renamed(tenant)) = &found;
                if scope != Scope::Operator && scope != Scope::Tenant(tenant.id) {
                    return Err(Refusal::Unauthenticated);
                }
                match (found, named) {
                    (Resolved::Renamed(tenant), Some(from)) => {
                        return Err(Refusal::Renamed { from, to: tenant.name.clone() });
                    }
                    (Resolved::Tenant(tenant) | Resolved::Renamed(tenant), _) => Some(tenant),
                }
            }
        };
        let gone = |tenant: &Arc<Tenant>| !tenant.status.alive();
        if key.scope != Scope::Operator && tenant.as_ref().is_none_or(gone) {
            return Err(Refusal::Unauthenticated);
        }
        Ok(Principal { key: key.id, label: key.label.clone(), scope: key.scope, role: key.role, tenant })
    }

    /// The keys that a user name of the Postgres wire may mean at `now`: those of the tenant of that name, if it is in
    /// service.
    #[must_use]
    pub fn scram_keys(&self, name: &str, now: Time) -> (Option<Arc<Tenant>>, Vec<Arc<ApiKey>>) {
        if name == OPERATOR_USER {
            let keys = self.records.keys_of(Scope::Operator).filter(|key| key.good_at(now)).cloned();
            return (None, keys.collect());
        }
        let found = name.parse().ok().and_then(|name| self.named(&name).ok()).filter(|tenant| tenant.status.alive());
        let keys = found
            .iter()
            .flat_map(|tenant| {
                let own = move |key: &&Arc<ApiKey>| key.scram.salt == tenant.scram_salt;
                self.records.keys_of(Scope::Tenant(tenant.id)).filter(own)
            })
            .filter(|key| key.good_at(now))
            .cloned()
            .collect();
        (found, keys)
    }

    /// The grant of that number.
    #[must_use]
    pub fn grant(&self, id: GrantId) -> Option<&Arc<Grant>> {
        self.records.grants.get(&id)
    }

    /// The grants that a tenant gave, oldest first, those over included.
    pub fn grants_given(&self, grantor: TenantId) -> impl Iterator<Item = &Arc<Grant>> {
        self.records.grants_in(&self.records.given, grantor)
    }

    /// The grants that a tenant received, oldest first, those over included.
    pub fn grants_received(&self, grantee: TenantId) -> impl Iterator<Item = &Arc<Grant>> {
        self.records.grants_in(&self.records.received, grantee)
    }

    /// The grants by which `grantee` may read a table of `grantor` at `now`, oldest first. None while the grantor cannot
    /// be read.
    pub fn grants_for<'a>(
        &'a self,
        grantor: TenantId,
        grantee: TenantId,
        table: &'a str,
        now: Time,
    ) -> impl Iterator<Item = &'a Arc<Grant>> {
        let readable = self.tenant(grantor).is_some_and(|tenant| tenant.status.reads());
        self.grants_received(grantee).filter(move |grant| {
            readable && grant.grantor == grantor && grant.table == table && grant.over_at(now).is_none()
        })
    }

    /// Who holds a tenant at `now`.
    #[must_use]
    pub fn lease(&self, tenant: TenantId, now: Time) -> Option<&Arc<Lease>> {
        self.records.leases.get(&tenant).filter(|lease| now < lease.until)
    }

    /// Where the gateways of other regions are reached.
    #[must_use]
    pub fn regions(&self) -> &BTreeMap<Region, String> {
        &self.records.regions
    }

    /// The newest audit entries that are asked for, newest first, and whether older ones may match that only the log
    /// has.
    #[must_use]
    pub fn recent_audit(&self, query: &AuditQuery) -> (Vec<Arc<AuditEntry>>, bool) {
        let mut found: Vec<Arc<AuditEntry>> =
            self.recent.iter().rev().filter(|entry| query.wants(entry)).take(query.limit).cloned().collect();
        let oldest = self.recent.front().map_or(self.next_audit, |entry| entry.number);
        let more = found.len() < query.limit && oldest > 1 && query.before.is_none_or(|before| before > 1);
        found.truncate(query.limit);
        (found, more)
    }

    /// The audit entries from a number on that the state still keeps, oldest first.
    pub fn audit_since(&self, number: u64) -> impl Iterator<Item = &Arc<AuditEntry>> {
        self.recent.iter().filter(move |entry| entry.number >= number)
    }

    /// The first answer to a request of that kind, if it was given before.
    #[must_use]
    pub fn answered(&self, request: &RequestId, op: &str) -> Option<Outcome> {
        self.sessions.answered(request, op)
    }

    /// The number that the next audit entry gets.
    #[must_use]
    pub fn next_audit(&self) -> u64 {
        self.next_audit
    }

    /// How many tenants there are in each status.
    #[must_use]
    pub fn census(&self) -> BTreeMap<Status, usize> {
        self.records.tenants.values().fold(BTreeMap::new(), |mut census, tenant| {
            *census.entry(tenant.status).or_default() += 1;
            census
        })
    }
}
