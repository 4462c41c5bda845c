//! Constraints as they are declared, in CREATE TABLE and in ALTER TABLE: names found, columns checked, rows that exist
//! validated, and the entries of new indexes built.
//!
//! Promises: a constraint stands in a schema only if every row of the table satisfies it; a new index has an entry for
//! each row, in the same commit.
//! Never: a word of a definition that changes its meaning is ignored.

use std::sync::Arc;

use arrow::array::ArrayRef;
use firn_manifest::ids::{ColumnId, TableId};
use firn_manifest::schema::{
    CatalogChange, Check, Column, ColumnType, ForeignKey, Generated, Index, ReferentialAction, TableSchema,
};
use firn_segment::key::{Key, encode_keys};
use firn_segment::record::RowOp;
use firn_segment::types::{column_to_sql, to_storage};
use futures::StreamExt;
use sqlparser::ast::{self, Expr, ForeignKeyConstraint, Ident};

use super::children::{same_columns, types_of, without_nulls};
use super::expression::{self, Purpose};
use super::rows::first_false;
use super::{foreign, maintain, names};
use crate::commit::{Read, TableWrite};
use crate::error::{Error, Result, sqlstate};
use crate::sql::context::BATCH_ROWS;
use crate::sql::ddl::check_keyable;
use crate::sql::query::Query;
use crate::sql::relation::Relation;
use crate::sql::write::{
    MAX_TOUCHED_BYTES, Write, check_size, column_index, folded, placed, schema_write, target_table,
};
use crate::sql::{codes, keys};
use crate::state::index::entries_schema;
use crate::state::rows::initial_values;
use crate::state::{ScanAt, ScanColumn, ScanRequest};

/// A constraint that is to be added.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// CHECK
    Check {
        /// its name
        name: Option<Ident>,
        /// the condition
        expr: Box<Expr>,
    },
    /// UNIQUE
    Unique {
        /// its name
        name: Option<Ident>,
        /// the columns
        columns: Vec<Ident>,
    },
    /// FOREIGN KEY
    Foreign {
        /// its name
        name: Option<Ident>,
        /// the referencing columns
        columns: Vec<Ident>,
        /// what they refer to, and how
        references: Box<ForeignKeyConstraint>,
    },
}

/// A version of a table that is being made, with what it takes beside itself.
pub struct Building<'a> {
    /// the version
    pub schema: TableSchema,
    /// the version that exists, whose rows must satisfy the new one
    pub stored: Option<&'a Arc<TableSchema>>,
    next_table: TableId,
    before: Vec<CatalogChange>,
    writes: Vec<TableWrite>,
    q: &'a Query,
}

impl<'a> Building<'a> {
    /// A table that is being created.
    #[must_use]
    pub fn create(schema: TableSchema, q: &'a Query) -> Self {
        let next_table = schema.id.next();
        Self { schema, stored: None, next_table, before: vec![], writes: vec![], q }
    }

    /// The next version of a table.
    #[must_use]
    pub fn alter(stored: &'a Arc<TableSchema>, q: &'a Query) -> Self {
        let next_table = q.snapshot().catalog().next_table().max(TableId::FIRST_USER);
        let schema = (**stored).clone();
        Self { schema, stored: Some(stored), next_table, before: vec![], writes: vec![], q }
    }

    /// The write that makes it.
    #[must_use]
    pub fn finish(self, tag: &str) -> Write {
        let mut catalog = self.before;
        match self.stored {
            None => catalog.insert(0, CatalogChange::Create { schema: self.schema }),
            Some(stored) if **stored == self.schema => {}
            Some(_) => catalog.push(CatalogChange::Alter { schema: self.schema }),
        }
        let mut write = schema_write(tag, catalog);
        write.set.tables = self.writes;
        write
    }

    /// Whether a foreign key refers to the column.
    #[must_use]
    pub fn is_referred(&self, column: ColumnId) -> bool {
        let (snapshot, id) = (self.q.snapshot(), self.schema.id);
        let mut referring = snapshot.catalog().referring(id, snapshot.position());
        referring.any(|t| t.foreign_keys.iter().any(|f| f.table == id && f.referenced.contains(&column)))
    }

    /// Another change of the catalog, before the table's own.
    pub fn also(&mut self, change: CatalogChange) {
        self.before.push(change);
    }

