//! `firn load`: files into a table, resumably.
//!
//! Promises: each batch is one commit under a request id of its own, so a batch is loaded once, however often the
//! command runs; an error leaves nothing of its batch and says what is loaded. Memory does not grow with the files: the
//! reader is at most one batch ahead of the commit, and one batch is prepared while the one before it is stored.
//! Never: anything on stdout.

mod batch;
mod csv;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod infer;
mod parquet_file;
mod parse;
mod progress;
mod source;
mod text;

use std::sync::Arc;

use firn_engine::Error;
use firn_engine::session::{PassedBatch, Session};
use firn_manifest::schema::TableSchema;
use firn_manifest::world::system;
use futures::StreamExt;
use tokio::sync::mpsc;

use batch::{Batch, Batches};
pub use infer::quote;
use parse::sql_name;
use progress::{Bar, Totals};
use source::Source;

use crate::cli::{FileFormat, LoadArgs};
use crate::exit::{Failure, say};
use crate::interrupt::Interrupts;
use crate::open;
use crate::render::push_text;

/// Runs `firn load`.
///
/// # Errors
/// What is wrong with the call, a file, or the store.
pub async fn run(args: LoadArgs, interrupts: &Interrupts) -> Result<(), Failure> {
    let uri = open::parse_uri(&args.uri)?;
    if args.files.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::Usage("stdin (-) can be loaded only once in a command".to_owned()));
    }
    let mut sources = args.files.iter().map(|path| Source::open(path, args.format)).collect::<Result<Vec<_>, _>>()?;
    if args.null.is_some() && sources.iter().all(|source| source.format != FileFormat::Csv) {
        return Err(Failure::Usage("--null applies to CSV; Parquet and JSON have a NULL of their own".to_owned()));
    }
    let world = system();
    let started = world.monotonic();
    let what = "the batches that were committed stay; run the same command again to go on";
    let (name, totals) = interrupts
        .guard(what, async {
            let database = open::database(&uri, false).await?;
            let mut load = Load {
                session: database.session(),
                null: args.null.clone().unwrap_or_default(),
                batch_rows: args.batch_rows,
                start: 0,
                totals: Totals::default(),
            };
            let table = load.table(&args, &mut sources).await?;
            for source in sources {
                load.file(source, &table).await?;
            }
            if let Err(error) = database.close().await {
                say(&format!("note: everything is committed, but the log could not be shortened: {error}"));
            }
            Ok((table.name.clone(), load.totals))
        })
        .await?;
    say(&totals.line(&name, world.monotonic().saturating_sub(started)));
    Ok(())
}

/// A load at work.
struct Load {
    session: Session,
    null: String,
    batch_rows: u64,
    /// the newest position before the load; what was committed up to it is of an earlier run
    start: u64,
    totals: Totals,
}

