//! What is wrong with a request, found without sending it.

use http::Uri;
use url::Url;

use super::hop::parse_place;
use super::proxy::ProxyChoice;
use super::redirect::{can_be_reached, can_be_written};
use super::request::{fit, header, parse_method, parse_url};
use super::{RequestOptions, Versions};
use crate::grant::Scheme;
use crate::net::NetError;
use crate::net::bounded::{Payload, UrlText, Word};
use crate::net::check::InvalidFields;
use crate::net::connect::ConnectOptions;

/// A request as a plugin writes it. Its options are bounded already.
#[derive(Debug, Clone, Default)]
pub struct Unchecked {
    /// Such as `GET`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In the order in which they are sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Sent after the headers.
    pub body: Vec<u8>,
    /// How to go about it.
    pub options: RequestOptions,
}

impl Unchecked {
    /// The fields that [`Client::send`](crate::net::Client::send) would refuse, whatever the peers are.
    #[must_use]
    pub fn check(self) -> InvalidFields {
        let mut fields = InvalidFields::default();
        let method = Word::new("the method", self.method);
        fields.keep("method", method.and_then(|method| parse_method(&method)));
        let url = UrlText::new("the url", self.url).and_then(|url| parse_url(&url));
        let url = url.and_then(|url| can_be_sent_to(&url, &self.options).map(|()| url));
        let url = fields.keep("url", url);
        fields.keep("headers", fit(&self.headers));
        let is_http2 = may_be_http2(url.as_ref(), &self.options.versions);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            let parsed = header(name, value).and_then(|(name, value)| match name == http::header::HOST {
                true if is_http2 => authority(&value),
                _ => Ok(()),
            });
            fields.keep(format!("headers[{index}]"), parsed);
        }
        fields.keep("body", Payload::new("the body", self.body));
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
        fields.keep("source-address", connect.check_source());
        if let Some(place) = &self.connect_to {
            fields.keep("connect-to", parse_place(place, Scheme::Http));
        }
        fields.keep("proxy", ProxyChoice::parse(self.proxy.as_ref()));
        if let Some(tls) = &self.tls {
            fields.extend_within("tls", tls.check());
        }
        fields
    }
}

/// With a server name of the plugin's, the URL's host need not be one that TLS can carry.
fn can_be_sent_to(url: &Url, options: &RequestOptions) -> Result<(), NetError> {
    let named = options.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
    match named {
        Some(_) => can_be_written(url),
        None => can_be_reached(url).map_err(NetError::Invalid),
    }
}

fn may_be_http2(url: Option<&Url>, versions: &Versions) -> bool {
    url.is_some_and(|url| versions.may_be_http2(url.scheme() == "https"))
}

/// Over HTTP/2 the header `host` is part of what is asked for.
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
    use crate::net::bounded::{HostText, PlaceText};
    use crate::net::http::HttpVersion;
    use crate::net::tls::TlsOptions;

    fn get(url: &str) -> Unchecked {
        Unchecked {
            method: "GET".into(),
            url: url.into(),
            ..Unchecked::default()
        }
    }

    fn wrong(request: Unchecked) -> Vec<String> {
        let fields = request.check().into_vec().into_iter();
        fields.map(|wrong| wrong.field).collect()
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
            "http://a{b.test/",
            "https://a`b.test/",
            &format!("http://a.test/{}", "x".repeat(16 << 10)),
        ] {
            assert_eq!(wrong(get(bad)), ["url"], "{bad}");
        }
        let named = |url: &str| {
            wrong(Unchecked {
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
    fn every_field_is_looked_at() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let request = Unchecked {
            method: "G T".into(),
            headers: vec![pair("a", "ü"), pair("a b", "c"), pair("", "x"), pair("a", "x\ny")],
            options: RequestOptions {
                connect_to: Some(PlaceText::new("connect-to", "x:99999".into()).unwrap()),
                proxy: Some(UrlText::new("the proxy url", "http://[::1".into()).unwrap()),
                tls: Some(TlsOptions {
                    ca_certificates: Some(crate::net::bounded::Pem::new("ca", "x".into()).unwrap()),
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
        let many = Unchecked {
            headers: vec![("a".to_owned(), Vec::new()); 257],
            ..get("http://a.test/")
        };
        let long = Unchecked {
            headers: vec![("a".to_owned(), vec![b'x'; 64 << 10])],
            ..get("http://a.test/")
        };
        assert_eq!(wrong(many), ["headers"]);
        assert_eq!(wrong(long), ["headers"]);
    }

    #[test]
    fn a_host_header_that_http2_cannot_carry_is_wrong_where_it_may_be_spoken() {
        let named = |url: &str, version: Option<HttpVersion>| {
            wrong(Unchecked {
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
