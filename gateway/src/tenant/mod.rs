//! `firn tenant …`: the administration of tenants, with the store and the master key at hand.
//!
//! Promises: what it says was done is durable; a key is printed once, and with `--json` in one document.
//! Never: a key in a log; an erasure without a basis.

use std::io::Write as _;
use std::sync::Arc;

use firn_cell::{
    Actor, ApiKeyId, By, DirectoryClient, NewKey, NewTenant, Quota, Refusal, Scope, Tenant, TenantId, Time,
};
use firn_engine::{Database, OpenOptions};
use firn_manifest::ids::NamespaceName;
use firn_manifest::keys::key_service;
use firn_manifest::store::Store;
use firn_manifest::uri::StoreUri;
use firn_manifest::world;
use serde_json::{Value, json};

use crate::admin;
use crate::cli::{KeyCommand, Level, TenantArgs, TenantCommand};
use crate::directory;
use crate::exit::Failure;

/// Who administers from the command line: `cli:<user>`.
///
/// # Errors
/// When the user's name is none that can be kept.
pub fn actor() -> Result<Actor, Failure> {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "-".to_owned());
    format!("cli:{user}").parse().map_err(|e| Failure::Usage(format!("the user's name in USER: {e}")))
}

/// Runs `firn tenant …`.
///
/// # Errors
/// Refusals of the directory; store, key and integrity errors.
pub async fn run(args: TenantArgs) -> Result<(), Failure> {
    let uri = directory::parse_uri(&args.store.store()?)?;
    let by = By::new(actor()?);
    let answer = match args.command {
        TenantCommand::Create { name, region, no_key } => {
            let admin = Admin { directory: directory::open_or_create(&uri).await?, root: directory::root(&uri)? };
            let mut new = NewTenant::named(parse_name(&name)?);
            new.region = region;
            if no_key {
                new.key = None;
            }
            admin.create(&by, new).await?
        }
        command => {
            let admin = Admin { directory: directory::open(&uri).await?, root: directory::root(&uri)? };
            admin.run(&by, command, &uri).await?
        }
    };
    print(&answer, args.store.json)
}

/// A directory and the store it is of.
struct Admin {
    directory: DirectoryClient,
    root: Store,
}

impl Admin {
    async fn create(&self, by: &By, new: NewTenant) -> Result<Value, Failure> {
        let created = self.directory.create_tenant(by, new).await?;
        let tenant = &created.tenant;
        // its first manifest: from here on it can be opened
        let keys = self.directory.tenant_keys(tenant.id)?;
        let database = Database::open_in(self.root.namespace(&tenant.folder), keys, OpenOptions::default()).await?;
        database.writer().await?;
        database.close().await?;
        let mut answer = json!({ "name": tenant.name, "id": tenant.id, "uuid": tenant.namespace });
        if let (Some(fields), Some(token)) = (answer.as_object_mut(), created.key.and_then(|key| key.token)) {
            fields.insert("api_key".to_owned(), json!(token.expose().as_str()));
        }
        Ok(answer)
    }

    async fn run(&self, by: &By, command: TenantCommand, uri: &StoreUri) -> Result<Value, Failure> {
        let directory = &self.directory;
        Ok(match command {
            // its own arm, for the directory it may have to create
            TenantCommand::Create { .. } => return Err(Failure::Usage("create is done elsewhere".to_owned())),
            TenantCommand::List => {
                let state = directory.refresh().await?;
                Value::Array(state.tenants(None).map(|tenant| admin::tenant_view(tenant)).collect())
            }
            TenantCommand::Show { name } => admin::tenant_view(&*self.find(&name).await?),
            TenantCommand::Rename { name, to } => {
                let id = self.find(&name).await?.id;
                admin::tenant_view(&*directory.rename(by, id, parse_name(&to)?).await?)
            }
            TenantCommand::Suspend { name } => {
                let id = self.find(&name).await?.id;
                admin::tenant_view(&*directory.suspend(by, id).await?)
            }
            TenantCommand::Seal { name } => {
                let id = self.find(&name).await?.id;
                admin::tenant_view(&*directory.seal(by, id).await?)
            }
            TenantCommand::Resume { name } => {
                let id = self.find(&name).await?.id;
                admin::tenant_view(&*directory.resume(by, id).await?)
            }
            TenantCommand::Quota { name, limits } => {
                let id = self.find(&name).await?.id;
                let limits = limits.iter().map(|text| limit(text)).collect::<Result<_, _>>()?;
                admin::tenant_view(&*directory.set_quota(by, id, limits).await?)
            }
            TenantCommand::Erase { name, basis, keep_objects } => {
                let id = match name.parse().map(TenantId) {
                    Ok(id) => id,
                    Err(_) => admin::to_erase(&*directory.refresh().await?, &name).map_err(firn_cell::Error::from)?.id,
                };
                let receipt = admin::erase(directory, &self.root, by, id, &basis, !keep_objects, |_| {}).await?;
                serde_json::from_str(&receipt)
                    .map_err(|e| Failure::from(firn_engine::Error::internal(format!("the receipt is no JSON: {e}"))))?
            }
            TenantCommand::Rotate { name, level, to } => match (level, name) {
                (Level::Kek, Some(name)) => {
                    let id = self.find(&name).await?.id;
                    let kek = directory.rotate_kek(by, id).await?;
                    json!({ "name": name, "generation": kek.generation, "wrapped_by": kek.wrapped_by })
                }
                (Level::Kek, None) => return Err(Failure::Usage("--level kek needs the tenant's NAME".to_owned())),
                (Level::Master, _) => {
                    let Some(to) = to else {
                        return Err(Failure::Usage("--level master needs --to KMS, the key to wrap with".to_owned()));
                    };
                    let to = to.parse().map_err(|e: firn_manifest::Error| Failure::Usage(e.to_string()))?;
                    let keys = key_service(&StoreUri { kms: Some(to), ..uri.clone() }, world::system())?;
                    json!({ "wrapped": directory.rotate_master(by, keys).await? })
                }
            },
            TenantCommand::Key { command } => self.key(by, command).await?,
            TenantCommand::Audit { name, limit } => {
                let id = self.find(&name).await?.id;
                directory.refresh().await?;
                let query = firn_cell::AuditQuery { tenant: Some(id), before: None, limit };
                let entries = directory.audit_trail(&query).await?;
                Value::Array(entries.iter().map(|entry| admin::audit_view(entry)).collect())
            }
        })
    }

