//! Queries that only name rows by primary key, recognised from their tree:
//! `SELECT columns FROM table [AS OF …] WHERE key = value [AND …]`, or `key IN (…)` for a key of one column.
//!
//! Promises: what is recognised means exactly what the planner would make of it; everything else, and everything that
//! would be an error, is left to the planner. What is kept with a statement depends on nothing but its own text, and
//! what is kept of a table only serves that very version of that table of that namespace.
//! Never: a value is converted, unless it stands for exactly one value of the column's type.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use firn_manifest::schema::{Column, ColumnType, TableSchema};
use firn_segment::key::{Key, encode_keys};
use parking_lot::Mutex;
use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr, Statement,
    TableFactor, TableVersion, UnaryOperator, Value, WildcardAdditionalOptions,
};

use super::output::outward;
use super::params;
use super::resolve::folded;
use crate::state::catalog::COMMITS;
use crate::state::rows::sql_field;

/// Keys of one query at the most; more are read by a scan.
const MOST: usize = 16;

/// A query by key, as its text says it.
#[derive(Debug)]
pub struct Keyed {
    /// the table's name
    pub table: String,
    /// the point in the past it is read at
    pub version: Option<TableVersion>,
    items: Vec<Item>,
    pins: Vec<Pin>,
    bound: Mutex<Option<Arc<Bound>>>,
}

#[derive(Debug)]
enum Item {
    All,
    Column { name: String, shown: String },
}

/// A column and the values it may have.
#[derive(Debug)]
struct Pin {
    column: String,
    values: Vec<Expr>,
}

/// A query by key over one version of a table.
#[derive(Debug)]
pub struct Bound {
    table: Arc<TableSchema>,
    /// what comes out
    pub columns: Vec<Column>,
    /// under these names
    pub schema: SchemaRef,
    /// for each column of the key the pin that gives its values
    pins: Vec<usize>,
    types: Vec<ColumnType>,
}

impl Keyed {
    /// The query, if it is one.
    #[must_use]
    pub fn of(statement: &Statement) -> Option<Self> {
        let Statement::Query(query) = statement else { return None };
        let select = plain_select(query)?;
        let [from] = select.from.as_slice() else { return None };
        let TableFactor::Table { name, alias, version, .. } = &from.relation else { return None };
        if !from.joins.is_empty() || !is_plain(&from.relation) {
            return None;
        }
        let table = table_name(name)?;
        let called = match alias {
            None => table.clone(),
            Some(alias) if alias.columns.is_empty() && alias.at.is_none() => folded(&alias.name),
            Some(_) => return None,
        };
        let mut pins = Vec::new();
        pin(select.selection.as_ref()?, &called, &mut pins)?;
        let items = select.projection.iter().map(|item| Item::of(item, &called)).collect::<Option<Vec<_>>>()?;
        if items.len() > 1 && items.iter().any(|item| matches!(item, Item::All)) {
            return None;
        }
        Some(Self { table, version: version.clone(), items, pins, bound: Mutex::new(None) })
    }

    /// The query over that version of the table; `None` when it does not name rows of it by key alone.
    #[must_use]
    pub fn bind(&self, table: &Arc<TableSchema>) -> Option<Arc<Bound>> {
        let mut bound = self.bound.lock();
        if let Some(bound) = bound.as_ref().filter(|b| Arc::ptr_eq(&b.table, table)) {
            return Some(bound.clone());
        }
        let fresh = Arc::new(self.bind_anew(table)?);
        *bound = Some(fresh.clone());
        Some(fresh)
    }

    fn bind_anew(&self, table: &Arc<TableSchema>) -> Option<Bound> {
        if table.name == COMMITS || table.view.is_some() {
            return None;
        }
        let visible = |name: &str| table.columns.iter().find(|c| c.name == name && !c.hidden);
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for item in &self.items {
            match item {
                Item::All => {
                    for column in table.columns.iter().filter(|c| !c.hidden) {
                        columns.push(column.clone());
                        fields.push(outward(sql_field(column)));
                    }
                }
                Item::Column { name, shown } => {
                    let column = visible(name)?;
                    columns.push(column.clone());
                    fields.push(outward(sql_field(column).with_name(shown)));
                }
            }
        }
        let mut pins = Vec::with_capacity(table.key.len());
        for column in table.key_columns() {
            visible(&column.name)?;
            pins.push(self.pins.iter().position(|pin| pin.column == column.name)?);
        }
        let lists = self.pins.iter().any(|pin| pin.values.len() > 1);
        if pins.len() != self.pins.len() || (lists && pins.len() > 1) {
            return None;
        }
        let types = table.key_columns().map(|c| c.ty).collect();
        Some(Bound { table: table.clone(), columns, schema: Arc::new(Schema::new(fields)), pins, types })
    }

    /// The values of the key's columns, one list a column; `None` when one of them is for the planner to judge.
    #[must_use]
    pub fn values(&self, bound: &Bound, given: &[ScalarValue]) -> Option<Vec<Vec<ScalarValue>>> {
        let column = |(pin, ty): (&usize, &ColumnType)| {
            self.pins.get(*pin)?.values.iter().map(|value| exact(value, *ty, given)).collect::<Option<Vec<_>>>()
        };
        bound.pins.iter().zip(&bound.types).map(column).collect()
    }
}

impl Bound {
    /// The keys that those values make, each once.
    #[must_use]
    pub fn keys(&self, values: &[Vec<ScalarValue>]) -> Option<Vec<Key>> {
        let arrays = values.iter().map(|list| ScalarValue::iter_to_array(list.iter().cloned()).ok());
        let mut keys = encode_keys(&arrays.collect::<Option<Vec<_>>>()?, &self.types).ok()?;
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }
}

