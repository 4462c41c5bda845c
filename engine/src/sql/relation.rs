//! Names of tables and views, with or without a SQL schema before them, and what each means to a statement.
//!
//! Promises: a plain name is looked up along the search path, a qualified one in its schema alone; the error of a name
//! that means nothing says where it was looked for.
//! Never: a view is handed out where a table is wanted.

use std::sync::Arc;

use firn_manifest::ids::Position;
use firn_manifest::schema::{PUBLIC, TableSchema};
use sqlparser::ast::{self, Ident, ObjectName};

use super::query::Query;
use super::write::{folded, placed};
use super::{codes, eval};
use crate::error::{Error, Result};
use crate::state::catalog::{COMMITS, Catalog};

/// Where names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// along a search path
    Path(Arc<[String]>),
    /// in one SQL schema
    One(String),
}

impl Scope {
    /// The table or view of that name at `at`.
    #[must_use]
    pub fn table<'a>(&self, catalog: &'a Catalog, name: &str, at: Position) -> Option<&'a Arc<TableSchema>> {
        self.schemas().iter().find_map(|schema| catalog.table_in(schema, name, at))
    }

    /// The table, view or index entries of that name at `at`.
    #[must_use]
    pub fn relation<'a>(&self, catalog: &'a Catalog, name: &str, at: Position) -> Option<&'a Arc<TableSchema>> {
        self.schemas().iter().find_map(|schema| catalog.relation(schema, name, at))
    }

    /// The newest version of that name at or before `upto`, dropped or not.
    #[must_use]
    pub fn last_version<'a>(&self, catalog: &'a Catalog, name: &str, upto: Position) -> Option<&'a Arc<TableSchema>> {
        let open = self.table(catalog, name, upto);
        open.or_else(|| self.schemas().iter().find_map(|schema| catalog.last_version_named(schema, name, upto)))
    }

    fn schemas(&self) -> &[String] {
        match self {
            Self::Path(path) if path.is_empty() => &[],
            Self::Path(path) => path,
            Self::One(schema) => std::slice::from_ref(schema),
        }
    }
}

/// The search path of a session that did not set one.
#[must_use]
pub fn public_path() -> Arc<[String]> {
    Arc::from([PUBLIC.to_owned()])
}

/// A name as a statement gives it, folded to lower case unless quoted.
pub(crate) struct Relation {
    pub(super) schema: Option<Ident>,
    pub(super) name: Ident,
}

impl Relation {
    /// Takes a name apart.
    ///
    /// # Errors
    /// 42601 for a name that is none.
    pub(super) fn of(name: &ObjectName) -> Result<Self> {
        let parts: Option<Vec<&Ident>> = name.0.iter().map(ast::ObjectNamePart::as_ident).collect();
        match parts.as_deref() {
            Some([name]) => Ok(Self { schema: None, name: folded(name) }),
            Some([schema, name]) => Ok(Self { schema: Some(folded(schema)), name: folded(name) }),
            _ => Err(Error::statement(codes::SYNTAX_ERROR, format!("\"{name}\" is not a table's name"))),
        }
    }

    /// The name of something that stands in another's schema.
    ///
    /// # Errors
    /// 42601 for a qualified one.
    pub(super) fn plain(name: &ObjectName) -> Result<&Ident> {
        match name.0.as_slice() {
            [part] => part.as_ident(),
            _ => None,
        }
        .ok_or_else(|| {
            Error::statement(codes::SYNTAX_ERROR, format!("\"{name}\" is not a plain name"))
                .with_hint("write the new name without a schema; it stays in its own")
        })
    }

    /// Reads a name from text, as `firn_history('app.t')` has it. A text in which no quotes stand is taken literally
    /// when a table of the path is called so.
    ///
    /// # Errors
    /// 42601, 42602.
    pub(crate) fn parse(text: &str, q: &Query) -> Result<Self> {
        let literal = Self { schema: None, name: Ident::with_quote('"', text) };
        if !text.contains(['.', '"']) || literal.last_version(q).is_some() {
            return Ok(literal);
        }
        let wrong = || Error::statement(codes::INVALID_NAME, format!("'{text}' is not a table's name"));
        let parts = split(text).ok_or_else(wrong)?;
        match parts.as_slice() {
            [name] => Ok(Self { schema: None, name: Ident::with_quote('"', name) }),
            [schema, name] => {
                Ok(Self { schema: Some(Ident::with_quote('"', schema)), name: Ident::with_quote('"', name) })
            }
            _ => Err(wrong()),
        }
    }

    /// Where it is looked up.
    pub(super) fn scope(&self, q: &Query) -> Scope {
        match &self.schema {
            Some(schema) => Scope::One(schema.value.clone()),
            None => Scope::Path(q.path().clone()),
        }
    }

    /// The table or view it means to a statement that writes.
    pub(super) fn find(&self, q: &Query) -> Option<Arc<TableSchema>> {
        let snapshot = q.snapshot();
        self.scope(q).table(snapshot.catalog(), &self.name.value, snapshot.position()).cloned()
    }

    /// The table or view it means where the session reads.
    pub(crate) fn read(&self, q: &Query) -> Option<Arc<TableSchema>> {
        self.scope(q).table(q.snapshot().catalog(), &self.name.value, q.at()).cloned()
    }

