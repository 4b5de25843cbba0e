//! The body of a response in transit.

use std::sync::{Arc, Mutex};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, StatusCode, Version, response};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};

use super::driver::Driver;
use super::explain::{from_hyper, stream_ended_early};
use super::fields::Fields;
use super::frames::EmptyResponse;
use super::transcript::HttpTranscript;
use crate::body_progress::BodyProgress;
use crate::ledger::{Activity, ActivityHandle};
use crate::stream::{IoTimestamps, snapshot_of};
use crate::{NetError, Phase};

/// The body of a response and its connection, which is closed when this is dropped.
pub(super) struct BodyStream {
    incoming: Incoming,
    driver: Driver,
    timestamps: Arc<Mutex<IoTimestamps>>,
    live: ActivityHandle,
    /// The recorder for the body, once reading has begun.
    transcript: HttpTranscript,
    has_begun: bool,
    encoding: Option<HeaderValue>,
    progress: BodyProgress,
    /// Length of the body, if the library would read to the end of the connection.
    length: Option<u64>,
    /// The status of an HTTP/2 response, for which the library accepts bodies that are no whole ones.
    http2: Option<StatusCode>,
    empty: EmptyResponse,
    trailers: Fields,
}

impl BodyStream {
    pub(super) fn new(
        driver: Driver,
        incoming: Incoming,
        head: &response::Parts,
        transcript: HttpTranscript,
        (timestamps, live): (Arc<Mutex<IoTimestamps>>, ActivityHandle),
    ) -> Self {
        let headers = &head.headers;
        let announced = headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            incoming,
            driver,
            timestamps,
            live,
            transcript,
            has_begun: false,
            encoding: headers.get(CONTENT_ENCODING).cloned(),
            progress: BodyProgress {
                received: 0,
                content_length: announced,
            },
            length: None,
            http2: (head.version == Version::HTTP_2).then_some(head.status),
            empty: EmptyResponse::default(),
            trailers: Fields::default(),
        }
    }

    /// Limits the body to exactly this length, or to what the frames show.
    pub(super) fn with_end(self, length: Option<u64>, empty: EmptyResponse) -> Self {
        Self {
            length,
            empty,
            ..self
        }
    }

    /// How much was received, and how much was announced.
    pub(super) fn progress(&self) -> BodyProgress {
        self.progress
    }

    /// Sets the connection's activity.
    pub(super) fn set_activity(&self, activity: Activity) {
        self.live.set_activity(activity);
    }

    /// Whether the body has ended, as far as is known without reading.
    pub(super) fn is_over(&self) -> bool {
        self.is_complete() || self.has_ended_empty() || self.incoming.is_end_stream()
    }

    /// Whether a response that has no body by its status has ended as such.
    fn has_ended_empty(&self) -> bool {
        self.bodiless_status().is_some() && self.empty.has_ended()
    }

    /// The status of an HTTP/2 response that has no body because of it.
    fn bodiless_status(&self) -> Option<StatusCode> {
        self.http2
            .filter(|status| matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
    }

    fn is_complete(&self) -> bool {
        self.length.is_some_and(|length| self.progress.received >= length)
    }

    /// The next bytes as soon as any are available; `None` at the end of the body.
    ///
    /// Cancellation: data that arrives later is returned by the next call.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, NetError> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.transcript = self.transcript.for_body(self.encoding.as_ref());
        }
        while !self.is_complete()
            && let Some(frame) = self.driver.drive_until(self.incoming.frame()).await
        {
            let frame = match frame {
                Ok(frame) => frame,
                // The library expects the announced length, which such a response does not have.
                Err(_) if self.has_ended_empty() => return Ok(None),
                Err(error) => return Err(self.incomplete(from_hyper(error))),
            };
            match frame.into_data() {
                Ok(data) => return self.take(data).map(Some),
                Err(other) => self.take_trailers(&other.into_trailers().unwrap_or_default()),
            }
        }
        self.check_end().map(|()| None)
    }

    /// Whether the body is whole, now that the library has no more of it.
    fn check_end(&self) -> Result<(), NetError> {
        if self.length.is_some() && !self.is_complete() {
            return Err(self.incomplete(NetError::Closed));
        }
        // The library takes any NO_ERROR for the end, but a peer may send it only after a whole response (RFC 9113,
        // section 8.1). With END_STREAM, the library compares the length with the announced one.
        if self.http2.is_some() && !self.incoming.is_end_stream() {
            return Err(self.incomplete(stream_ended_early()));
        }
        Ok(())
    }

    /// Bytes after the end of the body do not belong to it.
    fn take(&mut self, mut data: Bytes) -> Result<Bytes, NetError> {
        if let Some(status) = self.bodiless_status()
            && !data.is_empty()
        {
            let reason = format!(
                "the peer sent a body with status {}, which has none",
                status.as_u16()
            );
            return Err(NetError::Protocol(reason).in_phase(Phase::Receive));
        }
        let room = self
            .length
            .map(|length| length.saturating_sub(self.progress.received));
        let room = room.and_then(|room| usize::try_from(room).ok());
        data.truncate(room.unwrap_or(data.len()));
        self.progress.received += u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.transcript.body(&data);
        Ok(data)
    }

    /// The trailers, available once the body has been read to its end.
    pub(super) fn into_trailers(self) -> Fields {
        self.trailers
    }

    fn take_trailers(&mut self, trailers: &HeaderMap) {
        self.transcript.trailers(trailers);
        self.trailers = trailers.into();
    }

    fn incomplete(&self, error: NetError) -> NetError {
        let error = snapshot_of(&self.timestamps).prefer_failure(error);
        error.in_body(self.progress).in_phase(Phase::Receive)
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
            let explained = cause.clone().in_body(BodyProgress {
                received: 2,
                content_length: announced,
            });
            assert_eq!(explained.to_string(), text);
            assert_eq!(explained.code(), cause.code());
        }
    }
}
