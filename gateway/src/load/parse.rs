//! Text as values: one builder for each column of a batch.
//!
//! Promises: a text is taken only if it is a value of the column's type; a number out of range, a date that does not
//! exist or a text that is too long is an error, never a wrap, a cut or a NULL.
//! Never: a locale or a two-digit year is guessed.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::error::ArrowError;
use chrono::{NaiveDate, NaiveTime, Timelike};
use firn_manifest::schema::ColumnType;

/// Why a text is no value of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// the SQLSTATE
    pub sqlstate: &'static str,
    /// what is wrong, to follow the quoted text
    pub what: String,
}

const INVALID_TEXT: &str = "22P02";
const OUT_OF_RANGE: &str = "22003";
const BAD_DATETIME: &str = "22007";
const TOO_LONG: &str = "22001";

fn invalid(ty: &str) -> BadValue {
    BadValue { sqlstate: INVALID_TEXT, what: format!("is not a {ty}") }
}

fn out_of_range(ty: &str) -> BadValue {
    BadValue { sqlstate: OUT_OF_RANGE, what: format!("is out of range for {ty}") }
}

/// A column's type as SQL writes it.
#[must_use]
pub fn sql_name(ty: ColumnType) -> String {
    match ty {
        ColumnType::Boolean => "BOOLEAN".to_owned(),
        ColumnType::SmallInt => "SMALLINT".to_owned(),
        ColumnType::Integer => "INTEGER".to_owned(),
        ColumnType::BigInt => "BIGINT".to_owned(),
        ColumnType::Real => "REAL".to_owned(),
        ColumnType::Double => "DOUBLE PRECISION".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ColumnType::Text => "TEXT".to_owned(),
        ColumnType::Varchar { length } => format!("VARCHAR({length})"),
        ColumnType::Bytea => "BYTEA".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP".to_owned(),
        ColumnType::Timestamptz => "TIMESTAMPTZ".to_owned(),
        ColumnType::Uuid => "UUID".to_owned(),
        ColumnType::Time => "TIME".to_owned(),
        ColumnType::Interval => "INTERVAL".to_owned(),
        ColumnType::Json => "JSON".to_owned(),
        ColumnType::Jsonb => "JSONB".to_owned(),
        ColumnType::Array { of } => format!("{}[]", sql_name(of.into())),
    }
}

/// Collects a column's values from texts.
pub enum Builder {
    /// BOOLEAN
    Boolean(BooleanBuilder),
    /// SMALLINT
    SmallInt(Int16Builder),
    /// INTEGER
    Integer(Int32Builder),
    /// BIGINT
    BigInt(Int64Builder),
    /// REAL
    Real(Float32Builder),
    /// DOUBLE PRECISION
    Double(Float64Builder),
    /// DECIMAL(precision, scale)
    Decimal(Decimal128Builder, u8, u8),
    /// TEXT, or VARCHAR with its length
    Text(StringBuilder, Option<u32>),
    /// BYTEA
    Bytea(BinaryBuilder),
    /// DATE
    Date(Date32Builder),
    /// TIMESTAMP, or TIMESTAMPTZ if the flag is set
    Timestamp(TimestampMicrosecondBuilder, bool),
    /// UUID, as canonical text
    Uuid(StringBuilder),
}

