//! AWS KMS as key service, over the wire: what it is asked, and what each of its failures becomes.
//!
//! The credentials come from the environment, so each test runs in a process of its own that has nothing of AWS in its
//! environment but what the test gives it.
//!
//! Promises: no test talks to anything but this machine. `a_real_server` is run with a KMS at hand (tests/journeys has moto):
//! `FIRN_TEST_KMS=aws:ARN?endpoint=URL cargo test -p firn-manifest --test kms -- --ignored`
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firn_manifest::ids::{NamespaceId, TenantId};
use firn_manifest::{Error, KeyContext, KeyErrorKind, KeyService, StoreUri, key_service, new_uuid, system};

use server::{Answer, Server};

mod server;

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a-session-token-that-nobody-may-see";
const PLAIN: [u8; 32] = [7; 32];

/// Whether this process is the one that runs a test's body.
const ALONE: &str = "FIRN_TEST_ALONE";

const CREDENTIALS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];

/// Runs `body` in a process of its own with `environment` and nothing else of AWS's.
fn alone<F: Future<Output = ()>>(test: &str, environment: &[(&str, &str)], body: impl FnOnce() -> F) {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(body());
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy")) {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn keys_of(spec: &str) -> Arc<dyn KeyService> {
    key_service(&StoreUri::parse(&format!("memory://?kms={spec}")).unwrap(), system()).unwrap()
}

fn keys_at(server: &Server) -> Arc<dyn KeyService> {
    keys_of(&format!("aws:{ARN}?endpoint={}", server.endpoint))
}

fn context() -> KeyContext {
    KeyContext::data_key(NamespaceId(new_uuid(&*system())))
}

