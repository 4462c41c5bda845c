//! Counting requests: by operation, namespace and cause for the whole store, and by statement in a [`Tally`].
//!
//! Promises: a request is counted when it starts, so a cancelled one is counted too; round trips are the depth of
//! dependent requests, and requests that run side by side share a depth.
//! Never: a request of a store passes by uncounted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// read an object or a range of it
    Get,
    /// create an object
    Put,
    /// list keys
    List,
    /// delete an object
    Delete,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Op::Get => "GET",
            Op::Put => "PUT",
            Op::List => "LIST",
            Op::Delete => "DELETE",
        })
    }
}

/// Why it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// a namespace is opened
    Open,
    /// the WAL is replayed
    Replay,
    /// a reader asks whether the WAL has grown
    Probe,
    /// a commit is written
    Commit,
    /// a query reads files
    Read,
    /// a memtable becomes files
    Flush,
    /// a manifest is read or written
    Manifest,
    /// stored bytes are verified
    Verify,
    /// nothing of the above
    #[default]
    Other,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Cause::Open => "open",
            Cause::Replay => "replay",
            Cause::Probe => "probe",
            Cause::Commit => "commit",
            Cause::Read => "read",
            Cause::Flush => "flush",
            Cause::Manifest => "manifest",
            Cause::Verify => "verify",
            Cause::Other => "other",
        })
    }
}

/// The requests of one operation, namespace and cause since the store was connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTotal {
    /// the operation
    pub op: Op,
    /// the namespace's name; `None` for requests above any namespace
    pub namespace: Option<String>,
    /// the cause
    pub cause: Cause,
    /// requests started
    pub requests: u64,
    /// bytes received
    pub bytes_in: u64,
    /// bytes sent
    pub bytes_out: u64,
}

type Label = (Option<Arc<str>>, Op, Cause);

/// The totals of one connected store.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<BTreeMap<Label, [u64; 3]>>);

impl Totals {
    /// Adds requests, bytes received and bytes sent.
    pub(crate) fn add(&self, namespace: Option<&Arc<str>>, op: Op, cause: Cause, amounts: [u64; 3]) {
        let mut all = self.0.lock();
        let entry = all.entry((namespace.cloned(), op, cause)).or_default();
        for (sum, amount) in entry.iter_mut().zip(amounts) {
            *sum = sum.saturating_add(amount);
        }
    }

    /// All totals, ordered by namespace, operation and cause.
    pub(crate) fn all(&self) -> Vec<RequestTotal> {
        let all = self.0.lock();
        all.iter()
            .map(|((namespace, op, cause), amounts)| RequestTotal {
                op: *op,
                namespace: namespace.as_deref().map(str::to_owned),
                cause: *cause,
                requests: amounts[0],
                bytes_in: amounts[1],
                bytes_out: amounts[2],
            })
            .collect()
    }
}

/// Counts the requests of one statement (or of anything else that wants its own count).
#[derive(Debug, Default)]
pub struct Tally(Mutex<TallySummary>);

/// What a [`Tally`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TallySummary {
    /// all requests
    pub requests: u64,
    /// GETs
    pub gets: u64,
    /// PUTs
    pub puts: u64,
    /// LISTs
    pub lists: u64,
    /// DELETEs
    pub deletes: u64,
    /// bytes received
    pub bytes_read: u64,
    /// bytes sent
    pub bytes_written: u64,
    /// the longest chain of requests each of which began after another had ended
    pub round_trips: u64,
}

impl Tally {
    /// A tally at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What was counted so far.
    #[must_use]
    pub fn summary(&self) -> TallySummary {
        *self.0.lock()
    }

    /// The depth of a request that starts now.
    pub(crate) fn next_depth(&self) -> u64 {
        self.0.lock().round_trips + 1
    }

    /// A request starts, in a round of a known depth or after all that have ended: its depth, for [`Tally::end`].
    pub(crate) fn begin(&self, op: Op, bytes_out: u64, round: Option<u64>) -> u64 {
        let mut sum = self.0.lock();
        sum.bytes_written += bytes_out;
        count(&mut sum, op, 1);
        round.unwrap_or(sum.round_trips + 1)
    }

    /// A request that started at `depth` has ended; `more` further requests of it came one after another (pages).
    pub(crate) fn end(&self, op: Op, depth: u64, bytes_in: u64, more: u64) {
        let mut sum = self.0.lock();
        sum.bytes_read += bytes_in;
        count(&mut sum, op, more);
        sum.round_trips = sum.round_trips.max(depth + more);
    }
}

fn count(sum: &mut TallySummary, op: Op, n: u64) {
    sum.requests += n;
    *match op {
        Op::Get => &mut sum.gets,
        Op::Put => &mut sum.puts,
        Op::List => &mut sum.lists,
        Op::Delete => &mut sum.deletes,
    } += n;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_side_by_side_share_a_depth() {
        let t = Tally::new();
        let a = t.begin(Op::List, 0, None);
        t.end(Op::List, a, 0, 0);
        let (b, c) = (t.begin(Op::Get, 0, None), t.begin(Op::Get, 0, None));
        t.end(Op::Get, b, 10, 0);
        t.end(Op::Get, c, 5, 0);
        let d = t.begin(Op::Put, 7, None);
        t.end(Op::Put, d, 0, 0);
        let s = t.summary();
        assert_eq!((a, b, c, d), (1, 2, 2, 3));
        assert_eq!((s.requests, s.round_trips, s.bytes_read, s.bytes_written), (4, 3, 15, 7));
        assert_eq!((s.gets, s.puts, s.lists, s.deletes), (2, 1, 1, 0));
    }

    #[test]
    fn a_round_is_one_trip_however_late_its_requests_begin() {
        let t = Tally::new();
        let round = Some(t.next_depth());
        for _ in 0..3 {
            let depth = t.begin(Op::Get, 0, round);
            t.end(Op::Get, depth, 0, 0);
        }
        assert_eq!((t.summary().requests, t.summary().round_trips), (3, 1));
    }

    #[test]
    fn a_cancelled_request_is_counted() {
        let t = Tally::new();
        let _ = t.begin(Op::Get, 0, None);
        assert_eq!((t.summary().requests, t.summary().round_trips), (1, 0));
    }

    #[test]
    fn pages_of_a_list_are_dependent() {
        let t = Tally::new();
        let a = t.begin(Op::List, 0, None);
        t.end(Op::List, a, 0, 2);
        assert_eq!((t.summary().lists, t.summary().round_trips), (3, 3));
    }
}
