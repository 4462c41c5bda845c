//! The key index: which rows of a file can hold a key.
//!
//! Promises: a key that is in the file is always within the rows named; an absent one is nearly always (99 %) said to
//! be absent without I/O.
//! Never: I/O, or a copy of every key; bounds are cut to [`BOUND_BYTES`].
//!
//! | bytes | field (integers big-endian) |
//! |---|---|
//! | 1 | version, 1 |
//! | 4 + *m* | length and meta: JSON, fields in the order of `FileMeta`, no whitespace |
//! | 4 | number of row groups, then for each: |
//! | 4 | — rows |
//! | 4 + *f* | — length and bits of the filter: a Parquet split-block Bloom filter (xxHash64, seed 0) of *f* / 32 blocks over the encoded keys |
//! | 4 | — number of pages: rows / 1,024, rounded up; then for each: |
//! | 1 + *b* | — — length and bytes of the first key of the page, cut to 64 bytes |
//! | 1 + *b* | — length and bytes of the last key of the group, cut to 64 bytes |

use std::ops::Range;

use firn_manifest::model::FileKind;
use parquet::bloom_filter::Sbbf;

use super::{FileMeta, PAGE_ROWS};
use crate::bytes_io::Reader;

const VERSION: u8 = 1;
/// Bounds are cut to this.
const BOUND_BYTES: usize = 64;
const BLOCK_BYTES: usize = 32;
/// Bits of filter for a key: one false positive in a hundred.
const BITS_PER_KEY: usize = 10;

/// Cutting keeps order: `a <= b` implies `cut(a) <= cut(b)`.
fn cut(key: &[u8]) -> &[u8] {
    &key[..key.len().min(BOUND_BYTES)]
}

/// Builds the index, key by key.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    groups: Vec<u8>,
    group_count: u32,
    // the group being built: its keys one after another, and where each ends
    keys: Vec<u8>,
    ends: Vec<usize>,
}

impl IndexBuilder {
    /// The next key; keys come in the file's order.
    pub(super) fn add(&mut self, key: &[u8]) {
        self.keys.extend_from_slice(key);
        self.ends.push(self.keys.len());
    }

    /// Ends the row group. Does nothing if it has no rows.
    pub(super) fn end_group(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let key = |row: usize| {
            let start = if row == 0 { 0 } else { self.ends[row - 1] };
            &self.keys[start..self.ends[row]]
        };
        let rows = self.ends.len();
        let distinct = 1 + (1..rows).filter(|row| key(*row) != key(row - 1)).count();
        let blocks = (distinct * BITS_PER_KEY).div_ceil(8 * BLOCK_BYTES);
        let mut filter = Sbbf::new(&vec![0; blocks * BLOCK_BYTES]);
        for row in 0..rows {
            filter.insert(key(row));
        }
        let mut bits = Vec::with_capacity(blocks * BLOCK_BYTES);
        // writing to a Vec does not fail
        let written = filter.write_bitset(&mut bits);
        debug_assert!(written.is_ok() && bits.len() == blocks * BLOCK_BYTES);

        let out = &mut self.groups;
        // a group has at most GROUP_ROWS rows, so all of these fit
        put_u32(out, rows);
        put_u32(out, bits.len());
        out.extend_from_slice(&bits);
        put_u32(out, rows.div_ceil(PAGE_ROWS as usize));
        for page in (0..rows).step_by(PAGE_ROWS as usize) {
            put_bound(out, key(page));
        }
        put_bound(out, key(rows - 1));
        self.group_count += 1;
        self.keys.clear();
        self.ends.clear();
    }

    /// The index's bytes, before they are sealed.
    pub(super) fn finish(mut self, meta: &FileMeta) -> Result<Vec<u8>, serde_json::Error> {
        self.end_group();
        let meta = serde_json::to_vec(meta)?;
        let mut out = Vec::with_capacity(9 + meta.len() + self.groups.len());
        out.push(VERSION);
        put_u32(&mut out, meta.len());
        out.extend_from_slice(&meta);
        out.extend_from_slice(&self.group_count.to_be_bytes());
        out.extend_from_slice(&self.groups);
        Ok(out)
    }
}

fn put_u32(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_bound(out: &mut Vec<u8>, key: &[u8]) {
    let bound = cut(key);
    out.push(bound.len() as u8);
    out.extend_from_slice(bound);
}

/// The index of an open file.
pub(super) struct KeyIndex {
    pub(super) meta: FileMeta,
    groups: Vec<Group>,
    plain: Vec<u8>,
}

struct Group {
    first_row: u32,
    rows: u32,
    filter: Sbbf,
    /// the first key of each page, in `plain`
    firsts: Vec<Range<usize>>,
    last: Range<usize>,
}

impl std::fmt::Debug for KeyIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyIndex {{ meta: {:?}, groups: {} }}", self.meta, self.groups.len())
    }
}

