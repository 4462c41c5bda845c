//! How a file's columns are laid out: encodings, compression, statistics; decided on its first row group.
//!
//! Promises: a dictionary where values repeat, packed differences where whole numbers take no more bytes so than
//! compressed, compression where it saves enough of the bytes to be worth undoing at each read; pages of [`PAGE_ROWS`] rows.
//! Never: a choice that a reader must know of: the footer says it all.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use firn_manifest::model::FileKind;
use firn_manifest::schema::ColumnType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

use super::tail::FileKeys;
use super::{PAGE_ROWS, SstSpec};
use crate::key::KeyEncoder;
use crate::types::{BEGIN, END, column_field_name};

/// zstd for what is rarely read: near its best ratio at a tenth of the time.
const HISTORY_LEVEL: i32 = 3;
/// A dictionary pays if a sample has at most one distinct value in this many rows.
const ROWS_PER_DISTINCT: usize = 10;
const SAMPLE_ROWS: usize = 4096;
/// Too few rows say nothing of cardinality.
const SAMPLE_MIN: usize = 100;
/// Compression pays if it leaves at most this part of the bytes, in per cent.
const COMPRESSED_MOST: i64 = 85;
/// Packed differences are read in a third of the time; for that they may take this part of the compressed bytes, in per cent.
const PACKED_MOST: i64 = 110;

