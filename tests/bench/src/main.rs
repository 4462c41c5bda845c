//! `firn-bench`: one measurement a call, its figures as one line of JSON. `tests/bench/run` calls it and compares.
//!
//! Promises: each measurement is a process of its own, so that memory, processor time and caches are its own.
//! Never: a verdict; the targets stand in the script.

mod bed;
mod commits;
mod data;
mod measure;
mod opens;
mod points;
mod scans;
mod updates;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use firn_engine::Error;
use serde_json::Value;

/// the command's allocator
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// whether the bare planner was built in
    Features,
    /// writes items.csv and items.parquet
    Generate { folder: PathBuf, rows: u64 },
    /// the statement that makes the table
    Schema,
    /// the statement that changes one per cent of the rows, by predicate or by keys
    UpdateSql { by: String, rows: u64, round: u64 },
    /// durable commits of one row
    Commits { uri: String, clients: u64, seconds: f64 },
    /// rows by key
    Points {
        uri: String,
        rows: u64,
        count: u64,
        #[arg(long, requires = "before")]
        updated: Option<String>,
        #[arg(long)]
        before: Option<u64>,
    },
    /// groups, and filter and sum
    Scans {
        fresh: String,
        rounds: usize,
        #[arg(long)]
        unflushed: Option<String>,
        #[arg(long, requires = "before")]
        flushed: Option<String>,
        #[arg(long)]
        before: Option<u64>,
        #[arg(long)]
        parquet: Option<String>,
    },
    /// the memory of scans
    ScanMemory { uri: String },
    /// the queries of a JSON object, the least of some times in milliseconds
    Queries { uri: String, file: PathBuf, rounds: usize },
    /// the requests of scans
    ScanRequests { uri: String },
    /// one per cent updated
    OnePercent { uri: String, rows: u64, rounds: u64 },
    /// a tenth updated
    ATenth {
        uri: String,
        #[arg(long)]
        flush: bool,
    },
    /// the first point answer of a process
    Cold { uri: String, key: u64 },
    /// empty namespaces
    Empty { folder: String, kms: String, count: u64 },
    /// the requests of point reads and of idling
    PointRequests { uri: String, columns: String, key: u64, idle_seconds: u64 },
}

fn main() -> ExitCode {
    let begun = measure::now();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(work(arguments.work, begun)),
        Err(error) => Err(Error::internal(error.to_string())),
    };
    match outcome {
        Ok(value) => {
            println!("{}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("firn-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(work: Work, begun: std::time::Duration) -> Result<Value, Error> {
    match work {
        Work::Features => Ok(serde_json::json!({ "bare": cfg!(feature = "bare") })),
        Work::Generate { folder, rows } => Ok(data::generate(rows, &folder)?),
        Work::Schema => Ok(Value::from(data::CREATE)),
        Work::UpdateSql { by, rows, round } => {
            Ok(Value::from(if by == "keys" { updates::keys_sql(rows, round) } else { updates::predicate_sql(round) }))
        }
        Work::Commits { uri, clients, seconds } => commits::commits(&uri, clients, seconds).await,
        Work::Points { uri, rows, count, updated, before } => {
            points::points(&uri, updated.as_deref().zip(before), rows, count).await
        }
        Work::Scans { fresh, rounds, unflushed, flushed, before, parquet } => {
            let sides = scans::Sides {
                fresh: &fresh,
                unflushed: unflushed.as_deref(),
                flushed: flushed.as_deref().zip(before),
                parquet: parquet.as_deref(),
            };
            scans::scans(&sides, rounds).await
        }
        Work::ScanMemory { uri } => scans::memory(&uri).await,
        Work::Queries { uri, file, rounds } => scans::queries(&uri, &file, rounds).await,
        Work::ScanRequests { uri } => scans::requests(&uri).await,
        Work::OnePercent { uri, rows, rounds } => updates::one_percent(&uri, rows, rounds).await,
        Work::ATenth { uri, flush } => updates::a_tenth(&uri, flush).await,
        Work::Cold { uri, key } => opens::cold(&uri, key, begun).await,
        Work::Empty { folder, kms, count } => opens::empty(&folder, &kms, count).await,
        Work::PointRequests { uri, columns, key, idle_seconds } => {
            opens::requests(&uri, &columns, key, idle_seconds).await
        }
    }
}
