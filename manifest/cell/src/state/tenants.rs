//! Tenants: creation, names, service, limits, key-encryption keys.
//!
//! Promises: a name leads to one tenant at most, and a former name to nobody else until that tenant is erased; a folder is
//! never given out twice; KEK generations and revisions rise by one.
//! Never: a tenant of which an erasure was begun comes back.

use std::collections::BTreeMap;

use firn_manifest::ids::{NamespaceId, NamespaceName, TenantId};

use super::decide::{TEXT_MOST, check_text, wrong_status};
use super::{Change, Directory};
use crate::access::Scope;
use crate::audit::Subject;
use crate::ids::{Region, Time};
use crate::op::{KeyDraft, Op, Reply};
use crate::refusal::Refusal;
use crate::tenant::{FormerName, KekRef, Quota, Quotas, ReadAudit, Status, Tenant};

/// How far a tenant's number may be ahead of the newest one.
pub const ID_GAP: u64 = 10_000;

impl Directory {
    pub(super) fn new_tenant(
        &self,
        id: TenantId,
        namespace: NamespaceId,
        name: &NamespaceName,
        kek: &KekRef,
        quotas: &Quotas,
        at: Time,
    ) -> Result<Tenant, Refusal> {
        self.name_is_free(name, None)?;
        if self.records.tenants.contains_key(&id) || self.records.namespaces.contains_key(&namespace) {
            return Err(Refusal::IdTaken { tenant: id });
        }
        let newest = self.records.tenants.last_key_value().map_or(0, |(id, _)| id.0);
        if id.0 == 0 || id.0 > newest.saturating_add(ID_GAP) {
            return Err(Refusal::invalid(format!("tenant number {id} is far from the newest one, {newest}")));
        }
        if kek.generation != 1 || kek.revision != 1 || kek.retired_at.is_some() {
            return Err(Refusal::invalid("the first key-encryption key is not of generation 1, revision 1"));
        }
        check_text("the master key's name", &kek.wrapped_by, 1, TEXT_MOST * 8)?;
        for (quota, value) in &quotas.0 {
            in_range(*quota, *value)?;
        }
        let folder =
            self.folder_for(name, id).ok_or_else(|| Refusal::invalid(format!("there is no free folder for {name}")))?;
        Ok(Tenant {
            id,
            namespace,
            name: name.clone(),
            folder,
            region: Region::default_home(),
            status: Status::Active,
            quotas: quotas.clone(),
            read_audit: ReadAudit::default(),
            keks: vec![KekRef { created_at: at, ..kek.clone() }],
            scram_salt: String::new(),
            former_names: Vec::new(),
            created_at: at,
            changed_at: at,
            erasure: None,
        })
    }

    pub(super) fn create_tenant(&self, tenant: Tenant, key: Option<&KeyDraft>, at: Time) -> Result<Change, Refusal> {
        if hex::decode(&tenant.scram_salt).map_or(true, |salt| salt.len() != 16) {
            return Err(Refusal::invalid("the SCRAM salt is not 32 hex digits"));
        }
        let id = tenant.id;
        let mut change = Change::tenant(tenant);
        if let Some(draft) = key {
            let key = self.new_key(Scope::Tenant(id), draft, at)?;
            change.reply = Reply::Tenant { tenant: id, key: Some(key.id) };
            change.subjects.push(Subject::Key(key.id));
            change.writes.push(super::Write::Key(Box::new(key)));
        }
        Ok(change)
    }

