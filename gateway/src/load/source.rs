//! The files of a load.
//!
//! Promises: a file is opened once and checked before anything is written: it exists, is a file, is not empty, and its
//! format is known. Of stdin only a bounded head is held, and only while types are found.
//! Never: a whole file in memory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firn_engine::Error;

use crate::cli::FileFormat;
use crate::exit::Failure;

/// The head of stdin that types are found from, in bytes.
const STDIN_HEAD_BYTES: u64 = 16 << 20;

/// A file to load.
#[derive(Debug)]
pub struct Source {
    /// where it is; `-` is stdin
    pub path: PathBuf,
    /// its name in messages
    pub name: String,
    /// its format
    pub format: FileFormat,
    /// its size in bytes, unless it is a pipe
    pub size_bytes: Option<u64>,
    head: Option<(Vec<u8>, bool)>,
}

/// Counts the bytes that pass.
pub struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(super) fn new(inner: R, count: Arc<AtomicU64>) -> Self {
        Self { inner, count }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The bytes of a text file and how many were read.
pub type TextInput = Counted<Box<dyn Read + Send>>;

impl Source {
    /// Looks at a file.
    ///
    /// # Errors
    /// If it is not there, not a file, empty, or of unknown format.
    pub fn open(path: &Path, format: Option<FileFormat>) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            let format = format.unwrap_or(FileFormat::Csv);
            if format == FileFormat::Parquet {
                return Err(Failure::Usage(
                    "Parquet is read from its end: save it to a file and name the file".to_owned(),
                ));
            }
            return Ok(Self { path: path.into(), name: "stdin".to_owned(), format, size_bytes: None, head: None });
        }
        let name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|e| Failure::Usage(format!("{name} cannot be opened: {e}")))?;
        if metadata.is_dir() {
            return Err(Failure::Usage(format!("{name} is a folder: name the files in it")));
        }
        File::open(path).map_err(|e| Failure::Usage(format!("{name} cannot be opened: {e}")))?;
        let size_bytes = metadata.is_file().then_some(metadata.len());
        let format = match format {
            Some(format) => format,
            None => by_ending(path).map_err(Failure::Usage)?,
        };
        if size_bytes == Some(0) {
            return Err(empty(&name, format).into());
        }
        Ok(Self { path: path.into(), name, format, size_bytes, head: None })
    }

    /// Whether it is read from stdin.
    #[must_use]
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The first bytes, to find types from; and whether the rest of the file is missing from them.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn sample(&mut self, limit_bytes: u64) -> Result<(Box<dyn Read + Send + '_>, bool), Error> {
        if self.is_stdin() {
            if self.head.is_none() {
                let mut head = Vec::new();
                std::io::stdin()
                    .take(STDIN_HEAD_BYTES)
                    .read_to_end(&mut head)
                    .map_err(|e| Error::statement("58030", format!("stdin cannot be read: {e}")))?;
                let cut = head.len() as u64 == STDIN_HEAD_BYTES;
                self.head = Some((head, cut));
            }
            let (head, cut) = self.head.as_ref().map_or((&[][..], false), |(head, cut)| (head.as_slice(), *cut));
            return Ok((Box::new(Cursor::new(head)), cut));
        }
        let cut = self.size_bytes.is_none_or(|size| size > limit_bytes);
        Ok((Box::new(self.file()?.take(limit_bytes)), cut))
    }

    /// The file itself.
    ///
    /// # Errors
    /// If it can no longer be opened.
    pub fn file(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(|e| Error::statement("58030", format!("{} cannot be opened: {e}", self.name)))
    }

    /// All bytes from the start, and the number of those that were read.
    ///
    /// # Errors
    /// If it can no longer be opened.
    pub fn text(&mut self) -> Result<(TextInput, Arc<AtomicU64>), Error> {
        let inner: Box<dyn Read + Send> = if self.is_stdin() {
            let head = self.head.take().map(|(head, _)| head).unwrap_or_default();
            Box::new(Cursor::new(head).chain(std::io::stdin()))
        } else {
            Box::new(self.file()?)
        };
        let count = Arc::new(AtomicU64::new(0));
        Ok((Counted::new(inner, Arc::clone(&count)), count))
    }
}

/// The error for a file without content.
#[must_use]
pub fn empty(name: &str, format: FileFormat) -> Error {
    let expected = match format {
        FileFormat::Csv => "a CSV file has at least the line that names its columns",
        FileFormat::Parquet => "a Parquet file is never empty",
        FileFormat::Ndjson => "there is no row to load",
    };
    let place = if format == FileFormat::Parquet { "" } else { ", line 1" };
    Error::statement("22P04", format!("{name}{place}: the file is empty")).with_hint(expected)
}

fn by_ending(path: &Path) -> Result<FileFormat, String> {
    let name = path.display();
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "csv" => Ok(FileFormat::Csv),
        "parquet" | "pq" => Ok(FileFormat::Parquet),
        "ndjson" | "jsonl" | "json" => Ok(FileFormat::Ndjson),
        "gz" | "zst" | "bz2" | "xz" | "zip" => {
            Err(format!("{name} is compressed: pipe it instead, e.g. zcat {name} | firn load URI TABLE - --format csv"))
        }
        _ => Err(format!("the format of {name} is not known from its name: add --format csv, parquet or ndjson")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_before_anything_happens() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let failed = |path: &Path| Source::open(path, None).unwrap_err();
        assert_eq!(failed(&dir.path().join("none.csv")).code(), 2);
        assert_eq!(failed(dir.path()).code(), 2);
        assert_eq!(failed(&at("a.dat", "x")).code(), 2);
        assert!(failed(&at("a.csv.gz", "x")).to_string().contains("zcat"));
        assert!(failed(&at("e.csv", "")).to_string().contains("empty"));
        assert_eq!(Source::open(&at("a.JSONL", "{}"), None).unwrap().format, FileFormat::Ndjson);
        assert_eq!(Source::open(&at("b.dat", "x"), Some(FileFormat::Csv)).unwrap().size_bytes, Some(1));
        assert!(Source::open(Path::new("-"), Some(FileFormat::Parquet)).is_err());
    }
}
