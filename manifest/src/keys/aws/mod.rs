//! AWS KMS as master key: it encrypts and decrypts, and never gives the master key out.
//!
//! ```text
//! fingerprint          aws:<key ARN>
//! wrapped key          the CiphertextBlob of Encrypt
//! encryption context   firn:namespace = <namespace UUID>, and firn:tenant = <number> for a tenant's key
//! ```
//!
//! The region is the ARN's, for a key is reached in its own region only; the endpoint is `?endpoint=`, else
//! `AWS_ENDPOINT_URL_KMS`, else `AWS_ENDPOINT_URL`, else the region's. Credentials come from the SDK's standard chain
//! (environment, profile, web identity, container, instance metadata).
//!
//! Promises: only the configured key unwraps, whatever the stored fingerprint says; each call ends within
//! [`WHOLE_CALL`]; what does not answer is asked again, jittered, at most [`ATTEMPTS`] times.
//! Never: an alias, which may be moved to another key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Region};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::{KeyContext, KeyService};
use crate::error::{Error, KeyErrorKind};
use crate::world::World;

mod fault;
mod http;

use http::{Clock, Transport};

/// Requests of one call.
const ATTEMPTS: u32 = 3;
/// One request, with the search for credentials (at most five seconds) that the first one may need.
const ATTEMPT: Duration = Duration::from_secs(6);
/// All of a call.
const WHOLE_CALL: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What Encrypt takes, in bytes.
const LONGEST_PLAIN: usize = 4096;
/// What Decrypt takes, in bytes.
const LONGEST_WRAPPED: usize = 6144;

const NAMESPACE: &str = "firn:namespace";
const TENANT: &str = "firn:tenant";

/// One symmetric key of AWS KMS.
pub(super) struct AwsKeys {
    key_arn: String,
    region: String,
    endpoint: Option<String>,
    world: Arc<dyn World>,
    client: OnceCell<Client>,
}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsKeys {{ {} }}", self.describe())
    }
}

impl AwsKeys {
    /// The key `key_arn`; nothing is asked yet.
    pub(super) fn new(key_arn: String, endpoint: Option<String>, world: Arc<dyn World>) -> Result<Self, Error> {
        let region = region_of(&key_arn).ok_or_else(|| {
            Error::Uri(format!(
                "kms=aws:{key_arn}: the ARN of a key is arn:aws:kms:REGION:ACCOUNT:key/ID (an alias is none: it may be moved to another key)"
            ))
        })?;
        Ok(Self { region: region.to_owned(), key_arn, endpoint, world, client: OnceCell::new() })
    }

    fn fingerprint(&self) -> String {
        format!("aws:{}", self.key_arn)
    }

    fn error(&self, kind: KeyErrorKind, doing: &str, context: &KeyContext, what: &str, next: &str) -> Error {
        let place = self.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        Error::key(kind, format!("{doing} the {context} by AWS KMS key {}{place}: {what}; {next}", self.key_arn))
    }

    fn failed<E>(&self, doing: &str, context: &KeyContext, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let fault = fault::fault(error);
        self.error(fault.kind, doing, context, &fault.what, fault.next)
    }

    /// The client, made on the first call from what the environment says then.
    async fn client(&self) -> Result<&Client, Error> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client, Error> {
        let clock = Clock(self.world.clone());
        let allow_http = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        let transport = Transport::new(clock.clone(), allow_http).map_err(|e| {
            Error::key(KeyErrorKind::Io, format!("no HTTP client for AWS KMS: {e}; check the system's certificates"))
        })?;
        let own = Region::new(self.region.clone());
        // the environment's region is for STS; the key's is its own
        let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(own.clone());
        let shared = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(region)
            .http_client(transport)
            .sleep_impl(clock.clone())
            .time_source(clock)
            .load()
            .await;
        let config = aws_sdk_kms::config::Builder::from(&shared)
            .region(own)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_PAUSE)
                    .with_max_backoff(LONGEST_PAUSE),
            )
            .timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(WHOLE_CALL).build(),
            );
        let config = match &self.endpoint {
            Some(endpoint) => config.endpoint_url(endpoint),
            None => config,
        };
        Ok(Client::from_conf(config.build()))
    }

    /// Whether KMS used the key it was told to.
    fn check_answered_by(&self, key: Option<&str>, doing: &str, context: &KeyContext) -> Result<(), Error> {
        if key == Some(self.key_arn.as_str()) {
            return Ok(());
        }
        Err(self.error(
            KeyErrorKind::Wrong,
            doing,
            context,
            "the answer names another key",
            "give the key's own ARN, as `aws kms describe-key` shows it",
        ))
    }
}

