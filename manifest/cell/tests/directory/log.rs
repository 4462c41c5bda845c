//! The log: opening, following, group commit, checkpoints, costs.

use std::sync::Arc;
use std::time::Duration;

use firn_cell::audit::AuditQuery;
use firn_cell::log::format::{CHECKPOINTS, ENTRIES};
use firn_cell::{DirectoryClient, Error, GatewayId, NewTenant, Refusal, RequestNumber, verify_chain};
use firn_manifest::{StoreUri, Tally, key_service, system};
use futures::future::join_all;

use crate::worlds::local_keys;
use crate::{Bed, by, name, plain, tenant};

#[tokio::test]
async fn there_is_none_before_it_is_created_and_opening_writes_nothing() {
    let bed = Bed::in_memory();
    let none = DirectoryClient::open(&bed.store, bed.master.clone(), "firn test").await.unwrap_err();
    assert!(matches!(none, Error::NoDirectory { .. }), "{none}");
    assert!(bed.store.list("", None, None).await.unwrap().is_empty());
    let first = bed.client().await;
    tenant(&first, "acme").await;
    let before = bed.store.list("", None, None).await.unwrap();
    let second = DirectoryClient::open(&bed.store, bed.master.clone(), "firn test").await.unwrap();
    second.refresh().await.unwrap();
    assert_eq!(bed.store.list("", None, None).await.unwrap(), before);
    assert_eq!(second.state().encode().unwrap(), first.state().encode().unwrap());
    assert_eq!(second.head(), first.head());
}

