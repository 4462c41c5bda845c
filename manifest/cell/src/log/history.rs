//! The audit trail beyond what the state keeps: the log replayed, one stretch between two checkpoints after the other.
//!
//! Promises: an entry of the trail comes out of the replay as it was when it was made (DIR-1); one stretch is in memory at
//! a time.
//! Never: an answer from a log that does not chain.

use std::collections::VecDeque;
use std::sync::Arc;

use firn_manifest::store::Cause;
use firn_manifest::{Error, KeyRing, KeyService, Store};

use super::open::{base, newest_checkpoint, step};
use crate::audit::{AuditEntry, AuditQuery};
use crate::ids::EntrySeq;

/// The audit entries that are asked for, newest first, as of entry `head` of the log.
pub(crate) async fn audit(
    store: &Store,
    master: &dyn KeyService,
    ring: &Arc<KeyRing>,
    head: EntrySeq,
    query: &AuditQuery,
) -> Result<Vec<Arc<AuditEntry>>, Error> {
    let store = store.for_cause(Cause::Read);
    let mut found: Vec<Arc<AuditEntry>> = Vec::new();
    let mut to = head;
    let mut from = newest_checkpoint(&store, Some(head)).await?;
    while found.len() < query.limit {
        let room = query.limit - found.len();
        let Some((mut cursor, mut directory, entries)) = base(&store, master, from, Some(to), Some(ring)).await? else {
            break;
        };
        let mut stretch: VecDeque<Arc<AuditEntry>> = VecDeque::new();
        let mut next = directory.next_audit();
        for entry in entries {
            step(&mut cursor, &mut directory, &entry, master, |_, state| {
                for made in state.audit_since(next) {
                    next = made.number + 1;
                    if query.wants(made) {
                        stretch.push_back(made.clone());
                    }
                    if stretch.len() > room {
                        stretch.pop_front();
                    }
                }
            })
            .await?;
        }
        found.extend(stretch.into_iter().rev());
        let Some(begin) = from else { break };
        to = begin;
        from = newest_checkpoint(&store, Some(EntrySeq(begin.0 - 1))).await?;
    }
    Ok(found)
}
