//! Records heads and bodies of an exchange in the run's conversation.

use std::fmt::Write as _;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Request, Uri, response};

use crate::stream::Transport;
use canary_record::{ConnectionLog, Content, Layer};

/// Records one exchange; does nothing unless the conversation is recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct HttpTranscript(Option<ConnectionLog>);

impl HttpTranscript {
    /// Makes HTTP the recording layer of this connection.
    pub(super) fn on(transport: &Transport) -> Self {
        let connection_log = transport.connection_log().cloned();
        if let Some(connection_log) = &connection_log {
            connection_log.set_layer(Layer::Http);
        }
        Self(connection_log)
    }

    /// Records sent bytes of HTTP/1; `is_head_over` carries the state between calls.
    pub(super) fn sent(&self, bytes: &[u8], is_head_over: &mut bool) {
        let Some(connection_log) = &self.0 else { return };
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let head = match (*is_head_over, end) {
            (true, _) => 0,
            (false, Some(end)) => end + 4,
            (false, None) => bytes.len(),
        };
        *is_head_over |= end.is_some();
        let (head, body) = bytes.split_at(head);
        connection_log.sent(Layer::Http, Content::Dialogue, head);
        connection_log.sent(Layer::Http, Content::Body, body);
    }

    /// Records received bytes of an HTTP/1 head, or of what the peer sent instead.
    pub(super) fn head(&self, bytes: &[u8]) {
        if let Some(connection_log) = &self.0 {
            connection_log.received(Layer::Http, Content::Dialogue, bytes);
        }
    }

    /// Records a received part of a body.
    pub(super) fn body(&self, bytes: &[u8]) {
        if let Some(connection_log) = &self.0 {
            connection_log.received(Layer::Http, Content::Body, bytes);
        }
    }

    /// Records an HTTP/2 request, field by field.
    pub(super) fn request(&self, request: &Request<impl Sized>, body: &[u8]) {
        let Some(connection_log) = &self.0 else { return };
        let uri = request.uri();
        let mut head = format!(
            ":method: {}\r\n:scheme: {}\r\n:authority: {}\r\n:path: {}\r\n",
            request.method(),
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map(ToString::to_string).unwrap_or_default(),
            path(uri),
        );
        if !body.is_empty() && !request.headers().contains_key(CONTENT_LENGTH) {
            // The library adds this header.
            let _infallible = write!(head, "content-length: {}\r\n", body.len());
        }
        let mut head = head.into_bytes();
        fields(&mut head, request.headers());
        connection_log.sent(Layer::Http, Content::Dialogue, &head);
        connection_log.sent(Layer::Http, Content::Body, body);
    }

    /// Records the head of an HTTP/2 response, field by field.
    pub(super) fn response(&self, answer: &response::Parts) {
        let Some(connection_log) = &self.0 else { return };
        let mut head = format!(":status: {}\r\n", answer.status.as_u16()).into_bytes();
        fields(&mut head, &answer.headers);
        connection_log.received(Layer::Http, Content::Dialogue, &head);
    }

    /// Records trailers.
    pub(super) fn trailers(&self, trailers: &HeaderMap) {
        if let Some(connection_log) = &self.0 {
            let mut lines = Vec::new();
            fields(&mut lines, trailers);
            connection_log.received(Layer::Http, Content::Dialogue, &lines);
        }
    }

    /// The recorder for a body with this encoding. Compressed bodies are not shown, since secrets cannot be found in
    /// them.
    pub(super) fn for_body(&self, encoding: Option<&HeaderValue>) -> Self {
        let encoding = encoding.filter(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        match (encoding, &self.0) {
            (Some(encoding), Some(connection_log)) => {
                let encoding = String::from_utf8_lossy(encoding.as_bytes());
                connection_log.note(format!("the body is encoded with {encoding}, and not shown"));
                Self(None)
            }
            _ => self.clone(),
        }
    }
}

fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

fn fields(head: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}
