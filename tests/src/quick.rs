//! A world in which time passes fifty times faster: a deadline of half a minute is over in 0.6 seconds.
//!
//! Promises: all times keep their order and their proportions, so time-outs and retries happen as they would; randomness
//! is real.
//! Never: a clock that goes back.

use std::time::Duration;

use firn_manifest::world::{SystemWorld, World};
use futures::future::BoxFuture;
use parking_lot::Mutex;

const FASTER: u32 = 50;

/// See the module.
#[derive(Debug)]
pub struct QuickWorld {
    began_us: i64,
    began: Duration,
    skipped: Mutex<Duration>,
}

impl QuickWorld {
    /// Lets time jump forward.
    pub fn skip(&self, by: Duration) {
        *self.skipped.lock() += by;
    }
}

impl Default for QuickWorld {
    fn default() -> Self {
        Self { began_us: SystemWorld.now_micros(), began: SystemWorld.monotonic(), skipped: Mutex::default() }
    }
}

impl World for QuickWorld {
    fn now_micros(&self) -> i64 {
        self.began_us + i64::try_from(self.monotonic().as_micros()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        (SystemWorld.monotonic() - self.began) * FASTER + *self.skipped.lock()
    }

    fn fill(&self, buf: &mut [u8]) {
        SystemWorld.fill(buf);
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        SystemWorld.sleep(d / FASTER)
    }
}
