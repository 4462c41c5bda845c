//! What the tests of this crate share: a world without chance, a ring of two keys, an object held in memory.
//!
//! Promises: the same bytes in every run, wherever a format leaves nothing to another library's chance.
//! Never: linked outside tests.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use firn_manifest::ids::NamespaceId;
use firn_manifest::{DataKey, KeyRing, Op, StoreError, StoreErrorKind, World};
use firn_segment::RangeSource;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use uuid::Uuid;

/// Time stands still, and "random" bytes are a hash of how often they were asked for.
#[derive(Debug, Default)]
pub struct FixedWorld {
    draws: AtomicU64,
}

impl World for FixedWorld {
    fn now_micros(&self) -> i64 {
        1_700_000_000_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn fill(&self, buf: &mut [u8]) {
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&draw.to_be_bytes());
        hasher.finalize_xof().fill(buf);
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }
}

pub fn namespace(n: u128) -> NamespaceId {
    NamespaceId(Uuid::from_u128(n))
}

/// Keys 1 and 2 of a namespace; 2 is active.
pub fn ring(n: u128) -> KeyRing {
    let key = |id: u32| DataKey::new(id, namespace(n), &[id as u8; 32]).unwrap();
    KeyRing::new(namespace(n), vec![key(1), key(2)], 2).unwrap()
}

/// An object in memory that counts its reads.
#[derive(Debug)]
pub struct Object {
    pub bytes: Bytes,
    pub reads: AtomicUsize,
    pub read_bytes: AtomicU64,
}

impl Object {
    pub fn new(bytes: impl Into<Bytes>) -> Arc<Self> {
        Arc::new(Self { bytes: bytes.into(), reads: AtomicUsize::new(0), read_bytes: AtomicU64::new(0) })
    }

    pub fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }

    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.swap(0, Ordering::Relaxed)
    }
}

impl RangeSource for Object {
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_bytes.fetch_add(range.end - range.start, Ordering::Relaxed);
        let size = self.bytes.len() as u64;
        let answer = if range.start <= range.end && range.start <= size {
            // a store cuts a range off at the object's end
            Ok(self.bytes.slice(range.start as usize..range.end.min(size) as usize))
        } else {
            Err(StoreError::new(StoreErrorKind::Short, Op::Get, "object", "memory", "range not satisfiable"))
        };
        futures::future::ready(answer).boxed()
    }
}

/// Whether `needle` stands anywhere in `hay`.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}
