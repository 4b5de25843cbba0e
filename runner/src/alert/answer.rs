//! What came of an attempt to deliver a notification.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::StatusCode;
use http::header::RETRY_AFTER;

use super::notification::bounded;
use crate::suite::Secrets;
use crate::wire::{self, Denial};

/// Characters of what a receiver says that are told.
const MAX_EXCERPT: usize = 160;
/// Bytes that a secret may have which is cut in two where reading ends.
const MAX_SECRET: usize = 16 << 10;

/// What a receiver made of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Delivered,
    /// It has it, but not for everybody: for none of these. The failure is that of all of them.
    Partly(Failure, Vec<Unreached>),
    /// It does not take it now; it is tried again, not before the wait that it asks for.
    Later(Failure, Option<Duration>),
    /// It takes none as things are set up, most likely: a wrong address or token, which an operator mends. This one is kept
    /// and tried again once in a while, and given up only when the receiver takes others.
    Held(Failure),
    /// It does not take this one, or none as things are set up: not all services tell one from the other. This one is kept
    /// and tried again like those that are held, but sooner.
    Refused(Failure),
    /// It will never take this one, which is given up so that the next has its turn.
    Rejected(Failure),
}

/// One of those whom a notification is for, and whom it did not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The address.
    pub receiver: String,
    /// Why.
    pub failure: Failure,
    /// Whether it may reach this one later.
    pub is_for_now: bool,
}

/// Why a notification did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A word of a bounded set, such as `timeout`, `connect`, `http_503`, `smtp_550`.
    pub word: Cow<'static, str>,
    /// One line for a person, without secrets.
    pub message: String,
}

impl Answer {
    /// Why it did not arrive.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered => None,
            Self::Partly(failure, _)
            | Self::Later(failure, _)
            | Self::Held(failure)
            | Self::Refused(failure)
            | Self::Rejected(failure) => Some(failure),
        }
    }

    /// There was no answer in time.
    pub(super) fn timeout(limit: Duration) -> Self {
        let limit = humantime::format_duration(limit);
        Self::Later(
            Failure {
                word: "timeout".into(),
                message: format!("no answer within {limit}"),
            },
            None,
        )
    }

    /// There was no answer.
    pub(super) fn none(failure: wire::Failure) -> Self {
        let cause = failure.cause;
        let failure = Failure {
            word: cause.word().into(),
            message: failure.message,
        };
        match cause {
            wire::Cause::Settings => Self::Held(failure),
            _ => Self::Later(failure, None),
        }
    }

    /// Judges an HTTP answer, whose body says `excerpt`.
    ///
    /// | answer | is about | becomes |
    /// |---|---|---|
    /// | 2xx | | delivered, unless the body denies it |
    /// | 408, 425, 429, 5xx | the moment | [`Answer::Later`] |
    /// | 413 | this notification | [`Answer::Rejected`] |
    /// | 400, 414, 415, 422, or an error in the body of a 2xx | this notification, or what the operator set up: PagerDuty says 400 of a wrong key | [`Answer::Refused`] |
    /// | 1xx, 3xx, another 4xx, or a page for people | what the operator set up | [`Answer::Held`] |
    pub(super) fn judge(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        excerpt: &str,
        now: SystemTime,
    ) -> Self {
        let failure = |what: &str| Failure {
            word: format!("http_{}", status.as_u16()).into(),
            message: match excerpt {
                "" => format!("the answer is {status}{what}"),
                excerpt => format!("the answer is {status}{what}: {excerpt}"),
            },
        };
        match (status.as_u16(), wire::denial(headers, body)) {
            (200..300, None) => Self::Delivered,
            (200..300, Some(Denial::Page)) => Self::Held(Failure {
                word: "page".into(),
                message: format!(
                    "the answer is {status} with a page for people: is this the receiver's address?"
                ),
            }),
            (200..300, Some(Denial::Error(_))) => Self::Refused(Failure {
                word: "denied".into(),
                ..failure(" with an error")
            }),
            (413, _) => Self::Rejected(failure("")),
            (400 | 414 | 415 | 422, _) => Self::Refused(failure("")),
            (408 | 425 | 429 | 500.., _) => Self::Later(failure(""), asked(headers, now)),
            _ => Self::Held(failure("")),
        }
    }
}

