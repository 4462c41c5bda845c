//! Values as PostgreSQL sends them in text, and the letters of their types.
//!
//! Promises: NULL is `NULL`, an empty text `(empty)`; line breaks and backslashes are escaped, so that a row is a line.
//! Never: a value is rounded or trimmed to agree.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use firn_engine::sql::text::as_text;

/// I whole numbers, N decimals, R floats, T text, B booleans, D dates, P times with a date, C times of day, V intervals,
/// X bytes, A arrays.
pub fn letter(ty: &DataType) -> char {
    match ty {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => 'I',
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => 'I',
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => 'N',
        DataType::Float16 | DataType::Float32 | DataType::Float64 => 'R',
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null | DataType::FixedSizeBinary(16) => {
            'T'
        }
        DataType::Boolean => 'B',
        DataType::Date32 | DataType::Date64 => 'D',
        DataType::Timestamp(..) => 'P',
        DataType::Time32(_) | DataType::Time64(_) => 'C',
        DataType::Interval(_) | DataType::Duration(_) => 'V',
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => 'X',
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => 'A',
        _ => '?',
    }
}

/// The rows of a batch.
pub fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<Vec<Option<String>>> = batch.columns().iter().map(values).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| shown(c[row].as_deref())).collect()).collect()
}

fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"),
    }
}

fn values(array: &ArrayRef) -> Vec<Option<String>> {
    match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().iter().map(|v| v.map(|b| if b { "t" } else { "f" }.to_owned())).collect()
        }
        DataType::List(_) => array.as_list::<i32>().iter().map(|v| v.map(|items| list(&items))).collect(),
        DataType::Null => vec![None; array.len()],
        DataType::Utf8View | DataType::LargeUtf8 => values(&cast(array, &DataType::Utf8).unwrap()),
        DataType::BinaryView | DataType::LargeBinary => values(&cast(array, &DataType::Binary).unwrap()),
        DataType::FixedSizeBinary(16) => {
            let bytes = array.as_fixed_size_binary();
            bytes.iter().map(|v| v.map(uuid)).collect()
        }
        _ => match as_text(array) {
            Ok(text) => text.as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect(),
            Err(error) => vec![Some(error.to_string()); array.len()],
        },
    }
}

fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn list(items: &ArrayRef) -> String {
    let nested = matches!(items.data_type(), DataType::List(_));
    let items: Vec<String> = values(items)
        .into_iter()
        .map(|item| match item {
            None => "NULL".to_owned(),
            Some(text) if nested => text,
            Some(text) if quoted(&text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            Some(text) => text,
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

fn quoted(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.contains(|c: char| c.is_ascii_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\'))
}
