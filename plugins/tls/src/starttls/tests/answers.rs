//! What each protocol allows in an answer, and what a message says about the rest.

use super::*;

/// The summary of a server that says this at first, without the name of the protocol.
#[track_caller]
fn greeted(protocol: &str, greeting: impl AsRef<[u8]>) -> String {
    let summary = refusal(protocol, Script::new().send(greeting));
    let prefix = format!("starttls {protocol}: ");
    summary.strip_prefix(&prefix).unwrap().to_owned()
}

fn xmpp() -> Script {
    Script::new().expect(
        "<?xml version='1.0'?><stream:stream to='db.test' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
    )
}

const STREAM: &str = "<?xml version='1.0'?><stream:stream version='1.0'>";
const FEATURES: &str =
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";

fn xmpp_answer(answer: &str) -> Script {
    xmpp()
        .send(STREAM)
        .send(FEATURES)
        .expect("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        .send(answer)
}

#[test]
fn an_empty_element_may_have_either_form() {
    let proceed = "proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'";
    for answer in [
        format!("<{proceed}/>"),
        format!("<{proceed} ></proceed>"),
        format!("\n<{proceed}>\n</proceed >"),
        format!("<t:{proceed} note='a > b'></t:proceed>"),
    ] {
        upgrades("xmpp", xmpp_answer(&answer));
    }
    for answer in ["<failure xmlns='tls'/>", "<failure xmlns='tls'></failure>"] {
        assert_eq!(
            refusal("xmpp", xmpp_answer(&format!("{answer}</stream:stream>"))),
            format!("starttls xmpp: the server answered starttls with `{answer}`")
        );
    }
}

#[test]
fn features_may_have_any_prefix_and_any_content() {
    let offer = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
    for features in [
        format!("<s:features><!-- a > 'b --><mechanisms><m>PLAIN</m></mechanisms>{offer}</s:features>"),
        format!("<features xmlns='http://etherx.jabber.org/streams'>\n{offer}\n</features>"),
    ] {
        let script = xmpp().send(STREAM).send(&features);
        let script = script.expect("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        upgrades("xmpp", script.send("<proceed/>"));
    }
    assert_eq!(
        refusal("xmpp", xmpp().send(STREAM).send("<stream:features/>").silence()),
        "starttls xmpp: the server answered the stream with `<stream:features/>`, which does not offer starttls"
    );
}

#[test]
fn white_space_after_an_answer_is_plain_text_before_tls() {
    let script = xmpp_answer("<proceed></proceed> ").tls(session([certificate("db.test")]));
    let verdict = run("xmpp", script);
    assert_eq!(verdict.status(), Status::Fail);
    assert!(verdict.summary().contains("plain text"), "{}", verdict.summary());
}

#[test]
fn a_stream_error_is_quoted_whether_the_server_closes_or_not() {
    let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    let expected = format!("starttls xmpp: the server answered the stream with `{error}`");
    let script = || xmpp().send(format!("{STREAM}{error}</stream:stream>"));
    assert_eq!(refusal("xmpp", script()), expected);
    assert_eq!(refusal("xmpp", script().silence()), expected);
    assert_eq!(
        refusal("xmpp", xmpp().send(format!("{STREAM}</stream:stream>"))),
        "starttls xmpp: the server answered the stream with `</stream:stream>`"
    );
}

#[test]
fn a_greeting_of_hundreds_of_lines_is_read() {
    let banner = "220-a long notice\r\n".repeat(1000);
    let script = Script::new().send(format!("{banner}220 ready\r\n"));
    upgrades("ftp", script.expect("AUTH TLS\r\n").send("234 begin\r\n"));
    let long_line = format!("220-{}\r\n220 ready\r\n", "x".repeat(60_000));
    let script = Script::new().send(long_line);
    upgrades("ftp", script.expect("AUTH TLS\r\n").send("234 begin\r\n"));
}

#[test]
fn an_endless_answer_ends_at_a_limit_that_the_message_names() {
    let answer = "the server's answer to the connection is longer than the limit of";
    for protocol in ["ftp", "smtp"] {
        let many = greeted(protocol, "220-\r\n".repeat(5000));
        assert_eq!(many, format!("{answer} 4096 lines"));
        let much = greeted(protocol, "220-more and more\r\n".repeat(4000));
        assert_eq!(much, format!("{answer} 65536 bytes"));
        let line = greeted(protocol, "220-more and more".repeat(4000));
        assert_eq!(line, format!("{answer} 65536 bytes"));
    }
    assert_eq!(
        greeted("mysql", b"\xff\xff\xff\0\x0a"),
        format!("{answer} 65536 bytes")
    );
    let tags = refusal(
        "xmpp",
        xmpp().send("<a-tag-of-nearly-thirty-letters>".repeat(3000)),
    );
    assert_eq!(
        tags,
        "starttls xmpp: the server's answer to the stream is longer than the limit of 65536 bytes"
    );
    let tags = refusal("xmpp", xmpp().send("<a>".repeat(5000)));
    assert!(tags.ends_with("the limit of 4096 tags"), "{tags}");
}

#[test]
fn a_reply_with_a_number_is_quoted_with_all_of_its_lines() {
    let answered = "the server answered the connection with";
    for protocol in ["smtp", "ftp"] {
        assert_eq!(
            greeted(protocol, "421-too many\r\n421 try later\r\n"),
            format!("{answered} `421-too many | 421 try later`")
        );
        assert_eq!(
            greeted(protocol, "421-too many\r\n"),
            format!(
                "receive: connection closed by the peer; the server had answered the connection with `421-too many`"
            )
        );
        assert_eq!(greeted(protocol, "2200 x\r\n"), format!("{answered} `2200 x`"));
    }
    assert_eq!(
        greeted("smtp", "220-a\r\n250 b\r\n"),
        format!("{answered} `220-a | 250 b`")
    );
}

#[test]
fn ftp_waits_for_the_greeting_after_a_preliminary_reply() {
    let soon = Script::new().send("120-Busy.\r\n120 Service ready in 5 minutes\r\n");
    let greeting = soon.clone().send("220 ready\r\n");
    upgrades("ftp", greeting.expect("AUTH TLS\r\n").send("234 begin\r\n"));
    assert_eq!(
        refusal("ftp", soon.clone().send("421 no\r\n")),
        "starttls ftp: the server answered the connection with `120-Busy. | 120 Service ready in 5 minutes | 421 no`"
    );
    assert_eq!(
        refusal("ftp", soon.silence()),
        "starttls ftp: receive: timed out; the server had answered the connection with `120-Busy. | 120 Service \
         ready in 5 minutes`"
    );
}

#[test]
fn a_goodbye_in_answer_to_starttls_is_quoted() {
    let imap = || Script::new().send("* OK ready\r\n").expect("a1 STARTTLS\r\n");
    for bye in ["* BYE closing", "* bye"] {
        assert_eq!(
            refusal("imap", imap().send(format!("* 1 EXISTS\r\n{bye}\r\n"))),
            format!("starttls imap: the server answered STARTTLS with `{bye}`")
        );
    }
}

/// A message with this ID, code and diagnostic message, and with what follows these.
fn ldap_response(id: u8, code: u8, message: &str, rest: &[u8]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let result = [
        &element(0x0a, &[code]),
        &element(4, b""),
        &element(4, message.as_bytes()),
        rest,
    ]
    .concat();
    element(0x30, &[element(2, &[id]), element(0x78, &result)].concat())
}

#[test]
fn ldap_is_quoted_with_its_diagnostic_message() {
    let refused = refusal("ldap", ldap().send(ldap_response(1, 53, "not now\0", b"")));
    assert_eq!(
        refused,
        "starttls ldap: the server answered StartTLS with result code 53: `not now`"
    );
}

#[test]
fn ldap_accepts_the_answer_to_its_own_request_only() {
    assert_eq!(
        refusal("ldap", ldap().send(ldap_response(9, 0, "", b""))),
        "starttls ldap: the server answered StartTLS with message ID 9 in place of 1"
    );
    let notification = ldap_response(0, 0, "", b"\x8a\x051.2.3");
    let answer = ldap_response(1, 0, "", b"");
    upgrades("ldap", ldap().send([notification, answer].concat()));
    let notice = ldap_response(0, 52, "going down", b"\x8a\x161.3.6.1.4.1.1466.20036");
    assert_eq!(
        refusal("ldap", ldap().send(notice).silence()),
        "starttls ldap: the server answered StartTLS with a notice of disconnection with result code 52: `going down`"
    );
}

#[test]
fn postgres_is_quoted_with_the_message_of_its_error() {
    let fields = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let error = [b"E", length.as_slice(), fields].concat();
    for (error, words) in [
        (error.as_slice(), "sorry, too many clients"),
        (
            b"Eunsupported frontend protocol\n\0",
            "unsupported frontend protocol",
        ),
        (b"Ecannot fork", "cannot fork"),
    ] {
        assert_eq!(
            refusal("postgres", postgres().send(error)),
            format!("starttls postgres: the server answered SSLRequest with `E`: `{words}`")
        );
    }
    assert_eq!(
        refusal("postgres", postgres().send("E").silence()),
        "starttls postgres: the server answered SSLRequest with `E`"
    );
}

#[test]
fn mysql_is_quoted_with_the_message_of_its_error() {
    for error in [
        b"\x07\0\0\0\xff\x10\x04busy".as_slice(),
        b"\x0d\0\0\x01\xff\x10\x04#08004busy",
    ] {
        assert_eq!(
            greeted("mysql", error),
            "the server answered the connection with error 1040: `busy`"
        );
    }
}

#[test]
fn another_protocol_is_quoted() {
    let words = "HTTP/1.1 400 Größe \x07";
    for (protocol, script) in [
        ("ldap", ldap()),
        ("postgres", postgres()),
        ("mysql", Script::new()),
        ("smtp", Script::new()),
        ("imap", Script::new()),
    ] {
        let summary = refusal(protocol, script.send(format!("{words}\r\n")).silence());
        assert!(summary.ends_with("with `HTTP/1.1 400 Größe \\u{7}`"), "{summary}");
    }
}

#[test]
fn half_a_line_is_quoted_when_the_server_closes() {
    for protocol in ["smtp", "imap", "pop3", "ftp"] {
        assert_eq!(
            greeted(protocol, "sorry"),
            "receive: connection closed by the peer; the server had answered the connection with `sorry`"
        );
    }
}

#[test]
fn a_quotation_has_256_bytes_at_most_and_ends_between_characters() {
    let summary = greeted("pop3", format!("-ERR {}\r\n", "ö".repeat(300)));
    let words = format!("-ERR {}", "ö".repeat(125));
    assert_eq!(
        summary,
        format!("the server answered the connection with `{words}…`")
    );
}
