//! RIGHT and FULL JOIN with USING or NATURAL: the column that both sides share has the value of the side that has a row.
//!
//! Promises: `*` gives shared columns once and first; a shared column named alone is the left side's of a left join, the
//! right side's of a right join, and either's of a full join.
//! Never: joins whose shared columns need no merging are touched; what cannot be merged is refused (0A000).

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::casts;
use super::resolve::folded;
use super::sources::Sources;
use crate::error::{Error, Result};

/// Settles the joins of one SELECT.
///
/// # Errors
/// 0A000 for joins that would need the tables' columns to be known.
pub fn settle(select: &mut Select) -> Result<()> {
    if is_natural(select) {
        // its shared columns are known when it is planned
        return Ok(());
    }
    if !select.from.iter().flat_map(|t| &t.joins).any(merges) {
        return Ok(());
    }
    let mut all = Merged::default();
    for table in &mut select.from {
        if table.joins.iter().any(merges) {
            all.table(table)?;
        }
    }
    if select.from.len() > 1 && select.projection.iter().any(|i| matches!(i, SelectItem::Wildcard(_))) {
        return Err(refused());
    }
    let items = std::mem::take(&mut select.projection);
    select.projection = items.into_iter().flat_map(|item| all.item(item)).collect();
    let _ = select.visit(&mut Names { all: &all, inside: 0 });
    Ok(())
}

/// Whether a join keeps its right side whole and leaves its columns to the tables.
pub(super) fn is_natural(select: &Select) -> bool {
    select
        .from
        .iter()
        .flat_map(|t| &t.joins)
        .any(|join| shared(join).is_some_and(|(c, _, right)| right && c.is_empty()))
}

/// Gives NATURAL joins, where one of a FROM item keeps its right side whole, the columns that both sides have, and
/// settles them.
///
/// # Errors
/// 0A000 when the columns of a side cannot be told.
pub(super) fn natural(select: &mut Select, sources: &Sources<'_>) -> Result<()> {
    if !is_natural(select) {
        return Ok(());
    }
    let columns = |factor: &TableFactor| sources.source(factor).and_then(|(_, columns)| columns).ok_or_else(refused);
    for table in select.from.iter_mut().filter(|t| t.joins.iter().any(merges)) {
        let mut left = columns(&table.relation)?;
        for join in &mut table.joins {
            let mut right = columns(&join.relation)?;
            if let Some(constraint) = constraint(&mut join.join_operator) {
                if matches!(constraint, JoinConstraint::Natural) {
                    let both = left.iter().filter(|c| right.contains(c));
                    let both: Vec<_> =
                        both.map(|c| ObjectName::from(vec![Ident::with_quote('"', c.clone())])).collect();
                    *constraint = if both.is_empty() {
                        JoinConstraint::On(Expr::Value(sqlparser::ast::Value::Boolean(true).into()))
                    } else {
                        JoinConstraint::Using(both)
                    };
                }
                if let JoinConstraint::Using(names) = constraint {
                    let names: Vec<String> =
                        names.iter().filter_map(|n| n.0.last().and_then(|p| p.as_ident()).map(folded)).collect();
                    left.retain(|c| !names.contains(c));
                    right.retain(|c| !names.contains(c));
                    left.splice(0..0, names);
                }
            }
            left.append(&mut right);
        }
    }
    settle(select)
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c) => Some(c),
        _ => None,
    }
}

fn refused() -> Error {
    Error::unsupported(
        "this RIGHT or FULL JOIN with USING or NATURAL",
        "join ON, and write coalesce(a.x, b.x) AS x for the shared column",
    )
}

/// The shared columns of a join, and which of its sides are kept whole.
fn shared(join: &Join) -> Option<(&[ObjectName], bool, bool)> {
    let (constraint, left, right) = match &join.join_operator {
        JoinOperator::Join(c) | JoinOperator::Inner(c) | JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => {
            (c, true, false)
        }
        JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (c, false, true),
        JoinOperator::FullOuter(c) => (c, true, true),
        _ => return None,
    };
    match constraint {
        JoinConstraint::Using(columns) => Some((columns, left, right)),
        JoinConstraint::Natural => Some((&[], left, right)),
        _ => None,
    }
}

fn merges(join: &Join) -> bool {
    shared(join).is_some_and(|(_, _, right)| right)
}

#[derive(Default)]
struct Merged {
    /// the shared columns, in the order `*` gives them
    columns: Vec<(Ident, Expr)>,
    /// the tables, each with the shared columns it has
    tables: Vec<(Ident, Vec<Ident>)>,
}

