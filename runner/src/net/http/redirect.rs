//! Where a redirect leads, and what may go along.

use std::borrow::Cow;
use std::fmt::Display;

use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{AsciiSet, percent_encode};
use rustls::pki_types::ServerName;
use tokio::task::yield_now;
use url::{Position, Url};

use super::Request;
use super::cookies::{self, Jar};
use super::hop::{Journey, bare_host, destination};
use super::request::LONGEST_URL;
use crate::grant::Destination;
use crate::net::NetError;
use crate::net::bounded::URL_BYTES;
use crate::quota::show_bytes;
use crate::suite::{Secrets, public_url};

/// Bytes that are searched for secrets in one go.
const PIECE: usize = 16 << 10;
/// Bytes that two pieces have in common, so that a secret at their border is found.
const OVERLAP: usize = 1 << 10;
/// Longest piece of a `location` in a message, in characters.
const SHOWN_CHARACTERS: usize = 200;

impl Journey<'_> {
    /// The request that follows an answer, when that is a redirect with a place to go (RFC 9110, section 15.4).
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
            self.leave_origin(&mut next).await?;
        }
        Ok(Some(next))
    }

    /// The `cookie` header of a request: what the plugin wrote, and what peers set. To another origin than that of the
    /// plugin's own request, a cookie with a secret goes only if that origin set it, and so knows it.
    pub(super) async fn cookies(
        &self,
        jar: &Jar,
        request: &Request,
    ) -> Result<Option<HeaderValue>, NetError> {
        let url = &request.url;
        let mut fitting = jar.fitting(url);
        if !fitting.is_empty() && !self.takes_secrets(url)? {
            let mut harmless = Vec::new();
            for cookie in fitting {
                if cookie.is_set_by(url) || !reveals(&self.client.secrets, &cookie.pair()).await {
                    harmless.push(cookie);
                }
            }
            fitting = harmless;
        }
        Ok(cookies::header(&fitting, &request.headers))
    }

    /// Whether secrets of the check may go to a URL: to its own origin, and to those that the suite names.
    fn takes_secrets(&self, url: &Url) -> Result<bool, NetError> {
        Ok(self.is_own(url) || self.client.grants.may_carry_secrets(&destination(url)?))
    }

    /// Takes from a request to another origin what is not for that.
    async fn leave_origin(&self, next: &mut Request) -> Result<(), NetError> {
        next.headers.remove(HOST);
        next.headers.remove(PROXY_AUTHORIZATION);
        if self.takes_secrets(&next.url)? {
            return Ok(());
        }
        let to = destination(&next.url)?;
        let secrets = &self.client.secrets;
        // The peer that wrote it knows it. Others may not: the new origin, and everyone on the way where that is in plain
        // text.
        if reveals(
            secrets,
            next.url[Position::BeforePath..Position::AfterQuery].as_bytes(),
        )
        .await
        {
            return Err(self.takes_secret(&to, "a URL"));
        }
        let mut revealing = Vec::new();
        for (name, value) in &next.headers {
            if [AUTHORIZATION, COOKIE].contains(name)
                || reveals(secrets, name.as_str().as_bytes()).await
                || reveals(secrets, value.as_bytes()).await
            {
                revealing.push(name.clone());
            }
        }
        for name in revealing {
            next.headers.remove(name);
        }
        if reveals(secrets, &next.body).await {
            return Err(self.takes_secret(&to, "a body"));
        }
        Ok(())
    }

    fn takes_secret(&self, to: &Destination, what: &str) -> NetError {
        self.client.ungranted(&format!(
            "a redirect to `{to}` would take {what} with a secret to another origin; to let it, add `{to}` to the check's \
             `redirect_secrets_to`"
        ))
    }
}

/// Whether `bytes` hold a secret, however it is written there. The peer decides that a body is searched, which takes a
/// while when it is long: others have their turn between two pieces.
async fn reveals(secrets: &Secrets, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !secrets.is_empty() {
        let piece = rest.get(..PIECE).unwrap_or(rest);
        if secrets.holds(&String::from_utf8_lossy(piece)) {
            return true;
        }
        if piece.len() == rest.len() {
            break;
        }
        rest = rest.get(PIECE - OVERLAP..).unwrap_or_default();
        yield_now().await;
    }
    false
}

/// Whether an answer is a redirect with a place to go.
fn leads_on(status: StatusCode, headers: &HeaderMap) -> bool {
    let leads = |location: &HeaderValue| !location.as_bytes().trim_ascii().is_empty();
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.get(LOCATION).is_some_and(leads)
}

/// What a peer wrote in `location` and nobody can follow.
pub(super) fn astray(location: impl AsRef<str>, reason: impl Display) -> NetError {
    let shown: String = public_url(location.as_ref())
        .chars()
        .take(SHOWN_CHARACTERS)
        .collect();
    NetError::Protocol(format!("redirect to `{}`: {reason}", shown.escape_debug()))
}

