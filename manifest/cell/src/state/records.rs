//! The records and their indexes.
//!
//! Promises: a record and every index of it change together; copying is cheap, because records are shared.
//! Never: an order that depends on hashing: the one hash map is only looked up in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use firn_manifest::ids::{NamespaceId, NamespaceName, TenantId};

use crate::access::{ApiKey, Grant, KeyHash, Lease, Scope};
use crate::ids::{ApiKeyId, GrantId, Region};
use crate::tenant::{Status, Tenant};

/// Digests are spread evenly already: their first eight bytes are hash enough.
#[derive(Clone, Default)]
pub(super) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_be_bytes(*first);
        }
    }

    // the length before an array's bytes says nothing
    fn write_usize(&mut self, _: usize) {}
}

#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    pub(super) tenants: BTreeMap<TenantId, Arc<Tenant>>,
    pub(super) keys: BTreeMap<ApiKeyId, Arc<ApiKey>>,
    pub(super) grants: BTreeMap<GrantId, Arc<Grant>>,
    pub(super) leases: BTreeMap<TenantId, Arc<Lease>>,
    pub(super) regions: BTreeMap<Region, String>,
    /// who bears a name or, of those not erased, bore it
    pub(super) names: BTreeMap<NamespaceName, TenantId>,
    pub(super) namespaces: BTreeMap<NamespaceId, TenantId>,
    pub(super) folders: BTreeSet<NamespaceName>,
    pub(super) hashes: HashMap<KeyHash, ApiKeyId, BuildHasherDefault<DigestHasher>>,
    pub(super) keys_of: BTreeSet<(Scope, ApiKeyId)>,
    pub(super) given: BTreeSet<(TenantId, GrantId)>,
    pub(super) received: BTreeSet<(TenantId, GrantId)>,
}

impl Records {
    pub(super) fn put_tenant(&mut self, tenant: Tenant) {
        let id = tenant.id;
        let names = std::iter::once(&tenant.name).chain(tenant.former_names.iter().map(|former| &former.name));
        for name in names {
            if tenant.status == Status::Erased {
                if self.names.get(name) == Some(&id) {
                    self.names.remove(name);
                }
            } else {
                self.names.insert(name.clone(), id);
            }
        }
        self.namespaces.insert(tenant.namespace, id);
        self.folders.insert(tenant.folder.clone());
        self.tenants.insert(id, Arc::new(tenant));
    }

    pub(super) fn put_key(&mut self, key: ApiKey) {
        self.hashes.insert(key.hash, key.id);
        self.keys_of.insert((key.scope, key.id));
        self.keys.insert(key.id, Arc::new(key));
    }

    pub(super) fn drop_key(&mut self, id: ApiKeyId) {
        if let Some(key) = self.keys.remove(&id) {
            self.hashes.remove(&key.hash);
            self.keys_of.remove(&(key.scope, id));
        }
    }

    pub(super) fn put_grant(&mut self, grant: Grant) {
        self.given.insert((grant.grantor, grant.id));
        self.received.insert((grant.grantee, grant.id));
        self.grants.insert(grant.id, Arc::new(grant));
    }

    pub(super) fn drop_grant(&mut self, id: GrantId) {
        if let Some(grant) = self.grants.remove(&id) {
            self.given.remove(&(grant.grantor, id));
            self.received.remove(&(grant.grantee, id));
        }
    }

    /// The keys of a scope, oldest first.
    pub(super) fn keys_of(&self, scope: Scope) -> impl Iterator<Item = &Arc<ApiKey>> {
        let all = (scope, ApiKeyId(0))..=(scope, ApiKeyId(u64::MAX));
        self.keys_of.range(all).filter_map(|(_, id)| self.keys.get(id))
    }

    /// The grants of a tenant in one of the two indexes, oldest first.
    pub(super) fn grants_in<'a>(
        &'a self,
        index: &'a BTreeSet<(TenantId, GrantId)>,
        tenant: TenantId,
    ) -> impl Iterator<Item = &'a Arc<Grant>> {
        let all = (tenant, GrantId(0))..=(tenant, GrantId(u64::MAX));
        index.range(all).filter_map(|(_, id)| self.grants.get(id))
    }
}
