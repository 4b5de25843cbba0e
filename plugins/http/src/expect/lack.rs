//! What answers never have.

use canary_sdk::Problems;

use super::status::Range;

/// Why no answer can meet a rule, and what to do.
pub(super) struct Lack {
    pub(super) reason: String,
    pub(super) hint: &'static str,
}

impl Lack {
    /// Why the answers to a request, or those that are expected, have no body (RFC 9110, section 6.4.1); nothing where they may
    /// have one.
    pub(super) fn of_body(method: &str, expected: Option<&[Range]>) -> Option<Self> {
        if method == "HEAD" {
            return Some(Self {
                reason: "an answer to `HEAD` has no body".to_owned(),
                hint: "use `GET`",
            });
        }
        let expected =
            expected.filter(|ranges| !ranges.is_empty() && ranges.iter().all(Range::has_no_body))?;
        let statuses: Vec<_> = expected.iter().map(Range::to_string).collect();
        Some(Self {
            reason: format!("an answer with status {} has no body", statuses.join(" or ")),
            hint: "expect another `status`, or leave this out",
        })
    }

    /// Why there is no body where none may be longer than nothing.
    pub(super) fn of_room() -> Self {
        Self {
            reason: "a body of at most 0 bytes, as `max_size` wants it, is empty".to_owned(),
            hint: "raise `max_size`",
        }
    }

    pub(super) fn report(&self, problems: &mut Problems) {
        problems.report_with(&self.reason, self.hint);
    }
}
