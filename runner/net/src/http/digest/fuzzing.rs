//! The fuzz target for challenges.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::challenge::Challenge;
use super::{DigestCredentials, Session};

/// The answer to the challenges in these headers, and whether it reads back as the server sent it. `None` if there is
/// nothing to answer, or if a header cannot be received.
#[must_use]
pub fn answer<'v>(headers: impl IntoIterator<Item = &'v [u8]>) -> Option<(Vec<u8>, bool)> {
    let mut received = HeaderMap::new();
    for header in headers {
        received.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(header).ok()?);
    }
    let challenge = Challenge::strongest(&received).ok()?;
    let credentials = DigestCredentials::new("me".to_owned(), "secret".to_owned()).ok()?;
    let session = Session {
        origin: Url::parse("http://host.invalid").ok()?.origin(),
        challenge: challenge.clone(),
        client_nonce: "0123".to_owned(),
        count: 1,
    };
    let answer = session.answer(&credentials, "GET", "/path?query");
    let sent = [(WWW_AUTHENTICATE, HeaderValue::from_bytes(&answer).ok()?)];
    let read = Challenge::strongest(&sent.into_iter().collect());
    let is_same = read.is_ok_and(|read| {
        (read.realm, read.nonce, read.opaque) == (challenge.realm, challenge.nonce, challenge.opaque)
    });
    Some((answer, is_same))
}
