//! The proxies that the environment of this process names, as other clients read them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

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
}
