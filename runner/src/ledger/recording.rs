//! A step that goes on.

use std::sync::Arc;

use tokio::time::Instant;

use super::page::Page;
use crate::record::{Part, Text};
use crate::trace::{CANCELLED, SpanId, Step, StepError, StepKind, draw_span_id};

/// A step that goes on; it is written down when it ends, also when its future is dropped.
#[derive(Debug)]
#[must_use = "a step that is dropped at once has failed"]
pub struct Recording {
    page: Arc<Page>,
    span_id: SpanId,
    began: Instant,
    limit: Instant,
    /// Absent once the step has ended.
    kind: Option<StepKind>,
}

impl Recording {
    pub(super) fn new(page: Arc<Page>, kind: StepKind, limit: Instant) -> Self {
        if let Some((conversation, begun)) = page.recorder().conversation().zip(kind.begun()) {
            conversation.note(begun);
        }
        Self {
            page,
            span_id: draw_span_id(),
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

    /// What is known of the step, to be completed while it goes on.
    pub fn kind(&mut self) -> Option<&mut StepKind> {
        self.kind.as_mut()
    }

    /// Ends the step; an error is a word of a bounded set and a text.
    pub fn end(mut self, failed: Option<(&'static str, String)>) {
        let record = |text| self.page.recorder().text(Part::Trail, text);
        let failed = failed.map(|(word, text)| (word, record(text)));
        self.keep(failed);
    }

    fn keep(&mut self, failed: Option<(&'static str, Text)>) {
        let Some(kind) = self.kind.take() else { return };
        let took = self.began.elapsed();
        if let Some(conversation) = self.page.recorder().conversation() {
            let ended = kind.ended(failed.as_ref().map(|(_, message)| message));
            ended.into_iter().for_each(|text| conversation.note(text));
        }
        let word = failed.as_ref().map(|(word, _)| *word);
        if let Some(phase) = kind.phase().filter(|_| word != Some(CANCELLED)) {
            self.page.spend(phase, took, word);
        }
        self.page.keep(Step {
            kind,
            span_id: self.span_id,
            attempt: self.page.owner().attempt,
            started: self.began - self.page.opened_at(),
            took,
            error: failed.map(|(word, message)| StepError { word, message }),
        });
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let failed = match Instant::now() >= self.limit {
            true => ("timeout", Text::fixed("timed out")),
            false => (CANCELLED, Text::fixed("given up before its end")),
        };
        self.keep(Some(failed));
    }
}