    /// Whether `name` may become that of `by` (or of a new tenant).
    fn name_is_free(&self, name: &NamespaceName, by: Option<TenantId>) -> Result<(), Refusal> {
        match self.records.names.get(name) {
            Some(holder) if Some(*holder) != by => {
                let former = self.records.tenants.get(holder).is_some_and(|tenant| tenant.name != *name);
                Err(Refusal::NameTaken { name: name.clone(), tenant: *holder, former })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn rename(&self, id: TenantId, name: &NamespaceName, at: Time) -> Result<Change, Refusal> {
        let tenant = self.alive(id, &Op::RenameTenant { tenant: id, name: name.clone() })?;
        if tenant.name == *name {
            return Ok(unchanged(tenant));
        }
        self.name_is_free(name, Some(id))?;
        let mut renamed = tenant.as_ref().clone();
        let old = std::mem::replace(&mut renamed.name, name.clone());
        renamed.former_names.retain(|former| former.name != *name && former.name != old);
        if renamed.former_names.len() >= FORMER_NAMES {
            return Err(Refusal::TooMany { what: "former names of this tenant".to_owned(), most: FORMER_NAMES as u64 });
        }
        renamed.former_names.push(FormerName { name: old, until: at });
        renamed.changed_at = at;
        Ok(Change::tenant(renamed))
    }

    pub(super) fn service(&self, id: TenantId, status: Status, op: &Op, at: Time) -> Result<Change, Refusal> {
        let tenant = self.find(id)?;
        if tenant.status == status {
            return Ok(unchanged(tenant));
        }
        if !tenant.status.may_become(status) {
            return Err(wrong_status(tenant, op, "active, suspended or sealed"));
        }
        Ok(Change::tenant(Tenant { status, changed_at: at, ..tenant.as_ref().clone() }))
    }

    pub(super) fn set_quota(
        &self,
        id: TenantId,
        limits: &BTreeMap<Quota, Option<u64>>,
        op: &Op,
        at: Time,
    ) -> Result<Change, Refusal> {
        let mut tenant = self.alive(id, op)?.as_ref().clone();
        for (quota, limit) in limits {
            match limit {
                Some(value) => {
                    in_range(*quota, *value)?;
                    tenant.quotas.0.insert(*quota, *value);
                }
                None => {
                    tenant.quotas.0.remove(quota);
                }
            }
        }
        tenant.changed_at = at;
        Ok(Change::tenant(tenant))
    }

    pub(super) fn add_kek(&self, id: TenantId, kek: &KekRef, op: &Op, at: Time) -> Result<Change, Refusal> {
        let mut tenant = self.alive(id, op)?.as_ref().clone();
        let newest = tenant.keks.last().map_or(0, |kek| kek.generation);
        if newest.checked_add(1) != Some(kek.generation) || kek.revision != 1 {
            return Err(Refusal::KekChanged { tenant: id, generation: newest });
        }
        if tenant.keks.len() >= GENERATIONS {
            return Err(Refusal::TooMany {
                what: "key generations of this tenant".to_owned(),
                most: GENERATIONS as u64,
            });
        }
        check_text("the master key's name", &kek.wrapped_by, 1, TEXT_MOST * 8)?;
        tenant.keks.push(KekRef { created_at: at, retired_at: None, ..kek.clone() });
        tenant.changed_at = at;
        Ok(Change::tenant(tenant))
    }

    pub(super) fn rewrap_kek(&self, id: TenantId, kek: &KekRef, op: &Op, at: Time) -> Result<Change, Refusal> {
        let mut tenant = self.alive(id, op)?.as_ref().clone();
        check_text("the master key's name", &kek.wrapped_by, 1, TEXT_MOST * 8)?;
        let changed = Refusal::KekChanged { tenant: id, generation: kek.generation };
        let Some(known) = tenant.keks.iter_mut().find(|known| known.generation == kek.generation) else {
            return Err(changed);
        };
        if known.revision.checked_add(1) != Some(kek.revision) || known.retired_at.is_some() {
            return Err(changed);
        }
        known.revision = kek.revision;
        known.wrapped_by.clone_from(&kek.wrapped_by);
        known.digest = kek.digest;
        tenant.changed_at = at;
        Ok(Change::tenant(tenant))
    }

    pub(super) fn retire_kek(&self, id: TenantId, generation: u32, op: &Op, at: Time) -> Result<Change, Refusal> {
        let mut tenant = self.alive(id, op)?.as_ref().clone();
        if tenant.kek().is_some_and(|kek| kek.generation == generation) {
            return Err(Refusal::invalid(format!("generation {generation} is the one in use; rotate first")));
        }
        let Some(known) = tenant.keks.iter_mut().find(|known| known.generation == generation) else {
            return Err(Refusal::not_found("key-encryption key of generation", generation));
        };
        if known.retired_at.is_some() {
            return Ok(unchanged(&tenant));
        }
        known.retired_at = Some(at);
        tenant.changed_at = at;
        Ok(Change::tenant(tenant))
    }

    pub(super) fn set_region(&self, region: &Region, address: Option<&str>) -> Result<Change, Refusal> {
        if let Some(address) = address {
            check_text("the address", address, 1, super::decide::ADDRESS_MOST)?;
            if self.records.regions.len() >= REGIONS && !self.records.regions.contains_key(region) {
                return Err(Refusal::TooMany { what: "regions".to_owned(), most: REGIONS as u64 });
            }
        }
        Ok(Change {
            reply: Reply::Done,
            writes: vec![super::Write::Region(region.clone(), address.map(str::to_owned))],
            subjects: vec![Subject::Region(region.clone())],
        })
    }
}

/// How many former names a tenant keeps.
pub const FORMER_NAMES: usize = 64;
/// How many generations of its key a tenant keeps a record of.
pub const GENERATIONS: usize = 1_024;
/// How many regions there can be.
pub const REGIONS: usize = 256;

fn in_range(quota: Quota, value: u64) -> Result<(), Refusal> {
    if (quota.least()..=Quota::MOST).contains(&value) { Ok(()) } else { Err(Refusal::QuotaOutOfRange { quota, value }) }
}

/// It is so already: nothing to do, nothing to audit.
pub(super) fn unchanged(tenant: &Tenant) -> Change {
    Change::none(Reply::Tenant { tenant: tenant.id, key: None })
}