    async fn key(&self, by: &By, command: KeyCommand) -> Result<Value, Failure> {
        let directory = &self.directory;
        Ok(match command {
            KeyCommand::Create { name, role, label, expires_at } => {
                let tenant = self.find(&name).await?;
                let new = NewKey { role: role.into(), label, expires_at: expires_at.map(|time| Time(time.0)) };
                let made = directory.create_key(by, Scope::Tenant(tenant.id), new).await?;
                let token =
                    made.token.ok_or_else(|| firn_cell::Error::from(Refusal::invalid("the key was shown before")))?;
                json!({ "name": tenant.name, "id": made.id, "api_key": token.expose().as_str() })
            }
            KeyCommand::List { name } => {
                let tenant = self.find(&name).await?;
                let state = directory.refresh().await?;
                Value::Array(state.keys(Scope::Tenant(tenant.id)).map(|key| admin::key_view(key)).collect())
            }
            KeyCommand::Revoke { name, id } => {
                let tenant = self.find(&name).await?;
                directory.revoke_key(by, Scope::Tenant(tenant.id), ApiKeyId(id)).await?;
                json!({ "name": tenant.name, "revoked": id })
            }
        })
    }

    /// The tenant of that name, or of that number.
    async fn find(&self, text: &str) -> Result<Arc<Tenant>, Failure> {
        let state = self.directory.refresh().await?;
        if let Ok(number) = text.parse::<u64>() {
            let found = state.tenant(TenantId(number)).cloned();
            return found.ok_or_else(|| firn_cell::Error::from(Refusal::not_found("tenant", text)).into());
        }
        Ok(state.named(&parse_name(text)?).map_err(firn_cell::Error::from)?)
    }
}

fn parse_name(text: &str) -> Result<NamespaceName, Failure> {
    text.parse::<NamespaceName>().map_err(|e| Failure::Usage(e.to_string()))
}

/// `storage_bytes=1000000`, or `storage_bytes=none`.
fn limit(text: &str) -> Result<(Quota, Option<u64>), Failure> {
    let names = || Quota::ALL.iter().map(|quota| quota.name()).collect::<Vec<_>>().join(", ");
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::Usage(format!("{text}: write QUOTA=NUMBER or QUOTA=none; quotas are {}", names())))?;
    let quota = Quota::ALL.into_iter().find(|quota| quota.name() == name);
    let quota = quota.ok_or_else(|| Failure::Usage(format!("there is no quota {name}: there are {}", names())))?;
    let value = match value {
        "none" => None,
        number => Some(number.parse().map_err(|e| Failure::Usage(format!("{text}: {e}; write a number or none")))?),
    };
    Ok((quota, value))
}

/// One line of JSON, or for people a line for each field.
fn print(answer: &Value, as_json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let records = match answer {
        Value::Array(records) => records.as_slice(),
        one => std::slice::from_ref(one),
    };
    for (place, record) in records.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let Value::Object(fields) = record else { continue };
        let width = fields.keys().map(String::len).max().unwrap_or_default();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(out, "{name:width$}  {shown}")?;
        }
    }
    Ok(())
}
