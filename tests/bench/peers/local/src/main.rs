//! SQLite and SlateDB at the benchmark's work, one measurement a call, its figures as one line of JSON.
//!
//! Promises: SQLite is durable (WAL, synchronous = FULL), SlateDB flushes its log for each commit; both read warm.
//! Never: one transaction per row where the peer has a way to load in bulk.

mod slate;
mod sqlite;

use std::error::Error;
use std::path::Path;

use firn_peer_common::tell;

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
    tell(&figures);
    Ok(())
}
