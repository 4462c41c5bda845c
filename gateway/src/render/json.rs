//! JSON: one document a statement, or one object a row.
//!
//! Promises: a whole number or decimal that a double cannot hold exactly (beyond 2^53) is a string, and so are NaN and
//! the infinities; each document and each row of ndjson stands on one line.
//! Never: a byte that is not UTF-8.

use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use serde_json::json;

use super::value::{TextWriter, push_f32, push_f64, push_text, struct_fields, text_writer, type_name};
use super::{Render, Summary, arrow_failed, plain_columns, tag_line};

/// 2^53: up to here every whole number is a double.
const EXACT: u128 = 1 << 53;

/// Appends `text` as a JSON string.
pub(super) fn push_string(text: &str, out: &mut String) {
    match serde_json::to_string(text) {
        Ok(quoted) => out.push_str(&quoted),
        Err(_) => out.push_str("\"\""),
    }
}

/// The writer of an array's values as JSON, NULLs included.
fn json_writer(array: &ArrayRef) -> io::Result<TextWriter<'_>> {
    macro_rules! small {
        ($ty:ty) => {{
            let values = array.as_primitive::<$ty>();
            Box::new(move |row, out: &mut String| out.push_str(&values.value(row).to_string()))
        }};
    }
    macro_rules! large {
        ($ty:ty) => {{
            let values = array.as_primitive::<$ty>();
            Box::new(move |row, out: &mut String| {
                let v = i128::from(values.value(row));
                push_number(&v.to_string(), v.unsigned_abs() <= EXACT, out);
            })
        }};
    }
    let write: TextWriter<'_> = match array.data_type() {
        DataType::Int8 => small!(Int8Type),
        DataType::Int16 => small!(Int16Type),
        DataType::Int32 => small!(Int32Type),
        DataType::UInt8 => small!(UInt8Type),
        DataType::UInt16 => small!(UInt16Type),
        DataType::UInt32 => small!(UInt32Type),
        DataType::Int64 => large!(Int64Type),
        DataType::UInt64 => large!(UInt64Type),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Box::new(move |row, out| {
                push_real(values.value(row).is_finite(), |text| push_f32(values.value(row), text), out)
            })
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            Box::new(move |row, out| {
                push_real(values.value(row).is_finite(), |text| push_f64(values.value(row), text), out)
            })
        }
        DataType::Decimal128(_, _) => {
            let values = array.as_primitive::<Decimal128Type>();
            Box::new(move |row, out| {
                push_number(&values.value_as_string(row), values.value(row).unsigned_abs() <= EXACT, out);
            })
        }
        DataType::Boolean => text_writer(array).map_err(arrow_failed)?,
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(_, _)
        | DataType::Struct(_)
        | DataType::Map(_, _)
        | DataType::Dictionary(_, _)
        | DataType::RunEndEncoded(_, _)
        | DataType::Null => Box::new(move |row, out| push_json(array, row, out)),
        _ => {
            let text = text_writer(array).map_err(arrow_failed)?;
            Box::new(move |row, out| {
                let mut plain = String::new();
                text(row, &mut plain);
                push_string(&plain, out);
            })
        }
    };
    let nulls = array.logical_nulls();
    Ok(Box::new(move |row, out| match &nulls {
        Some(nulls) if nulls.is_null(row) => out.push_str("null"),
        _ => write(row, out),
    }))
}

/// The writers of a batch's columns; what is JSON already stands as it is, without its line breaks.
fn writers<'a>(batch: &RecordBatch, columns: &'a [ArrayRef]) -> io::Result<Vec<TextWriter<'a>>> {
    let mut writers = Vec::with_capacity(columns.len());
    for (field, column) in batch.schema_ref().fields().iter().zip(columns) {
        writers.push(match field.metadata().get("firn.type").map(String::as_str) {
            Some("json" | "jsonb") => embedded(column)?,
            Some("json[]" | "jsonb[]") if matches!(column.data_type(), DataType::List(_)) => {
                let lists = column.as_list::<i32>();
                Box::new(move |row, out: &mut String| {
                    if lists.is_null(row) {
                        out.push_str("null");
                        return;
                    }
                    let items = lists.value(row);
                    out.push('[');
                    if let Ok(write) = embedded(&items) {
                        for i in 0..items.len() {
                            if i > 0 {
                                out.push(',');
                            }
                            write(i, out);
                        }
                    }
                    out.push(']');
                })
            }
            _ => json_writer(column)?,
        });
    }
    Ok(writers)
}

