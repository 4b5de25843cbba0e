//! OTLP over HTTP/1.1 (OTLP specification, "OTLP/HTTP").

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use url::Position;

use super::{WireError, encode};
use crate::telemetry::delivery::answer::{Answer, Cause, is_about_size};
use crate::telemetry::settings::Destination;
use crate::wire::{Reply, Wire};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// Answers of class 4xx after which the same request may be taken: these are mistakes that an operator mends (a
/// token, a path, a proxy), or say that it is not the time for it.
const WAITED_FOR: [StatusCode; 6] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
];

pub(super) fn wire(destination: &Destination, request: &Bytes) -> Result<Wire, WireError> {
    let url = &destination.url;
    let (body, encoding) = encode(destination.compression, request)?;
    let mut wire = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, PROTOBUF)
        .body(Full::new(body))?;
    if let Some(encoding) = encoding {
        wire.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    Ok(wire)
}

/// What an answer says by its status. With a 2xx the request was taken, unless what follows is a page for people: a
/// login or a proxy says that to whatever it is sent.
pub(super) fn judge(reply: &Reply, now: SystemTime) -> Answer {
    let status = reply.status;
    let cause = Cause::Http(status);
    if status.is_success() {
        return match reply.body.trim_ascii_start().first() {
            Some(b'<') => Answer::Later {
                cause,
                message: format!("HTTP {status} with a page for people: no collector answers so"),
                after: None,
            },
            Some(b'{') => accepted_in_json(&reply.body),
            _ => accepted(&reply.body),
        };
    }
    let words = words(reply);
    let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE
        || (status == StatusCode::BAD_REQUEST && is_about_size(&words));
    let message = match words {
        words if words.is_empty() => format!("HTTP {status}"),
        words => format!("HTTP {status}: {words}"),
    };
    if is_too_large {
        return Answer::TooLarge { cause, message };
    }
    match status.is_client_error() && !WAITED_FOR.contains(&status) {
        true => Answer::Refused { cause, message },
        false => Answer::Later {
            cause,
            message,
            after: retry_after(&reply.headers, now),
        },
    }
}

/// The partial success in the answer's message, for which all signals have the same fields.
pub(super) fn accepted(message: &[u8]) -> Answer {
    let response = ExportTraceServiceResponse::decode(message).unwrap_or_default();
    let partial = response.partial_success.unwrap_or_default();
    Answer::Accepted {
        rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
        message: partial.error_message,
    }
}

/// The same from a collector that answers in JSON, though it was not asked so.
fn accepted_in_json(body: &[u8]) -> Answer {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| body.get("partialSuccess")?.get(name);
    // Numbers of 64 bits are strings in the JSON of protobuf.
    let count = |name| {
        let count = field(name)?;
        count.as_u64().or_else(|| count.as_str()?.parse().ok())
    };
    let counts = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"];
    let message = field("errorMessage").and_then(serde_json::Value::as_str);
    Answer::Accepted {
        rejected: counts.into_iter().find_map(count).unwrap_or(0),
        message: message.unwrap_or_default().to_owned(),
    }
}

/// `google.rpc.Status`, which an OTLP server puts into the body of an error.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
}

fn words(reply: &Reply) -> String {
    let kind = reply
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match kind.unwrap_or_default() {
        "application/x-protobuf" => {
            let status = RpcStatus::decode(&*reply.body).unwrap_or_default();
            status.message
        }
        kind if kind.starts_with("text/plain") || kind.starts_with("application/json") => {
            String::from_utf8_lossy(&reply.body).trim().to_owned()
        }
        // A proxy's page says nothing that its status does not.
        _ => String::new(),
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            is_whole: true,
        }
    }

    fn is_later(status: u16) -> bool {
        matches!(
            judge(&reply(status), SystemTime::UNIX_EPOCH),
            Answer::Later { .. }
        )
    }

    #[test]
    fn what_an_operator_or_time_can_mend_is_tried_again_and_the_rest_is_refused() {
        let later = [301, 401, 403, 404, 407, 408, 429, 500, 501, 502, 503, 504, 599];
        let refused = [400, 402, 405, 409, 410, 411, 415, 422, 431];
        assert!(later.iter().all(|status| is_later(*status)));
        for status in refused {
            let answer = judge(&reply(status), SystemTime::UNIX_EPOCH);
            assert!(matches!(answer, Answer::Refused { .. }), "{status}: {answer:?}");
        }
        assert_eq!(judge(&reply(200), SystemTime::UNIX_EPOCH), Answer::accepted());
        assert_eq!(judge(&reply(204), SystemTime::UNIX_EPOCH), Answer::accepted());
    }

    #[test]
    fn what_is_too_large_is_told_from_what_is_wrong() {
        let judged = |status: u16, body: &str| {
            let mut reply = reply(status);
            reply
                .headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            reply.body = body.into();
            judge(&reply, SystemTime::UNIX_EPOCH)
        };
        for (status, body) in [(413, ""), (400, "http: request body too large")] {
            let answer = judged(status, body);
            assert!(matches!(answer, Answer::TooLarge { .. }), "{status}: {answer:?}");
        }
        assert!(matches!(judged(400, "no trace id"), Answer::Refused { .. }));
    }

    #[test]
    fn the_time_to_come_back_is_given_in_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, expected) in [
            ("17", Some(17)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut reply = reply(429);
            reply.headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            let Answer::Later { after, .. } = judge(&reply, now) else {
                panic!("429 is no refusal");
            };
            assert_eq!(after, expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_page_for_people_is_no_collectors_answer() {
        let judged = |body: &[u8]| {
            let mut reply = reply(200);
            reply.body = body.to_vec();
            judge(&reply, SystemTime::UNIX_EPOCH)
        };
        for page in ["<html>log in</html>", "\r\n <!DOCTYPE html>"] {
            let answer = judged(page.as_bytes());
            assert!(matches!(answer, Answer::Later { .. }), "{page}: {answer:?}");
        }
        for body in ["", "{}", "ok", "{", "\u{1}"] {
            assert_eq!(judged(body.as_bytes()), Answer::accepted(), "{body}");
        }
    }

    #[test]
    fn a_partial_success_is_read_in_json_too() {
        for (name, count) in [
            ("rejectedSpans", "3"),
            ("rejectedDataPoints", "\"3\""),
            ("rejectedLogRecords", "3"),
        ] {
            let mut reply = reply(200);
            reply.body = format!(r#"{{"partialSuccess": {{"{name}": {count}, "errorMessage": "too old"}}}}"#)
                .into_bytes();
            let expected = Answer::Accepted {
                rejected: 3,
                message: "too old".to_owned(),
            };
            assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH), expected, "{name}");
        }
    }

    #[test]
    fn the_words_of_an_error_are_in_its_message() {
        let mut reply = reply(400);
        reply.headers.insert(CONTENT_TYPE, PROTOBUF);
        let message = "span without a name".to_owned();
        reply.body = RpcStatus { message }.encode_to_vec();
        let Answer::Refused { message, .. } = judge(&reply, SystemTime::UNIX_EPOCH) else {
            panic!("400 is a refusal");
        };
        assert_eq!(message, "HTTP 400 Bad Request: span without a name");
    }
}
