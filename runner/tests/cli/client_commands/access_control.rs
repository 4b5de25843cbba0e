//! Access control of the admin address: what needs a token, and what is never shown.

use canary_tests::certificate::Authority;
use canary_tests::client::{self, Answer};
use canary_tests::command::{Ending, Program};
use canary_tests::peer::http::{Reply, Site};
use http_body_util::Full;
use hyper::Request;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{all_ran, page};
use crate::service_process::{LIMIT, Service};
use crate::{as_a_command, canary, folder, site};

const TOKEN: &str = "correct-horse-battery";

/// Sends `POST /api/v1/reload`.
fn post(service: &Service, token: Option<&str>) -> Answer {
    let request = Request::post("/api/v1/reload");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let address = service.address();
    client::call(address, None, request.body(Full::default()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_the_token_and_a_bad_suite_leaves_the_old_one() {
    let site = site();
    let service = Service::start(&page(&site), "admin: { token: '${env:SECRET}' }", |program| {
        program.env("SECRET", TOKEN)
    });
    assert_eq!(post(&service, None).status, 401);
    assert_eq!(post(&service, Some("correct-horse-batterz")).status, 401);
    let reload = |token: &str| {
        service
            .client_command(&["reload"])
            .env("CANARY_ADMIN_TOKEN", token)
            .run()
    };
    let refused = service.client_command(&["reload"]).run();
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("requires the admin token") && refused.err.contains("CANARY_ADMIN_TOKEN"),
        "{refused:?}"
    );
    let wrong = reload("correct-horse-batterz");
    assert!(
        wrong.code == 1 && wrong.err.contains("rejected the admin token"),
        "{wrong:?}"
    );
    let done = reload(TOKEN);
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "reloaded: 1 checks\n"),
        "{done:?}"
    );
    std::fs::write(service.folder.path().join("suite.yaml"), "checks: none").unwrap();
    let bad = reload(TOKEN);
    assert_eq!(bad.code, 3, "{bad:?}");
    assert!(
        bad.err.contains("suite.yaml:1:9") && bad.err.ends_with("reload failed, keeping the current suite\n"),
        "{bad:?}"
    );
    let status = service.json(&["status", "--format", "json"]);
    assert_eq!(status["suite"]["checks"], 1);
    // The change of the file may have triggered a reload as well.
    assert!(status["suite"]["reloads"]["failed"].as_u64() >= Some(1));
    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_can_be_changed() {
    let site = site();
    let service = Service::start(&page(&site), "", |program| program);
    let answer = post(&service, Some(TOKEN));
    assert_eq!(answer.status, 403);
    let ending = service
        .client_command(&["reload"])
        .env("CANARY_ADMIN_TOKEN", TOKEN)
        .run();
    assert_eq!(ending.code, 1);
    assert!(
        ending.err.contains("403") && ending.err.contains("admin.token"),
        "{ending:?}"
    );
    service.end();
}

/// Runs a service whose admin address is reachable from other hosts, which must fail.
fn refused(settings: &str, with: impl FnOnce(Program) -> Program) -> Ending {
    let check = "checks:\n  - { name: a, plugin: tcp, target: \"127.0.0.1:9\" }\n";
    let folder = folder(&[("suite.yaml", check), ("canary.yaml", settings)]);
    let arguments = ["run", "suite.yaml", "--config", "canary.yaml"];
    with(canary(&folder, &arguments)).run()
}

#[test]
fn an_address_that_others_reach_is_refused_without_token_and_tls() {
    let variable = refused("", |program| program.env("CANARY_ADMIN", "0.0.0.0:0"));
    assert_eq!(variable.code, 64, "{variable:?}");
    insta::assert_snapshot!(as_a_command(&variable.err), @"
    error: `CANARY_ADMIN`: `0.0.0.0:0` is not a loopback address: `admin.token` and `admin.tls` are required
    hint: set `admin.token` and `admin.tls` in the file of `--config`, listen on a loopback address, or set `admin.insecure: true` on a trusted network

    1 problem with the settings
    ");
    // The flag is named if it is used, even if the variable is set as well.
    let flag = refused("", |program| {
        program
            .env("CANARY_ADMIN", "127.0.0.1:0")
            .args(["--admin", "0.0.0.0:0"])
    });
    assert!(flag.err.contains("`--admin`: `0.0.0.0:0`"), "{flag:?}");
    assert!(!flag.err.contains("CANARY_ADMIN"), "{flag:?}");
    let token = refused("admin: { token: correct-horse-battery }", |program| {
        program.env("CANARY_ADMIN", "0.0.0.0:0")
    });
    assert!(token.err.contains("`admin.tls` is required"), "{token:?}");
    let missing = refused(
        "admin: { token: correct-horse-battery, tls: { certificate: a.pem, key: b.pem } }",
        |program| program.env("CANARY_ADMIN", "0.0.0.0:0"),
    );
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(
        missing
            .err
            .contains("cannot set up TLS for the admin server: cannot read `"),
        "{missing:?}"
    );
}

/// The files of a runner with TLS on its admin address, and the issuer of its certificate.
fn secured(site: &Site) -> (TempDir, Authority) {
    let authority = Authority::new("Test Root");
    let certificate = authority.leaf(&["localhost", "127.0.0.1"]).issue();
    let settings = format!("admin: {{ token: {TOKEN}, tls: {{ certificate: admin.pem, key: admin.key }} }}");
    let files = folder(&[
        ("suite.yaml", &page(site)),
        ("canary.yaml", &settings),
        ("ca.pem", &authority.pem()),
        ("admin.pem", &certificate.chain_pem()),
        ("admin.key", &certificate.key_pem()),
    ]);
    (files, authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_others_reach_speaks_tls_and_wants_the_token_of_all_but_probes() {
    let site = site();
    let (files, _authority) = secured(&site);
    let mut service = Service::within(files, |program| program.env("CANARY_ADMIN", "0.0.0.0:0"));
    let port = service.origin.rsplit_once(':').unwrap().1.to_owned();
    assert!(
        service.origin.starts_with("https://0.0.0.0:"),
        "{}",
        service.origin
    );
    service.origin = format!("https://localhost:{port}");
    let ca = ["--admin-ca", "ca.pem"];
    let with_token = |arguments: &[&str]| {
        let program = service.client_command(&[arguments, &ca].concat());
        program.env("CANARY_ADMIN_TOKEN", TOKEN).run()
    };
    let probe = service
        .client_command(&["status", "--probe", "live", "--admin-ca", "ca.pem"])
        .run();
    assert_eq!(probe.code, 0, "{probe:?}");
    let status = service.client_command(&["status", "--admin-ca", "ca.pem"]).run();
    assert!(
        status.code == 1 && status.err.contains("requires the admin token"),
        "{status:?}"
    );
    assert_eq!(with_token(&["status"]).code, 0);
    let reload = with_token(&["reload"]);
    assert_eq!(
        (reload.code, reload.out.as_str()),
        (0, "reloaded: 1 checks\n"),
        "{reload:?}"
    );
    // Without the authority, clients do not accept the certificate.
    let stranger = service
        .client_command(&["status"])
        .env("CANARY_ADMIN_TOKEN", TOKEN)
        .run();
    assert!(
        stranger.code == 1 && stranger.err.contains("TLS handshake failed with"),
        "{stranger:?}"
    );
    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let site = site();
    let (files, _old) = secured(&site);
    let mut service = Service::within(files, |program| program);
    service.origin = service.origin.replace("127.0.0.1", "localhost");
    let probe = |ca: &str| {
        service
            .client_command(&["status", "--probe", "live", "--admin-ca", ca])
            .run()
    };
    assert_eq!(probe("ca.pem").code, 0);
    let write = |name: &str, text: &str| std::fs::write(service.folder.path().join(name), text).unwrap();
    write("admin.pem", "no certificate at all");
    assert_eq!(probe("ca.pem").code, 0);
    let renewed = Authority::new("Another Root");
    let certificate = renewed.leaf(&["localhost"]).issue();
    write("admin.pem", &certificate.chain_pem());
    write("admin.key", &certificate.key_pem());
    write("new.pem", &renewed.pem());
    // A connection triggers a check of the files; a later one uses the new certificate.
    let began = Instant::now();
    while probe("new.pem").code != 0 {
        assert!(began.elapsed() < LIMIT, "{:?}", probe("new.pem"));
    }
    assert_eq!(probe("ca.pem").code, 1);
    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_shows_a_secret() {
    let echo = Site::start(|request| Reply::status(500).body(request.path().to_owned()));
    let target = echo.url("http", "/${env:SECRET}?key=${env:SECRET}");
    let suite = format!(
        "defaults: {{ interval: 2s, timeout: 2s, retries: 0 }}\nchecks:\n  - name: parrot\n    plugin: http\n    \
         target: \"{target}\"\n    config: {{ expect: {{ body: {{ matches: \"^nothing\" }} }} }}\n"
    );
    let service = Service::start(&suite, &format!("admin: {{ token: {TOKEN} }}"), |program| {
        program.env("SECRET", "open-sesame")
    });
    service.until(&["status", "--format", "json"], all_ran);
    let address = service.address();
    for path in [
        "/",
        "/metrics",
        "/api/v1/status",
        "/api/v1/checks/parrot",
        "/api/v1/connections",
        "/readyz",
    ] {
        let answer = client::get(address, path).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        for secret in ["open-sesame", TOKEN] {
            assert!(!answer.text().contains(secret), "{path}: {}", answer.text());
        }
    }
    service.end();
}
