//! From a URI on the command line to an open database or store.
//!
//! Promises: one way in for every command; a URI without namespace is refused before anything is touched.
//! Never: credentials are read from anywhere but the environment's standard chain.

use std::sync::Arc;

use async_trait::async_trait;
use firn_cell::{DirectoryClient, TenantKeys};
use firn_engine::{Database, Mode, OpenOptions};
use firn_manifest::ids::NamespaceId;
use firn_manifest::keys::{KeyContext, KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::{Scheme, StoreUri};
use firn_manifest::{Error, KeyErrorKind, world};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::exit::Failure;

/// Reads the URI of a namespace.
///
/// # Errors
/// Usage: what is wrong with it and what is allowed.
pub fn parse_uri(text: &str) -> Result<StoreUri, Failure> {
    let uri = StoreUri::parse(text).map_err(|e| Failure::Usage(e.to_string()))?;
    uri.namespace().map_err(|e| Failure::Usage(e.to_string()))?;
    if uri.scheme == Scheme::Gateway {
        return Err(Failure::Usage(format!(
            "{text} names a gateway, and this build opens stores directly: give the store's own URI (file://, s3://, gs://, az://)"
        )));
    }
    Ok(uri)
}

/// Opens a namespace; nothing is written before the first statement that writes.
///
/// # Errors
/// If the store or the key cannot be used.
pub async fn database(uri: &StoreUri, read_only: bool) -> Result<Arc<Database>, Failure> {
    let mode = if read_only { Mode::ReadOnly } else { Mode::ReadWrite };
    Ok(Database::open_with(uri, keys(uri)?, OpenOptions { mode, ..OpenOptions::default() }).await?)
}

/// The view of a namespace's objects.
///
/// # Errors
/// If the store cannot be used.
pub fn store(uri: &StoreUri) -> Result<Store, Failure> {
    let name = uri.namespace()?;
    Ok(Store::connect(uri, world::system())?.namespace(name))
}

/// What opens a namespace: the master key, and for a tenant's namespace the key that the directory beside it keeps.
///
/// # Errors
/// If there is no key service of that kind.
pub fn keys(uri: &StoreUri) -> Result<Arc<dyn KeyService>, Failure> {
    let master = key_service(uri, world::system())?;
    let root = Store::connect(uri, world::system())?;
    Ok(Arc::new(DirectKeys { master, root, tenant: OnceCell::new() }))
}

/// The keys of whoever has the store and the master key at hand.
#[derive(Debug)]
struct DirectKeys {
    master: Arc<dyn KeyService>,
    root: Store,
    /// once a data key was met that a tenant's key wrapped
    tenant: OnceCell<Arc<TenantKeys>>,
}

impl DirectKeys {
    async fn tenant(&self, namespace: NamespaceId) -> Result<&Arc<TenantKeys>, Error> {
        let open = || async {
            let refused = |message: String| Error::Key { kind: KeyErrorKind::Missing, message };
            let opened = DirectoryClient::open(&self.root, self.master.clone(), firn_engine::BUILD).await;
            let directory = opened.map_err(|e| match e {
                firn_cell::Error::Root(root) => root,
                other => refused(format!("namespace {namespace} is sealed by a tenant's key, and {other}")),
            })?;
            let tenant = directory.state().tenant_of(namespace).map(|tenant| tenant.id);
            let what = || {
                format!(
                    "namespace {namespace} is sealed by a tenant's key, and the directory of this store \
                 knows no such tenant: name the store it belongs to"
                )
            };
            let tenant = tenant.ok_or_else(|| refused(what()))?;
            directory.tenant_keys(tenant).map_err(|e| refused(e.to_string()))
        };
        self.tenant.get_or_try_init(open).await
    }
}

#[async_trait]
impl KeyService for DirectKeys {
    fn describe(&self) -> String {
        self.master.describe()
    }

    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        match self.tenant.get() {
            Some(keys) => keys.wrap(plain, context).await,
            None => self.master.wrap(plain, context).await,
        }
    }

    async fn unwrap(&self, by: &str, wrapped: &[u8], context: &KeyContext) -> Result<Zeroizing<Vec<u8>>, Error> {
        if by.starts_with("kek:") {
            return self.tenant(context.namespace).await?.unwrap(by, wrapped, context).await;
        }
        self.master.unwrap(by, wrapped, context).await
    }
}
