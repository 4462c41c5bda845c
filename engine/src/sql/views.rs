//! Views: a query under a name, planned where the name stands.
//!
//! Promises: a view read at a position is the definition of that position over its tables at that position; its columns
//! stay those it was made with, whatever is added to its tables; nothing a view uses goes away without it.
//! Never: a view is written to, or names itself, however indirectly.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::Column as PlannedColumn;
use datafusion::logical_expr::{Expr as Planned, LogicalPlan, LogicalPlanBuilder};
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{CatalogChange, Column, TableSchema, ViewQuery};
use sqlparser::ast::{CreateTableOptions, CreateView, Query as AstQuery, Statement};

use super::catalog::Tables;
use super::functions::Facts;
use super::query::Query;
use super::relation::{Relation, exists};
use super::resolve::resolve;
use super::write::{Write, folded, placed, schema_write};
use super::{codes, ddl, output, parse, types};
use crate::error::{Error, Result, sqlstate};

/// Stack that the planning of one view may need, and what it gets when less is left.
const RED_ZONE: usize = 1 << 20;
const STACK_BYTES: usize = 8 << 20;

/// Views that may stand in each other.
const MAX_DEPTH: usize = 16;

/// Refuses views in views beyond a bound that no stack feels.
///
/// # Errors
/// 54001.
pub(super) fn check_depth(depth: usize, view: &TableSchema) -> Result<()> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(Error::statement("54001", format!("view \"{}\" stands too deep in other views", view.qualified_name()))
        .with_detail(format!("at most {MAX_DEPTH} views stand in each other"))
        .with_hint("define the outer view over the tables themselves"))
}

/// A view's rows over those tables.
///
/// # Errors
/// What planning its query says.
pub(super) async fn provider(view: &TableSchema, tables: Tables, facts: Facts) -> Result<Arc<dyn TableProvider>> {
    let Some(body) = &view.view else { return Err(Error::internal("a view without a query")) };
    let q = Query::within(tables, facts);
    let mut planning = Box::pin(plan(&body.query, &q));
    // each view is planned inside the one around it
    let planned = poll_fn(|cx| stacker::maybe_grow(RED_ZONE, STACK_BYTES, || planning.as_mut().poll(cx))).await;
    let (plan, named) = planned.map_err(|e| within(e, view))?;
    let mut columns = Vec::with_capacity(view.columns.len());
    for (column, at) in view.columns.iter().zip(places(view, &named)?) {
        let from = PlannedColumn::from(plan.schema().qualified_field(at));
        columns.push(Planned::Column(from).alias(column.name.clone()));
    }
    let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, Some(body.query.clone()))))
}

/// Where the view's columns stand among its query's, by the names they were made from.
fn places(view: &TableSchema, named: &SchemaRef) -> Result<Vec<usize>> {
    view.columns
        .iter()
        .map(|column| {
            let source = column.default.as_deref().unwrap_or(&column.name);
            named.fields().iter().position(|f| f.name() == source).ok_or_else(|| {
                let message = format!("column \"{source}\" of view \"{}\" is gone", view.qualified_name());
                Error::statement(sqlstate::UNDEFINED_COLUMN, message).with_hint("make the view again")
            })
        })
        .collect()
}

/// The plan of a view's query, and its columns as PostgreSQL names them.
async fn plan(sql: &str, q: &Query) -> Result<(LogicalPlan, SchemaRef)> {
    let Some(Statement::Query(query)) = parse::parse(sql)?.into_iter().next().map(|s| s.ast) else {
        return Err(Error::internal(format!("a view's query is none: {sql}")));
    };
    plan_query(*query, q).await
}

/// A query's plan, and its columns as PostgreSQL names them.
///
/// # Errors
/// What planning says.
pub(super) async fn plan_query(query: AstQuery, q: &Query) -> Result<(LogicalPlan, SchemaRef)> {
    let mut statement = Statement::Query(Box::new(query));
    resolve(&mut statement, q).await?;
    let names = match &mut statement {
        Statement::Query(query) => output::prepare(query),
        _ => output::Names::default(),
    };
    let plan = q.plan(statement).await?;
    let named = names.schema(plan.schema().inner());
    Ok((plan, named))
}

