//! Obtaining an access token. If that fails, nothing is known about the target.

use std::time::Duration;

use canary_sdk::http::{Request, Response};
use canary_sdk::{Assertion, Error, ErrorCode, NetError, Stopwatch, Verdict, secrets};
use serde::Deserialize;

use super::oauth2::{self, MAX_ANSWER};
use crate::config::{Config, OAuth2};
use crate::expect::reason_phrase;
use crate::text;

/// Minimum length in bytes of a word that may be a token, in an answer that is not understood.
const MIN_TOKEN: usize = 16;
/// Maximum number of such words that are masked: the longest ones.
const MAX_MASKED: usize = 8;
/// Maximum length in bytes of what is masked of one of them.
const MAX_MASKED_BYTES: usize = 2 << 10;
/// Maximum characters of an error's description.
const MAX_DESCRIPTION: usize = 200;

/// An access token, and how long it took to obtain.
pub(crate) struct Token {
    pub(crate) value: String,
    pub(crate) took: Duration,
}

impl Token {
    /// The request with the token. Its length is the token server's choice, so a request that becomes too long is not
    /// the plugin's mistake.
    pub(crate) fn add_to(&self, request: Request) -> Result<Request, Verdict> {
        let request = request.header("authorization", format!("Bearer {}", self.value));
        if request.check().is_empty() {
            Ok(request)
        } else {
            Err(failure(
                "the token makes the headers of the request too long",
                "token",
                self.took,
            ))
        }
    }
}

/// The members of an answer that matter (RFC 6749, sections 5.1 and 5.2).
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Answer {
    fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        if body.trim_ascii_start().starts_with(b"[") {
            // It would be read as a list of the members.
            return Err(serde::de::Error::custom("a list"));
        }
        serde_json::from_slice(body)
    }
}

/// Obtains a token; or returns the verdict on a check without one. `prepare` receives the request before it is sent,
/// and may return a verdict instead.
///
/// # Errors
/// The request is invalid.
pub(crate) fn fetch(
    oauth2: &OAuth2,
    config: &Config,
    remaining: Duration,
    prepare: impl FnOnce(&Request) -> Result<(), Verdict>,
) -> Result<Result<Token, Verdict>, Error> {
    // Half of it is the target's, which would be blamed otherwise if nothing were left.
    let request = oauth2::request(oauth2, config).timeout(remaining / 2);
    if let Err(verdict) = prepare(&request) {
        return Ok(Err(verdict));
    }
    let stopwatch = Stopwatch::start();
    let sent = request.send();
    let took = stopwatch.elapsed();
    if let Err(error) = &sent
        && error.code == ErrorCode::Invalid
    {
        return Err(error.clone().into());
    }
    let result = match &sent {
        Ok(response) => token(response).map_err(|reason| (reason, "token")),
        Err(error) => Err((error.explain(), error.reason())),
    };
    Ok(match result {
        Ok(value) => Ok(Token { value, took }),
        Err((reason, code)) => {
            let from = text::public_url(&oauth2.token_url);
            Err(failure(&format!("no token from `{from}`: {reason}"), code, took))
        }
    })
}

/// A verdict that says nothing about the target, which was not contacted.
fn failure(message: &str, code: &str, took: Duration) -> Verdict {
    let mut verdict = Verdict::pass("not checked");
    verdict.extend([Assertion::unknown("auth", message)]);
    verdict
        .set_attribute("error.phase", "auth")
        .set_attribute("error.reason", code)
        .measure_time("http.auth.duration", took);
    verdict
}

/// The token of an answer, or why there is none.
fn token(response: &Response) -> Result<String, String> {
    let status = status(response.status);
    let answer = match Answer::parse(&response.body) {
        Ok(answer) if !response.truncated => answer,
        not_understood => {
            let is_success = (200..300).contains(&response.status);
            mask_words(&response.body);
            return Err(match not_understood {
                _ if (300..400).contains(&response.status) => {
                    format!("it answers {status}, and a redirect of a token server is not followed")
                }
                _ if !is_success => format!("it answers {status}"),
                _ if response.truncated => {
                    format!("its answer is longer than {}", text::size(MAX_ANSWER.into()))
                }
                Err(error) if error.is_data() => "its answer is not JSON as in RFC 6749".to_owned(),
                _ => format!("its answer is not JSON, but {}", content(response)),
            });
        }
    };
    if let Err(reason) = mask_tokens(&answer) {
        mask_words(&response.body);
        return Err(reason);
    }
    if let Some(error) = &answer.error {
        // They may quote a token.
        mask_words(error.as_bytes());
        mask_words(answer.error_description.as_deref().unwrap_or_default().as_bytes());
        let description = answer
            .error_description
            .as_deref()
            .map(described)
            .unwrap_or_default();
        return Err(format!(
            "it answers {status}: {}{description}",
            text::quote(error.as_bytes())
        ));
    }
    if !(200..300).contains(&response.status) {
        mask_words(&response.body);
        return Err(format!("it answers {status}"));
    }
    let Some(token) = answer.access_token.filter(|token| !token.is_empty()) else {
        // It may be called otherwise.
        mask_words(&response.body);
        return Err("its answer has no `access_token`".to_owned());
    };
    match &answer.token_type {
        // RFC 6749 requires it, and other clients do not.
        None => {}
        Some(kind) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(kind) => {
            let kind = text::quote(kind.as_bytes());
            return Err(format!("its token is of the type {kind}, and not `Bearer`"));
        }
    }
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err("its token has characters that a header must not have".to_owned())
    }
}

/// Masks all tokens of an answer.
fn mask_tokens(answer: &Answer) -> Result<(), String> {
    let tokens = [&answer.access_token, &answer.refresh_token, &answer.id_token];
    let mut masked = Ok(());
    for token in tokens.into_iter().flatten() {
        masked = masked.and(secrets::mask(token));
    }
    masked.map_err(|_: NetError| "its token is too long to be masked in texts".to_owned())
}

/// Masks the words that may be a token: whatever sent it, nobody but the target may see it.
fn mask_words(text: &[u8]) {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let mut words: Vec<&[u8]> = text
        .split(|byte| !is_of_token(byte))
        .filter(|word| word.len() >= MIN_TOKEN)
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in words.into_iter().take(MAX_MASKED) {
        let word = word.get(..MAX_MASKED_BYTES).unwrap_or(word);
        // Without a run that continues, it can only occur in the conversation and in the message.
        let _unmasked = secrets::mask(&String::from_utf8_lossy(word));
    }
}

/// `401 Unauthorized`.
fn status(status: u16) -> String {
    match reason_phrase(status) {
        Some(phrase) => format!("{status} {phrase}"),
        None => status.to_string(),
    }
}

fn described(text: &str) -> String {
    let text: String = text.chars().take(MAX_DESCRIPTION).collect();
    format!(" ({})", text.escape_debug())
}

fn content(response: &Response) -> String {
    let size = text::size_of(&response.body);
    match response.header("content-type") {
        Some(content) => format!("{} of {size}", text::quote(content.as_bytes())),
        None => format!("{size} without a content type"),
    }
}
