//! Completion at the prompt: keywords, tables, columns and meta commands.
//!
//! Promises: what is offered begins with what was typed, in whatever case; keywords come in the case that was typed.
//! Never: a key press asks the store for anything.

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::{Completer, Pair};
use rustyline::{Context, Helper, Highlighter, Hinter, Validator};

use super::meta::COMMANDS;

const KEYWORDS: &str = "ADD ALL ALTER ANALYZE AND AS ASC BEGIN BETWEEN BIGINT BOOLEAN BY BYTEA CASE CAST COLUMN COMMIT CONFLICT COUNT \
    CREATE CROSS CURRENT_TIMESTAMP DATE DECIMAL DEFAULT DELETE DESC DISTINCT DO DOUBLE DROP ELSE END EXCEPT EXISTS EXPLAIN EXTRACT \
    FALSE FILTER FIRST FOR FROM FULL GROUP HAVING IF ILIKE IN INNER INSERT INTEGER INTERSECT INTERVAL INTO IS JOIN KEY LAST LATERAL \
    LEFT LIKE LIMIT NATURAL NOT NOTHING NULL NULLS OF OFFSET ON OR ORDER OUTER OVER PARTITION POSITION PRECISION PRIMARY REAL RENAME \
    RETURNING RIGHT ROLLBACK ROWS SELECT SET SHOW SMALLINT SUM SYSTEM_TIME TABLE TABLES TEXT THEN TIMESTAMP TIMESTAMPTZ TO TRUE UNION \
    UPDATE USING UUID VALUES VARCHAR WHEN WHERE WINDOW WITH firn_commits firn_history firn_position firn_version";

/// The names of a namespace, as they were last read.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// tables
    pub tables: Vec<String>,
    /// columns of all tables
    pub columns: Vec<String>,
}

/// The prompt's helper.
#[derive(Helper, Highlighter, Hinter, Validator)]
pub struct Words(pub Arc<Mutex<Names>>);

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _ctx: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(candidates(&line[..at], &names))
    }
}

/// Where the word before the cursor begins, and what it could become.
fn candidates(before: &str, names: &Names) -> (usize, Vec<Pair>) {
    let word_char = |c: char| c.is_alphanumeric() || c == '_';
    let start = before.char_indices().rev().take_while(|(_, c)| word_char(*c)).last().map_or(before.len(), |(i, _)| i);
    let pair = |text: &str| Pair { display: text.to_owned(), replacement: text.to_owned() };
    if before.trim_start().starts_with('\\') {
        let Some((command, _)) = before.trim_start().split_once(' ') else {
            let typed = before.trim_start();
            let found = COMMANDS.iter().filter(|(c, _)| c.starts_with(typed)).map(|(c, _)| pair(c)).collect();
            return (before.len() - typed.len(), found);
        };
        let word = before[start..].to_lowercase();
        let tables = names.tables.iter().filter(|t| command == "\\d" && t.to_lowercase().starts_with(&word));
        return (start, tables.map(|t| pair(t)).collect());
    }
    let typed = &before[start..];
    if typed.is_empty() {
        return (start, Vec::new());
    }
    let folded = typed.to_lowercase();
    let lower = typed.chars().all(|c| !c.is_uppercase());
    let mut found: Vec<Pair> = names
        .tables
        .iter()
        .chain(&names.columns)
        .filter(|name| name.to_lowercase().starts_with(&folded))
        .map(|name| {
            let plain = name.chars().all(|c| c == '_' || c.is_ascii_digit() || c.is_lowercase());
            if plain { pair(name) } else { pair(&crate::load::quote(name)) }
        })
        .collect();
    for keyword in KEYWORDS.split_whitespace().filter(|k| k.to_lowercase().starts_with(&folded)) {
        found.push(if lower { pair(&keyword.to_lowercase()) } else { pair(keyword) });
    }
    found.dedup_by(|a, b| a.replacement == b.replacement);
    (start, found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn offered(before: &str) -> Vec<String> {
        let names =
            Names { tables: vec!["flights".into(), "Big".into()], columns: vec!["flight".into(), "carrier".into()] };
        candidates(before, &names).1.into_iter().map(|p| p.replacement).collect()
    }

    #[test]
    fn names_and_keywords_complete() {
        assert_eq!(offered("SELECT * FROM fli"), ["flights", "flight"]);
        assert_eq!(offered("sel"), ["select"]);
        assert_eq!(offered("SEL"), ["SELECT"]);
        assert_eq!(offered("select * from big"), ["\"Big\"", "bigint"]);
        assert_eq!(offered("\\ti"), ["\\timing"]);
        assert_eq!(offered("\\d fl"), ["flights"]);
        assert_eq!(offered("SELECT "), Vec::<String>::new());
    }
}
