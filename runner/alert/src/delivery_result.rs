//! Result of an attempt to send a notification, and the decision whether it is retried.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::StatusCode;

use super::notification::truncate;
use canary_outbound::http_client::{self, BodyError};
use canary_outbound::{
    Disposition, Payload, classify, classify_failure, response_code, retry_after, success_error,
};
use canary_suite::Secrets;

/// Characters of a receiver's response that are logged.
const MAX_EXCERPT: usize = 160;
/// Maximum bytes of a secret that may be cut in two where reading ends.
const MAX_SECRET: usize = 16 << 10;

/// Result of sending a notification to its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The receiver accepted it.
    Sent,
    /// The receiver accepted it, but not for these recipients. The failure summarises all of them.
    PartlySent(Failure, Vec<UnreachedRecipient>),
    /// Not accepted for now; retried after a backoff, or after the receiver's `Retry-After`.
    Retry(Failure, Option<Duration>),
    /// The configuration is most likely wrong (address, token) and an operator must fix it. The notification is kept,
    /// retried with a long interval, and dropped only when the receiver accepts others.
    Blocked(Failure),
    /// Either this notification or the configuration is wrong: not all services distinguish them. The notification is
    /// kept like a blocked one, but retried sooner.
    Refused(Failure),
    /// This notification will never be accepted; it is dropped so that others go ahead.
    Rejected(Failure),
}

/// A recipient that a notification did not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreachedRecipient {
    /// The mail address.
    pub recipient: String,
    /// Why it was not reached.
    pub failure: Failure,
    /// Whether a retry may reach it.
    pub is_temporary: bool,
}

/// Why a notification was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A code from a bounded set, such as `timeout`, `connect`, `http_503`, `smtp_550`.
    pub code: Cow<'static, str>,
    /// One line for a person, without secrets.
    pub message: String,
}

impl DeliveryResult {
    /// Why it was not delivered, or not to all recipients.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Sent => None,
            Self::PartlySent(failure, _)
            | Self::Retry(failure, _)
            | Self::Blocked(failure)
            | Self::Refused(failure)
            | Self::Rejected(failure) => Some(failure),
        }
    }

    /// No response within `limit`.
    pub(super) fn timeout(limit: Duration) -> Self {
        let limit = humantime::format_duration(limit);
        Self::Retry(
            Failure {
                code: "timeout".into(),
                message: format!("no response within {limit}"),
            },
            None,
        )
    }

    /// The request failed without a response.
    pub(super) fn from_transport_failure(failure: http_client::Failure) -> Self {
        let cause = failure.cause;
        let failure = Failure {
            code: cause.as_str().into(),
            message: failure.message,
        };
        Self::not_sent(classify_failure(Payload::Notification, cause), failure)
    }

    /// The result of an attempt that failed.
    fn not_sent(disposition: Disposition, failure: Failure) -> Self {
        match disposition {
            Disposition::Retry(retry_after) => Self::Retry(failure, retry_after),
            Disposition::Blocked => Self::Blocked(failure),
            Disposition::Refused => Self::Refused(failure),
            // It cannot be sent in parts.
            Disposition::Rejected | Disposition::TooLarge => Self::Rejected(failure),
        }
    }

    /// The result of an HTTP response, whose body reads `excerpt` when shortened: see [`classify`].
    pub(super) fn from_response(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        excerpt: &str,
        now: SystemTime,
    ) -> Self {
        let error = success_error(status, headers, body);
        let retry_after = retry_after(headers, now);
        let Err(disposition) = classify(Payload::Notification, status, error.as_ref(), retry_after) else {
            return Self::Sent;
        };
        let what = match &error {
            None => "",
            Some(BodyError::HtmlPage) => " with an HTML page: is the URL correct?",
            Some(BodyError::Error(_)) => " with an error",
        };
        let message = match (&error, excerpt) {
            // The text of a page says nothing.
            (Some(BodyError::HtmlPage), _) | (_, "") => format!("HTTP {status}{what}"),
            (_, excerpt) => format!("HTTP {status}{what}: {excerpt}"),
        };
        let code = response_code(status, error.as_ref());
        Self::not_sent(disposition, Failure { code, message })
    }
}

