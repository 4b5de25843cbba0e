//! What a guest asks for, from the contract's words to the host's own types, in every version.

use std::net::IpAddr;
use std::time::Duration;

use crate::grant::{Destination, Scheme};
use crate::net::bounded::{Bounded, Word, too_many};
use crate::net::connect::ConnectOptions;
use crate::net::dns::Question;
use crate::net::http::{HttpVersion, Versions};
use crate::net::{Family, NetError};

/// Characters of an unknown key that a message shows.
const SHOWN_KEY: usize = 64;
/// Most versions of HTTP that a request names.
const VERSIONS: usize = 8;

pub(super) fn destination(host: &str, port: u16) -> Result<Destination, NetError> {
    // The grants know how long a host may be, and parse it.
    Destination::new(Scheme::Tcp, host, port).map_err(|error| NetError::Invalid(error.to_string()))
}

pub(super) fn connect_options(
    family: Family,
    source: Option<String>,
    timeout: Option<u32>,
) -> Result<ConnectOptions, NetError> {
    Ok(ConnectOptions {
        family,
        source: source_address(source)?,
        timeout: timeout.map(milliseconds),
        ..ConnectOptions::default()
    })
}

/// The local address that a guest wants to connect from.
pub(super) fn source_address(text: Option<String>) -> Result<Option<IpAddr>, NetError> {
    let Some(text) = text else { return Ok(None) };
    let text = Word::new("the source address", text)?;
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| {
        let text = text.escape_debug();
        NetError::Invalid(format!("source address `{text}` is not an IP address"))
    })
}

/// The versions of HTTP that a guest wants to speak, by their words.
pub(super) fn versions(words: &[String]) -> Result<Versions, NetError> {
    if words.len() > VERSIONS {
        return Err(too_many("versions", VERSIONS));
    }
    let versions = words.iter().map(|word| {
        HttpVersion::of_word(word).ok_or_else(|| {
            let word: String = word.escape_debug().take(SHOWN_KEY).collect();
            NetError::Invalid(format!("`{word}` is not a version of HTTP that this host speaks"))
        })
    });
    versions.collect()
}

/// The only address that a guest wants to use.
pub(super) fn address(text: Option<String>) -> Result<Option<IpAddr>, NetError> {
    let Some(text) = text else { return Ok(None) };
    let text = Word::new("the address", text)?;
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| NetError::Invalid(format!("`{}` is not an IP address", text.escape_debug())))
}

pub(super) fn question(name: String, kind: String, server: Option<String>) -> Result<Question, NetError> {
    let server = server.map(|server| Bounded::new("the server", server));
    Ok(Question {
        name: Bounded::new("the name", name)?,
        kind: Bounded::new("the kind", kind)?,
        server: server.transpose()?,
    })
}

/// Nothing is known that stands under `extra` of what a guest asks for.
pub(super) fn no_more(extra: &[(String, String)]) -> Result<(), NetError> {
    match extra.first() {
        None => Ok(()),
        Some((key, _)) => {
            let key: String = key.escape_debug().take(SHOWN_KEY).collect();
            Err(NetError::Invalid(format!(
                "this host does not know the key `{key}`"
            )))
        }
    }
}

pub(super) fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(u64::from(count))
}

pub(super) fn size(max: u32) -> usize {
    usize::try_from(max).unwrap_or(usize::MAX)
}
