//! Why TLS could not begin, and how a message quotes what a server sent.

use canary_sdk::NetError;

/// How an alert of any version of TLS begins.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// Maximum bytes of an answer in a message.
pub(super) const MAX_SHOWN: usize = 256;

/// Why TLS could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The connection failed.
    #[error("{}", .0.explain())]
    Net(Box<NetError>),
    /// The connection failed in the middle of an answer.
    #[error("{}; the server had answered {step} with {answer}", .error.explain())]
    Interrupted {
        /// What it was asked.
        step: &'static str,
        /// The part that arrived, quoted.
        answer: String,
        /// How the connection failed.
        error: Box<NetError>,
    },
    /// The server's answer does not lead to TLS.
    #[error("the server answered {step} with {answer}")]
    Refused {
        /// What it was asked.
        step: &'static str,
        /// What it answered: its words in backticks, the rest described.
        answer: String,
    },
    /// The answer exceeds a limit.
    #[error("the server's answer to {step} is longer than the limit of {limit} {unit}")]
    TooLong {
        /// What it was asked.
        step: &'static str,
        /// The most that is read.
        limit: usize,
        /// What is counted, in the plural.
        unit: &'static str,
    },
}

impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        Self::Net(Box::new(error))
    }
}

impl Error {
    /// An answer that is quoted as it is.
    pub(super) fn quoted(step: &'static str, answer: &[u8]) -> Self {
        Self::refused(step, described(answer))
    }

    pub(super) fn refused(step: &'static str, answer: String) -> Self {
        Self::Refused { step, answer }
    }

    /// The failure of the connection, if that is the reason.
    pub(crate) fn net(&self) -> Option<&NetError> {
        match self {
            Self::Net(error) | Self::Interrupted { error, .. } => Some(error),
            Self::Refused { .. } | Self::TooLong { .. } => None,
        }
    }
}

/// A result and the server's own words about it, where it has any.
pub(super) fn explained(result: String, words: &[u8]) -> String {
    if trimmed(words).is_empty() {
        return result;
    }
    format!("{result}: {}", quote(words))
}

/// An answer as it was sent, quoted, or what it is where its bytes say nothing to people.
pub(super) fn described(answer: &[u8]) -> String {
    if answer.starts_with(&TLS_ALERT) {
        "a TLS alert: it expects TLS from the first byte (leave `starttls` out)".to_owned()
    } else if trimmed(answer).is_empty() {
        "an empty answer".to_owned()
    } else {
        quote(answer)
    }
}

/// The start of an answer in backticks: one line, with what cannot be printed escaped.
pub(super) fn quote(answer: &[u8]) -> String {
    let answer = trimmed(answer);
    let shown = answer.get(..cut(answer)).unwrap_or(answer);
    let mut text = String::from("`");
    for chunk in shown.utf8_chunks() {
        push_printable(&mut text, chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text.push_str(if shown.len() < answer.len() { "…`" } else { "`" });
    text
}

fn push_printable(text: &mut String, valid: &str) {
    for (number, line) in valid.split('\n').enumerate() {
        if number > 0 {
            text.push_str(" | ");
        }
        for character in line.strip_suffix('\r').unwrap_or(line).chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
    }
}

/// Without white space at either end, nor the zeros that end texts of some servers.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0 && !byte.is_ascii_whitespace())
        .map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default().trim_ascii_start()
}

/// Where the shown part ends: between two characters if this is UTF-8, of which none has more than four bytes.
fn cut(bytes: &[u8]) -> usize {
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    (MAX_SHOWN - 3..=MAX_SHOWN)
        .rev()
        .find(|end| bytes.get(*end).is_none_or(is_start))
        .unwrap_or(MAX_SHOWN)
}
