//! What a table is: columns, types, key. Plain data; it knows nothing of SQL text beyond the stored default expressions.
//!
//! Promises: a column keeps its [`ColumnId`] for ever, so renames and drops touch no file.
//! Never: a schema version is changed in place; a new version begins at the position of the commit that made it.

use serde::{Deserialize, Serialize};

use crate::ids::{ColumnId, Position, TableId};

/// The type of a column as the user declared it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// BOOLEAN
    Boolean,
    /// SMALLINT, 16 bits
    SmallInt,
    /// INTEGER, 32 bits
    Integer,
    /// BIGINT, 64 bits
    BigInt,
    /// REAL, 32 bits
    Real,
    /// DOUBLE PRECISION, 64 bits
    Double,
    /// DECIMAL(precision, scale), at most 38 digits
    Decimal {
        /// digits in all, 1 to 38
        precision: u8,
        /// digits after the point, 0 to precision
        scale: u8,
    },
    /// TEXT
    Text,
    /// VARCHAR(n): at most n characters (Unicode scalar values)
    Varchar {
        /// characters at the most
        length: u32,
    },
    /// BYTEA
    Bytea,
    /// DATE, days since 1970-01-01
    Date,
    /// TIMESTAMP, microseconds, no zone
    Timestamp,
    /// TIMESTAMPTZ, microseconds, UTC
    Timestamptz,
    /// UUID; stored as its canonical lower-case text
    Uuid,
}

/// One column of a table version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// its number, kept over renames
    pub id: ColumnId,
    /// its name as SQL sees it
    pub name: String,
    /// its type
    pub ty: ColumnType,
    /// whether NULL is allowed
    pub nullable: bool,
    /// the DEFAULT expression as SQL text, applied by INSERT
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// the value (as text that casts to the type) that rows written before ALTER TABLE ADD COLUMN show; `None` is NULL
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// true for the row id of a table that has no key: not part of `SELECT *`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// One version of a table's schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// the table's number
    pub id: TableId,
    /// its name as SQL sees it
    pub name: String,
    /// the columns in order, the hidden row id (if any) last
    pub columns: Vec<Column>,
    /// the primary key, in key order; never empty (a table without a key has its hidden row id here)
    pub key: Vec<ColumnId>,
    /// the next column id that was never used
    pub next_column: ColumnId,
}

impl TableSchema {
    /// The column of that number, if this version has it.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        self.columns.iter().find(|c| c.id == id)
    }

    /// The column of that name, if this version has it.
    #[must_use]
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The hidden row id column of a table that was made without a key.
    #[must_use]
    pub fn row_id(&self) -> Option<&Column> {
        self.columns.iter().find(|c| c.hidden)
    }

    /// The key's columns, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|id| self.column(*id))
    }
}

/// A schema and the positions it is valid in: `begin <= p < end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableVersion {
    /// the schema
    pub schema: TableSchema,
    /// the first position that sees it
    pub begin: Position,
    /// the first position that no longer sees it; `None` while it is current
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Position>,
}

/// A change of the catalog, as a commit record carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum CatalogChange {
    /// CREATE TABLE
    Create {
        /// the first version
        schema: TableSchema,
    },
    /// ALTER TABLE: the whole next version
    Alter {
        /// the next version (same id)
        schema: TableSchema,
    },
    /// DROP TABLE
    Drop {
        /// the table that ends
        id: TableId,
    },
}
