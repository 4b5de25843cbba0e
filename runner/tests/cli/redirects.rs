//! Secrets and credentials that are sent only to the target's origin, or only to its proxy.

use canary_tests::certificate::Authority;
use canary_tests::command::Ending;
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::plain::Proxy;
use canary_tests::peer::tls::NAMES;
use rustls::ALL_VERSIONS;

use super::{canary, folder};

/// A site that redirects to `place`.
fn front(status: u16, place: String) -> Site {
    Site::start(move |_| Reply::redirect(status, &place))
}

fn fine() -> Site {
    Site::start(|_| Reply::text("fine"))
}

/// Checks `front` with a request with secrets in all places; redirects to `elsewhere` are granted.
fn check(front: &Site, elsewhere: &Site, more: &str) -> Ending {
    let suite = format!(
        r#"
defaults: {{ retries: 0 }}
checks:
  - name: redirected
    plugin: http
    target: "{}"
    allow: ["{}"]
    {more}
    config:
      method: POST
      body: "user=canary&password=${{env:BODY}}"
      headers:
        authorization: "Bearer literal"
        cookie: sid=literal
        x-api-key: "${{env:KEY}}"
        x-encoded: "q=${{env:QUERY}}"
        x-plain: no secret
"#,
        front.url("http", "/?key=${env:KEY}"),
        elsewhere.url("http", ""),
    );
    let folder = folder(&[("suite.yaml", &suite)]);
    canary(&folder, &["check", "suite.yaml"])
        .env("KEY", "api-key-of-canary")
        .env("QUERY", "pass%20wort")
        .env("BODY", "tr0ub4dor")
        .run()
}

