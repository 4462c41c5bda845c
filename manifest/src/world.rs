//! The one door for time, randomness and threads.
//!
//! Promises: whatever reads a clock, waits, draws random bytes or leaves its thread in FirnDB does it through a [`World`],
//! so a simulator can own all of it.
//! Never: a second door; clippy's `disallowed-methods` holds this.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use rand::RngCore as _;
use ulid::Ulid;
use uuid::Uuid;

/// Time, randomness and threads.
pub trait World: Send + Sync + Debug + 'static {
    /// The wall clock, microseconds since 1970 UTC.
    fn now_micros(&self) -> i64;

    /// Time since an arbitrary start; it never goes back.
    fn monotonic(&self) -> Duration;

    /// Fills `buf` with cryptographic randomness.
    fn fill(&self, buf: &mut [u8]);

    /// Waits.
    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()>;

    /// Runs work that blocks or computes for long, by default on a thread that may. It tells whether the work came to its
    /// end.
    fn offload(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, bool> {
        Box::pin(async move { tokio::task::spawn_blocking(work).await.is_ok() })
    }

    /// How many streams one statement is worth being split into.
    fn streams(&self) -> usize {
        2
    }
}

/// The result of work that blocks or computes for long; `None` when it panicked.
pub async fn offload<T: Send + 'static>(w: &dyn World, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, mut receive) = futures::channel::oneshot::channel();
    let done = w.offload(Box::new(move || {
        let _ = send.send(work());
    }));
    done.await.then(|| receive.try_recv().ok().flatten()).flatten()
}

/// The real clock and the operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWorld;

#[allow(clippy::disallowed_methods)]
impl World for SystemWorld {
    fn now_micros(&self) -> i64 {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_micros()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_micros()).unwrap_or(i128::MAX),
        };
        i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn fill(&self, buf: &mut [u8]) {
        rand::rng().fill_bytes(buf);
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(d))
    }
}

/// The real world, shared.
#[must_use]
pub fn system() -> Arc<dyn World> {
    Arc::new(SystemWorld)
}

/// A fresh ULID: the wall clock's milliseconds and 80 random bits.
#[must_use]
pub fn new_ulid(w: &dyn World) -> Ulid {
    let mut random = [0u8; 16];
    w.fill(&mut random[6..]);
    let millis = u64::try_from(w.now_micros() / 1_000).unwrap_or(0);
    Ulid::from_parts(millis, u128::from_be_bytes(random))
}

/// A fresh random UUID (version 4).
#[must_use]
pub fn new_uuid(w: &dyn World) -> Uuid {
    let mut random = [0u8; 16];
    w.fill(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_carry_time() {
        let w = SystemWorld;
        let (a, b) = (new_ulid(&w), new_ulid(&w));
        assert_ne!(a, b);
        let age_ms = w.now_micros() / 1_000 - i64::try_from(a.timestamp_ms()).unwrap();
        assert!((0..60_000).contains(&age_ms));
        assert_eq!(new_uuid(&w).get_version_num(), 4);
    }

    #[test]
    fn monotonic_never_goes_back() {
        let w = SystemWorld;
        let first = w.monotonic();
        assert!(w.monotonic() >= first);
    }
}
