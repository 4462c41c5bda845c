//! `(a, b) IN (SELECT x, y …)`: the planner compares one column only, so rows become EXISTS. A long list of rows is such
//! a subquery too, over VALUES.
//!
//! Promises: NULLs inside rows give what PostgreSQL gives, under NOT too.
//! Never: a row is compared with a subquery of another number of columns (42601).

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Parens, Query, Select, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, Value, Values,
};

use super::parse;
use super::standard::COMPARISONS;
use crate::error::{Error, Result};

const ROWS: &str = "firn_in";

/// Rewrites the conditions that WHERE joins with AND: there, NULL is as good as false, and EXISTS becomes a join.
///
/// # Errors
/// 42601.
pub fn in_where(select: &mut Select) -> Result<()> {
    let mut open: Vec<&mut Expr> = select.selection.iter_mut().collect();
    while let Some(expr) = open.pop() {
        long_list(expr)?;
        match expr {
            Expr::Nested(inner) => open.push(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => open.extend([left.as_mut(), right.as_mut()]),
            Expr::InSubquery { expr: row, subquery, negated: false } => {
                if let Expr::Tuple(row) = row.as_ref()
                    && row.len() > 1
                {
                    *expr = exists(row, subquery, |equal| equal)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Rewrites one expression, wherever it stands.
///
/// # Errors
/// 42601.
pub fn anywhere(expr: &mut Expr) -> Result<()> {
    long_list(expr)?;
    let Expr::InSubquery { expr: row, subquery, negated } = expr else { return Ok(()) };
    let Expr::Tuple(row) = row.as_ref() else { return Ok(()) };
    let case = format!("CASE WHEN true THEN {} WHEN true THEN NULL ELSE {negated} END", !*negated);
    let mut case = parse::parse_expr(&case)?;
    if let Expr::Case { conditions, .. } = &mut case
        && let [equal, unknown] = conditions.as_mut_slice()
    {
        equal.condition = exists(row, subquery, |equal| equal)?;
        unknown.condition = exists(row, subquery, |equal| Expr::IsNull(Box::new(Expr::Nested(Box::new(equal)))))?;
    }
    *expr = Expr::Nested(Box::new(case));
    Ok(())
}

/// `(a, b) IN ((1, 2), …)`, when it is long, as `(a, b) IN (SELECT … FROM (VALUES …))`.
fn long_list(expr: &mut Expr) -> Result<()> {
    let Expr::InList { expr: row, list, negated } = expr else { return Ok(()) };
    let Expr::Tuple(columns) = row.as_ref() else { return Ok(()) };
    if list.len() * columns.len() <= COMPARISONS {
        return Ok(());
    }
    let mut values = Vec::with_capacity(list.len());
    for one in list.iter_mut() {
        match one {
            Expr::Tuple(one) if one.len() == columns.len() => {
                let content = std::mem::take(one);
                values.push(Parens {
                    opening_token: AttachedToken::empty(),
                    content,
                    closing_token: AttachedToken::empty(),
                });
            }
            _ => {
                let message = format!("a row of {} columns is compared with a row of another number", columns.len());
                return Err(Error::statement("42601", message));
            }
        }
    }
    let mut subquery = parse::trusted("VALUES (1)")?;
    *subquery.body = SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: values });
    let row = std::mem::replace(row, Box::new(Expr::Value(Value::Null.into())));
    *expr = Expr::InSubquery { expr: row, subquery: Box::new(subquery), negated: *negated };
    Ok(())
}

fn exists(row: &[Expr], subquery: &Query, condition: impl Fn(Expr) -> Expr) -> Result<Expr> {
    if let SetExpr::Select(select) = subquery.body.as_ref() {
        let star = select.projection.iter().any(|i| {
            matches!(i, sqlparser::ast::SelectItem::Wildcard(_) | sqlparser::ast::SelectItem::QualifiedWildcard(..))
        });
        if !star && select.projection.len() != row.len() {
            let message =
                format!("a row of {} columns is compared with a subquery of {}", row.len(), select.projection.len());
            return Err(Error::statement("42601", message));
        }
    }
    let mut query = parse::trusted("SELECT 1")?;
    let column = |i: usize| Ident::new(format!("{ROWS}_{i}"));
    let alias = TableAlias {
        explicit: true,
        name: Ident::new(ROWS),
        columns: (0..row.len()).map(|i| TableAliasColumnDef { name: column(i), data_type: None }).collect(),
        at: None,
    };
    let relation =
        TableFactor::Derived { lateral: false, subquery: Box::new(subquery.clone()), alias: Some(alias), sample: None };
    let mut all: Option<Expr> = None;
    for (i, value) in row.iter().enumerate() {
        let equal = binary(
            Expr::Nested(Box::new(value.clone())),
            BinaryOperator::Eq,
            Expr::CompoundIdentifier(vec![Ident::new(ROWS), column(i)]),
        );
        all = Some(match all {
            Some(before) => binary(before, BinaryOperator::And, equal),
            None => equal,
        });
    }
    if let (SetExpr::Select(select), Some(all)) = (query.body.as_mut(), all) {
        select.from = vec![TableWithJoins { relation, joins: vec![] }];
        select.selection = Some(condition(all));
    }
    Ok(Expr::Exists { subquery: Box::new(query), negated: false })
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn rows_are_found_in_subqueries() {
        let pairs = "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) s(x, y)";
        for (sql, want) in [
            (format!("SELECT (1, 'a') IN ({pairs})"), "true"),
            (format!("SELECT (3, 'a') IN ({pairs})"), "false"),
            (format!("SELECT (2, 'a') IN ({pairs})"), ""),
            (format!("SELECT (2, 'a') NOT IN ({pairs})"), ""),
            (format!("SELECT (3, 'a') NOT IN ({pairs})"), "true"),
            (
                format!("SELECT count(*) FROM (VALUES (1, 'a'), (2, 'b')) t(a, b) WHERE (a, b) IN ({pairs}) AND a < 5"),
                "1",
            ),
        ] {
            assert_eq!(one(&sql).await, want, "{sql}");
        }
        assert_eq!(error("SELECT (1, 2) IN (SELECT 1)").await, "42601");
        let long = (10..60).map(|n| format!("({n}, {n})")).collect::<Vec<_>>().join(", ");
        for (condition, want) in [
            (format!("(a, b) IN ({long}, (1, 1))"), "1"),
            (format!("(a, b) NOT IN ({long}, (1, 1))"), "2345"),
            (format!("(a, b) NOT IN ({long}, (1, NULL), (NULL, 5))"), "24"),
            (format!("((a, b) IN ({long}, (1, 1))) IS NULL"), ""),
        ] {
            let rows = "(VALUES (1, 1), (2, 2), (3, NULL), (4, 4), (5, 5)) t(a, b)";
            let sql = format!("SELECT string_agg(a::text, '' ORDER BY a) FROM {rows} WHERE {condition}");
            assert_eq!(one(&sql).await, want, "{condition}");
        }
        assert_eq!(error(&format!("SELECT (1, 2) IN ({long}, (1, 2, 3))")).await, "42601");
    }
}
