//! Subscripts, slices and containment of arrays, as PostgreSQL has them.
//!
//! Promises: a place that an array does not have is NULL, whatever its sign; a NULL element is contained in nothing.
//! Never: a place counts from the end.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::types::Int64Type;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, StringArray, UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, ScalarUDF};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{Column, ColumnType};
use firn_segment::types::column_to_sql;

use super::assign::{Rows, assign};
use super::errors::external;
use super::fun::{Fun, Gives, is_text, is_whole, list_of, made};
use super::text::as_text;

/// The declared type of values of an Arrow type.
fn column_type(ty: &DataType) -> Option<ColumnType> {
    Some(match ty {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int16 => ColumnType::SmallInt,
        DataType::Int32 => ColumnType::Integer,
        DataType::Int64 => ColumnType::BigInt,
        DataType::Float32 => ColumnType::Real,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Utf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Date32 => ColumnType::Date,
        DataType::Time64(_) => ColumnType::Time,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::Timestamptz,
        DataType::Interval(_) => ColumnType::Interval,
        DataType::LargeBinary => ColumnType::Jsonb,
        DataType::LargeUtf8 => ColumnType::Json,
        _ => return None,
    })
}

/// A text literal as a value of type `ty`; `None` when it is no such literal.
#[must_use]
pub fn literal(expr: &Expr, ty: &DataType) -> Option<Expr> {
    let Expr::Literal(value, _) = expr else { return None };
    let text = value.try_as_str().flatten()?;
    let ty = match ty {
        DataType::List(of) => ColumnType::Array { of: column_type(of.data_type())?.as_element()? },
        other => column_type(other)?,
    };
    let column = Column::new(ColumnId(1), "", ty);
    let stored = assign(&(Arc::new(StringArray::from(vec![text])) as ArrayRef), &column, Rows::From(0)).ok()?;
    let array = column_to_sql(&stored, column.ty).ok()?;
    Some(Expr::Literal(ScalarValue::try_from_array(&array, 0).ok()?, None))
}

fn texts(items: &ArrayRef) -> Result<Vec<Option<String>>> {
    let texts = as_text(items).map_err(external)?;
    Ok(texts.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect())
}

fn contains(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(count);
    for row in 0..count {
        if args[0].is_null(row) || args[1].is_null(row) {
            out.push(None);
            continue;
        }
        let (all, some) = (args[0].as_list::<i32>().value(row), args[1].as_list::<i32>().value(row));
        let all: HashSet<String> = texts(&all)?.into_iter().flatten().collect();
        out.push(Some(texts(&some)?.iter().all(|t| t.as_ref().is_some_and(|t| all.contains(t)))));
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

/// Two lists of one type.
fn takes_two(types: &[DataType]) -> Option<Vec<DataType>> {
    let [DataType::List(a), DataType::List(b)] = types else { return None };
    let (a, b) = (a.data_type(), b.data_type());
    let common = match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (a, b) if is_text(a) && is_text(b) => DataType::Utf8View,
        (a, b) if a.is_integer() && b.is_integer() => DataType::Int64,
        (a, b) if a.is_numeric() && b.is_numeric() && (a.is_floating() || b.is_floating()) => DataType::Float64,
        (a, b) if a.is_numeric() && b.is_numeric() => DataType::Decimal128(38, 10),
        _ => return None,
    };
    Some(vec![list_of(common.clone()), list_of(common)])
}

fn whole(array: &ArrayRef, row: usize) -> Option<i64> {
    array.is_valid(row).then(|| array.as_primitive::<Int64Type>().value(row))
}

fn at(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let places: UInt32Array = (0..count)
        .map(|row| {
            let index = whole(&args[1], row)?.checked_sub(1)?;
            let length = i64::from(lists.value_length(row));
            let inside = lists.is_valid(row) && (0..length).contains(&index);
            inside.then(|| u32::try_from(i64::from(lists.value_offsets()[row]) + index).ok()).flatten()
        })
        .collect();
    Ok(take(lists.values(), &places, None)?)
}

fn slice(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let (mut places, mut lengths, mut valid) = (Vec::new(), Vec::with_capacity(count), Vec::with_capacity(count));
    for row in 0..count {
        let bounds = whole(&args[1], row).zip(whole(&args[2], row)).filter(|_| lists.is_valid(row));
        valid.push(bounds.is_some());
        let (from, to) = bounds.unwrap_or((1, 0));
        let (from, to) = (from.max(1), to.min(i64::from(lists.value_length(row))));
        lengths.push(usize::try_from((to - from + 1).max(0)).unwrap_or(0));
        let start = i64::from(lists.value_offsets()[row]);
        places.extend((from..=to).filter_map(|i| u64::try_from(start + i - 1).ok()));
    }
    let values = take(lists.values(), &UInt64Array::from(places), None)?;
    let DataType::List(field) = args[0].data_type() else { return Ok(args[0].clone()) };
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, Some(NullBuffer::from(valid)))?))
}

fn bound(args: &[ArrayRef], count: usize, of: fn(i32) -> i32) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let bounds = (0..count).map(|row| {
        let length = lists.value_length(row);
        (lists.is_valid(row) && length > 0 && whole(&args[1], row) == Some(1)).then(|| of(length))
    });
    Ok(Arc::new(bounds.collect::<Int32Array>()))
}

fn takes_index(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [list @ DataType::List(_), index] if is_whole(index) => Some(vec![list.clone(), DataType::Int64]),
        _ => None,
    }
}

fn takes_bounds(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [list @ DataType::List(_), from, to] if is_whole(from) && is_whole(to) => {
            Some(vec![list.clone(), DataType::Int64, DataType::Int64])
        }
        _ => None,
    }
}

fn element(types: &[DataType]) -> DataType {
    match types.first() {
        Some(DataType::List(of)) => of.data_type().clone(),
        _ => DataType::Null,
    }
}

/// The functions.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    let itself: Gives = |types| types.first().cloned().unwrap_or(DataType::Null);
    let number: Gives = |_| DataType::Int32;
    vec![
        Fun::udf("firn_array_contains", takes_two, |_| DataType::Boolean, contains),
        Fun::udf("firn_array_at", takes_index, element, at),
        Fun::udf("firn_array_slice", takes_bounds, itself, slice),
        Fun::udf("array_length", takes_index, number, |args, n| bound(args, n, |length| length)),
        Fun::udf("array_upper", takes_index, number, |args, n| bound(args, n, |length| length)),
        Fun::udf("array_lower", takes_index, number, |args, n| bound(args, n, |_| 1)),
        Fun::udf(
            "cardinality",
            |types| takes_index(&[types.first()?.clone(), DataType::Int64]).map(|t| t[..1].to_vec()),
            number,
            |args, n| {
                let lists = args[0].as_list::<i32>();
                let counts = (0..n).map(|row| lists.is_valid(row).then(|| lists.value_length(row)));
                Ok(Arc::new(counts.collect::<Int32Array>()))
            },
        ),
        Fun::udf("trim_array", takes_index, itself, |args, n| {
            let lists = args[0].as_list::<i32>();
            let ends = (0..n).map(|row| whole(&args[1], row).map(|cut| i64::from(lists.value_length(row)) - cut));
            let ends: ArrayRef = Arc::new(ends.collect::<arrow::array::Int64Array>());
            let ones = made(&(Arc::new(Int32Array::from(vec![1; n])) as ArrayRef), &DataType::Int64)?;
            slice(&[args[0].clone(), ones, ends], n)
        }),
    ]
}
