//! What a table is: columns, types, key; what a view and a SQL schema are. Plain data; it knows nothing of SQL text beyond the stored default expressions.
//!
//! Promises: a column keeps its [`ColumnId`] for ever, so renames and drops touch no file.
//! Never: a schema version is changed in place; a new version begins at the position of the commit that made it.

use serde::{Deserialize, Serialize};

use crate::ids::{ColumnId, Position, TableId};

/// The SQL schema that is always there.
pub const PUBLIC: &str = "public";

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
    /// TIME, microseconds of the day, 24:00:00 included
    Time,
    /// INTERVAL: months, days and microseconds, each with its own sign
    Interval,
    /// JSON: the text as it was given, known to be JSON
    Json,
    /// JSONB: the canonical text of a JSON value
    Jsonb,
    /// an array of one dimension, e.g. BIGINT[]
    Array {
        /// what its elements are; any of them may be NULL
        of: Element,
    },
}

/// The type of an array's elements: any type but an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Element {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Decimal { precision: u8, scale: u8 },
    Text,
    Varchar { length: u32 },
    Bytea,
    Date,
    Timestamp,
    Timestamptz,
    Uuid,
    Time,
    Interval,
    Json,
    Jsonb,
}

impl ColumnType {
    /// The same type as an array's element; `None` for an array.
    #[must_use]
    pub fn as_element(self) -> Option<Element> {
        Some(match self {
            Self::Boolean => Element::Boolean,
            Self::SmallInt => Element::SmallInt,
            Self::Integer => Element::Integer,
            Self::BigInt => Element::BigInt,
            Self::Real => Element::Real,
            Self::Double => Element::Double,
            Self::Decimal { precision, scale } => Element::Decimal { precision, scale },
            Self::Text => Element::Text,
            Self::Varchar { length } => Element::Varchar { length },
            Self::Bytea => Element::Bytea,
            Self::Date => Element::Date,
            Self::Timestamp => Element::Timestamp,
            Self::Timestamptz => Element::Timestamptz,
            Self::Uuid => Element::Uuid,
            Self::Time => Element::Time,
            Self::Interval => Element::Interval,
            Self::Json => Element::Json,
            Self::Jsonb => Element::Jsonb,
            Self::Array { .. } => return None,
        })
    }

    /// Whether values of the type can stand in a primary key or an index: equal values have one encoding, and it sorts
    /// as SQL does.
    #[must_use]
    pub fn is_keyable(self) -> bool {
        !matches!(self, Self::Interval | Self::Json | Self::Jsonb | Self::Array { .. })
    }
}

impl From<Element> for ColumnType {
    fn from(element: Element) -> Self {
        match element {
            Element::Boolean => Self::Boolean,
            Element::SmallInt => Self::SmallInt,
            Element::Integer => Self::Integer,
            Element::BigInt => Self::BigInt,
            Element::Real => Self::Real,
            Element::Double => Self::Double,
            Element::Decimal { precision, scale } => Self::Decimal { precision, scale },
            Element::Text => Self::Text,
            Element::Varchar { length } => Self::Varchar { length },
            Element::Bytea => Self::Bytea,
            Element::Date => Self::Date,
            Element::Timestamp => Self::Timestamp,
            Element::Timestamptz => Self::Timestamptz,
            Element::Uuid => Self::Uuid,
            Element::Time => Self::Time,
            Element::Interval => Self::Interval,
            Element::Json => Self::Json,
            Element::Jsonb => Self::Jsonb,
        }
    }
}

impl ColumnType {
    /// Whether every value of this type is one of `other` too, so that stored values can be read as it.
    #[must_use]
    pub fn widens_to(self, other: Self) -> bool {
        let digits = |ty| match ty {
            Self::SmallInt => Some((5, 0)),
            Self::Integer => Some((10, 0)),
            Self::BigInt => Some((19, 0)),
            Self::Decimal { precision, scale } => Some((precision - scale.min(precision), scale)),
            _ => None,
        };
        match (self, other) {
            (same, other) if same == other => true,
            (Self::SmallInt, Self::Integer | Self::BigInt)
            | (Self::Integer, Self::BigInt)
            | (Self::Real, Self::Double)
            | (Self::Varchar { .. }, Self::Text)
            | (Self::Date, Self::Timestamp) => true,
            (Self::Varchar { length: old }, Self::Varchar { length: new }) => new >= old,
            (from, to @ Self::Decimal { .. }) => match (digits(from), digits(to)) {
                (Some((whole, scale)), Some((more, finer))) => more >= whole && finer >= scale,
                _ => false,
            },
            _ => false,
        }
    }
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
    /// where its values come from, when not from the statement
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// COMMENT ON COLUMN
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Column {
    /// A nullable column without default.
    #[must_use]
    pub fn new(id: ColumnId, name: impl Into<String>, ty: ColumnType) -> Self {
        Self {
            id,
            name: name.into(),
            ty,
            nullable: true,
            default: None,
            initial: None,
            hidden: false,
            generated: None,
            comment: None,
        }
    }

    /// The same column, NOT NULL.
    #[must_use]
    pub fn not_null(self) -> Self {
        Self { nullable: false, ..self }
    }
}

/// Where the values of a generated column come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Generated {
    /// GENERATED … AS IDENTITY
    Identity {
        /// ALWAYS: a statement that gives a value is refused; else BY DEFAULT
        always: bool,
        /// the first number drawn
        start: i64,
        /// the step from one number to the next, not zero
        increment: i64,
        /// how often TRUNCATE … RESTART IDENTITY began the numbers again
        #[serde(default, skip_serializing_if = "is_zero")]
        restarts: u32,
    },
    /// GENERATED ALWAYS AS (expression) STORED
    Stored {
        /// the expression as SQL text over the row's other columns
        expression: String,
    },
}

