//! Rows as JSON values and back: what the functions on JSON share.
//!
//! Promises: any SQL value has a JSON value, as `to_jsonb` gives it.
//! Never: a text is taken for JSON that is none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, LargeStringArray, StringViewArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;

use super::fun::{faulty, is_json, is_text, is_whole, list_of, made};
use super::json::{self, Json};
use super::lists;
use super::text::as_text;

pub(super) const JSONB: DataType = DataType::LargeBinary;
pub(super) const TEXT: DataType = DataType::Utf8View;

/// The JSON value of a row; `None` is NULL.
pub(super) fn value(array: &ArrayRef, row: usize) -> Result<Option<Json>> {
    if array.is_null(row) {
        return Ok(None);
    }
    let text = match array.data_type() {
        DataType::LargeBinary => String::from_utf8_lossy(array.as_binary::<i64>().value(row)).into_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        _ => text(array, row)?.unwrap_or_default(),
    };
    json::parse(&text).map(Some).map_err(|fault| faulty(fault, &text))
}

/// The text of a row.
pub(super) fn text(array: &ArrayRef, row: usize) -> Result<Option<String>> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        _ => {
            let one = as_text(&array.slice(row, 1)).map_err(super::errors::external)?;
            one.as_string::<i32>().value(0).to_owned()
        }
    }))
}

/// The steps of a path: an array of texts, or the text of one.
pub(super) fn path(array: &ArrayRef, row: usize) -> Result<Option<Vec<Option<String>>>> {
    if array.is_null(row) {
        return Ok(None);
    }
    if let DataType::List(_) = array.data_type() {
        let items = array.as_list::<i32>().value(row);
        return (0..items.len()).map(|i| text(&items, i)).collect::<Result<Vec<_>>>().map(Some);
    }
    let given = text(array, row)?.unwrap_or_default();
    lists::parse(&given).map(Some).map_err(|fault| faulty(fault, &given))
}

/// Any SQL value as JSON, as `to_jsonb` makes it.
pub(super) fn of_sql(array: &ArrayRef, row: usize) -> Result<Json> {
    if array.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match array.data_type() {
        DataType::Null => Json::Null,
        DataType::Boolean => Json::Bool(array.as_boolean().value(row)),
        DataType::LargeBinary | DataType::LargeUtf8 => value(array, row)?.unwrap_or(Json::Null),
        ty if ty.is_integer() => Json::Number(text(array, row)?.unwrap_or_default()),
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let digits = text(array, row)?.unwrap_or_default();
            match json::parse(&digits) {
                Ok(number) => number,
                // NaN and infinities are strings
                Err(_) => Json::String(digits),
            }
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Json::Array((0..items.len()).map(|i| of_sql(&items, i)).collect::<Result<_>>()?)
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let entries = fields.iter().zip(columns).map(|(f, c)| Ok((f.name().clone(), of_sql(c, row)?)));
            Json::object(entries.collect::<Result<_>>()?)
        }
        DataType::Timestamp(_, zone) => {
            let text = text(array, row)?.unwrap_or_default().replacen(' ', "T", 1);
            Json::String(if zone.is_some() { text.replace("+00", "+00:00") } else { text })
        }
        _ => Json::String(text(array, row)?.unwrap_or_default()),
    })
}

pub(super) fn jsonb(values: Vec<Option<Json>>) -> ArrayRef {
    Arc::new(LargeBinaryArray::from_iter(values.into_iter().map(|v| v.map(|v| v.text().into_bytes()))))
}

pub(super) fn texts(values: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(values))
}

/// Each row through `answer`.
pub(super) fn rows<T>(count: usize, answer: impl FnMut(usize) -> Result<Option<T>>) -> Result<Vec<Option<T>>> {
    (0..count).map(answer).collect()
}

/// A key or a place in `->`.
pub(super) fn step<'a>(json: &'a Json, key: &ArrayRef, row: usize) -> Result<Option<&'a Json>> {
    if key.is_null(row) {
        return Ok(None);
    }
    Ok(match key.data_type() {
        ty if ty.is_integer() => json.at(made(key, &DataType::Int64)?.as_primitive::<Int64Type>().value(row)),
        _ => json.get(&text(key, row)?.unwrap_or_default()),
    })
}

/// JSON and a key or place.
pub(super) fn takes_step(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [json, key] if is_json(json) && is_whole(key) => Some(vec![json.clone(), DataType::Int64]),
        [json, key] if is_json(json) && is_text(key) => Some(vec![json.clone(), TEXT]),
        _ => None,
    }
}

/// JSON and a path.
pub(super) fn takes_path(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [json, key] if is_json(json) && is_text(key) => Some(vec![json.clone(), TEXT]),
        [json, DataType::List(of)] if is_json(json) && is_text(of.data_type()) => {
            Some(vec![json.clone(), list_of(TEXT)])
        }
        _ => None,
    }
}

pub(super) fn takes_two(types: &[DataType]) -> Option<Vec<DataType>> {
    let fits = |ty: &DataType| is_json(ty) || is_text(ty);
    match types {
        [a, b] if fits(a) && fits(b) => {
            let kind = |ty: &DataType| if is_json(ty) { ty.clone() } else { TEXT };
            Some(vec![kind(a), kind(b)])
        }
        _ => None,
    }
}

pub(super) fn takes_one(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [ty] if is_json(ty) => Some(vec![ty.clone()]),
        [ty] if is_text(ty) => Some(vec![TEXT]),
        _ => None,
    }
}

pub(super) fn takes_any(types: &[DataType]) -> Option<Vec<DataType>> {
    Some(types.to_vec())
}

pub(super) fn takes_any_one(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 1).then(|| types.to_vec())
}

/// A row.
pub(super) fn takes_row(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [DataType::Struct(_) | DataType::Null]).then(|| types.to_vec())
}

pub(super) fn takes_list(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [DataType::List(_) | DataType::Null]).then(|| types.to_vec())
}

pub(super) fn takes_two_lists(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [DataType::List(_), DataType::List(_)]).then(|| types.to_vec())
}

/// JSON as the argument's kind: what stood as JSON keeps that type.
pub(super) fn same(types: &[DataType]) -> DataType {
    match types.first() {
        Some(DataType::LargeUtf8) => DataType::LargeUtf8,
        _ => JSONB,
    }
}

/// Answers in the kind of the first argument.
pub(super) fn of_kind(args: &[ArrayRef], values: Vec<Option<Json>>) -> ArrayRef {
    match args.first().map(|a| a.data_type()) {
        Some(DataType::LargeUtf8) => {
            Arc::new(LargeStringArray::from_iter(values.into_iter().map(|v| v.map(|v| v.text()))))
        }
        _ => jsonb(values),
    }
}
