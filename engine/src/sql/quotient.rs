//! Quotients of decimals and averages, exact to sixteen digits behind the point, as PostgreSQL gives at least.
//!
//! Promises: a quotient is rounded half away from zero at its last digit; it has the scale of its operands or sixteen
//! digits, whichever is more, as far as 38 digits go; division by zero is 22012.
//! Never: averages of floats or intervals are touched.

use std::sync::Arc;

use arrow::array::{AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Alias};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::errors::external;
use super::sum::ExactSum;
use crate::error::Error;

/// Digits behind the point that a quotient has at least, where there is room.
const DIGITS: i8 = 16;

/// Digits of a decimal.
const MOST: u8 = 38;

/// `left / right` of decimals.
#[must_use]
pub fn quotient(left: Expr, right: Expr) -> Expr {
    let function = Quotient { whole: None, signature: Signature::user_defined(Volatility::Immutable) };
    ScalarUDF::new_from_impl(function).call(vec![left, right])
}

/// Precision and scale of a number that is exact.
#[must_use]
pub fn exact(ty: &DataType) -> Option<(u8, i8)> {
    Some(match ty {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => (*p, *s),
        _ => return None,
    })
}

fn scale(whole: u8, at_least: i8) -> i8 {
    let room = i8::try_from(MOST.saturating_sub(whole)).unwrap_or(0);
    at_least.max(DIGITS.min(room))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quotient {
    /// of an average: the digits before its point
    whole: Option<u8>,
    signature: Signature,
}

impl ScalarUDFImpl for Quotient {
    fn name(&self) -> &'static str {
        if self.whole.is_some() { "firn_average" } else { "firn_divide" }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [left, right] => Ok(format!("{} / {}", left.schema_name(), right.schema_name())),
            _ => Ok(self.name().to_owned()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        types
            .iter()
            .map(|ty| match (exact(ty), ty) {
                (Some((p, s)), _) => Ok(DataType::Decimal128(p, s)),
                (None, DataType::Null) => Ok(DataType::Decimal128(1, 0)),
                _ => plan_err!("Cannot coerce arithmetic expression: {ty} is no exact number"),
            })
            .collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [DataType::Decimal128(p, s), DataType::Decimal128(_, divided)] = types else {
            return plan_err!("a quotient has two decimals");
        };
        let digits = i16::from(*p) - i16::from(*s) + i16::from(*divided);
        let whole = self.whole.unwrap_or_else(|| u8::try_from(digits.clamp(1, i16::from(MOST))).unwrap_or(MOST));
        let at_least = if self.whole.is_some() { *s } else { (*s).max(*divided) };
        Ok(DataType::Decimal128(MOST, scale(whole, at_least)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Decimal128(precision, scale) = args.return_type().clone() else {
            return plan_err!("a quotient is a decimal");
        };
        let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let [left, right] = arrays.as_slice() else { return plan_err!("a quotient has two operands") };
        let (left, right) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
        let shift = i16::from(scale) + i16::from(right.scale()) - i16::from(left.scale());
        let values = left
            .iter()
            .zip(right)
            .map(|pair| match pair {
                (Some(left), Some(right)) => divided(left, right, shift).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<Vec<Option<i128>>>>()?;
        let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale)?;
        array.validate_decimal_precision(precision)?;
        if one {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(array)))
    }
}

/// `left * 10^shift / right`, rounded half away from zero.
fn divided(left: i128, right: i128, shift: i16) -> Result<i128> {
    if right == 0 {
        return Err(external(Error::statement("22012", "division by zero")));
    }
    let lost = || external(Error::statement("22003", "number out of range: a quotient has more than 38 digits"));
    let ten = i256::from_i128(10);
    let power = ten.checked_pow(u32::from(shift.unsigned_abs())).ok_or_else(lost)?;
    let (mut left, mut right) = (i256::from_i128(left), i256::from_i128(right));
    if shift >= 0 {
        left = left.checked_mul(power).ok_or_else(lost)?;
    } else {
        right = right.checked_mul(power).ok_or_else(lost)?;
    }
    let (value, rest) = (left.checked_div(right).ok_or_else(lost)?, left.checked_rem(right).ok_or_else(lost)?);
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2)).ok_or_else(lost)?;
    let one = i256::from_i128(if (left < i256::ZERO) == (right < i256::ZERO) { 1 } else { -1 });
    let rounded = if twice >= right.wrapping_abs() { value.checked_add(one).ok_or_else(lost)? } else { value };
    rounded.to_i128().ok_or_else(lost)
}

/// `avg` of exact numbers as a sum divided by a count.
///
/// # Errors
/// Of rebuilding the plan.
pub fn averages(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let input = aggregate.input.schema().clone();
    let average = |expr: &Expr| -> Option<(AggregateFunction, u8)> {
        let mut inner = expr;
        while let Expr::Alias(alias) = inner {
            inner = &alias.expr;
        }
        let Expr::AggregateFunction(call) = inner else { return None };
        let [arg] = call.params.args.as_slice() else { return None };
        if call.func.name() != "avg" {
            return None;
        }
        let (p, s) = exact(&arg.get_type(input.as_ref()).ok()?)?;
        Some((call.clone(), u8::try_from(i16::from(p) - i16::from(s)).unwrap_or(MOST)))
    };
    if !aggregate.aggr_expr.iter().any(|e| average(e).is_some()) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut computed: Vec<Expr> = Vec::new();
    let mut place = |expr: Expr| {
        let column = Expr::Column(Column::from_name(expr.schema_name().to_string()));
        if !computed.iter().any(|c| c.schema_name().to_string() == expr.schema_name().to_string()) {
            computed.push(expr);
        }
        column
    };
    let mut outputs = Vec::new();
    for (expr, (qualifier, field)) in aggregate.aggr_expr.iter().zip(aggregate.schema.iter().skip(groups)) {
        let value = match average(expr) {
            Some((call, whole)) => {
                let with = |func: Arc<AggregateUDF>| AggregateFunction { func, params: call.params.clone() };
                let sum = place(Expr::AggregateFunction(with(Arc::new(AggregateUDF::from(ExactSum::default())))));
                let count = place(Expr::AggregateFunction(with(count_udaf())));
                let function =
                    Quotient { whole: Some(whole), signature: Signature::user_defined(Volatility::Immutable) };
                let guarded = ScalarUDF::new_from_impl(NoZero::default()).call(vec![count]);
                ScalarUDF::new_from_impl(function).call(vec![sum, guarded])
            }
            None => place(expr.clone()),
        };
        outputs.push(Expr::Alias(Alias::new(value, qualifier.cloned(), field.name())));
    }
    let kept: Vec<Expr> = aggregate
        .schema
        .iter()
        .take(groups)
        .map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())))
        .collect();
    let below = Aggregate::try_new(aggregate.input, aggregate.group_expr, computed)?;
    let plan =
        LogicalPlanBuilder::from(LogicalPlan::Aggregate(below)).project(kept.into_iter().chain(outputs))?.build()?;
    Ok(Transformed::yes(plan))
}

