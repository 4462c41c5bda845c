//! Functions and operators on JSON and JSONB, by name.
//!
//! Promises: each takes what PostgreSQL's takes and refuses the rest.
//! Never: what a function does stands here; see `json_work`.

use std::sync::Arc;

use arrow::array::{Array, Int32Array};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::fun::{Fun, list_of};
use super::json::Json;
use super::json_texts;
use super::json_values::{
    JSONB, TEXT, jsonb, of_kind, of_sql, path, rows, same, step, takes_any, takes_any_one, takes_list, takes_one,
    takes_path, takes_row, takes_step, takes_two, takes_two_lists, texts, value,
};
use super::json_work::{
    aggregated, build_object, concat, contains, delete, elements, entries, exists, extracted, has, json_lists, led,
    length, object_of_lists, plain, pretty, set, set_path, strip, takes_delete, takes_extract, takes_set, text_lists,
};

/// Every function and operator, by the names that the planner and users call them.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    let jsonb_type: super::fun::Gives = |_| JSONB;
    let text_type: super::fun::Gives = |_| TEXT;
    let truth: super::fun::Gives = |_| DataType::Boolean;
    let whole: super::fun::Gives = |_| DataType::Int32;
    let json_list: super::fun::Gives = |_| list_of(JSONB);
    let text_list: super::fun::Gives = |_| list_of(TEXT);
    let mut all = vec![
        Fun::udf("firn_json_get", takes_step, same, |args, n| {
            let found = rows(n, |row| match value(&args[0], row)? {
                Some(json) => Ok(step(&json, &args[1], row)?.cloned()),
                None => Ok(None),
            })?;
            Ok(of_kind(args, found))
        }),
        Fun::udf("firn_json_get_text", takes_step, text_type, |args, n| {
            let found = rows(n, |row| match value(&args[0], row)? {
                Some(json) => Ok(step(&json, &args[1], row)?.cloned()),
                None => Ok(None),
            })?;
            Ok(plain(found))
        }),
        Fun::udf("firn_json_path", takes_path, same, |args, n| Ok(of_kind(args, led(args, n)?))),
        Fun::udf("firn_json_path_text", takes_path, text_type, |args, n| Ok(plain(led(args, n)?))),
        Fun::udf("firn_json_contains", takes_two, truth, contains),
        Fun::udf("firn_json_within", takes_two, truth, |args, n| contains(&[args[1].clone(), args[0].clone()], n)),
        Fun::udf("firn_json_exists", takes_path, truth, |args, n| exists(args, n, |j, k| k.iter().all(|k| has(j, k)))),
        Fun::udf("firn_json_exists_any", takes_path, truth, |args, n| {
            exists(args, n, |j, k| k.iter().any(|k| has(j, k)))
        }),
        Fun::udf("firn_json_concat", takes_two, jsonb_type, |args, n| {
            let joined = rows(n, |row| match (value(&args[0], row)?, value(&args[1], row)?) {
                (Some(a), Some(b)) => Ok(Some(concat(a, b))),
                _ => Ok(None),
            })?;
            Ok(jsonb(joined))
        }),
        Fun::udf("firn_json_delete", takes_delete, jsonb_type, delete),
        Fun::udf("firn_json_delete_path", takes_path, jsonb_type, |args, n| {
            let left = rows(n, |row| {
                let (Some(json), Some(steps)) = (value(&args[0], row)?, path(&args[1], row)?) else { return Ok(None) };
                let steps: Vec<String> = steps.into_iter().flatten().collect();
                Ok(Some(set(json, &steps, None, false)))
            })?;
            Ok(jsonb(left))
        }),
        Fun::udf("jsonb_set", takes_set, jsonb_type, set_path),
        Fun::udf("jsonb_strip_nulls", takes_one, jsonb_type, |args, n| {
            Ok(jsonb(rows(n, |row| Ok(value(&args[0], row)?.map(strip)))?))
        }),
        Fun::udf("jsonb_pretty", takes_one, text_type, |args, n| {
            let printed = rows(n, |row| {
                Ok(value(&args[0], row)?.map(|json| {
                    let mut out = String::new();
                    pretty(&json, 0, &mut out);
                    out
                }))
            })?;
            Ok(texts(printed))
        }),
        Fun::udf("to_jsonb", takes_any_one, jsonb_type, |args, n| {
            Ok(jsonb(rows(n, |row| if args[0].is_null(row) { Ok(None) } else { of_sql(&args[0], row).map(Some) })?))
        }),
        Fun::udf("firn_jsonb_array_elements", takes_one, json_list, |args, n| json_lists(args, n, elements)),
        Fun::udf("firn_jsonb_array_elements_text", takes_one, text_list, |args, n| {
            text_lists(args, n, |json| Ok(elements(json)?.iter().map(Json::plain).collect()))
        }),
        Fun::udf("firn_jsonb_object_keys", takes_one, text_list, |args, n| {
            text_lists(args, n, |json| Ok(entries(json)?.into_iter().map(|(key, _)| Some(key)).collect()))
        }),
        Fun::udf("firn_jsonb_values", takes_one, json_list, |args, n| {
            json_lists(args, n, |json| Ok(entries(json)?.into_iter().map(|(_, value)| value).collect()))
        }),
        Fun::udf("firn_jsonb_values_text", takes_one, text_list, |args, n| {
            text_lists(args, n, |json| Ok(entries(json)?.into_iter().map(|(_, value)| value.plain()).collect()))
        }),
        Fun::udf("jsonb_build_object", takes_any, jsonb_type, |args, n| Ok(jsonb(build_object(args, n)?))),
        Fun::udf("jsonb_build_array", takes_any, jsonb_type, |args, n| {
            let made = rows(n, |row| {
                args.iter().map(|a| of_sql(a, row)).collect::<Result<_>>().map(|items| Some(Json::Array(items)))
            })?;
            Ok(jsonb(made))
        }),
        Fun::udf("jsonb_agg", takes_list, jsonb_type, |args, n| Ok(jsonb(aggregated(args, n)?))),
        Fun::udf("jsonb_object_agg", takes_two_lists, jsonb_type, |args, n| Ok(jsonb(object_of_lists(args, n)?))),
        Fun::json("json_build_object", takes_any, json_texts::object),
        Fun::json("json_build_array", takes_any, json_texts::array),
        Fun::json("json_agg", takes_list, json_texts::gathered),
        Fun::json("json_object_agg", takes_two_lists, json_texts::gathered_object),
        Fun::json("to_json", takes_any_one, json_texts::to_json),
        Fun::json("row_to_json", takes_row, json_texts::to_json),
    ];
    for name in ["jsonb_typeof", "json_typeof"] {
        all.push(Fun::udf(name, takes_one, text_type, |args, n| {
            Ok(texts(rows(n, |row| Ok(value(&args[0], row)?.map(|json| json.kind().to_owned())))?))
        }));
    }
    for name in ["jsonb_array_length", "json_array_length"] {
        all.push(Fun::udf(name, takes_one, whole, |args, n| {
            let counted = rows(n, |row| value(&args[0], row)?.map(|json| length(&json)).transpose())?;
            Ok(Arc::new(Int32Array::from(counted)))
        }));
    }
    for name in ["jsonb_extract_path", "json_extract_path"] {
        all.push(Fun::udf(name, takes_extract, same, |args, n| Ok(of_kind(args, extracted(args, n)?))));
    }
    for name in ["jsonb_extract_path_text", "json_extract_path_text"] {
        all.push(Fun::udf(name, takes_extract, text_type, |args, n| Ok(plain(extracted(args, n)?))));
    }
    all
}
