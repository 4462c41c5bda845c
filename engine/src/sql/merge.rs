//! MERGE: rows of a source meet rows of a table, and each pair is updated, deleted, inserted or left alone.
//!
//! Promises: the first clause that fits decides; every expression sees the table as it was before the statement, and is
//! evaluated only for the rows its clause is for.
//! Never: a row of the table is changed twice (21000).

use std::collections::HashSet;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take, take_record_batch};
use arrow::datatypes::Int64Type;
use firn_manifest::schema::TableSchema;
use firn_segment::record::RowOp;
use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, CaseWhen, Expr, Merge, MergeAction, MergeClause, MergeClauseKind,
    MergeInsertExpr, MergeInsertKind, SelectItem, TableWithJoins, Value, helpers::attached_token::AttachedToken,
};

use super::around::NOTHING;
use super::insert::Proposed;
use super::located::{Located, Subject, locate_joined};
use super::query::Query;
use super::sets::Sets;
use super::update::moved;
use super::write::{Changed, Write, row_write};
use super::{codes, eval, keys};
use crate::commit::Delete;
use crate::error::{Error, Result};

/// MERGE.
///
/// # Errors
/// 42P01, 42703, 42601, 21000, 23502, 23505, 54000, 0A000, and what the expressions and assignment say.
pub async fn merge(merge: &Merge, q: &Query) -> Result<Write> {
    if merge.output.is_some() {
        return Err(Error::unsupported("MERGE … RETURNING", "SELECT the rows afterwards, in the same transaction"));
    }
    let target = TableWithJoins { relation: merge.table.clone(), joins: vec![] };
    let subject = Subject::read(&target, "MERGE", q)?;
    let clauses = clauses(&merge.clauses, &subject, q)?;
    let action = action(&merge.clauses, &subject.alias);
    let mut projection = vec![eval::named(action.clone(), "firn_action")];
    for (clause, number) in clauses.iter().zip(1i64..) {
        let guarded = clause.projection().into_iter().enumerate().map(|(i, item)| match item {
            SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) => {
                eval::named(only_if(&action, number, expr), format!("firn_c{number}_{i}"))
            }
            other => other,
        });
        projection.extend(guarded);
    }
    let everything = merge.clauses.iter().any(|c| c.clause_kind != MergeClauseKind::Matched);
    let found = locate_joined(&subject, projection, &merge.source, (*merge.on).clone(), everything, q).await?;
    let table = &subject.table;
    let actions = numbers(&found.extra)?;
    let mut effects = Effects::default();
    let mut at = 1;
    for (clause, number) in clauses.iter().zip(1i64..) {
        let width = clause.projection().len();
        let values = found.extra.get(at..at + width).unwrap_or_default();
        at += width;
        let rows: Vec<u32> = (0u32..).zip(&actions).filter(|(_, a)| **a == number).map(|(row, _)| row).collect();
        if !rows.is_empty() {
            effects.add(clause, table, &found, values, &UInt32Array::from(rows), q).await?;
        }
    }
    let count = effects.count;
    let changed = effects.changed(&subject, q).await?;
    row_write("MERGE", count, changed, None, q).await
}

/// What a clause does.
enum Action {
    Nothing,
    Delete,
    Update(Sets),
    Insert(Proposed),
}

impl Action {
    fn projection(&self) -> Vec<SelectItem> {
        match self {
            Self::Nothing | Self::Delete => vec![],
            Self::Update(sets) => sets.projection(),
            Self::Insert(proposed) => proposed.projection(),
        }
    }
}

fn clauses(clauses: &[MergeClause], subject: &Subject, q: &Query) -> Result<Vec<Action>> {
    clauses
        .iter()
        .map(|clause| {
            let matched = match clause.clause_kind {
                MergeClauseKind::Matched => true,
                MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => false,
                MergeClauseKind::NotMatchedBySource => {
                    return Err(Error::unsupported(
                        "WHEN NOT MATCHED BY SOURCE",
                        "use DELETE or UPDATE … WHERE NOT EXISTS in the same transaction",
                    ));
                }
            };
            match &clause.action {
                MergeAction::Update(update) if matched => {
                    if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                        return Err(Error::unsupported("WHERE inside WHEN MATCHED", "use WHEN MATCHED AND …"));
                    }
                    let nothing = |target: &AssignmentTarget| {
                        matches!(target, AssignmentTarget::ColumnName(name) if name.to_string().contains(NOTHING))
                    };
                    if update.assignments.iter().any(|a| nothing(&a.target)) {
                        return Ok(Action::Nothing);
                    }
                    Ok(Action::Update(Sets::read(&subject.table, &subject.alias, &update.assignments, q)?))
                }
                MergeAction::Delete { .. } if matched => Ok(Action::Delete),
                MergeAction::Insert(insert) if !matched => proposed(insert, &subject.table, q),
                _ => Err(Error::statement(
                    codes::SYNTAX_ERROR,
                    "WHEN MATCHED takes UPDATE, DELETE or DO NOTHING, WHEN NOT MATCHED takes INSERT or DO NOTHING",
                )),
            }
        })
        .collect()
}

