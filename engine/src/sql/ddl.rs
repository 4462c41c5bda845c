//! CREATE TABLE, and what DROP TABLE changes.
//!
//! Promises: a table that is created has a key: the declared one, or a hidden row id. What is not supported is refused
//! by name, with what to do instead; nothing of a definition is ignored that would change what the table accepts.
//! Never: a table takes a name of the system's.

use std::collections::HashSet;
use std::sync::Arc;

use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{CatalogChange, Column, ColumnType, PUBLIC, TableSchema};
use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, Expr, HiveDistributionStyle, Ident, IndexColumn,
    PrimaryKeyConstraint, TableConstraint,
};

use super::constraints::declare::{Building, Wanted};
use super::constraints::{column, dependents, names as relations};
use super::query::Query;
use super::relation::{Relation, exists};
use super::write::{Write, folded, placed, schema_write};
use super::{codes, defaults};
use crate::error::{Error, Result};

/// The most columns a table can have (PostgreSQL's bound).
pub const MAX_COLUMNS: usize = 1_600;
/// The most columns a key can have (PostgreSQL's bound).
pub const MAX_KEY_COLUMNS: usize = 32;
/// The longest name, bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// The table in which `firn migrate` records what it did; the one name of the system's that a table can have.
pub const MIGRATIONS: &str = "firn_migrations";
/// The hidden key column of a table without a declared key.
pub const ROW_ID: &str = "_rowid";

/// A column as it was declared.
pub(super) struct Declared {
    pub(super) column: Column,
    pub(super) default: Option<Expr>,
    /// the expression of a stored generated column
    pub(super) stored: Option<Expr>,
    /// its own constraints
    pub(super) constraints: Vec<Wanted>,
    key: bool,
    key_name: Option<String>,
}

/// CREATE TABLE.
///
/// # Errors
/// 42P07, 42701, 42703, 42P16, 42601, 54011, 42939, 0A000, and what the defaults and constraints say.
pub async fn create_table(create: &CreateTable, q: &Query) -> Result<Write> {
    refuse_other_kinds(create)?;
    let relation = Relation::of(&create.name)?;
    check_name(&relation.name, "table")?;
    if let Some(table) = relation.taken(q)? {
        if create.if_not_exists {
            return Ok(schema_write("CREATE TABLE", vec![]));
        }
        let hint = "choose another name, or use CREATE TABLE IF NOT EXISTS";
        return Err(exists(&table, Some(&relation.name)).with_hint(hint));
    }
    let id = q.snapshot().catalog().next_table().max(TableId::FIRST_USER);
    let place = relation.place(q)?;
    if relations::is_relation(place.as_deref().unwrap_or(PUBLIC), &relation.name.value, q) {
        let message = format!("relation \"{}\" exists already", relation.name.value);
        let error = Error::statement(codes::DUPLICATE_TABLE, message);
        return Err(placed(error.with_hint("an index has that name; choose another"), Some(&relation.name)));
    }
    let mut schema = TableSchema::new(id, relation.name.value, Vec::with_capacity(create.columns.len() + 1), vec![]);
    schema.schema = place;
    if create.columns.len() > MAX_COLUMNS {
        return Err(too_many_columns(create.columns.len()));
    }
    if create.columns.is_empty() {
        return Err(Error::unsupported(
            "a table without columns",
            "declare at least one column: CREATE TABLE t (a INTEGER)",
        ));
    }
    let mut keys: Vec<Vec<ColumnId>> = Vec::new();
    let mut names = HashSet::new();
    let (mut constraints, mut stored) = (Vec::new(), Vec::new());
    for definition in &create.columns {
        let mut declared = declare(definition, schema.next_column)?;
        if !names.insert(declared.column.name.clone()) {
            return Err(duplicate_column(&declared.column.name, &schema.name, &definition.name));
        }
        if let Some(default) = &declared.default {
            defaults::check(default, &declared.column, q).await?;
        }
        if declared.key {
            keys.push(vec![declared.column.id]);
            declared.column.nullable = false;
            schema.key_name = declared.key_name.take();
        }
        constraints.append(&mut declared.constraints);
        stored.extend(declared.stored.take().map(|expr| (declared.column.id, expr)));
        schema.next_column = schema.next_column.next();
        schema.columns.push(declared.column);
    }
    for constraint in &create.constraints {
        match column::table_constraint(constraint)? {
            Some(wanted) => constraints.push(wanted),
            None => {
                let (key, name) = table_key(constraint, &schema, &create.columns)?;
                keys.push(key);
                schema.key_name = name;
            }
        }
    }
    match keys.len() {
        0 => add_row_id(&mut schema),
        1 => schema.key = keys.swap_remove(0),
        _ => {
            let message = format!("table \"{}\" declares more than one primary key", schema.name);
            let error = Error::statement(codes::INVALID_TABLE_DEFINITION, message);
            return Err(
                error.with_hint("for a key of several columns write PRIMARY KEY (a, b) once, after the columns")
            );
        }
    }
    for column in &mut schema.columns {
        if schema.key.contains(&column.id) {
            check_keyable(column)?;
            column.nullable = false;
        }
    }
    let mut building = Building::create(schema, q);
    for (column, expr) in &stored {
        building.generate(*column, expr)?;
    }
    for wanted in &constraints {
        building.add(wanted).await?;
    }
    Ok(building.finish("CREATE TABLE"))
}

