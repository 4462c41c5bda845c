//! One row by its key, from a warm process: now, and in the past.
//!
//! Promises: every read is of another key, drawn from all keys; the present, the past and the untouched table take turns.
//! Never: an answer without its row passes.

use datafusion::common::ScalarValue;
use firn_engine::Error;
use firn_engine::session::{Session, Statement};
use serde_json::Value;

use crate::bed::{open, run, statement};
use crate::data::mix;
use crate::measure::{Times, now};

/// One way to ask.
struct Ask {
    name: &'static str,
    session: Session,
    statement: Statement,
    times: Times,
}

impl Ask {
    async fn once(&mut self, key: u64) -> Result<(), Error> {
        let key = ScalarValue::Int64(i64::try_from(key).ok());
        let start = now();
        let answer = run(&mut self.session, &self.statement, &[key]).await?;
        self.times.since(start);
        let rows: usize = answer.batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
        if rows == 1 { Ok(()) } else { Err(Error::internal(format!("{}: {rows} rows of one key", self.name))) }
    }
}

/// Reads `count` keys of `rows` in each way. `updated` is a namespace of the same rows after updates, with the position
/// before them.
///
/// # Errors
/// The engine's.
pub async fn points(uri: &str, updated: Option<(&str, u64)>, rows: u64, count: u64) -> Result<Value, Error> {
    let ask = |name, session, sql: &str| -> Result<Ask, Error> {
        Ok(Ask { name, session, statement: statement(sql)?, times: Times::default() })
    };
    let mut asks = vec![ask("now", open(uri).await?.session(), "SELECT * FROM items WHERE id = $1")?];
    if let Some((uri, position)) = updated {
        let db = open(uri).await?;
        let past = format!("SELECT * FROM items AS OF POSITION {position} WHERE id = $1");
        asks.push(ask("updated", db.session(), "SELECT * FROM items WHERE id = $1")?);
        asks.push(ask("as_of", db.session(), &past)?);
    }
    for n in 0..count / 10 {
        for ask in &mut asks {
            ask.once(mix(n) % rows + 1).await?;
        }
    }
    asks.iter_mut().for_each(|ask| ask.times = Times::default());
    for n in 0..count {
        for ask in &mut asks {
            ask.once(mix(n + count) % rows + 1).await?;
        }
    }
    Ok(asks.into_iter().map(|ask| (ask.name.to_owned(), ask.times.micros())).collect::<serde_json::Map<_, _>>().into())
}
