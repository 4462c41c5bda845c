//! The WAL segment: one group commit, or one fence, as one object.
//!
//! Promises: the header, the frames and their order are sealed under the namespace's key and bound to the object's name;
//! without any key the header can be read, and the trailer shows whether the bytes are whole and unchanged; each
//! segment names its predecessor by hash, so segments form one chain (I6).
//! Never: zero bytes, a frame outside the sealed count, a field that is not covered by the trailing hash.
//!
//! | offset | bytes | field (integers big-endian) |
//! |---|---|---|
//! | 0 | 8 | `FIRNWAL` and a zero byte |
//! | 8 | 2 | version, 1 |
//! | 10 | 1 | kind: 1 DATA, 2 FENCE, 3 SEAL |
//! | 11 | 1 | zero |
//! | 12 | 4 | number of the data key |
//! | 16 | 16 | namespace UUID |
//! | 32 | 8 | seq |
//! | 40 | 8 | epoch |
//! | 48 | 8 | first position |
//! | 56 | 8 | last position (first − 1 if there are no records) |
//! | 64 | 8 | written at, microseconds since 1970 UTC, signed |
//! | 72 | 16 | attempt nonce |
//! | 88 | 32 | SHA-256 of the previous segment's stored bytes; zeros for seq 1 |
//! | 120 | 4 | *n*, number of frames |
//! | 124 | 4 | zero |
//! | 128 | | *n* frames: length of the sealed bytes (4), sealed bytes |
//! | … | 16 | header seal: a sealed empty part |
//! | −40 | 8 | length of the whole object |
//! | −32 | 32 | SHA-256 of every byte before it |
//!
//! Frame *i* is sealed with counter *i*, the header seal with counter 2³² − 1, all with the AAD
//! `object_aad(namespace, "wal", name) ‖ header` and the object key of `name` and the attempt nonce.

use std::ops::Range;

use bytes::Bytes;
use firn_manifest::ids::{ChainHash, Epoch, NamespaceId, Position, Seq};
use firn_manifest::{DataKey, KeyRing};
use uuid::Uuid;

use crate::bytes_io::{Reader, object_aad};
use crate::error::SegmentError;

const MAGIC: &[u8; 8] = b"FIRNWAL\0";
const VERSION: u16 = 1;
/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 128;
/// Bytes of the trailer: length and hash.
pub const TRAILER_LEN: usize = 40;
const HASH_LEN: usize = 32;
const TAG_LEN: usize = 16;
const HEADER_SEAL: u32 = u32::MAX;
/// The longest segment that is written or read.
pub const MAX_SEGMENT_BYTES: usize = 512 * 1024 * 1024;

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SegmentKind {
    /// commit records
    Data = 1,
    /// a new writer took this slot, so that the old one can never use it
    Fence = 2,
    /// the namespace was closed for writing here
    Seal = 3,
}

impl SegmentKind {
    fn from_u8(n: u8) -> Option<Self> {
        match n {
            1 => Some(Self::Data),
            2 => Some(Self::Fence),
            3 => Some(Self::Seal),
            _ => None,
        }
    }
}

/// The clear part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// the namespace it belongs to
    pub namespace: NamespaceId,
    /// its number
    pub seq: Seq,
    /// the writer's epoch
    pub epoch: Epoch,
    /// what it is for
    pub kind: SegmentKind,
    /// random for each attempt to write it
    pub nonce: [u8; 16],
    /// hash of the segment before it
    pub prev: ChainHash,
    /// position of the first record; one more than `last` if there are none
    pub first: Position,
    /// position of the last record
    pub last: Position,
    /// the data key it is sealed under
    pub key_id: u32,
    /// when it was written, microseconds since 1970 UTC
    pub written_at: i64,
}

/// A segment's key inside the namespace: `wal/<20 digits>.wal`.
#[must_use]
pub fn segment_key(seq: Seq) -> String {
    format!("wal/{seq:020}.wal")
}

/// The number in a segment's key, if it is one that [`segment_key`] makes.
#[must_use]
pub fn parse_segment_key(name: &str) -> Option<Seq> {
    let digits = name.strip_prefix("wal/")?.strip_suffix(".wal")?;
    let canonical = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok().map(Seq)).flatten()
}

impl SegmentHeader {
    /// How many records, and so frames, the positions say there are; `None` if kind and positions contradict each other.
    fn frame_count(&self) -> Option<u32> {
        let count = self.last.0.checked_add(1)?.checked_sub(self.first.0)?;
        let count = u32::try_from(count).ok()?;
        let fits = match self.kind {
            SegmentKind::Data => count > 0 && self.first > Position::ZERO,
            SegmentKind::Fence | SegmentKind::Seal => count == 0,
        };
        fits.then_some(count)
    }

