//! Descriptions of steps for a transcript.

use super::{Handshake, Lookup, Request, StepKind};
use crate::Text;

impl StepKind {
    /// Describes the operation that is about to start; `None` for those whose messages are in the transcript anyway.
    #[must_use]
    pub fn describe_start(&self) -> Option<String> {
        match self {
            Self::Instantiate | Self::Request(_) => None,
            Self::Lookup(lookup) => Some(format!("looking up `{}`", lookup.name)),
            Self::Connect { peer } => Some(format!("connecting to {peer}")),
            Self::Handshake(handshake) => Some(asked(handshake)),
        }
    }

    /// Describes the result.
    #[must_use]
    pub fn describe_end(&self, error: Option<&Text>) -> Vec<String> {
        match (self, error) {
            (Self::Instantiate, None) => Vec::new(),
            (Self::Instantiate, Some(error)) => vec![format!("the plugin does not start: {error}")],
            (Self::Lookup(lookup), None) => found(lookup).into_iter().collect(),
            (Self::Lookup(lookup), Some(error)) => vec![format!("`{}`: {error}", lookup.name)],
            // The connection itself is in the transcript.
            (Self::Connect { .. }, None) => Vec::new(),
            (Self::Connect { peer }, Some(error)) => vec![format!("{peer}: {error}")],
            (Self::Handshake(handshake), None) => agreed(handshake),
            (Self::Handshake(_), Some(error)) => vec![format!("no TLS session: {error}")],
            (Self::Request(request), None) => body(request).into_iter().collect(),
            (Self::Request(_), Some(error)) => vec![format!("the exchange ended: {error}")],
        }
    }
}

fn asked(handshake: &Handshake) -> String {
    let proxy = if handshake.is_proxy { " with the proxy" } else { "" };
    let name = &handshake.server_name;
    if handshake.without_sni {
        format!("TLS handshake{proxy}, expecting `{name}` without sending the name")
    } else {
        format!("TLS handshake{proxy}, asking for `{name}`")
    }
}

fn found(lookup: &Lookup) -> Option<String> {
    let addresses: Vec<String> = lookup.addresses.iter().map(ToString::to_string).collect();
    (!addresses.is_empty()).then(|| format!("`{}` has {}", lookup.name, addresses.join(", ")))
}

fn agreed(handshake: &Handshake) -> Vec<String> {
    let version = handshake.version.unwrap_or_default();
    let cipher = handshake.cipher_suite.as_deref().unwrap_or_default();
    let alpn = match &handshake.alpn {
        Some(alpn) => format!("ALPN {alpn}"),
        None => "no ALPN".to_owned(),
    };
    let untrusted = handshake
        .untrusted
        .iter()
        .map(|why| format!("the chain is not trusted: {why}"));
    std::iter::once(format!("TLS {version}, {cipher}, {alpn}"))
        .chain(untrusted)
        .collect()
}

fn body(request: &Request) -> Option<String> {
    match request.response_bytes? {
        0 => Some("the answer has no body".to_owned()),
        1 => Some("the body is over after 1 byte".to_owned()),
        bytes => Some(format!("the body is over after {bytes} bytes")),
    }
}
