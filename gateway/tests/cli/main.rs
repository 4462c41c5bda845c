//! The `firn` binary, seen from outside.
//!
//! Promises: the interface that scripts rely on: flags, formats, exit codes, what stands on stdout and what on stderr.
//! Never: anything outside of a temporary folder, nor the user's own key or history, is touched.

// processes are real here, and so is the clock that they are timed by
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod load;
mod sql;
mod whole;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder with a store, a key of its own, and the binary.
pub struct Home {
    dir: tempfile::TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Asserts the exit code; gives stdout.
    pub fn ends(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self.out
    }

    /// Asserts the exit code and that stderr contains all the texts.
    pub fn fails(self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        for text in texts {
            assert!(self.err.contains(text), "{text:?} is missing from: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

#[allow(clippy::new_without_default)]
impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn uri(&self, ns: &str) -> String {
        format!("file://{}?ns={ns}", self.path("store").display())
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firn"));
        command.args(args).env("HOME", self.path("home")).env("XDG_DATA_HOME", self.path("data"));
        command.env("XDG_STATE_HOME", self.path("state")).env_remove("FIRN_KMS").current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::piped()).spawn().unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    pub fn pipe(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = self.spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        ran(output)
    }

    /// Runs statements on the namespace `a`.
    pub fn sql(&self, sql: &str) -> Ran {
        self.run(&["sql", &self.uri("a"), "-c", sql])
    }

    /// The single value that a query gives, as csv prints it.
    pub fn value(&self, sql: &str) -> String {
        let out = self.sql(sql).ends(0);
        out.lines().nth(1).unwrap_or_default().to_owned()
    }

    /// All files below the store.
    pub fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path("store")];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
            }
        }
        found.sort();
        found
    }
}

pub fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

pub fn exists(path: &Path) -> bool {
    path.exists()
}