impl Item {
    fn of(item: &SelectItem, called: &str) -> Option<Self> {
        match item {
            SelectItem::Wildcard(WildcardAdditionalOptions {
                wildcard_token: _,
                opt_ilike: None,
                opt_exclude: None,
                opt_except: None,
                opt_replace: None,
                opt_rename: None,
                opt_alias: None,
            }) => Some(Self::All),
            SelectItem::UnnamedExpr(expr) => {
                let name = column_name(expr, called)?;
                Some(Self::Column { shown: name.clone(), name })
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                Some(Self::Column { name: column_name(expr, called)?, shown: folded(alias) })
            }
            _ => None,
        }
    }
}

/// The SELECT of a query that is nothing but one over tables with a condition.
fn plain_select(query: &Query) -> Option<&Select> {
    let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
        query;
    let more = with.is_some()
        || order_by.is_some()
        || limit_clause.is_some()
        || fetch.is_some()
        || !locks.is_empty()
        || for_clause.is_some()
        || settings.is_some()
        || format_clause.is_some()
        || !pipe_operators.is_empty();
    let SetExpr::Select(select) = body.as_ref() else { return None };
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select.as_ref();
    let grouped = !matches!(group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty());
    let more = more
        || grouped
        || !optimizer_hints.is_empty()
        || distinct.is_some()
        || select_modifiers.is_some()
        || top.is_some()
        || exclude.is_some()
        || into.is_some()
        || !lateral_views.is_empty()
        || prewhere.is_some()
        || !connect_by.is_empty()
        || !cluster_by.is_empty()
        || !distribute_by.is_empty()
        || !sort_by.is_empty()
        || having.is_some()
        || !named_window.is_empty()
        || qualify.is_some()
        || value_table_mode.is_some()
        || !matches!(flavor, SelectFlavor::Standard);
    (!more).then_some(select)
}

/// Whether a table stands alone: no arguments, hints, samples or the like.
fn is_plain(factor: &TableFactor) -> bool {
    let TableFactor::Table {
        name: _,
        alias: _,
        args,
        with_hints,
        version: _,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = factor
    else {
        return false;
    };
    args.is_none()
        && with_hints.is_empty()
        && !with_ordinality
        && partitions.is_empty()
        && json_path.is_none()
        && sample.is_none()
        && index_hints.is_empty()
}

fn table_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [table] => table.as_ident().map(folded),
        _ => None,
    }
}

/// The column that an expression is.
fn column_name(expr: &Expr, called: &str) -> Option<String> {
    match expr {
        Expr::Identifier(column) => Some(folded(column)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, column] if folded(table) == called => Some(folded(column)),
            _ => None,
        },
        _ => None,
    }
}

/// Takes a condition apart; each column may be pinned once.
fn pin(expr: &Expr, called: &str, pins: &mut Vec<Pin>) -> Option<()> {
    let (column, values) = match expr {
        Expr::Nested(inner) => return pin(inner, called, pins),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            pin(left, called, pins)?;
            return pin(right, called, pins);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match column_name(left, called) {
            Some(column) => (column, vec![right.as_ref().clone()]),
            None => (column_name(right, called)?, vec![left.as_ref().clone()]),
        },
        Expr::InList { expr, list, negated: false } if !list.is_empty() && list.len() <= MOST => {
            (column_name(expr, called)?, list.clone())
        }
        _ => return None,
    };
    if pins.iter().any(|pin| pin.column == column) {
        return None;
    }
    pins.push(Pin { column, values });
    Some(())
}

/// The value of a literal or parameter; `None` for any other expression and for one that was not given.
fn plain_value(expr: &Expr, given: &[ScalarValue]) -> Option<ScalarValue> {
    match expr {
        Expr::Nested(inner) => plain_value(inner, given),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.to_string().parse().ok().map(|n| ScalarValue::Int64(Some(n))),
            Value::SingleQuotedString(text) => Some(ScalarValue::Utf8(Some(text.clone()))),
            Value::Placeholder(name) => params::find(name, given).ok().cloned(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => format!("-{digits}").parse().ok().map(|n| ScalarValue::Int64(Some(n))),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The value in the SQL type of its column.
fn exact(expr: &Expr, ty: ColumnType, given: &[ScalarValue]) -> Option<ScalarValue> {
    let value = plain_value(expr, given)?;
    match ty {
        ColumnType::BigInt => Some(ScalarValue::Int64(Some(whole(&value)?))),
        ColumnType::Integer => Some(ScalarValue::Int32(Some(whole(&value)?.try_into().ok()?))),
        ColumnType::SmallInt => Some(ScalarValue::Int16(Some(whole(&value)?.try_into().ok()?))),
        ColumnType::Text | ColumnType::Varchar { .. } => Some(ScalarValue::Utf8View(Some(text(value)?))),
        ColumnType::Uuid => {
            let text = text(value)?;
            let canonical = uuid::Uuid::try_parse(&text).ok()?.to_string();
            (canonical == text).then_some(ScalarValue::Utf8View(Some(text)))
        }
        _ => None,
    }
}

fn whole(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int64(v) => *v,
        ScalarValue::Int32(v) => v.map(i64::from),
        ScalarValue::Int16(v) => v.map(i64::from),
        ScalarValue::Int8(v) => v.map(i64::from),
        ScalarValue::UInt32(v) => v.map(i64::from),
        ScalarValue::UInt64(v) => v.and_then(|v| i64::try_from(v).ok()),
        _ => None,
    }
}

fn text(value: ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text,
        _ => None,
    }
}
