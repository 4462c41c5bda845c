//! The folder store on the real file system.
//!
//! Promises: one winner of many, nothing half-written ever visible, no trace of a reader.
//! Never: a file outside the root.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use firn_manifest::store::{GetRange, PutOutcome, Store, StoreErrorKind};
use firn_manifest::{StoreUri, system};

fn store(folder: &Path) -> Store {
    let uri = StoreUri::parse(&format!("file://{}", folder.display())).unwrap();
    Store::connect(&uri, system()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_writers_one_creates_the_object() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..25 {
        let key = format!("ns/wal/{round}.wal");
        let barrier = Arc::new(tokio::sync::Barrier::new(16));
        let mut writers = Vec::new();
        for n in 0..16u8 {
            let (store, key, barrier) = (store(dir.path()), key.clone(), barrier.clone());
            writers.push(tokio::spawn(async move {
                barrier.wait().await;
                store.put_if_absent(&key, Bytes::from(vec![n; 3000])).await.unwrap()
            }));
        }
        let mut winners = Vec::new();
        for (n, writer) in writers.into_iter().enumerate() {
            if writer.await.unwrap() == PutOutcome::Created {
                winners.push(u8::try_from(n).unwrap());
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store(dir.path()).get(&key).await.unwrap(), vec![winners[0]; 3000]);
    }
    assert_eq!(names(&dir.path().join("ns/wal")).len(), 25, "no leftovers");
}

#[tokio::test]
async fn leftovers_of_a_crash_are_not_objects() {
    let dir = tempfile::tempdir().unwrap();
    let s = store(dir.path());
    s.put_if_absent("wal/1", Bytes::from_static(b"x")).await.unwrap();
    fs::write(dir.path().join("wal/.2.01J.tmp"), b"half").unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    fs::write(dir.path().join(".git/config"), b"x").unwrap();
    let keys: Vec<_> = s.list("", None, None).await.unwrap().into_iter().map(|o| (o.key, o.size)).collect();
    assert_eq!(keys, [("wal/1".to_owned(), 1)]);
    assert_eq!(s.put_if_absent("wal/2", Bytes::from_static(b"y")).await.unwrap(), PutOutcome::Created);
}

#[tokio::test]
async fn reading_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let s = store(&dir.path().join("not/there"));
    assert_eq!(s.list("manifest/", None, Some(1)).await.unwrap(), []);
    assert_eq!(s.get("a").await.unwrap_err().kind, StoreErrorKind::NotFound);
    s.delete("a").await.unwrap();
    assert!(names(dir.path()).is_empty());
}

#[tokio::test]
async fn listing_is_by_key_with_prefix_after_and_limit() {
    let dir = tempfile::tempdir().unwrap();
    let s = store(dir.path());
    for key in ["a/b", "a-b/c", "a/c/d", "ab", "a/b2"] {
        s.put_if_absent(key, Bytes::from_static(b"x")).await.unwrap();
    }
    let list = async |prefix: &str, after: Option<&str>, limit: Option<usize>| -> Vec<String> {
        s.list(prefix, after, limit).await.unwrap().into_iter().map(|o| o.key).collect()
    };
    assert_eq!(list("", None, None).await, ["a-b/c", "a/b", "a/b2", "a/c/d", "ab"]);
    assert_eq!(list("a/", None, None).await, ["a/b", "a/b2", "a/c/d"]);
    assert_eq!(list("a/b", None, None).await, ["a/b", "a/b2"]);
    assert_eq!(list("a", Some("a/b"), Some(2)).await, ["a/b2", "a/c/d"]);
    assert_eq!(list("a/c/", None, Some(1)).await, ["a/c/d"]);
    assert_eq!(list("x/", None, None).await, Vec::<String>::new());
}

#[tokio::test]
async fn ranges_and_odd_keys() {
    let dir = tempfile::tempdir().unwrap();
    let s = store(&dir.path().join("db"));
    fs::write(dir.path().join("secret"), b"x").unwrap();
    s.put_if_absent("a/b", Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(s.get_range("a/b", GetRange::Bounded(3..6)).await.unwrap(), "345");
    assert_eq!(s.get_range("a/b", GetRange::Suffix(2)).await.unwrap(), "89");
    assert!(s.get_range("a/b", GetRange::Bounded(5..11)).await.is_err());
    assert!(s.get_range("a/b", GetRange::Bounded(u64::MAX - 1..u64::MAX)).await.is_err());
    assert_eq!(s.get("a").await.unwrap_err().kind, StoreErrorKind::NotFound);
    for key in ["../secret", "a/../../secret", "/etc/passwd", "a//b", ".hidden", "a/.b", ""] {
        assert_eq!(s.get(key).await.unwrap_err().kind, StoreErrorKind::Refused, "{key}");
        let put = s.put_if_absent(key, Bytes::new()).await;
        assert_eq!(put.unwrap_err().kind, StoreErrorKind::Refused, "{key}");
    }
    s.delete("a/b").await.unwrap();
    assert_eq!(s.get_optional("a/b").await.unwrap(), None);
}

#[tokio::test]
async fn a_file_where_the_folder_should_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("db"), b"x").unwrap();
    let s = store(&dir.path().join("db"));
    let e = s.put_if_absent("a", Bytes::from_static(b"x")).await.unwrap_err();
    assert!(e.kind == StoreErrorKind::Refused && e.to_string().contains("not a folder"), "{e}");
    assert!(s.list("", None, None).await.is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_read_only_place_is_not_taken_for_an_empty_one() {
    // sysfs refuses new files even to root, and with another error than a folder's mode
    let s = store(Path::new("/sys/kernel"));
    let e = s.put_if_absent("firn", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(e.kind, StoreErrorKind::Denied, "{e}");
    assert!(e.to_string().contains("owner and mode"), "{e}");
}