impl KeyIndex {
    /// The index in `plain`; the text of an error says what is wrong with it.
    pub(super) fn decode(plain: Vec<u8>) -> Result<Self, String> {
        let mut r = Reader::new(&plain);
        match r.u8("the key index's version")? {
            VERSION => {}
            other => return Err(format!("its key index is of version {other}, this build knows {VERSION}")),
        }
        let meta: FileMeta = serde_json::from_slice(r.block("the key index's meta")?).map_err(|e| e.to_string())?;
        if meta.page_rows != PAGE_ROWS {
            return Err(format!("its key index has pages of {} rows, not {PAGE_ROWS}", meta.page_rows));
        }
        let count = r.u32("the number of row groups")?;
        let mut groups = Vec::new();
        let mut first_row = 0u32;
        for _ in 0..count {
            let group = Group::decode(&mut r, &plain, first_row)?;
            first_row = first_row.checked_add(group.rows).ok_or("its key index has more than 2^32 rows")?;
            groups.push(group);
        }
        r.end("the key index")?;
        if u64::from(first_row) != meta.rows {
            return Err(format!("its key index has {first_row} rows, its meta says {}", meta.rows));
        }
        Ok(Self { meta, groups, plain })
    }

    /// First row and rows of each row group.
    pub(super) fn row_groups(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + '_ {
        self.groups.iter().map(|g| (g.first_row, g.rows))
    }

    /// The rows that can hold `key`; `None` if none can.
    pub(super) fn candidates(&self, key: &[u8]) -> Option<Range<u32>> {
        let bound = cut(key);
        // an exact first key of a page shows that the page before it, whose keys are lower, cannot hold the key
        let exact = self.meta.kind == FileKind::Current && key.len() < BOUND_BYTES;
        let from = self.groups.partition_point(|g| &self.plain[g.last.clone()] < bound);
        let to =
            self.groups.partition_point(|g| g.firsts.first().is_some_and(|first| &self.plain[first.clone()] <= bound));
        let mut hull: Option<Range<u32>> = None;
        for group in self.groups.get(from..to).unwrap_or_default() {
            if !group.filter.check(key) {
                continue;
            }
            let rows = group.candidates(&self.plain, bound, exact);
            hull = Some(hull.map_or(rows.clone(), |h| h.start.min(rows.start)..h.end.max(rows.end)));
        }
        hull
    }

    /// The rows that can hold a key from `low` on and below `high`.
    pub(super) fn between(&self, low: &[u8], high: &[u8]) -> Range<u32> {
        let (low, high) = (cut(low), cut(high));
        let at = |bound: &Range<usize>| &self.plain[bound.clone()];
        let from = self.groups.partition_point(|g| at(&g.last) < low);
        let to = self.groups.partition_point(|g| g.firsts.first().is_some_and(|first| at(first) <= high));
        let (Some(first), Some(last)) = (self.groups.get(from), to.checked_sub(1).and_then(|to| self.groups.get(to)))
        else {
            return 0..0;
        };
        let page = first.firsts.get(1..).unwrap_or_default().partition_point(|bound| at(bound) < low) as u32;
        let start = first.first_row + (page * PAGE_ROWS).min(first.rows);
        let pages = last.firsts.partition_point(|bound| at(bound) <= high) as u32;
        let end = last.first_row + pages.saturating_mul(PAGE_ROWS).min(last.rows);
        start..end.max(start)
    }
}

impl Group {
    fn decode(r: &mut Reader<'_>, plain: &[u8], first_row: u32) -> Result<Self, String> {
        let rows = r.u32("a row group's rows")?;
        let bits = r.block("a filter")?;
        if rows == 0 || bits.is_empty() || bits.len() % BLOCK_BYTES != 0 {
            return Err("its key index has a row group of no rows or an uneven filter".to_owned());
        }
        let filter = Sbbf::new(bits);
        let pages = r.u32("the number of pages")?;
        if pages != rows.div_ceil(PAGE_ROWS) {
            return Err(format!("its key index has {pages} pages for {rows} rows"));
        }
        let mut bound = || -> Result<Range<usize>, String> {
            let len = usize::from(r.u8("a bound")?);
            r.take(len, "a bound")?;
            let end = plain.len() - r.remaining();
            Ok(end - len..end)
        };
        // each bound takes a byte at least, and the first missing one ends this
        let firsts = (0..pages).map(|_| bound()).collect::<Result<Vec<_>, _>>()?;
        let last = bound()?;
        Ok(Self { first_row, rows, filter, firsts, last })
    }

