//! Deletion vectors with end positions: which rows of a file have ended, and when.
//!
//! Promises: one sorted entry for each ended row; what is read back equals what was written; a vector opens only for
//! the object, the range and the file it was written for.
//! Never: two ends for a row — the first end stands.
//!
//! A `.dv` object is a run of ranges, one for each file, each readable on its own:
//!
//! | offset | bytes | field (integers big-endian) |
//! |---|---|---|
//! | 0 | 4 | `FDV1` |
//! | 4 | 4 | number of the data key |
//! | 8 | 4 | counter: the range's ordinal in the object |
//! | 12 | 16 | attempt nonce, the same in each range of the object |
//! | 28 | | sealed bytes: the vector, then the 16-byte tag |
//!
//! AAD: `object_aad(namespace, "dv", object name) ‖ first 28 bytes ‖ offset of the range (8) ‖ file name`. The vector,
//! in LEB128 varints: number of entries; then for each entry the gap to the row before (the first: the row itself;
//! gap 0 is the next row) and the end, the first as it is, each next one as the zigzag of the difference.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use bytes::Bytes;
use firn_manifest::ids::Position;
use firn_manifest::model::VectorRef;
use firn_manifest::{DataKey, KeyRing, World};
use ulid::Ulid;

use crate::bytes_io::{Reader, object_aad, put_varint};
use crate::error::SegmentError;

const MAGIC: &[u8; 4] = b"FDV1";
const HEAD_LEN: usize = 28;
const TAG_LEN: usize = 16;

/// Which rows of one file have ended, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionVector {
    ends: BTreeMap<u32, Position>,
}

impl DeletionVector {
    /// A vector of no rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A vector of these rows and ends, in any order; of two ends for a row the lower stands.
    #[must_use]
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u32, Position)>) -> Self {
        let mut vector = Self::new();
        for (row, end) in pairs {
            vector.insert(row, end);
        }
        vector
    }

    /// Notes that `row` ended at `end`, and returns the end it had already, if any: then the lower one stands.
    pub fn insert(&mut self, row: u32, end: Position) -> Option<Position> {
        let old = self.ends.get(&row).copied();
        self.ends.insert(row, old.map_or(end, |old| old.min(end)));
        old
    }

    /// When `row` ended.
    #[must_use]
    pub fn get(&self, row: u32) -> Option<Position> {
        self.ends.get(&row).copied()
    }

    /// Rows that have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no row has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The highest end.
    #[must_use]
    pub fn max_end(&self) -> Option<Position> {
        self.ends.values().max().copied()
    }

    /// Rows and ends, ascending by row.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, Position)> + '_ {
        self.ends.iter().map(|(row, end)| (*row, *end))
    }

    /// Rows and ends of the rows in `rows`, ascending by row.
    pub fn range(&self, rows: impl RangeBounds<u32>) -> impl DoubleEndedIterator<Item = (u32, Position)> + '_ {
        self.ends.range(rows).map(|(row, end)| (*row, *end))
    }

    /// The rows of both; where both have one, the lower end.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let (mut merged, less) = if self.len() >= other.len() { (self.clone(), other) } else { (other.clone(), self) };
        for (row, end) in less.iter() {
            merged.insert(row, end);
        }
        merged
    }

    /// The vector's bytes, before they are sealed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + 4 * self.len());
        put_varint(&mut out, self.len() as u64);
        let mut last: Option<(u32, Position)> = None;
        for (row, end) in self.iter() {
            match last {
                None => {
                    put_varint(&mut out, u64::from(row));
                    put_varint(&mut out, end.0);
                }
                Some((before, last_end)) => {
                    put_varint(&mut out, u64::from(row - before - 1));
                    put_varint(&mut out, zigzag(end.0.wrapping_sub(last_end.0)));
                }
            }
            last = Some((row, end));
        }
        out
    }

    /// The vector in `bytes`, for a file of `rows` rows.
    ///
    /// # Errors
    /// Kind `Integrity` if the bytes are not one vector, or name a row the file does not have.
    pub fn decode(bytes: &[u8], rows: u64) -> Result<Self, SegmentError> {
        decode(bytes, rows).map_err(|what| SegmentError::integrity("deletion vector", what))
    }
}

impl FromIterator<(u32, Position)> for DeletionVector {
    fn from_iter<T: IntoIterator<Item = (u32, Position)>>(pairs: T) -> Self {
        Self::from_pairs(pairs)
    }
}

