//! What servers in use send beside the letter of the RFC, and where tolerance ends.

use canary_sdk::tcp;

use super::super::reader::{MAX_BYTES, MAX_PARTS, Reader};
use super::*;

fn answers(question: &str, greeting: &str, answer: &str) -> Script {
    Script::new().send(greeting).expect(question).send(answer)
}

#[test]
fn letters_of_either_case_mean_the_same() {
    upgrades(
        "smtp",
        ehlo("250-mail\r\n250 StartTls\r\n")
            .expect("STARTTLS\r\n")
            .send("220 go\r\n"),
    );
    upgrades(
        "imap",
        answers("a1 STARTTLS\r\n", "* Ok hello\r\n", "a1 ok begin\r\n"),
    );
    upgrades("pop3", answers("STLS\r\n", "+Ok\r\n", "+ok begin\r\n"));
}

#[test]
fn an_offer_may_have_blanks_and_parameters_after_the_keyword() {
    for offer in [
        "250 STARTTLS ",
        "250-STARTTLS\t\r\n250 SIZE",
        "250 STARTTLS REQUIRED",
    ] {
        let script = ehlo(&format!("250-mail\r\n{offer}\r\n"));
        upgrades("smtp", script.expect("STARTTLS\r\n").send("220 go\r\n"));
    }
    let summary = refusal("smtp", ehlo("250-mail\r\n250 XSTARTTLS STARTTLS\r\n"));
    assert!(summary.ends_with("does not offer STARTTLS"), "{summary}");
}

#[test]
fn a_greeting_of_imap_may_be_followed_by_more_untagged_lines() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\n";
    upgrades("imap", answers("a1 STARTTLS\r\n", greeting, "a1 OK begin\r\n"));
    assert_eq!(
        refusal("imap", Script::new().send("* PREAUTH welcome\r\n")),
        "starttls imap: the server answered the connection with `* PREAUTH welcome`"
    );
}

#[test]
fn a_preliminary_reply_of_ftp_announces_another_at_any_step() {
    let script = || answers("AUTH TLS\r\n", "120 soon\r\n220 ready\r\n", "150 wait\r\n");
    upgrades("ftp", script().send("234 begin\r\n"));
    assert_eq!(
        refusal("ftp", script().send("534 no\r\n")),
        "starttls ftp: the server answered AUTH TLS with `150 wait | 534 no`"
    );
    assert_eq!(
        refusal("smtp", Script::new().send("120 soon\r\n220 ready\r\n")),
        "starttls smtp: the server answered the connection with `120 soon`"
    );
}

#[test]
fn ftp_may_ask_for_the_handshake() {
    upgrades("ftp", answers("AUTH TLS\r\n", "220\r\n", "334 begin\r\n"));
    let summary = refusal("ftp", answers("AUTH TLS\r\n", "220\r\n", "331 password\r\n"));
    assert!(summary.ends_with("AUTH TLS with `331 password`"), "{summary}");
}

#[test]
fn the_code_of_ldap_counts_without_the_texts() {
    upgrades("ldap", ldap().send(b"\x30\x08\x02\x01\x01\x78\x03\x0a\x01\x00"));
    upgrades(
        "ldap",
        ldap().send(b"\x30\x0a\x02\x01\x01\x78\x05\x0a\x01\x00\x04\x00"),
    );
    assert_eq!(
        refusal("ldap", ldap().send(b"\x30\x08\x02\x01\x01\x78\x03\x0a\x01\x34")),
        "starttls ldap: the server answered StartTLS with result code 52"
    );
}

