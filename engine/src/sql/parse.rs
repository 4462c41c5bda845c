//! From a script to statements: tokens, `AS OF` in them, places in the script, bounded nesting.
//!
//! Promises: an error says line and column in the whole script; statements keep their own text; text inside strings,
//! comments and quoted names is never read as SQL.
//! Never: nesting that an attacker chooses overflows a stack (54001 instead).

use std::sync::{Arc, OnceLock};

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

use super::around::Around;
use super::dialect::FirnDialect;
use super::keyed::Keyed;
use super::{casts, distinct, errors, messages, names};
use crate::error::{Error, Result};

/// How deep brackets, CASE and prefix operators may nest in each other.
const NESTING: usize = 50;

/// What the parser may recurse: more than [`NESTING`] levels can need, for where it meets its own bound it may have
/// tried each level twice.
const RECURSION: usize = 500;

/// How long a chain of operators (`a + b + c …`, `x OR y OR z …`) may be at one place: each makes a level of the tree.
pub const CHAIN: usize = 800;

/// One statement of a script.
#[derive(Clone, Debug)]
pub struct Statement {
    /// its own text, without the semicolon
    pub sql: String,
    /// the line of the script it starts on, from 1
    pub line: u64,
    /// the column it starts at, from 1
    pub column: u64,
    /// what was parsed
    pub(crate) ast: ast::Statement,
    /// whether it reads any table in the past
    pub(crate) versions: bool,
    /// how deep its tree can be
    pub(crate) depth: usize,
    /// what it is as a query by key, found out when it first runs
    keyed: Arc<OnceLock<Option<Keyed>>>,
}

impl Statement {
    /// The statement that stands inside this one.
    pub(crate) fn inner(&self, ast: ast::Statement) -> Self {
        Self { sql: ast.to_string(), ast, keyed: Arc::default(), ..self.clone() }
    }

    /// Whether it names a point in the past itself.
    #[must_use]
    pub fn reads_past(&self) -> bool {
        self.versions
    }

    /// The query by key that it is, if it is one.
    pub(crate) fn keyed(&self) -> Option<&Keyed> {
        self.keyed.get_or_init(|| Keyed::of(&self.ast)).as_ref()
    }
}

/// The statements of a script, in order.
///
/// # Errors
/// 42601 with line and column of the script; 54001 when it nests too deep. Nothing of a script with an error is
/// returned.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let tokens = tokenize(sql)?;
    let lines = Lines::of(sql);
    let mut statements = Vec::new();
    for slice in tokens.split(|t| t.token == Token::SemiColon) {
        let (Some(first), Some(last)) = (slice.first(), slice.last()) else { continue };
        let (start, end) = (first.span.start, last.span.end);
        let (ast, versions, depth) = parse_one(slice.to_vec(), end)?;
        statements.push(Statement {
            sql: sql[lines.offset(start)..lines.offset(end)].to_owned(),
            line: start.line,
            column: start.column,
            ast,
            versions,
            depth,
            keyed: Arc::default(),
        });
    }
    Ok(statements)
}

/// One expression, such as a column's DEFAULT.
///
/// # Errors
/// 42601, 54001.
pub fn parse_expr(sql: &str) -> Result<ast::Expr> {
    let mut tokens = tokenize(sql)?;
    check_depth(&tokens)?;
    rewrite(&mut tokens);
    let mut parser = Parser::new(&FirnDialect).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens);
    let mut expr = parser.parse_expr().map_err(|e| errors::from_parser(&e))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Error::statement("42601", format!("syntax error: expected one expression, found {}", rest.token)));
    }
    distinct::bind(&mut expr);
    casts::normalise_expr(&mut expr)?;
    Ok(expr)
}

/// A query of our own making: its names may be of ours.
///
/// # Errors
/// 42601 when it is none.
pub(super) fn trusted(sql: &str) -> Result<ast::Query> {
    let mut parser = Parser::new(&FirnDialect)
        .with_recursion_limit(RECURSION)
        .try_with_sql(sql)
        .map_err(|e| errors::from_parser(&e))?;
    parser.parse_query().map(|q| *q).map_err(|e| errors::from_parser(&e))
}