    fn encode(&self, frames: u32) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(MAGIC);
        put(&VERSION.to_be_bytes());
        put(&[self.kind as u8, 0]);
        put(&self.key_id.to_be_bytes());
        put(self.namespace.0.as_bytes());
        put(&self.seq.0.to_be_bytes());
        put(&self.epoch.0.to_be_bytes());
        put(&self.first.0.to_be_bytes());
        put(&self.last.0.to_be_bytes());
        put(&self.written_at.to_be_bytes());
        put(&self.nonce);
        put(&self.prev.0);
        put(&frames.to_be_bytes());
        put(&[0; 4]);
        out
    }

    fn decode(name: &str, r: &mut Reader<'_>) -> Result<(Self, u32), SegmentError> {
        let bad = |what: String| SegmentError::integrity(name, what);
        if &r.array::<8>("its magic").map_err(bad)? != MAGIC {
            return Err(bad("it does not begin with FIRNWAL".to_owned()));
        }
        match r.u16("its version").map_err(bad)? {
            VERSION => {}
            other => {
                return Err(SegmentError::unsupported(
                    name,
                    format!("it is of version {other}, this build knows {VERSION}"),
                ));
            }
        }
        let kind = r.u8("its kind").map_err(bad)?;
        let kind = SegmentKind::from_u8(kind).ok_or_else(|| bad(format!("{kind} is no kind of segment")))?;
        let zero = r.u8("its flags").map_err(bad)?;
        let key_id = r.u32("its key number").map_err(bad)?;
        let namespace = NamespaceId(Uuid::from_bytes(r.array("its namespace").map_err(bad)?));
        let header = Self {
            kind,
            key_id,
            namespace,
            seq: Seq(r.u64("its seq").map_err(bad)?),
            epoch: Epoch(r.u64("its epoch").map_err(bad)?),
            first: Position(r.u64("its first position").map_err(bad)?),
            last: Position(r.u64("its last position").map_err(bad)?),
            written_at: i64::from_be_bytes(r.array("its time").map_err(bad)?),
            nonce: r.array("its nonce").map_err(bad)?,
            prev: ChainHash(r.array("its predecessor").map_err(bad)?),
        };
        let frames = r.u32("its number of frames").map_err(bad)?;
        if zero != 0 || r.u32("its flags").map_err(bad)? != 0 {
            return Err(bad("its flags are not zero".to_owned()));
        }
        if header.frame_count() != Some(frames) {
            return Err(bad(format!(
                "{frames} frames do not fit a {:?} segment of positions {} to {}",
                header.kind, header.first, header.last
            )));
        }
        Ok((header, frames))
    }
}

/// The bytes of a segment: `frames` are its commit records, in the order of their positions.
///
/// # Errors
/// Kind `Input` if header, frames and key do not fit together; kind `TooLarge` beyond [`MAX_SEGMENT_BYTES`].
pub fn seal(header: &SegmentHeader, frames: &[Bytes], key: &DataKey) -> Result<Bytes, SegmentError> {
    let name = segment_key(header.seq);
    let input = |what: &str| SegmentError::input(&name, what);
    if header.seq == Seq::ZERO {
        return Err(input("segments are numbered from 1"));
    }
    if header.key_id != key.id() || header.namespace != key.namespace() {
        return Err(input("its header names another key or namespace than it is sealed with"));
    }
    let count = header
        .frame_count()
        .filter(|count| *count as usize == frames.len())
        .ok_or_else(|| input("its frames are not one for each position"))?;

    let sealed: usize = frames.iter().map(|f| 4 + f.len() + TAG_LEN).sum();
    let total = HEADER_LEN + sealed + TAG_LEN + TRAILER_LEN;
    if total > MAX_SEGMENT_BYTES {
        return Err(SegmentError::too_large(
            &name,
            format!("a commit of {total} bytes, the most is {MAX_SEGMENT_BYTES}"),
        ));
    }
    let head = header.encode(count);
    let aad = aad(header.namespace, &name, &head);
    let object = key.object_key(&name, &header.nonce);
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&head);
    for (counter, frame) in (0..count).zip(frames) {
        let sealed = object.seal(counter, &aad, frame).map_err(|e| SegmentError::too_large(&name, e))?;
        // below MAX_SEGMENT_BYTES, so it fits 32 bits
        out.extend_from_slice(&(sealed.len() as u32).to_be_bytes());
        out.extend_from_slice(&sealed);
    }
    out.extend_from_slice(&object.seal(HEADER_SEAL, &aad, &[]).map_err(|e| SegmentError::too_large(&name, e))?);
    out.extend_from_slice(&(total as u64).to_be_bytes());
    let hash = ChainHash::of(&out);
    out.extend_from_slice(&hash.0);
    Ok(out.into())
}

