//! Who asks, and for which tenant.
//!
//! Promises: the tenant is named by `?ns=`, by `X-Firn-Namespace`, or by the key itself, which belongs to one; what a key
//! does not allow is refused before anything is opened.
//! Never: an answer that tells an unknown tenant from a wrong key.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use firn_cell::{Actor, By, Principal, Role, Scope, Tenant};
use firn_engine::session::Access;

use super::Gateway;
use super::problem::Problem;

/// The header that names the namespace where the URI does not.
pub const NAMESPACE: &str = "x-firn-namespace";

/// What the directory says counts for so long; a gateway that nobody asks sends it no request.
const CURRENT: Duration = Duration::from_secs(1);

/// Who asks.
pub struct Caller {
    principal: Principal,
}

impl Caller {
    /// Who sent the request; `ns` is the namespace that its URI names.
    ///
    /// # Errors
    /// 401; 400 when the names in URI and header differ.
    pub async fn of(gateway: &Gateway, headers: &HeaderMap, ns: Option<&str>) -> Result<Self, Problem> {
        let header = headers.get(NAMESPACE).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        if let (Some(one), Some(other)) = (ns, header)
            && one != other
        {
            return Err(Problem::bad_request(format!("?ns={one} and {NAMESPACE}: {other} name two namespaces")));
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = bearer.ok_or_else(Problem::unauthenticated)?;
        // a key that was revoked elsewhere, or a tenant that was suspended or erased, is known here soon
        gateway.directory.refresh_if_older(CURRENT).await?;
        Ok(Self { principal: gateway.directory.authenticate(ns.or(header), token).await? })
    }

    /// The tenant that is named.
    ///
    /// # Errors
    /// 400 when none is.
    pub fn tenant(&self) -> Result<Arc<Tenant>, Problem> {
        let named = self.principal.tenant.clone();
        named.ok_or_else(|| Problem::bad_request("no namespace is named").with_hint("add ?ns=NAME"))
    }

    /// Whether the caller may do that in the tenant's namespace.
    ///
    /// # Errors
    /// 403: the key's role, or the tenant's status.
    pub fn may(&self, tenant: &Tenant, access: Access) -> Result<(), Problem> {
        let needed = match access {
            Access::Read => Role::Reader,
            Access::Write => Role::Writer,
            Access::Schema => Role::Admin,
        };
        if self.principal.role < needed {
            let what =
                format!("the key {:?} is a {:?} key, and this needs {needed:?}", self.label(), self.principal.role);
            return Err(Problem::forbidden(what.to_lowercase()).with_hint("use a key of a role that may"));
        }
        let allowed = if access == Access::Read { tenant.status.reads() } else { tenant.status.writes() };
        if allowed {
            return Ok(());
        }
        let what = format!(
            "tenant {} is {}: {}",
            tenant.name,
            tenant.status,
            match access {
                Access::Read => "nothing of it can be read",
                Access::Write | Access::Schema => "nothing of it can be changed",
            }
        );
        Err(Problem::forbidden(what).with_hint("an operator can resume it"))
    }

    /// Whether the caller may administer a tenant's keys and see its record.
    ///
    /// # Errors
    /// 403.
    pub fn may_administer(&self, tenant: &Tenant) -> Result<(), Problem> {
        let own = self.principal.scope == Scope::Operator || self.principal.scope == Scope::Tenant(tenant.id);
        if own && self.principal.role == Role::Admin {
            return Ok(());
        }
        Err(Problem::forbidden("this needs an admin key of the tenant, or an operator's"))
    }

    /// Whether the caller is an operator who may change the directory.
    ///
    /// # Errors
    /// 403.
    pub fn is_operator(&self) -> Result<(), Problem> {
        if self.principal.scope == Scope::Operator && self.principal.role == Role::Admin {
            return Ok(());
        }
        Err(Problem::forbidden("this needs an operator's admin key")
            .with_hint("`firn serve` wrote one to $XDG_DATA_HOME/firn/operator.key when there was none"))
    }

    /// What the key's owner calls it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.principal.label
    }

    /// As commits and audits name the caller: `key:<number> (<label>)`.
    #[must_use]
    pub fn actor(&self) -> String {
        format!("key:{} ({})", self.principal.key, self.principal.label)
    }

    /// As the directory's audit names the caller.
    ///
    /// # Errors
    /// 400 when the label is too long for a name.
    pub fn by(&self) -> Result<By, Problem> {
        let actor: Actor =
            format!("key:{}", self.principal.key).parse().map_err(|_| Problem::bad_request("an actor's name"))?;
        Ok(By::new(actor))
    }
}
