//! SHOW and DESCRIBE.
//!
//! Promises: what is shown is what the session reads: its settings, and the catalog at its position.
//! Never: SHOW changes anything.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use sqlparser::ast::{Ident, ObjectName, ShowStatementOptions, Statement};

use super::context::{CATALOG, INFORMATION_SCHEMA};
use super::describe;
use super::information::Rows;
use super::query::Query;
use super::relation::Relation;
use super::settings::Settings;
use crate::error::{Error, Result};

/// What a SHOW asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// one setting
    Setting(String),
    /// all settings
    Settings,
    /// the user's tables
    Tables,
    /// one table's columns
    Columns(ObjectName),
    /// the schemas
    Schemas,
}

/// What a statement asks to show; `None` for any other statement.
///
/// # Errors
/// 0A000 for a SHOW that is not supported.
pub fn of(statement: &Statement) -> Result<Option<Show>> {
    Ok(Some(match statement {
        Statement::ShowVariable { variable } => setting(variable),
        Statement::ShowTables { show_options, .. } => {
            plain("SHOW TABLES", show_options)?;
            Show::Tables
        }
        Statement::ShowColumns { show_options, .. } => {
            let name = show_options.show_in.as_ref().and_then(|i| i.parent_name.as_ref());
            match name {
                Some(name) => Show::Columns(name.clone()),
                None => {
                    return Err(Error::unsupported("SHOW COLUMNS without a table", "write SHOW COLUMNS FROM table"));
                }
            }
        }
        Statement::ShowSchemas { .. } => Show::Schemas,
        Statement::ExplainTable { table_name, .. } => Show::Columns(table_name.clone()),
        Statement::ShowFunctions { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. } => {
            return Err(Error::unsupported(
                statement.to_string(),
                "use SHOW TABLES, SHOW COLUMNS FROM table, SHOW ALL, or the tables of information_schema",
            ));
        }
        _ => return Ok(None),
    }))
}

fn setting(words: &[Ident]) -> Show {
    let name = words.iter().map(|w| w.value.to_ascii_lowercase()).collect::<Vec<_>>();
    match name.join(" ").as_str() {
        "all" => Show::Settings,
        "time zone" => Show::Setting("timezone".to_owned()),
        "transaction isolation level" => Show::Setting("transaction_isolation".to_owned()),
        _ => Show::Setting(name.join(".")),
    }
}

fn plain(what: &str, options: &ShowStatementOptions) -> Result<()> {
    if options.filter_position.is_some() || options.show_in.is_some() || options.limit.is_some() {
        return Err(Error::unsupported(format!("{what} with a filter"), "query information_schema.tables"));
    }
    Ok(())
}

impl Show {
    /// Whether the catalog is needed.
    #[must_use]
    pub fn needs_catalog(&self) -> bool {
        matches!(self, Self::Tables | Self::Columns(_) | Self::Schemas)
    }

    /// What is shown of the catalog.
    ///
    /// # Errors
    /// 42P01.
    pub fn catalog(&self, query: &Query) -> Result<RecordBatch> {
        match self {
            Self::Columns(name) => describe::table(query, &Relation::of(name)?),
            Self::Schemas => {
                let mut rows = Rows::new(&["catalog_name", "schema_name"], &[]);
                for name in query.snapshot().catalog().schema_names(query.at()) {
                    rows.text([Some(CATALOG), Some(name.as_str())]);
                }
                rows.text([Some(CATALOG), Some(INFORMATION_SCHEMA)]);
                Ok(rows.finish()?)
            }
            _ => {
                let mut rows = Rows::new(&["table_schema", "table_name", "table_type"], &[]);
                for table in query.snapshot().catalog().tables(query.at()) {
                    if table.index_of.is_none() {
                        let kind = if table.view.is_some() { "VIEW" } else { "BASE TABLE" };
                        rows.text([Some(table.schema_name()), Some(table.name.as_str()), Some(kind)]);
                    }
                }
                Ok(rows.finish()?)
            }
        }
    }

    /// What is shown of the session.
    ///
    /// # Errors
    /// 42704 for a setting that is not known.
    pub fn session(&self, settings: &Settings) -> Result<RecordBatch> {
        match self {
            Self::Setting(name) => {
                let value = settings.show(name)?;
                let field = Field::new(name, DataType::Utf8View, true);
                let array = Arc::new(StringViewArray::from_iter_values([value]));
                RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array])
                    .map_err(|e| Error::internal(format!("SHOW {name}: {e}")))
            }
            _ => {
                let mut rows = Rows::new(&["name", "setting"], &[]);
                for (name, value) in settings.all() {
                    rows.text([Some(name.as_str()), Some(value.as_str())]);
                }
                Ok(rows.finish()?)
            }
        }
    }
}
