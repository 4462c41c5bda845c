//! What the functions on JSON do to a value.
//!
//! Promises: what PostgreSQL answers, NULL where a key, a place or a path is not there.
//! Never: a value is changed that the path does not lead to.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryBuilder, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;

use super::fun::{is_json, is_text, list_of, made, wrong};
use super::json::{self, Json};
use super::json_values::{TEXT, jsonb, of_sql, path, rows, takes_one, takes_path, takes_step, text, texts, value};

pub(super) fn keys_of(array: &ArrayRef, row: usize) -> Result<Vec<String>> {
    Ok(path(array, row)?.unwrap_or_default().into_iter().flatten().collect())
}

pub(super) fn has(json: &Json, key: &str) -> bool {
    match json {
        Json::Object(_) => json.get(key).is_some(),
        Json::Array(items) => items.iter().any(|i| matches!(i, Json::String(s) if s == key)),
        Json::String(text) => text == key,
        _ => false,
    }
}

pub(super) fn exists(args: &[ArrayRef], count: usize, test: fn(&Json, &[String]) -> bool) -> Result<ArrayRef> {
    let found = rows(count, |row| {
        let Some(json) = value(&args[0], row)? else { return Ok(None) };
        if args[1].is_null(row) {
            return Ok(None);
        }
        let keys = match args[1].data_type() {
            DataType::List(_) => keys_of(&args[1], row)?,
            _ => vec![text(&args[1], row)?.unwrap_or_default()],
        };
        Ok(Some(test(&json, &keys)))
    })?;
    Ok(Arc::new(BooleanArray::from(found)))
}

pub(super) fn contains(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let found = rows(count, |row| match (value(&args[0], row)?, value(&args[1], row)?) {
        (Some(a), Some(b)) => Ok(Some(a.contains(&b))),
        _ => Ok(None),
    })?;
    Ok(Arc::new(BooleanArray::from(found)))
}

pub(super) fn concat(a: Json, b: Json) -> Json {
    match (a, b) {
        (Json::Object(mut a), Json::Object(b)) => {
            a.extend(b);
            Json::object(a)
        }
        (Json::Array(mut a), Json::Array(b)) => {
            a.extend(b);
            Json::Array(a)
        }
        (Json::Array(mut a), b) => {
            a.push(b);
            Json::Array(a)
        }
        (a, Json::Array(mut b)) => {
            b.insert(0, a);
            Json::Array(b)
        }
        (a, b) => Json::Array(vec![a, b]),
    }
}

pub(super) fn delete(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let values = rows(count, |row| {
        let Some(json) = value(&args[0], row)? else { return Ok(None) };
        if args[1].is_null(row) {
            return Ok(None);
        }
        let whole = args[1].data_type().is_integer();
        Ok(Some(match json {
            Json::Array(mut items) if whole => {
                let at = made(&args[1], &DataType::Int64)?.as_primitive::<Int64Type>().value(row);
                if let Some(at) = json::place(at, items.len()).filter(|at| *at < items.len()) {
                    items.remove(at);
                }
                Json::Array(items)
            }
            _ if whole => return Err(wrong("22023", "cannot delete from object using integer index")),
            Json::Object(mut entries) => {
                let keys = if matches!(args[1].data_type(), DataType::List(_)) {
                    keys_of(&args[1], row)?
                } else {
                    text(&args[1], row)?.into_iter().collect()
                };
                entries.retain(|(key, _)| !keys.contains(key));
                Json::Object(entries)
            }
            Json::Array(mut items) => {
                let keys = if matches!(args[1].data_type(), DataType::List(_)) {
                    keys_of(&args[1], row)?
                } else {
                    text(&args[1], row)?.into_iter().collect()
                };
                items.retain(|item| !matches!(item, Json::String(s) if keys.contains(s)));
                Json::Array(items)
            }
            _ => return Err(wrong("22023", "cannot delete from scalar")),
        }))
    })?;
    Ok(jsonb(values))
}