impl Load {
    /// The table to load into, created if it is to be.
    async fn table(&mut self, args: &LoadArgs, sources: &mut [Source]) -> Result<Arc<TableSchema>, Failure> {
        let name = match args.table.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => args.table.to_lowercase(),
        };
        let key: Vec<String> = args.key.iter().map(|column| infer::fold(column)).collect();
        let existing = match self.session.table_schema(&name).await {
            Err(error) if error.kind == firn_engine::ErrorKind::NoNamespace && args.create => None,
            Err(error) if error.kind == firn_engine::ErrorKind::NoNamespace => return Err(no_table(&name).into()),
            other => other?,
        };
        if let Some(table) = existing {
            let keys: Vec<String> = table.key_columns().map(|c| infer::fold(&c.name)).collect();
            if !key.is_empty() && (table.row_id().is_some() || keys != key) {
                let has = if table.row_id().is_some() {
                    "no primary key".to_owned()
                } else {
                    format!("the key {}", keys.join(","))
                };
                return Err(Failure::Usage(format!(
                    "table {name:?} exists with {has}: leave --key out, or load into another table"
                )));
            }
            self.start = self.position().await?;
            return Ok(table);
        }
        if !args.create {
            return Err(no_table(&name).into());
        }
        let columns = infer_columns(sources, &self.null)?;
        let sql = infer::create_table(&name, &columns, &key)?;
        for outcome in self.session.execute(&sql).await? {
            self.start = outcome.position.map_or(self.start, |p| p.0);
        }
        say(&format!("created: {sql}"));
        let table = self.session.table_schema(&name).await?;
        table.ok_or_else(|| Error::internal(format!("table {name:?} was created and is not there")).into())
    }

    /// The newest position.
    async fn position(&mut self) -> Result<u64, Failure> {
        let mut text = String::new();
        for outcome in self.session.execute("SELECT firn_position()").await? {
            let Some(mut rows) = outcome.rows else { continue };
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                if batch.num_rows() > 0 {
                    push_text(batch.column(0), 0, &mut text);
                }
            }
        }
        text.parse().map_err(|_| Error::internal(format!("firn_position() is {text:?}")).into())
    }

    /// Loads one file.
    async fn file(&mut self, mut source: Source, table: &Arc<TableSchema>) -> Result<(), Failure> {
        if source.is_stdin() {
            say("note: stdin cannot be read again; if this load is interrupted, pipe the same bytes again to go on");
        }
        let name = source.name.clone();
        let (mut batches, total, rows) = self.batches(&mut source, table)?;
        self.session.set_reason(Some(format!("firn load {name}")));
        let bar = Bar::new(&name, total, rows);
        let (send, mut receive) = mpsc::channel::<Result<Batch, Error>>(1);
        let reader = tokio::task::spawn_blocking(move || {
            loop {
                let next = batches.next_batch().transpose();
                let Some(next) = next else { return };
                let failed = next.is_err();
                if send.blocking_send(next).is_err() || failed {
                    return;
                }
            }
        });
        let mut done = Done::default();
        let mut on_its_way: Option<OnItsWay> = None;
        loop {
            let next = receive.recv().await;
            let passed = match next {
                None => None,
                Some(Ok(batch)) => Some(self.pass(batch, table, &name).await),
                Some(Err(error)) => Some(Err(error.into())),
            };
            // whatever became of this one, the one before it is told of first
            if let Some(before) = on_its_way.take() {
                let progress = before.progress;
                if let Err(failure) = self.acknowledged(before, &mut done).await {
                    bar.clear();
                    return Err(done.explain(failure, &name));
                }
                bar.reach(progress, done.rows);
            }
            match passed {
                None => break,
                Some(Ok(passed)) => on_its_way = Some(passed),
                Some(Err(failure)) => {
                    bar.clear();
                    return Err(done.explain(failure, &name));
                }
            }
        }
        bar.clear();
        reader.await.map_err(|e| Error::internal(format!("{name}: the reader stopped: {e}")))?;
        self.totals.bytes += source.size_bytes.unwrap_or(done.bytes);
        Ok(())
    }

    /// The batches of a file, its length, and whether that is in rows.
    #[allow(clippy::type_complexity)]
    fn batches(
        &self,
        source: &mut Source,
        table: &Arc<TableSchema>,
    ) -> Result<(Box<dyn Batches>, Option<u64>, bool), Error> {
        Ok(match source.format {
            FileFormat::Csv => {
                let input = source.text()?;
                let batches = text::CsvBatches::new(input, &source.name, &self.null, table, self.batch_rows)?;
                (Box::new(batches), source.size_bytes, false)
            }
            FileFormat::Ndjson => {
                let batches = text::NdjsonBatches::new(source.text()?, &source.name, table, self.batch_rows);
                (Box::new(batches), source.size_bytes, false)
            }
            FileFormat::Parquet => {
                let (batches, rows) =
                    parquet_file::ParquetBatches::new(source.file()?, &source.name, table, self.batch_rows)?;
                (Box::new(batches), Some(rows), true)
            }
        })
    }

    /// Gives a batch its place among the commits.
    async fn pass(&mut self, batch: Batch, table: &Arc<TableSchema>, name: &str) -> Result<OnItsWay, Failure> {
        let id = batch.request_id(table.id, self.batch_rows);
        let (first, last, progress) = (batch.first_row, batch.last_row(), batch.progress);
        let rows = batch.rows.num_rows() as u64;
        let passed = self.session.pass_batch(&table.name, batch.rows, Some(&id)).await.map_err(|mut error| {
            if error.kind == firn_engine::ErrorKind::Statement {
                error.message = format!("{name}, rows {first} to {last}: {}", error.message);
            }
            error
        })?;
        Ok(OnItsWay { passed, rows, progress })
    }

    /// Waits until a batch is durable, and counts it.
    async fn acknowledged(&mut self, batch: OnItsWay, done: &mut Done) -> Result<(), Failure> {
        let outcome = batch.passed.acknowledged().await?;
        let position = outcome.position.map_or(0, |p| p.0);
        let old = position <= self.start;
        done.rows += batch.rows;
        done.bytes = batch.progress;
        self.totals.position = self.totals.position.max(position).max(self.start);
        if old {
            self.totals.old_rows += batch.rows;
            self.totals.old_batches += 1;
        } else {
            self.totals.rows += batch.rows;
            self.totals.batches += 1;
        }
        Ok(())
    }
}

