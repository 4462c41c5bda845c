//! The flush: memtables become files, ends become vectors, and one manifest says so.
//!
//! Promises: before the manifest is committed every object it names is stored; until then the log still covers all of it,
//! so a crash anywhere in between loses nothing and leaves at most objects that no manifest names.
//! Never: a row version is dropped; what ended in the memtable goes into a history file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, RecordBatch, UInt8Array, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use firn_manifest::chain::{self, Draft};
use firn_manifest::crypto::KeyRing;
use firn_manifest::error::Error as ManifestError;
use firn_manifest::ids::{Digest, Position, TableId};
use firn_manifest::model::{
    FileEntry, FileKind, ManifestKind, ObjectRef, RetiredObject, Sealed, TableCounters, VectorRef, WalFloor,
};
use firn_manifest::schema::{Column, TableSchema};
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::{Cause, Store};
use firn_manifest::world::{World, new_ulid};
use firn_segment::key::Key;
use firn_segment::sst::{SstOutput, SstSpec, SstWriter};
use firn_segment::types::{BEGIN, END, OP, column_field_name, storage_type};
use firn_segment::vector::{DeletionVector, build_vectors, vector_name};
use futures::{TryStreamExt, stream};

use crate::commit::Core;
use crate::error::{Error, Result};
use crate::state::files::SstFile;
use crate::state::lookup::chunk_keys;
use crate::state::memtable::Chunk;
use crate::state::rows::stored_column;
use crate::state::snapshot::TableData;

/// Rows pushed into a file at once.
const PUSH_ROWS: usize = 65_536;
/// Objects stored at once.
const PUTS: usize = 4;

/// What a flush makes of the state before it is committed.
struct Flushed {
    files: Vec<SstOutput>,
    /// (file name, its whole vector, its place)
    vectors: Vec<(String, Arc<DeletionVector>, VectorRef)>,
    vector_object: Option<(ObjectRef, Bytes)>,
}

impl Core {
    /// Starts a flush in the background when one is due.
    pub(crate) fn flush_if_due(self: &Arc<Self>) {
        if !self.flush_due() || self.flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let core = self.clone();
        tokio::spawn(async move {
            if core.flush_due()
                && let Err(error) = core.flush().await
            {
                tracing::warn!(%error, "flush failed; the log still holds everything, it will be tried again");
            }
            core.flushing.store(false, Ordering::Release);
        });
    }

    /// Flushes now, whatever the policy says. A caller that goes away does not stop it half way.
    ///
    /// # Errors
    /// `Fenced`; store errors (the log still holds everything then).
    pub async fn flush(self: &Arc<Self>) -> Result<()> {
        let core = self.clone();
        tokio::spawn(async move { core.flush_in_lane().await })
            .await
            .map_err(|e| Error::internal(format!("flush: {e}")))?
    }

    /// The flush itself. It holds the lane, so nothing commits meanwhile.
    async fn flush_in_lane(&self) -> Result<()> {
        let writer = self.as_writer()?;
        let _lane = writer.lane.lock().await;
        self.alive()?;
        let newest = self.state.read().newest;
        self.wait_durable(newest).await?;
        let mark = self.durable();
        let store = self.store.for_cause(Cause::Flush);
        let (head, keys, tables, catalog, counters) = {
            let state = self.state.read();
            let counters: Vec<TableCounters> = state
                .next_row_id
                .iter()
                .map(|(table, next)| TableCounters { table: *table, next_row_id: *next })
                .collect();
            (state.head.clone(), state.keys.clone(), state.tables.clone(), state.catalog.clone(), counters)
        };
        if mark.seq == head.envelope.wal.seq {
            return Ok(());
        }
        let mut flushed = Flushed { files: Vec::new(), vectors: Vec::new(), vector_object: None };
        let mut ids: Vec<TableId> = tables.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let (Some(data), Some(schema)) = (tables.get(&id), catalog.any_version(id)) else { continue };
            let columns = catalog.all_columns(id);
            let (schema, data, keys, world) = (schema.clone(), data.clone(), keys.clone(), self.store.world().clone());
            // sorting and encoding are work for a thread that may block
            let outputs =
                tokio::task::spawn_blocking(move || table_files(&schema, &columns, &data, &keys, world.as_ref()))
                    .await
                    .map_err(|e| Error::internal(format!("flush: {e}")))??;
            flushed.files.extend(outputs);
        }
        self.collect_vectors(&store, &keys, tables.values(), &mut flushed).await?;
        store_all(&store, &flushed).await?;

