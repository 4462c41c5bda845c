//! `/v1/tenants…`: the administration of tenants and their keys.
//!
//! Promises: operators do everything; a tenant's admin key sees its own record and manages its own keys. A key's text is in
//! the answer that made it and nowhere else.
//! Never: one tenant's admin learns whether another exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use firn_cell::{
    ApiKeyId, AuditQuery, By, NewKey, NewTenant, Quota, ReadAudit, Refusal, Region, Role, Scope, Tenant, TenantId, Time,
};
use firn_manifest::ids::NamespaceName;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Gateway;
use super::caller::Caller;
use super::extract::{Parameters, Segments};
use super::problem::{Document, Problem};
use super::sql::rejected;
use crate::admin;

/// Tenants or audit entries of one answer.
const PAGE: usize = 100;
/// The most that can be asked for.
const PAGE_MOST: usize = 1_000;

type Body<T> = Result<Json<T>, JsonRejection>;

/// A tenant to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// its name
    name: String,
    /// its home; else that of this gateway
    region: Option<String>,
    /// its limits by name
    #[serde(default)]
    quotas: BTreeMap<String, u64>,
    /// what its audit table records: off, writes or all
    #[schema(value_type = Option<String>)]
    audit: Option<ReadAudit>,
}

/// A change of a tenant; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// another name
    name: Option<String>,
    /// active, suspended or sealed
    status: Option<String>,
    /// limits by name; null lifts one
    #[serde(default)]
    quotas: BTreeMap<String, Option<u64>>,
    /// what its audit table records: off, writes or all
    #[schema(value_type = Option<String>)]
    audit: Option<ReadAudit>,
}

/// An erasure.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Erase {
    /// why: the law, contract or request it is done for
    basis: String,
    /// whether the objects stay where they are, unreadable for ever
    #[serde(default)]
    keep_objects: bool,
}

/// A rotation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// kek
    level: String,
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeKey {
    /// reader, writer or admin
    #[schema(value_type = String)]
    role: Role,
    /// what its owner calls it
    #[serde(default)]
    label: String,
    /// from when on it is no good, RFC 3339
    expires_at: Option<String>,
}

/// A part of a list.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Page {
    /// behind this number
    after: Option<u64>,
    /// before this number
    before: Option<u64>,
    /// so many at the most
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(PAGE) {
            limit @ 1..=PAGE_MOST => Ok(limit),
            limit => Err(Problem::bad_request(format!("limit is {limit}: 1 to {PAGE_MOST} are allowed"))),
        }
    }
}

fn name(text: &str) -> Result<NamespaceName, Problem> {
    text.parse::<NamespaceName>().map_err(|e| Problem::bad_request(e.to_string()))
}

fn quota(name: &str) -> Result<Quota, Problem> {
    Quota::ALL.into_iter().find(|quota| quota.name() == name).ok_or_else(|| {
        let names: Vec<_> = Quota::ALL.iter().map(|quota| quota.name()).collect();
        Problem::bad_request(format!("there is no quota {name}")).with_hint(format!("there are {}", names.join(", ")))
    })
}

/// The tenant of that name, for a caller who may administer it.
async fn administered(gateway: &Gateway, headers: &HeaderMap, named: &str) -> Result<(Caller, Arc<Tenant>), Problem> {
    let caller = Caller::of(gateway, headers, Some(named)).await?;
    let tenant = caller.tenant()?;
    caller.may_administer(&tenant)?;
    Ok((caller, tenant))
}

/// The tenant of that name, for an operator.
async fn operated(gateway: &Gateway, headers: &HeaderMap, named: &str) -> Result<(By, Arc<Tenant>), Problem> {
    let caller = Caller::of(gateway, headers, Some(named)).await?;
    caller.is_operator()?;
    Ok((caller.by()?, caller.tenant()?))
}

