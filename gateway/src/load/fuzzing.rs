//! Text files that are in memory, through the same readers as files on a disk.
//!
//! Promises: rows are counted, errors end a file.
//! Never: compiled into the command.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use firn_manifest::schema::TableSchema;

use super::batch::Batches;
use super::infer::{Inference, create_table};
use super::source::{Counted, TextInput};
use super::text::{CsvBatches, NdjsonBatches, sample_csv, sample_ndjson};

const BATCH_ROWS: u64 = 3;

fn input(data: &[u8]) -> (TextInput, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    (Counted::new(Box::new(Cursor::new(data.to_vec())), count.clone()), count)
}

fn rows(mut batches: impl Batches) -> usize {
    let mut rows = 0;
    while let Ok(Some(batch)) = batches.next_batch() {
        rows += batch.rows.num_rows();
    }
    rows
}

/// The rows of a CSV file before its first error.
pub fn read_csv(data: &[u8], table: &Arc<TableSchema>) -> usize {
    for cut in [false, true] {
        let mut inference = Inference::default();
        if sample_csv(data, cut, "f.csv", "", &mut inference).is_ok() {
            let _ = create_table("t", &inference.finish(), &[]);
        }
    }
    CsvBatches::new(input(data), "f.csv", "", table, BATCH_ROWS).map_or(0, rows)
}

/// The rows of an NDJSON file before its first error.
pub fn read_ndjson(data: &[u8], table: &Arc<TableSchema>) -> usize {
    for cut in [false, true] {
        let mut inference = Inference::default();
        if sample_ndjson(data, cut, "f.ndjson", &mut inference).is_ok() {
            let _ = create_table("t", &inference.finish(), &[]);
        }
    }
    rows(NdjsonBatches::new(input(data), "f.ndjson", table, BATCH_ROWS))
}
