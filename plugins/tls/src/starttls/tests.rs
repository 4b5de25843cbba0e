use canary_sdk::fake::{FakeHost, Script, certificate, session};
use canary_sdk::{Phase, Status, Verdict};
use serde_json::json;

use super::*;
use crate::Tls;

mod answers;
mod packets;
mod tolerance;

fn run(protocol: &str, script: Script) -> Verdict {
    let port = serde_json::from_value::<Protocol>(json!(protocol))
        .unwrap()
        .port();
    let host = FakeHost::new().tcp(&format!("db.test:{port}"), script);
    let verdict = host
        .run::<Tls>("db.test", json!({ "starttls": protocol }))
        .unwrap();
    assert_eq!(host.open_connections(), 0);
    verdict
}

/// Asserts that TLS begins after this dialogue.
#[track_caller]
fn upgrades(protocol: &str, dialogue: Script) {
    let verdict = run(protocol, dialogue.tls(session([certificate("db.test")])));
    assert_eq!(verdict.status(), Status::Pass, "{}", verdict.summary());
}

/// The summary of a dialogue that does not get as far as TLS.
#[track_caller]
fn refusal(protocol: &str, dialogue: Script) -> String {
    let verdict = run(protocol, dialogue);
    assert_eq!(verdict.status(), Status::Fail);
    assert!(verdict.assertion("starttls").is_some());
    verdict.summary()
}

fn ehlo(extensions: &str) -> Script {
    Script::new()
        .send("220-hello\r\n220 mail ESMTP\r\n")
        .expect("EHLO canary.invalid\r\n")
        .send(extensions)
}

