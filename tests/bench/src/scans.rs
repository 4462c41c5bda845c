//! Whole-table work: groups, filter and sum, over one table in several states and over bare Parquet, taking turns.
//!
//! Promises: every state answers every question in each round, the order turning from round to round, and all answers
//! must be alike where the rows are; the bare side has the settings of ours.
//! Never: a ratio of times from different runs.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use firn_engine::Error;
use firn_engine::session::Session;
use serde_json::{Map, Value, json};

use crate::bed::{open, open_unflushed, run_sql};
use crate::measure::{Times, now, peak_mib};

/// What is asked; `{}` stands for the table.
pub const QUESTIONS: [(&str, &str); 2] = [
    ("group", "SELECT status, count(*), sum(price), avg(score) FROM {} GROUP BY status"),
    ("filter", "SELECT sum(price) FROM {} WHERE score >= 0.25 AND score < 0.75 AND customer < 50000"),
];

/// A table in one state.
enum Side {
    Ours {
        session: Session,
        table: String,
    },
    #[cfg(feature = "bare")]
    Bare(datafusion::prelude::SessionContext),
}

impl Side {
    async fn answer(&mut self, question: &str) -> Result<Vec<RecordBatch>, Error> {
        match self {
            Side::Ours { session, table } => Ok(run_sql(session, &question.replace("{}", table)).await?.batches),
            #[cfg(feature = "bare")]
            Side::Bare(context) => {
                let frame = context.sql(&question.replace("{}", "items")).await.map_err(Error::from)?;
                frame.collect().await.map_err(Error::from)
            }
        }
    }
}

/// The namespaces and files to read.
pub struct Sides<'a> {
    /// as it was loaded
    pub fresh: &'a str,
    /// after updates, not flushed since
    pub unflushed: Option<&'a str>,
    /// after updates and a flush, with the position before them
    pub flushed: Option<(&'a str, u64)>,
    /// the same rows as plain Parquet
    pub parquet: Option<&'a str>,
}

/// Asks every question of every side in each of `rounds` rounds.
///
/// # Errors
/// The engine's; answers that differ where the rows do not.
pub async fn scans(sides: &Sides<'_>, rounds: usize) -> Result<Value, Error> {
    let mut all = vec![("fresh", ours(sides.fresh, String::new(), false).await?)];
    if let Some(uri) = sides.unflushed {
        all.push(("unflushed", ours(uri, String::new(), true).await?));
    }
    if let Some((uri, position)) = sides.flushed {
        all.push(("flushed", ours(uri, String::new(), false).await?));
        all.push(("as_of", ours(uri, format!(" AS OF POSITION {position}"), false).await?));
    }
    if let Some(path) = sides.parquet {
        bare(path, &mut all).await?;
    }
    let mut report = Map::new();
    for (name, question) in QUESTIONS {
        let mut times: Vec<Times> = all.iter().map(|_| Times::default()).collect();
        let mut expected: Option<Vec<String>> = None;
        for round in 0..=rounds {
            for turn in 0..all.len() {
                let i = (turn + round) % all.len();
                let start = now();
                let batches = all[i].1.answer(question).await?;
                // the first round warms
                if round > 0 {
                    times[i].since(start);
                    continue;
                }
                let same_rows = !matches!(all[i].0, "unflushed" | "flushed");
                let answer = texts(&batches)?;
                match &expected {
                    Some(expected) if same_rows && *expected != answer => {
                        return Err(Error::internal(format!(
                            "{name}: {} answers {answer:?}, not {expected:?}",
                            all[i].0
                        )));
                    }
                    None if same_rows => expected = Some(answer),
                    _ => {}
                }
            }
        }
        let of = |i: usize| ((times[i].at(0.5) * 1e6).round() / 1e3, (times[i].at(0.0) * 1e6).round() / 1e3);
        let figures = all.iter().enumerate().map(|(i, (side, _))| {
            let (p50, min) = of(i);
            ((*side).to_owned(), json!({ "p50_ms": p50, "min_ms": min }))
        });
        report.insert(name.to_owned(), Value::Object(figures.collect()));
    }
    Ok(Value::Object(report))
}