    /// Makes a column a stored generated one.
    ///
    /// # Errors
    /// 42P17, and what the expression says.
    pub fn generate(&mut self, column: ColumnId, expr: &Expr) -> Result<()> {
        let text = expression::declared(expr, &self.schema, Purpose::Stored, self.q)?;
        let used = expression::columns_of(&text)?;
        let of_generated = |c: &Column| matches!(c.generated, Some(Generated::Stored { .. })) || c.id == column;
        if let Some(other) = self.schema.columns.iter().find(|c| used.contains(&c.name) && of_generated(c)) {
            let message = format!("cannot use generated column \"{}\" in column generation expression", other.name);
            return Err(Error::statement(codes::INVALID_OBJECT_DEFINITION, message)
                .with_hint("a generated column is computed from ordinary columns"));
        }
        if let Some(column) = self.schema.columns.iter_mut().find(|c| c.id == column) {
            column.generated = Some(Generated::Stored { expression: text });
        }
        Ok(())
    }

    /// Adds a constraint.
    ///
    /// # Errors
    /// 42710, 42703, 42804, 42830, 42P01, 23503, 23505, 23514, 54000, 0A000.
    pub async fn add(&mut self, wanted: &Wanted) -> Result<()> {
        match wanted {
            Wanted::Check { name, expr } => self.add_check(name.as_ref(), expr).await,
            Wanted::Unique { name, columns } => {
                let ids = self.columns(columns)?;
                let name = self.index_name(name.as_ref(), &ids, "key")?;
                self.add_index(Index {
                    name,
                    table: self.next_table,
                    columns: ids,
                    unique: true,
                    constraint: true,
                    comment: None,
                })
                .await
            }
            Wanted::Foreign { name, columns, references } => self.add_foreign(name.as_ref(), columns, references).await,
        }
    }

