//! Cached keys: how long one is given out, what drops it, how often the service is asked.
//!
//! Promises: virtual time; the service answers as it is told.
//! Never: a key whose service said no.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use firn_manifest::ids::{NamespaceId, TenantId};
use firn_manifest::keys::{CacheLimits, CachedKeys};
use firn_manifest::{Error, KeyContext, KeyErrorKind, KeyService, World, new_uuid};
use futures::FutureExt as _;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::worlds::TestWorld;

const MINUTE: Duration = Duration::from_secs(60);

/// Gives back what is "wrapped", reversed; fails as it is told.
#[derive(Debug)]
struct Service {
    fails: Mutex<Option<KeyErrorKind>>,
    asked: AtomicUsize,
    /// calls that may end
    gate: Semaphore,
}

#[async_trait]
impl KeyService for Service {
    fn describe(&self) -> String {
        "test:service".to_owned()
    }

    async fn wrap(&self, plain: &[u8], _: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        Ok(("test:key".to_owned(), plain.iter().rev().copied().collect()))
    }

    async fn unwrap(&self, _: &str, wrapped: &[u8], _: &KeyContext) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _pass = self.gate.acquire().await.unwrap();
        match *self.fails.lock() {
            Some(kind) => Err(Error::Key { kind, message: format!("{kind:?}") }),
            None => Ok(Zeroizing::new(wrapped.iter().rev().copied().collect())),
        }
    }
}

struct Bench {
    world: Arc<TestWorld>,
    service: Arc<Service>,
    keys: Arc<CachedKeys>,
}

impl Bench {
    fn new(limits: CacheLimits) -> Self {
        let world = TestWorld::new(1);
        let service =
            Arc::new(Service { fails: Mutex::new(None), asked: AtomicUsize::new(0), gate: Semaphore::new(1000) });
        let keys = Arc::new(CachedKeys::new(service.clone(), world.clone(), limits));
        Self { world, service, keys }
    }

    fn fails(&self, kind: impl Into<Option<KeyErrorKind>>) {
        *self.service.fails.lock() = kind.into();
    }

    async fn get(&self, wrapped: &[u8], context: &KeyContext) -> Result<Vec<u8>, KeyErrorKind> {
        match self.keys.unwrap("test:key", wrapped, context).await {
            Ok(plain) => Ok(plain.to_vec()),
            Err(Error::Key { kind, .. }) => Err(kind),
            Err(other) => panic!("{other}"),
        }
    }

    /// How often the service was asked since the last call.
    fn asked(&self) -> usize {
        self.service.asked.swap(0, Ordering::SeqCst)
    }

    fn context(&self) -> KeyContext {
        KeyContext::data_key(NamespaceId(new_uuid(&*self.world)))
    }
}

#[tokio::test]
async fn a_fresh_key_is_given_out_unasked_and_an_older_one_asked_again() {
    let b = Bench::new(CacheLimits::default());
    let own = b.context();
    for _ in 0..3 {
        assert_eq!(b.get(b"key", &own).await.unwrap(), b"yek");
    }
    assert_eq!(b.asked(), 1);
    b.world.sleep(5 * MINUTE).await;
    assert_eq!(b.get(b"key", &own).await.unwrap(), b"yek");
    assert_eq!(b.get(b"key", &own).await.unwrap(), b"yek");
    assert_eq!(b.asked(), 1);
    // neither other bytes, nor another context, nor another wrapping key
    let tenant = KeyContext::tenant_key(own.namespace, TenantId(1));
    assert_eq!(b.get(b"KEY", &own).await.unwrap(), b"YEK");
    assert_eq!(b.get(b"key", &b.context()).await.unwrap(), b"yek");
    assert_eq!(b.get(b"key", &tenant).await.unwrap(), b"yek");
    b.keys.unwrap("test:other", b"key", &own).await.unwrap();
    assert_eq!(b.asked(), 4);
}

#[tokio::test]
async fn an_outage_does_not_stop_those_whose_keys_are_kept() {
    for kind in [KeyErrorKind::Unreachable, KeyErrorKind::Throttled] {
        let b = Bench::new(CacheLimits::default());
        let own = b.context();
        b.get(b"key", &own).await.unwrap();
        let healthy = b.keys.health();
        assert!(healthy.unreachable_since.is_none() && healthy.last_error.is_none() && healthy.cached == 1);

        b.fails(kind);
        b.world.sleep(5 * MINUTE).await;
        b.asked();
        let since = b.world.now_micros();
        for _ in 0..10 {
            assert_eq!(b.get(b"key", &own).await.unwrap(), b"yek");
        }
        assert_eq!(b.asked(), 1, "a service that is away is left alone");
        assert_eq!(b.get(b"new", &own).await, Err(kind), "a key that is not kept is asked for");
        b.world.sleep(MINUTE).await;
        assert_eq!(b.get(b"key", &own).await.unwrap(), b"yek");
        assert_eq!(b.asked(), 2);
        let ill = b.keys.health();
        assert_eq!((ill.unreachable_since, ill.given_stale), (Some(since), 11));
        assert_eq!(ill.last_error.map(|e| e.kind), Some(kind));

        // an hour after it was unwrapped it is gone
        b.world.sleep(54 * MINUTE).await;
        assert_eq!(b.get(b"key", &own).await, Err(kind));
        assert_eq!(b.keys.health().cached, 0);
        b.fails(None);
        assert_eq!(b.get(b"key", &own).await.unwrap(), b"yek");
        assert_eq!(b.keys.health().unreachable_since, None);
    }
}

