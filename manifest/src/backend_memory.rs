//! A store in this process's memory: for tests and for trying things out.
//!
//! Promises: the same behaviour as a durable store for as long as the process lives; URIs of one name share one store.
//! Never: anything that outlives the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::backend::{Backend, GetRange, ObjectInfo, PutOutcome, clamp};
use crate::error::{StoreError, StoreErrorKind};
use crate::tally::Op;

/// Objects in a sorted map.
#[derive(Debug)]
pub(crate) struct MemoryBackend {
    place: String,
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryBackend {
    /// An empty store that calls itself `place` in messages.
    pub(crate) fn new(place: &str) -> Self {
        Self { place: place.to_owned(), objects: Mutex::default() }
    }
}

/// The store of that name: the same one for every caller in this process.
pub(crate) fn named(name: &str) -> Arc<dyn Backend> {
    static STORES: OnceLock<Mutex<HashMap<String, Arc<MemoryBackend>>>> = OnceLock::new();
    let mut stores = STORES.get_or_init(Mutex::default).lock();
    stores.entry(name.to_owned()).or_insert_with(|| Arc::new(MemoryBackend::new(&format!("memory://{name}")))).clone()
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        let error = |kind, message: &str| Err(StoreError::new(kind, Op::Get, key, &self.place, message));
        let Some(bytes) = self.objects.lock().get(key).cloned() else {
            return error(StoreErrorKind::NotFound, "there is no such object");
        };
        match clamp(&range, bytes.len() as u64) {
            Some(r) => Ok(bytes.slice(r.start as usize..r.end as usize)),
            None => error(StoreErrorKind::Short, "the range begins beyond the object's end"),
        }
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let mut objects = self.objects.lock();
        if objects.contains_key(key) {
            return Ok(PutOutcome::Exists);
        }
        objects.insert(key.to_owned(), bytes);
        Ok(PutOutcome::Created)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let objects = self.objects.lock();
        Ok(objects
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit.unwrap_or(usize::MAX))
            .map(|(key, bytes)| ObjectInfo { key: key.clone(), size: bytes.len() as u64 })
            .collect())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.objects.lock().remove(key);
        Ok(())
    }

    fn describe(&self) -> String {
        self.place.clone()
    }
}
