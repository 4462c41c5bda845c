//! Operations that write, through the engine's own interface and through SQL, as autocommit and as transactions.
//!
//! Promises: whichever way an operation goes, it means what [`Spec::effect`] says.
//! Never: an answer that the engine did not give.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_engine::Error;
use firn_engine::commit::{Read, Transaction, WriteRequest};
use firn_engine::session::{Outcome, Session, parse};
use futures::TryStreamExt as _;

use crate::gateway::Instance;
use crate::history::Known;
use crate::model::{Effect, Spec};
use crate::rows;

/// Which way an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// one write of the engine's interface
    Direct,
    /// a transaction of the engine's interface, with a pause before COMMIT
    Transaction,
    /// SQL, in a block where it takes several statements
    Sql,
}

/// One operation on its way.
#[derive(Clone, Debug)]
pub struct Write {
    /// what it does
    pub spec: Spec,
    /// its name in the log
    pub tag: String,
    /// whether it carries its name as request id
    pub repeatable: bool,
    /// how it goes
    pub way: Way,
    /// ticks between reading and COMMIT
    pub pause: u64,
    /// it says ROLLBACK instead of COMMIT
    pub rolls_back: bool,
}

impl Write {
    /// Does it in `instance`.
    ///
    /// # Errors
    /// The engine's.
    pub async fn run(&self, instance: &Arc<Instance>) -> Result<Known, Error> {
        match self.way {
            Way::Direct => self.direct(instance).await,
            Way::Transaction => self.transaction(instance).await,
            Way::Sql => self.sql(instance).await,
        }
    }

    fn request(&self, instance: &Instance) -> WriteRequest {
        WriteRequest {
            actor: Some(format!("g{}", instance.place)),
            reason: Some(self.tag.clone()),
            request_id: self.repeatable.then(|| self.tag.clone()),
            store: instance.db.store().clone(),
        }
    }

    async fn direct(&self, instance: &Arc<Instance>) -> Result<Known, Error> {
        let core = instance.db.writer().await?;
        let spec = self.spec.clone();
        let mut nothing = false;
        let slot = &mut nothing;
        let committed = core
            .write(self.request(instance), |newest| async move {
                let effect = spec.effect(&rows::read_for(&newest, &spec).await?);
                *slot = effect.is_empty();
                rows::write_set(&newest, &effect).await
            })
            .await?;
        let empty = nothing && !committed.replayed && !self.repeatable;
        let position = committed.position.0;
        Ok(if empty { Known::Nothing(position) } else { Known::Acknowledged(position) })
    }

    async fn transaction(&self, instance: &Arc<Instance>) -> Result<Known, Error> {
        let core = instance.db.writer().await?;
        if self.repeatable
            && let Some(first) = core.answered(instance.db.store(), &self.tag).await?
        {
            return Ok(Known::Acknowledged(first.position.0));
        }
        let base = core.snapshot(instance.db.store(), firn_engine::Consistency::Strong).await?;
        let effect = self.spec.effect(&rows::read_for(&base, &self.spec).await?);
        let position = base.position().0;
        let accounts = rows::table(&base, "accounts", base.position())?;
        let mut transaction = Transaction::begin(base);
        transaction.record_read(Read { table: accounts.id, predicate: None });
        if effect.is_empty() {
            return Ok(Known::Nothing(position));
        }
        let set = rows::write_set(&transaction.snapshot(instance.db.store()), &effect).await?;
        transaction.apply(set)?;
        instance.process.pause(self.pause).await;
        if self.rolls_back {
            return Ok(Known::Refused);
        }
        let committed = core.commit(self.request(instance), transaction).await?;
        Ok(Known::Acknowledged(committed.position.0))
    }

