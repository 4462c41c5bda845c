//! Arithmetic and functions of intervals, dates and times of day.
//!
//! Promises: months, days and time stay apart as in PostgreSQL; a result beyond the range is 22008, never wrapped.
//! Never: a zone but UTC enters.

use std::sync::Arc;

use arrow::array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, IntervalMonthDayNano};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, ScalarUDF};
use firn_segment::types::SQL_INTERVAL;

use super::datetime::{civil_from_days, days_from_civil, days_in_month};
use super::errors::external;
use super::fault::Fault;
use super::fun::{Fun, TIME, TIMESTAMP, is_whole, made, timestamptz, wrong};
use super::interval::{self, interval, micros};
use crate::error::Error;

const DAY: i64 = 86_400_000_000;

fn range() -> datafusion::common::DataFusionError {
    wrong("22008", "date/time value out of range")
}

fn out(fault: Fault) -> datafusion::common::DataFusionError {
    external(Error::statement(fault.sqlstate, fault.what))
}

/// The interval that a text literal means.
#[must_use]
pub fn interval_of(text: &str) -> Option<Expr> {
    let value = interval::parse(text).ok()?;
    Some(Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), None))
}

/// Two columns, row by row.
fn two<A: ArrowPrimitiveType, B: ArrowPrimitiveType, C: ArrowPrimitiveType>(
    args: &[ArrayRef],
    answer: impl Fn(A::Native, B::Native) -> Result<C::Native>,
) -> Result<PrimitiveArray<C>> {
    let (a, b) = (args[0].as_primitive::<A>(), args[1].as_primitive::<B>());
    let values = a.iter().zip(b).map(|pair| match pair {
        (Some(a), Some(b)) => answer(a, b).map(Some),
        _ => Ok(None),
    });
    Ok(PrimitiveArray::from_iter(values.collect::<Result<Vec<_>>>()?))
}

/// One column, row by row.
fn one<A: ArrowPrimitiveType, C: ArrowPrimitiveType>(
    args: &[ArrayRef],
    answer: impl Fn(A::Native) -> Result<C::Native>,
) -> Result<ArrayRef> {
    let values = args[0].as_primitive::<A>().iter().map(|v| v.map(&answer).transpose());
    Ok(Arc::new(PrimitiveArray::<C>::from_iter(values.collect::<Result<Vec<_>>>()?)))
}

/// An interval times a number, as PostgreSQL spills fractions down.
fn times(value: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    if !factor.is_finite() {
        return Err(wrong("22008", "interval out of range"));
    }
    let whole = |v: f64| -> Result<i128> {
        if v.abs() < 1e30 { Ok(v as i128) } else { Err(wrong("22008", "interval out of range")) }
    };
    let close = |v: f64| (v * 1e6).round() / 1e6;
    let months = f64::from(value.months) * factor;
    let days = f64::from(value.days) * factor;
    let month_days = close((months - months.trunc()) * 30.0);
    let mut seconds = close((days - days.trunc() + month_days - month_days.trunc()) * 86_400.0);
    let mut extra = month_days.trunc();
    if seconds.abs() >= 86_400.0 {
        extra += (seconds / 86_400.0).trunc();
        seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
    }
    let time = (micros(value) as f64).mul_add(factor, seconds * 1e6).round();
    interval(whole(months)?, whole(days)? + whole(extra)?, whole(time)?).map_err(out)
}

/// The largest unit first: `a` minus `b` in years, months, days and time, as `age` gives it.
fn age(a: i64, b: i64) -> Result<IntervalMonthDayNano> {
    if a < b {
        let v = age(b, a)?;
        return interval((-v.months).into(), (-v.days).into(), (-micros(v)).into()).map_err(out);
    }
    let split = |t: i64| (civil_from_days(t.div_euclid(DAY)), t.rem_euclid(DAY));
    let (((y1, m1, d1), t1), ((y2, m2, d2), t2)) = (split(a), split(b));
    let (mut months, mut days, mut time) = ((y1 - y2) * 12 + m1 - m2, d1 - d2, t1 - t2);
    if time < 0 {
        time += DAY;
        days -= 1;
    }
    if days < 0 {
        // the days of the earlier date's month
        days += days_in_month(y2, m2);
        months -= 1;
    }
    interval(months.into(), days.into(), time.into()).map_err(out)
}

