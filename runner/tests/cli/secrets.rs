//! What a suite takes from the environment or from a file is in nothing that the command writes.

use canary_tests::command::Ending;
use canary_tests::peer::http::{Reply, Site};

use super::{canary, folder};

const TOKEN: &str = "correct-horse-battery";
const PASSWORD: &str = "staple-tr0ub4dor";
/// What the password is in the base64 of `canary:` and the password.
const CREDENTIALS: &str = "N0YXBsZS10cjB1YjRkb3";

/// A site that says aloud what it was sent.
fn parrot() -> Site {
    Site::start(|request| {
        let sent: Vec<&str> = ["authorization", "x-token"]
            .iter()
            .filter_map(|name| request.header(name))
            .collect();
        Reply::json(format!(r#"{{"sent":"{}"}}"#, sent.join(" "))).header("x-sent", &sent.join(" "))
    })
}

/// Asks `parrot` with both secrets, and quotes what it answers in every way there is.
fn ask(parrot: &Site, arguments: &[&str]) -> Ending {
    let target = parrot.url("http", "/${env:TOKEN}?key=${env:TOKEN}");
    let suite = format!(
        "defaults: {{ retries: 0 }}\nchecks:\n  - name: parrot\n    plugin: http\n    target: \"{target}\"\n    config:\n      \
         headers: {{ x-token: \"${{env:TOKEN}}\" }}\n      \
         basic_auth: {{ username: canary, password: \"${{file:password}}\" }}\n      \
         expect:\n        headers: {{ x-sent: nothing }}\n        json: {{ \"$.sent\": nothing }}\n        \
         body: {{ not_matches: \"[a-z]+-.*\" }}\n"
    );
    let folder = folder(&[("suite.yaml", &suite), ("password", PASSWORD)]);
    canary(&folder, arguments).env("TOKEN", TOKEN).run()
}

fn assert_silent(ending: &Ending) {
    for secret in [TOKEN, PASSWORD, CREDENTIALS] {
        let is_told = ending.out.contains(secret) || ending.err.contains(secret);
        assert!(!is_told, "{secret}: {ending:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_says_again_is_redacted_in_every_format() {
    let parrot = parrot();
    for format in ["human", "json", "junit"] {
        let ending = ask(&parrot, &["check", "suite.yaml", "--format", format]);
        assert_eq!(ending.code, 1, "{ending:?}");
        assert!(
            ending.out.contains("***"),
            "nothing to redact was quoted: {ending:?}"
        );
        assert_silent(&ending);
    }
    let sent = &parrot.requests()[0];
    assert_eq!(sent.header("x-token"), Some(TOKEN));
    assert!(sent.header("authorization").unwrap().contains(CREDENTIALS));
}

#[test]
fn a_value_that_does_not_fit_is_not_shown() {
    let places = [
        "target: \"http://${env:TOKEN}:port/\"",
        "target: localhost:1\n    interval: \"${env:TOKEN}\"",
        "target: localhost:1\n    retries: \"${env:TOKEN}\"",
        "target: localhost:1\n    quota: { memory: \"${env:TOKEN}\" }",
        "target: localhost:1\n    allow: [\"${env:TOKEN}\"]",
        "target: localhost:1\n    config: { method: \"${env:TOKEN}\" }",
        "target: localhost:1\n    config: { expect: { status: \"${env:TOKEN}\" } }",
        "target: localhost:1\n    config: { \"${env:TOKEN}\": 1 }",
        "target: localhost:1\n    \"${env:TOKEN}\": 1",
    ];
    for place in places {
        let folder = folder(&[(
            "suite.yaml",
            &format!("checks:\n  - name: a\n    plugin: http\n    {place}\n"),
        )]);
        let ending = canary(&folder, &["validate", "suite.yaml"])
            .env("TOKEN", TOKEN)
            .run();
        assert_eq!(ending.code, 3, "{place}: {ending:?}");
        assert_silent(&ending);
    }
}

#[test]
fn a_plugin_that_cannot_make_sense_of_a_secret_does_not_show_it() {
    let suite = "defaults: { retries: 0 }\nchecks:\n  - name: a\n    plugin: http\n    target: \"https://127.0.0.1:1/${env:TOKEN}\"\n    \
                 config: { tls: { ca: \"${env:TOKEN}\", client_cert: \"${env:TOKEN}\", client_key: \"${env:TOKEN}\" } }\n";
    for format in ["human", "json", "junit"] {
        let folder = folder(&[("suite.yaml", suite)]);
        let ending = canary(&folder, &["check", "suite.yaml", "--format", format])
            .env("TOKEN", TOKEN)
            .run();
        assert!([1, 2].contains(&ending.code), "{ending:?}");
        assert_silent(&ending);
    }
}
