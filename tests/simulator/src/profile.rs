//! What a seed is like: how many take part, how bad the store is, and what befalls the gateways when.
//!
//! Promises: everything here follows from the seed alone.
//! Never: a fault that a real store over a real network could not show.

use crate::clock::{DAY, HOUR, MILLI, SECOND};
use crate::rng::Rng;

/// What befalls a gateway, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// its process ends now
    Crash(usize),
    /// its process ends at its n-th request or answer from now
    CrashAtRequest(usize, u64),
    /// it stands still for so long
    Freeze(usize, u64),
    /// it stands still for so long from its n-th request or answer on
    FreezeAtRequest(usize, u64, u64),
    /// its wall clock jumps, microseconds
    Step(usize, i64),
    /// another process takes its place; the old one is not told
    Replace(usize),
    /// so many of a thousand requests fail for so long
    Storm(u64, u64),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Profile {
    /// gateways side by side
    pub gateways: usize,
    /// those from this one on are opened to read only
    pub readers_from: usize,
    /// readers whose reads may be old
    pub relaxed_readers: bool,
    /// clients side by side
    pub clients: usize,
    /// operations of each
    pub operations: u64,
    /// of a thousand operations, how many go through SQL
    pub sql: u64,
    /// of a thousand operations, how many only read
    pub reads: u64,
    /// of a thousand writes, how many go to the first gateway
    pub home: u64,
    /// of a thousand PUTs, how many meet a fault
    pub put_faults: u64,
    /// of a thousand GETs and LISTs, how many meet a fault
    pub get_faults: u64,
    /// bodies of answers may end early
    pub torn: bool,
    /// the slowest ordinary request, ticks
    pub latency: u64,
    /// the longest that a client thinks between operations, ticks
    pub think: u64,
    /// the longest that a PUT may be under way after its caller was told it failed, ticks
    pub late: u64,
    /// segments after which a memtable becomes files
    pub flush_segments: u64,
    /// the days are long and the collector runs
    pub collects: bool,
    /// what happens when
    pub events: Vec<(u64, Event)>,
}

impl Profile {
    /// The profile of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::fork(seed, 1);
        let gateways = rng.range(2, 4) as usize;
        let collects = rng.chance(200);
        let clients = rng.range(2, 4) as usize;
        let operations = rng.range(5, 10);
        let think =
            if collects { rng.pick(&[12 * HOUR, 3 * DAY]) } else { rng.pick(&[20 * MILLI, 200 * MILLI, SECOND]) };
        let span = think * operations / 2 + 500 * MILLI;
        let calm = rng.chance(100);
        let mut events = Vec::new();
        for _ in 0..if calm { 0 } else { rng.range(1, 5) } {
            let at = rng.below(span);
            let gateway = rng.below(gateways as u64) as usize;
            events.push((at, event(&mut rng, gateway, collects)));
        }
        events.sort_by_key(|(at, _)| *at);
        Self {
            gateways,
            readers_from: if rng.chance(500) { gateways - 1 } else { gateways },
            relaxed_readers: rng.chance(300),
            clients,
            operations,
            sql: rng.pick(&[0, 100, 250]),
            reads: rng.pick(&[250, 400, 550]),
            home: rng.pick(&[500, 900, 1000]),
            put_faults: if calm { 0 } else { rng.pick(&[0, 40, 120, 250]) },
            get_faults: if calm { 0 } else { rng.pick(&[0, 10, 40]) },
            torn: rng.chance(250),
            latency: rng.pick(&[5 * MILLI, 30 * MILLI, 120 * MILLI]),
            think,
            late: if collects { rng.pick(&[SECOND, 10 * DAY]) } else { rng.pick(&[SECOND, 60 * SECOND]) },
            flush_segments: rng.pick(&[2, 4, 8, 1000]),
            collects,
            events,
        }
    }
}

fn event(rng: &mut Rng, gateway: usize, collects: bool) -> Event {
    match rng.below(11) {
        0 | 1 => Event::Crash(gateway),
        2 | 3 => Event::CrashAtRequest(gateway, rng.below(40)),
        4 => Event::Freeze(gateway, long(rng, collects)),
        5 => {
            let n = rng.below(40);
            Event::FreezeAtRequest(gateway, n, long(rng, collects))
        }
        6 => Event::Step(gateway, rng.pick(&[-3_600_000_000, -5_000_000, 5_000_000, 3_600_000_000])),
        7 | 8 => Event::Replace(gateway),
        _ => {
            let bad = rng.pick(&[600, 1000]);
            Event::Storm(bad, rng.pick(&[SECOND, 20 * SECOND, 70 * SECOND]))
        }
    }
}

/// How long a process stands still.
fn long(rng: &mut Rng, collects: bool) -> u64 {
    if collects {
        rng.pick(&[45 * SECOND, 4 * DAY, 31 * DAY])
    } else {
        rng.pick(&[2 * SECOND, 45 * SECOND, 90 * SECOND])
    }
}
