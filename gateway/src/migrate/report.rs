//! What `firn migrate` says: each file with what became of it.
//!
//! Promises: a file that was applied and is not what it was is named, with what differs.
//! Never: a changed or missing file is called sound.

use std::fmt::Write as _;
use std::io::Write;

use firn_engine::Error;
use serde_json::{Value, json};

use super::applied::Applied;
use super::files::Migration;
use crate::exit::Failure;

/// What is to be said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// applied before
    Done,
    /// applied now
    Applied,
    /// applied meanwhile by somebody else
    Elsewhere,
    /// to be applied
    Pending,
    /// applied with other content
    Changed,
    /// applied, and not in the folder
    Missing,
    /// not applied, though a later one is
    Late,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Applied => "applied",
            Self::Elsewhere => "applied by another",
            Self::Pending => "pending",
            Self::Changed => "CHANGED",
            Self::Missing => "MISSING",
            Self::Late => "TOO LATE",
        }
    }
}

struct Line {
    version: i64,
    name: String,
    checksum: String,
    state: State,
    applied: Option<Applied>,
}

/// Every file, in order.
pub struct Report(Vec<Line>);

impl Report {
    /// The folder against what was applied.
    pub fn of(files: &[Migration], applied: &[Applied]) -> Self {
        let newest = applied.iter().map(|a| a.version).max();
        let mut lines: Vec<Line> = files
            .iter()
            .map(|file| {
                let applied = applied.iter().find(|a| a.version == file.version).cloned();
                let state = match &applied {
                    Some(a) if a.checksum == file.checksum => State::Done,
                    Some(_) => State::Changed,
                    None if newest.is_some_and(|n| file.version < n) => State::Late,
                    None => State::Pending,
                };
                let (name, checksum) = (file.name.clone(), file.checksum.clone());
                Line { version: file.version, name, checksum, state, applied }
            })
            .collect();
        for gone in applied.iter().filter(|a| files.iter().all(|f| f.version != a.version)) {
            lines.push(Line {
                version: gone.version,
                name: gone.name.clone(),
                checksum: gone.checksum.clone(),
                state: State::Missing,
                applied: Some(gone.clone()),
            });
        }
        lines.sort_by_key(|l| l.version);
        Self(lines)
    }

    /// Whether a file is to be applied.
    pub fn is_pending(&self, version: i64) -> bool {
        self.0.iter().any(|l| l.version == version && l.state == State::Pending)
    }

    /// What became of a file.
    pub fn set(&mut self, version: i64, state: State) {
        for line in self.0.iter_mut().filter(|l| l.version == version) {
            line.state = state;
        }
    }

    /// Adds what the namespace says of the files that were applied meanwhile.
    pub fn fill(&mut self, applied: &[Applied]) {
        for line in &mut self.0 {
            line.applied = applied.iter().find(|a| a.version == line.version).cloned();
        }
    }

    /// The first file that is not what was applied.
    ///
    /// # Errors
    /// 1: which file, and what to do.
    pub fn sound(&self) -> Result<(), Failure> {
        let Some(line) = self.0.iter().find(|l| matches!(l.state, State::Changed | State::Missing | State::Late))
        else {
            return Ok(());
        };
        let name = &line.name;
        let error = match (line.state, &line.applied) {
            (State::Changed, Some(applied)) => {
                Error::statement("55000", format!("{name} was changed after it was applied (as {})", applied.name))
                    .with_detail(format!("its checksum was {}, now it is {}", applied.checksum, line.checksum))
                    .with_hint("restore the file as it was, and put the change into a new migration")
            }
            (State::Missing, _) => Error::statement("55000", format!("{name} was applied, and is not in the folder"))
                .with_hint("restore the file, or give the folder that holds it"),
            _ => Error::statement("55000", format!("{name} comes too late: a later migration is applied already"))
                .with_hint("give it a number after the newest one"),
        };
        Err(Failure::Engine(Box::new(error), None))
    }

    /// Writes the report to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, as_json: bool) -> Result<(), Failure> {
        let text = if as_json { self.json()? } else { self.text() };
        let mut out = std::io::stdout();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(())
    }

    fn json(&self) -> Result<String, Failure> {
        let lines: Vec<Value> = self
            .0
            .iter()
            .map(|l| {
                json!({
                    "version": l.version,
                    "name": l.name,
                    "state": l.state.word().to_lowercase(),
                    "checksum": l.checksum,
                    "applied_at": l.applied.as_ref().map(|a| &a.applied_at),
                    "position": l.applied.as_ref().and_then(|a| a.position),
                    "duration_ms": l.applied.as_ref().map(|a| a.duration_ms),
                })
            })
            .collect();
        serde_json::to_string_pretty(&json!({ "migrations": lines }))
            .map_err(|e| Failure::Output(std::io::Error::other(e)))
    }

    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no migrations".to_owned();
        }
        let width = self.0.iter().map(|l| l.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for line in &self.0 {
            let _ = write!(text, "{:<width$}  {}", line.name, line.state.word());
            if let Some(applied) = &line.applied {
                let _ = write!(text, ", {}", applied.applied_at);
                if let Some(position) = applied.position {
                    let _ = write!(text, ", position {position}");
                }
                let _ = write!(text, ", {} ms", applied.duration_ms);
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    }
}