#[tokio::test]
async fn a_refusal_drops_the_key_at_once() {
    let b = Bench::new(CacheLimits::default());
    let own = b.context();
    for kind in [KeyErrorKind::Denied, KeyErrorKind::Unusable, KeyErrorKind::Missing, KeyErrorKind::Io] {
        b.fails(None);
        b.get(b"key", &own).await.unwrap();
        b.world.sleep(5 * MINUTE).await;
        b.fails(kind);
        assert_eq!(b.get(b"key", &own).await, Err(kind));
        b.fails(KeyErrorKind::Unreachable);
        assert_eq!(b.get(b"key", &own).await, Err(KeyErrorKind::Unreachable), "it is not kept over a refusal");
    }
}

#[tokio::test]
async fn many_that_ask_for_one_key_ask_once() {
    let b = Bench::new(CacheLimits::default());
    let own = b.context();
    let all_passes = b.service.gate.acquire_many(1000).await.unwrap();
    let mut asking = Box::pin(join_all((0..100).map(|_| b.get(b"key", &own))));
    assert!(asking.as_mut().now_or_never().is_none());
    assert_eq!(b.asked(), 1);
    drop(all_passes);
    assert!(asking.await.into_iter().all(|answer| answer.unwrap() == b"yek"));
    assert_eq!(b.asked(), 0);

    // whoever began the call may leave: the others get their answer
    let all_passes = b.service.gate.acquire_many(1000).await.unwrap();
    let mut first = Box::pin(b.get(b"two", &own));
    let mut second = Box::pin(b.get(b"two", &own));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    drop(first);
    drop(all_passes);
    assert_eq!((second.await.unwrap(), b.asked()), (b"owt".to_vec(), 1));

    // when all have left, the next one asks anew
    let all_passes = b.service.gate.acquire_many(1000).await.unwrap();
    assert!(b.get(b"three", &own).now_or_never().is_none());
    drop(all_passes);
    assert_eq!((b.get(b"three", &own).await.unwrap(), b.asked()), (b"eerht".to_vec(), 2));
}

#[tokio::test]
async fn what_is_forgotten_is_asked_for_again() {
    let b = Bench::new(CacheLimits::default());
    let (own, other) = (b.context(), b.context());
    let tenant = KeyContext::tenant_key(own.namespace, TenantId(1));
    for context in [&own, &other, &tenant] {
        b.get(b"key", context).await.unwrap();
    }
    b.keys.forget(own.namespace);
    assert_eq!(b.keys.health().cached, 1);
    b.fails(KeyErrorKind::Unreachable);
    assert_eq!(b.get(b"key", &own).await, Err(KeyErrorKind::Unreachable));
    assert_eq!(b.get(b"key", &tenant).await, Err(KeyErrorKind::Unreachable));
    assert_eq!(b.get(b"key", &other).await.unwrap(), b"yek");

    // a call under way when it is forgotten leaves nothing behind
    b.fails(None);
    let all_passes = b.service.gate.acquire_many(1000).await.unwrap();
    let mut asking = Box::pin(b.get(b"key", &own));
    assert!(asking.as_mut().now_or_never().is_none());
    b.keys.forget(own.namespace);
    drop(all_passes);
    asking.await.unwrap();
    b.fails(KeyErrorKind::Unreachable);
    assert_eq!(b.get(b"key", &own).await, Err(KeyErrorKind::Unreachable));
}

#[tokio::test]
async fn no_more_are_kept_than_allowed_and_none_for_ever() {
    let b = Bench::new(CacheLimits { keys: 8, ..CacheLimits::default() });
    let own = b.context();
    for i in 0..100u8 {
        b.get(&[i, 0], &own).await.unwrap();
        b.world.sleep(Duration::from_millis(1)).await;
        assert!(b.keys.health().cached <= 8);
    }
    b.asked();
    let last: HashSet<u8> = (92..100).collect();
    for i in &last {
        b.get(&[*i, 0], &own).await.unwrap();
    }
    assert_eq!(b.asked(), 0, "the youngest stay");

    let (tidy, keys) = (b.keys.tidy(), Arc::downgrade(&b.keys));
    let look = async {
        while b.keys.health().cached > 0 {
            tokio::task::yield_now().await;
        }
        b.world.monotonic()
    };
    let emptied = tokio::select! {
        at = look => at,
        () = tidy => panic!("it ends with the cache only"),
    };
    assert!((60 * MINUTE..62 * MINUTE).contains(&emptied), "{emptied:?}");
    let tidy = b.keys.tidy();
    drop(b);
    assert!(keys.upgrade().is_none());
    tidy.await;
}