#[async_trait]
impl KeyService for AwsKeys {
    fn describe(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("aws:{} at {endpoint}", self.key_arn),
            None => self.fingerprint(),
        }
    }

    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        const DOING: &str = "wrapping";
        if plain.len() > LONGEST_PLAIN {
            let what = format!("it is longer than {LONGEST_PLAIN} bytes");
            return Err(self.error(KeyErrorKind::Damaged, DOING, context, &what, "wrap a key, not data"));
        }
        let client = self.client().await?;
        let answer = client
            .encrypt()
            .key_id(&self.key_arn)
            .set_encryption_context(Some(pairs(context).collect()))
            .plaintext(Blob::new(plain))
            .send()
            .await
            .map_err(|e| self.failed(DOING, context, &e))?;
        self.check_answered_by(answer.key_id(), DOING, context)?;
        match answer.ciphertext_blob {
            Some(wrapped) => Ok((self.fingerprint(), wrapped.into_inner())),
            None => Err(self.error(
                KeyErrorKind::Io,
                DOING,
                context,
                "the answer holds no wrapped key",
                "check the endpoint",
            )),
        }
    }

    async fn unwrap(
        &self,
        wrapped_by: &str,
        wrapped: &[u8],
        context: &KeyContext,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        const DOING: &str = "unwrapping";
        if wrapped_by != self.fingerprint() {
            let shown: String = wrapped_by.chars().filter(|c| !c.is_control()).take(256).collect();
            let what = format!("it is wrapped by {shown}");
            return Err(self.error(KeyErrorKind::Wrong, DOING, context, &what, "name that key by kms= or FIRN_KMS"));
        }
        if wrapped.is_empty() || wrapped.len() > LONGEST_WRAPPED {
            let what = format!("no wrapped key has {} bytes", wrapped.len());
            return Err(self.error(KeyErrorKind::Damaged, DOING, context, &what, "restore what it was read from"));
        }
        let client = self.client().await?;
        let answer = client
            .decrypt()
            .key_id(&self.key_arn)
            .set_encryption_context(Some(pairs(context).collect()))
            .ciphertext_blob(Blob::new(wrapped))
            .send()
            .await
            .map_err(|e| self.failed(DOING, context, &e))?;
        let plain = answer.plaintext.map(|plain| Zeroizing::new(plain.into_inner()));
        self.check_answered_by(answer.key_id.as_deref(), DOING, context)?;
        plain.ok_or_else(|| {
            self.error(KeyErrorKind::Io, DOING, context, "the answer holds no key", "check the endpoint")
        })
    }
}

/// The encryption context: what KMS authenticates, shows in its policies' conditions and writes into its log.
fn pairs(context: &KeyContext) -> impl Iterator<Item = (String, String)> {
    let tenant = context.tenant.map(|tenant| (TENANT.to_owned(), tenant.to_string()));
    std::iter::once((NAMESPACE.to_owned(), context.namespace.to_string())).chain(tenant)
}

/// The region of a key's ARN; `None` if it is not one.
fn region_of(key_arn: &str) -> Option<&str> {
    let parts: Vec<&str> = key_arn.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "kms", region, account, key] => {
            let id = key.strip_prefix("key/")?;
            let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            [partition, region, account, &id].into_iter().all(|part| plain(part)).then_some(*region)
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::world::system;

    #[test]
    fn the_arn_of_a_key_names_its_region() {
        assert_eq!(region_of("arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab"), Some("eu-west-1"));
        assert_eq!(region_of("arn:aws-cn:kms:cn-north-1:1:key/mrk-1"), Some("cn-north-1"));
        for bad in [
            "arn:aws:kms:eu-west-1:123456789012:alias/firn",
            "arn:aws:s3:eu-west-1:1:key/a",
            "arn:aws:kms::1:key/a",
            "arn:aws:kms:eu-west-1:1:key/",
            "arn:aws:kms:eu-west-1:1:key/a/b",
            "arn:aws:kms:eu-west-1:1:key/a:b",
            "arn:aws:kms:evil.example/:1:key/a",
            "arn:",
        ] {
            assert_eq!(region_of(bad), None, "{bad}");
            assert!(matches!(AwsKeys::new(bad.to_owned(), None, system()), Err(Error::Uri(_))), "{bad}");
        }
    }
}