fn proposed(insert: &MergeInsertExpr, table: &TableSchema, q: &Query) -> Result<Action> {
    if insert.columns.iter().any(|c| c.to_string().contains(NOTHING)) {
        return Ok(Action::Nothing);
    }
    let MergeInsertKind::Values(values) = &insert.kind else {
        return Err(Error::unsupported("INSERT ROW", "use INSERT (columns) VALUES (…)"));
    };
    match values.rows.as_slice() {
        [row] if insert.insert_predicate.is_none() => {
            Ok(Action::Insert(Proposed::read(table, &insert.columns, &row.content, q)?))
        }
        _ => {
            Err(Error::statement(codes::SYNTAX_ERROR, "WHEN NOT MATCHED inserts one row: INSERT (columns) VALUES (…)"))
        }
    }
}

/// The number of the clause that fits, 0 for none.
fn action(clauses: &[MergeClause], alias: &str) -> Expr {
    let place = || Box::new(eval::qualified(alias, "_loc"));
    let conditions = clauses.iter().zip(1i64..).map(|(clause, number)| {
        let matched = match clause.clause_kind {
            MergeClauseKind::Matched => Expr::IsNotNull(place()),
            _ => Expr::IsNull(place()),
        };
        let condition = match &clause.predicate {
            Some(predicate) => Expr::BinaryOp {
                left: Box::new(matched),
                op: BinaryOperator::And,
                right: Box::new(Expr::Nested(Box::new(predicate.clone()))),
            },
            None => matched,
        };
        CaseWhen { condition, result: number_expr(number) }
    });
    case(conditions.collect(), Some(number_expr(0)))
}

/// The expression, evaluated only where that clause is the one that fits.
fn only_if(action: &Expr, number: i64, expr: Expr) -> Expr {
    let condition =
        Expr::BinaryOp { left: Box::new(action.clone()), op: BinaryOperator::Eq, right: Box::new(number_expr(number)) };
    case(vec![CaseWhen { condition, result: expr }], None)
}

fn case(conditions: Vec<CaseWhen>, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: otherwise.map(Box::new),
    }
}

fn number_expr(number: i64) -> Expr {
    Expr::Value(Value::Number(number.to_string(), false).into())
}

fn numbers(extra: &[ArrayRef]) -> Result<Vec<i64>> {
    let column = extra.first().and_then(|a| a.as_primitive_opt::<Int64Type>());
    column.map(|c| c.values().to_vec()).ok_or_else(|| Error::internal("MERGE gave no actions"))
}

/// All that the clauses do.
#[derive(Default)]
struct Effects {
    count: usize,
    deletes: Vec<Delete>,
    old: Vec<RecordBatch>,
    new: Vec<RecordBatch>,
    updated: usize,
}

impl Effects {
    async fn add(
        &mut self,
        clause: &Action,
        table: &TableSchema,
        found: &Located,
        values: &[ArrayRef],
        rows: &UInt32Array,
        q: &Query,
    ) -> Result<()> {
        let wrong = |e: arrow::error::ArrowError| Error::internal(format!("MERGE: {e}"));
        let values = values.iter().map(|v| take(v, rows, None)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        match clause {
            Action::Nothing => return Ok(()),
            Action::Insert(proposed) => {
                let inserted = proposed.rows(table, &values, rows.len(), q).await?;
                self.new.push(inserted);
            }
            Action::Delete | Action::Update(_) => {
                let old = take_record_batch(&found.rows, rows).map_err(wrong)?;
                self.deletes.extend(rows.values().iter().filter_map(|row| found.deletes.get(*row as usize).cloned()));
                if let Action::Update(sets) = clause {
                    let new = sets.apply(table, &old, &values, q).await?;
                    // updated rows stand before inserted ones
                    self.new.insert(self.updated, new);
                    self.updated += 1;
                }
                self.old.push(old);
            }
        }
        self.count += rows.len();
        Ok(())
    }

    async fn changed(self, subject: &Subject, q: &Query) -> Result<Changed> {
        let table = &subject.table;
        let mut seen = HashSet::new();
        if !self.deletes.iter().all(|d| seen.insert(d.found.loc)) {
            let message = format!("MERGE would change a row of table \"{}\" a second time", table.name);
            return Err(Error::statement(codes::CARDINALITY_VIOLATION, message)
                .with_hint("more than one row of the source matches it; make the source's rows distinct"));
        }
        let join = |batches: &[RecordBatch]| match batches.first() {
            Some(first) => concat_batches(&first.schema(), batches).map(Some),
            None => Ok(None),
        };
        let wrong = |e: arrow::error::ArrowError| Error::internal(format!("MERGE: {e}"));
        let updated: usize = self.new.iter().take(self.updated).map(RecordBatch::num_rows).sum();
        let old_rows = join(&self.old).map_err(wrong)?;
        let inserts = join(&self.new).map_err(wrong)?;
        let operations = match &inserts {
            None => vec![],
            // the engine draws the numbers of rows without a key
            Some(new) if table.row_id().is_some() => {
                (0..new.num_rows()).map(|row| if row < updated { RowOp::Update } else { RowOp::Insert }).collect()
            }
            Some(new) => {
                let keys = keys::keys_of(table, new.columns())?;
                moved(table, &self.deletes, &keys, q).await?
            }
        };
        Ok(Changed { table: table.clone(), deletes: self.deletes, old_rows, inserts, operations })
    }
}
