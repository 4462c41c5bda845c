//! Row groups that statistics prove cannot match a predicate.
//!
//! Promises: a row group is skipped only when no row of it can satisfy the predicate.
//! Never: an error in the statistics fails a scan; without statistics everything is read.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Column;
use datafusion::common::ScalarValue;
use datafusion::common::pruning::PruningStatistics;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use firn_manifest::schema::TableSchema;
use firn_segment::sst::reader::SstReader;
use firn_segment::types::{read_as, storage_type, to_sql};

/// A predicate that can be asked which row groups to read.
#[derive(Clone, Debug)]
pub(crate) struct Pruner {
    predicate: Arc<PruningPredicate>,
    table: Arc<TableSchema>,
}

struct RowGroups<'a> {
    reader: &'a SstReader,
    table: &'a TableSchema,
    count: usize,
}

impl Pruner {
    /// A pruner for a predicate over `schema` (the table's full SQL schema), or `None` when nothing can be pruned by it.
    pub(crate) fn new(predicate: &Arc<dyn PhysicalExpr>, schema: SchemaRef, table: Arc<TableSchema>) -> Option<Self> {
        let predicate = PruningPredicateBuilder::new().with_file_schema(schema).try_build(predicate.clone()).ok()?;
        (!predicate.always_true()).then(|| Self { predicate: Arc::new(predicate), table })
    }

    /// For each row group whether it must be read.
    pub(crate) fn keep(&self, reader: &SstReader) -> Vec<bool> {
        let count = reader.row_groups().len();
        let groups = RowGroups { reader, table: &self.table, count };
        self.predicate.prune(&groups).unwrap_or_else(|_| vec![true; count])
    }
}

impl RowGroups<'_> {
    fn bounds(&self, column: &Column) -> Option<(ArrayRef, ArrayRef, UInt64Array)> {
        let column = self.table.column_named(&column.name)?;
        let (mins, maxes, nulls) = self.reader.row_group_bounds(column.id, column.ty)?;
        let ty = storage_type(column.ty);
        // the file may hold the column in the type it had when it was written; a bound that does not fit is unknown
        let held = |bounds: ArrayRef| match bounds.data_type() {
            DataType::Utf8View | DataType::BinaryView => Some(bounds),
            _ => read_as(&bounds, &ty).ok(),
        };
        Some((held(mins)?, held(maxes)?, nulls))
    }
}

impl PruningStatistics for RowGroups<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        to_sql(&self.bounds(column)?.0).ok()
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        to_sql(&self.bounds(column)?.1).ok()
    }

    fn num_containers(&self) -> usize {
        self.count
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        Some(Arc::new(self.bounds(column)?.2))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(self.reader.row_groups().iter().map(|g| u64::from(g.rows)))))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
