//! Redirects: where they lead, and which parts of the request follow them.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{AsciiSet, percent_encode};
use rustls::pki_types::ServerName;
use tokio::task::yield_now;
use url::{Position, Url};

use super::Request;
use super::cookies::{self, CookieJar};
use super::destination::{
    MAX_URL_BYTES, destination, host_without_brackets, invalid_location, url_error_message, without_user,
};
use super::hop::RequestContext;
use crate::NetError;
use crate::bounded::URL_BYTES;
use canary_record::quota::format_bytes;
use canary_suite::Secrets;
use canary_suite::grant::Destination;

/// Number of bytes searched for secrets before yielding.
const CHUNK: usize = 16 << 10;
/// Overlap of two chunks in bytes, so that a secret on their boundary is found.
const OVERLAP: usize = 1 << 10;

impl RequestContext<'_> {
    /// The request that follows a response, if that is a redirect with a location (RFC 9110, section 15.4).
    pub(super) async fn redirect(
        &self,
        request: &Request,
        status: u16,
        headers: &HeaderMap,
    ) -> Result<Option<Request>, NetError> {
        let Some(url) = location(request, status, headers)? else {
            return Ok(None);
        };
        let mut next = Request {
            url,
            ..request.clone()
        };
        if becomes_get(&request.method, status) {
            next.method = Method::GET;
            next.body.clear();
            drop_content_headers(&mut next.headers);
        }
        if next.url.origin() != request.url.origin() {
            self.strip_for_origin(&mut next).await?;
        }
        Ok(Some(next))
    }

    /// The `cookie` header of a request: the plugin's own, and those set by peers. Outside the origin of the plugin's
    /// own request, a cookie with a secret is sent only to the origin that set it, which knows it anyway.
    pub(super) async fn cookies(
        &self,
        jar: &CookieJar,
        request: &Request,
    ) -> Result<Option<HeaderValue>, NetError> {
        let url = &request.url;
        let mut matching = jar.matching(url);
        if !matching.is_empty() && !self.may_send_secrets(url)? {
            let secrets = self.client.page().recorder().secrets();
            let mut without_secrets = Vec::new();
            for cookie in matching {
                if cookie.is_set_by(url) || !contains_secret(&secrets, &cookie.pair()).await {
                    without_secrets.push(cookie);
                }
            }
            matching = without_secrets;
        }
        Ok(cookies::header(&matching, &request.headers))
    }

    /// Whether the check's secrets may be sent to a URL: to the request's own origin, and to those named in the suite.
    pub(super) fn may_send_secrets(&self, url: &Url) -> Result<bool, NetError> {
        Ok(self.is_own(url) || self.client.grants.may_carry_secrets(&destination(url)?))
    }

    /// Removes from a request to another origin everything that must not follow it there.
    async fn strip_for_origin(&self, next: &mut Request) -> Result<(), NetError> {
        next.headers.remove(HOST);
        next.headers.remove(PROXY_AUTHORIZATION);
        if self.may_send_secrets(&next.url)? {
            return Ok(());
        }
        let to = destination(&next.url)?;
        let secrets = &self.client.page().recorder().secrets();
        // The redirecting peer knows the URL. Others must not learn it: the new origin, and anyone on the path if that
        // is plain text.
        if contains_secret(
            secrets,
            next.url[Position::BeforePath..Position::AfterQuery].as_bytes(),
        )
        .await
        {
            return Err(self.secret_leak_error(&to, "a URL"));
        }
        let mut secret_headers = Vec::new();
        for (name, value) in &next.headers {
            if [AUTHORIZATION, COOKIE].contains(name)
                || contains_secret(secrets, name.as_str().as_bytes()).await
                || contains_secret(secrets, value.as_bytes()).await
            {
                secret_headers.push(name.clone());
            }
        }
        for name in secret_headers {
            next.headers.remove(name);
        }
        if contains_secret(secrets, &next.body).await {
            return Err(self.secret_leak_error(&to, "a body"));
        }
        Ok(())
    }

    fn secret_leak_error(&self, to: &Destination, what: &str) -> NetError {
        self.client.deny(&format!(
            "a redirect to `{to}` would send {what} with a secret to another origin; to allow it, add `{to}` to the check's \
             `redirect_secrets_to`"
        ))
    }
}

