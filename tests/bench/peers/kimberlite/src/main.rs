//! Kimberlite at the benchmark's work, embedded, its figures as lines of JSON.
//!
//! Promises: SQL through `TenantHandle`, as its documentation has it. Each row is one event of its log, which it waits for
//! the disk with, in a bulk load too: it has no other way to put rows into a table. So the load stops after the seconds it
//! was given, and `rows` says how many there were.
//! Never: its log or its tree used without the database.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::DateTime;
use firn_peer_common::rows::{self, Item};
use firn_peer_common::{Done, at, median, piece, tell, timed};
use kimberlite::{Kimberlite, KimberliteConfig, TenantHandle, TenantId, Value};
use kimberlite_types::Timestamp;
use serde_json::json;

/// `price` is a REAL, for an UPDATE that sets a DECIMAL panics; `customer` is a BIGINT, for no INTEGER is equal to, below or
/// above a number in a statement.
const CREATE: &str = "CREATE TABLE items (id BIGINT NOT NULL, customer BIGINT NOT NULL, price REAL NOT NULL, \
    score REAL NOT NULL, status TEXT NOT NULL, note TEXT NOT NULL, made_at TIMESTAMP NOT NULL, PRIMARY KEY (id))";
/// 4 KiB pages: as much cache as SQLite is given.
const CACHE_PAGES: usize = 65_536;
/// Rows of one INSERT.
const BATCH: usize = 100;

fn values(item: Item) -> Done<[Value; 7]> {
    let nanos = DateTime::parse_from_rfc3339(&item.made_at)?.timestamp_nanos_opt().ok_or("a time out of range")?;
    Ok([
        Value::BigInt(item.id),
        Value::BigInt(item.customer.into()),
        Value::Real(item.price.parse()?),
        Value::Real(item.score),
        Value::Text(item.status),
        Value::Text(item.note),
        Value::Timestamp(Timestamp::from_nanos(u64::try_from(nanos)?)),
    ])
}

/// An INSERT of so many rows.
fn insert(count: usize) -> String {
    let row = |n: usize| format!("({})", (1..=7).map(|c| format!("${}", n * 7 + c)).collect::<Vec<_>>().join(", "));
    format!("INSERT INTO items VALUES {}", (0..count).map(row).collect::<Vec<_>>().join(", "))
}

/// Rows, until there are no more or the time is over: how many there are.
fn load(tenant: &TenantHandle, csv: &Path, limit: Duration) -> Done<u64> {
    let start = Instant::now();
    let mut items = rows::read(csv)?.into_iter().map(Item::try_from);
    let mut count = 0_u64;
    while start.elapsed() < limit {
        let part = items.by_ref().take(BATCH).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        if part.is_empty() {
            break;
        }
        let parameters = part.into_iter().map(values).collect::<Result<Vec<_>, _>>()?.concat();
        count += tenant.execute(&insert(parameters.len() / 7), &parameters)?.rows_affected();
    }
    Ok(count)
}

/// One per cent of the rows: no expression may stand behind SET, so each row's new price is computed here.
fn update(tenant: &TenantHandle) -> Done {
    let found = tenant.query("SELECT id, price FROM items WHERE customer >= 0 AND customer < 1000", &[])?;
    if found.rows.is_empty() {
        return Err("no rows to update".into());
    }
    for row in &found.rows {
        let [Value::BigInt(id), Value::Real(price)] = row.as_slice() else {
            return Err(format!("not a key and a price: {row:?}").into());
        };
        let parameters = [Value::Real(price + 1.0), Value::BigInt(*id)];
        tenant.execute("UPDATE items SET price = $1 WHERE id = $2", &parameters)?;
    }
    Ok(())
}

/// Rows by key, after some that warm up.
fn points(tenant: &TenantHandle, count: u64) -> Done<f64> {
    let mut times = Vec::new();
    for n in 0..1_100 {
        let key = Value::BigInt(i64::try_from(rows::key(n, count))?);
        let start = Instant::now();
        let found = tenant.query("SELECT * FROM items WHERE id = $1", &[key])?;
        if n >= 100 {
            times.push(start.elapsed().as_secs_f64());
        }
        if found.rows.len() != 1 {
            return Err("a key has no row".into());
        }
    }
    Ok(at(&mut times, 0.5))
}

fn commits(tenant: &TenantHandle, count: u64) -> Done<f64> {
    let statement = insert(1);
    median(100, |n| {
        tenant.execute(&statement, &values(rows::one_more(i64::try_from(count + 1 + n)?))?)?;
        Ok(())
    })
}

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, _, place, csv, seconds] = arguments.as_slice() else {
        return Err("usage: firn-peer-kimberlite kimberlite PLACE CSV SECONDS".into());
    };
    let db = Kimberlite::open_with_config(KimberliteConfig::new(place).with_cache_capacity(CACHE_PAGES))?;
    let tenant = db.tenant(TenantId::new(1));
    tenant.execute(CREATE, &[])?;
    let start = Instant::now();
    let count = load(&tenant, Path::new(csv), Duration::from_secs(seconds.parse()?))?;
    tell(&json!({ "load": count as f64 / start.elapsed().as_secs_f64(), "rows": count }));
    piece("point", 1e6, || points(&tenant, count));
    piece("commit", 1e3, || commits(&tenant, count));
    let bounds = [Value::Real(0.25), Value::Real(0.75)];
    for (name, sql, parameters) in [
        ("group", "SELECT status, count(*), sum(price), avg(score) FROM items GROUP BY status", [].as_slice()),
        ("filter", "SELECT sum(price) FROM items WHERE score >= $1 AND score < $2 AND customer < 50000", &bounds),
    ] {
        let ask = |_| match tenant.query(sql, parameters)?.rows.first().and_then(|row| row.last()) {
            None | Some(Value::Null) => Err("no answer".into()),
            Some(_) => Ok(()),
        };
        piece(name, 1e3, || median(3, ask));
    }
    piece("update", 1e3, || timed(|| update(&tenant)));
    Ok(())
}
