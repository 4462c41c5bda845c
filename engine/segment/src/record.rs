//! The commit record: all that one commit did, as one frame of a WAL segment.
//!
//! Promises: decoding gives back exactly what was encoded, and bytes that are not a whole record are refused before any
//! of it is used.
//! Never: a name of a table or column outside the record's sealed bytes; a record that says less than replay needs.
//!
//! | offset | bytes | field (integers big-endian) |
//! |---|---|---|
//! | 0 | 4 | `FREC` |
//! | 4 | 2 | version, 1 |
//! | 6 | 2 | zero |
//! | 8 | 16 | the first 16 bytes of the BLAKE3 of everything from offset 24 on |
//! | 24 | 4 | *m*, length of the meta |
//! | 28 | 4 | *s*, number of sections |
//! | 32 | 8 *s* | length of each section |
//! | … | *m* | meta: JSON, fields in the order of `Meta`, no whitespace |
//! | … | | the sections, one after another |
//!
//! Sections, in order: for each answer that has one, its RETURNING rows (Arrow IPC stream); for each table change: the
//! deletes if there are any (IPC stream of `key` Binary, `file` FixedSizeBinary(16), `row` UInt32), the inserts if
//! there are any (IPC stream in the storage schema), the operations unless all are inserts (one byte a row).

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray, BinaryArray, FixedSizeBinaryBuilder, RecordBatch, UInt32Array, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use bytes::Bytes;
use firn_manifest::ids::{Position, TableId};
use firn_manifest::schema::CatalogChange;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::bytes_io::Reader;
use crate::error::SegmentError;
use crate::ipc::{batch_from_ipc, batch_to_ipc};
use crate::key::Key;

const WHERE: &str = "commit record";
const MAGIC: &[u8; 4] = b"FREC";
const VERSION: u16 = 1;
const SUM_AT: usize = 8;
const SUM_LEN: usize = 16;
const SUMMED_FROM: usize = SUM_AT + SUM_LEN;

/// All that one commit did.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitRecord {
    /// its position
    pub position: Position,
    /// when it was made, microseconds since 1970 UTC
    pub commit_time: i64,
    /// who made it
    pub actor: Option<String>,
    /// the client's id of the request, for retries
    pub request_id: Option<String>,
    /// why it was made, in the client's words
    pub reason: Option<String>,
    /// what it was, e.g. `INSERT`, `CREATE TABLE`, `TRANSACTION`
    pub kind: String,
    /// what the client was told, statement by statement
    pub answers: Vec<Answer>,
    /// catalog changes, in order
    pub catalog: Vec<CatalogChange>,
    /// row changes, at most one entry for each table
    pub changes: Vec<TableChange>,
}

/// What one statement of a commit was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// e.g. `INSERT 0 3`
    pub tag: String,
    /// rows affected
    pub rows: u64,
    /// RETURNING rows, an Arrow IPC stream
    pub returning: Option<Bytes>,
}

/// What a commit did to one table: first the deletes, then the inserts.
#[derive(Clone, Debug, PartialEq)]
pub struct TableChange {
    /// the table
    pub table: TableId,
    /// row versions that end with this commit
    pub deletes: Vec<DeletedRow>,
    /// row versions that begin with this commit, in the storage schema
    pub inserts: Option<RecordBatch>,
    /// how each inserted row came to be, one entry a row
    pub operations: Vec<RowOp>,
}

/// A row version that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRow {
    /// its key
    pub key: Key,
    /// where it stands, if it stands in a file; `None` if it was in the memtable
    pub locator: Option<Locator>,
}

/// A row of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator {
    /// the ULID in the file's name
    pub file: Ulid,
    /// its ordinal in the file, from 0
    pub row: u32,
}

/// How a row version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RowOp {
    /// its key was free
    Insert = 0,
    /// it superseded a version of the same key, which the same commit ends
    Update = 1,
}

impl RowOp {
    /// The operation of that number.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        match n {
            0 => Some(Self::Insert),
            1 => Some(Self::Update),
            _ => None,
        }
    }
}

