//! SMTP replies, with bounds on line length and reply size.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{SmtpError, Stage};

/// Maximum bytes of a line, with its end. RFC 5321 (4.5.3.1.5) allows 512; some servers send more.
const MAX_LINE: usize = 2 << 10;
/// Maximum bytes of a reply.
const MAX_REPLY: usize = 64 << 10;
/// Bytes read at once.
const READ_SIZE: usize = 4 << 10;

/// An SMTP reply: a code and text lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// From 200 to 599.
    pub(crate) code: u16,
    /// Text lines, at least one.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Returns the reply if its code begins with this digit, else an error of `step`.
    pub(super) fn expect(self, class: u16, stage: Stage) -> Result<Self, SmtpError> {
        match self.code / 100 {
            found if found == class => Ok(self),
            4 | 5 => Err(SmtpError::Rejected { stage, reply: self }),
            _ => Err(SmtpError::InvalidReply("unexpected reply code")),
        }
    }

    /// The text lines, joined.
    pub(crate) fn text(&self) -> String {
        self.lines.join(" ")
    }
}

/// A connection to an SMTP server, with its read buffer.
#[derive(Debug)]
pub(crate) struct SmtpConnection<S> {
    stream: S,
    /// Bytes read but not consumed; at most a line and what was read along with its end.
    buffered: Vec<u8>,
}

impl<S: AsyncRead + Unpin> SmtpConnection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffered: Vec::new(),
        }
    }

    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the connection; fails if more was read than consumed.
    pub(super) fn into_stream(self) -> Result<S, SmtpError> {
        if self.buffered.is_empty() {
            Ok(self.stream)
        } else {
            Err(SmtpError::InvalidReply(
                "unexpected data before the TLS handshake",
            ))
        }
    }

    /// Reads one reply (RFC 5321, 4.2.1): lines with the same code, all but the last with a hyphen after it.
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
                return Err(SmtpError::InvalidReply("a reply of more than 64 KiB"));
            }
            let line = Line::parse(&line)?;
            if reply.lines.is_empty() {
                reply.code = line.code;
            } else if reply.code != line.code {
                return Err(SmtpError::InvalidReply("a reply with several codes"));
            }
            reply.lines.push(line.text);
            if line.is_last {
                return Ok(reply);
            }
        }
    }

    /// Reads the next line, without its end.
    async fn line(&mut self) -> Result<Vec<u8>, SmtpError> {
        let mut searched = 0;
        loop {
            let new = self.buffered.get(searched..).unwrap_or_default();
            if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffered.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffered, rest);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return if line.len() < MAX_LINE {
                    Ok(line)
                } else {
                    Err(SmtpError::InvalidReply("a line of more than 2 KiB"))
                };
            }
            searched = self.buffered.len();
            if searched >= MAX_LINE {
                return Err(SmtpError::InvalidReply("a line of more than 2 KiB"));
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), SmtpError> {
        let mut buffer = [0; READ_SIZE];
        let read = self.stream.read(&mut buffer).await;
        match read.map(|length| buffer.get(..length).unwrap_or_default()) {
            Ok([]) => Err(SmtpError::Closed("closed by the mail server".to_owned())),
            Ok(bytes) => {
                self.buffered.extend_from_slice(bytes);
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
        const BAD: SmtpError = SmtpError::InvalidReply("a line without a reply code");
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
            return Err(SmtpError::InvalidReply("a NUL character"));
        }
        Ok(Self {
            code,
            is_last,
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}
