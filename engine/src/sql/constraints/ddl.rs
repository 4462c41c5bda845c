//! CREATE INDEX, DROP INDEX, ALTER INDEX.
//!
//! Promises: an index is there with all its entries from the position of its CREATE INDEX on, and serves reads of those
//! positions only.
//! Never: the index of a constraint is dropped under it.

use std::sync::Arc;

use firn_manifest::schema::{CatalogChange, Index, TableSchema};
use sqlparser::ast::{AlterIndexOperation, CreateIndex, Ident, IndexType, ObjectName};

use super::column::plain_column;
use super::declare::Building;
use super::names;
use crate::error::{Error, Result};
use crate::sql::codes;
use crate::sql::ddl::check_name;
use crate::sql::query::Query;
use crate::sql::relation::Relation;
use crate::sql::write::{Write, folded, placed, schema_write, target_table};
use crate::state::catalog::COMMITS;

/// CREATE INDEX.
///
/// # Errors
/// 42P01, 42703, 42P07, 23505, 54000, 0A000.
pub async fn create_index(create: &CreateIndex, q: &Query) -> Result<Write> {
    refuse_other_kinds(create)?;
    let table = target_table(&create.table_name, q)?;
    if table.name == COMMITS {
        return Err(Error::statement(codes::INSUFFICIENT_PRIVILEGE, format!("table \"{COMMITS}\" is the system's")));
    }
    let name = create.name.as_ref().map(|name| Relation::plain(name).map(folded)).transpose()?;
    if create.if_not_exists && name.as_ref().is_some_and(|n| names::is_relation(table.schema_name(), &n.value, q)) {
        return Ok(schema_write("CREATE INDEX", vec![]));
    }
    let mut building = Building::alter(&table, q);
    let idents = create.columns.iter().map(plain_column).collect::<Result<Vec<Ident>>>()?;
    let columns = building.columns(&idents)?;
    let name = building.index_name(name.as_ref(), &columns, "idx")?;
    let (unique, table) = (create.unique, table.id);
    building.add_index(Index { name, table, columns, unique, constraint: false, comment: None }).await?;
    Ok(building.finish("CREATE INDEX"))
}

fn refuse_other_kinds(create: &CreateIndex) -> Result<()> {
    let using = create.using.as_ref().is_some_and(|kind| !matches!(kind, IndexType::BTree));
    let refused = [
        (using, "an index of that kind", "leave USING away; indexes are ordered"),
        (!create.include.is_empty(), "INCLUDE", "leave it away, or index those columns too"),
        (create.predicate.is_some(), "a partial index", "leave WHERE away"),
        (create.nulls_distinct == Some(false), "NULLS NOT DISTINCT", "make the columns NOT NULL; NULLs are distinct"),
        (
            !create.with.is_empty() || !create.index_options.is_empty() || !create.alter_options.is_empty(),
            "an option of an index",
            "leave it away",
        ),
    ];
    match refused.iter().find(|(given, ..)| *given) {
        Some((_, what, instead)) => Err(Error::unsupported(what, instead)),
        None => Ok(()),
    }
}

/// The table and index of that name.
fn find(name: &Relation, q: &Query) -> Option<(Arc<TableSchema>, usize)> {
    let snapshot = q.snapshot();
    let (catalog, at) = (snapshot.catalog(), snapshot.position());
    let entries = name.scope(q).relation(catalog, &name.name.value, at)?;
    let table = catalog.by_id(entries.index_of?, at)?;
    let place = table.indexes.iter().position(|i| i.table == entries.id)?;
    Some((table.clone(), place))
}

fn no_index(name: &Relation, q: &Query) -> Error {
    let ident = &name.name;
    if name.find(q).is_some() {
        let message = format!("\"{}\" is not an index", ident.value);
        return placed(Error::statement(codes::WRONG_OBJECT_TYPE, message), Some(ident));
    }
    let message = format!("index \"{}\" does not exist", ident.value);
    placed(Error::statement(codes::UNDEFINED_OBJECT, message), Some(ident))
        .with_hint("\\d TABLE shows the indexes of a table")
}

/// DROP INDEX of one or more indexes.
///
/// # Errors
/// 42704, 42809, 2BP01.
pub fn drop_index(if_exists: bool, list: &[ObjectName], q: &Query) -> Result<Write> {
    let mut changed: Vec<TableSchema> = Vec::new();
    let mut changes = Vec::new();
    for name in list {
        let name = Relation::of(name)?;
        let Some((table, place)) = find(&name, q) else {
            if if_exists && name.find(q).is_none() {
                continue;
            }
            return Err(no_index(&name, q));
        };
        let index = &table.indexes[place];
        if index.constraint {
            let message = format!(
                "cannot drop index \"{0}\" because constraint \"{0}\" on table \"{1}\" requires it",
                index.name, table.name
            );
            return Err(Error::statement(codes::DEPENDENT_OBJECTS, message)
                .with_hint(format!("say ALTER TABLE {} DROP CONSTRAINT {}", table.name, index.name)));
        }
        super::dependents::refuse_referred(&table, index, q)?;
        changes.push(CatalogChange::Drop { id: index.table });
        let at = match changed.iter().position(|t| t.id == table.id) {
            Some(at) => at,
            None => {
                changed.push((*table).clone());
                changed.len() - 1
            }
        };
        changed[at].indexes.retain(|i| i.table != index.table);
    }
    changes.extend(changed.into_iter().map(|schema| CatalogChange::Alter { schema }));
    Ok(schema_write("DROP INDEX", changes))
}

/// ALTER INDEX … RENAME TO.
///
/// # Errors
/// 42704, 42809, 42P07, 42939.
pub fn alter_index(name: &ObjectName, operation: &AlterIndexOperation, q: &Query) -> Result<Write> {
    let AlterIndexOperation::RenameIndex { index_name } = operation;
    let (old, new) = (Relation::of(name)?, folded(Relation::plain(index_name)?));
    let Some((table, place)) = find(&old, q) else { return Err(no_index(&old, q)) };
    let mut building = Building::alter(&table, q);
    rename(&mut building, place, &new, q)?;
    Ok(building.finish("ALTER INDEX"))
}

/// Renames an index and its entries.
///
/// # Errors
/// 42710, 42P07, 42939.
pub fn rename(building: &mut Building<'_>, place: usize, new: &Ident, q: &Query) -> Result<()> {
    check_name(new, "index")?;
    names::check_free(&building.schema, &new.value, true, q)?;
    let index = &mut building.schema.indexes[place];
    index.name.clone_from(&new.value);
    let index = index.clone();
    let entries = super::maintain::entries_table(&index, q)?;
    building.also(CatalogChange::Alter { schema: TableSchema { name: index.name, ..(*entries).clone() } });
    Ok(())
}
