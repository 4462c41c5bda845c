//! The store as everything above sees it: a counted view below a prefix, over a [`Backend`].
//!
//! Promises: an object is created whole or not at all, and never overwritten (I1); a conditional PUT is one attempt;
//! every request is counted; a range comes back whole or not at all.
//! Never: an overwriting PUT, an ETag or a LastModified.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::ids::NamespaceName;
use crate::tally::Totals;
use crate::uri::{Scheme, StoreUri};
use crate::world::World;
use crate::{backend_file, backend_memory, backend_object};

pub use crate::backend::{Backend, GetRange, ObjectInfo, PutOutcome};
pub use crate::error::{StoreError, StoreErrorKind};
pub use crate::tally::{Cause, Op, RequestTotal, Tally, TallySummary};

/// Keys in one answer of a LIST; a longer listing is counted as several requests.
pub const LIST_PAGE: usize = 1_000;

/// How often the put-if-absent self-test is tried when the store does not answer it.
const CHECK_ATTEMPTS: u32 = 3;

#[derive(Debug)]
struct Shared {
    backend: Arc<dyn Backend>,
    world: Arc<dyn World>,
    totals: Totals,
    put_if_absent_checked: AtomicBool,
}

/// A store in memory of its own, shared with nobody; it calls itself `place` in messages.
#[must_use]
pub fn memory_backend(place: &str) -> Arc<dyn Backend> {
    Arc::new(backend_memory::MemoryBackend::new(place))
}

/// A view of a store below a prefix; cheap to clone. Keys are relative to the view.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// empty, or ends in `/`
    prefix: String,
    namespace: Option<Arc<str>>,
    cause: Cause,
    tally: Option<Arc<Tally>>,
    round: Option<u64>,
}

impl Store {
    /// Connects to the store of `uri`; the view is at the URI's prefix, where namespaces stand side by side. No request
    /// is made.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] if the URI and the environment do not make a client.
    pub fn connect(uri: &StoreUri, world: Arc<dyn World>) -> Result<Self, StoreError> {
        Self::connect_through(uri, world, |backend| backend)
    }

