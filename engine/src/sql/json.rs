//! JSON values: read, compared and printed as PostgreSQL's JSONB.
//!
//! Promises: the canonical text is PostgreSQL's: keys of an object by length, then bytes, the last of equal keys; numbers
//! as NUMERIC prints them; one blank after `:` and `,`. Nesting and exponents are bounded, so are memory and stack.
//! Never: text that is no JSON is taken (22P02, with the place in it).

use super::fault::Fault;

/// How deep arrays and objects may nest.
const DEPTH: usize = 256;
/// Digits that a number may have when it is written out, as in NUMERIC.
const DIGITS: i64 = 16_383;

/// A JSON value. The keys of an object are sorted and each stands once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// null
    Null,
    /// true, false
    Bool(bool),
    /// a number as NUMERIC prints it
    Number(String),
    /// a string
    String(String),
    /// an array
    Array(Vec<Json>),
    /// an object
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The name of its kind, as `jsonb_typeof` gives it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// The value of a key of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(entries) => entries.binary_search_by(|(k, _)| by_length(k, key)).ok().map(|at| &entries[at].1),
            _ => None,
        }
    }

    /// The element of an array; a negative place counts from the end.
    #[must_use]
    pub fn at(&self, index: i64) -> Option<&Json> {
        match self {
            Json::Array(items) => items.get(place(index, items.len())?),
            _ => None,
        }
    }

    /// What a path of keys and places leads to.
    #[must_use]
    pub fn path<'a>(&self, steps: impl Iterator<Item = &'a str>) -> Option<&Json> {
        let mut here = self;
        for step in steps {
            here = match here {
                Json::Array(_) => here.at(step.trim().parse().ok()?)?,
                _ => here.get(step)?,
            };
        }
        Some(here)
    }

    /// `self @> other`.
    #[must_use]
    pub fn contains(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Array(items), Json::Array(others)) => others.iter().all(|o| items.iter().any(|i| i.within(o))),
            // an array contains a scalar that is one of its elements
            (Json::Array(items), scalar) if !matches!(scalar, Json::Object(_)) => items.iter().any(|i| i.same(scalar)),
            _ => self.within(other),
        }
    }

    /// Containment below the top, where only like contains like.
    fn within(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Object(_), Json::Object(entries)) => {
                entries.iter().all(|(key, o)| self.get(key).is_some_and(|v| v.within(o)))
            }
            (Json::Array(items), Json::Array(others)) => others.iter().all(|o| items.iter().any(|i| i.within(o))),
            (one, other) => one.same(other),
        }
    }

    /// Equality, in which 1.0 is 1.
    #[must_use]
    pub fn same(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Number(a), Json::Number(b)) => bare(a) == bare(b),
            (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Json::Object(a), Json::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && a.same(b))
            }
            (one, other) => one == other,
        }
    }

    /// An object of these entries: the last of equal keys stays.
    #[must_use]
    pub fn object(entries: Vec<(String, Json)>) -> Self {
        let mut entries: Vec<(usize, (String, Json))> = entries.into_iter().enumerate().collect();
        entries.sort_by(|(i, (a, _)), (j, (b, _))| by_length(a, b).then(j.cmp(i)));
        entries.dedup_by(|(_, (a, _)), (_, (b, _))| a == b);
        Json::Object(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// The canonical text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// The text that `->>` gives: a string's own characters; `None` for null.
    #[must_use]
    pub fn plain(&self) -> Option<String> {
        match self {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.text()),
        }
    }

    fn print(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(digits) => out.push_str(digits),
            Json::String(text) => quote(text, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    item.print(out);
                }
                out.push(']');
            }
            Json::Object(entries) => {
                out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    quote(key, out);
                    out.push_str(": ");
                    value.print(out);
                }
                out.push('}');
            }
        }
    }
}

/// A place in an array; negative ones count from the end.
#[must_use]
pub fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if index < 0 { length.checked_add(index)? } else { index };
    usize::try_from(at).ok()
}