        let draft = draft(&head, &flushed, &catalog, counters, &mark, store.world().now_micros());
        let head = match chain::commit(&store, &keys, &head, draft, &writer.build).await {
            Ok(head) => head,
            Err(error) => {
                let lost = matches!(
                    error,
                    ManifestError::Fenced { .. } | ManifestError::Unresolved { .. } | ManifestError::Superseded { .. }
                );
                let error = Error::from(error);
                if lost {
                    self.poison(error.clone());
                }
                return Err(error);
            }
        };
        self.swap(head, flushed)
    }

    async fn collect_vectors(
        &self,
        store: &Store,
        keys: &KeyRing,
        tables: impl Iterator<Item = &TableData>,
        flushed: &mut Flushed,
    ) -> Result<()> {
        let mut vectors = Vec::new();
        for file in tables.flat_map(|t| t.files.iter()).filter(|f| f.has_live_ends()) {
            let ends = file.ends(store, keys).await?;
            vectors.push((file.entry.name.clone(), DeletionVector::from_pairs(ends)));
        }
        if vectors.is_empty() {
            return Ok(());
        }
        vectors.sort_by(|a, b| a.0.cmp(&b.0));
        let world = self.store.world();
        let name = vector_name(new_ulid(world.as_ref()));
        let (bytes, places) = build_vectors(&name, &vectors, keys.active(), world.as_ref())?;
        let object =
            ObjectRef { name, size: bytes.len() as u64, digest: Digest::of(&bytes), key_id: keys.active().id() };
        flushed.vector_object = Some((object, bytes));
        flushed.vectors =
            vectors.into_iter().zip(places).map(|((file, vector), place)| (file, Arc::new(vector), place)).collect();
        Ok(())
    }

    /// Replaces memtables by the files that now hold their rows.
    fn swap(&self, head: chain::Head, flushed: Flushed) -> Result<()> {
        let mut state = self.state.write();
        let mut tables = (*state.tables).clone();
        for data in tables.values_mut() {
            let mut files: Vec<Arc<SstFile>> = data.files.to_vec();
            for file in &mut files {
                let Some((_, vector, place)) = flushed.vectors.iter().find(|(name, ..)| *name == file.entry.name)
                else {
                    continue;
                };
                let entry = FileEntry { vector: Some(place.clone()), ..file.entry.clone() };
                *file = Arc::new(file.with_vector(entry, vector.clone()));
            }
            *data = TableData { mem: Arc::default(), files: Arc::new(files) };
        }
        for output in &flushed.files {
            let data = tables.entry(output.entry.table).or_default();
            Arc::make_mut(&mut data.files).push(Arc::new(SstFile::new(output.entry.clone())?));
        }
        state.tables = Arc::new(tables);
        state.head = head;
        let answered = std::mem::take(&mut state.requests);
        drop(state);
        if let Some(index) = self.requests.get() {
            index.extend(answered.into_iter().map(|(id, committed)| (id, committed.position)));
        }
        Ok(())
    }
}

/// The files that hold what a table's memtable held: open versions, and versions that ended in it.
fn table_files(
    schema: &TableSchema,
    columns: &[Column],
    data: &TableData,
    keys: &KeyRing,
    world: &dyn World,
) -> Result<Vec<SstOutput>> {
    let chunks = data.mem.chunks(Position(u64::MAX));
    if chunks.is_empty() {
        return Ok(Vec::new());
    }
    let present: Vec<&Column> = columns
        .iter()
        .filter(|c| {
            let name = column_field_name(c.id);
            schema.key.contains(&c.id) || chunks.iter().any(|chunk| chunk.batch.column_by_name(&name).is_some())
        })
        .collect();
    let all = gather(schema, &present, &chunks)?;
    let mut outputs = Vec::new();
    for kind in [FileKind::Current, FileKind::History] {
        let mut rows: Vec<u32> = (0u32..)
            .zip(&all.ends)
            .filter(|(_, end)| end.is_some() == (kind == FileKind::History))
            .map(|(row, _)| row)
            .collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by(|a, b| {
            let (a, b) = (*a as usize, *b as usize);
            (&all.keys[a], all.begins[a]).cmp(&(&all.keys[b], all.begins[b]))
        });
        let spec = SstSpec {
            table: schema.id,
            kind,
            columns: present.iter().map(|c| (c.id, c.ty)).collect(),
            key: schema.key.clone(),
            required: Vec::new(),
        };
        let mut writer = SstWriter::new(spec, keys.active(), world)?;
        for part in rows.chunks(PUSH_ROWS) {
            let batch = all.part(part, kind)?;
            let part_keys: Vec<Key> = part.iter().map(|row| all.keys[*row as usize].clone()).collect();
            writer.push_keyed(&batch, &part_keys)?;
        }
        outputs.push(writer.finish()?);
    }
    Ok(outputs)
}

/// A memtable's rows side by side.
struct Gathered {
    batch: RecordBatch,
    keys: Vec<Key>,
    begins: Vec<u64>,
    ends: Vec<Option<u64>>,
    operations: Vec<u8>,
}

