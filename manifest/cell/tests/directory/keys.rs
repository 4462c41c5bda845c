//! Tenants' keys: what they open, what they do not, rotation, and what happens when their objects are damaged.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firn_cell::kek::{FOLDER, kek_name};
use firn_cell::tenant_keys::{KEPT, fingerprint};
use firn_cell::{Error, NewKey, NewTenant, Role, Scope, TenantKeys};
use firn_manifest::ids::NamespaceId;
use firn_manifest::{KeyContext, KeyErrorKind, KeyService, Tally, new_uuid};

use crate::worlds::local_keys;
use crate::{Bed, by, name, tenant};

fn context(namespace: NamespaceId) -> KeyContext {
    KeyContext::data_key(namespace)
}

fn kind<T: std::fmt::Debug>(answer: Result<T, firn_manifest::Error>) -> KeyErrorKind {
    match answer.unwrap_err() {
        firn_manifest::Error::Key { kind, .. } => kind,
        other => panic!("{other}"),
    }
}

async fn two(bed: &Bed) -> (firn_cell::DirectoryClient, Arc<TenantKeys>, Arc<TenantKeys>) {
    let client = bed.client().await;
    let (a, b) = (tenant(&client, "a").await, tenant(&client, "b").await);
    let (a, b) = (client.tenant_keys(a.id).unwrap(), client.tenant_keys(b.id).unwrap());
    (client, a, b)
}

#[tokio::test]
async fn a_tenants_key_opens_what_it_wrapped_and_nothing_of_another() {
    let bed = Bed::in_memory();
    let (_, a, b) = two(&bed).await;
    let (of_a, of_b) = (a.namespace().unwrap(), b.namespace().unwrap());
    let (by, wrapped) = a.wrap(&[7; 32], &context(of_a)).await.unwrap();
    assert_eq!(by, fingerprint(of_a, 1));
    assert_eq!(a.unwrap(&by, &wrapped, &context(of_a)).await.unwrap().as_slice(), [7; 32]);
    assert_eq!(kind(b.unwrap(&by, &wrapped, &context(of_a)).await), KeyErrorKind::Wrong, "another namespace");
    assert_eq!(kind(b.unwrap(&by, &wrapped, &context(of_b)).await), KeyErrorKind::Wrong, "another tenant's key");
    let forged = fingerprint(of_b, 1);
    assert_eq!(kind(b.unwrap(&forged, &wrapped, &context(of_b)).await), KeyErrorKind::Damaged);
    assert_eq!(kind(a.wrap(&[7; 32], &context(of_b)).await), KeyErrorKind::Wrong);
    for i in 0..wrapped.len() {
        let mut bad = wrapped.clone();
        bad[i] ^= 1;
        assert_eq!(kind(a.unwrap(&by, &bad, &context(of_a)).await), KeyErrorKind::Damaged);
        assert_eq!(kind(a.unwrap(&by, &wrapped[..i], &context(of_a)).await), KeyErrorKind::Damaged);
    }
    for bad in ["kek:", "kek::", "kek:x:y", "local:", ""] {
        assert!(a.unwrap(bad, &wrapped, &context(of_a)).await.is_err());
    }
    let (_, again) = a.wrap(&[7; 32], &context(of_a)).await.unwrap();
    assert_ne!(wrapped, again, "each wrap has its own nonce");
    assert_eq!(kind(a.unwrap(&fingerprint(of_a, 2), &wrapped, &context(of_a)).await), KeyErrorKind::Missing);
}

#[tokio::test]
async fn a_namespace_made_without_a_directory_opens_through_it() {
    let bed = Bed::in_memory();
    let solo = NamespaceId(new_uuid(&*bed.world));
    let (by_master, wrapped) = bed.master.wrap(&[9; 32], &context(solo)).await.unwrap();
    let client = bed.client().await;
    let new = NewTenant { namespace: Some(solo), ..NewTenant::named(name("solo")) };
    let made = client.create_tenant(&by(), new.clone()).await.unwrap();
    let keys = client.tenant_keys(made.tenant.id).unwrap();
    assert_eq!(keys.unwrap(&by_master, &wrapped, &context(solo)).await.unwrap().as_slice(), [9; 32]);
    let twice = client.create_tenant(&by(), NewTenant { name: name("other"), ..new }).await.unwrap_err();
    assert!(twice.refusal().is_some_and(|refusal| refusal.code() == "id_taken"));
    assert!(keys.unwrap(&by_master, &wrapped, &context(solo)).await.is_ok());
    assert!(keys.wrap(&[1; 32], &context(solo)).await.is_ok(), "its key is still there");
}