    /// The table it means to a statement that writes to it.
    ///
    /// # Errors
    /// As [`target`].
    pub(super) fn target(&self, q: &Query) -> Result<Arc<TableSchema>> {
        let table = self.find(q).ok_or_else(|| self.missing(q))?;
        check_writable(&table).map_err(|e| placed(e, Some(&self.name)))?;
        Ok(table)
    }

    /// The newest version it had where the session reads.
    pub(super) fn last_version(&self, q: &Query) -> Option<Arc<TableSchema>> {
        self.scope(q).last_version(q.snapshot().catalog(), &self.name.value, q.at()).cloned()
    }

    /// As it is written.
    pub(super) fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", schema.value, self.name.value),
            None => self.name.value.clone(),
        }
    }

    /// The error of a name that means nothing.
    pub(super) fn missing(&self, q: &Query) -> Error {
        let error = match &self.schema {
            Some(schema) if !q.snapshot().catalog().has_schema(&schema.value, q.at()) => no_schema(&schema.value),
            _ => q.no_table(&self.shown()),
        };
        placed(error, Some(self.schema.as_ref().unwrap_or(&self.name)))
    }

    /// The SQL schema that something new of this name is made in; `None` is `public`.
    ///
    /// # Errors
    /// 3F000.
    pub(super) fn place(&self, q: &Query) -> Result<Option<String>> {
        let snapshot = q.snapshot();
        let there = |name: &String| snapshot.catalog().has_schema(name, snapshot.position());
        let name = match &self.schema {
            Some(schema) if there(&schema.value) => schema.value.clone(),
            Some(schema) => return Err(placed(no_schema(&schema.value), Some(schema))),
            None => q.path().iter().find(|name| there(name)).cloned().ok_or_else(|| {
                Error::statement(codes::INVALID_SCHEMA_NAME, "no schema has been selected to create in")
                    .with_hint("SET search_path to a schema that exists, or write the schema before the name")
            })?,
        };
        Ok(Some(name).filter(|name| name != PUBLIC))
    }

    /// Whether the name is taken in the schema that something new would be made in.
    ///
    /// # Errors
    /// 3F000.
    pub(super) fn taken(&self, q: &Query) -> Result<Option<Arc<TableSchema>>> {
        let schema = self.place(q)?.unwrap_or_else(|| PUBLIC.to_owned());
        let snapshot = q.snapshot();
        Ok(snapshot.catalog().table_in(&schema, &self.name.value, snapshot.position()).cloned())
    }
}

/// The error of a schema that is not there.
pub(super) fn no_schema(name: &str) -> Error {
    Error::statement(codes::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
        .with_hint("CREATE SCHEMA makes one; information_schema.schemata lists those that are there")
}

/// The error of a name that something of the kind has already.
pub(super) fn exists(table: &TableSchema, ident: Option<&Ident>) -> Error {
    let kind = if table.view.is_some() { "view" } else { "table" };
    let message = format!("{kind} \"{}\" exists already", table.qualified_name());
    placed(Error::statement(codes::DUPLICATE_TABLE, message), ident)
}

/// The table that a statement writes to.
///
/// # Errors
/// 42P01, 3F000; 42501 for a system table, 42809 for a view.
pub(super) fn target(name: &ObjectName, q: &Query) -> Result<Arc<TableSchema>> {
    Relation::of(name)?.target(q)
}

fn check_writable(table: &TableSchema) -> Result<()> {
    if table.name == COMMITS {
        let error =
            Error::statement(codes::INSUFFICIENT_PRIVILEGE, format!("table \"{COMMITS}\" is written by commits alone"));
        return Err(error.with_hint("use SET firn.reason to have a reason recorded with the next commit"));
    }
    if table.view.is_some() {
        let message = format!("\"{}\" is a view, not a table", table.qualified_name());
        return Err(Error::statement(codes::WRONG_OBJECT_TYPE, message)
            .with_hint("write to the tables that the view reads; CREATE OR REPLACE VIEW changes the view"));
    }
    if table.index_of.is_some() {
        let message = format!("\"{}\" is an index, not a table", table.qualified_name());
        return Err(Error::statement(codes::WRONG_OBJECT_TYPE, message).with_hint("name the table it belongs to"));
    }
    Ok(())
}

/// The table or view as the FROM of a query of ours: `"schema"."name"`.
pub(super) fn source(table: &TableSchema) -> String {
    format!("{}.{}", eval::quoted(table.schema_name()), eval::quoted(&table.name))
}

/// The same with the places of its rows.
pub(super) fn source_rows(table: &TableSchema) -> String {
    let rows = format!("{}{}", table.name, super::names::ROWS);
    format!("{}.{}", eval::quoted(table.schema_name()), eval::quoted(&rows))
}

/// The parts of a dotted name, each folded unless quoted.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' if chars.next_if_eq(&'"').is_some() => part.push('"'),
                    '"' => break,
                    other => part.push(other),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != '.' && *c != '"') {
                part.extend(c.to_lowercase());
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match chars.next() {
            None => return Some(parts),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_come_apart() {
        let parts = |text: &str| split(text).map(|p| p.join("|"));
        assert_eq!(parts("App.T").as_deref(), Some("app|t"));
        assert_eq!(parts("\"A.b\".\"c\"\"d\"").as_deref(), Some("A.b|c\"d"));
        assert_eq!(parts("a."), None);
        assert_eq!(parts("\"a"), None);
    }
}
