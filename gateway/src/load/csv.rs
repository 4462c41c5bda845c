//! Reads CSV, record by record.
//!
//! Promises: memory holds one record, at most [`MAX_RECORD_BYTES`]; it is known of each field whether it was quoted, so
//! that NULL and an empty text stay apart; each record knows the line it begins on.
//! Never: a broken record is guessed at.

use std::io::Read;

use firn_engine::Error;

/// The largest record of a text file, in bytes.
pub const MAX_RECORD_BYTES: usize = 64 << 20;

const BUFFER_BYTES: usize = 256 << 10;
const BAD_FILE: &str = "22P04";
const BAD_UTF8: &str = "22021";
const TOO_LARGE: &str = "54000";
const IO: &str = "58030";

/// One record. Reused from one read to the next.
#[derive(Debug, Default)]
pub struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    quoted: Vec<bool>,
    /// the line it begins on, from 1
    pub line: u64,
}

impl Record {
    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the record is a blank line.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.text.is_empty() && !self.quoted[0]
    }

    /// A field and whether it was quoted.
    #[must_use]
    pub fn field(&self, i: usize) -> (&str, bool) {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        // the record was checked to be UTF-8 as a whole, and fields end before ASCII bytes
        (std::str::from_utf8(&self.text[start..self.ends[i]]).unwrap_or_default(), self.quoted[i])
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
        if self.text.capacity() > 4 * BUFFER_BYTES {
            self.text.shrink_to(BUFFER_BYTES);
        }
    }

    fn end_field(&mut self, quoted: bool) {
        self.ends.push(self.text.len());
        self.quoted.push(quoted);
    }
}

/// A reader of records.
pub struct Reader<R> {
    input: R,
    name: String,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    line: u64,
    started: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    FieldStart,
    Plain,
    Quotes { opened: u64 },
    QuoteInQuotes { opened: u64 },
}

impl<R: Read> Reader<R> {
    /// Reads from `input`; `name` is the file's name in messages.
    pub fn new(input: R, name: &str) -> Self {
        Self { input, name: name.to_owned(), buffer: vec![0; BUFFER_BYTES], at: 0, filled: 0, line: 1, started: false }
    }

    fn fail(&self, sqlstate: &'static str, line: u64, what: impl std::fmt::Display) -> Error {
        Error::statement(sqlstate, format!("{}, line {line}: {what}", self.name))
    }

