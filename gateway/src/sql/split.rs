//! Cuts a script into statements as its lines come.
//!
//! Promises: a `;` inside quotes, dollar quotes and comments does not end a statement; each statement knows the line and
//! column it begins at; at most one statement is held, of at most [`MAX_STATEMENT_BYTES`].
//! Never: SQL is understood beyond that; the engine's parser does it.

/// The largest statement of a script, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 64 << 20;

/// A part of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// a statement without its `;`
    Statement {
        /// its text, from its first word on
        text: String,
        /// the line it begins on, from 1
        line: u64,
        /// the column it begins at, in characters from 1
        column: u64,
    },
    /// a line that begins with a backslash where a statement could begin
    Meta(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum In {
    Code,
    Quotes { end: char, escapes: bool },
    LineComment,
    BlockComment(u32),
    Dollar(String),
}

/// The cutter.
#[derive(Debug)]
pub struct Splitter {
    state: In,
    text: String,
    begun: Option<(u64, u64)>,
    line: u64,
    ready: std::collections::VecDeque<Piece>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: In::Code, text: String::new(), begun: None, line: 0, ready: std::collections::VecDeque::new() }
    }
}

impl Splitter {
    /// Takes the next line, with or without its line break.
    pub fn push_line(&mut self, line: &str) {
        self.line += 1;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.is_empty() && self.state == In::Code && line.trim_start().starts_with('\\') {
            self.ready.push_back(Piece::Meta(line.trim().to_owned()));
            return;
        }
        let mut rest = line;
        let mut column = 1u64;
        while let Some(c) = rest.chars().next() {
            let step = self.step(c, rest);
            let (now, later) = rest.split_at(step.bytes);
            if step.ends_statement {
                self.cut();
            } else {
                if self.begun.is_none() && step.is_code && !c.is_whitespace() {
                    self.begun = Some((self.line, column));
                }
                if self.begun.is_some() {
                    self.text.push_str(now);
                }
            }
            column += now.chars().count() as u64;
            rest = later;
        }
        if self.begun.is_some() {
            self.text.push('\n');
        }
        if self.state == In::LineComment {
            self.state = In::Code;
        }
    }

    /// What `rest`, which begins with `c`, begins with, and how far that goes.
    fn step(&mut self, c: char, rest: &str) -> Step {
        let was_code = self.state == In::Code;
        let mut bytes = c.len_utf8();
        let mut is_code = true;
        let mut ends_statement = false;
        match &mut self.state {
            In::Code => match c {
                ';' => ends_statement = true,
                '\'' => self.state = In::Quotes { end: '\'', escapes: self.escape_string_begins() },
                '"' => self.state = In::Quotes { end: '"', escapes: false },
                '-' if rest.starts_with("--") => {
                    self.state = In::LineComment;
                    is_code = false;
                }
                '/' if rest.starts_with("/*") => {
                    self.state = In::BlockComment(1);
                    bytes = 2;
                    is_code = false;
                }
                '$' => {
                    if let Some(tag) = dollar_tag(rest)
                        && !self.text.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    {
                        bytes = tag.len();
                        self.state = In::Dollar(tag.to_owned());
                    }
                }
                _ => {
                    // a run of plain characters in one step
                    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | ',' | '(' | ')' | '.');
                    if plain(c) && !c.is_whitespace() {
                        bytes = rest.find(|c| !plain(c)).unwrap_or(rest.len());
                    }
                }
            },
            In::Quotes { end, escapes } => match c {
                '\\' if *escapes => bytes += rest[bytes..].chars().next().map_or(0, char::len_utf8),
                c if c == *end && rest[bytes..].starts_with(c) => bytes *= 2,
                c if c == *end => self.state = In::Code,
                _ => {
                    bytes = rest.find([*end, '\\']).filter(|at| *at > 0).unwrap_or(if c == '\\' {
                        bytes
                    } else {
                        rest.len()
                    })
                }
            },
            In::LineComment => bytes = rest.len(),
            In::BlockComment(depth) => {
                if rest.starts_with("*/") {
                    bytes = 2;
                    *depth -= 1;
                    if *depth == 0 {
                        self.state = In::Code;
                    }
                } else if rest.starts_with("/*") {
                    bytes = 2;
                    *depth += 1;
                }
            }
            In::Dollar(tag) => {
                if rest.starts_with(tag.as_str()) {
                    bytes = tag.len();
                    self.state = In::Code;
                }
            }
        }
        Step { bytes, is_code: is_code && was_code, ends_statement }
    }

    /// Whether a quote that comes now opens an `E'…'` string.
    fn escape_string_begins(&self) -> bool {
        let mut back = self.text.chars().rev();
        matches!(back.next(), Some('e' | 'E')) && !back.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn cut(&mut self) {
        let text = std::mem::take(&mut self.text);
        if let Some((line, column)) = self.begun.take() {
            self.ready.push_back(Piece::Statement { text, line, column });
        }
    }

    /// The script ends: what is left is a statement too.
    pub fn finish(&mut self) {
        self.cut();
        self.state = In::Code;
    }

    /// The next complete piece.
    pub fn next_piece(&mut self) -> Option<Piece> {
        self.ready.pop_front()
    }

    /// Forgets a statement that was begun.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether no statement is begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.begun.is_none() && self.state == In::Code
    }

    /// Bytes of the statement that is begun.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.text.len()
    }

    /// What is open, for the prompt: a quote, a comment, or just a statement.
    #[must_use]
    pub fn open(&self) -> char {
        match &self.state {
            In::Code | In::LineComment => '-',
            In::Quotes { end, .. } => *end,
            In::BlockComment(_) => '*',
            In::Dollar(_) => '$',
        }
    }
}