/// The wait that an answer asks for, in seconds or until a date.
fn asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// The begin of what a receiver says, in one line and without secrets. These go before anything is cut off: a secret of
/// which a part is left is not recognised any more.
pub(super) fn excerpt(said: &[u8], secrets: &Secrets) -> String {
    let redacted = secrets.redact(&String::from_utf8_lossy(said));
    // What was not read any more may have been the rest of a secret.
    let is_cut = said.len() >= wire::MAX_BODY;
    let end = redacted.len() - if is_cut { MAX_SECRET.min(redacted.len()) } else { 0 };
    let redacted = redacted
        .get(..redacted.floor_char_boundary(end))
        .unwrap_or_default();
    let words = redacted.split(|char: char| char.is_whitespace() || char.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    // A secret may have been written over more than one line.
    bounded(&secrets.redact(&words.join(" ")), MAX_EXCERPT)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn judged(status: u16) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer::judge(status, &HeaderMap::new(), b"", "", SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_refusal_is_about_the_moment_the_notification_or_what_is_set_up() {
        for status in [200, 202, 204] {
            assert_eq!(judged(status), Answer::Delivered);
        }
        for status in [400, 414, 415, 422] {
            assert!(matches!(judged(status), Answer::Refused(_)), "{status}");
        }
        assert!(matches!(judged(413), Answer::Rejected(_)));
        for status in [301, 302, 401, 403, 404, 405, 410] {
            assert!(matches!(judged(status), Answer::Held(_)), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(judged(status), Answer::Later(_, None)), "{status}");
        }
    }

    #[test]
    fn a_success_is_none_whose_body_says_that_it_failed() {
        let judged = |body: &str| {
            let headers = HeaderMap::new();
            Answer::judge(
                StatusCode::OK,
                &headers,
                body.as_bytes(),
                body,
                SystemTime::UNIX_EPOCH,
            )
        };
        let Answer::Refused(failure) = judged(r#"{"ok":false,"error":"invalid_token"}"#) else {
            panic!("it is refused");
        };
        assert_eq!(failure.word, "denied");
        assert!(
            failure
                .message
                .ends_with(r#"with an error: {"ok":false,"error":"invalid_token"}"#)
        );
        assert!(matches!(
            judged("<!doctype html><title>Log in</title>"),
            Answer::Held(_)
        ));
        assert_eq!(judged("ok"), Answer::Delivered);
    }

    #[test]
    fn a_receiver_may_ask_for_a_wait_in_seconds_or_by_a_date() {
        let now = httpdate::parse_http_date("Tue, 15 Nov 1994 08:12:31 GMT").unwrap();
        let wait = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            match Answer::judge(StatusCode::TOO_MANY_REQUESTS, &headers, b"", "", now) {
                Answer::Later(failure, wait) => {
                    assert_eq!(failure.word, "http_429");
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
    fn where_the_settings_are_wrong_a_notification_is_held_and_else_sent_later() {
        let answer = |cause| Answer::none(wire::Failure::new(cause, "why".to_owned()));
        assert!(matches!(answer(wire::Cause::Settings), Answer::Held(failure) if failure.message == "why"));
        assert!(
            matches!(answer(wire::Cause::Timeout), Answer::Later(failure, None) if failure.word == "timeout")
        );
    }

    #[test]
    fn a_message_has_what_the_receiver_says_if_that_is_anything() {
        let message = |excerpt| {
            let answer = Answer::judge(
                StatusCode::NOT_FOUND,
                &HeaderMap::new(),
                b"",
                excerpt,
                SystemTime::UNIX_EPOCH,
            );
            answer.failure().unwrap().message.clone()
        };
        assert_eq!(message(""), "the answer is 404 Not Found");
        assert_eq!(message("no_service"), "the answer is 404 Not Found: no_service");
    }

    #[test]
    fn an_answer_that_is_nothing_but_secrets_has_nothing_to_say() {
        let said = vec![b'a'; wire::MAX_BODY];
        assert_eq!(excerpt(&said, &Secrets::of(["aaaa"])), "");
    }

    #[test]
    fn what_a_receiver_says_is_told_in_one_short_line() {
        let excerpt = |said: &[u8]| excerpt(said, &Secrets::default());
        assert_eq!(excerpt(b"invalid\r\n\tpayload\x07"), "invalid payload");
        assert_eq!(excerpt(&[b'x'; 500]).chars().count(), MAX_EXCERPT);
        assert_eq!(excerpt(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn no_part_of_a_secret_is_left_wherever_what_a_receiver_says_is_cut() {
        let secrets = Secrets::of(["correct-horse-battery-staple"]);
        for before in 0..=MAX_EXCERPT + 8 {
            let said = format!("{}correct-horse-battery-staple", "x".repeat(before));
            let told = excerpt(said.as_bytes(), &secrets);
            assert!(
                !told.contains("cor") && !told.contains("staple"),
                "{before}: {told}"
            );
        }
        let padding = " ".repeat(wire::MAX_BODY - 7);
        let cut = format!("no {padding}corr");
        assert_eq!(excerpt(cut.as_bytes(), &secrets), "no");
        let broken = b"no: correct-horse-\r\n battery-staple";
        let secrets = Secrets::of(["correct-horse- battery-staple"]);
        assert_eq!(excerpt(broken, &secrets), "no: ***");
    }
}