/// What is wrong with a URL. The library calls every host that is not one an international name.
pub(super) fn url_fault(error: url::ParseError) -> String {
    match error {
        url::ParseError::IdnaError => "the host is not a valid name".to_owned(),
        other => other.to_string(),
    }
}

/// What a hop would take for the plugin's mistake.
pub(super) fn can_be_reached(url: &Url) -> Result<(), String> {
    let reason = |error: NetError| match error {
        NetError::Invalid(reason) => reason,
        other => other.to_string(),
    };
    can_be_written(url).map_err(reason)?;
    let host = bare_host(url).map_err(reason)?;
    if url.scheme() == "https" && ServerName::try_from(host).is_err() {
        return Err(format!("`{host}` is not a server name"));
    }
    Ok(())
}

/// Whether a request can name a URL, in whichever form: over HTTP/2 and to a proxy that is all of it.
pub(super) fn can_be_written(url: &Url) -> Result<(), NetError> {
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

/// As it is on the wire: credentials in a URL are for an Authorization header, and a fragment is for nobody else.
pub(super) fn without_user(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    let _no_host = (url.set_username(""), url.set_password(None));
    url
}

/// Where a redirect leads, without credentials of the peer's choice. Whatever the peer wrote, it is the peer that did
/// wrong, and not the plugin.
fn location(request: &Request, status: u16, headers: &HeaderMap) -> Result<Option<Url>, NetError> {
    let is_redirect = StatusCode::from_u16(status).is_ok_and(|status| leads_on(status, headers));
    let Some(location) = headers.get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    if location.len() > URL_BYTES {
        return Err(too_far());
    }
    let location = as_text(location.as_bytes());
    let mut url = request
        .url
        .join(&location)
        .map_err(|error| astray(&location, url_fault(error)))?;
    can_be_reached(&url).map_err(|reason| astray(&url, reason))?;
    let _no_host = (url.set_username(""), url.set_password(None));
    // A path that leads further each time would grow without end.
    if url.as_str().len() > LONGEST_URL {
        return Err(too_far());
    }
    if url.fragment().is_none() {
        url.set_fragment(request.url.fragment());
    }
    Ok(Some(url))
}

/// A `location` as clients read it: where it is not UTF-8, each byte that is not ASCII stands for itself.
fn as_text(location: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(location) {
        Ok(text) => text.into(),
        Err(_) => percent_encode(location, &AsciiSet::EMPTY).into(),
    }
}

fn too_far() -> NetError {
    let limit = show_bytes(URL_BYTES as u64);
    NetError::Protocol(format!("redirect to a url longer than {limit}"))
}

fn becomes_get(method: &Method, status: u16) -> bool {
    match status {
        303 => *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

/// Removes what describes a body.
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
        let secrets = Secrets::of(["pass wörd/1", "hunter2!"]);
        for revealing in [
            "token hunter2! here",
            "x=pass+w%C3%B6rd%2F1&y=1",
            "x=pass%20w%c3%b6rd/1",
            "Basic dXNlcjpodW50ZXIyIQ==",
        ] {
            assert!(reveals(&secrets, revealing.as_bytes()).await, "{revealing}");
        }
        assert!(reveals(&secrets, b"\xff\xfehunter2!\x00").await);
        for harmless in ["", "canary/0.42.0", "text/html", "pass ward"] {
            assert!(!reveals(&secrets, harmless.as_bytes()).await, "{harmless}");
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
            let said = url_fault(base.join(place).unwrap_err());
            assert_eq!(said, "the host is not a valid name", "{place}");
        }
    }

    #[test]
    fn a_host_that_no_request_can_name_leads_nowhere() {
        for host in ["a{b.test", "a}b.test", "a\"b.test", "a`b.test"] {
            for scheme in ["http", "https"] {
                let url = Url::parse(&format!("{scheme}://{host}/")).unwrap();
                let reason = can_be_reached(&url).unwrap_err();
                assert_eq!(reason, format!("`{host}` is not a host that a request can name"));
            }
        }
        for good in [
            "http://me:p%7Bw@a_b.test/{}#{}",
            "https://[::1]:8443/?`",
            "http://a!b.test./",
        ] {
            let url = Url::parse(good).unwrap();
            assert_eq!(can_be_reached(&url), Ok(()), "{good}");
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
        assert_eq!(url_fault(no_host), "the host is not a valid name");
    }

    #[tokio::test]
    async fn a_long_body_is_searched_piece_by_piece_and_at_their_borders() {
        let secrets = Secrets::of(["correct horse battery staple"]);
        let harmless = vec![b'x'; 10 * PIECE];
        let mut polls = 0;
        let mut searching = std::pin::pin!(reveals(&secrets, &harmless));
        let found = std::future::poll_fn(|cx| {
            polls += 1;
            searching.as_mut().poll(cx)
        });
        assert!(!found.await);
        assert!(polls >= 10, "{polls}");
        let mut body = harmless.clone();
        let at = 2 * (PIECE - OVERLAP) + PIECE - 14;
        body[at..at + 28].copy_from_slice(b"correct horse battery staple");
        assert!(reveals(&secrets, &body).await);
    }
}
