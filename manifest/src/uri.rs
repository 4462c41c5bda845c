//! The URI grammar: the whole configuration of a database in one line.
//!
//! ```text
//! s3://bucket[/prefix]?ns=NAME     gs://bucket…     az://container…
//! file:///dir?ns=NAME              memory://[name[/prefix]]?ns=NAME
//! http(s)://gateway?ns=NAME
//! parameters: ns, region, endpoint, allow_http, cell, kms
//! ```
//!
//! Promises: one resolver for every front door; what it does not know it refuses and says what is allowed.
//! Never: credentials in a URI.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;
use crate::ids::NamespaceName;

/// What kind of place a URI names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Amazon S3 and all that speaks it
    S3,
    /// Google Cloud Storage
    Gcs,
    /// Azure Blob Storage
    Azure,
    /// a local folder
    File,
    /// this process's memory
    Memory,
    /// a FirnDB gateway, over HTTP
    Gateway,
}

/// Every parameter there is.
const PARAMETERS: [&str; 6] = ["ns", "region", "endpoint", "allow_http", "cell", "kms"];

const SCHEMES: &str =
    "s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX], az://CONTAINER[/PREFIX], file:///DIR, memory://, http(s)://GATEWAY";

/// A parsed URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUri {
    /// what kind of place
    pub scheme: Scheme,
    /// bucket or container; the name of a memory store; `host[:port]` of a gateway; empty for a folder
    pub bucket: String,
    /// key prefix without slashes at its ends; the absolute path of a folder; the path below a gateway
    pub prefix: String,
    /// the namespace, if given
    pub ns: Option<NamespaceName>,
    /// the store's region, instead of the environment's
    pub region: Option<String>,
    /// the store's endpoint, instead of the environment's
    pub endpoint: Option<String>,
    /// whether the endpoint may be plain HTTP, instead of the environment's word
    pub allow_http: Option<bool>,
    /// addresses of a VSR cell
    pub cell: Option<String>,
    /// where the master key is
    pub kms: Option<KmsSpec>,
    /// a gateway is reached by TLS
    pub tls: bool,
}

/// Where a master key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KmsSpec {
    /// a local key file (absolute path)
    Local(PathBuf),
    /// a key of AWS KMS
    Aws {
        /// the key's ARN
        key_arn: String,
        /// the service's endpoint, instead of the environment's
        endpoint: Option<String>,
    },
}

impl StoreUri {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`Error::Uri`] that says what is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (scheme_name, rest) = text
            .split_once("://")
            .ok_or_else(|| bad(format!("{text:?} is not a store URI: it must be one of {SCHEMES}")))?;
        let (scheme, tls) = match scheme_name {
            "s3" => (Scheme::S3, true),
            "gs" => (Scheme::Gcs, true),
            "az" => (Scheme::Azure, true),
            "file" => (Scheme::File, false),
            "memory" => (Scheme::Memory, false),
            "http" => (Scheme::Gateway, false),
            "https" => (Scheme::Gateway, true),
            other => {
                return Err(bad(format!("unknown scheme {other:?}: a store URI is one of {SCHEMES}")));
            }
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, query),
            None => (rest, ""),
        };
        if place.contains('#') || query.contains('#') {
            return Err(bad("a URI of a store has no fragment: write # as %23".to_owned()));
        }
        let (authority, path) = match place.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (place, None),
        };
        if authority.contains('@') {
            // the text is not repeated: it may hold a password
            return Err(bad(
                "a URI holds no credentials (user or password before '@'): put them into the environment, \
                 e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            ));
        }
        let (bucket, prefix) = resolve_place(scheme, authority, path)?;
        let mut uri = Self {
            scheme,
            bucket,
            prefix,
            ns: None,
            region: None,
            endpoint: None,
            allow_http: None,
            cell: None,
            kms: None,
            tls,
        };
        let mut seen: Vec<&str> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&name) {
                return Err(bad(format!("parameter {name} is given more than once")));
            }
            seen.push(name);
            uri.set(name, decode(value)?)?;
        }
        Ok(uri)
    }

    /// The namespace.
    ///
    /// # Errors
    /// [`Error::Uri`] if the URI names none.
    pub fn namespace(&self) -> Result<&NamespaceName, Error> {
        self.ns.as_ref().ok_or_else(|| bad(format!("{self} names no namespace: add ?ns=NAME")))
    }

    /// The URI of the store, without namespace.
    #[must_use]
    pub fn without_namespace(&self) -> Self {
        Self { ns: None, ..self.clone() }
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Error> {
        if !PARAMETERS.contains(&name) {
            return Err(bad(format!("unknown parameter {name:?}: the known ones are {}", PARAMETERS.join(", "))));
        }
        if value.is_empty() {
            return Err(bad(format!("parameter {name} has no value: write {name}=VALUE")));
        }
        let remote = matches!(self.scheme, Scheme::S3 | Scheme::Gcs | Scheme::Azure);
        if matches!(name, "region" | "endpoint" | "allow_http") && !remote {
            return Err(bad(format!("parameter {name} applies to s3://, gs:// and az:// only: remove it")));
        }
        match name {
            "ns" => self.ns = Some(value.parse().map_err(bad)?),
            "region" => self.region = Some(value),
            "endpoint" => self.endpoint = Some(http_url(name, value)?),
            "allow_http" => {
                self.allow_http = Some(match value.as_str() {
                    "true" => true,
                    "false" => false,
                    other => return Err(bad(format!("allow_http={other:?}: it is true or false"))),
                });
            }
            "cell" => self.cell = Some(value),
            _ => self.kms = Some(value.parse()?),
        }
        Ok(())
    }
}

