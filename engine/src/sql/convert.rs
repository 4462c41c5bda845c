//! The conversions behind assignment, one function for each kind of column.
//!
//! Promises: floats become integers rounded half to even, decimals half away from zero, as in PostgreSQL; a float
//! becomes a decimal by its 15 significant digits (6 for REAL).
//! Never: a conversion PostgreSQL allows only when asked for by a cast (boolean to number, number to date, …).

use std::sync::Arc;

use arrow::array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, StringBuilder};
use arrow::compute::concat;
use arrow::datatypes::{DataType, TimeUnit};

use super::assign::{MAX_VALUE_BYTES, Target, converted};
use super::datetime;
use super::fault::Fault;
use super::scalars::{
    fit_varchar, parse_bool, parse_bytea, parse_decimal, parse_f32, parse_f64, parse_int, parse_uuid, pow10, rescale,
};
use super::text::as_text;
use crate::error::Result;

pub(super) fn to_boolean(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    match source.data_type() {
        DataType::Boolean => Ok(source.clone()),
        DataType::Utf8 => {
            let texts = source.as_string::<i32>();
            let mut out = Vec::with_capacity(texts.len());
            for (index, text) in texts.iter().enumerate() {
                out.push(text.map(|t| parse_bool(t).map_err(|fault| target.error(fault, index, t))).transpose()?);
            }
            Ok(Arc::new(BooleanArray::from(out)))
        }
        other => Err(target.mismatch(other)),
    }
}

pub(super) fn to_integer(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let ((min, max), name) = (target.bounds(), target.type_name());
    let within = |v: i64| if (min..=max).contains(&v) { Ok(v) } else { Err(Fault::range(&name)) };
    let wide = match source.data_type() {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let wide = converted(source, &DataType::Int64)?;
            if (min, max) == (i64::MIN, i64::MAX) {
                return Ok(wide);
            }
            target.map::<Int64Type, Int64Type>(wide.as_primitive(), within)?
        }
        DataType::Float32 | DataType::Float64 => {
            let wide = converted(source, &DataType::Float64)?;
            target.map::<Float64Type, Int64Type>(wide.as_primitive(), |v| {
                round_to_i64(v).ok_or_else(|| Fault::range(&name)).and_then(within)
            })?
        }
        DataType::Decimal128(_, scale) => {
            let scale = i32::from(*scale);
            target.map::<Decimal128Type, Int64Type>(source.as_primitive(), |v| {
                let whole = rescale(v, scale, 0).and_then(|v| i64::try_from(v).ok());
                whole.ok_or_else(|| Fault::range(&name)).and_then(within)
            })?
        }
        DataType::Decimal256(..) => target.read::<Int64Type>(as_text(source)?.as_string(), |text| {
            let value = parse_decimal(text, 38, 0).ok().and_then(|v| i64::try_from(v).ok());
            value.ok_or_else(|| Fault::range(&name)).and_then(within)
        })?,
        DataType::Utf8 => target.read::<Int64Type>(source.as_string(), |text| parse_int(text, min, max, &name))?,
        other => return Err(target.mismatch(other)),
    };
    target.stored(Arc::new(wide))
}

/// Half to even; `None` outside 64 bits.
fn round_to_i64(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let rounded = value.round_ties_even();
    #[allow(clippy::cast_possible_truncation)]
    (-LIMIT..LIMIT).contains(&rounded).then_some(rounded as i64)
}

pub(super) fn to_double(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    match source.data_type() {
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 => {
            converted(source, &DataType::Float64)
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Ok(Arc::new(target.read::<Float64Type>(as_text(source)?.as_string(), parse_f64)?))
        }
        DataType::Utf8 => Ok(Arc::new(target.read::<Float64Type>(source.as_string(), parse_f64)?)),
        other => Err(target.mismatch(other)),
    }
}

