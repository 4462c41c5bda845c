//! Where a reader's bytes come from: ranged reads of one object, few and at once.
//!
//! Promises: all ranges asked for together cost one round trip; near ones share a request; an answer of another length
//! than asked for is an error.
//! Never: a read beyond the object's size.

use std::fmt::Debug;
use std::ops::Range;

use bytes::Bytes;
use firn_manifest::{GetRange, Store, StoreError};
use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join_all};

use crate::error::SegmentError;

/// Gaps up to this are read rather than asked around: about what a request's latency is worth.
const GAP: u64 = 128 * 1024;
/// Merging stops here, so that a long scan's bytes come over several connections.
const MERGED: u64 = 8 * 1024 * 1024;

/// Ranged reads of one object.
pub trait RangeSource: Send + Sync + Debug {
    /// The bytes of `range`, all of them.
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, StoreError>>;
}

/// Reads straight from a store.
#[derive(Clone, Debug)]
pub struct StoreSource {
    store: Store,
    name: String,
}

impl StoreSource {
    /// Reads of the object `name` of `store` (a namespace's view).
    #[must_use]
    pub fn new(store: Store, name: impl Into<String>) -> Self {
        Self { store, name: name.into() }
    }
}

impl RangeSource for StoreSource {
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        self.store.get_range(&self.name, GetRange::Bounded(range)).boxed()
    }
}

/// One range, checked.
pub(super) async fn read(source: &dyn RangeSource, object: &str, range: Range<u64>) -> Result<Bytes, SegmentError> {
    let wanted = range.end.saturating_sub(range.start);
    let bytes = source.read(range.clone()).await.map_err(|e| SegmentError::store(object, e))?;
    if bytes.len() as u64 == wanted {
        Ok(bytes)
    } else {
        Err(SegmentError::integrity(
            object,
            format!(
                "bytes {} to {} were asked for and {} bytes came: it is cut off",
                range.start,
                range.end,
                bytes.len()
            ),
        ))
    }
}

/// All ranges, in the order they were asked for, in one round trip.
pub(super) async fn read_all(
    source: &dyn RangeSource,
    object: &str,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>, SegmentError> {
    let requests = coalesce(ranges);
    let answers = try_join_all(requests.iter().map(|r| read(source, object, r.clone()))).await?;
    ranges
        .iter()
        .map(|range| {
            let at = requests.partition_point(|r| r.start <= range.start).saturating_sub(1);
            let (Some(request), Some(bytes)) = (requests.get(at), answers.get(at)) else {
                return Ok(Bytes::new());
            };
            // each range lies in one request, which is not longer than memory
            let start = (range.start - request.start) as usize;
            let end = (range.end - request.start) as usize;
            if start <= end && end <= bytes.len() {
                Ok(bytes.slice(start..end))
            } else {
                Err(SegmentError::integrity(object, "its pages overlap"))
            }
        })
        .collect()
}

/// Sorted requests that cover all ranges.
fn coalesce(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|r| r.start < r.end).cloned().collect();
    sorted.sort_unstable_by_key(|r| (r.start, r.end));
    let mut requests: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match requests.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            Some(last) if range.start - last.end <= GAP && range.end - last.start <= MERGED => last.end = range.end,
            _ => requests.push(range),
        }
    }
    requests
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_share_a_request() {
        let far = GAP + 1000;
        assert_eq!(coalesce(&[far..far + 5, 0..10, 20..30]), vec![0..30, far..far + 5]);
        assert_eq!(coalesce(&[0..MERGED, MERGED..MERGED + 1]), vec![0..MERGED, MERGED..MERGED + 1]);
        assert_eq!(coalesce(&[5..9, 0..6, 7..7]), vec![0..9]);
        assert_eq!(coalesce(&[]), Vec::<Range<u64>>::new());
    }
}
