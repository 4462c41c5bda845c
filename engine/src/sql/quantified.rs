//! `x = ANY (…)`, `x > ALL (…)` over a list, with SQL's three answers.
//!
//! Promises: ANY is true when one comparison is true, else NULL when one is NULL, else false; ALL is its mirror. A NULL
//! list gives NULL, an empty one false for ANY and true for ALL.
//! Never: two values are compared in a type that loses some of either.

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply_cmp;

/// The function for that operator.
#[must_use]
pub fn quantified(op: Operator, all: bool) -> ScalarUDF {
    ScalarUDF::new_from_impl(Quantified { op, all, signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantified {
    op: Operator,
    all: bool,
    signature: Signature,
}

fn item(ty: &DataType) -> Option<&DataType> {
    match ty {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

impl ScalarUDFImpl for Quantified {
    fn name(&self) -> &'static str {
        if self.all { "all" } else { "any" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, list] = types else { return plan_err!("{} takes a value and a list", self.name()) };
        let Some(right) = item(list) else { return plan_err!("op ANY/ALL (array) requires array on right side") };
        match comparison_coercion(left, right) {
            Some(common) => Ok(vec![common.clone(), DataType::new_list(common, true)]),
            None => plan_err!("operator does not exist: {left} {} {right}", self.op),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (left, lists) = (&arrays[0], &arrays[1]);
        let lists = match lists.data_type() {
            DataType::List(_) => lists.clone(),
            other => cast(lists, &DataType::new_list(item(other).cloned().unwrap_or(DataType::Null), true))?,
        };
        let lists = lists.as_list::<i32>();
        let mut answers = Vec::with_capacity(left.len());
        for row in 0..left.len() {
            if lists.is_null(row) {
                answers.push(None);
                continue;
            }
            let items = lists.value(row);
            let value = ColumnarValue::Scalar(ScalarValue::try_from_array(left, row)?);
            let compared = apply_cmp(self.op, &value, &ColumnarValue::Array(items.clone()))?.into_array(items.len())?;
            answers.push(self.folded(compared.as_boolean()));
        }
        Ok(ColumnarValue::Array(std::sync::Arc::new(BooleanArray::from(answers))))
    }
}

impl Quantified {
    fn folded(&self, compared: &BooleanArray) -> Option<bool> {
        if compared.iter().flatten().any(|answer| answer != self.all) {
            return Some(!self.all);
        }
        if compared.null_count() > 0 { None } else { Some(self.all) }
    }
}
