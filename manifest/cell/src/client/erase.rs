//! Erasure: three calls, each of which can be repeated, by any process, after a crash at any point.
//!
//! | call | status after it | what is gone |
//! |---|---|---|
//! | `erase_begin` | pending | nothing; the tenant is out of service |
//! | `erase_keys` | erasing | every wrapped key; the data does not open any more |
//! | `erase_finish` | erased | the receipt is issued; the name is free |

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use firn_manifest::ids::TenantId;

use super::{By, DirectoryClient};
use crate::error::{Error, invalid};
use crate::kek;
use crate::op::Op;
use crate::receipt::{Objects, Receipt};
use crate::refusal::Refusal;
use crate::tenant::{ManifestHead, Status, Tenant};

impl DirectoryClient {
    /// Takes a tenant out of service for its erasure. The caller then closes its namespace wherever it is open.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Invalid`]; [`Error::Root`].
    pub async fn erase_begin(&self, by: &By, tenant: TenantId, basis: &str) -> Result<Arc<Tenant>, Error> {
        self.propose(by, Op::BeginErase { tenant, basis: basis.to_owned() }).await?;
        self.erasing(tenant)
    }

    /// Destroys a tenant's wrapped keys; `head` is its namespace's newest manifest. From here on nothing opens its data,
    /// nor any backup of it that holds no copy of `_directory/kek/`.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`] before [`DirectoryClient::erase_begin`]; [`Error::Root`].
    pub async fn erase_keys(
        &self,
        by: &By,
        tenant: TenantId,
        head: Option<ManifestHead>,
    ) -> Result<Arc<Tenant>, Error> {
        self.propose(by, Op::DestroyKeys { tenant, head }).await?;
        let found = self.erasing(tenant)?;
        self.destroy(&found).await?;
        Ok(found)
    }

    /// Issues the receipt, `objects` being what the caller did with the namespace's objects. Repeated, it answers the same
    /// bytes.
    ///
    /// # Errors
    /// [`Refusal::WrongStatus`] before [`DirectoryClient::erase_keys`]; [`Error::Root`].
    pub async fn erase_finish(&self, by: &By, tenant: TenantId, objects: Objects) -> Result<String, Error> {
        let state = self.refresh().await?;
        let found = state.tenant(tenant).ok_or_else(|| Refusal::not_found("tenant", tenant))?;
        if matches!(found.status, Status::Erasing | Status::Erased) {
            self.destroy(found).await?;
        }
        if let Some(receipt) = found.receipt() {
            return Ok(receipt.to_owned());
        }
        let at = self.now().max(state.now());
        let receipt = Receipt::of(found, at, objects, self.head());
        let signing = SigningKey::from_bytes(&self.secrets.signing);
        let receipt = receipt.map_or_else(|| Ok("{}".to_owned()), |receipt| receipt.sign(&signing));
        let receipt = receipt.map_err(|what| invalid("a receipt", what))?;
        self.propose(by, Op::FinishErase { tenant, receipt }).await?;
        // of several that finish at once, the first one's
        let first = self.erasing(tenant)?.receipt().map(str::to_owned);
        first.ok_or_else(|| Refusal::not_found("receipt of tenant", tenant).into())
    }

    fn erasing(&self, tenant: TenantId) -> Result<Arc<Tenant>, Error> {
        let found = self.state().tenant(tenant).cloned();
        let found = found.ok_or_else(|| Refusal::not_found("tenant", tenant))?;
        self.cache.forget(found.namespace);
        Ok(found)
    }

    async fn destroy(&self, tenant: &Tenant) -> Result<(), Error> {
        let prefix = kek::kek_prefix(tenant.namespace, None);
        let destroyed = kek::destroy(self.driver.store(), &prefix).await?;
        tracing::info!(tenant = tenant.id.0, keys = destroyed.len(), "wrapped keys of an erased tenant are destroyed");
        Ok(())
    }
}
