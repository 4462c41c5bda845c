//! SQL values as texts of type JSON, spaced as PostgreSQL spaces them: JSON keeps the text it was made as.
//!
//! Promises: a JSON value inside another stands there as it was written; keys keep their order and may come twice.
//! Never: what is of type JSONB is made here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::fun::wrong;
use super::json::Json;
use super::json_values::{of_sql, rows, text};

/// One value, as `to_json` gives it.
fn whole(array: &ArrayRef, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("null".to_owned());
    }
    Ok(match array.data_type() {
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|i| whole(&items, i)).collect::<Result<Vec<_>>>()?;
            format!("[{}]", items.join(","))
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let entries = fields.iter().zip(columns).map(|(f, c)| Ok(format!("{}:{}", key(f.name()), whole(c, row)?)));
            format!("{{{}}}", entries.collect::<Result<Vec<_>>>()?.join(","))
        }
        _ => of_sql(array, row)?.text(),
    })
}

fn key(name: &str) -> String {
    Json::String(name.to_owned()).text()
}

fn made(texts: Vec<Option<String>>) -> ArrayRef {
    Arc::new(LargeStringArray::from_iter(texts))
}

/// `to_json(x)`, `row_to_json(r)`.
pub(super) fn to_json(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let one = |row| if args[0].is_null(row) { Ok(None) } else { whole(&args[0], row).map(Some) };
    Ok(made(rows(count, one)?))
}

/// `json_build_array(…)`.
pub(super) fn array(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let one = |row| {
        let items = args.iter().map(|a| whole(a, row)).collect::<Result<Vec<_>>>()?;
        Ok(Some(format!("[{}]", items.join(", "))))
    };
    Ok(made(rows(count, one)?))
}

/// `json_build_object(key, value, …)`.
pub(super) fn object(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    if !args.len().is_multiple_of(2) {
        return Err(wrong("22023", "argument list must have even number of elements"));
    }
    let one = |row| {
        let mut entries = Vec::with_capacity(args.len() / 2);
        for pair in args.chunks_exact(2) {
            let name = text(&pair[0], row)?.ok_or_else(|| wrong("22023", "a key of a JSON object cannot be null"))?;
            entries.push(format!("{} : {}", key(&name), whole(&pair[1], row)?));
        }
        Ok(Some(format!("{{{}}}", entries.join(", "))))
    };
    Ok(made(rows(count, one)?))
}

/// `json_agg(x)` of what `array_agg` gathered.
pub(super) fn gathered(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let one = |row| {
        if args[0].is_null(row) {
            return Ok(None);
        }
        let items = args[0].as_list::<i32>().value(row);
        let between = if matches!(items.data_type(), DataType::Struct(_)) { ", \n " } else { ", " };
        let items = (0..items.len()).map(|i| whole(&items, i)).collect::<Result<Vec<_>>>()?;
        Ok(Some(format!("[{}]", items.join(between))))
    };
    Ok(made(rows(count, one)?))
}

/// `json_object_agg(key, value)` of what `array_agg` gathered.
pub(super) fn gathered_object(args: &[ArrayRef], count: usize) -> Result<ArrayRef> {
    let one = |row| {
        if args[0].is_null(row) || args[1].is_null(row) {
            return Ok(None);
        }
        let (keys, items) = (args[0].as_list::<i32>().value(row), args[1].as_list::<i32>().value(row));
        let mut entries = Vec::with_capacity(keys.len());
        for i in 0..keys.len() {
            let name = text(&keys, i)?.ok_or_else(|| wrong("22004", "field name must not be null"))?;
            entries.push(format!("{} : {}", key(&name), whole(&items, i)?));
        }
        Ok(Some(format!("{{ {} }}", entries.join(", "))))
    };
    Ok(made(rows(count, one)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::one;

    #[tokio::test]
    async fn texts_are_spaced_as_postgresql_spaces_them() {
        for (sql, want) in [
            ("SELECT to_json(ARRAY[1, NULL, 3])", "[1,null,3]"),
            ("SELECT to_json('a\"b'::text)", "\"a\\\"b\""),
            ("SELECT json_build_array(1, 'a', NULL, ARRAY[1, 2])", "[1, \"a\", null, [1,2]]"),
            (
                "SELECT json_build_object('b', 1, 'a', '{\"x\":  2}'::json, 'b', true)",
                "{\"b\" : 1, \"a\" : {\"x\":  2}, \"b\" : true}",
            ),
            ("SELECT json_agg(x ORDER BY x) FROM (VALUES (2), (1), (NULL)) t(x)", "[1, 2, null]"),
            ("SELECT json_object_agg(k, v) FROM (VALUES ('b', 1), ('a', 2)) t(k, v)", "{ \"b\" : 1, \"a\" : 2 }"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
    }
}
