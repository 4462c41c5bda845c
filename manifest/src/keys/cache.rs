//! Unwrapped keys, kept for a bounded time before a key service that may be slow, asked too often, or away.
//!
//! ```text
//! age of a key    0 ── fresh ──────────────────── grace ──
//! asked for       given at once   asked again;            dropped
//!                                 kept while the service does not decide
//! ```
//!
//! Promises: a key is given out without its service for `grace` at most, and past `fresh` only while the service does not
//! decide; a refusal drops it at once; many that ask for one key ask the service once; plain keys are zeroed when dropped.
//! Never: a key given out in another context than it was unwrapped in; a forgotten one given out again unasked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KeyContext, KeyService};
use crate::error::{Error, KeyErrorKind};
use crate::ids::NamespaceId;
use crate::world::World;

/// How long the service is left alone about kept keys after it did not decide, and as much again at random.
const LEAVE_ALONE: Duration = Duration::from_secs(5);

/// How often what is too old is looked for.
const TIDY: Duration = Duration::from_secs(60);

/// How long and how many keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// a younger key is given out unasked: how long a refusal by the service may go unnoticed
    pub fresh: Duration,
    /// an older key is dropped, whatever the service does
    pub grace: Duration,
    /// the most keys kept; the one unwrapped longest ago goes first
    pub keys: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { fresh: Duration::from_secs(5 * 60), grace: Duration::from_secs(60 * 60), keys: 16_384 }
    }
}

/// How the key service does, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHealth {
    /// which service and key
    pub service: String,
    /// since when (µs since 1970 UTC) no call got a decision; `None` while the service decides
    pub unreachable_since: Option<i64>,
    /// the last error, also one that is over
    pub last_error: Option<KeyFault>,
    /// keys that are kept
    pub cached: usize,
    /// keys given out past their fresh time because the service did not decide
    pub given_stale: u64,
}

/// An error of the key service and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFault {
    /// µs since 1970 UTC
    pub at: i64,
    /// what a caller decides on
    pub kind: KeyErrorKind,
    /// what was tried, on what, and what to do next; no secrets
    pub message: String,
}

/// A key service with a cache before it.
pub struct CachedKeys {
    shared: Arc<Inner>,
}

type Plain = Arc<Zeroizing<Vec<u8>>>;
type Flight = BoxFuture<'static, Result<Plain, Error>>;

struct Inner {
    service: Arc<dyn KeyService>,
    world: Arc<dyn World>,
    limits: CacheLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<Name, Kept>,
    /// calls under way: whoever waits holds one, so a call that nobody waits for ends
    flights: HashMap<Name, (u64, WeakShared<Flight>)>,
    flown: u64,
    /// until then kept keys are given out without a call
    alone_until: Duration,
    unreachable_since: Option<i64>,
    last_error: Option<KeyFault>,
    given_stale: u64,
}

/// One wrapped key in one context.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    context: KeyContext,
    digest: [u8; 32],
}

struct Kept {
    plain: Plain,
    unwrapped: Duration,
}

/// Where a key comes from.
enum Found {
    /// kept, and given out without a call
    Kept(Plain),
    /// a call to wait for
    Asked(Shared<Flight>),
}

impl Name {
    fn of(wrapped_by: &str, wrapped: &[u8], context: &KeyContext) -> Self {
        let mut hash = Sha256::new();
        hash.update((wrapped_by.len() as u64).to_be_bytes());
        hash.update(wrapped_by);
        hash.update(wrapped);
        Self { context: *context, digest: hash.finalize().into() }
    }
}

impl CachedKeys {
    /// Keys of `service`, kept within `limits`.
    #[must_use]
    pub fn new(service: Arc<dyn KeyService>, world: Arc<dyn World>, limits: CacheLimits) -> Self {
        Self { shared: Arc::new(Inner { service, world, limits, state: Mutex::default() }) }
    }

    /// Drops what is kept of a namespace, keys of its tenant included. A call under way still answers those who wait for
    /// it, and its answer is not kept.
    pub fn forget(&self, namespace: NamespaceId) {
        let mut state = self.shared.state.lock();
        state.kept.retain(|name, _| name.context.namespace != namespace);
        state.flights.retain(|name, _| name.context.namespace != namespace);
    }

    /// Drops what is too old. Every call does so too; an idle process calls this, or [`CachedKeys::tidy`].
    pub fn expire(&self) {
        self.shared.state.lock().expire(self.shared.world.monotonic(), self.shared.limits.grace);
    }

    /// Calls [`CachedKeys::expire`] every minute until the cache is gone: a task of the process that owns it.
    pub fn tidy(&self) -> impl Future<Output = ()> + Send + use<> {
        let (shared, world) = (Arc::downgrade(&self.shared), self.shared.world.clone());
        async move {
            loop {
                world.sleep(TIDY).await;
                let Some(shared) = Weak::upgrade(&shared) else { return };
                shared.state.lock().expire(world.monotonic(), shared.limits.grace);
            }
        }
    }

