//! Bodies of answers: a text at once, or one that is made while it is sent.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::{Bytes, Frame, SizeHint};

use super::Parts;

/// The body of an answer.
pub(super) struct Body(Kind);

enum Kind {
    Whole(Full<Bytes>),
    Parts(Sent),
}

/// A text that is made part by part, no faster than the client takes it.
struct Sent {
    parts: Parts,
    squeezer: Option<GzEncoder<Vec<u8>>>,
    /// Whoever else is served on this thread has his turn after each part, those who are not accepted yet too.
    rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(text: T) -> Self {
        Self(Kind::Whole(Full::new(text.into())))
    }
}

impl Body {
    pub(super) fn parts(parts: Parts, is_gzip: bool) -> Self {
        let squeezer = is_gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self(Kind::Parts(Sent {
            parts,
            squeezer,
            rest: None,
        }))
    }
}

impl Sent {
    /// What is to be sent next; nothing at the end.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(part) = self.parts.next() else {
                // Writing to memory does not fail.
                let end = self.squeezer.take()?.finish().ok()?;
                return Some(end.into());
            };
            let Some(squeezer) = &mut self.squeezer else {
                return Some(part.into());
            };
            squeezer.write_all(part.as_bytes()).ok()?;
            let squeezed = std::mem::take(squeezer.get_mut());
            if !squeezed.is_empty() {
                return Some(squeezed.into());
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
        }
        let part = self.next();
        self.rest = Some(Box::pin(tokio::task::yield_now()));
        Poll::Ready(part)
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
            Kind::Whole(text) => Pin::new(text).poll_frame(context),
            Kind::Parts(sent) => sent
                .poll(context)
                .map(|part| part.map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(text) => text.is_end_stream(),
            Kind::Parts(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(text) => text.size_hint(),
            Kind::Parts(_) => SizeHint::default(),
        }
    }
}