#[tokio::test]
async fn a_plain_key_is_kept_for_a_bounded_time() {
    let bed = Bed::in_memory();
    let (client, a, _) = two(&bed).await;
    let tally = Tally::new();
    let watched = bed.client_on(&bed.store.with_tally(tally.clone())).await;
    let keys = watched.tenant_keys(client.state().tenant_of(a.namespace().unwrap()).unwrap().id).unwrap();
    let of = context(a.namespace().unwrap());
    let before = tally.summary().requests;
    for _ in 0..10 {
        keys.wrap(&[1; 32], &of).await.unwrap();
    }
    assert_eq!(tally.summary().requests - before, 1, "one GET of the wrapped key");
    bed.world.sleep(KEPT - Duration::from_secs(1)).await;
    keys.wrap(&[1; 32], &of).await.unwrap();
    assert_eq!((tally.summary().requests - before, watched.expire_keys()), (1, 1));
    bed.world.sleep(Duration::from_secs(1)).await;
    assert_eq!(watched.expire_keys(), 0);
    keys.wrap(&[1; 32], &of).await.unwrap();
    assert_eq!(tally.summary().requests - before, 2);
    watched.forget_keys(a.namespace().unwrap());
    assert_eq!(watched.expire_keys(), 0);
    assert!(format!("{keys:?} {watched:?}").len() < 2_000);
}

#[tokio::test]
async fn rotation_of_a_tenants_key_goes_on_online() {
    let bed = Bed::in_memory();
    let (client, a, _) = two(&bed).await;
    let elsewhere = bed.client().await;
    let tenant = client.state().tenant_of(a.namespace().unwrap()).unwrap().id;
    let there = elsewhere.tenant_keys(tenant).unwrap();
    let of = context(a.namespace().unwrap());
    let (old_by, old) = a.wrap(&[1; 32], &of).await.unwrap();
    let (one, two) = (by(), by());
    let (x, y) = futures::join!(client.rotate_kek(&one, tenant), elsewhere.rotate_kek(&two, tenant));
    let mut generations = [x.unwrap().generation, y.unwrap().generation];
    generations.sort_unstable();
    assert_eq!(generations, [2, 3], "two rotations at once are two generations");
    client.refresh().await.unwrap();
    let (new_by, new) = a.wrap(&[2; 32], &of).await.unwrap();
    assert_eq!(new_by, fingerprint(of.namespace, 3));
    assert_eq!(there.unwrap(&new_by, &new, &of).await.unwrap().as_slice(), [2; 32]);
    assert_eq!(there.unwrap(&old_by, &old, &of).await.unwrap().as_slice(), [1; 32], "the old one still opens");
    assert!(client.retire_kek(&by(), tenant, 3).await.is_err());
    client.retire_kek(&by(), tenant, 1).await.unwrap();
    client.forget_all_keys();
    assert!(a.unwrap(&old_by, &old, &of).await.is_err());
    assert_eq!(a.unwrap(&new_by, &new, &of).await.unwrap().as_slice(), [2; 32]);
}

/// A new master key: every wrapped key and the directory's own are wrapped anew; then the old master key is thrown away.
#[tokio::test]
async fn rotation_of_the_master_key_needs_the_old_one_no_more() {
    let bed = Bed::in_memory();
    let (client, a, b) = two(&bed).await;
    let of = context(a.namespace().unwrap());
    let (wrapped_by, wrapped) = a.wrap(&[1; 32], &of).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let new = local_keys(folder.path(), bed.world.clone());
    let (first, _) = new.wrap(&[0; 32], &of).await.unwrap();
    assert_eq!(client.rotate_master(&by(), new.clone()).await.unwrap(), 2);
    assert_eq!(client.rotate_master(&by(), new.clone()).await.unwrap(), 0, "it is done");
    assert!(client.state().tenants(None).all(|tenant| tenant.keks[0].wrapped_by == first));
    let names: Vec<_> = bed.store.list(FOLDER, None, None).await.unwrap().into_iter().map(|o| o.key).collect();
    let mut expected = [kek_name(of.namespace, 1, 2), kek_name(b.namespace().unwrap(), 1, 2)];
    expected.sort();
    assert_eq!(names, expected, "the old wrappings are gone");
    client.create_tenant(&by(), NewTenant::named(name("later"))).await.unwrap();

    let alone = firn_cell::DirectoryClient::open(&bed.store, new, "firn test").await.unwrap();
    let keys = alone.tenant_keys(alone.state().tenant_of(of.namespace).unwrap().id).unwrap();
    assert_eq!(keys.unwrap(&wrapped_by, &wrapped, &of).await.unwrap().as_slice(), [1; 32]);
    assert_eq!(alone.state().encode().unwrap(), client.state().encode().unwrap());
    let old = firn_cell::DirectoryClient::open(&bed.store, bed.master.clone(), "firn test").await.unwrap_err();
    assert!(matches!(old, Error::Root(firn_manifest::Error::Key { .. })), "{old}");
}

