//! A simulator of FirnDB: the real manifest, segment and engine code over a store that goes wrong, by seed.
//!
//! Promises: a run is one thread, one virtual clock and one stream of randomness, so a seed replays; every promise of the
//! product is checked by its id, while the run goes on or when it is over.
//! Never: a mock of a protocol; a run that looks at a real clock.

pub mod bucket;
pub mod campaign;
pub mod canaries;
pub mod chaos;
pub mod checks;
pub mod client;
pub mod clock;
pub mod door;
pub mod gateway;
pub mod history;
pub mod keys;
pub mod model;
pub mod process;
pub mod profile;
pub mod reads;
pub mod rng;
pub mod rows;
pub mod trace;
pub mod writes;

use std::cell::RefCell;
use std::sync::Arc;

use crate::clock::SECOND;
use crate::gateway::Sim;
use crate::history::Known;
use crate::model::Spec;
use crate::trace::{Story, Trace, Violation};

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Panics of this thread are written down from now on, and so fail the run they happen in.
pub fn watch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let what = info.to_string();
        PANICS.with(|panics| panics.borrow_mut().push(what));
    }));
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, keep_trace: bool) -> Story {
    let clock = Arc::default();
    let trace = Arc::new(Trace::new(keep_trace));
    let sim = Sim::new(seed, &clock, &trace);
    let finished = clock::run(&clock, whole(sim));
    if finished.is_none() {
        trace.violated("stuck", "every task waits for something that cannot happen");
    }
    for what in PANICS.with(|panics| std::mem::take(&mut *panics.borrow_mut())) {
        trace.violated("panic", what);
    }
    trace.close()
}

async fn whole(sim: impl Future<Output = Arc<Sim>>) {
    let sim = sim.await;
    set_up(&sim).await;
    let clients: Vec<_> =
        (0..sim.profile.clients as u64).map(|n| tokio::spawn(client::client(sim.clone(), n))).collect();
    let events = tokio::spawn(chaos::events(sim.clone()));
    let collector = sim.profile.collects.then(|| tokio::spawn(chaos::collector(sim.clone())));
    for client in clients {
        if client.await.is_err() {
            sim.trace.violated("panic", "a client panicked");
        }
    }
    events.abort();
    if let Some(collector) = collector {
        collector.abort();
    }
    checks::conclude(&sim).await;
}

/// Makes the tables and the first accounts, until it works.
async fn set_up(sim: &Arc<Sim>) {
    let statements = [
        "CREATE TABLE accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)",
        "CREATE TABLE audits (id BIGINT PRIMARY KEY, total BIGINT NOT NULL)",
        "CREATE TABLE notes (note TEXT)",
    ];
    for (n, sql) in statements.iter().enumerate() {
        let tag = format!("setup-{n}");
        // a statement that makes a table has no meaning in the model but its name
        sim.history.begins(&tag, &Spec::Note { texts: vec![] });
        for _ in 0..50 {
            let instance = sim.at(0);
            instance.process.allow_writes();
            let mut session = instance.db.session();
            session.set_reason(Some(tag.clone()));
            let done = sim.call(&instance, writes::run(&mut session, sql, Some(&tag))).await;
            match done.map(|d| d.map(|outcome| outcome.position)) {
                Some(Ok(Some(position))) => {
                    sim.history.told(&tag, Known::Acknowledged(position.0), &sim.trace);
                    break;
                }
                Some(Err(error)) => sim.note(format_args!("{tag}: {error}")),
                _ => {}
            }
            sim.clock.sleep(SECOND).await;
            sim.replace(&instance).await;
        }
    }
}

/// One line about a violation, with how to see it again.
#[must_use]
pub fn describe(seed: u64, violation: &Violation) -> String {
    format!("seed {seed}: {violation} (firn-sim --seed {seed} --trace)")
}
