//! SQLite and SlateDB at the benchmark's work, one measurement a call, its figures as one line of JSON.
//!
//! Promises: SQLite is durable (WAL, synchronous = FULL), SlateDB flushes its log for each commit; both read warm.
//! Never: one transaction per row where the peer has a way to load in bulk.

mod rows;
mod slate;
mod sqlite;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// A measurement's figures.
pub type Figures = Result<serde_json::Value, Box<dyn Error>>;

/// The time that a share of all does not exceed, in seconds.
pub fn at(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(((times.len().saturating_sub(1)) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// The seconds of one piece of work.
pub fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, work, place, csv, rest @ ..] = arguments.as_slice() else {
        return Err("usage: firn-peer sqlite|sqlite-points|slatedb PLACE CSV [COUNT]".into());
    };
    let count = rest.first().map_or(Ok(5_000), |n| n.parse())?;
    let (place, csv) = (Path::new(place), Path::new(csv));
    let figures = match work.as_str() {
        "sqlite" => sqlite::all(place, csv)?,
        "sqlite-points" => sqlite::points(place, csv, count)?,
        "slatedb" => slate::all(place, csv)?,
        other => return Err(format!("no work {other}").into()),
    };
    println!("{figures}");
    Ok(())
}
