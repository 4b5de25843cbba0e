//! From the configuration to the request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_sdk::Error;
use canary_sdk::http::{Request, RequestOptions};

use crate::config::{BasicAuth, Config};
use crate::expect::KEPT_BODY;
use crate::text;

/// The request that a configuration asks for.
///
/// # Errors
/// The target is no URL, or two keys contradict each other.
pub(crate) fn build(target: &str, config: &Config) -> Result<Request, Error> {
    check_target(target)?;
    let mut request = Request::new(config.method.as_str(), target);
    for (name, values) in &config.headers {
        for value in values.as_slice() {
            request = request.header(name, value.as_bytes());
        }
    }
    let encodings = config.accept_encoding.header();
    if !encodings.is_empty() {
        if sets_header(config, "accept-encoding") {
            return Err(Error::plugin(
                "`headers` has an `accept-encoding` besides `accept_encoding`",
            ));
        }
        request = request.header("accept-encoding", encodings);
    }
    if let Some(value) = authorization(config)? {
        request = request.header("authorization", value);
    }
    if let Some(body) = body(config)? {
        request = request.body(body);
    }
    if config.body_json.is_some() && !sets_header(config, "content-type") {
        request = request.header("content-type", "application/json");
    }
    request.options = options(config)?;
    Ok(request)
}

fn options(config: &Config) -> Result<RequestOptions, Error> {
    let max_redirects = match config.follow_redirects {
        true => config.max_redirects,
        false => 0,
    };
    Ok(RequestOptions {
        version: config.version,
        ip_family: config.ip_family,
        max_redirects,
        max_body: max_body(config),
        connect_to: config.connect_to.clone(),
        proxy: config.proxy.clone(),
        tls: config.tls.as_ref().map(|tls| tls.options()).transpose()?,
        propagate_trace: config.propagate_trace,
    })
}

/// Bytes of body to keep. One that is thrown away is read all the same.
pub(crate) fn max_body(config: &Config) -> u32 {
    let decompressed = match config.accept_encoding.as_slice() {
        [] => 0,
        _ => KEPT_BODY,
    };
    match (config.expect.body_kept(), config.read_body) {
        (0, false) => 0,
        (0, true) => decompressed.max(1),
        (kept, _) => kept.max(decompressed),
    }
}

/// What would be dropped or misread is refused: a user name in a URL is never sent.
fn check_target(target: &str) -> Result<(), Error> {
    let is_http = text::scheme(target)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
    if !is_http {
        let shown = text::quote(text::public_url(target).as_bytes());
        return Err(Error::plugin(format!(
            "target: {shown} is not an `http` or `https` URL"
        )));
    }
    if text::has_user_info(target) {
        return Err(Error::plugin(
            "target: a user name belongs in `basic_auth`, not in the URL",
        ));
    }
    Ok(())
}

fn body(config: &Config) -> Result<Option<Vec<u8>>, Error> {
    match (&config.body, &config.body_json) {
        (Some(_), Some(_)) => Err(Error::plugin("`body` and `body_json` exclude each other")),
        (Some(text), None) => Ok(Some(text.clone().into_bytes())),
        (None, Some(json)) => Ok(Some(json.to_string().into_bytes())),
        (None, None) => Ok(None),
    }
}

fn authorization(config: &Config) -> Result<Option<String>, Error> {
    let value = match (&config.basic_auth, &config.bearer_token) {
        (Some(_), Some(_)) => {
            return Err(Error::plugin(
                "`basic_auth` and `bearer_token` exclude each other",
            ));
        }
        (Some(basic), None) => basic_credentials(basic)?,
        (None, Some(token)) => format!("Bearer {token}"),
        (None, None) => return Ok(None),
    };
    if sets_header(config, "authorization") {
        return Err(Error::plugin(
            "`headers` has an `authorization` besides `basic_auth` or `bearer_token`",
        ));
    }
    Ok(Some(value))
}

fn basic_credentials(basic: &BasicAuth) -> Result<String, Error> {
    let BasicAuth { username, password } = basic;
    if username.contains(':') {
        return Err(Error::plugin("`basic_auth.username` must not hold a colon"));
    }
    Ok(format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    ))
}

fn sets_header(config: &Config, name: &str) -> bool {
    config
        .headers
        .keys()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
