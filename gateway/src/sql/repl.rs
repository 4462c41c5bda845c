//! The prompt.
//!
//! Promises: a statement runs when its `;` is typed; an error leaves the prompt as it was; Ctrl-C drops the line or
//! cancels the statement and what stands behind it on its line, Ctrl-D leaves. The prompt shows the namespace, a
//! transaction (`*` open, `!` failed) and the point in time.
//! Never: a statement that failed is forgotten; it stays in the history.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use firn_engine::ErrorKind;
use firn_engine::session::parse;
use futures::StreamExt;
use rustyline::error::ReadlineError;
use rustyline::history::{FileHistory, History};
use rustyline::{Config, Editor};

use super::complete::{Names, Words};
use super::meta::Flow;
use super::shell::Shell;
use super::split::{Piece, Splitter};
use crate::exit::{Failure, say};
use crate::render::push_text;

/// Runs the prompt until the user leaves.
///
/// # Errors
/// If the namespace cannot be read at all, or the terminal fails.
pub async fn run(shell: &mut Shell, uri: &str) -> Result<(), Failure> {
    let names = Arc::new(Mutex::new(Names::default()));
    if let Err(failure) = refresh(shell, &names).await {
        match &failure {
            Failure::Engine(error, _) if error.kind == ErrorKind::NoNamespace && !shell_is_read_only(shell) => {
                say("This namespace does not exist yet; the first statement that writes creates it.");
            }
            _ => return Err(failure),
        }
    }
    shell.interrupts.at_prompt();
    let mut lines = Lines::new(Arc::clone(&names))?;
    println!("firn {} on {uri}", env!("CARGO_PKG_VERSION"));
    println!("\\? shows the commands, \\q leaves.");
    read_lines(shell, &mut lines, &names).await
}

/// The line editor and its history.
struct Lines {
    config: Config,
    names: Arc<Mutex<Names>>,
    entries: Vec<String>,
    file: Option<PathBuf>,
}

impl Lines {
    fn new(names: Arc<Mutex<Names>>) -> Result<Self, Failure> {
        let config = Config::builder().max_history_size(10_000).map_err(terminal)?.auto_add_history(false).build();
        let file = history_file();
        let mut history = FileHistory::with_config(&config);
        if let Some(path) = &file {
            let _ = history.load(path);
        }
        let entries = history.iter().cloned().collect();
        Ok(Self { config, names, entries, file })
    }

    /// Reads a line. The editor lives only as long: while it does, it keeps Ctrl-C to itself.
    fn read(&self, prompt: &str) -> Result<String, ReadlineError> {
        let mut history = FileHistory::with_config(&self.config);
        for entry in &self.entries {
            history.add(entry)?;
        }
        let mut editor: Editor<Words, FileHistory> = Editor::with_history(self.config.clone(), history)?;
        editor.set_helper(Some(Words(Arc::clone(&self.names))));
        editor.readline(prompt)
    }

    /// Keeps what was typed; that it cannot be written to the file is no error.
    fn remember(&mut self, entry: &str) {
        if self.entries.last().is_some_and(|last| last == entry) {
            return;
        }
        self.entries.push(entry.to_owned());
        let Some(path) = &self.file else { return };
        let mut history = FileHistory::with_config(&self.config);
        let _ = history.load(path);
        if history.add(entry).is_ok() {
            let _ = history.append(path);
        }
    }
}

fn shell_is_read_only(shell: &Shell) -> bool {
    shell.database.options().mode == firn_engine::Mode::ReadOnly
}

async fn read_lines(shell: &mut Shell, lines: &mut Lines, names: &Arc<Mutex<Names>>) -> Result<(), Failure> {
    let mut splitter = Splitter::default();
    let mut typed = String::new();
    loop {
        let prompt = prompt(shell, &splitter);
        let line = match tokio::task::block_in_place(|| lines.read(&prompt)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                splitter.clear();
                typed.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(terminal(error)),
        };
        if typed.is_empty() {
            match line.trim().trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
                "exit" | "quit" => return Ok(()),
                "help" => {
                    println!("Type SQL and end it with ; — \\? shows the commands, \\h what SQL there is, \\q leaves.");
                    continue;
                }
                _ => {}
            }
        } else {
            typed.push('\n');
        }
        typed.push_str(&line);
        // what was pasted comes as one line with line breaks in it
        for part in line.split('\n') {
            splitter.push_line(part);
        }
        if splitter.is_empty() && !typed.trim().is_empty() {
            lines.remember(&typed);
            typed.clear();
        }
        while let Some(piece) = splitter.next_piece() {
            match run_piece(shell, piece, names).await {
                Ok(Flow::Go) => {}
                Ok(Flow::Quit) => return Ok(()),
                Err(failure @ (Failure::Output(_) | Failure::ReaderLeft(_))) => return Err(failure),
                Err(failure @ Failure::Interrupted(_)) => {
                    failure.tell();
                    splitter.clear();
                    typed.clear();
                }
                Err(failure) => failure.tell(),
            }
        }
    }
}

async fn run_piece(shell: &mut Shell, piece: Piece, names: &Arc<Mutex<Names>>) -> Result<Flow, Failure> {
    match piece {
        Piece::Meta(line) => Box::pin(shell.meta(&line)).await,
        Piece::Statement { text, .. } => {
            for statement in parse(&text)? {
                shell.statement(&statement).await?;
                let word = statement.sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                if matches!(word.as_str(), "CREATE" | "DROP" | "ALTER" | "COMMIT" | "END") {
                    let _ = refresh(shell, names).await;
                }
            }
            Ok(Flow::Go)
        }
    }
}

fn prompt(shell: &Shell, splitter: &Splitter) -> String {
    let name = shell.database.name();
    let at = shell.as_of.as_ref().map(|as_of| format!("@{as_of}")).unwrap_or_default();
    let transaction = match (shell.session.transaction_failed(), shell.session.in_transaction()) {
        (true, _) => "!",
        (_, true) => "*",
        _ => "",
    };
    let open = if splitter.is_empty() { '=' } else { splitter.open() };
    format!("{name}{at}{open}{transaction}> ")
}

/// Reads the names that completion offers.
async fn refresh(shell: &mut Shell, names: &Arc<Mutex<Names>>) -> Result<(), Failure> {
    let sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'";
    let mut found = Names::default();
    for statement in parse(sql)? {
        let Some(mut rows) = shell.session.run(&statement, &[], None).await?.rows else { continue };
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                for (into, column) in [(&mut found.tables, 0), (&mut found.columns, 1)] {
                    let mut text = String::new();
                    push_text(batch.column(column), row, &mut text);
                    into.push(text);
                }
            }
        }
    }
    for list in [&mut found.tables, &mut found.columns] {
        list.sort();
        list.dedup();
    }
    *names.lock().unwrap_or_else(PoisonError::into_inner) = found;
    Ok(())
}

/// `$XDG_STATE_HOME/firn/history`, its folder made if absent.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let folder = state.join("firn");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn terminal(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => error.into(),
        other => Failure::Output(std::io::Error::other(other)),
    }
}
