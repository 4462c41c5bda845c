//! Virtual time: it moves only when every task waits, and then to the next timer.
//!
//! Promises: timers of one instant fire in the order they were set; a month costs as much as a millisecond.
//! Never: a real clock is read, a real wait is made.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// One microsecond is one tick.
pub const MILLI: u64 = 1_000;
/// Ticks of a second.
pub const SECOND: u64 = 1_000 * MILLI;
/// Ticks of an hour.
pub const HOUR: u64 = 3_600 * SECOND;
/// Ticks of a day.
pub const DAY: u64 = 24 * HOUR;

#[derive(Debug, Default)]
struct Timers {
    now: u64,
    next: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    waiting: BTreeMap<u64, Option<Waker>>,
    stuck: bool,
    watch: Option<Waker>,
}

/// The clock of one run.
#[derive(Debug, Default)]
pub struct Clock(Mutex<Timers>);

impl Clock {
    /// Ticks since the run began.
    pub fn now(&self) -> u64 {
        self.0.lock().now
    }

    /// Waits until the clock shows `deadline`.
    pub fn until(self: &Arc<Self>, deadline: u64) -> Sleep {
        let mut timers = self.0.lock();
        let id = timers.next;
        timers.next += 1;
        timers.queue.push(Reverse((deadline, id)));
        timers.waiting.insert(id, None);
        Sleep { clock: self.clone(), id }
    }

    /// Waits so many ticks.
    pub fn sleep(self: &Arc<Self>, ticks: u64) -> Sleep {
        let deadline = self.now().saturating_add(ticks);
        self.until(deadline)
    }

    /// Every task waits: the earliest timer fires. Without any, the run is stuck.
    pub fn idle(&self) {
        let mut timers = self.0.lock();
        while let Some(Reverse((deadline, id))) = timers.queue.pop() {
            // a timer whose waiter went away moves nothing
            let Some(waker) = timers.waiting.remove(&id) else { continue };
            timers.now = timers.now.max(deadline);
            drop(timers);
            if let Some(waker) = waker {
                waker.wake();
            }
            return;
        }
        timers.stuck = true;
        if let Some(waker) = timers.watch.take() {
            waker.wake();
        }
    }

    /// Resolves when nothing can ever happen again.
    pub fn stuck(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let clock = self.clone();
        std::future::poll_fn(move |cx| {
            let mut timers = clock.0.lock();
            if timers.stuck {
                return Poll::Ready(());
            }
            timers.watch = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

/// See [`Clock::until`].
#[derive(Debug)]
pub struct Sleep {
    clock: Arc<Clock>,
    id: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut timers = self.clock.0.lock();
        match timers.waiting.get_mut(&self.id) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.0.lock().waiting.remove(&self.id);
    }
}

/// Runs `main` on a scheduler of one thread whose idle moments move the clock. `None` when the run got stuck.
pub fn run<T>(clock: &Arc<Clock>, main: impl Future<Output = T>) -> Option<T> {
    let hook = clock.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().on_thread_park(move || hook.idle()).build().ok()?;
    let answer = runtime.block_on(async {
        let (main, stuck) = (std::pin::pin!(main), std::pin::pin!(clock.stuck()));
        match futures::future::select(main, stuck).await {
            futures::future::Either::Left((answer, _)) => Some(answer),
            futures::future::Either::Right(_) => None,
        }
    });
    runtime.shutdown_background();
    answer
}