/// The error of nesting beyond the bound.
#[must_use]
pub fn too_deep() -> Error {
    Error::statement("54001", "the statement nests too deep")
        .with_detail(format!("at most {NESTING} levels of nesting, 10 of subqueries in expressions, and chains of {CHAIN} operators are read"))
        .with_hint("split it, use IN (…) or VALUES instead of long chains, or WITH queries instead of nesting")
}

fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    if let Some(at) = sql.find('\0') {
        let line = sql[..at].matches('\n').count() as u64 + 1;
        let column = sql[..at].rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
        return Err(Error::statement("22021", "a script cannot hold the character 0").at(line, column));
    }
    let mut tokens = Tokenizer::new(&FirnDialect, sql).tokenize_with_location().map_err(|e| {
        let begun = e.message.to_lowercase().contains("unterminated") || e.message.contains("EOF while in");
        let message = format!("syntax error: {}", messages::lower_first(&e.message));
        let error = Error::statement("42601", message).at(e.location.line, e.location.column);
        if begun {
            error.with_hint("the place given is where it begins; close it, or double a quote inside it")
        } else {
            error
        }
    })?;
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    for token in &tokens {
        if let Token::Word(word) = &token.token
            && word.quote_style.is_some()
            && !names::is_allowed(&word.value)
        {
            let at = token.span.start;
            let what =
                if word.value.is_empty() { "a name in quotes is empty" } else { "a name holds a control character" };
            return Err(Error::statement("42602", what).at(at.line, at.column));
        }
    }
    Ok(tokens)
}

fn parse_one(mut tokens: Vec<TokenWithSpan>, end: Location) -> Result<(ast::Statement, bool, usize)> {
    let depth = check_depth(&tokens)?;
    if keyword(&tokens, 0) == Keyword::TABLE {
        let span = tokens[0].span;
        let words = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
        tokens.splice(0..1, words.map(|token| TokenWithSpan { token, span }));
    }
    let around = Around::take(&mut tokens);
    let moved = rewrite(&mut tokens);
    let mut parser = Parser::new(&FirnDialect).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens);
    let parsed = parser.parse_statement().and_then(|statement| {
        let rest = parser.peek_token();
        if rest.token == Token::EOF { Ok(statement) } else { parser.expected("end of statement", rest) }
    });
    match parsed {
        Ok(mut statement) => {
            around.put(&mut statement)?;
            distinct::bind(&mut statement);
            casts::normalise(&mut statement)?;
            Ok((statement, moved.any, depth))
        }
        Err(error) => {
            let mut error = errors::from_parser(&error);
            let place = *error.at.get_or_insert((end.line, end.column));
            if error.sqlstate == "42601" && moved.places.contains(&place) {
                error = error
                    .with_hint("AS OF stands right after a table's name, before its alias: t AS OF POSITION 3 AS a");
            }
            Err(error)
        }
    }
}

/// What [`rewrite`] did.
struct Moved {
    /// whether the statement reads any table in the past
    any: bool,
    /// where the rewritten clauses begin
    places: Vec<(u64, u64)>,
}

