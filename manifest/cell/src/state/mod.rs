//! The directory as a state machine: state + command + time → outcome.
//!
//! Promises: pure and deterministic (DIR-1): no clock, no randomness, no I/O, no iteration over anything unordered; a
//! command is done wholly or refused wholly; state is bounded by the number of records people made.
//! Never: a panic, whatever the command holds; a secret in the state.

mod access;
mod decide;
mod erase;
mod image;
mod leases;
mod query;
mod records;
mod sessions;
mod tenants;

use std::collections::VecDeque;
use std::sync::Arc;

use firn_manifest::ids::{NamespaceName, TenantId};
use serde_json::Value;

pub use query::{OPERATOR_USER, Resolved};
pub use sessions::REMEMBERED;

use crate::access::{ApiKey, Grant, Lease};
use crate::audit::{self, AuditEntry, RECENT, Subject};
use crate::ids::{ApiKeyId, DirectoryId, GrantId, Region, Time};
use crate::op::{Command, Outcome, Reply};
use crate::tenant::Tenant;
use records::Records;
use sessions::Sessions;

/// Every tenant, key, grant and lease, and what was done to them last.
#[derive(Clone, Debug)]
pub struct Directory {
    id: DirectoryId,
    now: Time,
    applied: u64,
    next_key: ApiKeyId,
    next_grant: GrantId,
    next_audit: u64,
    records: Records,
    sessions: Sessions,
    recent: VecDeque<Arc<AuditEntry>>,
}

/// One record to be written or dropped.
#[derive(Clone, Debug)]
enum Write {
    Tenant(Box<Tenant>),
    Key(Box<ApiKey>),
    DropKey(ApiKeyId),
    Grant(Box<Grant>),
    DropGrant(GrantId),
    Lease(Lease),
    DropLease(TenantId),
    Region(Region, Option<String>),
}

/// What a command will do.
#[derive(Clone, Debug)]
struct Change {
    reply: Reply,
    writes: Vec<Write>,
    subjects: Vec<Subject>,
}

impl Change {
    /// Nothing is changed.
    fn none(reply: Reply) -> Self {
        Self { reply, writes: Vec::new(), subjects: Vec::new() }
    }

    fn tenant(tenant: Tenant) -> Self {
        let id = tenant.id;
        Self {
            reply: Reply::Tenant { tenant: id, key: None },
            writes: vec![Write::Tenant(Box::new(tenant))],
            subjects: vec![Subject::Tenant(id)],
        }
    }
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(id: DirectoryId, at: Time) -> Self {
        Self {
            id,
            now: at,
            applied: 0,
            next_key: ApiKeyId(1),
            next_grant: GrantId(1),
            next_audit: 1,
            records: Records::default(),
            sessions: Sessions::default(),
            recent: VecDeque::new(),
        }
    }

    /// Does a command, or refuses it. Time never goes back: an earlier `at` counts as the newest one seen.
    pub fn apply(&mut self, command: &Command, at: Time) -> Outcome {
        self.now = self.now.max(at);
        self.applied += 1;
        if let Some(first) = self.sessions.repeated(command) {
            return first;
        }
        let outcome = match self.decide(command, self.now) {
            Ok(change) => Ok(self.evolve(command, change)),
            Err(refusal) => Err(refusal),
        };
        self.sessions.remember(command, &outcome);
        outcome
    }

    /// What [`Directory::apply`] would answer now; nothing is changed.
    ///
    /// # Errors
    /// The refusal it would be.
    pub fn preview(&self, command: &Command, at: Time) -> Outcome {
        match self.sessions.repeated(command) {
            Some(first) => first,
            None => self.decide(command, self.now.max(at)).map(|change| change.reply),
        }
    }

    /// The first answer to this request, if it was given before.
    #[must_use]
    pub fn repeated(&self, command: &Command) -> Option<Outcome> {
        self.sessions.repeated(command)
    }

    fn evolve(&mut self, command: &Command, change: Change) -> Reply {
        let audited = if command.op.audited() { change.subjects } else { Vec::new() };
        let before: Vec<Value> = audited.iter().map(|subject| self.view(subject)).collect();
        for write in change.writes {
            self.write(write);
        }
        for (subject, before) in audited.into_iter().zip(before) {
            let entry = AuditEntry {
                number: self.next_audit,
                at: self.now,
                actor: command.actor.clone(),
                op: command.op.name().to_owned(),
                tenants: self.concerned(&subject),
                after: self.view(&subject),
                before,
                subject,
                request: command.request.clone(),
            };
            self.next_audit += 1;
            self.recent.push_back(Arc::new(entry));
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
        change.reply
    }

    fn write(&mut self, write: Write) {
        match write {
            Write::Tenant(tenant) => self.records.put_tenant(*tenant),
            Write::Key(key) => {
                self.next_key = self.next_key.max(key.id.next());
                self.records.put_key(*key);
            }
            Write::DropKey(key) => self.records.drop_key(key),
            Write::Grant(grant) => {
                self.next_grant = self.next_grant.max(grant.id.next());
                self.records.put_grant(*grant);
            }
            Write::DropGrant(grant) => self.records.drop_grant(grant),
            Write::Lease(lease) => {
                self.records.leases.insert(lease.tenant, Arc::new(lease));
            }
            Write::DropLease(tenant) => {
                self.records.leases.remove(&tenant);
            }
            Write::Region(region, Some(address)) => {
                self.records.regions.insert(region, address);
            }
            Write::Region(region, None) => {
                self.records.regions.remove(&region);
            }
        }
    }

    fn view(&self, subject: &Subject) -> Value {
        match subject {
            Subject::Tenant(id) => self.records.tenants.get(id).map(|tenant| audit::tenant_view(tenant)),
            Subject::Key(id) => self.records.keys.get(id).map(|key| audit::key_view(key)),
            Subject::Grant(id) => self.records.grants.get(id).map(|grant| audit::grant_view(grant)),
            Subject::Region(region) => self.records.regions.get(region).map(|address| Value::from(address.as_str())),
        }
        .unwrap_or(Value::Null)
    }

    fn concerned(&self, subject: &Subject) -> Vec<TenantId> {
        match subject {
            Subject::Tenant(id) => vec![*id],
            Subject::Key(id) => self.records.keys.get(id).map(|key| audit::tenants_of(key.scope)).unwrap_or_default(),
            Subject::Grant(id) => {
                self.records.grants.get(id).map(|grant| vec![grant.grantor, grant.grantee]).unwrap_or_default()
            }
            Subject::Region(_) => Vec::new(),
        }
    }

    /// The folder of a new tenant: its name if no tenant ever had that folder, else the name and its number.
    fn folder_for(&self, name: &NamespaceName, tenant: TenantId) -> Option<NamespaceName> {
        if !self.records.folders.contains(name) {
            return Some(name.clone());
        }
        let end = format!("-{tenant}");
        let head: String = name.as_str().chars().take(63usize.saturating_sub(end.len())).collect();
        let numbered: NamespaceName = format!("{head}{end}").parse().ok()?;
        (!self.records.folders.contains(&numbered)).then_some(numbered)
    }
}
