//! Assignment to the types with an inside of their own: TIME, INTERVAL, JSON, JSONB and arrays.
//!
//! Promises: what is stored reads back as it is printed; JSON and JSONB are known to be JSON; an array's elements are
//! assigned as a column of their type would be.
//! Never: an array of more than one dimension, or a size beyond what a value may have.

use std::sync::Arc;

use arrow::array::types::{
    DurationMicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::array::{
    Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, ListArray, PrimitiveArray, StringArray, StringBuilder,
    new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use firn_manifest::schema::{Column, Element};
use firn_segment::types::{storage_type, to_storage};

use super::assign::{Rows, Target, assign, converted};
use super::{datetime, interval, json, lists};
use crate::error::{Error, Result};

const DAY_MICROS: i64 = 86_400_000_000;

pub(super) fn to_time(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let values: PrimitiveArray<Time64MicrosecondType> = match source.data_type() {
        DataType::Time64(TimeUnit::Microsecond) => return Ok(source.clone()),
        DataType::Time32(_) | DataType::Time64(_) => {
            return converted(source, &DataType::Time64(TimeUnit::Microsecond));
        }
        DataType::Utf8 => target.read(source.as_string(), datetime::parse_time)?,
        DataType::Timestamp(_, zone) => {
            let micros = converted(source, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            target.map::<TimestampMicrosecondType, _>(micros.as_primitive(), |t| Ok(t.rem_euclid(DAY_MICROS)))?
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => target
            .map::<IntervalMonthDayNanoType, _>(source.as_primitive(), |v| {
                Ok(interval::micros(v).rem_euclid(DAY_MICROS))
            })?,
        other => return Err(target.mismatch(other)),
    };
    Ok(Arc::new(values))
}

pub(super) fn to_interval(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let values: IntervalMonthDayNanoArray = match source.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => source.as_primitive().clone(),
        DataType::Interval(_) => {
            converted(source, &DataType::Interval(IntervalUnit::MonthDayNano))?.as_primitive().clone()
        }
        DataType::Utf8 => target.read(source.as_string(), interval::parse)?,
        DataType::Time64(TimeUnit::Microsecond) => {
            target.map::<Time64MicrosecondType, _>(source.as_primitive(), |t| interval::interval(0, 0, t.into()))?
        }
        DataType::Duration(_) => {
            let micros = converted(source, &DataType::Duration(TimeUnit::Microsecond))?;
            target.map::<DurationMicrosecondType, _>(micros.as_primitive(), |t| {
                interval::interval(0, (t / DAY_MICROS).into(), (t % DAY_MICROS).into())
            })?
        }
        other => return Err(target.mismatch(other)),
    };
    Ok(to_storage(&(Arc::new(values) as ArrayRef))?)
}

/// Each text through `convert`.
fn texts(
    target: &Target<'_>,
    source: &ArrayRef,
    convert: impl Fn(&str) -> std::result::Result<Option<String>, super::fault::Fault>,
) -> Result<ArrayRef> {
    let DataType::Utf8 = source.data_type() else { return Err(target.mismatch(source.data_type())) };
    let given = source.as_string::<i32>();
    let mut out = StringBuilder::with_capacity(given.len(), given.value_data().len());
    for (index, text) in given.iter().enumerate() {
        let Some(text) = text else {
            out.append_null();
            continue;
        };
        target.check_size(text.len(), index)?;
        match convert(text).map_err(|fault| target.error(fault, index, text))? {
            Some(new) => out.append_value(new),
            None => out.append_value(text),
        }
    }
    Ok(Arc::new(out.finish()))
}

pub(super) fn to_json(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    texts(target, source, |text| json::parse(text).map(|_| None))
}

pub(super) fn to_jsonb(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    texts(target, source, |text| json::parse(text).map(|value| Some(value.text())))
}

pub(super) fn to_array(target: &Target<'_>, source: &ArrayRef, of: Element) -> Result<ArrayRef> {
    let element = Column::new(target.column.id, target.column.name.clone(), of.into());
    let (mut parts, mut lengths, mut valid): (Vec<ArrayRef>, Vec<usize>, Vec<bool>) = (vec![], vec![], vec![]);
    match source.data_type() {
        DataType::List(_) => {
            for (index, items) in source.as_list::<i32>().iter().enumerate() {
                valid.push(items.is_some());
                lengths.push(items.as_ref().map_or(0, |i| i.len()));
                if let Some(items) = items {
                    parts.push(elements(target, &items, &element, index)?);
                }
            }
        }
        DataType::Utf8 => {
            for (index, text) in source.as_string::<i32>().iter().enumerate() {
                valid.push(text.is_some());
                let Some(text) = text else {
                    lengths.push(0);
                    continue;
                };
                target.check_size(text.len(), index)?;
                let items = lists::parse(text).map_err(|fault| target.error(fault, index, text))?;
                lengths.push(items.len());
                parts.push(elements(target, &(Arc::new(StringArray::from(items)) as ArrayRef), &element, index)?);
            }
        }
        other => return Err(target.mismatch(other)),
    }
    let ty = storage_type(of.into());
    let joined = match parts.as_slice() {
        [] => new_null_array(&ty, 0),
        parts => concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            .map_err(|e| Error::internal(format!("elements of an array do not join: {e}")))?,
    };
    let field = Arc::new(Field::new_list_field(ty, true));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), joined, Some(NullBuffer::from(valid)));
    list.map(|list| Arc::new(list) as ArrayRef)
        .map_err(|e| Error::internal(format!("an array of column \"{}\": {e}", target.column.name)))
}

/// The elements of one array; all of them stand in one row.
fn elements(target: &Target<'_>, items: &ArrayRef, element: &Column, index: usize) -> Result<ArrayRef> {
    let row = target.rows.number(index) - 1;
    assign(items, element, Rows::Each(&vec![row; items.len()]))
}
