//! Functions of the planner's that answer where PostgreSQL refuses: infinity out of numbers, a logarithm of nothing,
//! texts beyond all memory.
//!
//! Promises: a finite argument gives a finite answer or an error; no call makes more than [`MAX_BYTES`] a batch.
//! Never: what a function answers otherwise is changed, but that ROUND of a float rounds half to even.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::errors::external;
use crate::error::Error;

/// Bytes that one call of a function that repeats may make for a batch of rows.
pub const MAX_BYTES: i64 = 256 << 20;

/// The functions that are watched.
pub const NAMES: [&str; 24] = [
    "ln",
    "log",
    "log2",
    "log10",
    "exp",
    "power",
    "sinh",
    "cosh",
    "cot",
    "acos",
    "asin",
    "acosh",
    "atanh",
    "round",
    "sqrt",
    "chr",
    "repeat",
    "lpad",
    "rpad",
    "replace",
    "range",
    "generate_series",
    "array_repeat",
    "degrees",
];

/// Those that make more than they are given.
const SIZED: [&str; 7] = ["repeat", "replace", "lpad", "rpad", "range", "generate_series", "array_repeat"];

/// The function, watched.
#[must_use]
pub fn guarded(inner: Arc<ScalarUDF>) -> ScalarUDF {
    ScalarUDF::from(Guarded { inner })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.clone();
        let rows = args.number_rows;
        self.check_size(&given, rows)?;
        if let ("round", [ColumnarValue::Array(value)]) = (self.name(), given.as_slice())
            && let Some(floats) = value.as_primitive_opt::<Float64Type>()
        {
            let even: Float64Array = floats.unary(f64::round_ties_even);
            return Ok(ColumnarValue::Array(Arc::new(even)));
        }
        if let ("round", [ColumnarValue::Scalar(ScalarValue::Float64(value))]) = (self.name(), given.as_slice()) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Float64(value.map(f64::round_ties_even))));
        }
        let result = self.inner.invoke_with_args(args)?;
        self.check_answer(&given, &result, rows)?;
        Ok(result)
    }
}

