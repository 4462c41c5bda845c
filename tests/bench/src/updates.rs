//! Changes to many rows in one statement.
//!
//! Promises: a time ends when the statement is acknowledged, that is, durable.
//! Never: the same rows with the same values twice; each round writes other values.

use std::fmt::Write as _;

use firn_engine::Error;
use serde_json::{Value, json};

use crate::bed::{open, open_unflushed, run_sql};
use crate::data::{CUSTOMERS, mix};
use crate::measure::{Times, now, peak_mib};

/// Updates one per cent of `rows` by predicate and by a list of keys in each of `rounds` rounds.
///
/// # Errors
/// The engine's.
pub async fn one_percent(uri: &str, rows: u64, rounds: u64) -> Result<Value, Error> {
    let db = open(uri).await?;
    let mut session = db.session();
    let (mut predicate, mut keys) = (Times::default(), Times::default());
    let (mut by_predicate, mut by_keys) = (0, 0);
    for round in 0..rounds {
        let start = now();
        by_predicate = run_sql(&mut session, &predicate_sql(round)).await?.affected;
        predicate.since(start);
        let sql = keys_sql(rows, round);
        let start = now();
        by_keys = run_sql(&mut session, &sql).await?.affected;
        keys.since(start);
    }
    db.close().await?;
    Ok(json!({
        "by_predicate": predicate.micros(), "by_key": keys.micros(), "rows_by_predicate": by_predicate,
        "rows_by_key": by_keys, "peak_mib": peak_mib(),
    }))
}

/// The statement that changes one per cent of the rows by what stands in them.
pub fn predicate_sql(round: u64) -> String {
    let part = CUSTOMERS / 100;
    format!(
        "UPDATE items SET price = price + 1 WHERE customer >= {} AND customer < {}",
        round * part,
        (round + 1) * part
    )
}

/// The statement that changes one per cent of the rows by their keys, which lie all over the table.
pub fn keys_sql(rows: u64, round: u64) -> String {
    let mut sql = "UPDATE items SET price = price + 2 WHERE id IN (".to_owned();
    let step = 100;
    for n in 0..rows / step {
        let _ = write!(sql, "{}{}", if n == 0 { "" } else { "," }, n * step + 1 + mix(n + round) % step);
    }
    sql + ")"
}

/// Changes a tenth of the rows, scattered, in ten statements; the position before and the times.
///
/// # Errors
/// The engine's.
pub async fn a_tenth(uri: &str, flush: bool) -> Result<Value, Error> {
    let db = open_unflushed(uri).await?;
    let mut session = db.session();
    let before = run_sql(&mut session, "SELECT firn_position()").await?.position;
    let start = now();
    let mut rows = 0;
    for part in 0..10 {
        let sql = format!("UPDATE items SET score = 0.999 - score WHERE id % 100 = {}", part * 10 + 3);
        rows += run_sql(&mut session, &sql).await?.affected;
    }
    let updated = now().saturating_sub(start).as_secs_f64();
    let start = now();
    if flush {
        db.writer().await?.flush().await?;
    }
    Ok(json!({
        "position": before, "rows": rows, "seconds": updated, "flush_seconds": now().saturating_sub(start).as_secs_f64(),
    }))
}
