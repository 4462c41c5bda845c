//! SQL: from text to plans and write sets, over DataFusion.
//!
//! Promises: whatever a statement reads, it reads from one snapshot; whatever it writes goes through one write set.
//! Never: SQL reaches a file, an address or a setting of the machine.

pub mod alter;
pub mod arithmetic;
pub mod asof;
pub mod assign;
pub mod cast;
pub mod casts;
pub mod catalog;
pub mod cells;
pub mod codes;
pub mod conflict;
pub mod context;
pub mod convert;
pub mod datetime;
pub mod ddl;
pub mod defaults;
pub mod delete;
pub mod describe;
pub mod dialect;
pub mod errors;
pub mod eval;
pub mod exists;
pub mod explain;
pub mod fault;
pub mod floats;
pub mod functions;
pub mod guarded;
pub mod history;
pub mod information;
pub mod insert;
pub mod keys;
pub mod located;
pub mod messages;
pub mod mixed;
pub mod names;
pub mod output;
pub mod params;
pub mod parse;
pub mod patterns;
pub mod points;
pub mod provider;
pub mod query;
pub mod resolve;
pub mod returning;
pub mod scalars;
pub mod sets;
pub mod settings;
pub mod show;
pub mod standard;
pub mod sum;
pub mod text;
pub mod types;
pub mod update;
pub mod write;
pub mod yielding;
pub mod zones;

#[cfg(test)]
mod testing;
