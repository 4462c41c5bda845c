//! Random tables, random conditions, and two oracles that need no second database.
//!
//! Promises: *ternary logic partitioning*: the rows for which a condition is true, false and unknown are together all
//! rows, whatever else the query does; *NoREC*: a condition that filters and the same condition that is only computed
//! agree on how many rows it holds for. Both again after more writes, AS OF the position before them, and after the
//! database was closed and opened.
//! Never: a second implementation of SQL is trusted here.
//!
//! `FIRN_DIFFERENTIAL=2000` tries that many databases instead of the few that a test run affords.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "differential/asked.rs"]
mod asked;
#[path = "differential/made.rs"]
mod made;

use proptest::test_runner::{Config, TestRunner};

use asked::Place;
use made::{Case, Shape};

/// Databases that a test run tries.
const CASES: u32 = 12;

fn cases() -> u32 {
    std::env::var("FIRN_DIFFERENTIAL").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES)
}

fn shapes(from: &str, condition: &str) -> Vec<Shape> {
    let whole =
        |select: &str| Shape { select: select.to_owned(), from: from.to_owned(), condition: condition.to_owned() };
    vec![
        whole("a.k, a.i, a.n, a.s, a.b"),
        whole("a.i + coalesce(a.k, 0), upper(a.s)"),
        whole("CASE WHEN a.i > 2 THEN a.s ELSE 'low' END"),
    ]
}

async fn holds(place: &mut Place, from: &str, condition: &str, at: Option<u64>) {
    for shape in shapes(from, condition) {
        let all = place.rows(&shape.all(at)).await;
        let mut parts = Vec::new();
        for part in shape.parts(at) {
            parts.extend(place.rows(&part).await);
        }
        parts.sort();
        assert_eq!(all, parts, "TLP: {} WHERE {condition}", shape.all(at));
    }
    let shape = Shape { select: "1".into(), from: from.into(), condition: condition.into() };
    let filtered = place.rows(&shape.parts(at)[0]).await.len();
    let (counted, computed) = (place.one(&shape.counted(at)).await, place.one(&shape.computed(at)).await);
    assert_eq!(filtered.to_string(), counted, "filter and count: {from} WHERE {condition}");
    assert_eq!(counted, computed, "NoREC: {from} WHERE {condition}");
    let (whole, partitioned) = (place.one(&shape.sums(at)).await, place.one(&shape.sums_of_parts(at)).await);
    assert_eq!(whole, partitioned, "TLP of aggregates: {from} WHERE {condition}");
    let (distinct, of_parts) = (place.rows(&shape.distinct(at)).await, place.rows(&shape.distinct_of_parts(at)).await);
    assert_eq!(distinct, of_parts, "TLP of DISTINCT: {from} WHERE {condition}");
}

async fn check(case: &Case) {
    let mut place = Place::new().await;
    for statement in &case.before {
        place.run(statement).await;
    }
    let position = place.position().await;
    for (from, condition) in &case.asked {
        holds(&mut place, from, condition, None).await;
    }
    let plain: Vec<_> = case.asked.iter().filter(|(from, _)| !from.contains("JOIN")).collect();
    let mut then = Vec::new();
    for (from, condition) in &plain {
        let shape =
            Shape { select: "a.k, a.i, a.n, a.s, a.b".into(), from: from.clone(), condition: condition.clone() };
        then.push(place.rows(&shape.parts(None)[0]).await);
    }
    for statement in &case.after {
        place.run(statement).await;
    }
    place.reopen().await;
    for (i, (from, condition)) in plain.iter().enumerate() {
        holds(&mut place, from, condition, None).await;
        holds(&mut place, from, condition, Some(position)).await;
        let shape =
            Shape { select: "a.k, a.i, a.n, a.s, a.b".into(), from: from.clone(), condition: condition.clone() };
        let now = place.rows(&shape.parts(Some(position))[0]).await;
        assert_eq!(then[i], now, "AS OF POSITION {position}: {condition}");
    }
}

#[test]
fn every_row_is_in_one_part_and_filters_agree_with_values() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: cases(), max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&made::case(), |case| {
            runtime.block_on(check(&case));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