/// Refuses a column that no key can hold.
///
/// # Errors
/// 0A000.
pub(super) fn check_keyable(column: &Column) -> Result<()> {
    if column.ty.is_keyable() {
        return Ok(());
    }
    let what =
        format!("column \"{}\" of type {} in a key or an index", column.name, super::types::display_name(column.ty));
    Err(Error::unsupported(what, "use a column of another type, e.g. a BIGINT of its own, or the text of the value"))
}

/// Gives a table without a declared key its hidden one.
pub(super) fn add_row_id(schema: &mut TableSchema) {
    let id = schema.next_column;
    schema.next_column = id.next();
    schema.key = vec![id];
    schema.columns.push(Column { hidden: true, ..Column::new(id, ROW_ID, ColumnType::BigInt).not_null() });
}

/// A table of more columns than can be.
pub(super) fn too_many_columns(count: usize) -> Error {
    Error::statement(codes::TOO_MANY_COLUMNS, format!("a table can have at most {MAX_COLUMNS} columns, not {count}"))
        .with_hint("split it into several tables with the same key")
}

/// A column that exists.
pub(super) fn duplicate_column(column: &str, table: &str, ident: &Ident) -> Error {
    let message = format!("column \"{column}\" of relation \"{table}\" exists already");
    placed(Error::statement(codes::DUPLICATE_COLUMN, message), Some(ident))
}

/// Refuses names that are the system's, empty or too long.
///
/// # Errors
/// 42939, 42602, 42622.
pub(super) fn check_name(ident: &Ident, what: &str) -> Result<()> {
    let name = &ident.value;
    let error = if name.is_empty() || name.chars().any(char::is_control) {
        Error::statement(codes::INVALID_NAME, format!("a {what}'s name cannot be empty or hold control characters"))
    } else if name.len() > MAX_NAME_BYTES {
        Error::statement(
            codes::NAME_TOO_LONG,
            format!("a {what}'s name has at most {MAX_NAME_BYTES} bytes, not {}", name.len()),
        )
    } else if name.starts_with('_') || (name.starts_with("firn_") && name != MIGRATIONS) {
        Error::statement(codes::RESERVED_NAME, format!("{what} name \"{name}\" is reserved"))
            .with_hint("names that begin with _ or firn_ belong to the system; choose another")
    } else if matches!(what, "table" | "view") && name.contains('@') {
        Error::statement(codes::INVALID_NAME, format!("{what} name \"{name}\" cannot hold @"))
            .with_hint("choose another name")
    } else {
        return Ok(());
    };
    Err(placed(error, Some(ident)))
}

