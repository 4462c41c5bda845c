//! Statements that read, and sessions: time travel, history, transactions, settings, errors, against stores in memory.
//!
//! Promises: every promise of the query side is broken on purpose here at least once.
//! Never: a test looks inside; everything goes through sessions.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "sql_query/asof.rs"]
mod asof;
#[path = "sql_query/depth.rs"]
mod depth;
#[path = "sql_query/errors.rs"]
mod errors;
#[path = "sql_query/harness.rs"]
mod harness;
#[path = "sql_query/history.rs"]
mod history;
#[path = "sql_query/keyed.rs"]
mod keyed;
#[path = "sql_query/select.rs"]
mod select;
#[path = "sql_query/session.rs"]
mod session;
#[path = "sql_query/transactions.rs"]
mod transactions;
