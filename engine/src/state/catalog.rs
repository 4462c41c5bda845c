//! The catalog: every version of every table's schema, each with the positions it is valid in.
//!
//! Promises: looked up at a position, it answers with the schema of that position, dropped tables included.
//! Never: a version is changed once another position has seen it; a change ends it and begins the next.

use std::sync::{Arc, LazyLock};

use firn_manifest::ids::{ColumnId, Position, TableId};
use firn_manifest::schema::{CatalogChange, Column, ColumnType, TableSchema, TableVersion};

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
    next_table: TableId,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { versions: Vec::new(), next_table: TableId::FIRST_USER }
    }
}

impl Catalog {
    /// The catalog a manifest holds.
    #[must_use]
    pub fn from_manifest(versions: &[TableVersion], next_table: TableId) -> Self {
        Self {
            versions: versions
                .iter()
                .map(|v| CatalogVersion { schema: Arc::new(v.schema.clone()), begin: v.begin, end: v.end })
                .collect(),
            next_table: next_table.max(TableId::FIRST_USER),
        }
    }

    /// The catalog as a manifest holds it.
    #[must_use]
    pub fn to_manifest(&self) -> Vec<TableVersion> {
        self.versions.iter().map(|v| TableVersion { schema: (*v.schema).clone(), begin: v.begin, end: v.end }).collect()
    }

    /// The table of that name at `at`; `firn_commits` is there at every position.
    #[must_use]
    pub fn table(&self, name: &str, at: Position) -> Option<&Arc<TableSchema>> {
        if name == COMMITS {
            return Some(commits_schema());
        }
        self.versions.iter().rev().find(|v| v.schema.name == name && v.sees(at)).map(|v| &v.schema)
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
    pub fn last_version_named(&self, name: &str, upto: Position) -> Option<&Arc<TableSchema>> {
        if name == COMMITS {
            return Some(commits_schema());
        }
        self.versions.iter().rev().find(|v| v.schema.name == name && v.begin <= upto).map(|v| &v.schema)
    }

    /// The user's tables at `at`, by name.
    #[must_use]
    pub fn tables(&self, at: Position) -> Vec<Arc<TableSchema>> {
        let mut tables: Vec<_> = self.versions.iter().filter(|v| v.sees(at)).map(|v| v.schema.clone()).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
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
                if self.table(&schema.name, position).is_some() {
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
                id: ColumnId(id),
                name: name.to_owned(),
                ty,
                nullable,
                default: None,
                initial: None,
                hidden: name.starts_with('_'),
            })
            .collect();
        Arc::new(TableSchema {
            id: TableId::COMMITS,
            name: COMMITS.to_owned(),
            next_column: ColumnId(columns.len() as u64 + 1),
            columns,
            key: vec![ColumnId(1)],
        })
    });
    &SCHEMA
}