#[tokio::test]
async fn of_many_that_create_it_one_does() {
    let bed = Bed::in_memory();
    let clients = join_all((0..5).map(|_| bed.client())).await;
    let ids: Vec<_> = clients.iter().map(|client| client.state().id()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

/// After every command a new process opens the log and finds the state of the one that wrote it.
#[tokio::test]
async fn it_is_the_same_after_every_command_from_any_process() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let same = async || {
        let other = bed.client().await;
        assert_eq!(other.state().encode().unwrap(), client.state().encode().unwrap());
    };
    let acme = client.create_tenant(&by(), NewTenant::named(name("acme"))).await.unwrap();
    same().await;
    client.rename(&by(), acme.tenant.id, name("zenith")).await.unwrap();
    same().await;
    client.seal(&by(), acme.tenant.id).await.unwrap();
    same().await;
    client.rotate_kek(&by(), acme.tenant.id).await.unwrap();
    same().await;
    let gateway: GatewayId = "gw-1".parse().unwrap();
    client.lease_acquire(&by(), acme.tenant.id, &gateway, "10.0.0.1:7575", 10_000).await.unwrap();
    same().await;
    client.erase_begin(&by(), acme.tenant.id, "request").await.unwrap();
    same().await;
    assert!(verify_chain(&bed.store).await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_command_that_is_refused_writes_nothing_and_is_decided_on_the_current_state() {
    let bed = Bed::in_memory();
    let (one, two) = (bed.client().await, bed.client().await);
    let acme = tenant(&one, "acme").await;
    // `two` has not seen `acme`: both the refusal and the permission need the current state
    let taken = two.create_tenant(&by(), plain("acme")).await.unwrap_err();
    assert!(matches!(taken.refusal(), Some(Refusal::NameTaken { .. })), "{taken}");
    one.erase_begin(&by(), acme.id, "request").await.unwrap();
    one.erase_keys(&by(), acme.id, None).await.unwrap();
    one.erase_finish(&by(), acme.id, firn_cell::receipt::Objects::Kept).await.unwrap();
    assert!(two.state().tenant(acme.id).unwrap().status.alive());
    tenant(&two, "acme").await;
    let entries = bed.store.list(ENTRIES, None, None).await.unwrap().len();
    let missing = two.suspend(&by(), firn_cell::TenantId(99)).await.unwrap_err();
    assert!(matches!(missing.refusal(), Some(Refusal::NotFound { .. })));
    assert_eq!(bed.store.list(ENTRIES, None, None).await.unwrap().len(), entries);
    assert!(verify_chain(&bed.store).await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn commands_that_come_together_share_an_entry() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let created = join_all((0..40).map(|n| {
        let client = &client;
        async move { client.create_tenant(&by(), plain(&format!("t{n}"))).await }
    }))
    .await;
    let mut ids: Vec<_> = created.into_iter().map(|created| created.unwrap().tenant.id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    let entries = bed.store.list(ENTRIES, None, None).await.unwrap().len();
    assert!(entries < 20, "{entries} entries for 40 tenants");
}

#[tokio::test]
async fn processes_that_propose_at_once_lose_nothing_and_agree() {
    let bed = Bed::in_memory();
    let clients = join_all((0..3).map(|_| bed.client())).await;
    let mut work = Vec::new();
    for (p, client) in clients.iter().enumerate() {
        for n in 0..15 {
            work.push(async move { client.create_tenant(&by(), plain(&format!("p{p}-{n}"))).await.unwrap().tenant });
        }
    }
    let made = join_all(work).await;
    let contested =
        join_all(clients.iter().map(|client| async move { client.create_tenant(&by(), plain("contested")).await }))
            .await;
    assert_eq!(contested.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for client in &clients {
        let state = client.refresh().await.unwrap();
        assert_eq!(state.tenants(None).count(), 46);
        assert!(made.iter().all(|tenant| state.tenant(tenant.id) == Some(tenant)));
        assert_eq!(state.encode().unwrap(), clients[0].state().encode().unwrap());
    }
    let report = verify_chain(&bed.store).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.keks, 46, "proposals that came to nothing left no keys");
}

#[tokio::test]
async fn a_request_id_is_answered_once_by_whatever_process() {
    let bed = Bed::in_memory();
    let (one, two) = (bed.client().await, bed.client().await);
    let request = || by().request("cli-7".parse().unwrap(), RequestNumber(3));
    let first = one.create_tenant(&request(), NewTenant::named(name("acme"))).await.unwrap();
    let again = two.create_tenant(&request(), NewTenant::named(name("acme"))).await.unwrap();
    assert_eq!(first.tenant, again.tenant);
    let (first, again) = (first.key.unwrap(), again.key.unwrap());
    assert!(first.id == again.id && first.token.is_some() && again.token.is_none(), "a token is shown once");
    assert_eq!(verify_chain(&bed.store).await.unwrap().keks, 1);
}

#[tokio::test]
async fn a_checkpoint_and_the_entries_after_it_are_the_log_from_its_beginning() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let acme = tenant(&client, "acme").await;
    for n in 0..300 {
        client.rename(&by(), acme.id, name(&format!("acme-{}", n % 3))).await.unwrap();
    }
    let checkpoints = bed.store.list(CHECKPOINTS, None, None).await.unwrap();
    assert_eq!(checkpoints.len(), 1);
    let tally = Tally::new();
    let short = bed.client_on(&bed.store.with_tally(tally.clone())).await;
    let summary = tally.summary();
    assert!(summary.requests < 60 && summary.round_trips <= 5, "{summary:?}");
    bed.store.delete(&checkpoints[0].key).await.unwrap();
    let long = bed.client().await;
    assert_eq!(short.state().encode().unwrap(), long.state().encode().unwrap());
    assert_eq!(short.state().encode().unwrap(), client.state().encode().unwrap());
}

#[tokio::test]
async fn the_audit_trail_goes_back_to_the_beginning() {
    let bed = Bed::in_memory();
    let client = bed.client().await;
    let (acme, other) = (tenant(&client, "acme").await, tenant(&client, "other").await);
    for _ in 0..300 {
        client.suspend(&by(), other.id).await.unwrap();
        client.resume(&by(), other.id).await.unwrap();
    }
    assert_eq!(bed.store.list(CHECKPOINTS, None, None).await.unwrap().len(), 2);
    let all = client.audit_trail(&AuditQuery { limit: 10_000, ..AuditQuery::default() }).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=602).rev().collect::<Vec<_>>());
    let of = AuditQuery { tenant: Some(acme.id), ..AuditQuery::default() };
    let trail = client.audit_trail(&of).await.unwrap();
    assert_eq!((trail.len(), trail[0].op.as_str(), trail[0].actor.as_str()), (1, "create_tenant", "operator"));
    let page = AuditQuery { before: Some(10), limit: 5, tenant: None };
    let page: Vec<u64> = client.audit_trail(&page).await.unwrap().iter().map(|entry| entry.number).collect();
    assert_eq!(page, [9, 8, 7, 6, 5]);
}

#[tokio::test]
async fn requests_are_as_documented() {
    let bed = Bed::in_memory();
    bed.client().await;
    let tally = Tally::new();
    let client = bed.client_on(&bed.store.with_tally(tally.clone())).await;
    let opened = tally.summary();
    assert_eq!((opened.lists, opened.gets, opened.puts, opened.round_trips), (2, 1, 0, 3), "open");
    tenant(&client, "first").await;
    let count = || tally.summary();
    let before = count();
    client.create_tenant(&by(), NewTenant::named(name("acme"))).await.unwrap();
    let after = count();
    assert_eq!((after.puts - before.puts, after.requests - before.requests), (2, 2), "create a tenant");
    let before = count();
    client.seal(&by(), firn_cell::TenantId(1)).await.unwrap();
    assert_eq!(count().requests - before.requests, 1, "any other command");
    let before = count();
    client.refresh().await.unwrap();
    assert_eq!((count().gets - before.gets, count().requests - before.requests), (1, 1), "prove the state current");
    let before = count();
    join_all((0..16).map(|_| client.refresh())).await;
    assert!(count().gets - before.gets <= 2, "those that ask together share a proof");
    client.refresh_if_older(Duration::from_secs(60)).await.unwrap();
    let before = count();
    let _ = client.state().tenants(None).count();
    client.authenticate(Some("acme"), "firn_nonsense").await.unwrap_err();
    assert_eq!(count().requests, before.requests, "reading the state, and refusing keys within a second");
}

/// On a folder with real fsync, beside bare PUTs of the same store in the same run: a tenant is two of them and little
/// else, however slow the disk is at the moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_on_a_folder_takes_little_more_than_its_two_puts() {
    let folder = tempfile::tempdir().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let uri = StoreUri::parse(&format!("file://{}?kms=local:{}/k", folder.path().display(), keys.path().display()));
    let uri = uri.unwrap();
    let master = key_service(&uri, system()).unwrap();
    let store = firn_manifest::Store::connect(&uri, system()).unwrap();
    let client = DirectoryClient::open_or_create(&store, master, "firn test").await.unwrap();
    let (mut bare, mut took) = (Vec::new(), Vec::new());
    for n in 0..60 {
        let begin = store.world().monotonic();
        let object = bytes::Bytes::from(vec![7; 2_000]);
        store.put_if_absent(&format!("bare/{n}"), object).await.unwrap();
        bare.push(store.world().monotonic().saturating_sub(begin));
        let begin = store.world().monotonic();
        client.create_tenant(&by(), NewTenant::named(name(&format!("t{n}")))).await.unwrap();
        took.push(store.world().monotonic().saturating_sub(begin));
    }
    bare.sort_unstable();
    took.sort_unstable();
    println!("on a folder, p50: create a tenant with a key {:?}, a bare PUT {:?}", took[30], bare[30]);
    let bound = bare[30] * 6 + Duration::from_millis(50);
    assert!(took[30] < bound, "{:?} beside {:?} of a bare PUT", took[30], bare[30]);
}

#[tokio::test]
async fn a_directory_needs_its_master_key() {
    let bed = Bed::in_memory();
    tenant(&bed.client().await, "acme").await;
    let other = tempfile::tempdir().unwrap();
    let master: Arc<dyn firn_manifest::KeyService> = local_keys(other.path(), bed.world.clone());
    master
        .wrap(&[0; 32], &firn_manifest::KeyContext::data_key(firn_manifest::ids::NamespaceId(uuid::Uuid::nil())))
        .await
        .unwrap();
    let wrong = DirectoryClient::open(&bed.store, master, "firn test").await.unwrap_err();
    assert!(matches!(wrong, Error::Root(firn_manifest::Error::Key { .. })), "{wrong}");
    assert!(verify_chain(&bed.store).await.unwrap().findings.is_empty(), "the chain needs no key");
}
