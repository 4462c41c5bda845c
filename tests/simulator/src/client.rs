//! Clients: they think, do something at some gateway, and try again where that is safe.
//!
//! Promises: an operation whose fate is unknown is repeated under its request id, or not at all.
//! Never: more knowledge than an answer gave.

use std::sync::Arc;

use firn_engine::{Error, ErrorKind};

use crate::clock::{MILLI, SECOND};
use crate::gateway::{Instance, Sim};
use crate::history::Known;
use crate::model::Spec;
use crate::reads;
use crate::rng::Rng;
use crate::writes::{Way, Write};

/// How often an operation is tried.
const TRIES: u64 = 6;

/// One client from its first operation to its last.
pub async fn client(sim: Arc<Sim>, number: u64) {
    let mut rng = Rng::fork(sim.seed, 3_000_000 + number);
    for n in 0..sim.profile.operations {
        sim.clock.sleep(rng.below(sim.profile.think) + 1).await;
        let who = format!("c{number}-{n}");
        if rng.chance(sim.profile.reads) {
            read(&sim, &mut rng, &who).await;
        } else {
            write(&sim, &mut rng, &who).await;
        }
    }
}

async fn read(sim: &Arc<Sim>, rng: &mut Rng, who: &str) {
    for attempt in 0..TRIES {
        let instance = sim.at(rng.below(sim.places() as u64) as usize);
        let drawn = Rng::new(rng.next());
        match sim.call(&instance, reads::read(sim, &instance, drawn, who)).await {
            Some(Ok(())) => return,
            Some(Err(error)) => {
                sim.note(format_args!("{who} at {:?} fails: {error}", instance.process));
                after(sim, &instance, &error, rng, who).await;
            }
            None => sim.note(format_args!("{who} at {:?} has no answer", instance.process)),
        }
        sim.clock.sleep(rng.range(MILLI, SECOND << attempt.min(4))).await;
    }
}

fn drawn(rng: &mut Rng, who: &str) -> Spec {
    let id = |rng: &mut Rng| rng.range(1, 6) as i64;
    match rng.below(20) {
        0..6 => Spec::Transfer { from: id(rng), to: id(rng), amount: rng.range(1, 30) as i64 },
        6..10 => Spec::Put { id: id(rng), balance: rng.range(0, 100) as i64 },
        10 | 11 => Spec::Delete { id: id(rng) },
        12..15 => Spec::Skew { from: id(rng), with: id(rng), amount: rng.range(1, 60) as i64 },
        15 | 16 => Spec::Audit { id: (rng.next() >> 2) as i64 },
        17 | 18 => Spec::Note { texts: (0..rng.range(1, 3)).map(|i| format!("{who}.{i}")).collect() },
        _ => Spec::Column { name: format!("x{}", who.replace('-', "_")) },
    }
}

/// The name under which the `attempt`-th try of an operation stands in the log.
fn tag(who: &str, attempt: u64, repeatable: bool) -> String {
    if repeatable { who.to_owned() } else { format!("{who}.{attempt}") }
}

async fn write(sim: &Arc<Sim>, rng: &mut Rng, who: &str) {
    let spec = drawn(rng, who);
    let blocks = matches!(spec, Spec::Transfer { .. } | Spec::Skew { .. } | Spec::Audit { .. });
    let way = if rng.chance(sim.profile.sql) {
        Way::Sql
    } else if blocks && rng.chance(500) {
        Way::Transaction
    } else {
        Way::Direct
    };
    // the answer of a block in SQL is repeated statement by statement, which is not what is judged here
    let repeatable = rng.chance(500) && !(way == Way::Sql && blocks);
    let rolls_back = blocks && way != Way::Direct && rng.chance(if way == Way::Sql { 300 } else { 100 });
    let pause = rng.below(sim.profile.latency * 4);
    for attempt in 0..TRIES {
        let place = if rng.chance(sim.profile.home) { 0 } else { rng.below(sim.places() as u64) as usize };
        let instance = sim.at(place);
        if !instance.writes() {
            continue;
        }
        let write =
            Write { spec: spec.clone(), tag: tag(who, attempt, repeatable), repeatable, way, pause, rolls_back };
        if once(sim, &instance, write, rng).await {
            return;
        }
        sim.clock.sleep(rng.range(MILLI, SECOND << attempt.min(4))).await;
    }
}

/// One try; true when there is nothing more to do.
async fn once(sim: &Arc<Sim>, instance: &Arc<Instance>, write: Write, rng: &mut Rng) -> bool {
    instance.process.allow_writes();
    sim.history.begins(&write.tag, &write.spec);
    sim.note(format_args!("{} at {:?}: {:?} {:?}", write.tag, instance.process, write.way, write.spec));
    let answer = sim.call(instance, write.run(instance)).await;
    let (known, over) = match &answer {
        Some(Ok(known)) => (*known, true),
        Some(Err(error)) => {
            let refused = refuses(error, write.repeatable);
            after(sim, instance, error, rng, &write.tag).await;
            let again = error.kind != ErrorKind::Statement || error.sqlstate == "40001";
            (if refused { Known::Refused } else { Known::Unknown }, !(again && (refused || write.repeatable)))
        }
        None => (Known::Unknown, !write.repeatable),
    };
    let shown = answer.map(|a| a.map_err(|e| e.to_string()));
    sim.note(format_args!("{} is told {known:?} ({shown:?})", write.tag));
    match known {
        Known::Acknowledged(position) => {
            sim.trace.count("commits acknowledged");
            sim.bucket.acknowledged(position);
        }
        Known::Unknown => sim.trace.count("unknowns"),
        Known::Refused => sim.trace.count("refusals"),
        Known::Nothing(_) => {}
    }
    if write.way == Way::Transaction || write.way == Way::Sql {
        sim.trace.count("transactions");
    }
    sim.history.told(&write.tag, known, &sim.trace);
    over
}

/// Whether an error says that nothing was stored. Under a request id another try may have been.
fn refuses(error: &Error, repeatable: bool) -> bool {
    let definite = error.kind == ErrorKind::Fenced || (error.kind == ErrorKind::Statement && error.sqlstate != "XX000");
    definite && !repeatable
}

/// What an error means for the gateway, and whether it may come at all.
async fn after(sim: &Arc<Sim>, instance: &Arc<Instance>, error: &Error, rng: &mut Rng, who: &str) {
    match error.kind {
        ErrorKind::Fenced => sim.trace.count("fenced"),
        ErrorKind::Store => sim.trace.count("store errors"),
        ErrorKind::Statement if error.sqlstate == "40001" => sim.trace.count("aborts"),
        // a name twice, a table that an old reader does not know yet
        ErrorKind::Statement if ["42701", "23505", "42P01", "22023"].contains(&error.sqlstate) => {}
        ErrorKind::NoNamespace => {}
        // the writer's own log task ended, or another process of the epoch
        ErrorKind::Integrity if sim.profile.torn || sim.profile.collects => sim.trace.count("damage seen"),
        _ => sim.trace.violated("error", format!("{who}: {:?} {error}", error.kind)),
    }
    let closed = matches!(error.kind, ErrorKind::Fenced | ErrorKind::Integrity) || error.sqlstate == "08007";
    if closed || (error.kind == ErrorKind::Store && rng.chance(300)) || error.sqlstate == "XX000" {
        sim.replace(instance).await;
    }
}
