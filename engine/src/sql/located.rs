//! The rows an UPDATE or DELETE is about: each in full, with its key and the place it stands at.
//!
//! Promises: the rows are those the statement's snapshot sees, each once.
//! Never: a row is taken without the place it was read from.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::UInt64Type;
use firn_manifest::ids::Position;
use firn_manifest::schema::TableSchema;
use sqlparser::ast::{Expr, SelectItem, TableFactor, TableWithJoins};

use super::query::Query;
use super::write::{MAX_TOUCHED_BYTES, folded, target_table};
use super::{eval, keys, names};
use crate::commit::Delete;
use crate::error::{Error, Result, sqlstate};
use crate::state::{Found, Loc, sql_schema};

/// The table a statement changes, and what it is called in it.
pub(super) struct Subject {
    pub(super) table: Arc<TableSchema>,
    pub(super) alias: String,
}

impl Subject {
    /// Reads `t [AS alias]`; anything else is refused. `verb` is UPDATE or DELETE.
    ///
    /// # Errors
    /// 42P01, 0A000.
    pub(super) fn read(from: &TableWithJoins, verb: &str, q: &Query) -> Result<Self> {
        let in_subquery = "use a subquery in WHERE: … WHERE key IN (SELECT …)";
        if !from.joins.is_empty() {
            return Err(Error::unsupported(format!("{verb} of a join"), in_subquery));
        }
        let TableFactor::Table { name, alias, args, version, sample, with_ordinality, .. } = &from.relation else {
            return Err(Error::unsupported(format!("{verb} of anything but a table"), in_subquery));
        };
        if version.is_some() {
            return Err(Error::unsupported(
                format!("{verb} of a table AS OF an earlier position"),
                "the past cannot be changed; leave AS OF away",
            ));
        }
        if args.is_some()
            || sample.is_some()
            || *with_ordinality
            || alias.as_ref().is_some_and(|a| !a.columns.is_empty())
        {
            return Err(Error::unsupported(
                format!("this form of {verb}"),
                "name the table, with an alias at the most",
            ));
        }
        let table = target_table(name, q)?;
        let alias = alias.as_ref().map_or_else(|| table.name.clone(), |a| folded(&a.name).value);
        Ok(Self { table, alias })
    }
}

/// Rows found, all in the same order.
pub(super) struct Located {
    /// where each stands, with its key
    pub(super) deletes: Vec<Delete>,
    /// each in full: every column, the hidden row id last, SQL types
    pub(super) rows: RecordBatch,
    /// what the extra expressions gave for each
    pub(super) extra: Vec<ArrayRef>,
}

/// Finds the rows that `selection` is true for, and evaluates `extra` over them.
///
/// # Errors
/// What the query layer says; 54000 when the rows are beyond what one statement may touch.
pub(super) async fn locate(
    subject: &Subject,
    extra: Vec<SelectItem>,
    selection: Option<Expr>,
    q: &Query,
) -> Result<Located> {
    let Subject { table, alias } = subject;
    let own = |name: &str| SelectItem::UnnamedExpr(eval::qualified(alias, name));
    let mut projection = vec![own("_loc"), own("_begin")];
    projection.extend(table.columns.iter().map(|c| own(&c.name)));
    projection.extend(extra);
    let source = format!("{}{}", table.name, names::ROWS);
    let from = format!("{} AS {}", eval::quoted(&source), eval::quoted(alias));
    let (schema, batches) =
        eval::rows(eval::select(&from, projection, selection)?, MAX_TOUCHED_BYTES, "touches", q).await?;
    let columns = (0..schema.fields().len()).map(|i| eval::column(&batches, i, &schema)).collect::<Result<Vec<_>>>()?;
    let width = table.columns.len();
    let [locs, begins, rest @ ..] = columns.as_slice() else {
        return Err(Error::internal("rows came without their places"));
    };
    let (own, extra) = rest.split_at(width.min(rest.len()));
    let options = RecordBatchOptions::new().with_row_count(Some(locs.len()));
    let rows = RecordBatch::try_new_with_options(sql_schema(table, true), own.to_vec(), &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" do not fit its schema: {e}", table.name)))?;
    let (Some(locs), Some(begins)) = (locs.as_primitive_opt::<UInt64Type>(), begins.as_primitive_opt::<UInt64Type>())
    else {
        return Err(Error::statement(sqlstate::INTERNAL_ERROR, "rows came with places of another type"));
    };
    let keys = keys::keys_of(table, own)?;
    let deletes = keys
        .into_iter()
        .zip(locs.values().iter().zip(begins.values()))
        .map(|(key, (loc, begin))| Delete { key, found: Found { loc: Loc(*loc), begin: Position(*begin) } })
        .collect();
    Ok(Located { deletes, rows, extra: extra.to_vec() })
}

/// Rows in SQL types without the hidden row id.
pub(super) fn visible(table: &TableSchema, rows: &RecordBatch) -> Result<RecordBatch> {
    let shown: Vec<usize> = (0..table.columns.len()).filter(|i| !table.columns[*i].hidden).collect();
    rows.project(&shown).map_err(|e| Error::internal(format!("rows of table \"{}\": {e}", table.name)))
}
