//! The flush: memtables become files, ends become vectors, and one manifest says so, while commits go on.
//!
//! The lane is held twice, briefly: to freeze the memtables at a durable position, and to put the files in their place.
//! In between commits append to fresh memtables. What ends meanwhile ends after the frozen position: an end of a frozen
//! row is set in the memtable and moved to the new file's ends when that takes its place; an end of an older file's row
//! stays in memory, for the next flush's vector. A crash at any point leaves either the old manifest and the whole log,
//! or the new one and the log from the frozen position on, whose records find the rows they end by key.
//!
//! Promises: before the manifest is committed every object it names is stored; until then the log still covers all of it,
//! so a crash anywhere in between loses nothing and leaves at most objects that no manifest names. A manifest holds the
//! state at its position exactly: no row and no end that came later (FLU-1). A flush that fails leaves the memtables as
//! they were.
//! Never: a row version is dropped; what ended in the memtable goes into a history file. Two flushes run at once.

mod files;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use firn_manifest::canary;
use firn_manifest::chain::{self, Draft, Head};
use firn_manifest::crypto::KeyRing;
use firn_manifest::error::Error as ManifestError;
use firn_manifest::ids::{Digest, Position, TableId};
use firn_manifest::model::{
    FileEntry, IdentityCounter, ManifestKind, ObjectRef, RetiredObject, Sealed, TableCounters, VectorRef, WalFloor,
};
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::{Cause, Store};
use firn_manifest::world::{new_ulid, offload};
use firn_segment::vector::{DeletionVector, build_vectors, vector_name};
use futures::{TryStreamExt, stream};

use self::files::Pressed;
use crate::commit::{Core, Mark, State, Writer};
use crate::error::{Error, Result};
use crate::state::Catalog;
use crate::state::files::SstFile;
use crate::state::snapshot::TableData;

/// Objects stored at once.
const PUTS: usize = 4;

/// The state at the position a flush is about.
struct Frozen {
    mark: Mark,
    head: Head,
    keys: Arc<KeyRing>,
    /// as they were when they were frozen
    tables: Arc<BTreeMap<TableId, TableData>>,
    catalog: Arc<Catalog>,
    counters: Vec<TableCounters>,
}

/// What a flush makes of the state before it is committed.
#[derive(Default)]
struct Flushed {
    files: Vec<Pressed>,
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
            while core.flush_due() {
                if let Err(error) = core.flush().await {
                    tracing::warn!(%error, "flush failed; the log still holds everything, it will be tried again");
                    break;
                }
            }
            core.flushing.store(false, Ordering::Release);
        });
    }

    /// Waits until memtables take less than twice what makes a flush due: one full, one being written.
    ///
    /// # Errors
    /// As [`Core::flush`].
    pub(crate) async fn make_memory_room(self: &Arc<Self>) -> Result<()> {
        let most = self.policy.bytes.saturating_mul(2);
        if self.memory() > most {
            self.flush_at_rest().await;
        }
        if self.memory() > most { self.flush().await } else { Ok(()) }
    }

    /// Waits for the flush at work, if there is one.
    pub(crate) async fn flush_at_rest(&self) {
        drop(self.flush_lock.lock().await);
    }

    /// Flushes now, whatever the policy says: everything acknowledged before the call is in files afterwards. A caller
    /// that goes away does not stop it half way.
    ///
    /// # Errors
    /// `Fenced`; store errors (the log still holds everything then).
    pub async fn flush(self: &Arc<Self>) -> Result<()> {
        let core = self.clone();
        tokio::spawn(async move { core.flush_beside_lane().await })
            .await
            .map_err(|e| Error::internal(format!("flush: {e}")))?
    }

    async fn flush_beside_lane(&self) -> Result<()> {
        let writer = self.as_writer()?;
        let _one = self.flush_lock.lock().await;
        let Some(frozen) = self.freeze(writer).await? else { return Ok(()) };
        match self.press(&frozen, &writer.build).await {
            Ok((head, flushed)) => {
                // no statement stands between what it read and its commit while rows change their places
                let _lane = writer.lane.lock().await;
                self.swap(head, &frozen, flushed)
            }
            Err(error) => {
                self.thaw();
                Err(error)
            }
        }
    }

    /// Freezes the memtables at a position that is durable and the last of its segment; `None` when nothing came since the
    /// last flush. Holds the lane until what is on its way is durable.
    async fn freeze(&self, writer: &Writer) -> Result<Option<Frozen>> {
        let _lane = writer.lane.lock().await;
        self.alive()?;
        let newest = self.state.read().newest;
        if !canary!(FlushBeforeDurable) {
            self.wait_durable(newest).await?;
        }
        let mark = self.durable();
        let mut state = self.state.write();
        if mark.seq == state.head.envelope.wal.seq {
            return Ok(None);
        }
        let counters = counters(&state);
        let frozen = Frozen {
            mark,
            head: state.head.clone(),
            keys: state.keys.clone(),
            tables: state.tables.clone(),
            catalog: state.catalog.clone(),
            counters,
        };
        let fresh = |data: &TableData| TableData { mem: Arc::new(data.mem.freeze()), files: data.files.clone() };
        state.tables = Arc::new(state.tables.iter().map(|(id, data)| (*id, fresh(data))).collect());
        Ok(Some(frozen))
    }

    /// Undoes [`Self::freeze`]; every row stays at its place.
    fn thaw(&self) {
        let mut state = self.state.write();
        let whole = |data: &TableData| TableData { mem: Arc::new(data.mem.thaw()), files: data.files.clone() };
        state.tables = Arc::new(state.tables.iter().map(|(id, data)| (*id, whole(data))).collect());
    }

    /// Stores what was frozen and commits the manifest that names it.
    async fn press(&self, frozen: &Frozen, build: &str) -> Result<(Head, Flushed)> {
        let store = self.store.for_cause(Cause::Flush);
        let mut flushed = Flushed::default();
        for (id, data) in frozen.tables.iter() {
            let Some(schema) = frozen.catalog.any_version(*id) else { continue };
            let columns = frozen.catalog.all_columns(*id);
            let (schema, data, keys) = (schema.clone(), data.clone(), frozen.keys.clone());
            let (at, world) = (frozen.mark.position, self.store.world().clone());
            // sorting and encoding are work for a thread that may block
            let outputs = offload(self.store.world().as_ref(), move || {
                files::table_files(&schema, &columns, &data, at, &keys, world.as_ref())
            })
            .await
            .ok_or_else(|| Error::internal("flush: its work ended early"))??;
            flushed.files.extend(outputs);
        }
        self.collect_vectors(&store, frozen, &mut flushed).await?;
        store_all(&store, &mut flushed).await?;

        let draft = draft(frozen, &flushed, store.world().now_micros());
        match chain::commit(&store, &frozen.keys, &frozen.head, draft, build).await {
            Ok(head) => Ok((head, flushed)),
            Err(error) => {
                // whatever stands in the slot, or may come to stand there, this writer's next manifest cannot follow it
                let refused = matches!(error, ManifestError::Invalid { .. });
                let error = Error::from(error);
                if !refused {
                    self.poison(error.clone());
                }
                Err(error)
            }
        }
    }

    async fn collect_vectors(&self, store: &Store, frozen: &Frozen, flushed: &mut Flushed) -> Result<()> {
        let (keys, upto) = (&frozen.keys, frozen.mark.position);
        let mut vectors = Vec::new();
        for file in frozen.tables.values().flat_map(|t| t.files.iter()).filter(|f| f.has_live_ends(upto)) {
            let ends = file.ends(upto, store, keys).await?;
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

    /// Puts the files in the place of the frozen rows they hold.
    fn swap(&self, head: Head, frozen: &Frozen, flushed: Flushed) -> Result<()> {
        let upto = frozen.mark.position;
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
                *file = Arc::new(file.with_vector(entry, vector.clone(), upto));
            }
            *data = TableData { mem: Arc::new(data.mem.without_frozen()), files: Arc::new(files) };
        }
        for pressed in &flushed.files {
            let entry = pressed.output.entry.clone();
            let table = entry.table;
            let file = SstFile::new(entry)?;
            let old = frozen.tables.get(&table).map(|data| pressed.late_ends(data, upto)).unwrap_or_default();
            for (row, end) in old {
                file.end_row(row, end);
            }
            Arc::make_mut(&mut tables.entry(table).or_default().files).push(Arc::new(file));
        }
        state.tables = Arc::new(tables);
        state.head = head;
        let answered: Vec<(String, Position)> = state
            .requests
            .extract_if(|_, committed| committed.position <= upto)
            .map(|(id, committed)| (id, committed.position))
            .collect();
        drop(state);
        if let Some(index) = self.requests.get() {
            index.extend(answered);
        }
        Ok(())
    }
}

