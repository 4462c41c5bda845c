//! Foreign keys when a statement's changes are complete: every reference leads somewhere.
//!
//! Promises: checked against the state after the whole statement, its cascades included, so rows may refer to rows of
//! the same statement.
//! Never: a transaction forgets that it looked: a reference that is looked up counts as read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{ForeignKey, TableSchema};
use firn_segment::key::{encode_entries, encode_keys};
use firn_segment::types::{sql_type, to_sql};

use super::cascade::{Changes, Lost, is_key, loosely};
use super::children::{self, chosen, columns_of, types_of, without_nulls};
use super::rows::shown_value;
use crate::error::{Error, Result};
use crate::sql::query::Query;
use crate::sql::{codes, keys};

/// Checks every reference of the rows that begin.
///
/// # Errors
/// 23503.
pub async fn check_references(changes: &Changes, q: &Query) -> Result<()> {
    for table in &changes.tables {
        if table.schema.foreign_keys.is_empty() || table.new.is_empty() {
            continue;
        }
        let (rows, ..) = table.live()?;
        for key in &table.schema.foreign_keys {
            let types = types_of(&table.schema, &key.columns)?;
            let own = columns_of(&table.schema, rows.columns(), &key.columns)?;
            let mut own = without_nulls(&own)?;
            // what the table referred to before is there, unless the other table loses rows too
            if !table.old.is_empty() && changes.table(key.table).is_none_or(|t| t.deletes.is_empty()) {
                own = without_known(table, key, &types, own)?;
            }
            check_all(&table.schema, key, &own, Some(changes), q).await?;
        }
    }
    Ok(())
}

fn without_known(
    table: &super::cascade::TableChanges,
    key: &ForeignKey,
    types: &[firn_manifest::schema::ColumnType],
    own: Vec<ArrayRef>,
) -> Result<Vec<ArrayRef>> {
    let mut known: HashSet<Vec<u8>> = HashSet::new();
    for old in &table.old {
        known.extend(encode_entries(&columns_of(&table.schema, old.columns(), &key.columns)?, types)?);
    }
    let entries = encode_entries(&own, types)?;
    let fresh: Vec<u32> =
        (0u32..).zip(&entries).filter(|(_, entry)| !known.contains(*entry)).map(|(row, _)| row).collect();
    chosen(&own, &fresh)
}

/// Checks references (no NULLs, stored types) of `child`.
///
/// # Errors
/// 23503.
pub async fn check_all(
    child: &TableSchema,
    key: &ForeignKey,
    own: &[ArrayRef],
    changes: Option<&Changes>,
    q: &Query,
) -> Result<()> {
    if own.first().is_none_or(|a| a.is_empty()) {
        return Ok(());
    }
    let snapshot = q.snapshot();
    let parent = snapshot.catalog().by_id(key.table, snapshot.position()).cloned();
    // a table that refers to itself and is being made
    let parent = parent.ok_or_else(|| Error::internal(format!("constraint \"{}\" refers to no table", key.name)))?;
    let types = types_of(&parent, &key.referenced)?;
    let cast: Vec<ArrayRef> =
        own.iter().zip(&types).map(|(array, ty)| loosely(&to_sql(array)?, &sql_type(*ty))).collect::<Result<_>>()?;
    let missing = missing(&parent, &key.referenced, &cast, changes, q).await?;
    let Some(row) = missing.first() else { return Ok(()) };
    let names: Vec<&str> = key.columns.iter().filter_map(|id| child.column(*id)).map(|c| c.name.as_str()).collect();
    let shown: Vec<String> = own.iter().map(|a| shown_value(a, *row)).collect();
    let message =
        format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", child.name, key.name);
    Err(Error::statement(codes::FOREIGN_KEY_VIOLATION, message).with_detail(format!(
        "Key ({})=({}) is not present in table \"{}\".",
        names.join(", "),
        shown.join(", "),
        parent.name
    )))
}

/// Checks that nothing refers to what was lost.
///
/// # Errors
/// 23503.
pub async fn check_lost(changes: &Changes, q: &Query) -> Result<()> {
    for lost in &changes.lost {
        check_one(lost, changes, q).await?;
    }
    Ok(())
}

