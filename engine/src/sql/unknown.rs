//! Literals in quotes beside values of another type: they are read as that type, as in PostgreSQL.
//!
//! Promises: `'1' + 1` is 2, and `CASE … THEN 1 ELSE 'x' END`, `coalesce(n, 'x')` and `SELECT 1 UNION SELECT 'x'` are
//! errors (22P02), not texts.
//! Never: a column or a computed text is read as anything else.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, Operator, Projection, Union, cast};

/// Whether the expression is a literal in quotes without a type.
fn is_unknown(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)), _) => true,
        Expr::Alias(alias) => is_unknown(&alias.expr),
        _ => false,
    }
}

/// The type that literals beside these become, when there are such literals and one such type.
fn wanted<'a>(exprs: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> Option<DataType> {
    let (mut unknown, mut found) = (false, None);
    for expr in exprs {
        if is_unknown(expr) {
            unknown = true;
            continue;
        }
        match expr.get_type(schema).ok()? {
            DataType::Null => {}
            ty if takes(&ty) => found = found.or(Some(ty)),
            _ => return None,
        }
    }
    found.filter(|_| unknown)
}

fn takes(ty: &DataType) -> bool {
    ty.is_numeric() || matches!(ty, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..))
}

fn read(expr: Expr, ty: &DataType) -> Expr {
    if is_unknown(&expr) { cast(expr, ty.clone()) } else { expr }
}

/// Arithmetic with a literal on one side.
#[must_use]
pub fn operands(binary: BinaryExpr, schema: &DFSchema) -> Transformed<Expr> {
    use Operator::{Divide, Minus, Modulo, Multiply, Plus};
    let ty = match binary.op {
        Plus | Minus | Multiply | Divide | Modulo => wanted([&*binary.left, &*binary.right].into_iter(), schema),
        _ => None,
    };
    match ty.filter(DataType::is_numeric) {
        Some(ty) => {
            let (left, right) = (Box::new(read(*binary.left, &ty)), Box::new(read(*binary.right, &ty)));
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: binary.op, right }))
        }
        None => Transformed::no(Expr::BinaryExpr(binary)),
    }
}

/// Branches of a CASE.
#[must_use]
pub fn branches(mut case: Case, schema: &DFSchema) -> Transformed<Case> {
    let values = case.when_then_expr.iter().map(|(_, then)| &**then).chain(case.else_expr.as_deref());
    let Some(ty) = wanted(values, schema) else { return Transformed::no(case) };
    case.when_then_expr =
        case.when_then_expr.into_iter().map(|(when, then)| (when, Box::new(read(*then, &ty)))).collect();
    case.else_expr = case.else_expr.map(|e| Box::new(read(*e, &ty)));
    Transformed::yes(case)
}

/// Arguments that are of one type.
#[must_use]
pub fn arguments(args: Vec<Expr>, schema: &DFSchema) -> Transformed<Vec<Expr>> {
    match wanted(args.iter(), schema) {
        Some(ty) => Transformed::yes(args.into_iter().map(|a| read(a, &ty)).collect()),
        None => Transformed::no(args),
    }
}

/// The sides of a UNION.
///
/// # Errors
/// Of rebuilding the plan.
pub fn sides(union: Union) -> Result<Transformed<LogicalPlan>> {
    let outputs = |plan: &Arc<LogicalPlan>| match plan.as_ref() {
        LogicalPlan::Projection(projection) => Some(projection.expr.clone()),
        _ => None,
    };
    let columns = union.schema.fields().len();
    let mut types = vec![None; columns];
    for (index, ty) in types.iter_mut().enumerate() {
        let (mut unknown, mut found) = (false, None);
        for input in &union.inputs {
            if outputs(input).is_some_and(|exprs| exprs.get(index).is_some_and(is_unknown)) {
                unknown = true;
            } else {
                found = match (found, input.schema().field(index).data_type().clone()) {
                    (None, ty) => Some(ty),
                    (Some(DataType::Null), ty) => Some(ty),
                    (found, _) => found,
                };
            }
        }
        *ty = found.filter(|ty| unknown && takes(ty));
    }
    if types.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union
        .inputs
        .into_iter()
        .map(|input| match input.as_ref() {
            LogicalPlan::Projection(projection) => {
                let exprs = projection.expr.iter().zip(&types).map(|(expr, ty)| match ty {
                    Some(ty) if is_unknown(expr) => {
                        let name = expr.schema_name().to_string();
                        read(expr.clone().unalias(), ty).alias(name)
                    }
                    _ => expr.clone(),
                });
                let projection = Projection::try_new(exprs.collect(), projection.input.clone())?;
                Ok(Arc::new(LogicalPlan::Projection(projection)))
            }
            _ => Ok(input),
        })
        .collect::<Result<Vec<_>>>()?;
    Union::try_new_with_loose_types(inputs).map(|union| Transformed::yes(LogicalPlan::Union(union)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn a_literal_is_what_it_stands_beside() {
        for (sql, want) in [
            ("SELECT '1' + 1", "2"),
            ("SELECT 10 - '4'", "6"),
            ("SELECT coalesce(NULL, 1, '2') + 1", "2"),
            ("SELECT CASE WHEN false THEN 1 ELSE '2' END + 1", "3"),
            ("SELECT sum(x) FROM (SELECT 1 AS x UNION ALL SELECT '2') t", "3"),
            ("SELECT max(x)::text FROM (SELECT DATE '2024-01-01' AS x UNION ALL SELECT '2024-02-01') t", "2024-02-01"),
            ("SELECT 'a' || 1", "a1"),
            ("SELECT coalesce(NULL, 'a')", "a"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
        for sql in ["SELECT 1 + 'a'", "SELECT CASE WHEN true THEN 1 ELSE 'a' END", "SELECT 1 UNION SELECT 'a'"] {
            assert_eq!(error(sql).await, "22P02", "{sql}");
        }
    }
}
