//! Expressions of VALUES and SET that need no query: literals, parameters, NULL and DEFAULT.
//!
//! Promises: a literal takes the type of its column, as an untyped literal does in PostgreSQL; numbers are kept as
//! they were written, so no digit is lost on the way to a decimal column.
//! Never: an expression is evaluated here; whatever is not a literal goes to the query layer.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use firn_manifest::schema::{Column, ColumnType};
use firn_segment::types::storage_type;
use sqlparser::ast::{
    CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, TypedString, UnaryOperator, Value,
};

use super::assign::{Rows, assign, assign_numbers};
use super::{codes, types};
use crate::error::{Error, Result};

/// One expression for one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// NULL
    Null,
    /// a string literal
    Text(String),
    /// a numeric literal, as written, with its sign
    Number(String),
    /// a boolean literal, a parameter, or what an expression gave
    Value(ScalarValue),
    /// DEFAULT
    Default,
    /// anything else
    Expr(Box<Expr>),
}

/// What an expression is to a column of type `ty`.
///
/// # Errors
/// 42P02 for a parameter without a value.
pub(super) fn cell(expr: &Expr, ty: ColumnType, params: &[ScalarValue]) -> Result<Cell> {
    Ok(match expr {
        Expr::Nested(inner) => match cell(inner, ty, params)? {
            Cell::Default => Cell::Expr(inner.clone()),
            other => other,
        },
        Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default") => {
            Cell::Default
        }
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => parameter(name, params)?,
            other => literal(other).unwrap_or_else(|| Cell::Expr(Box::new(expr.clone()))),
        },
        Expr::UnaryOp { op: sign @ (UnaryOperator::Minus | UnaryOperator::Plus), expr: inner } => {
            match inner.as_ref() {
                Expr::Value(value) => match &value.value {
                    Value::Number(digits, _) if *sign == UnaryOperator::Minus => Cell::Number(format!("-{digits}")),
                    Value::Number(digits, _) => Cell::Number(digits.clone()),
                    _ => Cell::Expr(Box::new(expr.clone())),
                },
                _ => Cell::Expr(Box::new(expr.clone())),
            }
        }
        other => typed_literal(other, ty).unwrap_or_else(|| Cell::Expr(Box::new(expr.clone()))),
    })
}

fn literal(value: &Value) -> Option<Cell> {
    Some(match value {
        Value::Null => Cell::Null,
        Value::Boolean(b) => Cell::Value(ScalarValue::Boolean(Some(*b))),
        Value::Number(digits, _) => Cell::Number(digits.clone()),
        Value::SingleQuotedString(s) | Value::EscapedStringLiteral(s) | Value::UnicodeStringLiteral(s) => {
            Cell::Text(s.clone())
        }
        Value::DollarQuotedString(s) => Cell::Text(s.value.clone()),
        _ => return None,
    })
}

fn parameter(name: &str, params: &[ScalarValue]) -> Result<Cell> {
    let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
    match number.and_then(|n| n.checked_sub(1)).and_then(|n| params.get(n)) {
        Some(value) if value.is_null() => Ok(Cell::Null),
        Some(value) => Ok(Cell::Value(value.clone())),
        None => Err(Error::statement(codes::UNDEFINED_PARAMETER, format!("there is no value for parameter {name}"))
            .with_hint("parameters are written $1, $2, … and each needs a value")),
    }
}

/// A literal with the column's own type before or after it: `DATE '…'`, `'…'::uuid`.
fn typed_literal(expr: &Expr, ty: ColumnType) -> Option<Cell> {
    let same = |declared| types::column_type(declared).is_ok_and(|t| t == ty);
    match expr {
        Expr::TypedString(TypedString { data_type, value, .. }) if same(data_type) => literal(&value.value),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr: inner,
            data_type,
            format: None,
            array: false,
        } if same(data_type) => string_of(inner),
        // how the parser layer writes casts to UUID and BYTEA
        Expr::Function(call) => {
            let name = call.name.to_string();
            let own = matches!(
                (name.as_str(), ty),
                ("firn_uuid", ColumnType::Uuid)
                    | ("firn_bytea", ColumnType::Bytea)
                    | ("firn_time", ColumnType::Time)
                    | ("firn_json", ColumnType::Json)
                    | ("firn_jsonb", ColumnType::Jsonb)
            );
            let FunctionArguments::List(list) = &call.args else { return None };
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))] if own => string_of(inner),
                _ => None,
            }
        }
        _ => None,
    }
}

fn string_of(expr: &Expr) -> Option<Cell> {
    match expr {
        Expr::Value(value) => literal(&value.value).filter(|cell| matches!(cell, Cell::Text(_) | Cell::Null)),
        _ => None,
    }
}

/// One column's cells as stored values. `defaults` holds a value for each DEFAULT among them, in order.
///
/// # Errors
/// As assignment; an expression that was not evaluated is an internal error.
pub(super) fn build(cells: &[Cell], column: &Column, defaults: Option<&ArrayRef>) -> Result<ArrayRef> {
    let mut groups = Groups::default();
    let mut picks = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        picks.push(groups.add(cell, row)?);
    }
    let arrays = groups.assigned(column, defaults)?;
    if let [only] = arrays.as_slice()
        && picks.iter().enumerate().all(|(row, pick)| *pick == (0, row))
    {
        return Ok(only.clone());
    }
    if cells.is_empty() {
        return Ok(arrow::array::new_empty_array(&storage_type(column.ty)));
    }
    let parts: Vec<&dyn arrow::array::Array> = arrays.iter().map(AsRef::as_ref).collect();
    interleave(&parts, &picks)
        .map_err(|e| Error::internal(format!("values of column \"{}\" do not join: {e}", column.name)))
}

