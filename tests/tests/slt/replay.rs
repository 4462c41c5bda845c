//! One file of records, replayed against a namespace of its own in memory.
//!
//! Promises: a record that fails does not end the file, so one run shows all that differs.
//! Never: a record is skipped without being counted.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use firn_engine::session::{Session, parse};
use firn_engine::{Database, Error, OpenOptions};
use firn_manifest::keys::key_service;
use firn_manifest::store::Store;
use firn_manifest::uri::StoreUri;
use firn_manifest::world::system;
use futures::TryStreamExt;
use sqllogictest::{AsyncDB, ColumnType, Condition, DBOutput, QueryExpect, Record, Runner, strict_column_validator};
use tempfile::TempDir;

use super::text;

/// How long a record may take before it has failed.
const LONGEST: Duration = Duration::from_secs(20);

/// What a file gave.
#[derive(Debug, Default)]
pub struct Report {
    name: String,
    /// statements and queries
    pub records: usize,
    /// of them, marked as differing from PostgreSQL
    pub differing: usize,
    /// of those, records that agree by now
    pub stale: Vec<String>,
    /// how the marked ones differ
    pub marked: Vec<String>,
    /// what did not agree, with its place
    pub failures: Vec<String>,
}

impl Report {
    /// Takes another file's records in.
    pub fn add(&mut self, other: Self) {
        self.name = "all files".to_owned();
        self.records += other.records;
        self.differing += other.differing;
        self.stale.extend(other.stale);
        self.marked.extend(other.marked);
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, records, differing, stale, failures, .. } = self;
        let passed = records - differing - failures.len().min(records - differing);
        write!(f, "{name:<16} {records:>5} records, {passed:>5} agree, {differing:>4} marked as differing")?;
        write!(f, " ({} agree by now), {:>3} fail", stale.len(), failures.len())
    }
}

/// The letter of a column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter(pub char);

impl ColumnType for Letter {
    fn from_char(value: char) -> Option<Self> {
        Some(Self(value))
    }

    fn to_char(&self) -> char {
        self.0
    }
}

/// The engine's error as the runner wants it.
#[derive(Debug)]
pub struct Failed(Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.sqlstate, self.0)
    }
}

impl std::error::Error for Failed {}

struct Client(Session);

#[async_trait]
impl AsyncDB for Client {
    type Error = Failed;
    type ColumnType = Letter;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Letter>, Failed> {
        match tokio::time::timeout(LONGEST, self.answer(sql)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failed(Error::internal(format!("no answer in {} s", LONGEST.as_secs())))),
        }
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "firn"
    }

    fn error_sql_state(error: &Failed) -> Option<String> {
        Some(error.0.sqlstate.to_owned())
    }
}

impl Client {
    async fn answer(&mut self, sql: &str) -> Result<DBOutput<Letter>, Failed> {
        let mut statements = parse(sql).map_err(Failed)?;
        let statement = statements.pop().ok_or_else(|| Failed(Error::internal("an empty record")))?;
        let outcome = self.0.run(&statement, &[], None).await.map_err(Failed)?;
        let Some(stream) = outcome.rows else { return Ok(DBOutput::StatementComplete(outcome.rows_affected)) };
        let batches: Vec<_> = match stream.try_collect().await {
            Ok(batches) => batches,
            Err(error) => {
                self.0.fail_transaction();
                return Err(Failed(error));
            }
        };
        let types = outcome.schema.fields().iter().map(|f| Letter(text::letter(f.data_type()))).collect();
        let rows = batches.iter().flat_map(text::rows).collect();
        Ok(DBOutput::Rows { types, rows })
    }
}

async fn database() -> (Arc<Database>, TempDir) {
    let dir = TempDir::new().unwrap();
    let name = dir.path().file_name().unwrap().to_string_lossy().trim_start_matches('.').to_lowercase();
    let uri = format!("memory://slt-{name}?ns=acme&kms=local:{}", dir.path().join("master.key").display());
    let uri = StoreUri::parse(&uri).unwrap();
    let store = Store::connect(&uri, system()).unwrap().namespace(uri.namespace().unwrap());
    let keys = key_service(&uri, system()).unwrap();
    let database = Database::open_in(store, keys, OpenOptions::default()).await.unwrap();
    // the first write makes the namespace; before it there is nothing to ask
    database.session().execute("CREATE TABLE begun (a INT); DROP TABLE begun").await.unwrap();
    (database, dir)
}

/// Replays a file.
pub async fn file(path: &Path) -> Report {
    let (database, _keys) = database().await;
    let mut runner = Runner::new(|| {
        let session = database.session();
        async move { Ok::<_, Failed>(Client(session)) }
    });
    runner.with_validator(|_, actual, expected| {
        actual.len() == expected.len() && actual.iter().zip(expected).all(|(row, line)| row.join("|") == *line)
    });
    runner.with_column_validator(strict_column_validator);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut report = Report { name, ..Report::default() };
    for record in sqllogictest::parse_file::<Letter>(path).unwrap() {
        let (Record::Statement { .. } | Record::Query { .. }) = &record else {
            runner.run_async(record).await.unwrap();
            continue;
        };
        let believed = std::env::var_os("FIRN_SLT_UNMARKED").is_none();
        if only_here(&record) && !believed {
            continue;
        }
        if only_here(&record) {
            // stands beside the record that PostgreSQL answered
            if let Err(error) = runner.run_async(record).await {
                report.failures.push(error.to_string());
            }
            continue;
        }
        report.records += 1;
        let marked = skipped(&record) && believed;
        report.differing += usize::from(marked);
        if marked && !reads(&record) {
            continue;
        }
        let result = runner.run_async(unconditional(record.clone())).await;
        match (marked, result) {
            (false, Err(error)) => report.failures.push(error.to_string()),
            (true, Ok(_)) => report.stale.push(record.to_string()),
            (true, Err(error)) => report.marked.push(error.to_string()),
            (false, Ok(_)) => {}
        }
    }
    report
}

fn conditions(record: &Record<Letter>) -> &[Condition] {
    match record {
        Record::Statement { conditions, .. } | Record::Query { conditions, .. } => conditions,
        _ => &[],
    }
}

fn skipped(record: &Record<Letter>) -> bool {
    conditions(record).iter().any(|c| matches!(c, Condition::SkipIf { label } if label == "firn"))
}

fn only_here(record: &Record<Letter>) -> bool {
    conditions(record).iter().any(|c| matches!(c, Condition::OnlyIf { label } if label == "firn"))
}

/// Whether running the record changes nothing that later records see.
fn reads(record: &Record<Letter>) -> bool {
    let Record::Query { sql, expected, .. } = record else { return false };
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    matches!(first.as_str(), "SELECT" | "WITH" | "VALUES" | "TABLE")
        && matches!(expected, QueryExpect::Results { .. })
        && !sql.to_ascii_uppercase().contains("RETURNING")
}

fn unconditional(mut record: Record<Letter>) -> Record<Letter> {
    if let Record::Statement { conditions, .. } | Record::Query { conditions, .. } = &mut record {
        conditions.clear();
    }
    record
}
