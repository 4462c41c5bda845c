//! Rows stay in the memtable; a reopened database replays its log.

pub type Db = super::harness::Db<false>;

#[path = "alter.rs"]
mod alter;
#[path = "checks.rs"]
mod checks;
#[path = "conflict.rs"]
mod conflict;
#[path = "ddl.rs"]
mod ddl;
#[path = "foreign.rs"]
mod foreign;
#[path = "generated.rs"]
mod generated;
#[path = "indexes.rs"]
mod indexes;
#[path = "insert.rs"]
mod insert;
#[path = "joined.rs"]
mod joined;
#[path = "keyed.rs"]
mod keyed;
#[path = "kinds.rs"]
mod kinds;
#[path = "model.rs"]
mod model;
#[path = "structured.rs"]
mod structured;
#[path = "transactions.rs"]
mod transactions;
#[path = "update_delete.rs"]
mod update_delete;
#[path = "views.rs"]
mod views;
