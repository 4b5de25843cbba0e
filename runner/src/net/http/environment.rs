//! The proxies that the environment of this process names, as other clients read them.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::suite::{KnownSecrets, Secrets};

/// Where to find a proxy by scheme, and hosts that are reached without one.
#[derive(Clone, Default)]
pub struct EnvironmentProxies {
    http: Option<String>,
    https: Option<String>,
    direct: Vec<Direct>,
}

/// Hosts that are reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    All,
    Network(IpNet),
    /// A name with all below it, or an address; at one port, or at all.
    Host(String, Option<u16>),
}

/// A proxy's URL holds credentials.
impl fmt::Debug for EnvironmentProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentProxies").finish_non_exhaustive()
    }
}

impl EnvironmentProxies {
    /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in small letters first.
    #[must_use]
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let set = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
            set.filter(|value| !value.trim().is_empty())
        };
        let proxy = |name| either(name).or_else(|| either("all_proxy")).map(with_scheme);
        Self {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            direct: either("no_proxy").as_deref().map(exceptions).unwrap_or_default(),
        }
    }

    /// Makes what the proxies are logged in to with known to `known`, for as long as what it returns is there. Their places are
    /// no secrets: messages name them.
    #[must_use]
    pub fn hold(&self, known: &KnownSecrets) -> Secrets {
        let proxies = self.http.iter().chain(&self.https);
        let values: Vec<String> = proxies.flat_map(|proxy| credentials(proxy)).collect();
        known.hold(values.iter().map(String::as_str))
    }

    /// The URL of the proxy to a URL.
    pub(super) fn to(&self, url: &Url) -> Option<&str> {
        if self.direct.iter().any(|direct| direct.covers(url)) {
            return None;
        }
        match url.scheme() {
            "https" => self.https.as_deref(),
            _ => self.http.as_deref(),
        }
    }
}

fn with_scheme(proxy: String) -> String {
    match proxy.contains("://") {
        true => proxy,
        false => format!("http://{proxy}"),
    }
}

/// The user information of a proxy's URL: as it is written there, as it is meant, and as it is sent.
fn credentials(proxy: &str) -> Vec<String> {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    // With such a character in plain a password makes a URL that cannot be used, and is a password all the same.
    let is_broken = Url::parse(proxy).is_err();
    let in_plain = || rest.rsplit_once('@').filter(|_| is_broken);
    let written = authority.rsplit_once('@').or_else(in_plain);
    let Some((written, _place)) = written else {
        return Vec::new();
    };
    let (user, password) = written.split_once(':').unwrap_or((written, ""));
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let sent = [decoded(user), decoded(password)].join(&b':');
    // A user alone may be a token.
    let last = if password.is_empty() { user } else { password };
    vec![
        format!("{written}@"),
        String::from_utf8_lossy(&sent).into_owned(),
        String::from_utf8_lossy(&decoded(last)).into_owned(),
        STANDARD.encode(&sent),
    ]
}

fn exceptions(list: &str) -> Vec<Direct> {
    let entries = list.split([',', ' ']).map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(Direct::parse)
        .collect()
}

