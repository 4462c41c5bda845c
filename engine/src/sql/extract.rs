//! Fields of dates, times and intervals, and their truncation: EXTRACT, date_part, date_trunc.
//!
//! Promises: every field that PostgreSQL knows, with its fraction exact in EXTRACT.
//! Never: an unknown field is answered (22023).

use std::sync::Arc;

use arrow::array::types::{
    Date32Type, Decimal128Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use firn_segment::types::SQL_INTERVAL;

use super::datetime::{civil_from_days, days_from_civil};
use super::fun::{Fun, TIME, TIMESTAMP, is_text, timestamptz, wrong};
use super::interval::{interval, micros};
use super::zones;

const DAY: i64 = 86_400_000_000;
const SECOND: i128 = 1_000_000;

/// Something that has fields.
#[derive(Clone, Copy)]
enum Moment {
    Stamp(i64, bool),
    Day(i64),
    Clock(i64),
    Span(IntervalMonthDayNano),
}

fn moment(array: &ArrayRef, row: usize) -> Option<Moment> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Timestamp(_, zone) => {
            Moment::Stamp(array.as_primitive::<TimestampMicrosecondType>().value(row), zone.is_some())
        }
        DataType::Date32 => Moment::Day(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time64(_) => Moment::Clock(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Interval(_) => Moment::Span(array.as_primitive::<IntervalMonthDayNanoType>().value(row)),
        _ => return None,
    })
}

/// A field's name in its one spelling.
fn unit(name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase();
    match lower.as_str() {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" | "useconds" => "microseconds",
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" | "mseconds" => "milliseconds",
        "s" | "sec" | "secs" | "second" | "seconds" => "second",
        "m" | "min" | "mins" | "minute" | "minutes" => "minute",
        "h" | "hr" | "hrs" | "hour" | "hours" => "hour",
        "d" | "day" | "days" => "day",
        "w" | "week" | "weeks" => "week",
        "mon" | "mons" | "month" | "months" => "month",
        "qtr" | "quarter" => "quarter",
        "y" | "yr" | "yrs" | "year" | "years" => "year",
        "dec" | "decs" | "decade" | "decades" => "decade",
        "c" | "cent" | "century" | "centuries" => "century",
        "mil" | "mils" | "millennium" | "millennia" => "millennium",
        other => other,
    }
    .to_owned()
}

