//! The challenges of a server, of which the strongest is answered.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use super::algorithm::Algorithm;
use super::header::{Item, Items};

/// Maximum length in bytes of a value that is sent back to the server.
const MAX_VALUE_BYTES: usize = 4 << 10;
/// Maximum number of schemes that a message names.
const MAX_SHOWN_SCHEMES: usize = 4;
/// Maximum number of characters of a peer's word that a message shows.
const MAX_SHOWN_CHARACTERS: usize = 32;

/// A challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    pub(super) opaque: Option<Vec<u8>>,
    pub(super) algorithm: Algorithm,
    /// The server named the algorithm, so the answer does as well.
    pub(super) names_algorithm: bool,
    /// The server supports the quality of protection `auth`. If not, it is one of RFC 2069, without counters.
    pub(super) has_qop: bool,
    /// The earlier answer was right, but its nonce has expired.
    pub(super) is_stale: bool,
    /// The user name is sent as a hash.
    pub(super) hashes_user: bool,
    /// Non-ASCII user names and passwords are UTF-8.
    pub(super) is_utf8: bool,
}

/// Why no challenge can be answered, as a predicate of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswerable {
    #[error("sent no challenge")]
    NoChallenge,
    #[error("does not offer digest authentication, only {0}")]
    OtherSchemes(String),
    #[error("sent a malformed challenge: {0}")]
    Malformed(&'static str),
    #[error("offers digest authentication with the algorithm `{0}` only, which is not supported")]
    Algorithm(String),
    #[error("offers digest authentication with the quality of protection `{0}` only; `auth` is supported")]
    Protection(String),
}

/// The parameters of a digest challenge that matter.
#[derive(Default)]
struct Parameters<'a> {
    realm: Option<Cow<'a, [u8]>>,
    nonce: Option<Cow<'a, [u8]>>,
    opaque: Option<Cow<'a, [u8]>>,
    algorithm: Option<Cow<'a, [u8]>>,
    qop: Option<Cow<'a, [u8]>>,
    stale: Option<Cow<'a, [u8]>>,
    userhash: Option<Cow<'a, [u8]>>,
    charset: Option<Cow<'a, [u8]>>,
    is_repeated: bool,
}

impl Challenge {
    /// The challenge with the strongest algorithm, the first one of those.
    pub(super) fn strongest(headers: &HeaderMap) -> Result<Self, Unanswerable> {
        let mut offers = Offers::default();
        for header in headers.get_all(WWW_AUTHENTICATE) {
            offers.read(header.as_bytes());
        }
        offers.result()
    }
}

/// The challenges of a response, as far as they were read.
#[derive(Default)]
struct Offers {
    best: Option<Challenge>,
    /// The first reason against a digest challenge.
    refused: Option<Unanswerable>,
    /// Other schemes.
    others: Vec<String>,
    is_malformed: bool,
}

impl Offers {
    fn read(&mut self, header: &[u8]) {
        // The digest challenge that is being read.
        let mut digest: Option<Parameters<'_>> = None;
        for item in Items::new(header) {
            match item {
                Item::Scheme(name) => {
                    self.add(digest.take());
                    if name.eq_ignore_ascii_case(b"digest") {
                        digest = Some(Parameters::default());
                    } else if self.others.len() < MAX_SHOWN_SCHEMES {
                        self.others.push(shown(name));
                    }
                }
                Item::Parameter(name, value) => {
                    if let Some(parameters) = &mut digest {
                        parameters.set(name, value);
                    }
                }
                Item::Malformed => {
                    // The challenge before it is incomplete.
                    (self.is_malformed, digest) = (true, None);
                }
            }
        }
        self.add(digest);
    }

    fn add(&mut self, parameters: Option<Parameters<'_>>) {
        let Some(parameters) = parameters else { return };
        match parameters.challenge() {
            Ok(challenge) => {
                let strength = |challenge: &Challenge| challenge.algorithm.hash;
                if self
                    .best
                    .as_ref()
                    .is_none_or(|best| strength(&challenge) > strength(best))
                {
                    self.best = Some(challenge);
                }
            }
            Err(reason) => {
                self.refused.get_or_insert(reason);
            }
        }
    }

    fn result(self) -> Result<Challenge, Unanswerable> {
        match (self.best, self.refused) {
            (Some(best), _) => Ok(best),
            (None, Some(reason)) => Err(reason),
            (None, None) if self.is_malformed => Err(Unanswerable::Malformed(
                "it is not a list of schemes and parameters",
            )),
            (None, None) if self.others.is_empty() => Err(Unanswerable::NoChallenge),
            (None, None) => Err(Unanswerable::OtherSchemes(self.others.join(", "))),
        }
    }
}

impl<'a> Parameters<'a> {
    fn set(&mut self, name: &[u8], value: Cow<'a, [u8]>) {
        let field = match name.to_ascii_lowercase().as_slice() {
            b"realm" => &mut self.realm,
            b"nonce" => &mut self.nonce,
            b"opaque" => &mut self.opaque,
            b"algorithm" => &mut self.algorithm,
            b"qop" => &mut self.qop,
            b"stale" => &mut self.stale,
            b"userhash" => &mut self.userhash,
            b"charset" => &mut self.charset,
            _ => return,
        };
        self.is_repeated |= field.is_some();
        *field = Some(value);
    }

    fn challenge(self) -> Result<Challenge, Unanswerable> {
        if self.is_repeated {
            return Err(Unanswerable::Malformed("a parameter occurs twice"));
        }
        let algorithm = match self.algorithm.as_deref() {
            None => Some(Algorithm::DEFAULT),
            Some(name) => Algorithm::parse(name),
        };
        let named = self.algorithm.as_deref();
        let algorithm = algorithm.ok_or_else(|| Unanswerable::Algorithm(shown(named.unwrap_or_default())))?;
        let has_qop = match self.qop.as_deref() {
            None => false,
            Some(offered) if offered.trim_ascii().is_empty() => false,
            Some(offered) if offers_auth(offered) => true,
            Some(offered) => return Err(Unanswerable::Protection(shown(offered))),
        };
        let nonce = self.nonce.filter(|nonce| !nonce.is_empty());
        Ok(Challenge {
            realm: bounded(self.realm.ok_or(Unanswerable::Malformed("it has no realm"))?)?,
            nonce: bounded(nonce.ok_or(Unanswerable::Malformed("it has no nonce"))?)?,
            opaque: self.opaque.map(bounded).transpose()?,
            algorithm,
            names_algorithm: self.algorithm.is_some(),
            has_qop,
            is_stale: is_true(self.stale.as_deref()),
            hashes_user: is_true(self.userhash.as_deref()),
            is_utf8: self
                .charset
                .is_some_and(|charset| charset.eq_ignore_ascii_case(b"utf-8")),
        })
    }
}

fn bounded(value: Cow<'_, [u8]>) -> Result<Vec<u8>, Unanswerable> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(Unanswerable::Malformed("a value is longer than 4 KiB"));
    }
    Ok(value.into_owned())
}

/// Whether a list of qualities of protection contains `auth`.
fn offers_auth(offered: &[u8]) -> bool {
    let mut words = offered.split(|byte| b", \t".contains(byte));
    words.any(|word| word.eq_ignore_ascii_case(b"auth"))
}

fn is_true(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
}

/// A peer's word in a message.
fn shown(word: &[u8]) -> String {
    let word = word.get(..4 * MAX_SHOWN_CHARACTERS).unwrap_or(word);
    let word = String::from_utf8_lossy(word);
    word.escape_debug().take(MAX_SHOWN_CHARACTERS).collect()
}
