//! A process's way to the bucket: latency, lost replies, late PUTs, storms, short bodies, pages, crashes.
//!
//! Promises: what a request did to the bucket and what its caller is told are drawn apart, as over a network.
//! Never: a fault after the bucket was healed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use firn_manifest::store::{Backend, GetRange, ObjectInfo, Op, PutOutcome, StoreError, StoreErrorKind};
use parking_lot::Mutex;

use crate::bucket::Bucket;
use crate::clock::{MILLI, SECOND};
use crate::process::Process;
use crate::profile::Profile;
use crate::rng::Rng;

/// See the module.
#[derive(Debug)]
pub struct Door {
    process: Arc<Process>,
    bucket: Arc<Bucket>,
    profile: Arc<Profile>,
    rng: Mutex<Rng>,
}

/// What becomes of one PUT.
#[derive(Clone, Copy, Debug)]
enum PutFault {
    None,
    ReplyLost,
    Refused,
    FalseConflict,
    ConflictAfterEffect,
    LateAndToldSo,
    Silence { lands: bool },
}

impl Door {
    /// The door of `process`.
    #[must_use]
    pub fn new(process: &Arc<Process>, bucket: &Arc<Bucket>, profile: &Arc<Profile>, seed: u64) -> Arc<Self> {
        let rng = Mutex::new(Rng::fork(seed, 2_000_000 + process.id));
        Arc::new(Self { process: process.clone(), bucket: bucket.clone(), profile: profile.clone(), rng })
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock())
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.bucket.trace.event(self.process.clock.now(), format_args!("{:?} {what}", self.process));
    }

    /// The request is on its way: the process may crash or stand still before it leaves.
    async fn leave(&self, op: Op, key: &str) {
        self.process.awake().await;
        self.bucket.asked();
        self.point(op, key).await;
        self.travel().await;
    }

    /// A point where the process may end or begin to stand still.
    async fn point(&self, op: Op, key: &str) {
        if self.process.crashes_here() {
            self.note(format_args!("crashes at {op} {key}"));
            self.bucket.trace.count("crashes");
            self.process.crash();
        }
        self.process.awake().await;
    }

    async fn travel(&self) {
        let most = self.profile.latency;
        let ticks = self.draw(|r| if r.chance(30) { r.range(most, most * 20) } else { r.range(most / 10, most) });
        self.process.clock.sleep(ticks / 2).await;
    }

    /// The answer has arrived: the process sees it when it can.
    async fn arrive<T>(&self, op: Op, key: &str, answer: T, shown: impl std::fmt::Display) -> T {
        self.point(op, key).await;
        self.note(format_args!("{op} {key} -> {shown}"));
        answer
    }

    /// What identifies an object's bytes in the trace. The Parquet library draws nonces of its own, so files, and the
    /// manifests that hold their digests, repeat in their size only.
    fn content(&self, key: &str, bytes: &Bytes) -> String {
        if key.contains("/wal/") {
            blake3::hash(bytes).to_hex()[..8].to_owned()
        } else {
            format!("{} bytes", bytes.len())
        }
    }

    fn error(&self, kind: StoreErrorKind, op: Op, key: &str, what: &str) -> StoreError {
        StoreError::new(kind, op, key, "sim", what)
    }

    /// An error of a read, if this one meets one.
    fn read_fault(&self, op: Op, key: &str) -> Option<StoreError> {
        if self.bucket.healed() {
            return None;
        }
        let stormy = self.bucket.stormy(self.process.clock.now());
        let faults = stormy.unwrap_or(self.profile.get_faults);
        if !self.draw(|r| r.chance(faults)) {
            return None;
        }
        self.bucket.trace.count("failed reads");
        Some(self.error(StoreErrorKind::Other, op, key, "503 SlowDown"))
    }

    fn put_fault(&self) -> PutFault {
        if self.bucket.healed() {
            return PutFault::None;
        }
        let stormy = self.bucket.stormy(self.process.clock.now());
        let faults = stormy.unwrap_or(self.profile.put_faults);
        self.draw(|r| {
            if !r.chance(faults) {
                return PutFault::None;
            }
            match r.below(if stormy.is_some() { 12 } else { 9 }) {
                0 | 1 => PutFault::ReplyLost,
                2 => PutFault::FalseConflict,
                3 => PutFault::ConflictAfterEffect,
                4 | 5 => PutFault::LateAndToldSo,
                6 => PutFault::Silence { lands: true },
                7 => PutFault::Silence { lands: false },
                _ => PutFault::Refused,
            }
        })
    }

    /// The PUT reaches the bucket after a while, whatever becomes of its caller.
    fn land_later(&self, key: &str, bytes: Bytes) {
        let (bucket, clock, key) = (self.bucket.clone(), self.process.clock.clone(), key.to_owned());
        let late = self.profile.late;
        let after = self.draw(|r| if r.chance(300) { r.range(1, late) } else { r.range(1, late.min(3 * SECOND)) });
        let id = self.process.id;
        bucket.trace.count("late PUTs");
        bucket.on_its_way(true);
        tokio::spawn(async move {
            clock.sleep(after).await;
            let outcome = bucket.put(&key, bytes).await;
            bucket.trace.event(clock.now(), format_args!("a late PUT of p{id} lands: {key} {outcome:?}"));
            if outcome == PutOutcome::Created {
                bucket.trace.count("late PUTs that took effect");
            }
            bucket.on_its_way(false);
        });
    }

    async fn put_with(&self, fault: PutFault, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let unreachable = |what| Err(self.error(StoreErrorKind::Unreachable, Op::Put, key, what));
        match fault {
            PutFault::None => {
                let outcome = self.bucket.put(key, bytes).await;
                self.travel().await;
                Ok(outcome)
            }
            PutFault::ReplyLost => {
                self.bucket.trace.count("replies lost");
                self.bucket.put(key, bytes).await;
                self.travel().await;
                unreachable("the connection was reset")
            }
            PutFault::Refused => {
                self.bucket.trace.count("PUTs refused");
                self.travel().await;
                Err(self.error(StoreErrorKind::Other, Op::Put, key, "503 SlowDown"))
            }
            PutFault::FalseConflict => {
                self.bucket.trace.count("false conflicts");
                self.travel().await;
                Ok(PutOutcome::Exists)
            }
            PutFault::ConflictAfterEffect => {
                self.bucket.trace.count("conflicts with oneself");
                self.bucket.put(key, bytes).await;
                self.travel().await;
                Ok(PutOutcome::Exists)
            }
            PutFault::LateAndToldSo => {
                self.land_later(key, bytes);
                self.travel().await;
                unreachable("no answer")
            }
            PutFault::Silence { lands } => {
                self.bucket.trace.count("silences");
                if lands {
                    self.land_later(key, bytes);
                }
                self.process.clock.sleep(300 * SECOND).await;
                unreachable("no answer")
            }
        }
    }
}

