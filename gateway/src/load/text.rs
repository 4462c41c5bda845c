//! Batches and samples of the text formats.
//!
//! Promises: every error names file and line; a record has as many fields as the header, or it is an error.
//! Never: a field is dropped silently.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firn_engine::Error;
use firn_manifest::schema::{ColumnType, Element, TableSchema};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::batch::{Batch, Batches, Collector, find_column, unknown_column};
use super::csv::{MAX_RECORD_BYTES, Reader, Record};
use super::infer::{Inference, SAMPLE_ROWS, fold};
use super::source::{TextInput, empty};
use crate::cli::FileFormat;

const BAD_FILE: &str = "22P04";

fn bad(name: &str, line: u64, what: impl fmt::Display) -> Error {
    Error::statement(BAD_FILE, format!("{name}, line {line}: {what}"))
}

/// Reads the header: the columns' names.
fn header<R: Read>(reader: &mut Reader<R>, record: &mut Record, name: &str) -> Result<Vec<String>, Error> {
    if !reader.next(record)? {
        return Err(empty(name, FileFormat::Csv));
    }
    let names: Vec<String> = (0..record.len()).map(|i| record.field(i).0.trim().to_owned()).collect();
    let mut seen = HashSet::with_capacity(names.len());
    for (i, column) in names.iter().enumerate() {
        if column.is_empty() {
            let what = format!("field {} of the header has no name; the first line must name the columns", i + 1);
            return Err(bad(name, record.line, what));
        }
        if !seen.insert(fold(column)) {
            return Err(bad(name, record.line, format!("the header names column {column:?} twice")));
        }
    }
    Ok(names)
}

fn check_width(record: &Record, width: usize, name: &str) -> Result<(), Error> {
    if record.len() == width {
        return Ok(());
    }
    let fields = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
    let what = format!("{}, but the header has {}", fields(record.len()), fields(width));
    Err(bad(name, record.line, what).with_hint("a comma or a line break inside a value must stand in double quotes"))
}

/// A field's value: `None` if it stands for NULL.
fn value<'a>((text, quoted): (&'a str, bool), null: &str) -> Option<&'a str> {
    (quoted || text != null).then_some(text)
}

/// Looks at the head of a CSV file.
///
/// # Errors
/// What is wrong with it.
pub fn sample_csv(input: impl Read, cut: bool, name: &str, null: &str, into: &mut Inference) -> Result<(), Error> {
    let mut reader = Reader::new(input, name);
    let mut record = Record::default();
    let names = header(&mut reader, &mut record, name)?;
    let columns: Vec<usize> = names.iter().map(|name| into.column(name)).collect();
    let mut previous: Vec<Option<String>> = Vec::new();
    for _ in 0..SAMPLE_ROWS {
        match reader.next(&mut record) {
            Ok(true) => {}
            Ok(false) => {
                // the last record of a head that was cut off may itself be cut
                if cut {
                    previous.clear();
                }
                break;
            }
            Err(_) if cut => break,
            Err(error) => return Err(error),
        }
        observe_csv(&columns, &previous, into);
        previous.clear();
        if record.is_blank() && names.len() > 1 {
            continue;
        }
        match check_width(&record, names.len(), name) {
            Err(_) if cut => continue,
            checked => checked?,
        }
        previous.extend((0..record.len()).map(|i| value(record.field(i), null).map(str::to_owned)));
    }
    observe_csv(&columns, &previous, into);
    Ok(())
}

fn observe_csv(columns: &[usize], values: &[Option<String>], into: &mut Inference) {
    for (column, value) in columns.iter().zip(values) {
        if let Some(text) = value {
            into.observe(*column, text);
        }
    }
}

/// The batches of a CSV file.
pub struct CsvBatches {
    reader: Reader<TextInput>,
    record: Record,
    name: String,
    null: String,
    width: usize,
    collector: Collector,
    read: Arc<AtomicU64>,
}

