//! TRUNCATE: every row of one or more tables ends.
//!
//! Promises: all tables in one commit; the rows' past stays readable, in AS OF and in their history. RESTART IDENTITY is
//! part of the commit, and undone with it.
//! Never: a table that another refers to is emptied without it.

use std::sync::Arc;

use firn_manifest::schema::{CatalogChange, Generated, TableSchema};
use firn_segment::record::Answer;
use sqlparser::ast::{CascadeOption, Truncate, TruncateIdentityOption};

use super::constraints::effects::emptied;
use super::located::{Located, Subject, locate};
use super::query::Query;
use super::write::{Changed, Write, target_table};
use crate::commit::WriteSet;
use crate::error::{Error, Result};

const TAG: &str = "TRUNCATE TABLE";

/// TRUNCATE.
///
/// # Errors
/// 42P01, 42809, 42501, 54000, 0A000.
pub async fn truncate(truncate: &Truncate, q: &Query) -> Result<Write> {
    if truncate.partitions.is_some() || truncate.on_cluster.is_some() || truncate.if_exists {
        return Err(Error::unsupported("an option of TRUNCATE", "write TRUNCATE TABLE t, u"));
    }
    let mut tables: Vec<Arc<TableSchema>> = Vec::new();
    for target in &truncate.table_names {
        let table = target_table(&target.name, q)?;
        if !tables.iter().any(|t| t.id == table.id) {
            tables.push(table);
        }
    }
    let cascade = matches!(truncate.cascade, Some(CascadeOption::Cascade));
    with_referrers(&mut tables, cascade, q)?;
    let restart = matches!(truncate.identity, Some(TruncateIdentityOption::Restart));
    let mut catalog = Vec::new();
    if restart {
        for table in &mut tables {
            if let Some(schema) = restarted(table, q) {
                *table = Arc::new(schema.clone());
                catalog.push(CatalogChange::Alter { schema });
            }
        }
    }
    let mut writes = Vec::new();
    for table in tables {
        let subject = Subject { alias: table.name.clone(), table, with: None };
        let Located { deletes, rows, .. } = locate(&subject, vec![], &[], None, q).await?;
        let table = subject.table.clone();
        let changed = Changed { table, deletes, old_rows: Some(rows), inserts: None, operations: vec![] };
        writes.extend(emptied(changed, q).await?);
    }
    let answer = Answer { tag: TAG.to_owned(), rows: 0, returning: None };
    let set = WriteSet { kind: "TRUNCATE".to_owned(), catalog, tables: writes, answers: vec![answer] };
    Ok(Write { set, tag: TAG.to_owned(), rows: 0, returning: None })
}

/// The next version of a table, whose identity columns begin again; `None` when it has none.
fn restarted(table: &TableSchema, q: &Query) -> Option<TableSchema> {
    let mut next = table.clone();
    let mut any = false;
    for column in &mut next.columns {
        if let Some(Generated::Identity { restarts, .. }) = &mut column.generated {
            *restarts = restarts.wrapping_add(1);
            any = true;
            // what a transaction drew that was rolled back, or will be
            q.snapshot().counters().forget((table.id, column.id, *restarts));
        }
    }
    any.then_some(next)
}

/// Adds the tables that refer to one of those, or refuses without CASCADE.
fn with_referrers(tables: &mut Vec<Arc<TableSchema>>, cascade: bool, q: &Query) -> Result<()> {
    let snapshot = q.snapshot();
    let all = snapshot.catalog().tables(snapshot.position());
    let mut next = 0;
    while let Some(table) = tables.get(next).cloned() {
        next += 1;
        for other in all.iter().filter(|t| t.foreign_keys.iter().any(|f| f.table == table.id)) {
            if tables.iter().any(|t| t.id == other.id) {
                continue;
            }
            if !cascade {
                return Err(Error::unsupported(
                    format!(
                        "TRUNCATE of table \"{}\", which table \"{}\" refers to",
                        table.qualified_name(),
                        other.qualified_name()
                    ),
                    "name both tables, or use TRUNCATE … CASCADE",
                ));
            }
            tables.push(other.clone());
        }
    }
    Ok(())
}
