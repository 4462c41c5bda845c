//! Which index a read goes by: the one whose leading columns its filters bound best.
//!
//! Promises: every row that satisfies the filters has an entry in one of the ranges.
//! Never: a literal is bent to fit: one whose type is not the column's own bounds nothing.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use firn_manifest::schema::{ColumnType, Index, TableSchema};
use firn_segment::key::encode_entries;
use firn_segment::types::sql_type;

use crate::error::{Error, Result};
use crate::sql::points::{is, literal, pinned};
use crate::state::index::{EntryRange, after};

/// More ranges than this are read by a scan.
const MOST: usize = 1024;

/// An index and the entries to read in it.
#[derive(Debug)]
pub struct Choice<'a> {
    /// the index
    pub index: &'a Index,
    /// ascending, disjoint
    pub ranges: Vec<EntryRange>,
    /// leading columns that are bound to values
    pinned: usize,
    /// whether the next column is bound to a range
    bounded: bool,
}

/// The best index for the filters; `None` when none of them helps.
///
/// # Errors
/// When a bound cannot be encoded.
pub fn choose<'a>(table: &'a TableSchema, filters: &[Expr]) -> Result<Option<Choice<'a>>> {
    if table.indexes.is_empty() || filters.is_empty() {
        return Ok(None);
    }
    let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
    let mut best: Option<Choice<'a>> = None;
    for index in &table.indexes {
        let Some(choice) = bound(table, index, &conjuncts)? else { continue };
        let worth = |c: &Choice<'_>| (c.index.unique && c.pinned == c.index.columns.len(), c.pinned, c.bounded);
        if best.as_ref().is_none_or(|b| worth(&choice) > worth(b)) {
            best = Some(choice);
        }
    }
    Ok(best)
}

fn bound<'a>(table: &TableSchema, index: &'a Index, conjuncts: &[&Expr]) -> Result<Option<Choice<'a>>> {
    let mut prefixes: Vec<Vec<u8>> = vec![vec![]];
    let (mut fixed, mut bounded) = (0, false);
    let mut ranges: Option<Vec<EntryRange>> = None;
    for id in &index.columns {
        let Some(column) = table.column(*id) else { return Ok(None) };
        let ty = sql_type(column.ty);
        let values = values(conjuncts, &column.name, column.ty, &ty)?;
        if let Some(values) = values.filter(|v| v.len().saturating_mul(prefixes.len()) <= MOST) {
            prefixes = prefixes.iter().flat_map(|p| values.iter().map(|v| [p.as_slice(), v].concat())).collect();
            fixed += 1;
            continue;
        }
        if let Some((low, high)) = range(conjuncts, &column.name, column.ty, &ty)? {
            let of = |p: &Vec<u8>| ([p.as_slice(), &low].concat(), [p.as_slice(), &high].concat());
            ranges = Some(prefixes.iter().map(of).collect());
            bounded = true;
        }
        break;
    }
    if fixed == 0 && !bounded {
        return Ok(None);
    }
    let mut ranges = ranges.unwrap_or_else(|| prefixes.into_iter().map(|p| (p.clone(), after(&p))).collect());
    ranges.retain(|(low, high)| low < high);
    ranges.sort_unstable();
    ranges.dedup();
    Ok(Some(Choice { index, ranges, pinned: fixed, bounded }))
}

/// The encoded values a column may have, when the filters list them.
fn values(conjuncts: &[&Expr], column: &str, ty: ColumnType, sql: &DataType) -> Result<Option<Vec<Vec<u8>>>> {
    let null = conjuncts.iter().any(|e| matches!(e, Expr::IsNull(inner) if is(inner, column)));
    if null {
        return Ok(Some(vec![vec![1]]));
    }
    let Some(found) = conjuncts.iter().find_map(|e| pinned(e, column, sql)) else { return Ok(None) };
    if found.is_empty() {
        return Ok(Some(vec![]));
    }
    if found.len() > MOST {
        return Ok(None);
    }
    let array = ScalarValue::iter_to_array(found).map_err(Error::from)?;
    let mut encoded = encode_entries(&[array], &[ty])?;
    encoded.sort_unstable();
    encoded.dedup();
    Ok(Some(encoded))
}

/// The encoded bounds of a column: from the first on and below the second. Both may be wider than the filters.
fn range(conjuncts: &[&Expr], column: &str, ty: ColumnType, sql: &DataType) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let encoded = |value: ScalarValue| -> Result<Vec<u8>> {
        let array: ArrayRef = value.to_array().map_err(Error::from)?;
        let mut all = encode_entries(&[array], &[ty])?;
        all.pop().ok_or_else(|| Error::internal("a bound without a value"))
    };
    let (mut low, mut high): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
    let mut raise = |value: Vec<u8>| low = Some(low.take().map_or(value.clone(), |l| l.max(value)));
    let mut lower = |value: Vec<u8>| {
        let value = after(&value);
        high = Some(high.take().map_or(value.clone(), |h| h.min(value)));
    };
    for conjunct in conjuncts {
        match conjunct {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (op, side) = if is(left, column) {
                    (*op, right)
                } else if is(right, column) {
                    (op.swap().unwrap_or(*op), left)
                } else {
                    continue;
                };
                let Some(Some(value)) = literal(side, sql) else { continue };
                match op {
                    Operator::Gt | Operator::GtEq => raise(encoded(value)?),
                    Operator::Lt | Operator::LtEq => lower(encoded(value)?),
                    _ => {}
                }
            }
            Expr::Between(Between { expr, negated: false, low: from, high: to }) if is(expr, column) => {
                if let (Some(Some(from)), Some(Some(to))) = (literal(from, sql), literal(to, sql)) {
                    raise(encoded(from)?);
                    lower(encoded(to)?);
                }
            }
            _ => {}
        }
    }
    // a comparison is never true of NULL, which is encoded as 1
    Ok(match (low, high) {
        (None, None) => None,
        (low, high) => Some((low.unwrap_or_else(|| vec![0]), high.unwrap_or_else(|| vec![1]))),
    })
}
