//! Exact arithmetic: whole numbers and decimals that leave their range are errors, never a wrap.
//!
//! Promises: after this rule ran over a plan, every `+ - *` and unary minus of integers and every `+ - * /` of decimals
//! is computed by a checked kernel, and every cast that could round, wrap or lose is one of [`super::cast`].
//! Never: the name or the nullability of an output column changes by it.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Decimal128Type, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

use super::{cast, floats};

/// Runs last among the analyzer's rules: types are settled, nothing is simplified yet.
#[derive(Debug, Default)]
pub struct ExactArithmetic;

impl AnalyzerRule for ExactArithmetic {
    fn name(&self) -> &'static str {
        "exact_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(exact_plan).map(|t| t.data)
    }
}

fn exact_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(exact_expr(expr, &schema)?.update_data(|e| name.restore(e)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

/// The expression with checked operators; its types must be coerced already.
///
/// # Errors
/// When a type cannot be told.
pub fn exact_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
                let (left, right) = cast::sides(left, right, schema)?;
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            Expr::InList(list) => Transformed::yes(Expr::InList(cast::list(list, schema)?)),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if is_checked(op, &left.get_type(schema)?, &right.get_type(schema)?) {
                    Transformed::yes(chained(*left, op, *right))
                } else {
                    Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                }
            }
            Expr::Negative(inner) => {
                if inner.get_type(schema)?.is_integer() {
                    Transformed::yes(call(&NEGATE, vec![*inner]))
                } else {
                    Transformed::no(Expr::Negative(inner))
                }
            }
            Expr::ScalarSubquery(subquery) => {
                let expr = Expr::ScalarSubquery(subquery);
                if expr.nullable(schema)? {
                    Transformed::no(expr)
                } else {
                    // of no row it is NULL, whatever its column
                    Transformed::yes(call(&MAYBE, vec![expr]))
                }
            }
            Expr::Cast(inner) if no_cast(&inner.expr.get_type(schema)?, inner.field.data_type()) => {
                let (from, to) = (inner.expr.get_type(schema)?, inner.field.data_type());
                return datafusion::common::plan_err!("Cannot cast type {from} to {to}");
            }
            Expr::Cast(inner) => {
                match (cast::exact(&inner.expr.get_type(schema)?, inner.field.data_type()), *inner.expr) {
                    (Some(function), Expr::Literal(value, _)) => Transformed::yes(cast::folded(&function, &value)?),
                    (Some(function), expr) => Transformed::yes(call(&function, vec![expr])),
                    (None, expr) => Transformed::no(Expr::Cast(Cast { expr: Box::new(expr), ..inner })),
                }
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => match args.as_slice() {
                [Expr::Literal(value, _)] if cast::is_named(func.name()) => {
                    Transformed::yes(cast::folded(&func, value)?)
                }
                _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
            },
            other => Transformed::no(other),
        })
    })
}

/// `left op right`, checked. A left side that is a chain already grows by one: however long `a + b - c …` is, it is one
/// call, so that neither its plan nor its evaluation is as deep as it is long.
fn chained(left: Expr, op: Operator, right: Expr) -> Expr {
    if let Expr::ScalarFunction(ScalarFunction { func, args }) = &left
        && let Some(chain) = func.inner().downcast_ref::<Checked>()
        && chain.ops.len() + 1 == args.len()
    {
        let mut ops = chain.ops.clone();
        ops.push(op);
        let Expr::ScalarFunction(ScalarFunction { mut args, .. }) = left else { return left };
        args.push(right);
        return call(&Arc::new(ScalarUDF::from(Checked::new(ops))), args);
    }
    call(&Arc::new(ScalarUDF::from(Checked::new(vec![op]))), vec![left, right])
}

fn call(function: &Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: function.clone(), args })
}

fn is_checked(op: Operator, left: &DataType, right: &DataType) -> bool {
    match op {
        Operator::Plus | Operator::Minus | Operator::Multiply => {
            (left.is_integer() && right.is_integer())
                || (is_decimal(left) && is_decimal(right))
                || (left.is_floating() && right.is_floating())
        }
        Operator::Divide => (is_decimal(left) && is_decimal(right)) || (left.is_floating() && right.is_floating()),
        _ => false,
    }
}

/// Whether Arrow would take a number for a count of days or microseconds.
fn no_cast(from: &DataType, to: &DataType) -> bool {
    let time = |ty: &DataType| matches!(ty, DataType::Date32 | DataType::Timestamp(..));
    let number = |ty: &DataType| ty.is_numeric();
    (time(from) && number(to)) || (number(from) && time(to))
}

fn is_decimal(ty: &DataType) -> bool {
    matches!(ty, DataType::Decimal128(..))
}

static MAYBE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(Maybe::default())));
static NEGATE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(Negate::default())));
/// Binary operators applied from left to right, failing when a result does not fit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    /// one fewer than there are arguments
    ops: Vec<Operator>,
    signature: Signature,
}

