//! Rows in and out of the engine's interface below SQL.
//!
//! Promises: reads go by key where keys are named and by scan where not; writes carry the rows they replace.
//! Never: SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::Int64Type;
use firn_engine::Error;
use firn_engine::commit::{Delete, TableWrite, WriteSet};
use firn_engine::state::{ScanAt, ScanColumn, ScanRequest, Snapshot};
use firn_manifest::ids::Position;
use firn_manifest::schema::{CatalogChange, Column, ColumnType, TableSchema};
use firn_segment::key::encode_keys;
use firn_segment::record::{Answer, RowOp};
use firn_segment::types::{storage_schema, storage_type};
use futures::TryStreamExt as _;

use crate::model::{Effect, Spec};

/// The schema of a table as of a position.
pub fn table(snapshot: &Snapshot, name: &str, at: Position) -> Result<Arc<TableSchema>, Error> {
    let found = snapshot.catalog().table(name, at).cloned();
    found.ok_or_else(|| Error::statement("42P01", format!("table {name} is not there at {at}")))
}

/// All rows of a table at a position: number and value columns.
pub async fn scan(snapshot: &Snapshot, name: &str, value: &str, at: Position) -> Result<Vec<RecordBatch>, Error> {
    let table = table(snapshot, name, at)?;
    let columns = ["id", value];
    let columns = table.columns.iter().filter(|c| columns.contains(&c.name.as_str())).map(|c| ScanColumn::Column(c.id));
    let request = ScanRequest {
        at: ScanAt::Position(at),
        columns: columns.collect(),
        table: table.clone(),
        predicate: None,
        keys: None,
        ranges: None,
        index: None,
        partitions: 1,
        batch_size: 1024,
    };
    snapshot.scan(request)?.execute(0).try_collect().await
}

/// Pairs of the first two columns.
pub fn pairs(batches: &[RecordBatch]) -> Result<BTreeMap<i64, i64>, Error> {
    let mut out = BTreeMap::new();
    for batch in batches {
        let number = |at: usize| batch.columns().get(at).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let (Some(ids), Some(values)) = (number(0), number(1)) else {
            return Err(Error::statement("42804", format!("rows of other types: {:?}", batch.schema())));
        };
        for row in 0..batch.num_rows() {
            if out.insert(ids.value(row), values.value(row)).is_some() {
                return Err(Error::statement("SIM01", format!("key {} comes out twice", ids.value(row))));
            }
        }
    }
    Ok(out)
}

