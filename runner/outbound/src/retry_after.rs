//! `Retry-After`, with which a peer says when it wants the next request. How much of that is honoured is in the
//! [`Policy`](canary_system::backoff::Policy) of each sender.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// The wait that a peer requests, in seconds or until a date (RFC 9110, 10.2.3). A date in the past means not to wait.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// The headers of a simulated response, with a `Retry-After` in seconds.
#[cfg(any(test, feature = "test-util"))]
pub fn retry_after_headers(seconds: Option<u64>) -> HeaderMap {
    let value = seconds.map(|seconds| (RETRY_AFTER, http::HeaderValue::from(seconds)));
    HeaderMap::from_iter(value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_peer_requests_a_wait_in_seconds_or_by_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, expected) in [
            ("17", Some(17)),
            (" 30 ", Some(30)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
        assert_eq!(
            retry_after(&retry_after_headers(Some(7)), now),
            Some(Duration::from_secs(7))
        );
        assert_eq!(retry_after(&retry_after_headers(None), now), None);
    }
}
