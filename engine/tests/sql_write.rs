//! Statements that write, against databases in memory: what each answers, what each refuses, and that a reopened
//! database shows exactly what was acknowledged.
//!
//! Promises: every SQLSTATE of the writing statements is provoked here, and a refused statement leaves nothing behind.
//! Never: a test looks inside; everything goes through sessions.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "sql_write/harness.rs"]
mod harness;

#[path = "sql_write/alter.rs"]
mod alter;
#[path = "sql_write/conflict.rs"]
mod conflict;
#[path = "sql_write/ddl.rs"]
mod ddl;
#[path = "sql_write/insert.rs"]
mod insert;
#[path = "sql_write/transactions.rs"]
mod transactions;
#[path = "sql_write/update_delete.rs"]
mod update_delete;
