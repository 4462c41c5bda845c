//! The slot against a store that loses replies, conflicts, fails, hangs and delays.
//!
//! Promises: `Committed` if and only if the slot holds our bytes, `Lost` if and only if it holds others, else `Unknown`.
//! Never: a false "lost" for a PUT that took effect, or a false "committed".

use std::time::Duration;

use bytes::Bytes;
use firn_manifest::World as _;
use firn_manifest::slot::{DEADLINE, SlotOutcome, put};
use firn_manifest::store::StoreErrorKind as Kind;
use proptest::prelude::*;

use crate::worlds::{Faulty, Get, Put, TestWorld};

const OURS: Bytes = Bytes::from_static(b"ours, nonce 1");
const THEIRS: Bytes = Bytes::from_static(b"theirs, nonce 2");

#[derive(Debug, PartialEq)]
enum Is {
    Committed,
    Lost,
    Unknown(Kind),
}

/// The outcome of a scripted run, and what the slot holds after it.
async fn run(taken: bool, puts: &[Put], gets: &[Get]) -> (Is, Option<Bytes>, Duration) {
    let world = TestWorld::new(1);
    let faulty = Faulty::new(&[], &[]);
    let store = faulty.store(world.clone());
    if taken {
        store.put_if_absent("wal/1", THEIRS).await.unwrap();
    }
    faulty.puts.lock().extend(puts);
    faulty.gets.lock().extend(gets);
    let outcome = match put(&store, "wal/1", OURS, DEADLINE).await {
        SlotOutcome::Committed => Is::Committed,
        SlotOutcome::Lost(winner) => {
            assert_eq!(winner, THEIRS);
            Is::Lost
        }
        SlotOutcome::Unknown(e) => Is::Unknown(e.kind),
    };
    let took = world.monotonic();
    faulty.gets.lock().clear();
    (outcome, store.get_optional("wal/1").await.unwrap(), took)
}

#[tokio::test]
async fn a_free_slot_is_one_put() {
    let (outcome, held, took) = run(false, &[], &[]).await;
    assert_eq!((outcome, held, took), (Is::Committed, Some(OURS), Duration::ZERO));
}

#[tokio::test]
async fn a_taken_slot_is_lost_to_its_winner() {
    assert_eq!(run(true, &[], &[]).await.0, Is::Lost);
    assert_eq!(run(true, &[Put::Fails(Kind::Unreachable)], &[]).await.0, Is::Lost);
    assert_eq!(run(true, &[Put::Fails(Kind::Denied)], &[]).await.0, Is::Lost);
}

#[tokio::test]
async fn a_lost_reply_is_found_to_be_ours() {
    for effect in [Put::ReplyLost, Put::SaysExists] {
        let (outcome, held, _) = run(false, &[effect], &[]).await;
        assert_eq!((outcome, held), (Is::Committed, Some(OURS)), "{effect:?}");
    }
}

/// The reply of a PUT that took effect is lost, and reading the slot back ends half way: it is ours all the same.
#[tokio::test]
async fn a_short_reading_of_ours_is_no_loss() {
    let (outcome, held, _) = run(false, &[Put::ReplyLost], &[Get::Short, Get::Short]).await;
    assert_eq!((outcome, held), (Is::Committed, Some(OURS)));
    let (outcome, held, took) = run(false, &[Put::ReplyLost], &[Get::Short; 1000]).await;
    assert_eq!((outcome, held), (Is::Unknown(Kind::Unreachable), Some(OURS)));
    assert!(took >= DEADLINE, "{took:?}");
}

#[tokio::test]
async fn a_conflict_or_failure_without_effect_is_tried_again() {
    for nothing in [Put::Conflict, Put::Fails(Kind::Other), Put::Fails(Kind::Unreachable), Put::Hangs] {
        let (outcome, held, _) = run(false, &[nothing, nothing], &[]).await;
        assert_eq!((outcome, held), (Is::Committed, Some(OURS)), "{nothing:?}");
    }
}

#[tokio::test]
async fn a_put_that_arrives_late_is_still_ours() {
    let (outcome, held, took) = run(false, &[Put::Delayed, Put::Works], &[]).await;
    assert_eq!((outcome, held), (Is::Committed, Some(OURS)));
    assert!(took >= Duration::from_secs(10), "it waits for the attempt's bound: {took:?}");
}

#[tokio::test]
async fn it_is_unknown_while_the_slot_cannot_be_read() {
    let blind = [Get::Fails(Kind::Unreachable); 1000];
    let (outcome, held, took) = run(false, &[Put::ReplyLost], &blind).await;
    assert_eq!((outcome, held), (Is::Unknown(Kind::Unreachable), Some(OURS)));
    assert!(took >= DEADLINE && took < DEADLINE * 2, "{took:?}");
    assert_eq!(run(true, &[], &blind).await.0, Is::Unknown(Kind::Unreachable));
}

#[tokio::test]
async fn it_is_unknown_after_the_deadline() {
    let never = [Put::Fails(Kind::Other); 1000];
    let (outcome, held, took) = run(false, &never, &[]).await;
    assert_eq!((outcome, held), (Is::Unknown(Kind::Other), None));
    assert!(took < DEADLINE * 2, "{took:?}");
}

#[tokio::test]
async fn what_will_not_heal_is_given_up_at_once() {
    for kind in [Kind::Denied, Kind::Full, Kind::Refused] {
        let (outcome, held, took) = run(false, &[Put::Fails(kind)], &[]).await;
        assert_eq!((outcome, held, took), (Is::Unknown(kind), None, Duration::ZERO));
    }
}

fn any_put() -> impl Strategy<Value = Put> {
    prop::sample::select(vec![
        Put::Works,
        Put::ReplyLost,
        Put::SaysExists,
        Put::Conflict,
        Put::Fails(Kind::Other),
        Put::Fails(Kind::Unreachable),
        Put::Fails(Kind::Denied),
        Put::Fails(Kind::Full),
        Put::Delayed,
        Put::Hangs,
    ])
}

fn any_get() -> impl Strategy<Value = Get> {
    prop::sample::select(vec![Get::Works, Get::Works, Get::Fails(Kind::Other), Get::Fails(Kind::Denied)])
}

proptest! {
    #[test]
    fn what_it_says_is_what_the_slot_holds(
        taken in any::<bool>(),
        puts in prop::collection::vec(any_put(), 0..12),
        gets in prop::collection::vec(any_get(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (outcome, held, _) = runtime.block_on(run(taken, &puts, &gets));
        match outcome {
            Is::Committed => prop_assert_eq!(held, Some(OURS)),
            Is::Lost => prop_assert_eq!(held, Some(THEIRS)),
            Is::Unknown(_) => prop_assert!(!puts.is_empty() || !gets.is_empty()),
        }
    }
}