    /// The columns of those names, each once.
    ///
    /// # Errors
    /// 42703, 42701, 54011.
    pub fn columns(&self, idents: &[Ident]) -> Result<Vec<ColumnId>> {
        if idents.is_empty() || idents.len() > crate::sql::ddl::MAX_KEY_COLUMNS {
            let message = format!("a constraint or index has 1 to {} columns", crate::sql::ddl::MAX_KEY_COLUMNS);
            return Err(Error::statement(codes::TOO_MANY_COLUMNS, message));
        }
        let mut ids = Vec::with_capacity(idents.len());
        for ident in idents {
            let id = self.schema.columns[column_index(&self.schema, ident)?].id;
            if ids.contains(&id) {
                let message = format!("column \"{}\" appears twice", folded(ident).value);
                return Err(placed(Error::statement(codes::DUPLICATE_COLUMN, message), Some(ident)));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    fn column_names(&self, ids: &[ColumnId]) -> Vec<String> {
        ids.iter().filter_map(|id| self.schema.column(*id)).map(|c| c.name.clone()).collect()
    }

    /// The given name of an index, or a made one.
    ///
    /// # Errors
    /// 42710, 42P07, 42939.
    pub fn index_name(&self, given: Option<&Ident>, columns: &[ColumnId], suffix: &str) -> Result<String> {
        self.name(given, columns, suffix, true)
    }

    fn name(&self, given: Option<&Ident>, columns: &[ColumnId], suffix: &str, index: bool) -> Result<String> {
        match given {
            Some(ident) => {
                let ident = folded(ident);
                crate::sql::ddl::check_name(&ident, if index { "index" } else { "constraint" })?;
                names::check_free(&self.schema, &ident.value, index, self.q).map_err(|e| placed(e, Some(&ident)))?;
                Ok(ident.value)
            }
            None => {
                let columns = self.column_names(columns);
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                Ok(names::made(&self.schema, &columns, suffix, index, self.q))
            }
        }
    }

    async fn add_check(&mut self, name: Option<&Ident>, expr: &Expr) -> Result<()> {
        let text = expression::declared(expr, &self.schema, Purpose::Check, self.q)?;
        let used = expression::columns_of(&text)?;
        let ids: Vec<ColumnId> = self.schema.columns.iter().filter(|c| used.contains(&c.name)).map(|c| c.id).collect();
        let name = self.name(name, if ids.len() == 1 { &ids } else { &[] }, "check", false)?;
        let schema = self.schema.clone();
        let all: Vec<ColumnId> = schema.columns.iter().map(|c| c.id).collect();
        let q = self.q;
        self.each_batch(&all, |arrays| {
            let stored = arrays.iter().map(|a| Ok(to_storage(a)?)).collect::<Result<Vec<_>>>()?;
            let rows = stored.first().map_or(0, |a| a.len());
            let batch = expression::row_batch(&schema, &stored, rows)?;
            if first_false(&expression::run(&text, &schema, &batch, q)?).is_none() {
                return Ok(());
            }
            let message =
                format!("check constraint \"{name}\" of relation \"{}\" is violated by some row", schema.name);
            Err(Error::statement(codes::CHECK_VIOLATION, message)
                .with_hint(format!("find the rows with SELECT … WHERE NOT ({text})")))
        })
        .await?;
        self.schema.checks.push(Check { name, expression: text });
        Ok(())
    }

    /// Adds an index, whose entries' table is the next one, with an entry for each row that exists.
    ///
    /// # Errors
    /// 23505, 54000.
    pub async fn add_index(&mut self, mut index: Index) -> Result<()> {
        for column in index.columns.iter().filter_map(|id| self.schema.column(*id)) {
            check_keyable(column)?;
        }
        index.table = self.next_table;
        self.next_table = self.next_table.next();
        let entries = Arc::new(entries_schema(index.table, &index.name, &self.schema));
        self.before.push(CatalogChange::Create { schema: (*entries).clone() });
        let mut wanted = index.columns.clone();
        wanted.extend(&self.schema.key);
        let (types, width) = (types_of(&self.schema, &self.schema.key)?, index.columns.len());
        let mut rows: Vec<(Vec<u8>, Key)> = Vec::new();
        let mut bytes = 0;
        let mut nulls: Vec<bool> = Vec::new();
        let schema = self.schema.clone();
        self.each_batch(&wanted, |arrays| {
            let (own, key) = arrays.split_at(width);
            let entry_types = types_of(&schema, &index.columns)?;
            let held = firn_segment::key::encode_entries(own, &entry_types)?;
            nulls.extend((0..held.len()).map(|row| own.iter().any(|a| a.is_null(row))));
            for (entry, key) in held.into_iter().zip(encode_keys(key, &types)?) {
                bytes += entry.len() + key.len();
                rows.push((entry, key));
            }
            check_size(bytes, MAX_TOUCHED_BYTES, "indexes")
        })
        .await?;
        if index.unique {
            self.refuse_duplicates(&index, &rows, &nulls)?;
        }
        if !rows.is_empty() {
            let inserts = maintain::batch(&entries, &rows)?;
            keys::keys_of(&entries, inserts.columns())?;
            self.writes.push(TableWrite {
                schema: entries,
                deletes: vec![],
                operations: vec![RowOp::Insert; rows.len()],
                inserts: Some(inserts),
                old_rows: None,
            });
        }
        self.schema.indexes.push(index);
        Ok(())
    }

    fn refuse_duplicates(&self, index: &Index, rows: &[(Vec<u8>, Key)], nulls: &[bool]) -> Result<()> {
        let mut seen = std::collections::HashSet::with_capacity(rows.len());
        let twice = rows.iter().zip(nulls).any(|((entry, _), null)| !null && !seen.insert(entry));
        if !twice {
            return Ok(());
        }
        let names = self.column_names(&index.columns).join(", ");
        Err(Error::statement(sqlstate::UNIQUE_VIOLATION, format!("could not create unique index \"{}\"", index.name))
            .with_detail(format!("some values of ({names}) are duplicated"))
            .with_hint(format!(
                "find them with SELECT {names}, count(*) FROM {} GROUP BY {names} HAVING count(*) > 1",
                self.schema.name
            )))
    }

    async fn add_foreign(&mut self, name: Option<&Ident>, columns: &[Ident], to: &ForeignKeyConstraint) -> Result<()> {
        let own = self.columns(columns)?;
        let key = self.foreign_key(name, own, to)?;
        let schema = self.schema.clone();
        let mut tuples: Vec<Vec<ArrayRef>> = Vec::new();
        self.each_batch(&key.columns, |arrays| {
            let stored = arrays.iter().map(|a| Ok(to_storage(a)?)).collect::<Result<Vec<_>>>()?;
            tuples.push(without_nulls(&stored)?);
            Ok(())
        })
        .await?;
        for own in tuples {
            foreign::check_all(&schema, &key, &own, None, self.q).await?;
        }
        self.schema.foreign_keys.push(key);
        Ok(())
    }

    fn foreign_key(
        &self,
        name: Option<&Ident>,
        columns: Vec<ColumnId>,
        to: &ForeignKeyConstraint,
    ) -> Result<ForeignKey> {
        if to.characteristics.is_some() {
            return Err(Error::unsupported(
                "a deferrable foreign key",
                "leave DEFERRABLE away; it is checked after each statement",
            ));
        }
        if matches!(
            to.match_kind,
            Some(ast::ConstraintReferenceMatchKind::Full | ast::ConstraintReferenceMatchKind::Partial)
        ) {
            return Err(Error::unsupported(
                "MATCH FULL and MATCH PARTIAL",
                "leave it away; MATCH SIMPLE is what there is",
            ));
        }
        let other = Relation::of(&to.foreign_table)?;
        let own_schema = other.schema.as_ref().is_none_or(|schema| schema.value == self.schema.schema_name());
        let itself = own_schema && other.name.value == self.schema.name;
        let parent = if itself { Arc::new(self.schema.clone()) } else { target_table(&to.foreign_table, self.q)? };
        let mut referenced = Vec::new();
        for ident in &to.referred_columns {
            referenced.push(parent.columns[column_index(&parent, ident)?].id);
        }
        if referenced.is_empty() && parent.row_id().is_none() {
            referenced.clone_from(&parent.key);
        }
        if referenced.len() != columns.len() {
            let message = "number of referencing and referenced columns for foreign key disagree";
            return Err(Error::statement(codes::INVALID_FOREIGN_KEY, message));
        }
        let is_unique = |ids: &[ColumnId]| {
            same_columns(ids, &parent.key) || parent.indexes.iter().any(|i| i.unique && same_columns(ids, &i.columns))
        };
        if !is_unique(&referenced) {
            let message =
                format!("there is no unique constraint matching given keys for referenced table \"{}\"", parent.name);
            return Err(Error::statement(codes::INVALID_FOREIGN_KEY, message)
                .with_hint("refer to the PRIMARY KEY, or to columns with a UNIQUE constraint"));
        }
        for (own, other) in columns.iter().zip(&referenced) {
            let (Some(own), Some(other)) = (self.schema.column(*own), parent.column(*other)) else { continue };
            if class(own.ty) != class(other.ty) {
                let message = format!("key columns \"{}\" and \"{}\" are of incompatible types", own.name, other.name);
                return Err(
                    Error::statement(codes::DATATYPE_MISMATCH, message).with_hint("give both columns the same type")
                );
            }
        }
        let name = self.name(name, &columns, "fkey", false)?;
        let table = parent.id;
        let (on_delete, on_update) = (action(to.on_delete, "DELETE")?, action(to.on_update, "UPDATE")?);
        Ok(ForeignKey { name, columns, table, referenced, on_delete, on_update })
    }

    /// Gives every stored row's `columns` (of the new version, SQL types) to `each`, batch by batch.
    async fn each_batch(&self, columns: &[ColumnId], mut each: impl FnMut(&[ArrayRef]) -> Result<()>) -> Result<()> {
        let Some(stored) = self.stored else { return Ok(()) };
        self.q.record(Read { table: stored.id, predicate: None });
        let snapshot = self.q.snapshot();
        let there: Vec<ColumnId> = columns.iter().copied().filter(|id| stored.column(*id).is_some()).collect();
        let mut request: Vec<ScanColumn> = there.iter().map(|id| ScanColumn::Column(*id)).collect();
        request.push(ScanColumn::Begin);
        let scan = snapshot.scan(ScanRequest {
            table: (*stored).clone(),
            at: ScanAt::Position(snapshot.position()),
            columns: request,
            predicate: None,
            keys: None,
            ranges: None,
            index: None,
            partitions: 1,
            batch_size: BATCH_ROWS,
        })?;
        let mut batches = scan.execute(0);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let mut arrays = Vec::with_capacity(columns.len());
            for id in columns {
                arrays.push(match (there.iter().position(|t| t == id), self.schema.column(*id)) {
                    (Some(at), Some(column)) => super::column::read_as(batch.column(at), column.ty)?,
                    (None, Some(column)) => column_to_sql(&initial_values(column, batch.num_rows())?, column.ty)?,
                    (_, None) => return Err(Error::internal("a constraint over a column that is not there")),
                });
            }
            each(&arrays)?;
        }
        Ok(())
    }
}

/// Types whose values compare with each other's.
pub(super) fn class(ty: ColumnType) -> u8 {
    match ty {
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => 0,
        ColumnType::Text | ColumnType::Varchar { .. } => 1,
        ColumnType::Decimal { .. } => 2,
        ColumnType::Real | ColumnType::Double => 3,
        ColumnType::Boolean => 4,
        ColumnType::Bytea => 5,
        ColumnType::Date => 6,
        ColumnType::Timestamp => 7,
        ColumnType::Timestamptz => 8,
        ColumnType::Uuid => 9,
        ColumnType::Time => 10,
        ColumnType::Interval => 11,
        ColumnType::Json => 12,
        ColumnType::Jsonb => 13,
        ColumnType::Array { .. } => 14,
    }
}

fn action(given: Option<ast::ReferentialAction>, of: &str) -> Result<ReferentialAction> {
    match given {
        None | Some(ast::ReferentialAction::NoAction | ast::ReferentialAction::Restrict) => {
            Ok(ReferentialAction::NoAction)
        }
        Some(ast::ReferentialAction::Cascade) => Ok(ReferentialAction::Cascade),
        Some(ast::ReferentialAction::SetNull) => Ok(ReferentialAction::SetNull),
        Some(ast::ReferentialAction::SetDefault) => {
            Err(Error::unsupported(format!("ON {of} SET DEFAULT"), "use NO ACTION, CASCADE or SET NULL"))
        }
    }
}