impl Direct {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Ok(network) = entry.parse::<IpNet>() {
            return Self::Network(network);
        }
        let (host, port) = match entry.rsplit_once(':') {
            // An IPv6 address has colons of its own.
            Some((host, port)) if entry.parse::<IpAddr>().is_err() => (host, port.parse().ok()),
            _ => (entry, None),
        };
        let host = host.trim_start_matches("*.").trim_start_matches('.');
        Self::Host(host.trim_matches(['[', ']']).to_ascii_lowercase(), port)
    }

    fn covers(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host = host
            .trim_matches(['[', ']'])
            .trim_end_matches('.')
            .to_ascii_lowercase();
        match self {
            Self::All => true,
            Self::Network(network) => host
                .parse::<IpAddr>()
                .is_ok_and(|address| network.contains(&address)),
            Self::Host(known, port) => {
                let is_below = host
                    .strip_suffix(known)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                is_below && port.is_none_or(|port| url.port_or_known_default() == Some(port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> EnvironmentProxies {
        EnvironmentProxies::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn to(proxies: &EnvironmentProxies, url: &str) -> Option<String> {
        proxies.to(&Url::parse(url).unwrap()).map(str::to_owned)
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let set = proxies(&[
            ("HTTPS_PROXY", "http://secure:1"),
            ("http_proxy", "plain:2"),
            ("HTTP_PROXY", "other:3"),
        ]);
        assert_eq!(to(&set, "https://a.test/").as_deref(), Some("http://secure:1"));
        assert_eq!(to(&set, "http://a.test/").as_deref(), Some("http://plain:2"));
        let all = proxies(&[("all_proxy", "every:4"), ("https_proxy", " ")]);
        assert_eq!(to(&all, "https://a.test/").as_deref(), Some("http://every:4"));
        assert_eq!(to(&proxies(&[]), "https://a.test/"), None);
    }

    #[test]
    fn some_hosts_are_reached_without_a_proxy() {
        for (direct, url, is_direct) in [
            ("*", "http://a.test/", true),
            ("a.test", "http://a.test/", true),
            ("a.test", "http://www.A.test./", true),
            (".a.test", "http://a.test/", true),
            ("*.a.test", "http://x.a.test/", true),
            ("a.test", "http://ba.test/", false),
            ("a.test:8080", "http://a.test:8080/", true),
            ("a.test:8080", "http://a.test/", false),
            ("b.test, 10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("::1", "http://[::1]/", true),
            ("[::1]:81", "http://[::1]:81/", true),
            ("127.0.0.1", "http://127.0.0.1/", true),
        ] {
            let set = proxies(&[("http_proxy", "p:1"), ("NO_PROXY", direct)]);
            assert_eq!(to(&set, url).is_none(), is_direct, "{direct} {url}");
        }
    }

    #[test]
    fn nothing_of_a_proxy_is_in_a_text() {
        let set = proxies(&[("http_proxy", "http://user:hunter2@p:1")]);
        assert!(!format!("{set:?}").contains("hunter2"));
    }

    #[test]
    fn what_proxies_are_logged_in_to_with_is_masked_in_the_texts_of_everyone() {
        let known = KnownSecrets::default();
        let set = proxies(&[
            (
                "https_proxy",
                "http://canary:c%40rrect/horse@proxy.internal.test:3128",
            ),
            ("http_proxy", "token-of-mine@10.11.12.13:3128"),
        ]);
        let short = proxies(&[("all_proxy", "socks5://me:pw@proxy.internal.test")]);
        let held = [set.hold(&known), short.hold(&known)];
        let others = known.others();
        for text in [
            "c@rrect/horse",
            "canary:c@rrect/horse",
            "http://canary:c%40rrect/horse@proxy",
            "http://canary:c%40rrect%2Fhorse@proxy",
            "Basic Y2FuYXJ5OmNAcnJlY3QvaG9yc2U=",
            "407 for token-of-mine",
            "Basic bWU6cHc=",
        ] {
            let shown = others.redact(text);
            assert!(shown.contains("***"), "{text}: {shown}");
            assert!(
                !shown.contains("rrect") && !shown.contains("bWU6"),
                "{text}: {shown}"
            );
        }
        for text in [
            "the proxy `http://proxy.internal.test:3128`: connection refused",
            "connected to 10.11.12.13:3128",
            "http://canary.example/",
        ] {
            assert_eq!(others.redact(text), text);
        }
        drop(held);
        let broken = credentials("http://canary:corr/ect#horse@proxy.internal.test");
        assert!(broken.contains(&"corr/ect#horse".to_owned()), "{broken:?}");
        let plain = proxies(&[("all_proxy", "http://proxy.internal.test/x@y")]);
        assert!(plain.hold(&KnownSecrets::default()).is_empty());
    }
}