/// The beginning of a response, in one line and redacted. Secrets are redacted before the text is cut: a part of a
/// secret would not be recognised any more.
pub(super) fn excerpt(response: &[u8], secrets: &Secrets) -> String {
    let redacted = secrets.redact(&String::from_utf8_lossy(response));
    // The unread rest may have been the end of a secret.
    let is_cut = response.len() >= http_client::MAX_BODY;
    let end = redacted.len() - if is_cut { MAX_SECRET.min(redacted.len()) } else { 0 };
    let redacted = redacted
        .get(..redacted.floor_char_boundary(end))
        .unwrap_or_default();
    let words = redacted.split(|char: char| char.is_whitespace() || char.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    // A secret may have been broken over several lines.
    truncate(&secrets.redact(&words.join(" ")), MAX_EXCERPT)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::RETRY_AFTER;

    use super::*;

    fn classified(status: u16) -> DeliveryResult {
        let status = StatusCode::from_u16(status).unwrap();
        DeliveryResult::from_response(status, &HeaderMap::new(), b"", "", SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_refusal_is_about_the_moment_the_notification_or_what_is_set_up() {
        for status in [200, 202, 204] {
            assert_eq!(classified(status), DeliveryResult::Sent);
        }
        for status in [400, 414, 415, 422] {
            assert!(
                matches!(classified(status), DeliveryResult::Refused(_)),
                "{status}"
            );
        }
        assert!(matches!(classified(413), DeliveryResult::Rejected(_)));
        for status in [301, 302, 401, 403, 404, 405, 410] {
            assert!(
                matches!(classified(status), DeliveryResult::Blocked(_)),
                "{status}"
            );
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(
                matches!(classified(status), DeliveryResult::Retry(_, None)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_success_is_none_whose_body_says_that_it_failed() {
        let classified = |body: &str| {
            let headers = HeaderMap::new();
            DeliveryResult::from_response(
                StatusCode::OK,
                &headers,
                body.as_bytes(),
                body,
                SystemTime::UNIX_EPOCH,
            )
        };
        let DeliveryResult::Refused(failure) = classified(r#"{"ok":false,"error":"invalid_token"}"#) else {
            panic!("it is refused");
        };
        assert_eq!(failure.code, "denied");
        assert!(
            failure
                .message
                .ends_with(r#"with an error: {"ok":false,"error":"invalid_token"}"#)
        );
        assert!(matches!(
            classified("<!doctype html><title>Log in</title>"),
            DeliveryResult::Blocked(_)
        ));
        assert_eq!(classified("ok"), DeliveryResult::Sent);
    }

    #[test]
    fn a_receiver_may_ask_for_a_wait_in_seconds_or_by_a_date() {
        let now = httpdate::parse_http_date("Tue, 15 Nov 1994 08:12:31 GMT").unwrap();
        let wait = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            match DeliveryResult::from_response(StatusCode::TOO_MANY_REQUESTS, &headers, b"", "", now) {
                DeliveryResult::Retry(failure, wait) => {
                    assert_eq!(failure.code, "http_429");
                    wait
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(wait("30"), Some(Duration::from_secs(30)));
        assert_eq!(
            wait("Tue, 15 Nov 1994 08:13:31 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(wait("Tue, 15 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait(" 30 "), Some(Duration::from_secs(30)));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn where_the_settings_are_wrong_a_notification_is_blocked_and_else_retried() {
        let answer = |cause| {
            DeliveryResult::from_transport_failure(http_client::Failure::new(cause, "why".to_owned()))
        };
        assert!(
            matches!(answer(http_client::FailureCause::Settings), DeliveryResult::Blocked(failure) if failure.message == "why")
        );
        assert!(
            matches!(answer(http_client::FailureCause::Timeout), DeliveryResult::Retry(failure, None) if failure.code == "timeout")
        );
    }

    #[test]
    fn a_message_has_what_the_receiver_says_if_that_is_anything() {
        let message = |excerpt| {
            let answer = DeliveryResult::from_response(
                StatusCode::NOT_FOUND,
                &HeaderMap::new(),
                b"",
                excerpt,
                SystemTime::UNIX_EPOCH,
            );
            answer.failure().unwrap().message.clone()
        };
        assert_eq!(message(""), "HTTP 404 Not Found");
        assert_eq!(message("no_service"), "HTTP 404 Not Found: no_service");
    }

    #[test]
    fn an_answer_that_is_nothing_but_secrets_has_nothing_to_say() {
        let said = vec![b'a'; http_client::MAX_BODY];
        assert_eq!(excerpt(&said, &Secrets::new(["aaaa"])), "");
    }

    #[test]
    fn a_response_is_shown_in_one_short_line() {
        let excerpt = |said: &[u8]| excerpt(said, &Secrets::default());
        assert_eq!(excerpt(b"invalid\r\n\tpayload\x07"), "invalid payload");
        assert_eq!(excerpt(&[b'x'; 500]).chars().count(), MAX_EXCERPT);
        assert_eq!(excerpt(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn no_part_of_a_secret_is_left_wherever_what_a_receiver_says_is_cut() {
        let secrets = Secrets::new(["correct-horse-battery-staple"]);
        for before in 0..=MAX_EXCERPT + 8 {
            let said = format!("{}correct-horse-battery-staple", "x".repeat(before));
            let shown = excerpt(said.as_bytes(), &secrets);
            assert!(
                !shown.contains("cor") && !shown.contains("staple"),
                "{before}: {shown}"
            );
        }
        let padding = " ".repeat(http_client::MAX_BODY - 7);
        let cut = format!("no {padding}corr");
        assert_eq!(excerpt(cut.as_bytes(), &secrets), "no");
        let broken = b"no: correct-horse-\r\n battery-staple";
        let secrets = Secrets::new(["correct-horse- battery-staple"]);
        assert_eq!(excerpt(broken, &secrets), "no: ***");
    }
}
