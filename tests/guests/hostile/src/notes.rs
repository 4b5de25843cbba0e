//! What the host answered, one line a request.

use canary_sdk::{NetError, Status, Verdict};

/// Lines kept; a plugin that floods the host would run out of its own memory first.
const LINES_KEPT: usize = 64;

/// The host's answers, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    lines: Vec<(&'static str, Result<String, NetError>)>,
}

impl Notes {
    /// Notes what came of asking for `what`.
    pub(crate) fn take(&mut self, what: &'static str, answer: Result<String, NetError>) {
        if self.lines.len() < LINES_KEPT {
            self.lines.push((what, answer));
        }
    }

    /// A pass, or a warning when the host refused anything.
    pub(crate) fn into_verdict(self) -> Verdict {
        let mut verdict = Verdict::pass("done");
        for (what, answer) in self.lines {
            match answer {
                Ok(text) => verdict.assert(what, Status::Pass, text),
                Err(error) => verdict.assert(what, Status::Warn, word(&error)),
            };
        }
        verdict
    }
}

/// Such as `quota(sockets, 2)`, `timeout(wait)` or `refused`.
fn word(error: &NetError) -> String {
    match error {
        NetError::Quota { what, limit } => format!("quota({what}, {limit})"),
        NetError::Timeout(phase) => format!("timeout({phase})"),
        NetError::Denied(text)
        | NetError::Unresolved(text)
        | NetError::Tls(text)
        | NetError::Protocol(text)
        | NetError::Invalid(text)
        | NetError::Other(text) => format!("{}({text})", error.reason()),
        _ => error.reason().to_owned(),
    }
}