    /// How the key service does.
    #[must_use]
    pub fn health(&self) -> KeyHealth {
        let service = self.shared.service.describe();
        let state = self.shared.state.lock();
        KeyHealth {
            service,
            unreachable_since: state.unreachable_since,
            last_error: state.last_error.clone(),
            cached: state.kept.len(),
            given_stale: state.given_stale,
        }
    }
}

impl State {
    fn expire(&mut self, now: Duration, grace: Duration) {
        self.kept.retain(|_, kept| now.saturating_sub(kept.unwrapped) < grace);
    }

    /// Makes room for one more.
    fn make_room(&mut self, most: usize) {
        while self.kept.len() >= most.max(1) {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.unwrapped).map(|(name, _)| *name);
            match oldest {
                Some(name) => self.kept.remove(&name),
                None => return,
            };
        }
    }
}

impl Inner {
    fn find(self: &Arc<Self>, name: Name, wrapped_by: &str, wrapped: &[u8]) -> Found {
        let now = self.world.monotonic();
        let mut state = self.state.lock();
        state.expire(now, self.limits.grace);
        if let Some(kept) = state.kept.get(&name) {
            let fresh = now.saturating_sub(kept.unwrapped) < self.limits.fresh;
            if fresh || now < state.alone_until {
                let plain = kept.plain.clone();
                state.given_stale += u64::from(!fresh);
                return Found::Kept(plain);
            }
        }
        if let Some(flight) = state.flights.get(&name).and_then(|(_, flight)| flight.upgrade()) {
            return Found::Asked(flight);
        }
        state.flights.retain(|_, (_, flight)| flight.upgrade().is_some());
        state.flown += 1;
        let number = state.flown;
        let (this, by, wrapped) = (self.clone(), wrapped_by.to_owned(), wrapped.to_vec());
        let flight = async move {
            let answer = this.service.unwrap(&by, &wrapped, &name.context).await.map(Arc::new);
            this.landed(name, number, answer)
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            state.flights.insert(name, (number, weak));
        }
        Found::Asked(flight)
    }

    /// What those who waited for a call get.
    fn landed(&self, name: Name, number: u64, answer: Result<Plain, Error>) -> Result<Plain, Error> {
        let now = self.world.monotonic();
        let mut state = self.state.lock();
        self.note(&mut state, answer.as_ref().err());
        // else it was forgotten while it was under way
        let ours = state.flights.get(&name).is_some_and(|(of, _)| *of == number);
        if ours {
            state.flights.remove(&name);
        }
        match answer {
            Ok(plain) => {
                if ours {
                    state.kept.remove(&name);
                    state.make_room(self.limits.keys);
                    state.kept.insert(name, Kept { plain: plain.clone(), unwrapped: now });
                }
                Ok(plain)
            }
            Err(e) if !transient(&e) => {
                state.kept.remove(&name);
                Err(e)
            }
            Err(e) => {
                let age = |kept: &Kept| now.saturating_sub(kept.unwrapped);
                let plain = state.kept.get(&name).filter(|kept| age(kept) < self.limits.grace).map(|k| k.plain.clone());
                match plain {
                    Some(plain) => {
                        state.given_stale += 1;
                        Ok(plain)
                    }
                    None => Err(e),
                }
            }
        }
    }

    /// Keeps the health view, and leaves a service alone that did not decide.
    fn note(&self, state: &mut State, error: Option<&Error>) {
        let at = self.world.now_micros();
        let undecided = error.is_some_and(transient);
        if undecided {
            let mut random = [0u8; 1];
            self.world.fill(&mut random);
            state.alone_until =
                self.world.monotonic() + LEAVE_ALONE + LEAVE_ALONE * u32::from(random[0]) / u32::from(u8::MAX);
            state.unreachable_since.get_or_insert(at);
        } else {
            state.alone_until = Duration::ZERO;
            state.unreachable_since = None;
        }
        if let Some(Error::Key { kind, message }) = error {
            state.last_error = Some(KeyFault { at, kind: *kind, message: message.clone() });
        }
    }
}

fn transient(e: &Error) -> bool {
    matches!(e, Error::Key { kind, .. } if kind.transient())
}

#[async_trait]
impl KeyService for CachedKeys {
    fn describe(&self) -> String {
        self.shared.service.describe()
    }

    fn namespace(&self) -> Option<NamespaceId> {
        self.shared.service.namespace()
    }

    /// Not cached, so that unwrapping what was just wrapped asks the service whether it can.
    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        let answer = self.shared.service.wrap(plain, context).await;
        self.shared.note(&mut self.shared.state.lock(), answer.as_ref().err());
        answer
    }

    async fn unwrap(
        &self,
        wrapped_by: &str,
        wrapped: &[u8],
        context: &KeyContext,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let plain = match self.shared.find(Name::of(wrapped_by, wrapped, context), wrapped_by, wrapped) {
            Found::Kept(plain) => plain,
            Found::Asked(flight) => flight.await?,
        };
        Ok(plain.as_ref().clone())
    }
}

impl fmt::Debug for CachedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedKeys {{ {}, cached: {} }}", self.describe(), self.shared.state.lock().kept.len())
    }
}
