//! Responses that never have a body.

use canary_sdk::Problems;

use super::status::Range;

/// Why no response can meet a rule, and what to do about it.
pub(super) struct UnmetReason {
    pub(super) reason: String,
    pub(super) hint: &'static str,
}

impl UnmetReason {
    /// Why the responses to a request, or the expected ones, have no body (RFC 9110, section 6.4.1); `None` if they
    /// may have one.
    pub(super) fn no_body_for_method(method: &str, expected: Option<&[Range]>) -> Option<Self> {
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

    /// Why there is no body if its maximum size is 0.
    pub(super) fn no_body_for_zero_size() -> Self {
        Self {
            reason: "with `max_size: 0` the body is empty".to_owned(),
            hint: "raise `max_size`",
        }
    }

    pub(super) fn report(&self, problems: &mut Problems) {
        problems.report_with(&self.reason, self.hint);
    }
}
