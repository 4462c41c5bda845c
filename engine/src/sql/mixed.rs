//! Numbers of different kinds that meet: beside a float, everything is DOUBLE PRECISION, as in PostgreSQL.
//!
//! Promises: a date and an interval make a timestamp; no float is turned into a decimal to be compared, which would lose what the decimal cannot hold.
//! Never: two operands of one type are touched.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{InList, ScalarFunction, WindowFunctionDefinition};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::quotient::{averages, exact, quotient};
use super::{extremes, operators, spans, unknown};

/// Runs before the planner settles types.
#[derive(Debug, Default)]
pub struct FloatsFirst;

impl AnalyzerRule for FloatsFirst {
    fn name(&self) -> &'static str {
        "floats_first"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(settle_plan).map(|t| t.data)
    }
}

fn settle_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    let plan = match plan {
        LogicalPlan::Sort(mut sort) => {
            for by in &mut sort.expr {
                if is_interval(&by.expr, &schema)
                    && let Some(key) = spanned(&by.expr, &schema)
                {
                    by.expr = key;
                }
            }
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let averaged = averages(aggregate)?;
            if averaged.transformed {
                return Ok(averaged);
            }
            averaged.data
        }
        LogicalPlan::Union(union) => unknown::sides(union)?.data,
        LogicalPlan::Join(mut join) => {
            for (left, right) in &mut join.on {
                if mixed([&*left, &*right], &schema) {
                    *left = double(left.clone(), &schema);
                    *right = double(right.clone(), &schema);
                }
            }
            LogicalPlan::Join(join)
        }
        other => other,
    };
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(settle(expr, &schema)?.update_data(|e| name.restore(e)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

/// The expression with mixed numbers settled.
///
/// # Errors
/// Of walking the tree.
pub fn settle(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        Ok(match known(expr, schema) {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if meets(op) && mixed([&*left, &*right], schema) => {
                let (left, right) = (Box::new(double(*left, schema)), Box::new(double(*right, schema)));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if op.supports_propagation() && (is_interval(&left, schema) || is_interval(&right, schema)) =>
            {
                match (spanned(&left, schema), spanned(&right, schema)) {
                    (Some(left), Some(right)) => {
                        let (left, right) = (Box::new(left), Box::new(right));
                        Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                    }
                    _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) if divides(&left, &right, schema) => {
                Transformed::yes(quotient(*left, *right))
            }
            Expr::ScalarFunction(call) if is_unsigned(&call, schema) => {
                Transformed::yes(cast(Expr::ScalarFunction(call), DataType::Int64))
            }
            Expr::Between(between) if mixed([&*between.expr, &*between.low, &*between.high], schema) => {
                Transformed::yes(Expr::Between(Between {
                    expr: Box::new(double(*between.expr, schema)),
                    negated: between.negated,
                    low: Box::new(double(*between.low, schema)),
                    high: Box::new(double(*between.high, schema)),
                }))
            }
            Expr::InList(list) if mixed(std::iter::once(&*list.expr).chain(&list.list), schema) => {
                Transformed::yes(Expr::InList(InList {
                    expr: Box::new(double(*list.expr, schema)),
                    list: list.list.into_iter().map(|e| double(e, schema)).collect(),
                    negated: list.negated,
                }))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right })
                if is_date(&left, schema) && is_interval(&right, schema) =>
            {
                let left = Box::new(cast(*left, TIMESTAMP));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right })
                if is_interval(&left, schema) && is_date(&right, schema) =>
            {
                let right = Box::new(cast(*right, TIMESTAMP));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }))
            }
            Expr::AggregateFunction(mut call) if call.params.args.iter().all(|a| is_interval(a, schema)) => {
                match extremes::of_intervals(call.func.name()) {
                    Some(of_intervals) => {
                        call.func = Arc::new(of_intervals);
                        Transformed::yes(Expr::AggregateFunction(call))
                    }
                    None => Transformed::no(Expr::AggregateFunction(call)),
                }
            }
            Expr::WindowFunction(mut call) if call.params.args.iter().all(|a| is_interval(a, schema)) => {
                match extremes::of_intervals(call.fun.name()) {
                    Some(of_intervals) => {
                        call.fun = WindowFunctionDefinition::AggregateUDF(Arc::new(of_intervals));
                        Transformed::yes(Expr::WindowFunction(call))
                    }
                    None => Transformed::no(Expr::WindowFunction(call)),
                }
            }
            Expr::ScalarFunction(mut call) if ALIKE.contains(&call.func.name()) && mixed(&call.args, schema) => {
                call.args = call.args.into_iter().map(|e| double(e, schema)).collect();
                Transformed::yes(Expr::ScalarFunction(call))
            }
            Expr::Case(mut case) => {
                let values = case.when_then_expr.iter().map(|(_, then)| &**then).chain(case.else_expr.as_deref());
                let (answers, subjects) = (
                    mixed(values, schema),
                    match &case.expr {
                        Some(subject) => mixed(
                            std::iter::once(&**subject).chain(case.when_then_expr.iter().map(|(when, _)| &**when)),
                            schema,
                        ),
                        None => false,
                    },
                );
                if subjects {
                    case.expr = case.expr.map(|e| Box::new(double(*e, schema)));
                }
                case.when_then_expr = case
                    .when_then_expr
                    .into_iter()
                    .map(|(when, then)| {
                        let when = if subjects { Box::new(double(*when, schema)) } else { when };
                        (when, if answers { Box::new(double(*then, schema)) } else { then })
                    })
                    .collect();
                if answers {
                    case.else_expr = case.else_expr.map(|e| Box::new(double(*e, schema)));
                }
                if answers || subjects { Transformed::yes(Expr::Case(case)) } else { Transformed::no(Expr::Case(case)) }
            }
            other => Transformed::no(other),
        })
    })
}

