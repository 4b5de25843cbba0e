//! Validates a request without sending it.

use http::Uri;
use url::Url;

use super::destination::{parse_endpoint, parse_url};
use super::proxy::ProxyChoice;
use super::redirect::{check_reachable, check_uri};
use super::request::{check_headers, header, parse_method};
use super::{RequestOptions, Versions};
use crate::NetError;
use crate::bounded::{Payload, Token, UrlText};
use crate::check::InvalidFields;
use crate::connect::ConnectOptions;
use canary_suite::grant::Scheme;

/// An unvalidated request of a plugin. Its options are already bounded.
#[derive(Debug, Clone, Default)]
pub struct UncheckedRequest {
    /// Such as `GET`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In sending order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Options of the request.
    pub options: RequestOptions,
}

impl UncheckedRequest {
    /// The fields that [`Client::send`](crate::Client::send) would reject regardless of the peer.
    #[must_use]
    pub fn check(self) -> InvalidFields {
        let mut fields = InvalidFields::default();
        let method = Token::new("the method", self.method);
        fields.check("method", method.and_then(|method| parse_method(&method)));
        let url = UrlText::new("the url", self.url).and_then(|url| parse_url(&url));
        let url = url.and_then(|url| check_sendable(&url, &self.options).map(|()| url));
        let url = fields.check("url", url);
        fields.check("headers", check_headers(&self.headers));
        let is_http2 = may_be_http2(url.as_ref(), &self.options.versions);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            let parsed = header(name, value).and_then(|(name, value)| match name == http::header::HOST {
                true if is_http2 => authority(&value),
                _ => Ok(()),
            });
            fields.check(format!("headers[{index}]"), parsed);
        }
        fields.check("body", Payload::new("the body", self.body));
        fields.extend(self.options.check());
        fields
    }
}

impl RequestOptions {
    fn check(&self) -> InvalidFields {
        let mut fields = InvalidFields::default();
        let connect = ConnectOptions {
            family: self.family,
            source: self.source,
            ..ConnectOptions::default()
        };
        fields.check("source-address", connect.check_source());
        if let Some(endpoint) = &self.connect_to {
            fields.check("connect-to", parse_endpoint(endpoint, Scheme::Http));
        }
        fields.check("proxy", self.check_proxy());
        if let Some(tls) = &self.proxy_tls {
            fields.extend_within("proxy-tls", tls.check());
        }
        if let Some(tls) = &self.tls {
            fields.extend_within("tls", tls.check());
        }
        fields
    }
}

impl RequestOptions {
    /// If the plugin sets a server name, the proxy's host need not be a valid one for TLS.
    fn check_proxy(&self) -> Result<(), NetError> {
        let choice = ProxyChoice::parse(self.proxy.as_ref())?;
        match self.proxy_tls.as_ref().and_then(|tls| tls.server_name.as_ref()) {
            Some(_) => Ok(()),
            None => choice.check_tls_host(),
        }
    }
}

/// If the plugin sets a server name, the URL's host need not be a valid one for TLS.
fn check_sendable(url: &Url, options: &RequestOptions) -> Result<(), NetError> {
    let named = options.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
    match named {
        Some(_) => check_uri(url),
        None => check_reachable(url).map_err(NetError::Invalid),
    }
}

fn may_be_http2(url: Option<&Url>, versions: &Versions) -> bool {
    url.is_some_and(|url| versions.may_be_http2(url.scheme() == "https"))
}