/// The tenants, oldest first
#[utoipa::path(get, path = "/v1/tenants", params(Page), security(("key" = [])), responses(
    (status = 200, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Value>, Problem> {
    Caller::of(&gateway, &headers, None).await?.is_operator()?;
    let limit = page.limit()?;
    let state = gateway.directory.refresh().await?;
    let some: Vec<_> = state.tenants(page.after.map(TenantId)).take(limit + 1).collect();
    let next = some.get(limit).and_then(|_| some.get(limit - 1)).map(|tenant| tenant.id);
    let tenants: Vec<Value> = some.iter().take(limit).map(|tenant| admin::tenant_view(tenant)).collect();
    Ok(Json(json!({ "tenants": tenants, "next_after": next })))
}

/// Create a tenant: its keys, its namespace, its first API key
#[utoipa::path(post, path = "/v1/tenants", request_body = Create, security(("key" = [])), responses(
    (status = 201, description = "its record, and once its first API key", body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn create(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body<Create>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&gateway, &headers, None).await?;
    caller.is_operator()?;
    let Json(asked) = body.map_err(rejected)?;
    let mut new = NewTenant::named(name(&asked.name)?);
    new.region = match asked.region {
        Some(region) => region.parse::<Region>().map_err(Problem::bad_request)?,
        None => gateway.region.clone(),
    };
    for (limit, value) in &asked.quotas {
        new.quotas.0.insert(quota(limit)?, *value);
    }
    new.read_audit = asked.audit.unwrap_or_default();
    let created = gateway.directory.create_tenant(&caller.by()?, new).await?;
    gateway.namespaces.create(&created.tenant).await?;
    let mut view = admin::tenant_view(&created.tenant);
    if let (Some(fields), Some(token)) = (view.as_object_mut(), created.key.and_then(|key| key.token)) {
        fields.insert("api_key".to_owned(), json!(token.expose().as_str()));
    }
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// A tenant's record
#[utoipa::path(get, path = "/v1/tenants/{name}", params(("name" = String, Path)), security(("key" = [])), responses(
    (status = 200, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn show(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
) -> Result<Json<Value>, Problem> {
    let (_, tenant) = administered(&gateway, &headers, &named).await?;
    Ok(Json(admin::tenant_view(&tenant)))
}

/// Rename, suspend, seal or resume a tenant, or change its limits
#[utoipa::path(patch, path = "/v1/tenants/{name}", params(("name" = String, Path)), request_body = Change,
    security(("key" = [])), responses(
    (status = 200, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn change(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
    body: Body<Change>,
) -> Result<Json<Value>, Problem> {
    let (by, mut tenant) = operated(&gateway, &headers, &named).await?;
    let Json(asked) = body.map_err(rejected)?;
    let given = [asked.name.is_some(), asked.status.is_some(), !asked.quotas.is_empty(), asked.audit.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err(Problem::bad_request("one of name, status, quotas and audit is changed at a time"));
    }
    let directory = &gateway.directory;
    if let Some(other) = asked.name {
        tenant = directory.rename(&by, tenant.id, name(&other)?).await?;
    }
    if let Some(status) = asked.status {
        tenant = match status.as_str() {
            "active" => directory.resume(&by, tenant.id).await?,
            "suspended" => directory.suspend(&by, tenant.id).await?,
            "sealed" => directory.seal(&by, tenant.id).await?,
            other => {
                let detail = format!("status {other}: active, suspended and sealed can be set");
                return Err(Problem::bad_request(detail).with_hint("DELETE erases a tenant"));
            }
        };
    }
    if !asked.quotas.is_empty() {
        let limits = asked.quotas.iter().map(|(limit, value)| Ok((quota(limit)?, *value)));
        tenant = directory.set_quota(&by, tenant.id, limits.collect::<Result<_, Problem>>()?).await?;
    }
    if let Some(audit) = asked.audit {
        tenant = directory.set_read_audit(&by, tenant.id, audit).await?;
    }
    Ok(Json(admin::tenant_view(&tenant)))
}

/// Erase a tenant: its keys are destroyed, and nothing opens its data any more; the answer is a signed receipt
#[utoipa::path(delete, path = "/v1/tenants/{name}", params(("name" = String, Path), Erase), security(("key" = [])),
    responses(
    (status = 200, description = "the receipt; the same one however often it is asked for", body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn erase(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
    Parameters(asked): Parameters<Erase>,
) -> Result<Response, Problem> {
    // an erased tenant has no name any more, and its receipt is given again all the same
    let caller = Caller::of(&gateway, &headers, None).await?;
    caller.is_operator()?;
    let by = caller.by()?;
    let tenant = admin::to_erase(&*gateway.directory.refresh().await?, &named)?;
    let close = |tenant: &Tenant| gateway.namespaces.forget(tenant);
    let (directory, root) = (&gateway.directory, &gateway.store);
    let receipt = admin::erase(directory, root, &by, tenant.id, &asked.basis, !asked.keep_objects, close).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], receipt).into_response())
}

/// Rotate a tenant's key-encryption key
#[utoipa::path(post, path = "/v1/tenants/{name}/rotate", params(("name" = String, Path)), request_body = Rotate,
    security(("key" = [])), responses(
    (status = 200, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn rotate(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
    body: Body<Rotate>,
) -> Result<Json<Value>, Problem> {
    let (by, tenant) = operated(&gateway, &headers, &named).await?;
    let Json(asked) = body.map_err(rejected)?;
    if asked.level != "kek" {
        let detail = format!("level {}: kek can be rotated here", asked.level);
        return Err(Problem::bad_request(detail).with_hint("`firn tenant rotate` rotates the master key"));
    }
    let kek = gateway.directory.rotate_kek(&by, tenant.id).await?;
    Ok(Json(json!({ "generation": kek.generation, "wrapped_by": kek.wrapped_by })))
}

/// A tenant's API keys: what they allow, never the keys
#[utoipa::path(get, path = "/v1/tenants/{name}/keys", params(("name" = String, Path)), security(("key" = [])),
    responses(
    (status = 200, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn keys(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
) -> Result<Json<Value>, Problem> {
    let (_, tenant) = administered(&gateway, &headers, &named).await?;
    let state = gateway.directory.refresh().await?;
    let keys: Vec<Value> = state.keys(Scope::Tenant(tenant.id)).map(|key| admin::key_view(key)).collect();
    Ok(Json(json!({ "keys": keys })))
}

/// Make an API key; it is shown once
#[utoipa::path(post, path = "/v1/tenants/{name}/keys", params(("name" = String, Path)), request_body = MakeKey,
    security(("key" = [])), responses(
    (status = 201, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn create_key(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
    body: Body<MakeKey>,
) -> Result<Response, Problem> {
    let (caller, tenant) = administered(&gateway, &headers, &named).await?;
    let Json(asked) = body.map_err(rejected)?;
    let expires_at = asked.expires_at.as_deref().map(time).transpose()?;
    let new = NewKey { role: asked.role, label: asked.label, expires_at };
    let made = gateway.directory.create_key(&caller.by()?, Scope::Tenant(tenant.id), new).await?;
    let token = made.token.ok_or_else(|| Problem::from(Refusal::invalid("the key was shown before")))?;
    let answer = json!({ "id": made.id, "role": asked.role, "api_key": token.expose().as_str() });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn time(text: &str) -> Result<Time, Problem> {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(Time(time.timestamp_micros())),
        Err(e) => Err(Problem::bad_request(format!("expires_at {text}: {e}")).with_hint("write 2026-12-31T23:59:59Z")),
    }
}

/// Revoke an API key
#[utoipa::path(delete, path = "/v1/tenants/{name}/keys/{id}", params(("name" = String, Path), ("id" = u64, Path)),
    security(("key" = [])), responses(
    (status = 204),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn revoke_key(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments((named, id)): Segments<(String, u64)>,
) -> Result<StatusCode, Problem> {
    let (caller, tenant) = administered(&gateway, &headers, &named).await?;
    gateway.directory.revoke_key(&caller.by()?, Scope::Tenant(tenant.id), ApiKeyId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was done to a tenant, newest first
#[utoipa::path(get, path = "/v1/tenants/{name}/audit", params(("name" = String, Path), Page), security(("key" = [])),
    responses(
    (status = 200, body = Value),
    (status = "default", body = Document, content_type = "application/problem+json")
))]
pub async fn audit(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Segments(named): Segments<String>,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Value>, Problem> {
    let (_, tenant) = administered(&gateway, &headers, &named).await?;
    let query = AuditQuery { tenant: Some(tenant.id), before: page.before, limit: page.limit()? };
    gateway.directory.refresh().await?;
    let entries = gateway.directory.audit_trail(&query).await?;
    let shown: Vec<Value> = entries.iter().map(|entry| admin::audit_view(entry)).collect();
    Ok(Json(json!({ "entries": shown })))
}
