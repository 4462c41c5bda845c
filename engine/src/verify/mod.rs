//! Verification: of the stored bytes, without any key; and, with the key, of the state against the log.
//!
//! Promises: what is found names the object and the invariant it breaks; verification writes nothing and reads each
//! object once, a few at a time.
//! Never: an object that crashed writers left behind counts as damage; it is listed as an orphan.

mod chain;
mod replay;

use firn_manifest::error::StoreErrorKind;
use firn_manifest::store::{Cause, Store};
use serde::Serialize;

use crate::database::Database;
use crate::error::{Error, Result};

/// What verification saw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// nothing was found
    pub ok: bool,
    /// the namespace's UUID
    pub namespace: String,
    /// the newest manifest
    pub newest_version: u64,
    /// its epoch
    pub epoch: u64,
    /// the newest position in the log
    pub position: u64,
    /// manifests checked
    pub manifests: u64,
    /// WAL segments checked
    pub segments: u64,
    /// named objects checked, retired ones included
    pub objects: u64,
    /// bytes read
    pub bytes: u64,
    /// what is wrong
    pub findings: Vec<Finding>,
    /// objects that no manifest names: left by writers that crashed or were fenced
    pub orphans: Vec<String>,
    /// the comparison of state and log, when it was asked for
    pub replay: Option<ReplayReport>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Finding {
    /// the invariant it breaks, as docs list them
    pub invariant: String,
    /// the object
    pub object: String,
    /// what is wrong with it
    pub problem: String,
}

/// The state derived again from the log, beside the files' own.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReplayReport {
    /// commit records replayed
    pub commits: u64,
    /// the position both stand for
    pub position: u64,
    /// tables compared, dropped ones and the system's included
    pub tables: u64,
    /// row versions compared
    pub versions: u64,
}

impl Report {
    pub(crate) fn find(&mut self, invariant: &str, object: impl Into<String>, problem: impl std::fmt::Display) {
        self.findings.push(Finding {
            invariant: invariant.to_owned(),
            object: object.into(),
            problem: problem.to_string(),
        });
    }
}

/// Verifies the stored bytes of a namespace: chain, digests, sizes, contiguity of the log. Needs no key.
///
/// # Errors
/// `NoNamespace`, or the store cannot be read; damage is no error but a finding.
pub async fn verify(store: &Store) -> Result<Report> {
    let mut report = Report::default();
    chain::check(&store.for_cause(Cause::Verify), &mut report).await?;
    report.ok = report.findings.is_empty();
    Ok(report)
}

/// As [`verify`], and derives the state again from the log and compares every row version with what the files hold.
///
/// # Errors
/// As [`verify`], and key errors.
pub async fn verify_replay(db: &Database) -> Result<Report> {
    let mut report = verify(db.store()).await?;
    if report.ok {
        // replaying what is known to be damaged would only say it a second time
        replay::check(db, &mut report).await?;
        report.ok = report.findings.is_empty();
    }
    Ok(report)
}

/// Absent is `None`; anything else the store says is an error.
async fn get(store: &Store, name: &str) -> Result<Option<bytes::Bytes>> {
    match store.get(name).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind == StoreErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::from(e)),
    }
}
