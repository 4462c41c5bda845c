//! From commit times to positions.
//!
//! Promises: the position answered is the newest whose commit time is at or before the asked time.
//! Never: a clock is asked; commit times stand in the log.

use std::sync::Arc;

use arrow::array::{Array, Int64Array, TimestampMicrosecondArray};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use firn_manifest::ids::{ColumnId, Position};
use futures::TryStreamExt;

use super::catalog::commits_schema;
use super::scan::{ScanAt, ScanColumn, ScanRequest};
use super::snapshot::Snapshot;
use crate::error::{Error, Result};

const POSITION: ColumnId = ColumnId(1);
const COMMITTED_AT: ColumnId = ColumnId(2);

impl Snapshot {
    /// The newest position whose commit time is at or before `micros` (microseconds since 1970 UTC); zero when that is
    /// before the first commit.
    ///
    /// # Errors
    /// Store, key and integrity errors of the read.
    pub async fn position_at(&self, micros: i64) -> Result<Position> {
        if micros >= self.commit_time() {
            return Ok(self.position());
        }
        let table = commits_schema().clone();
        let place = table.columns.iter().position(|c| c.id == COMMITTED_AT).unwrap_or_default();
        let bound = ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        let predicate = BinaryExpr::new(
            Arc::new(Column::new("committed_at", place)),
            Operator::LtEq,
            Arc::new(Literal::new(bound)),
        );
        let scan = self.scan(ScanRequest {
            table,
            at: ScanAt::Position(self.position()),
            columns: vec![ScanColumn::Column(POSITION), ScanColumn::Column(COMMITTED_AT)],
            predicate: Some(Arc::new(predicate)),
            keys: None,
            ranges: None,
            index: None,
            partitions: 1,
            batch_size: 8192,
        })?;
        let mut newest = Position::ZERO;
        let mut batches = scan.execute(0);
        while let Some(batch) = batches.try_next().await? {
            let columns = (
                batch.column(0).as_any().downcast_ref::<Int64Array>(),
                batch.column(1).as_any().downcast_ref::<TimestampMicrosecondArray>(),
            );
            let (Some(positions), Some(times)) = columns else {
                return Err(Error::internal("firn_commits has other columns than expected"));
            };
            for row in (0..batch.num_rows()).filter(|row| times.value(*row) <= micros) {
                newest = newest.max(Position(u64::try_from(positions.value(row)).unwrap_or_default()));
            }
        }
        Ok(newest)
    }
}
