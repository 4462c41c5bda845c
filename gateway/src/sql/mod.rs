//! `firn sql`: a prompt, statements, or a script.
//!
//! Promises: statements run in order, the first that fails ends the run; each is complete, or nothing of it is.
//! Never: a script is held as a whole.

mod complete;
mod meta;
mod repl;
mod script;
mod shell;
mod split;

use std::fs::File;
use std::io::{BufReader, IsTerminal};

pub use shell::Shell;

use crate::cli::SqlArgs;
use crate::exit::Failure;
use crate::interrupt::Interrupts;
use crate::open;
use crate::render::Format;

/// Runs `firn sql`.
///
/// # Errors
/// The first statement's that fails.
pub async fn run(args: SqlArgs, interrupts: &Interrupts) -> Result<(), Failure> {
    let uri = open::parse_uri(&args.uri)?;
    let prompt = args.commands.is_empty() && args.file.is_none() && std::io::stdin().is_terminal();
    let format = args.format.unwrap_or(if std::io::stdout().is_terminal() { Format::Table } else { Format::Csv });
    let script = match args.file.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|e| Failure::Usage(format!("{name} cannot be opened: {e}")))?;
            Some((file, name))
        }
        None => None,
    };
    let database = interrupts.guard("nothing was run", open::database(&uri, args.read_only)).await?;
    let mut shell = Shell::new(database, format, interrupts.clone(), args.request_id);
    if let Some(as_of) = &args.as_of {
        shell.set_as_of(Some(as_of)).map_err(|e| Failure::Usage(format!("--as-of {as_of:?}: {e}")))?;
    }
    let result = if prompt {
        repl::run(&mut shell, &uri.to_string()).await
    } else if !args.commands.is_empty() {
        script::run_texts(&mut shell, &args.commands).await
    } else if let Some((file, name)) = script {
        script::run_reader(&mut shell, BufReader::new(file), &name).await
    } else {
        script::run_reader(&mut shell, BufReader::new(std::io::stdin()), "stdin").await
    };
    shell.close(result.is_ok()).await;
    result
}
