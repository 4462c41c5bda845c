//! What `\d` and `DESCRIBE` show: tables, and one table's columns.
//!
//! Promises: types, keys and defaults as they were declared, as of the position the session reads at.
//! Never: a hidden column is shown.

use arrow::array::RecordBatch;
use firn_manifest::ids::Position;

use super::information::Rows;
use super::query::Query;
use super::relation::Relation;
use super::types::display_name;
use crate::error::Result;
use crate::state::Snapshot;
use crate::state::catalog::COMMITS;

/// One row for each of the user's tables: name, columns, primary key.
///
/// # Errors
/// None in practice; what building a batch may say.
pub fn tables(snapshot: &Snapshot, at: Position) -> Result<RecordBatch> {
    let mut rows = Rows::new(&["table_name", "primary_key"], &["columns"]);
    for table in snapshot.catalog().tables(at).into_iter().filter(|t| t.index_of.is_none()) {
        let key: Vec<&str> = table.key_columns().filter(|c| !c.hidden).map(|c| c.name.as_str()).collect();
        let key = key.join(", ");
        let name = table.qualified_name();
        rows.text([Some(name.as_str()), Some(key.as_str()).filter(|k| !k.is_empty())]);
        let count = table.columns.iter().filter(|c| !c.hidden).count();
        rows.numbers([i32::try_from(count).ok()]);
    }
    Ok(rows.finish()?)
}

/// One row for each column of a table: name, type, nullability, default, place in the key.
///
/// # Errors
/// 42P01.
pub(crate) fn table(query: &Query, name: &Relation) -> Result<RecordBatch> {
    let table = name.read(query).ok_or_else(|| name.missing(query))?;
    let comments = table.columns.iter().any(|c| c.comment.is_some());
    let mut texts = vec!["column_name", "data_type", "is_nullable", "column_default"];
    texts.extend(comments.then_some("comment"));
    let mut rows = Rows::new(&texts, &["key_position"]);
    for column in table.columns.iter().filter(|c| !c.hidden) {
        let ty = display_name(column.ty);
        let nullable = if column.nullable { "YES" } else { "NO" };
        let default = column.default.as_deref().filter(|_| table.view.is_none());
        let mut row = vec![Some(column.name.as_str()), Some(ty.as_str()), Some(nullable), default];
        row.extend(comments.then_some(column.comment.as_deref()));
        rows.texts(&row);
        let place = table
            .key
            .iter()
            .position(|k| *k == column.id)
            .filter(|_| table.name == COMMITS || table.row_id().is_none());
        rows.numbers([place.and_then(|p| i32::try_from(p + 1).ok())]);
    }
    Ok(rows.finish()?)
}