    async fn sql(&self, instance: &Arc<Instance>) -> Result<Known, Error> {
        let mut session = instance.db.session();
        session.set_actor(Some(format!("g{}", instance.place)));
        session.set_reason(Some(self.tag.clone()));
        let id = self.repeatable.then_some(self.tag.as_str());
        match &self.spec {
            Spec::Put { id: key, balance } if !self.rolls_back => {
                let sql = format!(
                    "INSERT INTO accounts (id, balance) VALUES ({key}, {balance}) \
                     ON CONFLICT (id) DO UPDATE SET balance = excluded.balance"
                );
                acknowledged(&run(&mut session, &sql, id).await?)
            }
            Spec::Delete { id: key } if !self.rolls_back => {
                let done = run(&mut session, &format!("DELETE FROM accounts WHERE id = {key}"), id).await?;
                if done.rows_affected == 0 && id.is_none() {
                    return Ok(Known::Nothing(position(&done)));
                }
                acknowledged(&done)
            }
            Spec::Note { texts } if !self.rolls_back => {
                let values: Vec<String> = texts.iter().map(|t| format!("('{t}')")).collect();
                acknowledged(&run(&mut session, &format!("INSERT INTO notes VALUES {}", values.join(", ")), id).await?)
            }
            Spec::Column { name } => {
                acknowledged(&run(&mut session, &format!("ALTER TABLE accounts ADD COLUMN {name} BIGINT"), id).await?)
            }
            _ => self.block(instance, &mut session).await,
        }
    }

    /// BEGIN, SELECT, what follows from it, COMMIT.
    async fn block(&self, instance: &Arc<Instance>, session: &mut Session) -> Result<Known, Error> {
        run(session, "BEGIN", None).await?;
        let filter = match self.spec.reads() {
            Some(ids) if ids.is_empty() => " WHERE id = 0".to_owned(),
            Some(ids) => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                format!(" WHERE id IN ({})", ids.join(", "))
            }
            None => String::new(),
        };
        let read = run(session, &format!("SELECT id, balance FROM accounts{filter}"), None).await?;
        let at = position(&read);
        let rows = pairs(read).await?;
        let effect = self.spec.effect(&rows);
        if effect.is_empty() {
            run(session, "COMMIT", None).await?;
            return Ok(Known::Nothing(at));
        }
        for statement in statements(&effect, &rows) {
            run(session, &statement, None).await?;
        }
        instance.process.pause(self.pause).await;
        if self.rolls_back {
            run(session, "ROLLBACK", None).await?;
            // there is nothing left that a COMMIT could store
            let _ = run(session, "COMMIT", None).await;
            return Ok(Known::Refused);
        }
        acknowledged(&run(session, "COMMIT", None).await?)
    }
}

fn statements(effect: &Effect, rows: &BTreeMap<i64, i64>) -> Vec<String> {
    let accounts = effect.accounts.iter().map(|(id, balance)| match balance {
        Some(b) if rows.contains_key(id) => format!("UPDATE accounts SET balance = {b} WHERE id = {id}"),
        Some(b) => format!("INSERT INTO accounts (id, balance) VALUES ({id}, {b})"),
        None => format!("DELETE FROM accounts WHERE id = {id}"),
    });
    let audits = effect.audits.iter().map(|(id, total)| format!("INSERT INTO audits VALUES ({id}, {total})"));
    let notes = effect.notes.iter().map(|text| format!("INSERT INTO notes VALUES ('{text}')"));
    accounts.chain(audits).chain(notes).collect()
}

fn position(outcome: &Outcome) -> u64 {
    outcome.position.map_or(0, |p| p.0)
}

fn acknowledged(outcome: &Outcome) -> Result<Known, Error> {
    match outcome.position {
        Some(position) => Ok(Known::Acknowledged(position.0)),
        None => Err(Error::statement("SIM02", format!("{} without a position", outcome.tag))),
    }
}

/// Runs one statement.
///
/// # Errors
/// The statement's.
pub async fn run(session: &mut Session, sql: &str, id: Option<&str>) -> Result<Outcome, Error> {
    let statements = parse(sql)?;
    let Some(statement) = statements.first() else { return Err(Error::statement("SIM02", "no statement")) };
    session.run(statement, &[], id).await
}

/// The rows of an outcome: numbers of the first two columns.
///
/// # Errors
/// The rows' own.
pub async fn pairs(outcome: Outcome) -> Result<BTreeMap<i64, i64>, Error> {
    match outcome.rows {
        Some(rows) => rows::pairs(&rows.try_collect::<Vec<_>>().await?),
        None => Ok(BTreeMap::new()),
    }
}