/// The meta of a record. The order of fields is the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    position: Position,
    commit_time: i64,
    actor: Option<String>,
    request_id: Option<String>,
    reason: Option<String>,
    kind: String,
    answers: Vec<MetaAnswer>,
    catalog: Vec<CatalogChange>,
    changes: Vec<MetaChange>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetaAnswer {
    tag: String,
    rows: u64,
    returning: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetaChange {
    table: TableId,
    deletes: u64,
    inserts: Option<u64>,
    updates: bool,
}

/// Answers as bytes on their own, e.g. to keep them with a request id: meta and sections as in a record.
///
/// # Errors
/// As [`CommitRecord::encode`].
pub fn encode_answers(answers: &[Answer]) -> Result<Vec<u8>, SegmentError> {
    let meta: Vec<MetaAnswer> = answers.iter().map(MetaAnswer::of).collect();
    join(&meta, answers.iter().filter_map(|a| a.returning.clone()).collect())
}

/// The answers in bytes that [`encode_answers`] made.
///
/// # Errors
/// As [`CommitRecord::decode`].
pub fn decode_answers(bytes: &[u8]) -> Result<Vec<Answer>, SegmentError> {
    let (meta, mut sections) = split(bytes)?;
    let meta: Vec<MetaAnswer> = serde_json::from_slice(meta).map_err(bad)?;
    let answers = meta.into_iter().map(|answer| answer.with(&mut sections)).collect::<Result<_, _>>()?;
    sections.end()?;
    Ok(answers)
}

impl CommitRecord {
    /// The record's bytes.
    ///
    /// # Errors
    /// Kind `Input` if the operations do not match the inserts; kind `TooLarge` if a part does not fit its length field.
    pub fn encode(&self) -> Result<Bytes, SegmentError> {
        let mut sections: Vec<Bytes> = self.answers.iter().filter_map(|a| a.returning.clone()).collect();
        let mut changes = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            changes.push(change.encode(&mut sections)?);
        }
        let meta = Meta {
            position: self.position,
            commit_time: self.commit_time,
            actor: self.actor.clone(),
            request_id: self.request_id.clone(),
            reason: self.reason.clone(),
            kind: self.kind.clone(),
            answers: self.answers.iter().map(MetaAnswer::of).collect(),
            catalog: self.catalog.clone(),
            changes,
        };
        join(&meta, sections).map(Bytes::from)
    }

    /// The record in `bytes`.
    ///
    /// # Errors
    /// Kind `Integrity` if the bytes are not one whole record; kind `Unsupported` for a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentError> {
        let (meta, mut sections) = split(bytes)?;
        let meta: Meta = serde_json::from_slice(meta).map_err(bad)?;
        let answers = meta.answers.into_iter().map(|a| a.with(&mut sections)).collect::<Result<_, _>>()?;
        let changes = meta.changes.iter().map(|c| TableChange::decode(c, &mut sections)).collect::<Result<_, _>>()?;
        sections.end()?;
        Ok(Self {
            position: meta.position,
            commit_time: meta.commit_time,
            actor: meta.actor,
            request_id: meta.request_id,
            reason: meta.reason,
            kind: meta.kind,
            answers,
            catalog: meta.catalog,
            changes,
        })
    }
}

impl TableChange {
    fn encode(&self, sections: &mut Vec<Bytes>) -> Result<MetaChange, SegmentError> {
        let rows = self.inserts.as_ref().map_or(0, RecordBatch::num_rows);
        if rows != self.operations.len() {
            return Err(SegmentError::input(
                WHERE,
                format!("table {} has {rows} inserted rows and {} operations", self.table, self.operations.len()),
            ));
        }
        if !self.deletes.is_empty() {
            sections.push(batch_to_ipc(&deletes_to_batch(&self.deletes)?)?);
        }
        if let Some(inserts) = &self.inserts {
            sections.push(batch_to_ipc(inserts)?);
        }
        let updates = self.operations.contains(&RowOp::Update);
        if updates {
            sections.push(self.operations.iter().map(|op| *op as u8).collect::<Vec<_>>().into());
        }
        Ok(MetaChange {
            table: self.table,
            deletes: self.deletes.len() as u64,
            inserts: self.inserts.as_ref().map(|b| b.num_rows() as u64),
            updates,
        })
    }

