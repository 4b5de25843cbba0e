//! HTTP versions, and their negotiation.

use crate::tls::Alpn;

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// RFC 1945.
    Http10,
    /// RFC 9112.
    Http11,
    /// RFC 9113.
    Http2,
}

impl HttpVersion {
    const ALL: [Self; 3] = [Self::Http10, Self::Http11, Self::Http2];

    /// `1.0`, `1.1` or `2` (`network.protocol.version`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }

    /// The version with this name.
    #[must_use]
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == word)
    }

    /// The version in a response's status line: a server sends the newest one it supports, whatever the request's
    /// version.
    pub(super) fn from_response(version: http::Version) -> Self {
        match version {
            http::Version::HTTP_09 | http::Version::HTTP_10 => Self::Http10,
            http::Version::HTTP_2 | http::Version::HTTP_3 => Self::Http2,
            _ => Self::Http11,
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Http10 | Self::Http11 => "http/1.1",
            Self::Http2 => "h2",
        }
    }
}

/// The versions that a request may use, in order of preference, without duplicates and never empty. The default is
/// HTTP/2 or 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions(Vec<HttpVersion>);

impl Default for Versions {
    fn default() -> Self {
        Self(vec![HttpVersion::Http2, HttpVersion::Http11])
    }
}

impl FromIterator<HttpVersion> for Versions {
    /// An empty list becomes the default.
    fn from_iter<I: IntoIterator<Item = HttpVersion>>(versions: I) -> Self {
        let mut once = Vec::new();
        for version in versions {
            if !once.contains(&version) {
                once.push(version);
            }
        }
        if once.is_empty() {
            Self::default()
        } else {
            Self(once)
        }
    }
}

impl Versions {
    /// The protocols to offer in a TLS handshake.
    pub(super) fn alpn(&self) -> Alpn {
        let mut protocols: Vec<_> = self.0.iter().map(|version| version.protocol()).collect();
        protocols.dedup();
        if let [first, .., last] = protocols.as_slice()
            && first == last
        {
            // HTTP/1.0 and 1.1 are the same ALPN protocol, here with HTTP/2 between them.
            protocols.pop();
        }
        Alpn::from_static(&protocols)
    }

    /// The version to use over TLS, given the negotiated protocol.
    pub(super) fn over_tls(&self, agreed: Option<&str>) -> HttpVersion {
        let is_http2 = agreed == Some("h2");
        let fits = |version: &&HttpVersion| (**version == HttpVersion::Http2) == is_http2;
        // A server that negotiates nothing may still support HTTP/2, if nothing else is acceptable.
        let spoken = self.0.iter().find(fits).or(self.0.first());
        spoken.copied().unwrap_or(HttpVersion::Http11)
    }

    /// The version to use without TLS, where few servers support HTTP/2.
    pub(super) fn over_plain(&self) -> HttpVersion {
        if self.0.contains(&HttpVersion::Http11) {
            HttpVersion::Http11
        } else {
            self.over_tls(None)
        }
    }

    /// Whether HTTP/2 may be used.
    pub(super) fn may_be_http2(&self, over_tls: bool) -> bool {
        if over_tls {
            self.0.contains(&HttpVersion::Http2)
        } else {
            self.over_plain() == HttpVersion::Http2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HttpVersion::{Http2, Http10, Http11};
    use super::*;

    fn versions(list: &[HttpVersion]) -> Versions {
        list.iter().copied().collect()
    }

    /// The offered protocols, and the version used if h2, http/1.1 or nothing is negotiated, and without TLS.
    fn spoken(list: &[HttpVersion]) -> (Vec<String>, [&'static str; 4]) {
        let versions = versions(list);
        let agreed = |protocol| versions.over_tls(protocol).as_str();
        let offered = versions.alpn().into_protocols().into_iter();
        let offered = offered.map(|name| String::from_utf8(name).unwrap()).collect();
        let plain = versions.over_plain().as_str();
        (
            offered,
            [agreed(Some("h2")), agreed(Some("http/1.1")), agreed(None), plain],
        )
    }

    #[test]
    fn alpn_decides_over_tls_and_http_1_1_comes_first_without() {
        for (list, offered, expected) in [
            (
                &[] as &[HttpVersion],
                &["h2", "http/1.1"] as &[&str],
                ["2", "1.1", "1.1", "1.1"],
            ),
            (&[Http11, Http2], &["http/1.1", "h2"], ["2", "1.1", "1.1", "1.1"]),
            (
                &[Http2, Http11, Http2],
                &["h2", "http/1.1"],
                ["2", "1.1", "1.1", "1.1"],
            ),
            (&[Http2], &["h2"], ["2", "2", "2", "2"]),
            (&[Http11], &["http/1.1"], ["1.1", "1.1", "1.1", "1.1"]),
            (&[Http10], &["http/1.1"], ["1.0", "1.0", "1.0", "1.0"]),
            (
                &[Http10, Http2, Http11],
                &["http/1.1", "h2"],
                ["2", "1.0", "1.0", "1.1"],
            ),
            (&[Http2, Http10], &["h2", "http/1.1"], ["2", "1.0", "1.0", "1.0"]),
        ] {
            let (found, words) = spoken(list);
            assert_eq!(found, offered, "{list:?}");
            assert_eq!(words, expected, "{list:?}");
        }
    }

    #[test]
    fn a_version_is_known_by_its_word() {
        for version in HttpVersion::ALL {
            assert_eq!(HttpVersion::from_name(version.as_str()), Some(version));
        }
        assert_eq!(HttpVersion::from_name("3"), None);
        assert!(versions(&[]).may_be_http2(true) && !versions(&[]).may_be_http2(false));
        assert!(versions(&[Http2]).may_be_http2(false) && !versions(&[Http11]).may_be_http2(true));
    }
}
