//! Digest authentication against a server that verifies every answer.

use std::net::Ipv4Addr;
use std::sync::Arc;

use canary_tests::certificate::Authority;
use canary_tests::command::{Program, find};
use canary_tests::harness::{AttemptBuilder, Harness, alone, ms};
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::digest::DigestGuard;
use canary_tests::peer::dns::Zone;
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::tls::NAMES;
use serde_json::{Value, json};

use super::{all_texts, failure, passes};

const USER: &str = "me \"and\" you";
const PASSWORD: &str = "correct-horse:battery";

fn login(password: &str) -> Value {
    json!({ "digest": { "username": USER, "password": password } })
}

fn guard(algorithm: &'static str) -> DigestGuard {
    DigestGuard::new(algorithm, USER, PASSWORD)
}

fn inside(guard: DigestGuard) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| match guard.refusal(request) {
        None => Reply::text([b"inside ", &*request.body].concat()),
        Some(reply) => reply,
    }
}

fn check<'h>(harness: &'h Harness, site: &Site, password: &str) -> AttemptBuilder<'h> {
    let attempt = harness.plugin("http").target(&site.url("http", "/a%20b?c=d&e"));
    attempt.set("auth", login(password))
}

#[test]
fn every_algorithm_is_answered() {
    alone(async {
        let harness = Harness::new().await;
        let algorithms = [
            "MD5",
            "MD5-sess",
            "SHA-256",
            "SHA-256-sess",
            "SHA-512-256",
            "SHA-512-256-sess",
        ];
        let mut guards: Vec<DigestGuard> = algorithms.map(guard).into();
        guards.push(guard("SHA-256").with_userhash());
        guards.push(guard("MD5").without_qop());
        for guard in guards {
            let site = Site::start(inside(guard));
            let attempt = check(&harness, &site, PASSWORD)
                .set("method", "POST")
                .set("body", "ping");
            let ran = attempt
                .set("expect", json!({ "body": { "equals": "inside ping" } }))
                .run()
                .await;
            passes(&ran);
            let requests = site.requests();
            assert_eq!(requests.len(), 2);
            assert_eq!(
                (requests[0].header("authorization"), &*requests[1].body),
                (None, &b"ping"[..])
            );
            assert_eq!(ran.usage.used.connections, 2);
            let attributes: Vec<_> = ran
                .verdict()
                .attributes
                .iter()
                .map(|(key, _)| key.to_string())
                .collect();
            assert!(
                !attributes.contains(&"http.redirects".to_owned()),
                "{attributes:?}"
            );
        }
    });
}

#[test]
fn an_answer_is_sent_over_http_2_as_well() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).issue();
        let site = Site::start_tls(certificate.server_config(), inside(guard("SHA-256")));
        let attempt = harness.plugin("http").target(&site.url("https", "/x?y"));
        let attempt = attempt
            .set("auth", login(PASSWORD))
            .set("tls", json!({ "ca": authority.pem() }));
        passes(&attempt.set("expect", json!({ "version": "2" })).run().await);
    });
}

#[test]
fn a_wrong_password_is_refused_once_and_said_so() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(inside(guard("SHA-256")));
        let ran = check(&harness, &site, "wrong").run().await;
        assert_eq!(
            failure(&ran),
            "status: 401 Unauthorized is not in 200-299; the server refused the user name or the password"
        );
        assert_eq!(site.requests().len(), 2);
        let ran = check(&harness, &site, "wrong")
            .set("expect", json!({ "status": 401 }))
            .run()
            .await;
        passes(&ran);
    });
}

#[test]
fn a_stale_nonce_is_replaced_once() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(inside(guard("SHA-256").stale(1)));
        passes(&check(&harness, &site, PASSWORD).run().await);
        assert_eq!(site.requests().len(), 3);
        let site = Site::start(inside(guard("SHA-256").stale(1_000)));
        let summary = failure(&check(&harness, &site, PASSWORD).run().await);
        assert!(
            summary.ends_with("; the server rejected two nonces of its own as expired"),
            "{summary}"
        );
        assert_eq!(site.requests().len(), 3);
    });
}

