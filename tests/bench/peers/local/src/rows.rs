//! The benchmark's rows out of its CSV.
//!
//! Promises: the same rows that FirnDB loads; fields hold no quotes.
//! Never: a look at anything but the file.

use std::error::Error;
use std::path::Path;

/// The rows of a CSV as text fields, its header left out.
pub fn read(csv: &Path) -> Result<Vec<[String; 7]>, Box<dyn Error>> {
    let text = std::fs::read_to_string(csv)?;
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',').map(str::to_owned);
        rows.push(std::array::from_fn(|_| fields.next().unwrap_or_default()));
    }
    Ok(rows)
}

/// A key that looks random.
pub fn key(n: u64, rows: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % rows + 1
}
