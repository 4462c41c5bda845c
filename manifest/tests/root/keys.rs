//! The local master key: made once, checked exactly, each fault with its own error.
//!
//! Promises: unwrapping makes nothing; no fault of a key file passes for another.
//! Never: a key in an error message.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use firn_manifest::ids::{NamespaceId, TenantId};
use firn_manifest::{Error, KeyContext, KeyErrorKind, StoreUri, key_service, new_uuid, system};

use crate::worlds::local_keys;

fn context() -> KeyContext {
    KeyContext::data_key(NamespaceId(new_uuid(&*system())))
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Error>) -> (KeyErrorKind, String) {
    match answer.unwrap_err() {
        Error::Key { kind, message } => (kind, message),
        other => panic!("{other}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn it_is_made_on_the_first_wrap_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("share/firn");
    let service = local_keys(&home, system());
    let context = context();
    let missing = kind(service.unwrap("local:00", &[0; 48], &context).await);
    assert_eq!(missing.0, KeyErrorKind::Missing);
    assert!(missing.1.contains("FIRN_KMS") && missing.1.contains("master.key"), "{}", missing.1);
    assert!(!dir.path().join("share").exists(), "unwrapping makes nothing");

    let (by, wrapped) = service.wrap(&[7; 32], &context).await.unwrap();
    assert!(by.starts_with("local:") && by.len() == "local:".len() + 16);
    assert_eq!(service.unwrap(&by, &wrapped, &context).await.unwrap().as_slice(), &[7; 32]);
    assert_eq!((mode(&home), mode(&home.join("master.key"))), (0o700, 0o600));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "no leftovers");
    let (by_again, wrapped_again) = service.wrap(&[7; 32], &context).await.unwrap();
    assert_eq!(by, by_again);
    assert_ne!(wrapped, wrapped_again, "each wrap has its own nonce");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_make_it_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let wraps = (0..8).map(|_| {
        let service = local_keys(dir.path(), system());
        tokio::spawn(async move { service.wrap(&[1; 32], &context()).await.unwrap().0 })
    });
    let mut by = Vec::new();
    for wrap in wraps.collect::<Vec<_>>() {
        by.push(wrap.await.unwrap());
    }
    by.dedup();
    assert_eq!(by.len(), 1);
}

#[tokio::test]
async fn every_fault_has_its_own_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master.key");
    let service = local_keys(dir.path(), system());
    let own = context();
    let (by, wrapped) = service.wrap(&[7; 32], &own).await.unwrap();
    let text = fs::read_to_string(&file).unwrap();

    let foreign = kind(service.unwrap(&by, &wrapped, &context()).await);
    assert!(foreign.0 == KeyErrorKind::Damaged && foreign.1.contains("I8"), "{}", foreign.1);
    let tenant = |number| KeyContext::tenant_key(own.namespace, TenantId(number));
    let (_, of_tenant) = service.wrap(&[9; 32], &tenant(1)).await.unwrap();
    assert_eq!(service.unwrap(&by, &of_tenant, &tenant(1)).await.unwrap().as_slice(), &[9; 32]);
    for (bytes, wrong) in [(&of_tenant, tenant(2)), (&of_tenant, own), (&wrapped, tenant(1))] {
        assert_eq!(kind(service.unwrap(&by, bytes, &wrong).await).0, KeyErrorKind::Damaged);
    }
    for i in 0..wrapped.len() {
        let mut bad = wrapped.clone();
        bad[i] ^= 1;
        assert_eq!(kind(service.unwrap(&by, &bad, &own).await).0, KeyErrorKind::Damaged);
        assert_eq!(kind(service.unwrap(&by, &wrapped[..i], &own).await).0, KeyErrorKind::Damaged);
    }
    let other = kind(service.unwrap("local:0123456789abcdef", &wrapped, &own).await);
    assert!(other.0 == KeyErrorKind::Wrong && other.1.contains("0123456789abcdef"), "{}", other.1);
    let kms = kind(service.unwrap("aws:arn:aws:kms:x", &wrapped, &own).await);
    assert_eq!(kms.0, KeyErrorKind::Wrong);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let open = kind(service.unwrap(&by, &wrapped, &own).await);
    assert!(open.0 == KeyErrorKind::TooOpen && open.1.contains("chmod 600"), "{}", open.1);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    let key = text.split(':').nth(1).unwrap();
    let swapped = text.replacen(key, &key.chars().rev().collect::<String>(), 1);
    for damaged in ["", "\n", "firn-master-key-v1", &text[..40], &swapped, &text.replace("v1", "v2")] {
        fs::write(&file, damaged).unwrap();
        let found = kind(service.unwrap(&by, &wrapped, &own).await);
        assert_eq!(found.0, KeyErrorKind::Damaged, "{damaged}");
        assert!(!found.1.contains(key), "{}", found.1);
        assert_eq!(kind(service.wrap(&[1; 32], &own).await).0, KeyErrorKind::Damaged, "never made over");
    }
    fs::write(&file, &text).unwrap();
    assert!(service.unwrap(&by, &wrapped, &own).await.is_ok());
}

#[test]
fn it_never_stands_inside_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("db");
    fs::create_dir(&store).unwrap();
    std::os::unix::fs::symlink(&store, dir.path().join("link")).unwrap();
    let service = |store: &Path, key: &Path| {
        let uri = format!("file://{}?kms=local:{}", store.display(), key.display());
        key_service(&StoreUri::parse(&uri).unwrap(), system())
    };
    for (place, key) in [
        (store.clone(), store.join("master.key")),
        (store.clone(), store.join("a/b/master.key")),
        (store.clone(), dir.path().join("link/master.key")),
        (dir.path().join("link"), store.join("x/master.key")),
        (dir.path().join("new"), dir.path().join("new/k/master.key")),
    ] {
        assert_eq!(kind(service(&place, &key)).0, KeyErrorKind::Misplaced, "{}", key.display());
    }
    assert!(service(&store, &dir.path().join("db-keys/master.key")).is_ok());
    let aws = StoreUri::parse("s3://b?kms=aws:arn:aws:kms:eu:1:key/a").unwrap();
    assert_eq!(key_service(&aws, system()).unwrap().describe(), "aws:arn:aws:kms:eu:1:key/a", "nothing is asked yet");
}
