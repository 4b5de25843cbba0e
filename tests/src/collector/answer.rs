//! Responses of a collector over HTTP and gRPC.
//!
//! <https://opentelemetry.io/docs/specs/otlp/> specifies the responses, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
//! the frame and the trailers.

use std::convert::Infallible;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures_util::stream;
use http_body_util::BodyExt as _;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Frame};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;

use super::Protocol;
use super::arrivals::Signal;

/// The body of an answer, with or without trailers.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The error message of a partial success.
const REASON: &str = "the test wants it so";

/// The request was accepted, except for `rejected` spans, points or records.
pub(super) fn accepted_response(protocol: Protocol, signal: Signal, rejected: Option<i64>) -> Response<Body> {
    let message = accepted(signal, rejected);
    match protocol {
        Protocol::Http => respond(200, "application/x-protobuf", frames(message, None)),
        Protocol::Grpc => {
            let mut frame = vec![0];
            frame.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            frame.extend(message);
            respond(200, "application/grpc", frames(frame, Some(grpc_status(0, None))))
        }
    }
}

fn accepted(signal: Signal, rejected: Option<i64>) -> Vec<u8> {
    let error_message = REASON.to_owned();
    match signal {
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: rejected.map(|rejected_spans| ExportTracePartialSuccess {
                rejected_spans,
                error_message,
            }),
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: rejected.map(|rejected_data_points| ExportMetricsPartialSuccess {
                rejected_data_points,
                error_message,
            }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: rejected.map(|rejected_log_records| ExportLogsPartialSuccess {
                rejected_log_records,
                error_message,
            }),
        }
        .encode_to_vec(),
    }
}

/// An HTTP status, as a proxy without gRPC support sends it.
pub(super) fn status(code: u16, retry_after: Option<u64>) -> Response<Body> {
    let mut response = respond(code, "text/plain", frames(REASON.into(), None));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// The error for a request that exceeds the size limit, as server libraries send it.
pub(super) fn too_large(protocol: Protocol) -> Response<Body> {
    const RESOURCE_EXHAUSTED: i32 = 8;
    if protocol == Protocol::Http {
        return status(413, None);
    }
    let mut response = grpc(RESOURCE_EXHAUSTED, None);
    let words = "grpc: received message larger than max (8000000 vs. 4194304)";
    response
        .headers_mut()
        .insert("grpc-message", HeaderValue::from_static(words));
    response
}

/// A gRPC status in a trailers-only response.
pub(super) fn grpc(code: i32, retry_after: Option<Duration>) -> Response<Body> {
    let mut response = respond(200, "application/grpc", frames(Vec::new(), None));
    response.headers_mut().extend(grpc_status(code, retry_after));
    response
}

fn grpc_status(code: i32, retry_after: Option<Duration>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", code.into());
    if code != 0 {
        fields.insert("grpc-message", HeaderValue::from_static(REASON));
    }
    if let Some(delay) = retry_after {
        let details = STANDARD_NO_PAD.encode(Status::retry(code, delay).encode_to_vec());
        if let Ok(details) = HeaderValue::try_from(details) {
            fields.insert("grpc-status-details-bin", details);
        }
    }
    fields
}

fn respond(code: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(kind));
    response
}

fn frames(data: Vec<u8>, trailers: Option<HeaderMap>) -> Body {
    let data = (!data.is_empty()).then(|| Frame::data(data.into()));
    let frames = data.into_iter().chain(trailers.map(Frame::trailers));
    StreamBody::new(stream::iter(frames.map(Ok))).boxed_unsync()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
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
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Status {
    fn retry(code: i32, delay: Duration) -> Self {
        let retry_delay = Some(Delay {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or_default(),
        });
        Self {
            code,
            message: REASON.to_owned(),
            details: vec![Any {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: RetryInfo { retry_delay }.encode_to_vec(),
            }],
        }
    }
}
