//! What happened, counted for Prometheus.
//!
//! Promises: labels are bounded: no tenant, table or statement is one.
//! Never: a value of a statement.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use firn_engine::session::Access;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    access: &'static str,
    outcome: &'static str,
}

/// The counters of a gateway.
pub struct Metrics {
    registry: Registry,
    statements: Family<Kind, Counter>,
    seconds: Histogram,
    open: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("firn");
        let statements = Family::<Kind, Counter>::default();
        // 0.1 ms to 13 s
        let seconds = Histogram::new(exponential_buckets(0.0001, 2.0, 18));
        let open = Gauge::default();
        registry.register(
            "statements",
            "Requests with SQL, by what they may do and how they ended",
            statements.clone(),
        );
        registry.register("statement_seconds", "From a request with SQL to its first answer", seconds.clone());
        registry.register("open_namespaces", "Namespaces that are open", open.clone());
        Self { registry, statements, seconds, open }
    }
}

impl Metrics {
    /// A request with SQL was answered.
    pub fn statement(&self, access: Access, passed: bool, took: Duration) {
        let access = match access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Schema => "schema",
        };
        let outcome = if passed { "passed" } else { "failed" };
        self.statements.get_or_create(&Kind { access, outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// None that writing into memory has.
    pub fn text(&self, open: usize) -> Result<String, std::fmt::Error> {
        self.open.set(i64::try_from(open).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
