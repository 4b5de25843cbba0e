use canary_sdk::fake::{FakeHost, Script, certificate, session};
use canary_sdk::tcp::IpFamily;
use canary_sdk::tls;
use serde_json::{Value, json};

use super::*;

mod found;

fn run_with(host: &FakeHost, config: Value) -> Verdict {
    let verdict = host.run::<Tcp>("db:5432", config).unwrap();
    assert_eq!(host.open_connections(), 0);
    verdict
}

fn run(script: Script, config: Value) -> Verdict {
    run_with(&FakeHost::new().tcp("db:5432", script), config)
}

fn verdict_of_dialogue(script: Script, dialogue: Value) -> Verdict {
    run(script, json!({ "dialogue": dialogue }))
}

fn mistake(config: Value) -> String {
    let host = FakeHost::new().tcp("db:5432", Script::new());
    let error = host.run::<Tcp>("db:5432", config).unwrap_err();
    assert!(
        host.connects().is_empty(),
        "a mistake is found before the first connection"
    );
    error
}

#[track_caller]
fn message_of<'v>(verdict: &'v Verdict, assertion: &str) -> &'v str {
    &verdict
        .assertion(assertion)
        .unwrap_or_else(|| panic!("no `{assertion}`: {verdict:?}"))
        .message
}

#[test]
fn a_connection_is_enough() {
    let verdict = run(Script::new(), json!({}));
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(verdict.summary(), "connected to 192.0.2.1:1 in 1.0ms");
    assert_eq!(verdict.measurement("connect.duration"), Some(0.001));
    assert_eq!(verdict.measurement("dialogue.duration"), None);
}

#[test]
fn a_closed_port_fails_with_its_phase() {
    let verdict = run_with(&FakeHost::new(), json!({}));
    assert_eq!(verdict.summary(), "connect: connection refused");
}

#[test]
fn the_options_of_the_connection_are_passed_on() {
    let host = FakeHost::new().tcp("db:5432", Script::new());
    run_with(
        &host,
        json!({ "ip_family": "ipv6", "source_address": "2001:db8::7" }),
    );
    let (_, options) = host.connects().remove(0);
    assert_eq!(options.ip_family, IpFamily::Ipv6);
    assert_eq!(options.source_address.as_deref(), Some("2001:db8::7"));
}

#[test]
fn latency_has_two_limits() {
    let latency = |limits: Value| run(Script::new(), json!({ "latency": limits })).status();
    assert_eq!(latency(json!({ "warn": "1ms", "fail": "1s" })), Status::Pass);
    assert_eq!(latency(json!({ "warn": "0ms", "fail": "1s" })), Status::Warn);
    let verdict = run(
        Script::new(),
        json!({ "latency": { "warn": "0ms", "fail": "0ms" } }),
    );
    assert_eq!(verdict.summary(), "latency: 1.0ms, more than `fail` (0s)");
}

#[test]
fn a_dialogue_goes_back_and_forth() {
    let script = Script::new()
        .send("220 ma")
        .send("il ready\r\n")
        .expect("QUIT\r\n")
        .send("221 bye\r\n");
    let verdict = verdict_of_dialogue(
        script,
        json!([{ "expect": { "matches": "^220 " } }, { "send": "QUIT\r\n" }, { "expect": { "matches": "^221" } }]),
    );
    assert_eq!(
        verdict.summary(),
        "connected to 192.0.2.1:1 in 1.0ms, 3 steps as expected"
    );
    assert_eq!(message_of(&verdict, "step 1 expect"), "received `220 mail ready`");
    assert_eq!(message_of(&verdict, "step 2 send"), "sent 6 bytes");
    assert_eq!(verdict.measurement("dialogue.duration"), Some(0.0));
}

#[test]
fn captures_are_used_in_later_sends() {
    let script = Script::new()
        .send("+OK <19")
        .send("96@mail>\r\n")
        .expect("APOP me <1996@mail>\r\n");
    let verdict = verdict_of_dialogue(
        script,
        json!([{ "expect": { "matches": "(?<stamp><[^>]+>)" } }, { "send": "APOP me ${stamp}\r\n" }]),
    );
    assert_eq!(verdict.status(), Status::Pass, "{}", verdict.summary());
}

#[test]
fn lines_before_the_one_that_matches_are_skipped() {
    let script = Script::new().send("a\nb\r\nOK 7\nrest\n");
    let verdict = verdict_of_dialogue(
        script,
        json!([{ "expect": { "matches": "^OK [0-9]$" } }, { "expect": { "equals": "rest\n" } }]),
    );
    assert_eq!(verdict.status(), Status::Pass, "{}", verdict.summary());
}

#[test]
fn a_last_line_without_an_end_counts() {
    let verdict = verdict_of_dialogue(
        Script::new().send("bye"),
        json!([{ "expect": { "matches": "^bye$" } }]),
    );
    assert_eq!(verdict.status(), Status::Pass);
}

