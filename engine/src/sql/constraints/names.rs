//! Names of constraints and indexes: given ones checked, missing ones made as PostgreSQL makes them.
//!
//! Promises: a made name is `table_columns_suffix`, with a number when that is taken.
//! Never: two constraints of a table, or two relations of a namespace, share a name.

use firn_manifest::schema::TableSchema;

use crate::error::{Error, Result};
use crate::sql::codes;
use crate::sql::query::Query;

/// The longest name that is made, bytes (PostgreSQL's bound).
const MADE: usize = 63;

/// Whether the table has a constraint or index of that name.
#[must_use]
pub fn is_taken(table: &TableSchema, name: &str) -> bool {
    key_name(table).is_some_and(|key| key == name)
        || table.checks.iter().any(|c| c.name == name)
        || table.indexes.iter().any(|i| i.name == name)
        || table.foreign_keys.iter().any(|f| f.name == name)
}

/// The name of the primary key's constraint; `None` for a table without a declared key.
#[must_use]
pub fn key_name(table: &TableSchema) -> Option<String> {
    if table.row_id().is_some() {
        return None;
    }
    Some(table.key_name.clone().unwrap_or_else(|| format!("{}_pkey", table.name)))
}

/// Whether a table, a view or an index of a SQL schema has that name.
#[must_use]
pub fn is_relation(schema: &str, name: &str, q: &Query) -> bool {
    q.snapshot().catalog().relation(schema, name, q.snapshot().position()).is_some()
}

/// A free name of a constraint; an index's must be free among the relations too.
#[must_use]
pub fn made(table: &TableSchema, columns: &[&str], suffix: &str, index: bool, q: &Query) -> String {
    let mut stem = table.name.clone();
    for column in columns {
        stem.push('_');
        stem.push_str(column);
    }
    let mut cut = stem.len().min(MADE.saturating_sub(suffix.len() + 1));
    while !stem.is_char_boundary(cut) {
        cut -= 1;
    }
    stem.truncate(cut);
    let plain = format!("{stem}_{suffix}");
    let numbered = (1u32..).map(|n| format!("{plain}{n}"));
    let free = |name: &String| !(is_taken(table, name) || index && is_relation(table.schema_name(), name, q));
    std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain)
}

/// Refuses a given name that is taken.
///
/// # Errors
/// 42710; 42P07 for an index.
pub fn check_free(table: &TableSchema, name: &str, index: bool, q: &Query) -> Result<()> {
    if is_taken(table, name) {
        let message = format!("constraint \"{name}\" for relation \"{}\" exists already", table.name);
        return Err(Error::statement(codes::DUPLICATE_OBJECT, message).with_hint("choose another name"));
    }
    if index && (is_relation(table.schema_name(), name, q) || name == table.name) {
        let message = format!("relation \"{name}\" exists already");
        return Err(Error::statement(codes::DUPLICATE_TABLE, message).with_hint("choose another name"));
    }
    Ok(())
}