fn within(mut error: Error, view: &TableSchema) -> Error {
    error.at = None;
    error.message = format!("in view \"{}\": {}", view.qualified_name(), error.message);
    error
}

/// CREATE VIEW.
///
/// # Errors
/// 42P07, 42701, 42P16, 42601, 54001, 0A000, and what is wrong with the query.
pub async fn create_view(create: &CreateView, q: &Query) -> Result<Write> {
    refuse_other_kinds(create)?;
    let relation = Relation::of(&create.name)?;
    ddl::check_name(&relation.name, "view")?;
    let schema = relation.place(q)?;
    let old = relation.taken(q)?;
    match &old {
        Some(_) if create.if_not_exists => return Ok(schema_write("CREATE VIEW", vec![])),
        Some(old) if old.view.is_none() || !create.or_replace => {
            let hint = "choose another name, or use CREATE OR REPLACE VIEW to replace a view";
            return Err(exists(old, Some(&relation.name)).with_hint(hint));
        }
        _ => {}
    }
    let (noting, used) = q.noting();
    let text = create.query.to_string();
    // what is stored is what is planned
    let (_, named) = plan(&text, &noting).await.map_err(unplaced)?;
    let columns = columns(create, &named)?;
    let catalog = q.snapshot().catalog();
    let id = old.as_ref().map_or_else(|| catalog.next_table().max(TableId::FIRST_USER), |old| old.id);
    if let Some(old) = &old {
        keeps_columns(old, &columns)?;
    }
    let uses = used.ids();
    if reaches(&uses, id, q) {
        let message = format!("view \"{}\" would name itself", relation.shown());
        return Err(placed(Error::statement("42P17", message), Some(&relation.name)));
    }
    let mut view = TableSchema::new(id, relation.name.value, columns, vec![]);
    view.schema = schema;
    view.comment = old.as_ref().and_then(|old| old.comment.clone());
    view.view = Some(ViewQuery { query: text, path: q.path().to_vec(), uses });
    let change = match old {
        Some(old) if *old == view => vec![],
        Some(_) => vec![CatalogChange::Alter { schema: view }],
        None => vec![CatalogChange::Create { schema: view }],
    };
    Ok(schema_write("CREATE VIEW", change))
}

/// The stored text's places are not those of the statement.
fn unplaced(mut error: Error) -> Error {
    error.at = None;
    error
}

/// The view's columns: their names, and in `default` the name of the query's column each is.
fn columns(create: &CreateView, named: &SchemaRef) -> Result<Vec<Column>> {
    if create.columns.len() > named.fields().len() {
        let message = "CREATE VIEW names more columns than its query gives";
        return Err(Error::statement(codes::SYNTAX_ERROR, message));
    }
    let (mut seen, mut sources) = (HashSet::new(), HashSet::new());
    let mut columns = Vec::with_capacity(named.fields().len());
    for ((index, field), number) in named.fields().iter().enumerate().zip(1..) {
        let source = field.name().clone();
        let given = create.columns.get(index);
        let name = given.map_or_else(|| source.clone(), |c| folded(&c.name).value);
        if !seen.insert(name.clone()) {
            let message = format!("column \"{name}\" is there more than once");
            let error = Error::statement(codes::DUPLICATE_COLUMN, message).with_hint("give each its own name with AS");
            return Err(placed(error, given.map(|c| &c.name)));
        }
        if !sources.insert(source.clone()) {
            let message = format!("the query gives column \"{source}\" more than once");
            return Err(Error::statement(codes::DUPLICATE_COLUMN, message)
                .with_hint("give each its own name with AS inside the query"));
        }
        let ty = types::of_field(field)?;
        columns.push(Column { default: (name != source).then_some(source), ..Column::new(ColumnId(number), name, ty) });
    }
    if columns.is_empty() {
        return Err(Error::unsupported("a view without columns", "select at least one column"));
    }
    Ok(columns)
}

