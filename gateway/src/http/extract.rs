//! What a request names in its path and its query, or why it names nothing that can be used.
//!
//! Promises: a refusal is a problem document.
//! Never: a body: who asks is known before one is read.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The segments of the path that stand for something.
pub struct Segments<T>(pub T);

/// The parameters of the query.
pub struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(found) = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|e: PathRejection| Problem::new(e.status(), "bad_request", e.body_text()))?;
        Ok(Self(found))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(found) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|e: QueryRejection| Problem::new(e.status(), "bad_request", e.body_text()))?;
        Ok(Self(found))
    }
}
