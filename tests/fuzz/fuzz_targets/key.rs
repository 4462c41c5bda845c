//! The bytes of a primary key, for every list of types that the first bytes pick.
//!
//! Promises: an error or the values' texts.
//! Never: a panic, or memory beyond what the bytes justify.
#![no_main]

use firn_manifest::schema::ColumnType;
use firn_segment::key::{decode_key, describe_key};
use libfuzzer_sys::fuzz_target;

const TYPES: [ColumnType; 10] = [
    ColumnType::Boolean,
    ColumnType::SmallInt,
    ColumnType::Integer,
    ColumnType::BigInt,
    ColumnType::Double,
    ColumnType::Decimal { precision: 38, scale: 10 },
    ColumnType::Text,
    ColumnType::Bytea,
    ColumnType::Date,
    ColumnType::Timestamp,
];

fuzz_target!(|data: &[u8]| {
    let Some((count, rest)) = data.split_first() else { return };
    let Some((picks, key)) = rest.split_at_checked(usize::from(count % 4)) else { return };
    let types: Vec<ColumnType> = picks.iter().map(|pick| TYPES[usize::from(*pick) % TYPES.len()]).collect();
    let _ = decode_key(key, &types);
    let _ = describe_key(key, &types);
});
