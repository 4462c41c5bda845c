//! The bytes in the store: pinned, damaged in every way, and saying nothing about tenants.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use firn_cell::kek::kek_name;
use firn_cell::log::format::{
    CHECKPOINTS, ENTRIES, ROOT, checkpoint_name, entry_name, parse_checkpoint_name, parse_entry_name,
};
use firn_cell::{DirectoryClient, EntrySeq, Error, GatewayId, NewGrant, NewTenant, Quota, verify_chain};
use firn_manifest::Store;
use firn_manifest::store::memory_backend;

use crate::worlds::{TestWorld, memory_store};
use crate::{Bed, by, name, tenant};

const SEQ: fn(u64) -> EntrySeq = EntrySeq;

#[test]
fn names_sort_as_they_must() {
    assert_eq!(entry_name(SEQ(1)), "_directory/entry/00000000000000000001.json");
    assert_eq!(checkpoint_name(SEQ(1)), "_directory/checkpoint/18446744073709551614.json");
    assert!(checkpoint_name(SEQ(2)) < checkpoint_name(SEQ(1)), "the newest is first in a LIST");
    assert!(checkpoint_name(SEQ(1)) < entry_name(SEQ(1)), "a copy in the order of names takes checkpoints first");
    assert!(entry_name(SEQ(u64::MAX)).as_str() < "_directory/kek/", "and keys last");
    for n in [1, 2, 256, u64::MAX - 1] {
        assert_eq!(parse_entry_name(&entry_name(SEQ(n))), Some(SEQ(n)));
        assert_eq!(parse_checkpoint_name(&checkpoint_name(SEQ(n))), Some(SEQ(n)));
    }
    for odd in [
        "_directory/entry/1.json",
        "_directory/entry/00000000000000000000.json",
        "entry/x",
        "_directory/entry/+0000000000000000001.json",
    ] {
        assert_eq!(parse_entry_name(odd), None, "{odd}");
    }
}

/// A directory with a tenant, and enough entries that nobody audits for a small checkpoint.
async fn golden() -> (Bed, DirectoryClient) {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let acme = client.create_tenant(&by(), NewTenant::named(name("acme"))).await.unwrap().tenant;
    let gateway: GatewayId = "gw-1".parse().unwrap();
    for _ in 3..=256 {
        client.lease_acquire(&by(), acme.id, &gateway, "10.0.0.1:7575", 10_000).await.unwrap();
    }
    // the checkpoint is written behind the answer
    while bed.store.list(CHECKPOINTS, None, None).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    (bed, client)
}

fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[tokio::test]
async fn golden_bytes() {
    let (bed, client) = golden().await;
    let kek = kek_name(client.state().tenant(crate::id(1)).unwrap().namespace, 1, 1);
    let pinned = [
        ("entry-1.json", entry_name(SEQ(1))),
        ("entry-2.json", entry_name(SEQ(2))),
        ("entry-256.json", entry_name(SEQ(256))),
        ("checkpoint-256.json", checkpoint_name(SEQ(256))),
        ("kek-1.json", kek.clone()),
    ];
    for (file, object) in &pinned {
        let bytes = bed.store.get(object).await.unwrap();
        if std::env::var_os("FIRN_GOLDEN").is_some_and(|v| v == "write") {
            std::fs::create_dir_all(golden_path("")).unwrap();
            std::fs::write(golden_path(file), &bytes).unwrap();
        }
        let golden = std::fs::read(golden_path(file)).unwrap_or_default();
        assert_eq!(String::from_utf8(golden).unwrap(), String::from_utf8(bytes.to_vec()).unwrap(), "{file} changed");
    }
    // the pinned bytes alone, checkpoint and the entry it stands on, are a directory
    let store = Store::from_backend(memory_backend("memory://golden"), "", TestWorld::new(2));
    for (file, object) in &pinned {
        if !object.starts_with(ENTRIES) || file.contains("256") {
            store.put_if_absent(object, std::fs::read(golden_path(file)).unwrap().into()).await.unwrap();
        }
    }
    let read = DirectoryClient::open(&store, bed.master.clone(), "firn test").await.unwrap();
    assert_eq!(read.state().encode().unwrap(), client.state().encode().unwrap());
    let keys = read.tenant_keys(crate::id(1)).unwrap();
    let context = firn_manifest::KeyContext::data_key(read.state().tenant(crate::id(1)).unwrap().namespace);
    firn_manifest::KeyService::wrap(&*keys, &[1; 32], &context).await.unwrap();
}