impl Checked {
    fn new(ops: Vec<Operator>) -> Self {
        let signature = Signature::any(ops.len() + 1, Volatility::Immutable);
        Self { ops, signature }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.ops.as_slice() {
            [Operator::Plus] => "firn_add",
            [Operator::Minus] => "firn_subtract",
            [Operator::Multiply] => "firn_multiply",
            [Operator::Divide] => "firn_divide",
            _ => "firn_calculate",
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let Some((first, rest)) = args.split_first() else { return Ok(self.name().to_owned()) };
        let mut name = first.schema_name().to_string();
        for (op, arg) in self.ops.iter().zip(rest) {
            let _ = write!(name, " {op} {}", arg.schema_name());
        }
        Ok(name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let Some((first, rest)) = types.split_first() else {
            return datafusion::common::plan_err!("an operator takes two operands");
        };
        let mut left = first.clone();
        for (op, right) in self.ops.iter().zip(rest) {
            left = BinaryTypeCoercer::new(&left, op, right).get_result_type()?;
        }
        Ok(left)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(arrow::datatypes::Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut args = args.args.into_iter();
        let Some(mut left) = args.next() else {
            return datafusion::common::exec_err!("an operator takes two operands");
        };
        for (op, right) in self.ops.iter().zip(args) {
            let result = match op {
                Operator::Plus => apply(&left, &right, numeric::add),
                Operator::Minus => apply(&left, &right, numeric::sub),
                Operator::Multiply => apply(&left, &right, numeric::mul),
                _ => apply(&left, &right, numeric::div),
            }?;
            within_precision(&result)?;
            floats::check(*op, &left, &right, &result)?;
            left = result;
        }
        Ok(left)
    }
}

/// Decimal kernels check 128 bits only; the type's own bound is its number of digits.
fn within_precision(value: &ColumnarValue) -> Result<()> {
    match value {
        ColumnarValue::Array(array) => {
            if let DataType::Decimal128(precision, _) = array.data_type() {
                array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision)?;
            }
        }
        ColumnarValue::Scalar(ScalarValue::Decimal128(Some(value), precision, scale)) => {
            arrow::array::Decimal128Array::from(vec![*value])
                .with_precision_and_scale(*precision, *scale)?
                .validate_decimal_precision(*precision)?;
        }
        ColumnarValue::Scalar(_) => {}
    }
    Ok(())
}

/// Its argument, which may be NULL although its type says otherwise.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Maybe {
    signature: Signature,
}

impl Default for Maybe {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Maybe {
    fn name(&self) -> &'static str {
        "firn_maybe"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map_or_else(|| self.name().to_owned(), |e| e.schema_name().to_string()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [field] => Ok(Arc::new(field.as_ref().clone().with_name(self.name()).with_nullable(true))),
            _ => datafusion::common::plan_err!("a subquery gives one value"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(value) => Ok(value),
            None => datafusion::common::exec_err!("a subquery gives one value"),
        }
    }
}

/// Unary minus that fails on the lowest number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Negate {
    signature: Signature,
}

impl Default for Negate {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &'static str {
        "firn_negate"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map_or_else(|| self.name().to_owned(), |e| format!("(- {})", e.schema_name())))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [field] => Ok(Arc::new(field.as_ref().clone().with_name(self.name()))),
            _ => datafusion::common::plan_err!("unary minus takes one operand"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(numeric::neg(array)?)),
            Some(ColumnarValue::Scalar(scalar)) => {
                let array = numeric::neg(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            None => datafusion::common::exec_err!("unary minus takes one operand"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn overflow_is_an_error() {
        for sql in [
            "SELECT 9223372036854775807 + 1",
            "SELECT x + 1 FROM (VALUES (9223372036854775807)) t(x)",
            "SELECT x - 2 FROM (VALUES (-9223372036854775807)) t(x)",
            "SELECT x * 2 FROM (VALUES (9223372036854775807)) t(x)",
            "SELECT -x FROM (VALUES (-9223372036854775808)) t(x)",
            "SELECT 1 FROM (VALUES (9223372036854775807)) t(x) WHERE x + 1 > 0",
            "SELECT x::smallint + x::smallint FROM (VALUES (32767)) t(x)",
            "SELECT sum(x + 1) FROM (VALUES (9223372036854775807)) t(x)",
            "SELECT max(y) FROM (SELECT x * 3 AS y FROM (VALUES (9223372036854775807)) t(x)) u",
            "SELECT x + x FROM (VALUES (99999999999999999999999999999999999999::DECIMAL(38,0))) t(x)",
            "SELECT (SELECT x + 1 FROM (VALUES (9223372036854775807)) t(x))",
            "SELECT CASE WHEN x > 0 THEN x * 9 END FROM (VALUES (9223372036854775807)) t(x)",
            "SELECT x / -1 FROM (VALUES (-9223372036854775808)) t(x)",
        ] {
            assert_eq!(error(sql).await, "22003", "{sql}");
        }
        for sql in ["SELECT 1 / 0", "SELECT x % 0 FROM (VALUES (7)) t(x)", "SELECT 1.5 / 0"] {
            assert_eq!(error(sql).await, "22012", "{sql}");
        }
    }

    #[tokio::test]
    async fn what_fits_is_exact() {
        for (sql, want) in [
            ("SELECT 9223372036854775806 + 1", "9223372036854775807"),
            ("SELECT -9223372036854775808", "-9223372036854775808"),
            ("SELECT 7 / 2", "3"),
            ("SELECT 0.1 + 0.2", "0.3"),
            ("SELECT 1.10 * 3", "3.30"),
            ("SELECT x + 1 FROM (VALUES (1), (2)) t(x) GROUP BY x + 1 ORDER BY x + 1 LIMIT 1", "2"),
            ("SELECT y FROM (SELECT x + 1 AS y FROM (VALUES (1)) t(x)) u WHERE y = 2", "2"),
            ("SELECT NULL + 1", ""),
            ("SELECT count(*) FROM (VALUES (1), (2)) t(x) WHERE x * 2 = 4 AND x + 1 = 3", "1"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
    }
}
