//! The catalog: every version of every table's schema, each with the positions it is valid in.
//!
//! Promises: looked up at a position, it answers with the schema of that position, dropped tables included.
//! Never: a version is changed once another position has seen it; a change ends it and begins the next.

use std::sync::{Arc, LazyLock};

use firn_manifest::canary;
use firn_manifest::ids::{ColumnId, Position, TableId};
use firn_manifest::model::Sealed;
use firn_manifest::schema::{
    CatalogChange, Column, ColumnType, PUBLIC, SchemaVersion, SqlSchema, TableSchema, TableVersion,
};

use crate::error::{Error, Result};

/// The name of the system table of commits.
pub const COMMITS: &str = "firn_commits";

/// A schema and the positions it is valid in: `begin <= p < end`.
#[derive(Clone, Debug)]
pub struct CatalogVersion {
    /// the schema
    pub schema: Arc<TableSchema>,
    /// the first position that sees it
    pub begin: Position,
    /// the first position that no longer sees it
    pub end: Option<Position>,
}

impl CatalogVersion {
    fn sees(&self, at: Position) -> bool {
        self.begin <= at && self.end.is_none_or(|end| at < end)
    }
}

/// Every table version of a namespace.
#[derive(Clone, Debug)]
pub struct Catalog {
    versions: Vec<CatalogVersion>,
    schemas: Vec<SchemaVersion>,
    next_table: TableId,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { versions: Vec::new(), schemas: Vec::new(), next_table: TableId::FIRST_USER }
    }
}

impl Catalog {
    /// The catalog a manifest holds.
    #[must_use]
    pub fn from_manifest(sealed: &Sealed) -> Self {
        Self {
            versions: sealed
                .catalog
                .iter()
                .map(|v| CatalogVersion { schema: Arc::new(v.schema.clone()), begin: v.begin, end: v.end })
                .collect(),
            schemas: sealed.schemas.clone(),
            next_table: sealed.next_table.max(TableId::FIRST_USER),
        }
    }

    /// The catalog as a manifest holds it.
    #[must_use]
    pub fn to_manifest(&self) -> Vec<TableVersion> {
        self.versions.iter().map(|v| TableVersion { schema: (*v.schema).clone(), begin: v.begin, end: v.end }).collect()
    }

    /// Every version of a SQL schema, as a manifest holds them.
    #[must_use]
    pub fn schema_versions(&self) -> &[SchemaVersion] {
        &self.schemas
    }

    /// The table or view of that name in `public` at `at`; `firn_commits` is there at every position.
    #[must_use]
    pub fn table(&self, name: &str, at: Position) -> Option<&Arc<TableSchema>> {
        self.table_in(PUBLIC, name, at)
    }

    /// The table or view of that name in a SQL schema at `at`; `firn_commits` is in every one.
    #[must_use]
    pub fn table_in(&self, schema: &str, name: &str, at: Position) -> Option<&Arc<TableSchema>> {
        if name == COMMITS {
            return Some(commits_schema());
        }
        self.relation(schema, name, at).filter(|schema| schema.index_of.is_none())
    }

    /// The table, view or entries of an index of that name in a SQL schema at `at`: they share one space of names.
    #[must_use]
    pub fn relation(&self, schema: &str, name: &str, at: Position) -> Option<&Arc<TableSchema>> {
        let seen = |v: &&CatalogVersion| v.sees(at) || canary!(SchemaOfNow);
        self.versions.iter().rev().filter(|v| named(v, schema, name)).find(seen).map(|v| &v.schema)
    }

    /// The SQL schema of that name at `at`; `public` is not among them, it is always there.
    #[must_use]
    pub fn sql_schema(&self, name: &str, at: Position) -> Option<&SqlSchema> {
        self.schemas
            .iter()
            .rev()
            .find(|v| v.schema.name == name && v.begin <= at && v.end.is_none_or(|end| at < end))
            .map(|v| &v.schema)
    }

    /// Whether there is a SQL schema of that name at `at`.
    #[must_use]
    pub fn has_schema(&self, name: &str, at: Position) -> bool {
        name == PUBLIC || self.sql_schema(name, at).is_some()
    }

    /// The names of the SQL schemas at `at`, `public` first.
    #[must_use]
    pub fn schema_names(&self, at: Position) -> Vec<String> {
        let mut names: Vec<String> = self
            .schemas
            .iter()
            .filter(|v| v.begin <= at && v.end.is_none_or(|end| at < end))
            .map(|v| v.schema.name.clone())
            .collect();
        names.sort();
        names.insert(0, PUBLIC.to_owned());
        names
    }

    /// The tables at `at` that refer to `table` by a foreign key.
    pub fn referring(&self, table: TableId, at: Position) -> impl Iterator<Item = &Arc<TableSchema>> {
        let refers = move |v: &&CatalogVersion| v.schema.foreign_keys.iter().any(|f| f.table == table);
        self.versions.iter().filter(refers).filter(move |v| v.sees(at)).map(|v| &v.schema)
    }

    /// The table of that number at `at`.
    #[must_use]
    pub fn by_id(&self, id: TableId, at: Position) -> Option<&Arc<TableSchema>> {
        if id == TableId::COMMITS {
            return Some(commits_schema());
        }
        self.versions.iter().rev().find(|v| v.schema.id == id && v.sees(at)).map(|v| &v.schema)
    }

    /// The newest version of a table at or before `upto`, dropped or not: its history is read with it.
    #[must_use]
    pub fn last_version_named(&self, schema: &str, name: &str, upto: Position) -> Option<&Arc<TableSchema>> {
        if name == COMMITS {
            return Some(commits_schema());
        }
        let of = |v: &&CatalogVersion| named(v, schema, name) && v.schema.index_of.is_none() && v.begin <= upto;
        self.versions.iter().rev().find(of).map(|v| &v.schema)
    }

