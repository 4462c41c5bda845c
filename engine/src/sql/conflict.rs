//! ON CONFLICT: what becomes of proposed rows whose key exists.
//!
//! Promises: DO NOTHING keeps the first of several proposed rows of one key; DO UPDATE refuses to change one row twice
//! (21000). A transaction counts the keys that it met as read. The expressions see the existing row under the table's name and the proposed one as `excluded`.
//! Never: a conflict is decided on anything but the primary key or a unique index.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::Int64Type;
use firn_manifest::schema::{Index, TableSchema};
use firn_segment::key::Key;
use firn_segment::record::RowOp;
use firn_segment::types::storage_schema;
use sqlparser::ast::{ConflictTarget, DoUpdate, OnConflict, OnConflictAction};

use super::constraints::children::{self, same_columns};
use super::constraints::{maintain, names};
use super::query::Query;
use super::relation::Relation;
use super::returning::numbered;
use super::sets::Sets;
use super::update::moved;
use super::write::{Changed, column_index, sql_rows};
use super::{codes, eval, keys};
use crate::commit::Delete;
use crate::error::{Error, Result};
use crate::state::{Found, Loc};

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
    let chosen = arbiters(table, on)?;
    let mut meetings = Vec::with_capacity(chosen.len());
    for arbiter in &chosen {
        meetings.push(Meeting::of(table, *arbiter, &batch, q).await?);
    }
    match &on.action {
        OnConflictAction::DoNothing => do_nothing(table, &meetings, &batch, q).await,
        OnConflictAction::DoUpdate(action) => match meetings.pop() {
            Some(met) => Upsert { table, alias, action, met, q }.run(&batch).await,
            None => do_nothing(table, &[], &batch, q).await,
        },
    }
}

/// What decides: the primary key (`None`) or a unique index.
type Arbiter<'a> = Option<&'a Index>;

/// The arbiters that the target names; all there are when it names none.
fn arbiters<'a>(table: &'a TableSchema, on: &OnConflict) -> Result<Vec<Arbiter<'a>>> {
    let key = table.row_id().is_none();
    match &on.conflict_target {
        None if matches!(on.action, OnConflictAction::DoNothing) => {
            let unique = table.indexes.iter().filter(|i| i.unique).map(Some);
            Ok(key.then_some(None).into_iter().chain(unique).collect())
        }
        None => Err(Error::statement(codes::SYNTAX_ERROR, "ON CONFLICT DO UPDATE needs to name the key's columns")
            .with_hint(format!("write ON CONFLICT ({}) DO UPDATE", key_names(table)))),
        Some(ConflictTarget::Columns(names)) => {
            let mut given = Vec::new();
            for name in names {
                let id = table.columns[column_index(table, name)?].id;
                if !given.contains(&id) {
                    given.push(id);
                }
            }
            if key && same_columns(&given, &table.key) {
                return Ok(vec![None]);
            }
            if let Some(index) = table.indexes.iter().find(|i| i.unique && same_columns(&given, &i.columns)) {
                return Ok(vec![Some(index)]);
            }
            let error = Error::statement(
                codes::INVALID_COLUMN_REFERENCE,
                "the columns of ON CONFLICT are not the table's primary key, nor those of a unique constraint",
            );
            Err(if key {
                error.with_hint(format!("the primary key of table \"{}\" is ({})", table.name, key_names(table)))
            } else {
                error.with_hint(format!("table \"{}\" has no primary key, so no conflict can arise", table.name))
            })
        }
        Some(ConflictTarget::OnConstraint(name)) => {
            let given = Relation::of(name)?.name.value;
            if names::key_name(table).is_some_and(|key| key == given) {
                return Ok(vec![None]);
            }
            if let Some(index) = table.indexes.iter().find(|i| i.unique && i.name == given) {
                return Ok(vec![Some(index)]);
            }
            let message = format!("constraint \"{given}\" of table \"{}\" does not exist", table.name);
            Err(Error::statement(codes::UNDEFINED_OBJECT, message)
                .with_hint("name the key's columns: ON CONFLICT (a, b)"))
        }
    }
}

/// What the proposed rows meet under one arbiter.
struct Meeting {
    /// whether the arbiter is the primary key
    by_key: bool,
    /// what makes two rows conflict; `None` conflicts with nothing
    idents: Vec<Option<Vec<u8>>>,
    /// the existing row that each meets
    found: Vec<Option<(Key, Found)>>,
}

impl Meeting {
    async fn of(table: &TableSchema, arbiter: Arbiter<'_>, batch: &RecordBatch, q: &Query) -> Result<Self> {
        let Some(index) = arbiter else {
            let keys = keys::keys_of(table, batch.columns())?;
            let found = keys::locate(table, &keys, q).await?;
            let met: Vec<usize> = (0..found.len()).filter(|row| found[*row].is_some()).collect();
            keys::record(table, batch, &met, q)?;
            let idents = keys.iter().map(|key| Some(key.to_vec())).collect();
            let found = keys.into_iter().zip(found).map(|(key, found)| found.map(|f| (key, f))).collect();
            return Ok(Self { by_key: true, idents, found });
        };
        let own = children::columns_of(table, batch.columns(), &index.columns)?;
        let whole = |row: usize| own.iter().all(|array| array.is_valid(row));
        let entries = maintain::entries_of(table, index, batch.columns())?;
        let idents: Vec<Option<Vec<u8>>> =
            entries.into_iter().enumerate().map(|(row, entry)| whole(row).then_some(entry)).collect();
        let asked: Vec<Vec<u8>> = idents.iter().flatten().cloned().collect();
        let held = maintain::held(&maintain::entries_table(index, q)?, &asked, q).await?;
        let (entries, rows): (Vec<Vec<u8>>, Vec<Key>) = held.into_iter().unzip();
        let places = keys::locate(table, &rows, q).await?;
        let held: HashMap<Vec<u8>, (Key, Found)> = entries
            .into_iter()
            .zip(rows.into_iter().zip(places))
            .filter_map(|(entry, (key, found))| found.map(|f| (entry, (key, f))))
            .collect();
        let found = idents.iter().map(|ident| ident.as_ref().and_then(|i| held.get(i)).cloned()).collect();
        Ok(Self { by_key: false, idents, found })
    }
}