/// The bucket and the prefix of each scheme.
fn resolve_place(scheme: Scheme, authority: &str, path: Option<&str>) -> Result<(String, String), Error> {
    match scheme {
        Scheme::File => {
            let absolute = path.filter(|_| authority.is_empty() || authority == "localhost");
            let Some(path) = absolute else {
                return Err(bad(format!(
                    "file://{authority} is relative: name the folder by its absolute path with three slashes, file:///DIR"
                )));
            };
            let path = decode(path)?;
            for part in path.split('/') {
                if part == "." || part == ".." {
                    return Err(bad(format!(
                        "file:///{path} contains {part:?}: name the folder by its plain absolute path"
                    )));
                }
            }
            if path.contains('\0') {
                return Err(bad("the folder's path contains a zero byte".to_owned()));
            }
            let trimmed = path.trim_matches('/');
            if trimmed.is_empty() {
                return Err(bad("file:/// names no folder: write file:///DIR".to_owned()));
            }
            Ok((String::new(), format!("/{trimmed}")))
        }
        Scheme::Memory => {
            let name = decode(authority)?;
            check_chars("the memory store's name", &name, "._-")?;
            Ok((name, key_prefix(path)?))
        }
        Scheme::S3 | Scheme::Gcs | Scheme::Azure => {
            if authority.is_empty() {
                return Err(bad(format!("the URI names no bucket: write {SCHEMES}")));
            }
            if authority.contains(':') {
                return Err(bad(format!(
                    "{authority:?} is not a bucket: a host and port go into the parameter endpoint=, the bucket comes right after ://"
                )));
            }
            check_chars("the bucket", authority, "._-")?;
            Ok((authority.to_owned(), key_prefix(path)?))
        }
        Scheme::Gateway => {
            if authority.is_empty() {
                return Err(bad("the URI names no gateway: write http(s)://HOST[:PORT]".to_owned()));
            }
            check_chars("the gateway's address", authority, "._-:[]")?;
            Ok((authority.to_owned(), key_prefix(path)?))
        }
    }
}

fn check_chars(what: &str, text: &str, also: &str) -> Result<(), Error> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !also.contains(*c)) {
        Some(c) => Err(bad(format!("{what} {text:?} contains {c:?}: letters, digits and {also} are allowed"))),
        None => Ok(()),
    }
}

/// A prefix of keys: parts of plain characters, so that every store and every tool writes it the same way.
fn key_prefix(path: Option<&str>) -> Result<String, Error> {
    let prefix = decode(path.unwrap_or_default())?;
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() {
        return Ok(String::new());
    }
    for part in prefix.split('/') {
        if part.is_empty() || part.starts_with('.') {
            return Err(bad(format!(
                "prefix {prefix:?} has a part {part:?}: parts are not empty and do not begin with a dot"
            )));
        }
        check_chars("prefix part", part, "._-=+@,!() ")?;
    }
    Ok(prefix.to_owned())
}

