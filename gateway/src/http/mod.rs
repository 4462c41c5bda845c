//! The HTTP front door.
//!
//! Promises: every route is in the OpenAPI document, which is made from the code; bodies are bounded; what a handler did
//! not foresee is a problem document, never a dead worker.
//! Never: a namespace is touched for a caller who is not known.

mod admit;
mod answer;
mod caller;
mod extract;
mod health;
mod metrics;
mod problem;
mod sql;
mod tenants;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use firn_cell::{DirectoryClient, Region};
use firn_manifest::World;
use firn_manifest::keys::CachedKeys;
use firn_manifest::store::Store;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

pub use admit::Admission;
pub use metrics::Metrics;
use problem::{Document, Problem};

use crate::serve::namespaces::Namespaces;

/// The largest body of a request with SQL, bytes.
const BODY_BYTES: usize = 16 << 20;

/// What every request sees.
pub struct Gateway {
    /// the root of the store
    pub store: Store,
    /// who is who
    pub directory: DirectoryClient,
    /// the master key's service
    pub master: Arc<CachedKeys>,
    /// what is open
    pub namespaces: Namespaces,
    /// who may begin
    pub admission: Admission,
    /// what happened
    pub metrics: Metrics,
    /// where this gateway stands
    pub region: Region,
}

impl Gateway {
    /// The door to time.
    pub fn world(&self) -> &Arc<dyn World> {
        self.store.world()
    }
}

/// What the gateway answers, as OpenAPI has it.
#[derive(OpenApi)]
#[openapi(
    info(title = "FirnDB", description = "SQL over namespaces in a bucket: one for each tenant, each with its own keys."),
    paths(
        sql::sql, tenants::list, tenants::create, tenants::show, tenants::change, tenants::erase, tenants::rotate,
        tenants::keys, tenants::create_key, tenants::revoke_key, tenants::audit, health::live, health::ready,
        health::metrics
    ),
    components(schemas(Document)),
    modifiers(&Keys)
)]
struct Api;

struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("firn_…").build();
        if let Some(components) = api.components.as_mut() {
            components.add_security_scheme("key", SecurityScheme::Http(bearer));
        }
    }
}

/// The document that describes the interface.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// All routes.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/sql", post(sql::sql))
        .route("/v1/tenants", get(tenants::list).post(tenants::create))
        .route("/v1/tenants/{name}", get(tenants::show).patch(tenants::change).delete(tenants::erase))
        .route("/v1/tenants/{name}/rotate", post(tenants::rotate))
        .route("/v1/tenants/{name}/keys", get(tenants::keys).post(tenants::create_key))
        .route("/v1/tenants/{name}/keys/{id}", axum::routing::delete(tenants::revoke_key))
        .route("/v1/tenants/{name}/audit", get(tenants::audit))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(|| async { Json(openapi()) }))
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "no_route", "there is no such path: see /openapi.json")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "bad_method",
                "the path takes other methods: see /openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(gateway)
}

/// Serves until `stop` is done, then until the requests under way are.
///
/// # Errors
/// Of the listener.
pub async fn serve(
    listener: tokio::net::TcpListener,
    gateway: Arc<Gateway>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(gateway).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}
