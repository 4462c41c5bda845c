//! Arrow types of columns: how they are stored, and how SQL sees them.
//!
//! Promises: a column is named by its number in stored bytes, so no name a user chose stands there.
//! SQL tells the kinds of text apart by their Arrow type, which every operator passes on: TEXT is `Utf8View`, JSON
//! `LargeUtf8`, JSONB `LargeBinary`; they are all stored as `Utf8`. An INTERVAL is stored in [`INTERVAL_BYTES`] bytes,
//! since Parquet has no interval: months (i32), days (i32), microseconds (i64), each big-endian.
//! Never: a cast here changes a value; only the layout differs between the two forms.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, IntervalMonthDayNanoArray, ListArray, RecordBatch,
    RecordBatchOptions,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Schema, SchemaRef,
    TimeUnit,
};
use arrow::error::ArrowError;
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{ColumnType, TableSchema};

use crate::error::SegmentError;

/// The column that holds the position a row version began at, `UInt64`.
pub const BEGIN: &str = "_begin";
/// The column that holds the position a row version ended at, `UInt64`; history files only.
pub const END: &str = "_end";
/// The column that holds how a row version came to be ([`crate::RowOp`]), `UInt8`.
pub const OP: &str = "_op";

/// The bytes of a stored INTERVAL.
pub const INTERVAL_BYTES: i32 = 16;

/// An INTERVAL in SQL; its nanoseconds are whole microseconds.
pub const SQL_INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

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
        ColumnType::Text | ColumnType::Varchar { .. } | ColumnType::Uuid | ColumnType::Json | ColumnType::Jsonb => {
            DataType::Utf8
        }
        ColumnType::Bytea => DataType::Binary,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::Time => DataType::Time64(TimeUnit::Microsecond),
        ColumnType::Interval => DataType::FixedSizeBinary(INTERVAL_BYTES),
        ColumnType::Array { of } => DataType::List(item(storage_type(of.into()))),
    }
}

/// The type of a column's values in SQL: the stored one, text and bytes as views.
#[must_use]
pub fn sql_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Json => DataType::LargeUtf8,
        ColumnType::Jsonb => DataType::LargeBinary,
        ColumnType::Interval => SQL_INTERVAL,
        ColumnType::Array { of } => DataType::List(item(sql_type(of.into()))),
        plain => view_of(&storage_type(plain)),
    }
}

fn item(ty: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(ty, true))
}

/// The view type of text and bytes; any other type is itself.
pub(crate) fn view_of(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(of) => DataType::List(Arc::new(of.as_ref().clone().with_data_type(view_of(of.data_type())))),
        other => other.clone(),
    }
}

/// The stored type of what SQL holds.
fn stored_of(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::LargeBinary => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Interval(_) => DataType::FixedSizeBinary(INTERVAL_BYTES),
        DataType::List(of) => DataType::List(item(stored_of(of.data_type()))),
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

/// The array in its stored layout.
///
/// # Errors
/// [`SegmentError`] of kind `TooLarge` if the text is beyond 2 GiB.
pub fn to_storage(array: &ArrayRef) -> Result<ArrayRef, SegmentError> {
    convert(array, stored_of)
}

/// Stored values of a column as SQL holds them.
///
/// # Errors
/// [`SegmentError`] of kind `TooLarge` if the cast refuses the array.
pub fn column_to_sql(array: &ArrayRef, ty: ColumnType) -> Result<ArrayRef, SegmentError> {
    recast(array, &sql_type(ty))
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
    recast(array, &to(array.data_type()))
}

/// The array in another layout of the same values.
fn recast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, SegmentError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::FixedSizeBinary(INTERVAL_BYTES), DataType::Interval(IntervalUnit::MonthDayNano)) => {
            Ok(Arc::new(read_intervals(array)?))
        }
        (DataType::Interval(IntervalUnit::MonthDayNano), DataType::FixedSizeBinary(INTERVAL_BYTES)) => {
            write_intervals(array)
        }
        (DataType::List(_), DataType::List(of)) => {
            let lists = array.as_list::<i32>();
            let values = recast(lists.values(), of.data_type())?;
            let list = ListArray::try_new(Arc::clone(of), lists.offsets().clone(), values, lists.nulls().cloned());
            Ok(Arc::new(list.map_err(|e| SegmentError::input("batch", e))?))
        }
        _ => cast(array, target).map_err(|e| SegmentError::too_large("batch", e)),
    }
}

