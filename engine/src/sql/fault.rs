//! A value that does not fit, before anyone knows which row it stands in.
//!
//! Promises: the final error names the value (shortened), the column and the row, counted from 1.
//! Never: a whole long value is copied into a message.

use crate::error::Error;

use super::codes;

/// Characters of a value that a message shows.
const SHOWN: usize = 40;

/// Why one value does not fit a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// the SQLSTATE
    pub sqlstate: &'static str,
    /// what is wrong, without the value
    pub what: String,
}

impl Fault {
    /// The text does not read as that type.
    pub fn syntax(ty: &str) -> Self {
        Self { sqlstate: codes::INVALID_TEXT, what: format!("invalid input syntax for type {ty}") }
    }

    /// The number is beyond the type's range.
    pub fn range(ty: &str) -> Self {
        Self { sqlstate: codes::NUMERIC_OUT_OF_RANGE, what: format!("value out of range for type {ty}") }
    }

    /// The text does not read as a date or time.
    pub fn date_syntax(ty: &str) -> Self {
        Self { sqlstate: codes::INVALID_DATETIME, what: format!("invalid input syntax for type {ty}") }
    }

    /// A field of a date or time is beyond its range, or the whole is.
    pub fn date_range(ty: &str) -> Self {
        Self { sqlstate: codes::DATETIME_OUT_OF_RANGE, what: format!("date/time value out of range for type {ty}") }
    }

    /// The error for the user.
    pub fn at(self, value: &str, column: &str, row: usize) -> Error {
        Error::statement(self.sqlstate, format!("{}: \"{}\"", self.what, shorten(value)))
            .with_detail(format!("column \"{column}\", row {row}"))
    }
}

/// The value's first characters.
#[must_use]
pub fn shorten(value: &str) -> String {
    shorten_to(value, SHOWN)
}

/// The value's first `characters`.
#[must_use]
pub fn shorten_to(value: &str, characters: usize) -> String {
    match value.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
