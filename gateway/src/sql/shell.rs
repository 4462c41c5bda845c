//! One client at work: a session, its settings, and how its answers are shown.
//!
//! Promises: an answer's first bytes are written only when its first rows are there, so an error that comes before them
//! leaves stdout clean; a write's request id is the one asked for.
//! Never: a statement runs that Ctrl-C could not cancel.

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use firn_engine::session::{AsOf, Outcome, Session, Statement};
use firn_engine::sql::yielding::Interrupt;
use firn_engine::{BatchStream, Database, Error};
use firn_manifest::world::{World, system};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::exit::{Failure, say};
use crate::interrupt::Interrupts;
use crate::render::{Format, Summary, renderer};

const CANCELLED: &str =
    "the statement was cancelled; a write whose object was already on its way may still be there, whole";

/// One client.
pub struct Shell {
    pub(super) database: Arc<Database>,
    pub(super) session: Session,
    pub(super) format: Format,
    pub(super) expanded: bool,
    pub(super) timing: bool,
    pub(super) as_of: Option<String>,
    pub(super) scripts_open: u32,
    pub(super) interrupts: Interrupts,
    requests: RequestIds,
    world: Arc<dyn World>,
}

impl Shell {
    /// A client of a database.
    #[must_use]
    pub fn new(database: Arc<Database>, format: Format, interrupts: Interrupts, request_id: Option<String>) -> Self {
        Self {
            session: database.session(),
            database,
            format,
            expanded: false,
            timing: false,
            as_of: None,
            scripts_open: 0,
            requests: RequestIds { base: request_id, used: 0 },
            interrupts,
            world: system(),
        }
    }

    /// Reads as of a time or a position from here on, or of now.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn set_as_of(&mut self, text: Option<&str>) -> Result<(), Error> {
        let as_of: Option<AsOf> = text.map(str::parse).transpose()?;
        self.session.set_as_of(as_of);
        self.as_of = text.map(str::to_owned);
        Ok(())
    }

    /// Runs a statement and writes its answer to stdout.
    ///
    /// # Errors
    /// The statement's, or the output's.
    pub async fn statement(&mut self, statement: &Statement) -> Result<(), Failure> {
        let id = self.requests.next(&statement.sql, self.session.in_transaction());
        let started = self.world.monotonic();
        let interrupts = self.interrupts.clone();
        let interrupt = Interrupt::default();
        let answered = interrupts.guard(CANCELLED, interrupt.scope(self.answer(statement, id.as_deref()))).await;
        if answered.is_err() {
            interrupt.pull();
            // rows that end in an error, or that nobody waited for, fail a transaction as any other error does
            self.session.fail_transaction();
        }
        let summary = answered?;
        if self.timing {
            self.tell(&timing_line(&summary, self.world.monotonic().saturating_sub(started)));
        }
        Ok(())
    }

    /// A line for people: on stdout in a table, on stderr otherwise.
    pub(super) fn tell(&self, line: &str) {
        if self.format == Format::Table {
            let _ = writeln!(std::io::stdout(), "{line}");
        } else {
            say(line);
        }
    }

    async fn answer(&mut self, statement: &Statement, id: Option<&str>) -> Result<Summary, Failure> {
        let outcome = self.session.run(statement, &[], id).await?;
        let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout());
        let result = write_answer(outcome, self.format, self.expanded, &mut out).await;
        if matches!(result, Err(Failure::ReaderLeft(_) | Failure::Output(_))) {
            // what is left in the buffer has no reader
            let (_, _) = out.into_parts();
        }
        let (summary, line) = result?;
        if let Some(line) = line {
            say(&line);
        }
        Ok(summary)
    }

    /// Shows a batch that is there already.
    ///
    /// # Errors
    /// Of the output.
    pub(super) fn show(&self, rows: &RecordBatch) -> Result<(), Failure> {
        let mut out = BufWriter::new(std::io::stdout());
        let mut render = renderer(self.format, self.expanded);
        render.begin(rows.schema_ref(), &mut out)?;
        render.batch(rows, &mut out)?;
        let summary = Summary { query: true, rows: rows.num_rows() as u64, ..Summary::default() };
        render.end(&summary, &mut out)?;
        out.flush()?;
        Ok(())
    }

    /// Ends the session. After a clean end a writer leaves a short log behind; that this fails loses nothing.
    pub async fn close(&mut self, clean: bool) {
        if !clean {
            return;
        }
        if self.session.in_transaction() {
            say("the transaction that was open is rolled back");
        }
        let database = Arc::clone(&self.database);
        let closed = self.interrupts.guard("everything is committed", async { Ok(database.close().await?) }).await;
        if let Err(failure) = closed {
            say(&format!("note: everything is committed, but the log could not be shortened: {failure}"));
        }
    }
}

