//! Where a check may go.
//!
//! A check may reach its own target and what its `allow:` lists. A connect is judged twice: by name, before
//! anything is resolved ([`Grants::name`]), then each resolved address ([`Grants::address`]). Both are asked
//! again for every redirect. A name leaves the machine only under a grant: what is asked of DNS is judged by
//! [`Grants::look_up`], and a name that only its address may grant must be one that the check may look up. Whoever connects uses the [`Destination`] that was judged, never the text that
//! it came from: `2130706433` and `127.0.0.1` are the same place.

mod destination;
mod effective;
mod error;
mod name;
mod name_server;
mod network;
mod origin;
mod pattern;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use url::Url;

pub use self::destination::{Destination, Host, Scheme};
pub use self::effective::EffectiveAddress;
pub use self::error::{Denial, GrantError};
pub use self::name::DnsName;
pub use self::name_server::NameServer;
pub use self::network::{Networks, is_public};
pub use self::origin::SecretOrigin;
pub use self::pattern::Grant;

/// The destinations that a suite grants a check. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// That of the target, if it has one.
    own: Option<Grant>,
    /// What `allow` lists; shared by all targets of a check.
    allowed: Arc<[Grant]>,
    follow_public_redirects: bool,
    secret_origins: Arc<[SecretOrigin]>,
    /// Those of the check itself; empty: the machine's.
    name_servers: Arc<[NameServer]>,
}

/// How a check came to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The check asked for it.
    Direct,
    /// A peer's redirect points there.
    Redirect,
}

/// What is known before a name is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameDecision {
    /// The host and port are granted. Their addresses are still held against the blocked networks.
    Granted,
    /// A grant may cover it once its addresses are known, and it may be resolved.
    ByAddress,
    /// No grant can cover it, or it may not be looked up: do not even resolve it.
    Denied(Denial),
}

impl Grants {
    /// The check's own target and `allow`.
    ///
    /// `target_syntax` is the plugin's word for what a target looks like: `URL`, a URL of one scheme such as
    /// `https://HOST`, `HOST:PORT`, or `HOST[:PORT]` (any port of the host when absent, since the plugin
    /// chooses), or several of them with `or` between. The target must fit one; of any other syntax the target
    /// is a grant if it happens to be a URL with a port or a `HOST:PORT`, or a name to look up. `follow_public_redirects` lets redirects, and nothing else, lead to
    /// any public address.
    ///
    /// # Errors
    /// When the target does not fit its syntax. The text leaves out the target, which may hold a secret.
    pub fn for_check(
        target: &str,
        target_syntax: &str,
        allow: Arc<[Grant]>,
        follow_public_redirects: bool,
    ) -> Result<Self, GrantError> {
        Ok(Self {
            own: own_grant(target, target_syntax)?,
            allowed: allow,
            follow_public_redirects,
            secret_origins: Arc::default(),
            name_servers: Arc::default(),
        })
    }

    /// The same, but redirects may take the check's secrets to these origins too.
    #[must_use]
    pub fn with_secrets_to(self, secret_origins: Arc<[SecretOrigin]>) -> Self {
        Self {
            secret_origins,
            ..self
        }
    }

    /// The same, but names are asked of these servers. Being named in the suite is their grant.
    #[must_use]
    pub fn with_name_servers(self, name_servers: Arc<[NameServer]>) -> Self {
        Self { name_servers, ..self }
    }

    /// The servers that the check asks for names; empty: the machine's.
    ///
    /// # Errors
    /// One of them is in a network that the operator blocks.
    pub fn name_servers(&self, blocked: &Networks) -> Result<Vec<SocketAddr>, Denial> {
        let judged = self.name_servers.iter().map(|server| {
            let server = server.address();
            match blocked.holding(server.ip()) {
                Some(network) => Err(Denial::NameServerBlocked { server, network }),
                None => Ok(server),
            }
        });
        judged.collect()
    }

    /// Whether a redirect to this destination, of another origin than the request's, may carry secrets.
    #[must_use]
    pub fn may_carry_secrets(&self, to: &Destination) -> bool {
        self.secret_origins.iter().any(|origin| origin.covers(to))
    }

    /// Judges a destination by its name and port, before it is resolved.
    #[must_use]
    pub fn name(&self, to: &Destination, via: Via) -> NameDecision {
        if self.names(to) {
            return NameDecision::Granted;
        }
        let not_granted = || Denial::NotGranted {
            destination: to.clone(),
        };
        let denied = match to.host() {
            Host::Address(address) => (!self.redirects_to(*address, via)).then(not_granted),
            // The peer chose the name, and the plugin is one that the runner brought along.
            Host::Name(_) if self.redirects(via) => None,
            Host::Name(name) if self.grants().any(|grant| grant.is_network_at(to.port())) => {
                (!self.resolves(name)).then(|| Denial::PlaceNotGranted {
                    destination: to.clone(),
                    name: name.clone(),
                })
            }
            Host::Name(_) => Some(not_granted()),
        };
        denied.map_or(NameDecision::ByAddress, NameDecision::Denied)
    }

