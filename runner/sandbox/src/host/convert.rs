//! Conversion of a guest's arguments from contract types to the host's own types, in every version.

use std::net::IpAddr;
use std::time::Duration;

use canary_net::bounded::{Bounded, Token, too_many};
use canary_net::connect::ConnectOptions;
use canary_net::dns::Question;
use canary_net::http::{HttpVersion, Versions};
use canary_net::{Family, NetError};
use canary_suite::grant::{Destination, Scheme};

/// Characters of an unknown key that a message shows.
const SHOWN_KEY: usize = 64;
/// Maximum number of HTTP versions that a request may name.
const VERSIONS: usize = 8;

pub(super) fn destination(host: &str, port: u16) -> Result<Destination, NetError> {
    // `Destination` limits the length of the host and parses it.
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

/// Parses the local address to connect from.
pub(super) fn source_address(text: Option<String>) -> Result<Option<IpAddr>, NetError> {
    let Some(text) = text else { return Ok(None) };
    let text = Token::new("the source address", text)?;
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| {
        let text = text.escape_debug();
        NetError::Invalid(format!("source address `{text}` is not an IP address"))
    })
}

/// Parses the HTTP versions of a request.
pub(super) fn versions(words: &[String]) -> Result<Versions, NetError> {
    if words.len() > VERSIONS {
        return Err(too_many("versions", VERSIONS));
    }
    let versions = words.iter().map(|word| {
        HttpVersion::from_name(word).ok_or_else(|| {
            let word: String = word.escape_debug().take(SHOWN_KEY).collect();
            NetError::Invalid(format!("`{word}` is not a supported HTTP version"))
        })
    });
    versions.collect()
}

/// Parses the only address to connect to.
pub(super) fn address(text: Option<String>) -> Result<Option<IpAddr>, NetError> {
    let Some(text) = text else { return Ok(None) };
    let text = Token::new("the address", text)?;
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

/// Rejects any key in `extra`: this host knows none.
pub(super) fn reject_extra(extra: &[(String, String)]) -> Result<(), NetError> {
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
