//! What a command will do, decided without doing it.
//!
//! Promises: reads only; every field that came from outside is bounded here.
//! Never: a change of state.

use firn_manifest::ids::TenantId;
use std::sync::Arc;

use super::{Change, Directory};
use crate::ids::Time;
use crate::op::{Command, Op};
use crate::refusal::Refusal;
use crate::tenant::{Status, Tenant};

/// The longest text of a label, a table's, a column's or a key's name, bytes.
pub const TEXT_MOST: usize = 256;
/// The longest address, bytes.
pub const ADDRESS_MOST: usize = 512;
/// The longest basis of an erasure, bytes.
pub const BASIS_MOST: usize = 1_024;
/// The longest predicate of a grant, bytes.
pub const PREDICATE_MOST: usize = 8_192;
/// The longest receipt, bytes.
pub const RECEIPT_MOST: usize = 256 << 10;

impl Directory {
    pub(super) fn decide(&self, command: &Command, at: Time) -> Result<Change, Refusal> {
        let op = &command.op;
        match op {
            Op::CreateTenant { tenant, namespace, name, region, kek, scram_salt, quotas, read_audit, key } => {
                let record = self.new_tenant(*tenant, *namespace, name, kek, quotas, at)?;
                let record = Tenant {
                    region: region.clone(),
                    scram_salt: scram_salt.clone(),
                    read_audit: *read_audit,
                    ..record
                };
                self.create_tenant(record, key.as_ref(), at)
            }
            Op::RenameTenant { tenant, name } => self.rename(*tenant, name, at),
            Op::MoveTenant { tenant, region } => {
                let found = self.alive(*tenant, op)?;
                Ok(Change::tenant(Tenant { region: region.clone(), changed_at: at, ..found.as_ref().clone() }))
            }
            Op::Suspend { tenant } => self.service(*tenant, Status::Suspended, op, at),
            Op::Seal { tenant } => self.service(*tenant, Status::Sealed, op, at),
            Op::Resume { tenant } => self.service(*tenant, Status::Active, op, at),
            Op::SetQuota { tenant, limits } => self.set_quota(*tenant, limits, op, at),
            Op::SetReadAudit { tenant, level } => {
                let found = self.alive(*tenant, op)?;
                Ok(Change::tenant(Tenant { read_audit: *level, changed_at: at, ..found.as_ref().clone() }))
            }
            Op::AddKek { tenant, kek } => self.add_kek(*tenant, kek, op, at),
            Op::RewrapKek { tenant, kek } => self.rewrap_kek(*tenant, kek, op, at),
            Op::RetireKek { tenant, generation } => self.retire_kek(*tenant, *generation, op, at),
            Op::CreateKey { scope, key } => self.create_key(*scope, key, op, at),
            Op::RevokeKey { scope, key } => self.revoke_key(*scope, *key, at),
            Op::Grant { .. } => self.grant_table(op, at),
            Op::RevokeGrant { grantor, grant } => self.revoke_grant(*grantor, *grant, at),
            Op::UseGrant { grantee, grant } => self.use_grant(*grantee, *grant, at),
            Op::AcquireLease { tenant, gateway, address, ttl_ms } => {
                self.acquire_lease(*tenant, gateway, address, *ttl_ms, op, at)
            }
            Op::RenewLease { tenant, gateway, ttl_ms } => self.renew_lease(*tenant, gateway, *ttl_ms, at),
            Op::ReleaseLease { tenant, gateway } => Ok(self.release_lease(*tenant, gateway)),
            Op::SetRegion { region, address } => self.set_region(region, address.as_deref()),
            Op::BeginErase { tenant, basis } => self.begin_erase(*tenant, basis, command, at),
            Op::DestroyKeys { tenant, head } => self.destroy_keys(*tenant, *head, op, at),
            Op::FinishErase { tenant, receipt } => self.finish_erase(*tenant, receipt, op, at),
        }
    }

    /// The tenant of that number, in whatever status.
    pub(super) fn find(&self, id: TenantId) -> Result<&Arc<Tenant>, Refusal> {
        self.records.tenants.get(&id).ok_or_else(|| Refusal::not_found("tenant", id))
    }

    /// The tenant of that number if no erasure of it was begun.
    pub(super) fn alive(&self, id: TenantId, op: &Op) -> Result<&Arc<Tenant>, Refusal> {
        let tenant = self.find(id)?;
        if tenant.status.alive() { Ok(tenant) } else { Err(wrong_status(tenant, op, "active, suspended or sealed")) }
    }
}

pub(super) fn wrong_status(tenant: &Tenant, op: &Op, allowed: &str) -> Refusal {
    Refusal::WrongStatus {
        tenant: tenant.id,
        status: tenant.status,
        op: op.name().to_owned(),
        allowed: allowed.to_owned(),
    }
}

/// A text from outside: bounded, and with nothing in it that a terminal would obey.
pub(super) fn check_text(what: &str, text: &str, least: usize, most: usize) -> Result<(), Refusal> {
    if text.len() < least || text.len() > most {
        return Err(Refusal::invalid(format!("{what} has {} bytes instead of {least} to {most}", text.len())));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Refusal::invalid(format!("{what} holds control characters")));
    }
    Ok(())
}
