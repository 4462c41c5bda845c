//! `firn serve` and `firn tenant`: what can be typed.
//!
//! Promises: both take the store without a namespace, by the same flag and variable.
//! Never: a secret as a flag.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use firn_cell::{Region, Role};

use crate::exit::Failure;

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  firn serve                                             the folder $XDG_DATA_HOME/firn/store, on 127.0.0.1:7575
  firn serve --store 's3://bucket/db?region=eu-central-1'
  curl -s localhost:7575/v1/sql -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\
       -d '{\"sql\": \"SELECT $1 + 1\", \"params\": [41]}'

The first start writes an operator's key to $XDG_DATA_HOME/firn/operator.key (0600). GET /openapi.json describes every
path. SIGTERM and Ctrl-C let the requests under way end.";

pub(super) const TENANT_EXAMPLES: &str = "\
Examples:
  firn tenant create acme --store 's3://bucket/db?region=eu-central-1'     prints its API key, once
  firn tenant list
  firn tenant key create acme --role reader --label dashboard
  firn tenant quota acme storage_bytes=10000000000 statements_per_s=none
  firn tenant rotate acme --level kek
  firn tenant erase acme --basis 'GDPR art. 17, request 4711'              prints a signed receipt; there is no way back

These need the store's credentials and the master key (kms= in the URI, else FIRN_KMS, else
local:$XDG_DATA_HOME/firn/master.key). Over HTTP an operator's key does the same at /v1/tenants.";

/// Which store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// the store, without a namespace [default: file://$XDG_DATA_HOME/firn/store]
    #[arg(long, value_name = "URI", env = "FIRN_STORE", global = true)]
    pub store: Option<String>,
    /// write the answer as one line of JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// The store's URI, or that of the folder where a store stands by default.
fn store_uri(given: Option<&str>) -> Result<String, Failure> {
    match given {
        Some(uri) => Ok(uri.to_owned()),
        None => Ok(format!("file://{}", crate::serve::data_folder()?.join("store").display())),
    }
}

impl StoreArgs {
    /// The store's URI.
    ///
    /// # Errors
    /// When there is no default, for there is no home.
    pub fn store(&self) -> Result<String, Failure> {
        store_uri(self.store.as_deref())
    }
}

/// `firn serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// the store, without a namespace [default: file://$XDG_DATA_HOME/firn/store]
    #[arg(long, value_name = "URI", env = "FIRN_STORE")]
    pub store: Option<String>,
    /// where HTTP is answered
    #[arg(long, value_name = "ADDR", env = "FIRN_HTTP", default_value = "127.0.0.1:7575")]
    pub http: SocketAddr,
    /// the region this gateway stands in; tenants created here are at home there
    #[arg(long, value_name = "REGION", env = "FIRN_REGION", default_value = "local")]
    pub region: Region,
    /// answer without TLS on an address that other machines reach
    #[arg(long, env = "FIRN_PLAINTEXT")]
    pub plaintext: bool,
}

impl ServeArgs {
    /// The store's URI.
    ///
    /// # Errors
    /// When there is no default, for there is no home.
    pub fn store(&self) -> Result<String, Failure> {
        store_uri(self.store.as_deref())
    }
}

/// `firn tenant`
#[derive(Debug, Args)]
pub struct TenantArgs {
    /// which store
    #[command(flatten)]
    pub store: StoreArgs,
    /// what to do
    #[command(subcommand)]
    pub command: TenantCommand,
}

/// The commands of `firn tenant`; NAME is a tenant's name or number.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant: its keys, its namespace and its first API key, which is printed once
    Create {
        /// its name: a-z, 0-9 and -, up to 63 characters
        name: String,
        /// its home region
        #[arg(long, default_value = "local")]
        region: Region,
        /// make no API key
        #[arg(long)]
        no_key: bool,
    },
    /// All tenants, oldest first
    List,
    /// A tenant's record
    Show {
        /// the tenant
        name: String,
    },
    /// Give a tenant another name; the old one leads nowhere else
    Rename {
        /// the tenant
        name: String,
        /// its new name
        to: String,
    },
    /// Neither reads nor writes, until resumed
    Suspend {
        /// the tenant
        name: String,
    },
    /// Reads only, until resumed
    Seal {
        /// the tenant
        name: String,
    },
    /// Reads and writes again
    Resume {
        /// the tenant
        name: String,
    },
    /// Destroy a tenant's keys: nothing opens its data any more, nor any backup; prints a signed receipt
    Erase {
        /// the tenant
        name: String,
        /// why: the law, contract or request it is done for
        #[arg(long)]
        basis: String,
        /// leave the objects where they are, unreadable for ever
        #[arg(long)]
        keep_objects: bool,
    },
    /// Rotate keys online: a tenant's key-encryption key, or the master key of all
    Rotate {
        /// the tenant; not for the master key
        name: Option<String>,
        /// which keys
        #[arg(long, value_enum)]
        level: Level,
        /// the new master key, as in kms=: local:PATH or aws:KEY-ARN
        #[arg(long, value_name = "KMS")]
        to: Option<String>,
    },
    /// Set limits: QUOTA=NUMBER, or QUOTA=none
    Quota {
        /// the tenant
        name: String,
        /// storage_bytes, write_bytes_per_s, statements_per_s, concurrent_statements, result_bytes, query_memory_bytes,
        /// query_time_ms
        #[arg(required = true, value_name = "QUOTA=NUMBER")]
        limits: Vec<String>,
    },
    /// Make, list and revoke API keys
    Key {
        /// what to do
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// What was done to a tenant, newest first
    Audit {
        /// the tenant
        name: String,
        /// so many entries at the most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// The commands of `firn tenant key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key; it is printed once
    Create {
        /// the tenant
        name: String,
        /// what it allows
        #[arg(long, value_enum)]
        role: RoleName,
        /// what its owner calls it
        #[arg(long, default_value = "")]
        label: String,
        /// from when on it is no good, RFC 3339
        #[arg(long, value_name = "TIME")]
        expires_at: Option<Moment>,
    },
    /// A tenant's keys: what they allow, never the keys
    List {
        /// the tenant
        name: String,
    },
    /// End a key
    Revoke {
        /// the tenant
        name: String,
        /// the key's number
        id: u64,
    },
}

/// Which keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// the master key: every key-encryption key is wrapped anew
    Master,
    /// a tenant's key-encryption key
    Kek,
}

/// What a key allows, each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// statements that read
    Reader,
    /// statements that write
    Writer,
    /// schema changes, grants and keys
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Reader => Role::Reader,
            RoleName::Writer => Role::Writer,
            RoleName::Admin => Role::Admin,
        }
    }
}

/// A time of RFC 3339, microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub i64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = chrono::DateTime::parse_from_rfc3339(text);
        time.map(|time| Self(time.timestamp_micros())).map_err(|e| format!("{e}; write 2026-12-31T23:59:59Z"))
    }
}