/// Puts `new` where the path leads (`None` takes away what is there).
pub(super) fn set(json: Json, steps: &[String], new: Option<&Json>, create: bool) -> Json {
    let Some((step, rest)) = steps.split_first() else { return json };
    match json {
        Json::Object(mut entries) => {
            match entries.iter().position(|(key, _)| key == step) {
                Some(at) if rest.is_empty() => match new {
                    Some(new) => entries[at].1 = new.clone(),
                    None => {
                        entries.remove(at);
                    }
                },
                Some(at) => {
                    let inner = std::mem::replace(&mut entries[at].1, Json::Null);
                    entries[at].1 = set(inner, rest, new, create);
                }
                None if rest.is_empty() && create => {
                    if let Some(new) = new {
                        entries.push((step.clone(), new.clone()));
                        return Json::object(entries);
                    }
                }
                None => {}
            }
            Json::Object(entries)
        }
        Json::Array(mut items) => {
            let Ok(index) = step.trim().parse::<i64>() else { return Json::Array(items) };
            match json::place(index, items.len()).filter(|at| *at < items.len()) {
                Some(at) if rest.is_empty() => match new {
                    Some(new) => items[at] = new.clone(),
                    None => {
                        items.remove(at);
                    }
                },
                Some(at) => {
                    let inner = std::mem::replace(&mut items[at], Json::Null);
                    items[at] = set(inner, rest, new, create);
                }
                None if rest.is_empty() && create => {
                    if let Some(new) = new {
                        if index < 0 { items.insert(0, new.clone()) } else { items.push(new.clone()) }
                    }
                }
                None => {}
            }
            Json::Array(items)
        }
        scalar => scalar,
    }
}

pub(super) fn set_path(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let values = rows(count, |row| {
        let (Some(json), Some(steps), Some(new)) = (value(&args[0], row)?, path(&args[1], row)?, value(&args[2], row)?)
        else {
            return Ok(None);
        };
        let steps: Vec<String> = steps.into_iter().flatten().collect();
        let create = args.get(3).is_none_or(|flags| flags.as_boolean().value(row));
        Ok(Some(set(json, &steps, Some(&new), create)))
    })?;
    Ok(jsonb(values))
}

pub(super) fn strip(json: Json) -> Json {
    match json {
        Json::Object(entries) => {
            Json::Object(entries.into_iter().filter(|(_, v)| *v != Json::Null).map(|(k, v)| (k, strip(v))).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(strip).collect()),
        other => other,
    }
}

pub(super) fn pretty(json: &Json, depth: usize, out: &mut String) {
    let pad = |out: &mut String, depth: usize| out.push_str(&"    ".repeat(depth));
    match json {
        Json::Array(items) => {
            out.push_str("[\n");
            for (i, item) in items.iter().enumerate() {
                pad(out, depth + 1);
                pretty(item, depth + 1, out);
                out.push_str(if i + 1 < items.len() { ",\n" } else { "\n" });
            }
            pad(out, depth);
            out.push(']');
        }
        Json::Object(entries) => {
            out.push_str("{\n");
            for (i, (key, item)) in entries.iter().enumerate() {
                pad(out, depth + 1);
                json::quote(key, out);
                out.push_str(": ");
                pretty(item, depth + 1, out);
                out.push_str(if i + 1 < entries.len() { ",\n" } else { "\n" });
            }
            pad(out, depth);
            out.push('}');
        }
        other => out.push_str(&other.text()),
    }
}

pub(super) fn build_object(args: &[ArrayRef], count: usize) -> Result<Vec<Option<Json>>> {
    if !args.len().is_multiple_of(2) {
        return Err(wrong("22023", "argument list must have even number of elements"));
    }
    rows(count, |row| {
        let mut entries = Vec::with_capacity(args.len() / 2);
        for pair in args.chunks_exact(2) {
            let Some(key) = text(&pair[0], row)? else {
                return Err(wrong("22023", "a key of a JSON object cannot be null"));
            };
            entries.push((key, of_sql(&pair[1], row)?));
        }
        Ok(Some(Json::object(entries)))
    })
}

pub(super) fn aggregated(args: &[ArrayRef], count: usize) -> Result<Vec<Option<Json>>> {
    rows(count, |row| if args[0].is_null(row) { Ok(None) } else { of_sql(&args[0], row).map(Some) })
}

pub(super) fn object_of_lists(args: &[ArrayRef], count: usize) -> Result<Vec<Option<Json>>> {
    rows(count, |row| {
        if args[0].is_null(row) || args[1].is_null(row) {
            return Ok(None);
        }
        let (keys, items) = (args[0].as_list::<i32>().value(row), args[1].as_list::<i32>().value(row));
        let mut entries = Vec::with_capacity(keys.len());
        for i in 0..keys.len() {
            let key = text(&keys, i)?.ok_or_else(|| wrong("22004", "field name must not be null"))?;
            entries.push((key, of_sql(&items, i)?));
        }
        Ok(Some(Json::object(entries)))
    })
}

/// Lists of JSON or text, made row by row.
pub(super) fn json_lists(args: &[ArrayRef], count: usize, items: fn(Json) -> Result<Vec<Json>>) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(LargeBinaryBuilder::new());
    for row in 0..count {
        match value(&args[0], row)? {
            Some(json) => {
                for item in items(json)? {
                    out.values().append_value(item.text().into_bytes());
                }
                out.append(true);
            }
            None => out.append(false),
        }
    }
    Ok(Arc::new(out.finish()))
}

