//! One entry of `redirect_secrets_to:`.

#[cfg(test)]
mod tests;

use std::str::FromStr;

use super::{Destination, Grant, GrantError, Scheme};

/// An origin to which a redirect may carry secrets: `https://login.example.com`, `https://*.example.com:8443`.
///
/// Hosts and ports are written as in a [`Grant`]. The scheme matters here: `https://` does not permit sending a secret
/// in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretOrigin {
    scheme: Scheme,
    grant: Grant,
}

impl SecretOrigin {
    /// Whether a destination is of this origin.
    pub(super) fn covers(&self, to: &Destination) -> bool {
        self.scheme == to.scheme() && self.grant.covers(to.host(), to.port())
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
            grant: text.parse()?,
        })
    }
}
