//! Expressions over one row: CHECK conditions and stored generated columns, as they are declared and as they are run.
//!
//! Promises: a stored expression names columns by plain names alone, so a renamed table keeps it and a renamed column is
//! found in it; it is compiled once for a statement.
//! Never: an expression sees another row, another table or a parameter.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use firn_manifest::schema::TableSchema;
use firn_segment::types::sql_type;
use sqlparser::ast::{Expr, Ident, Value, Visit, VisitMut, Visitor, VisitorMut};

use crate::error::{Error, Result, sqlstate};
use crate::sql::query::Query;
use crate::sql::write::folded;
use crate::sql::{codes, errors, parse};
use crate::state::rows::sql_columns;

/// What an expression is declared for, as messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// CHECK
    Check,
    /// GENERATED ALWAYS AS … STORED
    Stored,
}

impl Purpose {
    fn shown(self) -> &'static str {
        match self {
            Self::Check => "a CHECK constraint",
            Self::Stored => "a generated column",
        }
    }
}

/// The expression over the table's columns as it is stored; refuses what it cannot hold.
///
/// # Errors
/// 0A000, 42703, 42P02, 42P17, 42804, and what compiling says.
pub fn declared(expr: &Expr, table: &TableSchema, purpose: Purpose, q: &Query) -> Result<String> {
    check_form(expr, purpose)?;
    let mut plain = expr.clone();
    let mut names = Plain { table, error: None };
    let _ = VisitMut::visit(&mut plain, &mut names);
    if let Some(error) = names.error {
        return Err(error);
    }
    let text = plain.to_string();
    let compiled = compile(&parse::parse_expr(&text)?, table, q)?;
    if is_volatile(&compiled) {
        let message = format!("the expression of {} must always give the same value for the same row", purpose.shown());
        return Err(Error::statement(codes::INVALID_OBJECT_DEFINITION, message)
            .with_hint("use a DEFAULT for a value that is drawn when the row is written"));
    }
    if purpose == Purpose::Check {
        let ty = compiled.data_type(row_schema(table).as_ref()).map_err(|e| errors::from_datafusion(&e))?;
        if !matches!(ty, arrow::datatypes::DataType::Boolean | arrow::datatypes::DataType::Null) {
            let message = "the argument of CHECK must be a boolean expression";
            return Err(
                Error::statement(codes::DATATYPE_MISMATCH, message).with_hint("write a condition: CHECK (a > 0)")
            );
        }
    }
    Ok(text)
}

fn check_form(expr: &Expr, purpose: Purpose) -> Result<()> {
    struct Form(Purpose);
    impl Visitor for Form {
        type Break = Error;

        fn pre_visit_query(&mut self, _: &sqlparser::ast::Query) -> ControlFlow<Error> {
            ControlFlow::Break(Error::unsupported(
                format!("a subquery in {}", self.0.shown()),
                "use a FOREIGN KEY, or check it in the transaction that writes",
            ))
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
            match expr {
                Expr::Value(v) if matches!(v.value, Value::Placeholder(_)) => ControlFlow::Break(
                    Error::statement(codes::UNDEFINED_PARAMETER, format!("{} cannot hold {v}", self.0.shown()))
                        .with_hint("write the value itself"),
                ),
                Expr::Function(f) if f.over.is_some() => ControlFlow::Break(Error::statement(
                    codes::WINDOWING,
                    format!("window functions are not allowed in {}", self.0.shown()),
                )),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut Form(purpose)) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Makes every column reference a plain name of the table's.
struct Plain<'a> {
    table: &'a TableSchema,
    error: Option<Error>,
}

impl VisitorMut for Plain<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let ident = match expr {
            Expr::Identifier(ident) => ident.clone(),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if folded(table).value == self.table.name => column.clone(),
                _ => {
                    let message = format!("{expr} is no column of table \"{}\"", self.table.name);
                    self.error = Some(Error::statement(sqlstate::UNDEFINED_COLUMN, message));
                    return ControlFlow::Break(());
                }
            },
            _ => return ControlFlow::Continue(()),
        };
        let name = folded(&ident).value;
        if self.table.columns.iter().any(|c| c.name == name && !c.hidden) {
            *expr = Expr::Identifier(written(&name, ident.quote_style.is_some()));
            return ControlFlow::Continue(());
        }
        // names that are no columns may be functions without parentheses (current_date)
        if ident.quote_style.is_none() && name.starts_with("current_") {
            return ControlFlow::Continue(());
        }
        let message = format!("column \"{name}\" does not exist");
        self.error =
            Some(crate::sql::write::placed(Error::statement(sqlstate::UNDEFINED_COLUMN, message), Some(&ident)));
        ControlFlow::Break(())
    }
}

/// A column's name as an expression holds it.
fn written(name: &str, quoted: bool) -> Ident {
    let simple = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_lowercase());
    if simple && !quoted { Ident::new(name) } else { Ident::with_quote('"', name) }
}

/// The columns that a stored expression names.
///
/// # Errors
/// When it does not parse.
pub fn columns_of(text: &str) -> Result<BTreeSet<String>> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Identifier(ident) = expr {
                self.0.insert(folded(ident).value);
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = parse::parse_expr(text)?.visit(&mut names);
    Ok(names.0)
}

/// The stored expression after a column was renamed.
///
/// # Errors
/// When it does not parse.
pub fn renamed(text: &str, old: &str, new: &str) -> Result<String> {
    struct Rename<'a>(&'a str, &'a str);
    impl VisitorMut for Rename<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(ident) = expr
                && folded(ident).value == self.0
            {
                *ident = Ident::with_quote('"', self.1);
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = parse::parse_expr(text)?;
    let _ = VisitMut::visit(&mut expr, &mut Rename(old, new));
    Ok(expr.to_string())
}

/// A row's columns, all nullable: an expression runs before NOT NULL is checked.
fn row_schema(table: &TableSchema) -> SchemaRef {
    let fields = table.columns.iter().map(|c| Field::new(&c.name, sql_type(c.ty), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The stored expression, ready to run over [`row_batch`].
///
/// # Errors
/// What the planner says.
pub fn compile(expr: &Expr, table: &TableSchema, q: &Query) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(row_schema(table).as_ref().clone()).map_err(|e| errors::from_datafusion(&e))?;
    q.physical_expr(expr, &schema)
}

/// Rows in stored types, as expressions see them.
///
/// # Errors
/// When the arrays are not the table's.
pub fn row_batch(table: &TableSchema, arrays: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
    let arrays = sql_columns(table, arrays)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(row_schema(table), arrays, &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" for an expression: {e}", table.name)))
}

/// The value of a stored expression for each row.
///
/// # Errors
/// What compiling and running it says.
pub fn run(text: &str, table: &TableSchema, batch: &RecordBatch, q: &Query) -> Result<ArrayRef> {
    let compiled = compile(&parse::parse_expr(text)?, table, q)?;
    let value = compiled.evaluate(batch).and_then(|v| v.into_array(batch.num_rows()));
    let array = value.map_err(|e| errors::from_datafusion(&e))?;
    if array.data_type() == &arrow::datatypes::DataType::Null {
        return Ok(new_null_array(&arrow::datatypes::DataType::Boolean, batch.num_rows()));
    }
    Ok(array)
}