fn by_length(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// A number without zeros at the end of its fraction.
fn bare(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Appends a JSON string.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads a JSON text.
///
/// # Errors
/// 22P02 with the place; 54001 for nesting beyond all bounds; 22003 for a number of too many digits.
pub fn parse(text: &str) -> Result<Json, Fault> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.wrong());
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> Fault {
        let place = self.text[..self.at.min(self.text.len())].chars().count() + 1;
        Fault { sqlstate: "22P02", what: format!("invalid input syntax for type json at character {place}") }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Fault> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            if !self.peek().is_some_and(|b| b.is_ascii_alphanumeric()) {
                return Ok(value);
            }
        }
        Err(self.wrong())
    }

    fn value(&mut self, depth: usize) -> Result<Json, Fault> {
        if depth > DEPTH {
            let what = format!("JSON nests deeper than {DEPTH} levels");
            return Err(Fault { sqlstate: "54001", what });
        }
        self.blank();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        self.blank();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Fault> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blank();
        if self.take(b'}') {
            return Ok(Json::Object(entries));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.wrong());
            }
            let key = self.string()?;
            self.blank();
            if !self.take(b':') {
                return Err(self.wrong());
            }
            entries.push((key, self.value(depth + 1)?));
            self.blank();
            if self.take(b'}') {
                return Ok(Json::object(entries));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at.min(self.text.len())..];
            let Some(end) = rest.find(|c: char| c == '"' || c == '\\' || u32::from(c) < 0x20) else {
                self.at = self.text.len();
                return Err(self.wrong());
            };
            out.push_str(&rest[..end]);
            self.at += end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escaped()?),
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Fault> {
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if !(self.take(b'\\') && self.peek() == Some(b'u')) {
                return Err(self.wrong());
            }
            let second = self.hex()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.wrong());
            }
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        match char::from_u32(code) {
            Some('\0') => {
                Err(Fault { sqlstate: "22P05", what: "\\u0000 cannot be converted to text in a JSON value".into() })
            }
            Some(c) => Ok(c),
            None => Err(self.wrong()),
        }
    }

    /// The four digits after `u`, which is the byte here.
    fn hex(&mut self) -> Result<u32, Fault> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).ok_or_else(|| self.wrong())?;
        self.at += 4;
        Ok(code)
    }

    fn digits(&mut self) -> &str {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    fn number(&mut self) -> Result<Json, Fault> {
        let negative = self.take(b'-');
        let whole = self.digits().to_owned();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(self.wrong());
        }
        let mut fraction = String::new();
        if self.take(b'.') {
            fraction = self.digits().to_owned();
            if fraction.is_empty() {
                return Err(self.wrong());
            }
        }
        let mut exponent = 0i64;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let minus = self.take(b'-');
            if !minus {
                self.take(b'+');
            }
            let digits = self.digits().to_owned();
            if digits.is_empty() {
                return Err(self.wrong());
            }
            exponent = digits.parse().unwrap_or(i64::MAX / 2);
            exponent = if minus { -exponent } else { exponent };
        }
        if self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.') {
            return Err(self.wrong());
        }
        numeric(negative, &whole, &fraction, exponent).map(Json::Number)
    }
}

/// A number written out, with as many digits after the point as were written less the exponent.
fn numeric(negative: bool, whole: &str, fraction: &str, exponent: i64) -> Result<String, Fault> {
    let digits = format!("{whole}{fraction}");
    let point = (whole.len() as i64).saturating_add(exponent);
    let scale = (fraction.len() as i64).saturating_sub(exponent).max(0);
    let zero = digits.bytes().all(|b| b == b'0');
    if (!zero && point > DIGITS * 8) || scale > DIGITS {
        return Err(Fault { sqlstate: "22003", what: "a number in JSON has too many digits".into() });
    }
    let mut out = String::new();
    if zero || point <= 0 {
        out.push('0');
    } else {
        let whole: String = digits.chars().chain(std::iter::repeat('0')).take(point as usize).collect();
        let trimmed = whole.trim_start_matches('0');
        out.push_str(if trimmed.is_empty() { "0" } else { trimmed });
    }
    if scale > 0 {
        out.push('.');
        let lead = if point < 0 { (-point) as usize } else { 0 };
        let rest = digits.get(usize::try_from(point.max(0)).unwrap_or(0)..).unwrap_or_default();
        let after = std::iter::repeat_n('0', lead).chain(rest.chars()).chain(std::iter::repeat('0'));
        out.extend(after.take(scale as usize));
    }
    Ok(if negative && !zero { format!("-{out}") } else { out })
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