/// Writes an outcome; gives its summary and the line that belongs on stderr.
async fn write_answer(
    mut outcome: Outcome,
    format: Format,
    expanded: bool,
    out: &mut (impl Write + Send),
) -> Result<(Summary, Option<String>), Failure> {
    let mut render = renderer(format, expanded);
    let mut rows = outcome.rows_affected;
    let mut query = false;
    if let Some(stream) = outcome.rows.take() {
        query = !["INSERT", "UPDATE", "DELETE"].iter().any(|word| outcome.tag.starts_with(word));
        let mut taken = Taken::from(stream);
        let mut next = taken.rows.recv().await.transpose()?;
        render.begin(&outcome.schema, out)?;
        rows = 0;
        while let Some(batch) = next {
            rows += batch.num_rows() as u64;
            render.batch(&batch, out)?;
            next = taken.rows.recv().await.transpose()?;
        }
        taken.complete().await?;
    }
    let tally = outcome.tally.summary();
    let summary = Summary {
        tag: outcome.tag,
        query,
        rows,
        position: outcome.position.map(|p| p.0),
        requests: tally.requests,
        bytes: tally.bytes_read + tally.bytes_written,
        round_trips: tally.round_trips,
    };
    let line = render.end(&summary, out)?;
    out.flush()?;
    Ok((summary, line))
}

/// Rows computed on another thread, so that work between two batches never keeps Ctrl-C waiting.
struct Taken {
    rows: mpsc::Receiver<Result<RecordBatch, Error>>,
    work: JoinHandle<()>,
}

impl From<BatchStream> for Taken {
    fn from(mut stream: BatchStream) -> Self {
        let (send, rows) = mpsc::channel(1);
        let work = tokio::spawn(async move {
            while let Some(batch) = stream.next().await {
                if send.send(batch).await.is_err() {
                    return;
                }
            }
        });
        Self { rows, work }
    }
}

impl Taken {
    /// The rows have ended; that they ended early by a fault is an error.
    async fn complete(&mut self) -> Result<(), Error> {
        (&mut self.work).await.map_err(|e| Error::internal(format!("the rows ended early: {e}")))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.work.abort();
    }
}

fn timing_line(summary: &Summary, took: Duration) -> String {
    let count = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let mut line = format!(
        "Time: {:.1} ms, {}, {}, {}",
        took.as_secs_f64() * 1e3,
        count(summary.requests, "request"),
        count(summary.bytes, "byte"),
        count(summary.round_trips, "round trip")
    );
    if let Some(position) = summary.position {
        line.push_str(&format!(", position {position}"));
    }
    line
}

/// Gives each writing statement of a run its request id.
struct RequestIds {
    base: Option<String>,
    used: u64,
}

impl RequestIds {
    fn next(&mut self, sql: &str, in_transaction: bool) -> Option<String> {
        let base = self.base.as_ref()?;
        let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        let word = word.to_ascii_uppercase();
        // a transaction bears the id that its BEGIN is given
        let begins =
            ["BEGIN", "START", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "WITH"];
        if in_transaction || !begins.contains(&word.as_str()) {
            return None;
        }
        self.used += 1;
        Some(if self.used == 1 { base.clone() } else { format!("{base}#{}", self.used) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_of_a_run_has_its_own_request_id() {
        let mut ids = RequestIds { base: Some("r".into()), used: 0 };
        assert_eq!(ids.next("SELECT 1", false), None);
        assert_eq!(ids.next("insert INTO t VALUES (1)", false), Some("r".into()));
        assert_eq!(ids.next("BEGIN", false), Some("r#2".into()));
        assert_eq!(ids.next("UPDATE t SET a = 1", true), None);
        assert_eq!(ids.next("COMMIT", true), None);
        assert_eq!(ids.next("DROP TABLE t", false), Some("r#3".into()));
        assert_eq!(RequestIds { base: None, used: 0 }.next("DELETE FROM t", false), None);
    }

    #[test]
    fn timing_names_what_a_statement_cost() {
        let summary = Summary { requests: 1, bytes: 2, round_trips: 1, position: Some(7), ..Summary::default() };
        assert_eq!(
            timing_line(&summary, Duration::from_micros(12_345)),
            "Time: 12.3 ms, 1 request, 2 bytes, 1 round trip, position 7"
        );
    }
}