/// The expression with the literals in quotes directly in it read as what they stand beside.
fn known(expr: Expr, schema: &DFSchema) -> Expr {
    match expr {
        Expr::BinaryExpr(binary) => unknown::operands(binary, schema).data,
        Expr::Case(case) => Expr::Case(unknown::branches(case, schema).data),
        Expr::ScalarFunction(mut call) if ALIKE.contains(&call.func.name()) => {
            call.args = unknown::arguments(call.args, schema).data;
            Expr::ScalarFunction(call)
        }
        other => other,
    }
}

/// Functions whose arguments and answer are of one type.
const ALIKE: [&str; 5] = ["coalesce", "greatest", "least", "nullif", "nvl"];

/// Whether a quotient is one of decimals.
fn divides(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let (Ok(left), Ok(right)) = (left.get_type(schema), right.get_type(schema)) else { return false };
    let decimal = |ty: &DataType| matches!(ty, DataType::Decimal128(..));
    let fits = |ty: &DataType| exact(ty).is_some() || ty.is_null();
    (decimal(&left) || decimal(&right)) && fits(&left) && fits(&right)
}

/// Whether a function counts without a sign, which no type of ours does.
fn is_unsigned(call: &ScalarFunction, schema: &DFSchema) -> bool {
    let types = call.args.iter().map(|a| a.get_type(schema)).collect::<Result<Vec<_>>>();
    types.and_then(|types| call.func.return_type(&types)).is_ok_and(|ty| ty == DataType::UInt64)
}

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn is_date(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Date32))
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(_)))
}

/// What an interval is compared by; a text literal is read as one.
fn spanned(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    if is_interval(expr, schema) {
        return operators::named("firn_interval_key", vec![expr.clone()]);
    }
    let read = spans::interval_of(operators::literal(expr)?)?;
    operators::named("firn_interval_key", vec![read])
}

fn meets(op: Operator) -> bool {
    op.supports_propagation()
        || matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
}

/// Whether floats meet decimals among them, or floats of 32 bits meet whole numbers.
fn mixed<'a>(exprs: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    let (mut single, mut float, mut decimal, mut whole) = (false, false, false, false);
    for expr in exprs {
        match expr.get_type(schema) {
            Ok(DataType::Float32) => (single, float) = (true, true),
            Ok(DataType::Float64) => float = true,
            Ok(DataType::Decimal128(..) | DataType::Decimal256(..)) => decimal = true,
            Ok(ty) if ty.is_integer() => whole = true,
            Ok(DataType::Null) => {}
            _ => return false,
        }
    }
    (float && decimal) || (single && whole)
}

fn double(expr: Expr, schema: &DFSchema) -> Expr {
    match expr.get_type(schema) {
        Ok(DataType::Float64 | DataType::Null) | Err(_) => expr,
        Ok(_) => cast(expr, DataType::Float64),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::one;

    #[tokio::test]
    async fn beside_a_float_all_is_double_precision() {
        for (sql, want) in [
            ("SELECT count(*) FROM (VALUES ('NaN'::float8), (1e300::float8), (2::float8)) t(x) WHERE x > 1.5", "3"),
            ("SELECT x = 0.0 FROM (VALUES (1e-300::float8)) t(x)", "false"),
            ("SELECT x = -0.0 FROM (VALUES (0::float8)) t(x)", "true"),
            ("SELECT x IN (0.5, 1e20) FROM (VALUES (1e20::float8)) t(x)", "true"),
            ("SELECT x BETWEEN 0.5 AND 1.5 FROM (VALUES (1e20::float8)) t(x)", "false"),
            ("SELECT coalesce(x, 1.5) FROM (VALUES (1e300::float8)) t(x)", "1e300"),
            ("SELECT CASE WHEN x < 0 THEN 1.5 ELSE x END FROM (VALUES (1e300::float8)) t(x)", "1e300"),
            ("SELECT CASE x WHEN 1.5 THEN 'a' ELSE 'b' END FROM (VALUES (1e300::float8)) t(x)", "b"),
            ("SELECT count(*) FROM (VALUES (1e300::float8)) t(x) JOIN (VALUES (1.5)) s(y) ON x = y", "0"),
            ("SELECT (DATE '2024-01-01' - INTERVAL '1 hour')::text", "2023-12-31 23:00:00"),
            ("SELECT (INTERVAL '1 month' + DATE '2024-01-31')::text", "2024-02-29 00:00:00"),
            ("SELECT 16777217::int = 16777217::real", "false"),
            ("SELECT 1::real / 3", "0.3333333333333333"),
            ("SELECT 0.1::real = 0.1", "false"),
            ("SELECT 1e15::float8", "1000000000000000.0"),
            ("SELECT x::float8 FROM (VALUES (123456789012345678.9)) t(x)", "1.2345678901234568e17"),
            ("SELECT sum(x * 1.5) FROM (VALUES (1e30::float8)) t(x)", "1.5000000000000002e30"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
    }
}