pub(super) fn to_real(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    match source.data_type() {
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Float32 => {
            converted(source, &DataType::Float32)
        }
        DataType::Float64 => {
            let narrow = target.map::<Float64Type, Float32Type>(source.as_primitive(), |v| {
                #[allow(clippy::cast_possible_truncation)]
                let narrow = v as f32;
                let lost = (v.is_finite() && narrow.is_infinite()) || (v != 0.0 && narrow == 0.0);
                if lost { Err(Fault::range("real")) } else { Ok(narrow) }
            })?;
            Ok(Arc::new(narrow))
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Ok(Arc::new(target.read::<Float32Type>(as_text(source)?.as_string(), parse_f32)?))
        }
        DataType::Utf8 => Ok(Arc::new(target.read::<Float32Type>(source.as_string(), parse_f32)?)),
        other => Err(target.mismatch(other)),
    }
}

pub(super) fn to_decimal(target: &Target<'_>, source: &ArrayRef, precision: u8, scale: u8) -> Result<ArrayRef> {
    let name = target.type_name();
    let limit = pow10(u32::from(precision));
    let fit = |value: Option<i128>| value.filter(|v| -limit < *v && *v < limit).ok_or_else(|| Fault::range(&name));
    let values = match source.data_type() {
        DataType::Decimal128(p, s) => {
            let from = i32::from(*s);
            if from == i32::from(scale) && *p <= precision {
                return target.stored(source.clone());
            }
            target.map::<Decimal128Type, Decimal128Type>(source.as_primitive(), |v| {
                fit(rescale(v, from, i32::from(scale)))
            })?
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let wide = converted(source, &DataType::Int64)?;
            target.map::<Int64Type, Decimal128Type>(wide.as_primitive(), |v| {
                fit(rescale(i128::from(v), 0, i32::from(scale)))
            })?
        }
        DataType::Float64 => target.map::<Float64Type, Decimal128Type>(source.as_primitive(), |v| {
            parse_decimal(&format!("{v:.14e}"), precision, scale)
        })?,
        DataType::Float32 => target.map::<Float32Type, Decimal128Type>(source.as_primitive(), |v| {
            parse_decimal(&format!("{v:.5e}"), precision, scale)
        })?,
        DataType::Decimal256(..) => {
            target.read::<Decimal128Type>(as_text(source)?.as_string(), |text| parse_decimal(text, precision, scale))?
        }
        DataType::Utf8 => {
            target.read::<Decimal128Type>(source.as_string(), |text| parse_decimal(text, precision, scale))?
        }
        other => return Err(target.mismatch(other)),
    };
    target.stored(Arc::new(values))
}

pub(super) fn to_text(target: &Target<'_>, source: &ArrayRef, length: Option<u32>) -> Result<ArrayRef> {
    let texts = match source.data_type() {
        DataType::Utf8 => source.clone(),
        other => as_text(source).map_err(|_| target.mismatch(other))?,
    };
    let strings = texts.as_string::<i32>();
    if strings.value_data().len() > MAX_VALUE_BYTES {
        for index in 0..strings.len() {
            target.check_size(strings.value(index).len(), index)?;
        }
    }
    let Some(length) = length else { return Ok(texts) };
    let fits = |text: &str| text.len() <= usize::try_from(length).unwrap_or(usize::MAX);
    if strings.iter().flatten().all(fits) {
        return Ok(texts);
    }
    let mut out = StringBuilder::with_capacity(strings.len(), strings.value_data().len());
    for (index, text) in strings.iter().enumerate() {
        out.append_option(
            text.map(|t| fit_varchar(t, length).map_err(|fault| target.error(fault, index, t))).transpose()?,
        );
    }
    Ok(Arc::new(out.finish()))
}

