//! Credentials as a suite writes them, on the fake host.

use canary_sdk::fake::{self, FakeHost};
use canary_sdk::http::{Credentials, Request, Response};
use canary_sdk::{ErrorCode, Probe as _, Problem, Status, Verdict};
use serde_json::{Value, json};

use super::KEEP_ONE;
use crate::Http;

const URL: &str = "https://example.com/";
const TOKEN_URL: &str = "https://auth.example.com/token";

fn problems(config: &Value) -> Vec<String> {
    let found = FakeHost::new().check_config::<Http>(Some(URL), config);
    found.iter().map(Problem::to_string).collect()
}

fn oauth2(more: &Value) -> Value {
    let mut oauth2 = json!({ "token_url": TOKEN_URL, "client_id": "me", "client_secret": "sesame" });
    for (key, value) in more.as_object().into_iter().flatten() {
        oauth2[key] = value.clone();
    }
    json!({ "auth": { "oauth2": oauth2 } })
}

fn authorization(request: &Request) -> Option<&str> {
    let named = request.headers.iter().find(|(name, _)| name == "authorization");
    named.map(|(_, value)| str::from_utf8(value).unwrap())
}

/// RFC 7617, section 2. With digest authentication the host validates the login.
#[test]
fn a_basic_login_has_no_control_characters_and_shows_none() {
    let login = json!({ "username": "a\tb", "password": "sesame\n" });
    for (config, place) in [
        (json!({ "basic_auth": login }), "basic_auth"),
        (json!({ "auth": { "basic": login } }), "auth/basic"),
    ] {
        let expected = ["username", "password"].map(|key| {
            format!("/config/{place}/{key}: must not contain control characters, such as a line feed")
        });
        assert_eq!(problems(&config), expected);
    }
    let login = json!({ "username": "bücher", "password": "ä ~" });
    assert_eq!(problems(&json!({ "basic_auth": login })), [""; 0]);
}

#[test]
fn each_kind_of_credentials_is_sent_as_the_short_forms_are() {
    let sent = |config: Value| {
        let host = FakeHost::new().http(|_| Ok(fake::response(200)));
        host.run::<Http>(URL, config).unwrap();
        host.requests().remove(0)
    };
    let login = json!({ "username": "me", "password": "sesame" });
    let basic = sent(json!({ "auth": { "basic": login } }));
    assert_eq!(authorization(&basic), Some("Basic bWU6c2VzYW1l"));
    assert_eq!(basic, sent(json!({ "basic_auth": login })));
    let bearer = sent(json!({ "auth": { "bearer": "t" } }));
    assert_eq!(authorization(&bearer), Some("Bearer t"));
    assert_eq!(bearer, sent(json!({ "bearer_token": "t" })));
    let digest = sent(json!({ "auth": { "digest": login } }));
    assert_eq!(authorization(&digest), None);
    assert_eq!(digest.options.digest, Some(Credentials::new("me", "sesame")));
}

#[test]
fn each_pair_of_keys_that_exclude_each_other_says_how_to_remove_an_inherited_one() {
    let login = json!({ "username": "me", "password": "sesame" });
    for config in [
        json!({ "auth": { "basic": login, "bearer": "t" } }),
        json!({ "auth": { "digest": login }, "basic_auth": login }),
        json!({ "basic_auth": login, "bearer_token": "t" }),
        json!({ "auth": { "bearer": "t" }, "headers": { "authorization": "x" } }),
        json!({ "accept_encoding": "gzip", "headers": { "accept-encoding": "br" } }),
        json!({ "body": "x", "body_json": 1 }),
    ] {
        let found = FakeHost::new().check_config::<Http>(Some(URL), config.clone());
        let advice: Vec<_> = found.iter().map(Problem::advice).collect();
        assert_eq!(advice, [Some(KEEP_ONE)], "{config}");
    }
}

#[test]
fn exactly_one_kind_of_credentials_is_sent() {
    let login = json!({ "username": "me", "password": "sesame" });
    let one = "/config/auth: needs exactly one of `basic`, `bearer`, `digest` and `oauth2`";
    for (config, expected) in [
        (json!({ "auth": { "basic": login, "bearer": "t" } }), vec![one]),
        (json!({ "auth": {} }), vec![one]),
        (
            json!({ "auth": { "digest": login }, "bearer_token": "t" }),
            vec!["/config/auth: only one of `auth`, `basic_auth` and `bearer_token` can be sent"],
        ),
        (
            json!({ "auth": { "digest": login }, "headers": { "Authorization": "x" } }),
            vec!["/config/headers/Authorization: is already set by `auth`"],
        ),
        (
            json!({ "auth": { "digest": { "username": "a:b", "password": "" } } }),
            vec!["/config/auth/digest/username: must not contain a colon"],
        ),
        (json!({ "auth": { "digest": login } }), vec![]),
    ] {
        assert_eq!(problems(&config), expected, "{config}");
    }
}

