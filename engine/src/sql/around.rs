//! Forms of PostgreSQL's that the parser does not know, taken out of the tokens before it reads them and put into the
//! statement afterwards: the column names and `WITH [NO] DATA` of CREATE TABLE AS, `DO NOTHING` in MERGE.
//!
//! Promises: only whole clauses at their own place are taken; what is inside strings or quoted names is none.
//! Never: a statement means something else without its clause and nobody knows.

use sqlparser::ast::{self, ColumnDef, DataType, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{keyword, trusted};
use crate::error::Result;

/// The column that an action of MERGE sets which does nothing; users cannot write it.
pub(super) const NOTHING: &str = "\u{1}nothing";

/// What was taken.
#[derive(Debug, Default)]
pub(super) struct Around {
    columns: Vec<Ident>,
    no_data: bool,
}

impl Around {
    /// Takes the clauses out of a statement's tokens.
    pub(super) fn take(tokens: &mut Vec<TokenWithSpan>) -> Self {
        let mut around = Self::default();
        match keyword(tokens, 0) {
            Keyword::CREATE if (1..3).any(|i| keyword(tokens, i) == Keyword::TABLE) => {
                around.no_data = with_data(tokens);
                around.columns = columns(tokens);
            }
            Keyword::MERGE => nothing(tokens),
            _ => {}
        }
        around
    }

    /// Puts them into the statement.
    pub(super) fn put(self, statement: &mut ast::Statement) -> Result<()> {
        let ast::Statement::CreateTable(create) = statement else { return Ok(()) };
        for name in self.columns {
            create.columns.push(ColumnDef { name, data_type: DataType::Unspecified, options: vec![] });
        }
        if let Some(query) = create.query.as_mut().filter(|_| self.no_data) {
            query.limit_clause = trusted("SELECT 1 LIMIT 0")?.limit_clause;
            query.fetch = None;
        }
        Ok(())
    }
}

/// Whether the statement ended in WITH NO DATA.
fn with_data(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let last = tokens.len();
    if last < 4 || keyword(tokens, last - 1) != Keyword::DATA {
        return false;
    }
    let no = keyword(tokens, last - 2) == Keyword::NO;
    let with = if no { last - 3 } else { last - 2 };
    if keyword(tokens, with) != Keyword::WITH {
        return false;
    }
    tokens.truncate(with);
    no
}

/// `(a, b)` before AS, when nothing but names stands in it.
fn columns(tokens: &mut Vec<TokenWithSpan>) -> Vec<Ident> {
    let Some(open) = tokens.iter().position(|t| t.token == Token::LParen) else { return vec![] };
    let mut names = Vec::new();
    let mut at = open + 1;
    loop {
        let Some(Token::Word(word)) = tokens.get(at).map(|t| &t.token) else { return vec![] };
        names.push(Ident { span: tokens[at].span, ..word.clone().into_ident(tokens[at].span) });
        match tokens.get(at + 1).map(|t| &t.token) {
            Some(Token::Comma) => at += 2,
            Some(Token::RParen) => break,
            _ => return vec![],
        }
    }
    if keyword(tokens, at + 2) != Keyword::AS {
        return vec![];
    }
    tokens.drain(open..at + 2);
    names
}

/// `DO NOTHING` becomes an action that the parser knows.
fn nothing(tokens: &mut Vec<TokenWithSpan>) {
    let mut matched = true;
    let mut at = 0;
    while at < tokens.len() {
        match keyword(tokens, at) {
            Keyword::WHEN => matched = true,
            Keyword::MATCHED => matched = keyword(tokens, at.saturating_sub(1)) != Keyword::NOT,
            Keyword::DO if keyword(tokens, at + 1) == Keyword::NOTHING => {
                let span = tokens[at].span;
                let word = |text: &str| Token::make_keyword(text);
                let (column, one) = (Token::make_word(NOTHING, Some('"')), Token::Number("1".into(), false));
                let action = if matched {
                    vec![word("UPDATE"), word("SET"), column, Token::Eq, one]
                } else {
                    let (open, close) = (Token::LParen, Token::RParen);
                    vec![word("INSERT"), open.clone(), column, close.clone(), word("VALUES"), open, one, close]
                };
                tokens.splice(at..at + 2, action.into_iter().map(|token| TokenWithSpan { token, span }));
            }
            _ => {}
        }
        at += 1;
    }
}
