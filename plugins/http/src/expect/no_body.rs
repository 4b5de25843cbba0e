//! Answers that never have a body.

use canary_sdk::Problems;

use super::status::Range;

/// Why the answers to a request, or those that are expected, have no body (RFC 9110, section 6.4.1).
pub(super) struct NoBody {
    reason: String,
    hint: &'static str,
}

impl NoBody {
    /// Why there is none; nothing where there may be one.
    pub(super) fn of(method: &str, expected: Option<&[Range]>) -> Option<Self> {
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

    pub(super) fn report(&self, problems: &mut Problems) {
        problems.report_with(&self.reason, self.hint);
    }
}
