//! The lane: statements that write pass one after another, each against the newest state, durable or not.
//!
//! Promises: autocommit statements are serializable in the order they pass; their PUT is shared. A request id passes once.
//! Never: the lane is held while a PUT is waited for, but for the flush.

use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use firn_manifest::canary;
use firn_manifest::ids::Position;
use firn_manifest::store::{Cause, Store};
use firn_segment::key::Key;
use firn_segment::record::{CommitRecord, DeletedRow, Locator, TableChange};
use firn_segment::types::column_field_name;
use tokio::sync::oneshot;

use super::apply::{Applied, AppliedTable, State, Target};
use super::core::Core;
use super::log::{self, Pending};
use super::requests::{CommitRow, RequestIndex};
use super::{Committed, TableWrite, WriteRequest, WriteSet};
use crate::error::{Error, Result, sqlstate};
use crate::state::Snapshot;
use crate::state::lookup::chunk_keys;
use crate::state::memtable::MemLoc;
use crate::state::snapshot::Place;

/// A commit record takes at most this many bytes.
pub(crate) const RECORD_BYTES: usize = 192 << 20;

/// What passes through the lane one at a time.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// bytes handed to the log and not known durable, with their last position
    pub(crate) in_flight: Vec<(Position, usize)>,
}

/// A statement that has its place among the commits and is not acknowledged yet.
#[derive(Debug)]
pub struct Passed {
    proof: Proof,
    committed: Committed,
}

/// What makes it known.
#[derive(Debug)]
enum Proof {
    /// its own segment's PUT
    Put(oneshot::Receiver<Result<()>>),
    /// an earlier commit of the same request id being durable
    Durable,
    /// it changes nothing: what it read being durable, and this writer not replaced
    Read(Store),
}

impl Passed {
    /// The commit it will be.
    #[must_use]
    pub fn committed(&self) -> &Committed {
        &self.committed
    }
}

/// The lane waits for the log when more than this is in flight.
const IN_FLIGHT_BYTES: usize = 64 << 20;

impl Core {
    /// Runs `prepare` against the newest state and commits what it returns; comes back when that is durable.
    ///
    /// # Errors
    /// What `prepare` returns (nothing was changed then); `Fenced`; a store error when the outcome is unknown.
    pub async fn write<F, Fut>(self: &Arc<Self>, request: WriteRequest, prepare: F) -> Result<Committed>
    where
        F: FnOnce(Snapshot) -> Fut + Send,
        Fut: Future<Output = Result<WriteSet>> + Send,
    {
        let passed = self.pass_lane(request, prepare).await?;
        self.acknowledged(passed).await
    }

    /// The first half of [`Core::write`]: comes back when the commit has its place, before it is durable. Statements that
    /// pass later stand on it; nobody is told of it before [`Core::acknowledged`].
    ///
    /// # Errors
    /// What `prepare` returns (nothing was changed then); `Fenced`.
    pub async fn pass_lane<F, Fut>(self: &Arc<Self>, request: WriteRequest, prepare: F) -> Result<Passed>
    where
        F: FnOnce(Snapshot) -> Fut + Send,
        Fut: Future<Output = Result<WriteSet>> + Send,
    {
        self.alive()?;
        let writer = self.as_writer()?;
        self.make_memory_room().await?;
        let mut lane = writer.lane.lock().await;
        self.alive()?;
        self.make_room(&mut lane).await?;
        if let Some(id) = &request.request_id
            && let Some(first) = self.seen(&request.store, id).await?
        {
            return Ok(Passed { proof: Proof::Durable, committed: first });
        }
        let snapshot = self.newest_snapshot(&request.store);
        let set = prepare(snapshot.clone()).await?;
        self.alive()?;
        if set.is_empty() && request.request_id.is_none() {
            let committed = Committed {
                position: snapshot.position(),
                commit_time: snapshot.commit_time(),
                answers: set.answers,
                replayed: false,
            };
            return Ok(Passed { proof: Proof::Read(request.store), committed });
        }
        let (ack, done) = oneshot::channel();
        let committed = self.pass(writer, &mut lane, &snapshot, request, set, ack)?;
        Ok(Passed { proof: Proof::Put(done), committed })
    }

