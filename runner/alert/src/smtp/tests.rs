use tokio::io::{AsyncReadExt as _, duplex};

use super::*;

/// Bytes that a server may have written before anyone reads them.
const PIPE: usize = 1 << 20;

/// The result of reading a reply that begins like this and does not end.
async fn reply_to(said: &[u8]) -> Result<Reply, SmtpError> {
    let (client, mut server) = duplex(PIPE);
    server.write_all(said).await.unwrap();
    let mut connection = SmtpConnection::new(client);
    let reply = connection.reply().await;
    drop(server);
    reply
}

#[tokio::test]
async fn a_reply_may_have_many_lines_of_one_code() {
    let reply = reply_to(b"250-mail.test\r\n250-PIPELINING\n250 ok\r\n")
        .await
        .unwrap();
    assert_eq!(
        (reply.code, reply.text().as_str()),
        (250, "mail.test PIPELINING ok")
    );
    let bare = reply_to(b"354\r\n").await.unwrap();
    assert_eq!((bare.code, bare.text().as_str()), (354, ""));
}

#[tokio::test]
async fn a_line_and_a_reply_without_end_are_given_up_at_their_bounds() {
    let endless = [b"220 ".as_slice(), &[b'x'; 4 << 10]].concat();
    assert_eq!(
        reply_to(&endless).await,
        Err(SmtpError::InvalidReply("a line of more than 2 KiB"))
    );
    let with_end = [endless.as_slice(), b"\r\n"].concat();
    assert_eq!(
        reply_to(&with_end).await,
        Err(SmtpError::InvalidReply("a line of more than 2 KiB"))
    );
    let lines = b"250-more of it\r\n".repeat(8 << 10);
    assert_eq!(
        reply_to(&lines).await,
        Err(SmtpError::InvalidReply("a reply of more than 64 KiB"))
    );
}

