//! Tenants: create, rename, suspend, seal, resume, limits, homes, leases.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_manifest::ids::{NamespaceId, NamespaceName, TenantId};
use firn_manifest::new_uuid;

use super::access::NewKey;
use super::{By, DirectoryClient};
use crate::access::Lease;
use crate::error::Error;
use crate::ids::{ApiKeyId, GatewayId, Region};
use crate::kek;
use crate::op::{Op, Reply};
use crate::refusal::Refusal;
use crate::tenant::{Quota, Quotas, ReadAudit, Tenant};
use crate::token::Token;

/// How often a creation draws another number while other processes win.
const ATTEMPTS: usize = 32;

/// A tenant to be created.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// its name
    pub name: NamespaceName,
    /// its home
    pub region: Region,
    /// its limits
    pub quotas: Quotas,
    /// what its audit table records
    pub read_audit: ReadAudit,
    /// its first API key
    pub key: Option<NewKey>,
    /// the identity of a namespace that is there already; else one is drawn
    pub namespace: Option<NamespaceId>,
}

impl NewTenant {
    /// A tenant of that name without limits, at home here, with a first key of the role admin.
    #[must_use]
    pub fn named(name: NamespaceName) -> Self {
        Self {
            name,
            region: Region::default_home(),
            quotas: Quotas::default(),
            read_audit: ReadAudit::default(),
            key: Some(NewKey::admin("first")),
            namespace: None,
        }
    }
}

/// A key that was made.
#[derive(Debug)]
pub struct CreatedKey {
    /// its number
    pub id: ApiKeyId,
    /// the key itself, to be shown once; `None` when the request was answered before
    pub token: Option<Token>,
}

/// A tenant that was created.
#[derive(Debug)]
pub struct CreatedTenant {
    /// the tenant
    pub tenant: Arc<Tenant>,
    /// its first API key, if one was asked for
    pub key: Option<CreatedKey>,
}

impl DirectoryClient {
    /// Creates a tenant: two PUTs, one of its wrapped key and one of the log's entry.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`], [`Refusal::QuotaOutOfRange`]; [`Error::Root`].
    pub async fn create_tenant(&self, by: &By, new: NewTenant) -> Result<CreatedTenant, Error> {
        if let Some(request) = &by.request
            && let Some(first) = self.refresh().await?.answered(request, "create_tenant")
        {
            return self.created(first?, None);
        }
        if self.state().resolve(&new.name).is_some()
            && let Some(found) = self.refresh().await?.resolve(&new.name)
        {
            let former = matches!(found, crate::state::Resolved::Renamed(_));
            let (crate::state::Resolved::Tenant(tenant) | crate::state::Resolved::Renamed(tenant)) = found;
            return Err(Refusal::NameTaken { name: new.name, tenant: tenant.id, former }.into());
        }
        // its key is bound to the tenant that has it
        if let Some(namespace) = new.namespace
            && let Some(found) = self.refresh().await?.tenant_of(namespace)
        {
            return Err(Refusal::IdTaken { tenant: found.id }.into());
        }
        let salt = self.salt_of(new.name.as_str());
        let (token, draft) = match &new.key {
            Some(key) => {
                let (token, draft) = self.draft(key, salt).await?;
                (Some(token), Some(draft))
            }
            None => (None, None),
        };
        let (store, master) = (self.driver.store(), self.driver.master());
        let mut taken = TenantId(0);
        for _ in 0..ATTEMPTS {
            let id = self.reserve();
            taken = id;
            let namespace = new.namespace.unwrap_or_else(|| NamespaceId(new_uuid(&**self.world())));
            let key = kek::generate(&**self.world());
            let stored = kek::store(store, &*master, (namespace, id), (1, 1), &key).await?;
            let op = Op::CreateTenant {
                tenant: id,
                namespace,
                name: new.name.clone(),
                region: new.region.clone(),
                kek: stored,
                scram_salt: self.salt_of_tenant(&new.name),
                quotas: new.quotas.clone(),
                read_audit: new.read_audit,
                key: draft.clone(),
            };
            let outcome = self.propose(by, op).await;
            let ours = |reply: &Reply| matches!(reply, Reply::Tenant { tenant, .. } if *tenant == id);
            match outcome {
                Ok(reply) if ours(&reply) => return self.created(reply, token),
                // the request was answered before: this creation was for nothing
                Ok(reply) => {
                    self.give_up(id, namespace, new.namespace).await?;
                    return self.created(reply, None);
                }
                Err(Error::Refused(Refusal::IdTaken { .. })) if new.namespace.is_none() => {
                    self.give_up(id, namespace, None).await?;
                }
                Err(Error::Refused(refusal)) => {
                    self.give_up(id, namespace, new.namespace).await?;
                    return Err(refusal.into());
                }
                // it may have been done, so nothing of it is removed
                Err(e) => return Err(e),
            }
        }
        Err(Refusal::IdTaken { tenant: taken }.into())
    }

