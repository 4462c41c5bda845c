//! `firn_history('t')`: every version of every row of a table, as a query over its versions and the commits.
//!
//! Promises: one row for each version that began at or before the position read, with who made it and who ended it,
//! in the columns of the table's last version; dropped tables answer too.
//! Never: a version that ended after the position read shows its end.

use std::fmt::Write as _;

use firn_manifest::ids::Position;
use firn_manifest::schema::TableSchema;
use sqlparser::ast;

use super::{names, parse};
use crate::error::Result;
use crate::state::catalog::COMMITS;

/// The function's name.
pub const FUNCTION: &str = "firn_history";

/// The query that lists the versions of `table` as of `at`.
///
/// # Errors
/// None for a table of the catalog.
pub fn query(table: &TableSchema, at: Position) -> Result<ast::Query> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut sql = String::from("SELECT ");
    for column in table.columns.iter().filter(|c| !c.hidden) {
        let _ = write!(sql, "v.{}, ", quote(&column.name));
    }
    let keys: Vec<String> = table.key_columns().map(|c| quote(&c.name)).collect();
    let versions = format!("{}.{}", quote(table.schema_name()), quote(&names::history(&table.name)));
    let _ = write!(
        sql,
        "CAST(v._begin AS BIGINT) AS _begin, CAST(v.firn_end AS BIGINT) AS _end, \
         b.committed_at AS _committed_at, e.committed_at AS _ended_at, b.actor AS _actor, e.actor AS _ended_by, \
         CASE v._op WHEN 0 THEN 'INSERT' ELSE 'UPDATE' END AS _operation, \
         CASE WHEN v.firn_end IS NULL THEN NULL WHEN v.firn_next = v.firn_end THEN 'UPDATE' ELSE 'DELETE' END AS _end_operation \
         FROM (SELECT *, CASE WHEN _end <= {at} THEN _end END AS firn_end, \
         CASE WHEN lead(_op) OVER w = 1 THEN lead(_begin) OVER w END AS firn_next \
         FROM {versions} WHERE _begin <= {at} WINDOW w AS (PARTITION BY {keys} ORDER BY _begin)) v \
         LEFT JOIN {COMMITS} b ON b.position = CAST(v._begin AS BIGINT) \
         LEFT JOIN {COMMITS} e ON e.position = CAST(v.firn_end AS BIGINT)",
        keys = keys.join(", "),
    );
    parse::trusted(&sql)
}
