//! Alerts whose receivers are functions, delivered by a task of the caller's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio_util::sync::CancellationToken;

use super::courier::{Deliveries, Outside};
use super::notifier::{Notifier, Way};
use super::{Answer, Desk, Notification, Reports, Start, prepare};

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What answers to all that fires, sent again.
type Refreshing = Arc<dyn Fn(&[&Notification]) -> Answer + Send + Sync>;

/// What answers in place of a receiver.
#[derive(Clone)]
pub(crate) struct Receiver {
    receive: Arc<dyn Fn(Notification) -> Answering + Send + Sync>,
    refresh: Option<Refreshing>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

impl Receiver {
    pub(crate) fn new<F>(receive: impl Fn(Notification) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self {
            receive: Arc::new(move |notification| Box::pin(receive(notification))),
            refresh: None,
        }
    }

    /// The same, but what fires is sent again to this every minute.
    pub(super) fn refreshed(
        self,
        refresh: impl Fn(&[&Notification]) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let refresh = Some(Arc::new(refresh) as Refreshing);
        Self { refresh, ..self }
    }

    pub(super) fn is_refreshed(&self) -> bool {
        self.refresh.is_some()
    }

    pub(super) fn refresh(&self, firing: &[&Notification]) -> Answer {
        let refresh = self.refresh.as_ref();
        refresh.map_or(Answer::Delivered, |refresh| refresh(firing))
    }

    pub(super) fn receive(&self, notification: Notification) -> Answering {
        (self.receive)(notification)
    }
}

impl Notifier {
    /// The same, but this receives what it delivers.
    pub(crate) fn received_by(self, receiver: Receiver) -> Self {
        let way = Way::Simulated(receiver);
        Self { way, ..self }
    }
}

/// What the answer of an HTTP receiver means, with the seconds of a `Retry-After`.
pub(crate) fn judged(status: u16, after: Option<u64>) -> Answer {
    let after = after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)));
    let status = StatusCode::from_u16(status).expect("a status of HTTP");
    Answer::judge(status, &HeaderMap::from_iter(after), b"", "", SystemTime::now())
}

/// As [`super::start`], but the caller runs what delivers.
pub(crate) fn start(start: Start<'_>) -> (Desk, Reports, impl Future<Output = ()> + use<>) {
    let (desk, outbox) = prepare(&start);
    let reports = Reports(Arc::clone(&outbox));
    let settings = start.settings;
    let deliveries = Deliveries::new(settings, &desk, outbox, Outside::from(start));
    let stop = CancellationToken::new();
    (desk, reports, deliveries.run(stop))
}
