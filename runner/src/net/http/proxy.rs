//! HTTP proxies: the absolute form for `http`, a tunnel for `https` (RFC 9110, section 9.3.6). SOCKS5 proxies: a tunnel for
//! both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use url::Url;

use super::environment::EnvironmentProxies;
use super::hop::{Place, destination};
use super::redirect::url_fault;
use super::socks::{self, Failed, Login};
use crate::grant::{Destination, Scheme};
use crate::ledger::LeasedStream;
use crate::net::NetError;
use crate::net::bounded::UrlText;

/// Bytes of a proxy's answer to `CONNECT`.
const LONGEST_HEAD: usize = 16 << 10;

/// Where a SOCKS proxy listens whose URL does not say (RFC 1928, section 3).
const SOCKS_PORT: u16 = 1080;

/// Which proxy a request goes through.
pub(super) enum ProxyChoice {
    /// None.
    Direct,
    /// The one that the plugin named.
    Named(Proxy),
    /// By the URL, those of the environment.
    Environment,
}

/// What a plugin writes for the proxies of the environment.
const ENVIRONMENT: &str = "environment";

impl ProxyChoice {
    pub(super) fn parse(text: Option<&UrlText>) -> Result<Self, NetError> {
        match text.map(|text| text.as_str()) {
            None => Ok(Self::Direct),
            Some(ENVIRONMENT) => Ok(Self::Environment),
            Some(url) => Proxy::parse(url).map(Self::Named),
        }
    }

    /// The proxy to a URL.
    pub(super) fn to(&self, url: &Url, environment: &EnvironmentProxies) -> Result<Option<Proxy>, NetError> {
        match self {
            Self::Direct => Ok(None),
            Self::Named(proxy) => Ok(Some(proxy.clone())),
            // Not the plugin's mistake, nor the target's.
            Self::Environment => match environment.to(url).map(Proxy::parse).transpose() {
                Err(NetError::Invalid(reason)) => {
                    Err(NetError::Other(reason).own("the proxy that the environment names"))
                }
                proxy => proxy,
            },
        }
    }
}

/// A proxy that a plugin or the environment named.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) destination: Destination,
    /// For the URL of an HTTP proxy with user information.
    pub(super) authorization: Option<HeaderValue>,
    kind: Kind,
}

/// What a proxy speaks.
#[derive(Clone)]
enum Kind {
    Http,
    Socks(Option<Login>),
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, NetError> {
        let url = Url::parse(text)
            .map_err(|error| NetError::Invalid(format!("proxy url: {}", url_fault(error))))?;
        let login = (!url.username().is_empty()).then(|| {
            let password = url.password().unwrap_or_default();
            (decoded(url.username()), decoded(password))
        });
        match url.scheme() {
            "http" => Ok(Self {
                destination: destination(&url)?,
                authorization: login.and_then(|(user, password)| basic(&[user, password].join(&b':'))),
                kind: Kind::Http,
            }),
            "socks5" | "socks5h" => Ok(Self {
                destination: socks_place(&url)?,
                authorization: None,
                kind: Kind::Socks(
                    login
                        .map(|(user, password)| Login::new(user, password))
                        .transpose()?,
                ),
            }),
            _ => Err(NetError::Invalid(
                "proxy url: only http and socks5 proxies".to_owned(),
            )),
        }
    }

    /// Whether a request that ends at a place goes to the proxy itself, which forwards it, and not through it. The URL is all
    /// that a proxy goes by which forwards: it would pass a stand-in by.
    pub(super) fn forwards(&self, place: &Place) -> bool {
        let is_plain = place.destination.scheme() == Scheme::Http;
        matches!(self.kind, Kind::Http) && is_plain && !place.is_stand_in
    }

    /// Asks the proxy for a connection to a place.
    pub(super) async fn tunnel(
        &self,
        mut stream: LeasedStream,
        place: &Destination,
        limit: Instant,
    ) -> Result<LeasedStream, NetError> {
        if let Kind::Socks(login) = &self.kind {
            return match socks::connect(&mut stream, login.as_ref(), place, limit).await {
                Ok(()) => Ok(stream),
                Err(Failed::Target(error)) => Err(error),
                Err(Failed::Proxy(error)) => Err(error.own(self.shown())),
            };
        }
        let host = place
            .name_to_resolve()
            .unwrap_or_else(|| place.host().to_string());
        let port = place.port();
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let answered = async {
            stream.write_all(&request).await?;
            accepted(&mut stream).await
        };
        answered.await.map_err(|error| self.blamed(error))?;
        Ok(stream)
    }

