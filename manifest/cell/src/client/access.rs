//! API keys, authentication, grants.

use std::sync::Arc;
use std::time::Duration;

use firn_manifest::ids::TenantId;
use firn_manifest::world::offload;

use super::tenants::CreatedKey;
use super::{By, DirectoryClient};
use crate::access::{Grant, KeyHash, Principal, Role, Scope, ScramChallenge};
use crate::error::{Error, invalid};
use crate::ids::{ApiKeyId, GrantId, Time};
use crate::op::{KeyDraft, Op, Reply};
use crate::refusal::Refusal;
use crate::state::OPERATOR_USER;
use crate::token::{ITERATIONS, Token};

/// How old the state may be when a key that it does not know is refused: a key that another gateway made is good here
/// after this time, and guessing keys costs the store one GET in it at most.
pub const STALE: Duration = Duration::from_secs(1);

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// what it allows
    pub role: Role,
    /// what its owner calls it
    pub label: String,
    /// from when on it is no good; `None`: never
    pub expires_at: Option<Time>,
}

impl NewKey {
    /// A key of the role admin that never expires.
    #[must_use]
    pub fn admin(label: &str) -> Self {
        Self { role: Role::Admin, label: label.to_owned(), expires_at: None }
    }
}

/// A grant to be given.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// who may read
    pub grantee: TenantId,
    /// the table
    pub table: String,
    /// the columns; `None`: all
    pub columns: Option<Vec<String>>,
    /// SQL text of the condition that a row must meet
    pub predicate: Option<String>,
    /// until when
    pub until: Option<Time>,
    /// how often
    pub uses: Option<u64>,
}

impl DirectoryClient {
    /// A fresh key and what the directory is to know of it.
    pub(super) async fn draft(&self, new: &NewKey, salt: [u8; 16]) -> Result<(Token, KeyDraft), Error> {
        let token = Token::generate(&**self.world());
        let made = offload(&**self.world(), move || (token.scram(&salt), token)).await;
        let (scram, token) = made.ok_or_else(|| invalid("an API key", "making it was cut off; try again"))?;
        let (role, label, expires_at) = (new.role, new.label.clone(), new.expires_at);
        let draft = KeyDraft { role, label, expires_at, hash: token.hash(), scram };
        Ok((token, draft))
    }

    /// Makes an API key. Its token is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::WrongStatus`], [`Refusal::TooMany`]; [`Error::Root`].
    pub async fn create_key(&self, by: &By, scope: Scope, new: NewKey) -> Result<CreatedKey, Error> {
        let salt = match scope {
            Scope::Operator => self.salt_of(OPERATOR_USER),
            Scope::Tenant(id) => {
                let mut found = self.state().tenant(id).cloned();
                if found.is_none() {
                    found = self.refresh().await?.tenant(id).cloned();
                }
                let tenant = found.ok_or_else(|| Refusal::not_found("tenant", id))?;
                salt_bytes(&tenant.scram_salt)
            }
        };
        let (token, key) = self.draft(&new, salt).await?;
        let hash = key.hash;
        match self.propose(by, Op::CreateKey { scope, key }).await? {
            Reply::Key(id) => {
                let ours = self.state().key(id).is_some_and(|key| key.hash == hash);
                Ok(CreatedKey { id, token: ours.then_some(token) })
            }
            _ => Err(Refusal::invalid("the request was answered with something else before").into()),
        }
    }

    /// Revokes an API key of a scope; one that is revoked already is no error.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Error::Root`].
    pub async fn revoke_key(&self, by: &By, scope: Scope, key: ApiKeyId) -> Result<(), Error> {
        self.propose(by, Op::RevokeKey { scope, key }).await.map(|_| ())
    }

    /// Who bears this token, for the named tenant or (`None`) without naming one. Answered from the state as last seen; if
    /// that does not know the key and is older than [`STALE`], from the current one.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] for unknown tenants and wrong keys alike; see
    /// [`Directory::authenticate`](crate::Directory::authenticate).
    pub async fn authenticate(&self, name: Option<&str>, token: &str) -> Result<Principal, Error> {
        // a token that is none is looked up like one that nobody has
        let hash = token.parse::<Token>().map_or(KeyHash([0; 32]), |token| token.hash());
        match self.state().authenticate(name, &hash, self.now()) {
            Err(_) => {
                let state = self.refresh_if_older(STALE).await?;
                Ok(state.authenticate(name, &hash, self.now())?)
            }
            known => Ok(known?),
        }
    }

    /// What SCRAM-SHA-256 needs for a user name of the Postgres wire (a tenant's name, or [`OPERATOR_USER`]); for a name
    /// that nobody bears a salt that does not say so, and no keys.
    ///
    /// # Errors
    /// [`Error::Root`] if the state had to be read anew and could not be.
    pub async fn scram_challenge(&self, user: &str) -> Result<ScramChallenge, Error> {
        let (mut tenant, mut keys) = self.state().scram_keys(user, self.now());
        if keys.is_empty() {
            (tenant, keys) = self.refresh_if_older(STALE).await?.scram_keys(user, self.now());
        }
        let salt = tenant.map_or_else(|| self.salt_of(user), |tenant| salt_bytes(&tenant.scram_salt));
        Ok(ScramChallenge { salt, iterations: ITERATIONS, keys })
    }

    /// Lets another tenant read a table.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::WrongStatus`], [`Refusal::Invalid`], [`Refusal::TooMany`]; [`Error::Root`].
    pub async fn grant(&self, by: &By, grantor: TenantId, new: NewGrant) -> Result<Arc<Grant>, Error> {
        let NewGrant { grantee, table, columns, predicate, until, uses } = new;
        let reply = self.propose(by, Op::Grant { grantor, grantee, table, columns, predicate, until, uses }).await?;
        self.granted(&reply)
    }

    /// Ends a grant; one that is revoked already is no error.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Error::Root`].
    pub async fn revoke(&self, by: &By, grantor: TenantId, grant: GrantId) -> Result<(), Error> {
        self.propose(by, Op::RevokeGrant { grantor, grant }).await.map(|_| ())
    }

    /// Uses a grant once, before the rows are read. One without a number of uses costs no entry in the log if the state
    /// is current; check it with [`Directory::grants_for`](crate::Directory::grants_for) instead.
    ///
    /// # Errors
    /// [`Refusal::GrantOver`], [`Refusal::NotFound`]; [`Error::Root`].
    pub async fn use_grant(&self, by: &By, grantee: TenantId, grant: GrantId) -> Result<Arc<Grant>, Error> {
        let reply = self.propose(by, Op::UseGrant { grantee, grant }).await?;
        self.granted(&reply)
    }

    fn granted(&self, reply: &Reply) -> Result<Arc<Grant>, Error> {
        let Reply::Grant(id) = reply else {
            return Err(Refusal::invalid("the request was answered with something else before").into());
        };
        let found = self.state().grant(*id).cloned();
        found.ok_or_else(|| Refusal::not_found("grant", id).into())
    }
}

/// A record's salt; the state machine lets no other in.
fn salt_bytes(digits: &str) -> [u8; 16] {
    let mut salt = [0u8; 16];
    // what is not 32 hex digits leaves zeros: a salt like any other, under which no verifier fits
    let _ = hex::decode_to_slice(digits, &mut salt);
    salt
}
