//! Problems of a request, found before it is sent.

use canary_sdk::http::{Request, Version};
use canary_sdk::{Addresses, Invalid, Pointer, Problem, Problems, tcp, tls};

use super::{build, headers, sets_header};
use crate::auth;
use crate::config::Config;
use crate::text;

/// The URL of a request that is never sent.
const NOWHERE: &str = "https://host.invalid/";

/// Reports keys that contradict each other, and what the host would refuse of the resulting request.
pub(crate) fn check(config: &Config, problems: &mut Problems) {
    contradictions(config, problems);
    for invalid in build(NOWHERE, config).check() {
        report_invalid_field(config, &invalid, problems);
    }
}

/// Reports keys that exclude or need each other.
fn contradictions(config: &Config, problems: &mut Problems) {
    check_body(config, problems);
    check_credentials(config, problems);
    check_network_path(config, problems);
    if config.method == "CONNECT" {
        problems.at("method", |problems| {
            problems.report_with(
                "`CONNECT` is for proxies, not for servers",
                "set `proxy`, and use `GET`",
            );
        });
    }
    for (key, tls) in [("tls", &config.tls), ("proxy_tls", &config.proxy_tls)] {
        if let Some(tls) = tls {
            problems.at(key, |problems| tls.check(problems));
        }
    }
    problems.at("headers", |problems| connection_headers(config, problems));
}

fn check_body(config: &Config, problems: &mut Problems) {
    if config.body.is_some() && config.body_json.is_some() {
        problems.at("body_json", |problems| only_one(problems, "body", "body_json"));
    }
    if !config.accept_encoding.as_slice().is_empty() {
        own_header(config, "accept-encoding", "`accept_encoding`", problems);
    }
    if config.read_for.is_some_and(|time| time.get().is_zero()) {
        problems.at("read_for", |problems| {
            problems.report_with("must be more than 0", "`read_body: false` reads no body");
        });
    }
}

fn check_credentials(config: &Config, problems: &mut Problems) {
    auth::check(config, problems);
    if let Some(key) = auth::sets_authorization(config) {
        own_header(config, "authorization", key, problems);
    }
}

/// Reports problems of the network path: proxy, address and family.
fn check_network_path(config: &Config, problems: &mut Problems) {
    if config.addresses == Addresses::All && config.proxy.is_some() {
        problems.at("addresses", |problems| {
            problems.report("`all` cannot be combined with `proxy`, which connects instead of this host");
        });
    }
    // Which proxy the environment names, if any, is unknown here.
    let is_secure = |proxy: &str| proxy == "environment" || proxy.starts_with("https:");
    if config.proxy_tls.is_some() && !config.proxy.as_deref().is_some_and(is_secure) {
        problems.at("proxy_tls", |problems| {
            problems.report_with(
                "is only for a proxy that is contacted over TLS",
                "`proxy: https://HOST:PORT`",
            );
        });
    }
}

/// Reports headers that contradict the request or its connection.
fn connection_headers(config: &Config, problems: &mut Problems) {
    let mut hosts = 0;
    for (name, values) in &config.headers {
        problems.at(name, |problems| match name.to_ascii_lowercase().as_str() {
            "content-length" | "transfer-encoding" => {
                problems.report_with("is set from the body", "leave it out");
            }
            "host" => values.check(problems, |_, problems| {
                hosts += 1;
                if hosts > 1 {
                    problems.report("a request has one `host`");
                }
            }),
            "te" => values.check(problems, |value, problems| {
                if !value.trim().eq_ignore_ascii_case("trailers") {
                    problems.report("requests encodings that are not supported; only `trailers` is allowed");
                }
            }),
            _ => {}
        });
    }
}

fn only_one(problems: &mut Problems, first: &str, second: &str) {
    problems.report_with(
        format_args!("only one of `{first}` and `{second}` can be sent"),
        auth::KEEP_ONE,
    );
}

/// Reports a header of the suite that another key sets.
fn own_header(config: &Config, name: &str, by: &str, problems: &mut Problems) {
    if !sets_header(config, name) {
        return;
    }
    let written = config.headers.keys().filter(|key| key.eq_ignore_ascii_case(name));
    problems.at("headers", |problems| {
        for key in written {
            problems.at(key, |problems| {
                problems.report_with(format_args!("is already set by {by}"), auth::KEEP_ONE)
            });
        }
    });
}