/// Texts of the last column, sorted.
pub fn texts(batches: &[RecordBatch]) -> Result<Vec<String>, Error> {
    let mut out = Vec::new();
    for batch in batches {
        let text = batch.columns().last().and_then(|c| arrow::compute::cast(c, &arrow::datatypes::DataType::Utf8).ok());
        let Some(text) = text else { return Err(Error::statement("42804", "rows of other types")) };
        out.extend(text.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    out.sort();
    Ok(out)
}

/// Accounts by key, at the snapshot's own position.
pub async fn accounts(snapshot: &Snapshot, ids: &[i64]) -> Result<BTreeMap<i64, i64>, Error> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = BTreeSet::from_iter(ids.iter().copied()).into_iter().collect::<Vec<i64>>();
    let table = table(snapshot, "accounts", snapshot.position())?;
    let keys = encode_keys(&[Arc::new(Int64Array::from(ids)) as ArrayRef], &[ColumnType::BigInt])?;
    let found: Vec<_> = snapshot.locate(&table, &keys).await?.into_iter().flatten().collect();
    if found.is_empty() {
        return Ok(BTreeMap::new());
    }
    let batch = snapshot.fetch(&table, &found).await?;
    pairs(&[batch.project(&[0, 1]).map_err(|e| Error::statement("42804", e.to_string()))?])
}

/// The accounts an operation reads.
pub async fn read_for(snapshot: &Snapshot, spec: &Spec) -> Result<BTreeMap<i64, i64>, Error> {
    match spec.reads() {
        Some(ids) => accounts(snapshot, &ids).await,
        None => pairs(&scan(snapshot, "accounts", "balance", snapshot.position()).await?),
    }
}

/// The write set of an effect.
pub async fn write_set(snapshot: &Snapshot, effect: &Effect) -> Result<WriteSet, Error> {
    let mut set = WriteSet { kind: "SIM".to_owned(), ..WriteSet::default() };
    let at = snapshot.position();
    if !effect.accounts.is_empty() {
        set.tables.push(change(snapshot, table(snapshot, "accounts", at)?, &effect.accounts).await?);
    }
    if !effect.audits.is_empty() {
        let rows = effect.audits.iter().map(|(id, total)| (*id, Some(*total))).collect();
        set.tables.push(change(snapshot, table(snapshot, "audits", at)?, &rows).await?);
    }
    if !effect.notes.is_empty() {
        let schema = table(snapshot, "notes", at)?;
        let texts: ArrayRef = Arc::new(StringArray::from(effect.notes.clone()));
        let inserts = batch(&schema, effect.notes.len(), &[], &[], Some(&texts))?;
        let operations = vec![RowOp::Insert; effect.notes.len()];
        set.tables.push(TableWrite { schema, deletes: vec![], inserts: Some(inserts), operations, old_rows: None });
    }
    if let Some(name) = &effect.column {
        let mut schema = (*table(snapshot, "accounts", at)?).clone();
        if schema.columns.iter().any(|c| c.name == *name) {
            return Err(Error::statement("42701", format!("column {name} is there")));
        }
        let all = snapshot.catalog().all_columns(schema.id);
        let next = all.iter().map(|c| c.id).max().unwrap_or_default().next();
        schema.columns.push(Column::new(next, name, ColumnType::BigInt));
        set.catalog.push(CatalogChange::Alter { schema });
    }
    let rows = set.tables.iter().map(|t| t.operations.len().max(t.deletes.len()) as u64).sum();
    set.answers = vec![Answer { tag: format!("SIM {rows}"), rows, returning: None }];
    Ok(set)
}

async fn change(
    snapshot: &Snapshot,
    schema: Arc<TableSchema>,
    rows: &BTreeMap<i64, Option<i64>>,
) -> Result<TableWrite, Error> {
    let ids: Vec<i64> = rows.keys().copied().collect();
    let keys = encode_keys(&[Arc::new(Int64Array::from(ids)) as ArrayRef], &[ColumnType::BigInt])?;
    let found = snapshot.locate(&schema, &keys).await?;
    let there: Vec<bool> = found.iter().map(Option::is_some).collect();
    let deletes: Vec<Delete> =
        keys.into_iter().zip(&found).filter_map(|(key, f)| f.map(|found| Delete { key, found })).collect();
    let places: Vec<_> = found.into_iter().flatten().collect();
    let old_rows = if places.is_empty() { None } else { Some(snapshot.fetch(&schema, &places).await?) };
    let (mut ids, mut values, mut operations) = (Vec::new(), Vec::new(), Vec::new());
    for ((id, value), there) in rows.iter().zip(there) {
        if let Some(value) = value {
            ids.push(*id);
            values.push(*value);
            operations.push(if there { RowOp::Update } else { RowOp::Insert });
        }
    }
    let inserts = if ids.is_empty() { None } else { Some(batch(&schema, ids.len(), &ids, &values, None)?) };
    Ok(TableWrite { schema, deletes, inserts, operations, old_rows })
}

/// Rows in storage schema; a hidden row id is left to be drawn, other columns are null.
fn batch(
    schema: &TableSchema,
    rows: usize,
    ids: &[i64],
    values: &[i64],
    texts: Option<&ArrayRef>,
) -> Result<RecordBatch, Error> {
    let columns = schema.columns.iter().map(|c| -> ArrayRef {
        match c.name.as_str() {
            "id" => Arc::new(Int64Array::from(ids.to_vec())),
            "balance" | "total" => Arc::new(Int64Array::from(values.to_vec())),
            "note" => texts.cloned().unwrap_or_else(|| new_null_array(&storage_type(c.ty), rows)),
            _ if c.hidden => Arc::new(Int64Array::from(vec![0; rows])),
            _ => new_null_array(&storage_type(c.ty), rows),
        }
    });
    RecordBatch::try_new(storage_schema(schema), columns.collect())
        .map_err(|e| Error::statement("42804", e.to_string()))
}
