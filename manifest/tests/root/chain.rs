//! Open, claim and commit, with rivals and with a store or a manifest that was tampered with.
//!
//! Promises: one writer; one round of reads to open; nothing written by a reader.
//! Never: a manifest served that does not follow its predecessor.

use std::sync::Arc;

use bytes::Bytes;
use firn_manifest::chain::{self, Draft, Head, manifest_key};
use firn_manifest::ids::{ChainHash, Digest, Epoch, Position, Seq, Version};
use firn_manifest::model::{ManifestKind, ObjectRef, RetiredObject, WalFloor};
use firn_manifest::store::{Op, Store, StoreErrorKind};
use firn_manifest::{Error, KeyErrorKind, KeyService, Tally, system};

use crate::worlds::{Faulty, Get, Put, TestWorld, local_keys, memory_store};

struct Place {
    _dir: tempfile::TempDir,
    keys: Arc<dyn KeyService>,
    store: Store,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let world = TestWorld::new(3);
    Place { keys: local_keys(dir.path(), system()), store: memory_store(world), _dir: dir }
}

fn draft(head: &Head) -> Draft {
    Draft {
        kind: ManifestKind::Flush,
        wal: head.envelope.wal,
        horizon: head.envelope.horizon,
        objects: head.envelope.objects.clone(),
        retired: head.envelope.retired.clone(),
        sealed: (*head.sealed).clone(),
    }
}

fn object(name: &str) -> ObjectRef {
    ObjectRef { name: name.to_owned(), size: 10, digest: Digest::of(b"x"), key_id: 1 }
}

#[tokio::test]
async fn opening_to_read_writes_nothing_and_takes_two_round_trips() {
    let p = place();
    let nothing = chain::open(&p.store, &*p.keys).await.unwrap_err();
    assert!(matches!(nothing, Error::NoNamespace { .. }), "{nothing}");
    assert!(p.store.list("", None, None).await.unwrap().is_empty());

    let mine = chain::claim(&p.store, &*p.keys, "t").await.unwrap();
    assert_eq!((mine.head.envelope.version, mine.head.envelope.epoch), (Version(1), Epoch(1)));
    chain::claim(&p.store, &*p.keys, "t").await.unwrap();
    let tally = Tally::new();
    let read = chain::open(&p.store.with_tally(tally.clone()), &*p.keys).await.unwrap();
    assert_eq!((read.head.envelope.version, read.head.envelope.epoch), (Version(2), Epoch(2)));
    assert_eq!(read.head.envelope.namespace, mine.head.envelope.namespace);
    let sum = tally.summary();
    assert_eq!((sum.round_trips, sum.lists, sum.gets, sum.puts), (2, 1, 2, 0));
    assert_eq!(read.head.hash, ChainHash::of(&chain::read_raw(&p.store, Version(2)).await.unwrap()));
}

