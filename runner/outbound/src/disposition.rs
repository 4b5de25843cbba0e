//! What becomes of a notification, an export or a ping, by the response to it: the one place that decides what is
//! retried. Responses without an HTTP status are classified elsewhere: gRPC in `telemetry::delivery::transport::grpc`,
//! mail in `alert::smtp`.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::http_client::{BodyError, FailureCause, body_error};

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A notification of an alert. It is kept for as long as it may still be of use, and others wait behind it.
    Notification,
    /// An OTLP request. It waits on disk, within the limits of the spool, and others wait behind it.
    Export,
    /// A ping of the heartbeat. The next one replaces it, so that only a few retries shortly after it make sense.
    Ping,
}

/// What becomes of something that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is sent again after a backoff, or after the wait that the peer requests.
    Retry(Option<Duration>),
    /// The configuration is most likely wrong (address, token), and an operator must fix it.
    Blocked,
    /// Either what was sent or the configuration is wrong: not all services distinguish them.
    Refused,
    /// It will never be accepted.
    Rejected,
    /// It is too large as a whole; smaller parts may be accepted.
    TooLarge,
}

impl Disposition {
    /// Whether the same request may succeed without anybody's help.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Retry(_))
    }
}

/// The error in the body of a response whose status is a success. The body of another one says no more than its status.
#[must_use]
pub fn success_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<BodyError> {
    if status.is_success() {
        body_error(headers, body)
    } else {
        None
    }
}

/// Classifies a response; `error` is its [`success_error`].
///
/// | response | notification | export | ping |
/// |---|---|---|---|
/// | 2xx | accepted | accepted | accepted |
/// | 2xx with an HTML page | blocked | retry | retry |
/// | 2xx with an error in the body | refused | retry | retry |
/// | 408, 425, 429, 5xx and above | retry | retry | retry |
/// | 413 | rejected | too large | rejected |
/// | 400, 415, 422 | refused | refused | refused |
/// | 414 | refused | retry | refused |
/// | another 4xx | blocked | retry | blocked |
/// | 1xx, 3xx | blocked | retry | retry |
///
/// # Errors
/// It was not accepted.
pub fn classify(
    payload: Payload,
    status: StatusCode,
    error: Option<&BodyError>,
    retry_after: Option<Duration>,
) -> Result<(), Disposition> {
    use Disposition::{Blocked, Refused, Rejected, Retry, TooLarge};

    // `Retry-After` does not apply to pings: the next one is due soon, and one that is late is missed.
    let (retry, retry_soon) = (Retry(retry_after), Retry(None));
    let [notification, export, ping] = match (status.as_u16(), error) {
        // RFC 9110, 15.3.
        (200..300, None) => return Ok(()),
        // A login page, or a proxy: the URL leads to something else. For a notification an operator has to know it
        // now. An export waits on disk until it is fixed. A proxy may show such a page for a moment only, and a ping
        // has no more than its few attempts.
        (200..300, Some(BodyError::HtmlPage)) => [Blocked, retry_soon, retry_soon],
        // Some services and proxies answer 200 to everything. An export with such a response may not have been read,
        // so that it is not dropped.
        (200..300, Some(BodyError::Error(_))) => [Refused, retry_soon, retry_soon],
        // RFC 9110, 15.5.9 and 15.6; RFC 8470, 5.2 (425); RFC 6585, 4 (429). OTLP (OTLP/HTTP, "Retryable Response
        // Codes") lists 429, 502, 503 and 504 only. The others are as temporary from here, and retrying an export
        // costs nothing but room in the spool.
        (408 | 425 | 429 | 500.., _) => [retry, retry, retry_soon],
        // RFC 9110, 15.5.14. A notification cannot be made smaller. An export is sent again in parts.
        (413, _) => [Rejected, TooLarge, Rejected],
        // About the content (RFC 9110, 15.5.1, 15.5.16 and 15.5.21), which does not change. OTLP (OTLP/HTTP, "Bad
        // Data") forbids retrying after 400. PagerDuty answers 400 to a wrong key too, which must not cost any
        // notification: hence not rejected.
        (400 | 415 | 422, _) => [Refused; 3],
        // RFC 9110, 15.5.15. The URL of an export is that of its endpoint, which no content makes longer: a proxy in
        // between answered, which an operator can fix.
        (414, _) => [Refused, retry, Refused],
        // A token, a path, a proxy or a quota, which an operator can fix. OTLP says that these must not be retried,
        // which would drop everything while a token is out of date: an export waits on disk instead. For a ping, the
        // missing ones are the signal.
        (400..500, _) => [Blocked, retry, Blocked],
        // Redirects are not followed: a URL that moved has to be configured. A proxy may redirect for a moment only,
        // for which an export can wait and a ping has a few attempts.
        (..200 | 300..400, _) => [Blocked, retry, retry_soon],
    };
    Err(match payload {
        Payload::Notification => notification,
        Payload::Export => export,
        Payload::Ping => ping,
    })
}

