//! Aligned columns for people.
//!
//! Promises: at most [`AHEAD_ROWS`] rows (or [`AHEAD_BYTES`]) are held back to find the widths; later rows are written
//! as they come, the wider ones out of line. Control characters are shown, never sent to the terminal.
//! Never: a value is cut short.

use std::io::{self, Write};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use unicode_width::UnicodeWidthStr;

use super::value::{is_numeric, text_writer};
use super::{Render, Summary, arrow_failed, plain_columns};

const AHEAD_ROWS: usize = 1_000;
const AHEAD_BYTES: usize = 1 << 20;
const NULL: &str = "NULL";

/// A cell: its lines, already made harmless.
type Cell = Vec<String>;

/// `--format table`.
pub(super) struct Table {
    expanded: bool,
    names: Vec<String>,
    numeric: Vec<bool>,
    held: Vec<Vec<Cell>>,
    held_bytes: usize,
    widths: Option<Vec<usize>>,
    rows: u64,
    opened: bool,
}

impl Table {
    pub(super) fn new(expanded: bool) -> Self {
        Self {
            expanded,
            names: Vec::new(),
            numeric: Vec::new(),
            held: Vec::new(),
            held_bytes: 0,
            widths: None,
            rows: 0,
            opened: false,
        }
    }

    fn write_held(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.width()).collect();
        for row in &self.held {
            for (cell, width) in row.iter().zip(&mut widths) {
                *width = cell.iter().map(|line| line.width()).max().unwrap_or(0).max(*width);
            }
        }
        let mut line = String::new();
        for (i, (name, width)) in self.names.iter().zip(&widths).enumerate() {
            line.push_str(if i > 0 { "|" } else { "" });
            let room = width - name.width();
            line.push(' ');
            line.push_str(&" ".repeat(room / 2));
            line.push_str(name);
            line.push_str(&" ".repeat(room - room / 2));
            line.push(' ');
        }
        writeln!(out, "{}", line.trim_end())?;
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(out, "{}", rule.join("+"))?;
        self.widths = Some(widths);
        for row in std::mem::take(&mut self.held) {
            self.write_row(&row, out)?;
        }
        Ok(())
    }

    fn write_row(&self, row: &[Cell], out: &mut dyn Write) -> io::Result<()> {
        let Some(widths) = &self.widths else { return Ok(()) };
        let height = row.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let mut line = String::new();
        for n in 0..height {
            line.clear();
            for (i, ((cell, width), numeric)) in row.iter().zip(widths).zip(&self.numeric).enumerate() {
                let text = cell.get(n).map_or("", String::as_str);
                let room = " ".repeat(width.saturating_sub(text.width()));
                line.push_str(if i > 0 { "| " } else { " " });
                line.push_str(if *numeric { &room } else { "" });
                line.push_str(text);
                line.push_str(if *numeric { "" } else { &room });
                line.push(if n + 1 < cell.len() { '+' } else { ' ' });
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_record(&self, row: &[Cell], out: &mut dyn Write) -> io::Result<()> {
        let width = self.names.iter().map(|name| name.width()).max().unwrap_or(0);
        writeln!(out, "-[ RECORD {} ]-", self.rows)?;
        for (name, cell) in self.names.iter().zip(row) {
            for (n, text) in cell.iter().enumerate() {
                let label = if n == 0 { name } else { "" };
                let more = if n + 1 < cell.len() { "+" } else { "" };
                writeln!(out, "{label}{} | {text}{more}", " ".repeat(width - label.width()))?;
            }
        }
        Ok(())
    }
}

/// The lines of a text, with control characters shown as escapes.
fn lines(text: &str) -> Cell {
    if !text.chars().any(char::is_control) {
        return vec![text.to_owned()];
    }
    text.split('\n')
        .map(|line| {
            let mut shown = String::with_capacity(line.len());
            for c in line.trim_end_matches('\r').chars() {
                match c {
                    '\t' => shown.push_str("    "),
                    c if c.is_control() => shown.push_str(&format!("\\x{:02X}", u32::from(c))),
                    c => shown.push(c),
                }
            }
            shown
        })
        .collect()
}

impl Render for Table {
    fn begin(&mut self, schema: &Schema, _out: &mut dyn Write) -> io::Result<()> {
        self.names = schema.fields().iter().map(|f| lines(f.name()).join(" ")).collect();
        self.numeric = schema.fields().iter().map(|f| is_numeric(f.data_type())).collect();
        self.opened = true;
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        let columns = plain_columns(batch)?;
        let writers = columns.iter().map(text_writer).collect::<Result<Vec<_>, _>>().map_err(arrow_failed)?;
        let nulls: Vec<_> = columns.iter().map(|column| column.logical_nulls()).collect();
        let mut text = String::new();
        for n in 0..batch.num_rows() {
            let mut row = Vec::with_capacity(writers.len());
            for (write, nulls) in writers.iter().zip(&nulls) {
                text.clear();
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(n)) {
                    text.push_str(NULL);
                } else {
                    write(n, &mut text);
                }
                self.held_bytes += text.len();
                row.push(lines(&text));
            }
            self.rows += 1;
            if self.expanded {
                self.write_record(&row, out)?;
            } else if self.widths.is_some() {
                self.write_row(&row, out)?;
            } else {
                self.held.push(row);
                if self.held.len() >= AHEAD_ROWS || self.held_bytes >= AHEAD_BYTES {
                    self.write_held(out)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary, out: &mut dyn Write) -> io::Result<Option<String>> {
        if self.opened {
            if self.widths.is_none() && !self.expanded {
                self.write_held(out)?;
            }
            writeln!(out, "({} {})", self.rows, if self.rows == 1 { "row" } else { "rows" })?;
        }
        if !summary.query && !summary.tag.is_empty() {
            writeln!(out, "{}", summary.tag)?;
        }
        Ok(None)
    }
}
