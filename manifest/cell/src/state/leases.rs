//! Routing leases: which gateway a tenant's writes are sent to.
//!
//! Promises: at most one holder at a time of the log; whoever comes after an expiry takes over under a higher term.
//! Never: protection of data. A lease that two gateways believe in costs a detour, the namespace's epoch decides.

use firn_manifest::ids::TenantId;

use super::decide::{ADDRESS_MOST, check_text, wrong_status};
use super::{Change, Directory, Write};
use crate::access::Lease;
use crate::ids::{GatewayId, Time};
use crate::op::{Op, Reply};
use crate::refusal::Refusal;

/// How long a lease may be taken for, milliseconds.
pub const TTL_MS: std::ops::RangeInclusive<u64> = 100..=600_000;

impl Directory {
    pub(super) fn acquire_lease(
        &self,
        id: TenantId,
        gateway: &GatewayId,
        address: &str,
        ttl_ms: u64,
        op: &Op,
        at: Time,
    ) -> Result<Change, Refusal> {
        let tenant = self.find(id)?;
        if !tenant.status.reads() {
            return Err(wrong_status(tenant, op, "active or sealed"));
        }
        check_text("the address", address, 1, ADDRESS_MOST)?;
        check_ttl(ttl_ms)?;
        let term = match self.records.leases.get(&id) {
            Some(held) if held.gateway == *gateway => held.term,
            Some(held) if at < held.until => {
                return Err(Refusal::LeaseHeld {
                    tenant: id,
                    gateway: held.gateway.clone(),
                    address: held.address.clone(),
                    until: held.until,
                });
            }
            Some(expired) => expired.term.saturating_add(1),
            None => 1,
        };
        let address = address.to_owned();
        Ok(held(Lease { tenant: id, gateway: gateway.clone(), address, term, until: at.after_ms(ttl_ms) }))
    }

    pub(super) fn renew_lease(
        &self,
        id: TenantId,
        gateway: &GatewayId,
        ttl_ms: u64,
        at: Time,
    ) -> Result<Change, Refusal> {
        check_ttl(ttl_ms)?;
        let own = self.records.leases.get(&id).filter(|lease| lease.gateway == *gateway);
        let lease = own.ok_or_else(|| Refusal::LeaseNotHeld { tenant: id, gateway: gateway.clone() })?;
        if !self.find(id)?.status.reads() {
            return Err(Refusal::LeaseNotHeld { tenant: id, gateway: gateway.clone() });
        }
        Ok(held(Lease { until: lease.until.max(at.after_ms(ttl_ms)), ..lease.as_ref().clone() }))
    }

    /// Gives a lease back; one that is not held is no error. The record stays, expired, so that terms go on rising.
    pub(super) fn release_lease(&self, id: TenantId, gateway: &GatewayId) -> Change {
        match self.records.leases.get(&id).filter(|lease| lease.gateway == *gateway) {
            Some(lease) => Change {
                reply: Reply::Done,
                writes: vec![Write::Lease(Lease { until: Time(0), ..lease.as_ref().clone() })],
                subjects: Vec::new(),
            },
            None => Change::none(Reply::Done),
        }
    }
}

fn check_ttl(ttl_ms: u64) -> Result<(), Refusal> {
    if TTL_MS.contains(&ttl_ms) {
        Ok(())
    } else {
        Err(Refusal::invalid(format!("a lease of {ttl_ms} ms: ask for {} to {} ms", TTL_MS.start(), TTL_MS.end())))
    }
}

fn held(lease: Lease) -> Change {
    Change { reply: Reply::Lease(lease.clone()), writes: vec![Write::Lease(lease)], subjects: Vec::new() }
}
