//! Batches and columns of Parquet files.
//!
//! Promises: a row group is read in pages, some rows at a time; a batch ends at its number of rows or its bytes; a column whose type a table cannot have is named.
//! Never: a value is converted here beyond undoing an encoding; the engine casts, and refuses what does not fit.

use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use firn_engine::Error;
use firn_manifest::schema::{ColumnType, TableSchema};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::batch::{Batch, Batches, MAX_BATCH_BYTES, find_column, unknown_column};
use super::infer::{NewColumn, fold};

fn damaged(name: &str, error: &ParquetError) -> Error {
    Error::statement("22P04", format!("{name} cannot be read as Parquet: {error}"))
}

fn open(file: File, name: &str) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(name, &e))
}

/// The table type that holds values of an Arrow type.
fn column_type(ty: &DataType) -> Option<ColumnType> {
    Some(match ty {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => ColumnType::SmallInt,
        DataType::Int32 | DataType::UInt16 => ColumnType::Integer,
        DataType::Int64 | DataType::UInt32 => ColumnType::BigInt,
        DataType::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => ColumnType::Real,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            ColumnType::Decimal { precision: *p, scale: u8::try_from(*s).ok()? }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => ColumnType::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::Bytea
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(_, None) => ColumnType::Timestamp,
        DataType::Timestamp(_, Some(_)) => ColumnType::Timestamptz,
        DataType::Dictionary(_, values) => column_type(values)?,
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::Interval(_) | DataType::Duration(_) => ColumnType::Interval,
        DataType::List(of) | DataType::LargeList(of) => {
            ColumnType::Array { of: column_type(of.data_type())?.as_element()? }
        }
        _ => return None,
    })
}

/// The columns a file makes for a new table.
///
/// # Errors
/// If the file cannot be read or has a column of a type that no table has.
pub fn columns(file: File, name: &str) -> Result<Vec<NewColumn>, Error> {
    let builder = open(file, name)?;
    let mut out: Vec<NewColumn> = Vec::new();
    for field in builder.schema().fields() {
        let ty = column_type(field.data_type()).ok_or_else(|| {
            Error::statement(
                "0A000",
                format!("{name}: column {:?} is of type {}, which no table has", field.name(), field.data_type()),
            )
            .with_hint("write the file without it, or with it as text")
        })?;
        let folded = fold(field.name());
        if out.iter().any(|c| c.name == folded) {
            return Err(Error::statement("42701", format!("{name}: two columns are named {folded:?}")));
        }
        out.push(NewColumn { name: folded, ty });
    }
    Ok(out)
}

/// Rows that are decoded at a time; a batch is made of some of these.
const STEP_ROWS: usize = 1_000;

/// The batches of a Parquet file.
pub struct ParquetBatches {
    reader: ParquetRecordBatchReader,
    rest: Option<RecordBatch>,
    schema: Arc<Schema>,
    name: String,
    limit: usize,
    ordinal: u64,
    rows: u64,
}

impl ParquetBatches {
    /// Opens the file and matches its columns with the table; also gives its number of rows.
    ///
    /// # Errors
    /// If it cannot be read or has a column the table does not have.
    pub fn new(file: File, name: &str, table: &TableSchema, limit: u64) -> Result<(Self, u64), Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let builder = open(file, name)?.with_batch_size(limit.min(STEP_ROWS));
        let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let mut fields: Vec<Field> = Vec::new();
        for field in builder.schema().fields() {
            let column = find_column(table, field.name()).ok_or_else(|| unknown_column(name, table, field.name()))?;
            if fields.iter().any(|f| *f.name() == column.name) {
                return Err(Error::statement(
                    "42701",
                    format!("{name}: two columns mean column {:?} of the table", column.name),
                ));
            }
            fields.push(Field::new(&column.name, plain_type(field.data_type()), true));
        }
        let schema = Arc::new(Schema::new(fields));
        let reader = builder.build().map_err(|e| damaged(name, &e))?;
        Ok((Self { reader, rest: None, schema, name: name.to_owned(), limit, ordinal: 0, rows: 0 }, total))
    }

    /// Rows until the batch is full; the reader may stop short of that at the end of a row group.
    fn read(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut parts: Vec<RecordBatch> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.limit && bytes < MAX_BATCH_BYTES {
            let part = match self.rest.take() {
                Some(part) => part,
                None => match self.reader.next() {
                    Some(part) => part?,
                    None => break,
                },
            };
            let room = self.limit - rows;
            if part.num_rows() > room {
                self.rest = Some(part.slice(room, part.num_rows() - room));
            }
            let part = part.slice(0, part.num_rows().min(room));
            rows += part.num_rows();
            for column in part.columns() {
                bytes += column.to_data().get_slice_memory_size()?;
            }
            let columns: Vec<ArrayRef> = part
                .columns()
                .iter()
                .zip(self.schema.fields())
                .map(|(c, f)| cast(c, f.data_type()))
                .collect::<Result<_, _>>()?;
            parts.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
        }
        match parts.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            many => concat_batches(&self.schema, many).map(Some),
        }
    }
}

