//! What a URL or a connect override leads to, and its forms for a request, a message and a record.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use url::Url;

use crate::NetError;
use crate::bounded::{EndpointText, URL_BYTES, UrlText, too_long};
use canary_suite::grant::{Destination, Scheme, Via};
use canary_suite::public_url;

/// Maximum length of a normalised URL, in bytes: percent-encoding can triple the length.
pub(super) const MAX_URL_BYTES: usize = 3 * URL_BYTES;
/// Maximum number of characters of a `location` in a message.
const MAX_SHOWN_CHARACTERS: usize = 200;

/// The endpoint to connect to for a URL.
pub(super) struct Endpoint {
    pub(super) destination: Destination,
    pub(super) via: Via,
    /// The plugin specified it in place of the URL's own.
    pub(super) is_override: bool,
    /// If set, the only address to use.
    pub(super) address: Option<IpAddr>,
}

pub(super) fn parse_url(url: &UrlText) -> Result<Url, NetError> {
    let parsed = Url::parse(url).map_err(|error| {
        let (url, fault) = (public_url(url), url_error_message(error));
        NetError::Invalid(format!("url `{}`: {fault}", url.escape_debug()))
    })?;
    if parsed.as_str().len() > MAX_URL_BYTES {
        Err(too_long("the url", URL_BYTES))
    } else {
        Ok(parsed)
    }
}

/// The host and port that a request to this URL connects to, as written: the URL's own, or the connect override.
///
/// # Errors
/// `Invalid` for a URL or an endpoint that cannot be requested.
pub fn endpoint_of(url: &UrlText, connect_to: Option<&EndpointText>) -> Result<(String, u16), NetError> {
    let url = parse_url(url)?;
    let target = destination(&url)?;
    match connect_to {
        None => Ok((host_without_brackets(&url)?.to_owned(), target.port())),
        Some(endpoint) => {
            parse_endpoint(endpoint, target.scheme())?;
            let (host, port) = split_endpoint(endpoint)?;
            Ok((host.to_owned(), port))
        }
    }
}

pub(super) fn destination(url: &Url) -> Result<Destination, NetError> {
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            return Err(NetError::Invalid(format!(
                "url scheme `{other}`: only http and https"
            )));
        }
    };
    let port = url
        .port_or_known_default()
        .ok_or_else(|| NetError::Invalid(format!("url `{}` has no port", redact_url(url))))?;
    new_destination(scheme, host_without_brackets(url)?, port)
}

/// Removes credentials, query and fragment, so that the URL can be shown to anyone.
pub(super) fn redact_url(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.set_query(None);
    let _no_host = (url.set_username(""), url.set_password(None));
    url.into()
}

/// The host without the brackets of an IPv6 address.
pub(super) fn host_without_brackets(url: &Url) -> Result<&str, NetError> {
    let host = url
        .host_str()
        .ok_or_else(|| NetError::Invalid(format!("url `{}` has no host", redact_url(url))))?;
    Ok(host.trim_start_matches('[').trim_end_matches(']'))
}

pub(super) fn parse_endpoint(text: &str, scheme: Scheme) -> Result<Destination, NetError> {
    let (host, port) = split_endpoint(text)?;
    new_destination(scheme, host, port)
}

/// Splits `HOST:PORT`; the host is returned as written, without the brackets of an IPv6 address.
fn split_endpoint(text: &str) -> Result<(&str, u16), NetError> {
    let invalid = || NetError::Invalid(format!("connect-to `{text}` is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) if address.parse::<Ipv6Addr>().is_err() => return Err(invalid()),
        unbracketed => unbracketed.unwrap_or(host),
    };
    Ok((host, port.parse().map_err(|_| invalid())?))
}

fn new_destination(scheme: Scheme, host: &str, port: u16) -> Result<Destination, NetError> {
    Destination::new(scheme, host, port).map_err(|error| NetError::Invalid(error.to_string()))
}

/// The URL as sent on the wire: credentials belong into an Authorization header, and fragments are never sent.
pub(super) fn without_user(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    let _no_host = (url.set_username(""), url.set_password(None));
    url
}

/// The error for a `location` that cannot be followed.
pub(super) fn invalid_location(location: impl AsRef<str>, reason: impl Display) -> NetError {
    let shown: String = public_url(location.as_ref())
        .chars()
        .take(MAX_SHOWN_CHARACTERS)
        .collect();
    NetError::Protocol(format!("redirect to `{}`: {reason}", shown.escape_debug()))
}

/// The error message for a URL. The library reports every invalid host as an IDNA error.
pub(super) fn url_error_message(error: url::ParseError) -> String {
    match error {
        url::ParseError::IdnaError => "the host is not a valid name".to_owned(),
        other => other.to_string(),
    }
}
