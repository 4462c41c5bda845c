//! Whether the gateway lives, whether it can serve, and what it counted.
//!
//! Promises: `/readyz` is 200 only when the directory answers now.
//! Never: a secret or a tenant's name.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use firn_cell::Time;
use serde::Serialize;
use utoipa::ToSchema;

use super::Gateway;
use super::problem::{Document, Problem};
use crate::admin;

/// The directory must answer in this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer of the directory counts for so long: probes cost the store a request a second at most.
const FRESH: Duration = Duration::from_secs(1);

/// How the gateway is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    status: &'static str,
    /// the build
    version: &'static str,
    /// since when the key service has not answered: tenants whose keys are kept are served all the same
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_unreachable_since: Option<String>,
}

impl Health {
    fn ok() -> Self {
        Self { status: "ok", version: firn_engine::BUILD, keys_unreachable_since: None }
    }
}

/// The process lives
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health)))]
pub async fn live() -> Json<Health> {
    Json(Health::ok())
}

/// The store and the directory answer
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, body = Health),
    (status = 503, description = "why not", body = Document, content_type = "application/problem+json")
))]
pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Result<Json<Health>, Problem> {
    let asked = tokio::time::timeout(PATIENCE, gateway.directory.refresh_if_older(FRESH)).await;
    let why = match asked {
        Ok(Ok(_)) => {
            let since = gateway.master.health().unreachable_since;
            let keys_unreachable_since = since.map(|micros| admin::rfc3339(Time(micros)));
            return Ok(Json(Health { keys_unreachable_since, ..Health::ok() }));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the directory did not answer in {} s", PATIENCE.as_secs()),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why).retry_after(1))
}

/// Counters for Prometheus
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.metrics.text(gateway.namespaces.len()) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()).into_response(),
    }
}
