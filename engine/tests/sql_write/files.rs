//! Every commit becomes files at once; statements meet rows that only files hold.

pub type Db = super::harness::Db<true>;

#[path = "alter.rs"]
mod alter;
#[path = "conflict.rs"]
mod conflict;
#[path = "ddl.rs"]
mod ddl;
#[path = "insert.rs"]
mod insert;
#[path = "kinds.rs"]
mod kinds;
#[path = "model.rs"]
mod model;
#[path = "transactions.rs"]
mod transactions;
#[path = "update_delete.rs"]
mod update_delete;
