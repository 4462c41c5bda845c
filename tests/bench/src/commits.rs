//! Durable commits of one row, alone and with many clients, beside a bare PUT to the same store.
//!
//! Promises: with one client each commit is followed by a bare PUT of as many bytes, so both see the same disk and the
//! same noise; the PUTs of all commits are counted.
//! Never: an answer that was not acknowledged is counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datafusion::common::ScalarValue;
use firn_engine::{Database, Error};
use firn_manifest::store::{Op, PutOutcome, Store};
use firn_manifest::uri::StoreUri;
use firn_manifest::world::system;
use serde_json::{Value, json};

use crate::bed::{open, run, run_sql, statement};
use crate::measure::{Times, now};

const INSERT: &str = "INSERT INTO events VALUES ($1, $2, $3, $4)";

fn params(id: i64) -> [ScalarValue; 4] {
    let customer = i32::try_from(id % 100_000).unwrap_or(0);
    [
        ScalarValue::Int64(Some(id)),
        ScalarValue::Int32(Some(customer)),
        ScalarValue::Float64(Some(f64::from(customer) / 8.0)),
        ScalarValue::Utf8(Some(format!("an event of customer {customer}"))),
    ]
}

/// Commits for `seconds` with that many clients.
///
/// # Errors
/// The store's; a wrong count of PUTs.
pub async fn commits(uri: &str, clients: u64, seconds: f64) -> Result<Value, Error> {
    let db = open(uri).await?;
    let create = "CREATE TABLE IF NOT EXISTS events (id BIGINT PRIMARY KEY, customer INTEGER, amount DOUBLE PRECISION, note TEXT)";
    let mut session = db.session();
    run_sql(&mut session, create).await?;
    let first = run_sql(&mut session, "SELECT coalesce(max(id), 0) FROM events").await?;
    let column = first.batches.first().map(|b| b.column(0).clone());
    let base = column.and_then(|c| ScalarValue::try_from_array(&c, 0).ok());
    let base = if let Some(ScalarValue::Int64(Some(n))) = base { n } else { 0 };
    if clients > 1 {
        return together(&db, base, clients, seconds).await;
    }
    alone(&db, &beside(uri)?, base, seconds).await
}

/// A view of the same store, beside all namespaces.
fn beside(uri: &str) -> Result<Store, Error> {
    let uri = StoreUri::parse(uri).map_err(|e| Error::internal(e.to_string()))?;
    let name = "bare-puts".parse().map_err(|_| Error::internal("a name that is none"))?;
    Ok(Store::connect(&uri, system())?.namespace(&name))
}

async fn alone(db: &Arc<Database>, beside: &Store, base: i64, seconds: f64) -> Result<Value, Error> {
    let (mut session, insert) = (db.session(), statement(INSERT)?);
    let (mut ours, mut bare, mut puts, mut bytes) = (Times::default(), Times::default(), 0, 0);
    let end = now() + Duration::from_secs_f64(seconds);
    let mut id = base;
    while now() < end {
        id += 1;
        let start = now();
        let answer = run(&mut session, &insert, &params(id)).await?;
        ours.since(start);
        puts = puts.max(answer.tally.puts);
        bytes = answer.tally.bytes_written;
        let body = Bytes::from(vec![u8::try_from(id & 0xff).unwrap_or(0); usize::try_from(bytes).unwrap_or(1)]);
        let start = now();
        let outcome = beside.put_if_absent(&format!("{}-{id:020}.wal", std::process::id()), body).await?;
        bare.since(start);
        if !matches!(outcome, PutOutcome::Created) {
            return Err(Error::internal("a bare PUT found its key taken"));
        }
    }
    Ok(json!({
        "clients": 1, "commit": ours.micros(), "put": bare.micros(), "per_second": 1.0 / ours.at(0.5),
        "over_put_ms": (ours.at(0.5) - bare.at(0.5)) * 1e3, "puts_a_commit": puts, "bytes_a_commit": bytes,
    }))
}

async fn together(db: &Arc<Database>, base: i64, clients: u64, seconds: f64) -> Result<Value, Error> {
    let before = puts(db);
    let start = now();
    let end = start + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let mut session = db.session();
            tokio::spawn(async move {
                let (mut times, insert) = (Times::default(), statement(INSERT)?);
                let mut id = base + 1 + i64::try_from(client).unwrap_or(0) * 10_000_000;
                while now() < end {
                    let start = now();
                    run(&mut session, &insert, &params(id)).await?;
                    times.since(start);
                    id += 1;
                }
                Ok::<_, Error>(times)
            })
        })
        .collect();
    let mut times = Times::default();
    for task in tasks {
        times.extend(task.await.map_err(|e| Error::internal(e.to_string()))??);
    }
    let passed = now().saturating_sub(start).as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let count = times.count() as f64;
    #[allow(clippy::cast_precision_loss)]
    let puts = (puts(db) - before) as f64;
    Ok(json!({
        "clients": clients, "commit": times.micros(), "per_second": count / passed, "puts_a_commit": puts / count,
    }))
}

fn puts(db: &Database) -> u64 {
    db.store().totals().iter().filter(|t| t.op == Op::Put).map(|t| t.requests).sum()
}
