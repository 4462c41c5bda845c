//! The demo's folder: made, filled, copied and damaged.
//!
//! Promises: a folder that holds anything is not used; only copies of the store are damaged.
//! Never: the store itself is written here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("{} cannot be {what}: {error}; choose another folder with --dir", path.display()))
}

/// Makes the folder, or takes it if it is empty; gives its absolute path.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir).map_err(|e| failed("made", dir, &e))?;
    let dir = fs::canonicalize(dir).map_err(|e| failed("opened", dir, &e))?;
    let mut entries = fs::read_dir(&dir).map_err(|e| failed("read", &dir, &e))?;
    if entries.next().is_some() {
        return Err(Failure::Usage(format!(
            "{} is not empty: name a new or an empty folder with --dir",
            dir.display()
        )));
    }
    if dir.to_str().is_none() {
        return Err(Failure::Usage(format!("{} is not UTF-8: choose another folder with --dir", dir.display())));
    }
    Ok(dir)
}

/// Writes a file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|e| failed("written", path, &e))
}

/// A path inside a URI.
pub(super) fn escape(path: &Path) -> String {
    let mut out = String::new();
    for c in path.display().to_string().chars() {
        match c {
            '%' | '?' | '#' | '&' | ' ' | '\'' => out.push_str(&format!("%{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// All files below a folder, in the order of their names.
fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).map_err(|e| failed("read", &dir, &e))? {
            let path = entry.map_err(|e| failed("read", &dir, &e))?.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// How many files below a folder contain one of the texts.
pub(super) fn files_that_contain(dir: &Path, texts: &[&str]) -> Result<usize, Failure> {
    let mut count = 0;
    for path in files(dir)? {
        let bytes = fs::read(&path).map_err(|e| failed("read", &path, &e))?;
        let contains = |text: &&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        count += usize::from(texts.iter().any(contains));
    }
    Ok(count)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    for path in files(from)? {
        let Ok(below) = path.strip_prefix(from) else { continue };
        let target = to.join(below);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| failed("made", parent, &e))?;
        }
        fs::copy(&path, &target).map_err(|e| failed("written", &target, &e))?;
    }
    Ok(())
}

/// Copies the store to `stolen` and plants acme's segment where globex's next one would be. Gives both paths.
pub(super) fn plant(dir: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let (store, stolen) = (dir.join("store"), dir.join("stolen"));
    copy(&store, &stolen)?;
    let taken = files(&stolen.join("globex/wal"))?;
    let segments = files(&store.join("acme/wal"))?;
    let nothing = || Failure::Usage("the demo found no segment to plant".to_owned());
    let next =
        segments.iter().find(|path| !taken.iter().any(|t| t.file_name() == path.file_name())).ok_or_else(nothing)?;
    let target = stolen.join("globex/wal").join(next.file_name().unwrap_or_default());
    fs::copy(next, &target).map_err(|e| failed("written", &target, &e))?;
    Ok((next.clone(), target))
}

/// Copies the store to `tampered` and flips a bit in acme's largest object. Gives the object and the byte.
pub(super) fn tamper(dir: &Path) -> Result<(PathBuf, usize), Failure> {
    let tampered = dir.join("tampered");
    copy(&dir.join("store"), &tampered)?;
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |m| m.len());
    let all = files(&tampered.join("acme"))?;
    let object =
        all.into_iter().max_by_key(size).ok_or_else(|| Failure::Usage("the demo found no object".to_owned()))?;
    let mut bytes = fs::read(&object).map_err(|e| failed("read", &object, &e))?;
    let at = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    // objects are stored read-only where the system allows it; a copy is replaced, not opened
    fs::remove_file(&object).map_err(|e| failed("replaced", &object, &e))?;
    write(&object, &bytes)?;
    Ok((object, at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(prepare(dir.path()).is_ok());
        assert!(prepare(&dir.path().join("new/deep")).is_ok());
        assert_eq!(prepare(dir.path()).unwrap_err().code(), 2);
        assert_eq!(escape(Path::new("/a b/c?d")), "/a%20b/c%3Fd");
    }

    #[test]
    fn copies_are_damaged_and_the_store_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [("acme/wal/1", "aaa"), ("acme/wal/2", "bbbb secret"), ("globex/wal/1", "ccc")] {
            let path = dir.path().join("store").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let (from, to) = plant(dir.path()).unwrap();
        assert!(from.ends_with("store/acme/wal/2") && to.ends_with("stolen/globex/wal/2"));
        let (object, at) = tamper(dir.path()).unwrap();
        assert!(object.ends_with("tampered/acme/wal/2"));
        let (was, is) = (fs::read(dir.path().join("store/acme/wal/2")).unwrap(), fs::read(object).unwrap());
        assert_eq!(was[at] ^ 1, is[at]);
        assert_eq!(files_that_contain(&dir.path().join("store"), &["secret", "none"]).unwrap(), 1);
    }
}
