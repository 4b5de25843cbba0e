//! Grants: the network destinations that a check may reach.
//!
//! A check may reach its own target and the destinations in its `allow:` list. Every connect is checked twice: by name,
//! before anything is resolved ([`Grants::check_name`]), and then for each resolved address
//! ([`Grants::check_address`]). Both checks are repeated for every redirect. A name is sent to a DNS server only under
//! a grant: DNS queries are checked by [`Grants::check_lookup`], and a name that can only be granted by its address
//! must be one that the check may look up. Callers connect to the checked [`Destination`], never to the text from which
//! it was parsed: `2130706433` and `127.0.0.1` are the same place.

mod denial;
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

pub use self::denial::Denial;
pub use self::destination::{Destination, Host, Scheme};
pub use self::effective::EffectiveAddress;
pub use self::error::GrantError;
pub use self::name::DnsName;
pub use self::name_server::NameServer;
pub use self::network::{Networks, is_public};
pub use self::origin::SecretOrigin;
pub use self::pattern::Grant;

/// The destinations that a suite grants to a check. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The grant for the target, if there is one.
    target: Option<Grant>,
    /// The grants in `allow`; shared by all targets of a check.
    allowed: Arc<[Grant]>,
    follow_public_redirects: bool,
    secret_origins: Arc<[SecretOrigin]>,
    /// The check's own name servers; if empty, the machine's are used.
    name_servers: Arc<[NameServer]>,
}

/// How a check arrived at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The check requested it.
    Direct,
    /// A peer redirected to it.
    Redirect,
}

/// The decision on a destination before its name is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameDecision {
    /// The host and port are granted. Their addresses are still checked against the blocked networks.
    Granted,
    /// A grant may cover it once its addresses are known, and its name may be resolved.
    ByAddress,
    /// No grant can cover it, or its name may not be looked up: do not resolve it.
    Denied(Denial),
}

impl Grants {
    /// Creates the grants for the check's own target and `allow`.
    ///
    /// `target_syntax` is the plugin's description of its targets: `URL`, a URL of one scheme such as `https://HOST`,
    /// `HOST:PORT`, or `HOST[:PORT]` (any port of the host if absent, since the plugin chooses), or several of them
    /// separated by `or`. The target must match one of them. With any other syntax the target becomes a grant if it
    /// happens to be a URL with a port, a `HOST:PORT`, or a name to look up. `follow_public_redirects` allows
    /// redirects, and nothing else, to reach any public address.
    ///
    /// # Errors
    /// The target does not match its syntax. The message omits the target, which may contain a secret.
    pub fn for_check(
        target: &str,
        target_syntax: &str,
        allow: Arc<[Grant]>,
        follow_public_redirects: bool,
    ) -> Result<Self, GrantError> {
        Ok(Self {
            target: target_grant(target, target_syntax)?,
            allowed: allow,
            follow_public_redirects,
            secret_origins: Arc::default(),
            name_servers: Arc::default(),
        })
    }

    /// Allows redirects to carry the check's secrets to these origins.
    #[must_use]
    pub fn with_secrets_to(self, secret_origins: Arc<[SecretOrigin]>) -> Self {
        Self {
            secret_origins,
            ..self
        }
    }

    /// Sets the name servers to query. Being named in the suite is their grant.
    #[must_use]
    pub fn with_name_servers(self, name_servers: Arc<[NameServer]>) -> Self {
        Self { name_servers, ..self }
    }

    /// The name servers that the check queries; empty for the machine's.
    ///
    /// # Errors
    /// One of them is in a network that the operator blocks.
    pub fn name_servers(&self, blocked: &Networks) -> Result<Vec<SocketAddr>, Denial> {
        let addresses = self.name_servers.iter().map(|server| {
            let server = server.address();
            match blocked.find_containing(server.ip()) {
                Some(network) => Err(Denial::NameServerBlocked { server, network }),
                None => Ok(server),
            }
        });
        addresses.collect()
    }

    /// Whether a redirect to this destination, whose origin differs from the request's, may carry secrets.
    #[must_use]
    pub fn may_carry_secrets(&self, to: &Destination) -> bool {
        self.secret_origins.iter().any(|origin| origin.covers(to))
    }

    /// Checks a destination by its name and port, before it is resolved.
    #[must_use]
    pub fn check_name(&self, to: &Destination, via: Via) -> NameDecision {
        if self.covers(to) {
            return NameDecision::Granted;
        }
        let not_granted = || Denial::NotGranted {
            destination: to.clone(),
        };
        let denied = match to.host() {
            Host::Address(address) => (!self.redirects_to(*address, via)).then(not_granted),
            // The peer chose the name, and the plugin is one that is built into the runner.
            Host::Name(_) if self.redirects(via) => None,
            Host::Name(name) if self.grants().any(|grant| grant.is_network_at(to.port())) => {
                (!self.may_resolve(name)).then(|| Denial::EndpointNotGranted {
                    destination: to.clone(),
                    name: name.clone(),
                })
            }
            Host::Name(_) => Some(not_granted()),
        };
        denied.map_or(NameDecision::ByAddress, NameDecision::Denied)
    }