/// A column's definition, checked but for its default.
///
/// # Errors
/// 0A000, 42601, 42939, and what the type says.
pub(super) fn declare(definition: &ColumnDef, id: ColumnId) -> Result<Declared> {
    let ident = folded(&definition.name);
    check_name(&ident, "column")?;
    let (ty, mut generated) =
        column::column_type(&definition.data_type).map_err(|e| placed(e, Some(&definition.name)))?;
    let (mut null, mut key, mut default, mut key_name) = (None, false, None, None);
    let (mut stored, mut constraints) = (None, Vec::new());
    let conflict = |what: &str| {
        let message = format!("{what} for column \"{}\"", ident.value);
        placed(Error::statement(codes::SYNTAX_ERROR, message), Some(&definition.name))
    };
    for option in &definition.options {
        match &option.option {
            ColumnOption::Null if null == Some(false) || key => return Err(conflict("conflicting NULL and NOT NULL")),
            ColumnOption::Null => null = Some(true),
            ColumnOption::NotNull if null == Some(true) => return Err(conflict("conflicting NULL and NOT NULL")),
            ColumnOption::NotNull => null = Some(false),
            ColumnOption::Default(_) if default.is_some() => return Err(conflict("several defaults")),
            ColumnOption::Default(expr) => default = Some(expr.clone()),
            ColumnOption::PrimaryKey(_) if null == Some(true) => {
                return Err(conflict("conflicting NULL and PRIMARY KEY"));
            }
            ColumnOption::PrimaryKey(constraint) => {
                refuse_deferrable(constraint)?;
                key = true;
                key_name = option.name.as_ref().map(|n| folded(n).value);
            }
            other => {
                let at = |e| placed(e, Some(&definition.name));
                if let Some(wanted) = column::constraint(option, &definition.name).map_err(at)? {
                    constraints.push(wanted);
                    continue;
                }
                match column::making(other, ty, &ident.value).map_err(at)? {
                    None => return Err(at(refuse_option(other))),
                    Some(_) if generated.is_some() || stored.is_some() => {
                        return Err(column::two_sources(&ident.value));
                    }
                    Some(column::Making::Identity(identity)) => generated = Some(identity),
                    Some(column::Making::Stored(expr)) => stored = Some(*expr),
                }
            }
        }
    }
    if default.is_some() && (generated.is_some() || stored.is_some()) {
        return Err(placed(column::two_sources(&ident.value), Some(&definition.name)));
    }
    if generated.is_some() && null == Some(true) {
        return Err(conflict("conflicting NULL and identity"));
    }
    let column = Column {
        nullable: null != Some(false) && generated.is_none(),
        generated,
        default: default.as_ref().map(ToString::to_string),
        ..Column::new(id, ident.value, ty)
    };
    Ok(Declared { column, default, stored, constraints, key, key_name })
}

fn table_key(
    constraint: &TableConstraint,
    schema: &TableSchema,
    definitions: &[ColumnDef],
) -> Result<(Vec<ColumnId>, Option<String>)> {
    let TableConstraint::PrimaryKey(primary) = constraint else {
        return Err(Error::internal("a primary key that is none"));
    };
    refuse_deferrable(primary)?;
    if primary.columns.len() > MAX_KEY_COLUMNS {
        return Err(Error::statement(
            codes::TOO_MANY_COLUMNS,
            format!("a primary key can have at most {MAX_KEY_COLUMNS} columns, not {}", primary.columns.len()),
        ));
    }
    let mut key = Vec::with_capacity(primary.columns.len());
    for part in &primary.columns {
        let ident = key_ident(part)?;
        let name = folded(ident).value;
        let column = schema.columns.iter().find(|c| c.name == name).ok_or_else(|| {
            let message = format!("column \"{name}\" named in the primary key does not exist");
            placed(Error::statement(crate::error::sqlstate::UNDEFINED_COLUMN, message), Some(ident))
        })?;
        if key.contains(&column.id) {
            let message = format!("column \"{name}\" appears twice in the primary key");
            return Err(placed(Error::statement(codes::DUPLICATE_COLUMN, message), Some(ident)));
        }
        let null = |d: &ColumnDef| d.options.iter().any(|o| matches!(o.option, ColumnOption::Null));
        if definitions.iter().any(|d| folded(&d.name).value == name && null(d)) {
            let message = format!("conflicting NULL and PRIMARY KEY for column \"{name}\"");
            return Err(placed(Error::statement(codes::SYNTAX_ERROR, message), Some(ident)));
        }
        key.push(column.id);
    }
    Ok((key, primary.name.as_ref().map(|n| folded(n).value)))
}

