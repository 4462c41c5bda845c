//! `firn verify`: every byte under a namespace checked.
//!
//! Promises: exit code 4 if anything is found, and each finding names its invariant and its object; without `--replay`
//! no key is asked for.
//! Never: anything is written to the store.

use std::fmt::Write as _;
use std::io::Write;

use firn_engine::verify::{Report, verify, verify_replay};

use crate::cli::VerifyArgs;
use crate::exit::{Failure, say};
use crate::open;

const FOUND: u8 = 4;

/// Runs `firn verify`.
///
/// # Errors
/// If the store cannot be read, or anything was found.
pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let uri = open::parse_uri(&args.uri)?;
    let report = if args.replay {
        verify_replay(&*open::database(&uri, true).await?).await?
    } else {
        verify(&open::store(&uri)?).await?
    };
    let text = if args.json {
        serde_json::to_string_pretty(&report).map_err(|e| Failure::Output(std::io::Error::other(e)))?
    } else {
        describe(&report)
    };
    let mut out = std::io::stdout();
    writeln!(out, "{text}")?;
    out.flush()?;
    if args.replay && report.replay.is_none() {
        say("note: the log was not replayed, because the bytes themselves are not sound");
    }
    if report.ok { Ok(()) } else { Err(Failure::Said(FOUND)) }
}

/// A number and what it counts.
pub fn count(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// The report for people.
fn describe(report: &Report) -> String {
    let mut text = format!(
        "{}: namespace {}, version {}, epoch {}, position {}\n  {}, {}, {}, {} bytes checked",
        if report.ok { "sound" } else { "NOT SOUND" },
        report.namespace,
        report.newest_version,
        report.epoch,
        report.position,
        count(report.manifests, "manifest"),
        count(report.segments, "WAL segment"),
        count(report.objects, "object"),
        report.bytes
    );
    if let Some(replay) = &report.replay {
        let _ = write!(
            text,
            "\n  replayed: {} up to position {}; {} of {} compared",
            count(replay.commits, "commit"),
            replay.position,
            count(replay.versions, "row version"),
            count(replay.tables, "table")
        );
    }
    if !report.orphans.is_empty() {
        let _ = write!(
            text,
            "\n  {} that no version names, left by a writer that was stopped (no damage)",
            count(report.orphans.len() as u64, "object")
        );
    }
    for finding in &report.findings {
        let _ = write!(text, "\n  {}  {}: {}", finding.invariant, finding.object, finding.problem);
    }
    text
}