impl CsvBatches {
    /// Reads the header and matches it with the table.
    ///
    /// # Errors
    /// If the file is empty or names a column the table does not have.
    pub fn new(
        input: (TextInput, Arc<AtomicU64>),
        name: &str,
        null: &str,
        table: &TableSchema,
        limit: u64,
    ) -> Result<Self, Error> {
        let mut reader = Reader::new(input.0, name);
        let mut record = Record::default();
        let names = header(&mut reader, &mut record, name)?;
        let (mut columns, mut taken) = (Vec::new(), HashSet::new());
        for column in &names {
            let found =
                find_column(table, column).ok_or_else(|| unknown_column(&format!("{name}, line 1"), table, column))?;
            if !taken.insert(found.id) {
                return Err(bad(name, 1, format!("two fields of the header mean column {:?}", found.name)));
            }
            columns.push(found.clone());
        }
        let collector = Collector::new(name, columns, limit);
        Ok(Self {
            reader,
            record,
            name: name.to_owned(),
            null: null.to_owned(),
            width: names.len(),
            collector,
            read: input.1,
        })
    }
}

impl Batches for CsvBatches {
    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        while !self.collector.is_full() && self.reader.next(&mut self.record)? {
            let record = &self.record;
            if record.is_blank() && self.width > 1 {
                continue;
            }
            check_width(record, self.width, &self.name)?;
            for i in 0..self.width {
                self.collector.push(i, record.line, value(record.field(i), &self.null))?;
            }
            self.collector.end_row();
        }
        self.collector.take(self.read.load(Ordering::Relaxed), false)
    }
}

/// A JSON object with its values as they stand in the text.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Fields<'a> {
            type Value = Object<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'a>, A::Error> {
                let mut fields: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'a>, &'a RawValue>()? {
                    fields.push((key, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value of a JSON object as a column sees it.
enum JsonValue<'a> {
    Null,
    /// a number, true or false, as written
    Plain(&'a str),
    String(Cow<'a, str>),
    /// an array or an object, as written
    Nested(&'a str),
}

/// A JSON array as the array literal that a column of an array type reads, its items as they are written where they
/// are `json` there too; anything else as [`json_value`].
fn array_value(raw: &RawValue, json: bool) -> Result<JsonValue<'_>, serde_json::Error> {
    if !raw.get().starts_with('[') {
        return json_value(raw);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get())?;
    let mut out = String::from("{");
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        match json_value(item)? {
            JsonValue::Null => out.push_str("NULL"),
            JsonValue::Plain(text) => out.push_str(text),
            JsonValue::Nested(text) => push_quoted(text, &mut out),
            JsonValue::String(_) if json => push_quoted(item.get(), &mut out),
            JsonValue::String(text) => push_quoted(&text, &mut out),
        }
    }
    out.push('}');
    Ok(JsonValue::String(Cow::Owned(out)))
}

fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

fn json_value(raw: &RawValue) -> Result<JsonValue<'_>, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'n') => JsonValue::Null,
        Some(b'"') => JsonValue::String(serde_json::from_str::<Key<'_>>(text)?.0),
        Some(b'{' | b'[') => JsonValue::Nested(text),
        _ => JsonValue::Plain(text),
    })
}

/// Reads lines of bounded length.
struct Lines<R> {
    input: BufReader<R>,
    name: String,
    text: Vec<u8>,
    line: u64,
}

impl<R: Read> Lines<R> {
    fn new(input: R, name: &str) -> Self {
        Self { input: BufReader::with_capacity(256 << 10, input), name: name.to_owned(), text: Vec::new(), line: 0 }
    }

    /// The next line that is not blank, with its number.
    fn next(&mut self) -> Result<Option<(u64, &str)>, Error> {
        loop {
            self.text.clear();
            let limit = MAX_RECORD_BYTES as u64 + 1;
            let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.text);
            self.line += 1;
            match read {
                Ok(0) => return Ok(None),
                Ok(n) if n as u64 == limit && self.text.last() != Some(&b'\n') => {
                    let what = format!("the line is larger than {} MiB", MAX_RECORD_BYTES >> 20);
                    let error = Error::statement("54000", format!("{}, line {}: {what}", self.name, self.line));
                    return Err(error.with_hint(
                        "ndjson holds one object a line; split the value, or keep it outside of the table",
                    ));
                }
                Ok(_) => {}
                Err(e) => return Err(bad(&self.name, self.line, format!("the file cannot be read: {e}"))),
            }
            let start = if self.line == 1 && self.text.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
            if !self.text[start..].iter().all(u8::is_ascii_whitespace) {
                let Self { text, name, line, .. } = self;
                let checked = std::str::from_utf8(&text[start..]).map_err(|e| {
                    let what = format!("byte {} of the line is not UTF-8", start + e.valid_up_to() + 1);
                    Error::statement("22021", format!("{name}, line {line}: {what}"))
                })?;
                return Ok(Some((*line, checked)));
            }
        }
    }
}