impl Merged {
    fn table(&mut self, table: &mut TableWithJoins) -> Result<()> {
        self.tables.push((name_of(&table.relation)?, vec![]));
        for join in &mut table.joins {
            let right = name_of(&join.relation)?;
            let Some((columns, keeps_left, keeps_right)) = shared(join) else {
                self.tables.push((right, vec![]));
                continue;
            };
            let columns: Vec<Ident> =
                columns.iter().filter_map(|c| c.0.last().and_then(|p| p.as_ident()).cloned()).collect();
            if columns.is_empty() {
                return Err(refused());
            }
            let mut condition: Option<Expr> = None;
            let mut merged = Vec::new();
            for column in &columns {
                let left = self.left(column)?;
                let own = Expr::CompoundIdentifier(vec![right.clone(), column.clone()]);
                let equal = binary(left.clone(), BinaryOperator::Eq, own.clone());
                condition = Some(match condition.take() {
                    Some(before) => binary(before, BinaryOperator::And, equal),
                    None => equal,
                });
                let value = match (keeps_left, keeps_right) {
                    (true, true) => casts::call("coalesce", vec![left, own]),
                    (true, false) => left,
                    _ => own,
                };
                merged.push((column.clone(), value));
            }
            self.columns.retain(|(c, _)| !columns.iter().any(|m| folded(m) == folded(c)));
            self.columns.splice(0..0, merged);
            self.tables.push((right, columns));
            if let (Some(condition), Some(place)) = (condition, constraint(&mut join.join_operator)) {
                *place = JoinConstraint::On(condition);
            }
        }
        Ok(())
    }

    /// A shared column on the left of a join.
    fn left(&mut self, column: &Ident) -> Result<Expr> {
        if let Some((_, value)) = self.columns.iter().find(|(c, _)| folded(c) == folded(column)) {
            return Ok(value.clone());
        }
        match self.tables.as_mut_slice() {
            [(table, columns)] => {
                columns.push(column.clone());
                Ok(Expr::CompoundIdentifier(vec![table.clone(), column.clone()]))
            }
            _ => Err(refused()),
        }
    }

    fn item(&self, item: SelectItem) -> Vec<SelectItem> {
        match item {
            SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
                let merged = self.columns.iter().map(|(c, v)| SelectItem::ExprWithAlias {
                    expr: v.clone(),
                    alias: Ident::with_quote('"', folded(c)),
                });
                let rest = self.tables.iter().map(|(table, without)| {
                    let names = without.iter().map(|c| ObjectName::from(vec![c.clone()])).collect::<Vec<_>>();
                    let opt_exclude = (!names.is_empty()).then_some(ExcludeSelectItem::Multiple(names));
                    let options = WildcardAdditionalOptions { opt_exclude, ..WildcardAdditionalOptions::default() };
                    let table = ObjectName::from(vec![table.clone()]);
                    SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(table), options)
                });
                merged.chain(rest).collect()
            }
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => match self.value(&name) {
                Some(expr) => {
                    vec![SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', folded(&name)) }]
                }
                None => vec![SelectItem::UnnamedExpr(Expr::Identifier(name))],
            },
            other => vec![other],
        }
    }

    fn value(&self, name: &Ident) -> Option<Expr> {
        self.columns.iter().find(|(c, _)| folded(c) == folded(name)).map(|(_, v)| v.clone())
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn name_of(factor: &TableFactor) -> Result<Ident> {
    let named = match factor {
        TableFactor::Table { name, alias, .. } => {
            alias.as_ref().map(|a| a.name.clone()).or_else(|| name.0.last().and_then(|p| p.as_ident()).cloned())
        }
        TableFactor::Derived { alias, .. } | TableFactor::UNNEST { alias, .. } => {
            alias.as_ref().map(|a| a.name.clone())
        }
        _ => None,
    };
    named.ok_or_else(refused)
}

/// Names of shared columns in the SELECT itself.
struct Names<'a> {
    all: &'a Merged,
    inside: usize,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.inside == 0
            && let Expr::Identifier(name) = expr
            && let Some(value) = self.all.value(name)
        {
            *expr = Expr::Nested(Box::new(value));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::one;

    const SIDES: &str =
        "(VALUES (1, 'a'), (2, 'b')) l(id, x) FULL JOIN (VALUES (2, 'c'), (3, 'd')) r(id, y) USING (id)";

    #[tokio::test]
    async fn a_shared_column_comes_from_the_side_that_has_a_row() {
        let all =
            format!("SELECT string_agg(id || coalesce(x, '-') || coalesce(y, '-'), ' ' ORDER BY id) FROM {SIDES}");
        assert_eq!(one(&all).await, "1a- 2bc 3-d");
        assert_eq!(one(&format!("SELECT count(*) FROM (SELECT * FROM {SIDES}) t WHERE id = 3")).await, "1");
        assert_eq!(one(&format!("SELECT sum(id) FROM {SIDES} WHERE id > 1")).await, "5");
        let right = SIDES.replace("FULL", "RIGHT");
        assert_eq!(one(&format!("SELECT string_agg(id::text, ',' ORDER BY id) FROM {right}")).await, "2,3");
    }
}
