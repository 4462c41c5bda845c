//! `firn migrate`: a folder of SQL files, each applied once, in order, in one commit.
//!
//! Promises: a file and its record in `firn_migrations` are one commit, so a crash or a race leaves neither half; a file
//! that was applied and is changed or missing now is an error that names it, before anything is applied.
//! Never: two migrators apply one file twice.

mod applied;
mod files;
mod report;

use firn_engine::session::{Session, parse};
use firn_engine::{Error, ErrorKind};
use futures::StreamExt;
use std::time::Duration;

use self::applied::{Applied, TABLE};
use self::files::Migration;
use self::report::{Report, State};
use crate::cli::MigrateArgs;
use crate::exit::{Failure, say};
use crate::open;

/// How often a file that lost against another writer is tried.
const ATTEMPTS: u32 = 20;

/// Statements that end or begin a transaction, which a file cannot do.
const TRANSACTIONS: [&str; 7] = ["BEGIN", "START", "COMMIT", "END", "ABORT", "SET", "ROLLBACK"];

/// Runs `firn migrate`.
///
/// # Errors
/// Usage for a folder that cannot be read; 1 for a file that was changed, is missing, comes too late, or fails.
pub async fn run(args: MigrateArgs) -> Result<(), Failure> {
    let uri = open::parse_uri(&args.uri)?;
    let files = files::read(&args.dir)?;
    let look = args.status || args.dry_run;
    let mut target = Target { database: open::database(&uri, look).await?, uri };
    let applied = target.applied().await?;
    let mut report = Report::of(&files, &applied);
    if args.status {
        report.print(args.json)?;
        return report.sound();
    }
    report.sound().inspect_err(|_| {
        let _ = report.print(args.json);
    })?;
    for file in files.iter().filter(|f| report.is_pending(f.version)) {
        check(file)?;
    }
    if args.dry_run {
        return report.print(args.json);
    }
    for file in &files {
        if !report.is_pending(file.version) {
            continue;
        }
        let state = match target.apply(file).await {
            Ok(state) => state,
            Err(failure) => {
                report.print(args.json)?;
                say(&format!("{}: nothing of it was applied", file.name));
                return Err(failure);
            }
        };
        report.set(file.version, state);
    }
    report.fill(&target.applied().await?);
    report.print(args.json)
}

/// Refuses a file that does not parse, or that would end the transaction it runs in.
fn check(file: &Migration) -> Result<(), Failure> {
    let failed = |error: Error| Failure::Engine(Box::new(error), Some(file.name.clone()));
    for statement in parse(&file.sql).map_err(failed)? {
        let mut words = statement.sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty());
        let first = words.next().unwrap_or_default().to_ascii_uppercase();
        let second = words.next().unwrap_or_default().to_ascii_uppercase();
        let savepoint = first == "ROLLBACK" && (second == "TO" || statement.sql.to_ascii_uppercase().contains(" TO "));
        let setting = first == "SET" && second != "TRANSACTION" && second != "SESSION";
        if TRANSACTIONS.contains(&first.as_str()) && !savepoint && !setting {
            let error = Error::unsupported(
                format!("{first} in a migration"),
                "leave it away: each file is one transaction of its own",
            );
            return Err(failed(error.at(statement.line, statement.column)));
        }
    }
    Ok(())
}

/// The namespace that is migrated.
struct Target {
    uri: firn_manifest::uri::StoreUri,
    database: std::sync::Arc<firn_engine::Database>,
}

impl Target {
    async fn applied(&self) -> Result<Vec<Applied>, Failure> {
        match applied::read(&mut self.database.session()).await {
            // another migrator writes by now; reading needs no writer
            Err(error) if error.kind == ErrorKind::Fenced => {
                Ok(applied::read(&mut open::database(&self.uri, true).await?.session()).await?)
            }
            other => Ok(other?),
        }
    }

    /// Applies one file, again and again while other writers win.
    async fn apply(&mut self, file: &Migration) -> Result<State, Failure> {
        let mut attempt = 1;
        loop {
            let error = match once(&mut self.database.session(), file).await {
                Ok(state) => return Ok(state),
                Err(error) => error,
            };
            let lost = error.sqlstate == "40001";
            let gone = error.kind == ErrorKind::Fenced || error.sqlstate == "08007";
            // two that make the table, or the same row of it, at once
            let raced = matches!(error.sqlstate, "42P07" | "23505") && error.message.contains(TABLE);
            if attempt >= ATTEMPTS || !(lost || gone || raced) {
                return Err(Failure::Engine(Box::new(error), Some(file.name.clone())));
            }
            attempt += 1;
            if gone {
                // another writer holds the namespace now; what it left says whether the file is applied
                give_way(attempt).await;
                match open::database(&self.uri, false).await {
                    Ok(database) => self.database = database,
                    Err(Failure::Engine(error, _)) if error.kind == ErrorKind::Fenced => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
    }
}

/// Waits a while, longer with each attempt, so that migrators which fence each other end in turn.
async fn give_way(attempt: u32) {
    let world = firn_manifest::world::system();
    let mut draw = [0u8; 1];
    world.fill(&mut draw);
    world.sleep(Duration::from_millis(u64::from(attempt.min(10)) * (2 + u64::from(draw[0]) / 16))).await;
}

/// Applies one file in one transaction, unless somebody else has.
async fn once(session: &mut Session, file: &Migration) -> Result<State, Error> {
    session.set_reason(Some(format!("migration {}", file.name)));
    if session.table_schema(TABLE).await.or_else(applied::no_namespace)?.is_none() {
        drain(session, applied::CREATE).await?;
    }
    drain(session, "BEGIN").await?;
    let result = inside(session, file).await;
    match result {
        Ok(State::Pending) => {
            drain(session, "COMMIT").await?;
            Ok(State::Applied)
        }
        other => {
            drain(session, "ROLLBACK").await?;
            other
        }
    }
}

async fn inside(session: &mut Session, file: &Migration) -> Result<State, Error> {
    let world = firn_manifest::world::system();
    let begun = world.monotonic();
    if let Some(other) = applied::read(session).await?.iter().find(|a| a.version == file.version) {
        if other.checksum == file.checksum {
            return Ok(State::Elsewhere);
        }
        let message = format!("{} was applied by another migrator with other content", file.name);
        return Err(Error::statement("55000", message).with_hint("run `firn migrate --status` to compare"));
    }
    drain(session, &file.sql).await?;
    // what the file set holds for the session, and the record is written as the migrator
    drain(session, "RESET search_path").await?;
    session.set_reason(Some(format!("migration {}", file.name)));
    let millis = i64::try_from(world.monotonic().saturating_sub(begun).as_millis()).unwrap_or(i64::MAX);
    applied::record(session, file, millis).await?;
    Ok(State::Pending)
}

/// Runs a script and takes its rows.
async fn drain(session: &mut Session, sql: &str) -> Result<(), Error> {
    for statement in parse(sql)? {
        let outcome = session.run(&statement, &[], None).await.map_err(|e| placed(e, &statement))?;
        if let Some(mut rows) = outcome.rows {
            while let Some(batch) = rows.next().await {
                batch.map_err(|e| placed(e, &statement))?;
            }
        }
    }
    Ok(())
}

/// An error without a place gets that of its statement.
fn placed(error: Error, statement: &firn_engine::session::Statement) -> Error {
    if error.at.is_none() { error.at(statement.line, statement.column) } else { error }
}