    fn decode(meta: &MetaChange, sections: &mut Sections<'_>) -> Result<Self, SegmentError> {
        let counted = |what: &str, found: usize, said: u64| match found as u64 == said {
            true => Ok(()),
            false => Err(bad(format!("table {} has {found} {what}, its meta says {said}", meta.table))),
        };
        let deletes = match meta.deletes {
            0 => Vec::new(),
            _ => deletes_from_batch(&batch_from_ipc(sections.next()?)?)?,
        };
        counted("deletes", deletes.len(), meta.deletes)?;
        let inserts = match meta.inserts {
            Some(said) => {
                let section = sections.next()?;
                let batch = batch_from_ipc(section)?;
                counted("inserts", batch.num_rows(), said)?;
                // every row has a key, so a row takes a bit at least
                if batch.num_rows() / 8 > section.len() {
                    return Err(bad(format!("table {} has {said} inserts in {} bytes", meta.table, section.len())));
                }
                Some(batch)
            }
            None => None,
        };
        let rows = inserts.as_ref().map_or(0, RecordBatch::num_rows);
        let operations = if meta.updates {
            sections
                .next()?
                .iter()
                .map(|n| RowOp::from_u8(*n).ok_or_else(|| bad(format!("{n} is no row operation"))))
                .collect::<Result<_, _>>()?
        } else {
            vec![RowOp::Insert; rows]
        };
        counted("operations", operations.len(), rows as u64)?;
        Ok(Self { table: meta.table, deletes, inserts, operations })
    }
}

fn bad(what: impl std::fmt::Display) -> SegmentError {
    SegmentError::integrity(WHERE, what)
}

fn checksum(bytes: &[u8]) -> [u8; SUM_LEN] {
    let mut out = [0; SUM_LEN];
    out.copy_from_slice(&blake3::hash(bytes).as_bytes()[..SUM_LEN]);
    out
}

/// The bytes of `meta` and `sections`.
fn join(meta: &impl Serialize, sections: Vec<Bytes>) -> Result<Vec<u8>, SegmentError> {
    let meta = serde_json::to_vec(meta).map_err(|e| SegmentError::input(WHERE, e))?;
    let too_large = |_| SegmentError::too_large(WHERE, "it has more meta or more sections than 32 bits count");
    let meta_len = u32::try_from(meta.len()).map_err(too_large)?;
    let section_count = u32::try_from(sections.len()).map_err(too_large)?;

    let body: usize = sections.iter().map(Bytes::len).sum();
    let mut out = Vec::with_capacity(SUMMED_FROM + 8 + 8 * sections.len() + meta.len() + body);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 2 + SUM_LEN]);
    out.extend_from_slice(&meta_len.to_be_bytes());
    out.extend_from_slice(&section_count.to_be_bytes());
    for section in &sections {
        out.extend_from_slice(&(section.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(&meta);
    for section in &sections {
        out.extend_from_slice(section);
    }
    let sum = checksum(&out[SUMMED_FROM..]);
    out[SUM_AT..SUMMED_FROM].copy_from_slice(&sum);
    Ok(out)
}

/// Checks the fixed part and gives the meta and the sections.
fn split(bytes: &[u8]) -> Result<(&[u8], Sections<'_>), SegmentError> {
    let mut r = Reader::new(bytes);
    if &r.array::<4>("its magic").map_err(bad)? != MAGIC {
        return Err(bad("it does not begin with FREC"));
    }
    match r.u16("its version").map_err(bad)? {
        VERSION => {}
        other => {
            return Err(SegmentError::unsupported(
                WHERE,
                format!("it is of version {other}, this build knows {VERSION}"),
            ));
        }
    }
    if r.u16("its flags").map_err(bad)? != 0 {
        return Err(bad("its flags are not zero"));
    }
    let sum: [u8; SUM_LEN] = r.array("its checksum").map_err(bad)?;
    if checksum(&bytes[SUMMED_FROM..]) != sum {
        return Err(bad("its checksum does not fit its bytes"));
    }
    let meta_len = r.u32("the meta's length").map_err(bad)? as usize;
    let count = r.u32("the number of sections").map_err(bad)? as usize;
    let lengths = Reader::new(r.take(count.saturating_mul(8), "the sections' lengths").map_err(bad)?);
    let meta = r.take(meta_len, "the meta").map_err(bad)?;
    Ok((meta, Sections { lengths, rest: r }))
}

/// The sections of a record, one after another.
struct Sections<'a> {
    lengths: Reader<'a>,
    rest: Reader<'a>,
}

impl<'a> Sections<'a> {
    fn next(&mut self) -> Result<&'a [u8], SegmentError> {
        let len = self.lengths.u64("the list of sections").map_err(bad)?;
        self.rest.take(usize::try_from(len).map_err(bad)?, "a section").map_err(bad)
    }

    /// Every section was taken, and nothing follows.
    fn end(&self) -> Result<(), SegmentError> {
        self.lengths.end("the sections the meta names").map_err(bad)?;
        self.rest.end("the last section").map_err(bad)
    }
}

