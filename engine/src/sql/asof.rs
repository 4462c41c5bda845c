//! Points in the past: how they are written, and which position each means.
//!
//! Promises: a point that cannot be read is an error (22023) that names the bounds.
//! Never: a point silently becomes another one.

use std::str::FromStr;

use datafusion::common::ScalarValue;
use firn_manifest::ids::Position;

use super::datetime::{format_timestamp, parse_timestamptz};
use crate::error::{Error, Result, sqlstate};
use crate::state::Snapshot;

/// A point in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// a position
    Position(Position),
    /// a time, microseconds since 1970 UTC
    Time(i64),
}

impl FromStr for AsOf {
    type Err = Error;

    /// An integer is a position; anything else an RFC 3339 time or a Postgres timestamp, UTC if it bears no zone.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return position(text).map(Self::Position);
        }
        time(text).map(Self::Time)
    }
}

impl std::fmt::Display for AsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Position(position) => write!(f, "{position}"),
            Self::Time(micros) => f.write_str(&show(*micros)),
        }
    }
}

impl AsOf {
    /// What `AS OF POSITION` says with that value.
    ///
    /// # Errors
    /// 22023, 22004.
    pub fn from_position(value: &ScalarValue) -> Result<Self> {
        let wrong = || {
            Error::statement(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("AS OF POSITION takes a whole number, not {value}"),
            )
            .with_hint(
                "positions are reported by every write and listed in firn_commits; for a time write AS OF TIMESTAMP",
            )
        };
        if value.is_null() {
            return Err(null());
        }
        if let Some(text) = text_of(value) {
            return position(text.trim()).map(Self::Position);
        }
        if !value.data_type().is_integer() {
            return Err(wrong());
        }
        let number = value.cast_to(&arrow::datatypes::DataType::UInt64).map_err(|_| wrong())?;
        match number {
            ScalarValue::UInt64(Some(number)) => Ok(Self::Position(Position(number))),
            _ => Err(wrong()),
        }
    }

    /// What `AS OF TIMESTAMP` says with that value.
    ///
    /// # Errors
    /// 22007, 22008, 22004; 42804 for a value that is no time.
    pub fn from_time(value: &ScalarValue) -> Result<Self> {
        let range = || Error::statement("22008", format!("AS OF TIMESTAMP: {value} is out of range"));
        if value.is_null() {
            return Err(null());
        }
        if let Some(text) = text_of(value) {
            return time(text).map(Self::Time);
        }
        match value {
            ScalarValue::TimestampSecond(Some(v), _) => v.checked_mul(1_000_000).map(Self::Time).ok_or_else(range),
            ScalarValue::TimestampMillisecond(Some(v), _) => v.checked_mul(1_000).map(Self::Time).ok_or_else(range),
            ScalarValue::TimestampMicrosecond(Some(v), _) => Ok(Self::Time(*v)),
            ScalarValue::TimestampNanosecond(Some(v), _) => Ok(Self::Time(v.div_euclid(1_000))),
            ScalarValue::Date32(Some(days)) => Ok(Self::Time(i64::from(*days) * 86_400_000_000)),
            _ => Err(Error::statement("42804", format!("AS OF TIMESTAMP takes a time, not {value}"))
                .with_hint("write it as '2024-05-01 12:00:00+00'; for a position write AS OF POSITION")),
        }
    }

    /// The position it means in what the snapshot sees; `now` is the statement's time.
    ///
    /// # Errors
    /// 22023 for the future and for what is no longer, or was not yet, there.
    pub async fn resolve(self, snapshot: &Snapshot, now: i64) -> Result<Position> {
        let newest = snapshot.position();
        match self {
            Self::Position(position) if position > newest => {
                Err(bound(format!("position {position} is in the future: the newest position is {newest}")))
            }
            Self::Position(position) => within(position, snapshot),
            Self::Time(micros) if micros > now.max(snapshot.commit_time()) => Err(bound(format!(
                "{} is in the future: the newest position is {newest}, committed at {}",
                show(micros),
                show(snapshot.commit_time())
            ))),
            Self::Time(micros) if micros >= snapshot.commit_time() => Ok(newest),
            Self::Time(micros) => {
                let position = snapshot.position_at(micros).await?;
                if position == Position::ZERO {
                    return Err(bound(format!("there was no commit yet at {}", show(micros)))
                        .with_hint("SELECT min(committed_at) FROM firn_commits tells when the first one was"));
                }
                within(position, snapshot)
            }
        }
    }
}

fn within(position: Position, snapshot: &Snapshot) -> Result<Position> {
    let horizon = snapshot.horizon();
    if position < horizon {
        return Err(bound(format!(
            "position {position} is before the horizon: the oldest position that can be read is {horizon}"
        )));
    }
    Ok(position)
}

fn bound(message: String) -> Error {
    Error::statement(sqlstate::INVALID_PARAMETER_VALUE, message)
}

fn null() -> Error {
    Error::statement("22004", "AS OF takes a time or a position, not NULL")
}

fn position(text: &str) -> Result<Position> {
    text.parse().map(Position).map_err(|_| {
        Error::statement(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("\"{text}\" is not a position: it is a whole number from 0"),
        )
    })
}

fn time(text: &str) -> Result<i64> {
    parse_timestamptz(text).map_err(|fault| {
        Error::statement(fault.sqlstate, format!("AS OF: {}: \"{}\"", fault.what, super::fault::shorten(text)))
            .with_hint("write a position, or a time such as 2024-05-01T12:00:00Z")
    })
}

fn show(micros: i64) -> String {
    format_timestamp(micros, "+00")
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(Some(s)) | ScalarValue::LargeUtf8(Some(s)) | ScalarValue::Utf8View(Some(s)) => Some(s),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn texts_mean_positions_or_times() {
        assert_eq!("17".parse::<AsOf>().unwrap(), AsOf::Position(Position(17)));
        let noon = AsOf::Time(1_714_564_800_000_000);
        for text in ["2024-05-01T12:00:00Z", "2024-05-01 12:00:00", "2024-05-01 14:00:00+02", "2024-05-01 12:00"] {
            assert_eq!(text.parse::<AsOf>().unwrap(), noon, "{text}");
        }
        assert_eq!("99999999999999999999999".parse::<AsOf>().unwrap_err().sqlstate, "22023");
        assert_eq!("last week".parse::<AsOf>().unwrap_err().sqlstate, "22007");
        assert_eq!("2024-02-30".parse::<AsOf>().unwrap_err().sqlstate, "22008");
        assert_eq!("".parse::<AsOf>().unwrap_err().sqlstate, "22007");
    }

    #[test]
    fn values_mean_points() {
        assert_eq!(AsOf::from_position(&ScalarValue::from(3i32)).unwrap(), AsOf::Position(Position(3)));
        assert_eq!(AsOf::from_position(&ScalarValue::from("3")).unwrap(), AsOf::Position(Position(3)));
        assert_eq!(AsOf::from_position(&ScalarValue::from(-3i64)).unwrap_err().sqlstate, "22023");
        assert_eq!(AsOf::from_position(&ScalarValue::from(1.5f64)).unwrap_err().sqlstate, "22023");
        assert_eq!(AsOf::from_time(&ScalarValue::Date32(Some(1))).unwrap(), AsOf::Time(86_400_000_000));
        assert_eq!(AsOf::from_time(&ScalarValue::from(3i64)).unwrap_err().sqlstate, "42804");
        assert_eq!(AsOf::from_time(&ScalarValue::Utf8(None)).unwrap_err().sqlstate, "22004");
    }
}
