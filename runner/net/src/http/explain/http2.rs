//! Explains errors of the HTTP/2 library.

use std::error::Error as StdError;
use std::io;

use crate::NetError;

/// Names of HTTP/2 error codes by their number, and their meaning (RFC 9113, section 7).
const REASONS: [(&str, &str); 14] = [
    ("NO_ERROR", "without an error"),
    ("PROTOCOL_ERROR", "because of a protocol error"),
    ("INTERNAL_ERROR", "because of an internal error"),
    ("FLOW_CONTROL_ERROR", "because of a flow control error"),
    (
        "SETTINGS_TIMEOUT",
        "because settings were not acknowledged in time",
    ),
    ("STREAM_CLOSED", "because of a frame on a closed stream"),
    ("FRAME_SIZE_ERROR", "because of a frame of the wrong size"),
    ("REFUSED_STREAM", "before processing the request"),
    ("CANCEL", "because the stream is no longer needed"),
    ("COMPRESSION_ERROR", "because the headers cannot be decompressed"),
    ("CONNECT_ERROR", "because its upstream connection was lost"),
    ("ENHANCE_YOUR_CALM", "because of excessive load"),
    (
        "INADEQUATE_SECURITY",
        "because the TLS session is not secure enough",
    ),
    ("HTTP_1_1_REQUIRED", "because it requires HTTP/1.1"),
];

/// The HTTP/2 library's error in a source chain.
pub(super) fn error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(broken) = error.downcast_ref() {
            return Some(broken);
        }
        cause = error.source();
    }
    None
}

/// The error for a response that the peer broke off with NO_ERROR, which the library does not report.
pub(in crate::http) fn stream_ended_early() -> NetError {
    NetError::Protocol("the peer ended the HTTP/2 stream without an error (NO_ERROR)".to_owned())
}

pub(super) fn describe(error: &h2::Error) -> String {
    let code = error.reason().map(u32::from).unwrap_or(1);
    let known = usize::try_from(code).ok().and_then(|code| REASONS.get(code));
    let (name, why) = known
        .copied()
        .unwrap_or(("an unknown code", "for an unknown reason"));
    match (error.is_remote(), error.is_reset()) {
        (true, true) => format!("the peer ended the HTTP/2 stream {why} ({name})"),
        (true, false) => format!("the peer ended the HTTP/2 connection {why} ({name})"),
        (false, is_reset) => format!(
            "the peer violated HTTP/2: {} ({name})",
            describe_fault(name, is_reset)
        ),
    }
}

/// The end of a connection, for which the library has its own text. It reports a closed connection as a broken pipe.
pub(super) fn connection_error(error: &hyper::Error) -> Option<NetError> {
    use io::ErrorKind;
    match io_kind(error)? {
        ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof | ErrorKind::NotConnected => Some(NetError::Closed),
        kind @ (ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => {
            Some(io::Error::from(kind).into())
        }
        _ => None,
    }
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return Some(error.get_io()?.kind());
        }
        cause = error.source();
    }
    None
}

/// What the peer did, as far as the library reports it: it resets a stream because of the response, and closes a
/// connection because of the frames on it.
fn describe_fault(name: &str, is_reset: bool) -> &'static str {
    match (name, is_reset) {
        ("FLOW_CONTROL_ERROR", _) => "it exceeded the flow control window, or set one that is too large",
        ("FRAME_SIZE_ERROR", _) => "it sent a frame of the wrong size",
        ("STREAM_CLOSED", _) => "it sent a frame on a closed stream",
        ("COMPRESSION_ERROR", _) => "its headers cannot be decompressed",
        ("ENHANCE_YOUR_CALM", _) => "it sent too many empty frames",
        ("REFUSED_STREAM", _) => "it opened a stream that it was not allowed to open",
        (_, true) => "its response is invalid, for example its headers or its length",
        (_, false) => "it sent a frame of an invalid type, size or content",
    }
}
