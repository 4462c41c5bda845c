//! What is done to tenants: the directory and the namespace, in the right order.
//!
//! Promises: a tenant is answered for only when its namespace is there; an erasure that was cut short is done to its end by
//! asking for it again, and answers the same receipt.
//! Never: a namespace's objects are removed before its keys are destroyed.

use std::sync::Arc;

use firn_cell::receipt::Objects;
use firn_cell::tenant::ManifestHead;
use firn_cell::{ApiKey, AuditEntry, By, Directory, DirectoryClient, Refusal, Status, Tenant, TenantId, Time};
use firn_engine::{Error, ErrorKind};
use firn_manifest::chain;
use firn_manifest::ids::{ChainHash, NamespaceName};
use firn_manifest::store::Store;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};

/// Objects removed at a time.
const REMOVED_AT_ONCE: usize = 16;
/// Keys of one LIST.
const LISTED_AT_ONCE: usize = 1_000;

/// The directory's error as the engine words its own.
#[must_use]
pub fn engine_error(error: firn_cell::Error) -> Error {
    match error {
        firn_cell::Error::Root(root) => root.into(),
        firn_cell::Error::Refused(refusal) => {
            let sqlstate = match &refusal {
                Refusal::NotFound { .. } | Refusal::Renamed { .. } => "42704",
                Refusal::NameTaken { .. } | Refusal::IdTaken { .. } => "42710",
                Refusal::WrongStatus { .. } | Refusal::LeaseNotHeld { .. } | Refusal::KekChanged { .. } => "55000",
                Refusal::LeaseHeld { .. } => "55006",
                Refusal::TooMany { .. } => "54000",
                Refusal::Unauthenticated => "28000",
                Refusal::GrantOver { .. } => "42501",
                Refusal::QuotaOutOfRange { .. } | Refusal::Invalid { .. } | Refusal::RequestReused { .. } => "22023",
            };
            Error::statement(sqlstate, refusal.to_string())
        }
        none @ firn_cell::Error::NoDirectory { .. } => Error::new(ErrorKind::NoNamespace, "3D000", none.to_string()),
    }
}

/// A time as RFC 3339.
#[must_use]
pub fn rfc3339(time: Time) -> String {
    chrono::DateTime::from_timestamp_micros(time.0)
        .map_or_else(|| time.0.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// The tenant to erase: of that name, or of that number, or the last one that was erased under the name.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::Renamed`].
pub fn to_erase(directory: &Directory, text: &str) -> Result<Arc<Tenant>, Refusal> {
    let name: NamespaceName = text.parse().map_err(|_| Refusal::not_found("tenant", text))?;
    let erased = |tenant: &&Arc<Tenant>| tenant.name == name && tenant.status == Status::Erased;
    match directory.named(&name) {
        Err(Refusal::NotFound { .. }) => {
            let last = directory.tenants(None).filter(erased).last().cloned();
            last.ok_or_else(|| Refusal::not_found("tenant", text))
        }
        found => found,
    }
}

/// A tenant as it is shown.
#[must_use]
pub fn tenant_view(tenant: &Tenant) -> Value {
    let mut view = json!({
        "name": tenant.name, "id": tenant.id, "uuid": tenant.namespace, "status": tenant.status,
        "region": tenant.region, "namespace": tenant.folder, "quotas": tenant.quotas, "audit": tenant.read_audit,
        "key_generation": tenant.kek().map(|kek| kek.generation),
        "created_at": rfc3339(tenant.created_at), "changed_at": rfc3339(tenant.changed_at),
    });
    if let (Some(erasure), Some(fields)) = (&tenant.erasure, view.as_object_mut()) {
        let shown = json!({ "basis": erasure.basis, "requested_at": rfc3339(erasure.requested_at),
            "requested_by": erasure.requested_by, "erased_at": erasure.erased_at.map(rfc3339) });
        fields.insert("erasure".to_owned(), shown);
    }
    view
}

/// An API key as it is shown: never the key.
#[must_use]
pub fn key_view(key: &ApiKey) -> Value {
    let mut view = Map::new();
    view.insert("id".to_owned(), json!(key.id));
    view.insert("role".to_owned(), json!(key.role));
    view.insert("label".to_owned(), json!(key.label));
    view.insert("created_at".to_owned(), json!(rfc3339(key.created_at)));
    view.insert("expires_at".to_owned(), json!(key.expires_at.map(rfc3339)));
    view.insert("revoked_at".to_owned(), json!(key.revoked_at.map(rfc3339)));
    Value::Object(view)
}

/// An audit entry as it is shown.
#[must_use]
pub fn audit_view(entry: &AuditEntry) -> Value {
    json!({ "number": entry.number, "at": rfc3339(entry.at), "actor": entry.actor, "op": entry.op,
        "subject": entry.subject, "before": entry.before, "after": entry.after })
}

/// Erases a tenant: out of service, keys destroyed, objects removed if that is asked for, receipt. `close` lets go of the
/// namespace where this process has it open. Repeated, it goes on where it stopped and gives the same receipt.
///
/// # Errors
/// Refusals; store and integrity errors: ask again to go on.
pub async fn erase(
    directory: &DirectoryClient,
    root: &Store,
    by: &By,
    tenant: TenantId,
    basis: &str,
    remove: bool,
    close: impl Fn(&Tenant),
) -> Result<String, firn_cell::Error> {
    let state = directory.refresh().await?;
    let known = state.tenant(tenant).ok_or_else(|| Refusal::not_found("tenant", tenant))?;
    if let Some(receipt) = known.receipt() {
        return Ok(receipt.to_owned());
    }
    let found = if known.status.alive() { directory.erase_begin(by, tenant, basis).await? } else { known.clone() };
    close(&found);
    let namespace = root.namespace(&found.folder);
    let head = match &found.erasure {
        Some(erasure) if erasure.erasing_at.is_some() => None,
        _ => head(&namespace).await?,
    };
    if found.erasure.as_ref().is_none_or(|erasure| erasure.erasing_at.is_none()) {
        directory.erase_keys(by, tenant, head).await?;
    }
    close(&found);
    let objects = if remove { Objects::Removed(remove_all(&namespace).await?) } else { Objects::Kept };
    directory.erase_finish(by, tenant, objects).await
}

/// The newest manifest of a namespace, by its stored bytes alone.
async fn head(namespace: &Store) -> Result<Option<ManifestHead>, firn_cell::Error> {
    let Some(version) = chain::versions(namespace).await?.pop() else { return Ok(None) };
    let bytes = chain::read_raw(namespace, version).await?;
    Ok(Some(ManifestHead { version, sha256: ChainHash::of(&bytes) }))
}

/// Removes every object of a namespace.
async fn remove_all(namespace: &Store) -> Result<u64, firn_cell::Error> {
    let mut removed = 0;
    loop {
        let some = namespace.list("", None, Some(LISTED_AT_ONCE)).await?;
        if some.is_empty() {
            return Ok(removed);
        }
        removed += some.len() as u64;
        let deletes = stream::iter(some.into_iter().map(|object| async move { namespace.delete(&object.key).await }));
        deletes.buffer_unordered(REMOVED_AT_ONCE).try_collect::<Vec<()>>().await?;
    }
}