impl MetaAnswer {
    fn of(answer: &Answer) -> Self {
        Self { tag: answer.tag.clone(), rows: answer.rows, returning: answer.returning.is_some() }
    }

    fn with(self, sections: &mut Sections<'_>) -> Result<Answer, SegmentError> {
        let returning = if self.returning { Some(Bytes::copy_from_slice(sections.next()?)) } else { None };
        Ok(Answer { tag: self.tag, rows: self.rows, returning })
    }
}

fn deletes_to_batch(deletes: &[DeletedRow]) -> Result<RecordBatch, SegmentError> {
    let input = |e| SegmentError::input(WHERE, e);
    let keys = BinaryArray::from_iter_values(deletes.iter().map(|d| &*d.key));
    let mut files = FixedSizeBinaryBuilder::with_capacity(deletes.len(), 16);
    let mut rows = UInt32Builder::with_capacity(deletes.len());
    for delete in deletes {
        match delete.locator {
            Some(at) => files.append_value(at.file.to_bytes()).map_err(input)?,
            None => files.append_null(),
        }
        rows.append_option(delete.locator.map(|at| at.row));
    }
    let schema = Schema::new(vec![
        Field::new("key", DataType::Binary, false),
        Field::new("file", DataType::FixedSizeBinary(16), true),
        Field::new("row", DataType::UInt32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(files.finish()), Arc::new(rows.finish())];
    RecordBatch::try_new(Arc::new(schema), columns).map_err(input)
}

fn deletes_from_batch(batch: &RecordBatch) -> Result<Vec<DeletedRow>, SegmentError> {
    let columns = || {
        let keys = batch.column_by_name("key")?.as_binary_opt::<i32>()?;
        let files = batch.column_by_name("file")?.as_fixed_size_binary_opt()?;
        let rows: &UInt32Array = batch.column_by_name("row")?.as_primitive_opt::<UInt32Type>()?;
        (keys.null_count() == 0 && files.value_length() == 16).then_some((keys, files, rows))
    };
    let (keys, files, rows) = columns().ok_or_else(|| bad("its deletes are not key, file and row"))?;
    (0..batch.num_rows())
        .map(|i| {
            let locator = match (files.is_valid(i), rows.is_valid(i)) {
                (true, true) => {
                    let mut file = [0; 16];
                    file.copy_from_slice(files.value(i));
                    Some(Locator { file: Ulid::from_bytes(file), row: rows.value(i) })
                }
                (false, false) => None,
                _ => return Err(bad("a delete has half a locator")),
            };
            Ok(DeletedRow { key: keys.value(i).into(), locator })
        })
        .collect()
}
