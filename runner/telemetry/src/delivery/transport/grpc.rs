//! OTLP over gRPC: a unary call, framed here (gRPC, "gRPC over HTTP2"; OTLP specification, "OTLP/gRPC").

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, TE};
use http::{Request, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use prost::Message;
use tonic::{Code, Status};
use url::Position;

use super::{RequestError, encode, http1};
use crate::delivery::export_result::{ExportFailure, ExportResult, is_size_error};
use crate::settings::Destination;
use crate::signal::Signal;
use canary_outbound::http_client::{self, Failure, HttpRequest, HttpResponse};

/// Length of the message prefix: the compressed flag and the length, big-endian.
const MESSAGE_PREFIX: usize = 5;
/// Maximum number of digits in a grpc-timeout.
const MAX_TIMEOUT_DIGITS: usize = 8;

pub(super) fn build_request(
    destination: &Destination,
    signal: Signal,
    request: &Bytes,
) -> Result<HttpRequest, RequestError> {
    let (message, encoding) = encode(destination.compression, request)?;
    let mut body = Vec::with_capacity(MESSAGE_PREFIX + message.len());
    body.push(u8::from(encoding.is_some()));
    body.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    body.extend_from_slice(&message);
    let origin = &destination.url[..Position::BeforePath];
    let mut http_request = Request::post(format!("{origin}{}", method(signal)))
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header("grpc-timeout", grpc_timeout(destination.timeout))
        .body(Full::new(Bytes::from(body)))?;
    if let Some(encoding) = encoding {
        http_request.headers_mut().insert("grpc-encoding", encoding);
    }
    Ok(http_request)
}

fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// In milliseconds, or in seconds if that has too many digits.
fn grpc_timeout(timeout: Duration) -> String {
    match timeout.as_millis().to_string() {
        millis if millis.len() <= MAX_TIMEOUT_DIGITS => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    }
}

/// Classifies a response by its gRPC status, which is in the trailers, or in the headers if there is no message.
pub(super) fn classify(reply: &HttpResponse, now: SystemTime) -> ExportResult {
    let status = Status::from_header_map(&reply.trailers).or_else(|| Status::from_header_map(&reply.headers));
    match status {
        Some(status) if status.code() == Code::Ok => from_success(&reply.body),
        Some(status) => from_error_status(&status),
        // A proxy answered that knows HTTP only.
        None if reply.status != StatusCode::OK => http1::classify(reply, now),
        None if !reply.is_complete => Failure::new(
            http_client::FailureCause::Closed,
            "connection closed before the gRPC status",
        )
        .into(),
        None => Failure::new(
            http_client::FailureCause::InvalidResponse,
            "response without a gRPC status",
        )
        .into(),
    }
}

/// A successful call has a message, even if an empty one: a response without it is not from a collector.
fn from_success(body: &[u8]) -> ExportResult {
    let message = match body.split_at_checked(MESSAGE_PREFIX) {
        Some(([0, ..], message)) => http1::PartialSuccess::parse(message),
        // No compressed response was requested.
        _ => None,
    };
    let garbage = || {
        Failure::new(
            http_client::FailureCause::InvalidResponse,
            "gRPC success without a response message",
        )
    };
    message.map_or_else(|| garbage().into(), ExportResult::from)
}

/// The OTLP specification's table, except that errors an operator can fix are retried, and so are the server's own
/// errors, consistent with 401, 403, 404 and 500 for HTTP.
fn from_error_status(status: &Status) -> ExportResult {
    let code = status.code();
    let cause = ExportFailure::Grpc(code);
    let message = format!("gRPC {code:?}: {}", status.message());
    let after = retry_delay(status.details());
    let may_be_size = matches!(
        code,
        Code::ResourceExhausted | Code::OutOfRange | Code::InvalidArgument
    );
    if may_be_size && after.is_none() && is_size_error(status.message()) {
        return ExportResult::TooLarge { cause, message };
    }
    let is_final = match code {
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => true,
        // It is out of quota and does not say when to retry.
        Code::ResourceExhausted => after.is_none(),
        _ => false,
    };
    if is_final {
        ExportResult::Refused { cause, message }
    } else {
        ExportResult::Retry {
            cause,
            message,
            after,
        }
    }
}

/// `google.rpc.Status`, its details only.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let is_retry_info = |any: &&Any| any.type_url.ends_with("/google.rpc.RetryInfo");
    let info = status.details.iter().find(is_retry_info)?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.delay?;
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0);
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn reply(status: &Status) -> HttpResponse {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        HttpResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Vec::new(),
            trailers,
            is_complete: true,
        }
    }

    fn answer(code: Code, details: Vec<u8>) -> ExportResult {
        let status = Status::with_details(code, "no", details.into());
        classify(&reply(&status), SystemTime::UNIX_EPOCH)
    }

    fn retry_in(seconds: i64) -> Vec<u8> {
        let delay = Some(Delay { seconds, nanos: 0 });
        let any = Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: RetryInfo { delay }.encode_to_vec(),
        };
        RpcStatus { details: vec![any] }.encode_to_vec()
    }

    #[test]
    fn codes_are_final_or_for_later_as_the_specification_has_it() {
        let is_later = |code| matches!(answer(code, Vec::new()), ExportResult::Retry { .. });
        let later = [
            Code::Cancelled,
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::PermissionDenied,
            Code::Aborted,
            Code::OutOfRange,
            Code::Internal,
            Code::NotFound,
            Code::Unimplemented,
            Code::Unavailable,
            Code::DataLoss,
            Code::Unauthenticated,
        ];
        let refused = [
            Code::InvalidArgument,
            Code::AlreadyExists,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
        ];
        assert!(later.into_iter().all(is_later));
        assert!(!refused.into_iter().any(is_later));
    }

    #[test]
    fn a_server_that_is_full_for_now_says_when_it_has_room() {
        for code in [Code::ResourceExhausted, Code::Unavailable] {
            let ExportResult::Retry { after, .. } = answer(code, retry_in(7)) else {
                panic!("{code:?} with a delay is for later");
            };
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn what_is_too_large_is_distinguished_from_what_has_to_come_later() {
        let classified = |code: Code, details: Vec<u8>| {
            let status = Status::with_details(code, "grpc: received message larger than max", details.into());
            classify(&reply(&status), SystemTime::UNIX_EPOCH)
        };
        for code in [Code::ResourceExhausted, Code::OutOfRange, Code::InvalidArgument] {
            let answer = classified(code, Vec::new());
            assert!(matches!(answer, ExportResult::TooLarge { .. }), "{answer:?}");
        }
        for later in [
            classified(Code::ResourceExhausted, retry_in(7)),
            classified(Code::Unavailable, Vec::new()),
        ] {
            assert!(matches!(later, ExportResult::Retry { .. }), "{later:?}");
        }
    }

    #[test]
    fn a_success_has_a_message_even_if_nothing_is_in_it() {
        let mut reply = reply(&Status::ok(""));
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH).code(), "garbage");
        std::mem::swap(&mut reply.headers, &mut reply.trailers);
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH).code(), "garbage");
        reply.body = vec![0; MESSAGE_PREFIX];
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH), ExportResult::accepted());
    }

    #[test]
    fn the_status_of_an_answer_without_a_message_is_in_its_headers() {
        let mut reply = reply(&Status::invalid_argument("no"));
        std::mem::swap(&mut reply.headers, &mut reply.trailers);
        let answer = classify(&reply, SystemTime::UNIX_EPOCH);
        assert_eq!(answer.code(), "grpc_invalid_argument");
        assert!(matches!(answer, ExportResult::Refused { .. }));
    }

    #[test]
    fn an_answer_without_a_grpc_status_is_classified_as_http_or_not_at_all() {
        let mut reply = reply(&Status::ok(""));
        reply.trailers.clear();
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH).code(), "garbage");
        reply.is_complete = false;
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH).code(), "closed");
        reply.status = StatusCode::BAD_GATEWAY;
        assert_eq!(classify(&reply, SystemTime::UNIX_EPOCH).code(), "http_502");
    }

    #[test]
    fn a_time_out_has_at_most_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_secs(10)), "10000m");
        assert_eq!(grpc_timeout(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(grpc_timeout(Duration::MAX), "99999999S");
    }
}
