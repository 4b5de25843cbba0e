//! The body of an answer on its way, and how far it came when it did not come whole.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};

use super::connection::of_stream;
use super::driver::Driver;
use super::explain::from_hyper;
use super::fields::Fields;
use super::noted::Noted;
use crate::ledger::{Activity, LiveView};
use crate::net::stream::{Moments, read};
use crate::net::{NetError, Phase};

/// The body of an answer with the connection that it comes over, which is closed when it is dropped.
pub(super) struct BodyStream {
    incoming: Incoming,
    driver: Driver,
    moments: Arc<Mutex<Moments>>,
    live: LiveView,
    /// For the body, once reading has begun.
    noted: Noted,
    has_begun: bool,
    encoding: Option<HeaderValue>,
    extent: Extent,
    /// Bytes of it, where the library would read on to the end of the connection.
    length: Option<u64>,
    trailers: Fields,
}

impl BodyStream {
    pub(super) fn new(
        driver: Driver,
        incoming: Incoming,
        headers: &HeaderMap,
        noted: Noted,
        (moments, live): (Arc<Mutex<Moments>>, LiveView),
    ) -> Self {
        let announced = headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            incoming,
            driver,
            moments,
            live,
            noted,
            has_begun: false,
            encoding: headers.get(CONTENT_ENCODING).cloned(),
            extent: Extent { came: 0, announced },
            length: None,
            trailers: Fields::default(),
        }
    }

    /// The same, which is over after so many bytes and not before.
    pub(super) fn ending_after(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }

    /// How much came, and how much the head announced.
    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    /// Says what the connection does.
    pub(super) fn enter(&self, activity: Activity) {
        self.live.enter(activity);
    }

    /// Nothing more comes, as far as is known without reading.
    pub(super) fn is_over(&self) -> bool {
        self.has_all() || self.incoming.is_end_stream()
    }

    fn has_all(&self) -> bool {
        self.length.is_some_and(|length| self.extent.came >= length)
    }

    /// The next bytes as soon as there are any; nothing at the end of the body.
    ///
    /// Cancellation: what comes later is there for the next call.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, NetError> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.noted = self.noted.for_body(self.encoding.as_ref());
        }
        while !self.has_all()
            && let Some(frame) = self.driver.beside(self.incoming.frame()).await
        {
            match frame
                .map_err(|error| self.broke_off(from_hyper(error)))?
                .into_data()
            {
                Ok(data) => return Ok(Some(self.take(data))),
                Err(other) => self.take_trailers(&other.into_trailers().unwrap_or_default()),
            }
        }
        match self.length.is_some() && !self.has_all() {
            true => Err(self.broke_off(NetError::Closed)),
            false => Ok(None),
        }
    }

    /// What comes behind the end of the body is not of it.
    fn take(&mut self, mut data: Bytes) -> Bytes {
        let room = self.length.map(|length| length.saturating_sub(self.extent.came));
        let room = room.and_then(|room| usize::try_from(room).ok());
        data.truncate(room.unwrap_or(data.len()));
        self.extent.came += u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.noted.body(&data);
        data
    }

    /// What stood behind the body, once that was read to its end.
    pub(super) fn into_trailers(self) -> Fields {
        self.trailers
    }

    fn take_trailers(&mut self, trailers: &HeaderMap) {
        self.noted.trailers(trailers);
        self.trailers = trailers.into();
    }

    fn broke_off(&self, error: NetError) -> NetError {
        let error = of_stream(error, &read(&self.moments));
        self.extent.explain(error).during(Phase::Receive)
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

impl Extent {
    /// Adds to what ended a body how far it came.
    pub(super) fn explain(self, error: NetError) -> NetError {
        match error.without_phase().clone() {
            cause @ (NetError::Timeout(_)
            | NetError::Reset
            | NetError::Closed
            | NetError::Tls(_)
            | NetError::Protocol(_)
            | NetError::Other(_)) => NetError::Body {
                cause: Box::new(cause),
                extent: self,
            },
            _ => error,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.announced {
            Some(announced) => write!(f, "{} of {announced} bytes", self.came),
            None => write!(f, "{} bytes", self.came),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_broke_off_says_how_far_it_came() {
        for (announced, cause, text) in [
            (
                Some(10),
                NetError::Closed,
                "the connection was closed after 2 of 10 bytes of the body",
            ),
            (
                None,
                NetError::Reset,
                "the connection was reset after 2 bytes of the body",
            ),
            (
                None,
                NetError::Timeout(Phase::Receive),
                "timed out after 2 bytes of the body",
            ),
        ] {
            let explained = Extent { came: 2, announced }.explain(cause.clone());
            assert_eq!(explained.to_string(), text);
            assert_eq!(explained.word(), cause.word());
        }
    }
}
