//! CSV with a header.
//!
//! Promises: NULL is an empty field, an empty text is `""`, so the two stay apart; lines end with a single `\n`;
//! booleans are `true` and `false`. What is written is read back by `firn load`.
//! Never: a tag or a message between the rows.

use std::io::{self, Write};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;

use super::value::text_writer;
use super::{Render, Summary, arrow_failed, plain_columns, tag_line};

/// `--format csv`.
pub(super) struct Csv;

fn push_field(text: &str, line: &mut String) {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

impl Render for Csv {
    fn begin(&mut self, schema: &Schema, out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        for (i, field) in schema.fields().iter().enumerate() {
            if i > 0 {
                line.push(',');
            }
            push_field(field.name(), &mut line);
        }
        line.push('\n');
        out.write_all(line.as_bytes())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        let columns = plain_columns(batch)?;
        let writers = columns.iter().map(text_writer).collect::<Result<Vec<_>, _>>().map_err(arrow_failed)?;
        let nulls: Vec<_> = columns.iter().map(|column| column.logical_nulls()).collect();
        let (mut line, mut text) = (String::new(), String::new());
        for row in 0..batch.num_rows() {
            line.clear();
            for (i, (write, nulls)) in writers.iter().zip(&nulls).enumerate() {
                if i > 0 {
                    line.push(',');
                }
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    continue;
                }
                text.clear();
                write(row, &mut text);
                push_field(&text, &mut line);
            }
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary, _out: &mut dyn Write) -> io::Result<Option<String>> {
        Ok(tag_line(summary))
    }
}
