//! `information_schema`: the catalog as tables, in PostgreSQL's words.
//!
//! Promises: it describes the position the statement reads at.
//! Never: a hidden column or an internal name appears.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use firn_manifest::ids::Position;
use firn_manifest::schema::{Column, ColumnType, TableSchema};

use super::context::{CATALOG, INFORMATION_SCHEMA, SCHEMA};
use super::types::display_name;
use crate::state::Snapshot;
use crate::state::catalog::COMMITS;

const NAMES: [&str; 6] = ["tables", "columns", "schemata", "table_constraints", "key_column_usage", "views"];

/// The schema `information_schema` of one statement.
#[derive(Debug)]
pub struct Information {
    snapshot: Snapshot,
    at: Position,
}

impl Information {
    /// The catalog as of `at`.
    #[must_use]
    pub fn new(snapshot: Snapshot, at: Position) -> Self {
        Self { snapshot, at }
    }

    fn all_tables(&self) -> Vec<Arc<TableSchema>> {
        let catalog = self.snapshot.catalog();
        let mut tables = catalog.tables(self.at);
        tables.extend(catalog.table(COMMITS, self.at).cloned());
        tables
    }

    fn rows(&self, name: &str) -> Option<Rows> {
        let tables = self.all_tables();
        Some(match name {
            "tables" => {
                let mut rows = Rows::new(&["table_catalog", "table_schema", "table_name", "table_type"], &[]);
                for table in &tables {
                    let ty = if table.name == COMMITS { "SYSTEM TABLE" } else { "BASE TABLE" };
                    rows.text([Some(CATALOG), Some(SCHEMA), Some(table.name.as_str()), Some(ty)]);
                }
                for name in NAMES {
                    rows.text([Some(CATALOG), Some(INFORMATION_SCHEMA), Some(name), Some("VIEW")]);
                }
                rows
            }
            "columns" => columns(&tables),
            "schemata" => {
                let mut rows = Rows::new(&["catalog_name", "schema_name", "schema_owner"], &[]);
                rows.text([Some(CATALOG), Some(SCHEMA), Some(CATALOG)]);
                rows.text([Some(CATALOG), Some(INFORMATION_SCHEMA), Some(CATALOG)]);
                rows
            }
            "table_constraints" => {
                let names = [
                    "constraint_catalog",
                    "constraint_schema",
                    "constraint_name",
                    "table_catalog",
                    "table_schema",
                    "table_name",
                    "constraint_type",
                ];
                let mut rows = Rows::new(&names, &[]);
                for table in keyed(&tables) {
                    let key = format!("{}_pkey", table.name);
                    let (c, s) = (Some(CATALOG), Some(SCHEMA));
                    rows.text([c, s, Some(key.as_str()), c, s, Some(table.name.as_str()), Some("PRIMARY KEY")]);
                }
                rows
            }
            "key_column_usage" => {
                let names = [
                    "constraint_catalog",
                    "constraint_schema",
                    "constraint_name",
                    "table_catalog",
                    "table_schema",
                    "table_name",
                    "column_name",
                ];
                let mut rows = Rows::new(&names, &["ordinal_position"]);
                for table in keyed(&tables) {
                    let key = format!("{}_pkey", table.name);
                    let (c, s) = (Some(CATALOG), Some(SCHEMA));
                    for (column, ordinal) in table.key_columns().zip(1..) {
                        rows.text([
                            c,
                            s,
                            Some(key.as_str()),
                            c,
                            s,
                            Some(table.name.as_str()),
                            Some(column.name.as_str()),
                        ]);
                        rows.numbers([Some(ordinal)]);
                    }
                }
                rows
            }
            "views" => Rows::new(&["table_catalog", "table_schema", "table_name", "view_definition"], &[]),
            _ => return None,
        })
    }
}

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        NAMES.iter().map(|&n| n.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(rows) = self.rows(name) else { return Ok(None) };
        let batch = rows.finish()?;
        Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }
}

fn keyed(tables: &[Arc<TableSchema>]) -> impl Iterator<Item = &Arc<TableSchema>> {
    tables.iter().filter(|t| t.name == COMMITS || t.row_id().is_none())
}