    fn fill(&mut self) -> Result<bool, Error> {
        loop {
            match self.input.read(&mut self.buffer) {
                Ok(n) => {
                    self.at = 0;
                    self.filled = n;
                    if !self.started && n > 0 {
                        self.started = true;
                        if n < 3 {
                            self.read_more_of_start()?;
                        }
                        if self.buffer[..self.filled].starts_with(&[0xEF, 0xBB, 0xBF]) {
                            self.at = 3;
                        }
                    }
                    if self.filled > self.at || n == 0 {
                        return Ok(self.filled > self.at);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(IO, self.line, format!("the file cannot be read: {error}"))),
            }
        }
    }

    /// A byte order mark is three bytes; a pipe may bring them one by one.
    fn read_more_of_start(&mut self) -> Result<(), Error> {
        while self.filled < 3 {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(IO, self.line, format!("the file cannot be read: {error}"))),
            }
        }
        Ok(())
    }

    /// Reads the next record; false at the end of the file.
    ///
    /// # Errors
    /// A broken quote, a record that is too large, bytes that are not UTF-8, a file that cannot be read.
    pub fn next(&mut self, record: &mut Record) -> Result<bool, Error> {
        record.clear();
        record.line = self.line;
        let mut state = In::FieldStart;
        loop {
            if self.at == self.filled && !self.fill()? {
                return self.at_end(record, state);
            }
            if record.text.len() > MAX_RECORD_BYTES {
                return Err(self.too_large(record.line, state));
            }
            let rest = &self.buffer[self.at..self.filled];
            match state {
                In::FieldStart if rest[0] == b'"' => {
                    self.at += 1;
                    state = In::Quotes { opened: self.line };
                }
                In::FieldStart | In::Plain => {
                    let end = rest.iter().position(|b| matches!(b, b',' | b'\n' | b'\r'));
                    record.text.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
                    self.at += end.unwrap_or(rest.len());
                    state = In::Plain;
                    if end.is_some() && self.end_of_field(record, false)? {
                        return self.checked(record).map(|()| true);
                    } else if end.is_some() {
                        state = In::FieldStart;
                    }
                }
                In::Quotes { opened } => {
                    let end = rest.iter().position(|b| *b == b'"');
                    let part = &rest[..end.unwrap_or(rest.len())];
                    self.line += part.iter().filter(|b| **b == b'\n').count() as u64;
                    record.text.extend_from_slice(part);
                    self.at += part.len() + usize::from(end.is_some());
                    if end.is_some() {
                        state = In::QuoteInQuotes { opened };
                    }
                }
                In::QuoteInQuotes { opened } => match rest[0] {
                    b'"' => {
                        record.text.push(b'"');
                        self.at += 1;
                        state = In::Quotes { opened };
                    }
                    b',' | b'\n' | b'\r' => {
                        if self.end_of_field(record, true)? {
                            return self.checked(record).map(|()| true);
                        }
                        state = In::FieldStart;
                    }
                    _ => {
                        let what = format!(
                            "field {} goes on after its closing quote; a quote inside quotes is written twice (\"\")",
                            record.len() + 1
                        );
                        return Err(self.fail(BAD_FILE, self.line, what));
                    }
                },
            }
        }
    }

    /// At a separator: ends the field; true if it ends the record too.
    fn end_of_field(&mut self, record: &mut Record, quoted: bool) -> Result<bool, Error> {
        record.end_field(quoted);
        let separator = self.buffer[self.at];
        self.at += 1;
        if separator == b',' {
            return Ok(false);
        }
        if separator == b'\r' && (self.at < self.filled || self.fill()?) && self.buffer[self.at] == b'\n' {
            self.at += 1;
        }
        self.line += 1;
        Ok(true)
    }

    fn at_end(&self, record: &mut Record, state: In) -> Result<bool, Error> {
        match state {
            In::Quotes { opened } => Err(self.fail(BAD_FILE, opened, "a quote is opened here and never closed")),
            In::FieldStart if record.ends.is_empty() => Ok(false),
            In::FieldStart | In::Plain => {
                record.end_field(false);
                self.checked(record).map(|()| true)
            }
            In::QuoteInQuotes { .. } => {
                record.end_field(true);
                self.checked(record).map(|()| true)
            }
        }
    }

    fn too_large(&self, line: u64, state: In) -> Error {
        let error = self.fail(TOO_LARGE, line, format!("the record is larger than {} MiB", MAX_RECORD_BYTES >> 20));
        match state {
            In::Quotes { opened } => {
                error.with_hint(format!("a quote opened on line {opened} is perhaps never closed"))
            }
            _ => error.with_hint("split the value, or keep it outside of the table"),
        }
    }

    fn checked(&self, record: &Record) -> Result<(), Error> {
        if record.text.len() > MAX_RECORD_BYTES {
            return Err(self.too_large(record.line, In::Plain));
        }
        let Err(error) = std::str::from_utf8(&record.text) else { return Ok(()) };
        let field = record.ends.iter().position(|end| error.valid_up_to() < *end).unwrap_or(0);
        let byte = record.text[error.valid_up_to()];
        Err(self
            .fail(BAD_UTF8, record.line, format!("field {} holds a byte that is not UTF-8 (0x{byte:02X})", field + 1))
            .with_hint("convert the file first, e.g. iconv -f latin1 -t utf-8"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// Gives out one byte at a time, so that every boundary falls between two reads.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buf[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    /// Each record's line, and its fields with whether they were quoted.
    type Rows = Vec<(u64, Vec<(String, bool)>)>;

    fn records(bytes: &[u8]) -> Result<Rows, Error> {
        let whole = drain(Reader::new(bytes, "f.csv"));
        let dripped = drain(Reader::new(Drip(bytes), "f.csv"));
        assert_eq!(whole.as_ref().ok(), dripped.as_ref().ok());
        whole
    }

    fn drain<R: Read>(mut reader: Reader<R>) -> Result<Rows, Error> {
        let (mut out, mut record) = (Vec::new(), Record::default());
        while reader.next(&mut record)? {
            let fields = (0..record.len()).map(|i| (record.field(i).0.to_owned(), record.field(i).1)).collect();
            out.push((record.line, fields));
        }
        Ok(out)
    }

    fn plain(fields: &[&str]) -> Vec<(String, bool)> {
        fields.iter().map(|f| ((*f).to_owned(), false)).collect()
    }

    #[test]
    fn quotes_lines_and_byte_order_mark() {
        let got = records("\u{feff}a,b\r\n1,\"x\ny\"\"z\"\n,\"\"\n3,é".as_bytes()).unwrap();
        assert_eq!(got[0], (1, plain(&["a", "b"])));
        assert_eq!(got[1], (2, vec![("1".into(), false), ("x\ny\"z".into(), true)]));
        assert_eq!(got[2], (4, vec![(String::new(), false), (String::new(), true)]));
        assert_eq!(got[3], (5, plain(&["3", "é"])));
        assert_eq!(records(b"").unwrap(), vec![]);
        assert_eq!(records(b"a,b,\n").unwrap(), vec![(1, plain(&["a", "b", ""]))]);
        assert_eq!(records(b"a,").unwrap(), vec![(1, plain(&["a", ""]))]);
    }

    #[test]
    fn broken_quotes_name_their_line() {
        let unclosed = records(b"a\n1\n\"x\ny").unwrap_err();
        assert!(unclosed.message.contains("f.csv, line 3") && unclosed.message.contains("never closed"), "{unclosed}");
        let trailing = records(b"a,b\n1,\"x\"y\n").unwrap_err();
        assert!(trailing.message.contains("line 2") && trailing.message.contains("field 2"), "{trailing}");
    }

    #[test]
    fn invalid_utf8_names_line_and_field() {
        let error = records(b"a,b\nx,caf\xe9\n").unwrap_err();
        assert_eq!(error.sqlstate, BAD_UTF8);
        assert!(error.message.contains("line 2: field 2"), "{error}");
    }

    #[test]
    fn a_huge_record_is_refused_with_bounded_memory() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.0 += buf.len() as u64;
                assert!(self.0 < 80 << 20, "read on past the limit");
                buf.fill(b'x');
                Ok(buf.len())
            }
        }
        let error = Reader::new(Endless(0), "big.csv").next(&mut Record::default()).unwrap_err();
        assert_eq!(error.sqlstate, TOO_LARGE);
        assert!(error.message.contains("big.csv, line 1"), "{error}");
    }
}