    /// Checks a DNS query: allowed are the name of the target, the names in `allow`, and what `dns://` grants.
    ///
    /// # Errors
    /// No grant covers the name.
    pub fn check_lookup(&self, name: &DnsName) -> Result<(), Denial> {
        if self.grants().any(|grant| grant.covers_lookup(name.as_str())) {
            return Ok(());
        }
        Err(Denial::NameNotGranted {
            name: name.to_string(),
        })
    }

    /// Checks one address that a destination resolved to, or is. This check is final: it does not rely on an earlier
    /// [`Grants::check_name`].
    ///
    /// # Errors
    /// The address is in a `blocked` network, or no grant covers it.
    pub fn check_address(
        &self,
        to: &Destination,
        address: IpAddr,
        via: Via,
        blocked: &Networks,
    ) -> Result<(), Denial> {
        if let Some(network) = blocked.find_containing(address) {
            return Err(Denial::Blocked {
                destination: to.clone(),
                address,
                network,
            });
        }
        let is_granted = self.covers(to)
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
        self.allowed.iter().chain(&self.target)
    }

    fn covers(&self, to: &Destination) -> bool {
        self.grants().any(|grant| grant.covers(to.host(), to.port()))
    }

    /// Whether a name may be resolved in order to connect. `localhost` is never sent to DNS (RFC 6761).
    fn may_resolve(&self, name: &str) -> bool {
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local || self.grants().any(|grant| grant.covers_lookup(name))
    }

    fn redirects(&self, via: Via) -> bool {
        self.follow_public_redirects && via == Via::Redirect
    }

    fn redirects_to(&self, address: IpAddr, via: Via) -> bool {
        self.redirects(via) && is_public(address)
    }
}

fn target_grant(target: &str, target_syntax: &str) -> Result<Option<Grant>, GrantError> {
    let mut refusal = None;
    for form in syntax_alternatives(target_syntax) {
        let target = match form {
            "URL" => url_grant(target, None),
            "HOST:PORT" => host_and_port(target).and_then(Grant::parse_host_port),
            "HOST[:PORT]" => host_and_port(target).and_then(Grant::parse_host),
            _ => match form.split_once("://") {
                Some((scheme, _)) => url_grant(target, Some(scheme)),
                // A description in prose.
                None => return Ok(guess_grant(target)),
            },
        };
        match target {
            Ok(target) => return Ok(Some(target)),
            // An alternative of another scheme says nothing about a target of this one.
            Err(GrantError::OtherScheme { .. }) if refusal.is_some() => {}
            Err(error) => match refusal {
                None | Some(GrantError::OtherScheme { .. }) => refusal = Some(error),
                Some(_) => {}
            },
        }
    }
    match refusal {
        None => Ok(guess_grant(target)),
        Some(source) => Err(GrantError::Target {
            syntax: target_syntax.to_owned(),
            source: Box::new(source),
        }),
    }
}

/// The target as a host, with or without a port.
fn host_and_port(target: &str) -> Result<&str, GrantError> {
    match target.split_once("://") {
        Some((scheme, _)) => Err(GrantError::IsUrl {
            scheme: scheme.to_owned(),
        }),
        None if target.contains('@') => Err(GrantError::HasUser),
        None => Ok(target),
    }
}

/// The alternatives of a plugin's target syntax.
fn syntax_alternatives(target_syntax: &str) -> impl Iterator<Item = &str> {
    match target_syntax {
        "HOST or HOST:PORT" => "HOST[:PORT]".split(" or "),
        syntax => syntax.split(" or "),
    }
}

fn guess_grant(target: &str) -> Option<Grant> {
    url_grant(target, None)
        .or_else(|_| Grant::parse_host_port(target))
        .or_else(|_| DnsName::parse(target).map(|name| Grant::for_lookup(&name)))
        .ok()
}

fn url_grant(target: &str, scheme: Option<&str>) -> Result<Grant, GrantError> {
    let url = Url::parse(target).map_err(|source| match source {
        url::ParseError::RelativeUrlWithoutBase => GrantError::NoUrlScheme,
        source => GrantError::Url { source },
    })?;
    if scheme.is_some_and(|scheme| scheme != url.scheme()) {
        return Err(GrantError::OtherScheme {
            scheme: url.scheme().to_owned(),
        });
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().ok_or_else(|| GrantError::NoPort {
        text: format!("{}://{host}", url.scheme()),
    })?;
    Ok(Grant::for_host_port(Host::parse(host)?, Some(port)))
}
