//! A step in progress.

use std::sync::Arc;

use tokio::time::Instant;

use super::page::Page;
use canary_record::trace::{CANCELLED, SpanId, Step, StepError, StepKind, new_span_id};
use canary_record::{Section, Text};

/// A step in progress. It is recorded when it ends, or when it is dropped because its future was cancelled.
#[derive(Debug)]
#[must_use = "a step that is dropped at once has failed"]
pub struct ActiveStep {
    page: Arc<Page>,
    span_id: SpanId,
    began: Instant,
    limit: Instant,
    /// `None` once the step has ended.
    kind: Option<StepKind>,
}

impl ActiveStep {
    pub(super) fn new(page: Arc<Page>, kind: StepKind, limit: Instant) -> Self {
        if let Some((conversation, begun)) = page.recorder().conversation().zip(kind.describe_start()) {
            conversation.note(begun);
        }
        Self {
            page,
            span_id: new_span_id(),
            began: Instant::now(),
            limit,
            kind: Some(kind),
        }
    }

    /// The id of the step's span.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The step's data, to be completed while it is in progress.
    pub fn kind(&mut self) -> Option<&mut StepKind> {
        self.kind.as_mut()
    }

    /// Ends the step; an error is a code from a bounded set and a message.
    pub fn end(mut self, failed: Option<(&'static str, String)>) {
        let record = |text| self.page.recorder().text(Section::Trail, text);
        let failed = failed.map(|(code, text)| (code, record(text)));
        self.finish(failed);
    }

    fn finish(&mut self, failed: Option<(&'static str, Text)>) {
        let Some(kind) = self.kind.take() else { return };
        let took = self.began.elapsed();
        if let Some(conversation) = self.page.recorder().conversation() {
            let ended = kind.describe_end(failed.as_ref().map(|(_, message)| message));
            ended.into_iter().for_each(|text| conversation.note(text));
        }
        let code = failed.as_ref().map(|(code, _)| *code);
        if let Some(phase) = kind.phase().filter(|_| code != Some(CANCELLED)) {
            self.page.record_phase(phase, took, code);
        }
        self.page.record_step(Step {
            kind,
            span_id: self.span_id,
            attempt: self.page.owner().attempt,
            started: self.began - self.page.opened_at(),
            took,
            error: failed.map(|(code, message)| StepError { code, message }),
        });
    }
}

impl Drop for ActiveStep {
    fn drop(&mut self) {
        let failed = if Instant::now() >= self.limit {
            ("timeout", Text::from_static("timed out"))
        } else {
            (CANCELLED, Text::from_static("canceled before it finished"))
        };
        self.finish(Some(failed));
    }
}