#[tokio::test]
async fn a_claim_carries_all_else_over_and_fences_the_old_writer() {
    let p = place();
    let old = chain::claim(&p.store, &*p.keys, "old").await.unwrap();
    let mut first = draft(&old.head);
    first.wal = WalFloor { seq: Seq(4), hash: ChainHash::of(b"4"), position: Position(9), commit_time: 77 };
    first.objects.push(object("sst/a.parquet"));
    let head = chain::commit(&p.store, &old.keys, &old.head, first, "old").await.unwrap();
    let new = chain::claim(&p.store, &*p.keys, "new").await.unwrap();
    let (before, after) = (&head.envelope, &new.head.envelope);
    assert_eq!((after.version, after.epoch, after.kind), (Version(3), Epoch(2), ManifestKind::Claim));
    assert_eq!(after.prev, head.hash);
    assert_eq!((&after.wal, &after.objects, &after.keys), (&before.wal, &before.objects, &before.keys));
    assert_eq!(new.head.sealed, head.sealed);

    let fenced = chain::commit(&p.store, &old.keys, &head, draft(&head), "old").await.unwrap_err();
    assert!(matches!(fenced, Error::Fenced { by_epoch: Epoch(2) }), "{fenced}");
    let newest = chain::newest(&p.store, &old.keys, Version(2)).await.unwrap().unwrap();
    assert_eq!(newest.envelope, new.head.envelope);
    assert!(chain::newest(&p.store, &old.keys, Version(3)).await.unwrap().is_none());
    assert_eq!(chain::versions(&p.store).await.unwrap(), [Version(1), Version(2), Version(3)]);

    let twice = chain::commit(&p.store, &new.keys, &new.head, draft(&new.head), "new").await.unwrap();
    let again = chain::commit(&p.store, &new.keys, &new.head, draft(&new.head), "new").await.unwrap_err();
    assert!(matches!(again, Error::Superseded { version: Version(4) }), "{again}");
    assert_eq!(twice.envelope.epoch, Epoch(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claimers_that_race_get_an_epoch_each() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory_store(system());
    let racers: Vec<_> = (0..6)
        .map(|_| {
            let (store, keys) = (store.clone(), local_keys(dir.path(), system()));
            tokio::spawn(async move { chain::claim(&store, &*keys, "racer").await.unwrap() })
        })
        .collect();
    let mut epochs = Vec::new();
    let mut namespaces = Vec::new();
    for racer in racers {
        let won = racer.await.unwrap();
        epochs.push(won.head.envelope.epoch.0);
        namespaces.push(won.head.envelope.namespace);
    }
    epochs.sort_unstable();
    namespaces.dedup();
    assert_eq!((epochs, namespaces.len()), ((1..=6).collect(), 1));
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let keys = local_keys(dir.path(), system());
    let faulty = Faulty::overwriting();
    let refused = chain::claim(&faulty.store(system()), &*keys, "t").await.unwrap_err();
    let Error::Store(e) = &refused else { panic!("{refused}") };
    assert!(e.kind == StoreErrorKind::Refused && e.message.contains("put-if-absent"), "{e}");
    let store = faulty.store(system());
    assert!(chain::claim(&store, &*keys, "t").await.is_err());
    assert_eq!(chain::versions(&store).await.unwrap(), [Version(1)], "no claim was written");
    assert!(chain::open(&store, &*keys).await.is_ok(), "reading is still possible");
}

#[tokio::test]
async fn the_self_test_is_asked_once_and_its_errors_are_the_stores() {
    let dir = tempfile::tempdir().unwrap();
    let keys = local_keys(dir.path(), system());
    let faulty = Faulty::new(&[], &[]);
    let store = faulty.store(TestWorld::new(1));
    chain::claim(&store, &*keys, "t").await.unwrap();
    chain::claim(&store, &*keys, "t").await.unwrap();
    let puts: u64 = store.totals().iter().filter(|t| t.op == Op::Put).map(|t| t.requests).sum();
    assert_eq!(puts, 3, "create, self-test, claim");
    let read_only = faulty.store(TestWorld::new(1));
    faulty.puts.lock().push_back(Put::Fails(StoreErrorKind::Denied));
    let denied = chain::claim(&read_only, &*keys, "t").await.unwrap_err();
    assert!(matches!(&denied, Error::Store(e) if e.kind == StoreErrorKind::Denied), "{denied}");
}

#[tokio::test]
async fn lost_replies_do_not_cost_a_claim_or_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let keys = local_keys(dir.path(), system());
    let faulty = Faulty::new(&[Put::ReplyLost, Put::Works, Put::SaysExists], &[]);
    let store = faulty.store(TestWorld::new(1));
    let mine = chain::claim(&store, &*keys, "t").await.unwrap();
    let next = chain::commit(&store, &mine.keys, &mine.head, draft(&mine.head), "t").await.unwrap();
    assert_eq!(next.envelope.version, Version(2));

    faulty.puts.lock().push_back(Put::ReplyLost);
    faulty.gets.lock().extend([Get::Fails(StoreErrorKind::Unreachable); 500]);
    let unknown = chain::commit(&store, &mine.keys, &next, draft(&next), "t").await.unwrap_err();
    assert!(matches!(unknown, Error::Unresolved { .. }), "{unknown}");
    faulty.gets.lock().clear();
    assert_eq!(chain::versions(&store).await.unwrap().len(), 3, "it had taken effect");
}

#[tokio::test]
async fn a_commit_that_breaks_man_2_is_not_written() {
    let p = place();
    let mine = chain::claim(&p.store, &*p.keys, "t").await.unwrap();
    let mut base = draft(&mine.head);
    base.wal = WalFloor { seq: Seq(4), hash: ChainHash::of(b"4"), position: Position(9), commit_time: 77 };
    base.objects.push(object("sst/a.parquet"));
    base.horizon = Position(3);
    let head = chain::commit(&p.store, &mine.keys, &mine.head, base, "t").await.unwrap();
    type Change = fn(&mut Draft);
    let changes: [(&str, Change); 7] = [
        ("floor back", |d| d.wal.seq = Seq(3)),
        ("other hash at the same floor", |d| d.wal.hash = ChainHash::of(b"5")),
        ("position back", |d| d.wal.position = Position(8)),
        ("horizon back", |d| d.horizon = Position(2)),
        ("object dropped", |d| d.objects.clear()),
        ("object changed", |d| d.objects[0].digest = Digest::of(b"y")),
        ("a claim", |d| d.kind = ManifestKind::Claim),
    ];
    for (what, change) in changes {
        let mut bad = draft(&head);
        change(&mut bad);
        let answer = chain::commit(&p.store, &mine.keys, &head, bad, "t").await;
        assert!(matches!(answer, Err(Error::Invalid { .. })), "{what}");
    }
    let mut retiring = draft(&head);
    let object = retiring.objects.remove(0);
    retiring.retired.push(RetiredObject { object, retired_at: 5 });
    let head = chain::commit(&p.store, &mine.keys, &head, retiring, "t").await.unwrap();
    let mut back = draft(&head);
    back.objects.push(back.retired.remove(0).object);
    assert!(chain::commit(&p.store, &mine.keys, &head, back, "t").await.is_err());
    assert_eq!(chain::versions(&p.store).await.unwrap().len(), 3);
}

/// Puts `bytes` where version `v` stands, as somebody with the bucket's keys could.
async fn plant(store: &Store, v: u64, bytes: Bytes) {
    store.delete(&manifest_key(Version(v))).await.unwrap();
    store.put_if_absent(&manifest_key(Version(v)), bytes).await.unwrap();
}

#[tokio::test]
async fn a_manifest_of_another_namespace_or_time_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let keys = local_keys(dir.path(), system());
    let (a, b) = (memory_store(system()), memory_store(system()));
    for store in [&a, &b] {
        for _ in 0..3 {
            chain::claim(store, &*keys, "t").await.unwrap();
        }
    }
    let raw = async |store: &Store, v: u64| chain::read_raw(store, Version(v)).await.unwrap();
    let own = raw(&a, 3).await;

    // the same master key opens both, so only the chain tells them apart
    plant(&a, 3, raw(&b, 3).await).await;
    let foreign = chain::open(&a, &*keys).await.unwrap_err();
    assert!(matches!(&foreign, Error::Integrity { what, .. } if what.contains("I8")), "{foreign}");
    assert!(matches!(chain::claim(&a, &*keys, "t").await, Err(Error::Integrity { .. })));

    // a fork of our own: rolled back to version 2, version 3 written anew, the old 3 put back under a new 4's feet
    a.delete(&manifest_key(Version(3))).await.unwrap();
    chain::claim(&a, &*keys, "fork").await.unwrap();
    chain::claim(&a, &*keys, "fork").await.unwrap();
    plant(&a, 3, own).await;
    let forked = chain::open(&a, &*keys).await.unwrap_err();
    assert!(matches!(&forked, Error::Integrity { what, .. } if what.contains("I6")), "{forked}");

    let mut flipped = raw(&b, 3).await.to_vec();
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    plant(&b, 3, flipped.into()).await;
    assert!(matches!(chain::open(&b, &*keys).await, Err(Error::Integrity { .. })));
    plant(&b, 3, Bytes::from_static(b"{}")).await;
    assert!(matches!(chain::open(&b, &*keys).await, Err(Error::Integrity { .. })));
}

