//! ALTER TABLE: the next version of a table's schema.
//!
//! Promises: several actions of one statement make one new version; rows written before a column was added show its
//! constant default, without a byte being rewritten. Key columns and their types never change.
//! Never: stored rows are touched.

use arrow::array::{Array, ArrayRef, AsArray};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{CatalogChange, Column, TableSchema};
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, Expr, Ident, ObjectName, RenameTableNameKind,
};

use super::ddl::{MAX_COLUMNS, check_name, declare, duplicate_column, too_many_columns};
use super::query::Query;
use super::text::as_text;
use super::write::{Write, column_index, find_table, folded, placed, schema_write, table_ident, target_table};
use super::{codes, defaults, eval};
use crate::error::{Error, Result, sqlstate};
use crate::state::rows::initial_values;

/// ALTER TABLE.
///
/// # Errors
/// 42P01, 42P07, 42701, 42703, 42P16, 23502, 54011, 42939, 0A000, and what a default says.
pub async fn alter_table(alter: &AlterTable, q: &Query) -> Result<Write> {
    if alter.location.is_some() || alter.on_cluster.is_some() || alter.table_type.is_some() {
        return Err(Error::unsupported("this form of ALTER TABLE", "use ALTER TABLE … ADD, DROP or RENAME"));
    }
    let table =
        if alter.if_exists { find_table(&table_ident(&alter.name)?, q)? } else { Some(target_table(&alter.name, q)?) };
    let Some(table) = table else { return Ok(schema_write("ALTER TABLE", vec![])) };
    let mut next = Next { schema: (*table).clone(), old: &table, empty: None, q };
    for operation in &alter.operations {
        next.apply(operation).await?;
    }
    if next.schema == *table {
        return Ok(schema_write("ALTER TABLE", vec![]));
    }
    Ok(schema_write("ALTER TABLE", vec![CatalogChange::Alter { schema: next.schema }]))
}

/// The version that is being made.
struct Next<'a> {
    schema: TableSchema,
    old: &'a TableSchema,
    empty: Option<bool>,
    q: &'a Query,
}

