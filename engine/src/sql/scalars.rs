//! Single values as text: what PostgreSQL's input functions read, and what its output functions write.
//!
//! Promises: decimals are read exactly; rounding is half away from zero for decimals; nothing wraps.
//! Never: text that PostgreSQL refuses is read as something near it.

use super::fault::Fault;

/// Reads a boolean: any unique prefix of true, false, yes, no, on, off, or 1 and 0.
///
/// # Errors
/// 22P02.
pub fn parse_bool(text: &str) -> Result<bool, Fault> {
    let word = text.trim().to_ascii_lowercase();
    let prefix_of = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if prefix_of("true", 1) || prefix_of("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(Fault::syntax("boolean"))
    }
}

/// Reads an integer.
///
/// # Errors
/// 22P02, and 22003 beyond `min..=max`.
pub fn parse_int(text: &str, min: i64, max: i64, ty: &str) -> Result<i64, Fault> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::syntax(ty));
    }
    let value: i64 = trimmed.parse().map_err(|_| Fault::range(ty))?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(Fault::range(ty)) }
}

/// Reads a 64-bit float.
///
/// # Errors
/// 22P02, and 22003 for a number too large or too small to hold.
pub fn parse_f64(text: &str) -> Result<f64, Fault> {
    let body = float_text(text, "double precision")?;
    let value: f64 = body.parse().map_err(|_| Fault::syntax("double precision"))?;
    if lost(body, value.is_infinite(), value == 0.0) { Err(Fault::range("double precision")) } else { Ok(value) }
}

/// Reads a 32-bit float.
///
/// # Errors
/// As [`parse_f64`].
pub fn parse_f32(text: &str) -> Result<f32, Fault> {
    let body = float_text(text, "real")?;
    let value: f32 = body.parse().map_err(|_| Fault::syntax("real"))?;
    if lost(body, value.is_infinite(), value == 0.0) { Err(Fault::range("real")) } else { Ok(value) }
}

fn float_text<'a>(text: &'a str, ty: &str) -> Result<&'a str, Fault> {
    let body = text.trim();
    if body.is_empty() { Err(Fault::syntax(ty)) } else { Ok(body) }
}

/// Whether digits were given but only infinity or zero came out.
fn lost(body: &str, infinite: bool, zero: bool) -> bool {
    let mantissa = body.split(['e', 'E']).next().unwrap_or(body);
    (infinite && body.bytes().any(|b| b.is_ascii_digit()))
        || (zero && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b)))
}

/// Reads a decimal number exactly, as an integer scaled by 10^`scale`, rounded half away from zero.
///
/// # Errors
/// 22P02; 22003 for more than `precision` digits, and for NaN and infinity.
pub fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<i128, Fault> {
    let ty = format!("numeric({precision},{scale})");
    let body = text.trim();
    let (negative, unsigned) = match body.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, body.strip_prefix('+').unwrap_or(body)),
    };
    if ["nan", "inf", "infinity"].iter().any(|w| unsigned.eq_ignore_ascii_case(w)) {
        return Err(Fault::range(&ty));
    }
    let number = Digits::read(unsigned).ok_or_else(|| Fault::syntax(&ty))?;
    let value = number
        .scaled(i64::from(scale))
        .filter(|v| *v < pow10(u32::from(precision)))
        .ok_or_else(|| Fault::range(&ty))?;
    Ok(if negative { -value } else { value })
}

/// A plain decimal number taken apart: its digits without leading zeros, and where the point stands among them.
struct Digits {
    digits: Vec<u8>,
    point: i64,
}

impl Digits {
    fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((m, e)) => {
                let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
                (m, if e.starts_with('-') { -size } else { size })
            }
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if all().next().is_none() || !all().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let zeros = all().take_while(|b| *b == b'0').count();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + exponent;
        Some(Self { digits: all().skip(zeros).collect(), point })
    }

    /// The number times 10^`scale`, rounded half away from zero; `None` beyond 38 digits and one.
    fn scaled(&self, scale: i64) -> Option<i128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let length = self.point + scale;
        if length < 0 {
            return Some(0);
        }
        if length > 38 {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        let digit = |i: usize| self.digits.get(i).map_or(0, |b| i128::from(b - b'0'));
        let value = (0..length).fold(0i128, |value, i| value * 10 + digit(i));
        Some(value + i128::from(digit(length) >= 5))
    }
}

/// 10^`n`; at 39 and beyond the largest value there is.
#[must_use]
pub fn pow10(n: u32) -> i128 {
    10i128.checked_pow(n).unwrap_or(i128::MAX)
}

/// A scaled integer at another scale, rounded half away from zero; `None` if it does not fit.
#[must_use]
pub fn rescale(value: i128, from: i32, to: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let (up, down) = ((to - from).max(0).unsigned_abs(), (from - to).max(0).unsigned_abs());
    if up > 0 {
        return 10i128.checked_pow(up).and_then(|factor| value.checked_mul(factor));
    }
    if down == 0 {
        return Some(value);
    }
    let Some(factor) = 10i128.checked_pow(down) else { return Some(0) };
    let (quotient, rest) = (value / factor, value % factor);
    // |rest| >= factor / 2 without doubling, which could overflow
    let away = rest.unsigned_abs() >= factor.unsigned_abs() - factor.unsigned_abs() / 2;
    Some(quotient + if away { value.signum() } else { 0 })
}

