//! The model: what each operation means, and the states that the stored log stands for.
//!
//! Promises: the effect of an operation is computed here from the rows it reads, by the actors and by the checker alike.
//! Never: a look at the engine's state; the log is decoded from stored bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use firn_manifest::KeyRing;
use firn_manifest::ids::{ChainHash, Epoch, TableId};
use firn_manifest::schema::{CatalogChange, ColumnType, TableSchema};
use firn_segment::key::decode_key;
use firn_segment::record::{CommitRecord, TableChange};
use firn_segment::types::column_field_name;
use firn_segment::wal;

use crate::bucket::{Bucket, NAMESPACE};
use crate::trace::Trace;

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Spec {
    /// moves an amount, if it is there
    Transfer { from: i64, to: i64, amount: i64 },
    /// inserts or replaces an account
    Put { id: i64, balance: i64 },
    /// deletes an account, if it is there
    Delete { id: i64 },
    /// takes an amount from one account if both together hold it
    Skew { from: i64, with: i64, amount: i64 },
    /// writes down the sum of all accounts
    Audit { id: i64 },
    /// adds notes, which have no key
    Note { texts: Vec<String> },
    /// adds a column
    Column { name: String },
}

/// Rows an operation writes: a balance, or nothing for a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// accounts by id
    pub accounts: BTreeMap<i64, Option<i64>>,
    /// audits by id
    pub audits: BTreeMap<i64, i64>,
    /// notes
    pub notes: Vec<String>,
    /// a column of accounts
    pub column: Option<String>,
}

impl Effect {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Spec {
    /// The accounts it reads; `None` for all.
    #[must_use]
    pub fn reads(&self) -> Option<Vec<i64>> {
        match self {
            Self::Transfer { from, to, .. } => Some(vec![*from, *to]),
            Self::Put { id, .. } | Self::Delete { id } => Some(vec![*id]),
            Self::Skew { from, with, .. } => Some(vec![*from, *with]),
            Self::Audit { .. } => None,
            Self::Note { .. } | Self::Column { .. } => Some(Vec::new()),
        }
    }

    /// What it writes, given the accounts it reads.
    #[must_use]
    pub fn effect(&self, accounts: &BTreeMap<i64, i64>) -> Effect {
        let mut effect = Effect::default();
        match self {
            Self::Transfer { from, to, amount } => {
                if let (Some(a), Some(b)) = (accounts.get(from), accounts.get(to))
                    && a >= amount
                    && from != to
                {
                    effect.accounts.insert(*from, Some(a - amount));
                    effect.accounts.insert(*to, Some(b + amount));
                }
            }
            Self::Put { id, balance } => {
                effect.accounts.insert(*id, Some(*balance));
            }
            Self::Delete { id } => {
                if accounts.contains_key(id) {
                    effect.accounts.insert(*id, None);
                }
            }
            Self::Skew { from, with, amount } => {
                if let (Some(a), Some(b)) = (accounts.get(from), accounts.get(with))
                    && a + b >= *amount
                {
                    effect.accounts.insert(*from, Some(a - amount));
                }
            }
            Self::Audit { id } => {
                effect.audits.insert(*id, accounts.values().sum());
            }
            Self::Note { texts } => effect.notes.clone_from(texts),
            Self::Column { name } => effect.column = Some(name.clone()),
        }
        effect
    }
}

/// The rows as of one position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// balance by id
    pub accounts: BTreeMap<i64, i64>,
    /// total by id
    pub audits: BTreeMap<i64, i64>,
    /// text by row id
    pub notes: BTreeMap<i64, String>,
    /// columns of accounts
    pub columns: Vec<String>,
}

/// One commit of the log.
#[derive(Clone, Debug)]
pub struct Commit {
    /// the tag of the operation
    pub tag: String,
    /// its commit time
    pub commit_time: i64,
    /// what it did
    pub effect: Effect,
}

/// The log: a state for every position, and the commit that led to it.
#[derive(Debug, Default)]
pub struct Truth {
    /// by position; the first is the empty state
    pub states: Vec<Arc<State>>,
    /// by position minus one
    pub commits: Vec<Commit>,
    tables: BTreeMap<TableId, TableSchema>,
}

impl Truth {
    /// Decodes every stored segment in order.
    pub async fn read(bucket: &Bucket, keys: &KeyRing, trace: &Trace) -> Self {
        let mut truth = Self { states: vec![Arc::default()], ..Self::default() };
        let (mut prev, mut epoch) = (ChainHash::GENESIS, Epoch::ZERO);
        for seq in 1.. {
            let name = wal::segment_key(firn_manifest::ids::Seq(seq));
            let Ok(bytes) = bucket.get(&format!("{NAMESPACE}/{name}"), firn_manifest::GetRange::All).await else {
                break;
            };
            let opened = wal::inspect(&name, bytes).and_then(|s| s.frames(keys).map(|frames| (s, frames)));
            let (segment, frames) = match opened {
                Ok(opened) => opened,
                Err(e) => {
                    trace.violated("I6", format!("{name}: {}", e.what));
                    break;
                }
            };
            if segment.header.prev != prev {
                trace.violated("I6", format!("{name} does not name the segment before it"));
            }
            if segment.header.epoch < epoch {
                trace.violated("I2", format!("{name} is of epoch {}, after {epoch}", segment.header.epoch));
            }
            (prev, epoch) = (segment.hash, segment.header.epoch);
            for frame in frames {
                match CommitRecord::decode(&frame) {
                    Ok(record) => truth.add(&record, trace),
                    Err(e) => trace.violated("I6", format!("{name}: {}", e.what)),
                }
            }
        }
        truth
    }