pub(super) fn to_bytea(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let bytes = match source.data_type() {
        DataType::Binary => source.clone(),
        DataType::FixedSizeBinary(_) => converted(source, &DataType::Binary)?,
        DataType::Utf8 => {
            let mut out = BinaryBuilder::new();
            let texts = source.as_string::<i32>();
            for (index, text) in texts.iter().enumerate() {
                out.append_option(
                    text.map(|t| parse_bytea(t).map_err(|fault| target.error(fault, index, t))).transpose()?,
                );
            }
            Arc::new(out.finish())
        }
        other => return Err(target.mismatch(other)),
    };
    let values = bytes.as_binary::<i32>();
    if values.value_data().len() > MAX_VALUE_BYTES {
        for index in 0..values.len() {
            target.check_size(values.value(index).len(), index)?;
        }
    }
    Ok(bytes)
}

pub(super) fn to_date(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    match source.data_type() {
        DataType::Date32 => Ok(source.clone()),
        DataType::Timestamp(..) => {
            let micros = micros_of(target, source)?;
            Ok(Arc::new(
                target
                    .map::<TimestampMicrosecondType, Date32Type>(micros.as_primitive(), |t| Ok(datetime::day_of(t)))?,
            ))
        }
        DataType::Utf8 => Ok(Arc::new(target.read::<Date32Type>(source.as_string(), datetime::parse_date)?)),
        other => Err(target.mismatch(other)),
    }
}

pub(super) fn to_timestamp(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let name = target.type_name();
    let values = match source.data_type() {
        DataType::Timestamp(..) => micros_of(target, source)?,
        DataType::Date32 => {
            let read = |days| datetime::midnight(days).ok_or_else(|| Fault::date_range(&name));
            Arc::new(target.map::<Date32Type, TimestampMicrosecondType>(source.as_primitive(), read)?)
        }
        DataType::Utf8 if target.column.ty == firn_manifest::schema::ColumnType::Timestamptz => {
            Arc::new(target.read::<TimestampMicrosecondType>(source.as_string(), datetime::parse_timestamptz)?)
        }
        DataType::Utf8 => {
            Arc::new(target.read::<TimestampMicrosecondType>(source.as_string(), datetime::parse_timestamp)?)
        }
        other => return Err(target.mismatch(other)),
    };
    target.stored(values)
}

/// A timestamp of any unit in microseconds; nanoseconds are rounded to the nearest.
fn micros_of(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let name = target.type_name();
    let times = |factor: i64| {
        let name = name.clone();
        move |v: i64| v.checked_mul(factor).ok_or_else(|| Fault::date_range(&name))
    };
    Ok(match source.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => Arc::new(
            target.map::<TimestampSecondType, TimestampMicrosecondType>(source.as_primitive(), times(1_000_000))?,
        ),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Arc::new(
            target.map::<TimestampMillisecondType, TimestampMicrosecondType>(source.as_primitive(), times(1_000))?,
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let round = |v: i64| Ok(v.div_euclid(1_000) + i64::from(v.rem_euclid(1_000) >= 500));
            Arc::new(target.map::<TimestampNanosecondType, TimestampMicrosecondType>(source.as_primitive(), round)?)
        }
        _ => source.clone(),
    })
}

pub(super) fn to_uuid(target: &Target<'_>, source: &ArrayRef) -> Result<ArrayRef> {
    let texts = match source.data_type() {
        DataType::Utf8 => source.clone(),
        DataType::FixedSizeBinary(16) => hex_of(source)?,
        other => return Err(target.mismatch(other)),
    };
    let mut out = StringBuilder::new();
    for (index, text) in texts.as_string::<i32>().iter().enumerate() {
        out.append_option(text.map(|t| parse_uuid(t).map_err(|fault| target.error(fault, index, t))).transpose()?);
    }
    Ok(Arc::new(out.finish()))
}

fn hex_of(source: &ArrayRef) -> Result<ArrayRef> {
    let values = source.as_fixed_size_binary();
    Ok(Arc::new(values.iter().map(|v| v.map(hex::encode)).collect::<arrow::array::StringArray>()))
}

/// Parts of one column, as one array.
pub(super) fn joined(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).map_err(|e| crate::error::Error::internal(format!("parts of a column do not join: {e}")))
}