#[test]
fn the_domain_of_xmpp_has_no_dot_at_its_end() {
    let dialogue = || {
        Script::new()
            .expect(
                "<?xml version='1.0'?><stream:stream to='db.test' version='1.0' xmlns='jabber:client' \
                 xmlns:stream='http://etherx.jabber.org/streams'>",
            )
            .send("<stream:error/>")
    };
    for (target, config) in [
        ("db.test.", json!({ "starttls": "xmpp" })),
        ("peer", json!({ "starttls": "xmpp", "server_name": "db.test." })),
    ] {
        let host = FakeHost::new().tcp(&format!("{target}:5222"), dialogue());
        let verdict = host.run::<Tls>(target, config).unwrap();
        assert_eq!(
            verdict.summary(),
            "starttls xmpp: the server answered the stream with `<stream:error/>`"
        );
    }
}

#[test]
fn a_server_that_wants_tls_from_the_first_byte_is_named() {
    let alert = b"\x15\x03\x01\0\x02\x02\x46";
    let words = "a TLS alert: it expects TLS from the first byte (leave `starttls` out)";
    for (protocol, script) in [
        ("ldap", ldap()),
        ("postgres", postgres()),
        ("xmpp", Script::new()),
    ] {
        let summary = refusal(protocol, script.send(alert));
        assert!(summary.ends_with(words), "{summary}");
    }
}

#[test]
fn an_answer_without_words_is_named() {
    for (protocol, answer) in [
        ("smtp", "\r\n"),
        ("imap", " \n"),
        ("pop3", "\n"),
        ("mysql", "\0\0\0\0"),
    ] {
        assert_eq!(
            refusal(protocol, Script::new().send(answer)),
            format!("starttls {protocol}: the server answered the connection with an empty answer")
        );
    }
}

/// A greeting of FTP with so many bytes in so many lines.
fn greeting(bytes: usize, lines: usize) -> String {
    let last = "220 ready\r\n";
    let between = "220-\r\n".repeat(lines - 2);
    let rest = bytes - last.len() - between.len() - "220-\r\n".len();
    format!("220-{}\r\n{between}{last}", "x".repeat(rest))
}

#[test]
fn an_answer_as_long_as_the_limit_is_read_and_no_longer_one() {
    let max = usize::try_from(MAX_BYTES).unwrap();
    let ready = |greeting: String| {
        let script = Script::new().send(greeting);
        script.expect("AUTH TLS\r\n").send("234 begin\r\n")
    };
    for (bytes, lines) in [(max, 2), (max, MAX_PARTS), (MAX_PARTS * 8, MAX_PARTS)] {
        upgrades("ftp", ready(greeting(bytes, lines)));
    }
    for (bytes, lines, limit) in [
        (max + 1, 2, "65536 bytes"),
        (max + 1, MAX_PARTS, "65536 bytes"),
        (max, MAX_PARTS + 1, "4096 lines"),
    ] {
        let summary = refusal("ftp", Script::new().send(greeting(bytes, lines)));
        assert!(
            summary.ends_with(&format!("longer than the limit of {limit}")),
            "{summary}"
        );
    }
    // Each part is subtracted in its order: the heads of the message, the ID, the response, the code, the texts.
    let response = |bytes: usize| {
        let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        let text = vec![b'x'; bytes - 6 - 3 - 6 - 3 - 2 - 6];
        [
            b"\x30\x84".as_slice(),
            &length(bytes - 6),
            b"\x02\x01\x01\x78\x84",
            &length(bytes - 6 - 3 - 6),
            b"\x0a\x01\x00\x04\x00\x04\x84",
            &length(text.len()),
            &text,
        ]
        .concat()
    };
    upgrades("ldap", ldap().send(response(max)));
    let summary = refusal("ldap", ldap().send(response(max + 1)));
    assert!(
        summary.ends_with("longer than the limit of 65536 bytes"),
        "{summary}"
    );
}

#[test]
fn an_error_without_an_end_is_not_read_forever() {
    let flood = (0..20).fold(Script::new(), |script, _| script.send([b'x'; 1000]));
    let host = FakeHost::new().tcp("db:1", flood.silence());
    let read = host.enter(|| {
        let connection = tcp::connect(&"db:1".parse().unwrap()).unwrap();
        Reader::new(&connection, "a step").rest(|_| false).len()
    });
    assert_eq!(read, 8192);
}
