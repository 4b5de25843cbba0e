//! Cookies that peers set during one request and its redirects (RFC 6265); discarded afterwards.

mod date;

use std::time::SystemTime;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use url::{Host, Origin, Url};

/// Maximum number of cookies per request; further ones are ignored.
const MAX_COOKIES: usize = 64;
/// Maximum number of bytes in a cookie's name and value.
const MAX_COOKIE_BYTES: usize = 4 << 10;

/// The cookies of one request and its redirects.
#[derive(Debug, Default)]
pub(super) struct CookieJar {
    cookies: Vec<Cookie>,
}

/// A cookie set by a peer.
#[derive(Debug)]
pub(super) struct Cookie {
    set_by: Origin,
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// Sent only to the host that set it.
    host_only: bool,
    path: String,
    secure: bool,
}

impl CookieJar {
    /// Stores the cookies set by a response from `url`.
    pub(super) fn store(&mut self, url: &Url, headers: &HeaderMap, now: SystemTime) {
        for value in headers.get_all(SET_COOKIE) {
            let Some((cookie, is_over)) = Cookie::parse(url, value.as_bytes(), now) else {
                continue;
            };
            self.cookies.retain(|known| !known.is_replaced_by(&cookie));
            if !is_over && self.cookies.len() < MAX_COOKIES {
                self.cookies.push(cookie);
            }
        }
    }

    /// The cookies for a request to `url`.
    pub(super) fn matching(&self, url: &Url) -> Vec<&Cookie> {
        let mut matching: Vec<_> = self.cookies.iter().filter(|cookie| cookie.is_for(url)).collect();
        // Cookies with longer paths come first (RFC 6265, section 5.4).
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        matching
    }
}

/// The `cookie` header of a request with `headers`: the plugin's own cookies, and those set by peers.
pub(super) fn header(set: &[&Cookie], headers: &HeaderMap) -> Option<HeaderValue> {
    let own = headers.get_all(COOKIE).iter();
    let own = own.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let own = own.map(<[u8]>::trim_ascii).filter(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        !pair.is_empty() && !set.iter().any(|cookie| cookie.name == name)
    });
    let mut pairs: Vec<Vec<u8>> = own.map(<[u8]>::to_vec).collect();
    pairs.extend(set.iter().map(|cookie| cookie.pair()));
    let value = (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))?;
    HeaderValue::from_bytes(&value).ok()
}

impl Cookie {
    /// Parses a cookie; the flag is set if it removes one.
    fn parse(url: &Url, text: &[u8], now: SystemTime) -> Option<(Self, bool)> {
        let mut parts = text.split(|byte| *byte == b';');
        let pair = parts.next()?;
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        let (name, value) = (name.trim_ascii(), value.get(1..)?.trim_ascii());
        if name.is_empty() || name.len() + value.len() > MAX_COOKIE_BYTES {
            return None;
        }
        let mut cookie = Self {
            set_by: url.origin(),
            name: name.to_vec(),
            value: value.to_vec(),
            domain: url.host_str()?.to_ascii_lowercase(),
            host_only: true,
            path: default_path(url.path()).to_owned(),
            secure: false,
        };
        let mut lifetime = Lifetime::default();
        for attribute in parts {
            let attribute = String::from_utf8_lossy(attribute);
            let (key, value) = attribute.split_once('=').unwrap_or((&attribute, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => cookie.set_domain(url, value)?,
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => lifetime.max_age = max_age(value).or(lifetime.max_age),
                "expires" => lifetime.expires = date::parse(value).or(lifetime.expires),
                _ => {}
            }
        }
        Some((cookie, lifetime.is_over(now)))
    }

    /// Whether the cookie was set by the URL's origin.
    pub(super) fn is_set_by(&self, url: &Url) -> bool {
        self.set_by == url.origin()
    }

    /// `name=value`, as sent.
    pub(super) fn pair(&self) -> Vec<u8> {
        [&*self.name, b"=", &*self.value].concat()
    }

    /// Extends the cookie to all hosts of `domain`, which must include the host of `url`.
    fn set_domain(&mut self, url: &Url, domain: &str) -> Option<()> {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        if domain.is_empty() || domain == self.domain {
            self.host_only &= domain.is_empty() || !matches!(url.host(), Some(Host::Domain(_)));
            return Some(());
        }
        // A single label is a public suffix.
        let is_wider = domain.contains('.') && is_subdomain(url, &domain);
        is_wider.then(|| {
            self.domain = domain;
            self.host_only = false;
        })
    }

    fn is_replaced_by(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn is_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_host =
            host.eq_ignore_ascii_case(&self.domain) || (!self.host_only && is_subdomain(url, &self.domain));
        is_host && self.covers(url.path()) && (!self.secure || url.scheme() == "https")
    }

    /// RFC 6265, section 5.1.4.
    fn covers(&self, path: &str) -> bool {
        match path.strip_prefix(self.path.as_str()) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'),
            None => false,
        }
    }
}

