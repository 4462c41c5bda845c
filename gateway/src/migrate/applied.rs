//! `firn_migrations`: which files were applied, in the namespace itself.
//!
//! Promises: a row is written in the commit of its file, so its position is that of the migration.
//! Never: a row is changed or deleted here.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use firn_engine::session::{Session, parse};
use firn_engine::{Error, ErrorKind};
use futures::StreamExt;

use super::files::Migration;

/// The table's name.
pub const TABLE: &str = "firn_migrations";

/// How it is made.
pub const CREATE: &str = "CREATE TABLE IF NOT EXISTS public.firn_migrations (version BIGINT PRIMARY KEY, \
    name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now(), duration_ms BIGINT NOT NULL)";

const ROWS: &str = "SELECT m.version, m.name, m.checksum, CAST(m.applied_at AS TEXT), m.duration_ms, h._begin \
    FROM public.firn_migrations m JOIN firn_history('public.firn_migrations') h \
    ON h.version = m.version AND h._end IS NULL ORDER BY m.version";

/// The rows alone, which a transaction can read without the log.
const PLAIN: &str = "SELECT version, name, checksum, CAST(applied_at AS TEXT), duration_ms, CAST(NULL AS BIGINT) \
    FROM public.firn_migrations ORDER BY version";

/// A file that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// its number
    pub version: i64,
    /// its name then
    pub name: String,
    /// its checksum then
    pub checksum: String,
    /// when
    pub applied_at: String,
    /// how long its statements took
    pub duration_ms: i64,
    /// the position of its commit
    pub position: Option<i64>,
}

/// A namespace that is not there has no table.
///
/// # Errors
/// Any other error.
pub fn no_namespace<T>(error: Error) -> Result<Option<T>, Error> {
    if error.kind == ErrorKind::NoNamespace { Ok(None) } else { Err(error) }
}

/// What was applied, in order.
///
/// # Errors
/// Of reading the namespace.
pub async fn read(session: &mut Session) -> Result<Vec<Applied>, Error> {
    if session.table_schema("public.firn_migrations").await.or_else(no_namespace)?.is_none() {
        return Ok(vec![]);
    }
    let sql = if session.in_transaction() { PLAIN } else { ROWS };
    let mut applied = Vec::new();
    for statement in parse(sql)? {
        let Some(mut rows) = session.run(&statement, &[], None).await?.rows else { continue };
        while let Some(batch) = rows.next().await {
            applied.extend(of_batch(&batch?)?);
        }
    }
    Ok(applied)
}

fn of_batch(batch: &RecordBatch) -> Result<Vec<Applied>, Error> {
    let wrong = |e: arrow::error::ArrowError| Error::internal(format!("{TABLE}: {e}"));
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip([DataType::Int64, DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Int64, DataType::Int64])
        .map(|(column, ty)| cast(column, &ty).map_err(wrong))
        .collect::<Result<_, _>>()?;
    use arrow::array::AsArray;
    let [version, name, checksum, at, duration, position] = columns.as_slice() else {
        return Err(Error::internal(format!("{TABLE} has other columns")));
    };
    let (version, duration) = (version.as_primitive::<Int64Type>(), duration.as_primitive::<Int64Type>());
    let position = position.as_primitive::<Int64Type>();
    let text = |column: &ArrayRef, row: usize| column.as_string::<i32>().value(row).to_owned();
    Ok((0..batch.num_rows())
        .map(|row| Applied {
            version: version.value(row),
            name: text(name, row),
            checksum: text(checksum, row),
            applied_at: text(at, row),
            duration_ms: duration.value(row),
            position: position.is_valid(row).then(|| position.value(row)),
        })
        .collect())
}

/// Records a file, in the transaction that applies it.
///
/// # Errors
/// Of the INSERT.
pub async fn record(session: &mut Session, file: &Migration, duration_ms: i64) -> Result<(), Error> {
    let name = file.name.replace('\'', "''");
    let sql = format!(
        "INSERT INTO public.{TABLE} (version, name, checksum, duration_ms) VALUES ({}, '{name}', '{}', {duration_ms})",
        file.version, file.checksum
    );
    for statement in parse(&sql)? {
        session.run(&statement, &[], None).await?;
    }
    Ok(())
}
