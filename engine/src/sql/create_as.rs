//! CREATE TABLE AS and SELECT INTO: a table made of a query's rows.
//!
//! Promises: the table and its rows are one commit; columns have the names and types the query gives them.
//! Never: rows without their table, or a table without its rows, reach the log.

use std::sync::Arc;

use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{CatalogChange, Column, TableSchema};
use firn_segment::record::{Answer, RowOp};
use sqlparser::ast::{CreateTable, Query as AstQuery, SelectInto, SetExpr};

use super::constraints::effects::effects;
use super::query::Query;
use super::relation::{Relation, exists};
use super::write::{Write, folded, placed, schema_write};
use super::{codes, ddl, insert, types, views};
use crate::commit::WriteSet;
use crate::error::{Error, Result};

/// CREATE TABLE … AS.
///
/// # Errors
/// 42P07, 42701, 42601, 54000, and what is wrong with the query.
pub async fn create_table_as(create: &CreateTable, q: &Query) -> Result<Write> {
    ddl::refuse_other_kinds(create)?;
    let Some(query) = create.query.as_deref() else { return Err(Error::internal("CREATE TABLE AS without a query")) };
    if !create.constraints.is_empty() || create.columns.iter().any(|c| !c.options.is_empty()) {
        return Err(Error::statement(codes::SYNTAX_ERROR, "CREATE TABLE AS takes column names alone")
            .with_hint("for a key or constraints: CREATE TABLE with its columns, then INSERT INTO … SELECT"));
    }
    let relation = Relation::of(&create.name)?;
    let names: Vec<_> = create.columns.iter().map(|c| folded(&c.name)).collect();
    let made = make(&relation, query, q).await?;
    let Some(mut made) = made.unless_taken(create.if_not_exists)? else {
        return Ok(schema_write("CREATE TABLE AS", vec![]));
    };
    if names.len() > made.columns.len() {
        let message = "CREATE TABLE AS names more columns than its query gives";
        return Err(Error::statement(codes::SYNTAX_ERROR, message));
    }
    for (column, name) in made.columns.iter_mut().zip(names) {
        ddl::check_name(&name, "column")?;
        column.name = name.value;
    }
    write(made, query, q).await
}

/// SELECT INTO.
///
/// # Errors
/// As [`create_table_as`].
pub async fn select_into(into: &SelectInto, query: &AstQuery, q: &Query) -> Result<Write> {
    if into.temporary {
        return Err(Error::unsupported("SELECT INTO TEMPORARY", "use WITH inside the query, or a table that you drop"));
    }
    let mut query = query.clone();
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.into = None;
    }
    let relation = Relation::of(&into.name)?;
    let made = make(&relation, &query, q).await?;
    let Some(made) = made.unless_taken(false)? else { return Err(Error::internal("SELECT INTO without a table")) };
    write(made, &query, q).await
}

/// The INTO of a query, if it has one.
#[must_use]
pub fn into_of(query: &AstQuery) -> Option<&SelectInto> {
    match query.body.as_ref() {
        SetExpr::Select(select) => select.into.as_ref(),
        _ => None,
    }
}

/// A table to be.
struct Made<'a> {
    relation: &'a Relation,
    schema: Option<String>,
    taken: Option<Arc<TableSchema>>,
    columns: Vec<Column>,
}

async fn make<'a>(relation: &'a Relation, query: &AstQuery, q: &Query) -> Result<Made<'a>> {
    ddl::check_name(&relation.name, "table")?;
    let schema = relation.place(q)?;
    let taken = relation.taken(q)?;
    if taken.is_some() {
        return Ok(Made { relation, schema, taken, columns: vec![] });
    }
    let (_, named) = views::plan_query(query.clone(), q).await?;
    let mut columns: Vec<Column> = Vec::with_capacity(named.fields().len() + 1);
    for (field, number) in named.fields().iter().zip(1..) {
        columns.push(Column::new(ColumnId(number), field.name().clone(), types::of_field(field)?));
    }
    if columns.is_empty() {
        return Err(Error::unsupported("a table without columns", "select at least one column"));
    }
    if columns.len() > ddl::MAX_COLUMNS {
        return Err(ddl::too_many_columns(columns.len()));
    }
    Ok(Made { relation, schema, taken, columns })
}

impl Made<'_> {
    fn unless_taken(self, if_not_exists: bool) -> Result<Option<Self>> {
        match &self.taken {
            Some(_) if if_not_exists => Ok(None),
            Some(table) => {
                let hint = "choose another name, or use CREATE TABLE IF NOT EXISTS";
                Err(exists(table, Some(&self.relation.name)).with_hint(hint))
            }
            None => Ok(Some(self)),
        }
    }
}

async fn write(made: Made<'_>, query: &AstQuery, q: &Query) -> Result<Write> {
    let mut seen = std::collections::HashSet::new();
    for column in &made.columns {
        if !seen.insert(&column.name) {
            let message = format!("column \"{}\" is there more than once", column.name);
            let error = Error::statement(codes::DUPLICATE_COLUMN, message);
            return Err(placed(error.with_hint("give each its own name with AS"), Some(&made.relation.name)));
        }
    }
    let snapshot = q.snapshot();
    let id = snapshot.catalog().next_table().max(TableId::FIRST_USER);
    let mut schema = TableSchema::new(id, made.relation.name.value.clone(), made.columns, vec![]);
    schema.schema = made.schema;
    ddl::add_row_id(&mut schema);
    let table = Arc::new(schema.clone());
    let catalog = vec![CatalogChange::Create { schema }];
    let batch = insert::rows_of_query(&table, query, q).await?;
    let rows = batch.num_rows();
    let operations = vec![RowOp::Insert; rows];
    let changed = super::write::Changed { table, deletes: vec![], old_rows: None, inserts: Some(batch), operations };
    let tables = effects("INSERT", changed, q).await?;
    let (tag, rows) = (format!("SELECT {rows}"), rows as u64);
    let answer = Answer { tag: tag.clone(), rows, returning: None };
    let set = WriteSet { kind: "CREATE TABLE AS".to_owned(), catalog, tables, answers: vec![answer] };
    Ok(Write { set, tag, rows, returning: None })
}
