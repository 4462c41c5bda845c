//! SQLite, bundled, in process.
//!
//! Promises: statements are prepared once; a commit is durable when it returns.
//! Never: synchronous below FULL.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use firn_peer_common::{Figures, at, rows, timed};
use rusqlite::{Connection, params};
use serde_json::json;

const CREATE: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, price REAL NOT NULL, score REAL NOT NULL, \
    status TEXT NOT NULL, note TEXT NOT NULL, at TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO items VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

fn open(place: &Path) -> Result<Connection, Box<dyn Error>> {
    let db = Connection::open(place)?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -262144")?;
    Ok(db)
}

/// A file with all rows: the connection and how many it has.
fn load(place: &Path, csv: &Path) -> Result<(Connection, u64), Box<dyn Error>> {
    let mut db = open(place)?;
    db.execute_batch(CREATE)?;
    let transaction = db.transaction()?;
    let mut count = 0;
    {
        let mut insert = transaction.prepare(INSERT)?;
        for [id, customer, price, score, status, note, at] in rows::read(csv)? {
            let (id, customer): (i64, i64) = (id.parse()?, customer.parse()?);
            let (price, score): (f64, f64) = (price.parse()?, score.parse()?);
            insert.execute(params![id, customer, price, score, status, note, at])?;
            count += 1;
        }
    }
    transaction.commit()?;
    Ok((db, count))
}

/// Rows by key. A file that is there already is used again.
pub fn points(place: &Path, csv: &Path, count: u64) -> Figures {
    let (db, rows) = if place.exists() {
        let db = open(place)?;
        let rows = db.query_row("SELECT count(*) FROM items", [], |row| row.get::<_, i64>(0))?;
        (db, u64::try_from(rows)?)
    } else {
        load(place, csv)?
    };
    let mut times = point_times(&db, rows, count)?;
    Ok(json!({ "p50_us": at(&mut times, 0.5) * 1e6, "p99_us": at(&mut times, 0.99) * 1e6 }))
}

fn point_times(db: &Connection, rows: u64, count: u64) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut point = db.prepare("SELECT * FROM items WHERE id = ?1")?;
    let mut times = Vec::new();
    for n in 0..count + count / 10 {
        let id = i64::try_from(rows::key(n, rows))?;
        let start = Instant::now();
        point.query_row([id], |row| Ok((row.get::<_, f64>(2)?, row.get::<_, String>(5)?, row.get::<_, String>(6)?)))?;
        if n >= count / 10 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(times)
}

/// The whole table of work.
pub fn all(place: &Path, csv: &Path) -> Figures {
    let start = Instant::now();
    let (db, rows) = load(place, csv)?;
    let loaded = start.elapsed().as_secs_f64();
    let mut points = point_times(&db, rows, 5_000)?;
    let ask = |sql: &str| -> Result<f64, Box<dyn Error>> {
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(timed(|| {
                let mut statement = db.prepare(sql)?;
                let mut found = statement.query([])?;
                while found.next()?.is_some() {}
                Ok(())
            })?);
        }
        Ok(at(&mut times, 0.5) * 1e3)
    };
    let group = ask("SELECT status, count(*), sum(price), avg(score) FROM items GROUP BY status")?;
    let filter = ask("SELECT sum(price) FROM items WHERE score >= 0.25 AND score < 0.75 AND customer < 50000")?;
    let change = "UPDATE items SET price = price + 1 WHERE customer >= 0 AND customer < 1000";
    let update = timed(|| Ok(db.execute(change, [])?))? * 1e3;
    let mut insert = db.prepare(INSERT)?;
    let mut commits = Vec::new();
    for n in 1..=100 {
        let id = i64::try_from(rows + n)?;
        commits.push(timed(|| {
            Ok(insert.execute(params![id, 1, 1.25, 0.5, "new", "one more", "2026-01-01T00:00:00Z"])?)
        })?);
    }
    Ok(json!({
        "load": rows as f64 / loaded, "point": at(&mut points, 0.5) * 1e6, "group": group, "filter": filter, "update": update,
        "commit": at(&mut commits, 0.5) * 1e3,
    }))
}
