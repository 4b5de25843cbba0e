//! `canary probe`: one check without a suite.

use canary_tests::documentation;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::Dialogue;

use super::{canary, folder, site};

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_the_check_did_step_by_step() {
    let site = site();
    let target = site.url("http", "/x?card=4111");
    let ending = canary(
        &folder(&[]),
        &["probe", "http", &target, "--set", "expect.status=[200,204]"],
    )
    .run();
    assert_eq!(ending.code, 0, "{ending:?}");
    for part in [
        "instantiate",
        "connect",
        "GET http://",
        "-> 200 over HTTP/1.1",
        "wait",
        "receive",
        "1 run: 1 pass",
    ] {
        assert!(ending.out.contains(part), "{part}: {ending:?}");
    }
    assert!(!ending.out.contains("4111"), "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_exit_codes_are_those_of_check() {
    let site = site();
    let (fine, bad) = (site.url("http", "/"), site.url("http", "/bad"));
    let cases: [(&[&str], u8); 5] = [
        (&["http", &fine], 0),
        (&["http", &bad], 1),
        (&["http", &fine, "--set", "expect.statuss=200"], 3),
        (&["http", &fine, "--set", "expect"], 64),
        (
            &["http", &fine, "--set", "expect=1", "--set", "expect.status=200"],
            64,
        ),
    ];
    for (arguments, code) in cases {
        let ending = canary(&folder(&[]), &[&["probe"], arguments].concat()).run();
        assert_eq!(ending.code, i32::from(code), "{arguments:?}: {ending:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_the_json_of_check() {
    let site = site();
    let ending = canary(
        &folder(&[]),
        &["probe", "http", &site.url("http", "/"), "--format", "json"],
    )
    .run();
    assert_eq!(super::runs(&ending.out).len(), 1, "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_json_has_the_conversation_without_secrets() {
    let site = Site::start(|request| Reply::text(request.body.clone()));
    let target = site.url("http", "/?card=4111");
    let ending = canary(
        &folder(&[]),
        &[
            "probe",
            "http",
            &target,
            "--format",
            "json",
            "--set",
            "method=POST",
            "--set",
            "body=password=${env:PROBE_PASSWORD}",
            "--set",
            "bearer_token=abcdefgh",
        ],
    )
    .env("PROBE_PASSWORD", "correct-horse-battery")
    .run();
    assert_eq!(ending.code, 0, "{ending:?}");
    for secret in ["correct", "battery", "4111", "abcdefgh"] {
        assert!(!ending.out.contains(secret), "{secret}: {ending:?}");
    }
    let runs = super::runs(&ending.out);
    let lines = runs[0]["conversation"]["lines"].as_array().unwrap();
    let of = |kind: &str| {
        let lines = lines.iter().filter(|line| line["kind"] == kind);
        lines
            .map(|line| line["text"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    let (sent, received) = (of("sent"), of("received"));
    for line in ["POST /?*** HTTP/1.1", "authorization: ***", "password=***"] {
        assert!(sent.contains(&line), "{line}: {sent:?}");
    }
    for line in ["HTTP/1.1 200 OK", "password=***"] {
        assert!(received.contains(&line), "{line}: {received:?}");
    }
    assert!(lines.iter().all(|line| line["at_ms"].as_f64().is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_the_text_that_was_written_where_a_text_is_wanted() {
    let site = Site::start(|request| match request.header("x-release") {
        Some("1.10") => Reply::json(r#"{"a":{"b":5}}"#),
        _ => Reply::status(400),
    });
    let ending = canary(
        &folder(&[]),
        &[
            "probe",
            "http",
            &site.url("http", "/"),
            "--set",
            "headers.x-release=1.10",
            "--set",
            "expect.json.$.a.b=5",
            "--set",
            "expect.headers.\"content-type\"=${var:type}",
            "--var",
            "type=application/json",
        ],
    )
    .run();
    assert_eq!(ending.code, 0, "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_of_the_argument_that_was_written() {
    let site = site();
    let target = site.url("http", "/");
    for (arguments, said) in [
        (
            &["--set", "expect.status=abc"][..],
            "error: --set expect.status: `config.expect.status`: expected ",
        ),
        (
            &["--set", "method=GET", "--set", "expect.statuss=200"],
            "error: --set expect.statuss: `config.expect`: unknown key `statuss`",
        ),
        (
            &["--set", "timeout=abc"],
            "error: --set timeout: `config`: unknown key",
        ),
        (
            &["--set", "headers.a=1", "--set", "expect.latency.fail=x"],
            "error: --set expect.latency.fail: `config.expect.latency.fail`: ",
        ),
        (&["--set", "body=${var:x}"], "hint: give it with `--var x=VALUE`"),
        (&["--allow", "nonsense://"], "error: --allow: "),
    ] {
        let given = [&["probe", "http", &target], arguments].concat();
        let ending = canary(&folder(&[]), &given).run();
        assert_eq!(ending.code, 3, "{ending:?}");
        assert!(ending.err.contains(said), "{said}: {ending:?}");
        assert!(ending.err.ends_with("1 problem\n"), "{ending:?}");
        assert!(!ending.err.contains("command line"), "{ending:?}");
    }
}

/// A plugin, a setting that a pattern does not allow, and the expected hint.
const PATTERNS: [(&str, &str, &str); 10] = [
    ("http", "method=get", "a method in capital letters, such as `GET`"),
    ("http", "connect_to=abc", "an address in the form `HOST:PORT`"),
    (
        "http",
        "proxy=ftp://a",
        "a URL that begins with `http://`, `https://` or `socks5://`, or `environment`",
    ),
    (
        "http",
        r#"basic_auth={"username":"a:b","password":"c"}"#,
        "a text without `:`",
    ),
    (
        "http",
        "expect.status=abc",
        "a status such as 404, or a range such as `200-299`",
    ),
    ("http", r#"expect.status=["abc"]"#, "a range such as `200-299`"),
    (
        "http",
        "expect.json.status=ok",
        "a JSONPath (such as `$.status`) as a key",
    ),
    (
        "http",
        "expect.peer_address=x",
        "an IP address or a network, such as `10.0.0.0/8`",
    ),
    (
        "tls",
        r#"fingerprints=["abc"]"#,
        "a SHA-256 of 64 hexadecimal digits",
    ),
    (
        "tcp",
        r#"dialogue=[{"expect":{"hex":"xyz"}}]"#,
        "bytes in hexadecimal digits, such as `0d 0a`",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pattern_wants_is_said_in_words() {
    for (plugin, set, wanted) in PATTERNS {
        let target = if plugin == "http" {
            "http://a.test/"
        } else {
            "a.test:1"
        };
        let ending = canary(&folder(&[]), &["probe", plugin, target, "--set", set]).run();
        assert_eq!(ending.code, 3, "{set}: {ending:?}");
        assert!(ending.err.contains(wanted), "{set}: {ending:?}");
        assert!(!ending.err.contains("that matches"), "{set}: {ending:?}");
    }
}

/// The command of the documentation and what it prints there.
fn documented() -> (String, String) {
    let page = documentation::page("suites/one-check.md");
    let (_, block) = page.split_once("$ canary probe tcp ").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    let (command, output) = block.split_once("\n").unwrap();
    (format!("probe tcp {command}"), output.to_owned() + "\n")
}

/// Without times, and without the ports of this run.
fn steady(output: &str, target: &str) -> String {
    let word = |word: &str| {
        let word = word.trim_end_matches(',');
        let number = word.trim_end_matches(['m', 'µ', 's']);
        // From 10 ms on a time has no point.
        let is_time = (word.contains('.') || word.ends_with("ms")) && number.parse::<f64>().is_ok();
        match word.strip_prefix("127.0.0.1:") {
            _ if is_time => "TIME".to_owned(),
            Some(port) if port.parse::<u16>().is_ok() => "127.0.0.1:PORT".to_owned(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let output = output.replace(target, "127.0.0.1:25");
    output.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transcript_of_the_documentation_is_what_it_prints() {
    let mail = Dialogue::new("220 mail.example.com ESMTP\r\n")
        .farewell("QUIT", "221 2.0.0 Bye\r\n")
        .start();
    let target = mail.address().to_string();
    let (command, output) = documented();
    let mut arguments: Vec<&str> = command.split_whitespace().collect();
    let quoted = command.split('\'').nth(1).unwrap();
    arguments.truncate(3);
    arguments[2] = &target;
    let ending = canary(&folder(&[]), &[arguments.as_slice(), &["--set", quoted]].concat()).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert_eq!(
        steady(&ending.out, &target),
        steady(&output, &target),
        "{}",
        ending.out
    );
}
