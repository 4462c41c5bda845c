//! Statements that write, against databases in memory: what each answers, what each refuses, and that a reopened
//! database shows exactly what was acknowledged. Everything is run twice: with rows in the memtable, and with every
//! commit flushed to files at once.
//!
//! Promises: every SQLSTATE of the writing statements is provoked here, and a refused statement leaves nothing behind.
//! Never: a test looks inside; everything goes through sessions.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
// the same tests over two kinds of database
#![allow(clippy::duplicate_mod)]

#[path = "sql_write/files.rs"]
mod files;
#[path = "sql_write/harness.rs"]
mod harness;
#[path = "sql_write/memory.rs"]
mod memory;
