//! Reading a file: opened once by its tail, then by ranges.
//!
//! Promises: opening is one read; a row group's pages are asked for all at once; what comes out was authenticated, and
//! has the schema that [`read_schema`] gives, whatever columns this file has.
//! Never: state that a read changes; a reader is shared and its object is immutable.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use firn_manifest::KeyRing;
use firn_manifest::ids::ColumnId;
use firn_manifest::model::FileEntry;
use firn_manifest::schema::ColumnType;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowSelection};
use parquet::arrow::push_decoder::ParquetPushDecoderBuilder;
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::index::KeyIndex;
use super::pages::PageMap;
use super::source::{read, read_all};
use super::{read_schema, tail};
use crate::error::SegmentError;
use crate::types::{read_as, storage_type, view_of};

pub use super::source::{RangeSource, StoreSource};
pub use super::{ReadColumn, ReadPlan, RowGroupInfo};

/// Row groups a scan reads ahead, the one being decoded included.
const READ_AHEAD: usize = 2;
/// Row groups a point read asks at once.
pub(super) const POINT_READS: usize = 16;

/// An open file, and where its bytes come from.
#[derive(Clone, Debug)]
pub struct SstReader {
    pub(super) file: Arc<OpenFile>,
    source: Arc<dyn RangeSource>,
}

/// What the tail says; shared by all readers of a file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) entry: FileEntry,
    pub(super) index: KeyIndex,
    pub(super) key: Vec<(ColumnId, ColumnType)>,
    pub(super) arrow: ArrowReaderMetadata,
    pages: PageMap,
    pub(super) groups: Vec<RowGroupInfo>,
}

/// Which columns of the file a read decodes, and how its output is put together.
#[derive(Debug)]
pub(super) struct Projection {
    mask: ProjectionMask,
    /// for each output column its place among the decoded ones; `None` is all NULL
    outputs: Vec<Option<usize>>,
    pub(super) schema: SchemaRef,
}

impl SstReader {
    /// Opens the file that `entry` describes, by one read of its tail. `columns` are those of the table now: where the
    /// file has one, it must be of that type.
    ///
    /// # Errors
    /// Kind `Store` if the read fails; `Key` if the ring has no such key; `Integrity` if the tail is not what `entry`
    /// says or does not verify; `Unsupported` for a later version.
    pub async fn open(
        entry: &FileEntry,
        source: Arc<dyn RangeSource>,
        keys: &KeyRing,
        columns: &[(ColumnId, ColumnType)],
    ) -> Result<Arc<Self>, SegmentError> {
        let name = entry.name.as_str();
        let bad = |what: String| SegmentError::integrity(name, what);
        let range = entry.tail_offset..entry.size;
        tail::check_range(name, &range)?;
        let key = keys.get(entry.key_id).map_err(|e| SegmentError::key(name, e))?;
        let bytes = read(source.as_ref(), name, range.clone()).await?;
        let (file_keys, plain) = tail::open(name, key, entry.tail_offset, &bytes)?;

        let index = KeyIndex::decode(plain).map_err(bad)?;
        if (index.meta.table, index.meta.kind, index.meta.rows) != (entry.table, entry.kind, entry.rows) {
            return Err(bad("it is another table, kind or number of rows than the manifest says".to_owned()));
        }
        for (id, ty) in columns {
            // the type of a column may have been widened since, or be asked for as it was before
            let same = |found: ColumnType| storage_type(found) == storage_type(*ty);
            let differs = |found: ColumnType| !same(found) && !found.widens_to(*ty) && !ty.widens_to(found);
            if index.meta.column_type(*id).is_some_and(differs) {
                return Err(bad(format!("its column c{id} is of another type than the table's")));
            }
        }
        let key = index.meta.key_columns().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| bad("its key index names no key".to_owned()))?;

