//! A request and its response, whose body is read incrementally.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::{Instant, timeout_at};

use super::body::BodyStream;
use super::fields::Fields;
use super::step::RequestStep;
use super::{RequestOptions, Response};
use crate::body_progress::BodyProgress;
use crate::ledger::Activity;
use crate::{Client, NetError, Phase};

/// Maximum number of bytes returned by one read, regardless of what the plugin requests.
const MAX_READ: usize = 1 << 20;
/// Time limit of a non-blocking read.
const READY_TIMEOUT: Duration = Duration::from_millis(1);

/// A request with a response head. Its connection is closed at the end of the body, or when this is dropped.
///
/// Nothing happens between two calls: data sent by the peer waits in the kernel.
pub struct Exchange {
    /// Its deadline bounds every operation.
    client: Client,
    /// The response so far, without its body.
    response: Response,
    /// `None` after the end of the body.
    body: Option<BodyStream>,
    progress: BodyProgress,
    /// Why the body ended prematurely.
    error: Option<NetError>,
    /// Bytes received by an earlier read in excess of its limit.
    buffered: Bytes,
    trailers: Fields,
    /// Ends after the connection is closed.
    step: RequestStep,
}

impl Exchange {
    pub(super) fn new(client: &Client, response: Response, body: BodyStream, step: RequestStep) -> Self {
        body.set_activity(Activity::Idle);
        Self {
            client: client.clone(),
            response,
            progress: body.progress(),
            body: Some(body),
            error: None,
            buffered: Bytes::new(),
            trailers: Fields::default(),
            step,
        }
    }

    /// The response so far.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }

    pub(super) fn response_mut(&mut self) -> &mut Response {
        &mut self.response
    }

    /// How much of the body was received, and how much was announced.
    #[must_use]
    pub fn progress(&self) -> BodyProgress {
        self.progress
    }

    /// The trailers, available once the body has been read to its end.
    #[must_use]
    pub fn trailers(&self) -> &Fields {
        &self.trailers
    }

    /// Memory retained until this is dropped, in bytes, even after the exchange has ended. Everything else is released
    /// with the connection.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.response.weight() + self.trailers.weight()
    }

    /// Ends the exchange: every later read returns this error. Buffered bytes and trailers are discarded.
    pub fn fail(&mut self, error: &NetError) {
        (self.body, self.buffered, self.trailers) = (None, Bytes::new(), Fields::default());
        self.response.complete = false;
        self.error = Some(error.clone());
        self.step.end();
    }

    /// Returns up to `max` bytes of the body as soon as any are available, by `until` at the latest; empty at its end.
    /// Transfer encodings are decoded, content encodings are not.
    ///
    /// Cancellation: data that arrives later is returned by the next read.
    ///
    /// # Errors
    /// The network, a quota, or a peer that violates HTTP: every later read returns the same error. A timeout, after
    /// which another read may continue.
    pub async fn read(&mut self, until: Option<Instant>, max: usize) -> Result<Vec<u8>, NetError> {
        let limit = self.client.with_deadline(until).deadline_after(None);
        match self.read_chunk(limit, max).await {
            Some(read) => read,
            None => Err(self.timed_out()),
        }
    }

    /// Returns what [`Exchange::read`] would return without waiting; `None` if it would have to wait. Takes at most one
    /// millisecond.
    ///
    /// # Errors
    /// As [`Exchange::read`].
    pub async fn read_ready(
        &mut self,
        until: Option<Instant>,
        max: usize,
    ) -> Result<Option<Vec<u8>>, NetError> {
        let client = self.client.with_deadline(until);
        // The runtime polls sockets only while something waits: give it time to do so.
        match self
            .read_chunk(client.deadline_after(Some(READY_TIMEOUT)), max)
            .await
        {
            Some(read) => read.map(Some),
            None if client.deadline_after(None) <= Instant::now() => Err(self.timed_out()),
            None => Ok(None),
        }
    }

    /// Reads the body as specified by the request's options, and closes the connection.
    ///
    /// # Errors
    /// As [`Exchange::read`].
    pub(super) async fn read_to_end(mut self, options: &RequestOptions) -> Result<Response, NetError> {
        if options.max_body == 0 {
            self.response.truncated = self.body.as_ref().is_some_and(|body| !body.is_over());
            return Ok(self.into_response());
        }
        self.set_activity(Activity::Receive);
        let max = usize::try_from(options.max_body).unwrap_or(usize::MAX);
        let limit = self.client.deadline_after(None);
        let until = options.read_for.and_then(|time| Instant::now().checked_add(time));
        let until = until.filter(|until| *until < limit);
        loop {
            let chunk = match self.next_chunk(until.unwrap_or(limit)).await {
                None if until.is_some() => break,
                None => return Err(self.timed_out()),
                Some(chunk) => chunk?,
            };
            let Some(data) = chunk else { break };
            let kept = &mut self.response.body;
            let room = max.saturating_sub(kept.len());
            kept.extend_from_slice(data.get(..room).unwrap_or(&data));
            self.response.truncated |= data.len() > room;
        }
        Ok(self.into_response())
    }

    /// Closes the connection.
    pub(super) fn into_response(self) -> Response {
        let Self {
            response, body, step, ..
        } = self;
        drop(body);
        drop(step);
        response
    }

    /// The next bytes for the plugin; `None` on a timeout.
    async fn read_chunk(&mut self, limit: Instant, max: usize) -> Option<Result<Vec<u8>, NetError>> {
        self.set_activity(Activity::Receive);
        let read = self.fill(limit).await;
        self.set_activity(Activity::Idle);
        Some(read?.map(|()| self.take_buffered(max)))
    }

    /// Waits until bytes are buffered or the body has ended.
    async fn fill(&mut self, limit: Instant) -> Option<Result<(), NetError>> {
        while self.buffered.is_empty() {
            match self.next_chunk(limit).await? {
                Ok(Some(data)) => self.buffered = data,
                Ok(None) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(()))
    }

    /// Sets the connection's activity, while there is one.
    fn set_activity(&self, activity: Activity) {
        if let Some(body) = &self.body {
            body.set_activity(activity);
        }
    }

    /// The next chunk of the body, `None` within at its end; `None` on a timeout.
    async fn next_chunk(&mut self, limit: Instant) -> Option<Result<Option<Bytes>, NetError>> {
        let Some(body) = &mut self.body else {
            return Some(self.error.clone().map_or(Ok(None), Err));
        };
        self.step.begin_wait();
        let result = timeout_at(limit, body.next()).await;
        self.progress = body.progress();
        self.step
            .end_wait(result.as_ref().ok().and_then(|result| result.as_ref().err()));
        self.response.body_length = self.progress.received;
        self.response.timings.receive = self.step.phase_times().receive;
        let result = result.ok()?;
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => {
                let body = self.body.take();
                self.trailers = body.map(BodyStream::into_trailers).unwrap_or_default();
                self.response.complete = true;
                self.step.complete(self.progress.received);
            }
            Err(error) => {
                self.body = None;
                self.error = Some(error.clone());
                self.step.record_own_failure(error);
                self.step.end();
            }
        }
        Some(result)
    }

    fn timed_out(&mut self) -> NetError {
        let timed_out = NetError::Timeout(Phase::Receive);
        let timed_out = timed_out.in_body(self.progress);
        self.step.end_wait(Some(&timed_out));
        timed_out
    }

    fn take_buffered(&mut self, max: usize) -> Vec<u8> {
        // An empty result means the end of the body.
        let length = max.clamp(1, MAX_READ).min(self.buffered.len());
        self.buffered.split_to(length).into()
    }
}
