//! Records a request as a step of the run, from its start to the end of the response body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::destination::{host_without_brackets, redact_url};
use super::phase_times::PhaseTimes;
use super::{HttpVersion, Request};
use crate::ledger::{ActiveStep, Page};
use crate::{NetError, Phase};
use canary_record::Section;
use canary_record::trace::{Request as Record, SpanId, StepKind};

/// A request in progress. It is recorded when it ends or is dropped.
pub(super) struct RequestStep {
    page: Arc<Page>,
    /// `None` once it has ended.
    active_step: Option<ActiveStep>,
    phase_times: PhaseTimes,
    /// When the current wait started, if there is one.
    waiting_since: Option<Instant>,
    status: Option<u16>,
    /// Length of a body that was read to its end.
    length: Option<u64>,
    /// The error of the last wait, if it failed.
    failed: Option<NetError>,
}

impl RequestStep {
    /// Starts recording a request that follows `number` redirects and must end by `limit`. The recorded URL contains no
    /// credentials and no query.
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
            method: recorder.text(Section::Trail, request.method.as_str()),
            url: recorder.text(Section::Trail, redact_url(url)),
            scheme: if url.scheme() == "https" { "https" } else { "http" },
            host: recorder.host(Section::Trail, host_without_brackets(url).unwrap_or_default()),
            port: url.port_or_known_default().filter(|_| peer.port().is_some()),
            peer: Some(peer),
            version: Some(version.as_str()),
            hop: u32::try_from(number).unwrap_or(u32::MAX),
            request_bytes: u64::try_from(request.body.len()).unwrap_or(u64::MAX),
            ..Record::default()
        };
        Self {
            page: Arc::clone(page),
            active_step: Some(page.begin_step(StepKind::Request(Box::new(record)), limit)),
            phase_times: PhaseTimes::default(),
            waiting_since: Some(Instant::now()),
            status: None,
            length: None,
            failed: None,
        }
    }

    /// The id of its span.
    pub(super) fn span_id(&self) -> SpanId {
        self.active_step
            .as_ref()
            .map(ActiveStep::span_id)
            .unwrap_or_default()
    }

    /// Records the outcome of waiting for the response head.
    pub(super) fn head_received(&mut self, answer: Result<u16, &NetError>, phase_times: PhaseTimes) {
        (self.phase_times, self.waiting_since) = (phase_times, None);
        (self.status, self.failed) = (answer.ok(), answer.err().cloned());
    }

    /// Starts waiting for a part of the body.
    pub(super) fn begin_wait(&mut self) {
        self.waiting_since = Some(Instant::now());
    }

    /// Ends the wait.
    pub(super) fn end_wait(&mut self, failed: Option<&NetError>) {
        self.count_wait();
        self.waiting_since = None;
        self.failed = failed.cloned();
    }

    /// Counts a failure of what the check itself configured, so that it is not mistaken for one of the target.
    pub(super) fn record_own_failure(&self, error: &NetError) {
        if error.is_own_failure() {
            self.page.record_own_failure();
        }
    }

    /// The time spent in each phase so far.
    pub(super) fn phase_times(&self) -> PhaseTimes {
        self.phase_times
    }

    /// Records that the body is complete.
    pub(super) fn complete(&mut self, length: u64) {
        self.length = Some(length);
        self.end();
    }

    /// Ends the step and records it.
    pub(super) fn end(&mut self) {
        self.update_record();
        let Some(active_step) = self.active_step.take() else {
            return;
        };
        let failed = self.failed.as_ref().map(NetError::code_and_message);
        self.record_phases(failed.as_ref().map(|(code, _)| *code));
        active_step.end(failed);
    }

    fn count_wait(&mut self) {
        let took = self.waiting_since.map(|since| since.elapsed());
        if let (Some(took), Some(_)) = (took, self.status) {
            self.phase_times.receive = Some(self.phase_times.receive.unwrap_or_default() + took);
        }
    }

    fn update_record(&mut self) {
        let phase_times = self.phase_times;
        let step = self.active_step.as_mut().and_then(ActiveStep::kind);
        if let Some(StepKind::Request(record)) = step {
            (record.status, record.response_bytes) = (self.status, self.length);
            (record.send, record.wait, record.receive) =
                (phase_times.send, phase_times.wait, phase_times.receive);
        }
    }

    fn record_phases(&self, error: Option<&'static str>) {
        let phases: [(Phase, Option<Duration>); 3] = [
            (Phase::Send, self.phase_times.send),
            (Phase::Wait, self.phase_times.wait),
            (Phase::Receive, self.phase_times.receive),
        ];
        let last = phases.iter().rposition(|(_, took)| took.is_some());
        for (index, (phase, took)) in phases.into_iter().enumerate() {
            let Some(took) = took else { continue };
            let error = error.filter(|_| Some(index) == last);
            self.page.record_phase(phase.into(), took, error);
        }
    }
}

impl Drop for RequestStep {
    fn drop(&mut self) {
        if self.waiting_since.is_none() {
            return self.end();
        }
        // The run ended meanwhile; the recorded step knows the reason.
        self.count_wait();
        self.update_record();
    }
}
