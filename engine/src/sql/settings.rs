//! A session's settings: who writes and why, which point in the past is read, and the few of PostgreSQL's that drivers
//! set by themselves.
//!
//! Promises: a setting that is not known, or that would change what a statement means, is refused by name.
//! Never: an option of the planner below can be reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::{Expr, ObjectName, Set, UnaryOperator, Value};

use super::asof::AsOf;
use super::names::is_allowed;
use super::relation::public_path;
use super::resolve::folded;
use crate::error::{Error, Result, sqlstate};

/// PostgreSQL's settings that are accepted, with their values and, for some, the only values that are true here.
const POSTGRES: [(&str, &str, &[&str]); 23] = [
    ("application_name", "", &[]),
    ("bytea_output", "hex", &["hex"]),
    ("check_function_bodies", "off", &[]),
    ("client_encoding", "UTF8", &["utf8", "utf-8", "unicode"]),
    ("client_min_messages", "notice", &[]),
    ("datestyle", "ISO, MDY", &["iso", "iso, mdy", "iso, dmy", "iso, ymd"]),
    ("default_transaction_isolation", "serializable", &["serializable"]),
    ("default_transaction_read_only", "off", &["off", "false"]),
    ("extra_float_digits", "1", &[]),
    ("idle_in_transaction_session_timeout", "0", &["0"]),
    ("integer_datetimes", "on", &["on"]),
    ("intervalstyle", "postgres", &["postgres"]),
    ("lock_timeout", "0", &["0"]),
    ("max_identifier_length", "63", &["63"]),
    ("row_security", "off", &["off"]),
    ("server_encoding", "UTF8", &["utf8"]),
    ("server_version", "16.0", &["16.0"]),
    ("standard_conforming_strings", "on", &["on", "true"]),
    ("statement_timeout", "0", &["0"]),
    ("synchronous_commit", "on", &["on"]),
    ("timezone", "UTC", &["utc", "gmt", "etc/utc", "+00", "+00:00", "0"]),
    (
        "transaction_isolation",
        "serializable",
        &["serializable", "repeatable read", "read committed", "read uncommitted"],
    ),
    ("transaction_read_only", "off", &["off"]),
];

/// What a session has set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// who: stands in `firn_commits`
    pub actor: Option<String>,
    /// why: stands in `firn_commits`
    pub reason: Option<String>,
    /// the point in the past that plain table names are read at
    pub as_of: Option<AsOf>,
    /// the SQL schemas that plain names are looked up in, in order
    pub path: Arc<[String]>,
    postgres: BTreeMap<&'static str, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { actor: None, reason: None, as_of: None, path: public_path(), postgres: BTreeMap::new() }
    }
}

impl Settings {
    /// Carries out a SET.
    ///
    /// # Errors
    /// 42704 for a name that is not known, 22023 for a value that is not, 0A000 for what cannot be set.
    pub fn set(&mut self, set: &Set) -> Result<()> {
        match set {
            Set::SingleAssignment { variable, values, .. } => {
                let name = name_of(variable);
                if matches!(values.as_slice(), [Expr::Identifier(i)] if folded(i) == "default") {
                    return self.reset(&name);
                }
                if name == "search_path" {
                    self.path = search_path(values)?;
                    return Ok(());
                }
                let texts = values.iter().map(|v| value_of(&name, v)).collect::<Result<Vec<_>>>()?;
                self.assign(&name, &texts.join(", "))
            }
            Set::SetTimeZone { value, .. } => {
                let text = value_of("timezone", value)?;
                self.assign("timezone", &text)
            }
            Set::SetNames { charset_name, .. } => self.assign("client_encoding", &folded(charset_name)),
            Set::SetNamesDefault {} | Set::SetTransaction { .. } => Ok(()),
            other => Err(Error::unsupported(format!("{other}"), "SHOW ALL lists what can be set")),
        }
    }

