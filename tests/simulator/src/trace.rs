//! What happened, in order: a hash of every event, the events themselves when asked for, counts and violations.
//!
//! Promises: two runs of one seed have equal hashes, or something outside the seed took part.
//! Never: an event that depends on an address, a thread or a hash's order.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

/// How many violations of one run are kept.
const KEPT: usize = 20;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// which check found it: an invariant's id or a word of this simulator
    pub check: &'static str,
    /// what was found
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

#[derive(Debug, Default)]
struct Inside {
    hasher: blake3::Hasher,
    events: u64,
    lines: Option<Vec<String>>,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<Violation>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Inside>);

/// What is left of a trace when the run is over.
#[derive(Clone, Debug)]
pub struct Story {
    /// over every event
    pub hash: String,
    /// events
    pub events: u64,
    /// the events, when they were kept
    pub lines: Vec<String>,
    /// how often what happened
    pub counts: BTreeMap<&'static str, u64>,
    /// what was broken
    pub violations: Vec<Violation>,
}

impl Trace {
    /// A trace that keeps its lines when `keep`.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        let trace = Self::default();
        trace.0.lock().lines = keep.then(Vec::new);
        trace
    }

    /// Writes an event down.
    pub fn event(&self, now: u64, what: fmt::Arguments<'_>) {
        let line = format!("{:>14.6} {what}", now as f64 / 1e6);
        let mut inside = self.0.lock();
        inside.hasher.update(line.as_bytes()).update(b"\n");
        inside.events += 1;
        if let Some(lines) = &mut inside.lines {
            lines.push(line);
        }
    }

    /// Counts.
    pub fn count(&self, what: &'static str) {
        *self.0.lock().counts.entry(what).or_default() += 1;
    }

    /// A promise was broken.
    pub fn violated(&self, check: &'static str, what: impl fmt::Display) {
        let mut inside = self.0.lock();
        if inside.violations.len() < KEPT {
            inside.violations.push(Violation { check, what: what.to_string() });
        }
    }

    /// The end of the story.
    pub fn close(&self) -> Story {
        let mut inside = self.0.lock();
        Story {
            hash: inside.hasher.finalize().to_hex()[..16].to_owned(),
            events: inside.events,
            lines: inside.lines.take().unwrap_or_default(),
            counts: std::mem::take(&mut inside.counts),
            violations: std::mem::take(&mut inside.violations),
        }
    }
}