fn object<'a>(name: &str, line: u64, text: &'a str) -> Result<Object<'a>, Error> {
    serde_json::from_str(text).map_err(|e| {
        let what = e.to_string();
        let what = what.split(" at line ").next().unwrap_or(&what);
        // a value of the wrong kind has no column
        let place = if e.column() == 0 { String::new() } else { format!("column {}: ", e.column()) };
        bad(name, line, format!("{place}{what}")).with_hint("ndjson holds one JSON object a line")
    })
}

/// Looks at the head of an ndjson file.
///
/// # Errors
/// What is wrong with it.
pub fn sample_ndjson(input: impl Read, cut: bool, name: &str, into: &mut Inference) -> Result<(), Error> {
    let mut lines = Lines::new(input, name);
    let mut any = false;
    for _ in 0..SAMPLE_ROWS {
        let Some((line, text)) = lines.next()? else { break };
        any = true;
        let fields = match object(name, line, text) {
            Err(_) if cut => break,
            parsed => parsed?.0,
        };
        for (key, raw) in fields {
            let column = into.column(&key);
            match json_value(raw).map_err(|e| bad(name, line, e))? {
                JsonValue::Null => {}
                JsonValue::Plain(text) => into.observe(column, text),
                JsonValue::String(text) => into.observe_string(column, &text),
                JsonValue::Nested(_) => into.observe_other(column),
            }
        }
    }
    if any { Ok(()) } else { Err(empty(name, FileFormat::Ndjson)) }
}

/// The batches of an ndjson file.
pub struct NdjsonBatches {
    lines: Lines<TextInput>,
    name: String,
    table: Arc<TableSchema>,
    columns: HashMap<String, usize>,
    kinds: Vec<ColumnType>,
    width: usize,
    any: bool,
    collector: Collector,
    read: Arc<AtomicU64>,
}

impl NdjsonBatches {
    /// The batches for a table.
    #[must_use]
    pub fn new(input: (TextInput, Arc<AtomicU64>), name: &str, table: &Arc<TableSchema>, limit: u64) -> Self {
        let columns: Vec<_> = table.columns.iter().filter(|c| !c.hidden).cloned().collect();
        Self {
            lines: Lines::new(input.0, name),
            name: name.to_owned(),
            table: Arc::clone(table),
            columns: columns.iter().enumerate().map(|(i, c)| (c.name.clone(), i)).collect(),
            kinds: columns.iter().map(|c| c.ty).collect(),
            width: columns.len(),
            any: false,
            collector: Collector::new(name, columns, limit),
            read: input.1,
        }
    }
}

