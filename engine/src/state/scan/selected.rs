//! The rows of a row group that a scan reads: those asked for, less the dead.
//!
//! Promises: what is kept with a file for later scans serves only one that sees exactly the same dead rows.
//! Never: a dead row is told from a living one after it was decoded.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use firn_manifest::model::FileKind;
use firn_segment::sst::reader::SstReader;

use super::super::files::SstFile;
use super::Inner;
use crate::error::Result;

/// Rows of a row group.
#[derive(Debug)]
pub struct Selected {
    span: Range<u32>,
    rows: usize,
    which: Which,
}

#[derive(Debug)]
enum Which {
    All,
    /// less than half of them: ranges, ascending
    Few(Vec<Range<u32>>),
    /// a bit for each row, and the BLAKE3 of the bits
    Most(BooleanBuffer, [u8; 32]),
}

impl Selected {
    /// The rows of `span` in the ranges (ascending, within the span).
    fn of(ranges: Vec<Range<u32>>, span: Range<u32>) -> Self {
        let rows: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        let which = if rows == span.len() {
            Which::All
        } else if rows * 2 < span.len() {
            // picking out most rows one by one would cost more than decoding all of them and dropping the rest
            Which::Few(ranges)
        } else {
            let mut bits = BooleanBufferBuilder::new(span.len());
            for range in ranges {
                bits.append_n((range.start - span.start) as usize - bits.len(), false);
                bits.append_n(range.len(), true);
            }
            bits.append_n(span.len() - bits.len(), false);
            let bits = bits.finish();
            let digest = *blake3::hash(bits.values()).as_bytes();
            Which::Most(bits, digest)
        };
        Self { span, rows, which }
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether they are the whole row group.
    pub fn is_all(&self) -> bool {
        matches!(self.which, Which::All)
    }

    /// Whether they are less than half of it.
    pub fn is_few(&self) -> bool {
        matches!(self.which, Which::Few(_))
    }

    /// A bit for each row of the row group; `None` for all and for few.
    pub fn mask(&self) -> Option<BooleanBuffer> {
        match &self.which {
            Which::Most(bits, _) => Some(bits.clone()),
            Which::All | Which::Few(_) => None,
        }
    }

    /// What tells this mask from others.
    pub fn digest(&self) -> Option<[u8; 32]> {
        match &self.which {
            Which::Most(_, digest) => Some(*digest),
            Which::All | Which::Few(_) => None,
        }
    }

    /// The rows as ranges, ascending.
    pub fn ranges(&self) -> Vec<Range<u32>> {
        let place = |at: usize| self.span.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        match &self.which {
            Which::All => vec![self.span.clone()],
            Which::Few(ranges) => ranges.clone(),
            Which::Most(bits, _) => bits.set_slices().map(|(start, end)| place(start)..place(end)).collect(),
        }
    }
}

/// Rows of the row group to read.
///
/// # Errors
/// Store, key and integrity errors of reading the file's vector.
pub(super) async fn selected(
    scan: &Inner,
    file: &SstFile,
    reader: &SstReader,
    ordinal: u32,
    span: &Range<u32>,
) -> Result<Arc<Selected>> {
    let mut wanted: Vec<Range<u32>> = Vec::new();
    let (keys, ranges) = (scan.keys(), &scan.request.ranges);
    match (keys, ranges) {
        (None, None) => wanted.push(span.clone()),
        (None, Some(ranges)) => {
            for (low, high) in ranges.iter().filter(|(low, high)| file.overlaps(low, high)) {
                add(&mut wanted, &reader.between(low, high), span);
            }
        }
        (Some(keys), _) => {
            for key in keys.iter().filter(|k| file.spans(k)) {
                if let Some(range) = reader.candidates(key) {
                    add(&mut wanted, &range, span);
                }
            }
        }
    }
    if scan.all_versions() || wanted.is_empty() || file.entry.kind != FileKind::Current {
        return Ok(Arc::new(Selected::of(wanted, span.clone())));
    }
    let (store, ring) = (&scan.snapshot.store, &scan.snapshot.view.keys);
    let own = scan.own();
    let seen = if keys.is_none() && ranges.is_none() && own.is_none() { file.dead_by(scan.at()) } else { None };
    if let Some(seen) = seen
        && let Some(known) = file.living(span.start, seen)
    {
        return Ok(known);
    }
    let mut dead = file.dead_at(span.clone(), scan.at(), store, ring).await?;
    if let Some(own) = own {
        dead.extend(own.dead_in_file(ordinal));
        dead.sort_unstable();
    }
    let selected = Arc::new(Selected::of(subtract(&wanted, &dead), span.clone()));
    // a bit a row at the most is kept
    if let Some(seen) = seen.filter(|_| !selected.is_few()) {
        file.keep_living(span.start, seen, selected.clone());
    }
    Ok(selected)
}

/// Adds what of `range` lies in `span`; ranges come in ascending order.
fn add(wanted: &mut Vec<Range<u32>>, range: &Range<u32>, span: &Range<u32>) {
    let (start, end) = (range.start.max(span.start), range.end.min(span.end));
    match wanted.last_mut() {
        Some(last) if start <= last.end && start < end => last.end = last.end.max(end),
        _ if start < end => wanted.push(start..end),
        _ => {}
    }
}

/// The ranges without the given rows (ascending).
fn subtract(ranges: &[Range<u32>], dead: &[u32]) -> Vec<Range<u32>> {
    let mut out = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut from = range.start;
        let first = dead.partition_point(|row| *row < range.start);
        for &row in dead.get(first..).unwrap_or_default() {
            if row >= range.end {
                break;
            }
            if row > from {
                out.push(from..row);
            }
            from = from.max(row + 1);
        }
        if from < range.end {
            out.push(from..range.end);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Selected, subtract};

    #[test]
    fn dead_rows_split_ranges() {
        let whole = std::slice::from_ref(&(0u32..10));
        assert_eq!(subtract(whole, &[]), whole);
        assert_eq!(subtract(whole, &[0, 3, 4, 9]), vec![1..3, 5..9]);
        assert_eq!(subtract(&[2..4, 6..8], &[1, 2, 3, 7]), std::slice::from_ref(&(6u32..7)));
        assert!(subtract(std::slice::from_ref(&(5u32..6)), &[5]).is_empty());
    }

    #[test]
    fn rows_are_all_few_or_most() {
        let all = Selected::of(std::iter::once(10..18).collect(), 10..18);
        assert!(all.is_all() && all.rows() == 8 && all.mask().is_none() && all.digest().is_none());
        let few = Selected::of(vec![11..13, 15..16], 10..18);
        assert!(few.is_few() && few.rows() == 3 && few.ranges() == [11..13, 15..16]);
        let most = Selected::of(vec![11..14, 15..18], 10..18);
        let bits: Vec<bool> = most.mask().iter().flat_map(|bits| bits.iter()).collect();
        assert_eq!(bits, [false, true, true, true, false, true, true, true]);
        assert_eq!((most.rows(), most.ranges()), (6, vec![11..14, 15..18]));
        let other = Selected::of(vec![10..13, 15..18], 10..18);
        assert_ne!(most.digest(), other.digest());
    }
}
