//! From the URI of a store to its tenant directory.
//!
//! Promises: one way to it for the server and the commands; opening it writes nothing unless it is to be created.
//! Never: a namespace's name in the URI: the directory stands beside all of them.

use std::sync::Arc;

use firn_cell::DirectoryClient;
use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::{Scheme, StoreUri};
use firn_manifest::world;

use crate::exit::Failure;

/// Reads the URI of a store without a namespace.
///
/// # Errors
/// Usage: what is wrong with it and what is allowed.
pub fn parse_uri(text: &str) -> Result<StoreUri, Failure> {
    let uri = StoreUri::parse(text).map_err(|e| Failure::Usage(e.to_string()))?;
    if uri.namespace().is_ok() {
        return Err(Failure::Usage(format!("{text} names a namespace: leave ns= away, the store holds all of them")));
    }
    if uri.scheme == Scheme::Gateway {
        return Err(Failure::Usage(format!(
            "{text} names a gateway: give the store's own URI (file://, s3://, gs://, az://)"
        )));
    }
    Ok(uri)
}

/// The store's root, where namespaces and the directory stand side by side.
///
/// # Errors
/// If the store cannot be used.
pub fn root(uri: &StoreUri) -> Result<Store, Failure> {
    Ok(Store::connect(uri, world::system())?)
}

/// The directory of a store.
///
/// # Errors
/// If there is none; store, key and integrity errors.
pub async fn open(uri: &StoreUri) -> Result<DirectoryClient, Failure> {
    let keys = key_service(uri, world::system())?;
    Ok(DirectoryClient::open(&root(uri)?, keys, firn_engine::BUILD).await?)
}

/// The directory of a store, created if there is none.
///
/// # Errors
/// Store, key and integrity errors.
pub async fn open_or_create(uri: &StoreUri) -> Result<DirectoryClient, Failure> {
    open_or_create_with(uri, key_service(uri, world::system())?).await
}

/// The same with that master key.
///
/// # Errors
/// See [`open_or_create`].
pub async fn open_or_create_with(uri: &StoreUri, master: Arc<dyn KeyService>) -> Result<DirectoryClient, Failure> {
    Ok(DirectoryClient::open_or_create(&root(uri)?, master, firn_engine::BUILD).await?)
}