/// A directory in which everything has a name that can be looked for.
async fn named() -> (Bed, DirectoryClient) {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let first = client.create_tenant(&by(), NewTenant::named(name("tenantname"))).await.unwrap().tenant;
    let second = tenant(&client, "othername").await;
    let grant = NewGrant {
        grantee: second.id,
        table: "tablename".to_owned(),
        columns: Some(vec!["columnname".to_owned()]),
        predicate: Some("predicatename > 1".to_owned()),
        until: None,
        uses: Some(3),
    };
    client.grant(&by(), first.id, grant).await.unwrap();
    client.rename(&by(), first.id, name("newname")).await.unwrap();
    client.erase_begin(&by(), second.id, "basisname").await.unwrap();
    (bed, client)
}

#[tokio::test]
async fn no_name_stands_in_clear_in_the_store() {
    let (bed, client) = named().await;
    let gateway: GatewayId = "gatewayname".parse().unwrap();
    for _ in 0..260 {
        client.lease_acquire(&by(), crate::id(1), &gateway, "addressname", 10_000).await.unwrap();
    }
    let mut looked = 0;
    for object in bed.store.list("", None, None).await.unwrap() {
        let bytes = bed.store.get(&object.key).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase() + &object.key;
        for word in [
            "tenantname",
            "othername",
            "newname",
            "tablename",
            "columnname",
            "predicatename",
            "basisname",
            "gatewayname",
            "addressname",
            "operator",
            "firn_",
            "eu-1",
        ] {
            assert!(!text.contains(word), "{word} in {}", object.key);
        }
        looked += 1;
    }
    assert!(looked > 260);
}

async fn replaced(bed: &Bed, name: &str, bytes: Bytes) {
    bed.store.delete(name).await.unwrap();
    bed.store.put_if_absent(name, bytes).await.unwrap();
}

async fn refused(bed: &Bed, what: &str) -> String {
    let opened = DirectoryClient::open(&bed.store, bed.master.clone(), "firn test").await;
    match opened {
        Err(e @ Error::Root(firn_manifest::Error::Integrity { .. } | firn_manifest::Error::Key { .. })) => {
            e.to_string()
        }
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: opened"),
    }
}

#[tokio::test]
async fn a_damaged_log_is_refused_by_whoever_opens_it_and_found_without_a_key() {
    let (bed, _) = named().await;
    let names: Vec<String> = bed.store.list(ENTRIES, None, None).await.unwrap().into_iter().map(|o| o.key).collect();
    for name in &names {
        let bytes = bed.store.get(name).await.unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 23) {
            let mut bad = bytes.to_vec();
            bad[at] ^= 4;
            replaced(&bed, name, bad.into()).await;
            refused(&bed, &format!("{name}, byte {at}")).await;
            assert!(!verify_chain(&bed.store).await.unwrap().findings.is_empty(), "{name}, byte {at}");
            replaced(&bed, name, bytes.slice(..at)).await;
            refused(&bed, &format!("{name}, cut at {at}")).await;
        }
        replaced(&bed, name, bytes).await;
    }
    let (second, third) = (bed.store.get(&names[1]).await.unwrap(), bed.store.get(&names[2]).await.unwrap());
    replaced(&bed, &names[1], third.clone()).await;
    assert!(refused(&bed, "another entry in its place").await.contains("DIR-2"));
    replaced(&bed, &names[1], second.clone()).await;
    bed.store.delete(&names[2]).await.unwrap();
    assert!(refused(&bed, "a missing entry").await.contains("missing"));
    let report = verify_chain(&bed.store).await.unwrap();
    assert!(report.findings.iter().any(|finding| finding.object == names[2]), "{:?}", report.findings);
    assert_eq!(report.head.unwrap().seq, SEQ(2), "the chain reaches up to the gap");
    replaced(&bed, &names[2], third).await;
    assert!(verify_chain(&bed.store).await.unwrap().findings.is_empty());

    // the second entry of another directory under the same master key
    let other = Bed::new(memory_store(TestWorld::new(9)).0);
    let stranger = DirectoryClient::open_or_create(&other.store, bed.master.clone(), "firn test").await.unwrap();
    tenant(&stranger, "stranger").await;
    replaced(&bed, &names[1], other.store.get(&names[1]).await.unwrap()).await;
    let what = refused(&bed, "an entry of another directory").await;
    assert!(what.contains("I8") || what.contains("DIR-2"), "{what}");
    replaced(&bed, &names[1], second).await;
    bed.client().await;
}

