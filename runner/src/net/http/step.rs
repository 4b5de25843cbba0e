//! A request in the run's record, from its begin to the end of its answer's body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Spent;
use super::hop::{bare, bare_host};
use super::{HttpVersion, Request};
use crate::ledger::{Page, Recording};
use crate::net::{NetError, Phase};
use crate::record::Part;
use crate::trace::{Request as Record, SpanId, StepKind};

/// A request that goes on. It is written down when it ends or is dropped.
pub(super) struct RequestStep {
    page: Arc<Page>,
    /// Absent once it has ended.
    recording: Option<Recording>,
    spent: Spent,
    /// Since when something is waited for.
    waits_since: Option<Instant>,
    status: Option<u16>,
    /// Of a body that was read to its end.
    length: Option<u64>,
    /// How the last wait ended, where that was an error.
    failed: Option<NetError>,
}

impl RequestStep {
    /// Begins to write the request down, so many redirects after the first, to end by `limit`. What it says of the URL holds
    /// no credentials and no query.
    pub(super) fn begin(
        page: &Arc<Page>,
        request: &Request,
        version: HttpVersion,
        peer: SocketAddr,
        (number, limit): (usize, Instant),
    ) -> Self {
        let url = &request.url;
        let recorder = page.recorder();
        let peer = recorder.peer(peer);
        let record = Record {
            method: recorder.text(Part::Trail, request.method.as_str()),
            url: recorder.text(Part::Trail, bare(url)),
            scheme: if url.scheme() == "https" { "https" } else { "http" },
            host: recorder.text(Part::Trail, bare_host(url).unwrap_or_default()),
            port: url.port_or_known_default().filter(|_| peer.port().is_some()),
            peer: Some(peer),
            version: Some(version.word()),
            hop: u32::try_from(number).unwrap_or(u32::MAX),
            request_bytes: u64::try_from(request.body.len()).unwrap_or(u64::MAX),
            ..Record::default()
        };
        Self {
            page: Arc::clone(page),
            recording: Some(page.begin(StepKind::Request(Box::new(record)), limit)),
            spent: Spent::default(),
            waits_since: Some(Instant::now()),
            status: None,
            length: None,
            failed: None,
        }
    }

    /// The id of its span.
    pub(super) fn span_id(&self) -> SpanId {
        self.recording
            .as_ref()
            .map(Recording::span_id)
            .unwrap_or_default()
    }

    /// The head of the answer came, or did not.
    pub(super) fn answered(&mut self, answer: Result<u16, &NetError>, spent: Spent) {
        (self.spent, self.waits_since) = (spent, None);
        (self.status, self.failed) = (answer.ok(), answer.err().cloned());
    }

    /// Something of the body is waited for.
    pub(super) fn wait(&mut self) {
        self.waits_since = Some(Instant::now());
    }

    /// The wait is over.
    pub(super) fn waited(&mut self, failed: Option<&NetError>) {
        self.count_wait();
        self.waits_since = None;
        self.failed = failed.cloned();
    }

    /// How long each of its phases took up to now.
    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    /// The body came whole.
    pub(super) fn complete(&mut self, length: u64) {
        self.length = Some(length);
        self.end();
    }

    /// Nothing more comes: the request is written down.
    pub(super) fn end(&mut self) {
        self.write_down();
        let Some(recording) = self.recording.take() else {
            return;
        };
        let failed = self.failed.as_ref().map(NetError::told);
        self.spend(failed.as_ref().map(|(word, _)| *word));
        recording.end(failed);
    }

    fn count_wait(&mut self) {
        let took = self.waits_since.map(|since| since.elapsed());
        if let (Some(took), Some(_)) = (took, self.status) {
            self.spent.receive = Some(self.spent.receive.unwrap_or_default() + took);
        }
    }

    fn write_down(&mut self) {
        let spent = self.spent;
        let step = self.recording.as_mut().and_then(Recording::kind);
        if let Some(StepKind::Request(record)) = step {
            (record.status, record.response_bytes) = (self.status, self.length);
            (record.send, record.wait, record.receive) = (spent.send, spent.wait, spent.receive);
        }
    }

    fn spend(&self, error: Option<&'static str>) {
        let phases: [(Phase, Option<Duration>); 3] = [
            (Phase::Send, self.spent.send),
            (Phase::Wait, self.spent.wait),
            (Phase::Receive, self.spent.receive),
        ];
        let last = phases.iter().rposition(|(_, took)| took.is_some());
        for (place, (phase, took)) in phases.into_iter().enumerate() {
            let Some(took) = took else { continue };
            let error = error.filter(|_| Some(place) == last);
            self.page.spend(phase.into(), took, error);
        }
    }
}

impl Drop for RequestStep {
    fn drop(&mut self) {
        if self.waits_since.is_none() {
            return self.end();
        }
        // The run ended meanwhile, and the recording knows what that means.
        self.count_wait();
        self.write_down();
    }
}
