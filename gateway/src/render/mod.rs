//! Answers as bytes: the output formats of `firn sql`.
//!
//! Promises: rows are written as they come and memory stays bounded, whatever their number; a statement's answer is
//! complete when [`Render::end`] returned.
//! Never: a renderer asks the engine for anything.

mod arrow_ipc;
mod csv;
mod json;
mod table;
mod value;

use std::io::{self, Write};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use clap::ValueEnum;

pub use value::push_text;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// aligned columns for people
    Table,
    /// comma-separated with a header; NULL is empty, an empty text is ""
    Csv,
    /// one document a statement: columns, rows, row_count, position, stats
    Json,
    /// one object a row
    Ndjson,
    /// an Arrow IPC stream a statement
    Arrow,
}

/// What is known of a statement when its rows have ended.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// `INSERT 0 3`; rows of a SELECT are counted in `rows`
    pub tag: String,
    /// whether the statement is a query (its tag says nothing of interest)
    pub query: bool,
    /// rows returned, or rows a write affected
    pub rows: u64,
    /// the position of a write, or the one a query saw if the engine says it
    pub position: Option<u64>,
    /// requests to the store
    pub requests: u64,
    /// bytes read from and written to the store
    pub bytes: u64,
    /// requests that had to wait for one another
    pub round_trips: u64,
}

/// A writer of one statement's answer: `begin`, `batch`…, `end`; without rows only `end`.
pub trait Render {
    /// The columns are known.
    ///
    /// # Errors
    /// Of the output.
    fn begin(&mut self, schema: &Schema, out: &mut dyn Write) -> io::Result<()>;

    /// Some rows.
    ///
    /// # Errors
    /// Of the output.
    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()>;

    /// The rows have ended, or there were none. Returns the line that belongs on stderr, if any.
    ///
    /// # Errors
    /// Of the output.
    fn end(&mut self, summary: &Summary, out: &mut dyn Write) -> io::Result<Option<String>>;
}

/// The renderer of a format; `expanded` (one line a column) applies to tables.
#[must_use]
pub fn renderer(format: Format, expanded: bool) -> Box<dyn Render + Send> {
    match format {
        Format::Table => Box::new(table::Table::new(expanded)),
        Format::Csv => Box::new(csv::Csv),
        Format::Json => Box::new(json::Document::default()),
        Format::Ndjson => Box::new(json::Lines::default()),
        Format::Arrow => Box::new(arrow_ipc::Stream::default()),
    }
}

/// A batch's columns without dictionary and run-end encoding.
fn plain_columns(batch: &RecordBatch) -> io::Result<Vec<ArrayRef>> {
    batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Dictionary(_, values) => cast(column, values),
            DataType::RunEndEncoded(_, values) => cast(column, values.data_type()),
            _ => Ok(ArrayRef::clone(column)),
        })
        .collect::<Result<_, _>>()
        .map_err(arrow_failed)
}

fn arrow_failed(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}

/// The line on stderr for a statement without rows to show.
fn tag_line(summary: &Summary) -> Option<String> {
    (!summary.query && !summary.tag.is_empty()).then(|| summary.tag.clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
