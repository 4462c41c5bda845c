//! `to_char`, `to_date`, `to_timestamp` and `to_number`: patterns as PostgreSQL's.
//!
//! Promises: a pattern stands for what PostgreSQL prints for it; what is not a pattern is printed as it is.
//! Never: a pattern that is not known is guessed at: EEEE, RN, V and localised names are refused (0A000).

use std::sync::Arc;

use arrow::array::types::{IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType};
use arrow::array::{Array, ArrayRef, AsArray, Date32Array, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use firn_segment::types::SQL_INTERVAL;

use super::errors::external;
use super::fun::{Fun, TIME, TIMESTAMP, is_text, timestamptz, wrong};
use super::interval::micros;
use super::patterns_of_time::{Fields, print, read};
use super::text::as_text;
use super::{datetime, patterns_of_numbers};

const DAY: i64 = 86_400_000_000;

fn takes(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, pattern] = types else { return None };
    let value = match value {
        DataType::Timestamp(_, None) | DataType::Date32 => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => timestamptz(),
        DataType::Time64(_) => TIME,
        DataType::Interval(_) => SQL_INTERVAL,
        DataType::Null => DataType::Int64,
        number if number.is_numeric() => number.clone(),
        _ => return None,
    };
    is_text(pattern).then(|| vec![value, DataType::Utf8View])
}

fn takes_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [a, b] if is_text(a) && is_text(b)).then(|| vec![DataType::Utf8View, DataType::Utf8View])
}

/// `to_timestamp(text, pattern)`, and `to_timestamp(seconds)`.
fn takes_stamp(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [seconds] if seconds.is_numeric() || seconds.is_null() => Some(vec![DataType::Float64]),
        _ => takes_texts(types),
    }
}

fn to_char(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let patterns = args[1].as_string_view();
    let value = &args[0];
    let digits = if value.data_type().is_numeric() { Some(as_text(value).map_err(external)?) } else { None };
    let answer = |row: usize| -> Result<Option<String>> {
        if value.is_null(row) || patterns.is_null(row) {
            return Ok(None);
        }
        let pattern = patterns.value(row);
        if let Some(digits) = &digits {
            return patterns_of_numbers::print(digits.as_string::<i32>().value(row), pattern).map(Some);
        }
        let fields = match value.data_type() {
            DataType::Timestamp(..) => Fields::of_stamp(value.as_primitive::<TimestampMicrosecondType>().value(row)),
            DataType::Time64(_) => Fields::of_stamp(value.as_primitive::<Time64MicrosecondType>().value(row)),
            _ => {
                let span = value.as_primitive::<IntervalMonthDayNanoType>().value(row);
                Fields::of_span(span.months.into(), span.days.into(), micros(span))
            }
        };
        print(&fields, pattern).map(Some)
    };
    let texts = (0..count).map(answer).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StringViewArray::from_iter(texts)))
}

/// Texts by their patterns: microseconds since 1970.
fn parsed(args: &[ArrayRef], count: usize) -> Result<Vec<Option<i64>>> {
    let (texts, patterns) = (args[0].as_string_view(), args[1].as_string_view());
    (0..count)
        .map(|row| match (texts.is_valid(row), patterns.is_valid(row)) {
            (true, true) => read(texts.value(row), patterns.value(row)).map(Some),
            _ => Ok(None),
        })
        .collect()
}

fn to_timestamp(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let times = if args.len() == 1 {
        let seconds = args[0].as_primitive::<arrow::datatypes::Float64Type>();
        let read = |v: f64| {
            let micros = (v * 1e6).round();
            if micros.abs() < 9e18 { Ok(micros as i64) } else { Err(wrong("22008", "timestamp out of range")) }
        };
        seconds.iter().map(|v| v.map(read).transpose()).collect::<Result<Vec<_>>>()?
    } else {
        parsed(args, count)?
    };
    Ok(Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")))
}

fn to_number(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let (texts, patterns) = (args[0].as_string_view(), args[1].as_string_view());
    let numbers = (0..count).map(|row| match (texts.is_valid(row), patterns.is_valid(row)) {
        (true, true) => patterns_of_numbers::read(texts.value(row), patterns.value(row)).map(Some),
        _ => Ok(None),
    });
    let numbers = numbers.collect::<Result<Vec<_>>>()?;
    let decimals = arrow::array::Decimal128Array::from(numbers).with_precision_and_scale(38, 10)?;
    Ok(Arc::new(decimals))
}

/// The functions.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    vec![
        Fun::udf("to_char", takes, |_| DataType::Utf8View, to_char),
        Fun::udf(
            "to_date",
            takes_texts,
            |_| DataType::Date32,
            |args, count| {
                let days =
                    parsed(args, count)?.into_iter().map(|t| t.map(|t| datetime::day_of(t.div_euclid(DAY) * DAY)));
                Ok(Arc::new(days.collect::<Date32Array>()))
            },
        ),
        Fun::udf("to_timestamp", takes_stamp, |_| timestamptz(), to_timestamp),
        Fun::udf("to_number", takes_texts, |_| DataType::Decimal128(38, 10), to_number),
    ]
}
