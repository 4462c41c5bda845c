//! Batches: rows of one file that become one commit.
//!
//! Promises: where a batch ends depends only on the file's content and the number of rows asked for, and its request id
//! only on the table, the batch's number, its content and its columns, so a load that is run again is recognised
//! batch by batch, under whatever path the file is found.
//! Never: more than one batch is held here.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use firn_engine::Error;
use firn_manifest::ids::TableId;
use firn_manifest::schema::{Column, TableSchema};

use super::infer::fold;
use super::parse::{Builder, sql_name};

/// A batch of text is cut at this many bytes, even if it has fewer rows than asked for.
pub const MAX_BATCH_BYTES: usize = 32 << 20;

/// The digest takes this many bytes at once.
const HASHED_BYTES: usize = 64 << 10;

/// Rows that become one commit.
#[derive(Debug)]
pub struct Batch {
    /// its number in the file, from 0
    pub ordinal: u64,
    /// the number of its first row in the file, from 1 (a header does not count)
    pub first_row: u64,
    /// the columns by name
    pub rows: RecordBatch,
    /// digest of its content
    pub digest: blake3::Hash,
    /// where the file was read to: bytes, or rows of a Parquet file
    pub progress: u64,
}

impl Batch {
    /// The number of its last row.
    #[must_use]
    pub fn last_row(&self) -> u64 {
        self.first_row + self.rows.num_rows() as u64 - 1
    }

    /// The request id under which it is committed.
    #[must_use]
    pub fn request_id(&self, table: TableId, batch_rows: u64) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("firn load batch v1");
        hasher.update(&table.0.to_be_bytes());
        hasher.update(&self.ordinal.to_be_bytes());
        hasher.update(&batch_rows.to_be_bytes());
        for field in self.rows.schema_ref().fields() {
            hasher.update(&(field.name().len() as u64).to_be_bytes());
            hasher.update(field.name().as_bytes());
        }
        hasher.update(self.digest.as_bytes());
        format!("load-{}", &hasher.finalize().to_hex()[..32])
    }
}

/// Something that gives out a file's batches, one after another.
pub trait Batches: Send {
    /// The next batch, or none at the end of the file.
    ///
    /// # Errors
    /// What is wrong with the file, with its line or row.
    fn next_batch(&mut self) -> Result<Option<Batch>, Error>;
}

/// A column of the table by the name a file gives it: exactly, or else without regard to case.
#[must_use]
pub fn find_column<'a>(table: &'a TableSchema, name: &str) -> Option<&'a Column> {
    let mut visible = table.columns.iter().filter(|c| !c.hidden);
    visible.clone().find(|c| c.name == name).or_else(|| {
        let folded = fold(name);
        visible.find(|c| c.name.to_lowercase() == folded)
    })
}

/// The error for a name the table does not have; `place` begins the message.
#[must_use]
pub fn unknown_column(place: &str, table: &TableSchema, name: &str) -> Error {
    let names: Vec<&str> = table.columns.iter().filter(|c| !c.hidden).map(|c| c.name.as_str()).take(100).collect();
    Error::statement("42703", format!("{place}: table {:?} has no column {name:?}", table.name))
        .with_hint(format!("its columns are {}; ALTER TABLE … ADD COLUMN adds one", names.join(", ")))
}

/// Collects the rows of a text file.
pub struct Collector {
    name: String,
    columns: Vec<(Column, Builder, bool)>,
    hasher: blake3::Hasher,
    /// what the hasher has not seen yet: it is fast over many bytes at once
    unhashed: Vec<u8>,
    limit: u64,
    rows: u64,
    bytes: usize,
    ordinal: u64,
    first_row: u64,
}

impl Collector {
    /// A collector of batches of `limit` rows; `name` is the file's name in messages.
    #[must_use]
    pub fn new(name: &str, columns: impl IntoIterator<Item = Column>, limit: u64) -> Self {
        Self {
            name: name.to_owned(),
            columns: columns.into_iter().map(|c| (c.clone(), Builder::new(c.ty), false)).collect(),
            hasher: blake3::Hasher::new(),
            unhashed: Vec::with_capacity(2 * HASHED_BYTES),
            limit,
            rows: 0,
            bytes: 0,
            ordinal: 0,
            first_row: 1,
        }
    }

