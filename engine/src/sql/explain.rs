//! What a statement that writes would read, for EXPLAIN.
//!
//! Promises: the plan shown is of the rows the statement would look at.
//! Never: anything is written or run here.

use sqlparser::ast::{
    FromTable, Ident, ObjectNamePart, Query, SetExpr, Statement, TableFactor, TableObject, TableWithJoins,
    UpdateTableFromKind,
};

use super::names::ROWS;
use super::parse;
use super::resolve::folded;
use crate::error::{Error, Result};

/// What the statement does, and the query over what it reads, if it reads.
///
/// # Errors
/// 0A000 for a statement that cannot be explained.
pub fn sources(statement: &Statement) -> Result<(String, Option<Query>)> {
    Ok(match statement {
        Statement::Insert(insert) => {
            let name = match &insert.table {
                TableObject::TableName(name) => name.to_string(),
                other => other.to_string(),
            };
            let source = insert.source.as_deref().cloned();
            (format!("Insert on {name}"), source.filter(|s| !matches!(s.body.as_ref(), SetExpr::Values(_))))
        }
        Statement::Update(update) => {
            let (Some(UpdateTableFromKind::BeforeSet(more)) | Some(UpdateTableFromKind::AfterSet(more))) = &update.from
            else {
                return Ok((
                    title("Update", &update.table),
                    Some(over(vec![update.table.clone()], update.selection.clone())?),
                ));
            };
            let tables = std::iter::once(&update.table).chain(more).cloned().collect();
            (title("Update", &update.table), Some(over(tables, update.selection.clone())?))
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let Some(table) = from.first() else {
                return Err(Error::unsupported("this DELETE", "write DELETE FROM table"));
            };
            let tables = from.iter().chain(delete.using.iter().flatten()).cloned().collect();
            (title("Delete", table), Some(over(tables, delete.selection.clone())?))
        }
        Statement::CreateTable(create) => (format!("Create table {}", create.name), create.query.as_deref().cloned()),
        Statement::AlterTable(alter) => (format!("Alter table {}", alter.name), None),
        Statement::Drop { names, .. } => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            (format!("Drop {}", names.join(", ")), None)
        }
        other => {
            return Err(Error::unsupported(
                format!("EXPLAIN of {other}"),
                "explain a SELECT, INSERT, UPDATE or DELETE",
            ));
        }
    })
}

fn title(what: &str, table: &TableWithJoins) -> String {
    format!("{what} on {}", table.relation)
}

/// The rows that a statement looks at: the first table with its rows' locations.
fn over(mut tables: Vec<TableWithJoins>, selection: Option<sqlparser::ast::Expr>) -> Result<Query> {
    if let Some(TableFactor::Table { name, alias, .. }) = tables.first_mut().map(|t| &mut t.relation)
        && let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut()
    {
        let plain = last.clone();
        *last = Ident::with_quote('"', format!("{}{ROWS}", folded(last)));
        alias.get_or_insert(sqlparser::ast::TableAlias { explicit: true, name: plain, columns: vec![], at: None });
    }
    let mut query = parse::trusted("SELECT *")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = tables;
        select.selection = selection;
    }
    Ok(query)
}