    fn assign(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "firn.actor" => self.actor = limited(name, value)?,
            "firn.reason" => self.reason = limited(name, value)?,
            "firn.as_of" if value.is_empty() => self.as_of = None,
            "firn.as_of" => self.as_of = Some(value.parse()?),
            _ => {
                let (known, _, allowed) = find(name)?;
                let given = value.trim().to_ascii_lowercase();
                if !allowed.is_empty() && !allowed.contains(&given.as_str()) {
                    return Err(Error::unsupported(
                        format!("{known} = {value}"),
                        format!("it is always one of: {}", allowed.join(", ")),
                    ));
                }
                self.postgres.insert(known, value.to_owned());
            }
        }
        Ok(())
    }

    /// Carries out a RESET.
    ///
    /// # Errors
    /// 42704.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        match name {
            "all" => *self = Self::default(),
            "firn.actor" => self.actor = None,
            "firn.reason" => self.reason = None,
            "firn.as_of" => self.as_of = None,
            "search_path" => self.path = public_path(),
            _ => {
                let (known, _, _) = find(name)?;
                self.postgres.remove(known);
            }
        }
        Ok(())
    }

    /// A setting's value as text; a setting of ours that is not set shows as empty.
    ///
    /// # Errors
    /// 42704.
    pub fn show(&self, name: &str) -> Result<String> {
        Ok(match name {
            "firn.actor" => self.actor.clone().unwrap_or_default(),
            "firn.reason" => self.reason.clone().unwrap_or_default(),
            "firn.as_of" => self.as_of.map(|a| a.to_string()).unwrap_or_default(),
            "search_path" => self.path.iter().map(|name| written(name)).collect::<Vec<_>>().join(", "),
            _ => {
                let (known, default, _) = find(name)?;
                self.postgres.get(known).cloned().unwrap_or_else(|| (*default).to_owned())
            }
        })
    }

    /// Every setting's name and value, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(String, String)> {
        let ours = ["firn.actor", "firn.as_of", "firn.reason", "search_path"];
        let names = ours.into_iter().chain(POSTGRES.iter().map(|(n, ..)| *n));
        let mut all: Vec<_> = names.filter_map(|n| Some((n.to_owned(), self.show(n).ok()?))).collect();
        all.sort();
        all
    }
}

fn find(name: &str) -> Result<&'static (&'static str, &'static str, &'static [&'static str])> {
    let plain = match name {
        "time zone" => "timezone",
        "transaction isolation level" => "transaction_isolation",
        other => other,
    };
    POSTGRES.iter().find(|(n, ..)| *n == plain).ok_or_else(|| {
        if name.starts_with("datafusion.") || name.starts_with("firn.") {
            let hint = "the settings are firn.actor, firn.reason and firn.as_of; SHOW ALL lists the others";
            return Error::unsupported(format!("setting {name}"), hint);
        }
        let close = super::messages::similar(name, POSTGRES.iter().map(|(n, ..)| *n));
        let error = Error::statement("42704", format!("there is no setting \"{name}\""));
        if close.is_empty() {
            error.with_hint("SHOW ALL lists the settings")
        } else {
            error.with_hint(format!("did you mean {}?", close.join(" or ")))
        }
    })
}

/// `SET search_path`: names of schemas, each an identifier or a text. `$user` is accepted and means nothing, for there
/// are no schemas of users.
fn search_path(values: &[Expr]) -> Result<Arc<[String]>> {
    const MOST: usize = 64;
    let mut path: Vec<String> = Vec::new();
    for value in values {
        let name = match value {
            Expr::Identifier(ident) => folded(ident),
            other => value_of("search_path", other)?,
        };
        if !name.is_empty() && name != "$user" && !path.contains(&name) {
            path.push(name);
        }
    }
    if path.len() > MOST || path.iter().any(|name| !is_allowed(name)) {
        let message = format!("search_path takes at most {MOST} names of schemas");
        return Err(Error::statement(sqlstate::INVALID_PARAMETER_VALUE, message));
    }
    Ok(path.into())
}