    /// A number that no tenant has and no creation of this process has asked for.
    fn reserve(&self) -> TenantId {
        let mut reserved = self.reserved.lock();
        *reserved = self.state().newest_tenant().0.max(*reserved) + 1;
        TenantId(*reserved)
    }

    /// Removes what a creation left that came to nothing. The key of a namespace that was there already is left alone: it
    /// may be that of a tenant that was created for it meanwhile.
    async fn give_up(&self, id: TenantId, namespace: NamespaceId, given: Option<NamespaceId>) -> Result<(), Error> {
        {
            let mut reserved = self.reserved.lock();
            if *reserved == id.0 {
                *reserved -= 1;
            }
        }
        if given.is_none() {
            kek::destroy(self.driver.store(), &kek::kek_prefix(namespace, None)).await?;
        }
        Ok(())
    }

    fn created(&self, reply: Reply, token: Option<Token>) -> Result<CreatedTenant, Error> {
        let Reply::Tenant { tenant, key } = reply else {
            return Err(Refusal::invalid("the request was answered with something else before").into());
        };
        let found = self.state().tenant(tenant).cloned();
        let tenant = found.ok_or_else(|| Refusal::not_found("tenant", tenant))?;
        Ok(CreatedTenant { tenant, key: key.map(|id| CreatedKey { id, token }) })
    }

    async fn change_tenant(&self, by: &By, tenant: TenantId, op: Op) -> Result<Arc<Tenant>, Error> {
        self.propose(by, op).await?;
        let found = self.state().tenant(tenant).cloned();
        found.ok_or_else(|| Refusal::not_found("tenant", tenant).into())
    }

    /// Gives a tenant another name. The old one leads nowhere else until the tenant is erased.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`], [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn rename(&self, by: &By, tenant: TenantId, name: NamespaceName) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::RenameTenant { tenant, name }).await
    }

    /// Gives a tenant another home region; moving its objects is the caller's.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn move_tenant(&self, by: &By, tenant: TenantId, region: Region) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::MoveTenant { tenant, region }).await
    }

    /// Neither reads nor writes from now on.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn suspend(&self, by: &By, tenant: TenantId) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::Suspend { tenant }).await
    }

    /// Reads only from now on.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn seal(&self, by: &By, tenant: TenantId) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::Seal { tenant }).await
    }

    /// Reads and writes again.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn resume(&self, by: &By, tenant: TenantId) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::Resume { tenant }).await
    }

    /// Sets limits, or with `None` lifts them; those not named stay.
    ///
    /// # Errors
    /// [`Refusal::QuotaOutOfRange`], [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn set_quota(
        &self,
        by: &By,
        tenant: TenantId,
        limits: BTreeMap<Quota, Option<u64>>,
    ) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::SetQuota { tenant, limits }).await
    }

    /// Sets what a tenant's audit table records.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn set_read_audit(&self, by: &By, tenant: TenantId, level: ReadAudit) -> Result<Arc<Tenant>, Error> {
        self.change_tenant(by, tenant, Op::SetReadAudit { tenant, level }).await
    }

    /// Sets where a region's gateways are reached, or with `None` that they are not from here.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::TooMany`]; [`Error::Root`].
    pub async fn set_region(&self, by: &By, region: Region, address: Option<String>) -> Result<(), Error> {
        self.propose(by, Op::SetRegion { region, address }).await.map(|_| ())
    }

    /// Takes a tenant for a gateway: it is free, or its own already, or the lease has run out.
    ///
    /// # Errors
    /// [`Refusal::LeaseHeld`] with the holder's address; [`Refusal::WrongStatus`]; [`Error::Root`].
    pub async fn lease_acquire(
        &self,
        by: &By,
        tenant: TenantId,
        gateway: &GatewayId,
        address: &str,
        ttl_ms: u64,
    ) -> Result<Lease, Error> {
        let (gateway, address) = (gateway.clone(), address.to_owned());
        lease(self.propose(by, Op::AcquireLease { tenant, gateway, address, ttl_ms }).await?)
    }

    /// Keeps a tenant for its holder.
    ///
    /// # Errors
    /// [`Refusal::LeaseNotHeld`]; [`Error::Root`].
    pub async fn lease_renew(
        &self,
        by: &By,
        tenant: TenantId,
        gateway: &GatewayId,
        ttl_ms: u64,
    ) -> Result<Lease, Error> {
        lease(self.propose(by, Op::RenewLease { tenant, gateway: gateway.clone(), ttl_ms }).await?)
    }

    /// Gives a tenant back; one that is not held is no error.
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn lease_release(&self, by: &By, tenant: TenantId, gateway: &GatewayId) -> Result<(), Error> {
        self.propose(by, Op::ReleaseLease { tenant, gateway: gateway.clone() }).await.map(|_| ())
    }
}

fn lease(reply: Reply) -> Result<Lease, Error> {
    match reply {
        Reply::Lease(lease) => Ok(lease),
        _ => Err(Refusal::invalid("the request was answered with something else before").into()),
    }
}
