//! DROP TABLE and DROP VIEW, and what goes with them.
//!
//! Promises: what others depend on goes only with them (CASCADE), or not at all (2BP01); several names go together.
//! Never: the past of what is dropped becomes unreadable.

use std::sync::Arc;

use firn_manifest::schema::{CatalogChange, TableSchema};
use sqlparser::ast::{ObjectName, ObjectType};

use super::query::Query;
use super::relation::Relation;
use super::write::{Write, placed, schema_write};
use super::{codes, constraints, ddl, schemas, views};
use crate::error::{Error, Result};

/// DROP of one or more objects of a kind: all or none.
///
/// # Errors
/// 42P01, 42501, 42809, 3F000, 2BP01; 0A000 for other objects.
pub fn drop_objects(
    kind: ObjectType,
    if_exists: bool,
    cascade: bool,
    names: &[ObjectName],
    q: &Query,
) -> Result<Write> {
    match kind {
        ObjectType::Table => drop_relations("DROP TABLE", false, if_exists, cascade, names, q),
        ObjectType::View => drop_relations("DROP VIEW", true, if_exists, cascade, names, q),
        ObjectType::Index => constraints::ddl::drop_index(if_exists, names, q),
        ObjectType::Schema => schemas::drop_schema(if_exists, cascade, names, q),
        _ => Err(Error::unsupported(format!("DROP {kind}"), "tables, indexes, views and schemas can be dropped")),
    }
}

fn drop_relations(
    tag: &str,
    view: bool,
    if_exists: bool,
    cascade: bool,
    names: &[ObjectName],
    q: &Query,
) -> Result<Write> {
    let mut dropping = Dropping::default();
    for name in names {
        let relation = Relation::of(name)?;
        let Some(found) = relation.find(q) else {
            if if_exists {
                continue;
            }
            return Err(relation.missing(q));
        };
        if view && found.view.is_none() {
            let message = format!("\"{}\" is not a view", relation.shown());
            let error = Error::statement(codes::WRONG_OBJECT_TYPE, message).with_hint("use DROP TABLE");
            return Err(placed(error, Some(&relation.name)));
        }
        if !view && found.view.is_some() {
            let message = format!("\"{}\" is a view, not a table", relation.shown());
            let error = Error::statement(codes::WRONG_OBJECT_TYPE, message).with_hint("use DROP VIEW");
            return Err(placed(error, Some(&relation.name)));
        }
        if !view {
            super::relation::target(name, q)?;
        }
        dropping.add(found);
    }
    Ok(schema_write(tag, dropping.changes(cascade, q)?))
}

/// What a statement drops.
#[derive(Default)]
pub(super) struct Dropping {
    tables: Vec<Arc<TableSchema>>,
}

impl Dropping {
    /// One more table or view.
    pub(super) fn add(&mut self, table: Arc<TableSchema>) {
        if !self.tables.iter().any(|t| t.id == table.id) {
            self.tables.push(table);
        }
    }

    /// The changes, with those that `cascade` adds.
    ///
    /// # Errors
    /// 2BP01 without `cascade`.
    pub(super) fn changes(mut self, cascade: bool, q: &Query) -> Result<Vec<CatalogChange>> {
        let mut next = 0;
        while let Some(table) = self.tables.get(next).cloned() {
            next += 1;
            for view in views::over(table.id, q) {
                let named = self.tables.iter().any(|t| t.id == view.id);
                if !named && !cascade {
                    let message = format!(
                        "\"{}\" cannot be dropped because view \"{}\" depends on it",
                        table.qualified_name(),
                        view.qualified_name()
                    );
                    return Err(Error::statement(codes::DEPENDENT_OBJECTS, message)
                        .with_hint("use CASCADE to drop what depends on it too"));
                }
                self.add(view);
            }
        }
        ddl::drop_changes(&self.tables, cascade, q)
    }
}
