//! MIN and MAX of intervals, which are compared by how long they are: a month is 30 days, a day 24 hours.
//!
//! Promises: in groups and windows alike; of equally long ones the last is given, as in PostgreSQL.
//! Never: other types take this path.

use std::collections::{BTreeMap, VecDeque};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::interval::span;

const TYPE: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// The aggregate that stands for `min` or `max` over intervals; `None` for another name.
#[must_use]
pub fn of_intervals(name: &str) -> Option<AggregateUDF> {
    let greatest = match name {
        "min" => false,
        "max" => true,
        _ => return None,
    };
    Some(AggregateUDF::from(Extreme { greatest, signature: Signature::exact(vec![TYPE], Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    greatest: bool,
    signature: Signature,
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &'static str {
        if self.greatest { "firn_longest" } else { "firn_shortest" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(TYPE)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Furthest { greatest: self.greatest, best: None }))
    }

    fn create_sliding_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sliding { greatest: self.greatest, held: BTreeMap::new(), count: 0 }))
    }
}

fn each(values: &[ArrayRef]) -> impl Iterator<Item = IntervalMonthDayNano> + '_ {
    values.iter().take(1).flat_map(|v| v.as_primitive::<IntervalMonthDayNanoType>().iter().flatten())
}

/// The best so far.
#[derive(Debug)]
struct Furthest {
    greatest: bool,
    best: Option<IntervalMonthDayNano>,
}

impl Accumulator for Furthest {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in each(values) {
            let better = self.best.is_none_or(|best| {
                let (new, old) = (span(value), span(best));
                if self.greatest { new >= old } else { new <= old }
            });
            if better {
                self.best = Some(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::IntervalMonthDayNano(self.best))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::IntervalMonthDayNano(self.best)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

/// All that are in a window's frame, by length; those of one length in order.
#[derive(Debug)]
struct Sliding {
    greatest: bool,
    held: BTreeMap<i128, VecDeque<IntervalMonthDayNano>>,
    count: usize,
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in each(values) {
            self.held.entry(span(value)).or_default().push_back(value);
            self.count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in each(values) {
            let length = span(value);
            if let Some(same) = self.held.get_mut(&length) {
                self.count -= usize::from(same.pop_front().is_some());
                if same.is_empty() {
                    self.held.remove(&length);
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let best = if self.greatest { self.held.last_key_value() } else { self.held.first_key_value() };
        Ok(ScalarValue::IntervalMonthDayNano(best.and_then(|(_, same)| same.back().copied())))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.count * 2 * size_of::<(i128, IntervalMonthDayNano)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::one;

    #[tokio::test]
    async fn the_longest_is_the_greatest() {
        let of = "FROM (VALUES (1, 1, '1 mon'::interval), (1, 2, '40 days'::interval), (1, 3, '30 hours'::interval), (2, 4, NULL)) t(g, n, x)";
        for (sql, want) in [
            (format!("SELECT max(x)::text {of}"), "40 days"),
            (format!("SELECT min(x)::text {of}"), "30:00:00"),
            (
                format!(
                    "SELECT string_agg(coalesce(m, '-'), ',' ORDER BY g) FROM (SELECT g, max(x)::text AS m {of} GROUP BY g) s"
                ),
                "40 days,-",
            ),
            (
                format!(
                    "SELECT string_agg(m, ',' ORDER BY n) FROM (SELECT n, (max(x) OVER (ORDER BY n ROWS 1 PRECEDING))::text AS m {of}) s"
                ),
                "1 mon,40 days,40 days,30:00:00",
            ),
            (format!("SELECT (max(x) - min(x))::text {of} HAVING max(x) > '1 month'"), "40 days -30:00:00"),
        ] {
            assert_eq!(one(&sql).await, want, "{sql}");
        }
    }
}
