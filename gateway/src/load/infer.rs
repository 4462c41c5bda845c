//! Finds a type for each column from a sample of texts.
//!
//! Promises: the type fits every value of the sample without losing a character that matters: numbers with leading
//! zeros or a plus sign, and whole numbers beyond BIGINT, stay TEXT. A column without any value is TEXT.
//! Never: a whole file is read for it.

use std::collections::HashMap;

use firn_engine::Error;
use firn_manifest::schema::ColumnType;

use super::parse::{date, sql_name, timestamp};

/// At most this many records of a file are looked at.
pub const SAMPLE_ROWS: u64 = 100_000;
/// At most this many bytes of a file are looked at.
pub const SAMPLE_BYTES: u64 = 64 << 20;

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const DOUBLE: u8 = 4;
const DATE: u8 = 8;
const TIMESTAMP: u8 = 16;
const TIMESTAMPTZ: u8 = 32;
const ANY: u8 = 63;

/// A column to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewColumn {
    /// its name
    pub name: String,
    /// its type
    pub ty: ColumnType,
}

/// What has been seen of the columns.
#[derive(Debug, Default)]
pub struct Inference {
    columns: Vec<(String, u8, bool)>,
    numbers: HashMap<String, usize>,
}

/// The name a created column gets: as SQL folds an unquoted one.
#[must_use]
pub fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Inference {
    /// The number of a column, which is new if it was never named before.
    pub fn column(&mut self, name: &str) -> usize {
        let folded = fold(name);
        let columns = &mut self.columns;
        *self.numbers.entry(folded).or_insert_with_key(|name| {
            columns.push((name.clone(), ANY, false));
            columns.len() - 1
        })
    }

    /// A value of the column, not NULL, as a text file writes it.
    pub fn observe(&mut self, column: usize, text: &str) {
        self.narrow(column, |mask| classify(text, mask));
    }

    /// A value that is text in its file (a JSON string): only dates and times are looked for.
    pub fn observe_string(&mut self, column: usize, text: &str) {
        self.narrow(column, |mask| classify(text, mask & (DATE | TIMESTAMP | TIMESTAMPTZ)));
    }

    /// A value that can only be TEXT.
    pub fn observe_other(&mut self, column: usize) {
        self.narrow(column, |_| 0);
    }

    fn narrow(&mut self, column: usize, f: impl FnOnce(u8) -> u8) {
        if let Some((_, mask, seen)) = self.columns.get_mut(column) {
            *seen = true;
            if *mask != 0 {
                *mask = f(*mask);
            }
        }
    }

    /// The columns in the order they were first seen.
    #[must_use]
    pub fn finish(self) -> Vec<NewColumn> {
        let decide = |mask: u8, seen: bool| match mask {
            _ if !seen => ColumnType::Text,
            m if m & BOOLEAN != 0 => ColumnType::Boolean,
            m if m & INTEGER != 0 => ColumnType::BigInt,
            m if m & DOUBLE != 0 => ColumnType::Double,
            m if m & DATE != 0 => ColumnType::Date,
            m if m & TIMESTAMP != 0 => ColumnType::Timestamp,
            m if m & TIMESTAMPTZ != 0 => ColumnType::Timestamptz,
            _ => ColumnType::Text,
        };
        self.columns.into_iter().map(|(name, mask, seen)| NewColumn { name, ty: decide(mask, seen) }).collect()
    }
}

/// The types among `mask` that take this text.
fn classify(text: &str, mask: u8) -> u8 {
    let mut out = 0;
    if mask & BOOLEAN != 0 && (text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")) {
        out |= BOOLEAN;
    }
    if mask & (INTEGER | DOUBLE) != 0 {
        out |= classify_number(text) & mask;
    }
    if mask & DATE != 0 && date(text).is_some() {
        out |= DATE;
    }
    if mask & (TIMESTAMP | TIMESTAMPTZ) != 0
        && let Some((_, zoned)) = timestamp(text)
    {
        out |= mask & if zoned { TIMESTAMPTZ } else { TIMESTAMP };
    }
    out
}

