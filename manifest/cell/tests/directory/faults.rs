//! A store that loses replies, hangs, refuses and goes blind, and processes that die between any two requests.
//!
//! What must survive: every command that was answered is in the log exactly once; a command whose outcome was unknown is
//! found out by sending its request id again; every process that opens the log finds the same state.

use std::sync::Arc;

use firn_cell::receipt::Objects;
use firn_cell::{By, DirectoryClient, Error, NewTenant, RequestNumber, TenantId, verify_chain};
use firn_manifest::World;
use firn_manifest::store::StoreErrorKind as Kind;
use proptest::prelude::*;

use crate::worlds::{Faulty, Get, Put, TestWorld};
use crate::{Bed, by, name, plain, tenant};

struct Faults {
    bed: Bed,
    faulty: Arc<Faulty>,
    world: Arc<TestWorld>,
}

impl Faults {
    fn new(seed: u64) -> Self {
        let world = TestWorld::new(seed);
        let faulty = Faulty::new(&[], &[]);
        Self { bed: Bed::new(faulty.calm(world.clone())), faulty, world }
    }

    /// A process that sees the faults.
    async fn client(&self) -> DirectoryClient {
        let world: Arc<dyn World> = self.world.clone();
        self.bed.client_on(&self.faulty.store(world)).await
    }

    fn script(&self, puts: &[Put], gets: &[Get]) {
        self.faulty.puts.lock().extend(puts);
        self.faulty.gets.lock().extend(gets);
    }

    fn heal(&self) {
        self.faulty.puts.lock().clear();
        self.faulty.gets.lock().clear();
    }

