//! The local master key: a file, the embedded default.
//!
//! ```text
//! master key file   firn-master-key-v1:<64 hex digits>:<first 8 hex digits of SHA-256 of the 32 key bytes>\n
//! fingerprint       local:<first 16 hex digits of SHA-256("firn master key fingerprint v1" ‖ key)>
//! wrapped key       nonce (16) ‖ AES-256-GCM(HKDF(master, salt = namespace UUID, "firn wrapped key v1" ‖ nonce ‖ name))
//! name              <fingerprint> for a data key, <fingerprint>#tenant-<number> for a tenant's key
//! ```
//!
//! Promises: a key file is made once, whole, readable by its owner only; what is wrong with one is said exactly.
//! Never: a key file inside the store it opens; unwrapping never makes one.

use std::fmt::Debug;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KeyContext, KeyService};
use crate::crypto::{ObjectKey, derive};
use crate::error::{Error, KeyErrorKind};
use crate::uri::{Scheme, StoreUri};
use crate::world::{World, new_ulid};

/// Where the key is when nothing names a place: `$XDG_DATA_HOME/firn/master.key` (`~/.local/share/…`).
pub(super) fn default_path() -> Result<PathBuf, Error> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("firn").join("master.key"))
        .ok_or_else(|| {
            Error::key(
                KeyErrorKind::Missing,
                "there is no place for the master key: neither XDG_DATA_HOME nor HOME is set; set FIRN_KMS=local:/ABSOLUTE/PATH",
            )
        })
}

/// The path with links of its existing part followed.
fn resolve(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut at = path;
    loop {
        if let Ok(real) = fs::canonicalize(at) {
            return rest.iter().rev().fold(real, |whole, part| whole.join(part));
        }
        match (at.parent(), at.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name);
                at = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

const FILE_HEAD: &str = "firn-master-key-v1";
const WRAP_INFO: &[u8] = b"firn wrapped key v1";
const FINGERPRINT_INFO: &[u8] = b"firn master key fingerprint v1";

type Master = Zeroizing<[u8; 32]>;

/// A master key in a local file.
#[derive(Clone, Debug)]
pub(super) struct LocalKeys {
    path: PathBuf,
    world: Arc<dyn World>,
}

impl LocalKeys {
    /// The key file `path`, of which nothing is read or made yet.
    pub(super) fn new(path: PathBuf, world: Arc<dyn World>) -> Self {
        Self { path, world }
    }

    /// Refuses a key file inside the store's own folder.
    pub(super) fn check_outside(&self, store: &StoreUri) -> Result<(), Error> {
        if store.scheme != Scheme::File || !resolve(&self.path).starts_with(resolve(Path::new(&store.prefix))) {
            return Ok(());
        }
        Err(self.error(
            KeyErrorKind::Misplaced,
            &format!(
                "it would stand inside the store {}: whoever copies the store would have the key; \
                 name another place by kms=local:PATH or FIRN_KMS",
                store.without_namespace()
            ),
        ))
    }

    fn error(&self, kind: KeyErrorKind, what: &str) -> Error {
        Error::key(kind, format!("master key {}: {what}", self.path.display()))
    }

    fn io(&self, doing: &str, e: &io::Error) -> Error {
        self.error(
            KeyErrorKind::Io,
            &format!("{doing} failed ({e}); check the folder's owner and mode, or name another place by kms=local:PATH or FIRN_KMS"),
        )
    }

    /// The master key, or `None` if there is no file.
    fn read(&self) -> Result<Option<Master>, Error> {
        let mut file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.io("opening it", &e)),
        };
        let meta = file.metadata().map_err(|e| self.io("reading it", &e))?;
        if meta.is_dir() {
            return Err(self.error(KeyErrorKind::Damaged, "it is a folder; name the file that holds the key"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(self.error(
                    KeyErrorKind::TooOpen,
                    &format!("others can read or write it (mode {mode:o}): run `chmod 600` on it; if somebody may have read it, load the data into a new namespace under a new key"),
                ));
            }
        }
        let damaged = || {
            self.error(
                KeyErrorKind::Damaged,
                "it is damaged (one line firn-master-key-v1:KEY:CHECK is expected); restore it from a backup",
            )
        };
        if !meta.is_file() || meta.len() > 1024 {
            return Err(damaged());
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(|_| damaged())?;
        parse_master(&text).map(Some).ok_or_else(damaged)
    }

    /// The master key, made if there is none.
    fn read_or_make(&self) -> Result<Master, Error> {
        if let Some(master) = self.read()? {
            return Ok(master);
        }
        self.make().map_err(|e| self.io("making it", &e))?;
        self.read()?.ok_or_else(|| self.error(KeyErrorKind::Missing, "it vanished right after it was made; try again"))
    }

    /// Makes the file: whole under its name or not at all, and never over another.
    fn make(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
            builder.mode(0o700);
            options.mode(0o600);
        }
        builder.create(folder)?;
        let mut master: Master = Zeroizing::new([0u8; 32]);
        self.world.fill(master.as_mut_slice());
        let digits = Zeroizing::new(hex::encode(*master));
        let text = Zeroizing::new(format!("{FILE_HEAD}:{}:{}\n", *digits, checksum(&master)));
        let temp = folder.join(format!(".master-key.{}.tmp", new_ulid(&*self.world)));
        let linked = options
            .open(&temp)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| match fs::hard_link(&temp, &self.path) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
                _ => Ok(()),
            });
        let _ = fs::remove_file(&temp);
        linked?;
        fs::File::open(folder)?.sync_all()
    }

    fn unwrap_now(&self, wrapped_by: &str, wrapped: &[u8], context: &KeyContext) -> Result<Zeroizing<Vec<u8>>, Error> {
        if !wrapped_by.starts_with("local:") {
            return Err(self.error(
                KeyErrorKind::Wrong,
                &format!(
                    "the data key is wrapped by {wrapped_by}, which is another key service: name it by kms= or FIRN_KMS"
                ),
            ));
        }
        let master = self.read()?.ok_or_else(|| {
            self.error(
                KeyErrorKind::Missing,
                &format!("there is no such file, and only the key {wrapped_by} opens this namespace: copy it there, or name its place by kms=local:PATH or FIRN_KMS"),
            )
        })?;
        let own = fingerprint(&master);
        if own != wrapped_by {
            return Err(self.error(
                KeyErrorKind::Wrong,
                &format!("it is the key {own}, and this namespace needs {wrapped_by}: name that one by kms=local:PATH or FIRN_KMS"),
            ));
        }
        let damaged = || {
            self.error(
                KeyErrorKind::Damaged,
                &format!(
                    "it is the right key, but the wrapped {context} was changed or belongs to another namespace or tenant (I8); restore what it was read from"
                ),
            )
        };
        let (nonce, sealed) = wrapped.split_first_chunk::<16>().ok_or_else(damaged)?;
        let key = wrapping_key(&master, context, nonce, wrapped_by);
        key.open(0, &[], sealed).map(Zeroizing::new).map_err(|_| damaged())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(answer) => answer,
            Err(e) => Err(self.error(KeyErrorKind::Io, &format!("the work on it was cut off ({e}); try again"))),
        }
    }
}

