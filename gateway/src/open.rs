//! From a URI on the command line to an open database or store.
//!
//! Promises: one way in for every command; a URI without namespace is refused before anything is touched.
//! Never: credentials are read from anywhere but the environment's standard chain.

use std::sync::Arc;

use firn_engine::{Database, Mode, OpenOptions};
use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::{Scheme, StoreUri};
use firn_manifest::world;

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
    Ok(Database::open(uri, OpenOptions { mode, ..OpenOptions::default() }).await?)
}

/// The view of a namespace's objects.
///
/// # Errors
/// If the store cannot be used.
pub fn store(uri: &StoreUri) -> Result<Store, Failure> {
    let name = uri.namespace()?;
    Ok(Store::connect(uri, world::system())?.namespace(name))
}

/// The service that holds the master key.
///
/// # Errors
/// If there is none of that kind.
pub fn keys(uri: &StoreUri) -> Result<Arc<dyn KeyService>, Failure> {
    Ok(key_service(uri, world::system())?)
}
