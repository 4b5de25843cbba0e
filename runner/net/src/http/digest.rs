//! Digest authentication (RFC 7616, and the servers of RFC 2617 and 2069) of a request and its redirects.

mod algorithm;
mod challenge;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod header;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use url::{Origin, Position, Url};

use super::hop::RequestContext;
use super::{DigestCredentials, Request};
use crate::NetError;
use challenge::{Challenge, Unanswerable};

/// Bytes of an extended value that are not escaped (RFC 8187, section 3.2.1).
const EXTENDED_VALUE: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Why a challenge is not answered; the texts are for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unanswered {
    #[error("the server refused the user name or the password")]
    Refused,
    #[error("the server rejected two nonces of its own as expired")]
    Stale,
    #[error("another origin than the target's requires credentials, and is not sent any")]
    OtherOrigin,
    #[error("the server {0}")]
    Unanswerable(#[from] Unanswerable),
}

/// The state of digest authentication of one request and its redirects. A challenge is answered once, and a second time
/// only if the server reports that the nonce of its challenge has expired.
pub(super) struct DigestAuthentication<'a> {
    credentials: Option<&'a DigestCredentials>,
    session: Option<Session>,
    /// The last request answered a challenge for the same URL.
    has_answered: bool,
    has_been_stale: bool,
}

/// A challenge, and what all its answers share.
struct Session {
    origin: Origin,
    challenge: Challenge,
    /// Chosen by this side, in hexadecimal.
    client_nonce: String,
    /// Number of requests with the server's nonce.
    count: u32,
}

impl<'a> DigestAuthentication<'a> {
    pub(super) fn new(credentials: Option<&'a DigestCredentials>) -> Self {
        Self {
            credentials,
            session: None,
            has_answered: false,
            has_been_stale: false,
        }
    }

    /// Whether the request has credentials for challenges.
    pub(super) fn is_enabled(&self) -> bool {
        self.credentials.is_some()
    }

    /// The request with credentials, if its origin has sent a challenge.
    pub(super) fn sign<'r>(&mut self, request: &'r Request) -> Result<Cow<'r, Request>, NetError> {
        let (Some(credentials), Some(session)) = (self.credentials, &mut self.session) else {
            return Ok(Cow::Borrowed(request));
        };
        if session.origin != request.url.origin() {
            return Ok(Cow::Borrowed(request));
        }
        session.count = session.count.saturating_add(1);
        let target = request_target(&request.url);
        let answer = session.answer(credentials, request.method.as_str(), target);
        let answer = HeaderValue::from_bytes(&answer)
            .map_err(|error| NetError::Protocol(format!("the challenge cannot be answered: {error}")))?;
        let mut signed = request.clone();
        signed.headers.insert(AUTHORIZATION, answer);
        Ok(Cow::Owned(signed))
    }

    /// Accepts the challenge of a 401, so that the same request can be sent again with an answer. `may_send` is whether
    /// its origin may receive the credentials.
    fn accept(&mut self, url: &Url, may_send: bool, headers: &HeaderMap) -> Result<(), Unanswered> {
        if !may_send {
            return Err(Unanswered::OtherOrigin);
        }
        let challenge = Challenge::strongest(headers)?;
        let origin = url.origin();
        let known = self.session.as_ref().filter(|session| session.origin == origin);
        // An answer for another part of the server may be wrong here.
        let is_other_realm = known.is_none_or(|known| known.challenge.realm != challenge.realm);
        if challenge.is_stale && !is_other_realm {
            if std::mem::replace(&mut self.has_been_stale, true) {
                return Err(Unanswered::Stale);
            }
        // Without `stale`, a nonce that is new may only be for one request.
        } else if self.has_answered || known.is_some_and(|known| known.challenge.nonce == challenge.nonce) {
            return Err(Unanswered::Refused);
        }
        self.has_answered = true;
        self.session = Some(Session {
            origin,
            challenge,
            client_nonce: client_nonce(),
            count: 0,
        });
        Ok(())
    }

    /// The algorithm of the challenge that was accepted.
    pub(super) fn algorithm(&self) -> &'static str {
        self.session
            .as_ref()
            .map_or("", |session| session.challenge.algorithm.as_str())
    }

    /// Continues with the URL of a redirect.
    pub(super) fn redirected(&mut self) {
        self.has_answered = false;
    }
}

