//! The directory's state as bytes: canonical JSON, records in the order of their numbers.
//!
//! Promises: one state has one encoding (DIR-1); what is decoded encodes to the same bytes again, or is refused.
//! Never: an index or anything else in the bytes that can be derived.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Directory;
use super::records::Records;
use super::sessions::{Answer, Sessions};
use crate::access::{ApiKey, Grant, Lease};
use crate::audit::{AuditEntry, RECENT};
use crate::ids::{ApiKeyId, DirectoryId, GrantId, Region, Time};
use crate::tenant::Tenant;

#[derive(Serialize)]
struct ImageRef<'a> {
    directory: DirectoryId,
    now: Time,
    applied: u64,
    next_key: ApiKeyId,
    next_grant: GrantId,
    next_audit: u64,
    tenants: Vec<&'a Tenant>,
    keys: Vec<&'a ApiKey>,
    grants: Vec<&'a Grant>,
    leases: Vec<&'a Lease>,
    regions: &'a BTreeMap<Region, String>,
    sessions: Vec<&'a Answer>,
    audit: Vec<&'a AuditEntry>,
}

#[derive(Deserialize)]
struct Image {
    directory: DirectoryId,
    now: Time,
    applied: u64,
    next_key: ApiKeyId,
    next_grant: GrantId,
    next_audit: u64,
    tenants: Vec<Tenant>,
    keys: Vec<ApiKey>,
    grants: Vec<Grant>,
    leases: Vec<Lease>,
    regions: BTreeMap<Region, String>,
    sessions: Vec<Answer>,
    audit: Vec<AuditEntry>,
}

impl Directory {
    /// The state as bytes.
    ///
    /// # Errors
    /// What has no JSON form; nothing of this crate's own making has none.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let records = &self.records;
        serde_json::to_vec(&ImageRef {
            directory: self.id,
            now: self.now,
            applied: self.applied,
            next_key: self.next_key,
            next_grant: self.next_grant,
            next_audit: self.next_audit,
            tenants: records.tenants.values().map(Arc::as_ref).collect(),
            keys: records.keys.values().map(Arc::as_ref).collect(),
            grants: records.grants.values().map(Arc::as_ref).collect(),
            leases: records.leases.values().map(Arc::as_ref).collect(),
            regions: &records.regions,
            sessions: self.sessions.in_order().collect(),
            audit: self.recent.iter().map(Arc::as_ref).collect(),
        })
        .map_err(|e| e.to_string())
    }

    /// The state of these bytes.
    ///
    /// # Errors
    /// Why they are not the one encoding of a state.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let image: Image = serde_json::from_slice(bytes).map_err(|e| format!("it is not a state's JSON ({e})"))?;
        let mut records = Records::default();
        // in the order of a valid state, so that a name of an erased tenant never takes the place of a living one's
        image.tenants.into_iter().for_each(|tenant| records.put_tenant(tenant));
        image.keys.into_iter().for_each(|key| records.put_key(key));
        image.grants.into_iter().for_each(|grant| records.put_grant(grant));
        records.leases = image.leases.into_iter().map(|lease| (lease.tenant, Arc::new(lease))).collect();
        records.regions = image.regions;
        let mut sessions = Sessions::default();
        if !image.sessions.into_iter().all(|answer| sessions.add(answer)) {
            return Err("a request is answered twice".to_owned());
        }
        if image.audit.len() > RECENT {
            return Err("it holds more audit entries than a state does".to_owned());
        }
        let directory = Self {
            id: image.directory,
            now: image.now,
            applied: image.applied,
            next_key: image.next_key,
            next_grant: image.next_grant,
            next_audit: image.next_audit,
            records,
            sessions,
            recent: image.audit.into_iter().map(Arc::new).collect(),
        };
        if directory.encode()? != bytes {
            return Err("it is not in canonical form".to_owned());
        }
        Ok(directory)
    }
}