fn columns(tables: &[Arc<TableSchema>]) -> Rows {
    let texts = [
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "column_default",
        "is_nullable",
        "data_type",
        "udt_name",
    ];
    let numbers =
        ["ordinal_position", "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision"];
    let mut rows = Rows::new(&texts, &numbers);
    for table in tables {
        for (column, ordinal) in table.columns.iter().filter(|c| !c.hidden).zip(1..) {
            let nullable = if column.nullable { "YES" } else { "NO" };
            let ty = plain_name(column.ty);
            rows.text([
                Some(CATALOG),
                Some(SCHEMA),
                Some(table.name.as_str()),
                Some(column.name.as_str()),
                column.default.as_deref(),
                Some(nullable),
                Some(ty.as_str()),
                Some(short_name(column.ty)),
            ]);
            let (precision, scale) = digits(column);
            rows.numbers([Some(ordinal), length(column), precision, scale, fraction(column)]);
        }
    }
    rows
}

/// The type's name without its parameters.
fn plain_name(ty: ColumnType) -> String {
    let name = display_name(ty);
    name.split('(').next().unwrap_or(&name).to_owned()
}

/// The name of the type in PostgreSQL's own catalog.
#[must_use]
pub fn short_name(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "bool",
        ColumnType::SmallInt => "int2",
        ColumnType::Integer => "int4",
        ColumnType::BigInt => "int8",
        ColumnType::Real => "float4",
        ColumnType::Double => "float8",
        ColumnType::Decimal { .. } => "numeric",
        ColumnType::Text => "text",
        ColumnType::Varchar { .. } => "varchar",
        ColumnType::Bytea => "bytea",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Timestamptz => "timestamptz",
        ColumnType::Uuid => "uuid",
    }
}

fn length(column: &Column) -> Option<i32> {
    match column.ty {
        ColumnType::Varchar { length } => i32::try_from(length).ok(),
        _ => None,
    }
}

fn digits(column: &Column) -> (Option<i32>, Option<i32>) {
    match column.ty {
        ColumnType::SmallInt => (Some(16), Some(0)),
        ColumnType::Integer => (Some(32), Some(0)),
        ColumnType::BigInt => (Some(64), Some(0)),
        ColumnType::Real => (Some(24), None),
        ColumnType::Double => (Some(53), None),
        ColumnType::Decimal { precision, scale } => (Some(precision.into()), Some(scale.into())),
        _ => (None, None),
    }
}

fn fraction(column: &Column) -> Option<i32> {
    match column.ty {
        ColumnType::Date => Some(0),
        ColumnType::Timestamp | ColumnType::Timestamptz => Some(6),
        _ => None,
    }
}

/// Rows of text columns followed by number columns.
pub(super) struct Rows {
    names: Vec<String>,
    texts: Vec<Vec<Option<String>>>,
    numbers: Vec<Vec<Option<i32>>>,
}

impl Rows {
    /// No rows, of those columns.
    pub(super) fn new(texts: &[&str], numbers: &[&str]) -> Self {
        Self {
            names: texts.iter().chain(numbers).map(|&n| n.to_owned()).collect(),
            texts: vec![vec![]; texts.len()],
            numbers: vec![vec![]; numbers.len()],
        }
    }

    /// The text columns of one more row.
    pub(super) fn text<const N: usize>(&mut self, values: [Option<&str>; N]) {
        for (column, value) in self.texts.iter_mut().zip(values) {
            column.push(value.map(str::to_owned));
        }
    }

    /// The number columns of that row.
    pub(super) fn numbers<const N: usize>(&mut self, values: [Option<i32>; N]) {
        for (column, value) in self.numbers.iter_mut().zip(values) {
            column.push(value);
        }
    }

    /// The batch.
    pub(super) fn finish(self) -> Result<RecordBatch> {
        let texts = self.texts.into_iter().map(|c| Arc::new(StringViewArray::from_iter(c)) as ArrayRef);
        let numbers = self.numbers.into_iter().map(|c| Arc::new(Int32Array::from(c)) as ArrayRef);
        let arrays: Vec<ArrayRef> = texts.chain(numbers).collect();
        let fields: Vec<Field> =
            self.names.iter().zip(&arrays).map(|(n, a)| Field::new(n, DataType::clone(a.data_type()), true)).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
    }
}