fn key_names(table: &TableSchema) -> String {
    table.key_columns().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
}

async fn do_nothing(table: &Arc<TableSchema>, meetings: &[Meeting], batch: &RecordBatch, q: &Query) -> Result<Changed> {
    let mut seen: Vec<HashSet<&[u8]>> = vec![HashSet::new(); meetings.len()];
    let mut keep = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let ident = |m: usize| meetings[m].idents[row].as_deref();
        let free = (0..meetings.len())
            .all(|m| meetings[m].found[row].is_none() && ident(m).is_none_or(|ident| !seen[m].contains(ident)));
        if free {
            for (m, seen) in seen.iter_mut().enumerate() {
                seen.extend(ident(m));
            }
        }
        keep.push(free);
    }
    let inserts = kept(batch, keep)?;
    if !meetings.iter().any(|m| m.by_key) {
        check_keys(table, &inserts, q).await?;
    }
    let operations = vec![RowOp::Insert; inserts.num_rows()];
    Ok(Changed { table: table.clone(), deletes: vec![], old_rows: None, inserts: Some(inserts), operations })
}

/// Refuses new rows whose primary keys exist, when another arbiter decided.
async fn check_keys(table: &TableSchema, batch: &RecordBatch, q: &Query) -> Result<()> {
    let keys = keys::keys_of(table, batch.columns())?;
    keys::check_free(table, &keys, &HashSet::new(), q).await
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
    met: Meeting,
    q: &'a Query,
}

impl Upsert<'_> {
    async fn run(self, batch: &RecordBatch) -> Result<Changed> {
        let sets = Sets::read(self.table, self.alias, &self.action.assignments, self.q)?;
        // rows of a key nobody has are inserted, once
        let found = &self.met.found;
        let fresh: Vec<usize> = (0..found.len()).filter(|row| found[*row].is_none()).collect();
        self.check_once(&fresh)?;
        let met = found.iter().enumerate().filter_map(|(row, f)| f.clone().map(|(key, place)| (row, (key, place))));
        let (rows, existing): (Vec<usize>, Vec<(Key, Found)>) = met.unzip();
        if rows.is_empty() {
            if !self.met.by_key {
                check_keys(self.table, batch, self.q).await?;
            }
            let operations = vec![RowOp::Insert; batch.num_rows()];
            return Ok(Changed {
                table: self.table.clone(),
                deletes: vec![],
                old_rows: None,
                inserts: Some(batch.clone()),
                operations,
            });
        }
        let old = self.existing(&existing).await?;
        let (passed, extra) = self.evaluate(&sets, &old, &chosen(batch, &rows)?).await?;
        let updated: Vec<usize> = passed.iter().map(|i| rows[*i]).collect();
        self.check_once(&updated)?;
        let old = chosen(&old, &passed)?;
        let new = sets.apply(self.table, &old, &extra, self.q).await?;
        let deletes: Vec<Delete> =
            passed.iter().map(|i| Delete { key: existing[*i].0.clone(), found: existing[*i].1 }).collect();
        self.assemble(batch, &fresh, &updated, deletes, old, new, &sets).await
    }

    /// Refuses a key that stands twice among those rows.
    fn check_once(&self, rows: &[usize]) -> Result<()> {
        let mut seen = HashSet::with_capacity(rows.len());
        if rows.iter().all(|row| self.met.idents[*row].as_ref().is_none_or(|ident| seen.insert(ident))) {
            return Ok(());
        }
        Err(Error::statement(
            codes::CARDINALITY_VIOLATION,
            "ON CONFLICT DO UPDATE cannot change a row twice in one statement",
        )
        .with_hint("make sure that no two of the proposed rows have the same key"))
    }

    /// The existing rows at those places, in order.
    async fn existing(&self, places: &[(Key, Found)]) -> Result<RecordBatch> {
        // two proposed rows may meet the same existing one; it is read once
        let mut first: HashMap<Loc, usize> = HashMap::new();
        let mut unique: Vec<Found> = Vec::new();
        let mut picks = Vec::with_capacity(places.len());
        for (_, place) in places {
            let at = *first.entry(place.loc).or_insert_with(|| {
                unique.push(*place);
                unique.len() - 1
            });
            picks.push(at);
        }
        let fetched = self.q.snapshot().fetch(self.table, &unique).await?;
        if unique.len() == places.len() { Ok(fetched) } else { chosen(&fetched, &picks) }
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
        let operations = if sets.touch_key(self.table) || !self.met.by_key {
            let new_keys = keys::keys_of(self.table, inserts.columns())?;
            moved(self.table, &deletes, &new_keys, self.q).await?
        } else {
            places.iter().map(|at| if *at < fresh.len() { RowOp::Insert } else { RowOp::Update }).collect()
        };
        Ok(Changed { table: self.table.clone(), deletes, old_rows: Some(old), inserts: Some(inserts), operations })
    }
}
