//! Limits of a tenant: how many statements a second and at a time, how long, how large an answer.
//!
//! Promises: each gateway holds a tenant to its limits on its own; what is refused was not begun; a statement counts until
//! its last row is sent or its client has left.
//! Never: one tenant's statements count for another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use firn_cell::{Quota, Tenant, TenantId};
use parking_lot::Mutex;

use super::problem::Problem;

/// Tenants that are remembered at most; those without a statement under way are forgotten first.
const REMEMBERED: usize = 10_000;

/// What the tenants of this gateway do.
#[derive(Default)]
pub struct Admission(Mutex<HashMap<TenantId, Arc<Usage>>>);

#[derive(Default)]
struct Usage {
    running: AtomicU64,
    bucket: Mutex<Option<Bucket>>,
}

/// A token bucket: it holds a second's worth.
struct Bucket {
    tokens: f64,
    at: Duration,
}

/// A statement under way.
pub struct Permit(Option<Arc<Usage>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(usage) = &self.0 {
            usage.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Admission {
    /// Lets a statement of the tenant begin at `now`.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn admit(&self, tenant: &Tenant, now: Duration) -> Result<Permit, Problem> {
        let rate = tenant.quotas.get(Quota::StatementsPerS);
        let most = tenant.quotas.get(Quota::ConcurrentStatements);
        if rate.is_none() && most.is_none() {
            return Ok(Permit(None));
        }
        let usage = self.usage(tenant.id);
        let running = usage.running.fetch_add(1, Ordering::AcqRel);
        let permit = Permit(Some(usage.clone()));
        if let Some(most) = most.filter(|most| running >= *most) {
            return Err(over(tenant, "53300", format!("{most} statements run already, as many as may at a time"), 1));
        }
        if let Some(rate) = rate
            && let Some(wait) = take(&mut usage.bucket.lock(), rate, now)
        {
            let seconds = wait.as_secs_f64().ceil().clamp(1.0, 60.0) as u32;
            return Err(over(tenant, "53400", format!("{rate} statements a second may begin"), seconds));
        }
        Ok(permit)
    }

    fn usage(&self, tenant: TenantId) -> Arc<Usage> {
        let mut all = self.0.lock();
        if all.len() >= REMEMBERED && !all.contains_key(&tenant) {
            all.retain(|_, usage| Arc::strong_count(usage) > 1);
        }
        all.entry(tenant).or_default().clone()
    }
}

fn over(tenant: &Tenant, sqlstate: &str, what: String, seconds: u32) -> Problem {
    let detail = format!("tenant {} is at its limit: {what}", tenant.name);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "over_quota", detail)
        .with_sqlstate(sqlstate)
        .with_hint("wait as Retry-After says, or ask an operator for a higher limit")
        .retry_after(seconds)
}

/// Takes a token; if there is none, says when there is one.
fn take(bucket: &mut Option<Bucket>, rate: u64, now: Duration) -> Option<Duration> {
    let rate = rate as f64;
    let bucket = bucket.get_or_insert(Bucket { tokens: rate, at: now });
    let passed = now.saturating_sub(bucket.at).as_secs_f64();
    bucket.tokens = (bucket.tokens + passed * rate).min(rate);
    bucket.at = now;
    if bucket.tokens >= 1.0 {
        bucket.tokens -= 1.0;
        return None;
    }
    Some(Duration::from_secs_f64((1.0 - bucket.tokens) / rate))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::take;

    #[test]
    fn a_bucket_holds_a_second_and_fills_with_time() {
        let (mut bucket, second) = (None, Duration::from_secs(1));
        for _ in 0..5 {
            assert_eq!(take(&mut bucket, 5, second), None);
        }
        let wait = take(&mut bucket, 5, second);
        assert!(wait.is_some_and(|wait| (0.19..0.21).contains(&wait.as_secs_f64())), "{wait:?}");
        assert_eq!(take(&mut bucket, 5, second + Duration::from_millis(201)), None);
        assert!(take(&mut bucket, 5, second + Duration::from_millis(202)).is_some());
        // an hour of rest is worth a second
        let later = Duration::from_secs(3_600);
        assert_eq!((0..10).filter(|_| take(&mut bucket, 5, later).is_none()).count(), 5);
        // a clock that stands still or goes back gives nothing
        assert!(take(&mut bucket, 5, second).is_some());
    }
}