#[test]
fn a_prompt_is_found_wherever_it_ends() {
    let script = Script::new()
        .send("Debian\r\nlog")
        .send("in: ")
        .expect("me\n")
        .send("Password: ");
    let verdict = verdict_of_dialogue(
        script,
        json!([{ "expect": { "contains": "login: " } }, { "send": "me\n" }, { "expect": { "equals": "Password: " } }]),
    );
    assert_eq!(verdict.status(), Status::Pass, "{}", verdict.summary());
}

#[test]
fn bytes_are_written_in_hexadecimal() {
    let script = Script::new().expect([0, 0xff]).send([0xca, 0xfe, 1]);
    let verdict = verdict_of_dialogue(
        script,
        json!([{ "send_hex": "00 FF" }, { "expect": { "hex": "ca:fe" } }]),
    );
    assert_eq!(message_of(&verdict, "step 2 expect"), r"received `\xca\xfe`");
    assert_eq!(verdict.status(), Status::Pass);
}

#[test]
fn a_failing_step_shows_its_number_and_what_came() {
    let verdict = verdict_of_dialogue(
        Script::new().send("554 go away\r\n"),
        json!([{ "expect": { "matches": "^220 " } }, { "send": "QUIT\r\n" }]),
    );
    assert_eq!(
        verdict.summary(),
        r"step 1 expect: the peer closed the connection; received `554 go away\r\n`"
    );
    assert!(verdict.assertion("step 2 send").is_none());
    assert_eq!(verdict.attribute("error.reason"), Some("closed"));
}

#[test]
fn other_bytes_fail_at_once() {
    let verdict = verdict_of_dialogue(
        Script::new().send("-ERR").silence(),
        json!([{ "expect": { "equals": "+OK" } }]),
    );
    assert_eq!(
        verdict.summary(),
        "step 1 expect: unexpected data; received `-ERR`"
    );
}

#[test]
fn a_silent_peer_is_a_time_out() {
    let verdict = verdict_of_dialogue(
        Script::new().silence(),
        json!([{ "expect": { "contains": "x" } }]),
    );
    assert_eq!(
        verdict.summary(),
        "step 1 expect: receive: timed out; nothing received"
    );
    assert_eq!(verdict.attribute("error.phase"), Some("receive"));
}

#[test]
fn what_a_step_may_read_does_not_depend_on_what_came_with_an_earlier_one() {
    let dialogue = json!([
        { "expect": { "equals": "220 ready\r\n" } },
        { "expect": { "contains": "late", "max_bytes": "8B" } },
    ]);
    let (first, second) = ("220 ready\r\n", "12345678late");
    let at_once = Script::new().send(format!("{first}{second}"));
    for script in [at_once, Script::new().send(first).send(second)] {
        let summary = verdict_of_dialogue(script, dialogue.clone()).summary();
        assert!(
            summary.starts_with("step 2 expect: not found within 8 bytes"),
            "{summary}"
        );
    }
}

#[test]
fn a_peer_that_goes_on_for_ever_is_cut() {
    let flood = Script::new().send("x".repeat(10_000));
    let verdict = verdict_of_dialogue(
        flood,
        json!([{ "expect": { "contains": "y", "max_bytes": "1KiB" } }]),
    );
    let expected = format!(
        "not found within 1024 bytes; received `{}… (1024 bytes)`",
        "x".repeat(256)
    );
    assert_eq!(message_of(&verdict, "step 1 expect"), expected);
}

#[test]
fn an_answer_may_come_too_late() {
    let late = || Script::new().wait(Duration::from_secs(2)).send("pong");
    let within = |limit: &str| {
        verdict_of_dialogue(
            late(),
            json!([{ "expect": { "equals": "pong", "within": limit } }]),
        )
    };
    assert_eq!(within("2s").status(), Status::Pass);
    assert_eq!(
        within("1s").summary(),
        "step 1 expect: not received within 1s; nothing received"
    );
    assert_eq!(within("1s").measurement("dialogue.duration"), Some(1.0));
    assert_eq!(within("2s").measurement("dialogue.duration"), Some(2.0));
}

#[test]
fn a_step_waits_no_longer_than_it_may_and_the_next_one_as_long_as_the_run() {
    let silent = Script::new().send("a").silence();
    let steps =
        json!([{ "expect": { "equals": "a" } }, { "expect": { "contains": "b", "within": "300ms" } }]);
    let verdict = verdict_of_dialogue(silent, steps);
    assert_eq!(
        verdict.summary(),
        "step 2 expect: not received within 300ms; nothing received"
    );
    assert_eq!(verdict.measurement("dialogue.duration"), Some(0.3));
    let slow = Script::new().send("a").wait(Duration::from_secs(2)).send("b");
    let steps = json!([{ "expect": { "equals": "a", "within": "1s" } }, { "expect": { "equals": "b" } }]);
    assert_eq!(verdict_of_dialogue(slow, steps).status(), Status::Pass);
}