        let parquet = |e: &dyn std::fmt::Display| bad(format!("its footer does not open: {e}"));
        let decryption = FileDecryptionProperties::builder(file_keys.pages())
            .with_aad_prefix(file_keys.aad())
            .build()
            .map_err(|e| parquet(&e))?;
        let mut decoder = ParquetMetaDataPushDecoder::try_new(entry.size)
            .map_err(|e| parquet(&e))?
            .with_column_index_policy(PageIndexPolicy::Optional)
            .with_offset_index_policy(PageIndexPolicy::Required)
            .with_file_decryption_properties(Some(decryption));
        decoder.push_range(range, bytes).map_err(|e| parquet(&e))?;
        let metadata = match decoder.try_decode().map_err(|e| parquet(&e))? {
            DecodeResult::Data(metadata) => Arc::new(metadata),
            _ => return Err(parquet(&"it is not within the tail")),
        };
        let pages = PageMap::of(&metadata, entry.tail_offset).map_err(bad)?;
        let groups = groups_of(&metadata, &index).ok_or_else(|| bad("its footer and key index differ".to_owned()))?;
        let arrow = with_views(metadata).map_err(|e| parquet(&e))?;
        let file = OpenFile { entry: entry.clone(), index, key, arrow, pages, groups };
        Ok(Arc::new(Self { file: Arc::new(file), source }))
    }

    /// The same open file read through another source, e.g. one that counts for another statement.
    #[must_use]
    pub fn with_source(&self, source: Arc<dyn RangeSource>) -> Self {
        Self { file: Arc::clone(&self.file), source }
    }

    /// Parquet's own description: statistics, column and offset indexes.
    #[must_use]
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.file.arrow.metadata()
    }

    /// What the manifest said of the file when it was opened.
    #[must_use]
    pub fn entry(&self) -> &FileEntry {
        &self.file.entry
    }

    /// The row groups, in order.
    #[must_use]
    pub fn row_groups(&self) -> Vec<RowGroupInfo> {
        self.file.groups.clone()
    }

    pub(super) fn groups(&self) -> &[RowGroupInfo] {
        &self.file.groups
    }

    /// Whether the file has the column; one that was added later it has not.
    #[must_use]
    pub fn has_column(&self, id: ColumnId) -> bool {
        self.file.index.meta.column_type(id).is_some()
    }

    /// The columns the file has, in order, with their types.
    #[must_use]
    pub fn columns(&self) -> Vec<(ColumnId, ColumnType)> {
        self.file.index.meta.columns.iter().map(|c| (c.id, c.ty)).collect()
    }

    /// The ordinal of a column in Parquet's schema, for its statistics; `None` if the file does not have it.
    #[must_use]
    pub fn leaf(&self, column: ReadColumn) -> Option<usize> {
        let name = read_schema(&[column]).field(0).name().clone();
        self.file.arrow.schema().index_of(&name).ok()
    }

    /// Reads as `plan` says, batch after batch, in the file's order.
    pub fn stream(self: &Arc<Self>, plan: ReadPlan) -> BoxStream<'static, Result<RecordBatch, SegmentError>> {
        let projection = match self.project(&plan.columns) {
            Ok(projection) => Arc::new(projection),
            Err(e) => return stream::iter([Err(e)]).boxed(),
        };
        let tasks = match self.split(&plan) {
            Ok(tasks) => tasks,
            Err(e) => return stream::iter([Err(e)]).boxed(),
        };
        let this = Arc::clone(self);
        let batch_size = plan.batch_size.max(1);
        let groups = stream::iter(tasks).map(move |(group, selection)| {
            let (this, projection) = (Arc::clone(&this), Arc::clone(&projection));
            async move {
                let batches = this.open_group(group, selection, &projection, batch_size).await?;
                let batches = batches.into_iter().flatten().map(move |batch| {
                    let batch = batch.map_err(|e| this.damaged(&e))?;
                    this.assemble(&projection, &batch)
                });
                Ok::<_, SegmentError>(stream::iter(batches))
            }
        });
        groups.buffered(READ_AHEAD).try_flatten().boxed()
    }

    /// The selection of each row group of a plan; groups of which nothing is selected are left out.
    fn split(&self, plan: &ReadPlan) -> Result<Vec<(usize, Option<RowSelection>)>, SegmentError> {
        let mut rows = 0;
        for group in &plan.row_groups {
            let info = self.file.groups.get(*group);
            rows += info.ok_or_else(|| self.input(&format!("it has no row group {group}")))?.rows as usize;
        }
        let mut rest = match &plan.ranges {
            Some(ranges) => Some(self.selection(ranges, rows)?),
            None => None,
        };
        let mut tasks = Vec::with_capacity(plan.row_groups.len());
        for group in &plan.row_groups {
            let Some(info) = self.file.groups.get(*group) else { continue };
            let own = rest.as_mut().map(|rest| rest.split_off(info.rows as usize));
            if own.as_ref().is_none_or(RowSelection::selects_any) {
                tasks.push((*group, own));
            }
        }
        Ok(tasks)
    }

    /// Ranges of rows as a selection among `rows` rows.
    fn selection(&self, ranges: &[Range<usize>], rows: usize) -> Result<RowSelection, SegmentError> {
        let mut last = 0;
        for range in ranges {
            if range.start < last || range.end < range.start || range.end > rows {
                return Err(self.input("rows to read do not ascend, or lie outside the row groups"));
            }
            last = range.end;
        }
        let ranges = ranges.iter().filter(|r| !r.is_empty()).cloned();
        Ok(RowSelection::from_consecutive_ranges(ranges, rows))
    }

    /// Reads selected rows of one row group as one batch.
    pub(super) async fn read_group(
        &self,
        group: usize,
        selection: RowSelection,
        projection: &Projection,
    ) -> Result<RecordBatch, SegmentError> {
        let rows = selection.row_count();
        let batches = self.open_group(group, Some(selection), projection, rows.max(1)).await?;
        let batches = batches
            .into_iter()
            .flatten()
            .map(|batch| self.assemble(projection, &batch.map_err(|e| self.damaged(&e))?))
            .collect::<Result<Vec<_>, _>>()?;
        let batch = self.concat(&projection.schema, batches)?;
        if batch.num_rows() == rows {
            Ok(batch)
        } else {
            Err(self.damaged(&format!("{} rows came where {rows} were chosen", batch.num_rows())))
        }
    }

    pub(super) fn concat(
        &self,
        schema: &SchemaRef,
        mut batches: Vec<RecordBatch>,
    ) -> Result<RecordBatch, SegmentError> {
        match batches.len() {
            1 => Ok(batches.swap_remove(0)),
            _ => concat_batches(schema, &batches).map_err(|e| SegmentError::too_large(&self.file.entry.name, e)),
        }
    }

    /// Fetches what a read of one row group needs, in one round trip, and gives the decoder of its batches.
    async fn open_group(
        &self,
        group: usize,
        selection: Option<RowSelection>,
        projection: &Projection,
        batch_size: usize,
    ) -> Result<Option<ParquetRecordBatchReader>, SegmentError> {
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(self.file.arrow.clone())
            .with_row_groups(vec![group])
            .with_projection(projection.mask.clone())
            .with_batch_size(batch_size);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let mut decoder = builder.build().map_err(|e| self.damaged(&e))?;
        loop {
            match decoder.try_next_reader().map_err(|e| self.damaged(&e))? {
                DecodeResult::Data(reader) => return Ok(Some(reader)),
                DecodeResult::Finished => return Ok(None),
                DecodeResult::NeedsData(ranges) => {
                    let buffers = read_all(self.source.as_ref(), &self.file.entry.name, &ranges).await?;
                    for (range, bytes) in ranges.iter().zip(&buffers) {
                        self.file.pages.check(range, bytes).map_err(|e| self.damaged(&e))?;
                    }
                    decoder.push_ranges(ranges, buffers).map_err(|e| self.damaged(&e))?;
                }
            }
        }
    }

    /// What to decode for `columns`.
    pub(super) fn project(&self, columns: &[ReadColumn]) -> Result<Projection, SegmentError> {
        let schema = read_schema(columns);
        let leaves: Vec<Option<usize>> = columns.iter().map(|c| self.leaf(*c)).collect();
        let mut decoded: Vec<usize> = leaves.iter().flatten().copied().collect();
        decoded.sort_unstable();
        decoded.dedup();
        for ((column, leaf), field) in columns.iter().zip(&leaves).zip(schema.fields()) {
            // a column is held in the file's own type, which may be narrower or wider than the one it is asked as
            let own = match column {
                ReadColumn::Column(id, ty) => {
                    let found = self.file.index.meta.column_type(*id);
                    found
                        .filter(|found| found.widens_to(*ty) || ty.widens_to(*found))
                        .map(|found| view_of(&storage_type(found)))
                }
                _ => None,
            };
            let wanted = own.as_ref().unwrap_or(field.data_type());
            let differs = |leaf: usize| self.file.arrow.schema().field(leaf).data_type() != wanted;
            if leaf.is_some_and(differs) {
                return Err(self.damaged(&format!("its column {} is of another type than the table's", field.name())));
            }
        }
        let outputs = leaves.iter().map(|leaf| decoded.binary_search(&(*leaf)?).ok()).collect();
        Ok(Projection { mask: ProjectionMask::roots(self.file.arrow.parquet_schema(), decoded), outputs, schema })
    }

    /// The output batch of a decoded one.
    fn assemble(&self, projection: &Projection, decoded: &RecordBatch) -> Result<RecordBatch, SegmentError> {
        let rows = decoded.num_rows();
        let columns = projection
            .outputs
            .iter()
            .zip(projection.schema.fields())
            .map(|(output, field)| match output {
                Some(at) => read_as(decoded.column(*at), field.data_type()).map_err(|e| self.damaged(&e)),
                None => Ok(new_null_array(field.data_type(), rows)),
            })
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&projection.schema), columns, &options)
            .map_err(|e| self.damaged(&e))
    }

    fn input(&self, what: &str) -> SegmentError {
        SegmentError::input(&self.file.entry.name, what)
    }

    fn damaged(&self, what: &dyn std::fmt::Display) -> SegmentError {
        SegmentError::integrity(&self.file.entry.name, what)
    }
}

/// The row groups, if footer and key index agree on them.
fn groups_of(metadata: &ParquetMetaData, index: &KeyIndex) -> Option<Vec<RowGroupInfo>> {
    let named = index.row_groups();
    let same = named.len() == metadata.num_row_groups()
        && index.row_groups().zip(metadata.row_groups()).all(|((_, rows), group)| i64::from(rows) == group.num_rows());
    same.then(|| named.enumerate().map(|(index, (first_row, rows))| RowGroupInfo { index, first_row, rows }).collect())
}

/// The file's Arrow schema with text and bytes as views.
fn with_views(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, parquet::errors::ParquetError> {
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options())?;
    let fields: Vec<Field> =
        plain.schema().fields().iter().map(|f| Field::new(f.name(), view_of(f.data_type()), f.is_nullable())).collect();
    ArrowReaderMetadata::try_new(metadata, options().with_schema(Arc::new(Schema::new(fields))))
}
