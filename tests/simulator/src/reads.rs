//! Operations that read: by key, by scan, as of a past position, below SQL and through it.
//!
//! Promises: what comes out is handed to the history with the position it claims.
//! Never: an answer is judged here.

use std::sync::Arc;

use firn_engine::Error;
use firn_manifest::ids::Position;
use futures::TryStreamExt as _;

use crate::gateway::{Instance, Sim};
use crate::history::Seen;
use crate::rng::Rng;
use crate::rows;
use crate::writes::run;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Keys,
    Accounts,
    Notes,
    Past,
    SqlKey,
    SqlAll,
    SqlPast,
}

/// One read, drawn from `rng`.
///
/// # Errors
/// The engine's.
pub async fn read(sim: &Sim, instance: &Arc<Instance>, mut rng: Rng, who: &str) -> Result<(), Error> {
    let floor = if instance.is_strong() { sim.history.acknowledged() } else { 0 };
    let what = if rng.chance(sim.profile.sql) {
        rng.pick(&[What::SqlKey, What::SqlAll, What::SqlPast])
    } else {
        rng.pick(&[What::Keys, What::Keys, What::Accounts, What::Notes, What::Past])
    };
    let (position, seen) = match what {
        What::Keys | What::Accounts | What::Notes | What::Past => below(instance, what, &mut rng).await?,
        _ => above(sim, instance, what, &mut rng).await?,
    };
    // a read of the past claims no freshness
    let floor = if matches!(what, What::Past | What::SqlPast) { 0 } else { floor };
    sim.note(format_args!("{who} {what:?} at {position}: {seen:?}"));
    sim.trace.count("reads");
    sim.history.read(format!("{who} {what:?}"), position, floor, seen);
    Ok(())
}

async fn below(instance: &Arc<Instance>, what: What, rng: &mut Rng) -> Result<(u64, Seen), Error> {
    let snapshot = instance.db.snapshot(instance.db.store()).await?;
    let newest = snapshot.position();
    Ok(match what {
        What::Keys => {
            let ids = vec![rng.range(1, 3) as i64, rng.range(4, 6) as i64];
            (newest.0, Seen::Accounts(Some(ids.clone()), rows::accounts(&snapshot, &ids).await?))
        }
        What::Notes => (newest.0, Seen::Notes(rows::texts(&rows::scan(&snapshot, "notes", "note", newest).await?)?)),
        What::Accounts => {
            let found = rows::pairs(&rows::scan(&snapshot, "accounts", "balance", newest).await?)?;
            (newest.0, Seen::Accounts(None, found))
        }
        _ => {
            let at = Position(rng.range(3.min(newest.0), newest.0));
            let found = rows::pairs(&rows::scan(&snapshot, "accounts", "balance", at).await?)?;
            (at.0, Seen::Accounts(None, found))
        }
    })
}

async fn above(sim: &Sim, instance: &Arc<Instance>, what: What, rng: &mut Rng) -> Result<(u64, Seen), Error> {
    let mut session = instance.db.session();
    let id = rng.range(1, 6) as i64;
    // what was acknowledged can be named in a strong read; others read what they have
    let known = if instance.is_strong() { sim.history.acknowledged() } else { 3 };
    let past = rng.range(3.min(known), known);
    let sql = match what {
        What::SqlKey => format!("SELECT id, balance FROM accounts WHERE id = {id}"),
        What::SqlPast => format!("SELECT * FROM accounts AS OF POSITION {past}"),
        _ => "SELECT * FROM accounts".to_owned(),
    };
    let outcome = run(&mut session, &sql, None).await?;
    let position = outcome.position.map_or(0, |p| p.0);
    let columns: Vec<String> = outcome.schema.fields().iter().map(|f| f.name().clone()).collect();
    let batches = match outcome.rows {
        Some(rows) => rows.try_collect::<Vec<_>>().await?,
        None => Vec::new(),
    };
    let found = rows::pairs(&batches)?;
    Ok(match what {
        What::SqlKey => (position, Seen::Accounts(Some(vec![id]), found)),
        What::SqlPast => (past, Seen::Whole(found, columns)),
        _ => (position, Seen::Whole(found, columns)),
    })
}
