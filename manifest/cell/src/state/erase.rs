//! Erasure: asked for, keys destroyed, receipt issued. Each step is one command, and each can be repeated.
//!
//! Promises: from the first step on the tenant is out of service; the receipt that was recorded first is the one that
//! stays (ERA-1).
//! Never: a way back.

use firn_manifest::ids::TenantId;

use super::decide::{BASIS_MOST, RECEIPT_MOST, check_text, wrong_status};
use super::tenants::unchanged;
use super::{Change, Directory, Write};
use crate::access::Scope;
use crate::ids::Time;
use crate::op::{Command, Op};
use crate::refusal::Refusal;
use crate::tenant::{Erasure, ManifestHead, Status, Tenant};

impl Directory {
    pub(super) fn begin_erase(
        &self,
        id: TenantId,
        basis: &str,
        command: &Command,
        at: Time,
    ) -> Result<Change, Refusal> {
        let tenant = self.find(id)?;
        if !tenant.status.alive() {
            return Ok(unchanged(tenant));
        }
        check_text("the basis", basis, 1, BASIS_MOST)?;
        let erasure = Erasure {
            basis: basis.to_owned(),
            requested_at: at,
            requested_by: command.actor.to_string(),
            erasing_at: None,
            head: None,
            erased_at: None,
            receipt: None,
        };
        let mut change = Change::tenant(Tenant {
            status: Status::Pending,
            erasure: Some(erasure),
            changed_at: at,
            ..tenant.as_ref().clone()
        });
        // nobody holds what is out of service
        change.writes.push(Write::DropLease(id));
        Ok(change)
    }

    pub(super) fn destroy_keys(
        &self,
        id: TenantId,
        head: Option<ManifestHead>,
        op: &Op,
        at: Time,
    ) -> Result<Change, Refusal> {
        let tenant = self.find(id)?;
        if matches!(tenant.status, Status::Erasing | Status::Erased) {
            return Ok(unchanged(tenant));
        }
        let Some(erasure) = tenant.erasure.as_ref().filter(|_| tenant.status.may_become(Status::Erasing)) else {
            return Err(wrong_status(tenant, op, "pending"));
        };
        Ok(Change::tenant(Tenant {
            status: Status::Erasing,
            erasure: Some(Erasure { erasing_at: Some(at), head, ..erasure.clone() }),
            changed_at: at,
            ..tenant.as_ref().clone()
        }))
    }

    pub(super) fn finish_erase(&self, id: TenantId, receipt: &str, op: &Op, at: Time) -> Result<Change, Refusal> {
        let tenant = self.find(id)?;
        if tenant.status == Status::Erased {
            return Ok(unchanged(tenant));
        }
        let Some(erasure) = tenant.erasure.as_ref().filter(|_| tenant.status.may_become(Status::Erased)) else {
            return Err(wrong_status(tenant, op, "erasing"));
        };
        check_text("the receipt", receipt, 1, RECEIPT_MOST)?;
        let mut change = Change::tenant(Tenant {
            status: Status::Erased,
            erasure: Some(Erasure { erased_at: Some(at), receipt: Some(receipt.to_owned()), ..erasure.clone() }),
            changed_at: at,
            ..tenant.as_ref().clone()
        });
        // what led to the tenant, or from it, is over
        let keys = self.records.keys_of(Scope::Tenant(id)).map(|key| Write::DropKey(key.id));
        let given = self.records.grants_in(&self.records.given, id);
        let received = self.records.grants_in(&self.records.received, id);
        change.writes.extend(keys.chain(given.chain(received).map(|grant| Write::DropGrant(grant.id))));
        Ok(change)
    }
}
