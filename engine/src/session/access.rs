//! What a statement needs to be allowed: reading, writing rows, or changing what is there.
//!
//! Promises: the answer depends on the statement alone; what is not known to do less needs the most.
//! Never: a statement that writes counts as one that reads, whatever it is wrapped in.

use sqlparser::ast;

use super::writes;
use crate::sql::create_as;
use crate::sql::parse::Statement;

/// What a statement does, each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// it reads, or only concerns the session
    Read,
    /// it changes rows
    Write,
    /// it changes tables, views, schemas, indexes or comments
    Schema,
}

impl Statement {
    /// What it does. EXECUTE is that of the statement it names, and is answered as [`Access::Schema`].
    #[must_use]
    pub fn access(&self) -> Access {
        of(&self.ast)
    }

    /// Whether it begins or ends a transaction.
    #[must_use]
    pub fn bounds_transaction(&self) -> bool {
        use ast::Statement as S;
        matches!(self.ast, S::StartTransaction { .. } | S::Commit { .. } | S::Rollback { savepoint: None, .. })
    }
}

fn of(statement: &ast::Statement) -> Access {
    use ast::Statement as S;
    match statement {
        S::Query(query) if create_as::into_of(query).is_some() => Access::Schema,
        S::Query(query) if writes(query) => Access::Write,
        S::Query(_) => Access::Read,
        S::Insert(_) | S::Update(_) | S::Delete(_) | S::Merge(_) => Access::Write,
        S::Explain { statement, .. } | S::Prepare { statement, .. } => of(statement),
        S::StartTransaction { .. }
        | S::Commit { .. }
        | S::Rollback { .. }
        | S::Savepoint { .. }
        | S::ReleaseSavepoint { .. }
        | S::Set(_)
        | S::Reset(_)
        | S::Deallocate { .. }
        | S::ExplainTable { .. }
        | S::ShowVariable { .. }
        | S::ShowVariables { .. }
        | S::ShowTables { .. }
        | S::ShowColumns { .. }
        | S::ShowViews { .. }
        | S::ShowSchemas { .. }
        | S::ShowDatabases { .. }
        | S::ShowCreate { .. } => Access::Read,
        _ => Access::Schema,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::Access;
    use crate::session::parse;

    #[test]
    fn what_a_statement_needs() {
        for (sql, access) in [
            ("SELECT 1", Access::Read),
            ("WITH a AS (SELECT 1) SELECT * FROM a", Access::Read),
            ("EXPLAIN SELECT 1", Access::Read),
            ("SHOW TABLES", Access::Read),
            ("BEGIN", Access::Read),
            ("SET firn.as_of = '3'", Access::Read),
            ("INSERT INTO t VALUES (1)", Access::Write),
            ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Access::Write),
            ("WITH a AS (SELECT 1) DELETE FROM t USING a", Access::Write),
            ("EXPLAIN ANALYZE DELETE FROM t", Access::Write),
            ("PREPARE p AS UPDATE t SET a = 1", Access::Write),
            ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", Access::Write),
            ("SELECT * INTO u FROM t", Access::Schema),
            ("CREATE TABLE t (a INT)", Access::Schema),
            ("TRUNCATE t", Access::Schema),
            ("COMMENT ON TABLE t IS 'x'", Access::Schema),
            ("GRANT SELECT ON t TO u", Access::Schema),
            ("EXECUTE p (1)", Access::Schema),
        ] {
            assert_eq!(parse(sql).unwrap().remove(0).access(), access, "{sql}");
        }
    }
}
