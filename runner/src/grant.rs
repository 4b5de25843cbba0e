//! Where a check may go.
//!
//! A check may reach its own target and what its `allow:` lists. A connect is judged twice: by name, before
//! anything is resolved ([`Grants::name`]), then each resolved address ([`Grants::address`]). Both are asked
//! again for every redirect. Whoever connects uses the [`Destination`] that was judged, never the text that
//! it came from: `2130706433` and `127.0.0.1` are the same place.

mod destination;
mod error;
mod network;
mod pattern;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use url::Url;

pub use self::destination::{Destination, Host, Scheme};
pub use self::error::{Denial, GrantError};
pub use self::network::{Networks, is_public};
pub use self::pattern::Grant;

/// The destinations that a suite grants a check. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    grants: Vec<Grant>,
    follow_public_redirects: bool,
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
    /// A grant may cover it once its addresses are known.
    ByAddress,
    /// No grant can cover it: do not even resolve it.
    Denied(Denial),
}

impl Grants {
    /// The check's own target and `allow`.
    ///
    /// `target_syntax` is the plugin's word for what a target looks like: `URL`, a URL of one scheme such as
    /// `https://HOST`, `HOST:PORT`, or `HOST[:PORT]` (any port of the host when absent, since the plugin
    /// chooses), or several of them with `or` between. The target must fit one; of any other syntax the target
    /// is a grant if it happens to be a URL with a port or a `HOST:PORT`. `follow_public_redirects` lets redirects, and nothing else, lead to
    /// any public address.
    ///
    /// # Errors
    /// When the target does not fit its syntax. The text leaves out the target, which may hold a secret.
    pub fn for_check(
        target: &str,
        target_syntax: &str,
        allow: Vec<Grant>,
        follow_public_redirects: bool,
    ) -> Result<Self, GrantError> {
        let mut grants = allow;
        grants.extend(own_grant(target, target_syntax)?);
        Ok(Self {
            grants,
            follow_public_redirects,
        })
    }

    /// Judges a destination by its name and port, before it is resolved.
    #[must_use]
    pub fn name(&self, to: &Destination, via: Via) -> NameDecision {
        if self.names(to) {
            return NameDecision::Granted;
        }
        let may_by_address = match to.host() {
            Host::Address(address) => self.redirects_to(*address, via),
            Host::Name(_) => {
                self.redirects(via) || self.grants.iter().any(|grant| grant.is_network_at(to.port()))
            }
        };
        if may_by_address {
            return NameDecision::ByAddress;
        }
        NameDecision::Denied(Denial::NotGranted {
            destination: to.clone(),
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
                .grants
                .iter()
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

    fn names(&self, to: &Destination) -> bool {
        self.grants.iter().any(|grant| grant.covers(to.host(), to.port()))
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
            "HOST:PORT" => Grant::of_host_and_port(target),
            "HOST[:PORT]" => Grant::of_host(target),
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
