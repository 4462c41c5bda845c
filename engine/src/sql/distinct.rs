//! `a IS DISTINCT FROM b AND c`: the parser takes all that follows FROM for the right side; here it is what binds tighter.
//!
//! Promises: IS [NOT] DISTINCT FROM binds as PostgreSQL has it, tighter than NOT, AND and OR.
//! Never: what stands in parentheses is taken apart; a tree is changed that the parser did not make just now.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, VisitMut, VisitorMut};

/// Sets every such comparison right, in a statement or an expression fresh from the parser.
pub fn bind(parsed: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = parsed.visit(&mut Tighter);
}

struct Tighter;

impl VisitorMut for Tighter {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match take(expr) {
            Expr::IsDistinctFrom(left, right) => *expr = lifted(*right, |b| Expr::IsDistinctFrom(left, b)),
            Expr::IsNotDistinctFrom(left, right) => *expr = lifted(*right, |b| Expr::IsNotDistinctFrom(left, b)),
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => {
                *expr = lifted(*inner, |expr| Expr::UnaryOp { op: UnaryOperator::Not, expr });
            }
            // only what was lifted below can have left an OR there
            Expr::BinaryOp { left, op: BinaryOperator::And, right } if is(&right, &BinaryOperator::Or) => {
                *expr = lifted(*right, |right| Expr::BinaryOp { left, op: BinaryOperator::And, right });
            }
            other => *expr = other,
        }
        ControlFlow::Continue(())
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

fn is(expr: &Expr, wanted: &BinaryOperator) -> bool {
    matches!(expr, Expr::BinaryOp { op, .. } if op == wanted)
}

/// `make` around the leftmost operand of the ANDs and ORs.
fn lifted(mut expr: Expr, make: impl FnOnce(Box<Expr>) -> Expr) -> Expr {
    let mut leftmost = &mut expr;
    while let Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, .. } = leftmost {
        leftmost = left.as_mut();
    }
    let operand = take(leftmost);
    *leftmost = make(Box::new(operand));
    expr
}

#[cfg(test)]
mod tests {
    use crate::sql::testing::one;

    #[tokio::test]
    async fn distinct_from_binds_tighter_than_and_or_not() {
        for (sql, want) in [
            ("SELECT 1 IS DISTINCT FROM 2 AND false", "false"),
            ("SELECT 1 IS NOT DISTINCT FROM 1 AND 2 = 2 OR false", "true"),
            ("SELECT false AND 1 IS DISTINCT FROM 1 OR true", "true"),
            ("SELECT NOT 1 IS DISTINCT FROM 2 OR true", "true"),
            ("SELECT 1 IS DISTINCT FROM (2) AND 1 IS DISTINCT FROM 2 AND 3 = 3", "true"),
            ("SELECT true IS DISTINCT FROM (true AND false)", "true"),
        ] {
            let got = one(sql).await;
            assert_eq!(got.chars().next(), want.chars().next(), "{sql}: {got}");
        }
    }
}
