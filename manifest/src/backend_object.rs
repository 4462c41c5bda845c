//! S3, GCS and Azure through `object_store`.
//!
//! Promises: a conditional PUT is one attempt of ours, because a client that repeats it turns a lost reply into a false
//! "already exists"; reads and listings are repeated within a bound; credentials come only from the environment's
//! standard chain.
//! Never: an `object_store` type in this module's interface.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error as OsError, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, RetryConfig,
};

use crate::error::{StoreError, StoreErrorKind};
use crate::store::{Backend, GetRange, LIST_PAGE, ObjectInfo, PutOutcome};
use crate::tally::Op;
use crate::uri::{Scheme, StoreUri};
use crate::world::system;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// A page of a listing is small: whoever opens a namespace at a dead address learns it this soon.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// Where a cloud's machine asks for its credentials.
const METADATA_HOSTS: [&str; 3] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal"];
/// How much of a store's answer goes into a message.
const MESSAGE_CHARS: usize = 400;
const READ_RETRIES: usize = 6;
const READ_RETRY_TIME: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct ObjectBackend<S> {
    /// retries within a bound
    reading: S,
    /// no retries at all
    writing: S,
    /// the store answers "the last n bytes"
    suffix_reads: bool,
    /// the bucket's URI
    place: String,
    /// the bucket's URI and endpoint, for errors
    origin: String,
}

/// The backend of an `s3://`, `gs://` or `az://` URI. No request is made.
pub(crate) fn connect(uri: &StoreUri) -> Result<Arc<dyn Backend>, StoreError> {
    let scheme = match uri.scheme {
        Scheme::Gcs => "gs",
        Scheme::Azure => "az",
        _ => "s3",
    };
    let place = format!("{scheme}://{}", uri.bucket);
    let origin = match &uri.endpoint {
        Some(endpoint) => format!("{place} at {endpoint}"),
        None => place.clone(),
    };
    let refused_at = origin.clone();
    let refused = |e: OsError| {
        StoreError::new(
            StoreErrorKind::Refused,
            Op::Get,
            "",
            &refused_at,
            format!("no client can be made of the URI and the environment: {e}"),
        )
    };
    let parts = (place, origin);
    Ok(match uri.scheme {
        Scheme::Gcs => pair(|retry| gcs(uri, retry), true, parts).map_err(refused)?,
        Scheme::Azure => pair(|retry| azure(uri, retry), false, parts).map_err(refused)?,
        _ => pair(|retry| s3(AmazonS3Builder::from_env(), uri, retry), true, parts).map_err(refused)?,
    })
}

/// The two clients of one configuration: one that repeats reads, one that repeats nothing.
fn pair<S: ObjectStore + PaginatedListStore>(
    make: impl Fn(RetryConfig) -> Result<S, OsError>,
    suffix_reads: bool,
    (place, origin): (String, String),
) -> Result<Arc<dyn Backend>, OsError> {
    let (reading, writing) = (make(read_retries())?, make(no_retries())?);
    Ok(Arc::new(ObjectBackend { reading, writing, suffix_reads, place, origin }))
}

fn s3(builder: AmazonS3Builder, uri: &StoreUri, retry: RetryConfig) -> Result<object_store::aws::AmazonS3, OsError> {
    let mut builder =
        builder.with_bucket_name(&uri.bucket).with_client_options(client(uri, "AWS_ALLOW_HTTP")).with_retry(retry);
    if let Some(region) = &uri.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &uri.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder.build()
}

fn gcs(uri: &StoreUri, retry: RetryConfig) -> Result<object_store::gcp::GoogleCloudStorage, OsError> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&uri.bucket)
        .with_client_options(client(uri, "GOOGLE_ALLOW_HTTP"))
        .with_retry(retry);
    if let Some(endpoint) = &uri.endpoint {
        builder = builder.with_config(object_store::gcp::GoogleConfigKey::BaseUrl, endpoint.trim_end_matches('/'));
    }
    builder.build()
}

fn azure(uri: &StoreUri, retry: RetryConfig) -> Result<object_store::azure::MicrosoftAzure, OsError> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&uri.bucket)
        .with_client_options(client(uri, "AZURE_ALLOW_HTTP"))
        .with_retry(retry);
    if let Some(endpoint) = &uri.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    builder.build()
}

/// Client options: the URI's word on plain HTTP, else the environment's.
fn client(uri: &StoreUri, allow_http_variable: &str) -> ClientOptions {
    let environment = || std::env::var(allow_http_variable).is_ok_and(|v| v.eq_ignore_ascii_case("true") || v == "1");
    ClientOptions::new()
        .with_allow_http(uri.allow_http.unwrap_or_else(environment))
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
}

fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, backoff: BackoffConfig::default() }
}

fn read_retries() -> RetryConfig {
    RetryConfig {
        max_retries: READ_RETRIES,
        retry_timeout: READ_RETRY_TIME,
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(3),
            base: 2.0,
        },
    }
}

impl<S: ObjectStore + PaginatedListStore> ObjectBackend<S> {
    fn path(&self, op: Op, key: &str) -> Result<Path, StoreError> {
        Path::parse(key).map_err(|e| StoreError::new(StoreErrorKind::Refused, op, key, &self.origin, e.to_string()))
    }

    fn error(&self, op: Op, key: &str, e: &OsError) -> StoreError {
        let whole = whole_text(e);
        StoreError::new(classify(op, e, &whole), op, key, &self.origin, condense(&whole))
    }
}