    /// Comes back when what passed is durable.
    ///
    /// # Errors
    /// `Fenced`; a store error when the outcome is unknown.
    pub async fn acknowledged(&self, passed: Passed) -> Result<Committed> {
        let Passed { proof, committed } = passed;
        match proof {
            Proof::Durable => self.wait_durable(committed.position).await?,
            Proof::Put(done) => match done.await {
                Ok(outcome) => outcome?,
                Err(_) => return Err(self.poisoned().unwrap_or_else(log::ended)),
            },
            // it read the newest state, so its answer waits for that to be durable
            Proof::Read(_) if self.durable().position < committed.position => {
                self.wait_durable(committed.position).await?;
            }
            // no PUT of ours proves that nobody replaced us: the log is asked
            Proof::Read(store) => self.probe_as_writer(&store).await?,
        }
        Ok(committed)
    }

    /// Numbers the write set, applies it and hands it to the log. Nothing in here waits, so it happens as a whole. Who holds
    /// the lane alone numbers commits, so the record is made beside readers, who are kept out only while it is applied.
    fn pass(
        &self,
        writer: &super::core::Writer,
        lane: &mut Lane,
        snapshot: &Snapshot,
        request: WriteRequest,
        set: WriteSet,
        ack: oneshot::Sender<Result<()>>,
    ) -> Result<Committed> {
        let state = self.state.read();
        let position = state.newest.next();
        let now = self.store.world().now_micros();
        let commit_time = if canary!(TimeNotMonotone) { now } else { now.max(state.newest_time + 1) };
        let mut changes = Vec::with_capacity(set.tables.len());
        let mut tables = Vec::with_capacity(set.tables.len());
        for write in merge(set.tables)? {
            let (change, applied) = resolve(&state, snapshot, write)?;
            changes.push(change);
            tables.push(applied);
        }
        let record = CommitRecord {
            position,
            commit_time,
            actor: request.actor,
            request_id: request.request_id,
            reason: request.reason,
            kind: set.kind,
            answers: set.answers,
            catalog: set.catalog,
            changes,
        };
        let frame = record.encode()?;
        if frame.len() > RECORD_BYTES {
            return Err(Error::statement(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "the statement writes {} MiB in one commit; at most {} MiB fit",
                    frame.len() >> 20,
                    RECORD_BYTES >> 20
                ),
            )
            .with_hint("write fewer rows in one statement or transaction"));
        }
        let row = CommitRow::of(&record, &state);
        drop(state);
        let committed = Committed { position, commit_time, answers: record.answers.clone(), replayed: false };
        let mut state = self.state.write();
        state.apply(Applied { position, commit_time, catalog: record.catalog, tables }, true)?;
        if let Some(id) = record.request_id {
            state.requests.insert(id, Committed { replayed: true, ..committed.clone() });
        }
        drop(state);
        lane.in_flight.push((position, frame.len()));
        let pending = Pending { frame, position, commit_time, row, store: request.store.for_cause(Cause::Commit), ack };
        writer.queue.send(pending).map_err(|_| {
            let error = log::ended();
            self.poison(error.clone());
            error
        })?;
        Ok(committed)
    }

    /// Bounds what is in flight.
    async fn make_room(&self, lane: &mut Lane) -> Result<()> {
        let durable = self.durable().position;
        lane.in_flight.retain(|(position, _)| *position > durable);
        let in_flight: usize = lane.in_flight.iter().map(|(_, bytes)| bytes).sum();
        if in_flight > IN_FLIGHT_BYTES
            && let Some((last, _)) = lane.in_flight.last()
        {
            self.wait_durable(*last).await?;
            lane.in_flight.clear();
        }
        Ok(())
    }

    /// A snapshot of the newest state, durable or not: only for what is going to wait for it.
    pub(super) fn newest_snapshot(&self, store: &Store) -> Snapshot {
        let state = self.state.read();
        let view = state.view(state.newest, state.newest_time);
        Snapshot::new(Arc::new(view), store.for_cause(Cause::Read))
    }

    /// The first answer of a request id.
    ///
    /// # Errors
    /// Store and integrity errors of the lookup.
    pub async fn answered(&self, store: &Store, request_id: &str) -> Result<Option<Committed>> {
        let lane = self.as_writer()?.lane.lock().await;
        let found = self.seen(store, request_id).await?;
        drop(lane);
        if let Some(first) = &found {
            self.wait_durable(first.position).await?;
        }
        Ok(found)
    }

    async fn seen(&self, store: &Store, request_id: &str) -> Result<Option<Committed>> {
        if let Some(first) = self.state.read().requests.get(request_id) {
            return Ok(Some(first.clone()));
        }
        if canary!(RequestsForgotten) {
            return Ok(None);
        }
        let snapshot = self.durable_snapshot(store);
        let index = self.requests.get_or_try_init(|| RequestIndex::load(&snapshot)).await?;
        index.answer(&snapshot, request_id).await
    }
}

