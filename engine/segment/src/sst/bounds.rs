//! Bounds of a column's values in each row group, for pruning.
//!
//! Promises: every value of a row group lies within its bounds, in SQL's order.
//! Never: bounds for floating point: Parquet leaves NaN out of its statistics, SQL sorts it above all.

use arrow::array::{ArrayRef, UInt64Array};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::ColumnType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::{ReadColumn, SstReader};

impl SstReader {
    /// Lowest and highest value (or bounds of them) and number of NULLs of a column in each row group, one entry a row
    /// group, NULL where it is not known; `None` if the file has no such column or no bounds for it.
    #[must_use]
    pub fn row_group_bounds(&self, id: ColumnId, ty: ColumnType) -> Option<(ArrayRef, ArrayRef, UInt64Array)> {
        if matches!(ty, ColumnType::Real | ColumnType::Double) || !ty.is_keyable() {
            return None;
        }
        let arrow = &self.file.arrow;
        let field = arrow.schema().field(self.leaf(ReadColumn::Column(id, ty))?);
        let converter = StatisticsConverter::try_new(field.name(), arrow.schema(), arrow.parquet_schema()).ok()?;
        let groups = arrow.metadata().row_groups();
        Some((
            converter.row_group_mins(groups).ok()?,
            converter.row_group_maxes(groups).ok()?,
            converter.row_group_null_counts(groups).ok()?,
        ))
    }
}
