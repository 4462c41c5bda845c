//! Calls that the planner cannot make as they are written: functions that give sets, aggregates of JSON, arguments by
//! name or left away.
//!
//! Promises: a set in SELECT or FROM is the elements of an array; JSON is aggregated from what `array_agg` gathers, with
//! its ORDER BY, DISTINCT, FILTER and OVER. Rewriting twice changes nothing more.
//! Never: a column loses the name that PostgreSQL gives it in FROM.

use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Subscript,
    TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::casts::call;

/// Functions that give a set: their arrays, and what their column is named in FROM.
const SETS: [(&str, &str, &str); 11] = [
    ("jsonb_array_elements", "firn_jsonb_array_elements", "value"),
    ("json_array_elements", "firn_jsonb_array_elements", "value"),
    ("jsonb_array_elements_text", "firn_jsonb_array_elements_text", "value"),
    ("json_array_elements_text", "firn_jsonb_array_elements_text", "value"),
    ("jsonb_object_keys", "firn_jsonb_object_keys", ""),
    ("json_object_keys", "firn_jsonb_object_keys", ""),
    ("regexp_matches", "firn_regexp_matches", ""),
    ("regexp_split_to_table", "regexp_split_to_array", ""),
    ("string_to_table", "string_to_array", ""),
    ("jsonb_each", "firn_jsonb_values", "value"),
    ("jsonb_each_text", "firn_jsonb_values_text", "value"),
];

/// The arguments of make_interval, in order.
const INTERVAL: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

fn name_of(function: &Function) -> String {
    match function.name.0.as_slice() {
        [only] => only.as_ident().map(|i| i.value.to_lowercase()).unwrap_or_default(),
        _ => String::new(),
    }
}

fn arguments(function: &Function) -> Option<&[FunctionArg]> {
    match &function.args {
        FunctionArguments::List(list) => Some(&list.args),
        _ => None,
    }
}

fn plain(args: &[FunctionArg]) -> Option<Vec<Expr>> {
    args.iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn number(n: i64) -> Expr {
    Expr::Value(Value::Number(n.to_string(), false).into())
}

/// The same call of another function, with some of its arguments.
fn renamed(function: &Function, name: &str, args: Option<std::ops::Range<usize>>) -> Function {
    let mut new = function.clone();
    new.name = ObjectName::from(vec![Ident::new(name)]);
    if let (FunctionArguments::List(list), Some(range)) = (&mut new.args, args) {
        list.args = list.args.drain(range).collect();
    }
    new
}

/// What a call becomes; `None` when it stays.
#[must_use]
pub fn function(function: &Function) -> Option<Expr> {
    let name = name_of(function);
    let args = arguments(function)?;
    let gathered = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(f))) if name_of(f) == "array_agg");
    match (name.as_str(), args) {
        ("jsonb_agg" | "json_agg", [one]) if !gathered(one) => {
            Some(call(&name, vec![Expr::Function(renamed(function, "array_agg", None))]))
        }
        ("jsonb_object_agg" | "json_object_agg", [key, _]) if !gathered(key) => {
            let gather = |at: usize| Expr::Function(renamed(function, "array_agg", Some(at..at + 1)));
            Some(call(&name, vec![gather(0), gather(1)]))
        }
        ("age", [_]) => {
            let mut args = plain(args)?;
            args.insert(0, call("current_date", vec![]));
            Some(call("age", args))
        }
        ("array_remove", [_, _]) => Some(Expr::Function(renamed(function, "array_remove_all", None))),
        ("array_replace", [_, _, _]) => Some(Expr::Function(renamed(function, "array_replace_all", None))),
        ("make_interval", args) if args.iter().any(|a| matches!(a, FunctionArg::Named { .. })) => {
            let mut values: Vec<Expr> = (0..7).map(|_| number(0)).collect();
            for (at, arg) in args.iter().enumerate() {
                match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => *values.get_mut(at)? = expr.clone(),
                    FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                        let at = INTERVAL.iter().position(|n| name.value.eq_ignore_ascii_case(n))?;
                        values[at] = expr.clone();
                    }
                    _ => return None,
                }
            }
            Some(call("make_interval", values))
        }
        (set, _) if function.over.is_none() && !set.ends_with("_each") && !set.ends_with("_each_text") => {
            let (_, array, _) = SETS.iter().find(|(name, ..)| *name == set)?;
            Some(call("unnest", vec![Expr::Function(renamed(function, array, None))]))
        }
        _ => None,
    }
}

/// Gives a slice the bounds that were left away.
pub fn slice(access: &mut [AccessExpr]) {
    for access in access {
        if let AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) = access {
            lower_bound.get_or_insert_with(|| number(1));
            upper_bound.get_or_insert_with(|| number(i32::MAX.into()));
        }
    }
}

/// A set in FROM, as the elements of its arrays.
pub fn table(factor: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality: false, .. } = factor else {
        return names(factor);
    };
    let [only] = name.0.as_slice() else { return };
    let Some(function) = only.as_ident().map(|i| i.value.to_lowercase()) else { return };
    let Some((_, array, column)) = SETS.iter().find(|(name, ..)| *name == function) else { return };
    let Some(given) = plain(&args.args) else { return };
    let mut array_exprs = vec![call(array, given.clone())];
    let mut columns = vec![if column.is_empty() { alias_of(alias.as_ref(), &function) } else { (*column).to_owned() }];
    if function.starts_with("jsonb_each") {
        array_exprs.insert(0, call("firn_jsonb_object_keys", given));
        columns.insert(0, "key".to_owned());
    }
    *factor = TableFactor::UNNEST {
        alias: Some(aliased(alias.take(), &function, columns)),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}

fn alias_of(alias: Option<&TableAlias>, function: &str) -> String {
    alias.map_or_else(|| function.to_owned(), |a| a.name.value.clone())
}

/// The alias with names for all columns.
fn aliased(alias: Option<TableAlias>, function: &str, columns: Vec<String>) -> TableAlias {
    let mut alias =
        alias.unwrap_or_else(|| TableAlias { explicit: true, name: Ident::new(function), columns: vec![], at: None });
    for column in columns.into_iter().skip(alias.columns.len()) {
        alias.columns.push(TableAliasColumnDef { name: Ident::with_quote('"', column), data_type: None });
    }
    alias
}

/// Names the columns of `unnest(…)` in FROM after its alias, as PostgreSQL does.
fn names(factor: &mut TableFactor) {
    if let TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. } = factor {
        let name = alias_of(alias.as_ref(), "unnest");
        let columns = vec![name; array_exprs.len().min(1)];
        *alias = Some(aliased(alias.take(), "unnest", columns));
    }
}
