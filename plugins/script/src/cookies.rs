//! The cookies of a session (RFC 6265).

use crate::location::Location;

mod date;

/// Maximum number of cookies in a jar; further ones are ignored.
const MAX_COOKIES: usize = 64;
/// Maximum number of bytes in a cookie's name and value.
const MAX_COOKIE_BYTES: usize = 4 << 10;

/// The cookies that servers have set, each for the host that set it: the attribute `Domain` is ignored, so that none
/// is sent to another host.
#[derive(Debug, Default)]
pub(crate) struct CookieJar(Vec<Cookie>);

#[derive(Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    path: String,
    is_secure: bool,
}

impl CookieJar {
    /// Adds a cookie for all paths of a host.
    pub(crate) fn add(&mut self, host: &str, name: String, value: String) {
        self.replace(Cookie {
            name,
            value,
            host: host.to_ascii_lowercase(),
            path: "/".into(),
            is_secure: false,
        });
    }

    /// Stores a cookie as a header `set-cookie` names it; `now` is in Unix seconds.
    pub(crate) fn store(&mut self, from: &Location, header: &str, now: i64) {
        let Some((cookie, is_over)) = parse(from, header, now) else {
            return;
        };
        if is_over {
            self.0.retain(|known| !known.is_same(&cookie));
        } else {
            self.replace(cookie);
        }
    }

    fn replace(&mut self, cookie: Cookie) {
        match self.0.iter_mut().find(|known| known.is_same(&cookie)) {
            Some(known) => *known = cookie,
            None => {
                self.0.push(cookie);
                self.0.truncate(MAX_COOKIES);
            }
        }
    }

    /// The value of the header `cookie` of a request.
    pub(crate) fn header(&self, to: &Location) -> Option<String> {
        let mut matching: Vec<_> = self.0.iter().filter(|cookie| cookie.is_for(to)).collect();
        // Cookies with longer paths come first (RFC 6265, section 5.4).
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = matching
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie, of whatever host.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|cookie| cookie.name == name);
        found.map(|cookie| cookie.value.as_str())
    }
}

impl Cookie {
    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.host, &self.path) == (&other.name, &other.host, &other.path)
    }

    fn is_for(&self, to: &Location) -> bool {
        self.host.eq_ignore_ascii_case(&to.endpoint.host)
            && (!self.is_secure || to.is_https)
            && covers(&self.path, &to.path)
    }
}

/// RFC 6265, section 5.1.4.
fn covers(cookie: &str, path: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// Parses a cookie, and whether it is over.
fn parse(from: &Location, header: &str, now: i64) -> Option<(Cookie, bool)> {
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.len() + value.len() > MAX_COOKIE_BYTES {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        host: from.endpoint.host.to_ascii_lowercase(),
        path: default_path(&from.path).to_owned(),
        is_secure: false,
    };
    let (mut max_age, mut expires) = (None, None);
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.is_secure = true,
            "max-age" => max_age = is_positive(value).or(max_age),
            "expires" => expires = date::parse(value).or(expires),
            _ => {}
        }
    }
    // `Max-Age` has precedence.
    let is_over = match (max_age, expires) {
        (Some(is_positive), _) => !is_positive,
        (None, Some(expires)) => expires <= now,
        (None, None) => false,
    };
    Some((cookie, is_over))
}

/// Whether a number of seconds is more than 0; `None` if it is not a number.
fn is_positive(text: &str) -> Option<bool> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits == text && digits.bytes().any(|byte| byte != b'0'))
}

fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    const NOW: i64 = 1_767_225_600;

    fn at(url: &str) -> Location {
        Location::of(url).unwrap()
    }

    fn sent(cookies: &[&str], to: &str) -> Option<String> {
        let mut jar = CookieJar::default();
        for cookie in cookies {
            jar.store(&at("http://shop.test/app/login"), cookie, NOW);
        }
        jar.header(&at(to))
    }

    #[test]
    fn a_cookie_goes_where_it_is_meant_for() {
        let here = "http://shop.test/app/home";
        for (cookie, url, is_sent) in [
            ("a=1", here, true),
            ("a=1", "http://SHOP.test:8080/app", true),
            ("a=1", "http://shop.test/apple", false),
            ("a=1", "http://shop.test/", false),
            ("a=1; Path=/", "http://shop.test/other", true),
            ("a=1; Path=app", here, true),
            ("a=1; Path=/", "http://www.shop.test/", false),
            ("a=1; Path=/; Domain=test", "http://other.test/", false),
            ("a=1; Secure", here, false),
            ("a=1; Secure", "https://shop.test/app/", true),
            ("a=1; Max-Age=0", here, false),
            ("a=1; Max-Age=-1", here, false),
            ("a=1; Max-Age=x", here, true),
            (
                "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                here,
                true,
            ),
            ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", here, false),
            ("a=1; Expires=Fri, 01-Jan-2100 00:00:00 GMT", here, true),
            ("a=1; Expires=soon", here, true),
            ("=1", here, false),
            ("a", here, false),
        ] {
            assert_eq!(sent(&[cookie], url).is_some(), is_sent, "{cookie} to {url}");
        }
    }

    #[test]
    fn a_later_cookie_replaces_or_removes_an_earlier_one() {
        let here = "http://shop.test/app/";
        assert_eq!(sent(&["a=1", "a=2", "b=3; Path=/"], here).unwrap(), "a=2; b=3");
        assert_eq!(sent(&["a=1", "a=; Max-Age=0"], here), None);
    }

    #[test]
    fn a_jar_has_a_limit() {
        let many: Vec<_> = (0..100).map(|number| format!("c{number}=1")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let sent = sent(&many, "http://shop.test/app/").unwrap();
        assert_eq!(sent.split("; ").count(), MAX_COOKIES);
    }
}
