//! Proxies. HTTP, with or without TLS: absolute-form requests for `http`, a tunnel for `https` (RFC 9110, section
//! 9.3.6). SOCKS5: a tunnel for both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use url::Url;

use super::destination::{Endpoint, destination, url_error_message};
use super::environment::EnvironmentProxies;
use super::socks::{self, Login, SocksError};
use crate::bounded::UrlText;
use crate::carrier::Carrier;
use crate::tls::check_server_name;
use crate::{NetError, Phase};
use canary_suite::grant::{Destination, Host, Scheme};

/// Maximum size of a proxy's response to `CONNECT`, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Default port of SOCKS proxies (RFC 1928, section 3).
const SOCKS_PORT: u16 = 1080;

/// The proxy configuration of a request.
pub(super) enum ProxyChoice {
    /// None.
    Direct,
    /// The proxy that the plugin specified.
    Named(Proxy),
    /// The environment's proxy for the URL.
    Environment,
}

/// The value with which a plugin selects the proxies of the environment.
const ENVIRONMENT: &str = "environment";

impl ProxyChoice {
    pub(super) fn parse(text: Option<&UrlText>) -> Result<Self, NetError> {
        match text.map(|text| text.as_str()) {
            None => Ok(Self::Direct),
            Some(ENVIRONMENT) => Ok(Self::Environment),
            Some(url) => Proxy::parse(url).map(Self::Named),
        }
    }

    /// Checks that the certificate of a proxy can be for its host.
    pub(super) fn check_tls_host(&self) -> Result<(), NetError> {
        match self {
            Self::Named(proxy) if proxy.is_secure() => check_server_name(&proxy.tls_host())
                .map_err(|reason| NetError::Invalid(format!("proxy url: {reason}"))),
            _ => Ok(()),
        }
    }

    /// The proxy for a URL.
    pub(super) fn proxy_for(
        &self,
        url: &Url,
        environment: &EnvironmentProxies,
    ) -> Result<Option<Proxy>, NetError> {
        match self {
            Self::Direct => Ok(None),
            Self::Named(proxy) => Ok(Some(proxy.clone())),
            // Neither the plugin nor the target is to blame.
            Self::Environment => match environment.proxy_for(url).map(Proxy::parse).transpose() {
                Err(NetError::Invalid(reason)) => {
                    Err(NetError::Other(reason).into_own_failure("the proxy from the environment"))
                }
                proxy => proxy,
            },
        }
    }
}

/// A proxy specified by a plugin or by the environment.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) destination: Destination,
    /// Set for the URL of an HTTP proxy with user information.
    pub(super) authorization: Option<HeaderValue>,
    protocol: ProxyProtocol,
}

/// The protocol of a proxy.
#[derive(Clone)]
enum ProxyProtocol {
    Http,
    Socks(Option<Login>),
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, NetError> {
        let url = Url::parse(text)
            .map_err(|error| NetError::Invalid(format!("proxy url: {}", url_error_message(error))))?;
        let login = (!url.username().is_empty()).then(|| {
            let password = url.password().unwrap_or_default();
            (decoded(url.username()), decoded(password))
        });
        match url.scheme() {
            "http" | "https" => Ok(Self {
                destination: destination(&url)?,
                authorization: login.and_then(|(user, password)| basic(&[user, password].join(&b':'))),
                protocol: ProxyProtocol::Http,
            }),
            "socks5" | "socks5h" => Ok(Self {
                destination: socks_destination(&url)?,
                authorization: None,
                protocol: ProxyProtocol::Socks(
                    login
                        .map(|(user, password)| Login::new(user, password))
                        .transpose()?,
                ),
            }),
            _ => Err(NetError::Invalid(
                "proxy url: only http, https and socks5 proxies".to_owned(),
            )),
        }
    }