impl RequestContext<'_> {
    /// Accepts the challenge of a response, or says why not, for a person.
    pub(super) fn accept_challenge(
        &self,
        authentication: &mut DigestAuthentication<'_>,
        request: &Request,
        headers: &HeaderMap,
    ) -> Result<Result<(), String>, NetError> {
        let may_send = self.may_send_secrets(&request.url)?;
        let accepted = authentication.accept(&request.url, may_send, headers);
        let recorder = self.client.page().recorder();
        recorder.note(|| match &accepted {
            Ok(()) => format!("answering the challenge with {}", authentication.algorithm()),
            Err(reason) => format!("not answering the challenge: {reason}"),
        });
        Ok(accepted.map_err(|reason| reason.to_string()))
    }
}

impl Session {
    /// The value of `authorization` (RFC 7616, section 3.4).
    fn answer(&self, credentials: &DigestCredentials, method: &str, target: &str) -> Vec<u8> {
        let Challenge {
            realm,
            nonce,
            opaque,
            algorithm,
            hashes_user,
            has_qop,
            ..
        } = &self.challenge;
        let DigestCredentials { username, password } = credentials;
        let hash = |parts: &[&[u8]]| algorithm.hash.of(parts);
        let (nonce_count, client_nonce) = (format!("{:08x}", self.count), self.client_nonce.as_bytes());
        let mut key = hash(&[username.as_bytes(), realm, password.as_bytes()]);
        if algorithm.is_session {
            key = hash(&[key.as_bytes(), nonce, client_nonce]);
        }
        let request = hash(&[method.as_bytes(), target.as_bytes()]);
        let response = if *has_qop {
            let counted: [&[u8]; 3] = [nonce_count.as_bytes(), client_nonce, b"auth"];
            let [count, chosen, protection] = counted;
            hash(&[
                key.as_bytes(),
                nonce,
                count,
                chosen,
                protection,
                request.as_bytes(),
            ])
        } else {
            hash(&[key.as_bytes(), nonce, request.as_bytes()])
        };
        let mut header = b"Digest ".to_vec();
        if *hashes_user {
            push_quoted(
                &mut header,
                "username",
                hash(&[username.as_bytes(), realm]).as_bytes(),
            );
        } else if self.challenge.is_utf8 && !username.is_ascii() {
            let escaped = percent_encode(username.as_bytes(), &EXTENDED_VALUE);
            header.extend_from_slice(format!("username*=UTF-8''{escaped}").as_bytes());
        } else {
            push_quoted(&mut header, "username", username.as_bytes());
        }
        for (name, value) in [
            ("realm", realm.as_slice()),
            ("nonce", nonce),
            ("uri", target.as_bytes()),
        ] {
            header.extend_from_slice(b", ");
            push_quoted(&mut header, name, value);
        }
        let mut rest = format!(", response=\"{response}\"");
        if self.challenge.names_algorithm {
            rest.push_str(&format!(", algorithm={}", algorithm.as_str()));
        }
        if *has_qop {
            rest.push_str(&format!(", qop=auth, nc={nonce_count}"));
        }
        if *has_qop || algorithm.is_session {
            rest.push_str(&format!(", cnonce=\"{}\"", self.client_nonce));
        }
        if *hashes_user {
            rest.push_str(", userhash=true");
        }
        header.extend_from_slice(rest.as_bytes());
        if let Some(opaque) = opaque {
            header.extend_from_slice(b", ");
            push_quoted(&mut header, "opaque", opaque);
        }
        header
    }
}

/// The path and the query, as they are in the request line or in `:path`.
fn request_target(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

/// Appends `name="value"`.
fn push_quoted(header: &mut Vec<u8>, name: &str, value: &[u8]) {
    header.extend_from_slice(name.as_bytes());
    header.extend_from_slice(b"=\"");
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            header.push(b'\\');
        }
        header.push(*byte);
    }
    header.push(b'"');
}

/// 128 random bits: the server must not be able to choose what is hashed.
fn client_nonce() -> String {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes.fill_with(|| fastrand::u8(..));
    }
    hex::encode(bytes)
}
