//! What depends on a table, a column or a constraint, when that is to go.
//!
//! Promises: as in PostgreSQL, what concerns one column alone goes with it; what concerns others too, or another table,
//! keeps it there (2BP01) unless CASCADE is said.
//! Never: a foreign key is left that refers to nothing.

use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{CatalogChange, ForeignKey, Generated, Index, TableSchema};
use sqlparser::ast::Ident;

use super::children::same_columns;
use super::declare::Building;
use super::{ddl, expression, names};
use crate::error::{Error, Result};
use crate::sql::codes;
use crate::sql::query::Query;
use crate::sql::write::{folded, placed};

fn depends(what: &str, on: &str) -> Error {
    Error::statement(codes::DEPENDENT_OBJECTS, format!("cannot drop {what} because other objects depend on it"))
        .with_detail(on.to_owned())
        .with_hint("drop those first, or say CASCADE to drop them too")
}

/// The foreign keys of other tables (and of itself) that refer to `table`.
fn referring(table: TableId, q: &Query) -> Vec<(std::sync::Arc<TableSchema>, ForeignKey)> {
    let snapshot = q.snapshot();
    let tables = snapshot.catalog().referring(table, snapshot.position());
    tables
        .flat_map(|child| {
            let keys = child.foreign_keys.iter().filter(move |f| f.table == table);
            keys.map(|f| (child.clone(), f.clone()))
        })
        .collect()
}

/// Refuses to drop a unique index that a foreign key needs.
///
/// # Errors
/// 2BP01.
pub fn refuse_referred(table: &TableSchema, index: &Index, q: &Query) -> Result<()> {
    if !index.unique {
        return Ok(());
    }
    let others = |ids: &[ColumnId]| {
        same_columns(ids, &table.key)
            || table.indexes.iter().any(|i| i.table != index.table && i.unique && same_columns(ids, &i.columns))
    };
    let needs = |f: &ForeignKey| same_columns(&f.referenced, &index.columns) && !others(&f.referenced);
    match referring(table.id, q).into_iter().find(|(_, f)| needs(f)) {
        Some((child, key)) => Err(depends(
            &format!("index \"{}\"", index.name),
            &format!("constraint \"{}\" on table \"{}\" depends on index \"{}\"", key.name, child.name, index.name),
        )),
        None => Ok(()),
    }
}

/// The catalog changes that drop tables with their indexes, and with CASCADE the foreign keys that refer to them.
///
/// # Errors
/// 2BP01.
pub fn drop_tables(tables: &[std::sync::Arc<TableSchema>], cascade: bool, q: &Query) -> Result<Vec<CatalogChange>> {
    let gone = |id: TableId| tables.iter().any(|t| t.id == id);
    let mut changed: Vec<TableSchema> = Vec::new();
    for table in tables {
        for (child, key) in referring(table.id, q).into_iter().filter(|(child, _)| !gone(child.id)) {
            if !cascade {
                return Err(depends(
                    &format!("table {}", table.name),
                    &format!("constraint {} on table {} depends on table {}", key.name, child.name, table.name),
                ));
            }
            if !changed.iter().any(|t| t.id == child.id) {
                changed.push((*child).clone());
            }
        }
    }
    for schema in &mut changed {
        schema.foreign_keys.retain(|f| !gone(f.table));
    }
    let mut changes: Vec<CatalogChange> = changed.into_iter().map(|schema| CatalogChange::Alter { schema }).collect();
    for table in tables {
        changes.extend(table.indexes.iter().map(|i| CatalogChange::Drop { id: i.table }));
        changes.push(CatalogChange::Drop { id: table.id });
    }
    Ok(changes)
}

