//! Erasure: each step can be cut short and repeated; what is destroyed stays destroyed; the receipt can be checked.

use std::sync::Arc;

use firn_cell::kek::{FOLDER, kek_name};
use firn_cell::receipt::Objects;
use firn_cell::tenant::ManifestHead;
use firn_cell::tenant_keys::fingerprint;
use firn_cell::{Error, Refusal, Status, TenantId, verify_chain, verify_receipt};
use firn_manifest::chain::{self, Namespace};
use firn_manifest::ids::{ChainHash, Version};
use firn_manifest::{KeyErrorKind, KeyService, Store};

use crate::{Bed, by, name, tenant};

fn erased<T: std::fmt::Debug>(answer: Result<T, firn_manifest::Error>) {
    let e = answer.unwrap_err();
    assert!(matches!(e, firn_manifest::Error::Key { kind: KeyErrorKind::Erased, .. }), "{e}");
}

async fn namespace(bed: &Bed, folder: &str, keys: &Arc<firn_cell::TenantKeys>) -> (Store, Namespace) {
    let store = bed.store.namespace(&name(folder));
    let namespace = chain::claim(&store, &**keys, "firn test").await.unwrap();
    (store, namespace)
}

#[tokio::test]
async fn an_erased_tenant_opens_nowhere_and_its_receipt_says_what_was_destroyed() {
    let bed = Bed::in_memory();
    let (client, other) = (bed.client().await, bed.client().await);
    let acme = tenant(&client, "acme").await;
    other.refresh().await.unwrap();
    let keys = client.tenant_keys(acme.id).unwrap();
    let (store, opened) = namespace(&bed, "acme", &keys).await;
    assert_eq!(opened.head.envelope.namespace, acme.namespace, "the namespace bears the tenant's identity");
    let elsewhere = other.tenant_keys(acme.id).unwrap();
    chain::open(&store, &*elsewhere).await.unwrap();
    assert_eq!((client.expire_keys(), other.expire_keys()), (1, 1), "cached in both");
    let backup = bed.store.get(&format!("acme/{}", chain::manifest_key(Version(1)))).await.unwrap();

    client.erase_begin(&by(), acme.id, "Art. 17 GDPR, ticket 4711").await.unwrap();
    let head = ManifestHead { version: Version(1), sha256: ChainHash::of(&backup) };
    client.erase_keys(&by(), acme.id, Some(head)).await.unwrap();
    erased(chain::open(&store, &*keys).await);
    assert_eq!(client.expire_keys(), 0, "the cache is empty at once");
    other.refresh().await.unwrap();
    assert_eq!(other.expire_keys(), 0, "and elsewhere as soon as the log is read");
    erased(chain::open(&store, &*elsewhere).await);
    assert!(bed.store.list(FOLDER, None, None).await.unwrap().is_empty());

    let receipt = client.erase_finish(&by(), acme.id, Objects::Kept).await.unwrap();
    let checked = verify_receipt(&receipt, client.public_key()).unwrap();
    assert_eq!((checked.tenant, checked.namespace, checked.name), (acme.id, acme.namespace, name("acme")));
    assert_eq!((checked.manifest, checked.objects), (Some(head), Objects::Kept));
    assert_eq!(checked.basis, "Art. 17 GDPR, ticket 4711");
    assert_eq!(checked.requested_by, "operator");
    let digests: Vec<_> = checked.keks.iter().map(|kek| kek.sha256).collect();
    assert_eq!(digests, [acme.keks[0].digest]);
    let report = verify_chain(&bed.store).await.unwrap();
    let at = report.objects.iter().find(|object| object.sha256 == checked.directory.sha256).unwrap();
    assert!(at.name.contains("entry/") && report.findings.is_empty(), "the receipt names an entry of the chain");
    assert_eq!(report.public_key.as_deref(), Some(client.public_key()));

    for again in [&client, &other] {
        assert_eq!(again.erase_finish(&by(), acme.id, Objects::Removed(9)).await.unwrap(), receipt, "the same bytes");
    }
    client.erase_begin(&by(), acme.id, "again").await.unwrap();
    client.erase_keys(&by(), acme.id, None).await.unwrap();
    assert_eq!(bed.client().await.erase_finish(&by(), acme.id, Objects::Kept).await.unwrap(), receipt);
    assert_eq!(tenant(&client, "acme").await.folder, name(&format!("acme-{}", acme.id.0 + 1)));
}

