//! The benchmark's rows out of its CSV.
//!
//! Promises: the same rows that FirnDB loads; fields hold no quotes.
//! Never: a look at anything but the file.

use std::path::Path;

use crate::Done;

/// The rows of a CSV as text fields, its header left out.
///
/// # Errors
/// The disk's.
pub fn read(csv: &Path) -> Done<Vec<[String; 7]>> {
    let text = std::fs::read_to_string(csv)?;
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',').map(str::to_owned);
        rows.push(std::array::from_fn(|_| fields.next().unwrap_or_default()));
    }
    Ok(rows)
}

/// A row of the CSV with the types of the table.
pub struct Item {
    pub id: i64,
    pub customer: i32,
    /// a decimal with two digits behind the point
    pub price: String,
    pub score: f64,
    pub status: String,
    pub note: String,
    /// RFC 3339
    pub made_at: String,
}

impl TryFrom<[String; 7]> for Item {
    type Error = Box<dyn std::error::Error>;

    fn try_from([id, customer, price, score, status, note, made_at]: [String; 7]) -> Done<Self> {
        Ok(Item { id: id.parse()?, customer: customer.parse()?, price, score: score.parse()?, status, note, made_at })
    }
}

/// One more row, behind those of the CSV.
pub fn one_more(id: i64) -> Item {
    let [price, status, note, made_at] = ["1.25", "new", "one more", "2026-01-01T00:00:00Z"].map(str::to_owned);
    Item { id, customer: 1, price, score: 0.5, status, note, made_at }
}

/// A key that looks random.
pub fn key(n: u64, rows: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % rows + 1
}
