//! The table that everything is measured on: rows from a seed, as CSV and as plain Parquet.
//!
//! Promises: row *i* is the same on every machine and in every file; keys ascend without gaps.
//! Never: a file written by anything but the Parquet library's own writer with its defaults, but for the row groups:
//! as many rows as ours have, since one group of a million rows would leave one of two cores idle.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use firn_engine::Error;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

/// Distinct customers; a hundredth of them is a hundredth of the rows.
pub const CUSTOMERS: u64 = 100_000;
const STATES: [&str; 6] = ["new", "paid", "packed", "shipped", "returned", "cancelled"];
const WORDS: [&str; 8] = ["alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple"];
const GROUP_ROWS: usize = 64 * 1024;
const BATCH: u64 = 8 * 1024;
/// 2025-01-01T00:00:00Z
const START_SECONDS: u64 = 1_735_689_600;

/// The statement that makes the table, in the dialect of ours and of PostgreSQL.
pub const CREATE: &str = "CREATE TABLE items (id BIGINT PRIMARY KEY, customer INTEGER NOT NULL, price DECIMAL(12,2) NOT NULL, \
    score DOUBLE PRECISION NOT NULL, status TEXT NOT NULL, note TEXT NOT NULL, made_at TIMESTAMPTZ NOT NULL)";

struct Row {
    id: u64,
    customer: u64,
    cents: u64,
    /// in thousandths
    score: u64,
    status: &'static str,
    note: String,
    second: u64,
}

/// A number that looks random and is a function of `n` (splitmix64).
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn row(id: u64) -> Row {
    let (a, b, c) = (mix(id), mix(id ^ 0xA5A5_0000_0000), mix(id ^ 0x5A5A_0000_0000));
    Row {
        id,
        customer: a % CUSTOMERS,
        cents: b % 1_000_000,
        score: c % 1_000,
        status: STATES[(a >> 40) as usize % STATES.len()],
        note: format!("{} {} {:08x}", WORDS[(b >> 40) as usize % 8], WORDS[(c >> 40) as usize % 8], c >> 32),
        second: START_SECONDS + id * 7,
    }
}

/// Writes `items.csv` and `items.parquet` of `rows` rows into a folder.
///
/// # Errors
/// The disk's and the writer's.
pub fn generate(rows: u64, folder: &Path) -> Result<Value, Error> {
    write(rows, folder).map_err(|e| Error::internal(format!("{}: {e}", folder.display())))
}

fn write(rows: u64, folder: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    let (csv, parquet) = (folder.join("items.csv"), folder.join("items.parquet"));
    let mut text = BufWriter::new(File::create(&csv)?);
    writeln!(text, "id,customer,price,score,status,note,made_at")?;
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
    let mut columns: Option<ArrowWriter<File>> = None;
    let mut id = 1;
    while id <= rows {
        let part: Vec<Row> = (id..=rows.min(id + BATCH - 1)).map(row).collect();
        id += BATCH;
        for r in &part {
            write_csv(&mut text, r)?;
        }
        let batch = batch(&part)?;
        let writer = match &mut columns {
            Some(writer) => writer,
            none => {
                let file = File::create(&parquet)?;
                none.insert(ArrowWriter::try_new(file, batch.schema(), Some(properties.clone()))?)
            }
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = columns {
        writer.close()?;
    }
    text.flush()?;
    let size = |path: &Path| std::fs::metadata(path).map(|m| m.len()).unwrap_or(0);
    Ok(json!({ "rows": rows, "csv_bytes": size(&csv), "parquet_bytes": size(&parquet) }))
}

fn write_csv(text: &mut impl std::io::Write, r: &Row) -> std::io::Result<()> {
    let days = civil(r.second / 86_400);
    let s = r.second % 86_400;
    write!(
        text,
        "{},{},{}.{:02},{}.{:03},{},{},",
        r.id,
        r.customer,
        r.cents / 100,
        r.cents % 100,
        r.score / 1000,
        r.score % 1000,
        r.status,
        r.note
    )?;
    writeln!(text, "{}T{:02}:{:02}:{:02}Z", days, s / 3600, s / 60 % 60, s % 60)
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> String {
    let z = days + 719_468;
    let (era, day) = (z / 146_097, z % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    format!("{:04}-{:02}-{:02}", era * 400 + year + u64::from(month <= 2), month, of_year - (153 * m + 2) / 5 + 1)
}

#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let price = Decimal128Array::from_iter_values(rows.iter().map(|r| i128::from(r.cents)));
    let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.second as i64 * 1_000_000));
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.id as i64)))),
        ("customer", Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.customer as i32)))),
        ("price", Arc::new(price.with_precision_and_scale(12, 2)?)),
        ("score", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.score as f64 / 1000.0)))),
        ("status", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.status)))),
        ("note", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.note.as_str())))),
        ("made_at", Arc::new(at.with_timezone("UTC"))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, false)))
}
