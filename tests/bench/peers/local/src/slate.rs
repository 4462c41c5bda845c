//! SlateDB over a folder: keys and values, so what a scan asks is computed here from its rows.
//!
//! Promises: a commit is a put and a flush of the log, the soonest that SlateDB makes anything durable; the folder is told
//! to wait for the disk, as ours does.
//! Never: a wait for its flush interval, which would measure a timer.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use firn_peer_common::{Figures, at, rows};
use serde_json::json;
use slatedb::object_store::local::LocalFileSystem;
use slatedb::{Db, WriteBatch};

/// The whole table of work.
pub fn all(place: &Path, csv: &Path) -> Figures {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work(place, csv))
}

fn sum(value: &[u8], filter: bool) -> Result<f64, Box<dyn Error>> {
    let text = std::str::from_utf8(value)?;
    let mut fields = text.split(',');
    let (customer, price, score) = (fields.next(), fields.next(), fields.next());
    let (customer, price, score): (i64, f64, f64) =
        (customer.unwrap_or("0").parse()?, price.unwrap_or("0").parse()?, score.unwrap_or("0").parse()?);
    Ok(if !filter || (0.25..0.75).contains(&score) && customer < 50_000 { price } else { 0.0 })
}

async fn work(place: &Path, csv: &Path) -> Figures {
    std::fs::create_dir_all(place)?;
    let db = Db::builder("db", Arc::new(LocalFileSystem::new_with_prefix(place)?.with_fsync(true))).build().await?;
    let start = Instant::now();
    let mut count = 0_u64;
    for part in rows::read(csv)?.chunks(1_000) {
        let mut batch = WriteBatch::new();
        for row in part {
            batch.put(row[0].parse::<u64>()?.to_be_bytes(), row[1..].join(","));
        }
        count += part.len() as u64;
        db.write(batch).await?;
    }
    db.flush().await?;
    let loaded = start.elapsed().as_secs_f64();
    let mut points = Vec::new();
    for n in 0..5_500 {
        let start = Instant::now();
        let found = db.get(rows::key(n, count).to_be_bytes()).await?;
        if n >= 500 {
            points.push(start.elapsed().as_secs_f64());
        }
        found.ok_or("a key has no value")?;
    }
    let mut scans = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for filter in [false, true] {
            let start = Instant::now();
            let (mut rows, mut total) = (db.scan::<std::ops::RangeFull>(..).await?, 0.0);
            while let Some(row) = rows.next().await? {
                total += sum(&row.value, filter)?;
            }
            scans[usize::from(filter)].push(start.elapsed().as_secs_f64());
            assert!(total > 0.0);
        }
    }
    let start = Instant::now();
    let mut batch = WriteBatch::new();
    for n in 0..count / 100 {
        batch.put((n * 100 + 1).to_be_bytes(), "1,2.50,0.5,new,changed,2026-01-01T00:00:00Z");
    }
    db.write(batch).await?;
    db.flush().await?;
    let update = start.elapsed().as_secs_f64() * 1e3;
    let mut commits = Vec::new();
    for n in 1..=100 {
        let start = Instant::now();
        db.put((count + n).to_be_bytes(), "1,2.50,0.5,new,one more,2026-01-01T00:00:00Z").await?;
        db.flush().await?;
        commits.push(start.elapsed().as_secs_f64());
    }
    db.close().await?;
    let [group, filter] = &mut scans;
    Ok(json!({
        "load": count as f64 / loaded, "point": at(&mut points, 0.5) * 1e6, "group": at(group, 0.5) * 1e3,
        "filter": at(filter, 0.5) * 1e3, "update": update, "commit": at(&mut commits, 0.5) * 1e3,
    }))
}
