//! Arrow types of columns: how they are stored, and how SQL sees them.
//!
//! Promises: a column is named by its number in stored bytes, so no name a user chose stands there.
//! Never: a cast here changes a value; only the layout of text and bytes differs between the two forms.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{ColumnType, TableSchema};

use crate::error::SegmentError;

/// The column that holds the position a row version began at, `UInt64`.
pub const BEGIN: &str = "_begin";
/// The column that holds the position a row version ended at, `UInt64`; history files only.
pub const END: &str = "_end";
/// The column that holds how a row version came to be ([`crate::RowOp`]), `UInt8`.
pub const OP: &str = "_op";

/// The type of a column's values in the WAL, the memtable and files.
#[must_use]
pub fn storage_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::SmallInt => DataType::Int16,
        ColumnType::Integer => DataType::Int32,
        ColumnType::BigInt => DataType::Int64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal { precision, scale } => {
            DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
        }
        ColumnType::Text | ColumnType::Varchar { .. } | ColumnType::Uuid => DataType::Utf8,
        ColumnType::Bytea => DataType::Binary,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// The type of a column's values in SQL: the stored one, text and bytes as views.
#[must_use]
pub fn sql_type(ty: ColumnType) -> DataType {
    view_of(&storage_type(ty))
}

/// The view type of text and bytes; any other type is itself.
pub(crate) fn view_of(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        other => other.clone(),
    }
}

/// The stored type of text and bytes; any other type is itself.
fn stored_of(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}

/// The only name a column has in stored bytes, e.g. `c7`.
#[must_use]
pub fn column_field_name(id: ColumnId) -> String {
    format!("c{id}")
}

/// The number in a column's stored name, if it is one.
#[must_use]
pub fn parse_column_field_name(name: &str) -> Option<ColumnId> {
    let digits = name.strip_prefix('c')?;
    let canonical =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    canonical.then(|| digits.parse().ok().map(ColumnId)).flatten()
}

/// A table's columns as they are stored: fields `c<ID>` in column order, nullable as declared.
#[must_use]
pub fn storage_schema(schema: &TableSchema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .columns
        .iter()
        .map(|c| Field::new(column_field_name(c.id), storage_type(c.ty), c.nullable && !schema.key.contains(&c.id)))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The array with text and bytes compacted into their stored layout; any other array is returned as it is.
///
/// # Errors
/// [`SegmentError`] of kind `TooLarge` if the text is beyond 2 GiB.
pub fn to_storage(array: &ArrayRef) -> Result<ArrayRef, SegmentError> {
    convert(array, stored_of)
}

/// The array with text and bytes as views; any other array is returned as it is.
///
/// # Errors
/// [`SegmentError`] of kind `TooLarge` if the cast refuses the array.
pub fn to_sql(array: &ArrayRef) -> Result<ArrayRef, SegmentError> {
    convert(array, view_of)
}

/// [`to_storage`] for each column; names, order and nullability stay.
///
/// # Errors
/// As [`to_storage`].
pub fn batch_to_storage(batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    convert_batch(batch, stored_of)
}

/// [`to_sql`] for each column; names, order and nullability stay.
///
/// # Errors
/// As [`to_sql`].
pub fn batch_to_sql(batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    convert_batch(batch, view_of)
}

fn convert(array: &ArrayRef, to: fn(&DataType) -> DataType) -> Result<ArrayRef, SegmentError> {
    let target = to(array.data_type());
    if *array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    cast(array, &target).map_err(|e| SegmentError::too_large("batch", e))
}

fn convert_batch(batch: &RecordBatch, to: fn(&DataType) -> DataType) -> Result<RecordBatch, SegmentError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let column = convert(column, to)?;
        fields.push(Field::new(field.name(), column.data_type().clone(), field.is_nullable()));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| SegmentError::input("batch", e))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use arrow::array::{Array as _, StringArray};

    #[test]
    fn text_goes_to_views_and_back() {
        let long = "x".repeat(100);
        let stored: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(long.as_str())]));
        let sql = to_sql(&stored).unwrap();
        assert_eq!(sql.data_type(), &DataType::Utf8View);
        assert_eq!(&to_storage(&sql).unwrap(), &stored);
    }

    #[test]
    fn names_are_numbers() {
        assert_eq!(column_field_name(ColumnId(7)), "c7");
        assert_eq!(parse_column_field_name("c7"), Some(ColumnId(7)));
        for other in ["c", "c07", "d7", "7", "c-1", "c99999999999999999999"] {
            assert_eq!(parse_column_field_name(other), None, "{other}");
        }
    }
}
