//! Decodes a request's path, headers and body to its message.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use prost::Message as _;

use super::Protocol;
use super::arrivals::{Message, Signal};

/// Maximum size of a request in bytes, compressed and uncompressed.
pub(super) const REQUEST_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Flag and length before a gRPC message, in bytes.
const FRAME_HEAD_BYTES: usize = 5;

/// The message that was sent to `path` and its uncompressed size in bytes, or why it is invalid.
pub(super) fn decode(
    protocol: Protocol,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(Message, usize), String> {
    let signal = signal(protocol, path).ok_or_else(|| format!("nothing is at `{path}`"))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header("content-type").unwrap_or("nothing");
    let plain = match protocol {
        Protocol::Http => {
            if kind != "application/x-protobuf" {
                return Err(format!("the content type is `{kind}`"));
            }
            uncompress(body, header("content-encoding"))
        }
        Protocol::Grpc => {
            if !matches!(kind, "application/grpc" | "application/grpc+proto") {
                return Err(format!("the content type is `{kind}`"));
            }
            if header("te") != Some("trailers") {
                return Err("`te: trailers` is missing".to_owned());
            }
            let (compressed, message) = unframe(body)?;
            let encoding = header("grpc-encoding").filter(|_| compressed);
            if compressed && encoding.is_none() {
                return Err("the message is compressed and `grpc-encoding` is missing".to_owned());
            }
            uncompress(message, encoding)
        }
    }?;
    Ok((parse(signal, &plain)?, plain.len()))
}

fn signal(protocol: Protocol, path: &str) -> Option<Signal> {
    let signals = [
        (Signal::Traces, "/v1/traces", "trace.v1.Trace"),
        (Signal::Metrics, "/v1/metrics", "metrics.v1.Metrics"),
        (Signal::Logs, "/v1/logs", "logs.v1.Logs"),
    ];
    let is_at = |(_, http, service): &(Signal, &str, &str)| match protocol {
        Protocol::Http => path == *http,
        Protocol::Grpc => path == format!("/opentelemetry.proto.collector.{service}Service/Export"),
    };
    signals.into_iter().find(is_at).map(|(signal, ..)| signal)
}

/// The only message of a unary call, and whether it is compressed.
fn unframe(body: &[u8]) -> Result<(bool, &[u8]), String> {
    let (head, message) = body
        .split_at_checked(FRAME_HEAD_BYTES)
        .ok_or("the body has no gRPC frame")?;
    let [flag, length @ ..] = head else {
        return Err("the body has no gRPC frame".to_owned());
    };
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    if length != message.len() {
        return Err(format!(
            "the gRPC frame is for {length} bytes, and {} follow",
            message.len()
        ));
    }
    Ok((*flag == 1, message))
}

fn uncompress(body: &[u8], encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding {
        None | Some("identity") => Ok(body.to_vec()),
        Some("gzip") => gunzip(body).map_err(|error| format!("the body is no gzip: {error}")),
        Some(other) => Err(format!("the encoding is `{other}`")),
    }
}

fn gunzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let limit = REQUEST_LIMIT_BYTES as u64;
    GzDecoder::new(body).take(limit + 1).read_to_end(&mut plain)?;
    if plain.len() > REQUEST_LIMIT_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    Ok(plain)
}

fn parse(signal: Signal, plain: &[u8]) -> Result<Message, String> {
    let message = match signal {
        Signal::Traces => prost::Message::decode(plain).map(Message::Traces),
        Signal::Metrics => prost::Message::decode(plain).map(Message::Metrics),
        Signal::Logs => prost::Message::decode(plain).map(Message::Logs),
    };
    let message = message.map_err(|error| format!("the body is no request for {signal:?}: {error}"))?;
    // Fields of a newer or another message are lost in decoding.
    let again = match &message {
        Message::Traces(request) => request.encoded_len(),
        Message::Metrics(request) => request.encoded_len(),
        Message::Logs(request) => request.encoded_len(),
    };
    if again == plain.len() {
        Ok(message)
    } else {
        Err(format!(
            "of a body of {} bytes for {signal:?}, {again} are understood",
            plain.len()
        ))
    }
}