/// Classifies a request without a response.
#[must_use]
pub fn classify_failure(payload: Payload, cause: FailureCause) -> Disposition {
    match (payload, cause) {
        // A certificate file that is missing, or a URL that makes no request: an operator has to know it now.
        (Payload::Notification, FailureCause::Settings) => Disposition::Blocked,
        // Files are read again for each connection, so that an export or a ping goes on once they are right.
        (Payload::Export | Payload::Ping, FailureCause::Settings) => Disposition::Retry(None),
        (
            _,
            FailureCause::Lookup
            | FailureCause::Connect
            | FailureCause::Tls
            | FailureCause::Closed
            | FailureCause::Timeout
            | FailureCause::InvalidResponse,
        ) => Disposition::Retry(None),
    }
}

#[cfg(test)]
mod tests {
    use super::Disposition::{Blocked, Refused, Rejected, Retry, TooLarge};
    use super::*;

    const PAYLOADS: [Payload; 3] = [Payload::Notification, Payload::Export, Payload::Ping];
    const WAIT: Option<Duration> = Some(Duration::from_secs(7));

    fn classified(status: u16, error: Option<&BodyError>) -> [Result<(), Disposition>; 3] {
        let status = StatusCode::from_u16(status).unwrap();
        PAYLOADS.map(|payload| classify(payload, status, error, WAIT))
    }

    #[test]
    fn a_response_means_the_same_for_everything_that_is_sent_except_for_a_reason() {
        let (page, error) = (BodyError::HtmlPage, BodyError::Error("no".to_owned()));
        let (retry, retry_soon) = (Retry(WAIT), Retry(None));
        for status in [200, 202, 204, 299] {
            assert_eq!(classified(status, None), [Ok(()); 3]);
            assert_eq!(
                classified(status, Some(&page)),
                [Blocked, retry_soon, retry_soon].map(Err)
            );
            assert_eq!(
                classified(status, Some(&error)),
                [Refused, retry_soon, retry_soon].map(Err)
            );
        }
        let table: [(&[u16], [Disposition; 3]); 6] = [
            (
                &[408, 425, 429, 500, 501, 502, 503, 504, 599, 600, 999],
                [retry, retry, retry_soon],
            ),
            (&[413], [Rejected, TooLarge, Rejected]),
            (&[400, 415, 422], [Refused; 3]),
            (&[414], [Refused, retry, Refused]),
            (
                &[401, 402, 403, 404, 405, 407, 409, 410, 411, 421, 431, 451, 499],
                [Blocked, retry, Blocked],
            ),
            (
                &[100, 101, 199, 300, 301, 302, 307, 308, 399],
                [Blocked, retry, retry_soon],
            ),
        ];
        for (statuses, expected) in table {
            for status in statuses {
                assert_eq!(classified(*status, None), expected.map(Err), "{status}");
                assert_eq!(
                    classified(*status, Some(&page)),
                    expected.map(Err),
                    "{status}: the page of an error says no more than its status"
                );
            }
        }
    }

    #[test]
    fn only_the_body_of_a_success_is_examined() {
        let page = b"<!doctype html><title>Log in</title>";
        let error = |status| success_error(status, &HeaderMap::new(), page);
        assert_eq!(error(StatusCode::OK), Some(BodyError::HtmlPage));
        assert_eq!(error(StatusCode::BAD_GATEWAY), None);
    }

    #[test]
    fn without_a_response_everything_is_retried_but_a_notification_whose_settings_are_wrong() {
        let classified = |cause| PAYLOADS.map(|payload| classify_failure(payload, cause));
        let retry = Retry(None);
        assert_eq!(classified(FailureCause::Settings), [Blocked, retry, retry]);
        for cause in [
            FailureCause::Lookup,
            FailureCause::Connect,
            FailureCause::Tls,
            FailureCause::Closed,
            FailureCause::Timeout,
            FailureCause::InvalidResponse,
        ] {
            assert_eq!(classified(cause), [retry; 3]);
        }
    }

    #[test]
    fn only_a_retry_may_succeed_without_help() {
        let temporary = [Retry(None), Retry(WAIT), Blocked, Refused, Rejected, TooLarge];
        assert_eq!(
            temporary.map(Disposition::is_temporary),
            [true, true, false, false, false, false]
        );
    }
}