#[tokio::test]
async fn a_receipt_that_was_changed_or_is_another_directorys_is_refused() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let acme = tenant(&client, "acme").await;
    client.erase_begin(&by(), acme.id, "request").await.unwrap();
    client.erase_keys(&by(), acme.id, None).await.unwrap();
    let receipt = client.erase_finish(&by(), acme.id, Objects::Removed(3)).await.unwrap();
    for i in 0..receipt.len() {
        let mut bad = receipt.clone().into_bytes();
        bad[i] = if bad[i] == b'1' { b'2' } else { b'1' };
        let bad = String::from_utf8(bad).unwrap();
        assert!(verify_receipt(&bad, client.public_key()).is_err(), "byte {i}: {bad}");
        assert!(verify_receipt(&receipt[..i], client.public_key()).is_err());
    }
    let stranger = Bed::new(crate::worlds::memory_store(crate::worlds::TestWorld::new(77)).0);
    let stranger = stranger.client().await;
    assert!(verify_receipt(&receipt, stranger.public_key()).is_err());
    assert!(verify_receipt("", "").is_err() && verify_receipt("{}", "zz").is_err());
}

/// Whoever erases dies between any two requests: another process does it to the end, and the tenant is out of service from
/// the first command on.
#[tokio::test]
async fn each_step_is_done_to_its_end_by_whoever_comes_next() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let acme = tenant(&client, "acme").await;
    for order in [
        client.erase_keys(&by(), acme.id, None).await.err(),
        client.erase_finish(&by(), acme.id, Objects::Kept).await.err(),
    ] {
        assert!(matches!(order.unwrap().refusal(), Some(Refusal::WrongStatus { .. })), "not before it was begun");
    }
    assert_eq!(bed.store.list(FOLDER, None, None).await.unwrap().len(), 1, "and nothing was destroyed");
    client.rotate_kek(&by(), acme.id).await.unwrap();
    client.erase_begin(&by(), acme.id, "request").await.unwrap();
    // dies after the command, before the keys are deleted: one of two is gone
    let op = firn_cell::Op::DestroyKeys { tenant: acme.id, head: None };
    client.propose(&by(), op).await.unwrap();
    bed.store.delete(&kek_name(acme.namespace, 1, 1)).await.unwrap();
    let next = bed.client().await;
    erased(next.tenant_keys(acme.id).unwrap().unwrap(&fingerprint(acme.namespace, 1), &[], &context(&acme)).await);
    next.erase_keys(&by(), acme.id, None).await.unwrap();
    assert!(bed.store.list(FOLDER, None, None).await.unwrap().is_empty());
    // a PUT of the rotation that was on its way all the time arrives now
    let late = kek_name(acme.namespace, 3, 1);
    bed.store.put_if_absent(&late, bytes::Bytes::from_static(b"late")).await.unwrap();
    let receipt = next.erase_finish(&by(), acme.id, Objects::Kept).await.unwrap();
    assert!(bed.store.get_optional(&late).await.unwrap().is_none());
    assert_eq!(verify_receipt(&receipt, next.public_key()).unwrap().keks.len(), 2);
    bed.store.put_if_absent(&late, bytes::Bytes::from_static(b"later")).await.unwrap();
    assert_eq!(next.sweep_keys().await.unwrap(), [late]);
}

fn context(tenant: &firn_cell::Tenant) -> firn_manifest::KeyContext {
    firn_manifest::KeyContext::data_key(tenant.namespace)
}

#[tokio::test]
async fn two_that_finish_at_once_answer_one_receipt() {
    let bed = Bed::in_memory();
    let (one, two) = (bed.client().await, bed.client().await);
    let acme = tenant(&one, "acme").await;
    one.erase_begin(&by(), acme.id, "request").await.unwrap();
    one.erase_keys(&by(), acme.id, None).await.unwrap();
    two.refresh().await.unwrap();
    let (by_one, by_two) = (by(), by());
    let (a, b) = futures::join!(
        one.erase_finish(&by_one, acme.id, Objects::Kept),
        two.erase_finish(&by_two, acme.id, Objects::Removed(1))
    );
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(bed.client().await.state().tenant(acme.id).unwrap().status, Status::Erased);
}

#[tokio::test]
async fn what_is_not_there_is_not_erased() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let missing = client.erase_finish(&by(), TenantId(9), Objects::Kept).await.unwrap_err();
    assert!(matches!(missing, Error::Refused(Refusal::NotFound { .. })));
    assert!(client.erase_begin(&by(), TenantId(9), "request").await.is_err());
}