/// The kind and message of an error that names the key and holds no secret.
fn fault<T>(answer: Result<T, Error>) -> (KeyErrorKind, String) {
    match answer.map(|_| ()).unwrap_err() {
        Error::Key { kind, message } => {
            assert!(message.contains(ARN), "{message}");
            assert!(!message.contains(SECRET) && !message.contains(TOKEN), "{message}");
            (kind, message)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_wrapped_unwraps_in_its_context_only() {
    alone("what_is_wrapped_unwraps_in_its_context_only", &CREDENTIALS, || async {
        let server = Server::start(ARN).await;
        let keys = keys_at(&server);
        let own = context();
        let (by, wrapped) = keys.wrap(&PLAIN, &own).await.unwrap();
        assert_eq!(by, format!("aws:{ARN}"));
        assert_eq!(keys.unwrap(&by, &wrapped, &own).await.unwrap().as_slice(), PLAIN);
        let asked = server.asked();
        let names: Vec<&str> = asked.iter().map(|one| one.operation.as_str()).collect();
        assert_eq!(names, ["Encrypt", "Decrypt"]);
        for one in &asked {
            assert_eq!(one.body["KeyId"], ARN, "the key is pinned");
            let named = one.body["EncryptionContext"].as_object().unwrap();
            assert_eq!(named.len(), 1);
            assert_eq!(named["firn:namespace"], own.namespace.to_string());
            let head = one.head.to_lowercase();
            assert!(head.contains("credential=akidexample/") && head.contains("/eu-west-1/kms/aws4_request"), "{head}");
            assert!(!head.contains(&SECRET.to_lowercase()));
        }

        let tenant = KeyContext::tenant_key(own.namespace, TenantId(42));
        let (_, of_tenant) = keys.wrap(&PLAIN, &tenant).await.unwrap();
        assert_eq!(server.asked()[0].body["EncryptionContext"]["firn:tenant"], "42");
        assert_eq!(keys.unwrap(&by, &of_tenant, &tenant).await.unwrap().as_slice(), PLAIN);
        let other_tenant = KeyContext::tenant_key(own.namespace, TenantId(43));
        for (bytes, wrong) in [(&wrapped, context()), (&wrapped, tenant), (&of_tenant, own), (&of_tenant, other_tenant)]
        {
            let (kind, message) = fault(keys.unwrap(&by, bytes, &wrong).await);
            assert!(kind == KeyErrorKind::Damaged && message.contains("I8"), "{message}");
        }
        assert!(!format!("{keys:?}").contains(SECRET));
    });
}

#[test]
fn a_refusal_is_final_and_asked_for_once() {
    alone("a_refusal_is_final_and_asked_for_once", &CREDENTIALS, || async {
        let server = Server::start(ARN).await;
        let keys = keys_at(&server);
        for (status, code, kind, says) in [
            (400, "AccessDeniedException", KeyErrorKind::Denied, "kms:Decrypt"),
            (400, "UnrecognizedClientException", KeyErrorKind::Denied, "credentials"),
            (403, "InvalidSignatureException", KeyErrorKind::Denied, "signature"),
            (400, "NotFoundException", KeyErrorKind::Missing, "ARN"),
            (400, "DisabledException", KeyErrorKind::Unusable, "enable"),
            (400, "KMSInvalidStateException", KeyErrorKind::Unusable, "deletion"),
            (400, "IncorrectKeyException", KeyErrorKind::Wrong, "another key"),
            (400, "InvalidCiphertextException", KeyErrorKind::Damaged, "I8"),
            (400, "ValidationException", KeyErrorKind::Io, "ValidationException"),
        ] {
            server.script([Answer::Error(status, code)]);
            let (found, message) = fault(keys.unwrap(&format!("aws:{ARN}"), &[1; 64], &context()).await);
            assert!(found == kind && !found.transient() && message.contains(says), "{code}: {found:?} {message}");
            assert!(message.contains(&server.endpoint), "{message}");
            assert_eq!(server.asked().len(), 1, "{code}");
        }
        server.script([Answer::Error(400, "AccessDeniedException")]);
        assert_eq!(fault(keys.wrap(&PLAIN, &context()).await).0, KeyErrorKind::Denied);
    });
}

#[test]
fn what_may_pass_is_tried_three_times() {
    alone("what_may_pass_is_tried_three_times", &CREDENTIALS, || async {
        let server = Server::start(ARN).await;
        let keys = keys_at(&server);
        let own = context();
        for (answer, kind) in [
            (Answer::Error(400, "ThrottlingException"), KeyErrorKind::Throttled),
            (Answer::Error(500, "KMSInternalException"), KeyErrorKind::Unreachable),
            (Answer::Error(503, "SomethingNew"), KeyErrorKind::Unreachable),
            (Answer::Raw(502, "<html>a proxy speaks</html>".to_owned()), KeyErrorKind::Unreachable),
            (Answer::Cut, KeyErrorKind::Unreachable),
        ] {
            server.script([answer.clone(), answer.clone()]);
            let (by, wrapped) = keys.wrap(&PLAIN, &own).await.unwrap();
            assert_eq!(server.asked().len(), 3, "{answer:?}");
            server.script([answer.clone(), answer.clone(), answer.clone()]);
            let (found, message) = fault(keys.unwrap(&by, &wrapped, &own).await);
            assert!(found == kind && found.transient() && message.contains("again"), "{answer:?}: {found:?} {message}");
            assert_eq!(server.asked().len(), 3, "{answer:?}");
        }
    });
}

#[test]
fn an_answer_that_is_none_is_refused() {
    alone("an_answer_that_is_none_is_refused", &CREDENTIALS, || async {
        let server = Server::start(ARN).await;
        let keys = keys_at(&server);
        let own = context();
        let (by, wrapped) = keys.wrap(&PLAIN, &own).await.unwrap();
        for (answer, kind) in [
            (Answer::Raw(200, "{}".to_owned()), KeyErrorKind::Wrong),
            (Answer::Raw(200, format!("{{\"KeyId\":\"{ARN}\"}}")), KeyErrorKind::Io),
            (Answer::Raw(200, "not JSON".to_owned()), KeyErrorKind::Unreachable),
            (Answer::Raw(200, " ".repeat(1 << 20)), KeyErrorKind::Io),
            (Answer::Raw(302, String::new()), KeyErrorKind::Unreachable),
            (Answer::OtherKey, KeyErrorKind::Wrong),
        ] {
            server.script([answer.clone()]);
            let (found, message) = fault(keys.unwrap(&by, &wrapped, &own).await);
            assert_eq!(found, kind, "{answer:?}: {message}");
        }
        server.script([Answer::OtherKey]);
        assert_eq!(fault(keys.wrap(&PLAIN, &own).await).0, KeyErrorKind::Wrong);
    });
}

#[test]
fn a_silent_service_is_given_up_in_bounded_time() {
    alone("a_silent_service_is_given_up_in_bounded_time", &CREDENTIALS, || async {
        let server = Server::start(ARN).await;
        server.script(vec![Answer::Hang; 10]);
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let (kind, message) = fault(keys_at(&server).wrap(&PLAIN, &context()).await);
        assert!(kind == KeyErrorKind::Unreachable && message.contains("in time"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        assert!((2..=3).contains(&server.asked().len()));

        let nobody = keys_of(&format!("aws:{ARN}?endpoint=http://127.0.0.1:1"));
        let (kind, message) = fault(nobody.wrap(&PLAIN, &context()).await);
        assert!(kind == KeyErrorKind::Unreachable && message.contains("refused"), "{message}");
    });
}

#[test]
fn without_credentials_nobody_is_asked() {
    alone("without_credentials_nobody_is_asked", &[], || async {
        let server = Server::start(ARN).await;
        let (kind, message) = fault(keys_at(&server).wrap(&PLAIN, &context()).await);
        assert!(kind == KeyErrorKind::Unreachable && message.contains("AWS_ACCESS_KEY_ID"), "{message}");
        assert!(server.asked().is_empty());
    });
}

#[test]
fn what_is_not_ours_asks_nobody() {
    alone("what_is_not_ours_asks_nobody", &CREDENTIALS, || async {
        let server = Server::start(ARN).await;
        let keys = keys_at(&server);
        let foreign = format!("{ARN}0");
        for (by, wrapped, kind) in [
            (format!("aws:{foreign}"), vec![1; 64], KeyErrorKind::Wrong),
            ("local:0123456789abcdef".to_owned(), vec![1; 64], KeyErrorKind::Wrong),
            ("\n".repeat(1 << 20), vec![1; 64], KeyErrorKind::Wrong),
            (format!("aws:{ARN}"), vec![], KeyErrorKind::Damaged),
            (format!("aws:{ARN}"), vec![1; 6145], KeyErrorKind::Damaged),
        ] {
            let (found, message) = fault(keys.unwrap(&by, &wrapped, &context()).await);
            assert!(found == kind && message.len() < 1000, "{message}");
        }
        assert_eq!(fault(keys.wrap(&[0; 4097], &context()).await).0, KeyErrorKind::Damaged);
        assert!(server.asked().is_empty());

        let elsewhere = keys_of(&format!("aws:{ARN}?endpoint=http://192.0.2.1"));
        let (kind, message) = fault(elsewhere.wrap(&PLAIN, &context()).await);
        assert!(kind == KeyErrorKind::Io && message.contains("AWS_ALLOW_HTTP"), "{message}");
    });
}

#[test]
fn the_environment_names_the_endpoint() {
    // of this process the child's server takes the place
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = format!("http://{free}");
    let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_REGION", "us-east-1")];
    let environment = [&CREDENTIALS[..], &nowhere, &[("AWS_ENDPOINT_URL_KMS", &*place)]].concat();
    alone("the_environment_names_the_endpoint", &environment, || async {
        let place = std::env::var("AWS_ENDPOINT_URL_KMS").unwrap();
        let server = Server::start_at(place.strip_prefix("http://").unwrap(), ARN).await;
        keys_of(&format!("aws:{ARN}")).wrap(&PLAIN, &context()).await.unwrap();
        let asked = server.asked();
        assert!(asked.len() == 1 && asked[0].head.contains("/eu-west-1/kms/"), "the key's own region is signed for");

        let named = Server::start(ARN).await;
        keys_at(&named).wrap(&PLAIN, &context()).await.unwrap();
        assert_eq!((named.asked().len(), server.asked().len()), (1, 0), "?endpoint= wins");
    });
}

#[test]
#[ignore = "needs a KMS: FIRN_TEST_KMS=aws:ARN?endpoint=URL, credentials in the environment"]
fn a_real_server() {
    let spec = std::env::var("FIRN_TEST_KMS").expect("FIRN_TEST_KMS=aws:ARN?endpoint=URL");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let keys = keys_of(&spec);
        let own = KeyContext::tenant_key(context().namespace, TenantId(7));
        let (by, wrapped) = keys.wrap(&PLAIN, &own).await.unwrap();
        assert_eq!(keys.unwrap(&by, &wrapped, &own).await.unwrap().as_slice(), PLAIN);
        let refused = async |keys: &dyn KeyService, by: &str, wrapped: &[u8], context: &KeyContext| match keys
            .unwrap(by, wrapped, context)
            .await
            .unwrap_err()
        {
            Error::Key { kind, message } => {
                println!("{kind:?}: {message}");
                kind
            }
            other => panic!("{other}"),
        };
        for wrong in [context(), KeyContext::data_key(own.namespace)] {
            assert_eq!(refused(&*keys, &by, &wrapped, &wrong).await, KeyErrorKind::Damaged);
        }
        let mut changed = wrapped.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(refused(&*keys, &by, &changed, &own).await, KeyErrorKind::Damaged);

        let (account, _) = by.split_once(":key/").unwrap();
        let gone = format!("{account}:key/00000000-0000-4000-8000-000000000000");
        let endpoint = spec.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        assert_eq!(
            refused(&*keys_of(&format!("{gone}{endpoint}")), &gone, &wrapped, &own).await,
            KeyErrorKind::Missing
        );
    });
}
