//! The S3 client against a scripted HTTP server.
//!
//! Promises: each status becomes the kind a caller acts on; a conditional PUT is sent once, whatever comes back.
//! Never: a network beyond this machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that answers each request with the next answer of its script (the last one stays), and the heads it received.
struct Server {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

async fn serve(answers: &[(u16, &str)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut script: VecDeque<(u16, String)> = answers.iter().map(|(s, b)| (*s, (*b).to_owned())).collect();
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buf = [0u8; 4096];
            let body_at = loop {
                let n = socket.read(&mut buf).await.unwrap();
                request.extend_from_slice(&buf[..n]);
                match request.windows(4).position(|w| w == b"\r\n\r\n") {
                    Some(at) => break at + 4,
                    None if n == 0 => break 0,
                    None => {}
                }
            };
            let head = String::from_utf8_lossy(&request[..body_at]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            while request.len() < body_at + length {
                let n = socket.read(&mut buf).await.unwrap();
                request.extend_from_slice(&buf[..n]);
            }
            seen.lock().push(head.clone());
            let (status, body) = if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() };
            if status == 0 {
                continue; // the reply is lost
            }
            let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
            let content_range = match (status, range) {
                (206, Some(_)) => format!("content-range: bytes 2-4/{}\r\n", 10),
                _ => String::new(),
            };
            let reply = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\netag: \"e\"\r\nlast-modified: Tue, 01 Jan 2030 00:00:00 GMT\r\n{content_range}connection: close\r\n\r\n{}",
                body.len(),
                body
            );
            let _ = socket.write_all(reply.as_bytes()).await;
        }
    });
    Server { address, heads }
}

fn backend(address: &str) -> Arc<dyn Backend> {
    let uri = StoreUri::parse(&format!("s3://bucket?endpoint={address}&allow_http=true&region=eu-central-1")).unwrap();
    let credentials = || AmazonS3Builder::new().with_access_key_id("test").with_secret_access_key("hunter2");
    let parts = ("s3://bucket".to_owned(), format!("s3://bucket at {address}"));
    pair(|retry| s3(credentials(), &uri, retry), true, parts).unwrap()
}

const MISSING_BUCKET: &str = "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>";