/// What the caller is to do about an error.
fn classify(op: Op, e: &OsError, message: &str) -> StoreErrorKind {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"]) {
        return StoreErrorKind::Refused;
    }
    if says(&["HTTP error: builder error", "URL scheme is not allowed"]) {
        return StoreErrorKind::Refused;
    }
    // the last link of the credential chain, asked only when there are no credentials
    if says(&METADATA_HOSTS) {
        return StoreErrorKind::Denied;
    }
    if says(&["507 Insufficient Storage", "XMinioStorageFull", "QuotaExceeded"]) {
        return StoreErrorKind::Full;
    }
    if op == Op::Get && says(&["416 Range Not Satisfiable", "416 Requested Range", "InvalidRange"]) {
        return StoreErrorKind::Short;
    }
    // a listing's status is not in the error's type
    if says(&["403 Forbidden", "401 Unauthorized"]) {
        return StoreErrorKind::Denied;
    }
    match e {
        OsError::NotFound { .. } if op == Op::Get => StoreErrorKind::NotFound,
        // only a bucket can be missing where nothing is looked for
        OsError::NotFound { .. } => StoreErrorKind::Refused,
        OsError::PermissionDenied { .. } | OsError::Unauthenticated { .. } => StoreErrorKind::Denied,
        OsError::NotSupported { .. } | OsError::NotImplemented { .. } | OsError::InvalidPath { .. } => {
            StoreErrorKind::Refused
        }
        _ => match http_kind(e) {
            Some(
                HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Request | HttpErrorKind::Interrupted,
            ) => StoreErrorKind::Unreachable,
            _ => StoreErrorKind::Other,
        },
    }
}

fn http_kind(e: &OsError) -> Option<HttpErrorKind> {
    let mut at = e.source();
    while let Some(source) = at {
        if let Some(http) = source.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        at = source.source();
    }
    None
}

/// The error and the causes that its own text leaves out.
fn whole_text(e: &OsError) -> String {
    let mut text = e.to_string();
    let mut at = e.source();
    while let Some(source) = at {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        at = source.source();
    }
    text
}

/// What a person needs of it: the status and the store's own code and words, or the cause; one line.
fn condense(whole: &str) -> String {
    let word = |tag: &str| {
        let (_, rest) = whole.split_once(&format!("<{tag}>"))?;
        rest.split_once("</").map(|(text, _)| text)
    };
    let mut text = match whole.split_once("non-2xx status code: ") {
        Some((_, tail)) => {
            let status = tail.split(':').next().unwrap_or(tail);
            let words: Vec<&str> = [Some(status), word("Code"), word("Message")].into_iter().flatten().collect();
            if words.len() > 1 { words.join(": ") } else { tail.to_owned() }
        }
        None => whole.split_once(" - ").map_or(whole, |(_, cause)| cause).to_owned(),
    };
    if whole.contains("URL scheme is not allowed") {
        text = "the endpoint is plain HTTP: add allow_http=true to the URI if that is meant".to_owned();
    }
    if METADATA_HOSTS.iter().any(|host| whole.contains(host)) {
        text = format!(
            "there are no credentials in the environment, and the machine's metadata service gave none ({text})"
        );
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS).collect();
    line.trim().trim_end_matches([':', '.']).to_owned()
}

#[async_trait]
impl<S: ObjectStore + PaginatedListStore> Backend for ObjectBackend<S> {
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError> {
        let path = self.path(Op::Get, key)?;
        let failed = |e: OsError| self.error(Op::Get, key, &e);
        let range = match range {
            GetRange::All => None,
            GetRange::Bounded(r) => Some(r.into()),
            GetRange::Suffix(n) if self.suffix_reads => Some(object_store::GetRange::Suffix(n)),
            GetRange::Suffix(n) => {
                let size = self.reading.head(&path).await.map_err(failed)?.size;
                Some((size.saturating_sub(n)..size).into())
            }
        };
        let options = GetOptions { range, ..GetOptions::default() };
        let answer = self.reading.get_opts(&path, options).await.map_err(failed)?;
        answer.bytes().await.map_err(failed)
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError> {
        let path = self.path(Op::Put, key)?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.writing.put_opts(&path, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(PutOutcome::Created),
            Err(OsError::AlreadyExists { .. } | OsError::Precondition { .. }) => Ok(PutOutcome::Exists),
            Err(e) => Err(self.error(Op::Put, key, &e)),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError> {
        let limit = limit.unwrap_or(usize::MAX);
        let mut found: Vec<ObjectInfo> = Vec::new();
        let mut token = None;
        while found.len() < limit {
            let options = PaginatedListOptions {
                offset: after.map(str::to_owned),
                max_keys: Some((limit - found.len()).min(LIST_PAGE)),
                page_token: token.take(),
                ..PaginatedListOptions::default()
            };
            let page = tokio::select! {
                page = self.reading.list_paginated(Some(prefix), options) => page,
                () = system().sleep(LIST_TIMEOUT) => {
                    let what = format!("no answer within {} s", LIST_TIMEOUT.as_secs());
                    return Err(StoreError::new(StoreErrorKind::Unreachable, Op::List, prefix, &self.origin, what));
                }
            };
            let page = page.map_err(|e| self.error(Op::List, prefix, &e))?;
            found.extend(
                page.result
                    .objects
                    .into_iter()
                    .map(|object| ObjectInfo { key: object.location.to_string(), size: object.size }),
            );
            match page.page_token {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        // a store that ignores start-after or the order is put right here
        found.retain(|object| object.key.starts_with(prefix) && after.is_none_or(|after| object.key.as_str() > after));
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        found.truncate(limit);
        Ok(found)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(Op::Delete, key)?;
        match self.reading.delete(&path).await {
            Ok(()) | Err(OsError::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.error(Op::Delete, key, &e)),
        }
    }

    fn describe(&self) -> String {
        self.place.clone()
    }
}

#[cfg(test)]
mod tests;