#[tokio::test]
async fn whatever_is_not_a_reply_is_invalid() {
    let said: [&[u8]; 12] = [
        b"\r\n",
        b"2\r\n",
        b"25\r\n",
        b"hello\r\n",
        b"+OK pop\r\n",
        b"150 too early\r\n",
        b"650 too late\r\n",
        b"250_ok\r\n",
        b"2500 ok\r\n",
        b"250 nu\0l\r\n",
        b"250-one\r\n550 two\r\n",
        b"\xff\xfe\xfd\r\n",
    ];
    for bytes in said {
        let answer = reply_to(bytes).await;
        assert!(
            matches!(answer, Err(SmtpError::InvalidReply(_))),
            "{bytes:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_closes_in_the_middle_is_distinguished_from_one_that_talks_nonsense() {
    let (client, mut server) = duplex(PIPE);
    server.write_all(b"250-half").await.unwrap();
    drop(server);
    let answer = SmtpConnection::new(client).reply().await;
    assert!(matches!(answer, Err(SmtpError::Closed(_))), "{answer:?}");
}

fn offering(line: &str) -> Extensions {
    Extensions::parse(&Reply {
        code: 250,
        lines: vec!["mail.test".to_owned(), line.to_owned()],
    })
}

#[tokio::test]
async fn what_was_sent_ahead_of_a_tls_handshake_ends_the_session() {
    let (client, mut server) = duplex(PIPE);
    server
        .write_all(b"220 go ahead\r\n250 injected by someone on the way\r\n")
        .await
        .unwrap();
    let answer = SmtpConnection::new(client).starttls(&offering("STARTTLS")).await;
    assert_eq!(
        answer.err(),
        Some(SmtpError::InvalidReply(
            "unexpected data before the TLS handshake"
        ))
    );
}

#[tokio::test]
async fn a_server_that_does_not_offer_tls_is_not_asked_for_it() {
    let (client, mut server) = duplex(PIPE);
    let answer = SmtpConnection::new(client).starttls(&offering("HELP")).await;
    assert!(matches!(answer.err(), Some(SmtpError::Unsupported(_))));
    let mut asked = Vec::new();
    server.read_to_end(&mut asked).await.unwrap();
    assert!(asked.is_empty());
}

/// What a client sends to log in, and the result, for these replies of the server.
async fn log_in(offer: &str, user: &str, replies: &[u8]) -> (String, Result<(), SmtpError>) {
    let (client, mut server) = duplex(PIPE);
    server.write_all(replies).await.unwrap();
    let mut connection = SmtpConnection::new(client);
    let answer = connection.log_in(&offering(offer), user, "pass").await;
    drop(connection);
    let mut sent = String::new();
    server.read_to_string(&mut sent).await.unwrap();
    (sent, answer)
}

#[tokio::test]
async fn a_login_goes_by_plain_or_else_by_login_or_not_at_all() {
    let (sent, answer) = log_in("AUTH LOGIN PLAIN", "me", b"235 ok\r\n").await;
    assert_eq!((sent.as_str(), answer), ("AUTH PLAIN AG1lAHBhc3M=\r\n", Ok(())));
    let challenges = b"334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n";
    let (sent, answer) = log_in("AUTH=LOGIN", "me", challenges).await;
    assert_eq!(
        (sent.as_str(), answer),
        ("AUTH LOGIN\r\nbWU=\r\ncGFzcw==\r\n", Ok(()))
    );
    let (_, answer) = log_in("AUTH LOGIN CRAM-MD5", "me", challenges).await;
    assert_eq!(answer, Ok(()));
    for (offer, user) in [("AUTH XOAUTH2", "me"), ("HELP", "me"), ("AUTH PLAIN", "m\0e")] {
        let (sent, answer) = log_in(offer, user, b"").await;
        assert_eq!(sent, "", "{offer}");
        assert!(matches!(answer, Err(SmtpError::Unsupported(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_want_the_user_is_not_given_the_password() {
    let (sent, answer) = log_in("AUTH LOGIN", "me", b"334 user\r\n535 no\r\n235 ok\r\n").await;
    assert_eq!(sent, "AUTH LOGIN\r\nbWU=\r\n");
    assert!(matches!(answer, Err(SmtpError::Rejected { .. })), "{answer:?}");
}

#[tokio::test]
async fn lines_and_replies_are_taken_up_to_their_bounds() {
    let line = |sign, length: usize| format!("250{sign}{}\r\n", "x".repeat(length - 4));
    assert!(reply_to(line(' ', (2 << 10) - 1).as_bytes()).await.is_ok());
    for too_long in [line(' ', 2 << 10), "x".repeat(2 << 10)] {
        let answer = reply_to(too_long.as_bytes()).await;
        assert_eq!(answer, Err(SmtpError::InvalidReply("a line of more than 2 KiB")));
    }
    let lines = line('-', 1 << 10).repeat(63);
    let whole = lines.clone() + &line(' ', 1 << 10);
    assert_eq!(reply_to(whole.as_bytes()).await.unwrap().lines.len(), 64);
    let larger = lines + &line(' ', (1 << 10) + 1);
    let answer = reply_to(larger.as_bytes()).await;
    assert_eq!(
        answer,
        Err(SmtpError::InvalidReply("a reply of more than 64 KiB"))
    );
}

#[tokio::test]
async fn a_session_ends_with_a_goodbye() {
    let (client, mut server) = duplex(PIPE);
    let replies = b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n";
    server.write_all(replies).await.unwrap();
    let mail = Envelope {
        from: "a@example.com",
        to: &["b@example.com"],
        message: b"text",
    };
    let mut connection = SmtpConnection::new(client);
    assert_eq!(
        connection.send(&Extensions::default(), &mail).await,
        Ok(Vec::new())
    );
    drop(connection);
    let mut sent = String::new();
    server.read_to_string(&mut sent).await.unwrap();
    assert!(sent.ends_with("DATA\r\ntext\r\n.\r\nQUIT\r\n"), "{sent}");
}

#[test]
fn the_class_of_a_code_is_its_first_digit() {
    let reply = Reply {
        code: 299,
        lines: vec![String::new()],
    };
    assert!(reply.clone().expect(2, Stage::Session).is_ok());
    assert!(reply.expect(3, Stage::Session).is_err());
}

#[test]
fn nothing_in_a_message_ends_it() {
    for (message, expected) in [
        ("a\r\nb", "a\r\nb\r\n.\r\n"),
        ("a\r\n.\r\nRCPT TO:<x>\r\n", "a\r\n..\r\nRCPT TO:<x>\r\n.\r\n"),
        ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
        (".a\n\n", "..a\r\n\r\n.\r\n"),
        ("a.b", "a.b\r\n.\r\n"),
    ] {
        let sent = String::from_utf8(data(message.as_bytes())).unwrap();
        assert_eq!(sent, expected, "{message:?}");
    }
}

#[tokio::test]
async fn an_address_with_a_line_break_is_never_sent() {
    let (client, mut server) = duplex(PIPE);
    let mail = Envelope {
        from: "a@example.com>\r\nRCPT TO:<spam@example.com",
        to: &["b@example.com"],
        message: b"text",
    };
    let mut connection = SmtpConnection::new(client);
    let answer = connection.send(&Extensions::default(), &mail).await;
    assert!(matches!(answer, Err(SmtpError::Unsupported(_))), "{answer:?}");
    drop(connection);
    let mut sent = Vec::new();
    server.read_to_end(&mut sent).await.unwrap();
    assert!(sent.is_empty());
}

#[test]
fn addresses_and_texts_beyond_ascii_need_a_server_that_takes_them() {
    let mail = Envelope {
        from: "jürgen@example.com",
        to: &["b@example.com"],
        message: "Grüße".as_bytes(),
    };
    let both = Extensions {
        smtp_utf8: true,
        eight_bit: true,
        ..Extensions::default()
    };
    assert_eq!(parameters(&both, &mail).unwrap(), " SMTPUTF8 BODY=8BITMIME");
    assert!(parameters(&Extensions::default(), &mail).is_err());
    assert!(parameters(&offering("SMTPUTF8"), &mail).is_err());
    let text = Envelope {
        message: b"text",
        ..mail
    };
    assert_eq!(parameters(&offering("SMTPUTF8"), &text).unwrap(), " SMTPUTF8");
    let one_of_them = Envelope {
        from: "a@example.com",
        to: &["b@example.com", "jürgen@example.com"],
        ..text
    };
    assert!(parameters(&Extensions::default(), &one_of_them).is_err());
    let ascii = Envelope {
        to: &["b@example.com"],
        ..one_of_them
    };
    assert_eq!(parameters(&Extensions::default(), &ascii).unwrap(), "");
}

#[test]
fn a_client_has_a_name_that_a_server_can_read() {
    let name = client_name();
    assert!(
        !name.is_empty() && name.is_ascii() && !name.contains(' '),
        "{name}"
    );
    let long = "x".repeat(253);
    for name in ["mail-1.example.com", "MAIL", &long] {
        assert_eq!(valid_name(name.to_owned()), name);
    }
    let longer = "x".repeat(254);
    for name in ["", "a b", "bücher", "-_-", &longer] {
        assert_eq!(valid_name(name.to_owned()), "[127.0.0.1]");
    }
}

#[test]
fn what_a_server_calls_itself_is_nothing_that_it_can_do() {
    let reply = Reply {
        code: 250,
        lines: vec!["STARTTLS".to_owned()],
    };
    assert_eq!(Extensions::parse(&reply), Extensions::default());
}