#[tokio::test]
async fn a_conditional_put_is_sent_once_whatever_comes_back() {
    let bytes = Bytes::from_static(b"x");
    for (status, body, expected) in [
        (200, "", Ok(PutOutcome::Created)),
        (409, "", Ok(PutOutcome::Exists)),
        (412, "", Ok(PutOutcome::Exists)),
        (500, "<Code>InternalError</Code>", Err(StoreErrorKind::Other)),
        (503, "<Code>SlowDown</Code>", Err(StoreErrorKind::Other)),
        (401, "", Err(StoreErrorKind::Denied)),
        (403, "<Code>AccessDenied</Code>", Err(StoreErrorKind::Denied)),
        (404, MISSING_BUCKET, Err(StoreErrorKind::Refused)),
        (507, "", Err(StoreErrorKind::Full)),
        (0, "", Err(StoreErrorKind::Unreachable)),
    ] {
        let server = serve(&[(status, body)]).await;
        let answer = backend(&server.address).put_if_absent("ns/wal/1.wal", bytes.clone()).await;
        let said = format!("{answer:?}");
        assert_eq!(answer.map_err(|e| e.kind), expected, "{status}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
        let heads = server.heads.lock();
        assert_eq!(heads.len(), 1, "{status}: one attempt");
        assert!(
            heads[0].starts_with("put /bucket/ns/wal/1.wal ") && heads[0].contains("if-none-match: *"),
            "{heads:?}"
        );
    }
}

#[tokio::test]
async fn reads_are_repeated_when_the_store_stumbles_and_only_then() {
    for (status, body, kind) in [
        (404, "<Code>NoSuchKey</Code>", StoreErrorKind::NotFound),
        (404, MISSING_BUCKET, StoreErrorKind::Refused),
        (403, "", StoreErrorKind::Denied),
    ] {
        let server = serve(&[(status, body)]).await;
        let e = backend(&server.address).get("a", GetRange::All).await.unwrap_err();
        assert_eq!(e.kind, kind, "{e}");
        assert_eq!(server.heads.lock().len(), 1, "{status}");
    }
    let server = serve(&[(503, "<Code>SlowDown</Code>"), (0, ""), (200, "body")]).await;
    assert_eq!(backend(&server.address).get("a", GetRange::All).await.unwrap(), "body");
    assert_eq!(server.heads.lock().len(), 3);
    let server = serve(&[(206, "234")]).await;
    assert_eq!(backend(&server.address).get("a", GetRange::Bounded(2..5)).await.unwrap(), "234");
    assert!(server.heads.lock()[0].contains("range: bytes=2-4"));
}

#[tokio::test]
async fn a_listing_asks_for_what_it_needs() {
    let page = |keys: &[&str], next: Option<&str>| {
        let contents: String = keys
            .iter()
            .map(|k| format!("<Contents><Key>{k}</Key><Size>7</Size><LastModified>2030-01-01T00:00:00.000Z</LastModified></Contents>"))
            .collect();
        let next = next.map(|n| format!("<NextContinuationToken>{n}</NextContinuationToken>")).unwrap_or_default();
        format!("<ListBucketResult>{contents}{next}</ListBucketResult>")
    };
    let (first, second) = (page(&["p/a", "p/b"], Some("token")), page(&["p/c"], None));
    let server = serve(&[(200, &first), (200, &second)]).await;
    let found = backend(&server.address).list("p/", None, None).await.unwrap();
    assert_eq!(
        found.iter().map(|o| (o.key.as_str(), o.size)).collect::<Vec<_>>(),
        [("p/a", 7), ("p/b", 7), ("p/c", 7)]
    );
    assert_eq!(server.heads.lock().len(), 2);
    let server = serve(&[(200, &first)]).await;
    let found = backend(&server.address).list("p/", Some("p/"), Some(1)).await.unwrap();
    assert_eq!(found.len(), 1);
    let head = server.heads.lock()[0].clone();
    assert!(head.contains("max-keys=1") && head.contains("start-after=p%2f") && head.contains("prefix=p%2f"), "{head}");
    let server = serve(&[(404, MISSING_BUCKET)]).await;
    assert_eq!(backend(&server.address).list("p/", None, None).await.unwrap_err().kind, StoreErrorKind::Refused);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = backend(&address);
    let put = store.put_if_absent("a", Bytes::new()).await.unwrap_err();
    assert_eq!(put.kind, StoreErrorKind::Unreachable, "{put}");
    let get = store.get("a", GetRange::All).await.unwrap_err();
    assert_eq!(get.kind, StoreErrorKind::Unreachable, "{get}");
    assert!(get.to_string().contains("check the endpoint"), "{get}");
}

#[tokio::test]
async fn messages_are_one_line_with_the_stores_own_words() {
    let denied = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Not yours.</Message></Error>";
    let server = serve(&[(403, denied)]).await;
    let e = backend(&server.address).list("p/", None, None).await.unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (StoreErrorKind::Denied, "403 Forbidden: AccessDenied: Not yours"));
    let server = serve(&[(500, &"x\n".repeat(5_000))]).await;
    let e = backend(&server.address).put_if_absent("a", Bytes::new()).await.unwrap_err();
    assert!(e.message.starts_with("500 Internal Server Error") && e.message.len() <= MESSAGE_CHARS, "{e}");
    assert!(!e.to_string().contains('\n'), "{e}");
}

#[test]
fn plain_http_needs_a_word() {
    let uri = StoreUri::parse("s3://bucket?endpoint=http://127.0.0.1:1&allow_http=false").unwrap();
    let client =
        s3(AmazonS3Builder::new().with_access_key_id("a").with_secret_access_key("b"), &uri, no_retries()).unwrap();
    let store = ObjectBackend {
        reading: client.clone(),
        writing: client,
        suffix_reads: true,
        place: String::new(),
        origin: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let e = runtime.block_on(store.get("a", GetRange::All)).unwrap_err();
    assert!(e.kind == StoreErrorKind::Refused && e.message.contains("allow_http=true"), "{e}");
}