/// A batch that is being stored.
struct OnItsWay {
    passed: PassedBatch,
    rows: u64,
    progress: u64,
}

/// How far a file is loaded.
#[derive(Default)]
struct Done {
    rows: u64,
    bytes: u64,
}

impl Done {
    /// Adds to an error what is loaded and how to go on.
    fn explain(&self, failure: Failure, name: &str) -> Failure {
        let Failure::Engine(mut error, file) = failure else { return failure };
        let loaded = match self.rows {
            0 => format!("nothing of {name} is loaded"),
            n => format!("rows 1 to {n} of {name} are loaded, and nothing of the batch that failed"),
        };
        let next = "the same command goes on after the rows that are loaded";
        error.detail = Some(match error.detail.take() {
            Some(detail) => format!("{detail}; {loaded}"),
            None => loaded,
        });
        error.hint = Some(match error.hint.take() {
            Some(hint) => format!("{hint}; then {next}"),
            None => format!("correct this; {next}"),
        });
        Failure::Engine(error, file)
    }
}

fn no_table(name: &str) -> Error {
    Error::statement("42P01", format!("table {name:?} does not exist"))
        .with_hint("add --create to create it with types found from the file, or CREATE TABLE it first")
}

/// The columns of a new table, from the heads of all files.
fn infer_columns(sources: &mut [Source], null: &str) -> Result<Vec<infer::NewColumn>, Error> {
    let mut inference = infer::Inference::default();
    let mut columns: Vec<infer::NewColumn> = Vec::new();
    for source in sources.iter_mut() {
        let (format, name) = (source.format, source.name.clone());
        match format {
            FileFormat::Parquet => {
                for column in parquet_file::columns(source.file()?, &name)? {
                    match columns.iter().find(|known| known.name == column.name) {
                        Some(known) if known.ty != column.ty => {
                            return Err(Error::statement(
                                "42804",
                                format!(
                                    "{name}: column {:?} is {}, but {} in an earlier file",
                                    column.name,
                                    sql_name(column.ty),
                                    sql_name(known.ty)
                                ),
                            )
                            .with_hint("CREATE TABLE it first with the type that fits both"));
                        }
                        Some(_) => {}
                        None => columns.push(column),
                    }
                }
            }
            FileFormat::Csv => {
                let (input, cut) = source.sample(infer::SAMPLE_BYTES)?;
                text::sample_csv(input, cut, &name, null, &mut inference)?;
            }
            FileFormat::Ndjson => {
                let (input, cut) = source.sample(infer::SAMPLE_BYTES)?;
                text::sample_ndjson(input, cut, &name, &mut inference)?;
            }
        }
    }
    for column in inference.finish() {
        if !columns.iter().any(|known| known.name == column.name) {
            columns.push(column);
        }
    }
    Ok(columns)
}
