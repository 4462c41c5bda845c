//! COMMENT ON.
//!
//! Promises: a comment is part of a schema's version: read in the past, the comments of then are shown.
//! Never: a comment changes what a table accepts.

use firn_manifest::schema::{CatalogChange, PUBLIC, SqlSchema, TableSchema};
use sqlparser::ast::{CommentObject, Ident, ObjectName, ObjectNamePart, Statement};

use super::query::Query;
use super::relation::{Relation, no_schema};
use super::write::{Write, column_index, placed, schema_write};
use super::{codes, schemas};
use crate::error::{Error, Result, sqlstate};

/// The longest comment, bytes.
const MAX_BYTES: usize = 64 << 10;

/// COMMENT ON.
///
/// # Errors
/// 42P01, 42703, 42704, 42809, 3F000, 54000, 0A000.
pub fn comment(statement: &Statement, q: &Query) -> Result<Write> {
    let Statement::Comment { object_type, object_name, comment, if_exists, .. } = statement else {
        return Err(Error::internal("COMMENT on nothing"));
    };
    let text = comment.clone().filter(|c| !c.is_empty());
    if text.as_ref().is_some_and(|c| c.len() > MAX_BYTES) {
        let message = format!("a comment has at most {MAX_BYTES} bytes");
        return Err(Error::statement(sqlstate::PROGRAM_LIMIT_EXCEEDED, message));
    }
    let change = match object_type {
        CommentObject::Table | CommentObject::View => {
            let view = matches!(object_type, CommentObject::View);
            let Some(mut schema) = relation(object_name, view, *if_exists, q)? else { return Ok(nothing()) };
            schema.comment = text;
            CatalogChange::Alter { schema }
        }
        CommentObject::Column => {
            let Some((last, table)) = object_name.0.split_last().filter(|(_, rest)| !rest.is_empty()) else {
                return Err(Error::statement(codes::SYNTAX_ERROR, "COMMENT ON COLUMN takes table.column"));
            };
            let relation = Relation::of(&ObjectName(table.to_vec()))?;
            let found = relation.find(q).ok_or_else(|| relation.missing(q))?;
            let column = ident(last)?;
            let mut schema = (*found).clone();
            let at = column_index(&schema, column)?;
            schema.columns[at].comment = text;
            CatalogChange::Alter { schema }
        }
        CommentObject::Index => {
            let wanted = Relation::of(object_name)?;
            let Some(mut schema) = index_owner(&wanted, q) else {
                let message = format!("index \"{}\" does not exist", wanted.shown());
                return Err(placed(Error::statement(codes::UNDEFINED_OBJECT, message), Some(&wanted.name)));
            };
            for index in schema.indexes.iter_mut().filter(|i| i.name == wanted.name.value) {
                index.comment.clone_from(&text);
            }
            CatalogChange::Alter { schema }
        }
        CommentObject::Schema => {
            let name = schemas::ident(object_name)?;
            let snapshot = q.snapshot();
            if snapshot.catalog().sql_schema(&name.value, snapshot.position()).is_none() {
                if name.value == PUBLIC {
                    return Err(Error::unsupported("a comment on schema public", "comment on the tables in it"));
                }
                return Err(placed(no_schema(&name.value), Some(&name)));
            }
            CatalogChange::AlterSchema { schema: SqlSchema { name: name.value, comment: text } }
        }
        other => {
            return Err(Error::unsupported(
                format!("COMMENT ON {other}"),
                "tables, columns, indexes, views and schemas take comments",
            ));
        }
    };
    Ok(schema_write("COMMENT", vec![change]))
}

fn nothing() -> Write {
    schema_write("COMMENT", vec![])
}

fn relation(name: &ObjectName, view: bool, if_exists: bool, q: &Query) -> Result<Option<TableSchema>> {
    let relation = Relation::of(name)?;
    let Some(found) = relation.find(q) else {
        return if if_exists { Ok(None) } else { Err(relation.missing(q)) };
    };
    if view == found.view.is_some() && (view || super::relation::target(name, q).is_ok()) {
        return Ok(Some((*found).clone()));
    }
    let kind = if view { "view" } else { "table" };
    let error = Error::statement(codes::WRONG_OBJECT_TYPE, format!("\"{}\" is not a {kind}", relation.shown()));
    Err(placed(error, Some(&relation.name)))
}

fn index_owner(wanted: &Relation, q: &Query) -> Option<TableSchema> {
    let snapshot = q.snapshot();
    let within = |t: &TableSchema| match &wanted.schema {
        Some(schema) => t.schema_name() == schema.value,
        None => q.path().iter().any(|s| s == t.schema_name()),
    };
    let tables = snapshot.catalog().tables(snapshot.position());
    tables
        .into_iter()
        .find(|t| within(t) && t.indexes.iter().any(|i| i.name == wanted.name.value))
        .map(|t| (*t).clone())
}

fn ident(part: &ObjectNamePart) -> Result<&Ident> {
    part.as_ident().ok_or_else(|| Error::statement(codes::SYNTAX_ERROR, "a column's name is missing"))
}
