//! API keys and grants.
//!
//! Promises: a hash belongs to one key at most; revoked and spent records make room for new ones, oldest first.
//! Never: a grant of a tenant to itself.

use firn_manifest::ids::TenantId;

use super::decide::{PREDICATE_MOST, TEXT_MOST, check_text};
use super::{Change, Directory, Write};
use crate::access::{ApiKey, Grant, Scope};
use crate::audit::Subject;
use crate::ids::{ApiKeyId, GrantId, Time};
use crate::op::{KeyDraft, Op, Reply};
use crate::refusal::Refusal;

/// How many keys a tenant, or the operators, can have.
pub const KEYS_MOST: usize = 1_000;
/// How many grants a tenant can have given.
pub const GRANTS_MOST: usize = 10_000;
/// How many columns a grant can name.
pub const COLUMNS_MOST: usize = 1_600;
/// The rounds of PBKDF2 that a verifier may have.
pub const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

impl Directory {
    pub(super) fn new_key(&self, scope: Scope, draft: &KeyDraft, at: Time) -> Result<ApiKey, Refusal> {
        check_text("the key's label", &draft.label, 0, TEXT_MOST)?;
        if draft.expires_at.is_some_and(|end| end <= at) {
            return Err(Refusal::invalid("the key's expiry is in the past"));
        }
        if !ITERATIONS.contains(&draft.scram.iterations)
            || hex::decode(&draft.scram.salt).map_or(true, |salt| salt.len() != 16)
        {
            return Err(Refusal::invalid("the key's SCRAM verifier is none"));
        }
        if self.records.hashes.contains_key(&draft.hash) {
            return Err(Refusal::invalid("this key is there already"));
        }
        Ok(ApiKey {
            id: self.next_key,
            scope,
            role: draft.role,
            label: draft.label.clone(),
            created_at: at,
            expires_at: draft.expires_at,
            revoked_at: None,
            hash: draft.hash,
            scram: draft.scram.clone(),
        })
    }

    pub(super) fn create_key(&self, scope: Scope, draft: &KeyDraft, op: &Op, at: Time) -> Result<Change, Refusal> {
        if let Scope::Tenant(tenant) = scope {
            self.alive(tenant, op)?;
        }
        let key = self.new_key(scope, draft, at)?;
        let mut writes = Vec::new();
        if self.records.keys_of(scope).count() >= KEYS_MOST {
            let spent = self.records.keys_of(scope).find(|key| !key.good_at(at));
            let Some(spent) = spent else {
                return Err(Refusal::TooMany { what: "API keys of this scope".to_owned(), most: KEYS_MOST as u64 });
            };
            writes.push(Write::DropKey(spent.id));
        }
        let id = key.id;
        writes.push(Write::Key(Box::new(key)));
        Ok(Change { reply: Reply::Key(id), writes, subjects: vec![Subject::Key(id)] })
    }

    pub(super) fn revoke_key(&self, scope: Scope, id: ApiKeyId, at: Time) -> Result<Change, Refusal> {
        let found = self.records.keys.get(&id).filter(|key| key.scope == scope);
        let key = found.ok_or_else(|| Refusal::not_found("API key", id))?;
        if key.revoked_at.is_some() {
            return Ok(Change::none(Reply::Key(id)));
        }
        let revoked = ApiKey { revoked_at: Some(at), ..key.as_ref().clone() };
        let writes = vec![Write::Key(Box::new(revoked))];
        Ok(Change { reply: Reply::Key(id), writes, subjects: vec![Subject::Key(id)] })
    }

    pub(super) fn grant_table(&self, op: &Op, at: Time) -> Result<Change, Refusal> {
        let Op::Grant { grantor, grantee, table, columns, predicate, until, uses } = op else {
            return Err(Refusal::invalid("this is no grant"));
        };
        self.alive(*grantor, op)?;
        self.alive(*grantee, op)?;
        if grantor == grantee {
            return Err(Refusal::invalid("a tenant needs no grant of its own tables"));
        }
        check_text("the table's name", table, 1, TEXT_MOST)?;
        if let Some(columns) = columns {
            if columns.is_empty() || columns.len() > COLUMNS_MOST {
                return Err(Refusal::invalid(format!("a grant names 1 to {COLUMNS_MOST} columns, or all")));
            }
            columns.iter().try_for_each(|column| check_text("a column's name", column, 1, TEXT_MOST))?;
        }
        if let Some(predicate) = predicate {
            check_text("the condition", predicate, 1, PREDICATE_MOST)?;
        }
        if until.is_some_and(|end| end <= at) {
            return Err(Refusal::invalid("the grant's end is in the past"));
        }
        if *uses == Some(0) {
            return Err(Refusal::invalid("a grant of no uses grants nothing"));
        }
        let mut writes = Vec::new();
        if self.records.grants_in(&self.records.given, *grantor).count() >= GRANTS_MOST {
            let mut given = self.records.grants_in(&self.records.given, *grantor);
            let Some(over) = given.find(|grant| grant.over_at(at).is_some()) else {
                return Err(Refusal::TooMany { what: "grants of this tenant".to_owned(), most: GRANTS_MOST as u64 });
            };
            writes.push(Write::DropGrant(over.id));
        }
        let id = self.next_grant;
        writes.push(Write::Grant(Box::new(Grant {
            id,
            grantor: *grantor,
            grantee: *grantee,
            table: table.clone(),
            columns: columns.clone(),
            predicate: predicate.clone(),
            until: *until,
            uses_left: *uses,
            created_at: at,
            revoked_at: None,
        })));
        Ok(Change { reply: Reply::Grant(id), writes, subjects: vec![Subject::Grant(id)] })
    }

    pub(super) fn revoke_grant(&self, grantor: TenantId, id: GrantId, at: Time) -> Result<Change, Refusal> {
        let found = self.records.grants.get(&id).filter(|grant| grant.grantor == grantor);
        let grant = found.ok_or_else(|| Refusal::not_found("grant", id))?;
        if grant.revoked_at.is_some() {
            return Ok(Change::none(Reply::Grant(id)));
        }
        let revoked = Grant { revoked_at: Some(at), ..grant.as_ref().clone() };
        let writes = vec![Write::Grant(Box::new(revoked))];
        Ok(Change { reply: Reply::Grant(id), writes, subjects: vec![Subject::Grant(id)] })
    }

    pub(super) fn use_grant(&self, grantee: TenantId, id: GrantId, at: Time) -> Result<Change, Refusal> {
        let found = self.records.grants.get(&id).filter(|grant| grant.grantee == grantee);
        let grant = found.ok_or_else(|| Refusal::not_found("grant", id))?;
        if let Some(why) = grant.over_at(at) {
            return Err(Refusal::GrantOver { grant: id, why: why.to_owned() });
        }
        let Some(left) = grant.uses_left else {
            return Ok(Change::none(Reply::Grant(id)));
        };
        let used = Grant { uses_left: Some(left.saturating_sub(1)), ..grant.as_ref().clone() };
        let writes = vec![Write::Grant(Box::new(used))];
        Ok(Change { reply: Reply::Grant(id), writes, subjects: Vec::new() })
    }
}
