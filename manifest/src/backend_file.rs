//! A store in a local folder.
//!
//! Promises: an object appears under its name whole, with its bytes and its name on the disk, or not at all, whatever is
//! killed when (FILE-1); of many writers of one name exactly one creates it; reading creates nothing.
//! Never: a file is changed after it has its name. A failed fsync of a folder ends this backend: what the disk holds is
//! then unknown until somebody reads it anew.
//!
//! An object is written to a dot file beside its target, synced, then hard-linked to its name: `link` is the file
//! system's put-if-absent. Dot files are leftovers of crashes and are not listed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{Backend, GetRange, ObjectInfo, PutOutcome, clamp};
use crate::error::{StoreError, StoreErrorKind};
use crate::tally::Op;
use crate::world::{World, new_ulid};

/// Files below a root folder; the root need not exist before the first write.
#[derive(Clone, Debug)]
pub(crate) struct FileBackend {
    root: PathBuf,
    world: Arc<dyn World>,
    broken: Arc<AtomicBool>,
}

impl FileBackend {
    /// The store below `root`. Nothing is touched.
    pub(crate) fn new(root: impl Into<PathBuf>, world: Arc<dyn World>) -> Self {
        Self { root: root.into(), world, broken: Arc::default() }
    }

    fn error(&self, op: Op, key: &str, e: &io::Error) -> StoreError {
        let kind = match e.kind() {
            ErrorKind::NotFound => StoreErrorKind::NotFound,
            ErrorKind::UnexpectedEof => StoreErrorKind::Short,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::NotADirectory => StoreErrorKind::Refused,
            _ => StoreErrorKind::Other,
        };
        StoreError::new(kind, op, key, &self.describe(), e.to_string())
    }

    fn path(&self, key: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
        if key.split('/').all(plain) {
            Ok(self.root.join(key))
        } else {
            Err(io::Error::new(
                ErrorKind::InvalidInput,
                "not a key of a folder store: no part may be empty or begin with a dot",
            ))
        }
    }

    fn open(&self, key: &str) -> io::Result<File> {
        File::open(self.path(key)?)
    }

    fn read(mut file: File, range: &GetRange) -> io::Result<Bytes> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(ErrorKind::NotFound, "there is a folder of that name, no object"));
        }
        let range = clamp(range, meta.len())
            .ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "the range begins beyond the object's end"))?;
        file.seek(SeekFrom::Start(range.start))?;
        let length = range.end - range.start;
        let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    fn create(&self, key: &str, bytes: &[u8]) -> io::Result<PutOutcome> {
        let target = self.path(key)?;
        let (Some(folder), Some(name)) = (target.parent(), target.file_name().and_then(|n| n.to_str())) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a key of a folder store"));
        };
        self.make_folder(folder)?;
        let temp = folder.join(format!(".{name}.{}.tmp", new_ulid(&*self.world)));
        let linked = write_synced(&temp, bytes).and_then(|()| match fs::hard_link(&temp, &target) {
            Ok(()) => Ok(PutOutcome::Created),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(PutOutcome::Exists),
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported) || e.raw_os_error() == Some(1) => Err(io::Error::new(
                ErrorKind::Unsupported,
                format!("this file system has no hard links, which stand for put-if-absent here ({e})"),
            )),
            Err(e) => Err(e),
        });
        // the name is what counts; a leftover is invisible
        let _ = fs::remove_file(&temp);
        let outcome = linked?;
        // also when it exists: whoever made it may have died before the folder was synced, and we are about to rely on it
        self.sync_folder(folder)?;
        Ok(outcome)
    }

    /// Makes a folder and what is missing above it, each one's name synced in its parent.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut at = Some(folder);
        while let Some(path) = at.filter(|path| !path.as_os_str().is_empty()) {
            match fs::metadata(path) {
                Ok(meta) if meta.is_dir() => break,
                Ok(_) => {
                    return Err(io::Error::new(
                        ErrorKind::NotADirectory,
                        format!("{} is not a folder", path.display()),
                    ));
                }
                Err(e) if e.kind() == ErrorKind::NotFound => missing.push(path),
                Err(e) => return Err(e),
            }
            at = path.parent();
        }
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                self.sync_folder(parent)?;
            }
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let synced = File::open(folder).and_then(|handle| handle.sync_all());
        match synced {
            // a parent above the store that may not be opened is not ours to sync
            Err(e) if e.kind() == ErrorKind::PermissionDenied && !folder.starts_with(&self.root) => Ok(()),
            Err(e) => {
                self.broken.store(true, Ordering::Release);
                Err(io::Error::other(format!("fsync of folder {} failed ({e}); close and reopen", folder.display())))
            }
            Ok(()) => Ok(()),
        }
    }

    fn walk(&self, prefix: &str, after: Option<&str>, limit: Option<usize>) -> io::Result<Vec<ObjectInfo>> {
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut folders = vec![start.to_owned()];
        let mut keys = Vec::new();
        while let Some(folder) = folders.pop() {
            let path = if folder.is_empty() { self.root.clone() } else { self.path(&folder)? };
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                    continue;
                };
                let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                let is_folder = match entry.file_type()? {
                    t if t.is_symlink() => fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir()),
                    t => t.is_dir(),
                };
                if is_folder {
                    let below = format!("{key}/");
                    if below.starts_with(prefix) || prefix.starts_with(&below) {
                        folders.push(key);
                    }
                } else if key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after) {
                    keys.push((key, entry.path()));
                }
            }
        }
        keys.sort_unstable();
        let limit = limit.unwrap_or(usize::MAX);
        let mut found = Vec::with_capacity(keys.len().min(limit));
        for (key, path) in keys {
            if found.len() == limit {
                break;
            }
            match fs::metadata(&path) {
                Ok(meta) => found.push(ObjectInfo { key, size: meta.len() }),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), |folder| self.sync_folder(folder)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Runs blocking work off the async threads, unless this backend has ended.
    async fn run<T: Send + 'static>(
        &self,
        op: Op,
        key: &str,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(StoreError::new(
                StoreErrorKind::Refused,
                op,
                key,
                &self.describe(),
                "an earlier fsync failed, so what the disk holds is unknown: close and reopen",
            ));
        }
        let this = self.clone();
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(answer) => answer.map_err(|e| self.error(op, key, &e)),
            Err(e) => Err(self.error(op, key, &io::Error::other(e))),
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[async_trait]
impl Backend for FileBackend {
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        // a look at a name is short, and most names that are asked for in vain are the log's next: no thread for those
        let file = self.open(key).map_err(|e| self.error(Op::Get, key, &e))?;
        self.run(Op::Get, key, move |_| Self::read(file, &range)).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let name = key.to_owned();
        let put = self.run(Op::Put, key, move |this| this.create(&name, &bytes)).await;
        put.map_err(|mut e| {
            // a PUT does not look for anything: what vanished is the folder under it
            if e.kind == StoreErrorKind::NotFound {
                e.kind = StoreErrorKind::Other;
            }
            e
        })
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        let (start, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.run(Op::List, prefix, move |this| this.walk(&start, after.as_deref(), limit)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let name = key.to_owned();
        self.run(Op::Delete, key, move |this| this.remove(&name)).await
    }

    fn describe(&self) -> String {
        format!("file://{}", self.root.display())
    }
}
