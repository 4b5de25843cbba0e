//! A request and its answer, whose body is read piece by piece.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::{Instant, timeout_at};

use super::body::{BodyStream, Extent};
use super::fields::Fields;
use super::step::RequestStep;
use super::{RequestOptions, Response};
use crate::ledger::Activity;
use crate::net::{Client, NetError, Phase};

/// The most that one read hands out, in bytes, whatever the plugin asks for.
const LONGEST_READ: usize = 1 << 20;
/// How long a read takes that does not wait.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A request that was answered. Its connection is closed when the body is over, or when it is dropped.
///
/// Between two calls nothing of it goes on: what the peer sends meanwhile waits with the operating system.
pub struct Exchange {
    /// By its deadline everything ends.
    client: Client,
    /// What is known of the answer up to now. It has no body.
    response: Response,
    /// Absent once the body is over.
    body: Option<BodyStream>,
    extent: Extent,
    /// Why the body is over, where it did not come whole.
    broken: Option<NetError>,
    /// Came with an earlier read, and was more than that wanted.
    behind: Bytes,
    trailers: Fields,
    /// Ends after the connection is closed.
    step: RequestStep,
}

impl Exchange {
    pub(super) fn new(client: &Client, response: Response, body: BodyStream, step: RequestStep) -> Self {
        body.enter(Activity::Idle);
        Self {
            client: client.clone(),
            response,
            extent: body.extent(),
            body: Some(body),
            broken: None,
            behind: Bytes::new(),
            trailers: Fields::default(),
            step,
        }
    }

    /// The answer, as far as it has come; its body is what was read.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }

    pub(super) fn response_mut(&mut self) -> &mut Response {
        &mut self.response
    }

    /// How much of the body came, and how much the head announced.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// What stood behind the body, once that was read to its end.
    #[must_use]
    pub fn trailers(&self) -> &Fields {
        &self.trailers
    }

    /// Bytes of memory that are kept of the answer until the exchange is dropped, whether it is over or not. What else it
    /// takes goes with the connection.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.response.weight() + self.trailers.weight()
    }

    /// Ends the exchange: each later read has this error. What came behind the body is forgotten.
    pub fn fail(&mut self, error: &NetError) {
        (self.body, self.behind, self.trailers) = (None, Bytes::new(), Fields::default());
        self.response.complete = false;
        self.broken = Some(error.clone());
        self.step.end();
    }

    /// Up to `max` bytes of the body as soon as there are any, by `until` at the latest; empty at its end. Transfer
    /// encodings are undone, content encodings are not.
    ///
    /// Cancellation: what comes later is there for the next read.
    ///
    /// # Errors
    /// The network, a quota, a peer that breaks HTTP: each later read has the same error. And the time, after which another
    /// read may go on.
    pub async fn read(&mut self, until: Option<Instant>, max: usize) -> Result<Vec<u8>, NetError> {
        let limit = self.client.until(until).limit(None);
        match self.piece(limit, max).await {
            Some(read) => read,
            None => Err(self.late()),
        }
    }

    /// What [`Exchange::read`] returns if it need not wait for it; nothing when it would. Takes a millisecond at most.
    ///
    /// # Errors
    /// As [`Exchange::read`].
    pub async fn read_ready(
        &mut self,
        until: Option<Instant>,
        max: usize,
    ) -> Result<Option<Vec<u8>>, NetError> {
        let client = self.client.until(until);
        // The runtime looks at sockets while something waits: it has to be given the time.
        match self.piece(client.limit(Some(AT_ONCE)), max).await {
            Some(read) => read.map(Some),
            None if client.limit(None) <= Instant::now() => Err(self.late()),
            None => Ok(None),
        }
    }

    /// Reads the body as the request's options say, and closes the connection.
    ///
    /// # Errors
    /// As [`Exchange::read`].
    pub(super) async fn whole(mut self, options: &RequestOptions) -> Result<Response, NetError> {
        if options.max_body == 0 {
            self.response.truncated = self.body.as_ref().is_some_and(|body| !body.is_over());
            return Ok(self.into_response());
        }
        self.enter(Activity::Receive);
        let max = usize::try_from(options.max_body).unwrap_or(usize::MAX);
        let limit = self.client.limit(None);
        let until = options.read_for.and_then(|time| Instant::now().checked_add(time));
        let until = until.filter(|until| *until < limit);
        loop {
            let piece = match self.next(until.unwrap_or(limit)).await {
                None if until.is_some() => break,
                None => return Err(self.late()),
                Some(piece) => piece?,
            };
            let Some(data) = piece else { break };
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

    /// What a plugin reads next; absent when the time is over.
    async fn piece(&mut self, limit: Instant, max: usize) -> Option<Result<Vec<u8>, NetError>> {
        self.enter(Activity::Receive);
        let read = self.fill(limit).await;
        self.enter(Activity::Idle);
        Some(read?.map(|()| self.take(max)))
    }

    /// Waits until there are bytes that can be read, or the body is over.
    async fn fill(&mut self, limit: Instant) -> Option<Result<(), NetError>> {
        while self.behind.is_empty() {
            match self.next(limit).await? {
                Ok(Some(data)) => self.behind = data,
                Ok(None) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(()))
    }

    /// Says what the connection does, while there is one.
    fn enter(&self, activity: Activity) {
        if let Some(body) = &self.body {
            body.enter(activity);
        }
    }

    /// The next piece of the body, none at its end; absent when the time is over.
    async fn next(&mut self, limit: Instant) -> Option<Result<Option<Bytes>, NetError>> {
        let Some(body) = &mut self.body else {
            return Some(self.broken.clone().map_or(Ok(None), Err));
        };
        self.step.wait();
        let came = timeout_at(limit, body.next()).await;
        self.extent = body.extent();
        self.step
            .waited(came.as_ref().ok().and_then(|came| came.as_ref().err()));
        self.response.body_length = self.extent.came;
        self.response.timings.receive = self.step.spent().receive;
        let came = came.ok()?;
        match &came {
            Ok(Some(_)) => {}
            Ok(None) => {
                let body = self.body.take();
                self.trailers = body.map(BodyStream::into_trailers).unwrap_or_default();
                self.response.complete = true;
                self.step.complete(self.extent.came);
            }
            Err(error) => {
                self.body = None;
                self.broken = Some(error.clone());
                self.step.end();
            }
        }
        Some(came)
    }

    fn late(&mut self) -> NetError {
        let late = NetError::Timeout(Phase::Receive);
        let late = self.extent.explain(late);
        self.step.waited(Some(&late));
        late
    }

    fn take(&mut self, max: usize) -> Vec<u8> {
        // An empty piece is the end of the body.
        let most = max.clamp(1, LONGEST_READ).min(self.behind.len());
        self.behind.split_to(most).into()
    }
}
