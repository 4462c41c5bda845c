//! Dates and times as text: what PostgreSQL's ISO style reads and writes.
//!
//! Promises: 22007 for text that is no date or time, 22008 for a field out of its range; no text is guessed at.
//! What is formatted parses back to the same value.
//! Never: the session's zone or the clock enters; text without a zone is UTC.

use super::fault::Fault;

const DAY_MICROS: i64 = 86_400_000_000;
const YEARS: std::ops::RangeInclusive<i64> = -4_712..=262_142;

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Days of a month.
pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads a date, e.g. `2024-02-29`; a time after it is read and dropped. Days since 1970-01-01.
///
/// # Errors
/// 22007, 22008.
pub fn parse_date(text: &str) -> Result<i32, Fault> {
    let stamp = parse(text, "date")?;
    i32::try_from(stamp.days).map_err(|_| Fault::date_range("date"))
}

/// Reads a timestamp; a zone in the text is read and dropped, as PostgreSQL does. Microseconds since 1970-01-01.
///
/// # Errors
/// 22007, 22008.
pub fn parse_timestamp(text: &str) -> Result<i64, Fault> {
    parse(text, "timestamp")?.micros(0, "timestamp")
}

/// Reads a timestamp with its zone, UTC if it bears none. Microseconds since 1970-01-01 UTC.
///
/// # Errors
/// 22007, 22008.
pub fn parse_timestamptz(text: &str) -> Result<i64, Fault> {
    let stamp = parse(text, "timestamp with time zone")?;
    stamp.micros(stamp.offset, "timestamp with time zone")
}

struct Stamp {
    days: i64,
    time: i64,
    offset: i64,
}

impl Stamp {
    fn micros(&self, offset: i64, ty: &str) -> Result<i64, Fault> {
        self.days
            .checked_mul(DAY_MICROS)
            .and_then(|d| d.checked_add(self.time))
            .and_then(|t| t.checked_sub(offset))
            .ok_or_else(|| Fault::date_range(ty))
    }
}

struct Input<'a> {
    rest: &'a str,
    ty: &'static str,
}

impl<'a> Input<'a> {
    fn syntax(&self) -> Fault {
        Fault::date_syntax(self.ty)
    }

    fn digits(&mut self) -> &'a str {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }

    fn number(&mut self, lengths: std::ops::RangeInclusive<usize>) -> Result<i64, Fault> {
        let digits = self.digits();
        if !lengths.contains(&digits.len()) {
            return Err(self.syntax());
        }
        digits.parse().map_err(|_| self.syntax())
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), Fault> {
        if self.take(c) { Ok(()) } else { Err(self.syntax()) }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn word(&mut self, word: &str) -> bool {
        let Some(head) = self.rest.get(..word.len()) else { return false };
        let ends = self.rest[word.len()..].chars().next().is_none_or(|c| !c.is_ascii_alphabetic());
        if head.eq_ignore_ascii_case(word) && ends {
            self.rest = &self.rest[word.len()..];
            return true;
        }
        false
    }
}

fn parse(text: &str, ty: &'static str) -> Result<Stamp, Fault> {
    let mut input = Input { rest: text.trim(), ty };
    if input.rest.eq_ignore_ascii_case("epoch") {
        return Ok(Stamp { days: 0, time: 0, offset: 0 });
    }
    let (mut year, month, day) = date_fields(&mut input)?;
    let mut stamp = Stamp { days: 0, time: 0, offset: 0 };
    let spaced = input.rest.starts_with(char::is_whitespace);
    input.space();
    let marked = input.take('T') || input.take('t');
    if marked || (spaced && input.rest.starts_with(|c: char| c.is_ascii_digit())) {
        stamp.time = time_of_day(&mut input)?;
        input.space();
        stamp.offset = zone(&mut input)?;
        input.space();
    }
    if input.word("BC") {
        year = 1 - year;
    } else {
        input.word("AD");
    }
    if !input.rest.is_empty() {
        return Err(input.syntax());
    }
    if !YEARS.contains(&year) || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return Err(Fault::date_range(ty));
    }
    stamp.days = days_from_civil(year, month, day);
    Ok(stamp)
}