fn http_url(name: &str, value: String) -> Result<String, Error> {
    let url = url::Url::parse(&value)
        .map_err(|e| bad(format!("{name}={value:?} is not a URL ({e}): write http(s)://HOST[:PORT]")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("{name}={value:?}: write http(s)://HOST[:PORT]")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(format!("{name} holds no credentials: put them into the environment")));
    }
    Ok(value)
}

/// Percent-decoding; `+` stays `+`.
fn decode(text: &str) -> Result<String, Error> {
    let raw = text.as_bytes();
    let mut out = Vec::with_capacity(raw.len());
    let mut i = 0;
    while i < raw.len() {
        if raw[i] != b'%' {
            out.push(raw[i]);
            i += 1;
            continue;
        }
        let digits = raw.get(i + 1..i + 3).and_then(|two| {
            let mut byte = [0u8; 1];
            hex::decode_to_slice(two, &mut byte).ok().map(|()| byte[0])
        });
        match digits {
            Some(byte) => out.push(byte),
            None => {
                return Err(bad(format!("{text:?}: % is followed by two hex digits (% itself is %25)")));
            }
        }
        i += 3;
    }
    String::from_utf8(out).map_err(|_| bad(format!("{text:?} is not UTF-8 when decoded")))
}

/// The inverse of [`decode`] for what would end a value or a path.
fn encode(text: &str, reserved: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '%' || c == '#' || c.is_control() || c == ' ' || reserved.contains(c) {
            let mut buf = [0u8; 4];
            for byte in c.encode_utf8(&mut buf).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn bad(message: String) -> Error {
    Error::Uri(message)
}

impl fmt::Display for StoreUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.scheme, self.tls) {
            (Scheme::S3, _) => "s3",
            (Scheme::Gcs, _) => "gs",
            (Scheme::Azure, _) => "az",
            (Scheme::File, _) => "file",
            (Scheme::Memory, _) => "memory",
            (Scheme::Gateway, false) => "http",
            (Scheme::Gateway, true) => "https",
        };
        write!(f, "{scheme}://{}", self.bucket)?;
        let path = encode(self.prefix.trim_start_matches('/'), "?");
        if !path.is_empty() {
            write!(f, "/{path}")?;
        }
        let allow_http = self.allow_http.map(|b| b.to_string());
        let kms = self.kms.as_ref().map(ToString::to_string);
        let parameters = [
            ("ns", self.ns.as_ref().map(NamespaceName::as_str)),
            ("region", self.region.as_deref()),
            ("endpoint", self.endpoint.as_deref()),
            ("allow_http", allow_http.as_deref()),
            ("cell", self.cell.as_deref()),
            ("kms", kms.as_deref()),
        ];
        let mut separator = '?';
        for (name, value) in parameters {
            if let Some(value) = value {
                write!(f, "{separator}{name}={}", encode(value, "&"))?;
                separator = '&';
            }
        }
        Ok(())
    }
}

impl FromStr for StoreUri {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        Self::parse(s)
    }
}

impl FromStr for KmsSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = "kms is local:/ABSOLUTE/PATH or aws:KEY-ARN[?endpoint=URL]";
        if let Some(path) = text.strip_prefix("local:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Local(path))
            } else {
                Err(bad(format!("{text:?} names no absolute path: {allowed}")))
            };
        }
        let Some(rest) = text.strip_prefix("aws:") else {
            return Err(bad(format!("{text:?} names no key service: {allowed}")));
        };
        let (key_arn, endpoint) = match rest.split_once('?') {
            None => (rest, None),
            Some((key_arn, query)) => match query.split_once('=') {
                Some(("endpoint", url)) => (key_arn, Some(http_url("endpoint", url.to_owned())?)),
                _ => return Err(bad(format!("{text:?}: {allowed}"))),
            },
        };
        if !key_arn.starts_with("arn:") {
            return Err(bad(format!("{text:?} names no ARN: {allowed}")));
        }
        Ok(Self::Aws { key_arn: key_arn.to_owned(), endpoint })
    }
}

impl fmt::Display for KmsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KmsSpec::Local(path) => write!(f, "local:{}", path.display()),
            KmsSpec::Aws { key_arn, endpoint: None } => write!(f, "aws:{key_arn}"),
            KmsSpec::Aws { key_arn, endpoint: Some(endpoint) } => write!(f, "aws:{key_arn}?endpoint={endpoint}"),
        }
    }
}
