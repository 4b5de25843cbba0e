//! One notifier with its worker and a simulated receiver, with a paused clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Disk, committed, settings, started};
use crate::delivery_result::{DeliveryResult, Failure, UnreachedRecipient};
use crate::dispatcher::{DispatcherContext, WorkerSet};
use crate::notification::Notification;
use crate::sample_notification::sample;
use crate::simulated::Receiver;
use crate::{AlertRouter, Start, outbox, prepare};
use canary_net::ledger::audit::InternalFds;
use canary_outbound::alert_report::{AlertReports, NotifierReport};
use canary_state::Table;
use canary_system::liveness::Registry;

pub(super) const OPS: &str = "notifiers: { ops: { type: slack, url: 'http://127.0.0.1/', timeout: 10s } }";

/// One notifier and its receiver.
pub(super) struct World {
    router: AlertRouter,
    reports: AlertReports,
    disk: Arc<Mutex<Disk>>,
    logged: Arc<Mutex<Vec<String>>>,
    /// Attempts: seconds from the start, and the number of the notification.
    pub(super) attempts: Arc<Mutex<Vec<(u64, u32)>>>,
}

impl World {
    /// The receiver gives these answers and then accepts everything.
    pub(super) fn new(answers: impl IntoIterator<Item = DeliveryResult>) -> (Self, WorkerSet) {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::responding(move |_| {
            let answer = answers.lock().unwrap().pop_front();
            answer.unwrap_or(DeliveryResult::Sent)
        })
    }

    /// The receiver answers with `respond`.
    pub(super) fn responding(
        respond: impl Fn(&Notification) -> DeliveryResult + Send + Sync + 'static,
    ) -> (Self, WorkerSet) {
        Self::received(respond, |receiver| receiver)
    }

    /// The same, but firing alerts are resent every minute, and answered with `resend`.
    pub(super) fn with_resend(
        respond: impl Fn(&Notification) -> DeliveryResult + Send + Sync + 'static,
        resend: impl Fn(&[&Notification]) -> DeliveryResult + Send + Sync + 'static,
    ) -> (Self, WorkerSet) {
        Self::received(respond, |receiver| receiver.with_resend(resend))
    }

    fn received(
        respond: impl Fn(&Notification) -> DeliveryResult + Send + Sync + 'static,
        and: impl FnOnce(Receiver) -> Receiver,
    ) -> (Self, WorkerSet) {
        let began = Instant::now();
        let attempts: Arc<Mutex<Vec<_>>> = Arc::default();
        let tried = Arc::clone(&attempts);
        let receiver = Receiver::new(move |notification: Notification| {
            let attempt = (began.elapsed().as_secs(), notification.number);
            tried.lock().unwrap().push(attempt);
            std::future::ready(respond(&notification))
        });
        let receiver = and(receiver);
        let mut settings = settings(OPS).unwrap();
        let notifiers = std::mem::take(&mut settings.notifiers).into_iter();
        settings.notifiers = notifiers.map(|one| one.received_by(receiver.clone())).collect();
        let (disk, logged): (Arc<Mutex<Disk>>, Arc<Mutex<Vec<String>>>) = Default::default();
        let (kept, logging) = (Arc::clone(&disk), Arc::clone(&logged));
        let start = Start {
            settings: &settings,
            alerts: &[],
            notifications: &[],
            internal_fds: InternalFds::default(),
            start_signal: started(),
            persist: Box::new(move |changes| kept.lock().unwrap().apply(changes)),
            log: Box::new(move |_, line| logging.lock().unwrap().push(line.to_owned())),
            liveness: Registry::default(),
        };
        let (router, outbox) = prepare(&start);
        let workers = WorkerSet::new(
            &settings,
            &router,
            Arc::clone(&outbox),
            DispatcherContext::from(start),
        );
        let reports = outbox::reports(&outbox);
        let world = Self {
            router,
            reports,
            disk,
            logged,
            attempts,
        };
        (world, workers)
    }

    /// Stages and releases these.
    pub(super) fn stage_all(&self, notifications: impl IntoIterator<Item = Notification>) {
        for notification in notifications {
            let changes = self.router.outbox().queue().stage("ops", notification);
            self.disk.lock().unwrap().apply(changes);
        }
        self.router.dispatch(&committed());
    }

    /// These alerts fire according to rows that were read late.
    pub(super) fn restore_late(&self, firing: Vec<Notification>) {
        self.router.outbox().add_restored_firing(&"ops".into(), firing);
    }

    pub(super) fn stage(&self, numbers: impl IntoIterator<Item = u32>) {
        self.stage_all(numbers.into_iter().map(|number| Notification {
            number,
            ..sample(SystemTime::now())
        }));
    }

    pub(super) fn attempts(&self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.attempts.lock().unwrap())
    }

    pub(super) fn logged(&self) -> Vec<String> {
        std::mem::take(&mut self.logged.lock().unwrap())
    }

    pub(super) fn report(&self) -> NotifierReport {
        self.reports.now().notifiers.remove("ops").unwrap()
    }

    pub(super) fn on_disk(&self) -> usize {
        self.disk.lock().unwrap().rows(Table::Notification).len()
    }
}

pub(super) fn failure(code: &'static str) -> Failure {
    Failure {
        code: code.into(),
        message: format!("it is {code}"),
    }
}

pub(super) fn unreached(recipient: &str, code: &'static str, is_temporary: bool) -> UnreachedRecipient {
    UnreachedRecipient {
        recipient: recipient.to_owned(),
        failure: failure(code),
        is_temporary,
    }
}

pub(super) fn later() -> DeliveryResult {
    DeliveryResult::Retry(failure("away"), Some(Duration::from_secs(20)))
}

pub(super) fn refused() -> DeliveryResult {
    DeliveryResult::Refused(failure("bad"))
}

pub(super) async fn run(workers: WorkerSet, seconds: u64) {
    let forever = workers.run(CancellationToken::new());
    timeout(Duration::from_secs(seconds), forever).await.unwrap_err();
}
