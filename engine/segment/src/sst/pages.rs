//! Where the pages of a file stand, and whether fetched bytes have their outline.
//!
//! Promises: parquet's decryption, which takes its lengths from the bytes themselves, only sees pages whose two
//! lengths fill exactly the place that the authenticated offset index gives them.
//! Never: a page judged by its content; AES-GCM does that.

use std::ops::Range;

use parquet::file::metadata::ParquetMetaData;

/// An encrypted module: length (4, little-endian), nonce (12), ciphertext, tag (16).
const LENGTH_LEN: usize = 4;
const MODULE_MIN: usize = 12 + 16;

/// The column chunks of a file, by offset.
#[derive(Debug)]
pub(super) struct PageMap {
    chunks: Vec<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Range<u64>,
    /// where each page ends, the dictionary page (if any) first
    ends: Vec<u64>,
}

impl PageMap {
    /// The map of a file whose pages all stand below `tail`; the text of an error says what is wrong.
    pub(super) fn of(metadata: &ParquetMetaData, tail: u64) -> Result<Self, String> {
        let index = metadata.offset_index().ok_or("it has no offset index")?;
        let mut chunks = Vec::new();
        for (group, index) in metadata.row_groups().iter().zip(index) {
            if index.len() != group.num_columns() {
                return Err("its offset index does not have all columns".to_owned());
            }
            for (column, index) in group.columns().iter().zip(index) {
                let (start, length) = column.byte_range();
                let end =
                    start.checked_add(length).filter(|end| *end <= tail).ok_or("a column lies outside its pages")?;
                let mut ends = Vec::with_capacity(index.page_locations.len() + 1);
                let mut at = start;
                for page in &index.page_locations {
                    let (offset, size) = (page.offset as u64, page.compressed_page_size as u64);
                    if offset > at && ends.is_empty() {
                        ends.push(offset);
                        at = offset;
                    }
                    if offset != at || page.offset < 0 || page.compressed_page_size <= 0 {
                        return Err("its pages do not lie one after another".to_owned());
                    }
                    at += size;
                    ends.push(at);
                }
                if at != end {
                    return Err("its pages do not fill their column".to_owned());
                }
                chunks.push(Chunk { bytes: start..end, ends });
            }
        }
        chunks.sort_unstable_by_key(|c| c.bytes.start);
        Ok(Self { chunks })
    }

    /// Checks the pages in `bytes`, which stand at `range`.
    pub(super) fn check(&self, range: &Range<u64>, bytes: &[u8]) -> Result<(), String> {
        let at = self.chunks.partition_point(|c| c.bytes.start <= range.start);
        let chunk = at.checked_sub(1).and_then(|at| self.chunks.get(at));
        let chunk = chunk.filter(|c| range.end <= c.bytes.end).ok_or("a read is not within a column")?;
        let mut position = range.start;
        let first = chunk.ends.partition_point(|end| *end <= range.start);
        for end in &chunk.ends[first..] {
            if position >= range.end {
                break;
            }
            let page = bytes
                .get((position - range.start) as usize..)
                .and_then(|rest| rest.get(..end.checked_sub(position)? as usize));
            if !page.is_some_and(whole) {
                return Err(format!("the page at byte {position} is damaged"));
            }
            position = *end;
        }
        Ok(())
    }
}

/// A page is two modules, its header and its data, and nothing else.
fn whole(page: &[u8]) -> bool {
    let module = |bytes: &[u8]| -> Option<usize> {
        let length = bytes.first_chunk::<LENGTH_LEN>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let total = length.checked_add(LENGTH_LEN)?;
        (length >= MODULE_MIN && total <= bytes.len()).then_some(total)
    };
    let Some(header) = module(page) else { return false };
    module(&page[header..]) == Some(page.len() - header)
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn only_two_whole_modules_are_a_page() {
        let module = |n: u32| [&n.to_le_bytes()[..], &vec![0; n as usize]].concat();
        assert!(whole(&[module(28), module(40)].concat()));
        for bad in [
            vec![],
            module(28),
            [module(27), module(40)].concat(),
            [module(28), module(27)].concat(),
            [module(28), module(40), vec![0]].concat(),
            [module(28), u32::MAX.to_le_bytes().to_vec()].concat(),
            u32::MAX.to_le_bytes().to_vec(),
        ] {
            assert!(!whole(&bad));
        }
    }
}
