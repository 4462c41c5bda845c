//! What AWS KMS means by an error: its kind, in words, and what to do next.
//!
//! Promises: a fault is transient only if KMS made no decision; what KMS said is repeated cut and without control
//! characters.
//! Never: the text of a signature error, which quotes the signed request.

use std::error::Error as StdError;

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use crate::error::KeyErrorKind;

/// How much of a foreign text is repeated.
const LONGEST_TEXT: usize = 400;

/// One failed call.
pub(super) struct Fault {
    pub(super) kind: KeyErrorKind,
    /// what happened
    pub(super) what: String,
    /// what to do next
    pub(super) next: &'static str,
}

const ASK_AGAIN: &str = "try again; if it stays, check the endpoint, the network and the service's health";
const WAIT: &str = "wait and try again, or have the account's KMS request quota raised";
const ALLOW: &str = "let the key's policy and the caller's IAM policy allow kms:Encrypt and kms:Decrypt on this key";
const CREDENTIALS: &str = "check the credentials of the standard chain (AWS_ACCESS_KEY_ID and its kin, AWS_PROFILE, web \
                           identity, container, instance metadata), and the clock";
const NO_CREDENTIALS: &str = "give them by the standard chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, web \
                              identity, container or instance metadata";
const REVIVE: &str = "enable the key, or cancel its deletion, in KMS; it must be a symmetric key for encryption";
const NAME_IT: &str = "check the key's ARN, its account and region, and the endpoint";
const RIGHT_KEY: &str = "name the key that wrapped it by kms= or FIRN_KMS";
const RESTORE: &str = "restore what it was read from";

/// What `error` means.
pub(super) fn fault<E>(error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let unreachable = |what: String| Fault { kind: KeyErrorKind::Unreachable, what, next: ASK_AGAIN };
    match error {
        SdkError::ServiceError(context) => {
            let (said, status) = (context.err().meta(), context.raw().status().as_u16());
            refusal(said.code().unwrap_or_default(), said.message().unwrap_or_default(), status)
        }
        SdkError::TimeoutError(_) => unreachable("it does not answer in time".to_owned()),
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            unreachable(format!("its answer (HTTP {status}) is not one of KMS"))
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            Fault { kind: KeyErrorKind::Io, what: format!("broken off: {}", innermost(error)), next: NAME_IT }
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            unreachable("it does not answer in time".to_owned())
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            unreachable(format!("it cannot be reached ({})", innermost(error)))
        }
        // the only other thing done before a request leaves is to look for credentials
        _ => Fault {
            kind: KeyErrorKind::Unreachable,
            what: format!("it was not asked, for want of credentials ({})", innermost(error)),
            next: NO_CREDENTIALS,
        },
    }
}

/// What KMS decided, by its error code; the HTTP status tells where there is none.
fn refusal(code: &str, message: &str, status: u16) -> Fault {
    let said = |what: &str| match (code, clean(message)) {
        ("", text) if text.is_empty() => format!("{what} (HTTP {status})"),
        (code, text) if text.is_empty() => format!("{what} ({})", clean(code)),
        (code, text) => format!("{what} ({}: {text})", clean(code)),
    };
    let fault = |kind, what: &str, next| Fault { kind, what: said(what), next };
    match code {
        "AccessDeniedException" | "AccessDenied" => fault(KeyErrorKind::Denied, "access denied", ALLOW),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" => Fault {
            kind: KeyErrorKind::Denied,
            what: format!("it does not accept the request's signature ({code})"),
            next: CREDENTIALS,
        },
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired" => fault(KeyErrorKind::Denied, "it does not accept the credentials", CREDENTIALS),
        "NotFoundException" => fault(KeyErrorKind::Missing, "there is no such key", NAME_IT),
        "DisabledException" | "KMSInvalidStateException" | "InvalidKeyUsageException" => {
            fault(KeyErrorKind::Unusable, "the key cannot be used", REVIVE)
        }
        "IncorrectKeyException" => fault(KeyErrorKind::Wrong, "another key wrapped this", RIGHT_KEY),
        "InvalidCiphertextException" => fault(
            KeyErrorKind::Damaged,
            "the wrapped key was changed, or belongs to another namespace, tenant or master key (I8)",
            RESTORE,
        ),
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => fault(KeyErrorKind::Throttled, "it is asked too often", WAIT),
        "KeyUnavailableException"
        | "DependencyTimeoutException"
        | "KMSInternalException"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => fault(KeyErrorKind::Unreachable, "it fails", ASK_AGAIN),
        _ => match status {
            200..=399 if code.is_empty() => Fault {
                kind: KeyErrorKind::Unreachable,
                what: format!("its answer (HTTP {status}) is not one of KMS"),
                next: ASK_AGAIN,
            },
            401 | 403 => fault(KeyErrorKind::Denied, "access denied", ALLOW),
            408 | 500.. => fault(KeyErrorKind::Unreachable, "it fails", ASK_AGAIN),
            429 => fault(KeyErrorKind::Throttled, "it is asked too often", WAIT),
            _ => fault(KeyErrorKind::Io, "it refuses", NAME_IT),
        },
    }
}

/// The last cause of an error: the outer ones only repeat that there is one.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    clean(&cause.to_string())
}

fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kms_did_not_decide_is_transient() {
        for (code, status, kind) in [
            ("AccessDeniedException", 400, KeyErrorKind::Denied),
            ("ExpiredTokenException", 400, KeyErrorKind::Denied),
            ("NotFoundException", 400, KeyErrorKind::Missing),
            ("DisabledException", 400, KeyErrorKind::Unusable),
            ("KMSInvalidStateException", 400, KeyErrorKind::Unusable),
            ("IncorrectKeyException", 400, KeyErrorKind::Wrong),
            ("InvalidCiphertextException", 400, KeyErrorKind::Damaged),
            ("SomethingNew", 400, KeyErrorKind::Io),
            ("", 403, KeyErrorKind::Denied),
        ] {
            let found = refusal(code, "", status).kind;
            assert!(found == kind && !found.transient(), "{code} {status}: {found:?}");
        }
        for (code, status, kind) in [
            ("ThrottlingException", 400, KeyErrorKind::Throttled),
            ("KMSInternalException", 500, KeyErrorKind::Unreachable),
            ("KeyUnavailableException", 500, KeyErrorKind::Unreachable),
            ("SomethingNew", 503, KeyErrorKind::Unreachable),
            ("", 200, KeyErrorKind::Unreachable),
            ("", 429, KeyErrorKind::Throttled),
        ] {
            let found = refusal(code, "", status).kind;
            assert!(found == kind && found.transient(), "{code} {status}: {found:?}");
        }
    }

    #[test]
    fn what_kms_says_is_repeated_but_for_the_signed_request() {
        let denied = refusal("AccessDeniedException", "not\n allowed: kms:Decrypt", 400).what;
        assert_eq!(denied, "access denied (AccessDeniedException: not allowed: kms:Decrypt)");
        let long = refusal("X", &"é".repeat(10_000), 400).what;
        assert!(long.chars().count() < LONGEST_TEXT + 40);
        let signature = refusal("InvalidSignatureException", "x-amz-security-token:SECRET", 403).what;
        assert!(!signature.contains("SECRET"), "{signature}");
    }
}
