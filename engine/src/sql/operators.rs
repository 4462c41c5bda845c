//! Operators that the planner lacks or reads otherwise: those of JSON, arrays, intervals, dates and times.
//!
//! Promises: the function that stands for an operator is chosen by the types of both sides, as PostgreSQL chooses.
//! Never: an operator between types of the planner's own is touched.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions_nested::expr_fn::array_has_any;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, GetFieldAccess, Operator, ScalarUDF, cast};
use sqlparser::ast::BinaryOperator;

use super::fun::{TIMESTAMP, call, is_json};
use super::{array_functions, extract, json_functions, spans, text_functions, to_char, unknown};

/// The functions of this layer by name.
static BY_NAME: LazyLock<HashMap<String, Arc<ScalarUDF>>> =
    LazyLock::new(|| functions().into_iter().map(|f| (f.name().to_owned(), Arc::new(f))).collect());

/// Every function that stands here or in the modules that this one chooses from.
#[must_use]
pub fn functions() -> Vec<ScalarUDF> {
    let mut all = json_functions::all();
    all.extend(array_functions::all());
    all.extend(spans::all());
    all.extend(extract::all());
    all.extend(to_char::all());
    all.extend(text_functions::all());
    all
}

pub(super) fn named(name: &str, args: Vec<Expr>) -> Option<Expr> {
    BY_NAME.get(name).map(|function| call(function, args))
}

/// Plans those operators.
#[derive(Debug)]
pub struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        if !concerns(&op) {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let (Ok(l), Ok(r)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        if let Some(planned) = arithmetic(&op)
            .map(|op| unknown::operands(BinaryExpr::new(Box::new(left.clone()), op, Box::new(right.clone())), schema))
            .filter(|planned| planned.transformed)
        {
            return Ok(PlannerResult::Planned(planned.data));
        }
        let planned = beside_literal(&op, &left, &l, &right, &r)
            .or_else(|| of_json(&op, &left, &l, &right, &r))
            .or_else(|| of_arrays(&op, &left, &l, &right, &r))
            .or_else(|| of_times(&op, &left, &l, &right, &r));
        Ok(match planned {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(RawBinaryExpr { op, left, right }),
        })
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        Ok(match subscript(&expr.expr, &expr.field_access, schema)? {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(expr),
        })
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let name = args.first().and_then(literal).map_or("firn_extract", extract::function_of);
        Ok(match named(name, args.clone()) {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(args),
        })
    }
}

fn subscript(array: &Expr, access: &GetFieldAccess, schema: &DFSchema) -> Result<Option<Expr>> {
    let json = is_json(&array.get_type(schema)?);
    Ok(match access {
        GetFieldAccess::NamedStructField { name } if json => {
            named("firn_json_get", vec![array.clone(), Expr::Literal(name.clone(), None)])
        }
        GetFieldAccess::ListIndex { key } if json => named("firn_json_get", vec![array.clone(), *key.clone()]),
        GetFieldAccess::ListIndex { key } => named("firn_array_at", vec![array.clone(), *key.clone()]),
        GetFieldAccess::ListRange { start, stop, .. } => {
            named("firn_array_slice", vec![array.clone(), *start.clone(), *stop.clone()])
        }
        GetFieldAccess::NamedStructField { .. } => None,
    })
}

fn arithmetic(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        _ => return None,
    })
}

