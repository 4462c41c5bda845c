//! Subqueries that the planner cannot turn into joins: they are run once for each distinct outer row they depend on.
//!
//! Promises: a subquery that becomes a join stays one; every other gives the answer PostgreSQL gives, NULLs of IN, ANY
//! and ALL included; the outer rows' values reach it as literals of their own types.
//! Never: a subquery in the condition of an outer join is taken apart, where rows without a partner would change.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, TableReference, UnnestOptions};
use datafusion::execution::session_state::SessionState;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::expr::{Alias, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, not};
use datafusion::physical_plan::ExecutionPlan;

use super::membership::three_valued;
use super::nested_call::{Gives, nested};
use super::quantified::quantified;

/// The physical plan of a query, whatever its subqueries.
///
/// # Errors
/// Everything that is wrong with the query.
pub async fn physical(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let optimized = optimized(state, plan)?;
    state.query_planner().create_physical_plan(&optimized, state).await
}

/// The optimised plan of a query, its subqueries taken apart where no join does.
///
/// # Errors
/// Everything that is wrong with the query.
pub fn optimized(state: &SessionState, plan: &LogicalPlan) -> Result<LogicalPlan> {
    if !holds(plan, |_| true) {
        return state.optimize(plan);
    }
    if holds(plan, |found| matches!(found, Found::Compared)) {
        return state.optimize(&take_apart(state, plan.clone())?);
    }
    match state.optimize(&three_valued(plan.clone())?) {
        Ok(optimized) if !holds(&optimized, |found| found.stays()) => Ok(optimized),
        Ok(_) => state.optimize(&take_apart(state, plan.clone())?),
        Err(error) => state.optimize(&take_apart(state, plan.clone())?).map_err(|_| error),
    }
}

/// What a subquery is to the plan it stands in.
enum Found<'a> {
    Value(&'a Subquery),
    Asked,
    Compared,
    Lateral(&'a Subquery),
}

impl Found<'_> {
    /// Whether the physical planner has no form for it.
    fn stays(self) -> bool {
        match self {
            Found::Value(subquery) | Found::Lateral(subquery) => !subquery.outer_ref_columns.is_empty(),
            Found::Asked | Found::Compared => true,
        }
    }
}

fn holds(plan: &LogicalPlan, wanted: impl Fn(Found<'_>) -> bool) -> bool {
    let mut any = false;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Subquery(subquery) = node {
            any |= wanted(Found::Lateral(subquery));
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                any |= match expr {
                    Expr::ScalarSubquery(subquery) => wanted(Found::Value(subquery)),
                    Expr::Exists(_) | Expr::InSubquery(_) => wanted(Found::Asked),
                    Expr::SetComparison(_) => wanted(Found::Compared),
                    _ => false,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if any { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    any
}

/// Replaces subqueries, from the innermost node outwards; those inside subqueries wait for their own turn.
fn take_apart(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut count = 0;
    let plan = plan.transform_up(|node| {
        let node = node.recompute_schema()?;
        match &node {
            LogicalPlan::Join(join) => match lateral(&join.right) {
                Some((subquery, alias)) => match lateral_join(state, join, subquery, alias, &mut count)? {
                    Some(plan) => Ok(Transformed::yes(plan)),
                    None => Ok(Transformed::no(node)),
                },
                None => Ok(Transformed::no(node)),
            },
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Window(_) => lift(state, node, &mut count),
            _ => Ok(Transformed::no(node)),
        }
    })?;
    Ok(plan.data)
}

/// Computes a node's subqueries in a projection below it.
fn lift(state: &SessionState, node: LogicalPlan, count: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let inputs = node.inputs();
    let [input] = inputs.as_slice() else { return Ok(Transformed::no(node)) };
    let input = (*input).clone();
    let schema = input.schema().clone();
    let names = NamePreserver::new(&node);
    let mut lifted = Vec::new();
    let exprs: Vec<Expr> = node
        .expressions()
        .into_iter()
        .map(|expr| {
            let name = names.save(&expr);
            let new = expr.transform_up(|expr| match call_of(state, &expr, &schema)? {
                Some((call, rest)) => {
                    *count += 1;
                    let name = super::names::unique_output(*count, "subquery");
                    lifted.push(call.alias(&name));
                    Ok(Transformed::yes(rest.over(Expr::Column(Column::from_name(name)))))
                }
                None => Ok(Transformed::no(expr)),
            })?;
            Ok(name.restore(new.data))
        })
        .collect::<Result<_>>()?;
    if lifted.is_empty() {
        return Ok(Transformed::no(node));
    }
    let all: Vec<Expr> = columns(&schema).chain(lifted).collect();
    let below = LogicalPlanBuilder::from(input).project(all)?.build()?;
    let passes = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_));
    let before = node.schema().clone();
    let above = node.with_new_exprs(exprs, vec![below])?;
    let plan = if passes { LogicalPlanBuilder::from(above).project(columns(&before))?.build()? } else { above };
    Ok(Transformed::yes(plan))
}

fn columns(schema: &DFSchema) -> impl Iterator<Item = Expr> + '_ {
    schema.iter().map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())))
}

/// What remains to be done with what a subquery gave.
enum Rest {
    Value,
    Not,
    /// the left side, compared with each of the list
    Compare(Expr, Operator, bool, bool),
}

impl Rest {
    fn over(self, value: Expr) -> Expr {
        match self {
            Self::Value => value,
            Self::Not => not(value),
            Self::Compare(left, op, all, negated) => {
                let answer = quantified(op, all).call(vec![left, value]);
                if negated { not(answer) } else { answer }
            }
        }
    }
}

