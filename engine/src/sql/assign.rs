//! Assignment: values of any source type made into a column's stored type, as PostgreSQL assigns, and strictly.
//!
//! Promises: what comes out is in the column's storage type and of the same length, NULLs kept. A value that does not
//! fit is an error that names the value, the column and the row; text assigns to every type by reading it.
//! Never: a value wraps, is cut (blanks beyond VARCHAR(n) aside) or becomes NULL.

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::types::{ArrowPrimitiveType, Int64Type};
use arrow::array::{Array, ArrayRef, PrimitiveArray, StringArray, StringBuilder, make_array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use firn_manifest::schema::{Column, ColumnType};
use firn_segment::types::storage_type;

use super::fault::Fault;
use super::scalars::{parse_decimal, plain_number};
use super::text::value_text;
use super::types::display_name;
use super::{codes, convert, structured};
use crate::error::{Error, Result, sqlstate};

/// The largest single value, bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 20;

/// Which rows of the statement an array's values stand for.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// consecutive rows from this one on, counted from 0
    From(usize),
    /// each value's own row, counted from 0
    Each(&'a [usize]),
}

impl Rows<'_> {
    /// The row of a value, counted from 1.
    pub(super) fn number(self, index: usize) -> usize {
        1 + match self {
            Rows::From(first) => first + index,
            Rows::Each(rows) => rows.get(index).copied().unwrap_or(index),
        }
    }
}

/// The values of `source` as the column stores them.
///
/// # Errors
/// 42804 where PostgreSQL has no assignment cast, 22P02, 22003, 22007, 22008, 22001 for a value that does not fit,
/// 54000 for one beyond [`MAX_VALUE_BYTES`].
pub fn assign(source: &ArrayRef, column: &Column, rows: Rows<'_>) -> Result<ArrayRef> {
    let target = Target { column, rows };
    let source = plain(source)?;
    if *source.data_type() == DataType::Null {
        return Ok(new_null_array(&storage_type(column.ty), source.len()));
    }
    match column.ty {
        ColumnType::Boolean => convert::to_boolean(&target, &source),
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => convert::to_integer(&target, &source),
        ColumnType::Real => convert::to_real(&target, &source),
        ColumnType::Double => convert::to_double(&target, &source),
        ColumnType::Decimal { precision, scale } => convert::to_decimal(&target, &source, precision, scale),
        ColumnType::Text => convert::to_text(&target, &source, None),
        ColumnType::Varchar { length } => convert::to_text(&target, &source, Some(length)),
        ColumnType::Bytea => convert::to_bytea(&target, &source),
        ColumnType::Date => convert::to_date(&target, &source),
        ColumnType::Timestamp | ColumnType::Timestamptz => convert::to_timestamp(&target, &source),
        ColumnType::Uuid => convert::to_uuid(&target, &source),
        ColumnType::Time => structured::to_time(&target, &source),
        ColumnType::Interval => structured::to_interval(&target, &source),
        ColumnType::Json => structured::to_json(&target, &source),
        ColumnType::Jsonb => structured::to_jsonb(&target, &source),
        ColumnType::Array { of } => structured::to_array(&target, &source, of),
    }
}

/// Numeric literals as they were written, as the column stores them: exact for decimals, whatever their length.
///
/// # Errors
/// As [`assign`].
pub fn assign_numbers(literals: &StringArray, column: &Column, rows: Rows<'_>) -> Result<ArrayRef> {
    let target = Target { column, rows };
    match column.ty {
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            let ((min, max), name) = (target.bounds(), target.type_name());
            let wide = target.read::<Int64Type>(literals, |text| {
                let value = parse_decimal(text, 38, 0).map_err(|_| Fault::range(&name))?;
                i64::try_from(value).ok().filter(|v| (min..=max).contains(v)).ok_or_else(|| Fault::range(&name))
            })?;
            target.stored(Arc::new(wide))
        }
        ColumnType::Text | ColumnType::Varchar { .. } => {
            let mut printed = StringBuilder::new();
            for (index, text) in literals.iter().enumerate() {
                let text = text.map(|t| plain_number(t).map_err(|fault| target.error(fault, index, t))).transpose()?;
                printed.append_option(text);
            }
            assign(&(Arc::new(printed.finish()) as ArrayRef), column, rows)
        }
        ColumnType::Real | ColumnType::Double | ColumnType::Decimal { .. } => {
            assign(&(Arc::new(literals.clone()) as ArrayRef), column, rows)
        }
        _ if literals.null_count() == literals.len() => Ok(new_null_array(&storage_type(column.ty), literals.len())),
        _ => Err(target.mismatch(&DataType::Decimal128(38, 0))),
    }
}