fn gather(schema: &TableSchema, columns: &[&Column], chunks: &[Arc<Chunk>]) -> Result<Gathered> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|c| Field::new(column_field_name(c.id), storage_type(c.ty), !schema.key.contains(&c.id)))
        .collect();
    let whole = Arc::new(Schema::new(fields));
    let mut out = Gathered {
        batch: RecordBatch::new_empty(whole.clone()),
        keys: Vec::new(),
        begins: Vec::new(),
        ends: Vec::new(),
        operations: Vec::new(),
    };
    let mut batches = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let arrays = columns.iter().map(|c| stored_column(&chunk.batch, c)).collect::<Result<Vec<ArrayRef>>>()?;
        batches.push(RecordBatch::try_new(whole.clone(), arrays).map_err(|e| Error::internal(format!("flush: {e}")))?);
        out.keys.extend(chunk_keys(schema, &chunk.batch)?);
        for row in 0..chunk.batch.num_rows() {
            out.begins.push(chunk.begin.0);
            out.ends.push(chunk.end(row).map(|p| p.0));
            out.operations.push(chunk.operations.get(row).map_or(0, |op| *op as u8));
        }
    }
    out.batch = concat_batches(&whole, &batches).map_err(|e| Error::internal(format!("flush: {e}")))?;
    Ok(out)
}

impl Gathered {
    /// The given rows with their system columns, as a file takes them.
    fn part(&self, rows: &[u32], kind: FileKind) -> Result<RecordBatch> {
        let taken = take_record_batch(&self.batch, &UInt32Array::from(rows.to_vec()))
            .map_err(|e| Error::internal(format!("flush: {e}")))?;
        let mut fields: Vec<Field> = taken.schema_ref().fields().iter().map(|f| f.as_ref().clone()).collect();
        let mut columns: Vec<ArrayRef> = taken.columns().to_vec();
        fields.push(Field::new(BEGIN, DataType::UInt64, false));
        columns.push(Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| self.begins[*r as usize]))));
        if kind == FileKind::History {
            fields.push(Field::new(END, DataType::UInt64, false));
            columns.push(Arc::new(UInt64Array::from_iter_values(
                rows.iter().map(|r| self.ends[*r as usize].unwrap_or(u64::MAX)),
            )));
        }
        fields.push(Field::new(OP, DataType::UInt8, false));
        columns.push(Arc::new(UInt8Array::from_iter_values(rows.iter().map(|r| self.operations[*r as usize]))));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::internal(format!("flush: {e}")))
    }
}

async fn store_all(store: &Store, flushed: &Flushed) -> Result<()> {
    let objects = flushed
        .files
        .iter()
        .map(|f| (f.object.name.clone(), f.bytes.clone()))
        .chain(flushed.vector_object.iter().map(|(object, bytes)| (object.name.clone(), bytes.clone())));
    stream::iter(objects.map(Ok::<_, Error>))
        .try_for_each_concurrent(PUTS, |(name, bytes)| async move {
            match slot::put(store, &name, bytes, slot::DEADLINE).await {
                SlotOutcome::Committed => Ok(()),
                SlotOutcome::Lost(_) => Err(Error::integrity(&name, "a fresh name was taken (I1)")),
                SlotOutcome::Unknown(error) => Err(error.into()),
            }
        })
        .await
}

/// The manifest after the flush.
fn draft(
    head: &chain::Head,
    flushed: &Flushed,
    catalog: &crate::state::Catalog,
    counters: Vec<TableCounters>,
    mark: &crate::commit::Mark,
    now: i64,
) -> Draft {
    let vectors: BTreeMap<&str, &VectorRef> =
        flushed.vectors.iter().map(|(file, _, place)| (file.as_str(), place)).collect();
    let mut files = head.sealed.files.clone();
    for file in &mut files {
        if let Some(place) = vectors.get(file.name.as_str()) {
            file.vector = Some((*place).clone());
        }
    }
    files.extend(flushed.files.iter().map(|f| f.entry.clone()));

    let mut objects = head.envelope.objects.clone();
    objects.extend(flushed.files.iter().map(|f| f.object.clone()));
    objects.extend(flushed.vector_object.iter().map(|(object, _)| object.clone()));
    // a vector object that no file names any more is retired
    let named =
        |name: &str| files.iter().any(|f| f.name == name || f.vector.as_ref().is_some_and(|v| v.object == name));
    let (objects, gone): (Vec<ObjectRef>, Vec<ObjectRef>) = objects.into_iter().partition(|o| named(&o.name));
    let mut retired = head.envelope.retired.clone();
    retired.extend(gone.into_iter().map(|object| RetiredObject { object, retired_at: now }));

    Draft {
        kind: ManifestKind::Flush,
        wal: WalFloor { seq: mark.seq, hash: mark.hash, position: mark.position, commit_time: mark.commit_time },
        horizon: head.envelope.horizon,
        objects,
        retired,
        sealed: Sealed { catalog: catalog.to_manifest(), next_table: catalog.next_table(), files, counters },
    }
}