/// A name as it would be written in SQL.
fn written(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn limited(name: &str, value: &str) -> Result<Option<String>> {
    const MOST: usize = 1024;
    if value.len() > MOST {
        return Err(Error::statement(sqlstate::INVALID_PARAMETER_VALUE, format!("{name} takes at most {MOST} bytes")));
    }
    Ok(Some(value.to_owned()).filter(|v| !v.is_empty()))
}

/// The name as it is written in lower case with dots.
#[must_use]
pub fn name_of(name: &ObjectName) -> String {
    name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.to_ascii_lowercase()).collect::<Vec<_>>().join(".")
}

fn value_of(name: &str, expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) | Value::EscapedStringLiteral(s) => {
                Ok(s.clone())
            }
            Value::Number(n, _) => Ok(n.to_string()),
            Value::Boolean(b) => Ok(if *b { "on" } else { "off" }.to_owned()),
            Value::Null => Ok(String::new()),
            _ => Err(bad_value(name, expr)),
        },
        Expr::Identifier(ident) => Ok(ident.value.clone()),
        Expr::CompoundIdentifier(parts) => Ok(parts.iter().map(|p| p.value.clone()).collect::<Vec<_>>().join(".")),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Ok(format!("-{}", value_of(name, expr)?)),
        // TIMESTAMP '…' and '…'::timestamptz say the same as the text in them
        Expr::TypedString(typed) => value_of(name, &Expr::Value(typed.value.clone())),
        Expr::Cast { expr, .. } => value_of(name, expr),
        _ => Err(bad_value(name, expr)),
    }
}

fn bad_value(name: &str, expr: &Expr) -> Error {
    Error::statement(sqlstate::INVALID_PARAMETER_VALUE, format!("{expr} is not a value for {name}"))
        .with_hint("write a text in single quotes, or a number")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use sqlparser::ast::Statement;

    use super::*;

    fn run(settings: &mut Settings, sql: &str) -> Result<()> {
        match crate::sql::parse::parse(sql)?.remove(0).ast {
            Statement::Set(set) => settings.set(&set),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ours_and_theirs() {
        let mut s = Settings::default();
        run(&mut s, "SET firn.actor = 'ann'").unwrap();
        run(&mut s, "SET firn.reason TO 'gdpr request 7'").unwrap();
        run(&mut s, "SET firn.as_of = 17").unwrap();
        assert_eq!((s.show("firn.actor").unwrap().as_str(), s.show("firn.as_of").unwrap().as_str()), ("ann", "17"));
        run(&mut s, "SET firn.as_of = '2024-05-01 12:00'").unwrap();
        assert_eq!(s.show("firn.as_of").unwrap(), "2024-05-01 12:00:00+00");
        run(&mut s, "SET firn.as_of = DEFAULT").unwrap();
        assert_eq!(s.as_of, None);
        for sql in [
            "SET application_name = 'x'",
            "SET TIME ZONE 'UTC'",
            "SET client_encoding TO 'UTF8'",
            "SET NAMES 'utf8'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET search_path = public",
            "SET datestyle = ISO, MDY",
            "SET extra_float_digits = 3",
            "SET standard_conforming_strings = on",
        ] {
            run(&mut s, sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        for (sql, code) in [
            ("SET datafusion.execution.batch_size = 1", "0A000"),
            ("SET firn.nonsense = 1", "0A000"),
            ("SET aplication_name = 'x'", "42704"),
            ("SET timezone = 'Europe/Berlin'", "0A000"),
            ("SET firn.as_of = 'soon'", "22007"),
            ("SET standard_conforming_strings = off", "0A000"),
        ] {
            assert_eq!(run(&mut s, sql).unwrap_err().sqlstate, code, "{sql}");
        }
    }
}
