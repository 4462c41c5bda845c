//! The directory's promises, attacked through its public interface.
//!
//! Promises: each test says in its name what must hold, and fails when it does not.
//! Never: real time, real randomness (except against the real file system), or a network.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod erasure;
mod faults;
mod formats;
mod keys;
mod log;
mod random;
mod state;
mod worlds;

use std::sync::Arc;

use firn_cell::{By, DirectoryClient, NewTenant, Region, Tenant, TenantId};
use firn_manifest::ids::NamespaceName;
use firn_manifest::{KeyService, Store, World};

/// A directory with its master key in a folder of its own.
pub(crate) struct Bed {
    // holds the master key
    _folder: tempfile::TempDir,
    pub(crate) world: Arc<dyn World>,
    pub(crate) store: Store,
    pub(crate) master: Arc<dyn KeyService>,
}

impl Bed {
    pub(crate) fn new(store: Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = store.world().clone();
        let master = worlds::local_keys(folder.path(), world.clone());
        Self { _folder: folder, world, store, master }
    }

    pub(crate) fn in_memory() -> Self {
        Self::new(worlds::memory_store(worlds::TestWorld::new(1)).0)
    }

    /// Opens or creates the directory: another process.
    pub(crate) async fn client(&self) -> DirectoryClient {
        DirectoryClient::open_or_create(&self.store, self.master.clone(), "firn test").await.unwrap()
    }

    pub(crate) async fn client_on(&self, store: &Store) -> DirectoryClient {
        DirectoryClient::open_or_create(store, self.master.clone(), "firn test").await.unwrap()
    }
}

pub(crate) fn by() -> By {
    By::new("operator".parse().unwrap())
}

pub(crate) fn name(text: &str) -> NamespaceName {
    text.parse().unwrap()
}

pub(crate) fn region() -> Region {
    "eu-1".parse().unwrap()
}

/// A tenant without a key: the fewest requests.
pub(crate) fn plain(text: &str) -> NewTenant {
    NewTenant { key: None, ..NewTenant::named(name(text)) }
}

pub(crate) async fn tenant(client: &DirectoryClient, text: &str) -> Arc<Tenant> {
    client.create_tenant(&by(), plain(text)).await.unwrap().tenant
}

pub(crate) fn id(n: u64) -> TenantId {
    TenantId(n)
}
