//! The slot: the one primitive everything durable rests on.
//!
//! A slot is a name that at most one object will ever stand under. [`put`] tries to make that object ours and says what
//! became of it.
//!
//! Promises: `Committed` only if the slot is known to hold exactly our bytes; `Lost` only if it is known to hold others;
//! everything else is `Unknown`, after which the caller must not write the next slot (SLOT-1). The bytes are frozen before
//! the first attempt, so an attempt that arrives late can only do what was asked for (SLOT-2).
//! Never: a guess from an error code. A reply may be lost after its effect, and "already exists" may mean ourselves.

use std::time::Duration;

use bytes::Bytes;

use crate::canary;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{PutOutcome, Store};
use crate::tally::Op;

/// How long a slot is tried by default.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long one attempt may take, plus [`ATTEMPT_PER_MIB`] for its size; after that its outcome is read from the slot.
pub const ATTEMPT: Duration = Duration::from_secs(10);

/// What one attempt may take on top of [`ATTEMPT`], for each MiB of the object.
pub const ATTEMPT_PER_MIB: Duration = Duration::from_secs(1);

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(2);

/// What became of a slot.
#[derive(Clone, Debug)]
pub enum SlotOutcome {
    /// the slot holds our bytes, durably
    Committed,
    /// the slot holds these bytes, which are not ours
    Lost(Bytes),
    /// it could not be found out; the last thing the store said
    Unknown(StoreError),
}

/// Puts `bytes` into the slot `name`. `bytes` must hold a random attempt nonce: two writers never offer the same bytes.
///
/// No attempt begins after `deadline`; one in flight is waited for within its own bound.
pub async fn put(store: &Store, name: &str, bytes: Bytes, deadline: Duration) -> SlotOutcome {
    match settle(store, name, bytes, deadline).await {
        SlotOutcome::Unknown(_) if canary!(UnknownIsSuccess) => SlotOutcome::Committed,
        outcome => outcome,
    }
}

async fn settle(store: &Store, name: &str, bytes: Bytes, deadline: Duration) -> SlotOutcome {
    let world = store.world().clone();
    let start = world.monotonic();
    let mut backoff = Backoff::new();
    loop {
        let put_error = match attempt(store, name, &bytes).await {
            Ok(PutOutcome::Created) => return SlotOutcome::Committed,
            Ok(PutOutcome::Exists) if canary!(ExistsIsLost) => {
                return SlotOutcome::Lost(store.get(name).await.unwrap_or_default());
            }
            Ok(PutOutcome::Exists) => None,
            Err(e) => Some(e),
        };
        // From here on only the slot itself knows. Read it until it answers.
        let absent_after = loop {
            let failure = match read_back(store, name, &bytes).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => break put_error,
                Err(e) => e,
            };
            if world.monotonic().saturating_sub(start) >= deadline || !failure.retryable() {
                return SlotOutcome::Unknown(put_error.unwrap_or(failure));
            }
            world.sleep(backoff.next(store)).await;
        };
        let last = absent_after.unwrap_or_else(|| {
            StoreError::new(
                StoreErrorKind::Other,
                Op::Put,
                name,
                &store.describe(),
                "the store says that the object exists and, asked for it, that it does not",
            )
        });
        if !last.retryable() || world.monotonic().saturating_sub(start) >= deadline {
            return SlotOutcome::Unknown(last);
        }
        tracing::debug!(slot = name, error = %last, "the slot is still free: the same bytes again");
        world.sleep(backoff.next(store)).await;
        if world.monotonic().saturating_sub(start) >= deadline {
            return SlotOutcome::Unknown(last);
        }
    }
}

/// One conditional PUT, given up (but not undone) when it takes too long.
async fn attempt(store: &Store, name: &str, bytes: &Bytes) -> Result<PutOutcome, StoreError> {
    let mebibytes = u32::try_from(bytes.len() >> 20).unwrap_or(u32::MAX);
    let bound = ATTEMPT.saturating_add(ATTEMPT_PER_MIB.saturating_mul(mebibytes));
    bounded(store, name, Op::Put, bound, store.put_if_absent(name, bytes.clone())).await
}

/// What the slot says of itself: ours, another's, or (`None`) still free.
async fn read_back(store: &Store, name: &str, bytes: &Bytes) -> Result<Option<SlotOutcome>, StoreError> {
    let mebibytes = u32::try_from(bytes.len() >> 20).unwrap_or(u32::MAX);
    let bound = ATTEMPT.saturating_add(ATTEMPT_PER_MIB.saturating_mul(mebibytes)) * 2;
    let found = bounded(store, name, Op::Get, bound, store.get_optional(name)).await?;
    // ours, cut off on its way: nobody else's bytes begin as ours do, so the slot is read again
    if let Some(part) = found.as_ref().filter(|found| found.len() < bytes.len() && bytes.starts_with(found)) {
        let what = format!("its body ended after {} of {} bytes", part.len(), bytes.len());
        return Err(StoreError::new(StoreErrorKind::Unreachable, Op::Get, name, &store.describe(), what));
    }
    Ok(found.map(|found| if found == *bytes { SlotOutcome::Committed } else { SlotOutcome::Lost(found) }))
}

async fn bounded<T>(
    store: &Store,
    name: &str,
    op: Op,
    bound: Duration,
    request: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let timer = store.world().sleep(bound);
    futures::pin_mut!(request);
    match futures::future::select(request, timer).await {
        futures::future::Either::Left((answer, _)) => answer,
        futures::future::Either::Right(((), _)) => Err(StoreError::new(
            StoreErrorKind::Unreachable,
            op,
            name,
            &store.describe(),
            format!("no answer within {} s", bound.as_secs()),
        )),
    }
}

/// Doubling waits with jitter, so that two writers that collide do not keep step.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(BACKOFF_FIRST)
    }

    fn next(&mut self, store: &Store) -> Duration {
        let mut random = [0u8; 1];
        store.world().fill(&mut random);
        let wait = self.0.mul_f64(0.5 + f64::from(random[0]) / 510.0);
        self.0 = (self.0 * 2).min(BACKOFF_MOST);
        wait
    }
}