fn concerns(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(
        op,
        B::Arrow
            | B::LongArrow
            | B::HashArrow
            | B::HashLongArrow
            | B::HashMinus
            | B::AtArrow
            | B::ArrowAt
            | B::Question
            | B::QuestionAnd
            | B::QuestionPipe
            | B::StringConcat
            | B::PGOverlap
            | B::Plus
            | B::Minus
            | B::Multiply
            | B::Divide
            | B::Modulo
    ) || comparison(op).is_some()
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

/// A comparison with an untyped literal, which is of the other side's type.
fn beside_literal(op: &BinaryOperator, left: &Expr, l: &DataType, right: &Expr, r: &DataType) -> Option<Expr> {
    let op = comparison(op)?;
    let ours = |ty: &DataType| {
        matches!(ty, DataType::List(_) | DataType::Interval(_) | DataType::Time64(_) | DataType::LargeBinary)
    };
    let (left, right) = if ours(l) && literal(right).is_some() {
        (left.clone(), array_functions::literal(right, l)?)
    } else if ours(r) && literal(left).is_some() {
        (array_functions::literal(left, r)?, right.clone())
    } else {
        return None;
    };
    Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
}

fn of_json(op: &BinaryOperator, left: &Expr, l: &DataType, right: &Expr, r: &DataType) -> Option<Expr> {
    use BinaryOperator as B;
    let both = || vec![left.clone(), right.clone()];
    let name = match op {
        B::Arrow => "firn_json_get",
        B::LongArrow => "firn_json_get_text",
        B::HashArrow => "firn_json_path",
        B::HashLongArrow => "firn_json_path_text",
        B::HashMinus => "firn_json_delete_path",
        B::AtArrow if is_json(l) || is_json(r) => "firn_json_contains",
        B::ArrowAt if is_json(l) || is_json(r) => "firn_json_within",
        B::Question => "firn_json_exists",
        B::QuestionAnd => "firn_json_exists",
        B::QuestionPipe => "firn_json_exists_any",
        B::StringConcat if *l == DataType::LargeBinary || *r == DataType::LargeBinary => {
            // beside text that is no literal, || joins texts
            let literal = |e: &Expr| matches!(e, Expr::Literal(..));
            if (is_json(l) || literal(left)) && (is_json(r) || literal(right)) {
                "firn_json_concat"
            } else {
                return None;
            }
        }
        B::Minus if *l == DataType::LargeBinary => "firn_json_delete",
        _ => return None,
    };
    named(name, both())
}

fn of_arrays(op: &BinaryOperator, left: &Expr, l: &DataType, right: &Expr, r: &DataType) -> Option<Expr> {
    let list = |ty: &DataType| matches!(ty, DataType::List(_));
    let text = |ty: &DataType| matches!(ty, DataType::Utf8 | DataType::Utf8View);
    // an untyped literal beside an array is an array literal
    let (left, right) = match (l, r) {
        (DataType::List(_), r) if text(r) && matches!(right, Expr::Literal(..)) => {
            (left.clone(), array_functions::literal(right, l).unwrap_or_else(|| right.clone()))
        }
        (l, DataType::List(_)) if text(l) && matches!(left, Expr::Literal(..)) => {
            (array_functions::literal(left, r).unwrap_or_else(|| left.clone()), right.clone())
        }
        _ => (left.clone(), right.clone()),
    };
    match op {
        BinaryOperator::PGOverlap if list(l) || list(r) => Some(array_has_any(left, right)),
        BinaryOperator::AtArrow if list(l) || list(r) => named("firn_array_contains", vec![left, right]),
        BinaryOperator::ArrowAt if list(l) || list(r) => named("firn_array_contains", vec![right, left]),
        _ => None,
    }
}

fn of_times(op: &BinaryOperator, left: &Expr, l: &DataType, right: &Expr, r: &DataType) -> Option<Expr> {
    use BinaryOperator as B;
    use DataType::{Date32, Interval, Time64, Timestamp};
    let both = || vec![left.clone(), right.clone()];
    let swapped = || vec![right.clone(), left.clone()];
    let stamp = |e: &Expr| cast(e.clone(), TIMESTAMP);
    let number = |ty: &DataType| ty.is_numeric();
    match (op, l, r) {
        (B::Multiply, Interval(_), n) if number(n) => named("firn_interval_times", both()),
        (B::Multiply, n, Interval(_)) if number(n) => named("firn_interval_times", swapped()),
        (B::Divide, Interval(_), n) if number(n) => named("firn_interval_over", both()),
        (B::Minus, Timestamp(..), Timestamp(..)) => named("firn_timestamp_minus", both()),
        (B::Minus, Timestamp(..), Date32) => named("firn_timestamp_minus", vec![left.clone(), stamp(right)]),
        (B::Minus, Date32, Timestamp(..)) => named("firn_timestamp_minus", vec![stamp(left), right.clone()]),
        (B::Minus, Date32, Date32) => named("firn_date_minus", both()),
        (B::Plus, Date32, n) if n.is_integer() => named("firn_date_plus", both()),
        (B::Plus, n, Date32) if n.is_integer() => named("firn_date_plus", swapped()),
        (B::Minus, Date32, n) if n.is_integer() => {
            named("firn_date_plus", vec![left.clone(), Expr::Negative(Box::new(right.clone()))])
        }
        (B::Plus, Date32, Time64(_)) => named("firn_date_at", both()),
        (B::Plus, Time64(_), Date32) => named("firn_date_at", swapped()),
        (B::Plus, Time64(_), Interval(_)) => named("firn_time_plus", both()),
        (B::Plus, Interval(_), Time64(_)) => named("firn_time_plus", swapped()),
        (B::Minus, Time64(_), Interval(_)) => {
            named("firn_time_plus", vec![left.clone(), Expr::Negative(Box::new(right.clone()))])
        }
        (B::Minus, Time64(_), Time64(_)) => named("firn_time_minus", both()),
        // an untyped literal beside one of these is of its own kind
        (B::Plus | B::Minus, Interval(_), DataType::Utf8 | DataType::Utf8View) if literal(right).is_some() => {
            let read = spans::interval_of(literal(right)?)?;
            Some(if *op == B::Plus { left.clone() + read } else { left.clone() - read })
        }
        _ => None,
    }
}

pub(super) fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Some(text),
        _ => None,
    }
}