    /// The newest position.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.commits.len() as u64
    }

    /// The state at a position, if the log goes so far.
    #[must_use]
    pub fn at(&self, position: u64) -> Option<&State> {
        self.states.get(usize::try_from(position).ok()?).map(AsRef::as_ref)
    }

    fn add(&mut self, record: &CommitRecord, trace: &Trace) {
        let position = self.position() + 1;
        if record.position.0 != position {
            trace.violated("I5", format!("position {} follows {}", record.position, position - 1));
            return;
        }
        if self.commits.last().is_some_and(|c| c.commit_time >= record.commit_time) {
            trace.violated("time", format!("the commit time of position {position} is not above the one before"));
        }
        let mut state = self.states.last().map(|s| (**s).clone()).unwrap_or_default();
        let mut effect = Effect::default();
        for change in &record.catalog {
            match change {
                CatalogChange::Create { schema } => {
                    self.tables.insert(schema.id, schema.clone());
                    if schema.name == "accounts" {
                        state.columns = names(schema);
                    }
                }
                CatalogChange::Alter { schema } => {
                    if schema.name == "accounts" {
                        effect.column = schema.columns.last().map(|c| c.name.clone());
                        state.columns = names(schema);
                    }
                    self.tables.insert(schema.id, schema.clone());
                }
                CatalogChange::Drop { id } => {
                    self.tables.remove(id);
                }
                // names of places hold no rows
                CatalogChange::CreateSchema { .. }
                | CatalogChange::AlterSchema { .. }
                | CatalogChange::DropSchema { .. } => {}
            }
        }
        for change in &record.changes {
            let Some(schema) = self.tables.get(&change.table).cloned() else {
                trace.violated("I7", format!("position {position} writes to a table that is not there"));
                continue;
            };
            rows(&mut state, &mut effect, &schema, change).unwrap_or_else(|what| {
                trace.violated("I7", format!("position {position}, table {}: {what}", schema.name));
            });
        }
        self.states.push(Arc::new(state));
        let tag = record.reason.clone().unwrap_or_default();
        self.commits.push(Commit { tag, commit_time: record.commit_time, effect });
    }
}

fn names(schema: &TableSchema) -> Vec<String> {
    schema.columns.iter().filter(|c| !c.hidden).map(|c| c.name.clone()).collect()
}

/// Applies one table's change.
fn rows(state: &mut State, effect: &mut Effect, schema: &TableSchema, change: &TableChange) -> Result<(), String> {
    for row in &change.deletes {
        let key = decode_key(&row.key, &[ColumnType::BigInt]).map_err(|e| e.what)?;
        let id: i64 = key.first().and_then(|k| k.parse().ok()).ok_or("a key that is no number")?;
        let there = match schema.name.as_str() {
            "accounts" => {
                effect.accounts.insert(id, None);
                state.accounts.remove(&id).is_some()
            }
            "audits" => state.audits.remove(&id).is_some(),
            _ => state.notes.remove(&id).is_some(),
        };
        if !there {
            return Err(format!("it ends row {id}, which is not there"));
        }
    }
    let Some(batch) = &change.inserts else { return Ok(()) };
    let (key, value) = match schema.name.as_str() {
        "accounts" => ("id", "balance"),
        "audits" => ("id", "total"),
        _ => ("", "note"),
    };
    for row in 0..batch.num_rows() {
        let id = number(schema, batch, key, row)?;
        let before = match schema.name.as_str() {
            "accounts" => {
                let balance = number(schema, batch, value, row)?;
                effect.accounts.insert(id, Some(balance));
                state.accounts.insert(id, balance).is_some()
            }
            "audits" => {
                let total = number(schema, batch, value, row)?;
                effect.audits.insert(id, total);
                state.audits.insert(id, total).is_some()
            }
            _ => {
                let text = text(schema, batch, row)?;
                effect.notes.push(text.clone());
                state.notes.insert(id, text).is_some()
            }
        };
        if before {
            return Err(format!("it inserts row {id}, which is there already"));
        }
    }
    Ok(())
}

/// A number of a stored row; the hidden row id for a column without a name.
fn number(schema: &TableSchema, batch: &RecordBatch, name: &str, row: usize) -> Result<i64, String> {
    let column = schema.columns.iter().find(|c| if name.is_empty() { c.hidden } else { c.name == name });
    let stored = column.and_then(|c| batch.column_by_name(&column_field_name(c.id)));
    let values = stored.and_then(|a| a.as_primitive_opt::<Int64Type>()).ok_or("a column is missing")?;
    if values.is_valid(row) { Ok(values.value(row)) } else { Err("a value is missing".to_owned()) }
}

fn text(schema: &TableSchema, batch: &RecordBatch, row: usize) -> Result<String, String> {
    let column = schema.columns.iter().find(|c| c.name == "note");
    let stored = column.and_then(|c| batch.column_by_name(&column_field_name(c.id)));
    let values = stored.and_then(|a| a.as_string_opt::<i32>()).ok_or("a text is missing")?;
    Ok(values.value(row).to_owned())
}
