//! Rows as SQL sees them: schemas by column name, and the filling of columns that stored rows do not have.
//!
//! Promises: whatever schema version a row was written under, it comes out in the shape of the version it is read under.
//! Never: a missing column becomes anything but its recorded initial value or NULL.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use firn_manifest::schema::{Column, ColumnType, TableSchema};
use firn_segment::types::{column_field_name, column_to_sql, read_as, sql_type, storage_type};

use crate::error::{Error, Result};
use crate::sql::assign::{Rows, assign};

/// The name of a declared type as field metadata carries it, e.g. `varchar(20)`.
#[must_use]
pub fn type_name(ty: ColumnType) -> String {
    match ty {
        ColumnType::Boolean => "boolean".into(),
        ColumnType::SmallInt => "smallint".into(),
        ColumnType::Integer => "integer".into(),
        ColumnType::BigInt => "bigint".into(),
        ColumnType::Real => "real".into(),
        ColumnType::Double => "double precision".into(),
        ColumnType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        ColumnType::Text => "text".into(),
        ColumnType::Varchar { length } => format!("varchar({length})"),
        ColumnType::Bytea => "bytea".into(),
        ColumnType::Date => "date".into(),
        ColumnType::Timestamp => "timestamp".into(),
        ColumnType::Timestamptz => "timestamptz".into(),
        ColumnType::Uuid => "uuid".into(),
        ColumnType::Time => "time".into(),
        ColumnType::Interval => "interval".into(),
        ColumnType::Json => "json".into(),
        ColumnType::Jsonb => "jsonb".into(),
        ColumnType::Array { of } => format!("{}[]", type_name(of.into())),
    }
}

/// One column as SQL sees it.
#[must_use]
pub fn sql_field(column: &Column) -> Field {
    Field::new(&column.name, sql_type(column.ty), column.nullable)
        .with_metadata(HashMap::from([("firn.type".to_owned(), type_name(column.ty))]))
}

/// A table's columns by name in SQL types; the hidden row id only when asked for.
#[must_use]
pub fn sql_schema(table: &TableSchema, with_hidden: bool) -> SchemaRef {
    Arc::new(Schema::new(table.columns.iter().filter(|c| with_hidden || !c.hidden).map(sql_field).collect::<Vec<_>>()))
}

/// `rows` values of a column that the stored rows do not have.
///
/// # Errors
/// When the recorded initial value does not fit the column's type.
pub fn initial_values(column: &Column, rows: usize) -> Result<ArrayRef> {
    let Some(text) = &column.initial else {
        return Ok(new_null_array(&storage_type(column.ty), rows));
    };
    if matches!(column.ty, ColumnType::Interval | ColumnType::Time | ColumnType::Array { .. }) {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
        let one = assign(&texts, column, Rows::From(0))?;
        return take(&one, &UInt32Array::from(vec![0; rows]), None)
            .map_err(|e| Error::internal(format!("initial value of column {:?}: {e}", column.name)));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let bytea = column.ty == ColumnType::Bytea;
    let array: ArrayRef = if bytea {
        let bytes = hex::decode(text.trim_start_matches("\\x"))
            .map_err(|e| Error::internal(format!("initial value of column {:?}: {e}", column.name)))?;
        Arc::new(arrow::array::BinaryArray::from_iter_values(std::iter::repeat_n(&bytes, rows)))
    } else {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)));
        cast_with_options(&texts, &storage_type(column.ty), &strict)
            .map_err(|e| Error::internal(format!("initial value of column {:?}: {e}", column.name)))?
    };
    Ok(array)
}

/// A column of stored rows, in storage type; filled when the rows were written before it was added.
///
/// # Errors
/// See [`initial_values`].
pub fn stored_column(batch: &RecordBatch, column: &Column) -> Result<ArrayRef> {
    match batch.column_by_name(&column_field_name(column.id)) {
        // the column's type may have been widened since the rows were written
        Some(array) => read_as(array, &storage_type(column.ty))
            .map_err(|e| Error::internal(format!("values of column {:?}: {e}", column.name))),
        None => initial_values(column, batch.num_rows()),
    }
}

/// A column of stored rows, in SQL type.
///
/// # Errors
/// See [`initial_values`].
pub fn sql_column(batch: &RecordBatch, column: &Column) -> Result<ArrayRef> {
    let stored = stored_column(batch, column)?;
    column_to_sql(&stored, column.ty).map_err(Error::from)
}

/// All columns of stored rows of a table, in SQL types.
///
/// # Errors
/// When a column's values are not of its type.
pub fn sql_columns(table: &TableSchema, stored: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    table.columns.iter().zip(stored).map(|(column, array)| Ok(column_to_sql(array, column.ty)?)).collect()
}
