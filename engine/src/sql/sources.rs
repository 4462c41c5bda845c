//! The columns of the tables in a FROM list, where they can be told before anything is planned.
//!
//! Promises: they are the columns that `*` gives, in that order.
//! Never: columns are guessed: what cannot be told is `None`.

use sqlparser::ast::{
    JoinConstraint, JoinOperator, Query as Ast, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableAlias, TableFactor,
};

use super::names;
use super::output::name_of;
use super::query::Query;
use super::relation::Relation;
use super::resolve::folded;

/// A table of a FROM list: its name there, and its columns where they are known.
pub(super) type Source = (String, Option<Vec<String>>);

/// What names mean at a place of a statement.
pub(super) struct Sources<'a> {
    query: &'a Query,
    /// the WITH queries in sight, by query
    with: Vec<Vec<Source>>,
}

impl<'a> Sources<'a> {
    /// Those of a statement, outside of its queries.
    pub(super) fn new(query: &'a Query) -> Self {
        Self { query, with: vec![] }
    }

    /// Goes into a query of the statement.
    pub(super) fn enter(&mut self, query: &Ast) {
        self.with.push(vec![]);
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = self.columns(&table.query.body).map(|columns| renamed(columns, Some(&table.alias)));
            if let Some(known) = self.with.last_mut() {
                known.push((folded(&table.alias.name), columns));
            }
        }
    }

    /// Comes out of it.
    pub(super) fn leave(&mut self) {
        self.with.pop();
    }

    /// The tables of a FROM list.
    pub(super) fn of(&self, select: &Select) -> Vec<Source> {
        let tables = select
            .from
            .iter()
            .flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)).collect::<Vec<_>>());
        tables.filter_map(|factor| self.source(factor)).collect()
    }

    /// One table.
    pub(super) fn source(&self, factor: &TableFactor) -> Option<Source> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let last = name.0.last()?.as_ident()?;
                let shown = alias.as_ref().map_or_else(|| names::shown(&folded(last)).to_owned(), |a| folded(&a.name));
                let known = if name.0.len() == 1 { self.with_query(&folded(last)) } else { None };
                let columns = known.unwrap_or_else(|| {
                    let relation = Relation::of(name).ok()?;
                    let (plain, at) =
                        names::split_position(&relation.name.value).unwrap_or((&relation.name.value, self.query.at()));
                    let catalog = self.query.snapshot().catalog();
                    let table = relation.scope(self.query).table(catalog, plain, at)?;
                    Some(table.columns.iter().filter(|c| !c.hidden).map(|c| c.name.clone()).collect())
                });
                Some((shown, columns.map(|columns| renamed(columns, alias.as_ref()))))
            }
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let columns = self.columns(&subquery.body).map(|columns| renamed(columns, Some(alias)));
                Some((folded(&alias.name), columns))
            }
            TableFactor::UNNEST { alias: Some(alias), .. } => Some((folded(&alias.name), None)),
            _ => None,
        }
    }

    /// The columns of a WITH query, where there is one of that name.
    fn with_query(&self, name: &str) -> Option<Option<Vec<String>>> {
        self.with.iter().rev().flatten().find(|(known, _)| known == name).map(|(_, columns)| columns.clone())
    }

    /// The columns of a query; `None` when they cannot be told.
    fn columns(&self, body: &SetExpr) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(select) => {
                let sources = self.of(select);
                let mut columns = Vec::new();
                for item in &select.projection {
                    match item {
                        SelectItem::UnnamedExpr(expr) => columns.push(name_of(expr)),
                        SelectItem::ExprWithAlias { alias, .. } => columns.push(folded(alias)),
                        SelectItem::Wildcard(_) if !shares(select) => {
                            for (_, source) in &sources {
                                columns.extend(source.clone()?);
                            }
                        }
                        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                            let name = folded(name.0.last()?.as_ident()?);
                            let source = sources.iter().find(|(known, _)| *known == name)?;
                            columns.extend(source.1.clone()?);
                        }
                        _ => return None,
                    }
                }
                Some(columns)
            }
            SetExpr::SetOperation { left, .. } => self.columns(left),
            SetExpr::Query(query) => self.columns(&query.body),
            SetExpr::Values(values) => {
                Some((1..=values.rows.first()?.content.len()).map(|i| format!("column{i}")).collect())
            }
            _ => None,
        }
    }
}

/// Columns under the names that an alias gives the first of them.
fn renamed(mut columns: Vec<String>, alias: Option<&TableAlias>) -> Vec<String> {
    for (column, given) in columns.iter_mut().zip(alias.iter().flat_map(|a| &a.columns)) {
        *column = folded(&given.name);
    }
    columns
}

/// Whether two tables share columns of `*`.
fn shares(select: &Select) -> bool {
    select.from.iter().flat_map(|t| &t.joins).any(|join| {
        matches!(
            &join.join_operator,
            JoinOperator::Join(c) | JoinOperator::Inner(c) | JoinOperator::Left(c) | JoinOperator::LeftOuter(c)
                | JoinOperator::Right(c) | JoinOperator::RightOuter(c) | JoinOperator::FullOuter(c)
                if matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural)
        )
    })
}
