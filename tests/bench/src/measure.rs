//! Clocks, percentiles and what the operating system counts for this process.
//!
//! Promises: times come from the one door; a percentile is a time that was measured, not an interpolation.
//! Never: a mean, which one slow disk flush would own.

use std::time::Duration;

use firn_manifest::world::system;
use serde_json::{Value, json};

/// Time since an arbitrary start.
pub fn now() -> Duration {
    system().monotonic()
}

/// Times of one kind of work.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// Adds what has passed since `start`.
    pub fn since(&mut self, start: Duration) {
        self.0.push(now().saturating_sub(start).as_secs_f64());
    }

    /// Adds the times of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of all does not exceed, in seconds.
    pub fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = (last as f64 * share).round() as usize;
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    /// p50, p99, the least and the count, in microseconds.
    pub fn micros(&self) -> Value {
        let us = |share| (self.at(share) * 1e7).round() / 10.0;
        json!({ "p50_us": us(0.5), "p99_us": us(0.99), "min_us": us(0.0), "count": self.count() })
    }
}

/// The most memory this process ever held, in MiB.
pub fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

/// Processor time of all threads of this process so far, in milliseconds.
pub fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e6
}