/// The call that a subquery becomes over the rows of `schema`.
fn call_of(state: &SessionState, expr: &Expr, schema: &DFSchema) -> Result<Option<(Expr, Rest)>> {
    let (subquery, gives, rest) = match expr {
        Expr::ScalarSubquery(subquery) if !outer(&subquery.subquery, schema).is_empty() => {
            (subquery, Gives::Value, Rest::Value)
        }
        Expr::Exists(Exists { subquery, negated }) => {
            (subquery, Gives::Exists, if *negated { Rest::Not } else { Rest::Value })
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            (subquery, Gives::List, Rest::Compare((**expr).clone(), Operator::Eq, false, *negated))
        }
        Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
            let all = matches!(quantifier, SetQuantifier::All);
            (subquery, Gives::List, Rest::Compare((**expr).clone(), *op, all, false))
        }
        _ => return Ok(None),
    };
    Ok(Some((nested(state, subquery.subquery.clone(), outer(&subquery.subquery, schema), gives)?, rest)))
}

/// The columns of `schema` that a subquery, or one inside it, refers to.
fn outer(plan: &LogicalPlan, schema: &DFSchema) -> Vec<Column> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = expr
                    && schema.has_column(column)
                    && seen.insert(column.clone())
                {
                    found.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    found
}

/// The subquery of a LATERAL side, and its name.
fn lateral(plan: &LogicalPlan) -> Option<(&Subquery, Option<&TableReference>)> {
    match plan {
        LogicalPlan::Subquery(subquery) if !subquery.outer_ref_columns.is_empty() => Some((subquery, None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) if !subquery.outer_ref_columns.is_empty() => {
                Some((subquery, Some(&alias.alias)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `left, LATERAL (…)`: the rows of the right side as a list beside each row of the left, then spread out.
fn lateral_join(
    state: &SessionState,
    join: &Join,
    subquery: &Subquery,
    alias: Option<&TableReference>,
    count: &mut usize,
) -> Result<Option<LogicalPlan>> {
    let trivially = join.on.is_empty() && join.filter.as_ref().is_none_or(is_true);
    let keeps = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left if trivially => true,
        _ => return Ok(None),
    };
    let left = join.left.schema().clone();
    let refers = outer(&subquery.subquery, &left);
    if refers.is_empty() {
        return Ok(None);
    }
    *count += 1;
    let name = super::names::unique_output(*count, "lateral");
    let rows = nested(state, subquery.subquery.clone(), refers, Gives::Rows)?;
    let listed = columns(&left).chain([rows.alias(&name)]);
    let spread = LogicalPlanBuilder::from(join.left.as_ref().clone())
        .project(listed)?
        .unnest_column_with_options(Column::from_name(&name), UnnestOptions::default().with_preserve_nulls(keeps))?;
    let right = join.right.schema();
    let fields = right.iter().enumerate().map(|(i, (qualifier, field))| {
        let value = get_field(Expr::Column(Column::from_name(&name)), format!("c{i}"));
        let relation = alias.cloned().or_else(|| qualifier.cloned());
        Expr::Alias(Alias::new(value, relation, field.name()))
    });
    let mut plan = spread.project(columns(&left).chain(fields))?;
    for (l, r) in &join.on {
        plan = plan.filter(l.clone().eq(r.clone()))?;
    }
    if let Some(filter) = &join.filter
        && !is_true(filter)
    {
        plan = plan.filter(filter.clone())?;
    }
    plan.build().map(Some)
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(datafusion::common::ScalarValue::Boolean(Some(true)), _))
}

/// The subquery's plan with the outer row's values in their places.
///
/// # Errors
/// Of rebuilding the plan.
pub fn placed(plan: &LogicalPlan, values: &[(Column, datafusion::common::ScalarValue)]) -> Result<LogicalPlan> {
    let place = |expr: Expr| {
        expr.transform_up(|expr| {
            Ok(match expr {
                Expr::OuterReferenceColumn(field, column) => match values.iter().find(|(c, _)| *c == column) {
                    Some((_, value)) => Transformed::yes(Expr::Literal(value.clone(), None)),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                },
                Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(fresh(subquery))),
                Expr::Exists(Exists { subquery, negated }) => {
                    Transformed::yes(Expr::Exists(Exists { subquery: fresh(subquery), negated }))
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery: fresh(subquery), negated }))
                }
                Expr::SetComparison(mut compared) => {
                    compared.subquery = fresh(compared.subquery);
                    Transformed::yes(Expr::SetComparison(compared))
                }
                other => Transformed::no(other),
            })
        })
    };
    let placed = plan.clone().transform_up_with_subqueries(|node| {
        let node = match node {
            LogicalPlan::Subquery(subquery) => {
                let subquery = fresh(subquery);
                if subquery.outer_ref_columns.is_empty() {
                    return Ok(Transformed::yes(Arc::unwrap_or_clone(subquery.subquery)));
                }
                LogicalPlan::Subquery(subquery)
            }
            other => other,
        };
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(place(expr)?.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(placed.data)
}

fn fresh(mut subquery: Subquery) -> Subquery {
    let mut refers = Vec::new();
    let _ = subquery.subquery.apply_with_subqueries(|node| {
        refers.extend(node.all_out_ref_exprs());
        Ok(TreeNodeRecursion::Continue)
    });
    refers.dedup();
    subquery.outer_ref_columns = refers;
    subquery
}
