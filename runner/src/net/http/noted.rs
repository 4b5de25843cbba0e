//! Heads and bodies of an exchange in the run's conversation.

use std::fmt::Write as _;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Request, Uri, response};

use crate::net::stream::Transport;
use crate::record::{Channel, Content, Layer};

/// Where one exchange is noted; nowhere, unless somebody wants to read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted(Option<Channel>);

impl Noted {
    /// From now on HTTP says what goes over this connection.
    pub(super) fn on(transport: &Transport) -> Self {
        let channel = transport.channel().cloned();
        if let Some(channel) = &channel {
            channel.enter(Layer::Http);
        }
        Self(channel)
    }

    /// Bytes of HTTP/1 that were sent; `is_head_over` remembers what came before.
    pub(super) fn sent(&self, bytes: &[u8], is_head_over: &mut bool) {
        let Some(channel) = &self.0 else { return };
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let head = match (*is_head_over, end) {
            (true, _) => 0,
            (false, Some(end)) => end + 4,
            (false, None) => bytes.len(),
        };
        *is_head_over |= end.is_some();
        let (head, body) = bytes.split_at(head);
        channel.sent(Layer::Http, Content::Dialogue, head);
        channel.sent(Layer::Http, Content::Body, body);
    }

    /// Bytes of a head that came over HTTP/1, or of what came in its place.
    pub(super) fn head(&self, bytes: &[u8]) {
        if let Some(channel) = &self.0 {
            channel.received(Layer::Http, Content::Dialogue, bytes);
        }
    }

    /// A part of a body that came.
    pub(super) fn body(&self, bytes: &[u8]) {
        if let Some(channel) = &self.0 {
            channel.received(Layer::Http, Content::Body, bytes);
        }
    }

    /// A request over HTTP/2, field by field as it goes out.
    pub(super) fn request(&self, request: &Request<impl Sized>, body: &[u8]) {
        let Some(channel) = &self.0 else { return };
        let uri = request.uri();
        let mut head = format!(
            ":method: {}\r\n:scheme: {}\r\n:authority: {}\r\n:path: {}\r\n",
            request.method(),
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map(ToString::to_string).unwrap_or_default(),
            path(uri),
        );
        if !body.is_empty() && !request.headers().contains_key(CONTENT_LENGTH) {
            // The library adds it.
            let _infallible = write!(head, "content-length: {}\r\n", body.len());
        }
        let mut head = head.into_bytes();
        fields(&mut head, request.headers());
        channel.sent(Layer::Http, Content::Dialogue, &head);
        channel.sent(Layer::Http, Content::Body, body);
    }

    /// The head of an answer over HTTP/2, field by field.
    pub(super) fn response(&self, answer: &response::Parts) {
        let Some(channel) = &self.0 else { return };
        let mut head = format!(":status: {}\r\n", answer.status.as_u16()).into_bytes();
        fields(&mut head, &answer.headers);
        channel.received(Layer::Http, Content::Dialogue, &head);
    }

    /// What stands behind a body.
    pub(super) fn trailers(&self, trailers: &HeaderMap) {
        if let Some(channel) = &self.0 {
            let mut lines = Vec::new();
            fields(&mut lines, trailers);
            channel.received(Layer::Http, Content::Dialogue, &lines);
        }
    }

    /// For a body of this encoding. What is compressed is not shown: secrets cannot be found in it.
    pub(super) fn for_body(&self, encoding: Option<&HeaderValue>) -> Self {
        let encoding = encoding.filter(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        match (encoding, &self.0) {
            (Some(encoding), Some(channel)) => {
                let encoding = String::from_utf8_lossy(encoding.as_bytes());
                channel.note(format!("the body is encoded with {encoding}, and not shown"));
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
