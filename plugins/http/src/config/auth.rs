//! The credentials that a suite writes under `auth`.

use std::collections::BTreeMap;

use canary_sdk::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::one_or_many::OneOrMany;

/// Credentials to send, by exactly one of these keys.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// Sends user name and password (RFC 7617).
    pub(crate) basic: Option<Login>,
    /// Sends `authorization: Bearer` with this token.
    pub(crate) bearer: Option<String>,
    /// Answers the challenge of the server with user name and password (RFC 7616).
    pub(crate) digest: Option<Login>,
    /// Obtains an access token first, with the credentials of a client (RFC 6749, section 4.4), and sends it.
    pub(crate) oauth2: Option<OAuth2>,
}

/// A user name and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The user name, without a colon.
    #[schemars(
        regex(pattern = r"^[^:]*$"),
        extend("patternErrorMessage" = "a text without `:`")
    )]
    pub(crate) username: String,
    /// The password.
    pub(crate) password: String,
}

impl Login {
    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.username.contains(':') {
            problems.at("username", |problems| problems.report("must not contain a colon"));
        }
    }

    /// Reports what a login that is sent as it is cannot contain (RFC 7617, section 2).
    pub(crate) fn check_basic(&self, problems: &mut Problems) {
        self.check(problems);
        for (key, text) in [("username", &self.username), ("password", &self.password)] {
            if text.contains(|character: char| character.is_ascii_control()) {
                problems.at(key, |problems| {
                    problems.report_with(
                        "must not contain control characters, such as a line feed",
                        "in YAML, a text after `|` ends with a line feed, and one after `|-` does not",
                    );
                });
            }
        }
    }
}

/// The client, and where it obtains its token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuth2 {
    /// URL of the token endpoint, which the suite has to grant.
    #[schemars(
        regex(pattern = r"^https?://"),
        extend("patternErrorMessage" = "a URL that begins with `https://` or `http://`")
    )]
    pub(crate) token_url: String,
    /// The identifier of the client.
    pub(crate) client_id: String,
    /// The secret of the client.
    pub(crate) client_secret: String,
    /// Scopes to request; default: those of the server.
    #[serde(default)]
    pub(crate) scopes: OneOrMany<String>,
    /// The service that the token is for, as some servers require it.
    #[serde(default)]
    pub(crate) audience: Option<String>,
    /// Further parameters of the request, such as `resource`.
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    /// How the client authenticates: by the header `authorization`, or in the body.
    #[serde(default)]
    pub(crate) client_auth: ClientAuth,
}

/// How the client authenticates (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientAuth {
    /// By the header `authorization`.
    #[default]
    Basic,
    /// In the body.
    Body,
}
