//! Campaigns: many seeds, each run twice, on several threads.
//!
//! Promises: a seed whose two runs differ fails; a campaign that saw too little of what it is for fails as vacuous.
//! Never: two seeds share a thread at one time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::trace::Story;
use crate::{describe, run, watch_panics};

/// What a thousand seeds must at least have seen.
const MINIMA: [(&str, u64); 18] = [
    ("commits acknowledged", 5000),
    ("transactions", 1500),
    ("reads", 4000),
    ("PUTs", 15000),
    ("fences", 2000),
    ("fenced", 50),
    ("unknowns", 100),
    ("aborts", 30),
    ("crashes", 300),
    ("freezes", 200),
    ("clock steps", 80),
    ("replies lost", 200),
    ("late PUTs that took effect", 100),
    ("false conflicts", 100),
    ("conflicts with oneself", 100),
    ("failed reads", 300),
    ("torn reads", 50),
    ("objects collected", 300),
];

/// What a campaign found.
#[derive(Debug, Default)]
pub struct Found {
    /// seeds run
    pub seeds: u64,
    /// how often what happened, one run of each seed
    pub counts: BTreeMap<&'static str, u64>,
    /// events of all runs
    pub events: u64,
    /// what went wrong
    pub failures: Vec<String>,
}

/// Runs seeds `from` to `from + count`, each twice, on `jobs` threads.
#[must_use]
pub fn campaign(from: u64, count: u64, jobs: usize, progress: impl Fn(u64) + Sync) -> Found {
    watch_panics();
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let seed = from + n;
                    let (first, second) = (run(seed, false), run(seed, false));
                    let mut found = found.lock();
                    found.take(seed, &first, &second);
                    progress(found.seeds);
                }
            });
        }
    });
    let mut found = found.into_inner();
    found.judge();
    found
}

impl Found {
    fn take(&mut self, seed: u64, first: &Story, second: &Story) {
        self.seeds += 1;
        self.events += first.events;
        for (what, count) in &first.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.failures.extend(first.violations.iter().map(|v| describe(seed, v)));
        if first.hash != second.hash {
            self.failures.push(format!("seed {seed}: two runs differ ({} and {})", first.hash, second.hash));
        }
    }

    /// A campaign that saw too little proves nothing.
    fn judge(&mut self) {
        if self.seeds < 200 {
            return;
        }
        for (what, least) in MINIMA {
            let least = least * self.seeds / 1000;
            let seen = self.counts.get(what).copied().unwrap_or(0);
            if seen < least {
                self.failures.push(format!("vacuous: {seen} {what} in {} seeds, at least {least} are due", self.seeds));
            }
        }
    }
}