/// Joins the writes of one table: a record has at most one change for each.
fn merge(tables: Vec<TableWrite>) -> Result<Vec<TableWrite>> {
    let mut out: Vec<TableWrite> = Vec::with_capacity(tables.len());
    for write in tables {
        if out.iter().any(|w| w.schema.id == write.schema.id) {
            return Err(Error::internal("a write set names one table twice"));
        }
        let empty = write.deletes.is_empty() && write.inserts.as_ref().is_none_or(|b| b.num_rows() == 0);
        if !empty {
            out.push(write);
        }
    }
    Ok(out)
}

fn resolve(state: &State, snapshot: &Snapshot, write: TableWrite) -> Result<(TableChange, AppliedTable)> {
    let table = write.schema.id;
    let data = snapshot.table_data(table);
    let mut deletes = Vec::with_capacity(write.deletes.len());
    let mut ends = Vec::with_capacity(write.deletes.len());
    for delete in write.deletes {
        let (target, locator) = match delete.found.loc.place() {
            Place::Mem(chunk, row) => (Target::Mem(MemLoc { chunk, row }), None),
            Place::File(ordinal, row) => {
                let file = data
                    .files
                    .get(ordinal as usize)
                    .ok_or_else(|| Error::internal("a row was addressed under another snapshot"))?;
                (Target::File(ordinal as usize, row), Some(Locator { file: file.ulid, row }))
            }
            Place::Own(..) => return Err(Error::internal("a transaction's own row was addressed outside it")),
        };
        ends.push(target);
        deletes.push(DeletedRow { key: delete.key, locator });
    }
    let inserts = write.inserts.filter(|b| b.num_rows() > 0);
    let inserts = match (inserts, write.schema.row_id()) {
        (Some(batch), Some(column)) => {
            let next = state.next_row_id.get(&table).copied().unwrap_or(1);
            Some(draw_row_ids(&batch, &column_field_name(column.id), next)?)
        }
        (batch, _) => batch,
    };
    let applied_inserts = match &inserts {
        Some(batch) => {
            if write.operations.len() != batch.num_rows() {
                return Err(Error::internal("a write set has not one operation for each row"));
            }
            let keys: Vec<Key> = chunk_keys(&write.schema, batch)?;
            Some((batch.clone(), write.operations.clone(), keys))
        }
        None => None,
    };
    Ok((
        TableChange { table, deletes, inserts, operations: write.operations },
        AppliedTable { table, ends, inserts: applied_inserts, old_rows: write.old_rows },
    ))
}

/// Gives each row that has no row id yet (zero or provisional) the next one.
fn draw_row_ids(batch: &RecordBatch, column: &str, mut next: u64) -> Result<RecordBatch> {
    let (index, _) = batch
        .schema_ref()
        .column_with_name(column)
        .ok_or_else(|| Error::internal("a row without its row id column"))?;
    let ids = batch
        .column(index)
        .as_any()
        .downcast_ref::<Int64Array>()
        .ok_or_else(|| Error::internal("a row id column that is no BIGINT"))?;
    let drawn: Int64Array = (0..ids.len())
        .map(|row| {
            if ids.is_valid(row) && ids.value(row) > 0 {
                return Some(ids.value(row));
            }
            let id = i64::try_from(next).unwrap_or(i64::MAX);
            next += 1;
            Some(id)
        })
        .collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    if let Some(slot) = columns.get_mut(index) {
        *slot = Arc::new(drawn);
    }
    RecordBatch::try_new(batch.schema(), columns).map_err(|e| Error::internal(format!("row ids: {e}")))
}
