//! The migration files of a folder: which there are, in which order, with which checksums.
//!
//! Promises: files are ordered by the number their name begins with, and no number comes twice; the checksum is the
//! SHA-256 of the bytes as they stand.
//! Never: a file of another form is taken for a migration, or one that looks like a migration is passed over in silence.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::exit::Failure;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// the number its name begins with
    pub version: i64,
    /// the file's name
    pub name: String,
    /// SHA-256 of its bytes, hex
    pub checksum: String,
    /// its text
    pub sql: String,
}

/// The migrations of a folder, in order.
///
/// # Errors
/// Usage: a folder or file that cannot be read, a name that does not begin with a number, a number that comes twice.
pub fn read(dir: &Path) -> Result<Vec<Migration>, Failure> {
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(|e| wrong(e.to_string()))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| wrong(e.to_string()))?.path();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("sql")) {
            paths.push(path);
        }
    }
    let mut migrations: Vec<Migration> = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let version = version(&name).ok_or_else(|| {
            wrong(format!("{name:?} is not called like a migration: write NUMBER_name.sql, e.g. 0001_tables.sql"))
        })?;
        let bytes = std::fs::read(&path).map_err(|e| wrong(format!("{name}: {e}")))?;
        let checksum = hex::encode(Sha256::digest(&bytes));
        let sql = String::from_utf8(bytes).map_err(|_| wrong(format!("{name} is not UTF-8")))?;
        migrations.push(Migration { version, name, checksum, sql });
    }
    migrations.sort_by(|a, b| (a.version, &a.name).cmp(&(b.version, &b.name)));
    if let Some(pair) = migrations.windows(2).find(|pair| pair[0].version == pair[1].version) {
        return Err(wrong(format!("{} and {} have the same number", pair[0].name, pair[1].name)));
    }
    Ok(migrations)
}

/// The number that a name `NUMBER_name.sql` begins with.
fn version(name: &str) -> Option<i64> {
    let (number, rest) = name.split_once('_')?;
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && rest.len() > ".sql".len();
    if plain { number.parse().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_ordered_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["10_c.sql", "0002_b.sql", "1_a.sql", "notes.txt"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let names: Vec<String> = read(dir.path()).unwrap().into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["1_a.sql", "0002_b.sql", "10_c.sql"]);
        std::fs::write(dir.path().join("002_again.sql"), "").unwrap();
        assert!(matches!(read(dir.path()), Err(Failure::Usage(text)) if text.contains("the same number")));
        std::fs::remove_file(dir.path().join("002_again.sql")).unwrap();
        std::fs::write(dir.path().join("tables.sql"), "").unwrap();
        assert!(matches!(read(dir.path()), Err(Failure::Usage(text)) if text.contains("NUMBER_name.sql")));
    }
}
