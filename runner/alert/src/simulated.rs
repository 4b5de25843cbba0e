//! Simulated receivers: closures that take notifications, run by a task of the caller.
#![expect(clippy::expect_used, reason = "what cannot be simulated must fail its test")]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::dispatcher::{DispatcherContext, WorkerSet};
use super::notifier::Notifier;
use super::notifier::alertmanager::RESEND_INTERVAL;
use super::notify::{Attempt, Notify, Sending};
use super::{AlertRouter, DeliveryResult, Notification, Start, outbox, prepare};
use canary_outbound::alert_report::AlertReports;
use canary_outbound::retry_after_headers;
use canary_suite::Secrets;

type ResultFuture = Pin<Box<dyn Future<Output = DeliveryResult> + Send>>;

/// Handles resent firing alerts.
type ResendHandler = Arc<dyn Fn(&[&Notification]) -> DeliveryResult + Send + Sync>;

/// A simulated receiver.
#[derive(Clone)]
pub struct Receiver {
    receive: Arc<dyn Fn(Notification) -> ResultFuture + Send + Sync>,
    resend: Option<ResendHandler>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

impl Receiver {
    /// A receiver that answers with what `receive` returns.
    pub fn new<F>(receive: impl Fn(Notification) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = DeliveryResult> + Send + 'static,
    {
        Self {
            receive: Arc::new(move |notification| Box::pin(receive(notification))),
            resend: None,
        }
    }

    #[cfg(test)]
    /// The same, but firing alerts are resent to this closure every minute.
    pub(super) fn with_resend(
        self,
        resend: impl Fn(&[&Notification]) -> DeliveryResult + Send + Sync + 'static,
    ) -> Self {
        let resend = Some(Arc::new(resend) as ResendHandler);
        Self { resend, ..self }
    }
}

impl Notify for Receiver {
    fn send<'a>(&'a self, notification: &'a Notification, _attempt: Attempt<'a>) -> Sending<'a> {
        (self.receive)(notification.clone())
    }

    fn resend_interval(&self) -> Option<Duration> {
        self.resend.is_some().then_some(RESEND_INTERVAL)
    }

    fn resend<'a>(&'a self, firing: &'a [&'a Notification], _attempt: Attempt<'a>) -> Sending<'a> {
        let resend = self.resend.as_ref();
        let result = resend.map_or(DeliveryResult::Sent, |resend| resend(firing));
        Box::pin(std::future::ready(result))
    }
}

impl Notifier {
    /// The same notifier, with this receiver.
    pub fn received_by(self, receiver: Receiver) -> Self {
        Self {
            type_name: "simulated",
            secrets: Secrets::default(),
            service: Arc::new(receiver),
            ..self
        }
    }
}

/// The result of an HTTP response, with a `Retry-After` in seconds.
pub fn result_of(status: u16, after: Option<u64>) -> DeliveryResult {
    let headers = retry_after_headers(after);
    let status = StatusCode::from_u16(status).expect("a status of HTTP");
    DeliveryResult::from_response(status, &headers, b"", "", SystemTime::now())
}

/// Like [`super::start`], but the caller runs the workers.
pub fn start(start: Start<'_>) -> (AlertRouter, AlertReports, impl Future<Output = ()> + use<>) {
    let (router, outbox) = prepare(&start);
    let reports = outbox::reports(&outbox);
    let settings = start.settings;
    let workers = WorkerSet::new(settings, &router, outbox, DispatcherContext::from(start));
    let stop = CancellationToken::new();
    (router, reports, workers.run(stop))
}
