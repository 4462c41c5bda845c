//! The names of a query's output columns, as PostgreSQL gives them.
//!
//! Promises: a column without AS is named after its column, its function or its cast; two may have one name.
//! Never: a name of the planner's own making (`t.a + Int64(1)`) is shown.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr,
    Statement, Visit, VisitMut, Visitor, VisitorMut,
};

use super::names;
use super::resolve::folded;
use crate::error::{BatchStream, Error};

/// What the output columns shall be named; `None` stands for one or more columns of a `*`.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<Option<String>>);

/// Reads the names off a query, and gives columns that would collide inside the planner names of their own.
#[must_use]
pub fn prepare(query: &mut Query) -> Names {
    let mut names = Names::default();
    separate(query.body.as_mut(), &mut names, true);
    names
}

fn separate(body: &mut SetExpr, names: &mut Names, first: bool) {
    match body {
        SetExpr::Select(select) => {
            if first {
                names.0 = select.projection.iter().map(shown).collect();
            }
            make_unique(select);
        }
        SetExpr::SetOperation { left, right, .. } => {
            separate(left, names, first);
            separate(right, names, false);
        }
        SetExpr::Query(inner) => separate(inner.body.as_mut(), names, first),
        _ => {}
    }
}

fn make_unique(select: &mut Select) {
    let mut seen = HashSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && has_subquery(expr)
        {
            // the planner names it after the subquery's own column, which others may be named after too
            let shown = name_of(expr);
            rename(item, index, &shown);
            continue;
        }
        let (key, shown) = match item {
            SelectItem::UnnamedExpr(expr) => (key(expr), name_of(expr)),
            SelectItem::ExprWithAlias { alias, .. } => (folded(alias), folded(alias)),
            _ => continue,
        };
        if seen.insert(key) {
            continue;
        }
        rename(item, index, &shown);
    }
}

/// Gives the columns of every query inside a statement their names: those of queries in FROM and WITH as PostgreSQL
/// names them, and names of their own to those that would collide.
pub fn settle(statement: &mut Statement) {
    struct Settle {
        depth: usize,
    }
    impl VisitorMut for Settle {
        type Break = ();
        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            if self.depth > 1 {
                name_calls(select);
            }
            make_unique(select);
            ControlFlow::Continue(())
        }
    }
    let _ = VisitMut::visit(statement, &mut Settle { depth: 0 });
}

/// Gives every column that stands beside a `*` a name that collides with nothing. Whether there are any.
pub fn apart(statement: &mut Statement) -> bool {
    struct Apart(bool);
    impl VisitorMut for Apart {
        type Break = ();
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            let star = |i: &SelectItem| matches!(i, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
            if select.projection.len() > 1 && select.projection.iter().any(star) {
                self.0 = true;
                for (index, item) in select.projection.iter_mut().enumerate() {
                    if let Some(shown) = shown(item) {
                        rename(item, index, names::shown(&shown));
                    }
                }
            }
            ControlFlow::Continue(())
        }
    }
    let mut apart = Apart(false);
    let _ = VisitMut::visit(statement, &mut apart);
    apart.0
}

/// Names the columns that are computed after their function, where no other column has that name.
fn name_calls(select: &mut Select) {
    let names: Vec<Option<String>> = select.projection.iter().map(shown).collect();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let Some(Some(name)) = names.get(index) else { continue };
        let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let alone = names.iter().flatten().filter(|n| *n == name).count() == 1;
        if plain {
            continue;
        }
        if name == "?column?" || !alone {
            rename(item, index, name);
            continue;
        }
        let taken = std::mem::replace(expr, Expr::Value(sqlparser::ast::Value::Null.into()));
        *item = SelectItem::ExprWithAlias { expr: taken, alias: Ident::with_quote('"', name.clone()) };
    }
}

/// Gives a column a name that collides with nothing.
fn rename(item: &mut SelectItem, index: usize, shown: &str) {
    let alias = Ident::with_quote('"', names::unique_output(index, shown));
    let taken = std::mem::replace(item, SelectItem::Wildcard(sqlparser::ast::WildcardAdditionalOptions::default()));
    if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = taken {
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// What two expressions have in common when the planner would name them alike.
fn key(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => name_of(expr),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => key(expr),
        _ => {
            let mut bare = expr.clone();
            let _ = VisitMut::visit(&mut bare, &mut WithoutCasts);
            bare.to_string().to_lowercase()
        }
    }
}

/// The planner's names do not show casts.
struct WithoutCasts;

impl VisitorMut for WithoutCasts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
            let inner = std::mem::replace(inner.as_mut(), Expr::Value(sqlparser::ast::Value::Null.into()));
            *expr = inner;
        }
        ControlFlow::Continue(())
    }
}

fn has_subquery(expr: &Expr) -> bool {
    struct Seen;
    impl Visitor for Seen {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    Visit::visit(expr, &mut Seen).is_break()
}

fn shown(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// What PostgreSQL names a column that is computed so.
pub(super) fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => folded(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded).unwrap_or_default(),
        Expr::Nested(inner) => name_of(inner),
        Expr::Function(function) => function_name(function),
        Expr::Cast { expr, data_type, .. } => match name_of(expr).as_str() {
            "?column?" => type_name(&data_type.to_string()),
            name => name.to_owned(),
        },
        Expr::TypedString(typed) => type_name(&typed.data_type.to_string()),
        Expr::Interval(_) => "interval".to_owned(),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Overlay { .. } => "overlay".to_owned(),
        Expr::AtTimeZone { .. } => "timezone".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => select.projection.first().and_then(shown).unwrap_or_else(unnamed),
            _ => unnamed(),
        },
        _ => unnamed(),
    }
}

