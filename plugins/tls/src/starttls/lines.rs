//! Line protocols: a command, and a reply that begins with a word or a number.

use canary_sdk::tcp::Connection;

use super::Error;

/// Maximum bytes of a line.
const MAX_LINE: u32 = 4096;
/// Maximum lines of one reply.
const MAX_LINES: usize = 100;

pub(super) fn smtp(connection: &Connection, client: &str) -> Result<(), Error> {
    numbered(connection, "the connection", "220")?;
    connection.write(format!("EHLO {client}\r\n").as_bytes())?;
    let extensions = numbered(connection, "EHLO", "250")?;
    let offers = |line: &String| {
        line.get(4..)
            .is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))
    };
    if !extensions.iter().any(offers) {
        return Err(Error::refused(
            "EHLO",
            format!("{} (no STARTTLS)", extensions.join(" | ")),
        ));
    }
    connection.write(b"STARTTLS\r\n")?;
    numbered(connection, "STARTTLS", "220").map(drop)
}

pub(super) fn ftp(connection: &Connection) -> Result<(), Error> {
    numbered(connection, "the connection", "220")?;
    connection.write(b"AUTH TLS\r\n")?;
    numbered(connection, "AUTH TLS", "234").map(drop)
}

pub(super) fn imap(connection: &Connection) -> Result<(), Error> {
    expect_prefix(connection, "the connection", "* OK")?;
    connection.write(b"a1 STARTTLS\r\n")?;
    for _ in 0..MAX_LINES {
        let line = connection.read_line(MAX_LINE)?;
        // Untagged lines may arrive at any time.
        if !line.starts_with("* ") {
            return check_prefix("STARTTLS", &line, "a1 OK");
        }
    }
    Err(Error::refused("STARTTLS", "too many lines"))
}

pub(super) fn pop3(connection: &Connection) -> Result<(), Error> {
    expect_prefix(connection, "the connection", "+OK")?;
    connection.write(b"STLS\r\n")?;
    expect_prefix(connection, "STLS", "+OK")
}

/// Reads a reply of SMTP or FTP: every line has the number, and only the last has a blank after it. FTP allows
/// anything in the lines between.
fn numbered(connection: &Connection, step: &'static str, code: &str) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    while lines.len() < MAX_LINES {
        let line = connection.read_line(MAX_LINE)?;
        let rest = line.strip_prefix(code);
        let is_last = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if lines.is_empty() && rest.is_none() {
            return Err(Error::refused(step, line));
        }
        lines.push(line);
        if is_last {
            return Ok(lines);
        }
    }
    Err(Error::refused(step, "too many lines"))
}

fn expect_prefix(connection: &Connection, step: &'static str, prefix: &str) -> Result<(), Error> {
    check_prefix(step, &connection.read_line(MAX_LINE)?, prefix)
}

fn check_prefix(step: &'static str, line: &str, prefix: &str) -> Result<(), Error> {
    match line.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => Ok(()),
        _ => Err(Error::refused(step, line)),
    }
}