#[tokio::test]
async fn a_copied_prefix_opens_and_strange_objects_do_not_hide_the_newest() {
    let p = place();
    for _ in 0..2 {
        chain::claim(&p.store, &*p.keys, "t").await.unwrap();
    }
    let copy = memory_store(system());
    for v in [1, 2] {
        plant(&copy, v, chain::read_raw(&p.store, Version(v)).await.unwrap()).await;
    }
    for strange in ["manifest/", "manifest/0-notes.txt", "manifest/1.json"] {
        copy.put_if_absent(strange, Bytes::from_static(b"x")).await.unwrap();
    }
    let opened = chain::open(&copy, &*p.keys).await.unwrap();
    assert_eq!(opened.head.envelope.version, Version(2));
    assert_eq!(chain::versions(&copy).await.unwrap(), [Version(1), Version(2)]);
}

#[tokio::test]
async fn a_wrong_key_and_no_key_are_their_own_errors() {
    let p = place();
    chain::claim(&p.store, &*p.keys, "t").await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = local_keys(elsewhere.path(), system());
    let kind = |e: Error| match e {
        Error::Key { kind, .. } => kind,
        e => panic!("{e}"),
    };
    assert_eq!(kind(chain::open(&p.store, &*other).await.unwrap_err()), KeyErrorKind::Missing);
    assert_eq!(kind(chain::claim(&p.store, &*other, "t").await.unwrap_err()), KeyErrorKind::Missing);
    chain::claim(&memory_store(system()), &*other, "t").await.unwrap();
    assert_eq!(kind(chain::open(&p.store, &*other).await.unwrap_err()), KeyErrorKind::Wrong);
    assert_eq!(kind(chain::claim(&p.store, &*other, "t").await.unwrap_err()), KeyErrorKind::Wrong);
    assert_eq!(chain::versions(&p.store).await.unwrap(), [Version(1)]);
}
