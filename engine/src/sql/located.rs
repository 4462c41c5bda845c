//! The rows an UPDATE or DELETE is about: each in full, with its key and the place it stands at.
//!
//! Promises: the rows are those the statement's snapshot sees, each once.
//! Never: a row is taken without the place it was read from.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef, UInt64Type};
use firn_manifest::ids::Position;
use firn_manifest::schema::TableSchema;
use firn_segment::key::Key;
use sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, Query as AstQuery, SelectItem, TableFactor, TableWithJoins, With,
};

use super::query::Query;
use super::relation::source_rows;
use super::write::{MAX_TOUCHED_BYTES, folded, target_table};
use super::{eval, keys, pinned};
use crate::commit::Delete;
use crate::error::{Error, Result, sqlstate};
use crate::state::{Found, Loc, sql_schema};

/// The table a statement changes, and what it is called in it.
pub(super) struct Subject {
    pub(super) table: Arc<TableSchema>,
    pub(super) alias: String,
    /// the WITH before the statement
    pub(super) with: Option<With>,
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
        Ok(Self { table, alias, with: None })
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

/// Finds the rows that `selection` is true for, and evaluates `extra` over them. With `more` tables in FROM, a row that
/// meets several of theirs is taken once, with the first.
///
/// # Errors
/// What the query layer says; 54000 when the rows are beyond what one statement may touch.
pub(super) async fn locate(
    subject: &Subject,
    extra: Vec<SelectItem>,
    more: &[TableWithJoins],
    selection: Option<Expr>,
    q: &Query,
) -> Result<Located> {
    if more.is_empty()
        && subject.with.is_none()
        && let Some(located) = pinned::locate(subject, &extra, selection.as_ref(), q).await?
    {
        return Ok(located);
    }
    let mut query = eval::select(&from(subject), projection(subject, extra), selection)?;
    eval::select_of(&mut query)?.from.extend_from_slice(more);
    let found = read(subject, query, q).await?;
    if more.is_empty() { Ok(found) } else { found.each_once() }
}

/// The pairs of a source's rows and the table's that `on` is true for; with `all`, the source's others too, whose place
/// means nothing then.
///
/// # Errors
/// As [`locate`].
pub(super) async fn locate_joined(
    subject: &Subject,
    extra: Vec<SelectItem>,
    source: &TableFactor,
    on: Expr,
    all: bool,
    q: &Query,
) -> Result<Located> {
    let mut query = eval::select(&from(subject), projection(subject, extra), None)?;
    let select = eval::select_of(&mut query)?;
    let Some(TableWithJoins { relation, .. }) = select.from.pop() else {
        return Err(Error::internal("a query of ours without its table"));
    };
    let on = JoinConstraint::On(on);
    let join_operator = if all { JoinOperator::Left(on) } else { JoinOperator::Inner(on) };
    let joins = vec![Join { relation, global: false, join_operator }];
    select.from.push(TableWithJoins { relation: source.clone(), joins });
    read(subject, query, q).await
}

fn from(subject: &Subject) -> String {
    format!("{} AS {}", source_rows(&subject.table), eval::quoted(&subject.alias))
}

fn projection(subject: &Subject, extra: Vec<SelectItem>) -> Vec<SelectItem> {
    let own = |name: &str| SelectItem::UnnamedExpr(eval::qualified(&subject.alias, name));
    let mut projection = vec![own("_loc"), own("_begin")];
    projection.extend(subject.table.columns.iter().map(|c| own(&c.name)));
    projection.extend(extra);
    projection
}

async fn read(subject: &Subject, mut query: AstQuery, q: &Query) -> Result<Located> {
    let table = &subject.table;
    query.with.clone_from(&subject.with);
    let (schema, batches) = eval::rows(query, MAX_TOUCHED_BYTES, "touches", q).await?;
    let columns = (0..schema.fields().len()).map(|i| eval::column(&batches, i, &schema)).collect::<Result<Vec<_>>>()?;
    let width = table.columns.len();
    let [locs, begins, rest @ ..] = columns.as_slice() else {
        return Err(Error::internal("rows came without their places"));
    };
    let (own, extra) = rest.split_at(width.min(rest.len()));
    let options = RecordBatchOptions::new().with_row_count(Some(locs.len()));
    // a source's row without a match has no row of the table
    let whole = sql_schema(table, true);
    let whole = if locs.null_count() > 0 { nullable(&whole) } else { whole };
    let rows = RecordBatch::try_new_with_options(whole, own.to_vec(), &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" do not fit its schema: {e}", table.name)))?;
    let (Some(locs), Some(begins)) = (locs.as_primitive_opt::<UInt64Type>(), begins.as_primitive_opt::<UInt64Type>())
    else {
        return Err(Error::statement(sqlstate::INTERNAL_ERROR, "rows came with places of another type"));
    };
    let matched = arrow::compute::is_not_null(locs).map_err(|e| Error::internal(format!("places of rows: {e}")))?;
    let there = own.iter().map(|a| filter(a, &matched)).collect::<Result<Vec<_>, _>>();
    let there = there.map_err(|e| Error::internal(format!("rows that were found: {e}")))?;
    let mut keys = keys::keys_of(table, &there)?.into_iter();
    let deletes = matched
        .values()
        .iter()
        .map(|there| if there { keys.next().unwrap_or_default() } else { Key::default() })
        .zip(locs.values().iter().zip(begins.values()))
        .map(|(key, (loc, begin))| Delete { key, found: Found { loc: Loc(*loc), begin: Position(*begin) } })
        .collect();
    Ok(Located { deletes, rows, extra: extra.to_vec() })
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    Arc::new(Schema::new(fields))
}

impl Located {
    /// Each row once, with what the extra expressions gave first.
    fn each_once(self) -> Result<Self> {
        let mut seen = HashSet::with_capacity(self.deletes.len());
        let first: Vec<bool> = self.deletes.iter().map(|d| seen.insert(d.found.loc)).collect();
        if first.iter().all(|f| *f) {
            return Ok(self);
        }
        let wrong = |e: arrow::error::ArrowError| Error::internal(format!("rows that were found: {e}"));
        let mask = BooleanArray::from(first.clone());
        let deletes = self.deletes.into_iter().zip(first).filter(|(_, first)| *first).map(|(d, _)| d).collect();
        let rows = filter_record_batch(&self.rows, &mask).map_err(wrong)?;
        let extra = self.extra.iter().map(|a| filter(a, &mask)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        Ok(Self { deletes, rows, extra })
    }
}

/// Rows in SQL types without the hidden row id.
pub(super) fn visible(table: &TableSchema, rows: &RecordBatch) -> Result<RecordBatch> {
    let shown: Vec<usize> = (0..table.columns.len()).filter(|i| !table.columns[*i].hidden).collect();
    rows.project(&shown).map_err(|e| Error::internal(format!("rows of table \"{}\": {e}", table.name)))
}
