//! HTTP proxies: the absolute form for `http`, a tunnel for `https` (RFC 9110, section 9.3.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use super::hop::destination;
use crate::grant::Destination;
use crate::ledger::LeasedStream;
use crate::net::NetError;
use crate::net::bounded::UrlText;

/// Bytes of a proxy's answer to `CONNECT`.
const LONGEST_HEAD: usize = 16 << 10;

/// A proxy that a plugin named.
pub(super) struct Proxy {
    pub(super) destination: Destination,
    /// For a proxy URL with user information.
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    pub(super) fn parse(text: &UrlText) -> Result<Self, NetError> {
        let url = Url::parse(text).map_err(|error| NetError::Invalid(format!("proxy url: {error}")))?;
        if url.scheme() != "http" {
            return Err(NetError::Invalid("proxy url: only http proxies".to_owned()));
        }
        let authorization = (!url.username().is_empty()).then(|| {
            let user = format!("{}:{}", url.username(), url.password().unwrap_or_default());
            format!("Basic {}", STANDARD.encode(user))
        });
        let authorization = authorization.and_then(|value| HeaderValue::from_str(&value).ok());
        Ok(Self {
            destination: destination(&url)?,
            authorization,
        })
    }

    /// Asks the proxy for a connection to the URL's host. Reads byte by byte up to the empty line, so that no
    /// byte of what follows is lost.
    pub(super) async fn tunnel(&self, mut stream: LeasedStream, url: &Url) -> Result<LeasedStream, NetError> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_HEAD {
                return Err(NetError::Protocol("the proxy's answer has no end".to_owned()));
            }
            head.push(stream.read_u8().await?);
        }
        let status = String::from_utf8_lossy(&head)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        match status.split(' ').nth(1) {
            Some("200") => Ok(stream),
            _ => Err(NetError::Protocol(format!("the proxy refused: `{status}`"))),
        }
    }
}
