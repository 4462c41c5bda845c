//! Canaries: deliberate bugs in the product, each of which must be hit and caught.
//!
//! Promises: each canary runs alone, over seeds from 1 on, until a check catches it; one that is not caught in time fails.
//! Never: a canary in a build without the feature.

use std::sync::atomic::{AtomicUsize, Ordering};

use firn_manifest::canary::{ALL, Canary, hits, set};

use crate::{run, watch_panics};

/// Seeds a canary may survive.
const SEEDS: u64 = 400;

/// Switches a canary of that name on in this thread; false when there is none.
#[must_use]
pub fn switch_on(name: &str) -> bool {
    let found = ALL.iter().find(|c| format!("{c:?}") == name);
    found.is_some_and(|canary| set(Some(*canary)))
}

/// Runs all; prints a line for each; true when all were hit and caught.
pub fn all(jobs: usize, print: impl Fn(String) + Sync) -> bool {
    watch_panics();
    if !set(None) {
        print("this build has no canaries; build it with --features firn-simulator/canary".to_owned());
        return false;
    }
    let (next, caught) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(canary) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let line = one(*canary);
                    let (Ok(shown) | Err(shown)) = &line;
                    print(format!("{:<22} {shown}", format!("{canary:?}")));
                    caught.fetch_add(usize::from(line.is_ok()), Ordering::Relaxed);
                }
            });
        }
    });
    let caught = caught.into_inner();
    print(format!("{caught} of {} canaries caught", ALL.len()));
    caught == ALL.len()
}

fn one(canary: Canary) -> Result<String, String> {
    let _ = set(Some(canary));
    let mut hit = 0;
    let mut verdict = None;
    for seed in 1..=SEEDS {
        let story = run(seed, false);
        hit += hits();
        let _ = set(Some(canary));
        if let Some(violation) = story.violations.first() {
            let what: String = violation.what.chars().take(90).collect();
            verdict = Some(format!("seed {seed:<4} {:<11} {what}", violation.check));
            break;
        }
    }
    let _ = set(None);
    match verdict {
        Some(_) if hit == 0 => Err("NOT HIT, and yet something was found".to_owned()),
        Some(line) => Ok(line),
        None if hit == 0 => Err(format!("NOT HIT in {SEEDS} seeds")),
        None => Err(format!("NOT CAUGHT in {SEEDS} seeds, hit {hit} times")),
    }
}
