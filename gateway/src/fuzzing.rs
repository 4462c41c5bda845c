//! A whole text file through `firn load`'s readers, as the fuzzer and the property tests drive them.
//!
//! Promises: the head is looked at, then all of the file is read: as it is, and below a header of every column.
//! Never: compiled into the command.

use std::sync::Arc;

use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{Column, ColumnType, TableSchema};

use crate::load::fuzzing::{read_csv, read_ndjson};

const TYPES: [(&str, ColumnType); 8] = [
    ("a", ColumnType::BigInt),
    ("b", ColumnType::Text),
    ("c", ColumnType::Decimal { precision: 38, scale: 9 }),
    ("d", ColumnType::Double),
    ("e", ColumnType::Timestamptz),
    ("f", ColumnType::Date),
    ("g", ColumnType::Bytea),
    ("h", ColumnType::Boolean),
];

/// Reads `data` as CSV and as NDJSON; how many rows came out of all ways together.
pub fn load(data: &[u8]) -> usize {
    let columns = (1..).zip(TYPES).map(|(id, (name, ty))| Column::new(ColumnId(id), name, ty)).collect();
    let table = Arc::new(TableSchema::new(TableId(16), "t", columns, vec![ColumnId(1)]));
    let headed = [b"a,b,c,d,e,f,g,h\n", data].concat();
    read_csv(data, &table) + read_csv(&headed, &table) + read_ndjson(data, &table)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::load;

    const ROW: &str = "1,\"a \"\"quoted\"\"\ntext\",2.5,1e300,2026-01-31T12:00:00Z,2026-01-31,\\x00ff,true\n";
    const OBJECT: &str =
        "{\"a\": 1, \"b\": \"text \\u00e9\", \"c\": 2.5, \"e\": \"2026-01-31T12:00:00Z\", \"h\": null}\n";

    #[test]
    fn whole_files_are_read() {
        assert_eq!(load(ROW.repeat(3).as_bytes()), 3);
        assert_eq!(load(OBJECT.repeat(3).as_bytes()), 3);
    }

    #[test]
    fn every_seed_of_fuzzing_is_survived() {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds/csv");
        for file in std::fs::read_dir(seeds).unwrap() {
            load(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }

    proptest! {
        #[test]
        fn any_file_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            load(&bytes);
        }

        #[test]
        fn any_text_like_a_file_is_survived(text in "([a-h0-9,.\"\\\\{}:\\[\\]eE+ \\-\r\n]|true|null|\\PC){0,200}") {
            load(text.as_bytes());
        }

        #[test]
        fn any_change_to_a_file_is_survived(at in any::<prop::sample::Index>(), cut in 0usize..20, with in prop::collection::vec(any::<u8>(), 0..20), csv: bool) {
            let mut bytes = if csv { ROW.repeat(20) } else { OBJECT.repeat(20) }.into_bytes();
            let at = at.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, with);
            load(&bytes);
        }
    }
}
