//! `FETCH FIRST n ROWS WITH TIES`, and LIMIT and OFFSET that a subquery says.
//!
//! Promises: with WITH TIES come the first n rows and those that sort with the last of them, in order; a subquery of
//! LIMIT or OFFSET is run once, before the query is planned.
//! Never: WITH TIES without ORDER BY (42601).

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as Planned, ScalarValue};
use datafusion::functions_window::rank::rank_udwf;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{
    Expr as Plan, ExprFunctionExt, Limit, LogicalPlan, LogicalPlanBuilder, Projection, ScalarUDF, Sort, cast, lit,
};
use sqlparser::ast::{
    Expr, Fetch, LimitClause, Offset, Query as Ast, Statement, Value, Visit, VisitMut, Visitor, VisitorMut, With,
};

use super::casts::call;
use super::errors::external;
use super::fun::Fun;
use super::query::Query;
use crate::error::{Error, Result};

const TIES: &str = "firn_with_ties";

/// Stands around the number of rows in a plan until [`settled`] finds it.
static MARK: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(Fun::udf(
        TIES,
        |types| (types.len() == 1).then(|| types.to_vec()),
        |types| types[0].clone(),
        |args, _| Ok(args[0].clone()),
    ))
});

/// The function that marks such a number of rows.
#[must_use]
pub fn functions() -> Vec<ScalarUDF> {
    vec![MARK.as_ref().clone()]
}

/// Makes FETCH a LIMIT, which the planner knows.
pub fn fetch(query: &mut Ast) {
    let Some(Fetch { with_ties, percent: false, quantity }) = &query.fetch else { return };
    let one = || Expr::Value(Value::Number("1".to_owned(), false).into());
    let mut limit = quantity.clone().unwrap_or_else(one);
    if *with_ties {
        limit = call(TIES, vec![limit]);
    }
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by: vec![] });
            query.fetch = None;
        }
        Some(LimitClause::LimitOffset { limit: slot @ None, .. }) => {
            *slot = Some(limit);
            query.fetch = None;
        }
        Some(_) => {}
    }
}

/// The plan with the ties of every such LIMIT kept.
///
/// # Errors
/// 42601 where nothing sorts.
pub fn settled(plan: LogicalPlan) -> Planned<LogicalPlan> {
    let whole = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Limit(Limit { skip, fetch: Some(fetch), input }) => match *fetch {
            Plan::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == TIES && args.len() == 1 => {
                let skip = skip.map_or_else(|| lit(0_i64), |skip| *skip);
                with_ties(skip, args.swap_remove(0), Arc::unwrap_or_clone(input)).map(Transformed::yes)
            }
            other => Ok(Transformed::no(LogicalPlan::Limit(Limit { skip, fetch: Some(Box::new(other)), input }))),
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(whole.data)
}

fn with_ties(skip: Plan, count: Plan, plan: LogicalPlan) -> Planned<LogicalPlan> {
    match plan {
        // what the query sorts by and does not show is taken away above the sort
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            let below = with_ties(skip, count, Arc::unwrap_or_clone(input))?;
            Projection::try_new(expr, Arc::new(below)).map(LogicalPlan::Projection)
        }
        LogicalPlan::Sort(Sort { expr: by, input, .. }) => {
            let columns: Vec<Plan> =
                input.schema().iter().map(|(q, f)| Plan::Column(Column::new(q.cloned(), f.name()))).collect();
            let number = |function| {
                let call = WindowFunction::new(WindowFunctionDefinition::WindowUDF(function), vec![]);
                Plan::WindowFunction(Box::new(call)).order_by(by.clone()).build()
            };
            let (row, rank) = (number(row_number_udwf())?, number(rank_udwf())?);
            let counted =
                |call: &Plan| cast(Plan::Column(Column::from_name(call.schema_name().to_string())), DataType::Int64);
            let (skip, count) = (cast(skip, DataType::Int64), cast(count, DataType::Int64));
            let within = counted(&row)
                .gt(skip.clone())
                .and(counted(&rank).lt_eq(skip + count.clone()))
                .and(count.gt(lit(0_i64)));
            LogicalPlanBuilder::from(Arc::unwrap_or_clone(input))
                .window(vec![row, rank])?
                .filter(within)?
                .project(columns)?
                .sort(by)?
                .build()
        }
        _ => Err(external(Error::statement("42601", "WITH TIES cannot be specified without ORDER BY clause"))),
    }
}

/// Whether some LIMIT or OFFSET holds a query.
fn asks(statement: &Statement) -> bool {
    struct Asks;
    impl Visitor for Asks {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Ast) -> ControlFlow<()> {
            match &query.limit_clause {
                Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                    let both = limit.iter().chain(offset.iter().map(|o| &o.value));
                    if both.into_iter().any(holds_query) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(statement, &mut Asks).is_break()
}

fn holds_query(expr: &Expr) -> bool {
    struct Seen;
    impl Visitor for Seen {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Ast) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    Visit::visit(expr, &mut Seen).is_break()
}

/// Takes what LIMIT and OFFSET ask, with the WITH queries they may name, or puts the answers in their places.
struct Places<'a> {
    asked: Vec<(Expr, Vec<With>)>,
    answers: Option<&'a mut dyn Iterator<Item = Expr>>,
    with: Vec<Option<With>>,
}

impl VisitorMut for Places<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Ast) -> ControlFlow<()> {
        self.with.push(query.with.clone());
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            let both = limit.iter_mut().chain(offset.iter_mut().map(|Offset { value, .. }| value));
            for place in both.filter(|e| holds_query(e)) {
                match &mut self.answers {
                    Some(answers) => {
                        if let Some(answer) = answers.next() {
                            *place = answer;
                        }
                    }
                    None => self.asked.push((place.clone(), self.with.iter().flatten().cloned().collect())),
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Ast) -> ControlFlow<()> {
        self.with.pop();
        ControlFlow::Continue(())
    }
}

/// Runs the subqueries of LIMIT and OFFSET and puts what they say in their places.
///
/// # Errors
/// Everything that is wrong with them, 2201W and 2201X for what is below zero.
pub async fn answer(statement: &mut Statement, query: &Query) -> Result<()> {
    if !asks(statement) {
        return Ok(());
    }
    let asked = {
        let mut places = Places { asked: vec![], answers: None, with: vec![] };
        let _ = VisitMut::visit(statement, &mut places);
        places.asked
    };
    let mut answers = Vec::with_capacity(asked.len());
    for (expr, with) in asked {
        answers.push(number(Box::pin(query.evaluate_with(expr, with)).await?)?);
    }
    let mut answers = answers.into_iter();
    let mut places = Places { asked: vec![], answers: Some(&mut answers), with: vec![] };
    let _ = VisitMut::visit(statement, &mut places);
    Ok(())
}

fn number(value: ScalarValue) -> Result<Expr> {
    let wide = value.cast_to(&DataType::Int64)?;
    Ok(match wide {
        ScalarValue::Int64(Some(n)) => Expr::Value(Value::Number(n.to_string(), false).into()),
        _ => Expr::Value(Value::Null.into()),
    })
}
