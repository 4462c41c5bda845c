//! What the peers' programs share: the rows, times, and how figures are told.
//!
//! Promises: a figure is printed as soon as it is known, one JSON object a line, so that a peer that runs out of time keeps
//! what it measured until then; what a peer cannot do is told with the reason.
//! Never: a figure of one peer computed differently than that of another.

use std::error::Error;
use std::time::Instant;

use serde_json::json;

pub mod rows;

/// What a piece of work gives.
pub type Done<T = ()> = Result<T, Box<dyn Error>>;

/// A measurement's figures.
pub type Figures = Done<serde_json::Value>;

/// Prints figures.
pub fn tell(figures: &serde_json::Value) {
    println!("{figures}");
}

/// One piece of the table of work, in the unit that is so many to a second: its figure, or why there is none.
pub fn piece(name: &str, a_second: f64, work: impl FnOnce() -> Done<f64>) {
    match work() {
        Ok(seconds) => tell(&json!({ name: seconds * a_second })),
        Err(error) => tell(&json!({ "cannot": { name: error.to_string() } })),
    }
}

/// The time that a share of all does not exceed, in seconds.
pub fn at(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(((times.len().saturating_sub(1)) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// The seconds of one piece of work.
pub fn timed<T>(work: impl FnOnce() -> Done<T>) -> Done<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// The median seconds of work that is done so many times; it is told which time it is.
pub fn median(times: u64, mut work: impl FnMut(u64) -> Done) -> Done<f64> {
    let mut found = Vec::new();
    for n in 0..times {
        found.push(timed(|| work(n))?);
    }
    Ok(at(&mut found, 0.5))
}
