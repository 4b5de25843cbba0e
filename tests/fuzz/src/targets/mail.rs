//! Replies of a mail server.

use canary::fuzzing::mail::{Mail, send, starttls};

use super::runtime::block_on;

const MAIL: Mail<'static> = Mail {
    login: ("canary", "correct horse"),
    from: "canary@example.com",
    to: &["ops@example.com", "büro@example.com"],
    message: "Subject: down\r\n\r\n.\nüber\r.end".as_bytes(),
};
/// `\0canary\0correct horse` and `correct horse` in base64.
const PASSWORDS: [&str; 2] = ["AGNhbmFyeQBjb3JyZWN0IGhvcnNl", "Y29ycmVjdCBob3JzZQ=="];
/// Bytes of an error: a reply, and words.
const MAX_ERROR: usize = 3 * (64 << 10) + 100;
/// The first command of a client.
const HELLO: &str = "EHLO client.example\r\n";

pub(crate) fn run(data: &[u8]) {
    let mut written = Vec::new();
    let sent = block_on(send(data, &mut written, &MAIL));
    let written = String::from_utf8_lossy(&written);
    if let Err(error) = &sent {
        assert!(error.len() <= MAX_ERROR, "{} bytes", error.len());
    }
    speaks_in_lines(&written, sent.is_ok());
    keeps_the_password(&written, data);
    hands_over_what_is_unread(data);
}

fn speaks_in_lines(written: &str, is_sent: bool) {
    assert!(
        written.is_empty() || written.starts_with(HELLO) && written.ends_with("\r\n"),
        "{written}"
    );
    assert_eq!(
        written.matches(['\r', '\n']).count(),
        2 * written.matches("\r\n").count(),
        "{written}"
    );
    // A mail has exactly one terminating dot line.
    assert!(written.matches("\r\n.\r\n").count() <= 1, "{written}");
    assert_eq!(is_sent, written.ends_with("\r\n.\r\nQUIT\r\n"), "{written}");
}

/// The login goes to a server that asked for one.
fn keeps_the_password(written: &str, said: &[u8]) {
    let says = |word: &[u8]| {
        said.windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word))
    };
    for password in PASSWORDS {
        assert!(!written.contains(password) || says(b"AUTH"), "{written}");
    }
}

/// Data that arrived before a handshake is not part of it.
fn hands_over_what_is_unread(data: &[u8]) {
    let mut written = Vec::new();
    if let Ok(unread) = block_on(starttls(data, &mut written)) {
        let read = data.get(..data.len().saturating_sub(unread)).unwrap_or_default();
        assert!(read.ends_with(b"\n") && written.ends_with(b"STARTTLS\r\n"));
    }
}
