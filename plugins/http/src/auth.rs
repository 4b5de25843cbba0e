//! Credentials for the target.

mod oauth2;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_sdk::Problems;
use canary_sdk::http::Credentials;

pub(crate) use token::fetch;

use crate::config::{Auth, Config, Login, OAuth2};

/// The way out if keys exclude each other: one of them may be inherited.
pub(crate) const KEEP_ONE: &str = "keep one, and remove an inherited one with `null`";

/// The value of `authorization` for a user name and a password.
fn basic_of_login(login: &Login) -> String {
    basic(&login.username, &login.password)
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// The `authorization` header that is sent from the start, and the configuration keys that it is built from.
pub(crate) fn header(config: &Config) -> Option<(String, &'static [&'static str])> {
    let bearer = |token: &String| format!("Bearer {token}");
    let auth = config.auth.as_ref();
    let basic_of = |auth: &Auth| auth.basic.as_ref().map(basic_of_login);
    let bearer_of = |auth: &Auth| auth.bearer.as_ref().map(bearer);
    let short_basic = config.basic_auth.as_ref().map(basic_of_login);
    let short_bearer = config.bearer_token.as_ref().map(bearer);
    let headers: [(Option<String>, &'static [&'static str]); 4] = [
        (short_basic, &["basic_auth"]),
        (short_bearer, &["bearer_token"]),
        (auth.and_then(basic_of), &["auth", "basic"]),
        (auth.and_then(bearer_of), &["auth", "bearer"]),
    ];
    let mut set = headers
        .into_iter()
        .filter_map(|(value, keys)| Some((value?, keys)));
    set.next()
}

/// The credentials for digest authentication.
pub(crate) fn digest(config: &Config) -> Option<Credentials> {
    let login = config.auth.as_ref()?.digest.as_ref()?;
    Some(Credentials::new(login.username.as_str(), login.password.as_str()))
}

/// The settings of OAuth 2.
pub(crate) fn oauth2(config: &Config) -> Option<&OAuth2> {
    config.auth.as_ref()?.oauth2.as_ref()
}

/// The configuration key that sets `authorization`, as a message names it.
pub(crate) fn sets_authorization(config: &Config) -> Option<&'static str> {
    if config.auth.is_some() {
        Some("`auth`")
    } else {
        let is_set = config.basic_auth.is_some() || config.bearer_token.is_some();
        is_set.then_some("`basic_auth` or `bearer_token`")
    }
}

/// Reports credentials that exclude each other or cannot be sent.
pub(crate) fn check(config: &Config, problems: &mut Problems) {
    if config.basic_auth.is_some() && config.bearer_token.is_some() {
        problems.at("bearer_token", |problems| {
            problems.report_with(
                "only one of `basic_auth` and `bearer_token` can be sent",
                KEEP_ONE,
            );
        });
    }
    if let Some(login) = &config.basic_auth {
        problems.at("basic_auth", |problems| login.check_basic(problems));
    }
    let Some(auth) = &config.auth else { return };
    problems.at("auth", |problems| {
        if config.basic_auth.is_some() || config.bearer_token.is_some() {
            problems.report_with(
                "only one of `auth`, `basic_auth` and `bearer_token` can be sent",
                KEEP_ONE,
            );
        }
        check_auth(auth, config, problems);
    });
}

fn check_auth(auth: &Auth, config: &Config, problems: &mut Problems) {
    let Auth {
        basic,
        bearer,
        digest,
        oauth2,
    } = auth;
    let set = [
        basic.is_some(),
        bearer.is_some(),
        digest.is_some(),
        oauth2.is_some(),
    ];
    let message = "needs exactly one of `basic`, `bearer`, `digest` and `oauth2`";
    match set.into_iter().filter(|is_set| *is_set).count() {
        0 => problems.report(message),
        1 => {}
        _ => problems.report_with(message, KEEP_ONE),
    }
    if let Some(login) = basic {
        problems.at("basic", |problems| login.check_basic(problems));
    }
    if let Some(login) = digest {
        problems.at("digest", |problems| login.check(problems));
    }
    if let Some(oauth2) = oauth2 {
        problems.at("oauth2", |problems| oauth2::check(oauth2, config, problems));
    }
}

#[cfg(test)]
mod tests;