impl Builder {
    /// An empty column of a type.
    #[must_use]
    pub fn new(ty: ColumnType) -> Self {
        match ty {
            ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnType::SmallInt => Builder::SmallInt(Int16Builder::new()),
            ColumnType::Integer => Builder::Integer(Int32Builder::new()),
            ColumnType::BigInt => Builder::BigInt(Int64Builder::new()),
            ColumnType::Real => Builder::Real(Float32Builder::new()),
            ColumnType::Double => Builder::Double(Float64Builder::new()),
            ColumnType::Decimal { precision, scale } => Builder::Decimal(Decimal128Builder::new(), precision, scale),
            ColumnType::Text => Builder::Text(StringBuilder::new(), None),
            ColumnType::Varchar { length } => Builder::Text(StringBuilder::new(), Some(length)),
            ColumnType::Bytea => Builder::Bytea(BinaryBuilder::new()),
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new(), false),
            ColumnType::Timestamptz => Builder::Timestamp(TimestampMicrosecondBuilder::new(), true),
            ColumnType::Uuid => Builder::Uuid(StringBuilder::new()),
            // the engine reads these from their text
            ColumnType::Time
            | ColumnType::Interval
            | ColumnType::Json
            | ColumnType::Jsonb
            | ColumnType::Array { .. } => Builder::Text(StringBuilder::new(), None),
        }
    }

    /// Appends a NULL.
    pub fn append_null(&mut self) {
        match self {
            Builder::Boolean(b) => b.append_null(),
            Builder::SmallInt(b) => b.append_null(),
            Builder::Integer(b) => b.append_null(),
            Builder::BigInt(b) => b.append_null(),
            Builder::Real(b) => b.append_null(),
            Builder::Double(b) => b.append_null(),
            Builder::Decimal(b, _, _) => b.append_null(),
            Builder::Text(b, _) | Builder::Uuid(b) => b.append_null(),
            Builder::Bytea(b) => b.append_null(),
            Builder::Date(b) => b.append_null(),
            Builder::Timestamp(b, _) => b.append_null(),
        }
    }

    /// Appends the value that `text` stands for.
    ///
    /// # Errors
    /// If it stands for none.
    pub fn append(&mut self, text: &str) -> Result<(), BadValue> {
        match self {
            Builder::Boolean(b) => b.append_value(boolean(text)?),
            Builder::SmallInt(b) => b.append_value(integer(text, "SMALLINT")?),
            Builder::Integer(b) => b.append_value(integer(text, "INTEGER")?),
            Builder::BigInt(b) => b.append_value(integer(text, "BIGINT")?),
            Builder::Real(b) => {
                let v: f32 = text.trim().parse().map_err(|_| invalid("REAL"))?;
                if v.is_infinite() && !says_infinity(text) {
                    return Err(out_of_range("REAL"));
                }
                b.append_value(v);
            }
            Builder::Double(b) => {
                let v: f64 = text.trim().parse().map_err(|_| invalid("DOUBLE PRECISION"))?;
                if v.is_infinite() && !says_infinity(text) {
                    return Err(out_of_range("DOUBLE PRECISION"));
                }
                b.append_value(v);
            }
            Builder::Decimal(b, precision, scale) => b.append_value(decimal(text.trim(), *precision, *scale)?),
            Builder::Text(b, length) => {
                if let Some(length) = length {
                    let most = usize::try_from(*length).unwrap_or(usize::MAX);
                    if text.len() > most && text.chars().count() > most {
                        return Err(BadValue {
                            sqlstate: TOO_LONG,
                            what: format!("is too long for VARCHAR({length})"),
                        });
                    }
                }
                b.append_value(text);
            }
            Builder::Bytea(b) => b.append_value(bytea(text)?),
            Builder::Date(b) => b.append_value(date(text.trim()).ok_or_else(|| bad_datetime("DATE", "YYYY-MM-DD"))?),
            Builder::Timestamp(b, zoned) => {
                let name = if *zoned { "TIMESTAMPTZ" } else { "TIMESTAMP" };
                let (micros, _) = timestamp(text.trim())
                    .ok_or_else(|| bad_datetime(name, "YYYY-MM-DD HH:MM:SS[.ffffff][Z or ±HH:MM]"))?;
                b.append_value(micros);
            }
            Builder::Uuid(b) => b.append_value(uuid(text.trim()).ok_or_else(|| invalid("UUID"))?),
        }
        Ok(())
    }

    /// The column; the builder is empty afterwards.
    ///
    /// # Errors
    /// If a DECIMAL's precision is not one Arrow knows.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Builder::Boolean(b) => Arc::new(b.finish()),
            Builder::SmallInt(b) => Arc::new(b.finish()),
            Builder::Integer(b) => Arc::new(b.finish()),
            Builder::BigInt(b) => Arc::new(b.finish()),
            Builder::Real(b) => Arc::new(b.finish()),
            Builder::Double(b) => Arc::new(b.finish()),
            Builder::Decimal(b, precision, scale) => {
                let scale = i8::try_from(*scale).map_err(|e| ArrowError::InvalidArgumentError(e.to_string()))?;
                Arc::new(b.finish().with_precision_and_scale(*precision, scale)?)
            }
            Builder::Text(b, _) | Builder::Uuid(b) => Arc::new(b.finish()),
            Builder::Bytea(b) => Arc::new(b.finish()),
            Builder::Date(b) => Arc::new(b.finish()),
            Builder::Timestamp(b, false) => Arc::new(b.finish()),
            Builder::Timestamp(b, true) => Arc::new(b.finish().with_timezone("UTC")),
        })
    }
}

