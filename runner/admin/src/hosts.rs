//! Host name validation. A web page in a browser can make its own host name resolve to this address (DNS rebinding);
//! the browser then sends that name, and would let the page read the response.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode, Version};

use super::response::{Response, error_response};

/// The allowed host names: configured by the operator, or from the certificate. IP addresses and `localhost` are always
/// allowed.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Allows these names, ignoring case; `*.` matches one label.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// The response that refuses a request for another host; `None` if it is allowed.
    pub(super) fn refusal<B>(&self, request: &Request<B>) -> Option<Response> {
        let headers = request.headers();
        let mut named = headers.get_all(HOST).iter();
        let host = named.next().map(|host| Authority::try_from(host.as_bytes()));
        let host = match host {
            _ if named.next().is_some() => return Some(bad("more than one `Host` header")),
            Some(Err(_)) => return Some(bad("invalid `Host` header")),
            None if request.version() >= Version::HTTP_11 => return Some(bad("missing `Host` header")),
            Some(Ok(host)) => Some(host),
            None => None,
        };
        let requested = [request.uri().authority(), host.as_ref()];
        if let Some(other) = requested
            .into_iter()
            .flatten()
            .find(|name| !self.is_allowed(name.host()))
        {
            let message = format!(
                "unknown host {}; use an IP address, or add the name to `admin.hosts`",
                other.host()
            );
            return Some(error_response(StatusCode::MISDIRECTED_REQUEST, message));
        }
        None
    }

    fn is_allowed(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if address.unwrap_or(&host).parse::<std::net::IpAddr>().is_ok() {
            return true;
        }
        host == "localhost" || host.ends_with(".localhost") || self.0.iter().any(|name| matches(name, &host))
    }
}

/// The response that refuses a write request from a page of another site; `None` for all other requests.
pub(super) fn foreign_origin(headers: &HeaderMap) -> Option<Response> {
    let host = headers
        .get(HOST)
        .map(http::HeaderValue::as_bytes)
        .unwrap_or_default();
    let is_own = |origin: &http::HeaderValue| {
        let origin = origin.as_bytes();
        let origin = origin
            .strip_prefix(b"http://")
            .or(origin.strip_prefix(b"https://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    let is_cross_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none");
    let is_foreign = headers.get_all(ORIGIN).iter().any(|origin| !is_own(origin));
    (is_foreign || is_cross_site)
        .then(|| error_response(StatusCode::FORBIDDEN, "cross-site write requests are not allowed"))
}

fn matches(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => name == host,
    }
}

fn bad(message: &str) -> Response {
    error_response(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, uri: &str, named: &[&str]) -> u16 {
        let mut request = Request::get(uri);
        for host in named {
            request = request.header(HOST, *host);
        }
        let refusal = hosts.refusal(&request.body(()).unwrap());
        refusal.map_or(200, |page| page.status().as_u16())
    }

    #[test]
    fn ip_addresses_and_localhost_are_always_allowed() {
        let hosts = Hosts::default();
        for host in [
            "127.0.0.1:9464",
            "10.1.2.3",
            "[::1]:9464",
            "[2001:db8::1]",
            "localhost:9464",
            "LOCALHOST",
            "localhost.",
            "canary.localhost",
        ] {
            assert_eq!(status(&hosts, "/livez", &[host]), 200, "{host}");
        }
    }

    #[test]
    fn other_names_are_refused_unless_the_operator_configured_them() {
        let own = Hosts::new(["Canary.example.com".to_owned(), "*.monitoring.svc".to_owned()]);
        for host in [
            "canary.example.com:9464",
            "CANARY.example.com",
            "a.monitoring.svc",
        ] {
            assert_eq!(status(&own, "/livez", &[host]), 200, "{host}");
            assert_eq!(status(&Hosts::default(), "/livez", &[host]), 421, "{host}");
        }
        for host in [
            "attacker.example:9464",
            "canary.example.com.attacker.example",
            "x.canary.example.com",
            "a.b.monitoring.svc",
            "monitoring.svc",
            "127.0.0.1.attacker.example",
            "localhost.attacker.example",
            "2130706433",
        ] {
            assert_eq!(status(&own, "/api/v1/status", &[host]), 421, "{host}");
        }
    }

    #[test]
    fn exactly_one_host_is_required_and_the_request_target_is_checked_too() {
        let hosts = Hosts::default();
        assert_eq!(status(&hosts, "/", &[]), 400);
        assert_eq!(status(&hosts, "/", &["127.0.0.1", "127.0.0.1"]), 400);
        assert_eq!(status(&hosts, "/", &["a b"]), 400);
        assert_eq!(status(&hosts, "http://attacker.example/", &["127.0.0.1"]), 421);
        assert_eq!(status(&hosts, "http://127.0.0.1/", &["attacker.example"]), 421);
        let old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
        assert!(hosts.refusal(&old).is_none());
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let refused = |headers: &[(&str, &str)]| {
            let pairs = headers.iter().map(|(name, value)| {
                let name = http::HeaderName::try_from(*name).unwrap();
                (name, http::HeaderValue::from_str(value).unwrap())
            });
            foreign_origin(&pairs.collect()).is_some()
        };
        let host = ("host", "127.0.0.1:9464");
        assert!(!refused(&[host]));
        assert!(!refused(&[
            host,
            ("origin", "http://127.0.0.1:9464"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(refused(&[host, ("origin", "http://attacker.example")]));
        assert!(refused(&[host, ("origin", "null")]));
        assert!(refused(&[host, ("sec-fetch-site", "cross-site")]));
    }
}
