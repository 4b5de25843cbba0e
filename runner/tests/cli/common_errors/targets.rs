//! Targets that do not answer as they should, on the day of the first check.

use canary_tests::certificate::{Authority, Leaf};
use canary_tests::peer::Hostile;
use canary_tests::peer::dns::Zone;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::NAMES;
use canary_tests::ports;
use insta::assert_snapshot;

use super::super::{canary, folder, site};
use super::{seen_with, shown};

/// What a check of this target shows, with further keys.
fn seen_at(target: &str, keys: &str) -> String {
    seen_with(&suite(target, keys), &["check", "suite.yaml"])
}

fn suite(target: &str, keys: &str) -> String {
    format!(
        "defaults: {{ retries: 0 }}\nchecks:\n  - name: website\n    plugin: http\n    target: {target}\n{keys}"
    )
}

/// What a check shows of a server with this certificate, where `authority` is all that is trusted.
fn seen_of(leaf: Leaf<'_>, authority: &Authority) -> String {
    let site = Site::start_tls(leaf.issue().server_config(), |_| Reply::text("Welcome"));
    let suite = suite(&site.url("https", "/"), "");
    let folder = folder(&[("suite.yaml", suite.as_str()), ("root.pem", &authority.pem())]);
    let check = canary(&folder, &["check", "suite.yaml"]);
    shown(&check.env("SSL_CERT_FILE", "root.pem").run())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_no_grant_covers() {
    let other = site();
    let there = other.url("http", "/");
    let site = Site::start(move |_| Reply::redirect(302, &there));
    assert_snapshot!(seen_at(&site.url("http", "/"), ""), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website http://127.0.0.1:PORT/ fail TIME connect: the suite does not allow it: `http://127.0.0.1:PORT` is not granted to this check; to grant it, add `http://127.0.0.1:PORT` to its `allow`

    1 run: 1 fail

    exit code: 1
    ");
}

#[test]
fn nothing_listens() {
    let target = format!("http://{}/", ports::unused());
    assert_snapshot!(seen_at(&target, ""), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website http://127.0.0.1:PORT/ fail TIME connect: connection refused

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist() {
    // Name servers of the machine may answer anything.
    let server = Zone::new().start();
    let keys = format!("    name_servers: ['{}']\n", server.address());
    assert_snapshot!(seen_at("http://www.example-typo.test/", &keys), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website http://www.example-typo.test/ fail TIME resolve: the name does not resolve: `www.example-typo.test`: NXDOMAIN

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_in_time() {
    let silent = Hostile::Silent.start();
    let keys = "    timeout: 3s\n";
    assert_snapshot!(seen_at(&silent.url("http", "/"), keys), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website http://127.0.0.1:PORT/ fail TIME wait: timed out

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate() {
    let authority = Authority::new("Test Root");
    assert_snapshot!(seen_of(Leaf::self_signed(&NAMES), &authority), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website https://127.0.0.1:PORT/ fail TIME handshake: TLS: the certificate is self-signed and not a trusted root

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority() {
    let unknown = Authority::new("Company Root");
    assert_snapshot!(seen_of(unknown.leaf(&NAMES), &Authority::new("Test Root")), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website https://127.0.0.1:PORT/ fail TIME handshake: TLS: the issuer `CN=Company Root` of the certificate is neither a trusted root nor among the 1 certificate that the server sent: an intermediate certificate is missing, or the root is not known here

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate() {
    let authority = Authority::new("Test Root");
    assert_snapshot!(seen_of(authority.leaf(&NAMES).valid_until_days(-1), &authority), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website https://127.0.0.1:PORT/ fail TIME handshake: TLS: the certificate expired at DATE

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name() {
    let authority = Authority::new("Test Root");
    assert_snapshot!(seen_of(authority.leaf(&["www.example.com"]), &authority), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website https://127.0.0.1:PORT/ fail TIME handshake: TLS: the certificate is not for `127.0.0.1`

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls() {
    assert_snapshot!(seen_at(&site().url("https", "/"), ""), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website https://127.0.0.1:PORT/ fail TIME handshake: TLS: the peer does not speak TLS: it sent `HTTP/1.1 400 Bad Request`

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_not_expected() {
    let site = site();
    assert_snapshot!(seen_at(&site.url("http", "/bad"), ""), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website http://127.0.0.1:PORT/bad fail TIME status: 503 Service Unavailable is not in 200-299

    1 run: 1 fail

    exit code: 1
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_the_expected_text() {
    let site = Site::start(|_| Reply::text("<h1>Sorry</h1>"));
    let keys = "    config: { expect: { body: { contains: Welcome } } }\n";
    assert_snapshot!(seen_at(&site.url("http", "/"), keys), @r"
    stdout:
    CHECK TARGET OUTCOME TIME SUMMARY
    website http://127.0.0.1:PORT/ fail TIME body contains `Welcome`: not found in 14 B of body

    1 run: 1 fail

    exit code: 1
    ");
}