fn bad_datetime(ty: &str, form: &str) -> BadValue {
    BadValue { sqlstate: BAD_DATETIME, what: format!("is not a {ty} (write {form}, a day that exists)") }
}

fn says_infinity(text: &str) -> bool {
    text.trim().trim_start_matches(['-', '+']).get(..3).is_some_and(|s| s.eq_ignore_ascii_case("inf"))
}

fn boolean(text: &str) -> Result<bool, BadValue> {
    let text = text.trim();
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "t", "1", "yes", "y", "on"]) {
        Ok(true)
    } else if is_one_of(["false", "f", "0", "no", "n", "off"]) {
        Ok(false)
    } else {
        Err(invalid("BOOLEAN"))
    }
}

fn integer<T: std::str::FromStr<Err = std::num::ParseIntError>>(text: &str, ty: &str) -> Result<T, BadValue> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.trim().parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => out_of_range(ty),
        _ => invalid(ty),
    })
}

/// A decimal as its whole number of units of `10^-scale`; more digits after the point are rounded half away from zero.
fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, BadValue> {
    let ty = || format!("DECIMAL({precision},{scale})");
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid(&ty()))?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(invalid(&ty()));
    }
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent.into());
    let wanted = point.saturating_add(scale.into());
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    let mut units: i128 = 0;
    let mut taken = 0i64;
    while taken < wanted {
        let Some(digit) = digits.next() else { break };
        units = units.checked_mul(10).and_then(|u| u.checked_add(digit)).ok_or_else(|| out_of_range(&ty()))?;
        taken += 1;
    }
    while taken < wanted && units != 0 {
        units = units.checked_mul(10).ok_or_else(|| out_of_range(&ty()))?;
        taken += 1;
    }
    if wanted >= 0 && digits.next().is_some_and(|digit| digit >= 5) {
        units += 1;
    }
    if units >= 10i128.checked_pow(precision.into()).unwrap_or(i128::MAX) {
        return Err(out_of_range(&ty()));
    }
    Ok(if negative { -units } else { units })
}

fn bytea(text: &str) -> Result<Vec<u8>, BadValue> {
    let digits = text.strip_prefix("\\x").ok_or_else(|| invalid("BYTEA (write \\x and hex digits)"))?.as_bytes();
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if digits.len() % 2 != 0 {
        return Err(invalid("BYTEA (an odd number of hex digits)"));
    }
    digits
        .chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect::<Option<_>>()
        .ok_or_else(|| invalid("BYTEA (write \\x and hex digits)"))
}

/// The canonical text of a UUID.
fn uuid(text: &str) -> Option<String> {
    let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let grouped = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let plain = text.len() == 32;
    if !(grouped || plain) || digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let d = digits.to_ascii_lowercase();
    Some(format!("{}-{}-{}-{}-{}", &d[..8], &d[8..12], &d[12..16], &d[16..20], &d[20..]))
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
#[must_use]
pub fn date(text: &str) -> Option<i32> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    if !(4..=6).contains(&year.len()) || !digits(year, year.len()) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since 1970 of a date and time, and whether the text bears a zone; UTC if it does not.
#[must_use]
pub fn timestamp(text: &str) -> Option<(i64, bool)> {
    let (day, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (date(&text[..at])?, text[at + 1..].trim_start()),
        None => return Some((i64::from(date(text)?) * 86_400_000_000, false)),
    };
    let clock_end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock_end);
    let clock_micros = time_of_day(clock)?;
    let zone = zone.trim();
    let offset_seconds = match zone {
        "" => None,
        "Z" | "z" | "UTC" | "utc" => Some(0),
        _ => Some(zone_offset(zone)?),
    };
    let micros = i64::from(day)
        .checked_mul(86_400_000_000)?
        .checked_add(clock_micros)?
        .checked_sub(offset_seconds.unwrap_or(0) * 1_000_000)?;
    Some((micros, offset_seconds.is_some()))
}

/// Microseconds of `HH:MM[:SS[.fraction]]`; digits beyond microseconds are rounded.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let mut two = |needed: bool| match parts.next() {
        Some(part) if part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) => part.parse::<u32>().ok(),
        None if !needed => Some(0),
        _ => None,
    };
    let (hour, minute, second) = (two(true)?, two(true)?, two(!fraction.is_empty())?);
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 12 {
        return None;
    }
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    let padded = format!("{fraction:0<7}");
    let tenths: i64 = padded.get(..7)?.parse().ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + (tenths + 5) / 10)
}

