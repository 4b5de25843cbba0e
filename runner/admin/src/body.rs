//! Response bodies: a complete text, or one that is produced while it is sent.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::{Bytes, Frame, SizeHint};

use super::TextChunks;

/// The body of a response.
pub(super) struct Body(Kind);

enum Kind {
    Complete(Full<Bytes>),
    Chunked(ChunkedBody),
}

/// A text that is produced chunk by chunk, no faster than the client reads it.
struct ChunkedBody {
    chunks: TextChunks,
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// Yields after each chunk, so that other connections on this thread make progress, including new ones.
    yielding: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(text: T) -> Self {
        Self(Kind::Complete(Full::new(text.into())))
    }
}

impl Body {
    pub(super) fn chunks(chunks: TextChunks, is_gzip: bool) -> Self {
        let encoder = is_gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self(Kind::Chunked(ChunkedBody {
            chunks,
            encoder,
            yielding: None,
        }))
    }
}

impl ChunkedBody {
    /// The next bytes to send; `None` at the end.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(chunk) = self.chunks.next() else {
                // Writing to memory does not fail.
                let end = self.encoder.take()?.finish().ok()?;
                return Some(end.into());
            };
            let Some(encoder) = &mut self.encoder else {
                return Some(chunk.into());
            };
            encoder.write_all(chunk.as_bytes()).ok()?;
            let compressed = std::mem::take(encoder.get_mut());
            if !compressed.is_empty() {
                return Some(compressed.into());
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(yielding) = &mut self.yielding {
            ready!(yielding.as_mut().poll(context));
        }
        let chunk = self.next();
        self.yielding = Some(Box::pin(tokio::task::yield_now()));
        Poll::Ready(chunk)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Complete(text) => Pin::new(text).poll_frame(context),
            Kind::Chunked(body) => body
                .poll(context)
                .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Complete(text) => text.is_end_stream(),
            Kind::Chunked(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Complete(text) => text.size_hint(),
            Kind::Chunked(_) => SizeHint::default(),
        }
    }
}