fn justify_hours(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let (mut days, mut time) = (i64::from(v.days) + micros(v) / DAY, micros(v) % DAY);
    if days > 0 && time < 0 {
        (days, time) = (days - 1, time + DAY);
    } else if days < 0 && time > 0 {
        (days, time) = (days + 1, time - DAY);
    }
    interval(v.months.into(), days.into(), time.into()).map_err(out)
}

fn justify_days(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let (mut months, mut days) = (i64::from(v.months) + i64::from(v.days / 30), i64::from(v.days % 30));
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - 30);
    }
    interval(months.into(), days.into(), micros(v).into()).map_err(out)
}

fn justify_interval(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let (mut days, mut time) = (i64::from(v.days) + micros(v) / DAY, micros(v) % DAY);
    let mut months = i64::from(v.months) + days / 30;
    days %= 30;
    if months > 0 && (days < 0 || (days == 0 && time < 0)) {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && (days > 0 || (days == 0 && time > 0)) {
        (months, days) = (months + 1, days - 30);
    }
    if days > 0 && time < 0 {
        (days, time) = (days - 1, time + DAY);
    } else if days < 0 && time > 0 {
        (days, time) = (days + 1, time - DAY);
    }
    interval(months.into(), days.into(), time.into()).map_err(out)
}

fn make_time(args: &[ArrayRef], row: usize) -> Option<Result<i64>> {
    let whole = |at: usize| args[at].as_primitive::<Int64Type>();
    let seconds = args[args.len() - 1].as_primitive::<Float64Type>();
    let at = args.len() - 3;
    if (at..at + 2).any(|i| args[i].is_null(row)) || seconds.is_null(row) {
        return None;
    }
    let (hour, minute, second) = (whole(at).value(row), whole(at + 1).value(row), seconds.value(row));
    let fits = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
    let total = (hour * 3_600 + minute * 60).saturating_mul(1_000_000) + (second * 1e6).round() as i64;
    Some(if fits && total <= DAY { Ok(total) } else { Err(wrong("22008", "time field value out of range")) })
}

fn make_timestamp(args: &[ArrayRef], count: usize) -> Result<Vec<Option<i64>>> {
    (0..count)
        .map(|row| {
            if args[..3].iter().any(|a| a.is_null(row)) {
                return Ok(None);
            }
            let field = |at: usize| args[at].as_primitive::<Int64Type>().value(row);
            let Some(time) = make_time(args, row).transpose()? else { return Ok(None) };
            let (year, month, day) = (field(0), field(1), field(2));
            if year == 0 || !(-4_712..=262_142).contains(&year) || !(1..=12).contains(&month) {
                return Err(wrong("22008", "date field value out of range"));
            }
            let year = if year < 0 { year + 1 } else { year };
            if !(1..=days_in_month(year, month)).contains(&day) {
                return Err(wrong("22008", "date field value out of range"));
            }
            Ok(Some(days_from_civil(year, month, day) * DAY + time))
        })
        .collect()
}

fn make_interval(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let mut made = Vec::with_capacity(count);
    for row in 0..count {
        if args.iter().any(|a| a.is_null(row)) {
            made.push(None);
            continue;
        }
        let whole = |at: usize| args.get(at).map_or(0, |a| i128::from(a.as_primitive::<Int64Type>().value(row)));
        let seconds = args.get(6).map_or(0.0, |a| a.as_primitive::<Float64Type>().value(row));
        if !seconds.is_finite() || seconds.abs() > 1e15 {
            return Err(wrong("22008", "interval out of range"));
        }
        let time = whole(4) * 3_600_000_000 + whole(5) * 60_000_000 + (seconds * 1e6).round() as i128;
        made.push(Some(interval(whole(0) * 12 + whole(1), whole(2) * 7 + whole(3), time).map_err(out)?));
    }
    Ok(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from_iter(made)))
}

