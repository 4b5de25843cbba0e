//! The credentials for digest authentication, bounded by type.

use std::fmt;

use crate::NetError;
use crate::bounded::Bounded;

/// Maximum length of a user name or a password, in bytes.
const CREDENTIAL_BYTES: usize = 1 << 10;

/// A user name and a password. `Debug` redacts them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DigestCredentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl DigestCredentials {
    /// Creates credentials of at most 1 KiB each.
    ///
    /// # Errors
    /// `Invalid` if one is too long, or if the user name has a colon or a control character.
    pub fn new(username: String, password: String) -> Result<Self, NetError> {
        let username = Bounded::<_, CREDENTIAL_BYTES>::new("the user name", username)?.into_inner();
        let password = Bounded::<_, CREDENTIAL_BYTES>::new("the password", password)?.into_inner();
        if username.contains(':') || username.chars().any(char::is_control) {
            let reason = "the user name has a colon or a control character";
            return Err(NetError::Invalid(reason.to_owned()));
        }
        Ok(Self { username, password })
    }
}

impl fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestCredentials(redacted)")
    }
}
