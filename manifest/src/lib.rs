//! The root of a FirnDB namespace: where it lives, who may write it, what its newest state is, and which keys open it.
//!
//! Promises: every object is created by put-if-absent and never overwritten; every manifest names its predecessor by
//! hash; opening to read writes nothing.
//! Never: SQL, HTTP or any policy of what to store; `object_store` types never leave this crate.

pub mod canary;
pub mod chain;
pub mod codec;
pub mod crypto;
pub mod error;
pub mod ids;
pub mod keys;
pub mod model;
pub mod schema;
pub mod slot;
pub mod store;
pub mod tally;
pub mod uri;
pub mod world;

pub mod backend;
mod backend_file;
mod backend_memory;
mod backend_object;
pub mod validate;

pub use chain::{Draft, Head, Namespace};
pub use crypto::{DataKey, KeyRing, ObjectKey};
pub use error::{Error, KeyErrorKind, StoreError, StoreErrorKind};
pub use keys::{KeyContext, KeyService, key_service};
pub use slot::SlotOutcome;
pub use store::{Backend, GetRange, ObjectInfo, PutOutcome, Store};
pub use tally::{Cause, Op, RequestTotal, Tally, TallySummary};
pub use uri::{KmsSpec, Scheme, StoreUri};
pub use world::{World, new_ulid, new_uuid, system};
