//! The code of a response in metrics and statistics.

use std::borrow::Cow;

use http::StatusCode;

use crate::http_client::BodyError;

/// `http_503` and the like. The set of codes is bounded, whatever a peer answers: a status of 600 or more, which HTTP
/// does not define, is `http_other`.
#[must_use]
pub fn http_code(status: StatusCode) -> Cow<'static, str> {
    match status.as_u16() {
        known @ ..600 => Cow::Owned(format!("http_{known}")),
        _ => Cow::Borrowed("http_other"),
    }
}

/// The code of a response that is not a success: that of the error in its body, if there is one, or of its status.
#[must_use]
pub fn response_code(status: StatusCode, error: Option<&BodyError>) -> Cow<'static, str> {
    error.map_or_else(|| http_code(status), |error| Cow::Borrowed(error.code()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_codes_are_bounded_whatever_a_peer_answers() {
        let codes: BTreeSet<_> = (100..1000)
            .map(|status| http_code(StatusCode::from_u16(status).unwrap()))
            .collect();
        assert_eq!(codes.len(), 501);
        assert!(codes.contains("http_503") && codes.contains("http_other"));
    }

    #[test]
    fn the_error_in_a_body_says_more_than_a_status_of_success() {
        let code = |status, error: Option<BodyError>| response_code(status, error.as_ref());
        assert_eq!(code(StatusCode::OK, Some(BodyError::HtmlPage)), "page");
        let denied = BodyError::Error("no such channel".to_owned());
        assert_eq!(code(StatusCode::OK, Some(denied)), "denied");
        assert_eq!(code(StatusCode::NOT_FOUND, None), "http_404");
    }
}