fn sent(site: &Site) -> Request {
    site.requests().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_with_the_origin_that_the_suite_named() {
    let elsewhere = fine();
    let front = front(302, elsewhere.url("http", "/login"));
    let ending = check(&front, &elsewhere, "");
    assert_eq!(ending.code, 0, "{ending:?}");
    assert_eq!(sent(&front).header("x-api-key"), Some("api-key-of-canary"));
    let sent = sent(&elsewhere);
    for withheld in ["authorization", "cookie", "x-api-key", "x-encoded", "referer"] {
        assert_eq!(sent.header(withheld), None, "{withheld}: {sent:?}");
    }
    assert_eq!(sent.header("x-plain"), Some("no secret"));
    assert_eq!(
        (sent.method.as_str(), sent.uri.query(), sent.body.len()),
        ("GET", None, 0)
    );
}

fn way_out(origin: &str) -> String {
    format!("add `{origin}` to the check's `redirect_secrets_to`")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_a_secret_is_not_sent_to_another_origin() {
    for status in [307, 308] {
        let elsewhere = fine();
        let front = front(status, elsewhere.url("http", "/"));
        let ending = check(&front, &elsewhere, "");
        assert_eq!(ending.code, 1, "{ending:?}");
        let origin = elsewhere.url("http", "");
        assert!(ending.out.contains(&way_out(&origin)), "{ending:?}");
        assert_eq!(elsewhere.accepted(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_may_name_the_origins_that_its_secrets_follow_a_redirect_to() {
    let elsewhere = fine();
    let front = front(307, elsewhere.url("http", "/"));
    let named = |origin: &str| format!("redirect_secrets_to: [\"{origin}\"]");
    let ending = check(&front, &elsewhere, &named(&elsewhere.url("http", "")));
    assert_eq!(ending.code, 0, "{ending:?}");
    let sent = sent(&elsewhere);
    assert_eq!(sent.header("x-api-key"), Some("api-key-of-canary"));
    assert_eq!(sent.header("authorization"), Some("Bearer literal"));
    assert_eq!(sent.body, "user=canary&password=tr0ub4dor");
    // Permission to send them over TLS does not include sending them unencrypted.
    let secured = elsewhere.url("https", "");
    assert_eq!(check(&front, &elsewhere, &named(&secured)).code, 1);
}

/// The first peer knows the secret, the target of the redirect must not get it.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_url_does_not_follow_a_redirect_to_another_origin() {
    for place in [
        "/?key=api-key-of-canary",
        "/%61pi-key-of-canary/",
        "/?q=x&k=YXBpLWtleS1vZi1jYW5hcnk=",
    ] {
        let elsewhere = fine();
        let front = front(302, elsewhere.url("http", place));
        let ending = check(&front, &elsewhere, "");
        assert_eq!(ending.code, 1, "{place}: {ending:?}");
        let origin = elsewhere.url("http", "");
        assert!(ending.out.contains(&way_out(&origin)), "{place}: {ending:?}");
        assert!(!ending.out.contains("api-key-of-canary"), "{ending:?}");
        assert_eq!(elsewhere.accepted(), 0);
        let named = format!("redirect_secrets_to: [\"{origin}\"]");
        assert_eq!(check(&front, &elsewhere, &named).code, 0, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_url_stays_where_a_redirect_stays_with_the_origin() {
    let front = Site::start(|request| match request.path() {
        "/" => Reply::redirect(302, "/next?key=api-key-of-canary"),
        _ => Reply::text("fine"),
    });
    let ending = check(&front, &fine(), "");
    assert_eq!(ending.code, 0, "{ending:?}");
    let last = front.requests().pop().unwrap();
    assert_eq!(last.uri.query(), Some("key=api-key-of-canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_were_left_behind_do_not_come_back() {
    let last = fine();
    let place = last.url("http", "/");
    let middle = front(302, place);
    let front = front(302, middle.url("http", "/"));
    let more = format!("redirect_secrets_to: [\"{}\"]", last.url("http", ""));
    let suite_allows_both = format!("{more}\n    labels: {{ a: b }}");
    let ending = check(&front, &middle, &suite_allows_both);
    assert_ne!(ending.code, 0, "the last one is not granted: {ending:?}");
    assert_eq!(sent(&middle).header("x-api-key"), None);
    assert_eq!(last.accepted(), 0);
}

/// A client certificate is used only at the target's origin.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_identity_is_for_the_origin_of_the_target() {
    let authority = Authority::new("Test Root");
    let server = authority.leaf(&NAMES).issue();
    let demanding = || server.server_config_with(ALL_VERSIONS, Some(&authority));
    let elsewhere = Site::start_tls(demanding(), |_| Reply::text("fine"));
    let place = elsewhere.url("https", "/");
    let front = Site::start_tls(demanding(), move |request| match request.path() {
        "/away" => Reply::redirect(302, &place),
        "/here" => Reply::redirect(302, "/"),
        _ => Reply::text("fine"),
    });
    let client = authority.leaf(&["client.test"]).issue();
    let suite = |path: &str| {
        format!(
            r#"
defaults: {{ retries: 0 }}
checks:
  - name: mutual
    plugin: http
    target: "{}"
    allow: ["{}"]
    config:
      tls: {{ ca: "${{file:ca.pem}}", client_cert: "${{file:client.pem}}", client_key: "${{file:client.key}}" }}
"#,
            front.url("https", path),
            elsewhere.url("https", ""),
        )
    };
    let check = |path: &str| {
        let files = folder(&[
            ("suite.yaml", &suite(path)),
            ("ca.pem", &authority.pem()),
            ("client.pem", &client.chain_pem()),
            ("client.key", &client.key_pem()),
        ]);
        canary(&files, &["check", "suite.yaml"]).run()
    };
    assert_eq!(check("/here").code, 0, "{:?}", check("/here"));
    let away = check("/away");
    assert_eq!(away.code, 1, "{away:?}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_a_proxy_are_for_the_proxy() {
    let authority = Authority::new("Test Root");
    let target = Site::start_tls(authority.leaf(&NAMES).issue().server_config(), |_| {
        Reply::text("fine")
    });
    let proxy = Proxy::demanding("Basic dXNlcjpwYXNz");
    let suite = format!(
        r#"
defaults: {{ retries: 0 }}
checks:
  - name: proxied
    plugin: http
    target: "{}"
    allow: ["tcp://{}"]
    config:
      proxy: "{}"
      headers: {{ proxy-authorization: Basic dXNlcjpwYXNz }}
      tls: {{ ca: "${{file:ca.pem}}" }}
"#,
        target.url("https", "/"),
        proxy.address(),
        proxy.url("http", "").replace("http://", "http://user:pass@"),
    );
    let files = folder(&[("suite.yaml", &suite), ("ca.pem", &authority.pem())]);
    let ending = canary(&files, &["check", "suite.yaml"]).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert_eq!(sent(&target).header("proxy-authorization"), None);
}