/// Year, month and day; a year 0 does not exist.
fn date_fields(input: &mut Input<'_>) -> Result<(i64, i64, i64), Fault> {
    let head = input.digits();
    let fields = match head.len() {
        8 if !input.rest.starts_with(['-', '/']) => {
            let part = |range: std::ops::Range<usize>| head[range].parse().map_err(|_| Fault::date_syntax(input.ty));
            (part(0..4)?, part(4..6)?, part(6..8)?)
        }
        3..=6 => {
            let year = head.parse().map_err(|_| input.syntax())?;
            let separator = if input.rest.starts_with('/') { '/' } else { '-' };
            input.expect(separator)?;
            let month = input.number(1..=2)?;
            input.expect(separator)?;
            (year, month, input.number(1..=2)?)
        }
        _ => return Err(input.syntax()),
    };
    if fields.0 == 0 { Err(Fault::date_range(input.ty)) } else { Ok(fields) }
}

/// Microseconds since midnight; 24:00:00 and a 60th second are carried over, as in PostgreSQL.
fn time_of_day(input: &mut Input<'_>) -> Result<i64, Fault> {
    let hour = input.number(1..=2)?;
    input.expect(':')?;
    let minute = input.number(2..=2)?;
    let (mut second, mut micros) = (0, 0);
    if input.take(':') {
        second = input.number(2..=2)?;
        if input.take('.') {
            let digits = input.digits();
            for place in 0..6 {
                micros = micros * 10 + digits.as_bytes().get(place).map_or(0, |b| i64::from(b - b'0'));
            }
            if digits.as_bytes().get(6).is_some_and(|b| *b >= b'5') {
                micros += 1;
            }
        }
    }
    let whole = hour * 3600 + minute * 60 + second;
    if minute > 59 || second > 60 || hour > 24 || (hour == 24 && (whole > 86_400 || micros > 0)) {
        return Err(Fault::date_range(input.ty));
    }
    Ok(whole * 1_000_000 + micros)
}

/// Microseconds east of UTC.
fn zone(input: &mut Input<'_>) -> Result<i64, Fault> {
    if input.word("Z") || input.word("UTC") || input.word("GMT") {
        return Ok(0);
    }
    let sign = if input.take('+') {
        1
    } else if input.take('-') {
        -1
    } else {
        return Ok(0);
    };
    let digits = input.digits();
    let (mut minutes, mut seconds) = (0i64, 0i64);
    let hours: i64 = match digits.len() {
        1 | 2 => {
            if input.take(':') {
                minutes = input.number(2..=2)?;
                if input.take(':') {
                    seconds = input.number(2..=2)?;
                }
            }
            digits.parse().map_err(|_| input.syntax())?
        }
        4 => {
            minutes = digits[2..].parse().map_err(|_| input.syntax())?;
            digits[..2].parse().map_err(|_| input.syntax())?
        }
        _ => return Err(input.syntax()),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::date_range(input.ty));
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds) * 1_000_000)
}

/// `2024-02-29`, `0044-03-15 BC`.
#[must_use]
pub fn format_date(days: i32) -> String {
    let (date, era) = date_text(i64::from(days));
    format!("{date}{era}")
}

