//! Rotation of keys, online.
//!
//! | level | what is made anew | what stays |
//! |---|---|---|
//! | master | the wrapping of every KEK and of the directory's data keys | the keys themselves |
//! | kek | a tenant's KEK: a new generation wraps from now on | the old generation, until it wraps nothing any more |
//! | dek | a namespace's data key; the manifest's and the engine's | |
//!
//! After `rotate_kek` the engine wraps the namespace's data keys anew (unwrap, wrap, a manifest of kind `configure`); when
//! no manifest that must still open names the old generation, `retire_kek` destroys it.

use std::sync::Arc;

use async_trait::async_trait;
use firn_manifest::ids::TenantId;
use firn_manifest::{KeyContext, KeyErrorKind, KeyService};
use zeroize::Zeroizing;

use super::{By, DirectoryClient};
use crate::error::Error;
use crate::kek::{self, kek_name, kek_prefix};
use crate::op::Op;
use crate::refusal::Refusal;
use crate::tenant::{KekRef, Status, Tenant};

/// How often a rotation is tried anew while other processes rotate the same key.
const ATTEMPTS: usize = 8;

/// Two master key services: the first wraps, both unwrap.
#[derive(Clone, Debug)]
pub struct MasterPair {
    /// the one that wraps
    pub new: Arc<dyn KeyService>,
    /// the one that wrapped before
    pub old: Arc<dyn KeyService>,
}

#[async_trait]
impl KeyService for MasterPair {
    fn describe(&self) -> String {
        format!("{} (before: {})", self.new.describe(), self.old.describe())
    }

    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), firn_manifest::Error> {
        self.new.wrap(plain, context).await
    }

    async fn unwrap(
        &self,
        wrapped_by: &str,
        wrapped: &[u8],
        context: &KeyContext,
    ) -> Result<Zeroizing<Vec<u8>>, firn_manifest::Error> {
        match self.new.unwrap(wrapped_by, wrapped, context).await {
            Err(firn_manifest::Error::Key { kind: KeyErrorKind::Wrong | KeyErrorKind::Missing, .. }) => {
                self.old.unwrap(wrapped_by, wrapped, context).await
            }
            answer => answer,
        }
    }
}

