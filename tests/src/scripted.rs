//! A backend in memory that goes wrong by script and writes down every request.
//!
//! Promises: a fault is applied to the next PUT whose key begins with the given prefix, in the order given; the depth of
//! each request is counted here, apart from the product's own tally, so that one checks the other.
//! Never: a behaviour that a real store over a real network could not show.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use firn_manifest::store::{Backend, GetRange, ObjectInfo, Op, PutOutcome, StoreError, StoreErrorKind, memory_backend};
use firn_manifest::world::system;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How long a GET takes.
const LATENCY: Duration = Duration::from_millis(3);

/// What happens to one conditional PUT.
#[derive(Clone, Debug)]
pub enum Fault {
    /// nothing: this one goes through
    None,
    /// it takes effect, the reply is lost
    ReplyLost,
    /// it does not take effect and fails (5xx, a reset before the store saw it)
    FailedBefore,
    /// it does not take effect; the store says 409 or 412 although nothing is there
    FalseConflict,
    /// it takes effect; the store answers 409 or 412
    ConflictAfterEffect,
    /// it takes effect at once; the reply comes when the gate opens
    AnswerHeld(Arc<Gate>),
    /// it reaches the store only when the gate opens; the caller waits that long
    Held(Arc<Gate>),
    /// the caller is told at once that it failed; it reaches the store when the gate opens
    FailedThenLate(Arc<Gate>),
    /// the disk is full: no effect, and no use in trying again
    Full,
}

/// Where a request waits until the test lets it go.
#[derive(Debug, Default)]
pub struct Gate {
    arrived: Notify,
    opened: Notify,
    landed: Notify,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Waits until a request stands before the gate.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Lets the request go.
    pub fn open(&self) {
        self.opened.notify_one();
    }

    /// Waits until the request has reached the store.
    pub async fn landed(&self) {
        self.landed.notified().await;
    }
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// what was asked
    pub op: Op,
    /// the full key, or the prefix of a LIST
    pub key: String,
    /// how many requests had to end before this one could begin, plus one
    pub depth: u64,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<(String, VecDeque<Fault>)>,
    broken_reads: Vec<(String, u64)>,
    calls: Vec<Call>,
    finished_depth: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Scripted {
    inner: Arc<dyn Backend>,
    state: Mutex<State>,
}

impl Scripted {
    /// A well-behaved store in memory.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::over(memory_backend("memory"))
    }

    /// Another door to the store of `other`: the same objects, a script and a count of its own.
    #[must_use]
    pub fn beside(other: &Arc<Self>) -> Arc<Self> {
        Self::over(other.inner.clone())
    }

    fn over(inner: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self { inner, state: Mutex::default() })
    }

    /// The next PUTs of keys that contain `part` meet these faults, one each.
    pub fn on_put(&self, part: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.push((part.to_owned(), faults.into_iter().collect()));
    }

    /// The next `count` GETs of keys that contain `part` fail.
    pub fn break_reads(&self, part: &str, count: u64) {
        self.state.lock().broken_reads.push((part.to_owned(), count));
    }

    /// Everything behaves again.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.broken_reads.clear();
    }

    /// The requests since the last call of this, and counts from anew.
    pub fn take_calls(&self) -> Vec<Call> {
        let mut state = self.state.lock();
        state.finished_depth = 0;
        std::mem::take(&mut state.calls)
    }

    /// The keys under the whole store, sorted.
    pub async fn keys(&self) -> Vec<String> {
        self.inner.list("", None, None).await.unwrap().into_iter().map(|object| object.key).collect()
    }

    /// The stored bytes of an object.
    pub async fn bytes(&self, key: &str) -> Bytes {
        self.inner.get(key, GetRange::All).await.unwrap()
    }

    fn begin(&self, op: Op, key: &str) -> u64 {
        let mut state = self.state.lock();
        let depth = state.finished_depth + 1;
        state.calls.push(Call { op, key: key.to_owned(), depth });
        depth
    }

    fn end(&self, depth: u64) {
        let mut state = self.state.lock();
        state.finished_depth = state.finished_depth.max(depth);
    }

    fn next_fault(&self, key: &str) -> Fault {
        let mut state = self.state.lock();
        let script = state.faults.iter_mut().find(|(part, faults)| key.contains(part.as_str()) && !faults.is_empty());
        script.and_then(|(_, faults)| faults.pop_front()).unwrap_or(Fault::None)
    }

    fn read_is_broken(&self, key: &str) -> bool {
        let mut state = self.state.lock();
        match state.broken_reads.iter_mut().find(|(part, left)| key.contains(part.as_str()) && *left > 0) {
            Some((_, left)) => {
                *left -= 1;
                true
            }
            None => false,
        }
    }

    async fn put_with(&self, fault: Fault, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        match fault {
            Fault::None => self.inner.put_if_absent(key, bytes).await,
            Fault::ReplyLost => {
                self.inner.put_if_absent(key, bytes).await?;
                Err(error(StoreErrorKind::Unreachable, Op::Put, key, "the connection was reset"))
            }
            Fault::FailedBefore => Err(error(StoreErrorKind::Other, Op::Put, key, "503 SlowDown")),
            Fault::FalseConflict => Ok(PutOutcome::Exists),
            Fault::ConflictAfterEffect => {
                self.inner.put_if_absent(key, bytes).await?;
                Ok(PutOutcome::Exists)
            }
            Fault::AnswerHeld(gate) => {
                let outcome = self.inner.put_if_absent(key, bytes).await;
                gate.landed.notify_one();
                gate.opened.notified().await;
                outcome
            }
            Fault::Held(gate) => {
                gate.arrived.notify_one();
                gate.opened.notified().await;
                let outcome = self.inner.put_if_absent(key, bytes).await;
                gate.landed.notify_one();
                outcome
            }
            Fault::FailedThenLate(gate) => {
                let (inner, key_of_late) = (self.inner.clone(), key.to_owned());
                tokio::spawn(async move {
                    gate.arrived.notify_one();
                    gate.opened.notified().await;
                    inner.put_if_absent(&key_of_late, bytes).await.unwrap();
                    gate.landed.notify_one();
                });
                Err(error(StoreErrorKind::Unreachable, Op::Put, key, "no answer"))
            }
            Fault::Full => Err(error(StoreErrorKind::Full, Op::Put, key, "no space left on device")),
        }
    }
}

fn error(kind: StoreErrorKind, op: Op, key: &str, message: &str) -> StoreError {
    StoreError::new(kind, op, key, "scripted", message)
}

#[async_trait]
impl Backend for Scripted {
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        let depth = self.begin(Op::Get, key);
        let answer = if self.read_is_broken(key) {
            Err(error(StoreErrorKind::Unreachable, Op::Get, key, "no answer"))
        } else {
            self.inner.get(key, range).await
        };
        // requests made side by side must overlap, as they would over a network, for their depth to mean anything
        system().sleep(LATENCY).await;
        self.end(depth);
        answer
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let depth = self.begin(Op::Put, key);
        let outcome = self.put_with(self.next_fault(key), key, bytes).await;
        self.end(depth);
        outcome
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        let depth = self.begin(Op::List, prefix);
        let found = self.inner.list(prefix, after, limit).await;
        system().sleep(LATENCY).await;
        self.end(depth);
        found
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let depth = self.begin(Op::Delete, key);
        let done = self.inner.delete(key).await;
        self.end(depth);
        done
    }

    fn describe(&self) -> String {
        "scripted".to_owned()
    }
}