fn is_zero(number: &u32) -> bool {
    *number == 0
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
    /// the SQL schema it stands in; `None` is `public`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// for the stored rows of an index: the table it belongs to
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_of: Option<TableId>,
    /// the name of the primary key's constraint, when it is not `<table>_pkey`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// CHECK constraints
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// secondary indexes, those behind UNIQUE constraints included
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// FOREIGN KEY constraints of this table
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
    /// COMMENT ON TABLE, COMMENT ON VIEW
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// for a view: the query it stands for; a view has no key and no rows of its own
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewQuery>,
}

/// The query that a view stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewQuery {
    /// the query as SQL text
    pub query: String,
    /// the SQL schemas that its plain names are looked up in, in order
    pub path: Vec<String>,
    /// the tables and views it names
    pub uses: Vec<TableId>,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// its name
    pub name: String,
    /// the condition as SQL text over the row's columns; FALSE refuses the row, NULL does not
    pub expression: String,
}

/// A secondary index. Its entries are rows of a table of their own (`TableSchema::index_of`), whose key is the indexed
/// values, encoded, followed by the primary key's bytes, so that files, snapshots and time travel treat them as any rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// its name
    pub name: String,
    /// the table that holds its entries
    pub table: TableId,
    /// the indexed columns, in order
    pub columns: Vec<ColumnId>,
    /// whether two rows may not agree in all indexed columns (NULL agrees with nothing)
    pub unique: bool,
    /// whether it was made by a UNIQUE constraint
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub constraint: bool,
    /// COMMENT ON INDEX
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A FOREIGN KEY constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// its name
    pub name: String,
    /// the referencing columns
    pub columns: Vec<ColumnId>,
    /// the referenced table
    pub table: TableId,
    /// the referenced columns: its primary key or the columns of a unique index
    pub referenced: Vec<ColumnId>,
    /// what a DELETE of the referenced row does
    pub on_delete: ReferentialAction,
    /// what a change of the referenced columns does
    pub on_update: ReferentialAction,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// the statement is refused (NO ACTION, RESTRICT)
    #[default]
    NoAction,
    /// they follow
    Cascade,
    /// their columns become NULL
    SetNull,
}

impl TableSchema {
    /// A table of these columns and key, with nothing else to it.
    #[must_use]
    pub fn new(id: TableId, name: impl Into<String>, columns: Vec<Column>, key: Vec<ColumnId>) -> Self {
        let next_column = columns.iter().map(|c| c.id.next()).max().unwrap_or(ColumnId(1));
        Self {
            id,
            name: name.into(),
            columns,
            key,
            next_column,
            schema: None,
            index_of: None,
            key_name: None,
            checks: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            comment: None,
            view: None,
        }
    }

    /// The SQL schema it stands in.
    #[must_use]
    pub fn schema_name(&self) -> &str {
        self.schema.as_deref().unwrap_or(PUBLIC)
    }

    /// Its name, with the SQL schema before it unless that is `public`.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }

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

/// A SQL schema: a place for names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlSchema {
    /// its name
    pub name: String,
    /// COMMENT ON SCHEMA
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A SQL schema and the positions it is there at: `begin <= p < end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersion {
    /// the schema
    #[serde(flatten)]
    pub schema: SqlSchema,
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
    /// DROP TABLE, DROP VIEW
    Drop {
        /// the table that ends
        id: TableId,
    },
    /// CREATE SCHEMA
    CreateSchema {
        /// the schema
        schema: SqlSchema,
    },
    /// COMMENT ON SCHEMA: the whole next version
    AlterSchema {
        /// the next version (same name)
        schema: SqlSchema,
    },
    /// DROP SCHEMA
    DropSchema {
        /// the schema that ends
        name: String,
    },
}
