//! Key bytes: an encoding of primary keys whose byte order is SQL's order.
//!
//! Promises: comparing two encoded keys of the same column types as bytes gives what comparing the tuples in SQL gives;
//! equal tuples have equal bytes; the encoding is the same for ever (it stands in manifests, filters and the WAL).
//! Never: a NULL in a key, or a key beyond [`MAX_KEY_BYTES`].
//!
//! Column after column, with nothing between them:
//!
//! | type | bytes |
//! |---|---|
//! | BOOLEAN | 1: 0 or 1 |
//! | SMALLINT, INTEGER, BIGINT | 2, 4, 8: big-endian, sign bit flipped |
//! | DATE, TIME, TIMESTAMP, TIMESTAMPTZ | as INTEGER (days), BIGINT (microseconds) |
//! | DECIMAL | 16: the unscaled value, big-endian, sign bit flipped |
//! | REAL, DOUBLE | 4, 8: −0 as 0, any NaN as the one positive quiet NaN; then all bits flipped if negative, else the sign bit |
//! | UUID | 16: its bytes |
//! | TEXT, VARCHAR, BYTEA | the bytes, each 0x00 followed by 0xFF, then 0x00 0x00 |

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, StringArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::array_value_to_string;
use firn_manifest::schema::ColumnType;
use std::sync::Arc;

use crate::bytes_io::Reader;
use crate::error::SegmentError;
use crate::types::storage_type;

/// An encoded key.
pub type Key = Box<[u8]>;

/// The longest key that is accepted, encoded.
pub const MAX_KEY_BYTES: usize = 8 * 1024;

const WHERE: &str = "primary key";

/// Encodes the key of each row: `columns` in key order, in their stored or SQL types, all of the same length.
///
/// # Errors
/// Kind `Input` for a NULL, a text that is no UUID, or an array that is not of its column's type; kind `TooLarge` for a
/// key beyond [`MAX_KEY_BYTES`].
pub fn encode_keys(columns: &[ArrayRef], types: &[ColumnType]) -> Result<Vec<Key>, SegmentError> {
    let encoder = KeyEncoder::new(columns, types)?;
    let mut scratch = Vec::with_capacity(64);
    (0..encoder.rows())
        .map(|row| {
            scratch.clear();
            encoder.append(row, &mut scratch)?;
            Ok(scratch.as_slice().into())
        })
        .collect()
}

/// Encodes keys of chosen rows without encoding the others.
#[derive(Debug)]
pub struct KeyEncoder {
    parts: Vec<Part>,
    rows: usize,
}

#[derive(Debug)]
enum Part {
    Bool(BooleanArray),
    I16(Int16Array),
    I32(Int32Array),
    I64(Int64Array),
    F32(Float32Array),
    F64(Float64Array),
    Decimal(Decimal128Array),
    Date(Date32Array),
    Micros(TimestampMicrosecondArray),
    Time(Time64MicrosecondArray),
    Text(StringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    BytesView(BinaryViewArray),
    Uuid(StringArray),
    UuidView(StringViewArray),
}

/// The longest entry of a secondary index that is accepted, encoded.
pub const MAX_ENTRY_BYTES: usize = 3 * 1024;

/// Encodes entries of a secondary index, row by row: column after column, 0x00 and the value as in a key, or 0x01 for
/// NULL, so that NULLs come last.
///
/// # Errors
/// As [`encode_keys`], but NULL is allowed; kind `TooLarge` for an entry beyond [`MAX_ENTRY_BYTES`].
pub fn encode_entries(columns: &[ArrayRef], types: &[ColumnType]) -> Result<Vec<Vec<u8>>, SegmentError> {
    let encoder = KeyEncoder::over(columns, types, true)?;
    (0..encoder.rows)
        .map(|row| {
            let mut out = Vec::with_capacity(24);
            for (part, column) in encoder.parts.iter().zip(columns) {
                out.push(u8::from(column.is_null(row)));
                if !column.is_null(row) {
                    part.append(row, &mut out)?;
                }
            }
            match out.len() {
                0..=MAX_ENTRY_BYTES => Ok(out),
                long => {
                    let what = format!("an index entry takes {long} bytes, the most is {MAX_ENTRY_BYTES}");
                    Err(SegmentError::too_large("index", what))
                }
            }
        })
        .collect()
}

/// The bytes with which the key of every BYTEA that begins with `bytes` begins; for bounds of ranges of keys.
#[must_use]
pub fn bytea_prefix(bytes: &[u8]) -> Key {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    escape(bytes, &mut out);
    out.truncate(out.len() - 2);
    out.into()
}

impl KeyEncoder {
    /// An encoder over `columns` (shared, not copied).
    ///
    /// # Errors
    /// As [`encode_keys`], except for lengths and UUID texts, which are found row by row.
    pub fn new(columns: &[ArrayRef], types: &[ColumnType]) -> Result<Self, SegmentError> {
        Self::over(columns, types, false)
    }

