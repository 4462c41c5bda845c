//! The front doors of FirnDB; today the `firn` command.
//!
//! Promises: a command leaves with the exit code its `--help` names; answers are on stdout, everything else on stderr.
//! Never: SQL is interpreted here, or an object of the store touched except through the engine and the manifest.

mod admin;
mod cli;
mod demo;
mod directory;
mod exit;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod inspect;
mod interrupt;
mod load;
mod migrate;
mod open;
mod render;
mod serve;
mod sql;
mod tenant;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use exit::Failure;
use interrupt::Interrupts;

/// Planning recurses with the depth of a statement; a thread of its own gives it room.
const STACK_BYTES: usize = 64 << 20;

const SPARE_THREADS: usize = 2;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let thread = std::thread::Builder::new().name("firn".to_owned()).stack_size(STACK_BYTES).spawn(move || start(cli));
    let code = match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => 1,
        Err(error) => {
            exit::say(&format!("error: no thread can be started: {error}"));
            1
        }
    };
    ExitCode::from(code)
}

fn start(cli: Cli) -> u8 {
    let listening = match &cli.command {
        // it hears signals itself, for requests under way may end
        Command::Serve(_) => Ok(Interrupts::deaf()),
        _ => Interrupts::listen(),
    };
    let interrupts = match listening {
        Ok(interrupts) => interrupts,
        Err(error) => {
            exit::say(&format!("error: no thread can be started: {error}"));
            return 1;
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // a cancelled query may hold a thread a while longer; the prompt must not wait for it
        .worker_threads(cores + SPARE_THREADS)
        .thread_stack_size(STACK_BYTES / 4)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::say(&format!("error: the runtime cannot be started: {error}"));
            return 1;
        }
    };
    let result = runtime.block_on(run(cli.command, &interrupts));
    // A worker may still read from a pipe that never ends, so nobody waits for the workers; and shutting them down without
    // waiting detaches threads that are just ending, which glibc does not always survive. The process ends them.
    std::mem::forget(runtime);
    match result {
        Ok(()) => 0,
        Err(failure) => {
            failure.tell();
            failure.code()
        }
    }
}

/// Runs one command.
pub(crate) async fn run(command: Command, interrupts: &Interrupts) -> Result<(), Failure> {
    match command {
        Command::Sql(args) => sql::run(args, interrupts).await,
        Command::Load(args) => load::run(args, interrupts).await,
        Command::Migrate(args) => {
            let left = "the migration under way was not applied, those before it are";
            interrupts.guard(left, migrate::run(args)).await
        }
        Command::Verify(args) => interrupts.guard("nothing was changed", verify::run(args)).await,
        Command::Inspect(args) => interrupts.guard("nothing was changed", inspect::run(args)).await,
        Command::Demo(args) => demo::run(args, interrupts).await,
        Command::Tenant(args) => {
            interrupts.guard("what was said to be done is done; ask again to go on", tenant::run(args)).await
        }
        Command::Serve(args) => serve::run(args).await,
    }
}
