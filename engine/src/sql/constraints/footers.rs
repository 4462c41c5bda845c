//! What `\d TABLE` says below the columns, in psql's words: indexes, constraints, who refers to the table.
//!
//! Promises: the primary key comes first among the indexes, all else by name.
//! Never: the entries of an index appear as a table.

use std::sync::Arc;

use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{ForeignKey, ReferentialAction, TableSchema};
use sqlparser::ast::Ident;

use super::names::key_name;
use crate::sql::context::SCHEMA;
use crate::state::catalog::COMMITS;

/// The lines below the columns of `table`, which stands among `all`.
#[must_use]
pub fn below(table: &TableSchema, all: &[Arc<TableSchema>]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            lines.push(title.to_owned());
            lines.extend(items.into_iter().map(|item| format!("    {item}")));
        }
    };
    section("Indexes:", indexes(table));
    let mut checks: Vec<_> = table.checks.iter().collect();
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    let check = |c: &&firn_manifest::schema::Check| format!("\"{}\" CHECK ({})", c.name, c.expression);
    section("Check constraints:", checks.iter().map(check).collect());
    let mut keys: Vec<_> = table.foreign_keys.iter().collect();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    let keys = keys.iter().map(|key| format!("\"{}\" {}", key.name, references(table, key, all)));
    section("Foreign-key constraints:", keys.collect());
    let mut referrers: Vec<_> =
        all.iter().flat_map(|t| t.foreign_keys.iter().filter(|f| f.table == table.id).map(move |f| (t, f))).collect();
    referrers.sort_by(|a, b| (&a.0.name, &a.1.name).cmp(&(&b.0.name, &b.1.name)));
    let referrers = referrers.iter().map(|(other, key)| {
        format!("TABLE \"{}\" CONSTRAINT \"{}\" {}", plain(other), key.name, references(other, key, all))
    });
    section("Referenced by:", referrers.collect());
    if let Some(view) = &table.view {
        section("View definition:", vec![view.query.clone()]);
    }
    lines
}

fn indexes(table: &TableSchema) -> Vec<String> {
    let key = key_name(table).filter(|_| table.view.is_none() && (table.name == COMMITS || table.row_id().is_none()));
    let mut lines: Vec<String> =
        key.map(|name| format!("\"{name}\" PRIMARY KEY, btree ({})", columns(table, &table.key))).into_iter().collect();
    let mut others: Vec<_> = table.indexes.iter().collect();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    lines.extend(others.into_iter().map(|index| {
        let kind = match (index.constraint, index.unique) {
            (true, _) => "UNIQUE CONSTRAINT, ",
            (false, true) => "UNIQUE, ",
            _ => "",
        };
        format!("\"{}\" {kind}btree ({})", index.name, columns(table, &index.columns))
    }));
    lines
}

/// A name as SQL has to write it.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { Ident::with_quote('"', name).to_string() }
}

fn columns(table: &TableSchema, ids: &[ColumnId]) -> String {
    let names: Vec<String> = ids.iter().filter_map(|id| table.column(*id)).map(|c| quoted(&c.name)).collect();
    names.join(", ")
}

/// A table's name, with its schema when that is not `public`.
fn plain(table: &TableSchema) -> String {
    match table.schema_name() {
        SCHEMA => quoted(&table.name),
        schema => format!("{}.{}", quoted(schema), quoted(&table.name)),
    }
}

fn references(table: &TableSchema, key: &ForeignKey, all: &[Arc<TableSchema>]) -> String {
    let parent = all.iter().find(|t| t.id == key.table);
    let of = parent.map(|p| format!("{}({})", plain(p), columns(p, &key.referenced))).unwrap_or_default();
    let action = |on: &str, action: ReferentialAction| match action {
        ReferentialAction::NoAction => String::new(),
        ReferentialAction::Cascade => format!(" ON {on} CASCADE"),
        ReferentialAction::SetNull => format!(" ON {on} SET NULL"),
    };
    let (update, delete) = (action("UPDATE", key.on_update), action("DELETE", key.on_delete));
    format!("FOREIGN KEY ({}) REFERENCES {of}{update}{delete}", columns(table, &key.columns))
}