/// Whether `bytes` contain a secret in any encoding. A peer can trigger the search of a long body, which takes time:
/// yields between chunks.
async fn contains_secret(secrets: &Secrets, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !secrets.is_empty() {
        let chunk = rest.get(..CHUNK).unwrap_or(rest);
        if secrets.contains_secret(&String::from_utf8_lossy(chunk)) {
            return true;
        }
        if chunk.len() == rest.len() {
            break;
        }
        rest = rest.get(CHUNK - OVERLAP..).unwrap_or_default();
        yield_now().await;
    }
    false
}

/// Whether a response is a redirect with a location.
fn has_location(status: StatusCode, headers: &HeaderMap) -> bool {
    let leads = |location: &HeaderValue| !location.as_bytes().trim_ascii().is_empty();
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.get(LOCATION).is_some_and(leads)
}

/// Checks what a hop would otherwise report as the plugin's mistake.
pub(super) fn check_reachable(url: &Url) -> Result<(), String> {
    let reason = |error: NetError| match error {
        NetError::Invalid(reason) => reason,
        other => other.to_string(),
    };
    check_uri(url).map_err(reason)?;
    let host = host_without_brackets(url).map_err(reason)?;
    if url.scheme() == "https" && ServerName::try_from(host).is_err() {
        return Err(format!("`{host}` is not a server name"));
    }
    Ok(())
}

/// Whether a request can contain the URL in any form: HTTP/2 and proxies need all of it.
pub(super) fn check_uri(url: &Url) -> Result<(), NetError> {
    destination(url)?;
    let host = &url[Position::BeforeHost..Position::AfterHost];
    let is_host = host.parse::<Authority>().is_ok();
    let is_uri = without_user(url).as_str().parse::<Uri>();
    match is_uri {
        Ok(_) => Ok(()),
        Err(_) if !is_host => Err(NetError::Invalid(format!(
            "`{host}` is not a host that a request can name"
        ))),
        Err(error) => Err(NetError::Invalid(error.to_string())),
    }
}

/// The location of a redirect, without credentials chosen by the peer. An invalid location is the peer's error, not the
/// plugin's.
fn location(request: &Request, status: u16, headers: &HeaderMap) -> Result<Option<Url>, NetError> {
    let is_redirect = StatusCode::from_u16(status).is_ok_and(|status| has_location(status, headers));
    let Some(location) = headers.get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    if location.len() > URL_BYTES {
        return Err(location_too_long());
    }
    let location = as_text(location.as_bytes());
    let mut url = request
        .url
        .join(&location)
        .map_err(|error| invalid_location(&location, url_error_message(error)))?;
    check_reachable(&url).map_err(|reason| invalid_location(&url, reason))?;
    let _no_host = (url.set_username(""), url.set_password(None));
    // A relative path could otherwise grow without bound.
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(location_too_long());
    }
    if url.fragment().is_none() {
        url.set_fragment(request.url.fragment());
    }
    Ok(Some(url))
}

/// Decodes a `location` like other clients: if it is not UTF-8, each non-ASCII byte stands for itself.
fn as_text(location: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(location) {
        Ok(text) => text.into(),
        Err(_) => percent_encode(location, &AsciiSet::EMPTY).into(),
    }
}

fn location_too_long() -> NetError {
    let limit = format_bytes(URL_BYTES as u64);
    NetError::Protocol(format!("redirect to a url longer than {limit}"))
}

