//! HeliosDB Nano at the benchmark's work, embedded, its figures as lines of JSON.
//!
//! Promises: `durable_commit`, its setting for commits that survive a loss of power; rows go in by `execute_many_params`
//! under `bulk_load_mode`, its fastest way in process; everything else as its defaults are, history included.
//! Never: an answer out of its cache of results: no two queries have the same text.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use firn_peer_common::rows::{self, Item};
use firn_peer_common::{Done, at, median, piece, tell, timed};
use heliosdb_nano::{Config, EmbeddedDatabase, Value};
use serde_json::json;

const CREATE: &str = "CREATE TABLE items (id BIGINT PRIMARY KEY, customer INTEGER NOT NULL, price NUMERIC(12,2) NOT NULL, \
    score DOUBLE PRECISION NOT NULL, status TEXT NOT NULL, note TEXT NOT NULL, made_at TIMESTAMPTZ NOT NULL)";
const INSERT: &str = "INSERT INTO items VALUES ($1, $2, $3, $4, $5, $6, $7)";
const UPDATE: &str = "UPDATE items SET price = price + 1 WHERE customer >= 0 AND customer < 1000";
/// Rows of one call.
const BATCH: usize = 10_000;

fn values(item: Item) -> Done<Vec<Value>> {
    Ok(vec![
        Value::Int8(item.id),
        Value::Int4(item.customer),
        Value::Numeric(item.price),
        Value::Float8(item.score),
        Value::String(item.status),
        Value::String(item.note),
        Value::Timestamp(DateTime::parse_from_rfc3339(&item.made_at)?.with_timezone(&Utc)),
    ])
}

/// Rows, until there are no more or the time is over: how many there are.
fn load(db: &EmbeddedDatabase, csv: &Path, limit: Duration) -> Done<u64> {
    let start = Instant::now();
    db.execute("SET bulk_load_mode = on")?;
    let mut items = rows::read(csv)?.into_iter().map(Item::try_from);
    let mut count = 0_u64;
    while start.elapsed() < limit {
        let part = items.by_ref().take(BATCH).map(|item| values(item?)).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        if part.is_empty() {
            break;
        }
        count += db.execute_many_params(INSERT, &part)?;
    }
    db.execute("SET bulk_load_mode = off")?;
    Ok(count)
}

/// Rows by key, after some that warm up.
fn points(db: &EmbeddedDatabase, count: u64) -> Done<f64> {
    let mut times = Vec::new();
    for n in 0..5_500 {
        let key = Value::Int8(i64::try_from(rows::key(n, count))?);
        let start = Instant::now();
        let found = db.query_params("SELECT * FROM items WHERE id = $1", &[key])?;
        if n >= 500 {
            times.push(start.elapsed().as_secs_f64());
        }
        if found.len() != 1 {
            return Err("a key has no row".into());
        }
    }
    Ok(at(&mut times, 0.5))
}

fn commits(db: &EmbeddedDatabase, count: u64) -> Done<f64> {
    median(100, |n| {
        db.execute_params(INSERT, &values(rows::one_more(i64::try_from(count + 1 + n)?))?)?;
        Ok(())
    })
}

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, _, place, csv, seconds] = arguments.as_slice() else {
        return Err("usage: firn-peer-helios helios PLACE CSV SECONDS".into());
    };
    let mut config = Config::default();
    config.storage.path = Some(place.into());
    config.storage.memory_only = false;
    config.storage.durable_commit = true;
    let db = EmbeddedDatabase::with_config(config)?;
    db.execute(CREATE)?;
    let start = Instant::now();
    let count = load(&db, Path::new(csv), Duration::from_secs(seconds.parse()?))?;
    tell(&json!({ "load": count as f64 / start.elapsed().as_secs_f64(), "rows": count }));
    piece("point", 1e6, || points(&db, count));
    piece("commit", 1e3, || commits(&db, count));
    for (name, sql) in [
        ("group", "SELECT status, count(*), sum(price), avg(score) FROM items GROUP BY status"),
        ("filter", "SELECT sum(price) FROM items WHERE score >= 0.25 AND score < 0.75 AND customer < 50000"),
    ] {
        let ask = |n| if db.query(&format!("{sql} -- {n}"), &[])?.is_empty() { Err("no rows".into()) } else { Ok(()) };
        piece(name, 1e3, || median(5, ask));
    }
    piece("update", 1e3, || timed(|| Ok(db.execute(UPDATE)?)));
    Ok(db.close()?)
}