/// The type without dictionary and without view.
fn plain_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::List(of) | DataType::LargeList(of) => {
            DataType::List(Arc::new(Field::new_list_field(plain_type(of.data_type()), true)))
        }
        other => other.clone(),
    }
}

/// Passes bytes on to a digest.
struct Digest(blake3::Hasher);

impl io::Write for Digest {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn digest(rows: &RecordBatch) -> Result<blake3::Hash, ArrowError> {
    let mut writer = StreamWriter::try_new(Digest(blake3::Hasher::new()), rows.schema_ref())?;
    writer.write(rows)?;
    writer.finish()?;
    Ok(writer.into_inner()?.0.finalize())
}

impl Batches for ParquetBatches {
    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let failed = |rows: u64, name: &str, e: &ArrowError| {
            Error::statement("22P04", format!("{name}, after row {rows}: the file cannot be read: {e}"))
        };
        let Some(rows) = self.read().map_err(|e| failed(self.rows, &self.name, &e))?.filter(|rows| rows.num_rows() > 0)
        else {
            return Ok(None);
        };
        let digest = digest(&rows).map_err(|e| failed(self.rows, &self.name, &e))?;
        let first_row = self.rows + 1;
        self.rows += rows.num_rows() as u64;
        let batch = Batch { ordinal: self.ordinal, first_row, rows, digest, progress: self.rows };
        self.ordinal += 1;
        Ok(Some(batch))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use firn_manifest::ids::{ColumnId, TableId};
    use firn_manifest::schema::Column;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    fn file_of(rows: i64) -> File {
        let ids: Vec<i64> = (0..rows).collect();
        let names: Vec<String> = ids.iter().map(|n| format!("n{n}")).collect();
        let columns: Vec<(&str, ArrayRef)> =
            vec![("ID", Arc::new(Int64Array::from(ids))), ("name", Arc::new(StringArray::from(names)))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(70)).build();
        let mut writer = ArrowWriter::try_new(tempfile::tempfile().unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn table(names: &[&str]) -> TableSchema {
        let columns: Vec<Column> =
            names.iter().zip(1..).map(|(name, id)| Column::new(ColumnId(id), *name, ColumnType::Text)).collect();
        TableSchema::new(TableId(16), "t", columns, vec![ColumnId(1)])
    }

    #[test]
    fn batches_do_not_follow_row_groups() {
        let (mut batches, total) = ParquetBatches::new(file_of(3200), "f", &table(&["id", "name"]), 1500).unwrap();
        assert_eq!(total, 3200);
        let mut sizes = Vec::new();
        let mut ids = std::collections::HashSet::new();
        while let Some(batch) = batches.next_batch().unwrap() {
            sizes.push(batch.rows.num_rows());
            assert!(ids.insert(batch.request_id(TableId(16), 1500)));
        }
        assert_eq!(sizes, [1500, 1500, 200]);
        let (mut again, _) = ParquetBatches::new(file_of(3200), "g", &table(&["id", "name"]), 1500).unwrap();
        assert!(ids.contains(&again.next_batch().unwrap().unwrap().request_id(TableId(16), 1500)));
    }

    #[test]
    fn columns_and_what_does_not_fit() {
        let found = columns(file_of(1), "f").unwrap();
        assert_eq!((found[0].name.as_str(), found[0].ty, found[1].ty), ("id", ColumnType::BigInt, ColumnType::Text));
        let error = ParquetBatches::new(file_of(1), "f", &table(&["id"]), 10).err().unwrap();
        assert_eq!(error.sqlstate, "42703");
        let mut junk = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut junk, b"not parquet").unwrap();
        assert!(columns(junk, "junk").unwrap_err().message.contains("junk cannot be read as Parquet"));
    }
}
