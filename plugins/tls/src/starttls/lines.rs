//! Line protocols: a command, and a reply that begins with a word or a number.

use canary_sdk::tcp::Connection;

use super::error::Error;
use super::reader::Reader;

const CONNECTION: &str = "the connection";

pub(super) fn smtp(connection: &Connection, client: &str) -> Result<(), Error> {
    expect_code(Reader::new(connection, CONNECTION), Numbered::Smtp, &["220"])?;
    connection.write(format!("EHLO {client}\r\n").as_bytes())?;
    let mut reader = Reader::new(connection, "EHLO");
    let extensions = Numbered::Smtp.read(&mut reader)?;
    extensions.expect(&["250"], &reader)?;
    if !extensions.lines.iter().any(|line| offers_tls(line)) {
        return Err(reader.not_offered(extensions.lines.join("\n").as_bytes(), "STARTTLS"));
    }
    connection.write(b"STARTTLS\r\n")?;
    expect_code(Reader::new(connection, "STARTTLS"), Numbered::Smtp, &["220"])
}

pub(super) fn ftp(connection: &Connection) -> Result<(), Error> {
    expect_code(Reader::new(connection, CONNECTION), Numbered::Ftp, &["220"])?;
    connection.write(b"AUTH TLS\r\n")?;
    // 334 is for mechanisms that need more data (RFC 2228). TLS needs none, yet some servers begin it after a 334.
    expect_code(
        Reader::new(connection, "AUTH TLS"),
        Numbered::Ftp,
        &["234", "334"],
    )
}

pub(super) fn imap(connection: &Connection) -> Result<(), Error> {
    expect_prefix(connection, CONNECTION, "* OK")?;
    connection.write(b"a1 STARTTLS\r\n")?;
    let mut reader = Reader::new(connection, "STARTTLS");
    loop {
        let line = reader.line()?;
        // Untagged lines may arrive at any time; BYE is the last of them, in place of an answer.
        if !line.starts_with("* ") || has_prefix(&line, "* BYE") {
            return check_prefix("STARTTLS", &line, "a1 OK");
        }
    }
}

pub(super) fn pop3(connection: &Connection) -> Result<(), Error> {
    expect_prefix(connection, CONNECTION, "+OK")?;
    connection.write(b"STLS\r\n")?;
    expect_prefix(connection, "STLS", "+OK")
}

/// A protocol whose replies begin with a number. The last line of a reply has a blank after it, the others a hyphen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbered {
    /// Every line has the number.
    Smtp,
    /// There may be anything in the lines between the first and the last.
    Ftp,
}

/// A whole reply.
struct Reply {
    code: String,
    lines: Vec<String>,
}

impl Numbered {
    /// Reads the reply that decides: in FTP others may announce it, such as "ready in so many minutes" (RFC 959, 4.2).
    fn read(self, reader: &mut Reader<'_>) -> Result<Reply, Error> {
        loop {
            let reply = self.read_one(reader)?;
            let is_preliminary = self == Self::Ftp && reply.code.starts_with('1');
            if !is_preliminary {
                return Ok(reply);
            }
        }
    }

    fn read_one(self, reader: &mut Reader<'_>) -> Result<Reply, Error> {
        let mut line = reader.line()?;
        let Some(code) = code(&line).map(str::to_owned) else {
            return Err(reader.refused());
        };
        let mut lines = Vec::new();
        while !self.is_last(&line, &code) {
            lines.push(line);
            line = reader.line()?;
        }
        let ends_itself = line.starts_with(&code);
        lines.push(line);
        if ends_itself {
            Ok(Reply { code, lines })
        } else {
            Err(reader.refused())
        }
    }

    fn is_last(self, line: &str, first: &str) -> bool {
        let is_end = line.get(3..).is_some_and(|rest| !rest.starts_with('-'));
        is_end && code(line).is_some_and(|code| self == Self::Smtp || code == first)
    }
}

impl Reply {
    fn expect(&self, codes: &[&str], reader: &Reader<'_>) -> Result<(), Error> {
        if codes.contains(&self.code.as_str()) {
            Ok(())
        } else {
            Err(reader.refused())
        }
    }
}

fn expect_code(mut reader: Reader<'_>, protocol: Numbered, codes: &[&str]) -> Result<(), Error> {
    protocol.read(&mut reader)?.expect(codes, &reader)
}

/// The number of a line: three digits, and then nothing, a blank or a hyphen.
fn code(line: &str) -> Option<&str> {
    let (code, rest) = line.split_at_checked(3)?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
    (is_code && (rest.is_empty() || rest.starts_with([' ', '-']))).then_some(code)
}

/// Whether a line of an answer to EHLO has the keyword. Clients ignore what follows it (RFC 3207, 4, has nothing there).
fn offers_tls(line: &str) -> bool {
    let mut words = line.get(4..).unwrap_or_default().split_ascii_whitespace();
    words
        .next()
        .is_some_and(|keyword| keyword.eq_ignore_ascii_case("STARTTLS"))
}

fn expect_prefix(connection: &Connection, step: &'static str, prefix: &str) -> Result<(), Error> {
    check_prefix(step, &Reader::new(connection, step).line()?, prefix)
}

fn check_prefix(step: &'static str, line: &str, prefix: &str) -> Result<(), Error> {
    if has_prefix(line, prefix) {
        Ok(())
    } else {
        Err(Error::quoted(step, line.as_bytes()))
    }
}

fn has_prefix(line: &str, prefix: &str) -> bool {
    line.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
