//! One value as text, the way PostgreSQL prints it.
//!
//! Promises: what is printed reads back as the same value (floats in their shortest exact form, bytea as `\x` hex,
//! timestamps with zone as UTC with `+00`); booleans are `true` and `false`, as in JSON.
//! Never: NULL reaches a writer here; the caller decides how NULL looks.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Field, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, Datelike, NaiveDate, Timelike};

use super::json::push_json;

/// Appends the text of a row's value.
pub type TextWriter<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// The writer of an array's values. It must not be called for a NULL row.
///
/// # Errors
/// If an encoded array cannot be decoded.
pub fn text_writer(array: &ArrayRef) -> Result<TextWriter<'_>, ArrowError> {
    macro_rules! number {
        ($ty:ty) => {{
            let values = array.as_primitive::<$ty>();
            Box::new(move |row, out: &mut String| {
                let _ = write!(out, "{}", values.value(row));
            })
        }};
    }
    macro_rules! with {
        ($ty:ty, $push:expr) => {{
            let values = array.as_primitive::<$ty>();
            Box::new(move |row, out: &mut String| $push(values.value(row), out))
        }};
    }
    macro_rules! decimal {
        ($ty:ty) => {{
            let values = array.as_primitive::<$ty>();
            Box::new(move |row, out: &mut String| out.push_str(&values.value_as_string(row)))
        }};
    }
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| out.push_str(if values.value(row) { "true" } else { "false" }))
        }
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float16 => with!(Float16Type, |v, out: &mut String| push_f32(f32::from(v), out)),
        DataType::Float32 => with!(Float32Type, push_f32),
        DataType::Float64 => with!(Float64Type, push_f64),
        DataType::Decimal32(_, _) => decimal!(Decimal32Type),
        DataType::Decimal64(_, _) => decimal!(Decimal64Type),
        DataType::Decimal128(_, _) => decimal!(Decimal128Type),
        DataType::Decimal256(_, _) => decimal!(Decimal256Type),
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| push_bytea(values.value(row), out))
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            Box::new(move |row, out| push_bytea(values.value(row), out))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(move |row, out| push_bytea(values.value(row), out))
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, out| push_bytea(values.value(row), out))
        }
        DataType::Date32 => with!(Date32Type, |days, out: &mut String| push_date(i64::from(days), out)),
        DataType::Date64 => with!(Date64Type, |ms: i64, out: &mut String| push_date(ms.div_euclid(86_400_000), out)),
        DataType::Time32(TimeUnit::Second) => {
            with!(Time32SecondType, |v, out: &mut String| push_time(i64::from(v) * NANOS, out))
        }
        DataType::Time32(_) => {
            with!(Time32MillisecondType, |v, out: &mut String| push_time(i64::from(v) * 1_000_000, out))
        }
        DataType::Time64(TimeUnit::Nanosecond) => with!(Time64NanosecondType, push_time),
        DataType::Time64(_) => {
            with!(Time64MicrosecondType, |v: i64, out: &mut String| push_time(v.wrapping_mul(1_000), out))
        }
        DataType::Timestamp(unit, zone) => {
            let zoned = zone.is_some();
            match unit {
                TimeUnit::Second => {
                    with!(TimestampSecondType, move |v, out: &mut String| push_timestamp(v, 1, zoned, out))
                }
                TimeUnit::Millisecond => {
                    with!(TimestampMillisecondType, move |v, out: &mut String| push_timestamp(v, 1_000, zoned, out))
                }
                TimeUnit::Microsecond => {
                    with!(TimestampMicrosecondType, move |v, out: &mut String| push_timestamp(v, 1_000_000, zoned, out))
                }
                TimeUnit::Nanosecond => {
                    with!(TimestampNanosecondType, move |v, out: &mut String| push_timestamp(v, NANOS, zoned, out))
                }
            }
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            with!(IntervalYearMonthType, |months: i32, out: &mut String| push_interval(months.into(), 0, 0, out))
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let values = array.as_primitive::<IntervalDayTimeType>();
            Box::new(move |row, out| {
                let v = values.value(row);
                push_interval(0, v.days.into(), i128::from(v.milliseconds) * 1_000_000, out);
            })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>();
            Box::new(move |row, out| {
                let v = values.value(row);
                push_interval(v.months.into(), v.days.into(), v.nanoseconds.into(), out);
            })
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => with!(DurationSecondType, |v, out: &mut String| push_duration(v, NANOS, out)),
            TimeUnit::Millisecond => {
                with!(DurationMillisecondType, |v, out: &mut String| push_duration(v, 1_000_000, out))
            }
            TimeUnit::Microsecond => with!(DurationMicrosecondType, |v, out: &mut String| push_duration(v, 1_000, out)),
            TimeUnit::Nanosecond => with!(DurationNanosecondType, |v, out: &mut String| push_duration(v, 1, out)),
        },
        DataType::Dictionary(_, values) => return decoded(cast(array, values)?),
        DataType::RunEndEncoded(_, values) => return decoded(cast(array, values.data_type())?),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            Box::new(move |row, out| push_array(&lists.value(row), out))
        }
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            Box::new(move |row, out| push_array(&lists.value(row), out))
        }
        DataType::FixedSizeList(_, _) => {
            let lists = array.as_fixed_size_list();
            Box::new(move |row, out| push_array(&lists.value(row), out))
        }
        DataType::Struct(_) | DataType::Map(_, _) => Box::new(move |row, out| push_json(array, row, out)),
        _ => {
            let values = ArrayFormatter::try_new(array, &FormatOptions::default())?;
            Box::new(move |row, out| {
                let _ = write!(out, "{}", values.value(row));
            })
        }
    })
}

