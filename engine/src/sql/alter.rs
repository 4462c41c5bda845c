//! ALTER TABLE: the next version of a table's schema.
//!
//! Promises: several actions of one statement make one new version; rows written before a column was added show its
//! constant default, without a byte being rewritten. Key columns and their types never change.
//! Never: stored rows are touched.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{Column, TableSchema};
use firn_segment::types::column_to_sql;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, DropBehavior, Expr, Ident, ObjectName,
    RenameTableNameKind,
};

use super::constraints::declare::Building;
use super::constraints::{column, dependents, names as relations, widen};
use super::ddl::{MAX_COLUMNS, check_name, declare, duplicate_column, too_many_columns};
use super::query::Query;
use super::relation::{Relation, exists, source};
use super::text::as_text;
use super::write::{Write, column_index, folded, placed, schema_write, target_table};
use super::{codes, defaults, eval, types, views};
use crate::error::{Error, Result, sqlstate};
use crate::state::rows::initial_values;

/// ALTER TABLE.
///
/// # Errors
/// 42P01, 42P07, 42701, 42703, 42P16, 23502, 2BP01, 54011, 42939, 0A000, and what a default or constraint says.
pub async fn alter_table(alter: &AlterTable, q: &Query) -> Result<Write> {
    if alter.location.is_some() || alter.on_cluster.is_some() || alter.table_type.is_some() {
        return Err(Error::unsupported("this form of ALTER TABLE", "use ALTER TABLE … ADD, DROP or RENAME"));
    }
    let table = if alter.if_exists && Relation::of(&alter.name)?.find(q).is_none() {
        None
    } else {
        Some(target_table(&alter.name, q)?)
    };
    let Some(table) = table else { return Ok(schema_write("ALTER TABLE", vec![])) };
    let mut next = Next { building: Building::alter(&table, q), old: &table, empty: None, q };
    for operation in &alter.operations {
        next.apply(operation).await?;
    }
    if next.building.schema != *table {
        views::check_change(&next.building.schema, q).await?;
    }
    Ok(next.building.finish("ALTER TABLE"))
}

/// The version that is being made.
struct Next<'a> {
    building: Building<'a>,
    old: &'a Arc<TableSchema>,
    empty: Option<bool>,
    q: &'a Query,
}

