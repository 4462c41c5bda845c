//! PostgreSQL's patterns of dates and times.
//!
//! Promises: patterns are found longest first, in the case that says how names are written; FM drops padding, TH adds an
//! ending, text in double quotes is printed as it is.
//! Never: text is read past a field that does not fit it (22007, 22008).

use std::fmt::Write as _;

use datafusion::common::Result;

use super::datetime::{civil_from_days, days_from_civil, days_in_month};
use super::extract::{iso_day, iso_week};
use super::fault::shorten;
use super::fun::wrong;

const DAY: i64 = 86_400_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Longest first where one begins another.
const PATTERNS: [&str; 46] = [
    "Y,YYY", "SSSSS", "MONTH", "HH24", "HH12", "SSSS", "YYYY", "IYYY", "IDDD", "A.M.", "P.M.", "A.D.", "B.C.", "YYY",
    "IYY", "DAY", "DDD", "MON", "TZH", "TZM", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "HH", "MI", "SS", "MS", "US",
    "YY", "IY", "MM", "DD", "DY", "ID", "WW", "IW", "CC", "AM", "PM", "AD", "BC", "TZ", "OF",
];
/// Patterns of one letter, and those of two that would hide others.
const SHORT: [&str; 7] = ["RM", "Y", "I", "D", "W", "J", "Q"];

/// What a pattern can show.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    year: i64,
    month: i64,
    day: i64,
    /// the day since 1970; `None` for an interval
    days: Option<i64>,
    time: i64,
}

impl Fields {
    /// Of a time since 1970, microseconds.
    #[must_use]
    pub fn of_stamp(at: i64) -> Self {
        let days = at.div_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Self { year, month, day, days: Some(days), time: at.rem_euclid(DAY) }
    }

    /// Of an interval.
    #[must_use]
    pub fn of_span(months: i64, days: i64, time: i64) -> Self {
        Self { year: months / 12, month: months % 12, day: days, days: None, time }
    }
}

/// A piece of a pattern.
enum Piece<'a> {
    Field { name: &'static str, given: &'a str, fill: bool, ending: Option<bool> },
    Text(&'a str),
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = pattern;
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |at| at + 1);
            out.push(Piece::Text(&rest[1..end]));
            rest = rest.get(end + 1..).unwrap_or_default();
            continue;
        }
        let starts = |name: &str| rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        if starts("FM") {
            fill = false;
            rest = &rest[2..];
            continue;
        }
        if starts("FX") {
            rest = &rest[2..];
            continue;
        }
        match PATTERNS.iter().chain(&SHORT).find(|name| starts(name)) {
            Some(&name) => {
                let (given, after) = rest.split_at(name.len());
                let (ending, after) = match after.get(..2) {
                    Some("TH") => (Some(true), &after[2..]),
                    Some("th") => (Some(false), &after[2..]),
                    _ => (None, after),
                };
                out.push(Piece::Field { name, given, fill, ending });
                rest = after;
                fill = true;
            }
            None => {
                let (text, after) = rest.split_at(first.len_utf8());
                out.push(Piece::Text(text));
                rest = after;
            }
        }
    }
    out
}

/// The name in the case of the pattern: MONTH, Month or month.
fn cased(name: &str, pattern: &str) -> String {
    let mut letters = pattern.chars().filter(char::is_ascii_alphabetic);
    match (letters.next(), letters.next()) {
        (Some(a), Some(b)) if a.is_ascii_uppercase() && b.is_ascii_uppercase() => name.to_uppercase(),
        (Some(a), _) if a.is_ascii_uppercase() => name.to_owned(),
        _ => name.to_lowercase(),
    }
}

/// The fields as the pattern has them.
///
/// # Errors
/// 22007 for a field that an interval does not have.
pub fn print(fields: &Fields, pattern: &str) -> Result<String> {
    let mut out = String::new();
    for piece in pieces(pattern) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Field { name, given, fill, ending } => {
                let from = out.len();
                field(fields, name, given, fill, &mut out)?;
                if let Some(upper) = ending {
                    let end = ordinal(&out[from..]);
                    out.push_str(&if upper { end.to_uppercase() } else { end.to_owned() });
                }
            }
        }
    }
    Ok(out)
}

fn ordinal(number: &str) -> &'static str {
    let digits = number.as_bytes();
    let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    match digits.last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