/// The writer of texts that are JSON.
fn embedded(array: &ArrayRef) -> io::Result<TextWriter<'_>> {
    let text = text_writer(array).map_err(arrow_failed)?;
    let nulls = array.logical_nulls();
    Ok(Box::new(move |row, out| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.push_str("null");
            return;
        }
        let from = out.len();
        text(row, out);
        if out[from..].contains(['\n', '\r']) {
            // only blanks between its parts can be line breaks
            let flat = out[from..].replace(['\n', '\r'], " ");
            out.truncate(from);
            out.push_str(&flat);
        }
    }))
}

fn push_number(digits: &str, exact: bool, out: &mut String) {
    if exact {
        out.push_str(digits);
    } else {
        push_string(digits, out);
    }
}

fn push_real(finite: bool, text: impl Fn(&mut String), out: &mut String) {
    if finite {
        text(out);
    } else {
        out.push('"');
        text(out);
        out.push('"');
    }
}

/// Appends one value as JSON, lists and structs included.
pub(super) fn push_json(array: &ArrayRef, row: usize, out: &mut String) {
    if array.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        out.push_str("null");
        return;
    }
    let items = |items: ArrayRef, out: &mut String| {
        out.push('[');
        for i in 0..items.len() {
            if i > 0 {
                out.push(',');
            }
            push_json(&items, i, out);
        }
        out.push(']');
    };
    match array.data_type() {
        DataType::List(_) => items(array.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => items(array.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(_, _) => items(array.as_fixed_size_list().value(row), out),
        DataType::Struct(_) => {
            out.push('{');
            for (i, (name, column)) in struct_fields(array.as_struct()).enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_string(name, out);
                out.push(':');
                push_json(column, row, out);
            }
            out.push('}');
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for i in 0..entries.len() {
                if i > 0 {
                    out.push(',');
                }
                let mut key = String::new();
                push_text(entries.column(0), i, &mut key);
                push_string(&key, out);
                out.push(':');
                push_json(entries.column(1), i, out);
            }
            out.push('}');
        }
        DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) => {
            let mut text = String::new();
            push_text(array, row, &mut text);
            push_string(&text, out);
        }
        _ => {
            if let Ok(write) = json_writer(array) {
                write(row, out);
            }
        }
    }
}

/// `--format json`.
#[derive(Default)]
pub(super) struct Document {
    columns: Option<String>,
    rows: u64,
}

impl Render for Document {
    fn begin(&mut self, schema: &Schema, out: &mut dyn Write) -> io::Result<()> {
        let columns: Vec<_> = schema.fields().iter().map(|f| json!({"name": f.name(), "type": type_name(f)})).collect();
        let columns = serde_json::to_string(&columns)?;
        write!(out, "{{\"columns\":{columns},\"rows\":[")?;
        self.columns = Some(columns);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        let columns = plain_columns(batch)?;
        let writers = writers(batch, &columns)?;
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            line.push_str(if self.rows == 0 { "[" } else { ",[" });
            for (i, write) in writers.iter().enumerate() {
                if i > 0 {
                    line.push(',');
                }
                write(row, &mut line);
            }
            line.push(']');
            out.write_all(line.as_bytes())?;
            self.rows += 1;
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary, out: &mut dyn Write) -> io::Result<Option<String>> {
        let stats = json!({"requests": summary.requests, "bytes": summary.bytes, "round_trips": summary.round_trips});
        let opened = self.columns.is_some();
        if opened {
            write!(out, "],")?;
        } else {
            write!(out, "{{")?;
        }
        if !summary.query {
            write!(out, "\"command\":{},", json!(summary.tag))?;
        }
        let rows = if opened { self.rows } else { summary.rows };
        writeln!(out, "\"row_count\":{rows},\"position\":{},\"stats\":{stats}}}", json!(summary.position))?;
        Ok(None)
    }
}

/// `--format ndjson`.
#[derive(Default)]
pub(super) struct Lines {
    names: Vec<String>,
}

impl Render for Lines {
    fn begin(&mut self, schema: &Schema, _out: &mut dyn Write) -> io::Result<()> {
        let mut seen: Vec<String> = Vec::new();
        for field in schema.fields() {
            let mut name = field.name().clone();
            let mut n = 2;
            while seen.contains(&name) {
                name = format!("{}_{n}", field.name());
                n += 1;
            }
            seen.push(name);
        }
        self.names = seen
            .iter()
            .map(|name| {
                let mut quoted = String::new();
                push_string(name, &mut quoted);
                quoted.push(':');
                quoted
            })
            .collect();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        let columns = plain_columns(batch)?;
        let writers = writers(batch, &columns)?;
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            line.push('{');
            for (i, (name, write)) in self.names.iter().zip(&writers).enumerate() {
                if i > 0 {
                    line.push(',');
                }
                line.push_str(name);
                write(row, &mut line);
            }
            line.push_str("}\n");
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary, _out: &mut dyn Write) -> io::Result<Option<String>> {
        Ok(tag_line(summary))
    }
}