fn write_intervals(array: &ArrayRef) -> Result<ArrayRef, SegmentError> {
    let intervals = array.as_primitive::<IntervalMonthDayNanoType>();
    let mut out = FixedSizeBinaryBuilder::with_capacity(intervals.len(), INTERVAL_BYTES);
    for value in intervals {
        let Some(value) = value else {
            out.append_null();
            continue;
        };
        let mut bytes = [0u8; INTERVAL_BYTES as usize];
        bytes[..4].copy_from_slice(&value.months.to_be_bytes());
        bytes[4..8].copy_from_slice(&value.days.to_be_bytes());
        bytes[8..].copy_from_slice(&(value.nanoseconds / 1_000).to_be_bytes());
        out.append_value(bytes).map_err(|e| SegmentError::input("batch", e))?;
    }
    Ok(Arc::new(out.finish()))
}

fn read_intervals(array: &ArrayRef) -> Result<IntervalMonthDayNanoArray, SegmentError> {
    let stored = array.as_fixed_size_binary();
    let mut out = Vec::with_capacity(stored.len());
    for bytes in stored {
        let Some(bytes) = bytes else {
            out.push(None);
            continue;
        };
        let ([months, days], micros) = (fields(bytes), bytes[8..].first_chunk().map(|b| i64::from_be_bytes(*b)));
        let nanoseconds = micros
            .and_then(|m| m.checked_mul(1_000))
            .ok_or_else(|| SegmentError::integrity("batch", "an interval is beyond what one can be"))?;
        out.push(Some(IntervalMonthDayNano { months, days, nanoseconds }));
    }
    Ok(IntervalMonthDayNanoArray::from(out))
}

fn fields(bytes: &[u8]) -> [i32; 2] {
    let at = |from: usize| bytes[from..].first_chunk().map_or(0, |b| i32::from_be_bytes(*b));
    [at(0), at(4)]
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

/// Values as a column of a wider type, or of the type it had before, holds them. A value that does not fit becomes NULL:
/// it is of a row that the older version of the table does not see.
///
/// # Errors
/// When the types have nothing to do with each other.
pub fn read_as(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == ty {
        return Ok(array.clone());
    }
    if stored_of(array.data_type()) == stored_of(ty) {
        return recast(array, ty).map_err(|e| ArrowError::CastError(e.to_string()));
    }
    cast_with_options(array, ty, &CastOptions { safe: true, ..CastOptions::default() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use arrow::array::StringArray;
    use firn_manifest::schema::Element;

    #[test]
    fn text_goes_to_views_and_back() {
        let long = "x".repeat(100);
        let stored: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(long.as_str())]));
        let sql = to_sql(&stored).unwrap();
        assert_eq!(sql.data_type(), &DataType::Utf8View);
        assert_eq!(&to_storage(&sql).unwrap(), &stored);
    }

    #[test]
    fn intervals_and_lists_are_stored_and_read() {
        let one = IntervalMonthDayNano { months: -1, days: 2, nanoseconds: -3_000 };
        let sql: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![Some(one), None]));
        let stored = to_storage(&sql).unwrap();
        assert_eq!(stored.data_type(), &storage_type(ColumnType::Interval));
        assert_eq!(hex::encode(stored.as_fixed_size_binary().value(0)), "ffffffff00000002fffffffffffffffd");
        assert_eq!(&column_to_sql(&stored, ColumnType::Interval).unwrap(), &sql);
        for of in [Element::Text, Element::Interval, Element::Jsonb, Element::Bytea] {
            let ty = ColumnType::Array { of };
            let empty = arrow::array::new_null_array(&sql_type(ty), 3);
            let stored = to_storage(&empty).unwrap();
            assert_eq!(stored.data_type(), &storage_type(ty));
            assert_eq!(&column_to_sql(&stored, ty).unwrap(), &empty);
        }
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
