//! CREATE TABLE and DROP TABLE.
//!
//! Promises: a table that is created has a key: the declared one, or a hidden row id. What is not supported is refused
//! by name, with what to do instead; nothing of a definition is ignored that would change what the table accepts.
//! Never: a table takes a name of the system's.

use std::collections::HashSet;

use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{CatalogChange, Column, ColumnType, TableSchema};
use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, Expr, HiveDistributionStyle, Ident, IndexColumn,
    ObjectName, ObjectType, PrimaryKeyConstraint, TableConstraint,
};

use super::query::Query;
use super::write::{Write, find_table, folded, placed, schema_write, table_ident, target_table};
use super::{codes, defaults, types};
use crate::error::{Error, Result};

/// The most columns a table can have (PostgreSQL's bound).
pub const MAX_COLUMNS: usize = 1_600;
/// The most columns a key can have (PostgreSQL's bound).
pub const MAX_KEY_COLUMNS: usize = 32;
/// The longest name, bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// The hidden key column of a table without a declared key.
pub const ROW_ID: &str = "_rowid";

/// A column as it was declared.
pub(super) struct Declared {
    pub(super) column: Column,
    pub(super) default: Option<Expr>,
    key: bool,
}

/// CREATE TABLE.
///
/// # Errors
/// 42P07, 42701, 42703, 42P16, 42601, 54011, 42939, 0A000, and what the defaults say.
pub async fn create_table(create: &CreateTable, q: &Query) -> Result<Write> {
    refuse_other_kinds(create)?;
    let ident = table_ident(&create.name)?;
    check_name(&ident, "table")?;
    let place = create.name.0.last().and_then(|p| p.as_ident());
    if let Some(table) = find_table(&ident, q)? {
        if create.if_not_exists {
            return Ok(schema_write("CREATE TABLE", vec![]));
        }
        let error = Error::statement(codes::DUPLICATE_TABLE, format!("table \"{}\" exists already", table.name));
        return Err(placed(error.with_hint("choose another name, or use CREATE TABLE IF NOT EXISTS"), place));
    }
    let mut schema = TableSchema {
        id: q.snapshot().catalog().next_table().max(TableId::FIRST_USER),
        name: ident.value,
        columns: Vec::with_capacity(create.columns.len() + 1),
        key: vec![],
        next_column: ColumnId(1),
    };
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
        }
        schema.next_column = schema.next_column.next();
        schema.columns.push(declared.column);
    }
    for constraint in &create.constraints {
        keys.push(table_key(constraint, &schema, &create.columns)?);
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
            column.nullable = false;
        }
    }
    Ok(schema_write("CREATE TABLE", vec![CatalogChange::Create { schema }]))
}

fn add_row_id(schema: &mut TableSchema) {
    let id = schema.next_column;
    schema.next_column = id.next();
    schema.key = vec![id];
    schema.columns.push(Column {
        id,
        name: ROW_ID.to_owned(),
        ty: ColumnType::BigInt,
        nullable: false,
        default: None,
        initial: None,
        hidden: true,
    });
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
    } else if name.starts_with('_') || name.starts_with("firn_") {
        Error::statement(codes::RESERVED_NAME, format!("{what} name \"{name}\" is reserved"))
            .with_hint("names that begin with _ or firn_ belong to the system; choose another")
    } else if what == "table" && name.contains('@') {
        Error::statement(codes::INVALID_NAME, format!("table name \"{name}\" cannot hold @"))
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
    let ty = types::column_type(&definition.data_type).map_err(|e| placed(e, Some(&definition.name)))?;
    let (mut null, mut key, mut default) = (None, false, None);
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
            }
            other => return Err(placed(refuse_option(other), Some(&definition.name))),
        }
    }
    let column = Column {
        id,
        name: ident.value,
        ty,
        nullable: null != Some(false),
        default: default.as_ref().map(ToString::to_string),
        initial: None,
        hidden: false,
    };
    Ok(Declared { column, default, key })
}

fn table_key(constraint: &TableConstraint, schema: &TableSchema, definitions: &[ColumnDef]) -> Result<Vec<ColumnId>> {
    let TableConstraint::PrimaryKey(primary) = constraint else { return Err(refuse_constraint(constraint)) };
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
    Ok(key)
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
        ColumnOption::Check(_) => ("CHECK", "check values before they are written"),
        ColumnOption::Unique(_) => ("UNIQUE", "make the column the PRIMARY KEY, or keep a second table keyed by it"),
        ColumnOption::ForeignKey(_) => {
            ("REFERENCES", "leave it away; check the other table in the same transaction (SERIALIZABLE keeps it true)")
        }
        ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
            ("GENERATED", "use a DEFAULT, or compute the value in the query that reads")
        }
        ColumnOption::Collation(_) => ("COLLATE", "leave it away; text is ordered by its bytes"),
        ColumnOption::Comment(_) => ("COMMENT", "leave it away"),
        _ => {
            return Error::unsupported(
                format!("column option {option}"),
                "use NOT NULL, NULL, DEFAULT and PRIMARY KEY",
            );
        }
    };
    Error::unsupported(what, instead)
}

fn refuse_constraint(constraint: &TableConstraint) -> Error {
    match constraint {
        TableConstraint::Unique(_) => {
            Error::unsupported("UNIQUE", "make the columns the PRIMARY KEY, or keep a second table keyed by them")
        }
        TableConstraint::ForeignKey(_) => Error::unsupported(
            "FOREIGN KEY",
            "leave it away; check the other table in the same transaction (SERIALIZABLE keeps it true)",
        ),
        TableConstraint::Check(_) => Error::unsupported("CHECK", "check values before they are written"),
        other => Error::unsupported(format!("table constraint {other}"), "use PRIMARY KEY (a, b)"),
    }
}

fn refuse_other_kinds(create: &CreateTable) -> Result<()> {
    let refused: [(bool, &str, &str); 14] = [
        (
            create.temporary || create.transient || create.volatile,
            "CREATE TEMPORARY TABLE",
            "use WITH inside the query, or a table that you drop",
        ),
        (create.query.is_some(), "CREATE TABLE AS", "create the table with its columns, then INSERT INTO … SELECT"),
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

/// DROP TABLE of one or more tables: all or none.
///
/// # Errors
/// 42P01, 42501; 0A000 for other objects.
pub fn drop_table(kind: ObjectType, if_exists: bool, names: &[ObjectName], q: &Query) -> Result<Write> {
    if kind != ObjectType::Table {
        return Err(Error::unsupported(format!("DROP {kind}"), "tables are the only objects: DROP TABLE"));
    }
    let mut ids: Vec<TableId> = Vec::new();
    for name in names {
        let table = if if_exists { find_table(&table_ident(name)?, q)? } else { Some(target_table(name, q)?) };
        ids.extend(table.map(|t| t.id).filter(|id| !ids.contains(id)));
    }
    let changes = ids.into_iter().map(|id| CatalogChange::Drop { id }).collect();
    Ok(schema_write("DROP TABLE", changes))
}