impl DirectoryClient {
    /// Makes a new generation of a tenant's key-encryption key; it wraps from now on. Two PUTs.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`], [`Refusal::KekChanged`] if others keep rotating it; [`Error::Root`].
    pub async fn rotate_kek(&self, by: &By, tenant: TenantId) -> Result<KekRef, Error> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let found = self.alive(tenant).await?;
            let generation = found.kek().map_or(0, |kek| kek.generation).saturating_add(1);
            let key = kek::generate(&**self.world());
            let of = (found.namespace, tenant);
            let stored = kek::store(self.driver.store(), &*self.driver.master(), of, (generation, 1), &key).await?;
            match self.propose(by, Op::AddKek { tenant, kek: stored.clone() }).await {
                Ok(_) => return Ok(stored),
                Err(Error::Refused(refusal @ Refusal::KekChanged { .. })) => last = Some(refusal),
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| Refusal::not_found("tenant", tenant)).into())
    }

    /// Destroys a generation that wraps nothing any more. The caller has made sure of that: no manifest that must still
    /// open (the newest one, those of pins and backups) names its fingerprint.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for the newest generation, [`Refusal::NotFound`]; [`Error::Root`].
    pub async fn retire_kek(&self, by: &By, tenant: TenantId, generation: u32) -> Result<(), Error> {
        self.propose(by, Op::RetireKek { tenant, generation }).await?;
        let found = self.state().tenant(tenant).cloned();
        let found = found.ok_or_else(|| Refusal::not_found("tenant", tenant))?;
        self.cache.forget(found.namespace);
        kek::destroy(self.driver.store(), &kek_prefix(found.namespace, Some(generation))).await?;
        Ok(())
    }

    /// Wraps every key-encryption key, and the directory's own data keys, anew by `to`, which is the master key service of
    /// this handle from then on; other processes need one that unwraps both until it is done. Cut short, it is done to its
    /// end by calling it again. Gives how many keys it wrapped.
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn rotate_master(&self, by: &By, to: Arc<dyn KeyService>) -> Result<usize, Error> {
        let both: Arc<dyn KeyService> = Arc::new(MasterPair { new: to.clone(), old: self.driver.master() });
        self.driver.set_master(both);
        let state = self.refresh().await?;
        let mut wrapped = 0;
        for tenant in state.tenants(None).filter(|tenant| tenant.status.alive()) {
            // which key `to` wraps by, it says only when it wraps
            let (current, _) = to.wrap(&[0; 32], &kek::context(tenant.namespace, tenant.id)).await?;
            let stale = |kek: &&KekRef| kek.retired_at.is_none() && kek.wrapped_by != current;
            for known in tenant.keks.iter().filter(stale) {
                wrapped += usize::from(self.rewrap(by, tenant, known, &*to).await?);
            }
        }
        self.driver.rewrap(&*to).await?;
        Ok(wrapped)
    }

    async fn rewrap(&self, by: &By, tenant: &Tenant, known: &KekRef, to: &dyn KeyService) -> Result<bool, Error> {
        let (store, master) = (self.driver.store(), self.driver.master());
        let Some(key) = kek::load(store, &*master, tenant.namespace, tenant.id, known).await? else {
            // erased or wrapped anew by another process meanwhile
            return Ok(false);
        };
        let next = (known.generation, known.revision.saturating_add(1));
        let stored = kek::store(store, to, (tenant.namespace, tenant.id), next, &key).await?;
        match self.propose(by, Op::RewrapKek { tenant: tenant.id, kek: stored }).await {
            Ok(_) => {}
            Err(Error::Refused(Refusal::KekChanged { .. } | Refusal::WrongStatus { .. })) => return Ok(false),
            Err(e) => return Err(e),
        }
        store.delete(&kek_name(tenant.namespace, known.generation, known.revision)).await?;
        Ok(true)
    }

    /// Deletes wrapped keys that a crash left: superseded wrappings, retired generations, keys of erased tenants. Keys that
    /// no tenant names are left: their tenant may be in the making. Gives the names.
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn sweep_keys(&self) -> Result<Vec<String>, Error> {
        let store = self.driver.store();
        let found = store.list(kek::FOLDER, None, None).await?;
        let state = self.refresh().await?;
        let mut swept = Vec::new();
        for object in found {
            let Some(tenant) = kek::parse_kek_name(&object.key).and_then(|namespace| state.tenant_of(namespace)) else {
                continue;
            };
            let gone = matches!(tenant.status, Status::Erasing | Status::Erased);
            let superseded = tenant.keks.iter().any(|kek| {
                let names = |revision| kek_name(tenant.namespace, kek.generation, revision) == object.key;
                (kek.retired_at.is_some()
                    && object.key.starts_with(&kek_prefix(tenant.namespace, Some(kek.generation))))
                    || (1..kek.revision).any(names)
            });
            if gone || superseded {
                store.delete(&object.key).await?;
                swept.push(object.key);
            }
        }
        Ok(swept)
    }

    /// The tenant, known to be current, if no erasure of it was begun.
    async fn alive(&self, tenant: TenantId) -> Result<Arc<Tenant>, Error> {
        let found = self.refresh().await?.tenant(tenant).cloned();
        let found = found.ok_or_else(|| Refusal::not_found("tenant", tenant))?;
        if found.status.alive() {
            return Ok(found);
        }
        Err(Refusal::WrongStatus {
            tenant,
            status: found.status,
            op: "rotation".to_owned(),
            allowed: "active, suspended or sealed".to_owned(),
        }
        .into())
    }
}