impl Next<'_> {
    async fn apply(&mut self, operation: &AlterTableOperation) -> Result<()> {
        match operation {
            AlterTableOperation::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                self.add(column_def, *if_not_exists).await
            }
            AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
                let cascade = matches!(drop_behavior, Some(DropBehavior::Cascade));
                column_names.iter().try_for_each(|name| self.drop(name, *if_exists, cascade))
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                self.rename(old_column_name, new_column_name)
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
            } => self.rename_table(name),
            AlterTableOperation::AlterColumn { column_name, op } => self.alter_column(column_name, op).await,
            AlterTableOperation::AddConstraint { constraint, not_valid: false } => {
                match column::table_constraint(constraint)? {
                    Some(wanted) => self.building.add(&wanted).await,
                    None => Err(Error::unsupported(
                        "adding a primary key to a table that exists",
                        "create a new table with the key you want and INSERT INTO … SELECT",
                    )),
                }
            }
            AlterTableOperation::AddConstraint { not_valid: true, .. } => {
                Err(Error::unsupported("NOT VALID", "leave it away; the rows that exist are checked"))
            }
            AlterTableOperation::DropConstraint { name, if_exists, .. } => {
                dependents::drop_constraint(&mut self.building, name, *if_exists, self.q)
            }
            AlterTableOperation::RenameConstraint { old_name, new_name } => {
                dependents::rename_constraint(&mut self.building, old_name, new_name, self.q)
            }
            AlterTableOperation::DropPrimaryKey { .. } => Err(Error::unsupported(
                "dropping the primary key",
                "create a new table with the key you want and INSERT INTO … SELECT",
            )),
            AlterTableOperation::OwnerTo { .. } => {
                Err(Error::unsupported("OWNER TO", "leave it away; a namespace has one owner"))
            }
            other => Err(Error::unsupported(
                format!("ALTER TABLE … {other}"),
                "use ADD or DROP COLUMN or CONSTRAINT, RENAME, or ALTER COLUMN … SET/DROP DEFAULT or NOT NULL, or TYPE",
            )),
        }
    }

    async fn is_empty(&mut self) -> Result<bool> {
        if let Some(empty) = self.empty {
            return Ok(empty);
        }
        let one = eval::skeleton(&source(self.old))?;
        let empty = !eval::any_row(one, self.q).await?;
        self.empty = Some(empty);
        Ok(empty)
    }

    async fn add(&mut self, definition: &ColumnDef, if_not_exists: bool) -> Result<()> {
        let declared = declare(definition, self.building.schema.next_column)?;
        let mut column = declared.column;
        if (declared.stored.is_some() || column.generated.is_some()) && !self.is_empty().await? {
            return Err(Error::unsupported(
                "adding a generated column to a table that has rows",
                "create a new table with the column and INSERT INTO … SELECT",
            ));
        }
        if self.building.schema.columns.iter().any(|c| c.name == column.name) {
            if if_not_exists {
                return Ok(());
            }
            return Err(duplicate_column(&column.name, &self.building.schema.name, &definition.name));
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
        let visible = self.building.schema.columns.iter().filter(|c| !c.hidden).count();
        if visible >= MAX_COLUMNS {
            return Err(too_many_columns(visible + 1));
        }
        if let Some(default) = &declared.default {
            let value = defaults::check(default, &column, self.q).await?;
            column.initial = self.initial(default, &column, &value).await?;
        }
        if !column.nullable && column.initial.is_none() && !self.is_empty().await? {
            return Err(contains_nulls(&column.name, &self.building.schema.name)
                .with_hint("give the column a DEFAULT, which the rows that exist will show"));
        }
        self.building.schema.next_column = self.building.schema.next_column.next();
        let at =
            self.building.schema.columns.iter().position(|c| c.hidden).unwrap_or(self.building.schema.columns.len());
        let id = column.id;
        self.building.schema.columns.insert(at, column);
        if let Some(expr) = &declared.stored {
            self.building.generate(id, expr)?;
        }
        for wanted in &declared.constraints {
            self.building.add(wanted).await?;
        }
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
        let shown = as_text(&column_to_sql(value, column.ty)?)?;
        let text = shown.as_string::<i32>().value(0).to_owned();
        let stored = Column { initial: Some(text.clone()), ..column.clone() };
        match initial_values(&stored, 1) {
            Ok(read) if read.to_data() == value.to_data() => Ok(Some(text)),
            _ => Err(Error::unsupported(
                format!("the value {text} as the DEFAULT of an added column"),
                "add the column without the DEFAULT, UPDATE the rows, then ALTER COLUMN … SET DEFAULT",
            )),
        }
    }

    fn drop(&mut self, name: &Ident, if_exists: bool, cascade: bool) -> Result<()> {
        let at = match column_index(&self.building.schema, name) {
            Ok(at) => at,
            Err(_) if if_exists => return Ok(()),
            Err(error) => return Err(error),
        };
        let column = &self.building.schema.columns[at];
        if self.building.schema.key.contains(&column.id) {
            let message = format!(
                "column \"{}\" is part of the primary key of table \"{}\" and cannot be dropped",
                column.name, self.building.schema.name
            );
            let error = Error::statement(codes::INVALID_TABLE_DEFINITION, message);
            return Err(placed(
                error.with_hint("create a new table with another key and INSERT INTO … SELECT"),
                Some(name),
            ));
        }
        if self.building.schema.columns.iter().filter(|c| !c.hidden).count() == 1 {
            return Err(Error::unsupported("dropping the last column", "use DROP TABLE, or add another column first"));
        }
        let id = column.id;
        dependents::drop_column(&mut self.building, id, cascade, self.q).map_err(|e| placed(e, Some(name)))?;
        self.building.schema.columns.remove(at);
        Ok(())
    }

    fn rename(&mut self, old: &Ident, new: &Ident) -> Result<()> {
        let at = column_index(&self.building.schema, old)?;
        let ident = folded(new);
        check_name(&ident, "column")?;
        if self.building.schema.columns.iter().any(|c| c.name == ident.value) {
            return Err(duplicate_column(&ident.value, &self.building.schema.name, new));
        }
        let old = std::mem::replace(&mut self.building.schema.columns[at].name, ident.value.clone());
        dependents::rename_column(&mut self.building.schema, &old, &ident.value)
    }

    fn rename_table(&mut self, name: &ObjectName) -> Result<()> {
        let ident = folded(Relation::plain(name)?);
        check_name(&ident, "table")?;
        let renamed = Relation { schema: Some(Ident::with_quote('"', self.old.schema_name())), name: ident };
        if let Some(other) = renamed.find(self.q) {
            return Err(exists(&other, Some(&renamed.name)));
        }
        if relations::is_relation(self.old.schema_name(), &renamed.name.value, self.q) {
            let message = format!("relation \"{}\" exists already", renamed.name.value);
            return Err(placed(Error::statement(codes::DUPLICATE_TABLE, message), Some(&renamed.name)));
        }
        self.building.schema.name = renamed.name.value;
        Ok(())
    }

    async fn alter_column(&mut self, name: &Ident, op: &AlterColumnOperation) -> Result<()> {
        let at = column_index(&self.building.schema, name)?;
        match op {
            AlterColumnOperation::SetDefault { .. } | AlterColumnOperation::DropDefault
                if self.building.schema.columns[at].generated.is_some() =>
            {
                let message = format!("column \"{}\" makes its own values", self.building.schema.columns[at].name);
                Err(placed(Error::statement(codes::SYNTAX_ERROR, message), Some(name)))
            }
            AlterColumnOperation::SetDefault { value } => {
                defaults::check(value, &self.building.schema.columns[at], self.q).await?;
                self.building.schema.columns[at].default = Some(value.to_string());
                Ok(())
            }
            AlterColumnOperation::DropDefault => {
                self.building.schema.columns[at].default = None;
                Ok(())
            }
            AlterColumnOperation::DropNotNull => {
                let column = &mut self.building.schema.columns[at];
                if self.building.schema.key.contains(&column.id) {
                    let message = format!("column \"{}\" is part of the primary key and cannot be NULL", column.name);
                    return Err(placed(Error::statement(codes::INVALID_TABLE_DEFINITION, message), Some(name)));
                }
                column.nullable = true;
                Ok(())
            }
            AlterColumnOperation::SetNotNull => self.set_not_null(at).await,
            AlterColumnOperation::SetDataType { data_type, using: None, .. } => {
                let ty = types::column_type(data_type).map_err(|e| placed(e, Some(name)))?;
                widen::set_type(&mut self.building, at, ty).await.map_err(|e| placed(e, Some(name)))
            }
            AlterColumnOperation::SetDataType { .. } => Err(Error::unsupported(
                "changing a column's type with USING",
                "add a column of the new type, UPDATE it from the old one, drop the old and rename the new",
            )),
            AlterColumnOperation::AddGenerated { .. } => Err(Error::unsupported("GENERATED", "use a DEFAULT")),
        }
    }

    async fn set_not_null(&mut self, at: usize) -> Result<()> {
        let id: ColumnId = self.building.schema.columns[at].id;
        let nulls = match self.old.column(id) {
            Some(column) => {
                let mut query = eval::skeleton(&source(self.old))?;
                let is_null = Expr::IsNull(Box::new(Expr::Identifier(Ident::with_quote('"', &column.name))));
                eval::select_of(&mut query)?.selection = Some(is_null);
                eval::any_row(query, self.q).await?
            }
            None => self.building.schema.columns[at].initial.is_none() && !self.is_empty().await?,
        };
        if nulls {
            return Err(contains_nulls(&self.building.schema.columns[at].name, &self.building.schema.name)
                .with_hint("UPDATE the rows that are NULL first"));
        }
        self.building.schema.columns[at].nullable = false;
        Ok(())
    }
}

fn contains_nulls(column: &str, table: &str) -> Error {
    Error::statement(
        sqlstate::NOT_NULL_VIOLATION,
        format!("column \"{column}\" of relation \"{table}\" contains null values"),
    )
}
