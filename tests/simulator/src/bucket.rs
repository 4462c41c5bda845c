//! The bucket: the objects, what the collector took out of them, and the checks that every request must pass.
//!
//! Promises: each PUT is checked when it is tried and again when it lands; nothing that was ever stored is forgotten.
//! Never: a fault; those are the door's.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use firn_manifest::store::{Backend, GetRange, ObjectInfo, PutOutcome, memory_backend};
use firn_segment::wal::{self, SegmentHeader, SegmentKind};
use parking_lot::Mutex;

use crate::process::Process;
use crate::trace::Trace;

/// The namespace that is written.
pub const NAMESPACE: &str = "acme";

#[derive(Debug, Default)]
struct Known {
    /// every name that ever held an object: the hash of its bytes
    contents: BTreeMap<String, [u8; 32]>,
    /// objects taken out by the collector
    archive: BTreeMap<String, Bytes>,
    /// segments that landed
    segments: BTreeMap<u64, SegmentHeader>,
    /// nonces of segments that were tried, with the hash of the bytes they sealed
    nonces: BTreeMap<[u8; 16], [u8; 32]>,
    /// which process wrote under an epoch
    epochs: BTreeMap<u64, u64>,
    /// PUTs on their way
    under_way: u64,
    /// requests in all
    requests: u64,
    /// how many of a thousand requests fail, and until when
    storm: (u64, u64),
    /// no faults any more
    healed: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Bucket {
    inner: Arc<dyn Backend>,
    known: Mutex<Known>,
    /// where violations and counts go
    pub trace: Arc<Trace>,
}

impl Bucket {
    /// An empty one.
    #[must_use]
    pub fn new(trace: &Arc<Trace>) -> Arc<Self> {
        Arc::new(Self { inner: memory_backend("sim"), known: Mutex::default(), trace: trace.clone() })
    }

    /// A request begins.
    pub fn asked(&self) {
        self.known.lock().requests += 1;
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.known.lock().requests
    }

    /// So many of a thousand requests fail until then.
    pub fn storm(&self, bad: u64, until: u64) {
        self.known.lock().storm = (bad, until);
    }

    /// How many of a thousand requests fail now, if there is a storm.
    pub fn stormy(&self, now: u64) -> Option<u64> {
        let (bad, until) = self.known.lock().storm;
        (now < until).then_some(bad)
    }

    /// Faults end.
    pub fn heal(&self) {
        self.known.lock().healed = true;
    }

    /// Whether they have.
    pub fn healed(&self) -> bool {
        self.known.lock().healed
    }

    /// PUTs that were sent and have not arrived.
    pub fn under_way(&self) -> u64 {
        self.known.lock().under_way
    }

    /// A PUT sets out or arrives.
    pub fn on_its_way(&self, sets_out: bool) {
        let mut known = self.known.lock();
        known.under_way = if sets_out { known.under_way + 1 } else { known.under_way.saturating_sub(1) };
    }

    /// A process tries to create an object: I5, I9 and the nonce are checked.
    pub fn tries(&self, process: &Process, key: &str, bytes: &Bytes) {
        if !process.may_write() {
            self.trace.violated("I9", format!("{process:?} was asked to read and writes {key}"));
        }
        let Some((_, header)) = segment_of(key, bytes) else { return };
        let mut known = self.known.lock();
        let hash = *blake3::hash(bytes).as_bytes();
        if known.nonces.insert(header.nonce, hash).is_some_and(|before| before != hash) {
            self.trace.violated("nonce", format!("{key} is sealed under a nonce that sealed other bytes"));
        }
        let before = header.seq.0 - 1;
        if before > 0 && !known.segments.contains_key(&before) {
            self.trace.violated("I5", format!("segment {} is tried while {before} is not stored", header.seq));
        }
        let owner = *known.epochs.entry(header.epoch.0).or_insert(process.id);
        if owner != process.id {
            self.trace.violated("I2", format!("{process:?} writes under epoch {} of p{owner}", header.epoch));
        }
    }

    /// The PUT reaches the store: I1 is checked.
    pub async fn put(&self, key: &str, bytes: Bytes) -> PutOutcome {
        let outcome = match self.inner.put_if_absent(key, bytes.clone()).await {
            Ok(outcome) => outcome,
            Err(_) => return PutOutcome::Exists,
        };
        if outcome == PutOutcome::Exists {
            return outcome;
        }
        let hash = *blake3::hash(&bytes).as_bytes();
        let mut known = self.known.lock();
        if known.contents.insert(key.to_owned(), hash).is_some_and(|before| before != hash) {
            self.trace.violated("I1", format!("{key} holds other bytes than it held before"));
        }
        if let Some((seq, header)) = segment_of(key, &bytes) {
            if header.kind == SegmentKind::Fence {
                self.trace.count("fences");
            }
            known.segments.insert(seq, header);
        }
        outcome
    }

    /// An acknowledgement for `position` arrives at its client: I2 and I4 are checked.
    pub fn acknowledged(&self, position: u64) {
        let known = self.known.lock();
        let mut holders = known.segments.values().filter(|h| h.first.0 <= position && position <= h.last.0);
        let Some(holder) = holders.next() else {
            self.trace.violated("I4", format!("position {position} is acknowledged and in no stored segment"));
            return;
        };
        if let Some(other) = holders.next() {
            self.trace.violated("I2", format!("position {position} is in segments {} and {}", holder.seq, other.seq));
        }
        if let Some(fence) = known.segments.values().find(|h| h.seq < holder.seq && h.epoch > holder.epoch) {
            self.trace.violated(
                "I2",
                format!(
                    "position {position} of epoch {} is acknowledged after the fence of {}",
                    holder.epoch, fence.epoch
                ),
            );
        }
    }

    /// Reads, as the store would.
    pub async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, firn_manifest::StoreError> {
        self.inner.get(key, range).await
    }

    /// Lists, as the store would.
    pub async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<ObjectInfo> {
        self.inner.list(prefix, after, Some(limit)).await.unwrap_or_default()
    }

    /// The collector takes an object out.
    pub async fn collect(&self, key: &str) {
        if let Ok(bytes) = self.inner.get(key, GetRange::All).await {
            let _ = self.inner.delete(key).await;
            self.known.lock().archive.insert(key.to_owned(), bytes);
            self.trace.count("objects collected");
        }
    }

    /// What the collector took out stands in its place again: verification needs the whole log.
    pub async fn restore(&self) {
        let archive = std::mem::take(&mut self.known.lock().archive);
        for (key, bytes) in archive {
            let _ = self.inner.put_if_absent(&key, bytes).await;
        }
    }
}

/// The header of a segment of the namespace, if the object is one.
fn segment_of(key: &str, bytes: &Bytes) -> Option<(u64, SegmentHeader)> {
    let name = key.strip_prefix(NAMESPACE)?.strip_prefix('/')?;
    let seq = wal::parse_segment_key(name)?;
    let segment = wal::inspect(name, bytes.clone()).ok()?;
    Some((seq.0, segment.header))
}
