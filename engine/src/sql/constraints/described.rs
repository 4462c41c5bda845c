//! Constraints and generated values as `information_schema` describes them.
//!
//! Promises: the names and words are PostgreSQL's.
//! Never: the entries of an index, or an index that is no constraint, appear.

use std::sync::Arc;

use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{Column, Generated, ReferentialAction, TableSchema};

use super::children::same_columns;
use super::names::key_name;
use crate::sql::context::CATALOG;
use crate::sql::information::Rows;
use crate::state::catalog::COMMITS;

/// A table's keys: their names, what they are, and their columns.
fn keys(table: &TableSchema) -> Vec<(String, &'static str, &[ColumnId])> {
    let key = key_name(table).filter(|_| table.name == COMMITS || table.row_id().is_none());
    let mut all: Vec<(String, &'static str, &[ColumnId])> =
        key.map(|name| (name, "PRIMARY KEY", table.key.as_slice())).into_iter().collect();
    let unique = table.indexes.iter().filter(|i| i.constraint);
    all.extend(unique.map(|i| (i.name.clone(), "UNIQUE", i.columns.as_slice())));
    all.extend(table.foreign_keys.iter().map(|f| (f.name.clone(), "FOREIGN KEY", f.columns.as_slice())));
    all
}

/// Those that are tables, not views.
fn of_tables(tables: &[Arc<TableSchema>]) -> impl Iterator<Item = &Arc<TableSchema>> {
    tables.iter().filter(|t| t.view.is_none())
}

const OF_A_TABLE: [&str; 6] =
    ["constraint_catalog", "constraint_schema", "constraint_name", "table_catalog", "table_schema", "table_name"];

/// `table_constraints`.
pub fn table_constraints(tables: &[Arc<TableSchema>]) -> Rows {
    let mut names = OF_A_TABLE.to_vec();
    names.push("constraint_type");
    let mut rows = Rows::new(&names, &[]);
    for table in of_tables(tables) {
        let (c, s) = (Some(CATALOG), Some(table.schema_name()));
        let checks = table.checks.iter().map(|check| (check.name.clone(), "CHECK"));
        for (name, kind) in keys(table).into_iter().map(|(name, kind, _)| (name, kind)).chain(checks) {
            rows.text([c, s, Some(name.as_str()), c, s, Some(table.name.as_str()), Some(kind)]);
        }
    }
    rows
}

/// `key_column_usage`.
pub fn key_column_usage(tables: &[Arc<TableSchema>]) -> Rows {
    let mut names = OF_A_TABLE.to_vec();
    names.push("column_name");
    let mut rows = Rows::new(&names, &["ordinal_position"]);
    for table in of_tables(tables) {
        let (c, s) = (Some(CATALOG), Some(table.schema_name()));
        for (name, _, columns) in keys(table) {
            for (column, ordinal) in columns.iter().filter_map(|id| table.column(*id)).zip(1..) {
                let column = Some(column.name.as_str());
                rows.text([c, s, Some(name.as_str()), c, s, Some(table.name.as_str()), column]);
                rows.numbers([Some(ordinal)]);
            }
        }
    }
    rows
}

/// `referential_constraints`.
pub fn referential_constraints(tables: &[Arc<TableSchema>]) -> Rows {
    let names = [
        "constraint_catalog",
        "constraint_schema",
        "constraint_name",
        "unique_constraint_catalog",
        "unique_constraint_schema",
        "unique_constraint_name",
        "match_option",
        "update_rule",
        "delete_rule",
    ];
    let mut rows = Rows::new(&names, &[]);
    for (table, key) in tables.iter().flat_map(|t| t.foreign_keys.iter().map(move |f| (t, f))) {
        let (c, s) = (Some(CATALOG), Some(table.schema_name()));
        let parent = tables.iter().find(|t| t.id == key.table);
        let unique = parent.and_then(|p| {
            let index = p.indexes.iter().find(|i| i.unique && same_columns(&i.columns, &key.referenced));
            if same_columns(&p.key, &key.referenced) { key_name(p) } else { index.map(|i| i.name.clone()) }
        });
        let (update, delete) = (Some(rule(key.on_update)), Some(rule(key.on_delete)));
        let of = parent.map(|p| p.schema_name());
        rows.text([c, s, Some(key.name.as_str()), c, of, unique.as_deref(), Some("NONE"), update, delete]);
    }
    rows
}

fn rule(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::NoAction => "NO ACTION",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
    }
}

/// `check_constraints`.
pub fn check_constraints(tables: &[Arc<TableSchema>]) -> Rows {
    let names = ["constraint_catalog", "constraint_schema", "constraint_name", "check_clause"];
    let mut rows = Rows::new(&names, &[]);
    for (table, check) in tables.iter().flat_map(|t| t.checks.iter().map(move |c| (t, c))) {
        let clause = format!("({})", check.expression);
        rows.text([Some(CATALOG), Some(table.schema_name()), Some(check.name.as_str()), Some(clause.as_str())]);
    }
    rows
}

/// The part of `columns` that says where values come from: `is_identity`, `identity_generation`, `identity_start`,
/// `identity_increment`, `is_generated`, `generation_expression`.
pub fn generated(column: &Column) -> [Option<String>; 6] {
    let word = |text: &str| Some(text.to_owned());
    match &column.generated {
        None => [word("NO"), None, None, None, word("NEVER"), None],
        Some(Generated::Identity { always, start, increment, .. }) => {
            let how = if *always { "ALWAYS" } else { "BY DEFAULT" };
            [word("YES"), word(how), Some(start.to_string()), Some(increment.to_string()), word("NEVER"), None]
        }
        Some(Generated::Stored { expression }) => {
            [word("NO"), None, None, None, word("ALWAYS"), Some(format!("({expression})"))]
        }
    }
}
