//! OTLP over gRPC: a unary call, framed here (gRPC, "gRPC over HTTP2"; OTLP specification, "OTLP/gRPC").

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, TE};
use http::{Request, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use prost::Message;
use tonic::{Code, Status};
use url::Position;

use super::{WireError, encode, http1};
use crate::telemetry::delivery::answer::{Answer, Cause, is_about_size};
use crate::telemetry::settings::{Destination, Signal};
use crate::wire::{self, Failure, Reply, Wire};

/// Bytes before a message: whether it is compressed, and its length, big-endian.
const PREFIX: usize = 5;
/// The longest number that a grpc-timeout can have.
const MAX_TIMEOUT_DIGITS: usize = 8;

pub(super) fn wire(destination: &Destination, signal: Signal, request: &Bytes) -> Result<Wire, WireError> {
    let (message, encoding) = encode(destination.compression, request)?;
    let mut body = Vec::with_capacity(PREFIX + message.len());
    body.push(u8::from(encoding.is_some()));
    body.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    body.extend_from_slice(&message);
    let origin = &destination.url[..Position::BeforePath];
    let mut wire = Request::post(format!("{origin}{}", method(signal)))
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header("grpc-timeout", grpc_timeout(destination.timeout))
        .body(Full::new(Bytes::from(body)))?;
    if let Some(encoding) = encoding {
        wire.headers_mut().insert("grpc-encoding", encoding);
    }
    Ok(wire)
}

fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// Milliseconds, or seconds where those have too many digits.
fn grpc_timeout(timeout: Duration) -> String {
    match timeout.as_millis().to_string() {
        millis if millis.len() <= MAX_TIMEOUT_DIGITS => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    }
}

/// What an answer says by its status, which is in the trailers, or in the headers when there is no message.
pub(super) fn judge(reply: &Reply, now: SystemTime) -> Answer {
    let status = Status::from_header_map(&reply.trailers).or_else(|| Status::from_header_map(&reply.headers));
    match status {
        Some(status) if status.code() == Code::Ok => succeeded(&reply.body),
        Some(status) => failed(&status),
        // Something in between answered, which knows HTTP only.
        None if reply.status != StatusCode::OK => http1::judge(reply, now),
        None if !reply.is_whole => Failure::new(
            wire::Cause::Closed,
            "the collector closed the connection before its status",
        )
        .into(),
        None => Failure::new(wire::Cause::Garbage, "an answer without a gRPC status").into(),
    }
}

/// A call that went well has a message, if an empty one: what answers without is no collector.
fn succeeded(body: &[u8]) -> Answer {
    let message = match body.split_at_checked(PREFIX) {
        Some(([0, ..], message)) => http1::Partial::read(message),
        // None asked for a compressed answer.
        _ => None,
    };
    let garbage = || {
        Failure::new(
            wire::Cause::Garbage,
            "a gRPC status of success without its message",
        )
    };
    message.map_or_else(|| garbage().into(), Answer::from)
}

/// The OTLP specification's table, but what an operator mends is waited for, and so is a server's own mistake, as
/// with the 401, 403, 404 and 500 of HTTP.
fn failed(status: &Status) -> Answer {
    let code = status.code();
    let cause = Cause::Grpc(code);
    let message = format!("gRPC {code:?}: {}", status.message());
    let after = retry_delay(status.details());
    let may_be_size = matches!(
        code,
        Code::ResourceExhausted | Code::OutOfRange | Code::InvalidArgument
    );
    if may_be_size && after.is_none() && is_about_size(status.message()) {
        return Answer::TooLarge { cause, message };
    }
    let is_final = match code {
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => true,
        // It has no room, and does not say when it will.
        Code::ResourceExhausted => after.is_none(),
        _ => false,
    };
    match is_final {
        true => Answer::Refused { cause, message },
        false => Answer::Later {
            cause,
            message,
            after,
        },
    }
}

/// `google.rpc.Status`, as far as its details go.
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

    fn reply(status: &Status) -> Reply {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        Reply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Vec::new(),
            trailers,
            is_whole: true,
        }
    }

    fn answer(code: Code, details: Vec<u8>) -> Answer {
        let status = Status::with_details(code, "no", details.into());
        judge(&reply(&status), SystemTime::UNIX_EPOCH)
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
        let is_later = |code| matches!(answer(code, Vec::new()), Answer::Later { .. });
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
            let Answer::Later { after, .. } = answer(code, retry_in(7)) else {
                panic!("{code:?} with a delay is for later");
            };
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn what_is_too_large_is_told_from_what_has_to_come_later() {
        let judged = |code: Code, details: Vec<u8>| {
            let status = Status::with_details(code, "grpc: received message larger than max", details.into());
            judge(&reply(&status), SystemTime::UNIX_EPOCH)
        };
        for code in [Code::ResourceExhausted, Code::OutOfRange, Code::InvalidArgument] {
            let answer = judged(code, Vec::new());
            assert!(matches!(answer, Answer::TooLarge { .. }), "{answer:?}");
        }
        for later in [
            judged(Code::ResourceExhausted, retry_in(7)),
            judged(Code::Unavailable, Vec::new()),
        ] {
            assert!(matches!(later, Answer::Later { .. }), "{later:?}");
        }
    }

    #[test]
    fn a_success_has_a_message_even_if_nothing_is_in_it() {
        let mut reply = reply(&Status::ok(""));
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH).word(), "garbage");
        std::mem::swap(&mut reply.headers, &mut reply.trailers);
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH).word(), "garbage");
        reply.body = vec![0; PREFIX];
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH), Answer::accepted());
    }

    #[test]
    fn the_status_of_an_answer_without_a_message_is_in_its_headers() {
        let mut reply = reply(&Status::invalid_argument("no"));
        std::mem::swap(&mut reply.headers, &mut reply.trailers);
        let answer = judge(&reply, SystemTime::UNIX_EPOCH);
        assert_eq!(answer.word(), "grpc_invalid_argument");
        assert!(matches!(answer, Answer::Refused { .. }));
    }

    #[test]
    fn an_answer_without_a_grpc_status_is_judged_as_http_or_not_at_all() {
        let mut reply = reply(&Status::ok(""));
        reply.trailers.clear();
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH).word(), "garbage");
        reply.is_whole = false;
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH).word(), "closed");
        reply.status = StatusCode::BAD_GATEWAY;
        assert_eq!(judge(&reply, SystemTime::UNIX_EPOCH).word(), "http_502");
    }

    #[test]
    fn a_time_out_has_at_most_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_secs(10)), "10000m");
        assert_eq!(grpc_timeout(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(grpc_timeout(Duration::MAX), "99999999S");
    }
}
