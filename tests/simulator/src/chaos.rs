//! What befalls the gateways, and the collector.
//!
//! Promises: the collector frees what a newer manifest covers and a day has passed over, and never a claim, a fence, or the
//! segment before a fence, which a stalled writer may still have in flight (I3).
//! Never: two events of one seed in another order than the profile says.

use std::sync::Arc;

use firn_manifest::chain::{manifest_key, parse_manifest_key};
use firn_manifest::codec::decode_envelope;
use firn_manifest::model::ManifestKind;
use firn_manifest::{GetRange, canary};
use firn_segment::wal::{self, SegmentKind};

use crate::bucket::NAMESPACE;
use crate::clock::{DAY, HOUR};
use crate::gateway::Sim;
use crate::process::EPOCH_MICROS;
use crate::profile::Event;

/// How long a retired object stays: longer than the longest backup.
const GRACE_MICROS: i64 = DAY as i64;

/// Lets the profile's events happen.
pub async fn events(sim: Arc<Sim>) {
    for (at, event) in sim.profile.events.clone() {
        sim.clock.until(at).await;
        sim.note(format_args!("{event:?}"));
        match event {
            Event::Crash(place) => sim.crash(place).await,
            Event::CrashAtRequest(place, n) => sim.at(place).process.crash_in(n),
            Event::Freeze(place, ticks) => {
                sim.trace.count("freezes");
                sim.at(place).process.freeze(sim.clock.now() + ticks);
            }
            Event::FreezeAtRequest(place, n, ticks) => {
                sim.trace.count("freezes");
                sim.at(place).process.freeze_in(n, ticks);
            }
            Event::Step(place, by) => {
                sim.trace.count("clock steps");
                sim.at(place).process.step_clock(by);
            }
            Event::Replace(place) => {
                sim.trace.count("replacements");
                let old = sim.at(place);
                sim.replace(&old).await;
            }
            Event::Storm(bad, ticks) => {
                sim.trace.count("storms");
                sim.bucket.storm(bad, sim.clock.now() + ticks);
            }
        }
    }
}

/// Collects until it is aborted.
pub async fn collector(sim: Arc<Sim>) {
    loop {
        sim.clock.sleep(9 * HOUR).await;
        collect(&sim).await;
    }
}

fn full(name: &str) -> String {
    format!("{NAMESPACE}/{name}")
}

async fn collect(sim: &Sim) -> Option<()> {
    let bucket = &sim.bucket;
    let now = EPOCH_MICROS + i64::try_from(sim.clock.now()).ok()?;
    let listed = bucket.list(&full(""), None, usize::MAX).await;
    let names: Vec<&str> = listed.iter().filter_map(|o| o.key.strip_prefix(NAMESPACE)?.strip_prefix('/')).collect();
    let mut versions: Vec<_> = names.iter().filter_map(|n| parse_manifest_key(n)).collect();
    versions.sort_unstable();
    // what is old is judged by the newest manifest that is older than the grace
    let mut floor = None;
    for (i, version) in versions.iter().enumerate().rev() {
        let name = manifest_key(*version);
        let bytes = bucket.get(&full(&name), GetRange::All).await.ok()?;
        let (envelope, _) = decode_envelope(&bytes, &name).ok()?;
        if envelope.written_at > now - GRACE_MICROS {
            continue;
        }
        if floor.is_none() {
            floor = Some(envelope.wal.seq);
            for retired in &envelope.retired {
                if retired.retired_at <= now - GRACE_MICROS {
                    bucket.collect(&full(&retired.object.name)).await;
                }
            }
        } else if envelope.kind == ManifestKind::Flush && i + 2 < versions.len() {
            bucket.collect(&full(&name)).await;
        }
    }
    let floor = floor?;
    let mut before_fence = None;
    for name in names.iter().rev() {
        let Some(seq) = wal::parse_segment_key(name) else { continue };
        let bytes = bucket.get(&full(name), GetRange::All).await.ok()?;
        let header = wal::inspect(name, bytes).ok()?.header;
        let kept = header.kind == SegmentKind::Fence || before_fence == Some(seq);
        if header.kind == SegmentKind::Fence {
            before_fence = Some(firn_manifest::ids::Seq(seq.0 - 1));
        }
        if seq < floor && (!kept || canary!(FenceCollected)) {
            bucket.collect(&full(name)).await;
        }
    }
    Some(())
}
