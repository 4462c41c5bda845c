//! Intervals as text: what PostgreSQL reads as one, and how its `postgres` style prints it.
//!
//! Promises: months, days and time keep apart, each with its sign; fractions of a unit go to the units below it as in
//! PostgreSQL. What is printed reads back to the same interval.
//! Never: a time beyond 292 years in one interval (22008): it is held in nanoseconds.

use std::fmt::Write as _;

use arrow::datatypes::IntervalMonthDayNano;

use super::fault::Fault;

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// An interval of so many months, days and microseconds.
///
/// # Errors
/// 22008 when it is beyond what can be held.
pub fn interval(months: i128, days: i128, micros: i128) -> Result<IntervalMonthDayNano, Fault> {
    let range = || Fault { sqlstate: "22008", what: "interval out of range".into() };
    Ok(IntervalMonthDayNano {
        months: i32::try_from(months).map_err(|_| range())?,
        days: i32::try_from(days).map_err(|_| range())?,
        nanoseconds: micros.checked_mul(1_000).and_then(|n| i64::try_from(n).ok()).ok_or_else(range)?,
    })
}

/// Its microseconds, without months and days.
#[must_use]
pub fn micros(value: IntervalMonthDayNano) -> i64 {
    value.nanoseconds / 1_000
}

/// What intervals are compared by: months of 30 days, days of 24 hours, in microseconds.
#[must_use]
pub fn span(value: IntervalMonthDayNano) -> i128 {
    (i128::from(value.months) * 30 + i128::from(value.days)) * DAY + i128::from(micros(value))
}

/// Units of text, months first.
#[derive(Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

/// A decimal number of text: whole part, and fraction in millionths of millionths.
#[derive(Clone, Copy)]
struct Number {
    negative: bool,
    whole: i128,
    fraction: i128,
}

/// Parts that a fraction is counted in.
const PARTS: i128 = 1_000_000_000_000;

impl Sum {
    /// Adds `number` times a unit of so many months, days or microseconds; the fraction goes to the units below.
    fn add(&mut self, number: Number, months: i128, days: i128, micros: i128) -> Option<()> {
        let sign = if number.negative { -1 } else { 1 };
        let times = |n: i128| n.checked_mul(number.whole)?.checked_mul(sign);
        self.months = self.months.checked_add(times(months)?)?;
        self.days = self.days.checked_add(times(days)?)?;
        self.micros = self.micros.checked_add(times(micros)?)?;
        let part = number.fraction * sign;
        if months >= 12 {
            // a fraction of a year is rounded to months
            self.months += round(part * months, PARTS);
        } else if months > 0 {
            self.fraction_of_days(part * 30 * months);
        } else if days > 0 {
            self.fraction_of_days(part * days);
        } else {
            self.micros += round(part * micros, PARTS);
        }
        Some(())
    }

    fn fraction_of_days(&mut self, parts: i128) {
        self.days += parts / PARTS;
        self.micros += round((parts % PARTS) * (DAY / 1_000_000), PARTS / 1_000_000);
    }
}

fn round(value: i128, by: i128) -> i128 {
    let half = if value < 0 { -by / 2 } else { by / 2 };
    (value + half) / by
}

/// Reads an interval: `1 day 02:03`, `1:30`, `-1 mon +2 days`, `P1Y2M3DT4H5M6S`, `1-2`, `@ 1 hour ago`.
///
/// # Errors
/// 22007, 22008.
pub fn parse(text: &str) -> Result<IntervalMonthDayNano, Fault> {
    let syntax = || Fault::date_syntax("interval");
    let trimmed = text.trim();
    let sum = if trimmed.starts_with(['P', 'p']) { iso(trimmed) } else { words(trimmed) };
    let sum = sum.ok_or_else(syntax)?;
    interval(sum.months, sum.days, sum.micros)
}

fn number(text: &str) -> Option<Number> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || whole.len() > 18 {
        return None;
    }
    let padded: String = fraction.chars().chain(std::iter::repeat('0')).take(12).collect();
    Some(Number {
        negative,
        whole: if whole.is_empty() { 0 } else { whole.parse().ok()? },
        fraction: padded.parse().ok()?,
    })
}

/// `P1Y2M3DT4H5M6.7S`, `P2W`.
fn iso(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let (mut rest, mut time, mut any) = (&text[1..], false, false);
    while !rest.is_empty() {
        if !time && rest.starts_with(['T', 't']) {
            time = true;
            rest = &rest[1..];
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let value = number(&rest[..end])?;
        let unit = rest.as_bytes()[end].to_ascii_uppercase();
        match (unit, time) {
            (b'Y', false) => sum.add(value, 12, 0, 0)?,
            (b'M', false) => sum.add(value, 1, 0, 0)?,
            (b'W', false) => sum.add(value, 0, 7, 0)?,
            (b'D', false) => sum.add(value, 0, 1, 0)?,
            (b'H', true) => sum.add(value, 0, 0, 3_600 * SECOND)?,
            (b'M', true) => sum.add(value, 0, 0, 60 * SECOND)?,
            (b'S', true) => sum.add(value, 0, 0, SECOND)?,
            _ => return None,
        }
        any = true;
        rest = &rest[end + 1..];
    }
    any.then_some(sum)
}

/// Numbers with units, a clock time, in any order; `ago` turns all round.
fn words(text: &str) -> Option<Sum> {
    let lower = text.to_ascii_lowercase();
    let body = lower.strip_prefix('@').unwrap_or(&lower).trim();
    let (body, ago) = match body.strip_suffix("ago") {
        Some(rest) if rest.is_empty() || rest.ends_with(char::is_whitespace) => (rest.trim_end(), true),
        _ => (body, false),
    };
    let mut sum = Sum::default();
    let tokens = split(body)?;
    if tokens.is_empty() {
        return None;
    }
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        let next = tokens.get(i + 1);
        if token.contains(':') {
            clock(token, &mut sum)?;
        } else if let Some(at) = token.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at) {
            // years-months
            let (years, months) = (number(&token[..at])?, number(&token[at + 1..])?);
            sum.add(years, 12, 0, 0)?;
            sum.add(Number { negative: years.negative, ..months }, 1, 0, 0)?;
        } else {
            let value = number(token)?;
            match next {
                Some(unit) if unit.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    let (months, days, micros) = unit_of(unit)?;
                    sum.add(value, months, days, micros)?;
                    i += 1;
                }
                Some(clock) if clock.contains(':') => sum.add(value, 0, 1, 0)?,
                None => sum.add(value, 0, 0, SECOND)?,
                Some(_) => return None,
            }
        }
        i += 1;
    }
    if ago {
        sum = Sum { months: -sum.months, days: -sum.days, micros: -sum.micros };
    }
    Some(sum)
}

