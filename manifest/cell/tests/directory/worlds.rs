//! Worlds and stores for tests: virtual time, reproducible randomness, scripted faults.
//!
//! Promises: with the same seed the same run, byte for byte; waiting costs no time.
//! Never: a fault that was not scripted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use firn_manifest::store::{
    Backend, GetRange, ObjectInfo, Op, PutOutcome, Store, StoreError, StoreErrorKind, memory_backend,
};
use firn_manifest::{KeyService, StoreUri, World, key_service};
use futures::future::BoxFuture;
use parking_lot::Mutex;

/// Virtual time that moves only by sleeping, and a counter for randomness.
#[derive(Debug)]
pub struct TestWorld {
    now: Arc<Mutex<Duration>>,
    seed: Mutex<u64>,
}

impl TestWorld {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { now: Arc::default(), seed: Mutex::new(seed) })
    }
}

impl World for TestWorld {
    fn now_micros(&self) -> i64 {
        1_700_000_000_000_000 + i64::try_from(self.now.lock().as_micros()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock()
    }

    fn fill(&self, buf: &mut [u8]) {
        // splitmix64
        let mut seed = self.seed.lock();
        for byte in buf {
            *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (z ^ (z >> 31)).to_be_bytes()[0];
        }
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        let now = self.now.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            *now.lock() += d;
        })
    }
}

/// What happens to one PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// it works
    Works,
    /// it takes effect, and the reply is lost
    ReplyLost,
    /// it takes effect, and the reply says that the object exists (a retry below us)
    SaysExists,
    /// it takes no effect, and the store answers 409
    Conflict,
    /// it takes no effect; the error is of this kind
    Fails(StoreErrorKind),
    /// no answer ever comes; it takes effect when the next PUT arrives
    Delayed,
    /// no answer ever comes, no effect either
    Hangs,
}

/// What happens to one GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Get {
    Works,
    Fails(StoreErrorKind),
    /// the body ends half way, and nothing says so
    Short,
}

/// A store in memory whose requests go wrong as scripted; after the script all goes well.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Backend>,
    pub puts: Mutex<VecDeque<Put>>,
    pub gets: Mutex<VecDeque<Get>>,
    delayed: Mutex<Vec<(String, Bytes)>>,
}

impl Faulty {
    pub fn new(puts: &[Put], gets: &[Get]) -> Arc<Self> {
        Arc::new(Self {
            inner: memory_backend("memory://faulty"),
            puts: Mutex::new(puts.iter().copied().collect()),
            gets: Mutex::new(gets.iter().copied().collect()),
            delayed: Mutex::default(),
        })
    }

    /// The store without faults.
    pub fn calm(&self, world: Arc<dyn World>) -> Store {
        Store::from_backend(self.inner.clone(), "", world)
    }

    pub fn store(self: &Arc<Self>, world: Arc<dyn World>) -> Store {
        Store::from_backend(self.clone(), "", world)
    }

    fn error(kind: StoreErrorKind, op: Op, key: &str) -> StoreError {
        StoreError::new(kind, op, key, "memory://faulty", "scripted")
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        let step = self.gets.lock().pop_front();
        match step.unwrap_or(Get::Works) {
            Get::Works => self.inner.get(key, range).await,
            Get::Fails(kind) => Err(Self::error(kind, Op::Get, key)),
            Get::Short => self.inner.get(key, range).await.map(|bytes| bytes.slice(..bytes.len() / 2)),
        }
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let delayed = std::mem::take(&mut *self.delayed.lock());
        for (key, bytes) in delayed {
            self.inner.put_if_absent(&key, bytes).await?;
        }
        let step = self.puts.lock().pop_front();
        match step.unwrap_or(Put::Works) {
            Put::Works => self.inner.put_if_absent(key, bytes).await,
            Put::ReplyLost => {
                self.inner.put_if_absent(key, bytes).await?;
                Err(Self::error(StoreErrorKind::Unreachable, Op::Put, key))
            }
            Put::SaysExists => {
                self.inner.put_if_absent(key, bytes).await?;
                Ok(PutOutcome::Exists)
            }
            Put::Conflict => Ok(PutOutcome::Exists),
            Put::Fails(kind) => Err(Self::error(kind, Op::Put, key)),
            Put::Delayed => {
                self.delayed.lock().push((key.to_owned(), bytes));
                futures::future::pending().await
            }
            Put::Hangs => futures::future::pending().await,
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// A key service with its master key in `folder`.
pub fn local_keys(folder: &std::path::Path, world: Arc<dyn World>) -> Arc<dyn KeyService> {
    let uri = format!("memory://?kms=local:{}/master.key", folder.display());
    key_service(&StoreUri::parse(&uri).unwrap(), world).unwrap()
}

/// A plain store in memory, and what it is a view of.
pub fn memory_store(world: Arc<dyn World>) -> (Store, Arc<dyn Backend>) {
    let backend = memory_backend("memory://test");
    (Store::from_backend(backend.clone(), "", world), backend)
}
