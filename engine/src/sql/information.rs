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
use firn_manifest::schema::{Column, ColumnType, Element, TableSchema};

use super::constraints::described;
use super::context::{CATALOG, INFORMATION_SCHEMA};
use super::types::display_name;
use crate::state::Snapshot;
use crate::state::catalog::COMMITS;

const NAMES: [&str; 8] = [
    "tables",
    "columns",
    "schemata",
    "table_constraints",
    "key_column_usage",
    "referential_constraints",
    "check_constraints",
    "views",
];

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
        tables.retain(|t| t.index_of.is_none());
        tables.extend(catalog.table(COMMITS, self.at).cloned());
        tables
    }

    fn rows(&self, name: &str) -> Option<Rows> {
        let tables = self.all_tables();
        Some(match name {
            "tables" => {
                let names = ["table_catalog", "table_schema", "table_name", "table_type", "table_comment"];
                let mut rows = Rows::new(&names, &[]);
                for table in &tables {
                    let ty = match &table.view {
                        _ if table.name == COMMITS => "SYSTEM TABLE",
                        Some(_) => "VIEW",
                        None => "BASE TABLE",
                    };
                    let (schema, comment) = (Some(table.schema_name()), table.comment.as_deref());
                    rows.text([Some(CATALOG), schema, Some(table.name.as_str()), Some(ty), comment]);
                }
                for name in NAMES {
                    rows.text([Some(CATALOG), Some(INFORMATION_SCHEMA), Some(name), Some("VIEW"), None]);
                }
                rows
            }
            "columns" => columns(&tables),
            "schemata" => {
                let mut rows = Rows::new(&["catalog_name", "schema_name", "schema_owner", "schema_comment"], &[]);
                let catalog = self.snapshot.catalog();
                for name in catalog.schema_names(self.at) {
                    let comment = catalog.sql_schema(&name, self.at).and_then(|s| s.comment.as_deref());
                    rows.text([Some(CATALOG), Some(name.as_str()), Some(CATALOG), comment]);
                }
                rows.text([Some(CATALOG), Some(INFORMATION_SCHEMA), Some(CATALOG), None]);
                rows
            }
            "table_constraints" => described::table_constraints(&tables),
            "key_column_usage" => described::key_column_usage(&tables),
            "referential_constraints" => described::referential_constraints(&tables),
            "check_constraints" => described::check_constraints(&tables),
            "views" => {
                let names = ["table_catalog", "table_schema", "table_name", "view_definition", "is_updatable"];
                let mut rows = Rows::new(&names, &[]);
                for table in &tables {
                    let Some(view) = &table.view else { continue };
                    let (schema, name) = (Some(table.schema_name()), Some(table.name.as_str()));
                    rows.text([Some(CATALOG), schema, name, Some(view.query.as_str()), Some("NO")]);
                }
                rows
            }
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
        "column_comment",
        "is_identity",
        "identity_generation",
        "identity_start",
        "identity_increment",
        "is_generated",
        "generation_expression",
    ];
    let numbers =
        ["ordinal_position", "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision"];
    let mut rows = Rows::new(&texts, &numbers);
    for table in tables {
        for (column, ordinal) in table.columns.iter().filter(|c| !c.hidden).zip(1..) {
            let nullable = if column.nullable { "YES" } else { "NO" };
            let ty = plain_name(column.ty);
            let made = described::generated(column);
            rows.text([
                Some(CATALOG),
                Some(table.schema_name()),
                Some(table.name.as_str()),
                Some(column.name.as_str()),
                column.default.as_deref().filter(|_| table.view.is_none()),
                Some(nullable),
                Some(ty.as_str()),
                Some(short_name(column.ty)),
                column.comment.as_deref(),
                made[0].as_deref(),
                made[1].as_deref(),
                made[2].as_deref(),
                made[3].as_deref(),
                made[4].as_deref(),
                made[5].as_deref(),
            ]);
            let (precision, scale) = digits(column);
            rows.numbers([Some(ordinal), length(column), precision, scale, fraction(column)]);
        }
    }
    rows
}

/// The type's name without its parameters.
fn plain_name(ty: ColumnType) -> String {
    if matches!(ty, ColumnType::Array { .. }) {
        return "ARRAY".to_owned();
    }
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
        ColumnType::Time => "time",
        ColumnType::Interval => "interval",
        ColumnType::Json => "json",
        ColumnType::Jsonb => "jsonb",
        ColumnType::Array { of } => short_array_name(of),
    }
}

/// The name of an array's type in PostgreSQL's own catalog: its element's after an underscore.
fn short_array_name(of: Element) -> &'static str {
    match of {
        Element::Boolean => "_bool",
        Element::SmallInt => "_int2",
        Element::Integer => "_int4",
        Element::BigInt => "_int8",
        Element::Real => "_float4",
        Element::Double => "_float8",
        Element::Decimal { .. } => "_numeric",
        Element::Text => "_text",
        Element::Varchar { .. } => "_varchar",
        Element::Bytea => "_bytea",
        Element::Date => "_date",
        Element::Timestamp => "_timestamp",
        Element::Timestamptz => "_timestamptz",
        Element::Uuid => "_uuid",
        Element::Time => "_time",
        Element::Interval => "_interval",
        Element::Json => "_json",
        Element::Jsonb => "_jsonb",
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
        ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Interval => Some(6),
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

    /// The same, of as many columns as there are.
    pub(super) fn texts(&mut self, values: &[Option<&str>]) {
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