fn unnamed() -> String {
    "?column?".to_owned()
}

fn function_name(function: &Function) -> String {
    let name = function.name.0.last().and_then(|p| p.as_ident()).map(folded).unwrap_or_default();
    if name == "unnest"
        && let Some(Expr::Function(set)) = first_argument(function)
    {
        // a set that became an array's elements
        let inner = function_name(set);
        match inner.as_str() {
            "regexp_split_to_array" => return "regexp_split_to_table".to_owned(),
            "string_to_array" => return "string_to_table".to_owned(),
            _ if set.name.to_string().starts_with("firn_") => return inner,
            _ => {}
        }
    }
    match name.strip_prefix("firn_") {
        // casts that became calls keep the name of what they cast
        Some(ty @ ("uuid" | "bytea" | "time" | "interval" | "json" | "jsonb" | "array")) => {
            match first_argument(function).map(name_of).as_deref() {
                None | Some("?column?") => ty.to_owned(),
                Some(inner) => inner.to_owned(),
            }
        }
        // comparisons that became calls
        Some(comparison) if comparison.starts_with("any_") || comparison.starts_with("all_") => unnamed(),
        _ => name,
    }
}

fn first_argument(function: &Function) -> Option<&Expr> {
    match &function.args {
        FunctionArguments::List(list) => match list.args.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

fn type_name(declared: &str) -> String {
    let plain = declared.split('(').next().unwrap_or(declared).trim().to_ascii_lowercase();
    match plain.as_str() {
        "int" | "integer" => "int4".to_owned(),
        "bigint" => "int8".to_owned(),
        "smallint" => "int2".to_owned(),
        "double precision" | "double" => "float8".to_owned(),
        "real" => "float4".to_owned(),
        "boolean" => "bool".to_owned(),
        "decimal" => "numeric".to_owned(),
        _ => plain,
    }
}

/// A field as callers see it: JSON is text that bears its type's name.
#[must_use]
pub fn outward(field: Field) -> Field {
    let (name, inner) = match field.data_type() {
        DataType::LargeBinary => ("jsonb", false),
        DataType::List(of) if *of.data_type() == DataType::LargeBinary => ("jsonb[]", true),
        DataType::List(of) if *of.data_type() == DataType::LargeUtf8 => ("json[]", true),
        DataType::LargeUtf8 => ("text", false),
        _ => return field,
    };
    let mut metadata = field.metadata().clone();
    metadata.entry("firn.type".to_owned()).or_insert_with(|| name.to_owned());
    let ty = if inner {
        DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)))
    } else {
        DataType::Utf8View
    };
    field.with_data_type(ty).with_metadata(metadata)
}

/// Values as callers see them, in a type that [`outward`] gave.
///
/// # Errors
/// When Arrow refuses to make them text.
pub fn outward_values(values: &ArrayRef, ty: &DataType) -> Result<ArrayRef, Error> {
    if values.data_type() == ty {
        return Ok(values.clone());
    }
    let text = |values: &ArrayRef| match values.data_type() {
        DataType::LargeBinary => cast(values, &DataType::Utf8).and_then(|texts| cast(&texts, &DataType::Utf8View)),
        _ => cast(values, &DataType::Utf8View),
    };
    let made = match ty {
        DataType::List(of) => {
            let lists = values.as_list::<i32>();
            text(lists.values()).and_then(|inner| {
                ListArray::try_new(of.clone(), lists.offsets().clone(), inner, lists.nulls().cloned())
                    .map(|list| Arc::new(list) as ArrayRef)
            })
        }
        _ => text(values),
    };
    made.map_err(|e| Error::internal(format!("values of a query do not become text: {e}")))
}

impl Names {
    /// The schema with the names in place.
    #[must_use]
    pub fn schema(&self, schema: &SchemaRef) -> SchemaRef {
        let mut fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        let stars = self.0.iter().filter(|n| n.is_none()).count();
        let total = fields.len();
        let known = self.0.len();
        let before = self.0.iter().position(Option::is_none).unwrap_or(known);
        for (index, name) in self.0.iter().enumerate() {
            // what stands before the first star counts from the front, what stands after the only one from the back
            let place = match stars {
                _ if index < before => Some(index),
                1 => (total + index).checked_sub(known),
                _ => None,
            };
            if let (Some(name), Some(field)) = (name, place.and_then(|p| fields.get_mut(p))) {
                field.set_name(name.clone());
            }
        }
        for field in &mut fields {
            let shown = names::shown(field.name()).to_owned();
            field.set_name(shown);
        }
        Arc::new(Schema::new(fields.into_iter().map(outward).collect::<Vec<_>>()))
    }

    /// The rows under the names.
    #[must_use]
    pub fn apply(&self, schema: &SchemaRef, rows: BatchStream) -> (SchemaRef, BatchStream) {
        let named = self.schema(schema);
        let output = named.clone();
        let rows = rows.map(move |batch| {
            let batch = batch?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = batch.columns().iter().zip(named.fields()).map(|(c, f)| outward_values(c, f.data_type()));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            RecordBatch::try_new_with_options(named.clone(), columns, &options)
                .map_err(|e| Error::internal(format!("rows do not fit the query's columns: {e}")))
        });
        (output, rows.boxed())
    }
}
