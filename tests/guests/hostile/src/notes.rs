//! The host's results, one line per request.

use canary_sdk::{ErrorCode, NetError, Pointer, Problem, Status, Verdict};

/// Maximum number of lines; a plugin that floods the host would run out of its own memory first.
const LINES_KEPT: usize = 64;

/// The host's results, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    lines: Vec<(&'static str, Result<String, NetError>)>,
}

impl Notes {
    /// Records the result of a request.
    pub(crate) fn record(&mut self, what: &'static str, answer: Result<String, NetError>) {
        if self.lines.len() < LINES_KEPT {
            self.lines.push((what, answer));
        }
    }

    /// A pass, or a warning if the host refused anything.
    pub(crate) fn into_verdict(self) -> Verdict {
        let mut verdict = Verdict::pass("done");
        for (what, answer) in self.lines {
            match answer {
                Ok(text) => verdict.assert(what, Status::Pass, text),
                Err(error) => verdict.assert(what, Status::Warn, code_text(&error)),
            };
        }
        verdict
    }

    /// A problem for each result.
    pub(crate) fn into_problems(self, at: &Pointer) -> Vec<Problem> {
        let text = |answer: Result<String, NetError>| answer.unwrap_or_else(|error| code_text(&error));
        let problem = |(what, answer)| Problem::config(at, format!("{what}: {}", text(answer)));
        self.lines.into_iter().map(problem).collect()
    }
}

/// Such as `quota(sockets, 2)`, `timeout(wait)` or `refused`.
fn code_text(error: &NetError) -> String {
    let reason = error.reason();
    match (&error.code, &error.quota, error.phase) {
        (ErrorCode::Quota, Some(quota), _) => format!("quota({}, {})", quota.what, quota.limit),
        (ErrorCode::Timeout, _, Some(phase)) if error.progress.is_none() => format!("timeout({phase})"),
        (
            ErrorCode::HostExhausted
            | ErrorCode::Refused
            | ErrorCode::Unreachable
            | ErrorCode::Reset
            | ErrorCode::Closed,
            ..,
        ) if error.progress.is_none() => reason.to_owned(),
        _ => format!("{reason}({})", detail(error)),
    }
}

/// The part of the message besides its code.
fn detail(error: &NetError) -> &str {
    let start = match error.code {
        ErrorCode::Denied => "the suite does not allow it: ",
        ErrorCode::Unresolved => "the name does not resolve: ",
        ErrorCode::Tls => "TLS: ",
        ErrorCode::Protocol => "protocol error: ",
        ErrorCode::Invalid => "invalid request: ",
        _ => "",
    };
    error.message.strip_prefix(start).unwrap_or(&error.message)
}
