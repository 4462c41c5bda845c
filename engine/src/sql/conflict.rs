//! ON CONFLICT: what becomes of proposed rows whose key exists.
//!
//! Promises: DO NOTHING keeps the first of several proposed rows of one key; DO UPDATE refuses to change one row twice
//! (21000). A transaction counts the keys that it met as read. The expressions see the existing row under the table's name and the proposed one as `excluded`.
//! Never: a conflict is decided on anything but the primary key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::Int64Type;
use firn_manifest::schema::TableSchema;
use firn_segment::key::Key;
use firn_segment::record::RowOp;
use firn_segment::types::storage_schema;
use sqlparser::ast::{ConflictTarget, DoUpdate, OnConflict, OnConflictAction};

use super::query::Query;
use super::returning::numbered;
use super::sets::Sets;
use super::update::moved;
use super::write::{Changed, column_index, sql_rows, table_ident};
use super::{codes, eval, keys};
use crate::commit::Delete;
use crate::error::{Error, Result};
use crate::state::Found;

/// Decides over proposed rows (stored types).
///
/// # Errors
/// 42P10, 42704, 42601, 21000, 23505, and what the expressions and assignment say.
pub(super) async fn resolve(
    table: &Arc<TableSchema>,
    alias: &str,
    on: &OnConflict,
    batch: RecordBatch,
    q: &Query,
) -> Result<Changed> {
    check_target(table, on)?;
    if table.row_id().is_some() {
        let operations = vec![RowOp::Insert; batch.num_rows()];
        return Ok(Changed { table: table.clone(), deletes: vec![], old_rows: None, inserts: Some(batch), operations });
    }
    let keys = keys::keys_of(table, batch.columns())?;
    let found = keys::locate(table, &keys, q).await?;
    let met: Vec<usize> = (0..found.len()).filter(|row| found[*row].is_some()).collect();
    keys::record(table, &batch, &met, q)?;
    match &on.action {
        OnConflictAction::DoNothing => do_nothing(table, &keys, &found, &batch),
        OnConflictAction::DoUpdate(action) => Upsert { table, alias, action, keys, found, q }.run(&batch).await,
    }
}

/// The target must be the primary key: its columns in any order, or its constraint's name.
fn check_target(table: &TableSchema, on: &OnConflict) -> Result<()> {
    match &on.conflict_target {
        None if matches!(on.action, OnConflictAction::DoNothing) => Ok(()),
        None => Err(Error::statement(codes::SYNTAX_ERROR, "ON CONFLICT DO UPDATE needs to name the key's columns")
            .with_hint(format!("write ON CONFLICT ({}) DO UPDATE", key_names(table)))),
        Some(ConflictTarget::Columns(names)) => {
            let mut given = HashSet::new();
            for name in names {
                given.insert(table.columns[column_index(table, name)?].id);
            }
            let key: HashSet<_> = table.key.iter().copied().collect();
            if given == key {
                return Ok(());
            }
            let error = Error::statement(
                codes::INVALID_COLUMN_REFERENCE,
                "the columns of ON CONFLICT are not the table's primary key",
            );
            Err(match table.row_id() {
                Some(_) => {
                    error.with_hint(format!("table \"{}\" has no primary key, so no conflict can arise", table.name))
                }
                None => {
                    error.with_hint(format!("the primary key of table \"{}\" is ({})", table.name, key_names(table)))
                }
            })
        }
        Some(ConflictTarget::OnConstraint(name)) => {
            let given = table_ident(name)?.value;
            if table.row_id().is_none() && given == format!("{}_pkey", table.name) {
                return Ok(());
            }
            let message = format!("constraint \"{given}\" of table \"{}\" does not exist", table.name);
            Err(Error::statement(codes::UNDEFINED_OBJECT, message)
                .with_hint("name the key's columns: ON CONFLICT (a, b)"))
        }
    }
}

fn key_names(table: &TableSchema) -> String {
    table.key_columns().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn do_nothing(table: &Arc<TableSchema>, keys: &[Key], found: &[Option<Found>], batch: &RecordBatch) -> Result<Changed> {
    let mut seen = HashSet::with_capacity(keys.len());
    let keep: Vec<bool> = keys.iter().zip(found).map(|(key, found)| found.is_none() && seen.insert(key)).collect();
    let inserts = kept(batch, keep)?;
    let operations = vec![RowOp::Insert; inserts.num_rows()];
    Ok(Changed { table: table.clone(), deletes: vec![], old_rows: None, inserts: Some(inserts), operations })
}

fn kept(batch: &RecordBatch, keep: Vec<bool>) -> Result<RecordBatch> {
    filter_record_batch(batch, &BooleanArray::from(keep))
        .map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))
}

fn chosen(batch: &RecordBatch, rows: &[usize]) -> Result<RecordBatch> {
    let rows = UInt64Array::from_iter_values(rows.iter().map(|r| *r as u64));
    take_record_batch(batch, &rows).map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))
}

/// DO UPDATE.
struct Upsert<'a> {
    table: &'a Arc<TableSchema>,
    alias: &'a str,
    action: &'a DoUpdate,
    keys: Vec<Key>,
    found: Vec<Option<Found>>,
    q: &'a Query,
}

