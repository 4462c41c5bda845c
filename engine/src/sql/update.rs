//! UPDATE: old rows end, new ones begin, keys checked over the whole statement.
//!
//! Promises: every expression sees the rows as they were before the statement; keys may change and even be swapped,
//! as long as they are unique afterwards.
//! Never: a row is changed twice.

use std::collections::HashSet;

use firn_manifest::schema::TableSchema;
use firn_segment::key::Key;
use firn_segment::record::RowOp;
use sqlparser::ast::{Update, UpdateTableFromKind, With};

use super::keys;
use super::located::{Located, Subject, locate};
use super::query::Query;
use super::returning::returning;
use super::sets::Sets;
use super::write::{Changed, Write, row_write, sql_rows};
use crate::commit::Delete;
use crate::error::{Error, Result};

/// UPDATE.
///
/// # Errors
/// 42P01, 42703, 42601, 23502, 23505, 54000, 0A000, and what the expressions and assignment say.
pub async fn update(update: &Update, with: Option<&With>, q: &Query) -> Result<Write> {
    refuse_other_forms(update)?;
    let subject = Subject { with: with.cloned(), ..Subject::read(&update.table, "UPDATE", q)? };
    let more = match &update.from {
        Some(UpdateTableFromKind::BeforeSet(more) | UpdateTableFromKind::AfterSet(more)) => more.as_slice(),
        None => &[],
    };
    let sets = Sets::read(&subject.table, &subject.alias, &update.assignments, q)?;
    let Located { deletes, rows: old, extra } =
        locate(&subject, sets.projection(), more, update.selection.clone(), q).await?;
    let table = &subject.table;
    let new = sets.apply(table, &old, &extra, q).await?;
    let operations = if sets.touch_key(table) {
        let new_keys = keys::keys_of(table, new.columns())?;
        moved(table, &deletes, &new_keys, q).await?
    } else {
        vec![RowOp::Update; new.num_rows()]
    };
    let count = new.num_rows();
    let shown = || sql_rows(table, &new, false);
    let returned = returning(update.returning.as_deref(), table, &subject.alias, shown, q).await?;
    let changed = Changed { table: table.clone(), deletes, old_rows: Some(old), inserts: Some(new), operations };
    row_write("UPDATE", count, changed, returned, q).await
}

/// Checks the keys that rows move to, and says of each whether it supersedes a row of the same key.
///
/// # Errors
/// 23505.
pub(super) async fn moved(table: &TableSchema, deletes: &[Delete], new_keys: &[Key], q: &Query) -> Result<Vec<RowOp>> {
    let ended: HashSet<&Key> = deletes.iter().map(|d| &d.key).collect();
    keys::check_free(table, new_keys, &ended, q).await?;
    Ok(new_keys.iter().map(|key| if ended.contains(key) { RowOp::Update } else { RowOp::Insert }).collect())
}

fn refuse_other_forms(update: &Update) -> Result<()> {
    let by_key = "choose the rows in WHERE: … WHERE key IN (SELECT key … ORDER BY … LIMIT …)";
    let refused = [
        (update.limit.is_some(), "UPDATE … LIMIT", by_key),
        (!update.order_by.is_empty(), "UPDATE … ORDER BY", by_key),
        (update.or.is_some(), "UPDATE OR …", "leave it away; a statement passes as a whole or not at all"),
        (update.output.is_some(), "OUTPUT", "use RETURNING"),
    ];
    match refused.iter().find(|(given, ..)| *given) {
        Some((_, what, instead)) => Err(Error::unsupported(what, instead)),
        None => Ok(()),
    }
}
