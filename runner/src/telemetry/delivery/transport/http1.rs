//! OTLP over HTTP/1.1 (OTLP specification, "OTLP/HTTP").

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use url::Position;

use super::{WireError, encode};
use crate::telemetry::delivery::answer::{Answer, Cause, is_about_size};
use crate::telemetry::settings::Destination;
use crate::wire::{Denial, Reply, Wire, denial};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// Answers that are about what a request holds, which will not be taken another time. All others below 500 are mistakes
/// that an operator mends (a token, a path, a proxy, a quota), or say that it is not the time for it.
const REFUSALS: [StatusCode; 3] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
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

/// What an answer says by its status, and by its body where that is a success.
pub(super) fn judge(reply: &Reply, now: SystemTime) -> Answer {
    let status = reply.status;
    let cause = Cause::Http(status);
    if status.is_success() {
        return succeeded(reply);
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
    match REFUSALS.contains(&status) {
        true => Answer::Refused { cause, message },
        false => Answer::Later {
            cause,
            message,
            after: retry_after(&reply.headers, now),
        },
    }
}

/// With a 2xx the request was taken, unless what follows is no collector's answer: a page for people, which a login or a
/// proxy has for whatever it is sent, an error, or something that is not the message that it is said to be.
fn succeeded(reply: &Reply) -> Answer {
    let body = &reply.body;
    let later = |why: String| Answer::Later {
        cause: Cause::Http(reply.status),
        message: format!("HTTP {} with {why}", reply.status),
        after: None,
    };
    match (denial(&reply.headers, body), body.trim_ascii_start().first()) {
        (Some(Denial::Page), _) | (None, Some(b'<')) => {
            later("a page for people: no collector answers so".to_owned())
        }
        (Some(Denial::Error(words)), _) => later(format!("an error: {words}")),
        (None, Some(b'{')) => accepted_in_json(body),
        _ => match Partial::read(body) {
            Some(partial) => partial.into(),
            None if kind(reply) == "application/x-protobuf" => {
                later("a body that is not the protobuf it is said to be".to_owned())
            }
            None => Answer::accepted(),
        },
    }
}

/// What an answer's message says of items that were rejected, for which all signals have the same fields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    rejected: u64,
    message: String,
}

impl Partial {
    /// Reads a message; of one that was not read to its end, what there is. None if it is something else.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        if let Ok(response) = ExportTraceServiceResponse::decode(message) {
            let partial = response.partial_success.unwrap_or_default();
            return Some(Self {
                rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
                message: partial.error_message,
            });
        }
        Self::begin(message)
    }

    /// The begin of a message whose words are longer than what is read of an answer.
    fn begin(mut message: &[u8]) -> Option<Self> {
        let lengthy = |field| (field, WireType::LengthDelimited);
        (decode_key(&mut message).ok()? == lengthy(1)).then_some(())?;
        let whole = decode_varint(&mut message).ok()?;
        (whole > u64::try_from(message.len()).ok()?).then_some(())?;
        (decode_key(&mut message).ok()? == (1, WireType::Varint)).then_some(())?;
        let rejected = decode_varint(&mut message).ok()?;
        (decode_key(&mut message).ok()? == lengthy(2)).then_some(())?;
        let _length = decode_varint(&mut message).ok()?;
        Some(Self {
            rejected,
            message: String::from_utf8_lossy(message).into_owned(),
        })
    }
}

impl From<Partial> for Answer {
    fn from(Partial { rejected, message }: Partial) -> Self {
        Self::Accepted { rejected, message }
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

fn kind(reply: &Reply) -> &str {
    let kind = reply.headers.get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

fn words(reply: &Reply) -> String {
    match kind(reply) {
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
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

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
        let later = [
            301, 302, 307, 308, 401, 402, 403, 404, 405, 407, 408, 409, 410, 411, 421, 429, 431, 451, 500,
            501, 502, 503, 504, 599,
        ];
        let refused = [400, 415, 422];
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
        for page in [
            "<html>log in</html>",
            "\r\n <!DOCTYPE html>",
            "<xml/>",
            r#"{"error": "no such tenant"}"#,
        ] {
            let answer = judged(page.as_bytes());
            assert!(matches!(answer, Answer::Later { .. }), "{page}: {answer:?}");
        }
        for body in ["", "{}", "ok", "{", "\u{1}"] {
            assert_eq!(judged(body.as_bytes()), Answer::accepted(), "{body}");
        }
    }

    #[test]
    fn what_is_said_to_be_protobuf_has_to_be_that() {
        let mut reply = reply(200);
        reply.headers.insert(CONTENT_TYPE, PROTOBUF);
        for body in [b"\xff\xff\xff\xff".as_slice(), b"log in, please"] {
            reply.body = body.to_vec();
            let answer = judge(&reply, SystemTime::UNIX_EPOCH);
            assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
        }
        reply.body.clear();
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH), Answer::accepted());
    }

    #[test]
    fn what_was_rejected_is_known_however_many_words_there_are_for_it() {
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: 300,
            error_message: "too old ".repeat(10_000),
        });
        let whole = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        for read in [whole.as_slice(), &whole[..64 << 10]] {
            let partial = Partial::read(read).unwrap();
            assert_eq!(partial.rejected, 300);
            assert!(partial.message.starts_with("too old too old"));
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

    #[test]
    fn of_other_bodies_only_plain_text_and_json_have_words() {
        for (kind, words) in [
            ("text/plain; charset=utf-8", ": no"),
            ("application/json; charset=utf-8", ": no"),
            ("text/html", ""),
            ("", ""),
        ] {
            let mut reply = reply(400);
            reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            reply.body = b" no\n".to_vec();
            let Answer::Refused { message, .. } = judge(&reply, SystemTime::UNIX_EPOCH) else {
                panic!("400 is a refusal");
            };
            assert_eq!(message, format!("HTTP 400 Bad Request{words}"), "{kind}");
        }
    }

    #[test]
    fn what_is_broken_within_is_not_taken_for_what_was_cut() {
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: 300,
            error_message: "too old".to_owned(),
        });
        let mut broken = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        assert!(Partial::read(&broken).is_some());
        // Nothing of it is missing, and its words are not text.
        *broken.last_mut().unwrap() = 0xff;
        assert!(Partial::read(&broken).is_none());
    }
}