async fn ours(uri: &str, version: String, unflushed: bool) -> Result<Side, Error> {
    let db = if unflushed { open_unflushed(uri).await? } else { open(uri).await? };
    Ok(Side::Ours { session: db.session(), table: format!("items{version}") })
}

#[cfg(feature = "bare")]
async fn bare(path: &str, all: &mut Vec<(&'static str, Side)>) -> Result<(), Error> {
    use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(8192);
    let context = SessionContext::new_with_config(config);
    context.register_parquet("items", path, ParquetReadOptions::default()).await.map_err(Error::from)?;
    all.push(("bare", Side::Bare(context)));
    Ok(())
}

#[cfg(not(feature = "bare"))]
async fn bare(_: &str, _: &mut Vec<(&'static str, Side)>) -> Result<(), Error> {
    Err(Error::internal("built without the bare planner; build with --features firn-bench/bare"))
}

/// Rows as sorted text; floating-point sums depend on the order of addition, so they are cut.
fn texts(batches: &[RecordBatch]) -> Result<Vec<String>, Error> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Result<Vec<_>, _> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options)).collect();
        let columns = columns.map_err(|e| Error::internal(e.to_string()))?;
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .zip(batch.columns())
                .map(|(c, array)| {
                    let text = c.value(row).to_string();
                    if array.data_type().is_floating() { text.chars().take(9).collect() } else { text }
                })
                .collect();
            rows.push(cells.join("|"));
        }
    }
    rows.sort();
    Ok(rows)
}

/// What a process that only scans ever held: both questions, then every column of every row, streamed.
///
/// # Errors
/// The engine's.
pub async fn memory(uri: &str) -> Result<Value, Error> {
    use futures::StreamExt as _;
    let mut session = open(uri).await?.session();
    let opened = peak_mib();
    for (_, question) in QUESTIONS {
        run_sql(&mut session, &question.replace("{}", "items")).await?;
    }
    let aggregated = peak_mib();
    let mut rows = 0;
    for outcome in session.execute("SELECT * FROM items").await? {
        let Some(mut stream) = outcome.rows else { continue };
        while let Some(batch) = stream.next().await {
            rows += batch?.num_rows();
        }
    }
    Ok(json!({ "rows": rows, "opened_mib": opened, "aggregated_mib": aggregated, "peak_mib": peak_mib() }))
}

/// Requests and bytes of both questions in a process that has just opened the namespace, and again when warm.
///
/// # Errors
/// The engine's.
pub async fn requests(uri: &str) -> Result<Value, Error> {
    let db = open(uri).await?;
    db.reader().await?;
    let mut session = Arc::clone(&db).session();
    let mut report = Map::new();
    for (name, question) in QUESTIONS {
        for state in ["cold", "warm"] {
            let t = run_sql(&mut session, &question.replace("{}", "items")).await?.tally;
            let figures =
                json!({ "gets": t.gets, "requests": t.requests, "bytes": t.bytes_read, "round_trips": t.round_trips });
            report.insert(format!("{name}_{state}"), figures);
        }
    }
    Ok(Value::Object(report))
}

/// The least time of each query of a JSON object of texts, in milliseconds.
///
/// # Errors
/// The engine's; a file that is no such object.
pub async fn queries(uri: &str, file: &std::path::Path, rounds: usize) -> Result<Value, Error> {
    let wrong = |e: String| Error::internal(format!("{}: {e}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let texts: Map<String, Value> = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let mut session = open(uri).await?.session();
    let mut report = Map::new();
    for (name, text) in texts {
        let text = text.as_str().ok_or_else(|| wrong(format!("{name} is no text")))?;
        let mut times = Times::default();
        for _ in 0..rounds.max(1) {
            let start = now();
            run_sql(&mut session, text).await.map_err(|e| Error::internal(format!("{name}: {e}")))?;
            times.since(start);
        }
        report.insert(name, json!((times.at(0.0) * 1e6).round() / 1e3));
    }
    Ok(Value::Object(report))
}
