//! A statement's points in the past, put in place: each table read in the past gets a name that says its position, each
//! `firn_history(…)` the query it stands for.
//!
//! Promises: after it ran, no version clause is left in the statement, and every one was checked against the bounds.
//! Never: the table a statement writes to is read in the past.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use firn_manifest::ids::Position;
use sqlparser::ast::{
    Expr, FromTable, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Statement, TableAlias,
    TableFactor, TableFunctionArgs, TableVersion, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::asof::AsOf;
use super::query::Query;
use super::relation::Relation;
use super::{history, names, params};
use crate::error::{Error, Result};

/// Puts every point in the past in place.
///
/// # Errors
/// 22023 and its like for a point that cannot be read, 42P01 for a history of no table, 0A000 for a version clause of
/// another dialect.
pub async fn resolve(statement: &mut Statement, query: &Query) -> Result<()> {
    refuse_targets(statement)?;
    let mut found = Found { query, versions: Vec::new(), history: false };
    if let ControlFlow::Break(error) = Visit::visit(&*statement, &mut found) {
        return Err(*error);
    }
    if found.versions.is_empty() && !found.history {
        return Ok(());
    }
    let mut positions = Vec::with_capacity(found.versions.len());
    for version in &found.versions {
        positions.push(position(version, query).await?);
    }
    let mut place = Place { query, positions: positions.into_iter() };
    match VisitMut::visit(statement, &mut place) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

async fn position(version: &TableVersion, query: &Query) -> Result<Position> {
    let as_of = match version {
        TableVersion::VersionAsOf(expr) => AsOf::from_position(&value(expr, query).await?)?,
        TableVersion::TimestampAsOf(expr) | TableVersion::ForSystemTimeAsOf(expr) => {
            AsOf::from_time(&value(expr, query).await?)?
        }
        TableVersion::Function(_) | TableVersion::Changes { .. } => {
            return Err(Error::unsupported(
                "this way to name a point in the past",
                "write AS OF TIMESTAMP or AS OF POSITION",
            ));
        }
    };
    as_of.resolve(query.snapshot(), query.now()).await
}

async fn value(expr: &Expr, query: &Query) -> Result<ScalarValue> {
    match written_out(expr, query.params()) {
        Some(value) => value,
        None => query.evaluate(expr.clone()).await,
    }
}

/// The point in the past that an expression says without being evaluated: a literal or a parameter.
#[must_use]
pub fn written_out(expr: &Expr, given: &[ScalarValue]) -> Option<Result<ScalarValue>> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::Number(digits, _) => Some(Ok(ScalarValue::Utf8(Some(digits.to_string())))),
        Value::SingleQuotedString(text) => Some(Ok(ScalarValue::Utf8(Some(text.clone())))),
        Value::Placeholder(name) => Some(params::find(name, given).cloned()),
        _ => None,
    }
}

fn refuse_targets(statement: &Statement) -> Result<()> {
    let targets: Vec<&TableWithJoins> = match statement {
        Statement::Update(update) => vec![&update.table],
        Statement::Delete(delete) => match &delete.from {
            FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables) => tables.iter().collect(),
        },
        Statement::Explain { statement, .. } => return refuse_targets(statement),
        _ => return Ok(()),
    };
    let past = |t: &&TableWithJoins| matches!(&t.relation, TableFactor::Table { version: Some(_), .. });
    if targets.iter().any(past) {
        return Err(Error::statement(
            "25006",
            "the past cannot be changed: AS OF does not go with the table that is written",
        )
        .with_hint("use AS OF in the WHERE clause's subqueries, or in INSERT … SELECT, to bring old values back"));
    }
    Ok(())
}

/// Every version clause, in the order of the statement's tree.
struct Found<'a> {
    query: &'a Query,
    versions: Vec<TableVersion>,
    history: bool,
}

impl Visitor for Found<'_> {
    type Break = Box<Error>;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Box<Error>> {
        if let TableFactor::Table { name, version, args, sample, with_ordinality, .. } = factor {
            if sample.is_some() || *with_ordinality {
                let what = if sample.is_some() { "TABLESAMPLE" } else { "WITH ORDINALITY" };
                let instead = "use WHERE random() < …, or row_number() OVER ()";
                return ControlFlow::Break(Box::new(Error::unsupported(what, instead)));
            }
            if let Some(last) = last_name(name)
                && names::split_rows(&last).is_some()
                && Relation::of(name).is_ok_and(|r| r.read(self.query).is_none())
            {
                return ControlFlow::Break(Box::new(self.query.no_table(&last)));
            }
            self.history |= args.is_some() && last_name(name).as_deref() == Some(history::FUNCTION);
            match version {
                Some(_) if args.is_some() => {
                    let what = "AS OF with a function in FROM";
                    return ControlFlow::Break(Box::new(Error::unsupported(
                        what,
                        "use it with a table, or SET firn.as_of",
                    )));
                }
                Some(version) => self.versions.push(version.clone()),
                None => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// Renames in the same order.
struct Place<'a> {
    query: &'a Query,
    positions: std::vec::IntoIter<Position>,
}

impl VisitorMut for Place<'_> {
    type Break = Box<Error>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Box<Error>> {
        match self.place(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Place<'_> {
    fn place(&mut self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table { name, version, alias, args, .. } = factor else { return Ok(()) };
        if let Some(args) = args {
            if last_name(name).as_deref() == Some(history::FUNCTION) {
                let alias = alias.take().unwrap_or_else(|| plain_alias(Ident::new(history::FUNCTION)));
                let subquery = Box::new(self.history(args)?);
                *factor = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
            }
            return Ok(());
        }
        if version.take().is_none() {
            return Ok(());
        }
        let Some(position) = self.positions.next() else {
            return Err(Error::internal("a version clause was met that was not resolved"));
        };
        let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() else {
            return Err(Error::statement("42601", format!("{name} is not a table's name")));
        };
        let shown = last.clone();
        let named = Ident::with_quote('"', names::at_position(&folded(last), position));
        *last = Ident { span: last.span, ..named };
        alias.get_or_insert_with(|| plain_alias(shown));
        Ok(())
    }

    fn history(&self, args: &TableFunctionArgs) -> Result<sqlparser::ast::Query> {
        let usage = || {
            Error::statement("42883", "firn_history takes the name of one table")
                .with_hint("write firn_history('flights')")
        };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] = args.args.as_slice() else { return Err(usage()) };
        let name = match arg {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => text.clone(),
                Value::Placeholder(placeholder) => match self.query.param(placeholder)? {
                    ScalarValue::Utf8(Some(s)) | ScalarValue::Utf8View(Some(s)) | ScalarValue::LargeUtf8(Some(s)) => s,
                    _ => return Err(usage()),
                },
                _ => return Err(usage()),
            },
            Expr::Identifier(ident) => folded(ident),
            _ => return Err(usage()),
        };
        let relation = Relation::parse(&name, self.query)?;
        match relation.last_version(self.query) {
            Some(table) if table.view.is_some() => Err(Error::unsupported(
                format!("the history of view \"{name}\""),
                "ask for the history of the tables it reads, or read the view AS OF POSITION",
            )),
            Some(table) => history::query(&table, self.query.at()),
            None => Err(self.query.no_table(&name)),
        }
    }
}

fn plain_alias(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: vec![], at: None }
}

/// The identifier as the planner reads it: in lower case unless quoted.
#[must_use]
pub fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

fn last_name(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|p| p.as_ident()).map(folded)
}