/// Over HTTP/2 the `host` header is part of the request target.
fn authority(host: &http::HeaderValue) -> Result<(), NetError> {
    let invalid = |error: &dyn std::fmt::Display| {
        NetError::Invalid(format!("header `host`: {error}, which HTTP/2 needs"))
    };
    let host = host.to_str().map_err(|error| invalid(&error))?;
    let uri = format!("https://{host}/").parse::<Uri>();
    uri.map(drop).map_err(|error| invalid(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::{EndpointText, HostText};
    use crate::http::HttpVersion;
    use crate::tls::TlsOptions;

    fn get(url: &str) -> UncheckedRequest {
        UncheckedRequest {
            method: "GET".into(),
            url: url.into(),
            ..UncheckedRequest::default()
        }
    }

    fn wrong(request: UncheckedRequest) -> Vec<String> {
        let fields = request.check().into_vec().into_iter();
        fields.map(|wrong| wrong.field).collect()
    }

    #[test]
    fn a_connection_is_redirected_to_a_host_and_a_port() {
        let of = |endpoint: &str| {
            wrong(UncheckedRequest {
                options: RequestOptions {
                    connect_to: Some(EndpointText::new("connect-to", endpoint.into()).unwrap()),
                    ..RequestOptions::default()
                },
                ..get("http://a.test/")
            })
        };
        for good in ["a.test:80", "127.0.0.1:80", "[::1]:80"] {
            assert_eq!(of(good), [""; 0], "{good}");
        }
        for bad in [
            "a.test",
            "[zz]:80",
            "[a.test]:80",
            "[127.0.0.1]:80",
            "[]:80",
            "a..b:80",
            ":80",
        ] {
            assert_eq!(of(bad), ["connect-to"], "{bad}");
        }
    }

    #[test]
    fn a_url_leads_somewhere() {
        for good in [
            "http://a.test",
            "https://[::1]:8443/x?y#z",
            "https://bücher.test/ä b",
            "http://web_1/",
            "https://web_1/",
        ] {
            assert_eq!(wrong(get(good)), [""; 0], "{good}");
        }
        for bad in [
            "",
            "a.test",
            "/x",
            "ftp://a.test/",
            "http://",
            "http://a.test:0/",
            "http://a.test:99999/",
            "http://a..b/",
            "http://*.a.test/",
            &format!("http://{}.test/", "a".repeat(64)),
            "http://a{b.test/",
            "https://a`b.test/",
            &format!("http://a.test/{}", "x".repeat(16 << 10)),
        ] {
            assert_eq!(wrong(get(bad)), ["url"], "{bad}");
        }
        let named = |url: &str| {
            wrong(UncheckedRequest {
                options: RequestOptions {
                    tls: Some(TlsOptions {
                        server_name: Some(HostText::new("the server name", "a.test".into()).unwrap()),
                        ..TlsOptions::default()
                    }),
                    ..RequestOptions::default()
                },
                ..get(url)
            })
        };
        assert_eq!(named("https://-a_.test/"), [""; 0]);
        assert_eq!(named("https://a{b.test/"), ["url"]);
    }

    #[test]
    fn every_field_is_validated() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let request = UncheckedRequest {
            method: "G T".into(),
            headers: vec![pair("a", "ü"), pair("a b", "c"), pair("", "x"), pair("a", "x\ny")],
            options: RequestOptions {
                connect_to: Some(EndpointText::new("connect-to", "x:99999".into()).unwrap()),
                proxy: Some(UrlText::new("the proxy url", "http://[::1".into()).unwrap()),
                tls: Some(TlsOptions {
                    ca_certificates: Some(crate::bounded::Pem::new("ca", "x".into()).unwrap()),
                    ..TlsOptions::default()
                }),
                ..RequestOptions::default()
            },
            ..get("http://a.test/")
        };
        assert_eq!(
            wrong(request),
            [
                "method",
                "headers[1]",
                "headers[2]",
                "headers[3]",
                "connect-to",
                "proxy",
                "tls.ca-certificates"
            ]
        );
    }

    #[test]
    fn headers_have_a_number_and_a_size() {
        let many = UncheckedRequest {
            headers: vec![("a".to_owned(), Vec::new()); 257],
            ..get("http://a.test/")
        };
        let long = UncheckedRequest {
            headers: vec![("a".to_owned(), vec![b'x'; 64 << 10])],
            ..get("http://a.test/")
        };
        assert_eq!(wrong(many), ["headers"]);
        assert_eq!(wrong(long), ["headers"]);
    }

    #[test]
    fn a_host_header_that_http2_cannot_carry_is_wrong_where_it_may_be_spoken() {
        let named = |url: &str, version: Option<HttpVersion>| {
            wrong(UncheckedRequest {
                headers: vec![("Host".to_owned(), b"a b".to_vec())],
                options: RequestOptions {
                    versions: version.into_iter().collect(),
                    ..RequestOptions::default()
                },
                ..get(url)
            })
        };
        assert_eq!(named("https://a.test/", None), ["headers[0]"]);
        assert_eq!(named("http://a.test/", Some(HttpVersion::Http2)), ["headers[0]"]);
        assert_eq!(named("https://a.test/", Some(HttpVersion::Http11)), [""; 0]);
        assert_eq!(named("http://a.test/", None), [""; 0]);
    }
}