/// Seconds east of UTC of `±HH[[:]MM]`.
fn zone_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    let shape = matches!((rest.len(), digits.len()), (2, 2) | (4, 4) | (5, 4));
    if !shape || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = digits.get(2..4).unwrap_or("0").parse().ok()?;
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn integers_never_wrap() {
        let bad = |ty, text: &str| Builder::new(ty).append(text).unwrap_err().sqlstate;
        assert_eq!(bad(ColumnType::SmallInt, "32768"), OUT_OF_RANGE);
        assert_eq!(bad(ColumnType::Integer, "-2147483649"), OUT_OF_RANGE);
        assert_eq!(bad(ColumnType::BigInt, "9223372036854775808"), OUT_OF_RANGE);
        assert_eq!(bad(ColumnType::BigInt, "1.5"), INVALID_TEXT);
        assert_eq!(bad(ColumnType::BigInt, ""), INVALID_TEXT);
        assert!(Builder::new(ColumnType::BigInt).append(" -9223372036854775808 ").is_ok());
    }

    #[test]
    fn floats_overflow_is_an_error_and_infinity_is_a_value() {
        assert_eq!(Builder::new(ColumnType::Double).append("1e400").unwrap_err().sqlstate, OUT_OF_RANGE);
        assert_eq!(Builder::new(ColumnType::Real).append("1e39").unwrap_err().sqlstate, OUT_OF_RANGE);
        for text in ["Infinity", "-inf", "NaN", "1e-3", ".5"] {
            assert!(Builder::new(ColumnType::Double).append(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn decimals_round_half_away_from_zero() {
        for (text, units) in [
            ("1", 100),
            ("1.005", 101),
            ("-1.005", -101),
            ("1.004", 100),
            ("0.1e2", 1000),
            ("12345e-4", 123),
            (".5", 50),
            ("0", 0),
            ("0.004", 0),
            ("5e-3", 1),
            ("5e-4", 0),
        ] {
            assert_eq!(decimal(text, 6, 2).unwrap(), units, "{text}");
        }
        assert_eq!(decimal("10000", 6, 2).unwrap_err().sqlstate, OUT_OF_RANGE);
        assert_eq!(decimal("9999.995", 6, 2).unwrap_err().sqlstate, OUT_OF_RANGE);
        assert_eq!(decimal("1e99999", 6, 2).unwrap_err().sqlstate, OUT_OF_RANGE);
        assert_eq!(decimal("0e2147483647", 6, 2).unwrap(), 0);
        for text in ["", "-", ".", "1,5", "x", "1e", "--1"] {
            assert_eq!(decimal(text, 6, 2).unwrap_err().sqlstate, INVALID_TEXT, "{text}");
        }
    }

    #[test]
    fn dates_must_exist() {
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("2024-02-29"), Some(19_782));
        for text in ["2023-02-29", "2023-13-01", "23-01-01", "2023-1-1", "2023/01/01", "", "NA"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_with_and_without_zone() {
        let base = 1_357_034_400_000_000;
        for (text, micros, zoned) in [
            ("2013-01-01T10:00:00Z", base, true),
            ("2013-01-01 10:00:00", base, false),
            ("2013-01-01 10:00", base, false),
            ("2013-01-01T12:00:00.25+02:00", base + 250_000, true),
            ("2013-01-01 05:00:00-05", base, true),
            ("2013-01-01 10:00:00.0000005", base + 1, false),
        ] {
            assert_eq!(timestamp(text), Some((micros, zoned)), "{text}");
        }
        for text in [
            "2013-01-01 25:00:00",
            "2013-01-01 10",
            "2013-01-01 10:00:00 Mars",
            "10:00",
            "2013-01-01T10:00:00+99:00",
            "2013-01-01 10:0é",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn uuids_and_bytes() {
        let text = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11";
        assert_eq!(uuid(text).unwrap(), text.to_ascii_lowercase());
        assert!(uuid("a0eebc999c0b4ef8bb6d6bb9bd380a11").is_some());
        assert!(uuid("a0eebc99-9c0b4-ef8-bb6d-6bb9bd380a11").is_none());
        assert!(uuid("ééééééééééééééééééé").is_none());
        assert_eq!(bytea("\\xDEadbe").unwrap(), [0xde, 0xad, 0xbe]);
        assert!(bytea("\\x123").is_err() && bytea("abc").is_err() && bytea("\\xzz").is_err());
    }
}
