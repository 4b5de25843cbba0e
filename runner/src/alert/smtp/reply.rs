//! What a mail server says: replies of bounded lines and a bounded number of them.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{SmtpError, Step};

/// Bytes of a line, with its end. RFC 5321 (4.5.3.1.5) allows 512; some servers are generous.
const MAX_LINE: usize = 2 << 10;
/// Bytes of a whole reply.
const MAX_REPLY: usize = 64 << 10;
/// Bytes that are read at once.
const READ: usize = 4 << 10;

/// A reply: a code, and what people may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::alert) struct Reply {
    /// From 200 to 599.
    pub(in crate::alert) code: u16,
    /// Texts behind the code, at least one.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// The reply itself if its code begins with this digit; what it answers is `step`.
    pub(super) fn expect(self, class: u16, step: Step) -> Result<Self, SmtpError> {
        match self.code / 100 {
            found if found == class => Ok(self),
            4 | 5 => Err(SmtpError::Rejected { step, reply: self }),
            _ => Err(SmtpError::Garbage("a reply code that is not for this command")),
        }
    }

    /// All of its text.
    pub(in crate::alert) fn text(&self) -> String {
        self.lines.join(" ")
    }
}

/// A connection to a mail server, as far as it was read.
#[derive(Debug)]
pub(in crate::alert) struct Conversation<S> {
    stream: S,
    /// Read and not yet used; at most a line and what was read with its end.
    ahead: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Conversation<S> {
    pub(in crate::alert) fn new(stream: S) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The connection, of which nothing more was read than was asked for.
    pub(super) fn into_stream(self) -> Result<S, SmtpError> {
        match self.ahead.is_empty() {
            true => Ok(self.stream),
            false => Err(SmtpError::Garbage(
                "something was sent ahead of the TLS handshake",
            )),
        }
    }

    /// Reads one reply (RFC 5321, 4.2.1): lines with one code, of which all but the last have a hyphen behind it.
    pub(super) async fn reply(&mut self) -> Result<Reply, SmtpError> {
        let mut reply = Reply {
            code: 0,
            lines: Vec::new(),
        };
        let mut bytes = 0;
        loop {
            let line = self.line().await?;
            bytes += line.len();
            if bytes > MAX_REPLY {
                return Err(SmtpError::Garbage("a reply of more than 64 KiB"));
            }
            let line = Line::parse(&line)?;
            if reply.lines.is_empty() {
                reply.code = line.code;
            } else if reply.code != line.code {
                return Err(SmtpError::Garbage("a reply of more than one code"));
            }
            reply.lines.push(line.text);
            if line.is_last {
                return Ok(reply);
            }
        }
    }

    /// The next line without its end.
    async fn line(&mut self) -> Result<Vec<u8>, SmtpError> {
        let mut searched = 0;
        loop {
            let new = self.ahead.get(searched..).unwrap_or_default();
            if let Some(place) = new.iter().position(|byte| *byte == b'\n') {
                let rest = self.ahead.split_off(searched + place + 1);
                let mut line = std::mem::replace(&mut self.ahead, rest);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return match line.len() < MAX_LINE {
                    true => Ok(line),
                    false => Err(SmtpError::Garbage("a line of more than 2 KiB")),
                };
            }
            searched = self.ahead.len();
            if searched >= MAX_LINE {
                return Err(SmtpError::Garbage("a line of more than 2 KiB"));
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), SmtpError> {
        let mut buffer = [0; READ];
        let read = self.stream.read(&mut buffer).await;
        match read.map(|length| buffer.get(..length).unwrap_or_default()) {
            Ok([]) => Err(SmtpError::Closed("the mail server closed it".to_owned())),
            Ok(bytes) => {
                self.ahead.extend_from_slice(bytes);
                Ok(())
            }
            Err(error) => Err(SmtpError::Closed(error.to_string())),
        }
    }
}

/// One line of a reply.
struct Line {
    code: u16,
    is_last: bool,
    text: String,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, SmtpError> {
        const BAD: SmtpError = SmtpError::Garbage("a line that does not begin with a reply code");
        let (digits, rest) = line.split_first_chunk::<3>().ok_or(BAD)?;
        let is_code = matches!(digits, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']);
        if !is_code {
            return Err(BAD);
        }
        let code = digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let (is_last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(BAD),
        };
        if text.contains(&0) {
            return Err(SmtpError::Garbage("a NUL character"));
        }
        Ok(Self {
            code,
            is_last,
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}
