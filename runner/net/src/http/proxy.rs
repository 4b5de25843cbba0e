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
        format!("the proxy `{}`", self.destination)
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
        let status = line
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<u16>().ok());
        match status {
            // 101 is a final response.
            Some(100 | 102..=199) => {}
            Some(200..=299) if line.starts_with("HTTP/") => return Ok(()),
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
        *left = left
            .checked_sub(1)
            .ok_or_else(|| NetError::Protocol("the proxy's answer has no end".to_owned()))?;
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &[u8]) -> (Result<(), NetError>, usize) {
        let mut rest = answer;
        let result = read_connect_response(&mut rest).await;
        (result, rest.len())
    }

    #[tokio::test]
    async fn any_success_makes_a_tunnel_and_no_byte_behind_it_is_taken() {
        for answer in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200\r\nvia: x\r\n\r\n",
            "HTTP/1.1 201 Created\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\nvia: x\n\n",
        ] {
            let bytes = format!("{answer}TLS");
            assert_eq!(answered(bytes.as_bytes()).await, (Ok(()), 3), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_a_refusal() {
        assert!(is_of_target("the proxy refused: `HTTP/1.1 503 No`"));
        assert!(!is_of_target("the proxy refused: `SSH-2.0 503`"));
        assert!(!is_of_target("the proxy refused: `HTTP/1.1 denied 503`"));
        for answer in [
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "HTTP/1.1 302 Found\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "SSH-2.0 200 x\r\n\r\n",
            "\r\n\r\n",
        ] {
            let (refused, _) = answered(answer.as_bytes()).await;
            assert!(
                matches!(refused, Err(NetError::Protocol(_))),
                "{answer:?}: {refused:?}"
            );
        }
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD);
        let (refused, _) = answered(endless.as_bytes()).await;
        assert_eq!(
            refused,
            Err(NetError::Protocol("the proxy's answer has no end".to_owned()))
        );
    }

    #[test]
    fn a_proxy_of_the_environment_that_cannot_be_used_is_no_failure_of_the_target() {
        for proxy in ["ftp://127.0.0.1:1", "http://[::1", "socks5://me:@127.0.0.1:1"] {
            let environment = EnvironmentProxies::read(|_| Some(proxy.to_owned()));
            let url = Url::parse("https://a.test/").unwrap();
            let refused = ProxyChoice::Environment.proxy_for(&url, &environment).map(drop);
            let error = refused.unwrap_err();
            assert!(error.is_own_failure(), "{proxy}: {error:?}");
            let message = error.to_string();
            assert!(
                message.starts_with("the proxy from the environment: proxy url: "),
                "{message}"
            );
        }
    }

    #[test]
    fn a_proxy_over_tls_has_the_port_of_https_and_a_name_that_a_certificate_can_have() {
        let choice = |url: &str| {
            let url = UrlText::new("the proxy", url.to_owned()).unwrap();
            ProxyChoice::parse(Some(&url)).unwrap()
        };
        for (url, host, description) in [
            (
                "https://Proxy.test",
                "proxy.test",
                "the proxy `https://proxy.test:443`",
            ),
            ("https://u:p@[::1]:8443/", "::1", "the proxy `https://[::1]:8443`"),
        ] {
            let ProxyChoice::Named(proxy) = choice(url) else {
                panic!("{url} is a proxy")
            };
            assert!(proxy.is_secure());
            assert_eq!(
                (proxy.tls_host().as_str(), proxy.description().as_str()),
                (host, description)
            );
            assert_eq!(choice(url).check_tls_host(), Ok(()));
        }
        let refused = choice("https://a$b.test").check_tls_host().unwrap_err();
        assert!(matches!(refused, NetError::Invalid(_)), "{refused:?}");
        assert_eq!(choice("http://a$b.test").check_tls_host(), Ok(()));
    }

    #[test]
    fn credentials_are_what_was_encoded_for_the_url() {
        let url = UrlText::new(
            "the proxy",
            "http://us%40er:p%40ss%3Aw%25rd@127.0.0.1:3128".to_owned(),
        )
        .unwrap();
        let authorization = Proxy::parse(&url).unwrap().authorization.unwrap();
        let expected = format!("Basic {}", STANDARD.encode("us@er:p@ss:w%rd"));
        assert_eq!(authorization, expected.as_str());
    }
}