#[async_trait]
impl Backend for Door {
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        self.leave(Op::Get, key).await;
        if let Some(error) = self.read_fault(Op::Get, key) {
            return self.arrive(Op::Get, key, Err(error), "503").await;
        }
        let mut answer = self.bucket.get(key, range).await;
        self.travel().await;
        if let (true, false, Ok(bytes)) = (self.profile.torn, self.bucket.healed(), &mut answer)
            && self.draw(|r| r.chance(8))
            && !bytes.is_empty()
        {
            let kept = self.draw(|r| r.below(bytes.len() as u64)) as usize;
            self.bucket.trace.count("torn reads");
            bytes.truncate(kept);
        }
        let shown = match &answer {
            Ok(bytes) => format!("{} bytes", bytes.len()),
            Err(e) => format!("{:?}", e.kind),
        };
        self.arrive(Op::Get, key, answer, shown).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        self.leave(Op::Put, key).await;
        self.bucket.tries(&self.process, key, &bytes);
        self.bucket.trace.count("PUTs");
        let fault = self.put_fault();
        let content = self.content(key, &bytes);
        let answer = self.put_with(fault, key, bytes).await;
        let shown = match &answer {
            Ok(outcome) => format!("{outcome:?}"),
            Err(e) => format!("{:?}", e.kind),
        };
        let shown = format!("{content} {fault:?} {shown}");
        self.arrive(Op::Put, key, answer, shown).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        self.leave(Op::List, prefix).await;
        let limit = limit.unwrap_or(usize::MAX);
        let mut found: Vec<ObjectInfo> = Vec::new();
        // a page at a time, as a store answers: the listing of a whole is no snapshot
        while found.len() < limit {
            if let Some(error) = self.read_fault(Op::List, prefix) {
                return self.arrive(Op::List, prefix, Err(error), "503").await;
            }
            let page = (self.draw(|r| r.range(2, 30)) as usize).min(limit - found.len());
            let from = found.last().map(|o| o.key.clone()).or_else(|| after.map(str::to_owned));
            let more = self.bucket.list(prefix, from.as_deref(), page).await;
            let last = more.len() < page;
            found.extend(more);
            self.process.clock.sleep(self.draw(|r| r.below(5 * MILLI))).await;
            if last {
                break;
            }
        }
        self.travel().await;
        let shown = format!("{} keys", found.len());
        self.arrive(Op::List, prefix, Ok(found), shown).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.leave(Op::Delete, key).await;
        self.bucket.trace.violated("I1", format!("{:?} deletes {key}", self.process));
        Ok(())
    }

    fn describe(&self) -> String {
        "sim".to_owned()
    }
}
