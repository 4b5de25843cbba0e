//! Versions of HTTP, and which of them an exchange speaks.

use crate::net::tls::Alpn;

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
    pub fn word(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }

    /// By its word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.word() == word)
    }

    /// That of an answer, by its first line: a server names the newest of its own, whatever it was asked by.
    pub(super) fn of_answer(version: http::Version) -> Self {
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

/// The versions that a request may speak, in order of preference, each once and never none. The default is HTTP/2 or 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions(Vec<HttpVersion>);

impl Default for Versions {
    fn default() -> Self {
        Self(vec![HttpVersion::Http2, HttpVersion::Http11])
    }
}

impl FromIterator<HttpVersion> for Versions {
    /// Of none it is the default.
    fn from_iter<I: IntoIterator<Item = HttpVersion>>(versions: I) -> Self {
        let mut once = Vec::new();
        for version in versions {
            if !once.contains(&version) {
                once.push(version);
            }
        }
        match once.is_empty() {
            true => Self::default(),
            false => Self(once),
        }
    }
}

impl Versions {
    /// What to offer in a handshake.
    pub(super) fn alpn(&self) -> Alpn {
        let mut protocols: Vec<_> = self.0.iter().map(|version| version.protocol()).collect();
        protocols.dedup();
        if let [first, .., last] = protocols.as_slice()
            && first == last
        {
            // HTTP/1.0 and 1.1 are one protocol, with HTTP/2 between them.
            protocols.pop();
        }
        Alpn::of(&protocols)
    }

    /// The one to speak over TLS, by the protocol that was agreed on.
    pub(super) fn over_tls(&self, agreed: Option<&str>) -> HttpVersion {
        let is_http2 = agreed == Some("h2");
        let fits = |version: &&HttpVersion| (**version == HttpVersion::Http2) == is_http2;
        // A server that agrees on nothing may speak HTTP/2 all the same, where nothing else is wanted.
        let spoken = self.0.iter().find(fits).or(self.0.first());
        spoken.copied().unwrap_or(HttpVersion::Http11)
    }

    /// The one to speak without TLS: few servers speak HTTP/2 there.
    pub(super) fn in_plain(&self) -> HttpVersion {
        match self.0.contains(&HttpVersion::Http11) {
            true => HttpVersion::Http11,
            false => self.over_tls(None),
        }
    }

    /// Whether HTTP/2 may be what is spoken.
    pub(super) fn may_be_http2(&self, over_tls: bool) -> bool {
        match over_tls {
            true => self.0.contains(&HttpVersion::Http2),
            false => self.in_plain() == HttpVersion::Http2,
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

    /// What is offered, and what is spoken where h2, http/1.1 or nothing is agreed on, and without TLS.
    fn spoken(list: &[HttpVersion]) -> (Vec<String>, [&'static str; 4]) {
        let versions = versions(list);
        let agreed = |protocol| versions.over_tls(protocol).word();
        let offered = versions.alpn().into_protocols().into_iter();
        let offered = offered.map(|name| String::from_utf8(name).unwrap()).collect();
        let plain = versions.in_plain().word();
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
            assert_eq!(HttpVersion::of_word(version.word()), Some(version));
        }
        assert_eq!(HttpVersion::of_word("3"), None);
        assert!(versions(&[]).may_be_http2(true) && !versions(&[]).may_be_http2(false));
        assert!(versions(&[Http2]).may_be_http2(false) && !versions(&[Http11]).may_be_http2(true));
    }
}
