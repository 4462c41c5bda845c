//! The URI grammar, as a table.
//!
//! Promises: what is accepted comes back the same from its display; what is refused says what is allowed.
//! Never: a secret from a URI in an error.

use firn_manifest::{Error, KmsSpec, Scheme, StoreUri};

fn parse(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn accepted() {
    let table = [
        ("s3://bucket?ns=acme", Scheme::S3, "bucket", ""),
        ("s3://bucket/a/b?ns=acme", Scheme::S3, "bucket", "a/b"),
        ("s3://my.bucket-1/a/", Scheme::S3, "my.bucket-1", "a"),
        ("gs://bucket/a", Scheme::Gcs, "bucket", "a"),
        ("az://container", Scheme::Azure, "container", ""),
        ("file:///var/lib/firn?ns=a-1", Scheme::File, "", "/var/lib/firn"),
        ("file:///with%20space/100%25", Scheme::File, "", "/with space/100%"),
        ("file://localhost/data", Scheme::File, "", "/data"),
        ("memory://?ns=acme", Scheme::Memory, "", ""),
        ("memory://name/prefix?ns=acme", Scheme::Memory, "name", "prefix"),
        ("https://db.example.com:7575?ns=acme", Scheme::Gateway, "db.example.com:7575", ""),
        ("http://127.0.0.1:7575", Scheme::Gateway, "127.0.0.1:7575", ""),
    ];
    for (text, scheme, bucket, prefix) in table {
        let uri = parse(text);
        assert_eq!((uri.scheme, uri.bucket.as_str(), uri.prefix.as_str()), (scheme, bucket, prefix), "{text}");
        assert_eq!(parse(&uri.to_string()), uri, "{text} -> {uri}");
    }
}

#[test]
fn parameters() {
    let uri = parse("s3://b/p?ns=acme&region=eu-central-1&endpoint=http://127.0.0.1:9000&allow_http=true&cell=a:1,b:2");
    assert_eq!(uri.namespace().unwrap().as_str(), "acme");
    assert_eq!(uri.region.as_deref(), Some("eu-central-1"));
    assert_eq!(uri.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!((uri.allow_http, uri.cell.as_deref()), (Some(true), Some("a:1,b:2")));
    assert_eq!(parse(&uri.to_string()), uri);
    let kms = |text: &str| parse(text).kms.unwrap();
    assert_eq!(kms("file:///d?kms=local:/k/m+1%26.key"), KmsSpec::Local("/k/m+1&.key".into()));
    let arn = "arn:aws:kms:eu-central-1:1:key/abc";
    for (text, endpoint) in [
        (format!("s3://b?kms=aws:{arn}"), None),
        (format!("s3://b?kms=aws:{arn}?endpoint=http://127.0.0.1:5000&ns=a"), Some("http://127.0.0.1:5000")),
    ] {
        let uri = parse(&text);
        let expected = KmsSpec::Aws { key_arn: arn.to_owned(), endpoint: endpoint.map(str::to_owned) };
        assert_eq!(uri.kms, Some(expected));
        assert_eq!(parse(&uri.to_string()), uri);
    }
}

#[test]
fn refused_with_what_is_allowed() {
    let table = [
        ("", "s3://BUCKET"),
        ("bucket/prefix", "s3://BUCKET"),
        ("/var/lib/firn", "file:///DIR"),
        ("ftp://host/x", "unknown scheme \"ftp\""),
        ("S3://bucket", "unknown scheme"),
        ("s3://?ns=acme", "no bucket"),
        ("s3:///prefix?ns=acme", "no bucket"),
        ("s3://host:9000/bucket", "endpoint="),
        ("s3://bu cket", "contains ' '"),
        ("s3://b/a//b", "not empty"),
        ("s3://b/a/../b", "begin with a dot"),
        ("s3://b/a%00", "contains"),
        ("file://data", "absolute"),
        ("file://./data", "absolute"),
        ("file:///a/../b", "plain absolute path"),
        ("file:///", "no folder"),
        ("http://?ns=a", "no gateway"),
        ("s3://b?ns=Acme", "a-z, 0-9"),
        ("s3://b?ns=_directory", "a-z, 0-9"),
        ("s3://b?ns=", "has no value"),
        ("s3://b?ns=a&ns=b", "more than once"),
        ("s3://b?nss=a", "ns, region, endpoint, allow_http, cell, kms"),
        ("s3://b?access_key=AKIA", "unknown parameter"),
        ("s3://b?allow_http=yes", "true or false"),
        ("s3://b?endpoint=127.0.0.1:9000", "http(s)://"),
        ("s3://b?region=%zz", "hex digits"),
        ("s3://b?region=%ff", "UTF-8"),
        ("s3://b?ns=a#x", "fragment"),
        ("file:///d?region=eu", "applies to"),
        ("s3://b?kms=vault:x", "local:"),
        ("s3://b?kms=local:relative.key", "absolute"),
        ("s3://b?kms=aws:key", "ARN"),
        ("s3://b?kms=aws:arn:aws:kms:x?foo=1", "endpoint=URL"),
    ];
    for (text, says) in table {
        match StoreUri::parse(text) {
            Err(Error::Uri(message)) => assert!(message.contains(says), "{text}: {message}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let missing = parse("s3://b/p").namespace().unwrap_err().to_string();
    assert!(missing.contains("add ?ns=NAME"), "{missing}");
}

#[test]
fn credentials_are_refused_and_not_repeated() {
    for text in
        ["s3://AKIA:hunter2@bucket?ns=a", "https://user:hunter2@host?ns=a", "s3://b?endpoint=http://user:hunter2@host"]
    {
        let message = StoreUri::parse(text).unwrap_err().to_string();
        assert!(message.contains("environment") && !message.contains("hunter2"), "{message}");
    }
}
