//! Queries by key: answered without the planner.
//!
//! Promises: the same rows, types, names, errors and recorded reads as by the planner; what is not recognised goes there.
//! Never: a table of another snapshot, position or namespace than the statement's is read.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, in_list, lit};
use firn_manifest::ids::Position;
use firn_manifest::schema::TableSchema;
use futures::{StreamExt, stream};
use sqlparser::ast::TableVersion;

use super::{Call, Outcome, Session};
use crate::commit::Read;
use crate::error::{BatchStream, Error, Result};
use crate::sql::asof::AsOf;
use crate::sql::catalog::{Reads, committed};
use crate::sql::keyed::Keyed;
use crate::sql::output::outward_values;
use crate::sql::relation::Scope;
use crate::sql::resolve::written_out;
use crate::state::point::Points;
use crate::state::{Snapshot, sql_schema};

/// Where a query by key reads.
struct Place {
    snapshot: Snapshot,
    /// the position plain table names are read at: what the outcome reports
    session_at: Position,
    /// the position the table is read at
    at: Position,
    /// whether a transaction must remember the read
    recorded: bool,
}

impl Session {
    /// The rows of a query by key; `None` when the planner must answer.
    pub(super) async fn by_key(
        &self,
        call: &Call<'_>,
        keyed: &Keyed,
        snapshot: &Snapshot,
        reads: Option<&Reads>,
    ) -> Result<Option<Outcome>> {
        let Some(place) = self.place(call, keyed, snapshot).await? else { return Ok(None) };
        let scope = Scope::Path(self.settings.path.clone());
        let Some(table) = scope.table(place.snapshot.catalog(), &keyed.table, place.at) else { return Ok(None) };
        let Some(bound) = keyed.bind(table) else { return Ok(None) };
        let Some(values) = keyed.values(&bound, call.params) else { return Ok(None) };
        let Some(keys) = bound.keys(&values) else { return Ok(None) };
        if let Some(reads) = reads.filter(|_| place.recorded) {
            let predicate = Some(predicate(table, &values)?);
            reads.record(Read { table: table.id, predicate });
        }
        let points = Points { table, at: place.at, columns: &bound.columns };
        let (arrays, rows) = place.snapshot.read_keys(points, &keys).await?;
        let stream: BatchStream = if rows == 0 {
            stream::empty().boxed()
        } else {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let arrays = arrays.iter().zip(bound.schema.fields()).map(|(a, f)| outward_values(a, f.data_type()));
            let arrays = arrays.collect::<Result<Vec<_>>>()?;
            let batch = RecordBatch::try_new_with_options(bound.schema.clone(), arrays, &options)
                .map_err(|e| Error::internal(format!("reading table {:?} by key: {e}", table.name)))?;
            stream::iter([Ok(batch)]).boxed()
        };
        Ok(Some(Outcome {
            schema: bound.schema.clone(),
            rows: Some(stream),
            position: Some(place.session_at),
            ..call.done("SELECT")
        }))
    }

    async fn place(&self, call: &Call<'_>, keyed: &Keyed, snapshot: &Snapshot) -> Result<Option<Place>> {
        let newest = snapshot.position();
        if self.settings.as_of.is_none() && keyed.version.is_none() {
            let snapshot = snapshot.clone();
            return Ok(Some(Place { snapshot, session_at: newest, at: newest, recorded: true }));
        }
        let now = snapshot.store().world().now_micros();
        let session_at = match self.settings.as_of {
            Some(as_of) => as_of.resolve(snapshot, now).await?,
            None => newest,
        };
        let past = committed(snapshot);
        let expr = match &keyed.version {
            None => {
                let recorded = session_at >= newest;
                return Ok(Some(Place { snapshot: past, session_at, at: session_at, recorded }));
            }
            Some(
                TableVersion::VersionAsOf(expr)
                | TableVersion::TimestampAsOf(expr)
                | TableVersion::ForSystemTimeAsOf(expr),
            ) => expr,
            Some(_) => return Ok(None),
        };
        let Some(Ok(value)) = written_out(expr, call.params) else { return Ok(None) };
        let as_of = match &keyed.version {
            Some(TableVersion::VersionAsOf(_)) => AsOf::from_position(&value)?,
            _ => AsOf::from_time(&value)?,
        };
        let at = as_of.resolve(snapshot, now).await?;
        Ok(Some(Place { snapshot: past, session_at, at, recorded: false }))
    }
}

/// What was read, over the table's whole SQL schema: `a = … AND b = …`, or `a IN (…)`.
fn predicate(table: &TableSchema, values: &[Vec<ScalarValue>]) -> Result<Arc<dyn PhysicalExpr>> {
    let mut all: Option<Arc<dyn PhysicalExpr>> = None;
    for (column, list) in table.key_columns().zip(values) {
        let at = table.columns.iter().position(|c| c.id == column.id).unwrap_or_default();
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&column.name, at));
        let this: Arc<dyn PhysicalExpr> = match list.as_slice() {
            [value] => Arc::new(BinaryExpr::new(column, Operator::Eq, lit(value.clone()))),
            list => {
                let list = list.iter().map(|v| lit(v.clone())).collect();
                in_list(column, list, &false, &sql_schema(table, true))?
            }
        };
        all = Some(match all {
            None => this,
            Some(before) => Arc::new(BinaryExpr::new(before, Operator::And, this)),
        });
    }
    all.ok_or_else(|| Error::internal("a key without columns"))
}
