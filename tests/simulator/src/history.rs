//! What clients did and saw, to be judged against the log when the run is over.
//!
//! Promises: an operation is judged by what its client was told: acknowledged ones are in the log, once, where the answer
//! said; refused ones are not; of the others it is only asked that they are there at most once.
//! Never: a judgement while the run goes on, but for what an acknowledgement promises at once.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::model::{Spec, State, Truth};
use crate::trace::Trace;

/// What a client knows of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// it is in the log at that position
    Acknowledged(u64),
    /// it changed nothing, as of that position
    Nothing(u64),
    /// it is not in the log
    Refused,
    /// nobody knows
    Unknown,
}

/// What a read saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// accounts, all of them or those of the keys asked for
    Accounts(Option<Vec<i64>>, BTreeMap<i64, i64>),
    /// notes, sorted
    Notes(Vec<String>),
    /// accounts and the names of their columns
    Whole(BTreeMap<i64, i64>, Vec<String>),
}

/// One read.
#[derive(Clone, Debug)]
struct Read {
    who: String,
    position: u64,
    /// the newest acknowledged position when a strong read began
    floor: u64,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Inside {
    operations: BTreeMap<String, (Spec, Known)>,
    reads: Vec<Read>,
    acknowledged: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct History(Mutex<Inside>);

impl History {
    /// An operation begins.
    pub fn begins(&self, tag: &str, spec: &Spec) {
        self.0.lock().operations.entry(tag.to_owned()).or_insert_with(|| (spec.clone(), Known::Unknown));
    }

    /// Its client is told. What was acknowledged stays so.
    pub fn told(&self, tag: &str, known: Known, trace: &Trace) {
        let mut inside = self.0.lock();
        if let Known::Acknowledged(position) = known {
            inside.acknowledged = inside.acknowledged.max(position);
        }
        let Some((_, before)) = inside.operations.get_mut(tag) else { return };
        match (*before, known) {
            (Known::Acknowledged(a), Known::Acknowledged(b)) if a != b => {
                trace.violated("REQ-1", format!("{tag} is acknowledged at {a} and at {b}"));
            }
            (Known::Acknowledged(_), _) => {}
            _ => *before = known,
        }
    }

    /// The newest acknowledged position.
    pub fn acknowledged(&self) -> u64 {
        self.0.lock().acknowledged
    }

    /// A read has its answer.
    pub fn read(&self, who: String, position: u64, floor: u64, seen: Seen) {
        self.0.lock().reads.push(Read { who, position, floor, seen });
    }

    /// Judges everything.
    pub fn judge(&self, truth: &Truth, trace: &Trace) {
        let inside = self.0.lock();
        let mut places: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (position, commit) in (1u64..).zip(&truth.commits) {
            places.entry(&commit.tag).or_default().push(position);
        }
        for (tag, (spec, known)) in &inside.operations {
            let at = places.get(tag.as_str()).map_or(&[][..], Vec::as_slice);
            if at.len() > 1 {
                trace.violated("doubled", format!("{tag} is in the log at {at:?}"));
            }
            match known {
                Known::Acknowledged(position) if !at.contains(position) => {
                    trace.violated("lost", format!("{tag} was acknowledged at {position}, it is at {at:?}"));
                }
                Known::Refused | Known::Nothing(_) if !at.is_empty() => {
                    trace.violated("refused", format!("{tag} was told {known:?}, it is at {at:?}"));
                }
                Known::Nothing(position) => match truth.at(*position) {
                    Some(state) if spec.effect(&state.accounts).is_empty() => {}
                    _ => trace.violated("serial", format!("{tag} {spec:?} did nothing at {position}")),
                },
                _ => {}
            }
        }
        for (position, commit) in (1u64..).zip(&truth.commits) {
            let Some((spec, _)) = inside.operations.get(&commit.tag) else {
                trace.violated("doubled", format!("position {position} is of nobody: {:?}", commit.tag));
                continue;
            };
            let Some(before) = truth.at(position - 1) else { continue };
            let meant = spec.effect(&before.accounts);
            if meant != commit.effect {
                trace.violated(
                    "serial",
                    format!(
                        "{} {spec:?} at {position} over {:?} wrote {:?}",
                        commit.tag, before.accounts, commit.effect
                    ),
                );
            }
        }
        for read in &inside.reads {
            judge_read(read, truth, trace);
        }
    }
}

fn judge_read(read: &Read, truth: &Truth, trace: &Trace) {
    let Read { who, position, floor, seen } = read;
    if position < floor {
        trace.violated("linear", format!("{who} reads position {position} after {floor} was acknowledged"));
    }
    let Some(state) = truth.at(*position) else {
        trace.violated("I4", format!("{who} reads position {position}, the log ends at {}", truth.position()));
        return;
    };
    if !agrees(seen, state) {
        trace.violated("read", format!("{who} at {position} saw {seen:?}, the log says {state:?}"));
    }
}

/// Whether what was seen is what the state holds.
#[must_use]
pub fn agrees(seen: &Seen, state: &State) -> bool {
    match seen {
        Seen::Accounts(None, rows) => *rows == state.accounts,
        Seen::Accounts(Some(keys), rows) => {
            let asked: BTreeMap<i64, i64> =
                state.accounts.iter().filter(|(id, _)| keys.contains(id)).map(|(id, b)| (*id, *b)).collect();
            *rows == asked
        }
        Seen::Notes(texts) => {
            let mut all: Vec<String> = state.notes.values().cloned().collect();
            all.sort();
            *texts == all
        }
        Seen::Whole(rows, columns) => *rows == state.accounts && *columns == state.columns,
    }
}