    fn over(columns: &[ArrayRef], types: &[ColumnType], nulls: bool) -> Result<Self, SegmentError> {
        if columns.is_empty() || columns.len() != types.len() {
            return Err(SegmentError::input(
                WHERE,
                format!("{} columns for a key of {} columns", columns.len(), types.len()),
            ));
        }
        let rows = columns[0].len();
        let mut parts = Vec::with_capacity(columns.len());
        for (i, (column, ty)) in columns.iter().zip(types).enumerate() {
            if column.len() != rows {
                return Err(SegmentError::input(
                    WHERE,
                    format!("column {} has {} rows, not {rows}", i + 1, column.len()),
                ));
            }
            if !nulls && column.null_count() > 0 {
                return Err(SegmentError::input(WHERE, format!("column {} of the key is NULL", i + 1)));
            }
            parts.push(Part::of(column, *ty).ok_or_else(|| {
                SegmentError::input(
                    WHERE,
                    format!("column {} is {}, which is not how {ty:?} is held", i + 1, column.data_type()),
                )
            })?);
        }
        Ok(Self { parts, rows })
    }

    /// Rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends the key of `row` to `out`.
    ///
    /// # Errors
    /// As [`encode_keys`].
    ///
    /// # Panics
    /// If `row` is not below [`KeyEncoder::rows`].
    pub fn append(&self, row: usize, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        let start = out.len();
        for part in &self.parts {
            part.append(row, out)?;
        }
        match out.len() - start {
            0..=MAX_KEY_BYTES => Ok(()),
            long => {
                Err(SegmentError::too_large(WHERE, format!("a key takes {long} bytes, the most is {MAX_KEY_BYTES}")))
            }
        }
    }
}

impl Part {
    fn of(column: &ArrayRef, ty: ColumnType) -> Option<Self> {
        let is_text = matches!(column.data_type(), DataType::Utf8);
        Some(match ty {
            ColumnType::Boolean => Self::Bool(column.as_boolean_opt()?.clone()),
            ColumnType::SmallInt => Self::I16(column.as_primitive_opt::<Int16Type>()?.clone()),
            ColumnType::Integer => Self::I32(column.as_primitive_opt::<Int32Type>()?.clone()),
            ColumnType::BigInt => Self::I64(column.as_primitive_opt::<Int64Type>()?.clone()),
            ColumnType::Real => Self::F32(column.as_primitive_opt::<Float32Type>()?.clone()),
            ColumnType::Double => Self::F64(column.as_primitive_opt::<Float64Type>()?.clone()),
            ColumnType::Decimal { .. } => {
                // the unscaled value is what is encoded, so the scale must be the column's
                if *column.data_type() != storage_type(ty) {
                    return None;
                }
                Self::Decimal(column.as_primitive_opt::<Decimal128Type>()?.clone())
            }
            ColumnType::Date => Self::Date(column.as_primitive_opt::<Date32Type>()?.clone()),
            ColumnType::Timestamp | ColumnType::Timestamptz => match column.data_type() {
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    Self::Micros(column.as_primitive_opt::<TimestampMicrosecondType>()?.clone())
                }
                _ => return None,
            },
            ColumnType::Text | ColumnType::Varchar { .. } if is_text => Self::Text(column.as_string_opt()?.clone()),
            ColumnType::Text | ColumnType::Varchar { .. } => Self::TextView(column.as_string_view_opt()?.clone()),
            ColumnType::Bytea if *column.data_type() == DataType::Binary => {
                Self::Bytes(column.as_binary_opt()?.clone())
            }
            ColumnType::Bytea => Self::BytesView(column.as_binary_view_opt()?.clone()),
            ColumnType::Uuid if is_text => Self::Uuid(column.as_string_opt()?.clone()),
            ColumnType::Uuid => Self::UuidView(column.as_string_view_opt()?.clone()),
            ColumnType::Time => Self::Time(column.as_primitive_opt::<Time64MicrosecondType>()?.clone()),
            ColumnType::Interval | ColumnType::Json | ColumnType::Jsonb | ColumnType::Array { .. } => return None,
        })
    }