/// Takes away what a column that is to be dropped takes with it.
///
/// # Errors
/// 2BP01.
pub fn drop_column(building: &mut Building<'_>, id: ColumnId, cascade: bool, q: &Query) -> Result<()> {
    let Some(name) = building.schema.column(id).map(|c| c.name.clone()) else { return Ok(()) };
    let table = building.schema.clone();
    let what = format!("column {name} of table {}", table.name);
    for (child, key) in referring(table.id, q).into_iter().filter(|(_, f)| f.referenced.contains(&id)) {
        if !cascade || child.id != table.id {
            return Err(depends(&what, &format!("constraint {} on table {} depends on it", key.name, child.name)));
        }
    }
    for column in &table.columns {
        if let Some(Generated::Stored { expression }) = &column.generated
            && column.id != id
            && expression::columns_of(expression)?.contains(&name)
        {
            return Err(depends(&what, &format!("column {} of table {} depends on it", column.name, table.name)));
        }
    }
    let mut kept = Vec::new();
    for check in &table.checks {
        if !expression::columns_of(&check.expression)?.contains(&name) {
            kept.push(check.clone());
        }
    }
    building.schema.checks = kept;
    building
        .schema
        .foreign_keys
        .retain(|f| !(f.columns.contains(&id) || f.table == table.id && f.referenced.contains(&id)));
    for index in table.indexes.iter().filter(|i| i.columns.contains(&id)) {
        refuse_referred(&table, index, q)?;
        drop_entries(building, index);
    }
    Ok(())
}

/// Takes an index away.
pub fn drop_entries(building: &mut Building<'_>, index: &Index) {
    building.schema.indexes.retain(|i| i.table != index.table);
    building.also(CatalogChange::Drop { id: index.table });
}

/// ALTER TABLE DROP CONSTRAINT.
///
/// # Errors
/// 42704, 2BP01, 0A000 for the primary key.
pub fn drop_constraint(building: &mut Building<'_>, ident: &Ident, if_exists: bool, q: &Query) -> Result<()> {
    let name = folded(ident).value;
    let table = building.schema.clone();
    if names::key_name(&table).is_some_and(|key| key == name) {
        return Err(Error::unsupported(
            "dropping the primary key",
            "create a new table with the key you want and INSERT INTO … SELECT",
        ));
    }
    if let Some(index) = table.indexes.iter().find(|i| i.name == name && i.constraint) {
        refuse_referred(&table, index, q)?;
        drop_entries(building, index);
        return Ok(());
    }
    let schema = &mut building.schema;
    schema.checks.retain(|c| c.name != name);
    schema.foreign_keys.retain(|f| f.name != name);
    if *schema == table && !if_exists {
        return Err(no_constraint(&table, ident));
    }
    Ok(())
}

fn no_constraint(table: &TableSchema, ident: &Ident) -> Error {
    let message = format!("constraint \"{}\" of relation \"{}\" does not exist", folded(ident).value, table.name);
    placed(Error::statement(codes::UNDEFINED_OBJECT, message), Some(ident))
        .with_hint("information_schema.table_constraints lists what is there")
}

/// ALTER TABLE RENAME CONSTRAINT.
///
/// # Errors
/// 42704, 42710.
pub fn rename_constraint(building: &mut Building<'_>, old: &Ident, new: &Ident, q: &Query) -> Result<()> {
    let (name, new) = (folded(old).value, folded(new));
    if let Some(place) = building.schema.indexes.iter().position(|i| i.name == name) {
        return ddl::rename(building, place, &new, q);
    }
    crate::sql::ddl::check_name(&new, "constraint")?;
    names::check_free(&building.schema, &new.value, false, q)?;
    let schema = &mut building.schema;
    if names::key_name(schema).is_some_and(|key| key == name) {
        schema.key_name = Some(new.value);
    } else if let Some(check) = schema.checks.iter_mut().find(|c| c.name == name) {
        check.name = new.value;
    } else if let Some(key) = schema.foreign_keys.iter_mut().find(|f| f.name == name) {
        key.name = new.value;
    } else {
        return Err(no_constraint(schema, old));
    }
    Ok(())
}

/// Writes a column's new name into the expressions that name it.
///
/// # Errors
/// When one does not parse.
pub fn rename_column(schema: &mut TableSchema, old: &str, new: &str) -> Result<()> {
    for check in &mut schema.checks {
        if expression::columns_of(&check.expression)?.contains(old) {
            check.expression = expression::renamed(&check.expression, old, new)?;
        }
    }
    for column in &mut schema.columns {
        if let Some(Generated::Stored { expression }) = &mut column.generated
            && expression::columns_of(expression)?.contains(old)
        {
            *expression = expression::renamed(expression, old, new)?;
        }
    }
    Ok(())
}
