//! The request for an access token, with the credentials of a client (RFC 6749, section 4.4).

use std::collections::BTreeMap;

use canary_sdk::http::Request;
use canary_sdk::{Invalid, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use super::basic;
use crate::config::Config;
use crate::one_or_many::OneOrMany;
use crate::text;

/// Maximum size of the answer in bytes.
pub(super) const MAX_ANSWER: u32 = 64 << 10;
/// Parameters that other keys set.
const RESERVED: [&str; 4] = ["grant_type", "client_id", "client_secret", "scope"];

/// The client, and where it obtains its token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuth2 {
    /// URL of the token endpoint, which the suite has to grant.
    #[schemars(
        regex(pattern = r"^https?://"),
        extend("patternErrorMessage" = "a URL that begins with `https://` or `http://`")
    )]
    pub(super) token_url: String,
    /// The identifier of the client.
    client_id: String,
    /// The secret of the client.
    client_secret: String,
    /// Scopes to request; default: those of the server.
    #[serde(default)]
    scopes: OneOrMany<String>,
    /// The service that the token is for, as some servers require it.
    #[serde(default)]
    audience: Option<String>,
    /// Further parameters of the request, such as `resource`.
    #[serde(default)]
    params: BTreeMap<String, String>,
    /// How the client authenticates: by the header `authorization`, or in the body.
    #[serde(default)]
    client_auth: ClientAuth,
}

/// How the client authenticates (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ClientAuth {
    /// By the header `authorization`.
    #[default]
    Basic,
    /// In the body.
    Body,
}

impl OAuth2 {
    /// The request for a token. Of the options of the check, those of the network path apply.
    pub(super) fn request(&self, config: &Config) -> Request {
        let request = Request::post(self.token_url.as_str(), self.body())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .max_body(MAX_ANSWER);
        let mut request = match self.client_auth {
            ClientAuth::Basic => {
                let (id, secret) = (encoded(&self.client_id), encoded(&self.client_secret));
                request.header("authorization", basic(&id, &secret))
            }
            ClientAuth::Body => request,
        };
        request.options.proxy.clone_from(&config.proxy);
        request.options.proxy_tls = config.proxy_tls.as_ref().map(|tls| tls.options());
        request.options.tls = config.tls.as_ref().map(|tls| tls.options_elsewhere());
        request
    }

    fn body(&self) -> String {
        let mut pairs = vec![("grant_type", "client_credentials".to_owned())];
        if self.client_auth == ClientAuth::Body {
            pairs.push(("client_id", self.client_id.clone()));
            pairs.push(("client_secret", self.client_secret.clone()));
        }
        if !self.scopes.as_slice().is_empty() {
            pairs.push(("scope", self.scopes.as_slice().join(" ")));
        }
        pairs.extend(
            self.audience
                .iter()
                .map(|audience| ("audience", audience.clone())),
        );
        pairs.extend(
            self.params
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone())),
        );
        let pairs = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    pub(super) fn check(&self, config: &Config, problems: &mut Problems) {
        problems.at("token_url", |problems| {
            if text::has_user_info(&self.token_url) {
                problems.report("a user name belongs in `client_id`, not in the URL");
            }
        });
        problems.at("scopes", |problems| {
            self.scopes.check(problems, |scope, problems| {
                if scope.trim().is_empty() || !scope.chars().all(is_of_scope) {
                    problems
                        .report("is not a scope: ASCII characters without control characters, `\"` and `\\`");
                }
            });
        });
        problems.at("params", |problems| {
            for name in self.params.keys() {
                let is_set = name == "audience" && self.audience.is_some();
                if RESERVED.contains(&name.as_str()) || is_set {
                    problems.at(name, |problems| {
                        problems.report("is set by another key of `oauth2`")
                    });
                }
            }
        });
        for invalid in self.request(config).check() {
            report(&invalid, problems);
        }
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