/// A count, NULL for none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NoZero {
    signature: Signature,
}

impl Default for NoZero {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NoZero {
    fn name(&self) -> &'static str {
        "firn_some"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(19, 0))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return plan_err!("a count is one value") };
        let counts = cast(&value.to_array(args.number_rows)?, &DataType::Int64)?;
        let counts = counts.as_primitive::<arrow::datatypes::Int64Type>();
        let values: Decimal128Array = counts.iter().map(|c| c.filter(|c| *c != 0).map(i128::from)).collect();
        Ok(ColumnarValue::Array(Arc::new(values.with_precision_and_scale(19, 0)?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn sixteen_digits_rounded() {
        for (sql, want) in [
            ("SELECT 10.0 / 4", "2.5000000000000000"),
            ("SELECT 20.0 / 3", "6.6666666666666667"),
            ("SELECT -20.0 / 3", "-6.6666666666666667"),
            ("SELECT 22 / 7.0", "3.1428571428571429"),
            ("SELECT 1.00000000000000000001 / 1", "1.00000000000000000001"),
            ("SELECT NULL / 2.0", ""),
            ("SELECT avg(x) FROM (VALUES (1), (2)) t(x)", "1.5000000000000000"),
            ("SELECT avg(x) FROM (VALUES (1), (2)) t(x) WHERE false", ""),
            ("SELECT avg(x) FROM (VALUES (1.5), (NULL), (2.0)) t(x)", "1.7500000000000000"),
            ("SELECT avg(DISTINCT x) FROM (VALUES (1), (1), (4)) t(x)", "2.5000000000000000"),
            ("SELECT avg(x) + sum(x) + count(x) FROM (VALUES (1), (2)) t(x)", "6.5000000000000000"),
            ("SELECT avg(x) FROM (VALUES (1::float8), (2::float8)) t(x)", "1.5"),
            (
                "SELECT avg(x) FROM (VALUES (9223372036854775807), (9223372036854775807)) t(x)",
                "9223372036854775807.0000000000000000",
            ),
            (
                "SELECT sum(a) FROM (SELECT g, avg(x) AS a FROM (VALUES (1, 1), (1, 2), (2, 4)) t(g, x) GROUP BY ROLLUP (g)) s",
                "7.8333333333333333",
            ),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
        assert_eq!(error("SELECT 1.5 / 0").await, "22012");
        assert_eq!(error("SELECT x / 0.0 FROM (VALUES (1)) t(x)").await, "22012");
    }
}