impl Guarded {
    /// What the call is going to make, row by row, before it is made.
    fn check_size(&self, args: &[ColumnarValue], rows: usize) -> Result<()> {
        if args.len() < 2 || !SIZED.contains(&self.name()) {
            return Ok(());
        }
        let rows = if args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_))) { 1 } else { rows };
        let arrays: Vec<ArrayRef> = args.iter().map(|a| a.to_array(rows)).collect::<Result<_>>()?;
        let numbers = |at: usize| -> Result<Option<Int64Array>> {
            match arrays.get(at) {
                Some(array) if array.data_type().is_integer() => {
                    Ok(Some(arrow::compute::cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()))
                }
                _ => Ok(None),
            }
        };
        let texts = |at: usize| -> Result<StringArray> {
            Ok(arrow::compute::cast(&arrays[at], &DataType::Utf8)?.as_string::<i32>().clone())
        };
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let mut total = 0i64;
        let mut add = |bytes: i64| {
            total = total.saturating_add(bytes.max(0));
            total <= MAX_BYTES
        };
        let within = match self.name() {
            "repeat" => {
                let (Some(counts), texts) = (numbers(1)?, texts(0)?) else { return Ok(()) };
                counts
                    .iter()
                    .zip(&texts)
                    .all(|(n, t)| add(n.unwrap_or(0).saturating_mul(length(t.unwrap_or_default()))))
            }
            "replace" if args.len() == 3 => {
                let (texts, from, to) = (texts(0)?, texts(1)?, texts(2)?);
                texts.iter().zip(&from).zip(&to).all(|((text, from), to)| match (text, from, to) {
                    (Some(text), Some(from), Some(to)) if to.len() > from.len() => {
                        let found = i64::try_from(text.matches(from).count()).unwrap_or(i64::MAX);
                        add(found.saturating_mul(length(to)).saturating_add(length(text)))
                    }
                    (text, ..) => add(length(text.unwrap_or_default())),
                })
            }
            "lpad" | "rpad" | "array_repeat" => {
                let Some(counts) = numbers(1)? else { return Ok(()) };
                counts.iter().all(|n| add(n.unwrap_or(0).saturating_mul(4)))
            }
            "range" | "generate_series" => {
                let (Some(first), Some(last)) = (numbers(0)?, numbers(1)?) else { return Ok(()) };
                let steps = numbers(2)?;
                (0..rows).all(|row| {
                    let by = steps.as_ref().map_or(1, |s| s.value(row));
                    let count = last.value(row).saturating_sub(first.value(row)).checked_div(by).unwrap_or(0);
                    add(count.saturating_mul(8))
                })
            }
            _ => true,
        };
        if within {
            return Ok(());
        }
        let message = format!("{} would make more than {} MiB at once", self.name(), MAX_BYTES >> 20);
        Err(external(Error::statement("54000", message).with_hint("ask for less, or for fewer rows at a time")))
    }

    fn check_answer(&self, args: &[ColumnarValue], result: &ColumnarValue, rows: usize) -> Result<()> {
        if self.name() == "chr" {
            let texts = arrow::compute::cast(&result.to_array(rows)?, &DataType::Utf8)?;
            if texts.as_string::<i32>().iter().flatten().any(|t| t == "\0") {
                return Err(external(Error::statement("54000", "a text cannot hold the character 0")));
            }
            return Ok(());
        }
        if !matches!(result.data_type(), DataType::Float32 | DataType::Float64) {
            return Ok(());
        }
        let answers = arrow::compute::cast(&result.to_array(rows)?, &DataType::Float64)?;
        let answers = answers.as_primitive::<Float64Type>();
        for row in 0..answers.len() {
            if answers.is_null(row) || answers.value(row).is_finite() {
                continue;
            }
            let mut finite = true;
            for arg in args.iter().filter(|a| a.data_type().is_floating()) {
                let array = arrow::compute::cast(&arg.to_array(rows)?, &DataType::Float64)?;
                finite &= array.as_primitive::<Float64Type>().value(row).is_finite();
            }
            if finite {
                return Err(external(self.refusal(answers.value(row))));
            }
        }
        Ok(())
    }

    fn refusal(&self, answer: f64) -> Error {
        match self.name() {
            "ln" | "log" | "log2" | "log10" => {
                Error::statement("2201E", "cannot take the logarithm of zero or of a negative number")
            }
            "sqrt" => Error::statement("2201F", "cannot take the square root of a negative number"),
            "power" if answer.is_nan() => {
                Error::statement("2201F", "a negative number raised to a power that is not whole is a complex number")
            }
            name => Error::statement("22003", format!("the answer of {name} is out of range")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn no_infinity_out_of_numbers_and_no_text_beyond_memory() {
        for (sql, code) in [
            ("SELECT ln(0)", "2201E"),
            ("SELECT ln(x) FROM (VALUES (1), (-1)) t(x)", "2201E"),
            ("SELECT log(0)", "2201E"),
            ("SELECT sqrt(-1)", "2201F"),
            ("SELECT power(-8, 0.5)", "2201F"),
            ("SELECT exp(1000)", "22003"),
            ("SELECT acos(2)", "22003"),
            ("SELECT chr(0)", "54000"),
            ("SELECT length(repeat('x', 2000000000))", "54000"),
            ("SELECT length(lpad('x', 2000000000))", "54000"),
            ("SELECT length(repeat(x, 1000000000)) FROM (VALUES ('a'), ('b')) t(x)", "54000"),
            ("SELECT range(0, 10000000000)", "54000"),
            ("SELECT length(replace(repeat('a', 100000), 'a', repeat('b', 100000)))", "54000"),
        ] {
            assert_eq!(error(sql).await, code, "{sql}");
        }
        for (sql, want) in [
            ("SELECT round(2.5::double precision)", "2.0"),
            ("SELECT round(x) FROM (VALUES (-3.5::double precision)) t(x)", "-4.0"),
            ("SELECT round(2.5)", "3"),
            ("SELECT exp('Infinity'::double precision)", "inf"),
            ("SELECT ln(NULL)", ""),
            ("SELECT repeat('ab', 3)", "ababab"),
            ("SELECT repeat('ab', -3)", ""),
            ("SELECT pow(2, 3)", "8.0"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
    }
}