/// Whether the URL's host is a subdomain of `domain`.
fn is_subdomain(url: &Url, domain: &str) -> bool {
    let Some(Host::Domain(host)) = url.host() else {
        return false;
    };
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

#[derive(Default)]
struct Lifetime {
    max_age: Option<i64>,
    expires: Option<SystemTime>,
}

impl Lifetime {
    fn is_over(&self, now: SystemTime) -> bool {
        match (self.max_age, self.expires) {
            (Some(seconds), _) => seconds <= 0,
            (None, Some(expires)) => expires <= now,
            (None, None) => false,
        }
    }
}

/// Parses a number of seconds, which has no plus sign (RFC 6265, section 5.2.2). Any number counts, however large.
fn max_age(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let extreme = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    is_number.then(|| text.parse().unwrap_or(extreme))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SET_AT: &str = "http://www.example.test/app/login";

    fn at(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    fn jar(cookies: &[&str]) -> CookieJar {
        let mut jar = CookieJar::default();
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        jar.store(&at(SET_AT), &headers, now);
        jar
    }

    fn sent(jar: &CookieJar, url: &str, own: Option<&'static str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.extend(own.map(|own| (COOKIE, HeaderValue::from_static(own))));
        let header = header(&jar.matching(&at(url)), &headers)?;
        Some(header.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_goes_where_it_is_meant_for() {
        let here = "http://www.example.test/app/home";
        for (cookie, url, is_sent) in [
            ("a=1", here, true),
            ("a=1", "http://www.example.test/app", true),
            ("a=1", "http://www.example.test/apple", false),
            ("a=1; Path=/", "http://www.example.test/other", true),
            ("a=1; path=/app/home", "http://www.example.test/app/home/x", true),
            ("a=1", "http://example.test/app/", false),
            ("a=1; Domain=example.test", "http://api.example.test/app/", true),
            ("a=1; Domain=.EXAMPLE.test", "http://example.test/app/", true),
            ("a=1; Domain=other.test", here, false),
            ("a=1; Domain=ample.test", here, false),
            ("a=1; Domain=test", here, false),
            ("a=1; Secure", here, false),
            ("a=1; Secure", "https://www.example.test/app/", true),
            ("a=1; Max-Age=0", here, false),
            ("a=1; Max-Age=-1", here, false),
            ("a=1; Max-Age=-99999999999999999999", here, false),
            ("a=1; Max-Age=99999999999999999999", here, true),
            ("a=1; Max-Age=+0", here, true),
            ("a=1; Max-Age=-", here, true),
            ("a=1; Max-Age=0; Max-Age=+60", here, false),
            ("a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", here, false),
            ("a=1; Expires=Thu, 01-Jan-70 00:00:00 GMT", here, false),
            ("a=1; Expires=Thu, 1 Jan 1970 00:00:00 +0000", here, false),
            ("a=1; Expires=0", here, true),
            (
                "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60",
                here,
                true,
            ),
            ("a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT", here, true),
            ("=1", here, false),
        ] {
            assert_eq!(
                sent(&jar(&[cookie]), url, None).is_some(),
                is_sent,
                "{cookie} {url}"
            );
        }
    }

    #[test]
    fn a_later_cookie_replaces_one_of_its_name_and_the_plugins_own_stay() {
        let here = "http://www.example.test/app/home";
        let jar = jar(&["a=1", "b=2; Path=/", "a=3", "c=4", "c=; Max-Age=0"]);
        assert_eq!(sent(&jar, here, None).as_deref(), Some("a=3; b=2"));
        assert_eq!(
            sent(&jar, here, Some("x=9; a=0")).as_deref(),
            Some("x=9; a=3; b=2")
        );
        assert_eq!(
            sent(&CookieJar::default(), here, Some("x=9")).as_deref(),
            Some("x=9")
        );
        assert_eq!(sent(&CookieJar::default(), here, None), None);
    }

    #[test]
    fn only_so_many_cookies_are_kept() {
        let cookies: Vec<String> = (0..1_000).map(|number| format!("c{number}=1")).collect();
        let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
        assert_eq!(jar(&cookies).cookies.len(), MAX_COOKIES);
        let long = format!("a={}", "x".repeat(MAX_COOKIE_BYTES));
        assert!(jar(&[&long]).cookies.is_empty());
    }
}