/// Gives the tokens of `AS OF TIMESTAMP`, `AS OF POSITION` the keywords that the parser reads as a table version, and
/// keeps the words for error messages. Words that are versions only in other dialects become plain names.
fn rewrite(tokens: &mut Vec<TokenWithSpan>) -> Moved {
    let mut moved = Moved { any: false, places: Vec::new() };
    let mut i = 0;
    while i < tokens.len() {
        match keyword(tokens, i) {
            Keyword::AS if keyword(tokens, i + 1) == Keyword::OF => {
                let standard =
                    i >= 2 && keyword(tokens, i - 1) == Keyword::SYSTEM_TIME && keyword(tokens, i - 2) == Keyword::FOR;
                let start = tokens[i].span.start;
                match keyword(tokens, i + 2) {
                    Keyword::POSITION => {
                        set(tokens, i, [Keyword::VERSION, Keyword::AS, Keyword::OF]);
                        if standard {
                            tokens.drain(i - 2..i);
                            i -= 2;
                        }
                        moved.any = true;
                    }
                    Keyword::TIMESTAMP if !standard => {
                        set(tokens, i, [Keyword::TIMESTAMP, Keyword::AS, Keyword::OF]);
                        moved.any = true;
                    }
                    _ => moved.any |= standard,
                }
                moved.places.push((start.line, start.column));
                i += 3;
                continue;
            }
            Keyword::VERSION | Keyword::TIMESTAMP
                if keyword(tokens, i + 1) == Keyword::AS && keyword(tokens, i + 2) == Keyword::OF =>
            {
                moved.any = true;
                i += 3;
                continue;
            }
            Keyword::INSERT
                if keyword(tokens, i + 1) == Keyword::OVERWRITE && keyword(tokens, i + 2) == Keyword::INTO =>
            {
                tokens.remove(i + 2);
            }
            Keyword::INSERT => overriding(tokens, i),
            Keyword::START => increment_first(tokens, i),
            Keyword::CURRENT_SCHEMA => with_brackets(tokens, i),
            Keyword::CHANGES | Keyword::BEFORE => plain(tokens, i),
            Keyword::AT if keyword(tokens, i + 1) != Keyword::TIME => plain(tokens, i),
            _ => {}
        }
        i += 1;
    }
    moved
}

/// `INSERT INTO t (…) OVERRIDING SYSTEM VALUE`, which sqlparser does not know, becomes `INSERT OVERWRITE INTO t (…)`, which
/// nobody can write. `at` is the INSERT.
fn overriding(tokens: &mut Vec<TokenWithSpan>, at: usize) {
    let named = |i: usize, name: &str| match tokens.get(i).map(|t| &t.token) {
        Some(Token::Word(Word { value, quote_style: None, .. })) => value.eq_ignore_ascii_case(name),
        _ => false,
    };
    let ends = |i: &usize| !matches!(keyword(tokens, *i), Keyword::VALUES | Keyword::SELECT | Keyword::WITH);
    let here = |i: &usize| named(*i, "overriding") && named(i + 1, "system") && named(i + 2, "value");
    let Some(found) = (at + 1..tokens.len()).take_while(ends).find(here) else { return };
    if keyword(tokens, at + 1) != Keyword::INTO {
        return;
    }
    tokens.drain(found..found + 3);
    let mut word = tokens[at + 1].clone();
    word.token = Token::make_keyword("OVERWRITE");
    tokens.insert(at + 1, word);
}

/// `START [WITH] n INCREMENT [BY] m` in the one order that sqlparser reads. `at` is the START.
fn increment_first(tokens: &mut [TokenWithSpan], at: usize) {
    let end = |tokens: &[TokenWithSpan], from: usize, word: Keyword| {
        let number = from + 1 + usize::from(keyword(tokens, from + 1) == word);
        let sign = usize::from(matches!(tokens.get(number).map(|t| &t.token), Some(Token::Minus | Token::Plus)));
        let is_number = matches!(tokens.get(number + sign).map(|t| &t.token), Some(Token::Number(..)));
        is_number.then_some(number + sign + 1)
    };
    let Some(middle) = end(tokens, at, Keyword::WITH).filter(|i| keyword(tokens, *i) == Keyword::INCREMENT) else {
        return;
    };
    if let Some(last) = end(tokens, middle, Keyword::BY) {
        tokens[at..last].rotate_left(middle - at);
    }
}

/// `current_schema`, which may stand without the brackets of a call. `at` is the word.
fn with_brackets(tokens: &mut Vec<TokenWithSpan>, at: usize) {
    let token = |i: Option<usize>| i.and_then(|i| tokens.get(i)).map(|t| &t.token);
    let named =
        matches!(token(at.checked_sub(1)), Some(Token::Period)) || keyword(tokens, at.wrapping_sub(1)) == Keyword::AS;
    if named || matches!(token(Some(at + 1)), Some(Token::LParen | Token::Period)) {
        return;
    }
    let span = tokens[at].span;
    let brackets = [Token::LParen, Token::RParen].map(|token| TokenWithSpan { token, span });
    tokens.splice(at + 1..at + 1, brackets);
}