/// Monday is 1.
pub fn iso_day(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The ISO year and week of a day.
pub fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - iso_day(days) + 4;
    let (year, ..) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// Parts of a hundred, a thousand: the first is 1, before it −1.
fn nth(year: i64, of: i64) -> i64 {
    if year > 0 { (year + of - 1) / of } else { -((of - 1 - (year - 1)) / of) }
}

fn of_day(field: &str, days: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(days);
    Some(match field {
        "day" => day,
        "month" => month,
        "quarter" => (month - 1) / 3 + 1,
        "year" => {
            if year > 0 {
                year
            } else {
                year - 1
            }
        }
        "decade" => year.div_euclid(10),
        "century" => nth(year, 100),
        "millennium" => nth(year, 1000),
        "dow" => iso_day(days) % 7,
        "isodow" => iso_day(days),
        "doy" => days - days_from_civil(year, 1, 1) + 1,
        "week" => iso_week(days).1,
        "isoyear" => {
            let (year, _) = iso_week(days);
            if year > 0 { year } else { year - 1 }
        }
        "julian" => days + 2_440_588,
        _ => return None,
    })
}

fn of_time(field: &str, time: i64) -> Option<i128> {
    let time = i128::from(time);
    Some(match field {
        "hour" => time / (3_600 * SECOND) * SECOND,
        "minute" => time / (60 * SECOND) % 60 * SECOND,
        "second" => time % (60 * SECOND),
        "milliseconds" => time % (60 * SECOND) * 1_000,
        "microseconds" => time % (60 * SECOND) * 1_000_000,
        _ => return None,
    })
}

/// A field in millionths.
fn field(name: &str, of: Moment) -> Result<i128> {
    let known = match of {
        Moment::Stamp(at, zoned) => match name {
            "epoch" => Some(i128::from(at)),
            "timezone" | "timezone_hour" | "timezone_minute" if zoned => Some(0),
            "julian" => {
                Some(i128::from(at.div_euclid(DAY) + 2_440_588) * SECOND + i128::from(at.rem_euclid(DAY)) / 86_400)
            }
            _ => of_time(name, at.rem_euclid(DAY))
                .or_else(|| of_day(name, at.div_euclid(DAY)).map(|n| i128::from(n) * SECOND)),
        },
        Moment::Day(days) => match name {
            "epoch" => Some(i128::from(days) * 86_400 * SECOND),
            _ => of_day(name, days).map(|n| i128::from(n) * SECOND),
        },
        Moment::Clock(time) => match name {
            "epoch" => Some(i128::from(time)),
            _ => of_time(name, time),
        },
        Moment::Span(span) => {
            let (months, time) = (i128::from(span.months), micros(span));
            match name {
                "millennium" => Some(months / 12_000 * SECOND),
                "century" => Some(months / 1_200 * SECOND),
                "decade" => Some(months / 120 * SECOND),
                "year" => Some(months / 12 * SECOND),
                "quarter" => Some((months % 12 / 3 + 1) * SECOND),
                "month" => Some(months % 12 * SECOND),
                "day" => Some(i128::from(span.days) * SECOND),
                "epoch" => Some(
                    (months / 12 * 31_557_600 + months % 12 * 2_592_000 + i128::from(span.days) * 86_400) * SECOND
                        + i128::from(time),
                ),
                _ => of_time(name, time),
            }
        }
    };
    known.ok_or_else(|| wrong("22023", format!("unit \"{name}\" not recognized for this type")))
}

/// The unit of a row and its moment.
fn fields(args: &[ArrayRef], count: usize) -> Result<Vec<Option<i128>>> {
    let units = args[0].as_string_view();
    (0..count)
        .map(|row| match (units.is_valid(row), moment(&args[1], row)) {
            (true, Some(at)) => field(&unit(units.value(row)), at).map(Some),
            _ => Ok(None),
        })
        .collect()
}

fn decimal(values: Vec<Option<i128>>, precision: u8, scale: i8) -> Result<ArrayRef> {
    Ok(Arc::new(PrimitiveArray::<Decimal128Type>::from_iter(values).with_precision_and_scale(precision, scale)?))
}

fn takes(types: &[DataType]) -> Option<Vec<DataType>> {
    let [unit, of] = types else { return None };
    let of = match of {
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => timestamptz(),
        DataType::Date32 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Interval(_) => SQL_INTERVAL,
        DataType::Utf8 | DataType::Utf8View | DataType::Null => TIMESTAMP,
        _ => return None,
    };
    is_text(unit).then(|| vec![DataType::Utf8View, of])
}

fn takes_trunc(types: &[DataType]) -> Option<Vec<DataType>> {
    if let [unit, of, zone] = types {
        let head = takes_trunc(&[unit.clone(), of.clone()]).filter(|_| is_text(zone))?;
        return Some(vec![head[0].clone(), timestamptz(), DataType::Utf8]);
    }
    let [unit, of] = types else { return None };
    let of = match of {
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) | DataType::Date32 => timestamptz(),
        DataType::Interval(_) => SQL_INTERVAL,
        DataType::Utf8 | DataType::Utf8View | DataType::Null => timestamptz(),
        _ => return None,
    };
    is_text(unit).then(|| vec![DataType::Utf8View, of])
}

fn trunc_stamp(name: &str, at: i64) -> Result<i64> {
    let (days, time) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, _) = civil_from_days(days);
    let first = |year: i64, month: i64| days_from_civil(year, month, 1) * DAY;
    // the first year of a hundred ends in 1
    let begin = |of: i64| if year > 0 { (year - 1) / of * of + 1 } else { -((of - 1 - (year - 1)) / of) * of + 1 };
    Ok(match name {
        "microseconds" => at,
        "milliseconds" => days * DAY + time / 1_000 * 1_000,
        "second" => days * DAY + time / 1_000_000 * 1_000_000,
        "minute" => days * DAY + time / 60_000_000 * 60_000_000,
        "hour" => days * DAY + time / 3_600_000_000 * 3_600_000_000,
        "day" => days * DAY,
        "week" => (days - iso_day(days) + 1) * DAY,
        "month" => first(year, month),
        "quarter" => first(year, (month - 1) / 3 * 3 + 1),
        "year" => first(year, 1),
        "decade" => first(year.div_euclid(10) * 10, 1),
        "century" => first(begin(100), 1),
        "millennium" => first(begin(1000), 1),
        other => return Err(wrong("22023", format!("unit \"{other}\" not recognized for type timestamp"))),
    })
}

