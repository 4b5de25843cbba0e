//! Which keys of a file hold secrets, by their names alone: so it is known for files that cannot be parsed, too.

use std::collections::HashSet;

use super::Catalog;

/// Parts of names that are secret by nature, as [`folded`].
const PARTS: [&str; 24] = [
    "passw",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "clientkey",
    "privatekey",
    "routingkey",
    "signingkey",
    "encryptionkey",
    "sharedkey",
    "integrationkey",
    "licensekey",
    "sshkey",
    "connectionstring",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "assertion",
    "signature",
    "session",
    "codeverifier",
];
/// Whole names that are secret by nature, as [`folded`].
const NAMES: [&str; 11] = [
    "pass",
    "pwd",
    "pw",
    "pin",
    "otp",
    "jwt",
    "psk",
    "sig",
    "code",
    "devicecode",
    "hmac",
];
/// Words of such names, which are recognised with a typo as well.
const WORDS: [&str; 12] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "bearer",
    "authorization",
    "cookie",
    "credentials",
    "assertion",
    "clientkey",
    "privatekey",
    "apikey",
];
/// Names with a part that is secret by nature whose values are not, as [`folded`].
const PUBLIC: [&str; 4] = ["tokenurl", "redirectsecretsto", "tokenfile", "unauthorized"];
/// Names of mappings with a secret, which may be written in place of the mapping; as [`folded`].
const HOLDERS: [&str; 5] = ["auth", "basic", "basicauth", "digest", "oauth2"];
/// Minimum length in bytes of a word that is recognised with a typo.
const MIN_MISTYPED: usize = 4;

/// What of a key's value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// All of it.
    Value,
    /// A text or a list in place of a mapping, such as `user:password`.
    Text,
}

/// The names of keys that hold secrets.
#[derive(Debug, Default)]
pub(super) struct SecretKeys {
    declared: HashSet<String>,
}

impl SecretKeys {
    /// The names that are secret by nature, and those that any plugin declares.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let facts = catalog.facts.values().filter_map(|facts| facts.as_ref().ok());
        let pointers = facts.flat_map(|facts| &facts.secrets);
        Self {
            declared: pointers.filter_map(|pointer| last_name(pointer)).collect(),
        }
    }

    /// What is secret of the value of this key, if anything.
    pub(super) fn secrecy(&self, key: &str) -> Option<Secrecy> {
        let name = folded(key);
        if self.declared.contains(&name) {
            return Some(Secrecy::Value);
        }
        if PUBLIC.contains(&name.as_str()) {
            return None;
        }
        let is_secret = NAMES.contains(&name.as_str())
            || PARTS.iter().any(|part| name.contains(part))
            || is_mistyped(&name)
            || key.split(['_', '-', ' ', '.']).any(is_mistyped);
        if is_secret {
            return Some(Secrecy::Value);
        }
        HOLDERS.contains(&name.as_str()).then_some(Secrecy::Text)
    }
}

/// A name in lower case without what separates its words, signs, and characters that are not visible.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|char| char.is_alphanumeric() || *char == '.');
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether a word is one slip away from one that is secret by nature.
fn is_mistyped(word: &str) -> bool {
    let is_near = |known: &&&str| known.len().abs_diff(word.len()) <= 1;
    word.len() >= MIN_MISTYPED
        && WORDS
            .iter()
            .filter(is_near)
            .any(|known| strsim::osa_distance(&word.to_lowercase(), known) <= 1)
}

/// The last name in a JSON pointer; after it there may be `*` and indexes.
fn last_name(pointer: &str) -> Option<String> {
    let mut keys = pointer.rsplit('/').filter(|key| *key != "*");
    let name = keys.find(|key| key.parse::<usize>().is_err())?;
    Some(folded(name)).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_secret_by_their_names() {
        let keys = SecretKeys::default();
        for key in [
            "password",
            "bearer_token",
            "bearer_tokn",
            "tokem",
            "passwerd",
            "clientSecret",
            "X-Api-Key",
            "Authorization",
            "client-key",
            "client_kye",
            "privat_key",
            "signing_key",
            "encryption_key",
            "device_code",
            "password (old)",
            "$['access_token'][0]",
            "pass\u{200b}word",
        ] {
            assert_eq!(keys.secrecy(key), Some(Secrecy::Value), "{key}");
        }
        for key in [
            "name",
            "target",
            "token_url",
            "timeout",
            "keys",
            "username",
            "url",
            "passes",
            "code_of",
        ] {
            assert_eq!(keys.secrecy(key), None, "{key}");
        }
        assert_eq!(keys.secrecy("basic_auth"), Some(Secrecy::Text));
    }

    #[test]
    fn what_a_plugin_declares_is_secret() {
        let names = ["/pins/*/pin_code", "/headers/*", "/keys/0", "/"].map(last_name);
        let known = ["pincode", "headers", "keys"].map(|name| Some(name.to_owned()));
        assert_eq!(names, [known.as_slice(), &[None]].concat()[..]);
    }
}
