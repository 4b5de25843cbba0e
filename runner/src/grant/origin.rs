//! One entry of `redirect_secrets_to:`.

#[cfg(test)]
mod tests;

use std::str::FromStr;

use super::{Destination, Grant, GrantError, Scheme};

/// An origin that a redirect may take secrets to: `https://login.example.com`, `https://*.example.com:8443`.
///
/// Hosts and ports are written as in a [`Grant`]. Here the scheme counts: `https://` is no leave to send a secret in
/// the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretOrigin {
    scheme: Scheme,
    place: Grant,
}

impl SecretOrigin {
    /// Whether this is the origin of a destination.
    pub(super) fn covers(&self, to: &Destination) -> bool {
        self.scheme == to.scheme() && self.place.covers(to.host(), to.port())
    }
}

impl FromStr for SecretOrigin {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let scheme = text
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        let scheme = match scheme.as_deref() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => {
                return Err(GrantError::Origin {
                    text: text.to_owned(),
                });
            }
        };
        Ok(Self {
            scheme,
            place: text.parse()?,
        })
    }
}