    /// In words, without user information.
    pub(super) fn shown(&self) -> String {
        format!("the proxy `{}`", self.destination)
    }

    /// What a proxy says of the target is of the target; all else is the proxy's own.
    fn blamed(&self, error: NetError) -> NetError {
        match error {
            NetError::Protocol(said) if is_of_target(&said) => NetError::Protocol(said),
            error => error.own(self.shown()),
        }
    }
}

/// Where a SOCKS proxy listens.
fn socks_place(url: &Url) -> Result<Destination, NetError> {
    let host = url.host_str().unwrap_or_default();
    Destination::new(Scheme::Tcp, host, url.port().unwrap_or(SOCKS_PORT))
        .map_err(|error| NetError::Invalid(format!("proxy url: {error}")))
}

/// The credentials of RFC 7617.
fn basic(user: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(user))).ok()
}

impl Proxy {
    /// A connection to a proxy that ended before it had answered is a failure of its own: of the target it would say 502.
    /// How long it takes depends on both.
    pub(super) fn blamed_for_breaking_off(&self, error: NetError) -> NetError {
        match error {
            NetError::In {
                phase,
                cause,
                peer_sent,
            } => NetError::In {
                phase,
                cause: Box::new(self.blamed_for_breaking_off(*cause)),
                peer_sent,
            },
            NetError::Reset | NetError::Closed | NetError::Protocol(_) | NetError::Other(_) => {
                error.own(self.shown())
            }
            error => error,
        }
    }
}

/// Whether the proxy was refused by the target, or waited for it in vain (RFC 9110, sections 15.6.3 to 15.6.5).
fn is_of_target(refusal: &str) -> bool {
    let line = refusal.split('`').nth(1).filter(|line| line.starts_with("HTTP/"));
    let word = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    let status = word.and_then(|word| word.parse::<u16>().ok());
    matches!(status, Some(502..=504))
}

/// User information as it was before it was made fit for a URL.
fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// Reads the answer to `CONNECT`: any 2xx makes a tunnel, and informational answers come before it.
async fn accepted(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), NetError> {
    let mut left = LONGEST_HEAD;
    loop {
        let head = read_head(stream, &mut left).await?;
        let line = head.trim_start().lines().next().unwrap_or_default();
        let status = line
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<u16>().ok());
        match status {
            Some(100..=199) => {}
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

/// One head with its empty line, byte by byte, so that no byte of what follows is lost. A line may end with LF alone
/// (RFC 9112, section 2.2).
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
        let accepted = accepted(&mut rest).await;
        (accepted, rest.len())
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
            "SSH-2.0 200 x\r\n\r\n",
            "\r\n\r\n",
        ] {
            let (refused, _) = answered(answer.as_bytes()).await;
            assert!(
                matches!(refused, Err(NetError::Protocol(_))),
                "{answer:?}: {refused:?}"
            );
        }
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(LONGEST_HEAD);
        let (refused, _) = answered(endless.as_bytes()).await;
        assert_eq!(
            refused,
            Err(NetError::Protocol("the proxy's answer has no end".to_owned()))
        );
    }

    #[test]
    fn a_proxy_of_the_environment_that_cannot_be_used_is_no_failure_of_the_target() {
        for proxy in ["https://127.0.0.1:1", "http://[::1", "socks5://me:@127.0.0.1:1"] {
            let environment = EnvironmentProxies::read(|_| Some(proxy.to_owned()));
            let url = Url::parse("https://a.test/").unwrap();
            let refused = ProxyChoice::Environment.to(&url, &environment).map(drop);
            let error = refused.unwrap_err();
            assert!(error.is_own(), "{proxy}: {error:?}");
            let said = error.to_string();
            assert!(
                said.starts_with("the proxy that the environment names: proxy url: "),
                "{said}"
            );
        }
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
