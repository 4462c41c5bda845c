//! `firn-sim`: one seed, many seeds, or the canaries.
//!
//! Promises: exit code 0 only when nothing was found.
//! Never: a seed is chosen by a clock.

use std::process::ExitCode;

use clap::Parser;
use firn_simulator::{campaign, canaries, run, watch_panics};

/// Attacks FirnDB's namespace engine with a seeded simulation.
#[derive(Debug, Parser)]
#[command(name = "firn-sim", version)]
struct Arguments {
    /// run this seed once
    #[arg(long, conflicts_with_all = ["seeds", "canaries"])]
    seed: Option<u64>,
    /// print every event of the seed
    #[arg(long, requires = "seed")]
    trace: bool,
    /// switch this deliberate bug on (needs the feature `canary`)
    #[arg(long, requires = "seed")]
    canary: Option<String>,
    /// run so many seeds, each twice
    #[arg(long)]
    seeds: Option<u64>,
    /// the first of them
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// every canary must be hit and caught
    #[arg(long)]
    canaries: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clean = if let Some(seed) = arguments.seed {
        one(seed, arguments.trace, arguments.canary.as_deref())
    } else if arguments.canaries {
        canaries::all(arguments.jobs, |line| println!("{line}"))
    } else {
        many(arguments.from, arguments.seeds.unwrap_or(2000), arguments.jobs)
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64, trace: bool, canary: Option<&str>) -> bool {
    watch_panics();
    if let Some(name) = canary
        && !canaries::switch_on(name)
    {
        eprintln!("there is no canary {name:?} in this build; build it with --features firn-simulator/canary");
        return false;
    }
    let story = run(seed, trace);
    for line in &story.lines {
        println!("{line}");
    }
    for (what, count) in &story.counts {
        println!("{count:8} {what}");
    }
    println!("seed {seed}: {} events, hash {}", story.events, story.hash);
    for violation in &story.violations {
        println!("VIOLATED {violation}");
    }
    story.violations.is_empty()
}

fn many(from: u64, count: u64, jobs: usize) -> bool {
    let found = campaign::campaign(from, count, jobs, |done| {
        if done.is_multiple_of(10_000) {
            println!("… {done} seeds");
        }
    });
    for (what, count) in &found.counts {
        println!("{count:10} {what}");
    }
    for failure in found.failures.iter().take(50) {
        println!("FAILED {failure}");
    }
    println!(
        "{} seeds from {from}, each twice, {} events a run: {}",
        found.seeds,
        found.events / found.seeds.max(1),
        if found.failures.is_empty() {
            "nothing found".to_owned()
        } else {
            format!("{} failures", found.failures.len())
        }
    );
    found.failures.is_empty()
}
