//! OTLP over HTTP/1.1 (OTLP specification, "OTLP/HTTP").

use std::time::SystemTime;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use url::Position;

use super::{RequestError, encode};
use crate::delivery::export_result::{ExportFailure, ExportResult, is_size_error};
use crate::settings::Destination;
use canary_outbound::http_client::{BodyError, HttpRequest, HttpResponse};
use canary_outbound::{Disposition, Payload, retry_after, success_error};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

pub(super) fn build_request(destination: &Destination, request: &Bytes) -> Result<HttpRequest, RequestError> {
    let url = &destination.url;
    let (body, encoding) = encode(destination.compression, request)?;
    let mut http_request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, PROTOBUF)
        .body(Full::new(body))?;
    if let Some(encoding) = encoding {
        http_request.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    Ok(http_request)
}

/// Classifies a response by its status, and by its body if that is a success: see [`canary_outbound::classify`].
pub(super) fn classify(reply: &HttpResponse, now: SystemTime) -> ExportResult {
    let error = error_in_success(reply);
    let retry_after = retry_after(&reply.headers, now);
    match canary_outbound::classify(Payload::Export, reply.status, error.as_ref(), retry_after) {
        Ok(()) => from_success(reply),
        Err(disposition) => from_error(reply, error.as_ref(), disposition),
    }
}

/// The error in the body of a success, which for a collector includes markup of any kind.
fn error_in_success(reply: &HttpResponse) -> Option<BodyError> {
    let HttpResponse {
        status,
        headers,
        body,
        ..
    } = reply;
    let is_markup = || status.is_success() && body.trim_ascii_start().starts_with(b"<");
    success_error(*status, headers, body).or_else(|| is_markup().then_some(BodyError::HtmlPage))
}

fn from_error(reply: &HttpResponse, error: Option<&BodyError>, disposition: Disposition) -> ExportResult {
    let status = reply.status;
    let text = error_text(reply);
    let is_size = status == StatusCode::BAD_REQUEST && is_size_error(&text);
    let message = match error {
        Some(BodyError::HtmlPage) => {
            format!("HTTP {status} with an HTML page: is this an OTLP endpoint?")
        }
        Some(BodyError::Error(text)) => format!("HTTP {status} with an error: {text}"),
        None if text.is_empty() => format!("HTTP {status}"),
        None => format!("HTTP {status}: {text}"),
    };
    let disposition = if is_size {
        Disposition::TooLarge
    } else {
        disposition
    };
    ExportResult::not_accepted(disposition, ExportFailure::Http(status), message)
}

/// A 2xx means that the request was accepted, unless the body is not what its content type says: then no collector
/// answered.
fn from_success(reply: &HttpResponse) -> ExportResult {
    let body = &reply.body;
    if body.trim_ascii_start().starts_with(b"{") {
        return from_json_success(body);
    }
    match PartialSuccess::parse(body) {
        Some(partial) => partial.into(),
        None if content_type(reply) == "application/x-protobuf" => ExportResult::Retry {
            cause: ExportFailure::Http(reply.status),
            message: format!("HTTP {} with an invalid protobuf body", reply.status),
            after: None,
        },
        None => ExportResult::accepted(),
    }
}

/// The partial success in a response, which has the same fields for all signals.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    rejected: u64,
    message: String,
}