/// The layout of a file that begins with `group`.
///
/// # Errors
/// When the writer refuses its settings.
pub(super) fn properties(
    spec: &SstSpec,
    keys: &FileKeys,
    group: &RecordBatch,
) -> Result<WriterProperties, ParquetError> {
    let mut properties = encodings(spec, group)?;
    for (column, how) in measured(spec, group)? {
        properties = properties.set_column_compression(column.clone(), Compression::UNCOMPRESSED);
        if how == Uncompressed::Packed {
            properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    let encryption = FileEncryptionProperties::builder(keys.pages()).with_aad_prefix(keys.aad()).build()?;
    Ok(properties.with_file_encryption_properties(encryption).build())
}

fn path(name: &str) -> ColumnPath {
    ColumnPath::new(vec![name.to_owned()])
}

fn encodings(spec: &SstSpec, group: &RecordBatch) -> Result<WriterPropertiesBuilder, ParquetError> {
    let compression = match spec.kind {
        FileKind::Current => Compression::LZ4_RAW,
        FileKind::History => Compression::ZSTD(ZstdLevel::try_new(HISTORY_LEVEL)?),
    };
    let mut properties = WriterProperties::builder()
        .set_created_by("firn".to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(PAGE_ROWS as usize)
        .set_write_batch_size(PAGE_ROWS as usize)
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None);
    for id in &spec.key {
        properties = properties.set_column_statistics_enabled(path(&column_field_name(*id)), EnabledStatistics::Page);
    }
    for name in [BEGIN, END] {
        properties = properties.set_column_statistics_enabled(path(name), EnabledStatistics::Page);
    }
    for ((id, ty), column) in spec.columns.iter().zip(group.columns()) {
        if !spec.key.contains(id) && repeats(column, *ty) {
            properties = properties.set_column_dictionary_enabled(path(&column_field_name(*id)), true);
        }
    }
    Ok(properties)
}

/// How a column is stored that is not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uncompressed {
    /// its values as they are, or the places of a dictionary
    Plain,
    /// the differences of whole numbers, in as many bits as they take
    Packed,
}

/// The columns of a current file that LZ4 makes hardly smaller, or packing as small, found by writing two pages of them:
/// undoing LZ4 would cost each read more than the bytes it saves.
fn measured(spec: &SstSpec, group: &RecordBatch) -> Result<Vec<(ColumnPath, Uncompressed)>, ParquetError> {
    let page = PAGE_ROWS as usize;
    if spec.kind != FileKind::Current || group.num_rows() < 2 * page {
        return Ok(vec![]);
    }
    let compressed = sample(group, encodings(spec, group)?)?;
    let mut packing = encodings(spec, group)?.set_compression(Compression::UNCOMPRESSED);
    let schema = group.schema();
    let whole = schema
        .fields()
        .iter()
        .zip(&compressed)
        .filter(|(field, size)| !size.dictionary && is_whole_number(field.data_type()));
    for (_, size) in whole {
        packing = packing.set_column_encoding(size.column.clone(), Encoding::DELTA_BINARY_PACKED);
    }
    let packed = sample(group, packing)?;
    let at_most = |size: i64, of: i64, most: i64| size.saturating_mul(100) <= of.saturating_mul(most);
    let mut chosen = Vec::new();
    for ((field, one), other) in schema.fields().iter().zip(compressed).zip(packed) {
        let packs = !one.dictionary && is_whole_number(field.data_type());
        if packs && at_most(other.bytes, one.bytes, PACKED_MOST) {
            chosen.push((one.column, Uncompressed::Packed));
        } else if !at_most(one.bytes, one.plain_bytes, COMPRESSED_MOST) {
            chosen.push((one.column, Uncompressed::Plain));
        }
    }
    Ok(chosen)
}

/// What a column of the sample took.
struct Sampled {
    column: ColumnPath,
    dictionary: bool,
    bytes: i64,
    plain_bytes: i64,
}

/// Writes two pages of the group.
fn sample(group: &RecordBatch, how: WriterPropertiesBuilder) -> Result<Vec<Sampled>, ParquetError> {
    let page = PAGE_ROWS as usize;
    let mut writer = ArrowWriter::try_new(Vec::new(), group.schema(), Some(how.build()))?;
    writer.write(&group.slice(0, page))?;
    writer.write(&group.slice(group.num_rows() / 2, page))?;
    let written = writer.close()?;
    let columns = written.row_groups().iter().flat_map(|group| group.columns());
    Ok(columns
        .map(|column| Sampled {
            column: column.column_path().clone(),
            dictionary: column.dictionary_page_offset().is_some(),
            bytes: column.compressed_size(),
            plain_bytes: column.uncompressed_size(),
        })
        .collect())
}

/// Whether Parquet stores the type as INT32 or INT64.
fn is_whole_number(ty: &DataType) -> bool {
    match ty {
        DataType::Decimal128(precision, _) => *precision <= 18,
        DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(..) => true,
        other => other.is_integer(),
    }
}

/// Whether a column has so few distinct values that a dictionary pays.
fn repeats(column: &ArrayRef, ty: ColumnType) -> bool {
    match ty {
        ColumnType::Boolean | ColumnType::Real | ColumnType::Double | ColumnType::Uuid => return false,
        other if !other.is_keyable() => return false,
        _ => {}
    }
    // spread over the group, since rows near each other are alike
    let step = column.len().div_ceil(SAMPLE_ROWS).max(1);
    let valid = (0..column.len()).step_by(step).filter(|row| column.is_valid(*row));
    let rows: UInt32Array = valid.filter_map(|row| u32::try_from(row).ok()).collect();
    if rows.len() < SAMPLE_MIN {
        return false;
    }
    let Ok(sample) = take(column, &rows, None) else { return false };
    let Ok(encoder) = KeyEncoder::new(&[sample], &[ty]) else { return false };
    let mut distinct: HashSet<Vec<u8>> = HashSet::new();
    for row in 0..encoder.rows() {
        let mut value = Vec::new();
        if encoder.append(row, &mut value).is_err() {
            return false;
        }
        distinct.insert(value);
        if distinct.len() * ROWS_PER_DISTINCT > encoder.rows() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
    use firn_manifest::ids::{ColumnId, TableId};
    use firn_manifest::model::FileKind;
    use firn_manifest::schema::ColumnType;

    use super::{BEGIN, Uncompressed, measured, path};
    use crate::sst::SstSpec;
    use crate::types::column_field_name;

    fn spec(kind: FileKind) -> SstSpec {
        let types = [ColumnType::BigInt, ColumnType::Double, ColumnType::BigInt, ColumnType::Text];
        let columns: Vec<_> = (1..).map(ColumnId).zip(types).collect();
        let required = columns.iter().map(|(id, _)| *id).collect();
        SstSpec { table: TableId(1), kind, columns, key: vec![ColumnId(1)], required }
    }

    fn group(spec: &SstSpec, rows: u64) -> RecordBatch {
        // bits that nothing is found in
        let noise = |n: u64| (n * n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values((0..rows).map(|n| n as i64))),
            Arc::new(Float64Array::from_iter_values((0..rows).map(|n| f64::from_bits(noise(n) >> 2)))),
            Arc::new(Int64Array::from_iter_values((0..rows).map(|n| (noise(n) >> 48) as i64))),
            Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("the same words and {n}")))),
            Arc::new(UInt64Array::from(vec![7; rows as usize])),
        ];
        if spec.kind == FileKind::History {
            columns.push(Arc::new(UInt64Array::from(vec![9; rows as usize])));
        }
        columns.push(Arc::new(UInt8Array::from(vec![0; rows as usize])));
        RecordBatch::try_new(spec.schema(), columns).unwrap()
    }

    #[test]
    fn numbers_are_packed_and_only_what_compression_makes_smaller_is_compressed() {
        let current = spec(FileKind::Current);
        let chosen = measured(&current, &group(&current, 5_000)).unwrap();
        let how = |name: &str| chosen.iter().find(|(column, _)| *column == path(name)).map(|(_, how)| *how);
        let named = |id| column_field_name(ColumnId(id));
        let columns = [named(1), named(2), named(3), named(4), BEGIN.to_owned()].map(|name| how(&name));
        let packed = Some(Uncompressed::Packed);
        assert_eq!(columns, [packed, Some(Uncompressed::Plain), packed, None, packed]);
        // of few rows nothing is known
        assert!(measured(&current, &group(&current, 100)).unwrap().is_empty());
        let history = spec(FileKind::History);
        assert!(measured(&history, &group(&history, 5_000)).unwrap().is_empty());
    }
}
