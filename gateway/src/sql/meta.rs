//! The commands that begin with a backslash.
//!
//! Promises: they work at the prompt, in scripts and in `-c` alike; one that is not known names `\?`.
//! Never: a meta command writes to the database.

use std::fs::File;
use std::io::BufReader;

use firn_engine::Error;

use super::script::run_reader;
use super::shell::Shell;
use crate::exit::Failure;

/// Whether the script or the prompt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// on
    Go,
    /// the user leaves
    Quit,
}

/// Every meta command, for help and completion.
pub const COMMANDS: [(&str, &str); 9] = [
    ("\\d", "the tables; \\d TABLE its columns, indexes and constraints"),
    ("\\dt", "the tables"),
    ("\\timing", "show time, requests, bytes, round trips and position of each statement, or stop it"),
    ("\\x", "one line a column instead of one line a row, or back"),
    ("\\asof", "read as of a time or a position: \\asof '2026-01-31 12:00', \\asof 17, \\asof off"),
    ("\\i", "run a script: \\i FILE"),
    ("\\?", "this list"),
    ("\\q", "leave (so does Ctrl-D)"),
    ("\\h", "what SQL there is"),
];

const SQL_HELP: &str = "  SELECT … with joins, WITH, windows, subqueries; EXPLAIN [ANALYZE] SELECT …
  t AS OF TIMESTAMP '2026-01-31 12:00', t AS OF POSITION 17: a table as it was; firn_history('t'), firn_commits
  CREATE TABLE, ALTER TABLE ADD | DROP | RENAME COLUMN, DROP TABLE, SHOW TABLES
  INSERT … [ON CONFLICT …] [RETURNING …], UPDATE, DELETE; BEGIN, COMMIT, ROLLBACK
  SET firn.actor = '…', SET firn.reason = '…': who and why, in firn_commits";

/// Scripts may run scripts, so deep.
const MAX_SCRIPTS_OPEN: u32 = 16;

impl Shell {
    /// Runs a meta command.
    ///
    /// # Errors
    /// If it is not known or fails.
    pub async fn meta(&mut self, line: &str) -> Result<Flow, Failure> {
        let line = line.trim().trim_end_matches(';');
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match command {
            "\\q" => return Ok(Flow::Quit),
            "\\?" => {
                for (command, what) in COMMANDS {
                    self.tell(&format!("  {command:<8} {what}"));
                }
            }
            "\\h" => self.tell(SQL_HELP),
            "\\timing" => {
                self.timing = switch(self.timing, rest)?;
                self.tell(if self.timing { "Timing is on." } else { "Timing is off." });
            }
            "\\x" => {
                self.expanded = switch(self.expanded, rest)?;
                self.tell(if self.expanded { "Expanded display is on." } else { "Expanded display is off." });
            }
            "\\asof" => self.as_of_command(rest)?,
            "\\d" | "\\dt" if rest.is_empty() => self.tables().await?,
            "\\d" => self.describe(rest).await?,
            "\\i" => return self.script(rest).await,
            _ => return Err(bad_meta(format!("there is no command {command}: \\? lists them"))),
        }
        Ok(Flow::Go)
    }

    fn as_of_command(&mut self, rest: &str) -> Result<(), Failure> {
        match unquote(rest) {
            "" => {}
            "off" | "now" => self.set_as_of(None)?,
            text => self.set_as_of(Some(text))?,
        }
        match &self.as_of {
            Some(text) => self.tell(&format!("Reading as of {text}.")),
            None => self.tell("Reading the present."),
        }
        Ok(())
    }

    async fn tables(&mut self) -> Result<(), Failure> {
        let rows = self.session.describe_tables().await?;
        self.show(&rows)
    }

    async fn describe(&mut self, name: &str) -> Result<(), Failure> {
        let name = match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => name.to_lowercase(),
        };
        let (rows, below) = self.session.describe_table(&name).await?;
        self.show(&rows)?;
        for line in &below {
            self.tell(line);
        }
        Ok(())
    }

    async fn script(&mut self, path: &str) -> Result<Flow, Failure> {
        let path = unquote(path);
        if path.is_empty() {
            return Err(bad_meta("\\i needs a file: \\i FILE".to_owned()));
        }
        if self.scripts_open >= MAX_SCRIPTS_OPEN {
            return Err(bad_meta(format!(
                "{path} is not run: {MAX_SCRIPTS_OPEN} scripts are already running one another"
            )));
        }
        let file = File::open(path).map_err(|e| Failure::Usage(format!("{path} cannot be opened: {e}")))?;
        self.scripts_open += 1;
        let result = Box::pin(run_reader(self, BufReader::new(file), path)).await;
        self.scripts_open -= 1;
        result.map(|()| Flow::Go)
    }
}

fn bad_meta(message: String) -> Failure {
    Error::statement("42601", message).into()
}

fn switch(now: bool, rest: &str) -> Result<bool, Failure> {
    match rest {
        "" => Ok(!now),
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(bad_meta(format!("{other:?} is neither on nor off"))),
    }
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn switches_toggle_or_are_told() {
        assert!(switch(false, "").unwrap() && switch(true, "on").unwrap() && !switch(true, "off").unwrap());
        assert_eq!(switch(true, "maybe").unwrap_err().code(), 1);
        assert_eq!(unquote(" '2026-01-31 12:00' "), "2026-01-31 12:00");
    }
}