#[test]
fn a_challenge_that_cannot_be_answered_fails_with_the_reason() {
    alone(async {
        let harness = Harness::new().await;
        for (challenges, expected) in [
            (vec![], "the server sent no challenge".to_owned()),
            (
                vec!["Basic realm=\"x\"".to_owned(), "NTLM".to_owned()],
                "the server does not offer digest authentication, only Basic, NTLM".to_owned(),
            ),
            (
                vec!["Digest realm=\"x\", nonce=\"y\", qop=\"auth\", algorithm=MD6".to_owned()],
                "the server offers digest authentication with the algorithm `MD6` only, which is not supported".to_owned(),
            ),
            (
                vec!["Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"".to_owned()],
                "the server offers digest authentication with the quality of protection `auth-int` only; `auth` is supported"
                    .to_owned(),
            ),
            (
                vec!["Digest realm=\"x".to_owned()],
                "the server sent a malformed challenge: it is not a list of schemes and parameters".to_owned(),
            ),
        ] {
            let site = Site::start(move |_| {
                let reply = Reply::status(401);
                challenges.iter().fold(reply, |reply, challenge| reply.header("www-authenticate", challenge))
            });
            let summary = failure(&check(&harness, &site, PASSWORD).run().await);
            assert_eq!(summary, format!("status: 401 Unauthorized is not in 200-299; {expected}"));
            assert_eq!(site.requests().len(), 1);
        }
    });
}

/// Each is a verdict within the default quota `cpu`.
#[test]
fn hostile_challenges_fail_the_check_and_nothing_else() {
    let long = 64 << 10;
    let values = [
        format!("Digest realm=\"{}\", nonce=\"x\"", "r".repeat(long)),
        format!("Digest nonce=\"{}\"", "\\\"".repeat(long / 2)),
        format!("Digest realm=\"x\", nonce=\"y\", {}", "a=b, ".repeat(long / 5)),
        format!("Digest realm=\"x\", {}", "nonce=\"y\", ".repeat(long / 12)),
        "Digest realm=\"x\", nonce=\"y\", ".repeat(long / 32),
        "Digest ".repeat(long / 8),
        "=\"".repeat(long / 2),
        ",".repeat(long),
        "\u{e9}".repeat(long / 2),
    ];
    alone(async move {
        let harness = Harness::new().await;
        for value in values {
            let peer = canned(
                move |_| {
                    let head = "HTTP/1.1 401 no\r\ncontent-length: 0\r\nwww-authenticate: ";
                    format!("{head}{value}\r\n\r\n").into_bytes()
                },
                Then::Closes,
            );
            let attempt = harness.plugin("http").against(&peer).set("auth", login(PASSWORD));
            let ran = attempt.timeout(ms(60_000)).run().await;
            let summary = failure(&ran);
            assert!(summary.len() < 300, "{summary}");
        }
    });
}

/// Cookies of a challenge are sent with its answer, and one nonce is counted along redirects.
#[test]
fn a_session_goes_along_redirects_within_its_origin() {
    alone(async {
        let harness = Harness::new().await;
        let guard = guard("SHA-256-sess");
        let site = Site::start(move |request| match (guard.refusal(request), request.path()) {
            (Some(reply), _) => reply.header("set-cookie", "session=4711"),
            (None, _) if request.header("cookie") != Some("session=4711") => Reply::status(403),
            (None, "/old") => Reply::redirect(303, "/new?x"),
            (None, _) => Reply::text("inside"),
        });
        let attempt = harness
            .plugin("http")
            .target(&site.url("http", "/old"))
            .set("method", "POST");
        let ran = attempt.set("auth", login(PASSWORD)).run().await;
        passes(&ran);
        let redirects = ran
            .verdict()
            .attributes
            .iter()
            .find(|(key, _)| &**key == "http.redirects");
        assert_eq!(redirects.map(|(_, count)| count.as_str()), Some("1"));
        let authorization: Vec<bool> = site
            .requests()
            .iter()
            .map(|request| request.headers.contains_key("authorization"))
            .collect();
        assert_eq!(authorization, [false, true, true], "one challenge");
        let attempt = harness
            .plugin("http")
            .target(&site.url("http", "/old"))
            .set("max_redirects", 1);
        passes(&attempt.set("auth", login(PASSWORD)).run().await);
    });
}

#[test]
fn credentials_do_not_go_to_another_origin() {
    alone(async {
        let harness = Harness::new().await;
        let elsewhere = Arc::new(guard("MD5"));
        let judge = Arc::clone(&elsewhere);
        let other = Site::start(move |request| judge.refusal(request).unwrap_or_else(|| Reply::text("in")));
        let place = other.url("http", "/");
        let guard = guard("MD5");
        let site = Site::start(move |request| match guard.refusal(request) {
            None => Reply::redirect(302, &place),
            Some(reply) => reply,
        });
        let attempt = check(&harness, &site, PASSWORD).allow(&other.url("http", ""));
        let summary = failure(&attempt.run().await);
        assert_eq!(
            summary,
            "status: 401 Unauthorized is not in 200-299; another origin than the target's requires credentials, and is not \
             sent any"
        );
        assert_eq!(other.requests().len(), 1);
        assert_eq!(other.requests()[0].header("authorization"), None);
    });
}

#[test]
fn each_address_has_a_challenge_of_its_own() {
    alone(async {
        let zone = Zone::new().address("two.test", Ipv4Addr::LOCALHOST);
        let server = zone.address("two.test", Ipv4Addr::new(127, 0, 0, 2)).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let site = Site::start(inside(guard("SHA-256")));
        let target = format!("http://two.test:{}/", site.address().port());
        let attempt = harness.plugin("http").target(&target).set("addresses", "all");
        let ran = attempt.set("auth", login(PASSWORD)).run().await;
        let passed = ran
            .verdict()
            .assertions
            .iter()
            .find(|one| &*one.name == "address 127.0.0.1")
            .unwrap();
        assert_eq!(passed.status.as_str(), "pass", "{:?}", ran.outcome);
        assert_eq!(site.requests().len(), 2);
    });
}

#[test]
fn the_conversation_shows_the_challenge_and_no_credentials() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(inside(guard("SHA-256")));
        let ran = check(&harness, &site, PASSWORD).record_conversation().run().await;
        passes(&ran);
        let texts = all_texts(&ran);
        for part in [
            "answering the challenge with SHA-256",
            "www-authenticate: Digest realm=",
        ] {
            assert!(texts.contains(part), "{part}: {texts}");
        }
        for secret in ["correct-horse", "cnonce", "username="] {
            assert!(!texts.contains(secret), "{secret}: {texts}");
        }
    });
}

