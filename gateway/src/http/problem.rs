//! Errors as RFC 9457 problem documents.
//!
//! Promises: a stable `code` and, for what a statement does, the SQLSTATE; the status says whether to correct the request,
//! to log in, or to try again. An unknown tenant and a wrong key are answered alike.
//! Never: a secret, or a word of another tenant.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use firn_cell::Refusal;
use firn_engine::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem(Box<Document>);

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document {
    /// `urn:firn:error:` and the code
    #[serde(rename = "type")]
    pub kind: String,
    /// the status in words
    pub title: String,
    /// the HTTP status
    pub status: u16,
    /// what was tried, on what
    pub detail: String,
    /// a stable short name
    pub code: String,
    /// five characters, as PostgreSQL has them
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// what to do next
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// the place in the statement, both from 1
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// A place in a statement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Place {
    /// the line, from 1
    pub line: u64,
    /// the column, from 1
    pub column: u64,
}

impl Problem {
    /// A problem of that status.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            kind: format!("urn:firn:error:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            sqlstate: None,
            hint: None,
            at: None,
            retry_after_s: None,
        }))
    }

    /// The request is not what it must be.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// Who asks is not known, or not for this tenant.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", Refusal::Unauthenticated.to_string())
            .with_hint("send Authorization: Bearer firn_… with a key of this tenant")
    }

    /// Who asks may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail).with_sqlstate("42501")
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the SQLSTATE.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: &str) -> Self {
        self.0.sqlstate = Some(sqlstate.to_owned());
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }
}

/// The status and code of an engine's error.
fn kind_of(error: &Error) -> (StatusCode, &'static str) {
    match error.kind {
        ErrorKind::Store => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        ErrorKind::Key => (StatusCode::SERVICE_UNAVAILABLE, "key_unavailable"),
        ErrorKind::Integrity => (StatusCode::INTERNAL_SERVER_ERROR, "integrity"),
        ErrorKind::Fenced => (StatusCode::SERVICE_UNAVAILABLE, "fenced"),
        ErrorKind::NoNamespace => (StatusCode::NOT_FOUND, "no_namespace"),
        ErrorKind::Usage => (StatusCode::BAD_REQUEST, "bad_request"),
        ErrorKind::Statement => match (error.sqlstate, error.sqlstate.get(..2).unwrap_or_default()) {
            ("40001", _) => (StatusCode::CONFLICT, "serialization_failure"),
            ("42501", _) => (StatusCode::FORBIDDEN, "forbidden"),
            ("57014", _) => (StatusCode::REQUEST_TIMEOUT, "canceled"),
            ("08007", _) => (StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown"),
            (_, "23") => (StatusCode::CONFLICT, "constraint_violation"),
            (_, "25") => (StatusCode::CONFLICT, "transaction_state"),
            (_, "28") => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            ("53400", _) => (StatusCode::PAYLOAD_TOO_LARGE, "over_quota"),
            (_, "53") => (StatusCode::SERVICE_UNAVAILABLE, "insufficient_resources"),
            (_, "54") => (StatusCode::PAYLOAD_TOO_LARGE, "program_limit_exceeded"),
            (_, "XX") => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            (_, "0A") => (StatusCode::BAD_REQUEST, "not_supported"),
            _ => (StatusCode::BAD_REQUEST, "statement_failed"),
        },
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = kind_of(&error);
        let mut detail = error.message;
        if let Some(more) = error.detail {
            detail = format!("{detail} ({more})");
        }
        let mut problem = Self::new(status, code, detail);
        problem.0.sqlstate = Some(error.sqlstate.to_owned());
        problem.0.hint = error.hint;
        problem.0.at = error.at.map(|(line, column)| Place { line, column });
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.retry_after(1) } else { problem }
    }
}

impl From<firn_cell::Error> for Problem {
    fn from(error: firn_cell::Error) -> Self {
        match error {
            firn_cell::Error::Refused(refusal) => refusal.into(),
            firn_cell::Error::Root(root) => Error::from(root).into(),
            none @ firn_cell::Error::NoDirectory { .. } => {
                Self::new(StatusCode::NOT_FOUND, "no_directory", none.to_string())
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Unauthenticated => return Self::unauthenticated(),
            Refusal::NotFound { .. } => StatusCode::NOT_FOUND,
            Refusal::Renamed { .. } => StatusCode::GONE,
            Refusal::QuotaOutOfRange { .. } | Refusal::Invalid { .. } => StatusCode::BAD_REQUEST,
            Refusal::TooMany { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::LeaseHeld { .. } | Refusal::LeaseNotHeld { .. } => StatusCode::MISDIRECTED_REQUEST,
            Refusal::GrantOver { .. } => StatusCode::FORBIDDEN,
            Refusal::NameTaken { .. }
            | Refusal::IdTaken { .. }
            | Refusal::WrongStatus { .. }
            | Refusal::KekChanged { .. }
            | Refusal::RequestReused { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.0.retry_after_s;
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"firn\""));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