fn decode(bytes: &[u8], rows: u64) -> Result<DeletionVector, String> {
    let mut r = Reader::new(bytes);
    let count = r.varint("the number of entries")?;
    // an entry takes two bytes at least, so this bounds the work by the input's length
    if count > rows || count > (r.remaining() / 2) as u64 {
        return Err(format!("{count} entries do not fit {} bytes and {rows} rows", r.remaining()));
    }
    let mut ends = BTreeMap::new();
    let mut last: Option<(u64, u64)> = None;
    for _ in 0..count {
        let gap = r.varint("a row")?;
        let end = r.varint("an end")?;
        let (row, end) = match last {
            None => (Some(gap), end),
            Some((before, last_end)) => (gap.checked_add(before + 1), last_end.wrapping_add(unzigzag(end))),
        };
        let row = row.filter(|row| *row < rows).ok_or("an entry names a row the file does not have")?;
        let ordinal = u32::try_from(row).map_err(|_| "a row is beyond 32 bits")?;
        ends.insert(ordinal, Position(end));
        last = Some((row, end));
    }
    r.end("the last entry")?;
    Ok(DeletionVector { ends })
}

fn zigzag(difference: u64) -> u64 {
    let signed = difference as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn unzigzag(n: u64) -> u64 {
    (n >> 1) ^ (n & 1).wrapping_neg()
}

/// The name of a new vector object.
#[must_use]
pub fn vector_name(id: Ulid) -> String {
    format!("sst/{id}.dv")
}

/// Seals vectors into one object of the name `name`: for each file name its vector. Returns the object's bytes and, in
/// the same order, where each vector stands.
///
/// # Errors
/// Kind `Input` if there is no vector or one is empty; kind `TooLarge` if there are more than 32 bits count.
pub fn build_vectors(
    name: &str,
    vectors: &[(String, DeletionVector)],
    key: &DataKey,
    world: &dyn World,
) -> Result<(Bytes, Vec<VectorRef>), SegmentError> {
    let mut nonce = [0; 16];
    world.fill(&mut nonce);
    let object = key.object_key(name, &nonce);
    let mut out = Vec::new();
    let mut refs = Vec::with_capacity(vectors.len());
    for (ordinal, (file, vector)) in vectors.iter().enumerate() {
        let Some(max_end) = vector.max_end() else {
            return Err(SegmentError::input(name, format!("the vector of {file} is empty")));
        };
        let counter = u32::try_from(ordinal).map_err(|_| SegmentError::too_large(name, "more than 2^32 vectors"))?;
        let offset = out.len() as u64;
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(MAGIC);
        head[4..8].copy_from_slice(&key.id().to_be_bytes());
        head[8..12].copy_from_slice(&counter.to_be_bytes());
        head[12..].copy_from_slice(&nonce);
        let aad = aad(key, name, &head, offset, file);
        let sealed = object.seal(counter, &aad, &vector.encode()).map_err(|e| SegmentError::too_large(name, e))?;
        out.extend_from_slice(&head);
        out.extend_from_slice(&sealed);
        refs.push(VectorRef {
            object: name.to_owned(),
            offset,
            length: out.len() as u64 - offset,
            dead: vector.len() as u64,
            max_end,
        });
    }
    if refs.is_empty() {
        return Err(SegmentError::input(name, "an object of no vectors"));
    }
    Ok((out.into(), refs))
}

/// Opens the vector of the file `file` (its name; it has `rows` rows) from the bytes of the range that `at` names.
///
/// # Errors
/// Kind `Key` if the ring has no such key; kind `Integrity` if the bytes are not what `at` says.
pub fn open_vector(
    range: &[u8],
    at: &VectorRef,
    file: &str,
    rows: u64,
    keys: &KeyRing,
) -> Result<DeletionVector, SegmentError> {
    let bad = |what: &str| SegmentError::integrity(&at.object, format!("deletion vector of {file}: {what}"));
    if range.len() as u64 != at.length || range.len() < HEAD_LEN + TAG_LEN {
        return Err(bad("its range is cut off"));
    }
    let (head, sealed) = range.split_at(HEAD_LEN);
    let mut r = Reader::new(head);
    let mut read = || -> Result<_, String> {
        Ok((r.array::<4>("magic")?, r.u32("key")?, r.u32("counter")?, r.array::<16>("nonce")?))
    };
    let (magic, key_id, counter, nonce) = read().map_err(|e| bad(&e))?;
    if &magic != MAGIC {
        return Err(bad("its range does not begin with FDV1"));
    }
    let key = keys.get(key_id).map_err(|e| SegmentError::key(&at.object, e))?;
    let plain = key
        .object_key(&at.object, &nonce)
        .open(counter, &aad(key, &at.object, head, at.offset, file), sealed)
        .map_err(|_| {
            bad("it does not open: it was changed, or written for another namespace, object, file or key (I8)")
        })?;
    let vector = decode(&plain, rows).map_err(|e| bad(&e))?;
    if vector.len() as u64 != at.dead || vector.max_end() != Some(at.max_end) {
        return Err(bad("it is not the vector the manifest describes"));
    }
    Ok(vector)
}

fn aad(key: &DataKey, name: &str, head: &[u8], offset: u64, file: &str) -> Vec<u8> {
    let mut aad = object_aad(key.namespace(), "dv", name);
    aad.extend_from_slice(head);
    aad.extend_from_slice(&offset.to_be_bytes());
    aad.extend_from_slice(file.as_bytes());
    aad
}