pub(super) fn keyword(tokens: &[TokenWithSpan], i: usize) -> Keyword {
    match tokens.get(i).map(|t| &t.token) {
        Some(Token::Word(Word { keyword, quote_style: None, .. })) => *keyword,
        _ => Keyword::NoKeyword,
    }
}

fn set(tokens: &mut [TokenWithSpan], at: usize, keywords: [Keyword; 3]) {
    for (token, new) in tokens[at..].iter_mut().zip(keywords) {
        if let Token::Word(word) = &mut token.token {
            word.keyword = new;
        }
    }
}

fn plain(tokens: &mut [TokenWithSpan], at: usize) {
    if let Token::Word(word) = &mut tokens[at].token {
        word.keyword = Keyword::NoKeyword;
    }
}

/// Bounds the depth of the tree that the tokens can become. Brackets, CASE and runs of prefix operators nest; a chain of
/// operators makes a level each, since the last comma and summed over what is open.
fn check_depth(tokens: &[TokenWithSpan]) -> Result<usize> {
    let mut open = vec![Open::default()];
    let (mut chain, mut nest, mut run, mut deepest) = (0usize, 0usize, 0usize, 0usize);
    for token in tokens {
        let word = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        match &token.token {
            Token::LParen | Token::LBracket => {
                open.push(Open { run, ..Open::default() });
                nest += 1 + std::mem::take(&mut run);
            }
            _ if word == Keyword::CASE => {
                open.push(Open { run, case: true, chain: 0 });
                nest += 1 + std::mem::take(&mut run);
            }
            Token::RParen | Token::RBracket => {
                run = 0;
                close(&mut open, false, &mut chain, &mut nest);
            }
            _ if word == Keyword::END => {
                run = 0;
                close(&mut open, true, &mut chain, &mut nest);
            }
            Token::Comma => {
                run = 0;
                if let Some(top) = open.last_mut() {
                    chain -= std::mem::take(&mut top.chain);
                }
            }
            other if deepens(other) => {
                run += 1;
                if let Some(top) = open.last_mut() {
                    top.chain += 1;
                    chain += 1;
                }
            }
            _ if matches!(
                word,
                Keyword::ARRAY | Keyword::INTERVAL | Keyword::EXISTS | Keyword::EXPLAIN | Keyword::ANALYZE
            ) =>
            {
                run += 1
            }
            _ => run = 0,
        }
        deepest = deepest.max(chain + nest + run);
        if chain > CHAIN || nest + run > NESTING {
            return Err(too_deep().at(token.span.start.line, token.span.start.column));
        }
    }
    Ok(deepest)
}

/// Something open: a bracket, a CASE, the statement itself.
#[derive(Default)]
struct Open {
    /// operators in it since its last comma
    chain: usize,
    /// prefix operators right before it
    run: usize,
    /// closed by END
    case: bool,
}

fn close(open: &mut Vec<Open>, case: bool, chain: &mut usize, nest: &mut usize) {
    if open.len() > 1
        && open.last().is_some_and(|top| top.case == case)
        && let Some(top) = open.pop()
    {
        *chain -= top.chain;
        *nest -= 1 + top.run;
    }
}

fn deepens(token: &Token) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_none() => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::JOIN
                | Keyword::XOR
                | Keyword::AT
        ),
        Token::Word(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::Colon
        | Token::SemiColon
        | Token::EOF => false,
        _ => true,
    }
}

/// Byte offsets of the script's lines.
struct Lines<'a> {
    sql: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(sql: &'a str) -> Self {
        let starts = std::iter::once(0).chain(sql.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { sql, starts }
    }

    /// The byte offset of a place; columns count characters.
    fn offset(&self, place: Location) -> usize {
        let line = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(&start) = self.starts.get(line) else { return self.sql.len() };
        let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let rest = &self.sql[start..];
        start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i)
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