/// A writer over a decoded copy of an encoded array.
fn decoded(array: ArrayRef) -> Result<TextWriter<'static>, ArrowError> {
    drop(text_writer(&array)?);
    Ok(Box::new(move |row, out| push_text(&array, row, out)))
}

/// Appends one value; for values met one at a time. NULL appends nothing.
pub fn push_text(array: &ArrayRef, row: usize, out: &mut String) {
    if array.is_null(row) {
        return;
    }
    if let Ok(write) = text_writer(array) {
        write(row, out);
    }
}

/// The SQL name of a column's type, lower case; the engine's own word for it if the field bears one.
#[must_use]
pub fn type_name(field: &Field) -> String {
    if let Some(name) = field.metadata().get("firn.type") {
        return name.clone();
    }
    match field.data_type() {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 => "bigint".to_owned(),
        DataType::UInt64 => "decimal(20,0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("decimal({p},{s})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytea".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::Dictionary(_, values) => type_name(&Field::new("", values.as_ref().clone(), true)),
        DataType::RunEndEncoded(_, values) => type_name(values),
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => format!("{}[]", type_name(of)),
        DataType::Struct(_) | DataType::Map(_, _) => "json".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// Whether values of the type stand at the right of a table's cell.
#[must_use]
pub fn is_numeric(ty: &DataType) -> bool {
    match ty {
        DataType::Dictionary(_, values) => is_numeric(values),
        other => other.is_numeric(),
    }
}

const NANOS: i64 = 1_000_000_000;

/// Shortest text that reads back as the same number; exponents where PostgreSQL has them.
pub fn push_f64(v: f64, out: &mut String) {
    push_float(v, v.abs(), format_args!("{v:e}"), format_args!("{v}"), 15, out);
}

/// The same for REAL.
pub fn push_f32(v: f32, out: &mut String) {
    push_float(v.into(), v.abs().into(), format_args!("{v:e}"), format_args!("{v}"), 6, out);
}

fn push_float(
    v: f64,
    abs: f64,
    scientific: std::fmt::Arguments<'_>,
    plain: std::fmt::Arguments<'_>,
    digits: i32,
    out: &mut String,
) {
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "Infinity" } else { "-Infinity" });
    } else if abs == 0.0 {
        let _ = write!(out, "{plain}");
    } else {
        let text = scientific.to_string();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..digits).contains(&exponent) {
            let _ = write!(out, "{plain}");
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
        }
    }
}