fn key_ident(part: &IndexColumn) -> Result<&Ident> {
    let plain =
        part.operator_class.is_none() && part.column.options.asc.is_none() && part.column.options.nulls_first.is_none();
    match &part.column.expr {
        Expr::Identifier(ident) if plain => Ok(ident),
        _ => Err(Error::unsupported(format!("{part} in a primary key"), "name plain columns: PRIMARY KEY (a, b)")),
    }
}

fn refuse_deferrable(key: &PrimaryKeyConstraint) -> Result<()> {
    if key.characteristics.is_some() {
        return Err(Error::unsupported(
            "a deferrable primary key",
            "leave DEFERRABLE away; a key is checked after each statement",
        ));
    }
    Ok(())
}

fn refuse_option(option: &ColumnOption) -> Error {
    let (what, instead) = match option {
        ColumnOption::Collation(_) => ("COLLATE", "leave it away; text is ordered by its bytes"),
        ColumnOption::Comment(_) => ("COMMENT", "leave it away"),
        _ => {
            return Error::unsupported(
                format!("column option {option}"),
                "use NOT NULL, NULL, DEFAULT, GENERATED, PRIMARY KEY, UNIQUE, CHECK and REFERENCES",
            );
        }
    };
    Error::unsupported(what, instead)
}

/// Refuses what is no plain table.
///
/// # Errors
/// 0A000.
pub(super) fn refuse_other_kinds(create: &CreateTable) -> Result<()> {
    let refused: [(bool, &str, &str); 13] = [
        (
            create.temporary || create.transient || create.volatile,
            "CREATE TEMPORARY TABLE",
            "use WITH inside the query, or a table that you drop",
        ),
        (create.like.is_some() || create.clone.is_some(), "CREATE TABLE LIKE", "write the columns out"),
        (create.or_replace, "CREATE OR REPLACE TABLE", "use DROP TABLE IF EXISTS and CREATE TABLE in one transaction"),
        (
            create.external || create.location.is_some() || create.file_format.is_some(),
            "CREATE EXTERNAL TABLE",
            "load the file with `firn load`",
        ),
        (create.inherits.is_some(), "INHERITS", "use one table, or UNION ALL over several"),
        (
            create.partition_of.is_some() || create.partition_by.is_some(),
            "PARTITION BY",
            "leave it away; tables are partitioned by key ranges",
        ),
        (
            !matches!(create.hive_distribution, HiveDistributionStyle::NONE),
            "PARTITIONED BY",
            "leave it away; tables are partitioned by key ranges",
        ),
        (!matches!(create.table_options, CreateTableOptions::None), "a table option (WITH …)", "leave it away"),
        (
            create.order_by.is_some() || create.cluster_by.is_some() || create.clustered_by.is_some(),
            "CLUSTER BY or ORDER BY",
            "rows are ordered by the PRIMARY KEY",
        ),
        (
            create.primary_key.is_some(),
            "PRIMARY KEY outside the columns",
            "write it inside the parentheses: (a INTEGER, PRIMARY KEY (a))",
        ),
        (create.on_commit.is_some(), "ON COMMIT", "leave it away"),
        (create.without_rowid || create.strict || create.comment.is_some(), "this table option", "leave it away"),
        (
            create.iceberg || create.dynamic || create.snapshot || create.version.is_some(),
            "this kind of table",
            "use CREATE TABLE",
        ),
    ];
    match refused.iter().find(|(given, ..)| *given) {
        Some((_, what, instead)) => Err(Error::unsupported(what, instead)),
        None => Ok(()),
    }
}

/// The changes that drop a table or view; `dropped` are all that the statement drops.
///
/// # Errors
/// 2BP01 while another table refers to one of them.
pub(super) fn drop_changes(tables: &[Arc<TableSchema>], cascade: bool, q: &Query) -> Result<Vec<CatalogChange>> {
    dependents::drop_tables(tables, cascade, q)
}