/// CREATE OR REPLACE may add columns at the end, as in PostgreSQL.
fn keeps_columns(old: &TableSchema, new: &[Column]) -> Result<()> {
    let mut news = new.iter();
    for column in &old.columns {
        let message = match news.next() {
            Some(other) if other.name == column.name && other.ty == column.ty => continue,
            Some(other) if other.name == column.name => {
                format!("the type of view column \"{}\" cannot be changed", column.name)
            }
            Some(other) => format!("view column \"{}\" cannot be renamed \"{}\"", column.name, other.name),
            None => format!("view column \"{}\" cannot be dropped", column.name),
        };
        return Err(Error::statement(codes::INVALID_TABLE_DEFINITION, message)
            .with_hint("DROP VIEW and CREATE VIEW in one transaction make another one"));
    }
    Ok(())
}

/// Whether any of those is `id`, or a view that reaches it.
fn reaches(uses: &[TableId], id: TableId, q: &Query) -> bool {
    let (mut open, mut seen) = (uses.to_vec(), HashSet::new());
    let snapshot = q.snapshot();
    while let Some(next) = open.pop() {
        if next == id {
            return true;
        }
        if seen.insert(next)
            && let Some(body) = snapshot.catalog().by_id(next, snapshot.position()).and_then(|t| t.view.as_ref())
        {
            open.extend(&body.uses);
        }
    }
    false
}

/// The views that name that table or view, directly.
pub(super) fn over(id: TableId, q: &Query) -> Vec<Arc<TableSchema>> {
    let snapshot = q.snapshot();
    let views = snapshot.catalog().tables(snapshot.position());
    views.into_iter().filter(|t| t.view.as_ref().is_some_and(|v| v.uses.contains(&id))).collect()
}

/// Refuses a change of a table that a view over it would not survive as it is.
///
/// # Errors
/// 2BP01.
pub(super) async fn check_change(next: &TableSchema, q: &Query) -> Result<()> {
    let views = over(next.id, q);
    if views.is_empty() {
        return Ok(());
    }
    let after = q.after(&[CatalogChange::Alter { schema: next.clone() }])?;
    for view in views {
        let Some(body) = &view.view else { continue };
        let facts = after.facts_on(&body.path);
        let stays = async {
            let tables = after.tables_on(&body.path);
            let view_query = Query::within(tables, facts);
            let (_, named) = plan(&body.query, &view_query).await?;
            let places = places(&view, &named)?;
            for (column, at) in view.columns.iter().zip(places) {
                if types::of_field(named.field(at))? != column.ty {
                    return Err(Error::statement(
                        codes::DATATYPE_MISMATCH,
                        format!("the type of its column \"{}\" would change", column.name),
                    ));
                }
            }
            Ok(())
        };
        if let Err(why) = Box::pin(stays).await {
            let message = format!(
                "view \"{}\" depends on what of table \"{}\" would change",
                view.qualified_name(),
                next.qualified_name()
            );
            return Err(Error::statement(codes::DEPENDENT_OBJECTS, message)
                .with_detail(why.message)
                .with_hint("drop the view first and make it again afterwards, in one transaction"));
        }
    }
    Ok(())
}

fn refuse_other_kinds(create: &CreateView) -> Result<()> {
    let refused = [
        (create.materialized, "CREATE MATERIALIZED VIEW", "use CREATE TABLE AS, or a view"),
        (create.temporary, "CREATE TEMPORARY VIEW", "use WITH inside the query, or a view that you drop"),
        (create.or_alter, "CREATE OR ALTER VIEW", "use CREATE OR REPLACE VIEW"),
        (
            !matches!(create.options, CreateTableOptions::None)
                || create.secure
                || create.to.is_some()
                || create.params.is_some()
                || create.copy_grants
                || create.with_no_schema_binding
                || create.comment.is_some()
                || !create.cluster_by.is_empty(),
            "an option of CREATE VIEW",
            "leave it away",
        ),
        (
            create.columns.iter().any(|c| c.data_type.is_some() || c.options.is_some()),
            "types and options of a view's columns",
            "name the columns alone; CAST in the query gives them types",
        ),
    ];
    match refused.iter().find(|(given, ..)| *given) {
        Some((_, what, instead)) => Err(Error::unsupported(what, instead)),
        None => Ok(()),
    }
}
