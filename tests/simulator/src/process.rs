//! A process: one gateway from its start to its crash, with a clock, a stream of randomness and a store door of its own.
//!
//! Promises: after a crash nothing of it reaches the store again but what was already on its way; frozen, it does nothing
//! until it thaws.
//! Never: two processes share anything but the store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use firn_manifest::World;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::rng::Rng;

/// What the wall clocks show when a run begins: 2026-01-01.
pub const EPOCH_MICROS: i64 = 1_767_225_600_000_000;

#[derive(Debug)]
struct Inside {
    dead: bool,
    frozen_until: u64,
    wall_offset: i64,
    crash_in: Option<u64>,
    freeze_in: Option<(u64, u64)>,
    may_write: bool,
    rng: Rng,
}

/// See the module.
pub struct Process {
    /// its number; a restarted gateway is a new process
    pub id: u64,
    /// the virtual time
    pub clock: Arc<Clock>,
    inside: Mutex<Inside>,
    gone: Notify,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.id)
    }
}

impl Process {
    /// A process that starts now.
    pub fn start(id: u64, clock: &Arc<Clock>, seed: u64, wall_offset: i64) -> Arc<Self> {
        let inside = Inside {
            dead: false,
            frozen_until: 0,
            wall_offset,
            crash_in: None,
            freeze_in: None,
            may_write: false,
            rng: Rng::fork(seed, 1000 + id),
        };
        Arc::new(Self { id, clock: clock.clone(), inside: Mutex::new(inside), gone: Notify::new() })
    }

    /// Ends it here and now.
    pub fn crash(&self) {
        self.inside.lock().dead = true;
        self.gone.notify_waiters();
    }

    /// Ends it at its `n`-th request or answer from now.
    pub fn crash_in(&self, n: u64) {
        self.inside.lock().crash_in = Some(n);
    }

    /// Stops it at its `n`-th request or answer from now.
    pub fn freeze_in(&self, n: u64, ticks: u64) {
        self.inside.lock().freeze_in = Some((n, ticks));
    }

    /// Counts a request or an answer down to the freeze and the crash; true when this is the crash.
    pub fn crashes_here(&self) -> bool {
        let mut inside = self.inside.lock();
        match inside.freeze_in {
            Some((0, ticks)) => {
                inside.freeze_in = None;
                inside.frozen_until = inside.frozen_until.max(self.clock.now() + ticks);
            }
            Some((n, ticks)) => inside.freeze_in = Some((n - 1, ticks)),
            None => {}
        }
        match &mut inside.crash_in {
            Some(0) => {
                inside.crash_in = None;
                true
            }
            Some(n) => {
                *n -= 1;
                false
            }
            None => false,
        }
    }

    /// Stops it until the clock shows `until`.
    pub fn freeze(&self, until: u64) {
        let mut inside = self.inside.lock();
        inside.frozen_until = inside.frozen_until.max(until);
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.inside.lock().frozen_until > self.clock.now()
    }

    /// Moves its wall clock.
    pub fn step_clock(&self, by_micros: i64) {
        self.inside.lock().wall_offset += by_micros;
    }

    /// From now on it may claim the epoch.
    pub fn allow_writes(&self) {
        self.inside.lock().may_write = true;
    }

    /// Whether somebody asked it to write.
    pub fn may_write(&self) -> bool {
        self.inside.lock().may_write
    }

    /// Whether it has crashed.
    pub fn is_dead(&self) -> bool {
        self.inside.lock().dead
    }

    /// Resolves when it crashes.
    pub async fn gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.is_dead() {
                return;
            }
            gone.await;
        }
    }

    /// Comes back when it is not frozen; never when it is dead.
    pub async fn awake(&self) {
        loop {
            let (dead, until) = {
                let inside = self.inside.lock();
                (inside.dead, inside.frozen_until)
            };
            if dead {
                futures::future::pending::<()>().await;
            }
            if until <= self.clock.now() {
                return;
            }
            self.clock.until(until).await;
        }
    }

    /// Lets its own time pass.
    pub async fn pause(&self, ticks: u64) {
        self.clock.sleep(ticks).await;
        self.awake().await;
    }
}

/// Time, randomness and threads of one process.
#[derive(Debug)]
pub struct SimWorld(pub Arc<Process>);

impl World for SimWorld {
    fn now_micros(&self) -> i64 {
        let offset = self.0.inside.lock().wall_offset;
        EPOCH_MICROS + i64::try_from(self.0.clock.now()).unwrap_or(i64::MAX / 4) + offset
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.clock.now())
    }

    fn fill(&self, buf: &mut [u8]) {
        self.0.inside.lock().rng.fill(buf);
    }

    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        let process = self.0.clone();
        let ticks = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        Box::pin(async move { process.pause(ticks).await })
    }

    fn offload(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            work();
            true
        })
    }

    fn streams(&self) -> usize {
        1
    }
}