    /// As [`Store::connect`], with the backend wrapped by `wrap`: where a simulator or a test puts faults and counters.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub fn connect_through(
        uri: &StoreUri,
        world: Arc<dyn World>,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    ) -> Result<Self, StoreError> {
        let (backend, prefix): (Arc<dyn Backend>, &str) = match uri.scheme {
            Scheme::File => (Arc::new(backend_file::FileBackend::new(&uri.prefix, world.clone())), ""),
            Scheme::Memory => (backend_memory::named(&uri.bucket), &uri.prefix),
            Scheme::S3 | Scheme::Gcs | Scheme::Azure => (backend_object::connect(uri)?, &uri.prefix),
            Scheme::Gateway => {
                return Err(StoreError::new(
                    StoreErrorKind::Refused,
                    Op::Get,
                    "",
                    &uri.to_string(),
                    "this is a gateway, not a store; name the store itself (s3://, gs://, az://, file://, memory://)",
                ));
            }
        };
        Ok(Self::from_backend(wrap(backend), prefix, world))
    }

    /// A view of `backend` at `prefix` (empty for its root).
    pub fn from_backend(backend: Arc<dyn Backend>, prefix: &str, world: Arc<dyn World>) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                world,
                totals: Totals::default(),
                put_if_absent_checked: AtomicBool::new(false),
            }),
            prefix: below("", prefix),
            namespace: None,
            cause: Cause::Other,
            tally: None,
            round: None,
        }
    }

    /// The view of one namespace.
    #[must_use]
    pub fn namespace(&self, ns: &NamespaceName) -> Self {
        Self { prefix: below(&self.prefix, ns.as_str()), namespace: Some(ns.as_str().into()), ..self.clone() }
    }

    /// The same view, its requests counted under `cause`.
    #[must_use]
    pub fn for_cause(&self, cause: Cause) -> Self {
        Self { cause, ..self.clone() }
    }

    /// The same view, its requests counted in `tally` as well as in the store's totals.
    #[must_use]
    pub fn with_tally(&self, tally: Arc<Tally>) -> Self {
        Self { tally: Some(tally), round: None, ..self.clone() }
    }

    /// The same view, for requests that do not wait for one another: they count as one round trip after those that have
    /// ended by now, however late each of them begins.
    #[must_use]
    pub fn round(&self) -> Self {
        Self { round: self.tally.as_ref().map(|tally| tally.next_depth()), ..self.clone() }
    }

    /// The same view, counted in the store's totals only.
    #[must_use]
    pub fn without_tally(&self) -> Self {
        Self { tally: None, round: None, ..self.clone() }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// As the store says; [`StoreErrorKind::NotFound`] if it is not there.
    pub async fn get(&self, key: &str) -> Result<Bytes, StoreError> {
        self.get_range(key, GetRange::All).await
    }

    /// Reads a range of an object. An empty range is answered without a request.
    ///
    /// # Errors
    /// As the store says; [`StoreErrorKind::Short`] if the object is shorter than a bounded range.
    pub async fn get_range(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        let expected = match &range {
            GetRange::Bounded(r) if r.start >= r.end => return Ok(Bytes::new()),
            GetRange::Suffix(0) => return Ok(Bytes::new()),
            GetRange::Bounded(r) => Some(r.end - r.start),
            GetRange::All | GetRange::Suffix(_) => None,
        };
        let full = self.full(key);
        let bytes = self
            .counted(Op::Get, 0, self.shared.backend.get(&full, range), |bytes: &Bytes| (bytes.len() as u64, 0))
            .await?;
        match expected {
            Some(expected) if bytes.len() as u64 != expected => Err(StoreError::new(
                StoreErrorKind::Short,
                Op::Get,
                &full,
                &self.shared.backend.describe(),
                format!(
                    "asked for {expected} bytes, got {}: the object is shorter than the manifest says",
                    bytes.len()
                ),
            )),
            _ => Ok(bytes),
        }
    }

    /// Reads an object that may not be there.
    ///
    /// # Errors
    /// As the store says, except "not found", which is `None` (and counted).
    pub async fn get_optional(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        match self.get(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind == StoreErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Creates an object if there is none of that name: one attempt, durable when it says `Created`.
    ///
    /// # Errors
    /// As the store says; an error says nothing about whether the object is there now.
    pub async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let full = self.full(key);
        let size = bytes.len() as u64;
        self.counted(Op::Put, size, self.shared.backend.put_if_absent(&full, bytes), |_| (0, 0)).await
    }

    /// The objects whose keys begin with `prefix` and come after `after`, sorted, at most `limit`; keys are relative to
    /// the view.
    ///
    /// # Errors
    /// As the store says. A prefix that holds nothing is an empty list.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        let full = self.full(prefix);
        let after = after.map(|key| self.full(key));
        let listing = self.shared.backend.list(&full, after.as_deref(), limit);
        let pages = |found: &Vec<ObjectInfo>| (0, (found.len().saturating_sub(1) / LIST_PAGE) as u64);
        let mut found = self.counted(Op::List, 0, listing, pages).await?;
        for object in &mut found {
            object.key.drain(..self.prefix.len());
        }
        Ok(found)
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// As the store says.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let full = self.full(key);
        self.counted(Op::Delete, 0, self.shared.backend.delete(&full), |()| (0, 0)).await
    }

    /// The self-test of put-if-absent: `key` is known to hold exactly `bytes`; writing the same bytes again must say
    /// [`PutOutcome::Exists`], and harms nothing if it does not. Done once for each connected store.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] if the store overwrites; otherwise as the store says.
    pub async fn check_put_if_absent(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        if self.shared.put_if_absent_checked.load(Ordering::Acquire) {
            return Ok(());
        }
        let refused =
            |why: &str| StoreError::new(StoreErrorKind::Refused, Op::Put, &self.full(key), &self.describe(), why);
        let mut attempt = 1;
        loop {
            match self.put_if_absent(key, bytes.clone()).await {
                Ok(PutOutcome::Exists) => {
                    self.shared.put_if_absent_checked.store(true, Ordering::Release);
                    return Ok(());
                }
                Ok(PutOutcome::Created) => {
                    return Err(refused(
                        "it overwrites objects although put-if-absent (If-None-Match: *) was asked for, so two writers \
                         could destroy each other's commits; use a store or a version of it that honours conditional writes",
                    ));
                }
                Err(e) if e.message.contains("NotImplemented") || e.message.contains("501 Not Implemented") => {
                    return Err(refused(&format!("it does not implement put-if-absent ({})", e.message)));
                }
                Err(e) if e.retryable() && attempt < CHECK_ATTEMPTS => {
                    self.world().sleep(Duration::from_millis(100) * attempt).await;
                    attempt += 1;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// All requests since the store was connected, by namespace, operation and cause.
    #[must_use]
    pub fn totals(&self) -> Vec<RequestTotal> {
        self.shared.totals.all()
    }

    /// The world this store lives in.
    #[must_use]
    pub fn world(&self) -> &Arc<dyn World> {
        &self.shared.world
    }

    /// Which place this is, for messages; no secrets.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut place = self.shared.backend.describe();
        if !self.prefix.is_empty() {
            if !place.ends_with('/') {
                place.push('/');
            }
            place.push_str(self.prefix.trim_end_matches('/'));
        }
        place
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Runs one request and counts it; `received` gives the bytes received and how many further requests it took.
    async fn counted<T>(
        &self,
        op: Op,
        bytes_out: u64,
        request: impl Future<Output = Result<T, StoreError>>,
        received: impl Fn(&T) -> (u64, u64),
    ) -> Result<T, StoreError> {
        let namespace = self.namespace.as_ref();
        self.shared.totals.add(namespace, op, self.cause, [1, 0, bytes_out]);
        let depth = self.tally.as_ref().map(|tally| tally.begin(op, bytes_out, self.round));
        if depth.is_some() {
            // requests made side by side begin before one of them ends, however fast the store is
            tokio::task::yield_now().await;
        }
        let answer = request.await;
        let (bytes_in, more) = answer.as_ref().map(received).unwrap_or_default();
        if bytes_in + more > 0 {
            self.shared.totals.add(namespace, op, self.cause, [more, bytes_in, 0]);
        }
        if let (Some(tally), Some(depth)) = (&self.tally, depth) {
            tally.end(op, depth, bytes_in, more);
        }
        answer
    }
}

/// `prefix` joined to `parent`, ending in `/` unless both are empty.
fn below(parent: &str, prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() { parent.to_owned() } else { format!("{parent}{prefix}/") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::backend_memory::MemoryBackend;
    use crate::world::system;

    fn store() -> Store {
        Store::from_backend(Arc::new(MemoryBackend::new("memory://")), "db", system())
    }

    #[tokio::test]
    async fn views_nest_and_keys_stay_relative() {
        let root = store();
        let ns = root.namespace(&"acme".parse().unwrap());
        ns.put_if_absent("wal/1", Bytes::from_static(b"one")).await.unwrap();
        ns.put_if_absent("wal/2", Bytes::from_static(b"two")).await.unwrap();
        let keys = |found: Vec<ObjectInfo>| found.into_iter().map(|o| o.key).collect::<Vec<_>>();
        assert_eq!(keys(ns.list("wal/", None, None).await.unwrap()), ["wal/1", "wal/2"]);
        assert_eq!(keys(ns.list("wal/", Some("wal/1"), Some(9)).await.unwrap()), ["wal/2"]);
        assert_eq!(keys(root.list("", None, Some(1)).await.unwrap()), ["acme/wal/1"]);
        assert_eq!(ns.describe(), "memory://db/acme");
    }

    #[tokio::test]
    async fn a_range_comes_whole_or_not_at_all() {
        let s = store();
        s.put_if_absent("a", Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(s.get_range("a", GetRange::Bounded(2..5)).await.unwrap(), "234");
        assert_eq!(s.get_range("a", GetRange::Suffix(3)).await.unwrap(), "789");
        assert_eq!(s.get_range("a", GetRange::Suffix(99)).await.unwrap(), "0123456789");
        assert!(s.get_range("a", GetRange::Bounded(8..11)).await.is_err());
        assert!(s.get_range("a", GetRange::Bounded(50..60)).await.is_err());
        assert_eq!(s.get_optional("b").await.unwrap(), None);
    }

    #[tokio::test]
    async fn every_request_is_counted_by_cause_and_statement() {
        let tally = Tally::new();
        let ns = store().namespace(&"acme".parse().unwrap());
        let s = ns.for_cause(Cause::Commit).with_tally(tally.clone());
        s.put_if_absent("a", Bytes::from_static(b"abc")).await.unwrap();
        let _ = s.get_optional("b").await.unwrap();
        let (a, b) = futures::join!(s.get("a"), s.get("a"));
        assert_eq!(a.unwrap(), b.unwrap());
        let sum = tally.summary();
        assert_eq!((sum.requests, sum.gets, sum.puts, sum.bytes_read, sum.bytes_written), (4, 3, 1, 6, 3));
        assert_eq!(sum.round_trips, 3);
        let total = ns.totals();
        assert_eq!(total.len(), 2);
        assert!(total.iter().all(|t| t.cause == Cause::Commit && t.namespace.as_deref() == Some("acme")));
        assert_eq!((total[0].op, total[0].requests, total[0].bytes_in), (Op::Get, 3, 6));
        assert_eq!((total[1].op, total[1].requests, total[1].bytes_out), (Op::Put, 1, 3));
    }
}