#[tokio::test]
async fn a_damaged_missing_or_swapped_key_is_named_and_nothing_is_served() {
    let bed = Bed::in_memory();
    let (client, a, b) = two(&bed).await;
    let of = context(a.namespace().unwrap());
    let (own, foreign) = (kek_name(of.namespace, 1, 1), kek_name(b.namespace().unwrap(), 1, 1));
    let bytes = bed.store.get(&own).await.unwrap();
    let mut flipped = bytes.to_vec();
    flipped[bytes.len() / 2] ^= 1;
    let swapped = bed.store.get(&foreign).await.unwrap();
    for bad in [Bytes::from(flipped), bytes.slice(..10), Bytes::new(), swapped] {
        bed.store.delete(&own).await.unwrap();
        bed.store.put_if_absent(&own, bad).await.unwrap();
        let e = a.wrap(&[1; 32], &of).await.unwrap_err();
        assert!(matches!(e, firn_manifest::Error::Integrity { ref object, .. } if *object == own), "{e}");
    }
    bed.store.delete(&own).await.unwrap();
    let e = a.wrap(&[1; 32], &of).await.unwrap_err();
    assert!(matches!(e, firn_manifest::Error::Integrity { ref what, .. } if what.contains("KEK-1")), "{e}");
    bed.store.put_if_absent(&own, bytes).await.unwrap();
    a.wrap(&[1; 32], &of).await.unwrap();
    drop(client);
}

/// A rotation dies after its object was stored and before its command: the next one takes that object up.
#[tokio::test]
async fn an_orphan_of_a_rotation_is_taken_up_again() {
    let bed = Bed::in_memory();
    let (client, a, _) = two(&bed).await;
    let of = context(a.namespace().unwrap());
    let tenant = client.state().tenant_of(of.namespace).unwrap().id;
    client.rotate_kek(&by(), tenant).await.unwrap();
    let orphan = bed.store.get(&kek_name(of.namespace, 2, 1)).await.unwrap();
    let entries = bed.store.list("_directory/entry/", None, None).await.unwrap();
    bed.store.delete(&entries.last().unwrap().key).await.unwrap();
    let next = bed.client().await;
    assert_eq!(next.state().tenant(tenant).unwrap().keks.len(), 1);
    let taken = next.rotate_kek(&by(), tenant).await.unwrap();
    assert_eq!(taken.digest, firn_manifest::ids::ChainHash::of(&orphan));
    assert!(next.tenant_keys(tenant).unwrap().wrap(&[1; 32], &of).await.is_ok());
}

#[tokio::test]
async fn api_keys_are_shown_once_and_good_everywhere() {
    let bed = Bed::in_memory();
    let (one, two) = (bed.client().await, bed.client().await);
    let made = one.create_tenant(&by(), NewTenant::named(name("acme"))).await.unwrap();
    let token = made.key.unwrap().token.unwrap().expose();
    assert_eq!(one.authenticate(Some("acme"), &token).await.unwrap().role, Role::Admin);
    bed.world.sleep(Duration::from_secs(2)).await;
    assert_eq!(two.authenticate(Some("acme"), &token).await.unwrap().tenant.unwrap().id, made.tenant.id);
    let reader = NewKey { role: Role::Reader, label: "bi".to_owned(), expires_at: None };
    let reader = one.create_key(&by(), Scope::Tenant(made.tenant.id), reader).await.unwrap();
    let text = reader.token.unwrap().expose();
    assert_eq!(one.authenticate(None, &text).await.unwrap().label, "bi");
    let operator = one.create_key(&by(), Scope::Operator, NewKey::admin("root")).await.unwrap();
    assert_eq!(one.authenticate(None, &operator.token.unwrap().expose()).await.unwrap().scope, Scope::Operator);
    one.revoke_key(&by(), Scope::Tenant(made.tenant.id), reader.id).await.unwrap();
    for (name, token) in [("acme", text.as_str()), ("nobody", &token), ("acme", "x"), ("acme", "")] {
        let refused = one.authenticate(Some(name), token).await.unwrap_err();
        assert!(refused.refusal().is_some_and(|refusal| refusal.code() == "unauthenticated"), "{refused}");
    }
    let (known, unknown) = (one.scram_challenge("acme").await.unwrap(), one.scram_challenge("nobody").await.unwrap());
    assert_eq!((known.keys.len(), unknown.keys.len()), (1, 0));
    assert_eq!(known.iterations, unknown.iterations);
    assert_eq!(unknown.salt, two.scram_challenge("nobody").await.unwrap().salt, "as stable as that of a tenant");
    let before = one.scram_challenge("newcomer").await.unwrap().salt;
    one.create_tenant(&by(), NewTenant::named(name("newcomer"))).await.unwrap();
    assert_eq!(one.scram_challenge("newcomer").await.unwrap().salt, before, "being created does not show");
}