    fn append(&self, row: usize, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        match self {
            Self::Bool(a) => out.push(u8::from(a.value(row))),
            Self::I16(a) => out.extend_from_slice(&(a.value(row) ^ i16::MIN).to_be_bytes()),
            Self::I32(a) => out.extend_from_slice(&(a.value(row) ^ i32::MIN).to_be_bytes()),
            Self::I64(a) => out.extend_from_slice(&(a.value(row) ^ i64::MIN).to_be_bytes()),
            Self::Date(a) => out.extend_from_slice(&(a.value(row) ^ i32::MIN).to_be_bytes()),
            Self::Micros(a) => out.extend_from_slice(&(a.value(row) ^ i64::MIN).to_be_bytes()),
            Self::Time(a) => out.extend_from_slice(&(a.value(row) ^ i64::MIN).to_be_bytes()),
            Self::Decimal(a) => out.extend_from_slice(&(a.value(row) ^ i128::MIN).to_be_bytes()),
            Self::F32(a) => out.extend_from_slice(&order_f32(a.value(row)).to_be_bytes()),
            Self::F64(a) => out.extend_from_slice(&order_f64(a.value(row)).to_be_bytes()),
            Self::Text(a) => escape(a.value(row).as_bytes(), out),
            Self::TextView(a) => escape(a.value(row).as_bytes(), out),
            Self::Bytes(a) => escape(a.value(row), out),
            Self::BytesView(a) => escape(a.value(row), out),
            Self::Uuid(a) => uuid(a.value(row), out)?,
            Self::UuidView(a) => uuid(a.value(row), out)?,
        }
        Ok(())
    }
}

/// The text of each column of an encoded key, for messages.
///
/// # Errors
/// Kind `Integrity` if the bytes are no key of these types.
pub fn decode_key(key: &[u8], types: &[ColumnType]) -> Result<Vec<String>, SegmentError> {
    let bad = |what: String| SegmentError::integrity(WHERE, what);
    let mut reader = Reader::new(key);
    let mut texts = Vec::with_capacity(types.len());
    for ty in types {
        let value = decode_value(&mut reader, *ty).map_err(bad)?;
        texts.push(array_value_to_string(&value, 0).map_err(|e| bad(e.to_string()))?);
    }
    reader.end("the key's last column").map_err(bad)?;
    Ok(texts)
}

/// An encoded key as a message shows it, e.g. `(1, abc)`; long texts are cut, undecodable bytes are shown in hex.
#[must_use]
pub fn describe_key(key: &[u8], types: &[ColumnType]) -> String {
    const SHOWN: usize = 100;
    let cut = |text: String| match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    match decode_key(key, types) {
        Ok(texts) => format!("({})", texts.into_iter().map(cut).collect::<Vec<_>>().join(", ")),
        Err(_) => format!("(0x{})", cut(hex::encode(key))),
    }
}

