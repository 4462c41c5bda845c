//! `percentile_disc(f) WITHIN GROUP (ORDER BY x)` and `mode() WITHIN GROUP (ORDER BY x)`: functions over the ordered list.
//!
//! Promises: the answer is one of the values, of their type; NULLs do not count; of no value it is NULL.
//! Never: a fraction outside of 0 to 1 is taken (22003).

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array, make_comparator};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName,
};

use super::errors::external;
use crate::error::Error;

const DISC: &str = "percentile_disc";
const MODE: &str = "mode";

/// The functions over lists.
#[must_use]
pub fn functions() -> Vec<ScalarUDF> {
    [DISC, MODE]
        .map(|name| {
            ScalarUDF::new_from_impl(OfList { name, signature: Signature::variadic_any(Volatility::Immutable) })
        })
        .into()
}

/// Makes a call WITHIN GROUP one over `array_agg(x ORDER BY x) FILTER (WHERE x IS NOT NULL)`.
pub fn settle(function: &mut Function) {
    let [order] = function.within_group.as_slice() else { return };
    let name = match function.name.0.as_slice() {
        [only] => only.as_ident().map(super::resolve::folded).unwrap_or_default(),
        _ => return,
    };
    if name != DISC && name != MODE {
        return;
    }
    let order = order.clone();
    function.within_group.clear();
    let present = Expr::IsNotNull(Box::new(Expr::Nested(Box::new(order.expr.clone()))));
    let filter = match function.filter.take() {
        Some(filter) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(filter)),
            op: sqlparser::ast::BinaryOperator::And,
            right: Box::new(present),
        },
        None => present,
    };
    let list = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("array_agg")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(order.expr.clone()))],
            clauses: vec![FunctionArgumentClause::OrderBy(vec![order])],
        }),
        filter: Some(Box::new(filter)),
        null_treatment: None,
        over: None,
        within_group: vec![],
    });
    if let FunctionArguments::List(args) = &mut function.args {
        args.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(list)));
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfList {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for OfList {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (types.first(), types.len()) {
            (Some(DataType::List(field)), 1 | 2) => Ok(field.data_type().clone()),
            _ => plan_err!("{} is called WITHIN GROUP (ORDER BY …)", self.name),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(lists) = arrays.first() else { return plan_err!("{} takes a list", self.name) };
        let lists = lists.as_list::<i32>();
        let mut places = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            if lists.is_null(row) || lists.value_length(row) == 0 {
                places.push(None);
                continue;
            }
            let first = u64::try_from(lists.value_offsets()[row]).unwrap_or(0);
            let items = lists.value(row);
            let place = match arrays.get(1) {
                Some(fraction) => chosen(fraction, row, items.len())?,
                None => Some(commonest(&items)?),
            };
            places.push(place.map(|p| first + p));
        }
        Ok(ColumnarValue::Array(take(lists.values(), &UInt64Array::from(places), None)?))
    }
}

/// The first value whose share of the order reaches the fraction.
fn chosen(fraction: &ArrayRef, row: usize, len: usize) -> Result<Option<u64>> {
    let value = ScalarValue::try_from_array(fraction, row)?.cast_to(&DataType::Float64)?;
    let ScalarValue::Float64(Some(fraction)) = value else { return Ok(None) };
    if !(0.0..=1.0).contains(&fraction) {
        let message = format!("percentile value {fraction} is not between 0 and 1");
        return Err(external(Error::statement("22003", message)));
    }
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let nth = (fraction * len as f64).ceil() as u64;
    Ok(Some(nth.max(1) - 1))
}

/// The first of the values that come most often; equal ones stand together.
fn commonest(items: &ArrayRef) -> Result<u64> {
    let compare = make_comparator(items, items, SortOptions::default())?;
    let (mut best, mut most, mut start) = (0, 0, 0);
    for i in 1..=items.len() {
        if i == items.len() || compare(i, start).is_ne() {
            if i - start > most {
                (best, most) = (start, i - start);
            }
            start = i;
        }
    }
    Ok(u64::try_from(best).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn one_of_the_values() {
        let over = "FROM (VALUES (3), (1), (NULL), (2), (2)) t(x)";
        for (call, want) in [
            ("percentile_disc(0.5) WITHIN GROUP (ORDER BY x)", "2"),
            ("percentile_disc(0) WITHIN GROUP (ORDER BY x)", "1"),
            ("percentile_disc(0.25) WITHIN GROUP (ORDER BY x DESC)", "3"),
            ("mode() WITHIN GROUP (ORDER BY x)", "2"),
            ("mode() WITHIN GROUP (ORDER BY x) FILTER (WHERE x > 2)", "3"),
            ("mode() WITHIN GROUP (ORDER BY x) FILTER (WHERE x > 9)", ""),
        ] {
            assert_eq!(one(&format!("SELECT {call} {over}")).await, want, "{call}");
        }
        assert_eq!(error(&format!("SELECT percentile_disc(2) WITHIN GROUP (ORDER BY x) {over}")).await, "22003");
    }
}