async fn check_one(lost: &Lost, changes: &Changes, q: &Query) -> Result<()> {
    // another row may have the values now
    let gone = missing(&lost.parent, &lost.key.referenced, &lost.tuples, Some(changes), q).await?;
    let gone: Vec<u32> = gone.into_iter().map(|row| u32::try_from(row).unwrap_or(u32::MAX)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let types = types_of(&lost.child, &lost.key.columns)?;
    let cast = chosen(&lost.tuples, &gone)?
        .iter()
        .zip(&types)
        .map(|(array, ty)| loosely(array, &sql_type(*ty)))
        .collect::<Result<Vec<_>>>()?;
    let whole = without_nulls(&cast)?;
    if whole.first().is_none_or(|a| a.is_empty()) {
        return Ok(());
    }
    let found = children::find(&lost.child, &lost.key.columns, &whole, q).await?;
    let ended = changes.table(lost.child.id).map(|t| &t.ended);
    let left = found.deletes.iter().zip(&found.tuples).find(|(d, _)| ended.is_none_or(|e| !e.contains(&d.key)));
    let Some((_, tuple)) = left else { return Ok(()) };
    let names: Vec<&str> =
        lost.key.referenced.iter().filter_map(|id| lost.parent.column(*id)).map(|c| c.name.as_str()).collect();
    let shown: Vec<String> = whole.iter().map(|a| shown_value(a, *tuple)).collect();
    let message = format!(
        "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
        lost.parent.name, lost.key.name, lost.child.name
    );
    Err(Error::statement(codes::FOREIGN_KEY_VIOLATION, message).with_detail(format!(
        "Key ({})=({}) is still referenced from table \"{}\".",
        names.join(", "),
        shown.join(", "),
        lost.child.name
    )))
}

/// The tuples (SQL types of `parent`) that no row of it holds after the statement.
async fn missing(
    parent: &Arc<TableSchema>,
    columns: &[ColumnId],
    tuples: &[ArrayRef],
    changes: Option<&Changes>,
    q: &Query,
) -> Result<Vec<usize>> {
    let types = types_of(parent, columns)?;
    let rows = tuples.first().map_or(0, Array::len);
    let entries = encode_entries(tuples, &types)?;
    let changed = changes.and_then(|c| c.table(parent.id));
    let mut there: HashSet<Vec<u8>> = HashSet::new();
    if let Some(changed) = changed.filter(|c| !c.new.is_empty()) {
        let (live, ..) = changed.live()?;
        there.extend(encode_entries(&columns_of(parent, live.columns(), columns)?, &types)?);
    }
    // each value is looked up once
    let mut asked: HashMap<&Vec<u8>, u32> = HashMap::new();
    for (row, entry) in (0u32..).zip(&entries) {
        let whole = tuples.iter().all(|a| a.is_valid(row as usize));
        if whole && !there.contains(entry) {
            asked.entry(entry).or_insert(row);
        }
    }
    let mut ask: Vec<u32> = asked.into_values().collect();
    ask.sort_unstable();
    if !ask.is_empty() {
        let wanted = chosen(tuples, &ask)?;
        for at in stored(parent, columns, &wanted, changed.map(|c| &c.ended), q).await? {
            there.insert(entries[ask[at] as usize].clone());
        }
    }
    Ok((0..rows).filter(|row| !there.contains(&entries[*row])).collect())
}

/// Which of the tuples a stored row holds that the statement does not end.
async fn stored(
    parent: &Arc<TableSchema>,
    columns: &[ColumnId],
    tuples: &[ArrayRef],
    ended: Option<&HashSet<firn_segment::key::Key>>,
    q: &Query,
) -> Result<Vec<usize>> {
    let stays = |key: &firn_segment::key::Key| ended.is_none_or(|ended| !ended.contains(key));
    if !is_key(parent, columns) {
        let found = children::find(parent, columns, tuples, q).await?;
        let kept = found.deletes.iter().zip(&found.tuples).filter(|(d, _)| stays(&d.key));
        return Ok(kept.map(|(_, tuple)| *tuple).collect());
    }
    children::record(parent, columns, tuples, q)?;
    let place = |id: &ColumnId| columns.iter().position(|c| c == id).and_then(|at| tuples.get(at)).cloned();
    let ordered: Vec<ArrayRef> = parent.key.iter().filter_map(place).collect();
    let wanted = encode_keys(&ordered, &types_of(parent, &parent.key)?)?;
    let found = keys::locate(parent, &wanted, q).await?;
    let held = wanted.iter().zip(found).enumerate();
    Ok(held.filter(|(_, (key, found))| found.is_some() && stays(key)).map(|(at, _)| at).collect())
}