/// One value, as an array of one row in its stored type.
fn decode_value(r: &mut Reader<'_>, ty: ColumnType) -> Result<ArrayRef, String> {
    let what = "a key column";
    Ok(match ty {
        ColumnType::Boolean => match r.u8(what)? {
            0 => Arc::new(BooleanArray::from(vec![false])),
            1 => Arc::new(BooleanArray::from(vec![true])),
            other => return Err(format!("{other} is no BOOLEAN")),
        },
        ColumnType::SmallInt => Arc::new(Int16Array::from(vec![i16::from_be_bytes(r.array(what)?) ^ i16::MIN])),
        ColumnType::Integer => Arc::new(Int32Array::from(vec![i32::from_be_bytes(r.array(what)?) ^ i32::MIN])),
        ColumnType::BigInt => Arc::new(Int64Array::from(vec![i64::from_be_bytes(r.array(what)?) ^ i64::MIN])),
        ColumnType::Date => Arc::new(Date32Array::from(vec![i32::from_be_bytes(r.array(what)?) ^ i32::MIN])),
        ColumnType::Timestamp => {
            Arc::new(TimestampMicrosecondArray::from(vec![i64::from_be_bytes(r.array(what)?) ^ i64::MIN]))
        }
        ColumnType::Timestamptz => Arc::new(
            TimestampMicrosecondArray::from(vec![i64::from_be_bytes(r.array(what)?) ^ i64::MIN]).with_timezone("UTC"),
        ),
        ColumnType::Decimal { precision, scale } => Arc::new(
            Decimal128Array::from(vec![i128::from_be_bytes(r.array(what)?) ^ i128::MIN])
                .with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(i8::MAX))
                .map_err(|e| e.to_string())?,
        ),
        ColumnType::Real => {
            let bits = u32::from_be_bytes(r.array(what)?);
            let bits = if bits >> 31 == 1 { bits ^ (1 << 31) } else { !bits };
            Arc::new(Float32Array::from(vec![f32::from_bits(bits)]))
        }
        ColumnType::Double => {
            let bits = u64::from_be_bytes(r.array(what)?);
            let bits = if bits >> 63 == 1 { bits ^ (1 << 63) } else { !bits };
            Arc::new(Float64Array::from(vec![f64::from_bits(bits)]))
        }
        ColumnType::Text | ColumnType::Varchar { .. } => {
            let text = String::from_utf8(unescape(r)?).map_err(|e| e.to_string())?;
            Arc::new(StringArray::from(vec![text]))
        }
        ColumnType::Bytea => {
            let bytes = unescape(r)?;
            Arc::new(BinaryArray::from(vec![bytes.as_slice()]))
        }
        ColumnType::Uuid => {
            Arc::new(StringArray::from(vec![uuid::Uuid::from_bytes(r.array(what)?).hyphenated().to_string()]))
        }
        ColumnType::Time => Arc::new(Time64MicrosecondArray::from(vec![i64::from_be_bytes(r.array(what)?) ^ i64::MIN])),
        ColumnType::Interval | ColumnType::Json | ColumnType::Jsonb | ColumnType::Array { .. } => {
            return Err(format!("{ty:?} cannot be a key"));
        }
    })
}

fn order_f32(value: f32) -> u32 {
    let bits = if value.is_nan() {
        0x7FC0_0000
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn order_f64(value: f64) -> u64 {
    let bits = if value.is_nan() {
        0x7FF8_0000_0000_0000
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|b| *b == 0) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(0xFF);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 0]);
}

fn unescape(r: &mut Reader<'_>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    loop {
        match r.u8("a key text")? {
            0 => match r.u8("a key text")? {
                0 => return Ok(out),
                0xFF => out.push(0),
                other => return Err(format!("0x00 is followed by {other:#04x} in a key text")),
            },
            byte => out.push(byte),
        }
    }
}

fn uuid(text: &str, out: &mut Vec<u8>) -> Result<(), SegmentError> {
    match uuid::Uuid::try_parse(text) {
        Ok(id) => out.extend_from_slice(id.as_bytes()),
        Err(e) => return Err(SegmentError::input(WHERE, format!("a value is no UUID: {e}"))),
    }
    Ok(())
}