impl Next<'_> {
    async fn apply(&mut self, operation: &AlterTableOperation) -> Result<()> {
        match operation {
            AlterTableOperation::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                self.add(column_def, *if_not_exists).await
            }
            AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
                column_names.iter().try_for_each(|name| self.drop(name, *if_exists))
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                self.rename(old_column_name, new_column_name)
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
            } => self.rename_table(name),
            AlterTableOperation::AlterColumn { column_name, op } => self.alter_column(column_name, op).await,
            AlterTableOperation::AddConstraint { .. } => Err(Error::unsupported(
                "ALTER TABLE ADD CONSTRAINT",
                "declare the PRIMARY KEY in CREATE TABLE; to change it, create a new table and INSERT INTO … SELECT",
            )),
            AlterTableOperation::DropConstraint { .. } | AlterTableOperation::DropPrimaryKey { .. } => {
                Err(Error::unsupported(
                    "dropping a constraint",
                    "create a new table with the key you want and INSERT INTO … SELECT",
                ))
            }
            AlterTableOperation::OwnerTo { .. } => {
                Err(Error::unsupported("OWNER TO", "leave it away; a namespace has one owner"))
            }
            other => Err(Error::unsupported(
                format!("ALTER TABLE … {other}"),
                "use ADD COLUMN, DROP COLUMN, RENAME COLUMN, RENAME TO, or ALTER COLUMN … SET/DROP DEFAULT or NOT NULL",
            )),
        }
    }

    async fn is_empty(&mut self) -> Result<bool> {
        if let Some(empty) = self.empty {
            return Ok(empty);
        }
        let one = eval::skeleton(&eval::quoted(&self.old.name))?;
        let empty = !eval::any_row(one, self.q).await?;
        self.empty = Some(empty);
        Ok(empty)
    }

    async fn add(&mut self, definition: &ColumnDef, if_not_exists: bool) -> Result<()> {
        let declared = declare(definition, self.schema.next_column)?;
        let mut column = declared.column;
        if self.schema.columns.iter().any(|c| c.name == column.name) {
            if if_not_exists {
                return Ok(());
            }
            return Err(duplicate_column(&column.name, &self.schema.name, &definition.name));
        }
        let is_key = |option: &sqlparser::ast::ColumnOptionDef| {
            matches!(option.option, sqlparser::ast::ColumnOption::PrimaryKey(_))
        };
        if definition.options.iter().any(is_key) {
            return Err(Error::unsupported(
                "adding a primary key to a table that exists",
                "create a new table with the key you want and INSERT INTO … SELECT",
            ));
        }
        let visible = self.schema.columns.iter().filter(|c| !c.hidden).count();
        if visible >= MAX_COLUMNS {
            return Err(too_many_columns(visible + 1));
        }
        if let Some(default) = &declared.default {
            let value = defaults::check(default, &column, self.q).await?;
            column.initial = self.initial(default, &column, &value).await?;
        }
        if !column.nullable && column.initial.is_none() && !self.is_empty().await? {
            return Err(contains_nulls(&column.name, &self.schema.name)
                .with_hint("give the column a DEFAULT, which the rows that exist will show"));
        }
        self.schema.next_column = self.schema.next_column.next();
        let at = self.schema.columns.iter().position(|c| c.hidden).unwrap_or(self.schema.columns.len());
        self.schema.columns.insert(at, column);
        Ok(())
    }

    /// The text of the value that existing rows show for a column that is added with a default.
    async fn initial(&mut self, default: &Expr, column: &Column, value: &ArrayRef) -> Result<Option<String>> {
        if value.is_null(0) {
            return Ok(None);
        }
        if defaults::volatile(default, column, self.q)? {
            if self.is_empty().await? {
                return Ok(None);
            }
            return Err(Error::unsupported(
                "adding a column whose DEFAULT gives another value for each row",
                "add the column without the DEFAULT, UPDATE the rows, then ALTER COLUMN … SET DEFAULT",
            ));
        }
        let text = as_text(value)?.as_string::<i32>().value(0).to_owned();
        let stored = Column { initial: Some(text.clone()), ..column.clone() };
        match initial_values(&stored, 1) {
            Ok(read) if read.to_data() == value.to_data() => Ok(Some(text)),
            _ => Err(Error::unsupported(
                format!("the value {text} as the DEFAULT of an added column"),
                "add the column without the DEFAULT, UPDATE the rows, then ALTER COLUMN … SET DEFAULT",
            )),
        }
    }

    fn drop(&mut self, name: &Ident, if_exists: bool) -> Result<()> {
        let at = match column_index(&self.schema, name) {
            Ok(at) => at,
            Err(_) if if_exists => return Ok(()),
            Err(error) => return Err(error),
        };
        let column = &self.schema.columns[at];
        if self.schema.key.contains(&column.id) {
            let message = format!(
                "column \"{}\" is part of the primary key of table \"{}\" and cannot be dropped",
                column.name, self.schema.name
            );
            let error = Error::statement(codes::INVALID_TABLE_DEFINITION, message);
            return Err(placed(
                error.with_hint("create a new table with another key and INSERT INTO … SELECT"),
                Some(name),
            ));
        }
        if self.schema.columns.iter().filter(|c| !c.hidden).count() == 1 {
            return Err(Error::unsupported("dropping the last column", "use DROP TABLE, or add another column first"));
        }
        self.schema.columns.remove(at);
        Ok(())
    }

    fn rename(&mut self, old: &Ident, new: &Ident) -> Result<()> {
        let at = column_index(&self.schema, old)?;
        let ident = folded(new);
        check_name(&ident, "column")?;
        if self.schema.columns.iter().any(|c| c.name == ident.value) {
            return Err(duplicate_column(&ident.value, &self.schema.name, new));
        }
        self.schema.columns[at].name = ident.value;
        Ok(())
    }

    fn rename_table(&mut self, name: &ObjectName) -> Result<()> {
        let ident = table_ident(name)?;
        check_name(&ident, "table")?;
        if find_table(&ident, self.q)?.is_some() {
            let error = Error::statement(codes::DUPLICATE_TABLE, format!("table \"{}\" exists already", ident.value));
            return Err(placed(error, Some(&ident)));
        }
        self.schema.name = ident.value;
        Ok(())
    }

    async fn alter_column(&mut self, name: &Ident, op: &AlterColumnOperation) -> Result<()> {
        let at = column_index(&self.schema, name)?;
        match op {
            AlterColumnOperation::SetDefault { value } => {
                defaults::check(value, &self.schema.columns[at], self.q).await?;
                self.schema.columns[at].default = Some(value.to_string());
                Ok(())
            }
            AlterColumnOperation::DropDefault => {
                self.schema.columns[at].default = None;
                Ok(())
            }
            AlterColumnOperation::DropNotNull => {
                let column = &mut self.schema.columns[at];
                if self.schema.key.contains(&column.id) {
                    let message = format!("column \"{}\" is part of the primary key and cannot be NULL", column.name);
                    return Err(placed(Error::statement(codes::INVALID_TABLE_DEFINITION, message), Some(name)));
                }
                column.nullable = true;
                Ok(())
            }
            AlterColumnOperation::SetNotNull => self.set_not_null(at).await,
            AlterColumnOperation::SetDataType { .. } => Err(Error::unsupported(
                "changing a column's type",
                "add a column of the new type, UPDATE it from the old one, drop the old and rename the new",
            )),
            AlterColumnOperation::AddGenerated { .. } => Err(Error::unsupported("GENERATED", "use a DEFAULT")),
        }
    }

    async fn set_not_null(&mut self, at: usize) -> Result<()> {
        let id: ColumnId = self.schema.columns[at].id;
        let nulls = match self.old.column(id) {
            Some(column) => {
                let mut query = eval::skeleton(&eval::quoted(&self.old.name))?;
                let is_null = Expr::IsNull(Box::new(Expr::Identifier(Ident::with_quote('"', &column.name))));
                eval::select_of(&mut query)?.selection = Some(is_null);
                eval::any_row(query, self.q).await?
            }
            None => self.schema.columns[at].initial.is_none() && !self.is_empty().await?,
        };
        if nulls {
            return Err(contains_nulls(&self.schema.columns[at].name, &self.schema.name)
                .with_hint("UPDATE the rows that are NULL first"));
        }
        self.schema.columns[at].nullable = false;
        Ok(())
    }
}

fn contains_nulls(column: &str, table: &str) -> Error {
    Error::statement(
        sqlstate::NOT_NULL_VIOLATION,
        format!("column \"{column}\" of relation \"{table}\" contains null values"),
    )
}
