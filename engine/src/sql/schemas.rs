//! CREATE SCHEMA and DROP SCHEMA.
//!
//! Promises: a schema is there from the position that made it until the one that dropped it; its tables' past stays
//! readable under its name.
//! Never: `public` or a schema of the system's is made or dropped.

use firn_manifest::schema::{CatalogChange, PUBLIC, SqlSchema};
use sqlparser::ast::{Ident, ObjectName, SchemaName, Statement};

use super::drop::Dropping;
use super::query::Query;
use super::relation::no_schema;
use super::write::{Write, folded, placed, schema_write};
use super::{codes, context, ddl};
use crate::error::{Error, Result};

/// CREATE SCHEMA.
///
/// # Errors
/// 42P06, 42939, 42601, 0A000.
pub fn create_schema(statement: &Statement, q: &Query) -> Result<Write> {
    let Statement::CreateSchema { schema_name, if_not_exists, with, options, default_collate_spec, clone } = statement
    else {
        return Err(Error::internal("CREATE SCHEMA of nothing"));
    };
    if with.is_some() || options.is_some() || default_collate_spec.is_some() || clone.is_some() {
        return Err(Error::unsupported("an option of CREATE SCHEMA", "leave it away"));
    }
    let SchemaName::Simple(name) = schema_name else {
        return Err(Error::unsupported("AUTHORIZATION", "leave it away; a namespace has one owner"));
    };
    let ident = ident(name)?;
    ddl::check_name(&ident, "schema")?;
    if ident.value.starts_with("pg_") {
        let error = Error::statement(codes::RESERVED_NAME, format!("schema name \"{}\" is reserved", ident.value));
        return Err(placed(error.with_hint("names that begin with pg_ belong to the system"), Some(&ident)));
    }
    let snapshot = q.snapshot();
    let there =
        ident.value == context::INFORMATION_SCHEMA || snapshot.catalog().has_schema(&ident.value, snapshot.position());
    if there && *if_not_exists {
        return Ok(schema_write("CREATE SCHEMA", vec![]));
    }
    if there {
        let message = format!("schema \"{}\" exists already", ident.value);
        let error = Error::statement(codes::DUPLICATE_SCHEMA, message);
        return Err(placed(error.with_hint("use CREATE SCHEMA IF NOT EXISTS"), Some(&ident)));
    }
    let schema = SqlSchema { name: ident.value, comment: None };
    Ok(schema_write("CREATE SCHEMA", vec![CatalogChange::CreateSchema { schema }]))
}

/// DROP SCHEMA of one or more schemas: all or none.
///
/// # Errors
/// 3F000, 2BP01, 42501.
pub fn drop_schema(if_exists: bool, cascade: bool, names: &[ObjectName], q: &Query) -> Result<Write> {
    let snapshot = q.snapshot();
    let (catalog, at) = (snapshot.catalog(), snapshot.position());
    let mut dropping = Dropping::default();
    let mut schemas: Vec<String> = Vec::new();
    for name in names {
        let ident = ident(name)?;
        if ident.value == PUBLIC || ident.value == context::INFORMATION_SCHEMA {
            let message = format!("schema \"{}\" belongs to the system", ident.value);
            let error = Error::statement(codes::INSUFFICIENT_PRIVILEGE, message);
            return Err(placed(error.with_hint("drop the tables in it one by one"), Some(&ident)));
        }
        if catalog.sql_schema(&ident.value, at).is_none() {
            if if_exists {
                continue;
            }
            return Err(placed(no_schema(&ident.value), Some(&ident)));
        }
        if !schemas.contains(&ident.value) {
            schemas.push(ident.value);
        }
    }
    for table in catalog.tables(at).into_iter().filter(|t| schemas.iter().any(|s| s == t.schema_name())) {
        if !cascade {
            let message = format!("schema \"{}\" is not empty", table.schema_name());
            return Err(Error::statement(codes::DEPENDENT_OBJECTS, message)
                .with_detail(format!("it holds \"{}\"", table.name))
                .with_hint("use DROP SCHEMA … CASCADE to drop what is in it"));
        }
        dropping.add(table);
    }
    let mut changes = dropping.changes(cascade, q)?;
    changes.extend(schemas.into_iter().map(|name| CatalogChange::DropSchema { name }));
    Ok(schema_write("DROP SCHEMA", changes))
}

/// A schema's plain name.
///
/// # Errors
/// 42601.
pub(super) fn ident(name: &ObjectName) -> Result<Ident> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(folded),
        _ => None,
    }
    .ok_or_else(|| Error::statement(codes::SYNTAX_ERROR, format!("\"{name}\" is not a schema's name")))
}