/// Cells of one kind go through assignment together.
#[derive(Default)]
struct Groups {
    list: Vec<Group>,
    by_kind: HashMap<Kind, usize>,
}

#[derive(PartialEq, Eq, Hash, Clone)]
enum Kind {
    Text,
    Number,
    Default,
    Typed(DataType),
}

struct Group {
    kind: Kind,
    texts: Vec<Option<String>>,
    scalars: Vec<ScalarValue>,
    rows: Vec<usize>,
}

impl Groups {
    fn add(&mut self, cell: &Cell, row: usize) -> Result<(usize, usize)> {
        let (kind, text, scalar) = match cell {
            Cell::Null => (Kind::Text, None, None),
            Cell::Text(s) => (Kind::Text, Some(s.clone()), None),
            Cell::Number(s) => (Kind::Number, Some(s.clone()), None),
            Cell::Value(v) => (Kind::Typed(v.data_type()), None, Some(v.clone())),
            Cell::Default => (Kind::Default, None, None),
            Cell::Expr(e) => return Err(Error::internal(format!("expression {e} was not evaluated"))),
        };
        let at = *self.by_kind.entry(kind.clone()).or_insert_with(|| {
            self.list.push(Group { kind: kind.clone(), texts: vec![], scalars: vec![], rows: vec![] });
            self.list.len() - 1
        });
        let group = &mut self.list[at];
        match kind {
            Kind::Text | Kind::Number => group.texts.push(text),
            Kind::Typed(_) => group.scalars.extend(scalar),
            Kind::Default => {}
        }
        group.rows.push(row);
        Ok((at, group.rows.len() - 1))
    }

    fn assigned(self, column: &Column, defaults: Option<&ArrayRef>) -> Result<Vec<ArrayRef>> {
        let mut arrays = Vec::with_capacity(self.list.len());
        for group in self.list {
            let rows = Rows::Each(&group.rows);
            arrays.push(match group.kind {
                Kind::Text => assign(&(Arc::new(StringArray::from(group.texts)) as ArrayRef), column, rows)?,
                Kind::Number => assign_numbers(&StringArray::from(group.texts), column, rows)?,
                Kind::Default => defaults.cloned().ok_or_else(|| Error::internal("DEFAULT was not evaluated"))?,
                Kind::Typed(_) => {
                    let values =
                        ScalarValue::iter_to_array(group.scalars).map_err(|e| super::errors::from_datafusion(&e))?;
                    assign(&values, column, rows)?
                }
            });
        }
        Ok(arrays)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::sql::parse::parse_expr;
    use crate::sql::text::as_text;
    use arrow::array::{Array, AsArray};
    use firn_manifest::ids::ColumnId;

    fn column(ty: ColumnType) -> Column {
        Column::new(ColumnId(1), "a", ty)
    }

    fn read(sql: &str, ty: ColumnType) -> Cell {
        cell(&parse_expr(sql).unwrap(), ty, &[ScalarValue::Int64(Some(7)), ScalarValue::Utf8(None)]).unwrap()
    }

    #[test]
    fn literals_are_recognised() {
        use ColumnType as T;
        assert_eq!(read("NULL", T::Integer), Cell::Null);
        assert_eq!(read("-1.50", T::Integer), Cell::Number("-1.50".into()));
        assert_eq!(read("((3))", T::Integer), Cell::Number("3".into()));
        assert_eq!(read("'a''b'", T::Text), Cell::Text("a'b".into()));
        assert_eq!(read("E'a\\nb'", T::Text), Cell::Text("a\nb".into()));
        assert_eq!(read("DEFAULT", T::Text), Cell::Default);
        assert_eq!(read("DATE '2024-01-01'", T::Date), Cell::Text("2024-01-01".into()));
        assert_eq!(read("'x'::uuid", T::Uuid), Cell::Text("x".into()));
        assert_eq!(read("$1", T::Text), Cell::Value(ScalarValue::Int64(Some(7))));
        assert_eq!(read("$2", T::Text), Cell::Null);
        for (sql, ty) in [
            ("1 + 1", T::Integer),
            ("'x'::uuid", T::Text),
            ("DATE '2024-01-01'", T::Text),
            ("now()", T::Date),
            ("\"default\"", T::Text),
        ] {
            assert!(matches!(read(sql, ty), Cell::Expr(_)), "{sql}");
        }
        let missing = cell(&parse_expr("$3").unwrap(), T::Text, &[]).unwrap_err();
        assert_eq!(missing.sqlstate, "42P02");
    }

    #[test]
    fn mixed_cells_keep_their_order() {
        let cells = [
            Cell::Text("5".into()),
            Cell::Number("1.5".into()),
            Cell::Default,
            Cell::Null,
            Cell::Value(ScalarValue::Int32(Some(3))),
            Cell::Number("4".into()),
        ];
        let default: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![9]));
        let built = build(&cells, &column(ColumnType::BigInt), Some(&default)).unwrap();
        let text = as_text(&built).unwrap();
        let shown: Vec<&str> = text.as_string::<i32>().iter().map(|t| t.unwrap_or("-")).collect();
        assert_eq!(shown, ["5", "2", "9", "-", "3", "4"]);
        let error = build(&[Cell::Null, Cell::Null, Cell::Number("99999".into())], &column(ColumnType::SmallInt), None)
            .unwrap_err();
        assert_eq!(error.detail.as_deref(), Some("column \"a\", row 3"));
        assert_eq!(build(&[], &column(ColumnType::Uuid), None).unwrap().len(), 0);
    }
}
