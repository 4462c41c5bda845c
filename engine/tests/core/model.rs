//! Random statements against a model in memory: every position answers what the model held when it was committed.
//!
//! Promises: what breaks UNIQUE or FOREIGN KEY fails and changes nothing; rows and schemas of every position agree with the model on the writer, on followers that tail or reload, and
//! on a process that opens anew, whatever was flushed, reopened, rolled back or taken over between; `verify --replay`
//! finds nothing.
//! Never: a run that cannot be repeated: the seed says it all.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use firn_engine::database::{Database, FlushPolicy, Mode, OpenOptions};
use firn_engine::session::Session;
use firn_engine::{Error, verify};
use firn_manifest::keys::{KeyService, key_service};
use firn_manifest::store::Store;
use firn_manifest::uri::StoreUri;
use firn_manifest::world::system;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::related::{self, CHILD, PARENT};

const NAMES: [&str; 4] = ["a", "b", PARENT, CHILD];
/// The other has no key but the one drawn for it.
const KEYED: &str = NAMES[0];
const KEYS: u64 = 12;

/// One table: the names of the columns after `id`, and the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: BTreeMap<u64, Vec<Option<u64>>>,
}

pub type Tables = BTreeMap<&'static str, Table>;

impl Table {
    fn lines(&self, only: Option<u64>) -> Vec<String> {
        self.lines_where(|id, _| only.is_none_or(|only| only == id))
    }

    fn lines_where(&self, wanted: impl Fn(u64, &[Option<u64>]) -> bool) -> Vec<String> {
        let rows = self.rows.iter().filter(|(id, row)| wanted(**id, row));
        rows.map(|(id, values)| {
            let values = values.iter().map(|v| v.map_or_else(|| "NULL".to_owned(), |v| v.to_string()));
            std::iter::once(id.to_string()).chain(values).collect::<Vec<_>>().join("|")
        })
        .collect()
    }
}