    /// Whether the batch is complete.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows >= self.limit || self.bytes >= MAX_BATCH_BYTES
    }

    /// Appends a value to a column of the row that is being collected; `None` is NULL.
    ///
    /// # Errors
    /// With file, line and column, if the column cannot hold it.
    pub fn push(&mut self, column: usize, line: u64, value: Option<&str>) -> Result<(), Error> {
        let Some((column, builder, used)) = self.columns.get_mut(column) else { return Ok(()) };
        let place = || format!("{}, line {line}, column {:?}", self.name, column.name);
        *used = true;
        match value {
            None if !column.nullable => {
                Err(Error::statement("23502", format!("{}: NULL, but the column is NOT NULL", place())))
            }
            None => {
                builder.append_null();
                self.unhashed.push(0);
                Ok(())
            }
            Some(text) => {
                self.unhashed.push(1);
                self.unhashed.extend_from_slice(&(text.len() as u64).to_be_bytes());
                self.unhashed.extend_from_slice(text.as_bytes());
                self.bytes += text.len();
                builder.append(text).map_err(|bad| {
                    let error = Error::statement(bad.sqlstate, format!("{}: {} {}", place(), excerpt(text), bad.what));
                    value_hint(error, text, column)
                })
            }
        }
    }

    /// Appends NULL to a column that the row says nothing of; it alone does not make the column part of the batch.
    ///
    /// # Errors
    /// If the column must have a value and has no default.
    pub fn push_absent(&mut self, column: usize, line: u64) -> Result<(), Error> {
        let Some((column, builder, _)) = self.columns.get_mut(column) else { return Ok(()) };
        if !column.nullable && column.default.is_none() {
            let place = format!("{}, line {line}, column {:?}", self.name, column.name);
            return Err(Error::statement("23502", format!("{place}: no value, but the column is NOT NULL")));
        }
        builder.append_null();
        self.unhashed.push(2);
        Ok(())
    }

    /// The row is complete.
    pub fn end_row(&mut self) {
        self.rows += 1;
        self.unhashed.push(3);
        if self.unhashed.len() >= HASHED_BYTES {
            self.hash();
        }
    }

    fn hash(&mut self) {
        self.hasher.update(&self.unhashed);
        self.unhashed.clear();
        self.unhashed.shrink_to(2 * HASHED_BYTES);
    }

    /// The batch, if it has any row. Columns nothing was pushed to are left out if `only_used`.
    ///
    /// # Errors
    /// If Arrow refuses the columns.
    pub fn take(&mut self, progress: u64, only_used: bool) -> Result<Option<Batch>, Error> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.hash();
        let failed = |error: arrow::error::ArrowError| Error::internal(format!("a batch cannot be built: {error}"));
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (column, builder, used) in &mut self.columns {
            let array = builder.finish().map_err(failed)?;
            if *used || !only_used {
                fields.push(Field::new(&column.name, array.data_type().clone(), true));
                arrays.push(array);
            }
            *used = false;
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(usize::try_from(self.rows).ok());
        let rows =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(failed)?;
        let batch =
            Batch { ordinal: self.ordinal, first_row: self.first_row, rows, digest: self.hasher.finalize(), progress };
        self.hasher.reset();
        self.ordinal += 1;
        self.first_row += self.rows;
        self.rows = 0;
        self.bytes = 0;
        Ok(Some(batch))
    }
}

/// A value for a message: quoted, and cut if it is long.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn value_hint(error: Error, text: &str, column: &Column) -> Error {
    let looks_null =
        ["na", "n/a", "null", "none", "nil", "\\n", "-", "?", "."].contains(&text.trim().to_lowercase().as_str());
    if looks_null {
        error.with_hint(format!("if {text:?} means NULL in this file, add --null {text:?}"))
    } else if text.is_empty() {
        error.with_hint("an empty field is NULL only if it is not quoted and --null does not say otherwise")
    } else {
        error.with_hint(format!(
            "column {:?} is {}; correct the value, or load into a table made by CREATE TABLE with a type that fits",
            column.name,
            sql_name(column.ty)
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use arrow::array::Array;
    use firn_manifest::ids::ColumnId;
    use firn_manifest::schema::ColumnType;

    use super::*;

    fn column(id: u64, name: &str, ty: ColumnType, nullable: bool) -> Column {
        Column { nullable, ..Column::new(ColumnId(id), name, ty) }
    }

    fn collector() -> Collector {
        Collector::new("f.csv", [column(1, "a", ColumnType::BigInt, false), column(2, "b", ColumnType::Text, true)], 2)
    }

    fn batch_of(values: &[(Option<&str>, Option<&str>)]) -> Batch {
        let mut c = collector();
        for (a, b) in values {
            c.push(0, 1, *a).unwrap();
            c.push(1, 1, *b).unwrap();
            c.end_row();
        }
        c.take(0, false).unwrap().unwrap()
    }

    #[test]
    fn the_request_id_depends_on_all_that_makes_the_batch() {
        let id = |b: &Batch| b.request_id(TableId(16), 2);
        let first = batch_of(&[(Some("1"), Some("x"))]);
        assert_eq!(id(&first), id(&batch_of(&[(Some("1"), Some("x"))])));
        assert_ne!(id(&first), id(&batch_of(&[(Some("1"), Some(""))])));
        assert_ne!(id(&batch_of(&[(Some("1"), Some(""))])), id(&batch_of(&[(Some("1"), None)])));
        assert_ne!(id(&first), first.request_id(TableId(17), 2));
        assert_ne!(id(&first), first.request_id(TableId(16), 3));
        assert_ne!(id(&first), id(&Batch { ordinal: 1, ..batch_of(&[(Some("1"), Some("x"))]) }));
    }

    #[test]
    fn batches_are_cut_and_numbered() {
        let mut c = collector();
        for n in 0..3 {
            c.push(0, n, Some("7")).unwrap();
            c.push(1, n, None).unwrap();
            c.end_row();
            if c.is_full() {
                let batch = c.take(10, false).unwrap().unwrap();
                assert_eq!((batch.first_row, batch.last_row(), batch.ordinal), (1, 2, 0));
            }
        }
        let last = c.take(20, true).unwrap().unwrap();
        assert_eq!((last.first_row, last.last_row(), last.ordinal, last.rows.num_columns()), (3, 3, 1, 2));
        assert_eq!(last.rows.column(1).null_count(), 1);
        assert!(c.take(20, true).unwrap().is_none());
    }

    #[test]
    fn a_bad_value_names_its_place() {
        let error = collector().push(0, 17, Some("NA")).unwrap_err();
        assert!(error.message.contains("f.csv, line 17, column \"a\": \"NA\" is not a BIGINT"), "{error}");
        assert!(error.hint.unwrap().contains("--null"));
        assert_eq!(collector().push(0, 17, None).unwrap_err().sqlstate, "23502");
        let long = "x".repeat(10_000);
        assert!(collector().push(0, 1, Some(&long)).unwrap_err().message.len() < 300);
    }
}