#[test]
fn tls_may_begin_in_the_middle() {
    let script = Script::new()
        .send("220 ready\r\n")
        .expect("STARTTLS\r\n")
        .send("220 go\r\n")
        .tls(session([certificate("db")]))
        .expect("EHLO\r\n");
    let host = FakeHost::new().tcp("db:5432", script);
    let verdict = run_with(
        &host,
        json!({ "dialogue": [
            { "expect": { "matches": "^220" } },
            { "send": "STARTTLS\r\n" },
            { "expect": { "matches": "^220" } },
            { "start_tls": { "server_name": "mail.test", "sni": false } },
            { "send": "EHLO\r\n" },
        ] }),
    );
    assert_eq!(
        message_of(&verdict, "step 4 start_tls"),
        "TLS 1.3, TLS13_AES_256_GCM_SHA384"
    );
    assert_eq!(verdict.status(), Status::Pass, "{}", verdict.summary());
    assert_eq!(host.handshakes()[0].server_name.as_deref(), Some("mail.test"));
    assert!(!host.handshakes()[0].sni);
    assert_eq!(verdict.measurement("certificate.days_left"), Some(60.0));
}

#[test]
fn what_comes_before_tls_in_clear_is_not_taken_for_an_answer() {
    let script = Script::new().send("220 go\r\n250 injected\r\n").tls(session([]));
    let verdict = verdict_of_dialogue(
        script,
        json!([{ "expect": { "matches": "^220" } }, { "start_tls": {} }]),
    );
    assert_eq!(
        verdict.summary(),
        r"step 2 start_tls: the peer sent more before TLS started; received `250 injected\r\n`"
    );
}

#[test]
fn an_untrusted_chain_fails_the_handshake_by_default() {
    let untrusted = || Session {
        reasons: vec![tls::Reason::new("unknown-issuer", "unknown issuer")],
        ..session([])
    };
    let script = || Script::new().tls(untrusted());
    let verdict = run(script(), json!({ "tls": {} }));
    assert_eq!(verdict.summary(), "handshake: TLS: unknown issuer");
    let verdict = run(script(), json!({ "tls": { "trusted": false } }));
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(
        verdict.attribute("certificate.untrusted_reason"),
        Some("unknown issuer")
    );
    assert_eq!(verdict.summary(), "connected to 192.0.2.1:1 in 3.0ms");
}

#[test]
fn mistakes_name_their_step() {
    for (step, message) in [
        (
            json!({ "send": "${id}" }),
            "send: `${id}` is not captured by an earlier step",
        ),
        (json!({ "send": "${id" }), "send: unclosed `${`"),
        (
            json!({ "expect": {} }),
            "expect: needs exactly one of `matches`, `contains`, `equals` and `hex`",
        ),
        (
            json!({ "expect": { "matches": "(" } }),
            "expect/matches: not a regular expression for bytes: unclosed group",
        ),
        (
            json!({ "start_tls": { "client_key": "PEM" } }),
            "start_tls/client_key: needs a `client_cert`",
        ),
    ] {
        let error = mistake(json!({ "dialogue": [{ "send": "x" }, step] }));
        assert_eq!(error, format!("/config/dialogue/1/{message}"));
    }
}

#[test]
fn mistakes_in_the_shape_name_their_field() {
    let error = mistake(json!({ "dialogue": [{ "send_hex": "0g" }] }));
    assert_eq!(
        error,
        "config: `dialogue[0].send_hex`: `0g` is not bytes in hexadecimal such as `00 ff`"
    );
    let error = mistake(json!({ "dialogue": [{ "expect": { "contains": "x", "max_bytes": "1 parsec" } }] }));
    assert!(
        error.starts_with("config: `dialogue[0].expect.max_bytes`: invalid size `1 parsec`"),
        "{error}"
    );
}

#[test]
fn a_conversation_ends_while_there_is_time_for_a_verdict() {
    let script = Script::new().send("noise\n".repeat(2_000)).close();
    let host = FakeHost::new().tcp("db:5432", script);
    let host = host.cpu_used(Duration::from_millis(900));
    let verdict = run_with(
        &host,
        json!({ "dialogue": [{ "expect": { "matches": "ready", "max_bytes": "1MiB" } }] }),
    );
    assert_eq!(verdict.status(), Status::Fail);
    assert!(verdict.is_unknown());
    assert_eq!(
        message_of(&verdict, "step 1 expect"),
        "searching the received data takes more CPU time than a run has (raise the quota `cpu`); nothing received"
    );
}