/// Stores every object; their bytes are not kept.
async fn store_all(store: &Store, flushed: &mut Flushed) -> Result<()> {
    let files = flushed.files.iter_mut().map(|f| (f.output.object.name.clone(), std::mem::take(&mut f.output.bytes)));
    let vectors = flushed.vector_object.iter().map(|(object, bytes)| (object.name.clone(), bytes.clone()));
    let objects: Vec<(String, Bytes)> = files.chain(vectors).collect();
    stream::iter(objects.into_iter().map(Ok::<_, Error>))
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
fn draft(frozen: &Frozen, flushed: &Flushed, now: i64) -> Draft {
    let Frozen { mark, head, catalog, .. } = frozen;
    let vectors: BTreeMap<&str, &VectorRef> =
        flushed.vectors.iter().map(|(file, _, place)| (file.as_str(), place)).collect();
    let mut files = head.sealed.files.clone();
    for file in &mut files {
        if let Some(place) = vectors.get(file.name.as_str())
            && !canary!(VectorDropped)
        {
            file.vector = Some((*place).clone());
        }
    }
    files.extend(flushed.files.iter().map(|f| f.output.entry.clone()));

    let mut objects = head.envelope.objects.clone();
    objects.extend(flushed.files.iter().map(|f| f.output.object.clone()));
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
        sealed: Sealed {
            catalog: catalog.to_manifest(),
            schemas: catalog.schema_versions().to_vec(),
            next_table: catalog.next_table(),
            files,
            counters: frozen.counters.clone(),
        },
    }
}

/// What must survive a restart of the counters.
fn counters(state: &State) -> Vec<TableCounters> {
    let mut tables = state.counters.tables();
    tables.extend(state.next_row_id.keys());
    tables.sort_unstable();
    tables.dedup();
    let of = |table: TableId| {
        let schema = state.catalog.any_version(table);
        let row_id = schema.and_then(|t| t.row_id()).map(|c| c.id);
        let all = schema.map(|t| state.counters.of_table(t)).unwrap_or_default();
        let others = all.into_iter().filter(|(column, _)| Some(*column) != row_id);
        let identity = others.map(|(column, next)| IdentityCounter { column, next }).collect();
        TableCounters { table, next_row_id: state.next_row_id.get(&table).copied().unwrap_or(1), identity }
    };
    tables.into_iter().map(of).collect()
}
