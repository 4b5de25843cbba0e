//! An answer is the same in whatever packets it arrives.

use super::*;

/// A turn of a dialogue.
#[derive(Clone, Copy)]
enum Turn {
    Server(&'static [u8]),
    Client(&'static [u8]),
}

use Turn::{Client, Server};

const STREAM: Turn = Client(
    b"<?xml version='1.0'?><stream:stream to='db.test' version='1.0' xmlns='jabber:client' \
      xmlns:stream='http://etherx.jabber.org/streams'>",
);
const STARTTLS: Turn = Client(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
const FEATURES: Turn = Server(
    b"<?xml version='1.0'?><stream:stream id='a>b'><stream:features>\
      <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
);
const EHLO: Turn = Client(b"EHLO canary.invalid\r\n");
const LDAP: Turn = Client(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
const LDAP_BUSY: &[u8] = b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x33\x04\x00\x04\x04busy";
const LDAP_NOTIFICATION: &[u8] =
    b"\x30\x13\x02\x01\x00\x78\x0e\x0a\x01\x00\x04\x00\x04\x00\x8a\x051.2.3\x30\x84\0\0\0\x0c\x02\x01\x01\x78\x07\
      \x0a\x01\x00\x04\x00\x04\x00";
const POSTGRES: Turn = Client(&[0, 0, 0, 8, 4, 210, 22, 47]);
const MYSQL: Turn = Client(&{
    let mut request = [0; 36];
    let head = [32, 0, 0, 1, 0, 0x8a, 8, 0, 0, 0, 0, 1, 45];
    request.split_at_mut(head.len()).0.copy_from_slice(&head);
    request
});
const MYSQL_GREETING: &[u8] = b"\x1a\0\0\0\x0a8.0.36\0\x07\x07\x07\x07saltsalt\0\xff\xff\x2d\x02\0";
const MYSQL_PLAIN: &[u8] = b"\x1a\0\0\0\x0a8.0.36\0\x07\x07\x07\x07saltsalt\0\xff\xf7\x2d\x02\0";

/// Dialogues that end with a success or a refusal, in all forms that an answer has.
const DIALOGUES: &[(&str, Status, &[Turn])] = &[
    (
        "smtp",
        Status::Pass,
        &[
            Server(b"220-a\r\n220 b\r\n"),
            EHLO,
            Server(b"250-mail\r\n250 STARTTLS\r\n"),
            Client(b"STARTTLS\r\n"),
            Server(b"220-go\r\n220 on\r\n"),
        ],
    ),
    ("smtp", Status::Fail, &[Server(b"421-busy\r\n421 later\r\n")]),
    (
        "smtp",
        Status::Fail,
        &[Server(b"220 a\r\n"), EHLO, Server(b"250-a\r\n250 b\r\n")],
    ),
    ("imap", Status::Fail, &[Server(b"* BYE busy\r\n")]),
    (
        "imap",
        Status::Pass,
        &[
            Server(b"* OK hello\r\n"),
            Client(b"a1 STARTTLS\r\n"),
            Server(b"* 1 EXISTS\r\na1 OK begin\r\n"),
        ],
    ),
    (
        "imap",
        Status::Fail,
        &[
            Server(b"* OK\r\n"),
            Client(b"a1 STARTTLS\r\n"),
            Server(b"* BYE closing\r\n"),
        ],
    ),
    (
        "pop3",
        Status::Pass,
        &[Server(b"+OK\r\n"), Client(b"STLS\r\n"), Server(b"+OK\r\n")],
    ),
    (
        "pop3",
        Status::Fail,
        &[Server(b"+OK\n"), Client(b"STLS\r\n"), Server(b"-ERR no\r\n")],
    ),
    (
        "ftp",
        Status::Pass,
        &[
            Server(b"120 soon\r\n220-a\r\n 500 b\r\n220 c\r\n"),
            Client(b"AUTH TLS\r\n"),
            Server(b"234 go\r\n"),
        ],
    ),
    (
        "ftp",
        Status::Fail,
        &[
            Server(b"220 a\r\n"),
            Client(b"AUTH TLS\r\n"),
            Server(b"502 no\r\n"),
        ],
    ),
    ("ldap", Status::Pass, &[LDAP, Server(LDAP_NOTIFICATION)]),
    ("ldap", Status::Fail, &[LDAP, Server(LDAP_BUSY)]),
    (
        "xmpp",
        Status::Pass,
        &[STREAM, FEATURES, STARTTLS, Server(b"<proceed xmlns='tls'/>")],
    ),
    (
        "xmpp",
        Status::Pass,
        &[
            STREAM,
            FEATURES,
            STARTTLS,
            Server(b"\n<proceed xmlns='tls'> </proceed>"),
        ],
    ),
    (
        "xmpp",
        Status::Fail,
        &[
            STREAM,
            FEATURES,
            STARTTLS,
            Server(b"<failure xmlns='tls'></failure></stream:stream>"),
        ],
    ),
    (
        "xmpp",
        Status::Fail,
        &[
            STREAM,
            Server(b"<stream:stream><stream:error><host-unknown/></stream:error></stream:stream>"),
        ],
    ),
    ("postgres", Status::Pass, &[POSTGRES, Server(b"S")]),
    ("postgres", Status::Fail, &[POSTGRES, Server(b"N")]),
    (
        "postgres",
        Status::Fail,
        &[POSTGRES, Server(b"E\0\0\0\x12SFATAL\0Mbusy\0\0")],
    ),
    ("postgres", Status::Fail, &[POSTGRES, Server(b"Ebusy\n\0")]),
    ("mysql", Status::Pass, &[Server(MYSQL_GREETING), MYSQL]),
    ("mysql", Status::Fail, &[Server(MYSQL_PLAIN)]),
    ("mysql", Status::Fail, &[Server(b"\x07\0\0\0\xff\x10\x04busy")]),
];

/// The dialogue, with what the server says divided by `packets`, which is given the number of the turn too.
fn script<B: AsRef<[u8]>>(turns: &[Turn], packets: impl Fn(usize, &'static [u8]) -> Vec<B>) -> Script {
    let script = turns
        .iter()
        .enumerate()
        .fold(Script::new(), |script, (number, turn)| match turn {
            Server(bytes) => packets(number, bytes).into_iter().fold(script, Script::send),
            Client(bytes) => script.expect(bytes),
        });
    script.tls(session([certificate("db.test")]))
}

#[track_caller]
fn outcome(protocol: &str, script: Script) -> (Status, String) {
    let verdict = run(protocol, script);
    (verdict.status(), verdict.summary())
}

#[test]
fn an_answer_divided_anywhere_is_the_same_answer() {
    for &(protocol, status, turns) in DIALOGUES {
        let whole = outcome(protocol, script(turns, |_, bytes| vec![bytes]));
        assert_eq!(whole.0, status, "{protocol}: {}", whole.1);
        for (divided, turn) in turns.iter().enumerate() {
            let Server(bytes) = turn else { continue };
            for position in 1..bytes.len() {
                let packets = |number, bytes: &'static [u8]| {
                    if number != divided {
                        return vec![bytes];
                    }
                    let (first, second) = bytes.split_at(position);
                    vec![first, second]
                };
                let parts = outcome(protocol, script(turns, packets));
                assert_eq!(parts, whole, "{protocol}: turn {divided} divided at {position}");
            }
        }
        let bytes = outcome(protocol, script(turns, |_, bytes| bytes.chunks(1).collect()));
        assert_eq!(bytes, whole, "{protocol}: one byte at a time");
    }
}

/// Anybody on the way could have sent it, and it would be read as if TLS had protected it.
#[test]
fn plain_text_after_the_last_answer_is_refused() {
    for &(protocol, _, turns) in DIALOGUES.iter().filter(|(_, status, _)| *status == Status::Pass) {
        let is_server = |turn: &Turn| matches!(turn, Server(_));
        let last = turns.iter().rposition(is_server).unwrap();
        for injected in [
            b"\n".as_slice(),
            b" ",
            b"\0",
            b"a1 OK injected\r\n",
            b"\x16\x03\x01",
        ] {
            let with_answer = script(turns, |number, bytes| {
                let answer = [bytes, if number == last { injected } else { b"" }].concat();
                vec![answer]
            });
            let (status, summary) = outcome(protocol, with_answer);
            assert_eq!(status, Status::Fail, "{protocol}: {summary}");
            assert!(
                summary.contains("more plain text before TLS"),
                "{protocol}: {summary}"
            );
        }
    }
}
