//! Every error of DataFusion, Arrow and the parser, as one of ours with its SQLSTATE.
//!
//! Promises: an [`Error`] that travelled through DataFusion comes out as it went in; everything else gets the code
//! PostgreSQL would give it, and words a user can act on.
//! Never: wording of a library's own layers ("Error during planning: …") reaches the user.

use arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, Diagnostic, SchemaError};
use sqlparser::parser::ParserError;

use super::messages;
use crate::error::{Error, ErrorKind};

/// What DataFusion or a layer below it said, as an error of ours.
#[must_use]
pub fn from_datafusion(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => from_any(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::SQL(inner, _) => from_parser(inner),
        DataFusionError::NotImplemented(message) => messages::not_implemented(message),
        DataFusionError::Plan(message) => messages::plan(message),
        DataFusionError::Configuration(message) => Error::statement("22023", messages::tidy(message)),
        DataFusionError::SchemaError(inner, _) => from_schema(inner),
        DataFusionError::Execution(message) => messages::execution(message),
        DataFusionError::ResourcesExhausted(message) => {
            Error::statement("53200", "the statement needs more memory than it may use".to_owned())
                .with_detail(messages::tidy(message))
                .with_hint("read fewer rows at a time, or add a filter or a LIMIT")
        }
        DataFusionError::IoError(inner) => {
            Error::new(ErrorKind::Store, "58030", format!("a temporary file could not be used: {inner}"))
        }
        DataFusionError::Context(_, inner) => from_datafusion(inner),
        DataFusionError::Diagnostic(diagnostic, inner) => placed(from_datafusion(inner), diagnostic),
        DataFusionError::Collection(inner) => {
            inner.first().map_or_else(|| internal("an empty list of errors"), from_datafusion)
        }
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::ExecutionJoin(inner) => internal(&inner.to_string()),
        DataFusionError::Internal(message) => messages::internal(message),
        other => internal(&other.to_string()),
    }
}

/// What Arrow's kernels said.
#[must_use]
pub fn from_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => from_any(inner.as_ref()),
        ArrowError::DivideByZero => Error::statement("22012", "division by zero"),
        ArrowError::ArithmeticOverflow(message) => messages::overflow(message),
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ComputeError(message) => messages::value(message),
        ArrowError::NotYetImplemented(message) => messages::not_implemented(message),
        ArrowError::MemoryError(message) => Error::statement("53200", messages::tidy(message)),
        other => internal(&other.to_string()),
    }
}

/// What the parser said; the place stands in its text.
#[must_use]
pub fn from_parser(error: &ParserError) -> Error {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let (message, at) = messages::split_place(message);
            let mut error = Error::statement("42601", format!("syntax error: {}", messages::lower_first(&message)));
            error.at = at;
            error
        }
        ParserError::RecursionLimitExceeded => super::parse::too_deep(),
    }
}

/// For closures that hand an error of ours to DataFusion.
#[must_use]
pub fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        from_datafusion(&error)
    }
}

fn from_any(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner);
    }
    let text = error.to_string();
    if text.contains("regex parse error") {
        return messages::execution(&text);
    }
    internal(&text)
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::AmbiguousReference { field } => {
            Error::statement("42702", format!("column reference \"{}\" is ambiguous", field.name))
                .with_hint("put the table's name or alias before it")
        }
        SchemaError::DuplicateQualifiedField { qualifier, name } => Error::statement(
            "42712",
            format!("column \"{name}\" of \"{qualifier}\" appears twice: a table name is used more than once"),
        )
        .with_hint("give each table reference its own alias"),
        SchemaError::DuplicateUnqualifiedField { name } => {
            Error::statement("42701", format!("column \"{name}\" appears more than once"))
                .with_hint("give each column its own name with AS")
        }
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields),
    }
}

fn unknown_column(field: &Column, valid: &[Column]) -> Error {
    let shown = match &field.relation {
        Some(relation) => format!("{}.{}", relation.table(), field.name),
        None => field.name.clone(),
    };
    let error =
        Error::statement("42703", format!("column \"{}\" does not exist", super::fault::shorten_to(&shown, 255)));
    let mut names: Vec<&str> =
        valid.iter().map(|c| c.name.as_str()).filter(|n| !super::names::is_internal(n)).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return error;
    }
    if let Some(folded) = names.iter().find(|n| n.to_lowercase() == field.name.to_lowercase() && **n != field.name) {
        return error
            .with_hint(format!("write \"{folded}\" in double quotes: without them a name is read in lower case"));
    }
    let close = messages::similar(&field.name, names.iter().copied());
    if close.is_empty() {
        let listed: Vec<&str> = names.iter().take(12).copied().collect();
        let more = if names.len() > listed.len() { ", …" } else { "" };
        error.with_hint(format!("the columns are {}{more}", listed.join(", ")))
    } else {
        error.with_hint(format!("did you mean {}?", close.join(" or ")))
    }
}

fn placed(mut error: Error, diagnostic: &Diagnostic) -> Error {
    if error.at.is_none()
        && let Some(span) = diagnostic.span
    {
        error.at = Some((span.start.line, span.start.column));
    }
    error
}

fn internal(message: &str) -> Error {
    Error::internal(format!("the statement could not be carried out: {}", messages::tidy(message)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::Arc;

    use super::*;

    #[test]
    fn our_error_survives_the_layers() {
        let ours = Error::integrity("sst/x.parquet", "digest differs");
        let wrapped = DataFusionError::Shared(Arc::new(DataFusionError::Context(
            "somewhere".into(),
            Box::new(DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(external(ours)))), None)),
        )));
        let back = from_datafusion(&wrapped);
        assert_eq!(back.kind, ErrorKind::Integrity);
        assert!(back.message.contains("sst/x.parquet"));
    }

    #[test]
    fn unknown_column_names_candidates() {
        let error = from_schema(&SchemaError::FieldNotFound {
            field: Box::new(Column::from_name("nmae")),
            valid_fields: vec![Column::from_name("id"), Column::from_name("name")],
        });
        assert_eq!(error.sqlstate, "42703");
        assert_eq!(error.hint.as_deref(), Some("did you mean name?"));
    }

    #[test]
    fn parser_place_is_taken_out_of_the_text() {
        let error = from_parser(&ParserError::ParserError("Expected: end, found: x at Line: 3, Column: 14".into()));
        assert_eq!(error.at, Some((3, 14)));
        assert!(!error.message.contains("Line"));
    }
}
