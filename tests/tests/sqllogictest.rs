//! The answers of PostgreSQL, record by record: every file under `tests/slt` is replayed against a session in process.
//!
//! Promises: values are compared as PostgreSQL's text, byte by byte, with the types of the columns and the SQLSTATE of
//! errors; records that are marked as differing are counted, and those that have come to agree are named.
//! Never: a PostgreSQL is needed here. `tests/slt/generate` makes the files from one.
//!
//! `FIRN_SLT=joins` runs only the files whose path contains the word; `FIRN_SLT_MARKED=1` shows how marked records differ;
//! `FIRN_SLT_UNMARKED=1` runs every record as if none were marked, for when something was built.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "slt/replay.rs"]
mod replay;
#[path = "slt/text.rs"]
mod text;

use std::path::{Path, PathBuf};

use futures::StreamExt;

/// Records that PostgreSQL answered; fewer would mean that files were lost.
const LEAST: usize = 2_000;

/// Files at a time.
const PARALLEL: usize = 2;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "slt") {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_would_have_said_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let wanted = std::env::var("FIRN_SLT").unwrap_or_default();
    let mut found = Vec::new();
    files(&root, &mut found);
    found.retain(|path| path.to_string_lossy().contains(&wanted));
    found.sort();
    let runs = found.into_iter().map(|path| tokio::spawn(async move { replay::file(&path).await }));
    let results: Vec<replay::Report> =
        futures::stream::iter(runs).buffered(PARALLEL).map(|report| report.unwrap()).collect().await;
    let mut all = replay::Report::default();
    for report in results {
        println!("{report}");
        all.add(report);
    }
    println!("{all}");
    for record in &all.stale {
        println!("\nagrees by now, its mark can go:\n{record}");
    }
    if std::env::var_os("FIRN_SLT_MARKED").is_some() {
        for record in &all.marked {
            println!("\nmarked: {record}");
        }
    }
    for failure in &all.failures {
        println!("\n{failure}");
    }
    assert!(all.failures.is_empty(), "{} records differ", all.failures.len());
    assert!(!wanted.is_empty() || all.records >= LEAST, "only {} records were found", all.records);
}
