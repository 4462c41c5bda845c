//! What the AWS SDK reaches the world through: the store's HTTP client and the [`World`]'s clock.
//!
//! Promises: one HTTP client and one TLS stack for store and keys; an answer is read to a bounded length; every exchange
//! ends in bounded time.
//! Never: a request to KMS over plain HTTP to another machine, unless `AWS_ALLOW_HTTP=true` says so: answers hold keys.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_kms::config::http::{HttpRequest, HttpResponse};
use aws_sdk_kms::config::{AsyncSleep, HttpClient as SdkClient, RuntimeComponents, Sleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector as SdkConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use futures::{FutureExt as _, StreamExt as _};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector as _, HttpError, HttpErrorKind, HttpRequestBody, HttpResponseBody,
    ReqwestConnector,
};
use parking_lot::Mutex;
use url::{Host, Url};

use crate::world::World;

const CONNECT: Duration = Duration::from_secs(2);
const EXCHANGE: Duration = Duration::from_secs(3);

/// KMS answers with at most some 10 KB, STS and the metadata services with less.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The header by which the SDK names the operation of a JSON service: KMS has it, the sources of credentials do not.
const TARGET: &str = "x-amz-target";

/// The store's HTTP client as the SDK wants one.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: HttpClient,
    allow_http: bool,
    clock: Clock,
}

impl Transport {
    pub(super) fn new(clock: Clock, allow_http: bool) -> object_store::Result<Self> {
        // the metadata services speak plain HTTP; what may not is refused request by request
        let options = ClientOptions::new().with_allow_http(true).with_connect_timeout(CONNECT).with_timeout(EXCHANGE);
        Ok(Self { client: ReqwestConnector::default().connect(&options)?, allow_http, clock })
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        // checked here because the client below takes for granted that it is a URL
        let url = Url::parse(request.uri()).map_err(|e| refused(format!("the endpoint is not a URL: {e}")))?;
        if url.scheme() != "https" && request.headers().contains_key(TARGET) && !self.allow_http && !loopback(&url) {
            return Err(refused(
                "the endpoint is plain HTTP on another machine, and the answer would show the key to the network: \
                 use https, or set AWS_ALLOW_HTTP=true where that is no matter"
                    .to_owned(),
            ));
        }
        let body = request.body().bytes().map(Bytes::copy_from_slice);
        let body = body.ok_or_else(|| refused("a streamed request is not sent".to_owned()))?;
        let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        let request = request.map(|_| HttpRequestBody::from(body));
        let mut response = self.client.execute(request).await.map_err(failed)?;
        let body = std::mem::replace(response.body_mut(), HttpResponseBody::from(Bytes::new()));
        let bytes = read(body).await?;
        HttpResponse::try_from(response.map(|_| SdkBody::from(bytes)))
            .map_err(|e| ConnectorError::other(e.into(), None))
    }
}

async fn read(body: HttpResponseBody) -> Result<Vec<u8>, ConnectorError> {
    let mut bytes = Vec::new();
    let mut stream = body.bytes_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(failed)?;
        if bytes.len() + part.len() > LONGEST_ANSWER {
            return Err(refused(format!("the answer is longer than {LONGEST_ANSWER} bytes")));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Not sent, or not read to its end: trying again would do the same.
fn refused(what: String) -> ConnectorError {
    ConnectorError::user(what.into())
}

/// Every operation asked here may be asked twice, so what is not known to be a time-out is tried again as an I/O error.
fn failed(e: HttpError) -> ConnectorError {
    match e.kind() {
        HttpErrorKind::Timeout => ConnectorError::timeout(e.into()),
        _ => ConnectorError::io(e.into()),
    }
}

impl SdkClient for Transport {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let within = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or(CONNECT));
        SharedHttpConnector::new(Connector { transport: self.clone(), within: within.unwrap_or(EXCHANGE) })
    }
}

/// The client with the time one caller gives it.
#[derive(Debug)]
struct Connector {
    transport: Transport,
    within: Duration,
}

impl SdkConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (transport, within) = (self.transport.clone(), self.within);
        HttpConnectorFuture::new(async move {
            let late = transport.clock.0.sleep(within);
            match select(transport.exchange(request).boxed(), late).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(ConnectorError::timeout(format!("no answer within {within:?}").into())),
            }
        })
    }
}

/// The World as the SDK's clock.
#[derive(Clone)]
pub(super) struct Clock(pub(super) Arc<dyn World>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(u64::try_from(self.0.now_micros()).unwrap_or(0))
    }
}

impl AsyncSleep for Clock {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Pause(Mutex::new(self.0.sleep(duration))))
    }
}

/// A pause that may be shared, as the SDK asks; only its owner polls it.
struct Pause(Mutex<BoxFuture<'static, ()>>);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().poll_unpin(cx)
    }
}
