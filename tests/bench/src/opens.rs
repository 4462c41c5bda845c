//! What opening costs, and what costs nothing: a cold process, an empty namespace, an idle one.
//!
//! Promises: requests and round trips are counted at the store's door; processor time is that of all threads since the
//! process began.
//! Never: a namespace opened before by the same process counts as cold.

use std::time::Duration;

use datafusion::common::ScalarValue;
use firn_engine::Error;
use firn_manifest::world::system;
use serde_json::{Value, json};

use crate::bed::{open, run, run_sql, statement};
use crate::measure::{Times, cpu_ms, now};

/// The first point answer of this process: its requests, round trips and processor time. `begun` is when it started.
///
/// # Errors
/// The engine's.
pub async fn cold(uri: &str, key: u64, begun: Duration) -> Result<Value, Error> {
    let point = statement("SELECT * FROM items WHERE id = $1")?;
    let db = open(uri).await?;
    let answer = run(&mut db.session(), &point, &[ScalarValue::Int64(i64::try_from(key).ok())]).await?;
    let (cpu, wall) = (cpu_ms(), now().saturating_sub(begun).as_secs_f64() * 1e3);
    if answer.batches.iter().all(|b| b.num_rows() == 0) {
        return Err(Error::internal(format!("no row of key {key}")));
    }
    let t = answer.tally;
    Ok(json!({
        "cpu_ms": cpu, "wall_ms": wall, "requests": t.requests, "gets": t.gets, "round_trips": t.round_trips,
        "bytes": t.bytes_read,
    }))
}

/// Making an empty namespace, and opening it again by another handle to read and to write.
///
/// # Errors
/// The engine's.
pub async fn empty(folder: &str, kms: &str, count: u64) -> Result<Value, Error> {
    let (mut made, mut read, mut claimed) = (Times::default(), Times::default(), Times::default());
    for n in 0..count {
        let uri = format!("file://{folder}?ns=empty-{n}&kms={kms}");
        let start = now();
        open(&uri).await?.writer().await?;
        made.since(start);
        let start = now();
        open(&uri).await?.reader().await?;
        read.since(start);
        let start = now();
        open(&uri).await?.writer().await?;
        claimed.since(start);
    }
    Ok(json!({ "create": made.micros(), "open_to_read": read.micros(), "open_to_write": claimed.micros() }))
}

/// Requests of a point read after opening, cold and warm, and of a namespace that nobody uses for a while.
///
/// # Errors
/// The engine's.
pub async fn requests(uri: &str, columns: &str, key: u64, idle_seconds: u64) -> Result<Value, Error> {
    let db = open(uri).await?;
    db.reader().await?;
    let mut session = db.session();
    let mut point =
        async |key: u64| run_sql(&mut session, &format!("SELECT {columns} FROM items WHERE id = {key}")).await;
    let (first, again, other) = (point(key).await?.tally, point(key).await?.tally, point(key + 1).await?.tally);
    let all = || db.store().totals().iter().map(|t| t.requests).sum::<u64>();
    let before = all();
    system().sleep(Duration::from_secs(idle_seconds)).await;
    let of = |t: firn_manifest::store::TallySummary| json!({ "gets": t.gets, "requests": t.requests, "bytes": t.bytes_read, "round_trips": t.round_trips });
    Ok(json!({
        "point_cold": of(first), "point_again": of(again), "point_near": of(other),
        "idle_requests": all() - before, "idle_seconds": idle_seconds,
    }))
}