/// A generator of numbers that the seed decides.
pub struct Dice(u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct World {
    store: Store,
    keys: Arc<dyn KeyService>,
    dice: Dice,
    /// what every position holds
    past: Vec<(u64, Tables)>,
    now: Tables,
    next_name: u64,
    _dir: TempDir,
}

async fn rows(session: &mut Session, sql: &str) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for outcome in session.execute(sql).await? {
        let Some(stream) = outcome.rows else { continue };
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        let options = FormatOptions::default().with_null("NULL");
        lines.clear();
        for batch in &batches {
            let cells: Vec<_> =
                batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
            lines.extend(
                (0..batch.num_rows())
                    .map(|row| cells.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|")),
            );
        }
    }
    Ok(lines)
}

impl World {
    fn new(seed: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let uri = format!("memory://model-{seed}?ns=acme&kms=local:{}", dir.path().join("master.key").display());
        let uri = StoreUri::parse(&uri).unwrap();
        let store = Store::connect(&uri, system()).unwrap().namespace(uri.namespace().unwrap());
        let keys = key_service(&uri, system()).unwrap();
        Self { store, keys, dice: Dice(seed), past: vec![], now: Tables::new(), next_name: 0, _dir: dir }
    }

    async fn open(&self, mode: Mode, bytes: usize) -> Arc<Database> {
        let flush = FlushPolicy { bytes, segments: 1 << 20, close_segments: 1 << 20, close_bytes: 64 << 20 };
        let options = OpenOptions { mode, flush, ..OpenOptions::default() };
        Database::open_in(self.store.clone(), self.keys.clone(), options).await.unwrap()
    }

    /// A statement that does not fail, and what it makes of the tables.
    fn passing(&mut self, tables: &mut Tables) -> String {
        loop {
            if let (sql, None) = self.any(tables) {
                return sql;
            }
        }
    }

    /// A statement, what it makes of the tables, and the SQLSTATE it fails with.
    fn any(&mut self, tables: &mut Tables) -> (String, Option<&'static str>) {
        if self.dice.below(2) == 0 {
            return related::statement(&mut self.dice, tables);
        }
        (self.statement(tables), None)
    }

    fn statement(&mut self, tables: &mut Tables) -> String {
        let name = NAMES[self.dice.below(2) as usize];
        let Some(table) = tables.get_mut(name) else {
            tables.insert(name, Table { columns: vec!["v".into()], rows: BTreeMap::new() });
            let key = if name == KEYED { " PRIMARY KEY" } else { "" };
            return format!("CREATE TABLE {name} (id BIGINT{key}, v BIGINT)");
        };
        let (low, value) = (self.dice.below(KEYS), self.dice.below(1000));
        let high = low + self.dice.below(4);
        let width = table.columns.len();
        match self.dice.below(20) {
            0..6 => {
                let free: Vec<u64> = (low..=high).filter(|id| !table.rows.contains_key(id)).collect();
                if free.is_empty() {
                    table.rows.clear();
                    return format!("DELETE FROM {name}");
                }
                let rows: Vec<String> =
                    free.iter().map(|id| format!("({id}{})", format!(", {value}").repeat(width))).collect();
                table.rows.extend(free.iter().map(|id| (*id, vec![Some(value); width])));
                format!("INSERT INTO {name} VALUES {}", rows.join(", "))
            }
            6..9 if width > 0 && name == KEYED => {
                let column = table.columns[0].clone();
                let fresh = vec![Some(value); width];
                for id in low..=high {
                    table.rows.entry(id).and_modify(|row| row[0] = Some(value)).or_insert_with(|| fresh.clone());
                }
                let rows: Vec<String> =
                    (low..=high).map(|id| format!("({id}{})", format!(", {value}").repeat(width))).collect();
                format!(
                    "INSERT INTO {name} VALUES {} ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}",
                    rows.join(", ")
                )
            }
            9..13 if width > 0 => {
                let at = self.dice.below(width as u64) as usize;
                for row in table.rows.range_mut(low..=high).map(|(_, row)| row) {
                    row[at] = row[at].map(|v| v + 1);
                }
                let column = &table.columns[at];
                format!("UPDATE {name} SET {column} = {column} + 1 WHERE id BETWEEN {low} AND {high}")
            }
            13..16 => {
                table.rows.retain(|id, _| *id < low || *id > high);
                format!("DELETE FROM {name} WHERE id >= {low} AND id <= {high}")
            }
            16 => {
                self.next_name += 1;
                let column = format!("c{}", self.next_name);
                let fill = (value % 2 == 0).then_some(value);
                table.columns.push(column.clone());
                table.rows.values_mut().for_each(|row| row.push(fill));
                let default = fill.map_or_else(String::new, |v| format!(" DEFAULT {v}"));
                format!("ALTER TABLE {name} ADD COLUMN {column} BIGINT{default}")
            }
            17 if width > 1 => {
                let at = self.dice.below(width as u64) as usize;
                let column = table.columns.remove(at);
                table.rows.values_mut().for_each(|row| {
                    row.remove(at);
                });
                format!("ALTER TABLE {name} DROP COLUMN {column}")
            }
            18 => {
                tables.remove(name);
                format!("DROP TABLE {name}")
            }
            _ => {
                let to = high + KEYS;
                if table.rows.contains_key(&to) || !table.rows.contains_key(&low) {
                    return "SELECT 1".to_owned();
                }
                let row = table.rows.remove(&low).unwrap();
                table.rows.insert(to, row);
                format!("UPDATE {name} SET id = {to} WHERE id = {low}")
            }
        }
    }

    /// One statement or transaction, committed or rolled back.
    async fn change(&mut self, session: &mut Session) {
        let mut tables = self.now.clone();
        let block = self.dice.below(4) == 0;
        let (first, fault) = if block { (self.passing(&mut tables), None) } else { self.any(&mut tables) };
        if let Some(sqlstate) = fault {
            let error = session.execute(&first).await.map(|_| ()).unwrap_err();
            assert_eq!(error.sqlstate, sqlstate, "{first}: {error:?}");
            return;
        }
        let mut script = vec![first];
        if block {
            for _ in 0..1 + self.dice.below(3) {
                script.push(self.passing(&mut tables));
            }
            script.insert(0, "BEGIN".into());
            let keep = self.dice.below(4) > 0;
            script.push(if keep { "COMMIT" } else { "ROLLBACK" }.into());
            if !keep {
                tables = self.now.clone();
            }
        }
        let mut position = None;
        for statement in &script {
            let outcomes =
                session.execute(statement).await.unwrap_or_else(|e| panic!("{statement} of {script:?}: {e:?}"));
            position = outcomes.last().and_then(|o| o.position).or(position);
        }
        self.now = tables;
        let newest: u64 = rows(session, "SELECT firn_position()").await.unwrap()[0].parse().unwrap();
        assert!(position.is_none_or(|p| p.0 <= newest), "{position:?} was answered, {newest} is the newest");
        match self.past.last_mut() {
            Some((last, held)) if *last == newest => assert_eq!(*held, self.now, "{script:?} changed no position"),
            _ => self.past.push((newest, self.now.clone())),
        }
    }

    /// What one process says of one position.
    async fn check(&mut self, session: &mut Session, who: &str, at: usize) {
        let (position, tables) = self.past[at].clone();
        for name in NAMES {
            let of = format!("{name} AS OF POSITION {position}");
            let found = rows(session, &format!("SELECT * FROM {of} ORDER BY id")).await;
            let Some(table) = tables.get(name) else {
                assert_eq!(found.unwrap_err().sqlstate, "42P01", "{who}: {of}");
                continue;
            };
            assert_eq!(found.unwrap(), table.lines(None), "{who}: {of}");
            let id = self.dice.below(KEYS);
            let found = rows(session, &format!("SELECT * FROM {of} WHERE id = {id}")).await.unwrap();
            assert_eq!(found, table.lines(Some(id)), "{who}: {of}, id {id}");
            if [PARENT, CHILD].contains(&name) {
                // by the index of the first column
                let (column, value) = (&table.columns[0], self.dice.below(KEYS));
                let by = format!("SELECT * FROM {of} WHERE {column} = {value} ORDER BY id");
                let wanted = table.lines_where(|_, row| row[0] == Some(value));
                assert_eq!(rows(session, &by).await.unwrap(), wanted, "{who}: {by}");
            }
            if at + 1 == self.past.len() {
                let found = rows(session, &format!("SELECT * FROM {name} WHERE id = {id}")).await.unwrap();
                assert_eq!(found, table.lines(Some(id)), "{who}: {name}, id {id}");
            }
        }
    }

    async fn run(mut self, steps: u64) {
        let mut db = self.open(Mode::ReadWrite, 64 << 20).await;
        let mut session = db.session();
        self.change(&mut session).await;
        // one follower tails all along, one is made to start again from the newest manifest whenever it falls behind
        let tailing = self.open(Mode::ReadOnly, 64 << 20).await;
        let reloading = self.open(Mode::ReadOnly, 512).await;
        let mut followers = [("tailing", tailing.session()), ("reloading", reloading.session())];
        let mut flushing = None;
        for _ in 0..steps {
            match self.dice.below(16) {
                0 => db.writer().await.unwrap().flush().await.unwrap(),
                1 => {
                    // beside what comes next
                    let writer = db.writer().await.unwrap();
                    flushing = Some(tokio::spawn(async move { writer.flush().await }));
                }
                2 => {
                    db = self.open(Mode::ReadWrite, 64 << 20).await;
                    session = db.session();
                }
                3..5 => {
                    let at = self.dice.below(self.past.len() as u64) as usize;
                    let newest = self.past.len() - 1;
                    for at in [at, newest] {
                        for (who, follower) in &mut followers {
                            self.check(follower, who, at).await;
                        }
                        self.check(&mut session, "writer", at).await;
                    }
                }
                _ => self.change(&mut session).await,
            }
        }
        if let Some(flush) = flushing {
            // fenced, if another writer came meanwhile
            let _ = flush.await.unwrap();
        }
        let fresh = self.open(Mode::ReadOnly, 64 << 20).await;
        let mut anew = fresh.session();
        for at in 0..self.past.len() {
            self.check(&mut session, "writer", at).await;
            self.check(&mut anew, "anew", at).await;
            for (who, follower) in &mut followers {
                self.check(follower, who, at).await;
            }
        }
        let commits = "SELECT position, committed_at, request_id, kind, tables, rows, segment, hash \
                       FROM firn_commits ORDER BY position";
        let said = rows(&mut session, commits).await.unwrap();
        assert_eq!(rows(&mut anew, commits).await.unwrap(), said);
        for (who, follower) in &mut followers {
            assert_eq!(rows(follower, commits).await.unwrap(), said, "{who}");
            for name in self.now.keys() {
                let history = format!("SELECT * FROM firn_history('{name}') ORDER BY id, _begin");
                assert_eq!(
                    rows(follower, &history).await.unwrap(),
                    rows(&mut session, &history).await.unwrap(),
                    "{who}: {history}"
                );
            }
        }
        let report = verify::verify_replay(&fresh).await.unwrap();
        assert!(report.ok, "{:?}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_position_agrees_with_the_model() {
    let seeds: u64 = std::env::var("FIRN_MODEL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    for seed in 1..=seeds {
        World::new(seed).run(80).await;
    }
}