fn becomes_get(method: &Method, status: u16) -> bool {
    match status {
        303 => *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

/// Removes headers that describe a body.
fn drop_content_headers(headers: &mut HeaderMap) {
    let names = headers
        .keys()
        .filter(|name| name.as_str().starts_with("content-"));
    let names: Vec<_> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_found_in_what_would_be_sent() {
        let secrets = Secrets::new(["pass wörd/1", "hunter2!"]);
        for text in [
            "token hunter2! here",
            "x=pass+w%C3%B6rd%2F1&y=1",
            "x=pass%20w%c3%b6rd/1",
            "Basic dXNlcjpodW50ZXIyIQ==",
        ] {
            assert!(contains_secret(&secrets, text.as_bytes()).await, "{text}");
        }
        assert!(contains_secret(&secrets, b"\xff\xfehunter2!\x00").await);
        for without_secrets in ["", "canary/0.42.0", "text/html", "pass ward"] {
            assert!(
                !contains_secret(&secrets, without_secrets.as_bytes()).await,
                "{without_secrets}"
            );
        }
    }

    #[test]
    fn no_place_elsewhere_has_a_query_that_the_peer_did_not_write() {
        let next = |place: &str| {
            let from = Url::parse("https://canary:pw@example.com/a/b?key=secret#part").unwrap();
            let to = from.join(place).unwrap();
            (to.origin() == from.origin(), to.query().map(str::to_owned))
        };
        for place in [
            "//other.test",
            "//other.test/",
            "http://other.test",
            "http:other.test",
            "http://example.com",
        ] {
            assert_eq!(next(place), (false, None), "{place}");
        }
        // These have the query of the first, and are of its origin.
        for place in ["", "#other"] {
            assert_eq!(next(place), (true, Some("key=secret".to_owned())), "{place}");
        }
    }

    #[test]
    fn a_host_that_is_not_a_name_is_called_so() {
        let base = Url::parse("http://example.com/").unwrap();
        for place in ["http://a b/", "http://%zz/", "http://xn--a/", "//a<b/"] {
            let said = url_error_message(base.join(place).unwrap_err());
            assert_eq!(said, "the host is not a valid name", "{place}");
        }
    }

    #[test]
    fn a_host_that_no_request_can_name_leads_nowhere() {
        for host in ["a{b.test", "a}b.test", "a\"b.test", "a`b.test"] {
            for scheme in ["http", "https"] {
                let url = Url::parse(&format!("{scheme}://{host}/")).unwrap();
                let reason = check_reachable(&url).unwrap_err();
                assert_eq!(reason, format!("`{host}` is not a host that a request can name"));
            }
        }
        for good in [
            "http://me:p%7Bw@a_b.test/{}#{}",
            "https://[::1]:8443/?`",
            "http://a!b.test./",
        ] {
            let url = Url::parse(good).unwrap();
            assert_eq!(check_reachable(&url), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_place_that_is_not_utf_8_is_asked_for_byte_by_byte() {
        let base = Url::parse("http://a.test/b/c").unwrap();
        for (place, url) in [
            (&b"/caf\xe9"[..], "http://a.test/caf%E9"),
            (b"/caf\xc3\xa9", "http://a.test/caf%C3%A9"),
            (b"/caf\xc3\xa9/\xe9", "http://a.test/caf%C3%A9/%E9"),
            (b"d%20\xff?q=\xe9 x#\xe9", "http://a.test/b/d%20%FF?q=%E9%20x#%E9"),
        ] {
            assert_eq!(base.join(&as_text(place)).unwrap().as_str(), url);
        }
        let no_host = base.join(&as_text(b"http://caf\xe9.test/")).unwrap_err();
        assert_eq!(url_error_message(no_host), "the host is not a valid name");
    }

    #[tokio::test]
    async fn a_long_body_is_searched_piece_by_piece_and_at_their_borders() {
        let secrets = Secrets::new(["correct horse battery staple"]);
        let without_secrets = vec![b'x'; 10 * CHUNK];
        let mut polls = 0;
        let mut searching = std::pin::pin!(contains_secret(&secrets, &without_secrets));
        let found = std::future::poll_fn(|cx| {
            polls += 1;
            searching.as_mut().poll(cx)
        });
        assert!(!found.await);
        assert!(polls >= 10, "{polls}");
        let mut body = without_secrets.clone();
        let at = 2 * (CHUNK - OVERLAP) + CHUNK - 14;
        body[at..at + 28].copy_from_slice(b"correct horse battery staple");
        assert!(contains_secret(&secrets, &body).await);
    }
}