fn takes_interval(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [DataType::Interval(_) | DataType::Null]).then(|| vec![SQL_INTERVAL])
}

fn takes_factor(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [DataType::Interval(_), n] if n.is_numeric()).then(|| vec![SQL_INTERVAL, DataType::Float64])
}

fn takes_stamps(types: &[DataType]) -> Option<Vec<DataType>> {
    let fits = |ty: &DataType| {
        matches!(ty, DataType::Timestamp(..) | DataType::Date32 | DataType::Utf8 | DataType::Utf8View | DataType::Null)
    };
    let zoned = types.iter().any(|ty| matches!(ty, DataType::Timestamp(_, Some(_))));
    let target = if zoned { timestamptz() } else { TIMESTAMP };
    matches!(types, [a, b] if fits(a) && fits(b)).then(|| vec![target.clone(), target])
}

fn takes_fields(types: &[DataType], whole: usize) -> Option<Vec<DataType>> {
    let (fields, seconds) = types.split_at_checked(whole)?;
    let number = |ty: &DataType| ty.is_numeric() || *ty == DataType::Null;
    (seconds.len() == 1 && fields.iter().all(is_whole) && seconds.iter().all(number))
        .then(|| fields.iter().map(|_| DataType::Int64).chain([DataType::Float64]).collect())
}