    /// The user's tables and views at `at`, by SQL schema and name.
    #[must_use]
    pub fn tables(&self, at: Position) -> Vec<Arc<TableSchema>> {
        let seen = self.versions.iter().filter(|v| v.sees(at) && v.schema.index_of.is_none());
        let mut tables: Vec<_> = seen.map(|v| v.schema.clone()).collect();
        tables.sort_by(|a, b| (a.schema_name(), &a.name).cmp(&(b.schema_name(), &b.name)));
        tables
    }

    /// Every version, oldest change first.
    #[must_use]
    pub fn versions(&self) -> &[CatalogVersion] {
        &self.versions
    }

    /// The next table id that was never used.
    #[must_use]
    pub fn next_table(&self) -> TableId {
        self.next_table
    }

    /// Every column that a table ever had, by id.
    #[must_use]
    pub fn all_columns(&self, id: TableId) -> Vec<Column> {
        if id == TableId::COMMITS {
            return commits_schema().columns.clone();
        }
        let mut columns: Vec<Column> = Vec::new();
        for version in self.versions.iter().rev().filter(|v| v.schema.id == id) {
            for column in &version.schema.columns {
                if !columns.iter().any(|c| c.id == column.id) {
                    columns.push(column.clone());
                }
            }
        }
        columns.sort_by_key(|c| c.id);
        columns
    }

    /// Any version of that table: what never changes over its life (the key and its types) may be read from it.
    #[must_use]
    pub fn any_version(&self, id: TableId) -> Option<&Arc<TableSchema>> {
        if id == TableId::COMMITS {
            return Some(commits_schema());
        }
        self.versions.iter().rev().find(|v| v.schema.id == id).map(|v| &v.schema)
    }

    /// Applies a change that the commit record at `position` carries.
    ///
    /// # Errors
    /// An integrity error when the change does not fit: a log that does so is damaged.
    pub fn apply(&mut self, change: &CatalogChange, position: Position) -> Result<()> {
        let wrong = |what: String| Error::integrity(format!("commit record {position}"), what);
        match change {
            CatalogChange::Create { schema } => {
                if self.relation(schema.schema_name(), &schema.name, position).is_some() {
                    return Err(wrong(format!("it creates table {:?}, which exists", schema.name)));
                }
                self.next_table = self.next_table.max(schema.id.next());
                self.begin(schema, position);
            }
            CatalogChange::Alter { schema } => {
                self.end(schema.id, position)
                    .ok_or_else(|| wrong(format!("it alters table {}, which does not exist", schema.id)))?;
                self.begin(schema, position);
            }
            CatalogChange::Drop { id } => {
                self.end(*id, position).ok_or_else(|| wrong(format!("it drops table {id}, which does not exist")))?;
            }
            CatalogChange::CreateSchema { schema } => {
                if self.has_schema(&schema.name, position) {
                    return Err(wrong(format!("it creates schema {:?}, which exists", schema.name)));
                }
                self.schemas.push(SchemaVersion { schema: schema.clone(), begin: position, end: None });
            }
            CatalogChange::AlterSchema { schema } => {
                self.end_schema(&schema.name, position)
                    .ok_or_else(|| wrong(format!("it alters schema {:?}, which does not exist", schema.name)))?;
                self.schemas.push(SchemaVersion { schema: schema.clone(), begin: position, end: None });
            }
            CatalogChange::DropSchema { name } => {
                self.end_schema(name, position)
                    .ok_or_else(|| wrong(format!("it drops schema {name:?}, which does not exist")))?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, schema: &TableSchema, position: Position) {
        self.versions.push(CatalogVersion { schema: Arc::new(schema.clone()), begin: position, end: None });
    }

    fn end(&mut self, id: TableId, position: Position) -> Option<()> {
        let version = self.versions.iter_mut().rev().find(|v| v.schema.id == id && v.end.is_none())?;
        version.end = Some(position);
        // a version that was never visible at any position is forgotten: two changes in one transaction make one
        self.versions.retain(|v| v.end != Some(v.begin));
        Some(())
    }

    fn end_schema(&mut self, name: &str, position: Position) -> Option<()> {
        let version = self.schemas.iter_mut().rev().find(|v| v.schema.name == name && v.end.is_none())?;
        version.end = Some(position);
        self.schemas.retain(|v| v.end != Some(v.begin));
        Some(())
    }
}

fn named(version: &CatalogVersion, schema: &str, name: &str) -> bool {
    version.schema.name == name && version.schema.schema_name() == schema
}

/// The schema of the system table of commits.
#[must_use]
pub fn commits_schema() -> &'static Arc<TableSchema> {
    static SCHEMA: LazyLock<Arc<TableSchema>> = LazyLock::new(|| {
        let columns = [
            ("position", ColumnType::BigInt, false),
            ("committed_at", ColumnType::Timestamptz, false),
            ("actor", ColumnType::Text, true),
            ("request_id", ColumnType::Text, true),
            ("reason", ColumnType::Text, true),
            ("kind", ColumnType::Text, false),
            ("tables", ColumnType::Text, false),
            ("rows", ColumnType::BigInt, false),
            ("segment", ColumnType::BigInt, false),
            ("hash", ColumnType::Text, false),
            ("_answers", ColumnType::Bytea, true),
        ];
        let columns: Vec<Column> = columns
            .iter()
            .zip(1u64..)
            .map(|(&(name, ty, nullable), id)| Column {
                nullable,
                hidden: name.starts_with('_'),
                ..Column::new(ColumnId(id), name, ty)
            })
            .collect();
        Arc::new(TableSchema::new(TableId::COMMITS, COMMITS, columns, vec![ColumnId(1)]))
    });
    &SCHEMA
}
