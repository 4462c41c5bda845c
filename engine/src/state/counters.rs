//! Counters: the next hidden row id, and the next number of an identity column.
//!
//! Promises: a number is drawn once in a writer's life; what a commit holds is passed over after a replay too.
//! Never: a number that was drawn and not committed comes back within the same writer.

use std::collections::HashMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Int64Type};
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{Column, Generated, TableSchema};
use firn_segment::types::column_field_name;
use parking_lot::Mutex;

/// What a counter counts for: a column, and how often its numbers have begun again.
pub type Of = (TableId, ColumnId, u32);

/// How often the numbers of a column have begun again.
#[must_use]
pub fn restarts(column: &Column) -> u32 {
    match column.generated {
        Some(Generated::Identity { restarts, .. }) => restarts,
        _ => 0,
    }
}

/// The counters of an open namespace, shared by its snapshots.
#[derive(Debug, Default)]
pub struct Counters {
    /// the next number; `None` when the last one was drawn
    next: Mutex<HashMap<Of, Option<i64>>>,
}

impl Counters {
    /// Draws `count` numbers from `start` on in steps of `increment`, none beyond `low` and `high`; `None` when they
    /// have run out.
    #[must_use]
    pub fn draw(
        &self,
        of: Of,
        count: usize,
        (start, increment): (i64, i64),
        (low, high): (i64, i64),
    ) -> Option<Vec<i64>> {
        let mut counters = self.next.lock();
        let mut next = *counters.entry(of).or_insert(Some(start));
        let mut drawn = Vec::with_capacity(count);
        for _ in 0..count {
            let number = next.filter(|n| (low..=high).contains(n))?;
            drawn.push(number);
            next = number.checked_add(increment);
        }
        counters.insert(of, next);
        Some(drawn)
    }

    /// Passes over a number that a row holds.
    pub fn pass(&self, of: Of, held: i64, (start, increment): (i64, i64)) {
        let mut counters = self.next.lock();
        let next = counters.entry(of).or_insert(Some(start));
        let behind = next.is_some_and(|n| if increment > 0 { n <= held } else { n >= held });
        if behind {
            *next = held.checked_add(increment);
        }
    }

    /// Passes over the numbers that the rows of a batch (in storage schema) hold.
    pub fn pass_rows(&self, table: &TableSchema, batch: &RecordBatch) {
        for column in &table.columns {
            let steps = match &column.generated {
                Some(Generated::Identity { start, increment, .. }) => (*start, *increment),
                _ if column.hidden => (1, 1),
                _ => continue,
            };
            let Some(array) = batch.column_by_name(&column_field_name(column.id)) else { continue };
            let Ok(wide) = cast(array, &DataType::Int64) else { continue };
            let numbers = wide.as_primitive::<Int64Type>();
            let furthest = if steps.1 > 0 { max(numbers) } else { min(numbers) };
            // a row id that is not drawn yet is zero or below
            if let Some(held) = furthest.filter(|held| !column.hidden || *held > 0) {
                self.pass((table.id, column.id, restarts(column)), held, steps);
            }
        }
    }

    /// Sets a counter that a manifest holds.
    pub fn set(&self, of: Of, next: i64) {
        self.next.lock().insert(of, Some(next));
    }

    /// Lets a counter begin again: one that a statement drew from which was not committed.
    pub fn forget(&self, of: Of) {
        self.next.lock().remove(&of);
    }

    /// The counters of a table by column, sorted; those that were begun again and those that are about to be left out.
    #[must_use]
    pub fn of_table(&self, table: &TableSchema) -> Vec<(ColumnId, i64)> {
        let counters = self.next.lock();
        let next = |column: &Column| *counters.get(&(table.id, column.id, restarts(column)))?;
        let mut all: Vec<_> = table.columns.iter().filter_map(|c| Some((c.id, next(c)?))).collect();
        all.sort_unstable();
        all
    }

    /// The tables that have counters.
    #[must_use]
    pub fn tables(&self) -> Vec<TableId> {
        let mut ids: Vec<TableId> = self.next.lock().keys().map(|(table, ..)| *table).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use firn_manifest::schema::ColumnType;

    use super::*;

    #[test]
    fn numbers_are_drawn_once_and_held_ones_are_passed_over() {
        let identity = |restarts| Column {
            generated: Some(Generated::Identity { always: false, start: 1, increment: 2, restarts }),
            ..Column::new(ColumnId(1), "id", ColumnType::BigInt)
        };
        let table = |restarts| TableSchema::new(TableId(20), "t", vec![identity(restarts)], vec![ColumnId(1)]);
        let (of, counters) = ((TableId(20), ColumnId(1), 0), Counters::default());
        assert_eq!(counters.draw(of, 2, (1, 2), (1, 9)), Some(vec![1, 3]));
        counters.pass(of, 5, (1, 2));
        counters.pass(of, 2, (1, 2));
        assert_eq!(counters.draw(of, 1, (1, 2), (1, 9)), Some(vec![7]));
        assert_eq!(counters.draw(of, 2, (1, 2), (1, 9)), None, "two do not fit");
        assert_eq!(counters.of_table(&table(0)), [(of.1, 9)]);
        assert!(counters.of_table(&table(1)).is_empty());
        assert_eq!(counters.draw((of.0, of.1, 1), 1, (1, 2), (1, 9)), Some(vec![1]));
        assert_eq!(counters.of_table(&table(1)), [(of.1, 3)]);
        counters.forget((of.0, of.1, 1));
        assert!(counters.of_table(&table(1)).is_empty());
        let down = (TableId(20), ColumnId(2), 0);
        counters.pass(down, -4, (-1, -1));
        assert_eq!(counters.draw(down, 1, (-1, -1), (-9, -1)), Some(vec![-5]));
    }
}
