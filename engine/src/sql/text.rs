//! Values printed as PostgreSQL prints them: what text columns get, and what messages show.
//!
//! Promises: every type a column can have prints to text that reads back to the same value.
//! Never: a type without such a text is printed as something else; it is refused.

use std::sync::Arc;

use arrow::array::types::{
    Date32Type, Float32Type, Float64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use arrow::util::display::array_value_to_string;

use super::datetime::{format_date, format_time, format_timestamp};
use super::scalars::{format_f32, format_f64};
use super::{interval, lists};
use crate::error::{Error, Result};

/// The array's values as text.
///
/// # Errors
/// 42804 for a type without a text form (structs, …).
pub fn as_text(array: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringArray = match array.data_type() {
        DataType::Boolean => array.as_boolean().iter().map(|v| v.map(|b| if b { "true" } else { "false" })).collect(),
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().map(|v| v.map(format_f32)).collect(),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().map(|v| v.map(format_f64)).collect(),
        DataType::Binary => {
            array.as_binary::<i32>().iter().map(|v| v.map(|b| format!("\\x{}", hex::encode(b)))).collect()
        }
        DataType::Date32 => array.as_primitive::<Date32Type>().iter().map(|v| v.map(format_date)).collect(),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let suffix = if zone.is_some() { "+00" } else { "" };
            array
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .map(|v| v.map(|t| format_timestamp(t, suffix)))
                .collect()
        }
        DataType::Timestamp(_, zone) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            return as_text(&strict_cast(array, &micros)?);
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            array.as_primitive::<Time64MicrosecondType>().iter().map(|v| v.map(format_time)).collect()
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            array.as_primitive::<IntervalMonthDayNanoType>().iter().map(|v| v.map(interval::format)).collect()
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let mut out = Vec::with_capacity(lists.len());
            for items in lists.iter() {
                out.push(match items {
                    Some(items) => {
                        let texts = as_text(&items)?;
                        // inside an array PostgreSQL writes t and f
                        let boolean = *items.data_type() == DataType::Boolean;
                        let texts = texts.as_string::<i32>().iter();
                        Some(lists::format(texts.map(|t| t.map(|t| if boolean { &t[..1] } else { t }))))
                    }
                    None => None,
                });
            }
            out.into_iter().collect()
        }
        DataType::Utf8View | DataType::LargeUtf8 | DataType::LargeBinary => return strict_cast(array, &DataType::Utf8),
        DataType::BinaryView => return as_text(&strict_cast(array, &DataType::Binary)?),
        DataType::Utf8
        | DataType::Null
        | DataType::Int8
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Interval(_)
        | DataType::Duration(_) => return strict_cast(array, &DataType::Utf8),
        other => {
            return Err(Error::statement(
                super::codes::DATATYPE_MISMATCH,
                format!("values of type {other} have no text form"),
            ));
        }
    };
    Ok(Arc::new(texts))
}

fn strict_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &strict).map_err(|e| Error::statement(super::codes::DATATYPE_MISMATCH, e.to_string()))
}

/// One value as a message shows it.
#[must_use]
pub fn value_text(array: &dyn Array, index: usize) -> String {
    let one = array.slice(index, 1);
    match as_text(&one) {
        Ok(text) if text.is_valid(0) => text.as_string::<i32>().value(0).to_owned(),
        _ => array_value_to_string(&one, 0).unwrap_or_default(),
    }
}