impl Batches for NdjsonBatches {
    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let mut seen = vec![false; self.width];
        while !self.collector.is_full() {
            let Some((line, text)) = self.lines.next()? else { break };
            self.any = true;
            seen.fill(false);
            for (key, raw) in object(&self.name, line, text)?.0 {
                let at = match self.columns.get(key.as_ref()) {
                    Some(at) => *at,
                    None => {
                        let place = || format!("{}, line {line}", self.name);
                        let column = find_column(&self.table, &key)
                            .ok_or_else(|| unknown_column(&place(), &self.table, &key))?;
                        let at = self.columns.get(&column.name).copied().unwrap_or_default();
                        self.columns.insert(key.clone().into_owned(), at);
                        at
                    }
                };
                if std::mem::replace(&mut seen[at], true) {
                    return Err(bad(&self.name, line, format!("key {key:?} stands twice in the object")));
                }
                let value = match self.kinds.get(at) {
                    Some(ColumnType::Json | ColumnType::Jsonb) if raw.get() != "null" => JsonValue::Nested(raw.get()),
                    Some(ColumnType::Array { of }) => {
                        let json = matches!(of, Element::Json | Element::Jsonb);
                        array_value(raw, json).map_err(|e| bad(&self.name, line, e))?
                    }
                    _ => json_value(raw).map_err(|e| bad(&self.name, line, e))?,
                };
                match value {
                    JsonValue::Null => self.collector.push(at, line, None)?,
                    JsonValue::Plain(text) | JsonValue::Nested(text) => self.collector.push(at, line, Some(text))?,
                    JsonValue::String(text) => self.collector.push(at, line, Some(&text))?,
                }
            }
            for (at, seen) in seen.iter().enumerate() {
                if !seen {
                    self.collector.push_absent(at, line)?;
                }
            }
            self.collector.end_row();
        }
        if !self.any {
            return Err(empty(&self.name, FileFormat::Ndjson));
        }
        self.collector.take(self.read.load(Ordering::Relaxed), true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use firn_manifest::schema::ColumnType;

    use super::*;

    fn sampled(csv: &str, cut: bool) -> Result<Vec<ColumnType>, Error> {
        let mut inference = Inference::default();
        sample_csv(csv.as_bytes(), cut, "f.csv", "", &mut inference)?;
        Ok(inference.finish().into_iter().map(|column| column.ty).collect())
    }

    #[test]
    fn the_last_record_of_a_head_that_was_cut_is_not_looked_at() {
        assert_eq!(sampled("a,b\n1,2\n3,4x", true).unwrap(), [ColumnType::BigInt, ColumnType::BigInt]);
        assert_eq!(sampled("a,b\n1,2\n3,\"4", true).unwrap(), [ColumnType::BigInt, ColumnType::BigInt]);
        assert_eq!(sampled("a,b\n1,2\n3,4x", false).unwrap(), [ColumnType::BigInt, ColumnType::Text]);
        assert!(sampled("a,b\n1,2\n3", false).is_err());
    }

    #[test]
    fn json_values_keep_their_digits() {
        let fields =
            object("f", 1, r#"{"n": 12345678901234567890.10, "s": "a\u00e9", "x": [1, {"y": null}], "z": null}"#)
                .unwrap()
                .0;
        let shown: Vec<String> = fields
            .iter()
            .map(|(_, raw)| match json_value(raw).unwrap() {
                JsonValue::Null => "NULL".to_owned(),
                JsonValue::Plain(text) | JsonValue::Nested(text) => text.to_owned(),
                JsonValue::String(text) => text.into_owned(),
            })
            .collect();
        assert_eq!(shown, ["12345678901234567890.10", "aé", r#"[1, {"y": null}]"#, "NULL"]);
        assert!(object("f", 3, "{\"a\": }").err().unwrap().message.contains("f, line 3: column 7"));
    }

    #[test]
    fn lines_are_bounded_and_counted() {
        let mut lines = Lines::new(&b"\n{}\r\n\n  {\"a\":1}"[..], "f");
        assert_eq!(lines.next().unwrap(), Some((2, "{}\r\n")));
        assert_eq!(lines.next().unwrap(), Some((4, "  {\"a\":1}")));
        assert_eq!(lines.next().unwrap(), None);
        let mut endless = Lines::new(std::io::repeat(b'x'), "f");
        assert_eq!(endless.next().unwrap_err().sqlstate, "54000");
    }
}