fn date_text(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil_from_days(days);
    let (year, era) = if year <= 0 { (1 - year, " BC") } else { (year, "") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// `2024-02-29 13:45:00.5`; `zone` is put before the era, e.g. `+00`.
#[must_use]
pub fn format_timestamp(micros: i64, zone: &str) -> String {
    let (days, time) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let (date, era) = date_text(days);
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
    let mut text = format!("{date} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    format!("{text}{zone}{era}")
}

/// `13:45:00.5`.
#[must_use]
pub fn format_time(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    text
}

/// Reads a time of day, e.g. `13:45`, `1:45 PM`, `24:00:00`; a date before it and a zone after it are read and dropped.
///
/// # Errors
/// 22007, 22008.
pub fn parse_time(text: &str) -> Result<i64, Fault> {
    let mut input = Input { rest: text.trim(), ty: "time" };
    if let Some((date, clock)) = input.rest.split_once([' ', 'T'])
        && date.contains('-')
    {
        parse(date, "time")?;
        input.rest = clock.trim_start();
    }
    let mut micros = time_of_day(&mut input)?;
    input.space();
    let half = 12 * 3_600_000_000;
    let hour = micros / 3_600_000_000;
    if input.word("AM") || input.word("PM") {
        let afternoon = text.trim_end().to_ascii_uppercase().ends_with("PM");
        if !(1..=12).contains(&hour) {
            return Err(Fault::date_range("time"));
        }
        micros = micros % half + if afternoon { half } else { 0 };
    }
    input.space();
    zone(&mut input)?;
    if input.rest.is_empty() { Ok(micros) } else { Err(input.syntax()) }
}

/// The day a timestamp falls on.
#[must_use]
pub fn day_of(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX)
}

/// Midnight of a day, in microseconds.
#[must_use]
pub fn midnight(days: i32) -> Option<i64> {
    i64::from(days).checked_mul(DAY_MICROS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_read() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("epoch", 0),
            ("1969-12-31", -1),
            (" 2000-02-29 ", 11_016),
            ("20000229", 11_016),
            ("2000/2/29", 11_016),
            ("2000-02-29 23:59:59", 11_016),
            ("2000-02-29T23:59:59Z", 11_016),
            ("0001-01-01", -719_162),
        ] {
            assert_eq!(parse_date(text).unwrap(), days, "{text}");
        }
        for (text, state) in [
            ("", "22007"),
            ("yesterday-ish", "22007"),
            ("2000-02", "22007"),
            ("2000-02-30", "22008"),
            ("2001-02-29", "22008"),
            ("2000-13-01", "22008"),
            ("0000-01-01", "22008"),
            ("999999-01-01", "22008"),
            ("2000-01-01x", "22007"),
            ("01/02/2000", "22007"),
        ] {
            assert_eq!(parse_date(text).unwrap_err().sqlstate, state, "{text}");
        }
    }

    #[test]
    fn timestamps_read() {
        for (text, micros) in [
            ("1970-01-01 00:00:01", 1_000_000),
            ("1970-01-01T00:00:00.000001", 1),
            ("1970-01-01 00:00:00.1234565", 123_457),
            ("1970-01-01 00:01", 60_000_000),
            ("1970-01-01 24:00:00", DAY_MICROS),
            ("1970-01-01", 0),
            ("1970-01-01 00:00:01+05", 1_000_000),
            ("1970-01-01 00:00:01 UTC", 1_000_000),
        ] {
            assert_eq!(parse_timestamp(text).unwrap(), micros, "{text}");
        }
        for (text, micros) in [
            ("1970-01-01 05:30:00+05:30", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31 19:00:00 -0500", 0),
            ("1970-01-01 02:00:00+2", 0),
        ] {
            assert_eq!(parse_timestamptz(text).unwrap(), micros, "{text}");
        }
        for (text, state) in [
            ("1970-01-01 25:00", "22008"),
            ("1970-01-01 10:61", "22008"),
            ("1970-01-01 10:00 Mars/Base", "22007"),
            ("1970-01-01 10", "22007"),
            ("1970-01-01 10:00+99", "22008"),
            ("noon", "22007"),
        ] {
            assert_eq!(parse_timestamptz(text).unwrap_err().sqlstate, state, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for days in [-2_000_000, -719_163, -1, 0, 11_016, 2_932_896, 90_000_000] {
            let text = format_date(days);
            match parse_date(&text) {
                Ok(back) => assert_eq!(back, days, "{text}"),
                Err(fault) => assert_eq!(fault.sqlstate, "22008", "{text}"),
            }
        }
        for micros in [-1, 0, 1, 1_700_000_000_123_456, -62_135_596_800_000_001] {
            let text = format_timestamp(micros, "+00");
            assert_eq!(parse_timestamptz(&text).unwrap(), micros, "{text}");
        }
        assert_eq!(format_timestamp(1_500_000, ""), "1970-01-01 00:00:01.5");
    }
}
