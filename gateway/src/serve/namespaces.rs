//! The namespaces that this process has open: opened when a statement needs them, closed when nobody does.
//!
//! Promises: a namespace is open once; an idle one is closed and costs nothing; one that was fenced is opened anew for the
//! next statement, never taken back by itself.
//! Never: a tenant's database is given for another tenant, whatever names they bear (I8).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use firn_cell::{DirectoryClient, Tenant, TenantId};
use firn_engine::{Database, Error, OpenOptions};
use firn_manifest::store::Store;
use parking_lot::Mutex;

/// A namespace that no statement used for so long is closed.
pub const IDLE: Duration = Duration::from_secs(60);
/// Namespaces that are open at most; beyond it those that were not used for longest are closed, if they are idle.
pub const MOST: usize = 1_000;

/// The open namespaces of a process.
pub struct Namespaces {
    store: Store,
    directory: DirectoryClient,
    open: Mutex<HashMap<TenantId, Open>>,
}

struct Open {
    database: Arc<Database>,
    used: Duration,
}

impl Namespaces {
    /// None is open yet. `store` is the root that namespaces stand in.
    #[must_use]
    pub fn new(store: Store, directory: DirectoryClient) -> Self {
        Self { store, directory, open: Mutex::default() }
    }

    /// The tenant's database; nothing is asked of the store before a statement needs it.
    ///
    /// # Errors
    /// If the directory does not know the tenant.
    pub async fn database(&self, tenant: &Tenant) -> Result<Arc<Database>, firn_cell::Error> {
        let now = self.store.world().monotonic();
        if let Some(open) = self.open.lock().get_mut(&tenant.id) {
            open.used = now;
            return Ok(open.database.clone());
        }
        let keys = self.directory.tenant_keys(tenant.id)?;
        let options = OpenOptions { world: self.store.world().clone(), ..OpenOptions::default() };
        let fresh = Database::open_in(self.store.namespace(&tenant.folder), keys, options).await;
        let fresh = fresh.map_err(|e| firn_cell::Refusal::invalid(e.to_string()))?;
        let mut all = self.open.lock();
        let open = all.entry(tenant.id).or_insert(Open { database: fresh, used: now });
        Ok(open.database.clone())
    }

    /// The tenant's namespace is there from now on: a tenant that was just created gets its first manifest.
    ///
    /// # Errors
    /// Store, key and integrity errors.
    pub async fn create(&self, tenant: &Tenant) -> Result<(), Error> {
        let database = self.database(tenant).await.map_err(|e| Error::internal(e.to_string()))?;
        database.writer().await.map(|_| ())
    }

    /// Lets a database go that is of no use any more; statements that still use it keep it.
    pub fn drop_fenced(&self, tenant: TenantId, database: &Arc<Database>) {
        let mut all = self.open.lock();
        if all.get(&tenant).is_some_and(|open| Arc::ptr_eq(&open.database, database)) {
            all.remove(&tenant);
        }
    }

    /// Lets go of everything of a tenant, its decoded rows and its keys included.
    pub fn forget(&self, tenant: &Tenant) {
        self.open.lock().remove(&tenant.id);
        self.directory.forget_keys(tenant.namespace);
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Closes what is idle.
    pub async fn sweep(&self) {
        let now = self.store.world().monotonic();
        let idle: Vec<Arc<Database>> = {
            let mut all = self.open.lock();
            let mut unused: Vec<(TenantId, Duration)> = all
                .iter()
                .filter(|(_, open)| Arc::strong_count(&open.database) == 1)
                .map(|(id, open)| (*id, open.used))
                .collect();
            unused.sort_unstable_by_key(|(_, used)| *used);
            let beyond = all.len().saturating_sub(MOST);
            let closing = unused
                .into_iter()
                .enumerate()
                .filter(|(place, (_, used))| *place < beyond || now.saturating_sub(*used) >= IDLE)
                .filter_map(|(_, (id, _))| all.remove(&id));
            closing.map(|open| open.database).collect()
        };
        close(idle).await;
    }

    /// Closes all of them, for a process that ends.
    pub async fn close(&self) {
        let all: Vec<Arc<Database>> = self.open.lock().drain().map(|(_, open)| open.database).collect();
        close(all).await;
    }
}

/// Everything acknowledged is in the log; closing only shortens it.
async fn close(databases: Vec<Arc<Database>>) {
    for database in databases {
        if let Err(error) = database.close().await {
            tracing::warn!(%error, "a log could not be shortened; everything in it stays");
        }
    }
}