/// Reads a UUID in any of PostgreSQL's forms and writes the canonical one.
///
/// # Errors
/// 22P02.
pub fn parse_uuid(text: &str) -> Result<String, Fault> {
    let fault = || Fault::syntax("uuid");
    let trimmed = text.trim();
    let body = match trimmed.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(fault)?,
        None => trimmed,
    };
    let mut digits = String::with_capacity(36);
    let mut count = 0;
    let mut after_hyphen = true;
    for c in body.chars() {
        if c == '-' {
            if count % 4 != 0 || after_hyphen {
                return Err(fault());
            }
            after_hyphen = true;
        } else if c.is_ascii_hexdigit() && count < 32 {
            if matches!(count, 8 | 12 | 16 | 20) {
                digits.push('-');
            }
            digits.push(c.to_ascii_lowercase());
            count += 1;
            after_hyphen = false;
        } else {
            return Err(fault());
        }
    }
    if count == 32 && !after_hyphen { Ok(digits) } else { Err(fault()) }
}

/// Reads bytes: `\x` and hexadecimal digits, or text with `\\` and `\ooo` escapes.
///
/// # Errors
/// 22P02.
pub fn parse_bytea(text: &str) -> Result<Vec<u8>, Fault> {
    let fault = || Fault::syntax("bytea");
    if let Some(body) = text.strip_prefix("\\x") {
        let compact: String = body.split_ascii_whitespace().collect();
        return hex::decode(compact).map_err(|_| fault());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                tail
            }
            (b'\\', _) => return Err(fault()),
            (other, tail) => {
                bytes.push(other);
                tail
            }
        };
    }
    Ok(bytes)
}

/// The text cut to fit VARCHAR(n): only blanks beyond the end are dropped.
///
/// # Errors
/// 22001.
pub fn fit_varchar(text: &str, length: u32) -> Result<&str, Fault> {
    let length_chars = usize::try_from(length).unwrap_or(usize::MAX);
    if text.len() <= length_chars {
        return Ok(text);
    }
    match text.char_indices().nth(length_chars) {
        None => Ok(text),
        Some((end, _)) if text[end..].bytes().all(|b| b == b' ') => Ok(&text[..end]),
        Some(_) => Err(Fault {
            sqlstate: super::codes::STRING_TOO_LONG,
            what: format!("value too long for type character varying({length})"),
        }),
    }
}

/// A float as PostgreSQL prints it: the shortest text that reads back, with an exponent beyond 15 digits.
#[must_use]
pub fn format_f64(value: f64) -> String {
    format_float(value, format!("{value:e}"), 15)
}

/// As [`format_f64`], for 32 bits (an exponent beyond 6 digits).
#[must_use]
pub fn format_f32(value: f32) -> String {
    format_float(f64::from(value), format!("{value:e}"), 6)
}

fn format_float(value: f64, scientific: String, limit: i32) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..limit).contains(&power) {
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => ("-", rest.replace('.', "")),
            None => ("", mantissa.replace('.', "")),
        };
        return format!("{sign}{}", place_point(&digits, i64::from(power) + 1));
    }
    format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

/// `digits` with the point after the first `point` of them.
fn place_point(digits: &str, point: i64) -> String {
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
    if point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else if point >= length {
        format!("{digits}{}", zeros(point - length))
    } else {
        let at = usize::try_from(point).unwrap_or(0);
        format!("{}.{}", &digits[..at], &digits[at..])
    }
}