    /// Whether the proxy is contacted over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.destination.scheme() == Scheme::Https
    }

    /// The host that the proxy's certificate has to be for.
    pub(super) fn tls_host(&self) -> String {
        match self.destination.host() {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        }
    }

    /// Whether the proxy forwards requests to this endpoint, instead of tunnelling them. A forwarding proxy looks at
    /// the URL only and would ignore a connect override.
    pub(super) fn forwards(&self, endpoint: &Endpoint) -> bool {
        let is_plain = endpoint.destination.scheme() == Scheme::Http;
        matches!(self.protocol, ProxyProtocol::Http) && is_plain && !endpoint.is_override
    }

    /// Requests a connection to `place` from the proxy.
    pub(super) async fn tunnel(
        &self,
        mut stream: Carrier,
        destination: &Destination,
        limit: Instant,
    ) -> Result<Carrier, NetError> {
        if let ProxyProtocol::Socks(login) = &self.protocol {
            return match socks::connect(&mut stream, login.as_ref(), destination, limit).await {
                Ok(()) => Ok(stream),
                Err(SocksError::Target(error)) => Err(error),
                Err(SocksError::Proxy(error)) => Err(self.own_failure(error)),
            };
        }
        let host = destination
            .name_to_resolve()
            .unwrap_or_else(|| destination.host().to_string());
        let port = destination.port();
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let answered = async {
            stream.write_all(&request).await?;
            stream.flush().await?;
            read_connect_response(&mut stream).await
        };
        answered.await.map_err(|error| self.attribute(error))?;
        Ok(stream)
    }

    /// A description without user information.
    pub(super) fn description(&self) -> String {
        let url = self.destination.to_string();
        match (&self.protocol, url.split_once("://")) {
            (ProxyProtocol::Socks(_), Some((_, place))) => format!("the proxy `socks5://{place}`"),
            _ => format!("the proxy `{url}`"),
        }
    }

    /// Attributes an error: what a proxy reports about the target concerns the target; everything else is the proxy's
    /// failure.
    fn attribute(&self, error: NetError) -> NetError {
        match error {
            NetError::Protocol(message) if is_of_target(&message) => NetError::Protocol(message),
            error => self.own_failure(error),
        }
    }

    /// The proxy's failure to connect to a target.
    fn own_failure(&self, error: NetError) -> NetError {
        error
            .in_phase(Phase::Connect)
            .into_own_failure(self.description())
    }
}

/// The address of a SOCKS proxy.
fn socks_destination(url: &Url) -> Result<Destination, NetError> {
    let host = url.host_str().unwrap_or_default();
    Destination::new(Scheme::Tcp, host, url.port().unwrap_or(SOCKS_PORT))
        .map_err(|error| NetError::Invalid(format!("proxy url: {error}")))
}

/// Basic credentials (RFC 7617).
fn basic(user: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(user))).ok()
}

impl Proxy {
    /// Attributes a connection that ended before the proxy responded: that is the proxy's own failure, since it would
    /// report the target's with a 502. A timeout may be caused by either.
    pub(super) fn attribute_disconnect(&self, error: NetError) -> NetError {
        match error {
            NetError::InPhase {
                phase,
                cause,
                peer_sent,
            } => NetError::InPhase {
                phase,
                cause: Box::new(self.attribute_disconnect(*cause)),
                peer_sent,
            },
            // There is no TLS with the target.
            NetError::Reset
            | NetError::Closed
            | NetError::Tls(_)
            | NetError::Protocol(_)
            | NetError::Other(_) => error.into_own_failure(self.description()),
            error => error,
        }
    }
}

/// Whether the target refused the proxy, or timed out (RFC 9110, sections 15.6.3 to 15.6.5).
fn is_of_target(refusal: &str) -> bool {
    let line = refusal.split('`').nth(1).filter(|line| line.starts_with("HTTP/"));
    let word = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    let status = word.and_then(|word| word.parse::<u16>().ok());
    matches!(status, Some(502..=504))
}

/// Decodes percent-encoded user information.
fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// Reads the response to `CONNECT`: any 2xx establishes a tunnel, and informational responses may precede it.
async fn read_connect_response(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), NetError> {
    let mut left = MAX_HEAD;
    loop {
        let head = read_head(stream, &mut left).await?;
        let line = head.trim_start().lines().next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        if !matches!(words.next(), Some("HTTP/1.0" | "HTTP/1.1")) {
            return Err(NetError::Protocol(format!(
                "the proxy does not answer in HTTP/1.0 or HTTP/1.1: `{}`",
                line.escape_debug()
            )));
        }
        match words.next().and_then(|word| word.parse::<u16>().ok()) {
            // 101 is a final response.
            Some(100 | 102..=199) => {}
            Some(200..=299) => return Ok(()),
            _ => {
                return Err(NetError::Protocol(format!(
                    "the proxy refused: `{}`",
                    line.escape_debug()
                )));
            }
        }
    }
}

/// Reads one head including its empty line, byte by byte, so that no subsequent byte is consumed. A line may end with
/// LF alone (RFC 9112, section 2.2).
async fn read_head(stream: &mut (impl AsyncRead + Unpin), left: &mut usize) -> Result<String, NetError> {
    let mut head = Vec::new();
    while !(head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")) {
        *left = left.checked_sub(1).ok_or_else(too_large_head)?;
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn too_large_head() -> NetError {
    NetError::Protocol(format!(
        "the head of the proxy's answer has more than {} KiB",
        MAX_HEAD >> 10
    ))
}

#[cfg(test)]
mod tests;
