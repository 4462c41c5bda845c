//! The end of a run: faults stop, everyone looks again, and everything stored is verified.
//!
//! Promises: every gateway that opens now reads what the log says, at its end and in its past; the bucket verifies, by its
//! chains and by replay; nobody asks anything when nobody uses the namespace.
//! Never: a fault here; what fails now fails for good.

use std::sync::Arc;

use firn_engine::{Consistency, Mode, verify};
use firn_manifest::chain;
use firn_manifest::ids::Position;
use firn_manifest::store::Store;
use firn_segment::wal;

use crate::bucket::NAMESPACE;
use crate::clock::{DAY, HOUR, SECOND};
use crate::gateway::{Instance, Sim};
use crate::history::{Known, Seen, agrees};
use crate::model::{Spec, Truth};
use crate::rng::Rng;
use crate::rows;
use crate::writes::{Way, Write};

/// How long it may take until the last late PUT has landed.
const LATEST: u64 = 80 * DAY;

/// Lets faults end and judges.
pub async fn conclude(sim: &Arc<Sim>) {
    sim.bucket.heal();
    sim.note(format_args!("faults end"));
    for place in 0..sim.places() {
        sim.at(place).process.crash();
    }
    let deadline = sim.clock.now() + LATEST;
    while sim.bucket.under_way() > 0 && sim.clock.now() < deadline {
        sim.clock.sleep(10 * SECOND.max(sim.profile.late / 50)).await;
    }
    let last = last_write(sim).await;
    sim.bucket.restore().await;
    let Some(truth) = truth(sim).await else { return };
    sim.history.judge(&truth, &sim.trace);
    sim.trace.event(sim.clock.now(), format_args!("the log ends at {}", truth.position()));
    let strong = sim.open(0, Mode::ReadOnly, Consistency::Strong).await;
    for instance in last.iter().chain([&strong]) {
        looks(sim, instance, &truth).await;
    }
    verified(sim, &strong).await;
    idle(sim).await;
    isolated(sim, &strong).await;
}

/// A writer takes over, writes once more and flushes.
async fn last_write(sim: &Arc<Sim>) -> Option<Arc<Instance>> {
    let instance = sim.open(0, Mode::ReadWrite, Consistency::Strong).await;
    instance.process.allow_writes();
    let spec = Spec::Note { texts: vec!["last".to_owned()] };
    let write = Write { spec, tag: "last".to_owned(), repeatable: true, way: Way::Direct, pause: 0, rolls_back: false };
    sim.history.begins(&write.tag, &write.spec);
    let done = match write.run(&instance).await {
        Ok(known @ Known::Acknowledged(position)) => {
            sim.bucket.acknowledged(position);
            sim.history.told(&write.tag, known, &sim.trace);
            let core = instance.db.writer().await;
            match core {
                Ok(core) if Rng::fork(sim.seed, 7).chance(700) => core.flush().await.map_err(|e| e.to_string()),
                Ok(_) => Ok(()),
                Err(e) => Err(e.to_string()),
            }
        }
        Ok(other) => Err(format!("{other:?}")),
        Err(e) => Err(e.to_string()),
    };
    if let Err(what) = done {
        sim.trace.violated("convergence", format!("the last writer cannot write: {what}"));
        return None;
    }
    Some(instance)
}

/// The log, decoded.
async fn truth(sim: &Arc<Sim>) -> Option<Truth> {
    let instance = sim.open(0, Mode::ReadOnly, Consistency::Strong).await;
    match chain::open(instance.db.store(), sim.keys.as_ref()).await {
        Ok(namespace) => Some(Truth::read(&sim.bucket, &namespace.keys, &sim.trace).await),
        Err(e) => {
            sim.trace.violated("convergence", format!("the namespace does not open: {e}"));
            None
        }
    }
}

/// What an instance sees at the end, and at some positions before.
async fn looks(sim: &Arc<Sim>, instance: &Arc<Instance>, truth: &Truth) {
    let mut rng = Rng::fork(sim.seed, 8);
    let end = truth.position();
    let snapshot = match instance.db.snapshot(instance.db.store()).await {
        Ok(snapshot) => snapshot,
        Err(e) => return sim.trace.violated("convergence", format!("{:?} cannot read: {e}", instance.process)),
    };
    if snapshot.position().0 != end {
        let at = snapshot.position();
        sim.trace.violated("convergence", format!("{:?} reads position {at}, the log ends at {end}", instance.process));
    }
    let mut positions = vec![end];
    positions.extend((0..4).map(|_| rng.range(3.min(end), end)));
    for at in positions {
        let read = async {
            let accounts = rows::pairs(&rows::scan(&snapshot, "accounts", "balance", Position(at)).await?)?;
            let notes = rows::texts(&rows::scan(&snapshot, "notes", "note", Position(at)).await?)?;
            Ok::<_, firn_engine::Error>([Seen::Accounts(None, accounts), Seen::Notes(notes)])
        };
        let Some(state) = truth.at(at) else { continue };
        match read.await {
            Ok(seen) => {
                for seen in seen.iter().filter(|s| !agrees(s, state)) {
                    let who = &instance.process;
                    sim.trace.violated("as-of", format!("{who:?} at {at} sees {seen:?}, the log says {state:?}"));
                }
            }
            Err(e) if at >= 3 => sim.trace.violated("as-of", format!("{:?} at {at}: {e}", instance.process)),
            Err(_) => {}
        }
    }
}

/// I6 and I7 by the product's own verification.
async fn verified(sim: &Arc<Sim>, instance: &Arc<Instance>) {
    match verify::verify_replay(&instance.db).await {
        Ok(report) => {
            for finding in report.findings {
                let check = if finding.problem.contains("replay") { "I7" } else { "I6" };
                let what = format!("{} {}: {}", finding.invariant, finding.object, finding.problem);
                sim.trace.violated(check, what);
            }
            sim.trace.event(sim.clock.now(), format_args!("verified {} segments", report.segments));
        }
        Err(e) => sim.trace.violated("I6", format!("verification fails: {e}")),
    }
}

/// I10: an hour in which nobody asks, once what was begun has ended.
async fn idle(sim: &Arc<Sim>) {
    // a replaced writer may be at a flush that it will lose
    sim.end_frozen();
    sim.clock.sleep(600 * SECOND).await;
    let before = sim.bucket.requests();
    sim.clock.sleep(HOUR).await;
    let asked = sim.bucket.requests() - before;
    if asked > 0 {
        sim.trace.violated("I10", format!("{asked} requests in an hour in which nobody uses the namespace"));
    }
}

/// I8: a segment of this namespace does not open with the keys of another.
async fn isolated(sim: &Arc<Sim>, instance: &Arc<Instance>) {
    if !sim.seed.is_multiple_of(8) {
        return;
    }
    instance.process.allow_writes();
    let world = instance.db.store().world().clone();
    let other = Store::from_backend(firn_manifest::store::memory_backend("other"), "", world);
    let opened = chain::claim(&other, sim.keys.as_ref(), "sim").await;
    let name = wal::segment_key(firn_manifest::ids::Seq(2));
    let bytes = sim.bucket.get(&format!("{NAMESPACE}/{name}"), firn_manifest::GetRange::All).await;
    let (Ok(other), Ok(bytes)) = (opened, bytes) else { return };
    if wal::inspect(&name, bytes).and_then(|segment| segment.frames(&other.keys)).is_ok() {
        sim.trace.violated("I8", format!("{name} opens with the keys of another namespace"));
    }
}
