//! The parts of URLs that sessions depend on. The host parses a URL before it sends anything, and refuses what it
//! cannot parse.

use canary_sdk::Endpoint;
use canary_sdk::http::Request;

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) is_https: bool,
    pub(crate) endpoint: Endpoint,
    /// Without the query.
    pub(crate) path: String,
}

impl Location {
    /// `None` for a URL that no request can be sent to.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let endpoint = Request::get(url).endpoint().ok()?;
        let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let path = rest.get(start..)?.split(['?', '#']).next()?;
        Some(Self {
            is_https: scheme.eq_ignore_ascii_case("https"),
            endpoint,
            path: if path.is_empty() { "/".into() } else { path.into() },
        })
    }

    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        self.is_https == other.is_https && self.endpoint == other.endpoint
    }
}

/// Resolves a reference against a URL (RFC 3986, section 5.2).
pub(crate) fn join(base: &str, reference: &str) -> Option<String> {
    let reference = reference.trim().split('#').next()?;
    if has_scheme(reference) {
        return Some(reference.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    if reference.starts_with("//") {
        return Some(format!("{scheme}:{reference}"));
    }
    let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(start)?;
    let path = path.split('#').next()?;
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let (target, target_query) = match reference.split_once('?') {
        Some((target, query)) => (target, Some(query)),
        None => (reference, None),
    };
    let (joined, query) = if target.is_empty() {
        (path.to_owned(), target_query.or(query))
    } else if target.starts_with('/') {
        (target.to_owned(), target_query)
    } else {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        (format!("{folder}/{target}"), target_query)
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{authority}{}{query}", without_dots(&joined)))
}

fn has_scheme(reference: &str) -> bool {
    let scheme = reference.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|next| next.is_ascii_alphanumeric() || "+-.".contains(next))
    })
}

fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut joined = format!("/{}", segments.join("/"));
    if path.ends_with("/.") || path.ends_with("/..") {
        joined.push('/');
    }
    joined.replace("//", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_resolved_as_a_browser_does() {
        for (base, reference, expected) in [
            ("http://a/b/c?d#e", "f", "http://a/b/f"),
            ("http://a/b/c?d", "?g", "http://a/b/c?g"),
            ("http://a/b/c?d", "#h", "http://a/b/c?d"),
            ("http://a/b/c", "../i?j", "http://a/i?j"),
            ("http://a/b/c", "./", "http://a/b/"),
            ("http://a/b/c/", "..", "http://a/b/"),
            ("http://a", "k", "http://a/k"),
            ("http://a:1/b", "//l/m", "http://l/m"),
            ("http://a/b", "/n", "http://a/n"),
            ("http://a/b", "HTTPS://o/p", "HTTPS://o/p"),
            ("http://a?q", "r", "http://a/r"),
        ] {
            assert_eq!(
                join(base, reference).as_deref(),
                Some(expected),
                "{base} {reference}"
            );
        }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let of = |url: &str| Location::of(url).unwrap();
        assert!(of("http://a/b?c").is_same_origin(&of("http://a:80")));
        for other in ["https://a", "http://b", "http://a:81"] {
            assert!(!of("http://a").is_same_origin(&of(other)), "{other}");
        }
        assert_eq!(of("http://a?b").path, "/");
        assert_eq!(of("http://a/b/c?d#e").path, "/b/c");
    }
}
