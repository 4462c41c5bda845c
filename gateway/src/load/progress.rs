//! What a load tells on stderr while it runs and when it has ended.
//!
//! Promises: a bar with rate and time left only if stderr is a terminal; one summary line always.
//! Never: anything on stdout.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar of one file.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar up to `total` bytes, or rows if `rows`; without an end if it is not known.
    #[must_use]
    pub fn new(name: &str, total: Option<u64>, rows: bool) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let template = match (total, rows) {
            (Some(_), false) => "{prefix} {wide_bar} {bytes}/{total_bytes} {msg} {binary_bytes_per_sec} ETA {eta}",
            (Some(_), true) => "{prefix} {wide_bar} {human_pos}/{human_len} rows {msg} {per_sec} ETA {eta}",
            (None, _) => "{prefix} {spinner} {bytes} {msg} {binary_bytes_per_sec}",
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// The file was loaded up to here.
    pub fn reach(&self, at: u64, rows: u64) {
        self.0.set_message(format!("{} rows", HumanCount(rows)));
        self.0.set_position(at);
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// What a load did.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// rows committed by this run
    pub rows: u64,
    /// batches committed by this run
    pub batches: u64,
    /// rows that an earlier run had committed
    pub old_rows: u64,
    /// batches that an earlier run had committed
    pub old_batches: u64,
    /// bytes of the files
    pub bytes: u64,
    /// the newest position
    pub position: u64,
}

fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

impl Totals {
    /// The summary line.
    #[must_use]
    pub fn line(&self, table: &str, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let batches = |n| plural(n, "batch", "batches");
        let rows = |n| plural(n, "row", "rows");
        if self.batches == 0 && self.old_batches > 0 {
            return format!(
                "{table}: nothing to do: {} with {} were already loaded by an earlier run; position {}\n\
                 (to load the same file once more on purpose, give another --batch-rows)",
                batches(self.old_batches),
                rows(self.old_rows),
                self.position
            );
        }
        let rate = if seconds > 0.0 { self.rows as f64 / seconds } else { 0.0 };
        let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
        let mut line = format!(
            "{table}: {} loaded in {}, {} in {seconds:.1} s, {rate} rows/s, position {}",
            rows(self.rows),
            batches(self.batches),
            HumanBytes(self.bytes),
            self.position
        );
        if self.old_batches > 0 {
            line.push_str(&format!(
                "; {} with {} were already loaded by an earlier run and were skipped",
                batches(self.old_batches),
                rows(self.old_rows)
            ));
        }
        line
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_new_from_old() {
        let mut totals = Totals { rows: 10, batches: 1, bytes: 2048, position: 3, ..Totals::default() };
        let line = totals.line("t", Duration::from_secs(2));
        assert!(line.contains("10 rows loaded in 1 batch") && line.contains("5.0 rows/s, position 3"), "{line}");
        totals.old_batches = 2;
        totals.old_rows = 40;
        assert!(totals.line("t", Duration::from_secs(2)).contains("2 batches with 40 rows were already loaded"));
        totals.batches = 0;
        assert!(totals.line("t", Duration::ZERO).contains("nothing to do"));
    }
}