fn trunc_span(name: &str, span: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let (months, days, time) = (i128::from(span.months), i128::from(span.days), i128::from(micros(span)));
    let cut = |of: i128| Ok((months, days, time / of * of));
    let whole = |of: i128| Ok((months / of * of, 0, 0));
    let (months, days, time) = match name {
        "microseconds" => Ok((months, days, time)),
        "milliseconds" => cut(1_000),
        "second" => cut(SECOND),
        "minute" => cut(60 * SECOND),
        "hour" => cut(3_600 * SECOND),
        "day" => Ok((months, days, 0)),
        "month" => Ok((months, 0, 0)),
        "quarter" => whole(3),
        "year" => whole(12),
        "decade" => whole(120),
        "century" => whole(1_200),
        "millennium" => whole(12_000),
        other => Err(wrong("22023", format!("unit \"{other}\" not recognized for type interval"))),
    }?;
    interval(months, days, time).map_err(|fault| wrong(fault.sqlstate, fault.what))
}

fn trunc(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let units = args[0].as_string_view();
    if let DataType::Interval(_) = args[1].data_type() {
        let spans = args[1].as_primitive::<IntervalMonthDayNanoType>();
        let cut = (0..count).map(|row| match (units.is_valid(row), spans.is_valid(row)) {
            (true, true) => trunc_span(&unit(units.value(row)), spans.value(row)).map(Some),
            _ => Ok(None),
        });
        return Ok(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from_iter(cut.collect::<Result<Vec<_>>>()?)));
    }
    let local = match args.get(2) {
        Some(zone) => zones::convert(zone, &args[1], &TIMESTAMP)?,
        None => args[1].clone(),
    };
    let times = local.as_primitive::<TimestampMicrosecondType>();
    let cut = (0..count).map(|row| match (units.is_valid(row), times.is_valid(row)) {
        (true, true) => trunc_stamp(&unit(units.value(row)), times.value(row)).map(Some),
        _ => Ok(None),
    });
    let cut = PrimitiveArray::<TimestampMicrosecondType>::from_iter(cut.collect::<Result<Vec<_>>>()?);
    if let Some(zone) = args.get(2) {
        return zones::convert(zone, &(Arc::new(cut) as ArrayRef), &timestamptz());
    }
    Ok(match args[1].data_type() {
        DataType::Timestamp(_, Some(_)) => Arc::new(cut.with_timezone("UTC")),
        _ => Arc::new(cut),
    })
}

/// The functions. EXTRACT is one of three, by what its field is.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    vec![
        Fun::udf(
            "firn_extract",
            takes,
            |_| DataType::Decimal128(20, 0),
            |args, n| decimal(fields(args, n)?.into_iter().map(|v| v.map(|v| v / SECOND)).collect(), 20, 0),
        ),
        Fun::udf(
            "firn_extract_fraction",
            takes,
            |_| DataType::Decimal128(26, 6),
            |args, n| decimal(fields(args, n)?, 26, 6),
        ),
        Fun::udf(
            "firn_extract_milliseconds",
            takes,
            |_| DataType::Decimal128(23, 3),
            |args, n| decimal(fields(args, n)?.into_iter().map(|v| v.map(|v| v / 1_000)).collect(), 23, 3),
        ),
        Fun::udf(
            "date_part",
            takes,
            |_| DataType::Float64,
            |args, n| {
                let parts = fields(args, n)?.into_iter().map(|v| v.map(|v| v as f64 / 1e6));
                Ok(Arc::new(parts.collect::<Float64Array>()))
            },
        ),
        Fun::udf("date_trunc", takes_trunc, |types| types[1].clone(), trunc),
    ]
}

/// Which of the functions answers EXTRACT of that field.
#[must_use]
pub fn function_of(name: &str) -> &'static str {
    match unit(name).as_str() {
        "second" | "epoch" => "firn_extract_fraction",
        "milliseconds" => "firn_extract_milliseconds",
        _ => "firn_extract",
    }
}