struct Step {
    bytes: usize,
    is_code: bool,
    ends_statement: bool,
}

/// `$$` or `$tag$` at the start of a text.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let name = &text[1..end];
    let ok = !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    ok.then(|| &text[..=end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn split(script: &str) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        for line in script.split_inclusive('\n') {
            splitter.push_line(line);
        }
        splitter.finish();
        std::iter::from_fn(|| splitter.next_piece()).collect()
    }

    fn texts(script: &str) -> Vec<String> {
        split(script)
            .into_iter()
            .map(|piece| match piece {
                Piece::Statement { text, .. } => text.trim_end().to_owned(),
                Piece::Meta(text) => format!("META {text}"),
            })
            .collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_only_in_code() {
        assert_eq!(texts("SELECT 1; SELECT 2"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(texts("SELECT 'a;b', \"c;d\"; x"), ["SELECT 'a;b', \"c;d\"", "x"]);
        assert_eq!(texts("SELECT 'it''s;'; x"), ["SELECT 'it''s;'", "x"]);
        assert_eq!(texts("SELECT 'a\\'; x"), ["SELECT 'a\\'", "x"]);
        assert_eq!(texts("SELECT E'a\\';''\\';b'; x"), ["SELECT E'a\\';''\\';b'", "x"]);
        assert_eq!(texts("a -- ; no\n; b"), ["a -- ; no", "b"]);
        assert_eq!(texts("a /* ; /* ; */ ; */ ; b"), ["a /* ; /* ; */ ; */", "b"]);
        assert_eq!(texts("SELECT $$a;b$$; SELECT $t$ $$; $t$; c"), ["SELECT $$a;b$$", "SELECT $t$ $$; $t$", "c"]);
        assert_eq!(texts("SELECT $1; SELECT $2"), ["SELECT $1", "SELECT $2"]);
        assert_eq!(texts(";;  ; -- nothing\n/* at all */"), Vec::<String>::new());
        assert_eq!(texts("a\nb;\r\nc"), ["a\nb", "c"]);
        assert_eq!(texts("SELECT 'ä;ö'; é"), ["SELECT 'ä;ö'", "é"]);
    }

    #[test]
    fn statements_know_their_place() {
        let pieces = split("-- head\n\n  SELECT 1; SELECT\n2;\n/* c */ x");
        let places: Vec<_> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Statement { line, column, .. } => (*line, *column),
                Piece::Meta(_) => (0, 0),
            })
            .collect();
        assert_eq!(places, [(3, 3), (3, 13), (5, 9)]);
    }

    #[test]
    fn meta_commands_stand_where_a_statement_could_begin() {
        assert_eq!(
            texts("\\d t\nSELECT 1;\n  \\timing\nSELECT\n\\x;"),
            ["META \\d t", "SELECT 1", "META \\timing", "SELECT\n\\x"]
        );
    }

    #[test]
    fn the_prompt_knows_what_is_open() {
        let mut splitter = Splitter::default();
        assert!(splitter.is_empty());
        splitter.push_line("SELECT 'a");
        assert!(!splitter.is_empty());
        assert_eq!(splitter.open(), '\'');
        splitter.push_line("b'");
        assert_eq!(splitter.open(), '-');
        splitter.push_line("/* x");
        assert_eq!(splitter.open(), '*');
        splitter.clear();
        assert!(splitter.is_empty());
    }
}
