//! How a command ends: exit codes and what stands on stderr.
//!
//! Promises: the codes of [`EXIT_CODES`] and no others; an error is told once, as `ERROR: … (SQLSTATE …)` with its
//! detail, hint and place.
//! Never: a panic or a back trace stands for an error.

use std::fmt;
use std::io::{self, Write};

use firn_engine::{Error, ErrorKind};

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the statement failed; its SQLSTATE is on stderr
  2    usage: flags, URI, or a file that cannot be opened
  3    the store or the key service could not be reached, or refused
  4    integrity: verify found something, or damaged bytes were refused
  5    fenced by another writer
  130  cancelled with Ctrl-C; nothing is half-applied";

/// Writes a line to stderr; that nobody reads it is no error.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Why a command did not end with 0.
#[derive(Debug)]
pub enum Failure {
    /// the engine's error; the file its place is in, if it came from one
    Engine(Box<Error>, Option<String>),
    /// the call itself is wrong
    Usage(String),
    /// stdout could not be written
    Output(io::Error),
    /// whoever read stdout has left; true if statements were not run for it
    ReaderLeft(bool),
    /// Ctrl-C; what it left behind
    Interrupted(String),
    /// everything was said already
    Said(u8),
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Failure::Engine(error, _) => match error.kind {
                ErrorKind::Statement | ErrorKind::NoNamespace => 1,
                ErrorKind::Usage => 2,
                ErrorKind::Store | ErrorKind::Key => 3,
                ErrorKind::Integrity => 4,
                ErrorKind::Fenced => 5,
            },
            Failure::Usage(_) => 2,
            Failure::Output(_) => 1,
            Failure::ReaderLeft(more) => u8::from(*more),
            Failure::Interrupted(_) => 130,
            Failure::Said(code) => *code,
        }
    }

    /// Names the file that line and column refer to.
    #[must_use]
    pub fn in_file(self, name: &str) -> Self {
        match self {
            Failure::Engine(error, None) => Failure::Engine(error, Some(name.to_owned())),
            other => other,
        }
    }

    /// Tells it on stderr.
    pub fn tell(&self) {
        let text = self.to_string();
        if !text.is_empty() {
            say(&text);
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Engine(error, file) => {
                write!(f, "ERROR: {} (SQLSTATE {})", error.message, error.sqlstate)?;
                match (error.at, file) {
                    (Some((line, column)), Some(file)) => write!(f, "\nAT: line {line}, column {column} of {file}")?,
                    (Some((line, column)), None) => write!(f, "\nAT: line {line}, column {column}")?,
                    (None, _) => {}
                }
                if let Some(detail) = &error.detail {
                    write!(f, "\nDETAIL: {detail}")?;
                }
                if let Some(hint) = &error.hint {
                    write!(f, "\nHINT: {hint}")?;
                }
                Ok(())
            }
            Failure::Usage(message) => write!(f, "error: {message}"),
            Failure::Output(error) => write!(f, "error: the output could not be written: {error}"),
            Failure::ReaderLeft(false) | Failure::Said(_) => Ok(()),
            Failure::ReaderLeft(true) => {
                f.write_str("error: the reader of the output has left; the rest of the script was not run")
            }
            Failure::Interrupted(what) => write!(f, "cancelled: {what}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.kind == ErrorKind::Usage {
            return Failure::Usage(match &error.hint {
                Some(hint) => format!("{}; {hint}", error.message),
                None => error.message,
            });
        }
        Failure::Engine(Box::new(error), None)
    }
}

impl From<firn_manifest::error::Error> for Failure {
    fn from(error: firn_manifest::error::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<firn_manifest::error::StoreError> for Failure {
    fn from(error: firn_manifest::error::StoreError) -> Self {
        Error::from(firn_manifest::error::Error::from(error)).into()
    }
}

impl From<firn_cell::Error> for Failure {
    fn from(error: firn_cell::Error) -> Self {
        crate::admin::engine_error(error).into()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderLeft(false),
            _ => Failure::Output(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code() {
        for (kind, code) in [
            (ErrorKind::Statement, 1),
            (ErrorKind::NoNamespace, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::Store, 3),
            (ErrorKind::Key, 3),
            (ErrorKind::Integrity, 4),
            (ErrorKind::Fenced, 5),
        ] {
            assert_eq!(Failure::from(Error::new(kind, "XX000", "m")).code(), code, "{kind:?}");
        }
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).code(), 0);
    }

    #[test]
    fn an_error_tells_all_it_knows() {
        let error =
            Error::statement("23505", "duplicate key").with_detail("key (1)").with_hint("take another").at(2, 7);
        assert_eq!(
            Failure::from(error).in_file("a.sql").to_string(),
            "ERROR: duplicate key (SQLSTATE 23505)\nAT: line 2, column 7 of a.sql\nDETAIL: key (1)\nHINT: take another"
        );
    }
}