/// The guard is no easier with Canary than with others. This curl has no SHA-512-256 before 8.
#[test]
fn curl_is_admitted_and_refused_alike() {
    alone(async {
        let Some(program) = find("curl") else { return };
        let harness = Harness::new().await;
        for (algorithm, stale) in [
            ("MD5", 0),
            ("MD5-sess", 0),
            ("SHA-256", 0),
            ("SHA-256-sess", 0),
            ("SHA-256", 1),
        ] {
            for password in [PASSWORD, "wrong"] {
                // curl escapes a quote in a user name, and hashes it escaped.
                let guard = DigestGuard::new(algorithm, "me", PASSWORD).stale(stale);
                let site = Site::start(inside(guard));
                let curl = Program::at(&program).args([
                    "-sS",
                    "--fail",
                    "--noproxy",
                    "*",
                    "--max-time",
                    "60",
                    "--digest",
                ]);
                let curl = curl.args([
                    "--user",
                    &format!("me:{password}"),
                    "-o",
                    "/dev/null",
                    &site.url("http", "/x?y"),
                ]);
                let ending = tokio::task::spawn_blocking(|| curl.run()).await.unwrap();
                let site = Site::start(inside(DigestGuard::new(algorithm, "me", PASSWORD).stale(stale)));
                let attempt = harness.plugin("http").target(&site.url("http", "/x?y"));
                let auth = json!({ "digest": { "username": "me", "password": password } });
                let ran = attempt.set("auth", auth).run().await;
                let is_right = password == PASSWORD;
                assert_eq!(ran.ended() == "pass", is_right, "{algorithm}: {:?}", ran.outcome);
                assert_eq!(ending.code == 0, is_right, "{algorithm}: {ending:?}");
            }
        }
    });
}