pub(super) fn text_lists(
    args: &[ArrayRef],
    count: usize,
    items: fn(Json) -> Result<Vec<Option<String>>>,
) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringViewBuilder::new());
    for row in 0..count {
        match value(&args[0], row)? {
            Some(json) => {
                for item in items(json)? {
                    out.values().append_option(item);
                }
                out.append(true);
            }
            None => out.append(false),
        }
    }
    Ok(Arc::new(out.finish()))
}

pub(super) fn elements(json: Json) -> Result<Vec<Json>> {
    match json {
        Json::Array(items) => Ok(items),
        other => Err(wrong("22023", format!("cannot extract elements from {}", named(&other)))),
    }
}

pub(super) fn entries(json: Json) -> Result<Vec<(String, Json)>> {
    match json {
        Json::Object(entries) => Ok(entries),
        other => Err(wrong("22023", format!("cannot call this function on {}, only on an object", named(&other)))),
    }
}

pub(super) fn named(json: &Json) -> &'static str {
    match json {
        Json::Object(_) => "an object",
        Json::Array(_) => "an array",
        _ => "a scalar",
    }
}

pub(super) fn length(json: &Json) -> Result<i32> {
    match json {
        Json::Array(items) => Ok(i32::try_from(items.len()).unwrap_or(i32::MAX)),
        other => Err(wrong("22023", format!("cannot get array length of {}", named(other)))),
    }
}

/// Where a path leads, for `#>` and `jsonb_extract_path`.
pub(super) fn led(args: &[ArrayRef], count: usize) -> Result<Vec<Option<Json>>> {
    rows(count, |row| {
        let (Some(json), Some(steps)) = (value(&args[0], row)?, path(&args[1], row)?) else { return Ok(None) };
        if steps.iter().any(Option::is_none) {
            return Ok(None);
        }
        Ok(json.path(steps.iter().flatten().map(String::as_str)).cloned())
    })
}

pub(super) fn plain(values: Vec<Option<Json>>) -> ArrayRef {
    texts(values.into_iter().map(|v| v.and_then(|v| v.plain())).collect())
}

pub(super) fn extracted(args: &[ArrayRef], count: usize) -> Result<Vec<Option<Json>>> {
    rows(count, |row| {
        let Some(json) = value(&args[0], row)? else { return Ok(None) };
        let steps = args[1..].iter().map(|a| text(a, row)).collect::<Result<Option<Vec<_>>>>()?;
        Ok(steps.and_then(|steps| json.path(steps.iter().map(String::as_str)).cloned()))
    })
}

pub(super) fn takes_extract(types: &[DataType]) -> Option<Vec<DataType>> {
    let (json, steps) = types.split_first()?;
    let kind = if is_json(json) { json.clone() } else { TEXT };
    ((is_json(json) || is_text(json)) && steps.iter().all(is_text))
        .then(|| std::iter::once(kind).chain(steps.iter().map(|_| TEXT)).collect())
}

pub(super) fn takes_set(types: &[DataType]) -> Option<Vec<DataType>> {
    let (head, flag) = match types.len() {
        3 => (types, None),
        4 => (&types[..3], Some(DataType::Boolean)),
        _ => return None,
    };
    let json = takes_one(&head[..1])?;
    let steps = match &head[1] {
        DataType::List(_) => list_of(TEXT),
        ty if is_text(ty) => TEXT,
        _ => return None,
    };
    let new = takes_one(&head[2..3])?;
    Some(json.into_iter().chain([steps]).chain(new).chain(flag).collect())
}

pub(super) fn takes_delete(types: &[DataType]) -> Option<Vec<DataType>> {
    takes_step(types).or_else(|| takes_path(types))
}
