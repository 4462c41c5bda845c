//! SUM that cannot wrap: BIGINT widens to DECIMAL, DECIMAL is checked, as PostgreSQL has it.
//!
//! Promises: the sum is exact or an error (22003), in groups, windows and with DISTINCT.
//! Never: types that cannot wrap (floating point, intervals) take another path than DataFusion's own SUM.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, FieldRef, Int32Type, Int64Type, UInt64Type,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    Volatility,
};
use datafusion::physical_expr::NullState;

use super::errors::external;
use crate::error::Error;

/// Stands for "left the range" while sums are gathered; no decimal has this value.
const LOST: i128 = i128::MIN;

/// SUM.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ExactSum {
    inner: Sum,
    signature: Signature,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { inner: Sum::new(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [ty] = types else { return datafusion::common::plan_err!("sum takes one argument") };
        Ok(vec![match ty {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
            DataType::UInt32 | DataType::Int64 | DataType::Null => DataType::Int64,
            DataType::UInt64 => DataType::UInt64,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                DataType::Decimal128(*p, *s)
            }
            DataType::Decimal256(..) | DataType::Duration(_) | DataType::Interval(_) => ty.clone(),
            other => {
                return datafusion::common::plan_err!(
                    "No function matches the given name and argument types: sum({other})"
                );
            }
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            // 2^31 times 2^32 rows is 2^63: no table has more
            [DataType::Int32] => Ok(DataType::Int64),
            [DataType::Int64 | DataType::UInt64] => Ok(DataType::Decimal128(38, 0)),
            _ => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let output = args.return_type().clone();
        match (is_exact(&output), args.is_distinct) {
            (true, true) => Ok(Box::new(DistinctSum { seen: HashSet::new(), output })),
            (true, false) => Ok(Box::new(PlainSum { sum: 0, count: 0, output })),
            _ => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let output = args.return_field.data_type().clone();
        if !is_exact(&output) {
            return self.inner.state_fields(args);
        }
        Ok(vec![Arc::new(if args.is_distinct {
            Field::new_list(format_state_name(args.name, "sum distinct"), Field::new_list_field(output, true), false)
        } else {
            Field::new(format_state_name(args.name, "sum"), output, true)
        })])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let output = args.return_type().clone();
        if is_exact(&output) {
            return Ok(Box::new(GroupSums { sums: Vec::new(), nulls: NullState::new(), output }));
        }
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_exact(args.return_type()) { self.accumulator(args) } else { self.inner.create_sliding_accumulator(args) }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn set_monotonicity(&self, _: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}

fn is_exact(output: &DataType) -> bool {
    matches!(output, DataType::Decimal128(..) | DataType::Int64)
}

fn add(sum: &mut i128, value: i128) {
    *sum = if *sum == LOST || value == LOST { LOST } else { sum.checked_add(value).unwrap_or(LOST) };
}

fn out_of_range() -> DataFusionError {
    external(Error::statement("22003", "sum is out of range").with_hint("sum fewer rows, or cast to DOUBLE PRECISION"))
}

/// The greatest magnitude the output type holds, exclusive.
fn limit(output: &DataType) -> i128 {
    match output {
        DataType::Decimal128(precision, _) => 10i128.checked_pow(u32::from(*precision)).unwrap_or(i128::MAX),
        _ => 1i128 << 63,
    }
}

fn scalar(value: Option<i128>, output: &DataType) -> Result<ScalarValue> {
    if value.is_some_and(|v| v == LOST || v >= limit(output) || v <= -limit(output)) {
        return Err(out_of_range());
    }
    match output {
        DataType::Decimal128(precision, scale) => Ok(ScalarValue::Decimal128(value, *precision, *scale)),
        _ => Ok(ScalarValue::Int64(value.map(i64::try_from).transpose().map_err(|_| out_of_range())?)),
    }
}

fn array(values: Vec<i128>, nulls: Option<NullBuffer>, output: &DataType) -> Result<ArrayRef> {
    let bound = limit(output);
    let live = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
    if values.iter().enumerate().any(|(i, v)| (*v == LOST || *v >= bound || *v <= -bound) && live(i)) {
        return Err(out_of_range());
    }
    match output {
        DataType::Decimal128(precision, scale) => {
            Ok(Arc::new(Decimal128Array::new(values.into(), nulls).with_precision_and_scale(*precision, *scale)?))
        }
        _ => {
            let narrow: Vec<i64> = values.into_iter().map(|v| i64::try_from(v).unwrap_or(0)).collect();
            Ok(Arc::new(Int64Array::new(narrow.into(), nulls)))
        }
    }
}

/// The sum of an integer or decimal array; integers of as many rows as there can be do not leave 128 bits.
fn sum_of(values: &ArrayRef) -> Result<i128> {
    fn whole<T: ArrowPrimitiveType>(values: &ArrayRef) -> i128
    where
        T::Native: Into<i128>,
    {
        let values = values.as_primitive::<T>();
        if values.null_count() == 0 {
            return values.values().iter().fold(0, |sum, v| sum + (*v).into());
        }
        values.iter().flatten().fold(0, |sum, v| sum + v.into())
    }
    Ok(match values.data_type() {
        DataType::Int32 if values.null_count() == 0 => values
            .as_primitive::<Int32Type>()
            .values()
            .chunks(1 << 20)
            .fold(0, |sum, part| sum + i128::from(part.iter().map(|v| i64::from(*v)).sum::<i64>())),
        DataType::Int32 => whole::<Int32Type>(values),
        DataType::Int64 => whole::<Int64Type>(values),
        DataType::UInt64 => whole::<UInt64Type>(values),
        _ => {
            let mut sum = 0;
            for_each(values, |v| add(&mut sum, v))?;
            sum
        }
    })
}

/// Calls `each` with every value of an integer or decimal array.
fn for_each(values: &ArrayRef, mut each: impl FnMut(i128)) -> Result<()> {
    fn run<T: ArrowPrimitiveType>(values: &ArrayRef, each: &mut impl FnMut(i128))
    where
        T::Native: Into<i128>,
    {
        for value in values.as_primitive::<T>().iter().flatten() {
            each(value.into());
        }
    }
    match values.data_type() {
        DataType::Int32 => run::<Int32Type>(values, &mut each),
        DataType::Int64 => run::<Int64Type>(values, &mut each),
        DataType::UInt64 => run::<UInt64Type>(values, &mut each),
        DataType::Decimal128(..) => run::<Decimal128Type>(values, &mut each),
        other => return datafusion::common::internal_err!("sum over {other}"),
    }
    Ok(())
}

fn only(values: &[ArrayRef]) -> Result<&ArrayRef> {
    values.first().ok_or_else(|| DataFusionError::Internal("sum without an argument".to_owned()))
}

/// One sum.
#[derive(Debug)]
struct PlainSum {
    sum: i128,
    count: u64,
    output: DataType,
}

impl PlainSum {
    fn value(&self) -> Result<ScalarValue> {
        scalar((self.count > 0).then_some(self.sum), &self.output)
    }
}

impl Accumulator for PlainSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        add(&mut self.sum, sum_of(values)?);
        self.count += (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.value()
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        for_each(values, |v| add(&mut self.sum, v.checked_neg().unwrap_or(LOST)))?;
        self.count = self.count.saturating_sub((values.len() - values.null_count()) as u64);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// One sum over distinct values.
#[derive(Debug)]
struct DistinctSum {
    seen: HashSet<i128>,
    output: DataType,
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(only(values)?, |v| {
            self.seen.insert(v);
        })
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = 0;
        self.seen.iter().for_each(|v| add(&mut sum, *v));
        scalar((!self.seen.is_empty()).then_some(sum), &self.output)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * size_of::<i128>() * 2
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = array(self.seen.iter().copied().collect(), None, &self.output)?;
        let field = Arc::new(Field::new_list_field(self.output.clone(), true));
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        Ok(vec![ScalarValue::List(Arc::new(ListArray::new(field, offsets, values, None)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in only(states)?.as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }
}

/// Sums of groups.
struct GroupSums {
    sums: Vec<i128>,
    nulls: NullState,
    output: DataType,
}

impl GroupSums {
    fn gather<T: ArrowPrimitiveType + Send>(
        &mut self,
        values: &ArrayRef,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) where
        T::Native: Into<i128>,
    {
        let sums = &mut self.sums;
        let values = values.as_primitive::<T>();
        if T::DATA_TYPE.is_integer() {
            // integers of as many rows as there can be do not leave 128 bits, and their sums come here as nothing else
            self.nulls.accumulate(groups, values, filter, total, |group, value| {
                sums[group] = sums[group].wrapping_add(value.into());
            });
        } else {
            self.nulls.accumulate(groups, values, filter, total, |group, value| add(&mut sums[group], value.into()));
        }
    }
}

impl GroupsAccumulator for GroupSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, 0);
        let values = only(values)?;
        match values.data_type() {
            DataType::Int32 => self.gather::<Int32Type>(values, groups, filter, total),
            DataType::Int64 => self.gather::<Int64Type>(values, groups, filter, total),
            DataType::UInt64 => self.gather::<UInt64Type>(values, groups, filter, total),
            DataType::Decimal128(..) => self.gather::<Decimal128Type>(values, groups, filter, total),
            other => return datafusion::common::internal_err!("sum over {other}"),
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = emit.take_needed(&mut self.sums);
        array(sums, self.nulls.build(emit), &self.output)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(values, groups, None, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = only(values)?;
        let kept = match filter {
            Some(filter) => {
                arrow::compute::nullif(values, &arrow::compute::not(&arrow::compute::prep_null_mask_filter(filter))?)?
            }
            None => values.clone(),
        };
        Ok(vec![arrow::compute::cast(&kept, &self.output)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.nulls.size()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn sums_are_exact_or_fail() {
        let big = "(VALUES (1, 9223372036854775807), (1, 9223372036854775807), (2, 1), (2, NULL)) t(g, x)";
        let most = "99999999999999999999999999999999999999::decimal(38,0)";
        let huge = format!("(VALUES (1, {most}), (1, {most})) t(g, x)");
        for (sql, want) in [
            (format!("SELECT sum(x) FROM {big}"), "18446744073709551615"),
            (format!("SELECT sum(x) FROM {big} GROUP BY g ORDER BY g LIMIT 1"), "18446744073709551614"),
            (format!("SELECT sum(DISTINCT x) FROM {big}"), "9223372036854775808"),
            (format!("SELECT sum(x) FILTER (WHERE g = 2) FROM {big}"), "1"),
            (
                format!("SELECT sum(x) OVER (ORDER BY g, x ROWS 1 PRECEDING) AS s FROM {big} ORDER BY s DESC LIMIT 1"),
                "18446744073709551614",
            ),
            ("SELECT sum(x) FROM (VALUES (1), (2)) t(x) WHERE x > 5".to_owned(), ""),
            ("SELECT arrow_typeof(sum(x::int)) FROM (VALUES (1), (2)) t(x)".to_owned(), "Int64"),
            ("SELECT sum(x) FROM (VALUES (1.5), (2.25)) t(x)".to_owned(), "3.75"),
            ("SELECT sum(x::double precision) FROM (VALUES (1.5), (2.25)) t(x)".to_owned(), "3.75"),
            (format!("SELECT count(*) FROM (SELECT sum(DISTINCT x), sum(DISTINCT g) FROM {big}) u"), "1"),
        ] {
            assert_eq!(one(&sql).await, want, "{sql}");
        }
        for sql in [format!("SELECT sum(x) FROM {huge}"), format!("SELECT sum(x) FROM {huge} GROUP BY g")] {
            assert_eq!(error(&sql).await, "22003", "{sql}");
        }
        assert_eq!(error("SELECT sum('a')").await, "42883");
    }
}
