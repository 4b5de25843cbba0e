//! The request for an access token, with the credentials of a client (RFC 6749, section 4.4).

use canary_sdk::http::Request;
use canary_sdk::{Invalid, Problems};

use super::basic;
use crate::config::{ClientAuth, Config, OAuth2};
use crate::text;

/// Maximum size of the answer in bytes.
pub(super) const MAX_ANSWER: u32 = 64 << 10;
/// Parameters that other keys set.
const RESERVED: [&str; 4] = ["grant_type", "client_id", "client_secret", "scope"];

/// The request for a token. Of the options of the check, those of the network path apply.
pub(super) fn request(oauth2: &OAuth2, config: &Config) -> Request {
    let request = Request::post(oauth2.token_url.as_str(), body(oauth2))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .max_body(MAX_ANSWER);
    let mut request = match oauth2.client_auth {
        ClientAuth::Basic => {
            let (id, secret) = (encoded(&oauth2.client_id), encoded(&oauth2.client_secret));
            request.header("authorization", basic(&id, &secret))
        }
        ClientAuth::Body => request,
    };
    request.options.proxy.clone_from(&config.proxy);
    request.options.proxy_tls = config.proxy_tls.as_ref().map(|tls| tls.options());
    request.options.tls = config.tls.as_ref().map(|tls| tls.options_elsewhere());
    request
}

fn body(oauth2: &OAuth2) -> String {
    let mut pairs = vec![("grant_type", "client_credentials".to_owned())];
    if oauth2.client_auth == ClientAuth::Body {
        pairs.push(("client_id", oauth2.client_id.clone()));
        pairs.push(("client_secret", oauth2.client_secret.clone()));
    }
    if !oauth2.scopes.as_slice().is_empty() {
        pairs.push(("scope", oauth2.scopes.as_slice().join(" ")));
    }
    pairs.extend(
        oauth2
            .audience
            .iter()
            .map(|audience| ("audience", audience.clone())),
    );
    pairs.extend(
        oauth2
            .params
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

pub(super) fn check(oauth2: &OAuth2, config: &Config, problems: &mut Problems) {
    problems.at("token_url", |problems| {
        if text::has_user_info(&oauth2.token_url) {
            problems.report("a user name belongs in `client_id`, not in the URL");
        }
    });
    problems.at("scopes", |problems| {
        oauth2.scopes.check(problems, |scope, problems| {
            if scope.trim().is_empty() || !scope.chars().all(is_of_scope) {
                problems.report("is not a scope: ASCII characters without control characters, `\"` and `\\`");
            }
        });
    });
    problems.at("params", |problems| {
        for name in oauth2.params.keys() {
            let is_set = name == "audience" && oauth2.audience.is_some();
            if RESERVED.contains(&name.as_str()) || is_set {
                problems.at(name, |problems| {
                    problems.report("is set by another key of `oauth2`")
                });
            }
        }
    });
    for invalid in request(oauth2, config).check() {
        report(&invalid, problems);
    }
}

/// Reports what the host would refuse, except for what it refuses of the check's own request as well.
fn report(invalid: &Invalid, problems: &mut Problems) {
    match invalid.field.as_str() {
        "url" => problems.at("token_url", |problems| problems.report(&invalid.message)),
        "body" => problems.report(&invalid.message),
        field if field.starts_with("headers") => problems.report(&invalid.message),
        _ => {}
    }
}

/// RFC 6749, section 3.3, and the space between two scopes.
fn is_of_scope(character: char) -> bool {
    matches!(character, ' '..='~') && character != '"' && character != '\\'
}

/// Encoded as in a form (RFC 6749, appendix B).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
