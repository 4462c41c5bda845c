//! `x = ANY (…)`, `x > ALL (…)` over a list, with SQL's three answers.
//!
//! Promises: ANY is true when one comparison is true, else NULL when one is NULL, else false; ALL is its mirror. A NULL
//! list gives NULL, an empty one false for ANY and true for ALL. A literal in quotes is read as an array.
//! Never: two values are compared in a type that loses some of either.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply_cmp;
use sqlparser::ast::BinaryOperator;

use super::fun::{faulty, is_text, wrong};
use super::json_values::text;
use super::lists;

/// Literals of a list that is compared as `IN (…)`, which reads by key and by index know.
const LISTED: usize = 1024;

/// Each operator, as the parser and as the planner has it, with the names of its two functions.
static FUNCTIONS: [(BinaryOperator, Operator, [&str; 2]); 6] = [
    (BinaryOperator::Eq, Operator::Eq, ["firn_any_eq", "firn_all_eq"]),
    (BinaryOperator::NotEq, Operator::NotEq, ["firn_any_ne", "firn_all_ne"]),
    (BinaryOperator::Lt, Operator::Lt, ["firn_any_lt", "firn_all_lt"]),
    (BinaryOperator::LtEq, Operator::LtEq, ["firn_any_le", "firn_all_le"]),
    (BinaryOperator::Gt, Operator::Gt, ["firn_any_gt", "firn_all_gt"]),
    (BinaryOperator::GtEq, Operator::GtEq, ["firn_any_ge", "firn_all_ge"]),
];

/// The name of the function for an operator of the parser's; `None` for one that compares nothing.
#[must_use]
pub fn name_of(op: &BinaryOperator, all: bool) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(known, ..)| known == op).map(|(.., names)| names[usize::from(all)])
}

/// All of them, by name.
#[must_use]
pub fn functions() -> Vec<ScalarUDF> {
    FUNCTIONS.iter().flat_map(|(_, op, _)| [quantified(*op, false), quantified(*op, true)]).collect()
}

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
        let names = FUNCTIONS.iter().find(|(_, op, _)| *op == self.op).map(|(.., names)| names);
        names.map_or("firn_any", |names| names[usize::from(self.all)])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, list] = types else { return plan_err!("{} takes a value and a list", self.name()) };
        if is_text(list) {
            let left = if left.is_null() { DataType::Utf8 } else { left.clone() };
            return Ok(vec![left, DataType::Utf8]);
        }
        let Some(right) = item(list) else {
            return Err(wrong("42809", "op ANY/ALL (array) requires array on right side"));
        };
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
            DataType::Utf8 => return self.in_words(left, lists),
            other => cast(lists, &DataType::new_list(item(other).cloned().unwrap_or(DataType::Null), true))?,
        };
        let lists = lists.as_list::<i32>();
        let mut answers = Vec::with_capacity(left.len());
        for row in 0..left.len() {
            answers.push(if lists.is_null(row) { None } else { self.compared(left, row, &lists.value(row))? });
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(answers))))
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let negated = match (self.op, self.all) {
            (Operator::Eq, false) => false,
            (Operator::NotEq, true) => true,
            _ => return Ok(ExprSimplifyResult::Original(args)),
        };
        if let [left, Expr::Literal(ScalarValue::List(lists), _)] = args.as_slice()
            && lists.is_valid(0)
            && (1..=LISTED).contains(&lists.value(0).len())
        {
            let items = lists.value(0);
            let literal = |row| ScalarValue::try_from_array(&items, row).map(|value| Expr::Literal(value, None));
            let list = (0..items.len()).map(literal).collect::<Result<_>>()?;
            let list = InList { expr: Box::new(left.clone()), list, negated };
            return Ok(ExprSimplifyResult::Simplified(Expr::InList(list)));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}

impl Quantified {
    fn compared(&self, left: &ArrayRef, row: usize, items: &ArrayRef) -> Result<Option<bool>> {
        let value = ColumnarValue::Scalar(ScalarValue::try_from_array(left, row)?);
        let compared = apply_cmp(self.op, &value, &ColumnarValue::Array(items.clone()))?.into_array(items.len())?;
        Ok(self.folded(compared.as_boolean()))
    }

    /// Lists that are written as array literals; their items are of the left side's type.
    fn in_words(&self, left: &ArrayRef, lists: &ArrayRef) -> Result<ColumnarValue> {
        let mut answers = Vec::with_capacity(left.len());
        for row in 0..left.len() {
            let Some(words) = text(lists, row)? else {
                answers.push(None);
                continue;
            };
            let items = lists::parse(&words).map_err(|fault| faulty(fault, &words))?;
            let items: ArrayRef = Arc::new(StringArray::from(items));
            let options = CastOptions { safe: false, ..CastOptions::default() };
            answers.push(self.compared(left, row, &cast_with_options(&items, left.data_type(), &options)?)?);
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(answers))))
    }

    fn folded(&self, compared: &BooleanArray) -> Option<bool> {
        if compared.iter().flatten().any(|answer| answer != self.all) {
            return Some(!self.all);
        }
        if compared.null_count() > 0 { None } else { Some(self.all) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn any_and_all_have_three_answers() {
        let column = "FROM (VALUES (1, ARRAY[1, NULL]), (2, ARRAY[1, NULL]), (3, array_remove(ARRAY[1], 1)), (4, NULL), (5, ARRAY[1, 2])) t(x, a)";
        for (sql, want) in [
            ("SELECT 1 = ANY (ARRAY[1, NULL])".to_owned(), "true"),
            ("SELECT 2 = ANY (ARRAY[1, NULL])".to_owned(), ""),
            ("SELECT 2 <> ALL (ARRAY[1, NULL])".to_owned(), ""),
            ("SELECT 1 <> ALL (ARRAY[1, NULL])".to_owned(), "false"),
            ("SELECT 2 > ANY (ARRAY[5, NULL, 1])".to_owned(), "true"),
            ("SELECT 2 > ALL (ARRAY[1, NULL])".to_owned(), ""),
            ("SELECT NULL = ANY ('{}'::int[])".to_owned(), "false"),
            ("SELECT 2 = ANY ('{1,2}')".to_owned(), "true"),
            ("SELECT 'b' = ANY ('{a,NULL}')".to_owned(), ""),
            ("SELECT count(*) FROM (VALUES (1), (2), (NULL)) t(x) WHERE x = ANY ('{1,2}')".to_owned(), "2"),
            ("SELECT count(*) FROM (VALUES (1), (2), (NULL)) t(x) WHERE x <> ALL (ARRAY[1, 3])".to_owned(), "1"),
            (
                format!("SELECT string_agg(coalesce((x = ANY (a))::text, 'n'), ',' ORDER BY x) {column}"),
                "true,n,false,n,false",
            ),
            (
                format!("SELECT string_agg(coalesce((x <> ALL (a))::text, 'n'), ',' ORDER BY x) {column}"),
                "false,n,true,n,true",
            ),
        ] {
            assert_eq!(one(&sql).await, want, "{sql}");
        }
        assert_eq!(error("SELECT 1 = ANY (ARRAY['a'])").await, "22P02");
        assert_eq!(error("SELECT 1 = ANY (2)").await, "42809");
    }
}
