//! DELETE: rows end.
//!
//! Promises: RETURNING gives the rows as they were; their past stays readable.
//! Never: a row that the statement's snapshot does not see is deleted.

use sqlparser::ast::{Delete, FromTable, With};

use super::codes;
use super::located::{Located, Subject, locate, visible};
use super::query::Query;
use super::returning::returning;
use super::write::{Changed, Write, row_write};
use crate::error::{Error, Result};

/// DELETE.
///
/// # Errors
/// 42P01, 42703, 54000, 0A000, and what the condition says.
pub async fn delete(delete: &Delete, with: Option<&With>, q: &Query) -> Result<Write> {
    refuse_other_forms(delete)?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [from] = from.as_slice() else {
        return Err(Error::statement(codes::SYNTAX_ERROR, "DELETE FROM takes one table"));
    };
    let subject = Subject { with: with.cloned(), ..Subject::read(from, "DELETE", q)? };
    let using = delete.using.as_deref().unwrap_or_default();
    let Located { deletes, rows, .. } = locate(&subject, vec![], using, delete.selection.clone(), q).await?;
    let table = &subject.table;
    let shown = || visible(table, &rows);
    let returned = returning(delete.returning.as_deref(), table, &subject.alias, shown, q).await?;
    let count = deletes.len();
    let changed = Changed { table: table.clone(), deletes, old_rows: Some(rows), inserts: None, operations: vec![] };
    row_write("DELETE", count, changed, returned, q).await
}

fn refuse_other_forms(delete: &Delete) -> Result<()> {
    let by_key = "choose the rows in WHERE: … WHERE key IN (SELECT key … ORDER BY … LIMIT …)";
    let refused = [
        (delete.limit.is_some(), "DELETE … LIMIT", by_key),
        (!delete.order_by.is_empty(), "DELETE … ORDER BY", by_key),
        (!delete.tables.is_empty(), "DELETE from several tables", "use one DELETE for each in one transaction"),
        (delete.output.is_some(), "OUTPUT", "use RETURNING"),
    ];
    match refused.iter().find(|(given, ..)| *given) {
        Some((_, what, instead)) => Err(Error::unsupported(what, instead)),
        None => Ok(()),
    }
}
