//! Statements that are not there, each with what to do instead.
//!
//! Promises: every statement that parses and is not carried out is refused by name (0A000).
//! Never: a statement is accepted and ignored.

use sqlparser::ast::Statement;

use crate::error::Error;

/// Whether the planner of writes decides about it.
pub(super) fn may_write(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::CreateTable(_)
            | Statement::AlterTable(_)
            | Statement::Drop { .. }
            | Statement::Truncate(_)
            | Statement::Merge(_)
            | Statement::CreateIndex(_)
            | Statement::AlterIndex { .. }
            | Statement::CreateView(_)
            | Statement::CreateSchema { .. }
            | Statement::Comment { .. }
    )
}

/// The refusal.
pub(super) fn error(statement: &Statement) -> Error {
    let (what, instead) = match statement {
        Statement::Copy { .. } | Statement::LoadData { .. } | Statement::Unload { .. } => {
            ("COPY", "use `firn load` to read files, or INSERT; `firn sql --format` writes results")
        }
        Statement::Execute { .. } => ("this form of EXECUTE", "write EXECUTE name (values)"),
        Statement::Declare { .. } | Statement::Fetch { .. } | Statement::Close { .. } | Statement::Open(_) => {
            ("CURSOR", "run the query itself: its rows are streamed")
        }
        Statement::Lock(_) | Statement::LockTables { .. } | Statement::UnlockTables => {
            ("LOCK", "transactions are SERIALIZABLE without locks; retry on SQLSTATE 40001")
        }
        Statement::Vacuum(_) | Statement::Analyze(_) | Statement::OptimizeTable { .. } => (
            "VACUUM and ANALYZE",
            "leave it away: statistics stand in the files, and ended versions are history that stays readable",
        ),
        Statement::Grant(_)
        | Statement::Revoke(_)
        | Statement::Deny(_)
        | Statement::CreateRole(_)
        | Statement::AlterRole { .. }
        | Statement::CreateUser(_) => ("managing roles in SQL", "access is given by the keys of a tenant, outside SQL"),
        Statement::AlterSchema(_) => ("ALTER SCHEMA", "create the tables anew in another schema"),
        Statement::CreateDatabase { .. } | Statement::Use(_) => {
            ("choosing a database in SQL", "name the namespace in the URI: ?ns=NAME")
        }
        Statement::CreateSequence { .. } => {
            ("CREATE SEQUENCE", "use gen_random_uuid() as a default, or numbers of your own")
        }
        Statement::CreateType { .. } | Statement::CreateDomain(_) => ("CREATE TYPE", "use the built-in types"),
        Statement::CreateFunction(_) | Statement::CreateProcedure { .. } | Statement::Call(_) => {
            ("functions of one's own", "write the expression in the statement, or compute it in the client")
        }
        Statement::CreateTrigger(_) => ("CREATE TRIGGER", "firn_history and firn_commits tell what changed"),
        Statement::LISTEN { .. } | Statement::UNLISTEN { .. } | Statement::NOTIFY { .. } => {
            ("LISTEN and NOTIFY", "poll firn_position(), which tells whether anything was committed")
        }
        Statement::Discard { .. } => ("DISCARD", "say RESET ALL"),
        Statement::AlterView { .. } => {
            ("ALTER VIEW", "use CREATE OR REPLACE VIEW, or DROP VIEW and CREATE VIEW in one transaction")
        }
        other => {
            return Error::unsupported(
                first_words(&other.to_string()),
                "see the dialect's page in docs/ for what is there",
            );
        }
    };
    Error::unsupported(what, instead)
}

/// The statement's first words, which name it.
fn first_words(text: &str) -> String {
    text.split_whitespace()
        .take_while(|w| w.chars().all(|c| c.is_ascii_uppercase()))
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
