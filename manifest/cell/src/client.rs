//! The handle on a directory: one async method for each admin operation.
//!
//! Promises: cheap to clone, usable from every thread; what it answers is durable; a refusal is decided on a state that is
//! known to be current.
//! Never: a request for what [`DirectoryClient::state`] can answer; a token that is shown twice.

mod access;
mod erase;
mod rotate;
mod tenants;

use std::sync::Arc;
use std::time::Duration;

use firn_manifest::ids::{NamespaceId, NamespaceName, TenantId};
use firn_manifest::{KeyService, Store, World};
use parking_lot::Mutex;

pub use access::{NewGrant, NewKey};
pub use tenants::{CreatedKey, CreatedTenant, NewTenant};

use crate::audit::{AuditEntry, AuditQuery};
use crate::error::Error;
use crate::ids::{Actor, ClientId, EntrySeq, RequestNumber, Time};
use crate::log::format::Secrets;
use crate::log::{Driver, history, open};
use crate::op::{Command, Op, Reply, RequestId};
use crate::receipt::LogHead;
use crate::refusal::Refusal;
use crate::state::Directory;
use crate::tenant_keys::{KekCache, TenantKeys};

/// Who asks, and under which request id.
#[derive(Clone, Debug)]
pub struct By {
    /// who
    pub actor: Actor,
    /// a repetition of the same request is answered as the first time
    pub request: Option<RequestId>,
}

impl By {
    /// `actor` asks, once.
    #[must_use]
    pub fn new(actor: Actor) -> Self {
        Self { actor, request: None }
    }

    /// `actor` asks, and may ask again under the same numbers.
    #[must_use]
    pub fn request(self, client: ClientId, number: RequestNumber) -> Self {
        Self { request: Some(RequestId { client, number }), ..self }
    }
}

/// An open directory.
#[derive(Clone)]
pub struct DirectoryClient {
    driver: Driver,
    cache: Arc<KekCache>,
    secrets: Arc<Secrets>,
    public_key: Arc<str>,
    /// the highest tenant number that a creation of this process has asked for
    reserved: Arc<Mutex<u64>>,
}

impl std::fmt::Debug for DirectoryClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DirectoryClient {{ {:?} }}", self.driver)
    }
}

impl DirectoryClient {
    /// Opens the directory of a store (the view at its prefix, where namespaces stand side by side). Writes nothing.
    ///
    /// # Errors
    /// [`Error::NoDirectory`] if there is none; [`Error::Root`].
    pub async fn open(store: &Store, master: Arc<dyn KeyService>, writer: &str) -> Result<Self, Error> {
        match open::open(store, &*master).await? {
            Some(opened) => Ok(Self::start(store, master, writer, opened)),
            None => Err(Error::NoDirectory { store: store.describe() }),
        }
    }

    /// Opens the directory of a store, or creates it. Of several that create it at once one does.
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn open_or_create(store: &Store, master: Arc<dyn KeyService>, writer: &str) -> Result<Self, Error> {
        let opened = match open::open(store, &*master).await? {
            Some(opened) => opened,
            None => open::create(store, &*master, writer).await?,
        };
        Ok(Self::start(store, master, writer, opened))
    }

    fn start(store: &Store, master: Arc<dyn KeyService>, writer: &str, opened: (open::Cursor, Directory)) -> Self {
        let cache = Arc::new(KekCache::default());
        let secrets = Arc::new(opened.0.secrets.clone());
        let public_key = opened.0.public_key.as_str().into();
        let kept = cache.clone();
        let observer = Box::new(move |command: &Command, directory: &Directory| {
            if let Op::BeginErase { tenant, .. } | Op::DestroyKeys { tenant, .. } = &command.op
                && let Some(tenant) = directory.tenant(*tenant)
                && !tenant.status.alive()
            {
                kept.forget(tenant.namespace);
            }
        });
        let driver = Driver::start(store, master, writer, opened, observer);
        Self { driver, cache, secrets, public_key, reserved: Arc::default() }
    }

    /// The state as last seen; no request.
    #[must_use]
    pub fn state(&self) -> Arc<Directory> {
        self.driver.state()
    }

    /// The newest entry of the log that the state holds.
    #[must_use]
    pub fn head(&self) -> LogHead {
        self.driver.state_at().1
    }

    /// The state, proved current as of this call: one GET.
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn refresh(&self) -> Result<Arc<Directory>, Error> {
        Ok(self.driver.refresh().await?)
    }

    /// The state, current within the last `age`: no request if somebody asked since.
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn refresh_if_older(&self, age: Duration) -> Result<Arc<Directory>, Error> {
        Ok(self.driver.refresh_if_older(age).await?)
    }

    /// The Ed25519 public key that receipts are signed by, 64 hex digits.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The world of the directory's store.
    #[must_use]
    pub fn world(&self) -> &Arc<dyn World> {
        self.driver.store().world()
    }

    /// The time by this process's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.world().now_micros())
    }

    /// Has a command done.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Root`], with [`Error::unresolved`] if it is not known whether it was done.
    pub async fn propose(&self, by: &By, op: Op) -> Result<Reply, Error> {
        let command = Command { actor: by.actor.clone(), request: by.request.clone(), op };
        Ok(self.driver.propose(command).await??)
    }

    /// The key service of a tenant's namespace, for the engine that opens it. The tenant must be known to
    /// [`DirectoryClient::state`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn tenant_keys(&self, tenant: TenantId) -> Result<Arc<TenantKeys>, Error> {
        let state = self.state();
        let found = state.tenant(tenant).ok_or_else(|| Refusal::not_found("tenant", tenant))?;
        Ok(Arc::new(TenantKeys::new(self.driver.clone(), self.cache.clone(), found)))
    }

    /// Drops the plain keys that this process keeps of a namespace.
    pub fn forget_keys(&self, namespace: NamespaceId) {
        self.cache.forget(namespace);
    }

    /// Drops every plain key that this process keeps.
    pub fn forget_all_keys(&self) {
        self.cache.clear();
    }

    /// Wipes plain keys that were kept long enough; a gateway calls it from time to time, so that an idle tenant's key
    /// does not stay. Gives how many are kept still.
    pub fn expire_keys(&self) -> usize {
        self.cache.expire(self.world().monotonic());
        self.cache.len()
    }

    /// Audit entries, newest first: from the state where it has them, from the log where not (which reads back as far as
    /// it must to find `limit` of them).
    ///
    /// # Errors
    /// [`Error::Root`].
    pub async fn audit_trail(&self, query: &AuditQuery) -> Result<Vec<Arc<AuditEntry>>, Error> {
        let (state, head) = self.driver.state_at();
        let (found, more) = state.recent_audit(query);
        if !more {
            return Ok(found);
        }
        let (master, ring) = (self.driver.master(), self.driver.ring().await);
        Ok(history::audit(self.driver.store(), &*master, &ring, EntrySeq(head.seq.0), query).await?)
    }

    /// The salt of a name's SCRAM verifiers: the same for a name that a tenant bears and for one that nobody does.
    fn salt_of(&self, name: &str) -> [u8; 16] {
        let digest = crate::token::hmac(self.secrets.names.as_slice(), name.as_bytes());
        let mut salt = [0u8; 16];
        salt.copy_from_slice(&digest[..16]);
        salt
    }

    fn salt_of_tenant(&self, name: &NamespaceName) -> String {
        hex::encode(self.salt_of(name.as_str()))
    }
}
