//! `(a, b) IN (SELECT x, y …)`: the planner compares one column only, so rows become EXISTS.
//!
//! Promises: NULLs inside rows give what PostgreSQL gives, under NOT too.
//! Never: a row is compared with a subquery of another number of columns (42601).

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};

use super::parse;
use crate::error::{Error, Result};

const ROWS: &str = "firn_in";

/// Rewrites the conditions that WHERE joins with AND: there, NULL is as good as false, and EXISTS becomes a join.
///
/// # Errors
/// 42601.
pub fn in_where(select: &mut Select) -> Result<()> {
    let mut open: Vec<&mut Expr> = select.selection.iter_mut().collect();
    while let Some(expr) = open.pop() {
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
    }
}