#[async_trait]
impl KeyService for LocalKeys {
    fn describe(&self) -> String {
        format!("local:{}", self.path.display())
    }

    async fn wrap(&self, plain: &[u8], context: &KeyContext) -> Result<(String, Vec<u8>), Error> {
        let (plain, context) = (Zeroizing::new(plain.to_vec()), *context);
        self.blocking(move |this| {
            let master = this.read_or_make()?;
            let by = fingerprint(&master);
            let mut nonce = [0u8; 16];
            this.world.fill(&mut nonce);
            let sealed = wrapping_key(&master, &context, &nonce, &by).seal(0, &[], &plain)?;
            Ok((by, [nonce.as_slice(), &sealed].concat()))
        })
        .await
    }

    async fn unwrap(
        &self,
        wrapped_by: &str,
        wrapped: &[u8],
        context: &KeyContext,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (by, wrapped, context) = (wrapped_by.to_owned(), wrapped.to_vec(), *context);
        self.blocking(move |this| this.unwrap_now(&by, &wrapped, &context)).await
    }
}

/// The key that seals one wrapped key.
fn wrapping_key(master: &Master, context: &KeyContext, nonce: &[u8; 16], fingerprint: &str) -> ObjectKey {
    match context.tenant {
        None => derive(master, context.namespace, WRAP_INFO, nonce, fingerprint),
        Some(tenant) => derive(master, context.namespace, WRAP_INFO, nonce, &format!("{fingerprint}#tenant-{tenant}")),
    }
}

fn checksum(master: &Master) -> String {
    hex::encode(&Sha256::digest(**master)[..4])
}

fn fingerprint(master: &Master) -> String {
    let mut hash = Sha256::new();
    hash.update(FINGERPRINT_INFO);
    hash.update(**master);
    format!("local:{}", hex::encode(&hash.finalize()[..8]))
}

fn parse_master(text: &str) -> Option<Master> {
    let mut parts = text.trim_end().split(':');
    let (head, key, check, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let mut master: Master = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(key, master.as_mut_slice()).ok()?;
    (head == FILE_HEAD && end.is_none() && check == checksum(&master)).then_some(master)
}
