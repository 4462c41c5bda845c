//! Scripts: from `-c`, a file, or stdin.
//!
//! Promises: the texts of `-c` are parsed as a whole before the first statement runs; a file or a pipe is run statement
//! by statement as its lines come, so a program can write statements to the pipe and read the answers. Line and column
//! of an error are those of the script.
//! Never: more than one statement of a file is held.

use std::io::BufRead;

use firn_engine::Error;
use firn_engine::session::{Statement, parse};

use super::meta::Flow;
use super::shell::Shell;
use super::split::{MAX_STATEMENT_BYTES, Piece, Splitter};
use crate::exit::Failure;

enum Step {
    Statement(Box<Statement>),
    Meta(String),
}

/// Runs the texts of `-c`.
///
/// # Errors
/// The first statement's that fails.
pub async fn run_texts(shell: &mut Shell, texts: &[String]) -> Result<(), Failure> {
    let mut steps = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let name = if texts.len() > 1 { format!("the -c number {}", i + 1) } else { "-c".to_owned() };
        if text.trim_start().starts_with('\\') {
            steps.push((Step::Meta(text.trim().to_owned()), name));
            continue;
        }
        for statement in parse(text).map_err(|e| Failure::from(e).in_file(&name))? {
            steps.push((Step::Statement(Box::new(statement)), name.clone()));
        }
    }
    let count = steps.len();
    for (i, (step, name)) in steps.into_iter().enumerate() {
        let result = match step {
            Step::Statement(statement) => shell.statement(&statement).await.map(|()| Flow::Go),
            Step::Meta(line) => Box::pin(shell.meta(&line)).await,
        };
        match result {
            Ok(Flow::Go) => {}
            Ok(Flow::Quit) => break,
            Err(Failure::ReaderLeft(_)) => return Err(Failure::ReaderLeft(i + 1 < count)),
            Err(failure) => return Err(failure.in_file(&name)),
        }
    }
    Ok(())
}

/// Runs a script as it is read; `name` is its name in messages.
///
/// # Errors
/// The first statement's that fails; bytes that are not UTF-8; a file that cannot be read.
pub async fn run_reader(shell: &mut Shell, mut input: impl BufRead, name: &str) -> Result<(), Failure> {
    let mut splitter = Splitter::default();
    let (mut line, mut number) = (Vec::new(), 0u64);
    loop {
        line.clear();
        number += 1;
        let room = MAX_STATEMENT_BYTES.saturating_sub(splitter.held_bytes()) as u64;
        let read = std::io::Read::take(&mut input, room + 1).read_until(b'\n', &mut line);
        let fail = |sqlstate, what: String| {
            Failure::from(Error::statement(sqlstate, format!("{name}, line {number}: {what}")))
        };
        let n = read.map_err(|e| Failure::Usage(format!("{name}, line {number}: the script cannot be read: {e}")))?;
        if n as u64 > room {
            let what = format!("a statement is larger than {} MiB", MAX_STATEMENT_BYTES >> 20);
            return Err(fail("54000", what + "; load large data with `firn load`, or split the statement"));
        }
        if n == 0 {
            splitter.finish();
        } else {
            let start = if number == 1 && line.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
            match std::str::from_utf8(&line[start..]) {
                Ok(text) => splitter.push_line(text),
                Err(e) => {
                    return Err(fail(
                        "22021",
                        format!("byte {} of the line is not UTF-8", start + e.valid_up_to() + 1),
                    ));
                }
            }
        }
        while let Some(piece) = splitter.next_piece() {
            match run_piece(shell, piece, name).await {
                Ok(Flow::Go) => {}
                Ok(Flow::Quit) => return Ok(()),
                Err(Failure::ReaderLeft(_)) => {
                    return Err(Failure::ReaderLeft(more_follows(&mut splitter, &mut input)));
                }
                Err(failure) => return Err(failure.in_file(name)),
            }
        }
        if n == 0 {
            return Ok(());
        }
    }
}

/// Whether the script goes on with another statement.
fn more_follows(splitter: &mut Splitter, input: &mut impl BufRead) -> bool {
    let blank = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_whitespace);
    splitter.next_piece().is_some() || !splitter.is_empty() || input.fill_buf().is_ok_and(|rest| !blank(rest))
}

async fn run_piece(shell: &mut Shell, piece: Piece, name: &str) -> Result<Flow, Failure> {
    match piece {
        Piece::Meta(line) => Box::pin(shell.meta(&line)).await,
        Piece::Statement { text, line, column } => {
            let place = |error: Error| Failure::from(shifted(error, line, column)).in_file(name);
            for mut statement in parse(&text).map_err(place)? {
                let at = shift((statement.line, statement.column), line, column);
                (statement.line, statement.column) = at;
                match shell.statement(&statement).await {
                    Err(Failure::Engine(error, None)) => {
                        return Err(Failure::Engine(Box::new(shifted(*error, line, column)), None));
                    }
                    other => other?,
                }
            }
            Ok(Flow::Go)
        }
    }
}

/// A place in a statement as a place in the script, if the statement begins at `line` and `column`.
fn shift((l, c): (u64, u64), line: u64, column: u64) -> (u64, u64) {
    (l + line - 1, if l == 1 { c + column - 1 } else { c })
}

fn shifted(mut error: Error, line: u64, column: u64) -> Error {
    error.at = error.at.map(|at| shift(at, line, column));
    error
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_script() {
        assert_eq!(shift((1, 5), 10, 3), (10, 7));
        assert_eq!(shift((2, 5), 10, 3), (11, 5));
    }
}