impl PartialSuccess {
    /// Parses a message, also a truncated one; `None` if it is something else.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        if let Ok(response) = ExportTraceServiceResponse::decode(message) {
            let partial = response.partial_success.unwrap_or_default();
            return Some(Self {
                rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
                message: partial.error_message,
            });
        }
        Self::parse_truncated(message)
    }

    /// Parses the beginning of a message whose text exceeds the response limit.
    fn parse_truncated(mut message: &[u8]) -> Option<Self> {
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

impl From<PartialSuccess> for ExportResult {
    fn from(PartialSuccess { rejected, message }: PartialSuccess) -> Self {
        Self::Accepted { rejected, message }
    }
}

/// A success in JSON, which some collectors send although protobuf was requested.
fn from_json_success(body: &[u8]) -> ExportResult {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| body.get("partialSuccess")?.get(name);
    // 64-bit numbers are strings in protobuf's JSON mapping.
    let count = |name| {
        let count = field(name)?;
        count.as_u64().or_else(|| count.as_str()?.parse().ok())
    };
    let counts = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"];
    let message = field("errorMessage").and_then(serde_json::Value::as_str);
    ExportResult::Accepted {
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

fn content_type(reply: &HttpResponse) -> &str {
    let kind = reply.headers.get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

fn error_text(reply: &HttpResponse) -> String {
    match content_type(reply) {
        "application/x-protobuf" => {
            let status = RpcStatus::decode(&*reply.body).unwrap_or_default();
            status.message
        }
        kind if kind.starts_with("text/plain") || kind.starts_with("application/json") => {
            String::from_utf8_lossy(&reply.body).trim().to_owned()
        }
        // The HTML page of a proxy adds nothing to the status.
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use http::header::RETRY_AFTER;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    fn reply(status: u16) -> HttpResponse {
        HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            is_complete: true,
        }
    }

    fn is_later(status: u16) -> bool {
        matches!(
            classify(&reply(status), SystemTime::UNIX_EPOCH),
            ExportResult::Retry { .. }
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
            let answer = classify(&reply(status), SystemTime::UNIX_EPOCH);
            assert!(
                matches!(answer, ExportResult::Refused { .. }),
                "{status}: {answer:?}"
            );
        }
        assert_eq!(
            classify(&reply(200), SystemTime::UNIX_EPOCH),
            ExportResult::accepted()
        );
        assert_eq!(
            classify(&reply(204), SystemTime::UNIX_EPOCH),
            ExportResult::accepted()
        );
    }

    #[test]
    fn what_is_too_large_is_distinguished_from_what_is_wrong() {
        let classified = |status: u16, body: &str| {
            let mut reply = reply(status);
            reply
                .headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            reply.body = body.into();
            classify(&reply, SystemTime::UNIX_EPOCH)
        };
        for (status, body) in [(413, ""), (400, "http: request body too large")] {
            let answer = classified(status, body);
            assert!(
                matches!(answer, ExportResult::TooLarge { .. }),
                "{status}: {answer:?}"
            );
        }
        assert!(matches!(
            classified(400, "no trace id"),
            ExportResult::Refused { .. }
        ));
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
            let ExportResult::Retry { after, .. } = classify(&reply, now) else {
                panic!("429 is no refusal");
            };
            assert_eq!(after, expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_page_for_people_is_no_collectors_answer() {
        let classified = |body: &[u8]| {
            let mut reply = reply(200);
            reply.body = body.to_vec();
            classify(&reply, SystemTime::UNIX_EPOCH)
        };
        for page in [
            "<html>log in</html>",
            "\r\n <!DOCTYPE html>",
            "<xml/>",
            r#"{"error": "no such tenant"}"#,
        ] {
            let answer = classified(page.as_bytes());
            assert!(matches!(answer, ExportResult::Retry { .. }), "{page}: {answer:?}");
        }
        for body in ["", "{}", "ok", "{", "\u{1}"] {
            assert_eq!(classified(body.as_bytes()), ExportResult::accepted(), "{body}");
        }
    }

    #[test]
    fn what_is_said_to_be_protobuf_has_to_be_that() {
        let mut reply = reply(200);
        reply.headers.insert(CONTENT_TYPE, PROTOBUF);
        for body in [b"\xff\xff\xff\xff".as_slice(), b"log in, please"] {
            reply.body = body.to_vec();
            let answer = classify(&reply, SystemTime::UNIX_EPOCH);
            assert!(matches!(answer, ExportResult::Retry { .. }), "{answer:?}");
        }
        reply.body.clear();
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH), ExportResult::accepted());
    }

    #[test]
    fn what_was_rejected_is_known_however_many_words_there_are_for_it() {
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: 300,
            error_message: "too old ".repeat(10_000),
        });
        let whole = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        for read in [whole.as_slice(), &whole[..64 << 10]] {
            let partial = PartialSuccess::parse(read).unwrap();
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
            let expected = ExportResult::Accepted {
                rejected: 3,
                message: "too old".to_owned(),
            };
            assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH), expected, "{name}");
        }
    }

    #[test]
    fn the_words_of_an_error_are_in_its_message() {
        let mut reply = reply(400);
        reply.headers.insert(CONTENT_TYPE, PROTOBUF);
        let message = "span without a name".to_owned();
        reply.body = RpcStatus { message }.encode_to_vec();
        let ExportResult::Refused { message, .. } = classify(&reply, SystemTime::UNIX_EPOCH) else {
            panic!("400 is a refusal");
        };
        assert_eq!(message, "HTTP 400 Bad Request: span without a name");
    }

    #[test]
    fn of_other_bodies_only_plain_text_and_json_have_words() {
        for (kind, text) in [
            ("text/plain; charset=utf-8", ": no"),
            ("application/json; charset=utf-8", ": no"),
            ("text/html", ""),
            ("", ""),
        ] {
            let mut reply = reply(400);
            reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            reply.body = b" no\n".to_vec();
            let ExportResult::Refused { message, .. } = classify(&reply, SystemTime::UNIX_EPOCH) else {
                panic!("400 is a refusal");
            };
            assert_eq!(message, format!("HTTP 400 Bad Request{text}"), "{kind}");
        }
    }

    #[test]
    fn what_is_broken_within_is_not_mistaken_for_what_was_cut() {
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: 300,
            error_message: "too old".to_owned(),
        });
        let mut broken = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        assert!(PartialSuccess::parse(&broken).is_some());
        // The message is complete, but its text is not valid UTF-8.
        *broken.last_mut().unwrap() = 0xff;
        assert!(PartialSuccess::parse(&broken).is_none());
    }
}