fn push_bytea(bytes: &[u8], out: &mut String) {
    out.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
}

fn push_date(days: i64, out: &mut String) {
    let date = DateTime::from_timestamp(days.saturating_mul(86_400), 0).map(|at| at.date_naive());
    match date {
        Some(date) => push_ymd(date, out),
        None => {
            let _ = write!(out, "{days} days since 1970-01-01");
        }
    }
}

fn push_ymd(date: NaiveDate, out: &mut String) {
    let (before_christ, year) = match date.year() {
        y if y > 0 => (false, y),
        y => (true, 1 - y),
    };
    let _ = write!(out, "{year:04}-{:02}-{:02}", date.month(), date.day());
    if before_christ {
        out.push_str(" BC");
    }
}

/// `per_second` is the number of units in a second.
fn push_timestamp(v: i64, per_second: i64, zoned: bool, out: &mut String) {
    let seconds = v.div_euclid(per_second);
    let nanos = v.rem_euclid(per_second) * (NANOS / per_second);
    let Some(at) = u32::try_from(nanos).ok().and_then(|nanos| DateTime::from_timestamp(seconds, nanos)) else {
        let _ = write!(out, "{seconds} seconds since 1970-01-01");
        return;
    };
    let date = at.date_naive();
    let before_christ = date.year() <= 0;
    push_ymd(date, out);
    if before_christ {
        out.truncate(out.len() - 3);
    }
    let _ = write!(out, " {:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    push_fraction(nanos, out);
    if zoned {
        out.push_str("+00");
    }
    if before_christ {
        out.push_str(" BC");
    }
}

fn push_time(nanos: i64, out: &mut String) {
    let seconds = nanos.div_euclid(NANOS);
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    push_fraction(nanos.rem_euclid(NANOS), out);
}

fn push_fraction(nanos: i64, out: &mut String) {
    if nanos != 0 {
        let digits = format!("{nanos:09}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

fn push_duration(v: i64, nanos_per_unit: i64, out: &mut String) {
    let nanos = i128::from(v) * i128::from(nanos_per_unit);
    let day = i128::from(NANOS) * 86_400;
    push_interval(0, i64::try_from(nanos / day).unwrap_or(0), nanos % day, out);
}

/// The way PostgreSQL prints an interval: `1 year 2 mons 3 days 04:05:06.7`.
fn push_interval(months: i64, days: i64, nanos: i128, out: &mut String) {
    let start = out.len();
    let mut after_negative = false;
    for (n, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if n != 0 {
            let space = if out.len() > start { " " } else { "" };
            let plus = if after_negative && n > 0 { "+" } else { "" };
            let plural = if n == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{plus}{n} {unit}{plural}");
            after_negative = n < 0;
        }
    }
    if nanos != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if nanos < 0 {
            out.push('-');
        } else if after_negative {
            out.push('+');
        }
        push_time(i64::try_from(nanos.unsigned_abs()).unwrap_or(i64::MAX), out);
    }
}

/// A list the way PostgreSQL prints an array: `{1,NULL,"a b"}`.
fn push_array(items: &ArrayRef, out: &mut String) {
    out.push('{');
    for row in 0..items.len() {
        if row > 0 {
            out.push(',');
        }
        if items.is_null(row) {
            out.push_str("NULL");
            continue;
        }
        let mut text = String::new();
        push_text(items, row, &mut text);
        if *items.data_type() == DataType::Boolean {
            // inside an array PostgreSQL writes t and f
            text.truncate(1);
        }
        let nested =
            matches!(items.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _));
        let plain = !text.is_empty()
            && !text.eq_ignore_ascii_case("null")
            && !text.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\'));
        if nested || plain {
            out.push_str(&text);
        } else {
            out.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push('"');
        }
    }
    out.push('}');
}

/// The columns of a struct value, with their names.
pub(super) fn struct_fields(array: &StructArray) -> impl Iterator<Item = (&str, &ArrayRef)> {
    array.fields().iter().map(|f| f.name().as_str()).zip(array.columns())
}