    async fn sound(&self, tenants: usize) {
        let fresh = self.bed.client().await;
        assert_eq!(fresh.state().tenants(None).count(), tenants);
        let report = verify_chain(&self.bed.store).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

fn request(number: u64) -> By {
    by().request("cli".parse().unwrap(), RequestNumber(number))
}

#[tokio::test]
async fn a_lost_reply_or_a_false_exists_is_found_to_be_ours() {
    for fault in [Put::ReplyLost, Put::SaysExists, Put::Conflict, Put::Fails(Kind::Other), Put::Delayed, Put::Hangs] {
        let faults = Faults::new(3);
        let client = faults.client().await;
        for n in 0..4 {
            // once on the wrapped key, once on the entry
            let script = if n % 2 == 0 { vec![fault] } else { vec![Put::Works, fault] };
            faults.script(&script, &[]);
            tenant(&client, &format!("t{n}")).await;
            faults.heal();
        }
        faults.sound(4).await;
    }
}

/// The entry's PUT took effect, its reply was lost, and the slot cannot be read for longer than anybody waits.
#[tokio::test]
async fn an_unknown_outcome_that_was_a_commit_is_answered_as_such() {
    let faults = Faults::new(4);
    let client = faults.client().await;
    tenant(&client, "first").await;
    faults.script(&[Put::Works, Put::ReplyLost], &[Get::Fails(Kind::Unreachable); 1000]);
    let unknown = client.propose(&request(1), firn_cell::Op::Seal { tenant: TenantId(1) }).await;
    assert!(unknown.is_ok(), "the first PUT of the script works");
    let unknown = client.propose(&request(2), firn_cell::Op::Suspend { tenant: TenantId(1) }).await.unwrap_err();
    assert!(unknown.unresolved(), "{unknown}");
    faults.heal();
    client.propose(&request(2), firn_cell::Op::Suspend { tenant: TenantId(1) }).await.unwrap();
    let state = faults.bed.client().await.state();
    assert_eq!(state.applied(), client.state().applied());
    let suspensions = state.audit_since(0).filter(|entry| entry.op == "suspend").count();
    assert_eq!(suspensions, 1, "it was done once");
    faults.sound(1).await;
}

/// The entry's PUT never took effect, and nobody can tell: the slot is tried again, not the next one.
#[tokio::test]
async fn after_an_unknown_outcome_the_same_slot_is_tried_again() {
    let faults = Faults::new(5);
    let client = faults.client().await;
    tenant(&client, "first").await;
    let before = client.head().seq;
    faults.script(&[Put::Fails(Kind::Unreachable); 1000], &[]);
    let unknown = client.suspend(&by(), TenantId(1)).await.unwrap_err();
    assert!(unknown.unresolved(), "{unknown}");
    faults.heal();
    client.seal(&by(), TenantId(1)).await.unwrap();
    assert_eq!(client.head().seq.0, before.0 + 1);
    faults.sound(1).await;
}

/// Whoever asked is gone and its PUT hangs at the store; it arrives while another process wants the same slot.
#[tokio::test]
async fn a_put_that_arrives_when_nobody_waits_for_it_is_done_once_or_not_at_all() {
    let faults = Faults::new(6);
    let (one, two) = (faults.client().await, faults.client().await);
    tenant(&one, "first").await;
    // it hangs until the next PUT arrives
    faults.script(&[Put::Delayed], &[]);
    let gone = tokio::time::timeout(std::time::Duration::ZERO, one.suspend(&by(), TenantId(1))).await;
    drop(gone);
    let sealed = two.seal(&by(), TenantId(1)).await.unwrap();
    let state = faults.bed.client().await.state();
    assert_eq!(state.tenant(TenantId(1)).unwrap().id, sealed.id);
    assert_eq!(two.refresh().await.unwrap().encode().unwrap(), state.encode().unwrap());
    faults.sound(1).await;
}

#[tokio::test]
async fn what_will_not_heal_is_said_at_once_and_nothing_is_half_done() {
    for kind in [Kind::Denied, Kind::Full, Kind::Refused] {
        let faults = Faults::new(7);
        let client = faults.client().await;
        tenant(&client, "first").await;
        for skip in 0..2 {
            let mut script = vec![Put::Works; skip];
            script.push(Put::Fails(kind));
            faults.script(&script, &[]);
            let e = client.create_tenant(&by(), plain("second")).await.unwrap_err();
            assert!(matches!(e, Error::Root(firn_manifest::Error::Store(ref e)) if e.kind == kind), "{e}");
            faults.heal();
            let fresh = faults.bed.client().await;
            assert_eq!(fresh.state().tenants(None).count(), 1);
        }
        tenant(&client, "second").await;
        faults.sound(2).await;
    }
}

/// All that a tenant goes through; every step can be taken again.
async fn life(client: &DirectoryClient) -> Result<String, Error> {
    let made = client.create_tenant(&request(1), NewTenant::named(name("acme"))).await?.tenant;
    client.propose(&request(2), firn_cell::Op::RenameTenant { tenant: made.id, name: name("zenith") }).await?;
    if made.keks.len() < 2 && client.state().tenant(made.id).is_some_and(|tenant| tenant.keks.len() < 2) {
        match client.rotate_kek(&by(), made.id).await {
            Err(Error::Refused(_)) | Ok(_) => {}
            Err(e) => return Err(e),
        }
    }
    client.erase_begin(&by(), made.id, "request").await?;
    client.erase_keys(&by(), made.id, None).await?;
    client.erase_finish(&by(), made.id, Objects::Kept).await
}

/// The process dies after its *n*-th PUT, for every *n*; the next one opens the log and goes on.
#[tokio::test]
async fn a_process_that_dies_between_any_two_requests_loses_nothing() {
    let mut died = 0;
    for n in 0..12 {
        for last in [Put::Fails(Kind::Denied), Put::ReplyLost] {
            let faults = Faults::new(100 + n);
            let mut script = vec![Put::Works; usize::try_from(n).unwrap()];
            script.push(last);
            script.extend([Put::Fails(Kind::Denied); 100]);
            faults.script(&script, &[]);
            let store = faults.faulty.store(faults.world.clone());
            if let Ok(client) = DirectoryClient::open_or_create(&store, faults.bed.master.clone(), "firn test").await {
                died += usize::from(life(&client).await.is_err());
            } else {
                died += 1;
            }
            faults.heal();
            let next = faults.bed.client().await;
            let receipt = life(&next).await.unwrap();
            firn_cell::verify_receipt(&receipt, next.public_key()).unwrap();
            assert!(faults.bed.store.list("_directory/kek/", None, None).await.unwrap().len() <= 1, "orphans at most");
            faults.sound(1).await;
        }
    }
    assert!(died >= 14, "only {died} runs were cut short");
}

fn any_put() -> impl Strategy<Value = Put> {
    prop::sample::select(vec![
        Put::Works,
        Put::Works,
        Put::Works,
        Put::ReplyLost,
        Put::SaysExists,
        Put::Conflict,
        Put::Fails(Kind::Other),
        Put::Fails(Kind::Denied),
        Put::Delayed,
        Put::Hangs,
    ])
}

fn any_get() -> impl Strategy<Value = Get> {
    prop::sample::select(vec![Get::Works, Get::Works, Get::Works, Get::Fails(Kind::Other), Get::Short])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Three processes, each with tenants of its own and one name that all want, on a store whose requests go wrong at
    /// random. Each repeats what failed under the same request id until it is answered.
    #[test]
    fn three_processes_on_a_bad_store_do_everything_once(
        seed in 0u64..1000,
        puts in prop::collection::vec(any_put(), 0..60),
        gets in prop::collection::vec(any_get(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let faults = Faults::new(seed);
            let mut clients = Vec::new();
            for _ in 0..3 {
                let client = faults.client().await;
                // the store's self-test is behind it: a PUT that nobody but the store's own client bounds
                client.set_region(&by(), crate::region(), Some("https://eu".to_owned())).await.unwrap();
                clients.push(client);
            }
            faults.script(&puts, &gets);
            let work = clients.iter().enumerate().map(|(p, client)| async move {
                let mut won = 0;
                for n in 0..4u64 {
                    let wanted = if n == 2 { "contested".to_owned() } else { format!("p{p}-{n}") };
                    let id = By { request: None, ..by() }.request(format!("p{p}").parse().unwrap(), RequestNumber(n));
                    for _ in 0..200 {
                        match client.create_tenant(&id, plain(&wanted)).await {
                            Ok(_) => { won += usize::from(n == 2); break; }
                            Err(Error::Refused(_)) => { assert_eq!(n, 2, "only the contested name is refused"); break; }
                            Err(_) => {}
                        }
                    }
                }
                won
            });
            let won: usize = futures::future::join_all(work).await.into_iter().sum();
            assert_eq!(won, 1, "one of three got the contested name");
            faults.heal();
            let fresh = faults.bed.client().await.state().encode().unwrap();
            for client in &clients {
                assert_eq!(client.refresh().await.unwrap().encode().unwrap(), fresh);
            }
            faults.sound(10).await;
        });
    }
}
