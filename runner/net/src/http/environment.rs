//! The proxies in this process's environment, interpreted like other clients do.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use url::Url;

use canary_suite::{SecretRegistry, Secrets};

/// Proxies by scheme, and hosts that are reached without one.
#[derive(Clone, Default)]
pub struct EnvironmentProxies {
    http: Option<String>,
    https: Option<String>,
    no_proxy: Vec<NoProxyRule>,
}

/// A `no_proxy` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NoProxyRule {
    All,
    Network(IpNet),
    /// A name with all its subdomains, or an address; at one port, or at any.
    Host(String, Option<u16>),
}

/// Omits the proxies' URLs, which may contain credentials.
impl fmt::Debug for EnvironmentProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentProxies").finish_non_exhaustive()
    }
}

impl EnvironmentProxies {
    /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`; lower case takes precedence.
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
            no_proxy: either("no_proxy")
                .as_deref()
                .map(parse_no_proxy)
                .unwrap_or_default(),
        }
    }

    /// Registers the proxies' credentials with `known`, for the lifetime of the returned value. Their addresses are not
    /// secret: messages contain them.
    #[must_use]
    pub fn register_secrets(&self, known: &SecretRegistry) -> Secrets {
        let proxies = self.http.iter().chain(&self.https);
        let values: Vec<String> = proxies.flat_map(|proxy| credentials(proxy)).collect();
        known.register(values.iter().map(String::as_str))
    }

    /// The proxy for a URL.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<&str> {
        if self.no_proxy.iter().any(|no_proxy| no_proxy.covers(url)) {
            return None;
        }
        match url.scheme() {
            "https" => self.https.as_deref(),
            _ => self.http.as_deref(),
        }
    }
}

fn with_scheme(proxy: String) -> String {
    if proxy.contains("://") {
        proxy
    } else {
        format!("http://{proxy}")
    }
}

/// The user information of a proxy's URL: as written, decoded, and as sent.
fn credentials(proxy: &str) -> Vec<String> {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    // An unescaped character makes the URL invalid, but the password is still a secret.
    let is_broken = Url::parse(proxy).is_err();
    let in_plain = || rest.rsplit_once('@').filter(|_| is_broken);
    let written = authority.rsplit_once('@').or_else(in_plain);
    let Some((written, _place)) = written else {
        return Vec::new();
    };
    let (user, password) = written.split_once(':').unwrap_or((written, ""));
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let sent = [decoded(user), decoded(password)].join(&b':');
    // A user name alone may be a token.
    let last = if password.is_empty() { user } else { password };
    vec![
        format!("{written}@"),
        String::from_utf8_lossy(&sent).into_owned(),
        String::from_utf8_lossy(&decoded(last)).into_owned(),
        STANDARD.encode(&sent),
    ]
}

fn parse_no_proxy(list: &str) -> Vec<NoProxyRule> {
    let entries = list.split([',', ' ']).map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(NoProxyRule::parse)
        .collect()
}

impl NoProxyRule {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Ok(network) = entry.parse::<IpNet>() {
            return Self::Network(network);
        }
        let (host, port) = match entry.rsplit_once(':') {
            // An IPv6 address contains colons.
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

    fn proxy_for(proxies: &EnvironmentProxies, url: &str) -> Option<String> {
        proxies.proxy_for(&Url::parse(url).unwrap()).map(str::to_owned)
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let set = proxies(&[
            ("HTTPS_PROXY", "http://secure:1"),
            ("http_proxy", "plain:2"),
            ("HTTP_PROXY", "other:3"),
        ]);
        assert_eq!(
            proxy_for(&set, "https://a.test/").as_deref(),
            Some("http://secure:1")
        );
        assert_eq!(
            proxy_for(&set, "http://a.test/").as_deref(),
            Some("http://plain:2")
        );
        let all = proxies(&[("all_proxy", "every:4"), ("https_proxy", " ")]);
        assert_eq!(
            proxy_for(&all, "https://a.test/").as_deref(),
            Some("http://every:4")
        );
        assert_eq!(proxy_for(&proxies(&[]), "https://a.test/"), None);
    }

    #[test]
    fn some_hosts_are_reached_without_a_proxy() {
        for (no_proxy, url, is_direct) in [
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
            let set = proxies(&[("http_proxy", "p:1"), ("NO_PROXY", no_proxy)]);
            assert_eq!(proxy_for(&set, url).is_none(), is_direct, "{no_proxy} {url}");
        }
    }

    #[test]
    fn nothing_of_a_proxy_is_in_a_text() {
        let set = proxies(&[("http_proxy", "http://user:hunter2@p:1")]);
        assert!(!format!("{set:?}").contains("hunter2"));
    }

    #[test]
    fn what_proxies_are_logged_in_to_with_is_masked_in_the_texts_of_everyone() {
        let known = SecretRegistry::default();
        let set = proxies(&[
            (
                "https_proxy",
                "http://canary:c%40rrect/horse@proxy.internal.test:3128",
            ),
            ("http_proxy", "token-of-mine@10.11.12.13:3128"),
        ]);
        let short = proxies(&[("all_proxy", "socks5://me:pw@proxy.internal.test")]);
        let held = [set.register_secrets(&known), short.register_secrets(&known)];
        let others = known.secrets();
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
        assert!(plain.register_secrets(&SecretRegistry::default()).is_empty());
    }
}
