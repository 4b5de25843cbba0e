//! Credentials of HTTP checks: mistakes in a suite, and servers that issue no tokens.

use canary_tests::peer::http::{Reply, Site};

use super::{canary, folder, runs};

const MISTAKES: &str = r#"
checks:
  - { name: two, plugin: http, target: "http://a/", config: { auth: { bearer: x, digest: { username: a, password: b } } } }
  - { name: none, plugin: http, target: "http://a/", config: { auth: {} } }
  - { name: unknown, plugin: http, target: "http://a/", config: { auth: { ntlm: { username: a, password: b } } } }
  - name: token
    plugin: http
    target: "http://a/"
    config:
      headers: { Authorization: x }
      auth:
        oauth2:
          token_url: "https://a b/token"
          client_id: a
          client_secret: "${env:CLIENT_SECRET}"
          scopes: ["fine", "b\"c"]
          params: { grant_type: password }
  - { name: path, plugin: http, target: "http://a/", config: { auth: { oauth2: { token_url: /token, client_id: a } } } }
  - { name: user, plugin: http, target: "http://a/", config: { auth: { digest: { username: "a:b", password: c } } } }
"#;

const FOUND: &[&str] = &[
    "3:63: check `two`: `config.auth`: needs exactly one of `basic`, `bearer`, `digest` and `oauth2`",
    "4:64: check `none`: `config.auth`: needs exactly one of `basic`, `bearer`, `digest` and `oauth2`",
    "5:75: check `unknown`: `config.auth`: unknown key `ntlm`",
    "10:18: check `token`: `config.headers.Authorization`: is already set by `auth`",
    "13:11: check `token`: `config.auth.oauth2.token_url`: url `https://a b/token`: the host is not a valid name",
    "16:28: check `token`: `config.auth.oauth2.scopes[1]`: is not a scope: ASCII characters without control characters, `\"` and `\\`",
    "17:21: check `token`: `config.auth.oauth2.params.grant_type`: is set by another key of `oauth2`",
    "18:72: check `path`: `config.auth.oauth2`: `client_secret` is missing",
    "18:93: check `path`: `config.auth.oauth2.token_url`: expected a URL that begins with `https://` or `http://`, found the string `/token`",
    "19:92: check `user`: `config.auth.digest.username`: expected a text without `:`, found the string `a:b`",
];

#[test]
fn mistakes_in_credentials_have_their_places() {
    let folder = folder(&[("suite.yaml", MISTAKES)]);
    let ending = canary(&folder, &["validate", "suite.yaml"])
        .env("CLIENT_SECRET", "hunter2-hunter2")
        .run();
    assert_eq!(ending.code, 3, "{ending:?}");
    assert!(!ending.err.contains("hunter2"), "{ending:?}");
    let found = ending
        .err
        .lines()
        .map(|line| line.strip_prefix("error: ").unwrap_or(line));
    let found: Vec<_> = found
        .filter_map(|line| line.strip_prefix("suite.yaml:"))
        .collect();
    assert_eq!(found, FOUND);
}

/// Neither a failure of the target, nor the one that is expected.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_token_is_not_the_failure_that_is_expected() {
    let issuer = Site::start(|_| Reply::status(400).body(r#"{"error":"invalid_client"}"#));
    let target = Site::start(|_| Reply::status(503));
    let suite = format!(
        r#"
defaults: {{ retries: 0 }}
checks:
  - name: api
    plugin: http
    expect_failure: true
    target: "{}"
    allow: ["{}"]
    config:
      auth: {{ oauth2: {{ token_url: "{}", client_id: me, client_secret: "${{env:CLIENT_SECRET}}" }} }}
"#,
        target.url("http", "/"),
        issuer.url("http", ""),
        issuer.url("http", "/token"),
    );
    let folder = folder(&[("suite.yaml", suite.as_str())]);
    let ending = canary(&folder, &["check", "suite.yaml", "--format", "json"])
        .env("CLIENT_SECRET", "hunter2-hunter2")
        .run();
    assert_eq!(ending.code, 1, "{ending:?}");
    assert!(!ending.out.contains("hunter2"), "{ending:?}");
    let summary = runs(&ending.out)[0]["summary"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let expected = format!(
        "failed because of the check itself, not as expected: auth: no token from `{}`: it answers 400 Bad Request: \
         `invalid_client`",
        issuer.url("http", "/token")
    );
    assert_eq!(summary, expected);
    assert!(target.requests().is_empty());
}
