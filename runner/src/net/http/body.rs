//! The body of an answer: how much of it is kept, and how far it came when it did not come whole.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::exchange::from_hyper;
use crate::net::NetError;

/// A body, as far as it was wanted.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) kept: Vec<u8>,
    /// There was more than was kept.
    pub(super) truncated: bool,
    /// Bytes that came.
    pub(super) length: u64,
    /// The whole body came. False where nobody wanted any of it.
    pub(super) is_whole: bool,
}

impl Body {
    /// A body that is left where it is.
    pub(super) fn unread(incoming: &Incoming) -> Self {
        Self {
            truncated: !incoming.is_end_stream(),
            ..Self::default()
        }
    }

    /// Reads to the end, and keeps `max` bytes.
    pub(super) async fn read(
        incoming: &mut Incoming,
        max: u32,
        progress: &Progress,
    ) -> Result<Self, NetError> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let mut body = Self::default();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(from_hyper)?;
            let Some(data) = frame.data_ref() else { continue };
            let room = max.saturating_sub(body.kept.len());
            body.kept.extend_from_slice(data.get(..room).unwrap_or(data));
            body.truncated |= data.len() > room;
            body.length += u64::try_from(data.len()).unwrap_or(u64::MAX);
            progress.came(body.length);
        }
        body.is_whole = true;
        Ok(body)
    }
}

/// How much of a body came, and how much of it the head announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes that came.
    pub came: u64,
    /// Bytes that `content-length` names.
    pub announced: Option<u64>,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.announced {
            Some(announced) => write!(f, "{} of {announced} bytes", self.came),
            None => write!(f, "{} bytes", self.came),
        }
    }
}

/// How far a body has come. It outlives the future that reads it, which a time-out drops.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Option<Extent>>);

impl Progress {
    /// The head is there, and the body begins.
    pub(super) fn begin(&self, head: &http::response::Parts) {
        let announced = head.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        *self.extent() = Some(Extent { came: 0, announced });
    }

    fn came(&self, bytes: u64) {
        if let Some(extent) = &mut *self.extent() {
            extent.came = bytes;
        }
    }

    fn extent(&self) -> std::sync::MutexGuard<'_, Option<Extent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to what ended an exchange how far its body came, where that had begun.
    pub(super) fn explain(&self, error: NetError) -> NetError {
        let extent = *self.extent();
        match (error, extent) {
            (
                cause @ (NetError::Timeout(_)
                | NetError::Reset
                | NetError::Closed
                | NetError::Tls(_)
                | NetError::Protocol(_)
                | NetError::Other(_)),
                Some(extent),
            ) => NetError::Body {
                cause: Box::new(cause),
                extent,
            },
            (other, _) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Phase;

    fn begun(length: Option<&str>) -> Progress {
        let mut answer = http::Response::builder();
        if let Some(length) = length {
            answer = answer.header(CONTENT_LENGTH, length);
        }
        let progress = Progress::default();
        progress.begin(&answer.body(()).unwrap().into_parts().0);
        progress
    }

    #[test]
    fn a_body_that_broke_off_says_how_far_it_came() {
        for (length, cause, text) in [
            (
                Some("10"),
                NetError::Closed,
                "the connection was closed after 2 of 10 bytes of the body",
            ),
            (
                None,
                NetError::Reset,
                "the connection was reset after 2 bytes of the body",
            ),
            (
                Some("x"),
                NetError::Timeout(Phase::Receive),
                "timed out after 2 bytes of the body",
            ),
        ] {
            let progress = begun(length);
            progress.came(2);
            let explained = progress.explain(cause.clone());
            assert_eq!(explained.to_string(), text);
            assert_eq!(explained.word(), cause.word());
        }
    }

    #[test]
    fn what_ended_before_the_body_began_is_left_as_it_is() {
        let error = NetError::Timeout(Phase::Wait);
        assert_eq!(Progress::default().explain(error.clone()), error);
    }
}