    /// Judges a question to DNS: the name of the target, of anything in `allow`, and what `dns://` grants.
    ///
    /// # Errors
    /// No grant covers the name.
    pub fn look_up(&self, name: &DnsName) -> Result<(), Denial> {
        if self.grants().any(|grant| grant.covers_look_up(name.as_str())) {
            return Ok(());
        }
        Err(Denial::NameNotGranted {
            name: name.to_string(),
        })
    }

    /// Judges one address that a destination resolved to, or is. Final: it does not rely on
    /// [`Grants::name`] having been asked.
    ///
    /// # Errors
    /// When `blocked` holds the address, or no grant covers it.
    pub fn address(
        &self,
        to: &Destination,
        address: IpAddr,
        via: Via,
        blocked: &Networks,
    ) -> Result<(), Denial> {
        if let Some(network) = blocked.holding(address) {
            return Err(Denial::Blocked {
                destination: to.clone(),
                address,
                network,
            });
        }
        let is_granted = self.names(to)
            || self
                .grants()
                .any(|grant| grant.covers_address(address, to.port()))
            || self.redirects_to(address, via);
        if is_granted {
            return Ok(());
        }
        Err(Denial::AddressNotGranted {
            destination: to.clone(),
            address,
        })
    }

    fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.allowed.iter().chain(&self.own)
    }

    fn names(&self, to: &Destination) -> bool {
        self.grants().any(|grant| grant.covers(to.host(), to.port()))
    }

    /// Whether a name on the way to a connection may be resolved. `localhost` is no question to DNS (RFC 6761).
    fn resolves(&self, name: &str) -> bool {
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local || self.grants().any(|grant| grant.covers_look_up(name))
    }

    fn redirects(&self, via: Via) -> bool {
        self.follow_public_redirects && via == Via::Redirect
    }

    fn redirects_to(&self, address: IpAddr, via: Via) -> bool {
        self.redirects(via) && is_public(address)
    }
}

fn own_grant(target: &str, target_syntax: &str) -> Result<Option<Grant>, GrantError> {
    let mut refusal = None;
    for form in forms(target_syntax) {
        let own = match form {
            "URL" => url_grant(target, None),
            "HOST:PORT" => bare_place(target).and_then(Grant::of_host_and_port),
            "HOST[:PORT]" => bare_place(target).and_then(Grant::of_host),
            _ => match form.split_once("://") {
                Some((scheme, _)) => url_grant(target, Some(scheme)),
                // Words for people.
                None => return Ok(any_grant(target)),
            },
        };
        match own {
            Ok(own) => return Ok(Some(own)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match refusal {
        None => Ok(any_grant(target)),
        Some(source) => Err(GrantError::Target {
            syntax: target_syntax.to_owned(),
            source: Box::new(source),
        }),
    }
}

/// A target that is meant as a host, with a port or without.
fn bare_place(target: &str) -> Result<&str, GrantError> {
    match target.split_once("://") {
        Some((scheme, _)) => Err(GrantError::IsUrl {
            scheme: scheme.to_owned(),
        }),
        None if target.contains('@') => Err(GrantError::HasUser),
        None => Ok(target),
    }
}

/// The alternatives of a plugin's syntax.
fn forms(target_syntax: &str) -> impl Iterator<Item = &str> {
    match target_syntax {
        "HOST or HOST:PORT" => "HOST[:PORT]".split(" or "),
        syntax => syntax.split(" or "),
    }
}

fn any_grant(target: &str) -> Option<Grant> {
    url_grant(target, None)
        .or_else(|_| Grant::of_host_and_port(target))
        .or_else(|_| DnsName::parse(target).map(|name| Grant::of_name(&name)))
        .ok()
}

fn url_grant(target: &str, scheme: Option<&str>) -> Result<Grant, GrantError> {
    let url = Url::parse(target).map_err(|source| GrantError::Url { source })?;
    if scheme.is_some_and(|scheme| scheme != url.scheme()) {
        return Err(GrantError::OtherScheme {
            scheme: url.scheme().to_owned(),
        });
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().ok_or_else(|| GrantError::NoPort {
        text: format!("{}://{host}", url.scheme()),
    })?;
    Ok(Grant::of_place(Host::parse(host)?, Some(port)))
}