#[tokio::test]
async fn a_checkpoint_that_is_damaged_or_of_another_log_is_refused() {
    let (bed, client) = golden().await;
    let name = checkpoint_name(SEQ(256));
    let bytes = bed.store.get(&name).await.unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut bad = bytes.to_vec();
        bad[at] ^= 4;
        replaced(&bed, &name, bad.into()).await;
        refused(&bed, &format!("byte {at}")).await;
        assert!(!verify_chain(&bed.store).await.unwrap().findings.is_empty(), "byte {at}");
    }
    replaced(&bed, &name, Bytes::new()).await;
    refused(&bed, "empty").await;
    bed.store.delete(&name).await.unwrap();
    bed.store.put_if_absent(&checkpoint_name(SEQ(255)), bytes.clone()).await.unwrap();
    refused(&bed, "of another entry").await;
    assert!(!verify_chain(&bed.store).await.unwrap().findings.is_empty());
    bed.store.delete(&checkpoint_name(SEQ(255))).await.unwrap();
    let whole = bed.client().await;
    assert_eq!(
        whole.state().encode().unwrap(),
        client.state().encode().unwrap(),
        "without it the log is read from zero"
    );
    bed.store.put_if_absent(&name, bytes).await.unwrap();
    bed.store.put_if_absent("_directory/checkpoint/strange", Bytes::from_static(b"x")).await.unwrap();
    bed.store.put_if_absent("_directory/checkpoint/.x", Bytes::from_static(b"x")).await.ok();
    bed.client().await;
    let report = verify_chain(&bed.store).await.unwrap();
    assert!(report.findings.iter().any(|finding| finding.object.ends_with("strange")));
    bed.store.delete(&entry_name(SEQ(256))).await.unwrap();
    refused(&bed, "its entry is missing").await;
}

/// An entry that another process wrote and that cannot be read ends neither the process nor what it knows.
#[tokio::test]
async fn a_damaged_entry_ahead_is_an_error_for_as_long_as_it_is_there() {
    let (bed, client) = named().await;
    let next = entry_name(client.head().seq.next());
    bed.store.put_if_absent(&next, Bytes::from_static(b"{\"envelope\":{\"format\":2,")).await.unwrap();
    let newer = client.refresh().await.unwrap_err();
    assert!(newer.integrity() && newer.to_string().contains("newer firn"), "{newer}");
    assert!(client.suspend(&by(), crate::id(1)).await.unwrap_err().integrity());
    assert!(client.state().named(&name("newname")).is_ok(), "what was known is still answered");
    bed.store.delete(&next).await.unwrap();
    client.suspend(&by(), crate::id(1)).await.unwrap();
    assert!(client.set_quota(&by(), crate::id(1), [(Quota::ResultBytes, Some(1))].into()).await.is_ok());
}

/// A copy that takes objects in the order of their names while the directory goes on is a directory.
#[tokio::test]
async fn a_copy_in_the_order_of_names_opens() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    tenant(&client, "before").await;
    let copy = memory_store(TestWorld::new(5)).0;
    let (mut after, mut copied) = (None::<String>, 0);
    loop {
        let page = bed.store.list(ROOT, after.as_deref(), Some(1)).await.unwrap();
        let Some(object) = page.first() else { break };
        copy.put_if_absent(&object.key, bed.store.get(&object.key).await.unwrap()).await.unwrap();
        copied += 1;
        if copied % 2 == 0 && copied < 12 {
            tenant(&client, &format!("meanwhile-{copied}")).await;
        }
        after = Some(object.key.clone());
    }
    let opened = DirectoryClient::open(&copy, bed.master.clone(), "firn test").await.unwrap();
    assert!(opened.state().tenants(None).count() >= 2);
    for tenant in opened.state().tenants(None) {
        let keys = opened.tenant_keys(tenant.id).unwrap();
        let context = firn_manifest::KeyContext::data_key(tenant.namespace);
        firn_manifest::KeyService::wrap(&*keys, &[1; 32], &context).await.unwrap();
    }
}
