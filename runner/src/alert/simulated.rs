//! Simulated receivers: closures that take notifications, run by a task of the caller.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio_util::sync::CancellationToken;

use super::dispatcher::{DispatcherContext, WorkerSet};
use super::notifier::{Notifier, NotifierKind};
use super::{AlertRouter, DeliveryResult, Notification, Reports, Start, prepare};

type ResultFuture = Pin<Box<dyn Future<Output = DeliveryResult> + Send>>;

/// Handles resent firing alerts.
type ResendHandler = Arc<dyn Fn(&[&Notification]) -> DeliveryResult + Send + Sync>;

/// A simulated receiver.
#[derive(Clone)]
pub(crate) struct Receiver {
    receive: Arc<dyn Fn(Notification) -> ResultFuture + Send + Sync>,
    resend: Option<ResendHandler>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

impl Receiver {
    pub(crate) fn new<F>(receive: impl Fn(Notification) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = DeliveryResult> + Send + 'static,
    {
        Self {
            receive: Arc::new(move |notification| Box::pin(receive(notification))),
            resend: None,
        }
    }

    /// The same, but firing alerts are resent to this closure every minute.
    pub(super) fn with_resend(
        self,
        resend: impl Fn(&[&Notification]) -> DeliveryResult + Send + Sync + 'static,
    ) -> Self {
        let resend = Some(Arc::new(resend) as ResendHandler);
        Self { resend, ..self }
    }

    pub(super) fn handles_resend(&self) -> bool {
        self.resend.is_some()
    }

    pub(super) fn resend(&self, firing: &[&Notification]) -> DeliveryResult {
        let resend = self.resend.as_ref();
        resend.map_or(DeliveryResult::Sent, |resend| resend(firing))
    }

    pub(super) fn receive(&self, notification: Notification) -> ResultFuture {
        (self.receive)(notification)
    }
}

impl Notifier {
    /// The same notifier, with this receiver.
    pub(crate) fn received_by(self, receiver: Receiver) -> Self {
        let kind = NotifierKind::Simulated(receiver);
        Self { kind, ..self }
    }
}

/// The result of an HTTP response, with a `Retry-After` in seconds.
pub(crate) fn result_of(status: u16, after: Option<u64>) -> DeliveryResult {
    let after = after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)));
    let status = StatusCode::from_u16(status).expect("a status of HTTP");
    DeliveryResult::from_response(status, &HeaderMap::from_iter(after), b"", "", SystemTime::now())
}

/// Like [`super::start`], but the caller runs the workers.
pub(crate) fn start(start: Start<'_>) -> (AlertRouter, Reports, impl Future<Output = ()> + use<>) {
    let (router, outbox) = prepare(&start);
    let reports = Reports(Arc::clone(&outbox));
    let settings = start.settings;
    let workers = WorkerSet::new(settings, &router, outbox, DispatcherContext::from(start));
    let stop = CancellationToken::new();
    (router, reports, workers.run(stop))
}
