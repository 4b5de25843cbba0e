//! Targets that do not match a plugin's target syntax.

use std::error::Error;

use super::*;

#[test]
fn a_target_that_does_not_fit_its_syntax_is_refused_without_being_shown() {
    let no_scheme = "it is not a URL: write the scheme as well, such as `https://example.com/`";
    let cases = [
        ("example.com", "URL", no_scheme),
        ("hello world", HTTP, no_scheme),
        ("http://localhost:port/", HTTP, "not a URL"),
        ("ftp://localhost/", HTTP, "its scheme is `ftp`"),
        (
            "redis://cache/0",
            "URL",
            "`redis://cache` needs a port, such as `redis://cache:5432`",
        ),
        (
            "example.com",
            "HOST:PORT",
            "`example.com` needs a port, such as `example.com:5432`",
        ),
        (
            "example.com:http",
            "HOST:PORT",
            "invalid port `http`; allowed: 1 to 65535, or `*` in a grant",
        ),
        (
            "exa mple.com",
            "HOST[:PORT]",
            "invalid host `exa mple.com`; write a name or an IP address",
        ),
        (
            "*.example.com:1",
            "HOST:PORT",
            "invalid host `*.example.com`; no label may be empty, and `*` stands alone or for the first labels, as in \
             `*.example.com`",
        ),
    ];
    refused(&cases);
}

#[test]
fn an_alternative_of_another_scheme_does_not_hide_what_is_wrong() {
    let long = format!("https://{}/", ["a"; 128].join("."));
    let no_name =
        "no label may be empty, and `*` stands alone or for the first labels, as in `*.example.com`";
    for host in ["a..b", "*.example.com"] {
        let (https, http) = (format!("https://{host}/"), format!("http://{host}/"));
        let reason = format!("invalid host `{host}`; {no_name}");
        refused(&[(&https, HTTP, &reason), (&http, HTTP, &reason)]);
    }
    refused(&[(&long, HTTP, "a host name is longer than 253 bytes")]);
    refused(&[("ftp://a..b/", HTTP, "its scheme is `ftp`")]);
}

#[test]
fn a_target_of_another_kind_is_reported_as_such() {
    refused(&[
        (
            "tls://example.com:1",
            "HOST:PORT",
            "it is a URL of the scheme `tls`; write the host and the port alone, such as `example.com:443`",
        ),
        (
            "https://example.com/",
            "HOST[:PORT]",
            "it is a URL of the scheme `https`; write the host and the port alone, such as `example.com:443`",
        ),
        (
            "user:pw@127.0.0.1:2",
            "HOST:PORT",
            "it has a user name before `@`; write the host and the port alone, such as `example.com:443`",
        ),
    ]);
}

/// Targets, the syntax that they do not match, and the error.
fn refused(cases: &[(&str, &str, &str)]) {
    for (target, syntax, reason) in cases {
        let error = Grants::for_check(target, syntax, Arc::default(), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the target does not match the plugin's syntax `{syntax}`")
        );
        assert_eq!(error.source().unwrap().to_string(), *reason, "{target}");
    }
}
