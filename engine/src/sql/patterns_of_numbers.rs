//! PostgreSQL's patterns of numbers: `999,990.00`, `FM0000`, `S99`, `99PR`.
//!
//! Promises: a number that does not fit its pattern is printed as `#` for every digit.
//! Never: a locale's marks: the point is `.`, groups are parted by `,`.

use datafusion::common::Result;

use super::fun::wrong;
use super::scalars::parse_decimal;

/// A pattern, read.
#[derive(Default)]
struct Pattern {
    /// places before the point: digits (`0` or `9`), commas and other text, in order
    places: Vec<char>,
    before: usize,
    after: usize,
    /// places before the point from the first `0` on
    zeros: usize,
    /// digits after the point up to the last `0`
    kept: usize,
    point: bool,
    fill: bool,
    sign: Sign,
}

#[derive(Default, PartialEq)]
enum Sign {
    #[default]
    Anchored,
    First,
    Last,
    MinusFirst,
    MinusLast,
    Plus,
    Brackets,
}

fn parse(pattern: &str) -> Result<Pattern> {
    let upper = pattern.to_ascii_uppercase();
    let marks = upper.replace("PL", "");
    for refused in ["EEEE", "RN", "V", "TH", "SG", "L"] {
        if marks.contains(refused) {
            return Err(wrong("0A000", format!("{refused} in a pattern of numbers is not supported")));
        }
    }
    let mut out = Pattern { fill: true, ..Pattern::default() };
    let mut rest = upper.as_str();
    while let Some(c) = rest.chars().next() {
        let digits = out.before + out.after > 0;
        let taken = if rest.starts_with("FM") {
            out.fill = false;
            2
        } else if rest.starts_with("PR") {
            out.sign = Sign::Brackets;
            2
        } else if rest.starts_with("MI") {
            out.sign = if digits { Sign::MinusLast } else { Sign::MinusFirst };
            2
        } else if rest.starts_with("PL") {
            out.sign = Sign::Plus;
            2
        } else {
            match c {
                '0' | '9' if out.point => {
                    out.after += 1;
                    if c == '0' {
                        out.kept = out.after;
                    }
                }
                '0' | '9' => {
                    out.before += 1;
                    out.zeros = if c == '0' && out.zeros == 0 { 1 } else { out.zeros + usize::from(out.zeros > 0) };
                    out.places.push(c);
                }
                '.' | 'D' => out.point = true,
                ',' | 'G' if !out.point => out.places.push(','),
                'S' => out.sign = if digits { Sign::Last } else { Sign::First },
                other if !out.point => out.places.push(other),
                _ => {}
            }
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    Ok(out)
}

/// A number, as text, by a pattern.
///
/// # Errors
/// 0A000 for patterns that are not supported.
pub fn print(number: &str, pattern: &str) -> Result<String> {
    let p = parse(pattern)?;
    let scale = u8::try_from(p.after).unwrap_or(u8::MAX).min(37);
    let value = parse_decimal(number, 38, scale).ok();
    let negative = value.map_or(number.starts_with('-'), |v| v < 0);
    let (whole, fraction, fits) = match value {
        Some(v) => {
            let digits = format!("{:0>width$}", v.unsigned_abs(), width = p.after + 1);
            let (whole, fraction) = digits.split_at(digits.len() - p.after);
            let whole = whole.trim_start_matches('0').to_owned();
            let fits = whole.len() <= p.before;
            (whole, fraction.to_owned(), fits)
        }
        None => (String::new(), String::new(), false),
    };
    let (whole, fraction) = if fits { (whole, fraction) } else { ("#".repeat(p.before), "#".repeat(p.after)) };
    // places without a digit before the first zero are blank
    let shown =
        whole.len().max(p.zeros).max(usize::from(p.before > 0 && p.after == 0 && p.zeros == 0 && whole.is_empty()));
    let mut digits = format!("{whole:0>shown$}").into_bytes().into_iter();
    let mut body = String::new();
    let mut left = p.before;
    for place in &p.places {
        match place {
            '0' | '9' => {
                let blank = left > shown;
                left -= 1;
                if blank {
                    body.push(' ');
                } else if let Some(digit) = digits.next() {
                    body.push(char::from(digit));
                }
            }
            ',' if left >= shown && body.trim().is_empty() => body.push(' '),
            other => body.push(*other),
        }
    }
    if p.point {
        body.push('.');
        body.push_str(&fraction);
        if !p.fill {
            let least = body.len() - p.after + p.kept;
            while body.len() > least && body.ends_with('0') {
                body.pop();
            }
        }
    }
    Ok(signed(&p, body, negative))
}

fn signed(p: &Pattern, body: String, negative: bool) -> String {
    let blanks = body.len() - body.trim_start().len();
    let bare = body.trim_start();
    let lead = " ".repeat(if p.fill { blanks } else { 0 });
    match p.sign {
        Sign::Anchored | Sign::First if p.sign == Sign::First || negative || p.fill => {
            let mark = match (negative, &p.sign) {
                (true, _) => "-",
                (false, Sign::First) => "+",
                _ => " ",
            };
            format!("{lead}{mark}{bare}")
        }
        Sign::Anchored | Sign::First => bare.to_owned(),
        Sign::Last => format!("{lead}{bare}{}", if negative { '-' } else { '+' }),
        Sign::MinusLast => {
            format!(
                "{lead}{bare}{}",
                if negative {
                    "-"
                } else if p.fill {
                    " "
                } else {
                    ""
                }
            )
        }
        Sign::MinusFirst => {
            format!(
                "{}{lead}{bare}",
                if negative {
                    "-"
                } else if p.fill {
                    " "
                } else {
                    ""
                }
            )
        }
        Sign::Plus => format!("{}{lead}{bare}", if negative { "-" } else { "+" }),
        Sign::Brackets if negative => format!("{lead}<{bare}>"),
        Sign::Brackets if p.fill => format!("{lead} {bare} "),
        Sign::Brackets => bare.to_owned(),
    }
}

/// Reads a number by a pattern, in units of 10⁻¹⁰.
///
/// # Errors
/// 22P02, 0A000.
pub fn read(text: &str, pattern: &str) -> Result<i128> {
    parse(pattern)?;
    let negative = text.contains('-') || text.contains('<');
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let value = parse_decimal(&digits, 38, 10)
        .map_err(|_| wrong("22P02", format!("invalid input syntax for type numeric: \"{text}\"")))?;
    Ok(if negative { -value } else { value })
}