    fn candidates(&self, plain: &[u8], bound: &[u8], exact: bool) -> Range<u32> {
        let first = |at: &Range<usize>| &plain[at.clone()];
        let before = |at: &Range<usize>| if exact { first(at) <= bound } else { first(at) < bound };
        let from = self.firsts.get(1..).unwrap_or_default().partition_point(before) as u32;
        let to = self.firsts.partition_point(|at| first(at) <= bound) as u32;
        let start = (from * PAGE_ROWS).min(self.rows);
        let end = to.saturating_mul(PAGE_ROWS).min(self.rows).max(start);
        self.first_row + start..self.first_row + end
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::sst::MetaColumn;
    use firn_manifest::ids::{ColumnId, TableId};
    use firn_manifest::schema::ColumnType;
    use proptest::prelude::*;

    fn meta(rows: u64, kind: FileKind) -> FileMeta {
        FileMeta {
            table: TableId(16),
            kind,
            rows,
            page_rows: PAGE_ROWS,
            columns: vec![MetaColumn { id: ColumnId(1), ty: ColumnType::Decimal { precision: 9, scale: 2 } }],
            key: vec![ColumnId(1)],
        }
    }

    fn encoded(keys: &[Vec<u8>], group_rows: usize, kind: FileKind) -> Vec<u8> {
        let mut builder = IndexBuilder::default();
        for group in keys.chunks(group_rows) {
            group.iter().for_each(|key| builder.add(key));
            builder.end_group();
        }
        builder.finish(&meta(keys.len() as u64, kind)).unwrap()
    }

    proptest! {
        #[test]
        fn a_range_misses_no_key(
            keys in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 1..40), 1..3000),
            low in prop::collection::vec(any::<u8>(), 0..40),
            high in prop::collection::vec(any::<u8>(), 0..40),
            group in 1usize..2500,
        ) {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let index = KeyIndex::decode(encoded(&keys, group, FileKind::Current)).unwrap();
            let range = index.between(&low, &high);
            for (row, key) in (0u32..).zip(&keys).filter(|(_, key)| low <= **key && **key < high) {
                prop_assert!(range.contains(&row), "{key:?} at {row} is outside {range:?}");
            }
        }
    }

    /// These bytes stand in stored files: the filter's layout and hash, and the bounds, can never change.
    #[test]
    fn index_bytes_are_pinned() {
        let keys: Vec<Vec<u8>> = (0u32..3_000).map(|i| (i * 5).to_be_bytes().to_vec()).collect();
        let bytes = encoded(&keys, 2_000, FileKind::Current);
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            "b771408788a56379a7531a42a41ee25caf90914bee6197a9c13e9bdeef64f07c"
        );
        let small = encoded(&[b"a".to_vec(), vec![b'b'; 70]], 10, FileKind::History);
        let text = String::from_utf8_lossy(&small);
        assert!(text.contains(
            r#"{"table":16,"kind":"history","rows":2,"page_rows":1024,"columns":[{"id":1,"ty":{"decimal":{"precision":9,"scale":2}}}],"key":[1]}"#
        ));
        assert!(small.ends_with(&[&[1, b'a', 64][..], &[b'b'; 64]].concat()));
    }

    proptest! {
        #[test]
        fn a_key_that_is_there_is_never_missed(
            keys in proptest::collection::btree_set(proptest::collection::vec(0u8..3, 60..70), 1..40),
            group_rows in 1usize..50,
            kind in prop_oneof![Just(FileKind::Current), Just(FileKind::History)],
        ) {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let index = KeyIndex::decode(encoded(&keys, group_rows, kind)).unwrap();
            for (row, key) in keys.iter().enumerate() {
                prop_assert!(index.candidates(key).unwrap().contains(&(row as u32)));
            }
        }

        #[test]
        fn decoding_does_not_panic(at in any::<prop::sample::Index>(), n in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let keys: Vec<Vec<u8>> = (0u32..1_500).map(|i| i.to_be_bytes().to_vec()).collect();
            let mut bytes = encoded(&keys, 1_000, FileKind::Current);
            // mostly in the front, where the lengths are
            let i = at.index(bytes.len().min(300));
            bytes[i] = n;
            if let Ok(index) = KeyIndex::decode(bytes.clone()) {
                let _ = index.candidates(&keys[0]);
                let _ = index.candidates(b"");
            }
            prop_assert!(KeyIndex::decode(bytes[..cut.index(bytes.len())].to_vec()).is_err());
        }
    }
}