/// Words and numbers, which need no blank between them (`1d2h`).
fn split(text: &str) -> Option<Vec<String>> {
    let mut tokens: Vec<String> = Vec::new();
    for part in text.split_whitespace() {
        let mut rest = part;
        while !rest.is_empty() {
            let alphabetic = rest.starts_with(|c: char| c.is_ascii_alphabetic());
            let end = rest.find(|c: char| c.is_ascii_alphabetic() != alphabetic).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        if tokens.len() > 64 {
            return None;
        }
    }
    Some(tokens)
}

/// `[-]H:MM[:SS[.f]]`.
fn clock(text: &str, sum: &mut Sum) -> Option<()> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut parts = rest.split(':');
    let signed = |n: Number| Number { negative, ..n };
    let hours = number(parts.next()?)?;
    let minutes = number(parts.next()?)?;
    let seconds = parts.next();
    if parts.next().is_some() || hours.fraction != 0 || minutes.whole > 59 {
        return None;
    }
    match seconds {
        Some(seconds) => {
            let seconds = number(seconds)?;
            if seconds.whole > 60 || minutes.fraction != 0 {
                return None;
            }
            sum.add(signed(hours), 0, 0, 3_600 * SECOND)?;
            sum.add(signed(minutes), 0, 0, 60 * SECOND)?;
            sum.add(signed(seconds), 0, 0, SECOND)
        }
        // mm:ss.f when the second part has a fraction
        None if minutes.fraction != 0 => {
            sum.add(signed(hours), 0, 0, 60 * SECOND)?;
            sum.add(signed(minutes), 0, 0, SECOND)
        }
        None => {
            sum.add(signed(hours), 0, 0, 3_600 * SECOND)?;
            sum.add(signed(minutes), 0, 0, 60 * SECOND)
        }
    }
}

/// Months, days and microseconds of a unit.
fn unit_of(name: &str) -> Option<(i128, i128, i128)> {
    Some(match name {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => (0, 0, 1),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => (0, 0, 1_000),
        "second" | "seconds" | "sec" | "secs" | "s" => (0, 0, SECOND),
        "minute" | "minutes" | "min" | "mins" | "m" => (0, 0, 60 * SECOND),
        "hour" | "hours" | "hr" | "hrs" | "h" => (0, 0, 3_600 * SECOND),
        "day" | "days" | "d" => (0, 1, 0),
        "week" | "weeks" | "w" => (0, 7, 0),
        "month" | "months" | "mon" | "mons" => (1, 0, 0),
        "year" | "years" | "yr" | "yrs" | "y" => (12, 0, 0),
        "decade" | "decades" | "dec" | "decs" => (120, 0, 0),
        "century" | "centuries" | "cent" | "c" => (1_200, 0, 0),
        "millennium" | "millennia" | "mil" | "mils" => (12_000, 0, 0),
        _ => return None,
    })
}

/// `1 year 2 mons -3 days +04:05:06.7`, as PostgreSQL's `postgres` style has it.
#[must_use]
pub fn format(value: IntervalMonthDayNano) -> String {
    let mut out = String::new();
    let mut after_negative = false;
    let months = i64::from(value.months);
    for (n, unit) in [(months / 12, "year"), (months % 12, "mon"), (i64::from(value.days), "day")] {
        if n == 0 {
            continue;
        }
        let space = if out.is_empty() { "" } else { " " };
        let plus = if after_negative && n > 0 { "+" } else { "" };
        let plural = if n == 1 { "" } else { "s" };
        let _ = write!(out, "{space}{plus}{n} {unit}{plural}");
        after_negative = n < 0;
    }
    let micros = micros(value);
    if micros != 0 || out.is_empty() {
        let sign = if micros < 0 {
            "-"
        } else if after_negative {
            "+"
        } else {
            ""
        };
        let space = if out.is_empty() { "" } else { " " };
        let abs = micros.unsigned_abs();
        let (seconds, fraction) = (abs / 1_000_000, abs % 1_000_000);
        let _ = write!(out, "{space}{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if fraction > 0 {
            out.push_str(format!(".{fraction:06}").trim_end_matches('0'));
        }
    }
    out
}

/// The interval in words that the planner's own reader takes exactly.
#[must_use]
pub fn plain(value: IntervalMonthDayNano) -> String {
    let micros = micros(value);
    let mut parts = Vec::new();
    for (n, unit) in [(value.months, "months"), (value.days, "days")] {
        if n != 0 {
            parts.push(format!("{n} {unit}"));
        }
    }
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        let abs = micros.unsigned_abs();
        parts.push(format!("{sign}{}.{:06} seconds", abs / 1_000_000, abs % 1_000_000));
    }
    parts.join(" ")
}
