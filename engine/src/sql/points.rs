//! Point reads: the primary keys that a filter allows, when it names them one by one.
//!
//! Promises: every row that satisfies the filter has one of the keys returned.
//! Never: a literal is bent to fit: one whose type is not the column's own leaves the general path to it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use firn_manifest::schema::TableSchema;
use firn_segment::key::{Key, encode_keys};
use firn_segment::types::sql_type;

use crate::error::{Error, Result};

/// More keys than this are read by a scan.
const MOST: usize = 4096;

/// The keys that can satisfy all filters, sorted; `None` when the filters do not pin every key column.
///
/// # Errors
/// When a key cannot be encoded.
pub fn keys(table: &TableSchema, filters: &[Expr]) -> Result<Option<Vec<Key>>> {
    let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
    let mut values: Vec<Vec<ScalarValue>> = Vec::with_capacity(table.key.len());
    for column in table.key_columns() {
        let ty = sql_type(column.ty);
        let Some(found) = conjuncts.iter().find_map(|e| pinned(e, &column.name, &ty)) else { return Ok(None) };
        values.push(found);
    }
    let total = values.iter().try_fold(1usize, |n, v| n.checked_mul(v.len())).unwrap_or(usize::MAX);
    if values.is_empty() || total > MOST {
        return Ok(None);
    }
    if total == 0 {
        return Ok(Some(vec![]));
    }
    let types: Vec<_> = table.key_columns().map(|c| c.ty).collect();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(values.len());
    let (mut before, mut after) = (1usize, total);
    for column in &values {
        // the product of all columns' values, written out
        after /= column.len();
        let repeated = (0..before).flat_map(|_| column.iter().flat_map(|v| std::iter::repeat_n(v.clone(), after)));
        columns.push(ScalarValue::iter_to_array(repeated).map_err(Error::from)?);
        before *= column.len();
    }
    let mut keys = encode_keys(&columns, &types)?;
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}

/// The values a conjunct allows the column, when it lists them.
pub(super) fn pinned(expr: &Expr, column: &str, ty: &DataType) -> Option<Vec<ScalarValue>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let value = if is(left, column) {
                literal(right, ty)
            } else if is(right, column) {
                literal(left, ty)
            } else {
                None
            }?;
            Some(value.into_iter().collect())
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut values = pinned(left, column, ty)?;
            values.extend(pinned(right, column, ty)?);
            Some(values)
        }
        Expr::InList(InList { expr, list, negated: false }) if is(expr, column) => {
            let values: Option<Vec<Option<ScalarValue>>> = list.iter().map(|e| literal(e, ty)).collect();
            Some(values?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// Whether the expression is that column.
pub(super) fn is(expr: &Expr, column: &str) -> bool {
    matches!(expr, Expr::Column(c) if c.name == column)
}

/// The literal in the column's type; `Some(None)` for NULL, which equals nothing.
#[allow(clippy::option_option)]
pub(super) fn literal(expr: &Expr, ty: &DataType) -> Option<Option<ScalarValue>> {
    let Expr::Literal(value, _) = expr else { return None };
    if value.is_null() {
        return Some(None);
    }
    if value.data_type() == *ty {
        return Some(Some(value.clone()));
    }
    match (value, ty) {
        (ScalarValue::Utf8(Some(s)) | ScalarValue::LargeUtf8(Some(s)), DataType::Utf8View) => {
            Some(Some(ScalarValue::Utf8View(Some(s.clone()))))
        }
        (ScalarValue::Binary(Some(b)) | ScalarValue::LargeBinary(Some(b)), DataType::BinaryView) => {
            Some(Some(ScalarValue::BinaryView(Some(b.clone()))))
        }
        (ScalarValue::TimestampMicrosecond(v, Some(_)), DataType::Timestamp(_, Some(zone))) => {
            Some(Some(ScalarValue::TimestampMicrosecond(*v, Some(Arc::clone(zone)))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use datafusion::prelude::{col, lit};
    use firn_manifest::ids::{ColumnId, TableId};
    use firn_manifest::schema::{Column, ColumnType};

    use super::*;

    fn table() -> TableSchema {
        let column = |id, name: &str, ty| Column::new(ColumnId(id), name, ty).not_null();
        let columns = vec![
            column(1, "a", ColumnType::BigInt),
            column(2, "b", ColumnType::Text),
            column(3, "x", ColumnType::BigInt),
        ];
        TableSchema::new(TableId(20), "t", columns, vec![ColumnId(1), ColumnId(2)])
    }

    #[test]
    fn equality_and_lists_make_keys() {
        let count = |filters: &[Expr]| keys(&table(), filters).unwrap().map(|k| k.len());
        let one = col("a").eq(lit(1i64));
        assert_eq!(count(std::slice::from_ref(&one)), None);
        assert_eq!(count(&[one.clone(), col("b").eq(lit("x"))]), Some(1));
        assert_eq!(count(&[one.clone().and(lit("x").eq(col("b")))]), Some(1));
        assert_eq!(
            count(&[col("a").in_list(vec![lit(1i64), lit(2i64), lit(2i64)], false), col("b").eq(lit("x"))]),
            Some(2)
        );
        assert_eq!(
            count(&[one.clone().or(col("a").eq(lit(9i64))), col("b").in_list(vec![lit("x"), lit("y")], false)]),
            Some(4)
        );
        assert_eq!(count(&[one.clone(), col("b").in_list(vec![lit("x")], true)]), None);
        assert_eq!(count(&[one.clone(), col("b").eq(lit(ScalarValue::Utf8(None)))]), Some(0));
        assert_eq!(count(&[one.clone().or(col("x").eq(lit(9i64))), col("b").eq(lit("x"))]), None);
        assert_eq!(count(&[col("a").eq(lit(1i32)), col("b").eq(lit("x"))]), None);
    }
}
