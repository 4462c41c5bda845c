//! Constraints, generated values and secondary indexes: what is declared, what a row must satisfy, and what follows from
//! a change of rows.
//!
//! Promises: a row is complete and checked before RETURNING sees it; index entries, cascades and the checks of other
//! tables are decided within the same statement and stand in the same commit record.
//! Never: a table without constraints pays for them.

mod cascade;
pub(super) mod children;
pub(super) mod choose;
pub(super) mod column;
pub(super) mod ddl;
pub(super) mod declare;
pub(super) mod dependents;
pub(super) mod described;
pub(super) mod effects;
pub(super) mod expression;
pub mod footers;
mod foreign;
pub(super) mod identity;
pub(super) mod maintain;
pub(super) mod names;
pub(super) mod rows;
pub(super) mod widen;