fn field(f: &Fields, name: &str, given: &str, fill: bool, out: &mut String) -> Result<()> {
    let seconds = f.time / 1_000_000;
    let fraction = f.time.unsigned_abs() % 1_000_000;
    let hour = seconds / 3_600;
    let number = |n: i64, width: usize, out: &mut String| {
        let width = if fill { width } else { 0 };
        if n < 0 {
            let _ = write!(out, "-{:0width$}", n.unsigned_abs(), width = width);
        } else {
            let _ = write!(out, "{n:0width$}");
        }
    };
    let padded = |text: &str, width: usize, out: &mut String| {
        let width = if fill { width } else { 0 };
        let _ = write!(out, "{text:<width$}");
    };
    let year = if f.days.is_some() && f.year <= 0 { 1 - f.year } else { f.year };
    let twelve = |h: i64| if h % 12 == 0 { 12 } else { h % 12 };
    let of_days = || f.days.ok_or_else(|| wrong("22007", format!("an interval has no {name}: use a timestamp")));
    match name {
        "HH24" => number(hour, 2, out),
        "HH12" | "HH" => number(twelve(hour), 2, out),
        "MI" => number(seconds / 60 % 60, 2, out),
        "SS" => number(seconds % 60, 2, out),
        "SSSS" | "SSSSS" => number(seconds, 0, out),
        "MS" => number((fraction / 1_000) as i64, 3, out),
        "US" => number(fraction as i64, 6, out),
        "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let digits = usize::from(name.as_bytes()[2] - b'0');
            out.push_str(&format!("{fraction:06}")[..digits]);
        }
        "AM" | "PM" => out.push_str(&cased_pair(if hour % 24 < 12 { "AM" } else { "PM" }, given)),
        "A.M." | "P.M." => out.push_str(&cased_pair(if hour % 24 < 12 { "A.M." } else { "P.M." }, given)),
        "AD" | "BC" => out.push_str(&cased_pair(if f.year > 0 { "AD" } else { "BC" }, given)),
        "A.D." | "B.C." => out.push_str(&cased_pair(if f.year > 0 { "A.D." } else { "B.C." }, given)),
        "Y,YYY" => {
            let _ = write!(out, "{},{:03}", year / 1_000, year % 1_000);
        }
        "YYYY" => number(year, 4, out),
        "YYY" => number(year % 1_000, 3, out),
        "YY" => number(year % 100, 2, out),
        "Y" => number(year % 10, 1, out),
        "IYYY" => number(iso_week(of_days()?).0, 4, out),
        "IYY" => number(iso_week(of_days()?).0 % 1_000, 3, out),
        "IY" => number(iso_week(of_days()?).0 % 100, 2, out),
        "I" => number(iso_week(of_days()?).0 % 10, 1, out),
        "MM" => number(f.month, 2, out),
        "MONTH" | "MON" | "RM" => {
            let at = usize::try_from(f.month - 1).ok().filter(|at| *at < 12);
            let Some(at) = at else { return Ok(()) };
            match name {
                "MONTH" => padded(&cased(MONTHS[at], given), 9, out),
                "MON" => out.push_str(&cased(&MONTHS[at][..3], given)),
                _ => padded(
                    &if given.starts_with('r') { ROMAN[at].to_lowercase() } else { ROMAN[at].to_owned() },
                    4,
                    out,
                ),
            }
        }
        "DAY" | "DY" => {
            let day = DAYS[usize::try_from(iso_day(of_days()?) - 1).unwrap_or(0)];
            if name == "DAY" { padded(&cased(day, given), 9, out) } else { out.push_str(&cased(&day[..3], given)) }
        }
        "DDD" => match f.days {
            Some(days) => number(days - days_from_civil(f.year, 1, 1) + 1, 3, out),
            None => number((f.year * 12 + f.month) * 30 + f.day, 3, out),
        },
        "IDDD" => {
            let days = of_days()?;
            number((iso_week(days).1 - 1) * 7 + iso_day(days), 3, out);
        }
        "DD" => number(f.day, 2, out),
        "D" => number(iso_day(of_days()?) % 7 + 1, 0, out),
        "ID" => number(iso_day(of_days()?), 0, out),
        "W" => number((f.day - 1) / 7 + 1, 0, out),
        "WW" => number((of_days()? - days_from_civil(f.year, 1, 1)) / 7 + 1, 2, out),
        "IW" => number(iso_week(of_days()?).1, 2, out),
        "CC" => number(if f.year > 0 { (f.year + 99) / 100 } else { f.year / 100 - 1 }, 2, out),
        "J" => number(of_days()? + 2_440_588, 0, out),
        "Q" => number((f.month - 1) / 3 + 1, 0, out),
        "TZ" => out.push_str(if given.starts_with('t') { "utc" } else { "UTC" }),
        "TZH" | "OF" => out.push_str("+00"),
        "TZM" => out.push_str("00"),
        _ => {}
    }
    Ok(())
}

fn cased_pair(text: &str, given: &str) -> String {
    if given.starts_with(|c: char| c.is_ascii_lowercase()) { text.to_lowercase() } else { text.to_owned() }
}

