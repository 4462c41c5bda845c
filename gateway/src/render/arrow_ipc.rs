//! Arrow IPC streams.
//!
//! Promises: one complete IPC stream for each statement that returns rows, one after another; text and bytes are the
//! plain Utf8 and Binary types that every reader of Arrow knows.
//! Never: anything else on the output.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use super::{Render, Summary, arrow_failed, tag_line};

/// `--format arrow`.
#[derive(Default)]
pub(super) struct Stream {
    open: Option<(SchemaRef, StreamWriter<Vec<u8>>)>,
}

fn portable(ty: &DataType) -> DataType {
    match ty {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(of) => {
            DataType::List(Arc::new(Field::new(of.name(), portable(of.data_type()), of.is_nullable())))
        }
        other => other.clone(),
    }
}

impl Stream {
    /// Hands what the stream writer has made so far to the output.
    fn drain(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some((_, writer)) = &mut self.open {
            out.write_all(writer.get_ref())?;
            writer.get_mut().clear();
        }
        Ok(())
    }
}

impl Render for Stream {
    fn begin(&mut self, schema: &Schema, out: &mut dyn Write) -> io::Result<()> {
        let fields: Vec<Field> =
            schema.fields().iter().map(|f| f.as_ref().clone().with_data_type(portable(f.data_type()))).collect();
        let schema = Arc::new(Schema::new(fields));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(arrow_failed)?;
        self.open = Some((schema, writer));
        self.drain(out)
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        if let Some((schema, writer)) = &mut self.open {
            let columns: Vec<ArrayRef> = batch
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| cast(column, field.data_type()))
                .collect::<Result<_, _>>()
                .map_err(arrow_failed)?;
            let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(arrow_failed)?;
            writer.write(&batch).map_err(arrow_failed)?;
        }
        self.drain(out)
    }

    fn end(&mut self, summary: &Summary, out: &mut dyn Write) -> io::Result<Option<String>> {
        if let Some((_, writer)) = &mut self.open {
            writer.finish().map_err(arrow_failed)?;
        }
        self.drain(out)?;
        self.open = None;
        Ok(tag_line(summary))
    }
}
