//! Which keys of a file hold secrets, by their names alone: so it is known for files that cannot be parsed, too.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::Catalog;

/// Parts of names that are secret by nature, as [`folded`].
const PARTS: [&str; 29] = [
    "passw",
    "passphrase",
    "passcode",
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
    "databaseurl",
    "webhookurl",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "creds",
    "assertion",
    "signature",
    "session",
    "sessid",
    "codeverifier",
];
/// Whole names that are secret by nature, as [`folded`].
const NAMES: [&str; 5] = ["pin", "sig", "code", "devicecode", "xauth"];
/// Last words of names that are secret by nature: too short to be known as the end of a longer word.
const LAST_WORDS: [&str; 6] = ["pw", "otp", "jwt", "psk", "sid", "hmac"];
/// Ends of names that are secret by nature, as [`folded`], such as of `authKey` and `db_pass`.
const ENDS: [&str; 3] = ["key", "pass", "pwd"];
/// Ends of names that are not secret although they have such an end.
const PUBLIC_ENDS: [&str; 13] = [
    "publickey",
    "groupkey",
    "primarykey",
    "foreignkey",
    "partitionkey",
    "sortkey",
    "cachekey",
    "surrogatekey",
    "idempotencykey",
    "websocketkey",
    "monkey",
    "bypass",
    "compass",
];
/// Words of such names, which are recognised with a typo as well.
const WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passwrd",
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
/// Words that look like one with a typo.
const OTHER_WORDS: [&str; 2] = ["passed", "taken"];
/// Names that look secret by nature whose values are not, as [`folded`].
const PUBLIC: [&str; 5] = [
    "tokenurl",
    "redirectsecretsto",
    "tokenfile",
    "unauthorized",
    "clientauth",
];
/// Names of mappings with a secret, which may be written in place of the mapping; as [`folded`].
const HOLDERS: [&str; 4] = ["basic", "digest", "headers", "params"];
/// The end of the names of such mappings.
const HOLDER_END: &str = "auth";
/// Names of mappings whose keys may be secret: a text in place of one may be a key and a secret.
const MAPPINGS: [&str; 4] = ["config", "tls", "expect", "vars"];
/// Names of the settings whose values hold secrets: the path of a webhook is one.
const URLS: [&str; 2] = ["url", "endpoint"];
/// Minimum length in bytes of a word that is recognised with a typo.
const MIN_MISTYPED: usize = 4;
/// Minimum length in bytes of a word that is recognised with two typos.
const MIN_MISTYPED_TWICE: usize = 12;

/// What of a key's value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// All of it.
    Value,
    /// A text or a list in place of a mapping, such as `user:password`.
    Text,
    /// The same, and each value of a mapping.
    Entries,
}

/// The names of keys that hold secrets.
#[derive(Debug, Default)]
pub(super) struct SecretKeys {
    declared: HashSet<String>,
    /// Whether these are the keys of the runner's settings.
    is_of_settings: bool,
}

impl SecretKeys {
    /// The names that are secret by nature, and those that any plugin declares.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let facts = catalog.facts.values().filter_map(|facts| facts.as_ref().ok());
        let pointers = facts.flat_map(|facts| &facts.secrets);
        Self {
            declared: pointers.filter_map(|pointer| last_name(pointer)).collect(),
            is_of_settings: false,
        }
    }

    /// The names that are secret by nature, and those of URLs and headers.
    pub(super) fn of_settings() -> Self {
        Self {
            is_of_settings: true,
            ..Self::default()
        }
    }

    /// Whether the query of any URL is secret.
    pub(super) fn include_queries(&self) -> bool {
        self.is_of_settings
    }

    /// What is secret of the value of this key, if anything.
    pub(super) fn secrecy(&self, key: &str) -> Option<Secrecy> {
        let key = &*compatible(key);
        let name = folded(key);
        let is_declared = self.declared.contains(&name) || self.is_of_settings && URLS.contains(&&*name);
        if is_declared || is_secret(key, &name) {
            return Some(Secrecy::Value);
        }
        let unnumbered = without_number(&name);
        let is_holder = HOLDERS.contains(&unnumbered) || unnumbered.ends_with(HOLDER_END);
        match unnumbered {
            _ if !is_holder || PUBLIC.contains(&unnumbered) => None,
            "headers" if self.is_of_settings => Some(Secrecy::Entries),
            _ => Some(Secrecy::Text),
        }
    }
}

/// Whether a text in place of this key's value may begin with another key.
pub(super) fn is_mapping(key: &str) -> bool {
    MAPPINGS.contains(&key)
}

/// Whether a key is secret by nature; `name` is the same as [`folded`].
fn is_secret(key: &str, name: &str) -> bool {
    if PUBLIC.contains(&name) {
        return false;
    }
    let last_word = words(key).last().map(|word| without_number(word).to_lowercase());
    NAMES.contains(&name)
        || PARTS.iter().any(|part| name.contains(part))
        || has_secret_end(without_number(name))
        || last_word.is_some_and(|word| LAST_WORDS.contains(&&*word))
        || is_mistyped(name)
        || words(key).any(|word| is_mistyped(&word.to_lowercase()))
}

/// Whether a name ends as those of secrets do. The name `key` alone says nothing, also after a dot.
fn has_secret_end(name: &str) -> bool {
    let ends_with = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    ends_with(&ENDS) && !ends_with(&PUBLIC_ENDS) && name.rsplit('.').next() != Some("key")
}

/// A name with ordinary letters in place of those that only look different, such as full-width ones.
fn compatible(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        Cow::Borrowed(name)
    } else {
        ComposingNormalizerBorrowed::new_nfkc().normalize(name)
    }
}

/// A name in lower case without what separates its words, signs, and characters that are not visible.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|char| char.is_alphanumeric() || *char == '.');
    letters.flat_map(char::to_lowercase).collect()
}

/// A name without the number or the index at its end.
fn without_number(name: &str) -> &str {
    name.trim_end_matches(|char: char| char.is_ascii_digit())
}

/// The words of a name in snake case, camel case or any other.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split(|char: char| !char.is_alphanumeric()).flat_map(humps);
    parts.filter(|word| !word.is_empty())
}

/// `dbPass` as `db` and `Pass`; `DB` stays whole.
fn humps(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let is_hump = |(at, char): &(usize, char)| {
            char.is_uppercase()
                && rest
                    .get(..*at)
                    .is_some_and(|before| before.ends_with(char::is_lowercase))
        };
        let end = rest.char_indices().find(is_hump).map_or(rest.len(), |(at, _)| at);
        let (word, after) = rest.split_at_checked(end)?;
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Whether a word in lower case is a slip or two away from one that is secret by nature.
fn is_mistyped(word: &str) -> bool {
    let slips = |known: &str| if known.len() < MIN_MISTYPED_TWICE { 1 } else { 2 };
    let is_near = |known: &&&str| known.len().abs_diff(word.len()) <= slips(known);
    word.len() >= MIN_MISTYPED
        && !OTHER_WORDS.contains(&word)
        && WORDS
            .iter()
            .filter(is_near)
            .any(|known| strsim::osa_distance(word, known) <= slips(known))
}

/// The last name in a JSON pointer; after it there may be `*` and indexes.
fn last_name(pointer: &str) -> Option<String> {
    let mut keys = pointer.rsplit('/').filter(|key| *key != "*");
    let name = keys.find(|key| key.parse::<usize>().is_err())?;
    Some(folded(name)).filter(|name| !name.is_empty())
}
