//! A look through an Arrow IPC stream before Arrow decodes it: its decoder believes types, places and lengths in the
//! messages, and panics where they lead nowhere.
//!
//! Promises: after it, every buffer lies within its message's body, every type is one that Arrow knows how to build, and
//! every column has its buffers, that of its NULLs as long as the column.
//! Never: memory; what is looked at stays where it is.

use arrow::ipc::{
    DateUnit, Endianness, Field, IntervalUnit, MessageHeader, Precision, RecordBatch, Schema, TimeUnit, Type,
    root_as_message,
};

use super::END_OF_STREAM;
use crate::bytes_io::Reader;

/// Checks all messages of a stream.
pub(super) fn stream(bytes: &[u8]) -> Result<(), String> {
    let messages = bytes.strip_suffix(&END_OF_STREAM).ok_or("it has no end")?;
    let mut r = Reader::new(messages);
    let mut columns = None;
    while r.remaining() > 0 {
        if r.array::<4>("a message")? != END_OF_STREAM[..4] {
            return Err("a message does not begin with its marker".to_owned());
        }
        let length = u32::from_le_bytes(r.array("a message's length")?) as usize;
        let message = root_as_message(r.take(length, "a message")?).map_err(|e| e.to_string())?;
        let body = r.take(size(message.bodyLength())?, "a message's body")?;
        match (message.header_type(), columns) {
            (MessageHeader::Schema, None) => {
                let found = message.header_as_schema().ok_or("a schema without content")?;
                schema(found)?;
                columns = Some(found);
            }
            (MessageHeader::RecordBatch, Some(columns)) => {
                batch(message.header_as_record_batch().ok_or("a batch without content")?, body.len(), columns)?;
            }
            _ => return Err("its messages are not one schema and then batches".to_owned()),
        }
    }
    Ok(())
}

fn schema(schema: Schema<'_>) -> Result<(), String> {
    if schema.endianness() != Endianness::Little {
        return Err("its numbers are big-endian".to_owned());
    }
    schema.fields().ok_or("a schema without columns")?.iter().try_for_each(field)
}

fn field(field: Field<'_>) -> Result<(), String> {
    let children = field.children();
    let count = children.map_or(0, |children| children.len());
    let known = match field.type_type() {
        Type::List | Type::LargeList => count == 1,
        Type::Struct_ => true,
        _ => count == 0 && scalar(field).unwrap_or(false),
    };
    if !known || field.dictionary().is_some() {
        return Err("a column is of a type that is never stored".to_owned());
    }
    children.iter().flat_map(|children| children.iter()).try_for_each(self::field)
}

fn scalar(field: Field<'_>) -> Option<bool> {
    let time_unit = |unit| unit >= TimeUnit::SECOND && unit <= TimeUnit::NANOSECOND;
    Some(match field.type_type() {
        Type::Null | Type::Bool => true,
        Type::Utf8 | Type::LargeUtf8 | Type::Utf8View | Type::Binary | Type::LargeBinary | Type::BinaryView => true,
        Type::Int => matches!(field.type_as_int()?.bitWidth(), 8 | 16 | 32 | 64),
        Type::FloatingPoint => {
            let precision = field.type_as_floating_point()?.precision();
            precision >= Precision::HALF && precision <= Precision::DOUBLE
        }
        Type::Decimal => {
            let decimal = field.type_as_decimal()?;
            let most = match decimal.bitWidth() {
                32 => 9,
                64 => 18,
                128 => 38,
                256 => 76,
                _ => return None,
            };
            (1..=most).contains(&decimal.precision()) && (-most..=most).contains(&decimal.scale())
        }
        Type::Date => matches!(field.type_as_date()?.unit(), DateUnit::DAY | DateUnit::MILLISECOND),
        Type::Time => {
            let time = field.type_as_time()?;
            match time.bitWidth() {
                32 => matches!(time.unit(), TimeUnit::SECOND | TimeUnit::MILLISECOND),
                64 => matches!(time.unit(), TimeUnit::MICROSECOND | TimeUnit::NANOSECOND),
                _ => false,
            }
        }
        Type::Timestamp => time_unit(field.type_as_timestamp()?.unit()),
        Type::Duration => time_unit(field.type_as_duration()?.unit()),
        Type::Interval => {
            let unit = field.type_as_interval()?.unit();
            unit >= IntervalUnit::YEAR_MONTH && unit <= IntervalUnit::MONTH_DAY_NANO
        }
        Type::FixedSizeBinary => field.type_as_fixed_size_binary()?.byteWidth() > 0,
        _ => false,
    })
}

fn batch(batch: RecordBatch<'_>, body: usize, schema: Schema<'_>) -> Result<(), String> {
    size(batch.length())?;
    if batch.compression().is_some() {
        return Err("a batch is compressed".to_owned());
    }
    for buffer in batch.buffers().unwrap_or_default() {
        if size(buffer.offset())?.checked_add(size(buffer.length())?).is_none_or(|end| end > body) {
            return Err(format!("a buffer lies outside of the {body} bytes of its batch"));
        }
    }
    let mut parts = Parts {
        nodes: &mut batch.nodes().unwrap_or_default().iter().map(|node| (node.length(), node.null_count())),
        buffers: &mut batch.buffers().unwrap_or_default().iter().map(|buffer| buffer.length()),
        counts: &mut batch.variadicBufferCounts().unwrap_or_default().iter(),
    };
    for field in schema.fields().unwrap_or_default() {
        parts.column(field)?;
    }
    match parts.counts.next() {
        None => Ok(()),
        Some(_) => Err("more counts of buffers than columns of views".to_owned()),
    }
}

/// What a batch says of its columns, in the order in which Arrow's decoder takes it.
struct Parts<'a> {
    /// rows and NULLs of each column and each column within one
    nodes: &'a mut dyn Iterator<Item = (i64, i64)>,
    /// bytes of each buffer
    buffers: &'a mut dyn Iterator<Item = i64>,
    /// how many buffers of text each column of views has
    counts: &'a mut dyn Iterator<Item = i64>,
}

impl Parts<'_> {
    fn column(&mut self, field: Field<'_>) -> Result<(), String> {
        let (rows, nulls) = self.nodes.next().ok_or("a column without rows")?;
        let (rows, nulls) = (size(rows)?, size(nulls)?);
        if nulls > rows {
            return Err("a column has more NULLs than rows".to_owned());
        }
        let buffers = match field.type_type() {
            Type::Null => 0,
            Type::Struct_ => 1,
            Type::Utf8 | Type::LargeUtf8 | Type::Binary | Type::LargeBinary => 3,
            Type::Utf8View | Type::BinaryView => {
                size(self.counts.next().ok_or("a column of views without its count of buffers")?)?.saturating_add(2)
            }
            _ => 2,
        };
        for n in 0..buffers {
            let bytes = size(self.buffers.next().ok_or("a column without its buffers")?)?;
            // the first one says which rows are NULL
            if n == 0 && nulls > 0 && bytes < rows.div_ceil(8) {
                return Err(format!("{bytes} bytes cannot say which of {rows} rows are NULL"));
            }
        }
        field.children().iter().flat_map(|children| children.iter()).try_for_each(|child| self.column(child))
    }
}

fn size(n: i64) -> Result<usize, String> {
    usize::try_from(n).map_err(|_| format!("{n} is no length"))
}