/// Reads a text by a pattern; microseconds since 1970.
///
/// # Errors
/// 22007, 22008; 0A000 for patterns that are only printed.
pub fn read(text: &str, pattern: &str) -> Result<i64> {
    let mut rest = text;
    let bad = |name: &str, rest: &str| wrong("22007", format!("invalid value \"{}\" for \"{name}\"", shorten(rest)));
    let (mut year, mut month, mut day, mut time) = (1i64, 1i64, 1i64, 0i64);
    let (mut afternoon, mut before_christ, mut of_year, mut julian) = (None, false, None, None);
    let all = pieces(pattern);
    for (i, piece) in all.iter().enumerate() {
        let (name, width) = match piece {
            Piece::Text(mark) => {
                let blank = mark.trim().is_empty();
                if blank {
                    rest = rest.trim_start();
                } else if let Some(after) = rest.strip_prefix(mark) {
                    rest = after;
                } else if let Some(c) = rest.chars().next().filter(|c| !c.is_alphanumeric()) {
                    rest = &rest[c.len_utf8()..];
                }
                continue;
            }
            Piece::Field { name, .. } => (*name, name.len()),
        };
        rest = rest.trim_start();
        match name {
            "MONTH" | "MON" => {
                let lower = rest.to_lowercase();
                let full = MONTHS.iter().position(|m| lower.starts_with(&m.to_lowercase()));
                let at = full.or_else(|| MONTHS.iter().position(|m| lower.starts_with(&m[..3].to_lowercase())));
                let at = at.ok_or_else(|| bad(name, rest))?;
                rest = &rest[if full.is_some() && name == "MONTH" { MONTHS[at].len() } else { 3 }..];
                month = at as i64 + 1;
                continue;
            }
            "DAY" | "DY" => {
                rest = rest.trim_start_matches(char::is_alphabetic);
                continue;
            }
            "AM" | "PM" | "A.M." | "P.M." | "AD" | "BC" | "A.D." | "B.C." => {
                let head: String = rest.chars().take(width).collect::<String>().to_uppercase();
                match head.replace('.', "").as_str() {
                    "AM" => afternoon = Some(false),
                    "PM" => afternoon = Some(true),
                    "BC" => before_christ = true,
                    "AD" => {}
                    _ => return Err(bad(name, rest)),
                }
                rest = &rest[head.len()..];
                continue;
            }
            _ => {}
        }
        let most = match name {
            "YYYY" if !matches!(all.get(i + 1), Some(Piece::Field { .. })) => 6,
            "HH24" | "HH12" | "HH" => 2,
            "US" | "FF6" => 6,
            "MS" | "FF3" => 3,
            "J" => 7,
            _ => width,
        };
        let sign = usize::from(rest.starts_with(['-', '+']));
        let end = rest[sign..].bytes().take(most).take_while(u8::is_ascii_digit).count() + sign;
        let digits = &rest[..end];
        let n: i64 = digits.trim_start_matches('+').parse().map_err(|_| bad(name, rest))?;
        rest = &rest[end..];
        match name {
            "YYYY" => year = n,
            "YYY" => year = if n >= 520 { 1_000 + n } else { 2_000 + n },
            "YY" => year = if n >= 70 { 1_900 + n } else { 2_000 + n },
            "Y" => year = 2_020 + n,
            "MM" => month = n,
            "DD" => day = n,
            "DDD" => of_year = Some(n),
            "J" => julian = Some(n - 2_440_588),
            "HH24" | "HH12" | "HH" if !(0..=24).contains(&n) || (name != "HH24" && !(1..=12).contains(&n)) => {
                return Err(out_of_range(text));
            }
            "HH24" | "HH12" | "HH" => time += n * 3_600_000_000,
            "MI" if !(0..60).contains(&n) => return Err(out_of_range(text)),
            "MI" => time += n * 60_000_000,
            "SS" if !(0..=60).contains(&n) => return Err(out_of_range(text)),
            "SS" => time += n * 1_000_000,
            "SSSS" | "SSSSS" => time += n * 1_000_000,
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                time += format!("{digits:0<6}").parse::<i64>().unwrap_or(0);
            }
            "TZH" => time -= n * 3_600_000_000,
            "TZM" => time -= n * 60_000_000,
            other => {
                return Err(wrong("0A000", format!("{other} in a pattern that reads is not supported")));
            }
        }
    }
    if let Some(afternoon) = afternoon {
        let half = 12 * 3_600_000_000;
        time = time % half + if afternoon { half } else { 0 };
    }
    if before_christ {
        year = 1 - year;
    }
    let days = match (julian, of_year) {
        (Some(days), _) => days,
        (None, Some(n)) if (1..=366).contains(&n) => days_from_civil(year, 1, 1) + n - 1,
        (None, Some(_)) => return Err(out_of_range(text)),
        (None, None) => {
            let fits = (-4_712..=262_142).contains(&year) && (1..=12).contains(&month);
            if !fits || !(1..=days_in_month(year, month)).contains(&day) {
                return Err(out_of_range(text));
            }
            days_from_civil(year, month, day)
        }
    };
    days.checked_mul(DAY).and_then(|d| d.checked_add(time)).ok_or_else(|| out_of_range(text))
}

fn out_of_range(text: &str) -> datafusion::common::DataFusionError {
    wrong("22008", format!("date/time field value out of range: \"{}\"", shorten(text)))
}