#[test]
fn what_a_token_server_cannot_be_asked_for_is_refused() {
    let place = |rest: &str| format!("/config/auth/oauth2/{rest}");
    for (more, expected) in [
        (json!({}), vec![]),
        (
            json!({ "scopes": "read write", "audience": "a", "client_auth": "body", "params": { "x": "y" } }),
            vec![],
        ),
        (
            json!({ "token_url": "https://me:x@auth.example.com/" }),
            vec![place(
                "token_url: a user name belongs in `client_id`, not in the URL",
            )],
        ),
        (
            json!({ "scopes": ["a", "b\""] }),
            vec![place(
                "scopes/1: is not a scope: ASCII characters without control characters, `\"` and `\\`",
            )],
        ),
        (
            json!({ "params": { "grant_type": "password", "audience": "b" }, "audience": "a" }),
            vec![
                place("params/audience: is set by another key of `oauth2`"),
                place("params/grant_type: is set by another key of `oauth2`"),
            ],
        ),
    ] {
        assert_eq!(problems(&oauth2(&more)), expected, "{more}");
    }
    let host = FakeHost::new().invalid("url", "why");
    let found = host.check_config::<Http>(None, oauth2(&json!({})));
    assert_eq!(found[0].to_string(), "/config/auth/oauth2/token_url: why");
}

#[test]
fn parameters_of_a_token_request_that_are_credentials_are_secret_and_others_are_not() {
    let is_secret = |name: &str| Http::SECRETS.contains(&&*format!("/auth/oauth2/params/{name}"));
    // RFC 6749, 7521, 7636, 8628 and 8693.
    for name in [
        "actor_token",
        "assertion",
        "client_assertion",
        "code",
        "code_verifier",
        "device_code",
        "password",
        "refresh_token",
        "subject_token",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in ["*", "client_assertion_type", "resource", "username"] {
        assert!(!is_secret(name), "{name}");
    }
}

/// The verdict, with a token server that answers so.
fn judged(answer: &str) -> (Verdict, FakeHost) {
    let answer = answer.to_owned();
    let host = FakeHost::new().http(move |request| {
        if request.url == TOKEN_URL {
            Ok(Response {
                body: answer.clone().into(),
                ..fake::response(200)
            })
        } else {
            Ok(fake::response(200))
        }
    });
    let verdict = host.run::<Http>(URL, oauth2(&json!({}))).unwrap();
    (verdict, host)
}

#[test]
fn a_token_is_masked_before_it_is_sent() {
    let answer = r#"{"access_token":"abc","token_type":"BEARER","refresh_token":"def","id_token":"ghi"}"#;
    let (verdict, host) = judged(answer);
    assert_eq!(verdict.status(), Status::Pass);
    assert!(verdict.measurement("http.auth.duration").is_some());
    assert_eq!(host.masked(), ["abc", "def", "ghi"]);
    let requests = host.requests();
    assert_eq!(authorization(&requests[1]), Some("Bearer abc"));
    assert_eq!(
        (requests[0].options.max_redirects, requests[0].options.max_body),
        (0, 64 << 10)
    );
}

#[test]
fn without_a_token_nothing_is_known_about_the_target() {
    let (verdict, host) = judged("access_token=0123456789abcdef&token_type=x");
    assert_eq!(
        verdict.summary(),
        "auth: no token from `https://auth.example.com/token`: its answer is not JSON, but 42 B without a content type"
    );
    assert!(verdict.is_unknown());
    assert_eq!(verdict.attribute("error.phase"), Some("auth"));
    assert_eq!(host.requests().len(), 1);
    assert_eq!(host.masked(), ["access_token=0123456789abcdef"]);
    let unreachable = FakeHost::new().http(|_| Err(ErrorCode::Refused.into()));
    let verdict = unreachable.run::<Http>(URL, oauth2(&json!({}))).unwrap();
    assert!(verdict.is_unknown());
    assert_eq!(verdict.attribute("error.reason"), Some("refused"));
}

/// The authority is that of all servers behind it, and the rest belongs to the target.
#[test]
fn the_token_server_gets_the_network_path_and_no_credentials_of_the_target() {
    let host = FakeHost::new().http(|_| Err(ErrorCode::Refused.into()));
    let mut config = oauth2(&json!({}));
    config["proxy"] = json!("http://proxy.test:3128");
    config["headers"] = json!({ "cookie": "a=b" });
    config["connect_to"] = json!("other.test:1");
    config["tls"] = json!({
        "ca": "A", "client_cert": "C", "client_key": "K", "server_name": "x.test", "trusted": false, "min_version": "1.3",
    });
    host.run::<Http>(URL, config).unwrap();
    let request = host.requests().remove(0);
    assert_eq!(request.options.proxy.as_deref(), Some("http://proxy.test:3128"));
    assert_eq!(request.options.connect_to, None);
    let tls = request.options.tls.unwrap();
    assert_eq!(
        (tls.ca_certificates.as_deref(), tls.require_valid),
        (Some("A"), true)
    );
    assert_eq!((tls.server_name, tls.client_identity), (None, None));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "accept", "authorization"]);
}

#[test]
fn a_second_401_says_why() {
    let host = FakeHost::new().http(|_| {
        Ok(Response {
            authentication_error: Some("the server refused the user name or the password".into()),
            ..fake::response(401)
        })
    });
    let login = json!({ "username": "me", "password": "sesame" });
    let verdict = host
        .run::<Http>(URL, json!({ "auth": { "digest": login } }))
        .unwrap();
    assert_eq!(
        verdict.summary(),
        "status: 401 Unauthorized is not in 200-299; the server refused the user name or the password"
    );
}