impl Upsert<'_> {
    async fn run(self, batch: &RecordBatch) -> Result<Changed> {
        let sets = Sets::read(self.table, self.alias, &self.action.assignments, self.q)?;
        // rows of a key nobody has are inserted, once
        let fresh: Vec<usize> = (0..self.keys.len()).filter(|row| self.found[*row].is_none()).collect();
        self.check_once(&fresh)?;
        let met: Vec<(usize, Found)> =
            self.found.iter().enumerate().filter_map(|(row, f)| f.map(|f| (row, f))).collect();
        if met.is_empty() {
            let operations = vec![RowOp::Insert; batch.num_rows()];
            return Ok(Changed {
                table: self.table.clone(),
                deletes: vec![],
                old_rows: None,
                inserts: Some(batch.clone()),
                operations,
            });
        }
        let (rows, places): (Vec<usize>, Vec<Found>) = met.into_iter().unzip();
        let old = self.existing(&rows, &places).await?;
        let (passed, extra) = self.evaluate(&sets, &old, &chosen(batch, &rows)?).await?;
        let updated: Vec<usize> = passed.iter().map(|i| rows[*i]).collect();
        self.check_once(&updated)?;
        let old = chosen(&old, &passed)?;
        let new = sets.apply(self.table, &old, &extra, self.q).await?;
        let deletes: Vec<Delete> =
            passed.iter().map(|i| Delete { key: self.keys[rows[*i]].clone(), found: places[*i] }).collect();
        self.assemble(batch, &fresh, &updated, deletes, old, new, &sets).await
    }

    /// Refuses a key that stands twice among those rows.
    fn check_once(&self, rows: &[usize]) -> Result<()> {
        let mut seen = HashSet::with_capacity(rows.len());
        if rows.iter().all(|row| seen.insert(&self.keys[*row])) {
            return Ok(());
        }
        Err(Error::statement(
            codes::CARDINALITY_VIOLATION,
            "ON CONFLICT DO UPDATE cannot change a row twice in one statement",
        )
        .with_hint("make sure that no two of the proposed rows have the same key"))
    }

    /// The existing row of each of the proposed `rows`.
    async fn existing(&self, rows: &[usize], places: &[Found]) -> Result<RecordBatch> {
        // two proposed rows may meet the same existing one; it is read once
        let mut first: HashMap<&Key, usize> = HashMap::new();
        let mut unique: Vec<Found> = Vec::new();
        let mut picks = Vec::with_capacity(rows.len());
        for (row, place) in rows.iter().zip(places) {
            let at = *first.entry(&self.keys[*row]).or_insert_with(|| {
                unique.push(*place);
                unique.len() - 1
            });
            picks.push(at);
        }
        let fetched = self.q.snapshot().fetch(self.table, &unique).await?;
        if unique.len() == rows.len() { Ok(fetched) } else { chosen(&fetched, &picks) }
    }

    /// Which of the meeting rows WHERE lets pass, in order, and what the SET expressions give for those.
    async fn evaluate(
        &self,
        sets: &Sets,
        old: &RecordBatch,
        proposed: &RecordBatch,
    ) -> Result<(Vec<usize>, Vec<ArrayRef>)> {
        let exprs = sets.projection();
        if exprs.is_empty() && self.action.selection.is_none() {
            return Ok(((0..old.num_rows()).collect(), vec![]));
        }
        if self.alias == "excluded" {
            return Err(Error::statement("42712", "table name \"excluded\" is taken by the proposed rows")
                .with_hint("use another alias"));
        }
        let mut projection = vec![eval::named(eval::qualified(self.alias, "firn_n"), "firn_n")];
        projection.extend(exprs);
        let alias = eval::quoted(self.alias);
        let from = format!("firn_target AS {alias} JOIN firn_excluded AS excluded ON {alias}.firn_n = excluded.firn_n");
        let query = eval::select(&from, projection, self.action.selection.clone())?;
        let query = eval::ordered(query, eval::qualified(self.alias, "firn_n"));
        let target = numbered(super::located::visible(self.table, old)?)?;
        let excluded = numbered(sql_rows(self.table, proposed, false)?)?;
        let view = self.q.with_batch("firn_target", target).with_batch("firn_excluded", excluded);
        let (schema, batches) = view.collect(query).await?;
        let columns =
            (0..schema.fields().len()).map(|i| eval::column(&batches, i, &schema)).collect::<Result<Vec<_>>>()?;
        let [ordinals, values @ ..] = columns.as_slice() else {
            return Err(Error::internal("ON CONFLICT gave no rows' numbers"));
        };
        let passed =
            ordinals.as_primitive::<Int64Type>().values().iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
        Ok((passed, values.to_vec()))
    }

    /// Inserted and updated rows together, in the order they were proposed.
    #[allow(clippy::too_many_arguments)]
    async fn assemble(
        &self,
        batch: &RecordBatch,
        fresh: &[usize],
        updated: &[usize],
        deletes: Vec<Delete>,
        old: RecordBatch,
        new: RecordBatch,
        sets: &Sets,
    ) -> Result<Changed> {
        let both = [chosen(batch, fresh)?, new];
        let all = concat_batches(&storage_schema(self.table), &both)
            .map_err(|e| Error::internal(format!("rows do not join: {e}")))?;
        let mut order: Vec<(usize, usize)> =
            fresh.iter().chain(updated).copied().enumerate().map(|(at, row)| (row, at)).collect();
        order.sort_unstable();
        let places: Vec<usize> = order.iter().map(|(_, at)| *at).collect();
        let inserts = chosen(&all, &places)?;
        let operations = if sets.touch_key(self.table) {
            let new_keys = keys::keys_of(self.table, inserts.columns())?;
            moved(self.table, &deletes, &new_keys, self.q).await?
        } else {
            places.iter().map(|at| if *at < fresh.len() { RowOp::Insert } else { RowOp::Update }).collect()
        };
        Ok(Changed { table: self.table.clone(), deletes, old_rows: Some(old), inserts: Some(inserts), operations })
    }
}
