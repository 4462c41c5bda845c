//! A tenant's key service: what wraps and unwraps its namespace's data keys.
//!
//! ```text
//! fingerprint       kek:<namespace UUID>:<generation>
//! wrapped data key  nonce (16) ‖ AES-256-GCM(HKDF(KEK, salt = namespace UUID, "firn object v1" ‖ nonce ‖ fingerprint))
//! ```
//!
//! with the AAD `"firn wrapped data key v1"`. What the master key wrapped itself (a namespace made without a directory)
//! goes to the master key service.
//!
//! Promises: bound to one tenant, so a manifest copied from another does not open (I8); plain keys are kept for
//! [`KEPT`] at most, in memory that is wiped, and not at all once the tenant is being erased (KEK-2).
//! Never: a key of a tenant that the directory says is being erased.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use firn_manifest::ids::{NamespaceId, TenantId};
use firn_manifest::{Error, KeyContext, KeyErrorKind, KeyService, World};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::error::{integrity, key};
use crate::ids::DirectoryId;
use crate::kek::{self, Kek, kek_name};
use crate::log::Driver;
use crate::log::format::data_key;
use crate::tenant::{KekRef, Status, Tenant};

/// How long a plain key is kept at most.
pub const KEPT: Duration = Duration::from_secs(300);
/// How many are kept at most.
pub const KEPT_MOST: usize = 10_000;

const AAD: &[u8] = b"firn wrapped data key v1";

/// Plain key-encryption keys of one process.
#[derive(Debug, Default)]
pub(crate) struct KekCache(Mutex<BTreeMap<(NamespaceId, u32), (Duration, Secret)>>);

struct Secret(Arc<Kek>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(..)")
    }
}

impl KekCache {
    fn get(&self, namespace: NamespaceId, generation: u32, now: Duration) -> Option<Arc<Kek>> {
        let mut kept = self.0.lock();
        let (until, kek) = kept.get(&(namespace, generation))?;
        if now < *until {
            return Some(kek.0.clone());
        }
        kept.remove(&(namespace, generation));
        None
    }

    fn put(&self, namespace: NamespaceId, generation: u32, kek: Arc<Kek>, now: Duration) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT_MOST {
            kept.retain(|_, (until, _)| now < *until);
        }
        if kept.len() >= KEPT_MOST {
            let oldest = kept.iter().min_by_key(|(_, (until, _))| *until).map(|(id, _)| *id);
            oldest.map(|id| kept.remove(&id));
        }
        kept.insert((namespace, generation), (now.saturating_add(KEPT), Secret(kek)));
    }

    /// Drops every key of a namespace.
    pub(crate) fn forget(&self, namespace: NamespaceId) {
        self.0.lock().retain(|(of, _), _| *of != namespace);
    }

    /// Drops every key.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Drops what was kept long enough.
    pub(crate) fn expire(&self, now: Duration) {
        self.0.lock().retain(|_, (until, _)| now < *until);
    }

    /// How many keys are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// The key service of one tenant; cheap to clone.
#[derive(Clone, Debug)]
pub struct TenantKeys {
    driver: Driver,
    cache: Arc<KekCache>,
    tenant: TenantId,
    namespace: NamespaceId,
}

impl TenantKeys {
    pub(crate) fn new(driver: Driver, cache: Arc<KekCache>, tenant: &Tenant) -> Self {
        Self { driver, cache, tenant: tenant.id, namespace: tenant.namespace }
    }

    fn world(&self) -> &Arc<dyn World> {
        self.driver.store().world()
    }

    /// The tenant as last seen, if its keys may be used.
    fn tenant(&self) -> Result<Arc<Tenant>, Error> {
        let found = self.driver.state().tenant(self.tenant).cloned();
        let tenant = found.ok_or_else(|| {
            key(KeyErrorKind::Missing, format!("the directory has no tenant {}: check the store", self.tenant))
        })?;
        if matches!(tenant.status, Status::Erasing | Status::Erased) {
            self.cache.forget(self.namespace);
            return Err(erased(&tenant));
        }
        Ok(tenant)
    }

