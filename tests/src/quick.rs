//! A world whose sleeps take no time: deadlines of half a minute pass at once, in the order in which they were set.
//!
//! Promises: `sleep(d)` moves this clock by `d` (when nothing else is ready to run) and returns; randomness is real.
//! Never: used where real concurrency with a held request matters; those tests take the system's world.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use firn_manifest::world::{SystemWorld, World};
use futures::future::BoxFuture;

/// How often a sleeper lets everybody else go first.
const YIELDS: usize = 200;

/// See the module.
#[derive(Debug, Default)]
pub struct QuickWorld {
    skipped_us: Arc<AtomicU64>,
}

impl World for QuickWorld {
    fn now_micros(&self) -> i64 {
        SystemWorld.now_micros() + i64::try_from(self.skipped_us.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        SystemWorld.monotonic() + Duration::from_micros(self.skipped_us.load(Ordering::SeqCst))
    }

    fn fill(&self, buf: &mut [u8]) {
        SystemWorld.fill(buf);
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        let (skipped, until) = (self.skipped_us.clone(), self.skipped_us.load(Ordering::SeqCst) + u64::try_from(d.as_micros()).unwrap());
        Box::pin(async move {
            for _ in 0..YIELDS {
                tokio::task::yield_now().await;
            }
            skipped.fetch_max(until, Ordering::SeqCst);
        })
    }
}