fn aad(namespace: NamespaceId, name: &str, head: &[u8]) -> Vec<u8> {
    let mut aad = object_aad(namespace, "wal", name);
    aad.extend_from_slice(head);
    aad
}

/// A segment whose bytes are whole; its frames are still sealed.
#[derive(Clone, Debug)]
pub struct StoredSegment {
    /// its clear part; [`StoredSegment::frames`] proves that the writer wrote it
    pub header: SegmentHeader,
    /// SHA-256 of the stored bytes, which the next segment names
    pub hash: ChainHash,
    /// its key inside the namespace
    pub name: String,
    bytes: Bytes,
    frames: Vec<Range<usize>>,
    seal: Range<usize>,
}

/// Checks all of a segment that can be checked without a key.
///
/// # Errors
/// Kind `Integrity` if the name is no segment's, or the bytes are not one whole segment of that name; kind
/// `Unsupported` for a later version.
pub fn inspect(name: &str, bytes: Bytes) -> Result<StoredSegment, SegmentError> {
    let bad = |what: String| SegmentError::integrity(name, what);
    let seq = parse_segment_key(name).ok_or_else(|| bad("its name is no segment's".to_owned()))?;
    if bytes.len() < HEADER_LEN + TAG_LEN + TRAILER_LEN || bytes.len() > MAX_SEGMENT_BYTES {
        return Err(bad(format!("{} bytes are no whole segment", bytes.len())));
    }
    let (summed, sum) = bytes.split_at(bytes.len() - HASH_LEN);
    if ChainHash::of(summed).0 != sum {
        return Err(bad("its trailing hash does not fit its bytes".to_owned()));
    }
    let (parts, length) = summed.split_at(summed.len() - (TRAILER_LEN - HASH_LEN));
    if length != (bytes.len() as u64).to_be_bytes() {
        return Err(bad("its trailing length is not its length".to_owned()));
    }
    let mut r = Reader::new(parts);
    let (header, count) = SegmentHeader::decode(name, &mut r)?;
    if header.seq != seq {
        return Err(bad(format!("it says it is segment {}", header.seq)));
    }
    let here = |r: &Reader<'_>| parts.len() - r.remaining();
    let mut frames = Vec::with_capacity((count as usize).min(r.remaining() / (4 + TAG_LEN)));
    for i in 0..count {
        let sealed = r.block("a frame").map_err(bad)?;
        if sealed.len() < TAG_LEN {
            return Err(bad(format!("frame {i} of {} bytes is too short", sealed.len())));
        }
        frames.push(here(&r) - sealed.len()..here(&r));
    }
    let seal = here(&r)..here(&r) + TAG_LEN;
    r.take(TAG_LEN, "the header seal").map_err(bad)?;
    r.end("the header seal").map_err(bad)?;
    Ok(StoredSegment { header, hash: ChainHash::of(&bytes), name: name.to_owned(), frames, seal, bytes })
}

impl StoredSegment {
    /// How many frames there are.
    #[must_use]
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Stored bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Opens the frames. That this succeeds proves that a holder of the key wrote the header and every frame, for this
    /// namespace and this name.
    ///
    /// # Errors
    /// Kind `Key` if the ring has no such key; kind `Integrity` if the segment is of another namespace or a part does not open.
    pub fn frames(&self, keys: &KeyRing) -> Result<Vec<Vec<u8>>, SegmentError> {
        if self.header.namespace != keys.namespace() {
            return Err(SegmentError::integrity(
                &self.name,
                format!("it belongs to namespace {}, not to {} (I8)", self.header.namespace, keys.namespace()),
            ));
        }
        let key = keys.get(self.header.key_id).map_err(|e| SegmentError::key(&self.name, e))?;
        let object = key.object_key(&self.name, &self.header.nonce);
        let aad = aad(self.header.namespace, &self.name, &self.bytes[..HEADER_LEN]);
        let open = |counter: u32, at: &Range<usize>| {
            object.open(counter, &aad, &self.bytes[at.clone()]).map_err(|_| {
                SegmentError::integrity(
                    &self.name,
                    "a sealed part does not open: it was changed, or written for another namespace, name or key (I8)",
                )
            })
        };
        open(HEADER_SEAL, &self.seal)?;
        (0..).zip(&self.frames).map(|(counter, at)| open(counter, at)).collect()
    }
}