/// The array in one of the few layouts that conversions know: Utf8, Binary, Int16/32/64, Float32/64, Decimal128/256, …
fn plain(source: &ArrayRef) -> Result<ArrayRef> {
    let to = match source.data_type() {
        DataType::Dictionary(_, values) => return plain(&converted(source, values)?),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::LargeBinary => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Int8 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        _ => return Ok(source.clone()),
    };
    converted(source, &to)
}

/// A cast between layouts that hold the same values.
pub(super) fn converted(source: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if source.data_type() == to {
        return Ok(source.clone());
    }
    cast(source, to).map_err(|e| {
        Error::statement(sqlstate::PROGRAM_LIMIT_EXCEEDED, format!("a batch of values is too large to hold: {e}"))
            .with_hint("use smaller batches")
    })
}

/// One column's assignment: gives faults their place.
pub(super) struct Target<'a> {
    pub(super) column: &'a Column,
    pub(super) rows: Rows<'a>,
}

impl Target<'_> {
    /// The error of the value at `index`.
    pub(super) fn error(&self, fault: Fault, index: usize, value: &str) -> Error {
        fault.at(value, &self.column.name, self.rows.number(index))
    }

    /// The column's type as PostgreSQL names it.
    pub(super) fn type_name(&self) -> String {
        display_name(self.column.ty)
    }

    /// There is no assignment from that type.
    pub(super) fn mismatch(&self, source: &DataType) -> Error {
        let (name, ty) = (&self.column.name, self.type_name());
        let given = source_name(source);
        Error::statement(
            codes::DATATYPE_MISMATCH,
            format!("column \"{name}\" is of type {ty} but the value is of type {given}"),
        )
        .with_hint("convert the value with CAST(… AS …)")
    }

    /// Refuses a value beyond the size limit.
    pub(super) fn check_size(&self, bytes: usize, index: usize) -> Result<()> {
        if bytes <= MAX_VALUE_BYTES {
            return Ok(());
        }
        Err(Error::statement(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("a value of {bytes} bytes is beyond the limit of 64 MiB for one value"),
        )
        .with_detail(format!("column \"{}\", row {}", self.column.name, self.rows.number(index)))
        .with_hint("store it in parts, or outside the database"))
    }

    /// Each value through `convert`; NULLs stay.
    pub(super) fn map<S, T>(
        &self,
        source: &PrimitiveArray<S>,
        convert: impl Fn(S::Native) -> Result<T::Native, Fault>,
    ) -> Result<PrimitiveArray<T>>
    where
        S: ArrowPrimitiveType,
        T: ArrowPrimitiveType,
    {
        let mut out = Vec::with_capacity(source.len());
        for (index, value) in source.iter().enumerate() {
            out.push(match value {
                None => None,
                Some(v) => Some(convert(v).map_err(|fault| self.error(fault, index, &value_text(source, index)))?),
            });
        }
        Ok(PrimitiveArray::from_iter(out))
    }

    /// Each text through `convert`; NULLs stay.
    pub(super) fn read<T: ArrowPrimitiveType>(
        &self,
        source: &StringArray,
        convert: impl Fn(&str) -> Result<T::Native, Fault>,
    ) -> Result<PrimitiveArray<T>> {
        let mut out = Vec::with_capacity(source.len());
        for (index, value) in source.iter().enumerate() {
            out.push(match value {
                None => None,
                Some(text) => Some(convert(text).map_err(|fault| self.error(fault, index, text))?),
            });
        }
        Ok(PrimitiveArray::from_iter(out))
    }

    /// The array in the column's stored type; its values are known to fit.
    pub(super) fn stored(&self, array: ArrayRef) -> Result<ArrayRef> {
        let wanted = storage_type(self.column.ty);
        match (array.data_type(), &wanted) {
            (have, want) if have == want => Ok(array),
            // precision, scale and zone are labels; the values are already in the column's terms
            (DataType::Decimal128(..), DataType::Decimal128(..))
            | (DataType::Timestamp(..), DataType::Timestamp(..)) => {
                let relabelled = array.to_data().into_builder().data_type(wanted).build();
                relabelled.map(make_array).map_err(|e| Error::internal(format!("column \"{}\": {e}", self.column.name)))
            }
            _ => converted(&array, &wanted),
        }
    }

    /// The bounds of an integer column.
    pub(super) fn bounds(&self) -> (i64, i64) {
        match self.column.ty {
            ColumnType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
            ColumnType::Integer => (i32::MIN.into(), i32::MAX.into()),
            _ => (i64::MIN, i64::MAX),
        }
    }
}

/// A source type as a message names it.
fn source_name(ty: &DataType) -> String {
    match ty {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 => "smallint".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".into(),
        DataType::Utf8 => "text".into(),
        DataType::Binary | DataType::FixedSizeBinary(_) => "bytea".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(_, None) => "timestamp without time zone".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::List(of) => format!("{}[]", source_name(of.data_type())),
        other => lower(other),
    }
}

fn lower(value: &impl Display) -> String {
    value.to_string().to_lowercase()
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