/// A numeric literal as PostgreSQL's numeric prints it: no exponent, no leading zeros, the given scale kept.
///
/// # Errors
/// 22P02; 22003 beyond 1,000 digits.
pub fn plain_number(text: &str) -> Result<String, Fault> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let number = Digits::read(unsigned).ok_or_else(|| Fault::syntax("numeric"))?;
    if number.point.abs() > 1_000 {
        return Err(Fault::range("numeric"));
    }
    let digits = String::from_utf8_lossy(&number.digits).into_owned();
    if digits.is_empty() {
        let scale = unsigned.split(['e', 'E']).next().and_then(|m| m.split_once('.')).map_or(0, |(_, f)| f.len());
        return Ok(if scale == 0 { "0".into() } else { format!("0.{}", "0".repeat(scale)) });
    }
    Ok(format!("{sign}{}", place_point(&digits, number.point)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        for text in ["t", "TRUE", " yes ", "y", "on", "1", "tr"] {
            assert!(parse_bool(text).unwrap(), "{text}");
        }
        for text in ["f", "false", "no", "N", "off", "of", "0"] {
            assert!(!parse_bool(text).unwrap(), "{text}");
        }
        for text in ["", "o", "2", "truee", "maybe"] {
            assert_eq!(parse_bool(text).unwrap_err().sqlstate, "22P02", "{text:?}");
        }
    }

    #[test]
    fn integers() {
        let int = |text| parse_int(text, i32::MIN.into(), i32::MAX.into(), "integer");
        assert_eq!(int(" -2147483648 ").unwrap(), i64::from(i32::MIN));
        assert_eq!(int("+7").unwrap(), 7);
        for (text, state) in [
            ("2147483648", "22003"),
            ("99999999999999999999", "22003"),
            ("1.5", "22P02"),
            ("", "22P02"),
            ("- 1", "22P02"),
            ("1e3", "22P02"),
        ] {
            assert_eq!(int(text).unwrap_err().sqlstate, state, "{text}");
        }
    }

    #[test]
    fn decimals() {
        for (text, precision, scale, want) in [
            ("1.005", 10, 2, 101),
            ("-1.005", 10, 2, -101),
            ("1.0049999", 10, 2, 100),
            ("0", 1, 0, 0),
            ("-0.000", 5, 2, 0),
            (".5", 1, 0, 1),
            ("5.", 3, 0, 5),
            ("1e2", 5, 1, 1000),
            ("12345e-3", 5, 2, 1235),
            ("1e-400", 5, 2, 0),
            ("0.05", 2, 1, 1),
            ("0.04", 2, 1, 0),
            ("99999999999999999999999999999999999999", 38, 0, 99_999_999_999_999_999_999_999_999_999_999_999_999),
        ] {
            assert_eq!(parse_decimal(text, precision, scale).unwrap(), want, "{text}");
        }
        for (text, state) in [
            ("1000", "22003"),
            ("999.995", "22003"),
            ("1e30", "22003"),
            ("1e99999999999999", "22003"),
            ("NaN", "22003"),
            ("-inf", "22003"),
            ("", "22P02"),
            (".", "22P02"),
            ("1e", "22P02"),
            ("1,5", "22P02"),
            ("--1", "22P02"),
        ] {
            assert_eq!(parse_decimal(text, 5, 2).unwrap_err().sqlstate, state, "{text}");
        }
        assert_eq!(rescale(-15, 1, 0), Some(-2));
        assert_eq!(rescale(14, 1, 0), Some(1));
        assert_eq!(rescale(i128::MAX, 0, 1), None);
        assert_eq!(rescale(i128::MAX, 60, 0), Some(0));
        assert_eq!(rescale(7, 0, 2), Some(700));
    }

    #[test]
    fn floats() {
        assert_eq!(parse_f64("1e308").unwrap(), 1e308);
        assert!(parse_f64("nan").unwrap().is_nan());
        assert_eq!(parse_f64("-Infinity").unwrap(), f64::NEG_INFINITY);
        assert_eq!(parse_f64("0e5").unwrap(), 0.0);
        for (text, state) in [("1e309", "22003"), ("1e-400", "22003"), ("", "22P02"), ("1.2.3", "22P02")] {
            assert_eq!(parse_f64(text).unwrap_err().sqlstate, state, "{text}");
        }
        assert_eq!(parse_f32("1e39").unwrap_err().sqlstate, "22003");
        for (value, text) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e300, "1.5e+300"),
        ] {
            assert_eq!(format_f64(value), text);
        }
        assert_eq!(format_f32(1.5e6), "1.5e+06");
        assert_eq!(format_f32(0.1), "0.1");
    }

    #[test]
    fn uuids() {
        let want = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            want,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
        ] {
            assert_eq!(parse_uuid(text).unwrap(), want, "{text}");
        }
        for text in [
            "",
            "a0eebc99",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "g0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
            "-a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
        ] {
            assert_eq!(parse_uuid(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
    }

    #[test]
    fn bytes() {
        assert_eq!(parse_bytea("\\xDEad be\tEF").unwrap(), [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(parse_bytea("\\x").unwrap(), [0u8; 0]);
        assert_eq!(parse_bytea("ab\\\\\\001é").unwrap(), [b'a', b'b', b'\\', 1, 0xc3, 0xa9]);
        for text in ["\\x1", "\\xzz", "a\\", "\\400", "\\n"] {
            assert_eq!(parse_bytea(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
    }

    #[test]
    fn varchar_counts_characters() {
        assert_eq!(fit_varchar("äöü", 3).unwrap(), "äöü");
        assert_eq!(fit_varchar("abc  ", 3).unwrap(), "abc");
        assert_eq!(fit_varchar("abcd", 3).unwrap_err().sqlstate, "22001");
    }

    #[test]
    fn literals_print_plainly() {
        for (text, want) in [
            ("1e3", "1000"),
            ("1.50", "1.50"),
            ("007", "7"),
            (".5", "0.5"),
            ("-2", "-2"),
            ("0.00", "0.00"),
            ("1e-3", "0.001"),
        ] {
            assert_eq!(plain_number(text).unwrap(), want);
        }
        assert_eq!(plain_number("1e5000").unwrap_err().sqlstate, "22003");
    }
}