/// The functions.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    let span: super::fun::Gives = |_| SQL_INTERVAL;
    let exactly: super::fun::Takes = |types| Some(types.to_vec());
    let mut all = vec![
        Fun::udf("firn_interval_times", takes_factor, span, |args, _| {
            Ok(Arc::new(two::<IntervalMonthDayNanoType, Float64Type, IntervalMonthDayNanoType>(args, times)?))
        }),
        Fun::udf("firn_interval_over", takes_factor, span, |args, _| {
            Ok(Arc::new(two::<IntervalMonthDayNanoType, Float64Type, IntervalMonthDayNanoType>(args, |v, by| {
                if by == 0.0 { Err(wrong("22012", "division by zero")) } else { times(v, 1.0 / by) }
            })?))
        }),
        Fun::udf("firn_timestamp_minus", takes_stamps, span, |args, _| {
            let minus = |a: i64, b: i64| {
                let between = a.checked_sub(b).ok_or_else(range)?;
                interval(0, (between / DAY).into(), (between % DAY).into()).map_err(out)
            };
            Ok(Arc::new(two::<TimestampMicrosecondType, TimestampMicrosecondType, IntervalMonthDayNanoType>(
                args, minus,
            )?))
        }),
        Fun::udf("age", takes_stamps, span, |args, _| {
            Ok(Arc::new(two::<TimestampMicrosecondType, TimestampMicrosecondType, IntervalMonthDayNanoType>(
                args, age,
            )?))
        }),
        Fun::udf(
            "firn_date_minus",
            exactly,
            |_| DataType::Int32,
            |args, _| {
                let minus = |a: i32, b: i32| a.checked_sub(b).ok_or_else(range);
                Ok(Arc::new(two::<Date32Type, Date32Type, arrow::datatypes::Int32Type>(args, minus)?))
            },
        ),
        Fun::udf(
            "firn_date_plus",
            |types| {
                matches!(types, [DataType::Date32, n] if is_whole(n)).then(|| vec![DataType::Date32, DataType::Int64])
            },
            |_| DataType::Date32,
            |args, _| {
                let plus = |day: i32, n: i64| {
                    i64::from(day).checked_add(n).and_then(|d| i32::try_from(d).ok()).ok_or_else(range)
                };
                Ok(Arc::new(two::<Date32Type, Int64Type, Date32Type>(args, plus)?))
            },
        ),
        Fun::udf(
            "firn_date_at",
            exactly,
            |_| TIMESTAMP,
            |args, _| {
                let at = |day: i32, time: i64| {
                    i64::from(day).checked_mul(DAY).and_then(|d| d.checked_add(time)).ok_or_else(range)
                };
                let time = made(&args[1], &TIME)?;
                let args = [args[0].clone(), time];
                Ok(Arc::new(two::<Date32Type, Time64MicrosecondType, TimestampMicrosecondType>(&args, at)?))
            },
        ),
        Fun::udf(
            "firn_time_plus",
            |types| (types.len() == 2).then(|| vec![TIME, SQL_INTERVAL]),
            |_| TIME,
            |args, _| {
                let plus = |time: i64, by| Ok((time + micros(by) % DAY).rem_euclid(DAY));
                Ok(Arc::new(two::<Time64MicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType>(args, plus)?))
            },
        ),
        Fun::udf(
            "firn_time_minus",
            |types| (types.len() == 2).then(|| vec![TIME, TIME]),
            span,
            |args, _| {
                let minus = |a: i64, b: i64| interval(0, 0, (a - b).into()).map_err(out);
                Ok(Arc::new(two::<Time64MicrosecondType, Time64MicrosecondType, IntervalMonthDayNanoType>(
                    args, minus,
                )?))
            },
        ),
        Fun::udf(
            "firn_interval_key",
            takes_interval,
            |_| DataType::Decimal128(38, 0),
            |args, _| {
                let spans = args[0].as_primitive::<IntervalMonthDayNanoType>().iter().map(|v| v.map(interval::span));
                let keys = spans.collect::<PrimitiveArray<Decimal128Type>>();
                Ok(Arc::new(keys.with_precision_and_scale(38, 0)?))
            },
        ),
        Fun::udf(
            "make_time",
            |types| takes_fields(types, 2),
            |_| TIME,
            |args, count| {
                let times = (0..count).map(|row| make_time(args, row).transpose()).collect::<Result<Vec<_>>>()?;
                Ok(Arc::new(PrimitiveArray::<Time64MicrosecondType>::from_iter(times)))
            },
        ),
        Fun::udf(
            "make_timestamp",
            |types| takes_fields(types, 5),
            |_| TIMESTAMP,
            |args, count| {
                Ok(Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter(make_timestamp(args, count)?)))
            },
        ),
        Fun::udf(
            "make_timestamptz",
            |types| takes_fields(types, 5),
            |_| timestamptz(),
            |args, count| {
                let times = PrimitiveArray::<TimestampMicrosecondType>::from_iter(make_timestamp(args, count)?);
                Ok(Arc::new(times.with_timezone("UTC")))
            },
        ),
        Fun::udf(
            "make_interval",
            |types| {
                let (fields, seconds) = types.split_at(types.len().min(6));
                let number = |ty: &DataType| ty.is_numeric() || *ty == DataType::Null;
                (fields.iter().all(is_whole) && seconds.len() < 2 && seconds.iter().all(number)).then(|| {
                    fields.iter().map(|_| DataType::Int64).chain(seconds.iter().map(|_| DataType::Float64)).collect()
                })
            },
            span,
            make_interval,
        ),
    ];
    type Justify = fn(IntervalMonthDayNano) -> Result<IntervalMonthDayNano>;
    fn justified(args: &[ArrayRef], how: Justify) -> Result<ArrayRef> {
        one::<IntervalMonthDayNanoType, IntervalMonthDayNanoType>(args, how)
    }
    all.push(Fun::udf("justify_hours", takes_interval, span, |args, _| justified(args, justify_hours)));
    all.push(Fun::udf("justify_days", takes_interval, span, |args, _| justified(args, justify_days)));
    all.push(Fun::udf("justify_interval", takes_interval, span, |args, _| justified(args, justify_interval)));
    all
}
