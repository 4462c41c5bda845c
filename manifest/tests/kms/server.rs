//! A KMS of one key on a socket of its own: it seals nothing, but keeps the encryption context with what it wraps and
//! checks it, and it fails as it is told.
//!
//! Promises: every request is kept, so a test can say what was asked and how often.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// this status and this error code
    Error(u16, &'static str),
    /// this status and body, whatever they mean
    Raw(u16, String),
    /// the connection is closed
    Cut,
    /// nothing
    Hang,
    /// the work is done, and another key named as the one that did it
    OtherKey,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub operation: String,
    pub body: Value,
}

#[derive(Debug)]
pub struct Server {
    pub endpoint: String,
    key_arn: String,
    script: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
}

impl Server {
    pub async fn start(key_arn: &str) -> Arc<Self> {
        Self::start_at("127.0.0.1:0", key_arn).await
    }

    pub async fn start_at(address: &str, key_arn: &str) -> Arc<Self> {
        let listener = TcpListener::bind(address).await.unwrap();
        let server = Arc::new(Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            key_arn: key_arn.to_owned(),
            script: Mutex::default(),
            asked: Mutex::default(),
        });
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream));
            }
        });
        server
    }

    /// What happens to the next requests; those after them are served.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.script.lock() = answers.into_iter().collect();
    }

    /// The requests since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock())
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        while let Some(asked) = request(&mut stream).await {
            self.asked.lock().push(asked.clone());
            let scripted = self.script.lock().pop_front();
            let (status, body) = match scripted {
                None => self.work(&asked, &self.key_arn),
                Some(Answer::OtherKey) => self.work(&asked, "arn:aws:kms:eu-west-1:1:key/other"),
                Some(Answer::Error(status, code)) => (status, error(code)),
                Some(Answer::Raw(status, body)) => (status, body),
                Some(Answer::Cut) => return,
                Some(Answer::Hang) => std::future::pending().await,
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(body.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn work(&self, asked: &Asked, name: &str) -> (u16, String) {
        let body = &asked.body;
        if body["KeyId"] != json!(self.key_arn) {
            return (400, error("NotFoundException"));
        }
        match asked.operation.as_str() {
            "Encrypt" => {
                let kept = json!([body["EncryptionContext"], body["Plaintext"]]).to_string();
                (200, json!({"KeyId": name, "CiphertextBlob": STANDARD.encode(kept)}).to_string())
            }
            "Decrypt" => {
                let kept = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap();
                match serde_json::from_slice::<Value>(&kept) {
                    Ok(kept) if kept[0] == body["EncryptionContext"] => {
                        (200, json!({"KeyId": name, "Plaintext": kept[1]}).to_string())
                    }
                    _ => (400, error("InvalidCiphertextException")),
                }
            }
            _ => (400, error("UnknownOperationException")),
        }
    }
}

fn error(code: &str) -> String {
    json!({"__type": code, "message": format!("{code} was told to be")}).to_string()
}

async fn request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length")?.parse().ok()?;
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let operation = header("x-amz-target")?.strip_prefix("TrentService.")?.to_owned();
    let body = serde_json::from_slice(&bytes[end..end + length]).ok()?;
    Some(Asked { head, operation, body })
}