    /// The plain key of a generation: from the cache, or read, checked and unwrapped by the master key.
    async fn kek(&self, generation: u32) -> Result<Arc<Kek>, Error> {
        let mut refreshed = false;
        loop {
            let tenant = self.tenant()?;
            if let Some(kek) = self.cache.get(self.namespace, generation, self.world().monotonic()) {
                return Ok(kek);
            }
            if let Some(wanted) = tenant.kek_of(generation)
                && let Some(kek) = self.load(wanted).await?
            {
                let kek = Arc::new(kek);
                // the tenant may have been erased meanwhile
                self.tenant()?;
                self.cache.put(self.namespace, generation, kek.clone(), self.world().monotonic());
                return Ok(kek);
            }
            // the object is not there: erased, wrapped anew, or younger than what this process has seen
            if refreshed {
                return Err(missing(&tenant, generation));
            }
            refreshed = true;
            self.driver.refresh().await?;
        }
    }

    async fn load(&self, wanted: &KekRef) -> Result<Option<Kek>, Error> {
        let master = self.driver.master();
        kek::load(self.driver.store(), &*master, self.namespace, self.tenant, wanted).await
    }

    fn of_this(&self, context: &KeyContext) -> Result<(), Error> {
        if context.namespace == self.namespace {
            return Ok(());
        }
        Err(key(
            KeyErrorKind::Wrong,
            format!(
                "the namespace {} is not that of tenant {}, which is {} (I8): check the folder, or restore it from a backup",
                context.namespace, self.tenant, self.namespace
            ),
        ))
    }
}

#[async_trait]
impl KeyService for TenantKeys {
    fn describe(&self) -> String {
        format!("the key of tenant {} under {}", self.tenant, self.driver.master().describe())
    }

    fn namespace(&self) -> Option<NamespaceId> {
        Some(self.namespace)
    }

    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        self.of_this(context)?;
        let tenant = self.tenant()?;
        let Some(current) = tenant.kek() else {
            return Err(missing(&tenant, 0));
        };
        let kek = self.kek(current.generation).await?;
        let fingerprint = fingerprint(self.namespace, current.generation);
        let mut nonce = [0u8; 16];
        self.world().fill(&mut nonce);
        let wrapper = data_key(current.generation, DirectoryId(self.namespace.0), kek.as_slice())?;
        let sealed = wrapper.object_key(&fingerprint, &nonce).seal(0, AAD, plain)?;
        Ok((fingerprint, [nonce.as_slice(), &sealed].concat()))
    }

    async fn unwrap(
        &self,
        wrapped_by: &str,
        wrapped: &[u8],
        context: &KeyContext,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.of_this(context)?;
        let Some(named) = wrapped_by.strip_prefix("kek:") else {
            self.tenant()?;
            return self.driver.master().unwrap(wrapped_by, wrapped, context).await;
        };
        let (namespace, generation) = named.split_once(':').unwrap_or_default();
        if namespace != self.namespace.to_string() {
            let what = format!("the data key is wrapped by the key {wrapped_by:.64} of another tenant (I8)");
            return Err(key(KeyErrorKind::Wrong, what));
        }
        let damaged = || {
            let what = format!(
                "the wrapped data key of namespace {} was changed or belongs to another key (I8); restore the manifest",
                self.namespace
            );
            key(KeyErrorKind::Damaged, what)
        };
        let generation: u32 = generation.parse().map_err(|_| damaged())?;
        let kek = self.kek(generation).await?;
        let (nonce, sealed) = wrapped.split_first_chunk::<16>().ok_or_else(damaged)?;
        let wrapper = data_key(generation, DirectoryId(self.namespace.0), kek.as_slice())?;
        let fingerprint = fingerprint(self.namespace, generation);
        wrapper.object_key(&fingerprint, nonce).open(0, AAD, sealed).map(Zeroizing::new).map_err(|_| damaged())
    }
}

/// What names a tenant's key without revealing it.
#[must_use]
pub fn fingerprint(namespace: NamespaceId, generation: u32) -> String {
    format!("kek:{namespace}:{generation}")
}

fn erased(tenant: &Tenant) -> Error {
    let basis = tenant.erasure.as_ref().map_or("", |erasure| &erasure.basis);
    key(
        KeyErrorKind::Erased,
        format!(
            "tenant {} was erased ({basis}): its keys are destroyed, and nothing opens its data any more",
            tenant.id
        ),
    )
}

fn missing(tenant: &Tenant, generation: u32) -> Error {
    let Some(wanted) = tenant.kek_of(generation) else {
        return key(
            KeyErrorKind::Missing,
            format!(
                "tenant {} has no key-encryption key of generation {generation}: the directory is older than the manifest, \
                 or another one; restore both from the same backup",
                tenant.id
            ),
        );
    };
    integrity(
        &kek_name(tenant.namespace, wanted.generation, wanted.revision),
        format!("the wrapped key of tenant {} is not there although the tenant was not erased (KEK-1)", tenant.id),
    )
}
