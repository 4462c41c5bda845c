//! The columnar file: rows of one table, sorted by key, as standard Parquet under Modular Encryption with our key index
//! in its tail.
//!
//! Promises: one read of the tail gives everything but the pages; a row is found by key without reading other pages
//! than those that can hold it; nothing of the file is used before it was authenticated.
//! Never: a Parquet bloom filter (parquet-rs does not encrypt them), a plain name or value, a file of no rows.

mod bounds;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod index;
mod layout;
mod pages;
pub mod reader;
mod source;
mod tail;
pub mod writer;

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::model::{FileEntry, FileKind, ObjectRef};
use firn_manifest::schema::{ColumnType, TableSchema};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::types::{BEGIN, END, OP, column_field_name, sql_type, storage_type};

pub use reader::SstReader;
pub use source::{RangeSource, StoreSource};
pub use writer::SstWriter;

/// Rows of a data page, and of an entry of the key index.
pub const PAGE_ROWS: u32 = 1024;
/// Rows of a row group, except the last one and those of very wide rows.
pub const GROUP_ROWS: u32 = 65_536;

/// The name of a new file.
#[must_use]
pub fn sst_name(id: Ulid) -> String {
    format!("sst/{id}.parquet")
}

/// The ULID in a file's name, if it is one that [`sst_name`] makes.
#[must_use]
pub fn parse_sst_name(name: &str) -> Option<Ulid> {
    let text = name.strip_prefix("sst/")?.strip_suffix(".parquet")?;
    let id = Ulid::from_string(text).ok()?;
    (sst_name(id) == name).then_some(id)
}

/// What a file is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SstSpec {
    /// the table
    pub table: TableId,
    /// open versions or ended ones
    pub kind: FileKind,
    /// the table's columns, in order
    pub columns: Vec<(ColumnId, ColumnType)>,
    /// the primary key, in key order
    pub key: Vec<ColumnId>,
    /// columns that hold no NULL; the key's need not be named
    pub required: Vec<ColumnId>,
}

impl SstSpec {
    /// A file of `kind` for a table as `schema` has it.
    #[must_use]
    pub fn of(schema: &TableSchema, kind: FileKind) -> Self {
        Self {
            table: schema.id,
            kind,
            columns: schema.columns.iter().map(|c| (c.id, c.ty)).collect(),
            key: schema.key.clone(),
            required: schema.columns.iter().filter(|c| !c.nullable).map(|c| c.id).collect(),
        }
    }

    /// What [`SstWriter::push`] takes: the columns, `_begin`, `_end` (history only), `_op`.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let column = |(id, ty): &(ColumnId, ColumnType)| {
            let required = self.key.contains(id) || self.required.contains(id);
            Field::new(column_field_name(*id), storage_type(*ty), !required)
        };
        let mut fields: Vec<Field> = self.columns.iter().map(column).collect();
        fields.push(Field::new(BEGIN, DataType::UInt64, false));
        if self.kind == FileKind::History {
            fields.push(Field::new(END, DataType::UInt64, false));
        }
        fields.push(Field::new(OP, DataType::UInt8, false));
        Arc::new(Schema::new(fields))
    }
}

/// A finished file.
#[derive(Clone, Debug)]
pub struct SstOutput {
    /// the bytes to store under `entry.name`
    pub bytes: Bytes,
    /// what the manifest's sealed section says of it
    pub entry: FileEntry,
    /// what the manifest's envelope says of it
    pub object: ObjectRef,
}

/// A column to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadColumn {
    /// a column of the table; all NULL if the file does not have it
    Column(ColumnId, ColumnType),
    /// the position the version began at
    Begin,
    /// the position the version ended at; NULL in files of open versions
    End,
    /// how the version came to be
    Op,
}

/// The schema of what a read of `columns` gives: names as stored, SQL types; the table's columns and `_end` nullable.
#[must_use]
pub fn read_schema(columns: &[ReadColumn]) -> SchemaRef {
    let field = |column: &ReadColumn| match column {
        ReadColumn::Column(id, ty) => Field::new(column_field_name(*id), sql_type(*ty), true),
        ReadColumn::Begin => Field::new(BEGIN, DataType::UInt64, false),
        ReadColumn::End => Field::new(END, DataType::UInt64, true),
        ReadColumn::Op => Field::new(OP, DataType::UInt8, false),
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub struct ReadPlan {
    /// columns, in the order they come out
    pub columns: Vec<ReadColumn>,
    /// row groups, ascending
    pub row_groups: Vec<usize>,
    /// rows to read, ascending and apart, counted over the chosen row groups one after another; `None` reads them all
    pub ranges: Option<Vec<Range<usize>>>,
    /// rows of a batch at the most
    pub batch_size: usize,
}

/// A row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowGroupInfo {
    /// its ordinal
    pub index: usize,
    /// the ordinal of its first row in the file
    pub first_row: u32,
    /// rows in it
    pub rows: u32,
}

/// What the key index says of the file: it makes the file readable without the catalog. The order of fields is the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMeta {
    table: TableId,
    kind: FileKind,
    rows: u64,
    page_rows: u32,
    columns: Vec<MetaColumn>,
    key: Vec<ColumnId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetaColumn {
    id: ColumnId,
    ty: ColumnType,
}

impl FileMeta {
    fn column_type(&self, id: ColumnId) -> Option<ColumnType> {
        self.columns.iter().find(|c| c.id == id).map(|c| c.ty)
    }

    /// The key's columns with their types; `None` if one is not a column.
    fn key_columns(&self) -> Option<Vec<(ColumnId, ColumnType)>> {
        self.key.iter().map(|id| Some((*id, self.column_type(*id)?))).collect()
    }
}