fn classify_number(text: &str) -> u8 {
    if matches!(text, "NaN" | "Infinity" | "-Infinity" | "inf" | "-inf") {
        return DOUBLE;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || leading_zero {
        return 0;
    }
    if plain {
        return if text.parse::<i64>().is_ok() { INTEGER | DOUBLE } else { 0 };
    }
    let shaped = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(v) if shaped && v.is_finite() => DOUBLE,
        _ => 0,
    }
}

/// An identifier as SQL takes it literally.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The CREATE TABLE statement of a new table.
///
/// # Errors
/// If the key names a column that is not there.
pub fn create_table(table: &str, columns: &[NewColumn], key: &[String]) -> Result<String, Error> {
    let mut parts: Vec<String> = columns.iter().map(|c| format!("{} {}", quote(&c.name), sql_name(c.ty))).collect();
    for name in key {
        if !columns.iter().any(|c| c.name == *name) {
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            return Err(Error::statement("42703", format!("--key names column {name:?}, which the files do not have"))
                .with_hint(format!("their columns are {}", names.join(", "))));
        }
    }
    if !key.is_empty() {
        let names: Vec<String> = key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
    }
    Ok(format!("CREATE TABLE {} ({})", quote(table), parts.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn infer(values: &[&str]) -> ColumnType {
        let mut inference = Inference::default();
        let column = inference.column("c");
        for value in values {
            inference.observe(column, value);
        }
        inference.finish()[0].ty
    }

    #[test]
    fn the_type_fits_every_value() {
        for (values, ty) in [
            (&["1", "-2", "0"][..], ColumnType::BigInt),
            (&["1", "2.5", "1e3"], ColumnType::Double),
            (&["1", "2.5", "x"], ColumnType::Text),
            (&["00501", "10001"], ColumnType::Text),
            (&["+4912345"], ColumnType::Text),
            (&["9223372036854775808"], ColumnType::Text),
            (&["1.5", "9223372036854775808"], ColumnType::Text),
            (&["true", "FALSE"], ColumnType::Boolean),
            (&["true", "1"], ColumnType::Text),
            (&["2013-01-01", "2012-02-29"], ColumnType::Date),
            (&["2013-01-01", "2013-01-01 05:00:00"], ColumnType::Timestamp),
            (&["2013-01-01T05:00:00Z"], ColumnType::Timestamptz),
            (&["2013-01-01T05:00:00Z", "2013-01-01 05:00"], ColumnType::Text),
            (&["2013-02-30"], ColumnType::Text),
            (&["0.5", "-0.25", "NaN"], ColumnType::Double),
            (&["1-2", "3"], ColumnType::Text),
            (&[""], ColumnType::Text),
            (&[], ColumnType::Text),
        ] {
            assert_eq!(infer(values), ty, "{values:?}");
        }
    }

    #[test]
    fn strings_of_json_stay_text_unless_they_are_times() {
        let mut inference = Inference::default();
        let (a, b) = (inference.column("A"), inference.column("b"));
        inference.observe_string(a, "12");
        inference.observe_string(b, "2013-01-01");
        assert_eq!(inference.column("a"), a);
        let columns = inference.finish();
        assert_eq!((columns[0].name.as_str(), columns[0].ty, columns[1].ty), ("a", ColumnType::Text, ColumnType::Date));
    }

    #[test]
    fn the_statement_is_quoted() {
        let columns = [
            NewColumn { name: "a\"b".into(), ty: ColumnType::BigInt },
            NewColumn { name: "c".into(), ty: ColumnType::Text },
        ];
        assert_eq!(
            create_table("t", &columns, &["c".into()]).unwrap(),
            "CREATE TABLE \"t\" (\"a\"\"b\" BIGINT, \"c\" TEXT, PRIMARY KEY (\"c\"))"
        );
        assert_eq!(create_table("t", &columns, &["x".into()]).unwrap_err().sqlstate, "42703");
    }
}