fn ldap() -> Script {
    Script::new().expect(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037")
}

fn postgres() -> Script {
    Script::new().expect([0, 0, 0, 8, 4, 210, 22, 47])
}

fn mysql_greeting(capabilities: [u8; 2]) -> Vec<u8> {
    let payload = [
        b"\x0a8.0.36\0".as_slice(),
        &[7; 4],
        &[9; 8],
        &[0],
        &capabilities,
        &[45, 2, 0],
    ]
    .concat();
    [
        &[u8::try_from(payload.len()).unwrap(), 0, 0, 0],
        payload.as_slice(),
    ]
    .concat()
}

#[test]
fn smtp_upgrades_after_ehlo() {
    let extensions = "250-mail\r\n250-SIZE 100\r\n250 STARTTLS\r\n";
    upgrades(
        "smtp",
        ehlo(extensions).expect("STARTTLS\r\n").send("220 go ahead\r\n"),
    );
}

#[test]
fn smtp_is_greeted_by_the_name_that_the_suite_has() {
    let script = Script::new()
        .send("220 mail ESMTP\r\n")
        .expect("EHLO probe.example.com\r\n")
        .send("250 STARTTLS\r\n")
        .expect("STARTTLS\r\n")
        .send("220 go ahead\r\n")
        .tls(session([certificate("db.test")]));
    let host = FakeHost::new().tcp("db.test:25", script);
    let config = json!({ "starttls": "smtp", "ehlo": "probe.example.com" });
    let verdict = host.run::<Tls>("db.test", config).unwrap();
    assert_eq!(verdict.status(), Status::Pass, "{}", verdict.summary());
}

#[test]
fn smtp_without_the_extension_is_refused() {
    let summary = refusal("smtp", ehlo("250-mail\r\n250 SIZE 100\r\n"));
    assert_eq!(
        summary,
        "starttls smtp: the server answered EHLO with `250-mail | 250 SIZE 100`, which does not offer STARTTLS"
    );
}

#[test]
fn smtp_that_turns_everyone_away_is_refused() {
    let summary = refusal("smtp", Script::new().send("554 go away\r\n"));
    assert_eq!(
        summary,
        "starttls smtp: the server answered the connection with `554 go away`"
    );
}

#[test]
fn imap_upgrades_past_untagged_lines() {
    let greeting = Script::new().send("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n");
    upgrades(
        "imap",
        greeting
            .expect("a1 STARTTLS\r\n")
            .send("* 1 EXISTS\r\na1 OK begin\r\n"),
    );
}

#[test]
fn imap_that_says_no_is_refused() {
    let script = Script::new()
        .send("* OK ready\r\n")
        .expect("a1 STARTTLS\r\n")
        .send("a1 BAD unknown\r\n");
    assert_eq!(
        refusal("imap", script),
        "starttls imap: the server answered STARTTLS with `a1 BAD unknown`"
    );
}

#[test]
fn pop3_upgrades_and_may_refuse() {
    let stls = || Script::new().send("+OK ready\r\n").expect("STLS\r\n");
    upgrades("pop3", stls().send("+OK begin\r\n"));
    assert_eq!(
        refusal("pop3", stls().send("-ERR no\r\n")),
        "starttls pop3: the server answered STLS with `-ERR no`"
    );
}

#[test]
fn ftp_upgrades_after_a_greeting_of_free_form() {
    let greeting = Script::new().send("220-Welcome\r\n  to this server\r\n220 ready\r\n");
    upgrades("ftp", greeting.expect("AUTH TLS\r\n").send("234 begin\r\n"));
}

#[test]
fn ldap_upgrades_with_short_and_with_long_lengths() {
    upgrades(
        "ldap",
        ldap().send(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
    );
    let long = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00";
    upgrades("ldap", ldap().send(long));
}

#[test]
fn ldap_that_cannot_is_refused_with_its_code() {
    let summary = refusal(
        "ldap",
        ldap().send(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"),
    );
    assert_eq!(
        summary,
        "starttls ldap: the server answered StartTLS with result code 2"
    );
    let summary = refusal("ldap", ldap().send(b"\x30\x84\xff\xff\xff\xff"));
    assert_eq!(
        summary,
        "starttls ldap: the server's answer to StartTLS is longer than the limit of 65536 bytes"
    );
}

#[test]
fn xmpp_upgrades_when_the_stream_offers_it() {
    let open = "<?xml version='1.0'?><stream:stream to='db.test' version='1.0' xmlns='jabber:client' \
                xmlns:stream='http://etherx.jabber.org/streams'>";
    let features = |content: &str| {
        Script::new()
            .expect(open)
            .send(format!("<stream:features>{content}</stream:features>"))
    };
    let offer = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    upgrades(
        "xmpp",
        features(offer)
            .expect(offer)
            .send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    );
    assert_eq!(
        refusal("xmpp", features("")),
        "starttls xmpp: the server answered the stream with `<stream:features></stream:features>`, which does not \
         offer starttls"
    );
}

#[test]
fn postgres_upgrades_and_may_refuse() {
    upgrades("postgres", postgres().send("S"));
    assert_eq!(
        refusal("postgres", postgres().send("N")),
        "starttls postgres: the server answered SSLRequest with `N`"
    );
}

#[test]
fn mysql_upgrades_when_the_greeting_offers_it() {
    let mut request = vec![32, 0, 0, 1, 0, 0x8a, 8, 0, 0, 0, 0, 1, 45];
    request.resize(36, 0);
    upgrades(
        "mysql",
        Script::new().send(mysql_greeting([0xff, 0xff])).expect(&request),
    );
    let summary = refusal("mysql", Script::new().send(mysql_greeting([0xff, 0xf7])));
    assert_eq!(
        summary,
        "starttls mysql: the server answered the connection with `8.0.36`, which does not offer CLIENT_SSL"
    );
}

#[test]
fn a_silent_server_is_a_time_out_with_its_phase() {
    for protocol in ["smtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres", "mysql"] {
        let verdict = run(protocol, Script::new().silence());
        assert_eq!(
            verdict.summary(),
            format!("starttls {protocol}: receive: timed out")
        );
        assert_eq!(verdict.attribute("error.phase"), Some(Phase::Receive.as_str()));
    }
}

#[test]
fn a_server_that_closes_is_a_failure_of_each_protocol() {
    for protocol in ["smtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres", "mysql"] {
        let summary = refusal(protocol, Script::new());
        assert_eq!(
            summary,
            format!("starttls {protocol}: receive: connection closed by the peer")
        );
    }
}
