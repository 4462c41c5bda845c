//! What a column's definition says beyond its type: constraints of its own, and where its values come from.
//!
//! Promises: serial types are identity columns; every option that constrains the column becomes a constraint of the table.
//! Never: an option is ignored.

use arrow::array::ArrayRef;
use firn_manifest::schema::{ColumnType, Generated};
use firn_segment::types::sql_type;
use sqlparser::ast::{
    ColumnOption, ColumnOptionDef, DataType, Expr, GeneratedAs, GeneratedExpressionMode, Ident, IndexColumn,
    NullsDistinctOption, TableConstraint, UniqueConstraint,
};

use super::declare::Wanted;
use super::identity;
use crate::error::{Error, Result};
use crate::sql::{codes, types};

/// The integer type behind `serial` and its like.
#[must_use]
pub fn serial(ty: &DataType) -> Option<ColumnType> {
    let DataType::Custom(name, arguments) = ty else { return None };
    if !arguments.is_empty() {
        return None;
    }
    match name.to_string().to_ascii_lowercase().as_str() {
        "smallserial" | "serial2" => Some(ColumnType::SmallInt),
        "serial" | "serial4" => Some(ColumnType::Integer),
        "bigserial" | "serial8" => Some(ColumnType::BigInt),
        _ => None,
    }
}

/// The type of a declared column, and how it makes its values when the type says so.
///
/// # Errors
/// What the type says.
pub fn column_type(ty: &DataType) -> Result<(ColumnType, Option<Generated>)> {
    match serial(ty) {
        Some(ty) => Ok((ty, Some(Generated::Identity { always: false, start: 1, increment: 1, restarts: 0 }))),
        None => Ok((types::column_type(ty)?, None)),
    }
}

/// The constraint that a column option is, if it is one.
///
/// # Errors
/// 0A000.
pub fn constraint(option: &ColumnOptionDef, column: &Ident) -> Result<Option<Wanted>> {
    let name = option.name.clone();
    Ok(Some(match &option.option {
        ColumnOption::Check(check) => {
            refuse_unenforced(check.enforced)?;
            Wanted::Check { name, expr: check.expr.clone() }
        }
        ColumnOption::Unique(unique) => {
            refuse_unique_forms(unique)?;
            Wanted::Unique { name, columns: vec![column.clone()] }
        }
        ColumnOption::ForeignKey(key) => {
            Wanted::Foreign { name, columns: vec![column.clone()], references: Box::new(key.clone()) }
        }
        _ => return Ok(None),
    }))
}

/// The constraint that stands beside the columns; `None` for a primary key.
///
/// # Errors
/// 0A000.
pub fn table_constraint(constraint: &TableConstraint) -> Result<Option<Wanted>> {
    Ok(Some(match constraint {
        TableConstraint::PrimaryKey(_) => return Ok(None),
        TableConstraint::Check(check) => {
            refuse_unenforced(check.enforced)?;
            Wanted::Check { name: check.name.clone(), expr: check.expr.clone() }
        }
        TableConstraint::Unique(unique) => {
            refuse_unique_forms(unique)?;
            let columns = unique.columns.iter().map(plain_column).collect::<Result<Vec<_>>>()?;
            Wanted::Unique { name: unique.name.clone(), columns }
        }
        TableConstraint::ForeignKey(key) => {
            Wanted::Foreign { name: key.name.clone(), columns: key.columns.clone(), references: Box::new(key.clone()) }
        }
        other => {
            return Err(Error::unsupported(
                format!("table constraint {other}"),
                "use PRIMARY KEY, UNIQUE, CHECK and FOREIGN KEY",
            ));
        }
    }))
}

/// A column of an index or constraint by its plain name.
///
/// # Errors
/// 0A000 for an expression, an order or an operator class.
pub fn plain_column(part: &IndexColumn) -> Result<Ident> {
    let plain = part.operator_class.is_none()
        && part.column.options.asc.is_none_or(|ascending| ascending)
        && part.column.options.nulls_first.is_none_or(|first| !first);
    match &part.column.expr {
        Expr::Identifier(ident) if plain => Ok(ident.clone()),
        _ => Err(Error::unsupported(
            format!("{part} in an index or constraint"),
            "name plain columns: (a, b); an expression can be indexed as a stored generated column",
        )),
    }
}

fn refuse_unenforced(enforced: Option<bool>) -> Result<()> {
    if enforced == Some(false) {
        return Err(Error::unsupported("NOT ENFORCED", "leave it away; a constraint is always enforced"));
    }
    Ok(())
}

fn refuse_unique_forms(unique: &UniqueConstraint) -> Result<()> {
    if unique.characteristics.is_some() {
        return Err(Error::unsupported(
            "a deferrable UNIQUE constraint",
            "leave DEFERRABLE away; it is checked after each statement",
        ));
    }
    if matches!(unique.nulls_distinct, NullsDistinctOption::NotDistinct) {
        return Err(Error::unsupported("NULLS NOT DISTINCT", "make the columns NOT NULL; NULLs are distinct"));
    }
    Ok(())
}

/// What `GENERATED …` says.
pub enum Making {
    /// AS IDENTITY
    Identity(Generated),
    /// AS (expression) STORED
    Stored(Box<Expr>),
}

/// Reads a GENERATED option; `None` for another option.
///
/// # Errors
/// 0A000, 22023, 42P17.
pub fn making(option: &ColumnOption, ty: ColumnType, column: &str) -> Result<Option<Making>> {
    let ColumnOption::Generated { generated_as, sequence_options, generation_expr, generation_expr_mode, .. } = option
    else {
        return Ok(None);
    };
    if let Some(expr) = generation_expr {
        return match generation_expr_mode {
            Some(GeneratedExpressionMode::Stored) => Ok(Some(Making::Stored(Box::new(expr.clone())))),
            _ => Err(Error::unsupported("a virtual generated column", "add STORED, or compute it in the query")),
        };
    }
    if identity::bounds(ty).is_none() {
        let message = format!("identity column \"{column}\" must be of type smallint, integer, or bigint");
        return Err(Error::statement(crate::error::sqlstate::INVALID_PARAMETER_VALUE, message));
    }
    let (start, increment) = identity::steps(sequence_options.as_deref().unwrap_or_default(), ty)?;
    let always = matches!(generated_as, GeneratedAs::Always);
    Ok(Some(Making::Identity(Generated::Identity { always, start, increment, restarts: 0 })))
}

/// Values (SQL types) as a column of another type reads them.
///
/// # Errors
/// When there is no such cast.
pub fn read_as(array: &ArrayRef, ty: ColumnType) -> Result<ArrayRef> {
    firn_segment::types::read_as(array, &sql_type(ty))
        .map_err(|e| Error::internal(format!("a column of another type: {e}")))
}

/// Several sources of values for one column.
#[must_use]
pub fn two_sources(column: &str) -> Error {
    Error::statement(
        codes::SYNTAX_ERROR,
        format!("column \"{column}\" has more than one of DEFAULT, IDENTITY and GENERATED"),
    )
    .with_hint("keep one of them")
}
