//! URLs in the form in which they are sent, however a suite writes them.

use std::net::Ipv4Addr;

use canary_sdk::Endpoint;
use canary_sdk::http::Request;

use crate::effort::{Effort, TooCostly};
use crate::expect::rule::Subject;
use crate::text::{public_url, quote};

/// Effort units to normalise a URL, besides its bytes.
const PER_URL: usize = 500;
/// Effort units per byte of a URL.
const PER_BYTE: usize = 30;

/// A URL in the form in which it is sent.
pub(super) struct OnWire {
    url: String,
    /// The same for all equivalent URLs: the digits of escapes are in upper case.
    canonical: String,
}

impl OnWire {
    pub(super) fn new(url: &str) -> Self {
        let url = normal(url);
        Self {
            canonical: with_capital_escapes(&url),
            url,
        }
    }

    /// The form that is compared, for messages.
    pub(super) fn canonical(&self) -> String {
        quote(public_url(&self.canonical).as_bytes())
    }
}

impl Subject<String> for OnWire {
    fn is(&self, expected: &String, effort: &Effort) -> Result<bool, TooCostly> {
        effort.charge(PER_URL + expected.len() * PER_BYTE)?;
        Ok(self.canonical == Self::new(expected).canonical)
    }

    fn text(&self) -> &[u8] {
        self.url.as_bytes()
    }

    /// Without the query, which often contains a token.
    fn quoted(&self) -> String {
        quote(public_url(&self.url).as_bytes())
    }
}

/// Normalises a URL: scheme and host in lower case, the host in ASCII; no default port, user or fragment; a path
/// without dot segments; escaped where necessary.
fn normal(url: &str) -> String {
    let url = url.trim();
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, rest) = rest.split_at(rest.find(['/', '\\', '?']).unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    format!(
        "{scheme}://{}{}{}",
        normal_authority(&scheme, place),
        escape(&without_dot_segments(path), "\"<>`{}"),
        escape(query, "\"<>'")
    )
}

/// Host and port, without the scheme's default port.
fn normal_authority(scheme: &str, place: &str) -> String {
    let default = match scheme {
        "http" => 80,
        _ => 443,
    };
    match Endpoint::parse_or(place.trim_end_matches(':'), default) {
        Ok(Endpoint { host, port }) if is_plain(&host) => {
            with_port(&host.to_ascii_lowercase(), port, default)
        }
        _ => match Request::get(format!("{scheme}://{place}/")).endpoint() {
            Ok(Endpoint { host, port }) if host.contains(':') => {
                with_port(&format!("[{host}]"), port, default)
            }
            Ok(Endpoint { host, port }) => with_port(&host, port, default),
            // It is reported when the suite is loaded.
            Err(_) => place.to_ascii_lowercase(),
        },
    }
}

fn with_port(host: &str, port: u16, default: u16) -> String {
    if port == default {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

/// Whether a host needs no normalisation except lower case. The host parses all others: international names, IPv6
/// addresses, numbers that are addresses.
fn is_plain(host: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    host.bytes().all(is_name) && (!last.starts_with(|first: char| first.is_ascii_digit()) || is_address(host))
}

fn is_address(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok()
}

/// Removes dot segments from a path, which then begins with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    let mut rest = path.split(['/', '\\']).skip(1).peekable();
    while let Some(step) = rest.next() {
        let is_last = rest.peek().is_none();
        let dots = step.to_ascii_lowercase().replace("%2e", ".");
        match dots.as_str() {
            ".." => drop(steps.pop()),
            "." => {}
            _ => {
                steps.push(step);
                continue;
            }
        }
        if is_last {
            steps.push("");
        }
    }
    format!("/{}", steps.join("/"))
}

/// Escapes non-ASCII characters, control characters, blanks, and these characters.
fn escape(text: &str, besides: &str) -> String {
    let mut escaped_text = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Line breaks in a folded line.
            '\t' | '\r' | '\n' => {}
            '!'..='~' if !besides.contains(character) => escaped_text.push(character),
            other => escaped_text.push_str(&escaped(other)),
        }
    }
    escaped_text
}

/// The percent-escapes of a character.
pub(super) fn escaped(character: char) -> String {
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

/// The same URL with the digits of its escapes in upper case.
fn with_capital_escapes(url: &str) -> String {
    let mut pieces = url.split('%');
    let mut written = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        written.push('%');
        let digits = piece
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits {
            Some(digits) => {
                written.push_str(&digits.to_ascii_uppercase());
                written.push_str(piece.get(2..).unwrap_or_default());
            }
            None => written.push_str(piece),
        }
    }
    written
}