/// Reports an invalid field at the keys that it is built from.
fn report_invalid_field(config: &Config, invalid: &Invalid, problems: &mut Problems) {
    let field = invalid.field.as_str();
    let message = &invalid.message;
    let index = field
        .strip_prefix("headers[")
        .and_then(|rest| rest.strip_suffix(']'));
    let header = index
        .and_then(|index| index.parse().ok())
        .and_then(|index: usize| headers(config).into_iter().nth(index));
    match (field, header) {
        (_, Some(header)) => report(problems, &header.keys, message),
        ("method" | "headers", _) => report(problems, &[field], message),
        ("body", _) if config.body.is_none() => report(problems, &["body_json"], message),
        ("body", _) => report(problems, &["body"], message),
        // Not built from a key of the check.
        ("url", _) => {}
        ("digest", _) => report(problems, &["auth", "digest"], message),
        ("source-address", _) => report(problems, &["source_address"], message),
        ("connect-to", _) => report(problems, &["connect_to"], message),
        ("proxy", _) => report(problems, &["proxy"], message),
        _ => match tls_key(field) {
            Some(keys) => report(problems, &keys, message),
            None => problems.report(message),
        },
    }
}

/// The keys that a field of TLS options is built from.
fn tls_key(field: &str) -> Option<[&'static str; 2]> {
    let (record, field) = field.split_once('.')?;
    let record = match record {
        "tls" => "tls",
        "proxy-tls" => "proxy_tls",
        _ => return None,
    };
    Some([record, tls::key_of(field)?])
}

fn report(problems: &mut Problems, keys: &[impl AsRef<str>], message: &str) {
    match keys {
        [] => problems.report(message),
        [key, rest @ ..] => problems.at(key.as_ref(), |problems| report(problems, rest, message)),
    }
}

/// A request with everything that decides whether its URL is valid: with a server name, its host need not be valid in
/// TLS.
fn addressed(target: &str, config: &Config) -> Request {
    let name = config.tls.as_ref().and_then(|tls| tls.options().server_name);
    match name {
        Some(name) => Request::get(target).tls(tls::Options::new().server_name(name)),
        None => Request::get(target),
    }
}

/// The problem of a target. What would be dropped or misread is refused: a user name in a URL is never sent.
pub(crate) fn check_target(target: &str, config: &Config) -> Option<Problem> {
    let is_http = text::scheme(target)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
    if !is_http {
        let shown = text::quote(text::public_url(target).as_bytes());
        return Some(Problem::target(format_args!(
            "{shown} is not an `http` or `https` URL"
        )));
    }
    if text::has_user_info(target) {
        let problem = Problem::target("a user name belongs in `basic_auth`, not in the URL");
        return Some(problem.hint("`config: { basic_auth: { username: .., password: .. } }`"));
    }
    if let Some(reason) = refused_address(text::host(target), config).filter(|_| is_direct(config)) {
        return Some(Problem::target(reason));
    }
    let invalid = addressed(target, config).check().into_iter();
    let mut invalid = invalid.filter(|invalid| invalid.field == "url");
    let invalid = invalid.next().map(|invalid| Problem::target(invalid.message));
    invalid.or_else(|| lost_upgrade(target, config))
}

/// Whether the connection goes to the host of the URL, and not to another one with addresses of its own.
pub(crate) fn is_direct(config: &Config) -> bool {
    config.proxy.is_none() && config.connect_to.is_none()
}

/// Why a target that is an address cannot be reached.
fn refused_address(host: &str, config: &Config) -> Option<String> {
    let source = config.source_address.as_deref();
    let by_source = || source.and_then(|source| tcp::source_refuses(source, host));
    config.ip_family.refuses(host).or_else(by_source)
}

/// An `upgrade` header that would not be sent: HTTP/2 has none (RFC 9113, section 8.6).
fn lost_upgrade(target: &str, config: &Config) -> Option<Problem> {
    let written = config
        .headers
        .keys()
        .find(|name| name.eq_ignore_ascii_case("upgrade"))?;
    let versions = config.version.as_slice();
    let is_secure = text::scheme(target).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let may_be_http2 = if is_secure {
        versions.is_empty() || versions.contains(&Version::Http2)
    } else {
        !versions.contains(&Version::Http11) && versions.first() == Some(&Version::Http2)
    };
    may_be_http2.then(|| {
        let place = Pointer::root().key("headers").key(written);
        Problem::config(&place, "is an HTTP/1.1 header, which HTTP/2 does not allow")
            .hint("set `version: \"1.1\"`")
    })
}
