//! Receivers of alerts, which check that notifications are consistent.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::reader::Reader;
use super::reloads;
use canary_alert::simulated::{Receiver, result_of};
use canary_alert::{DeliveryResult, Event, Notification};
use canary_suite::Window;

pub(super) const NAMES: [&str; 2] = ["chat", "pager"];

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Behaviour {
    #[default]
    Takes,
    /// Responds with this status and these seconds of `Retry-After`, and accepts nothing.
    Answers(u16, Option<u64>),
    /// Responds with this status to notifications of this check, or not at all, and accepts all others.
    FailsAt(&'static str, Option<u16>),
    /// Responds that each notification is too large.
    Rejects,
    /// Never responds.
    Hangs,
    /// Makes the task that delivers to it panic.
    Panics,
}

impl Behaviour {
    /// The behaviour for notifications of this check.
    fn towards(self, check: &str) -> Self {
        match self {
            Self::FailsAt(bad, status) if bad == check => {
                status.map_or(Self::Hangs, |status| Self::Answers(status, None))
            }
            behaviour => behaviour,
        }
    }
}

/// All receivers. Cheap to clone; clones share their state.
#[derive(Debug, Clone, Default)]
pub(super) struct Receivers(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    windows: Vec<Window>,
    behaviours: BTreeMap<&'static str, Behaviour>,
    /// By receiver and check.
    readers: BTreeMap<(&'static str, String), Reader>,
    received: Vec<(Instant, &'static str, String)>,
    /// Notifications that the runner could not record as delivered before it was killed.
    may_repeat: HashSet<(&'static str, String)>,
    /// When each receiver first failed since it last accepted something.
    failing: BTreeMap<&'static str, Instant>,
    violation: Option<String>,
    is_forgiving: bool,
}

impl Receivers {
    /// No alert may begin while one of these windows is open for its check.
    pub(super) fn expect_silence(&self, windows: &[Window]) {
        self.inner().windows = windows.to_vec();
    }

    pub(super) fn receiver(&self, name: &'static str) -> Receiver {
        let receivers = self.clone();
        Receiver::new(move |notification| receivers.clone().receive(name, notification))
    }

    async fn receive(self, name: &'static str, notification: Notification) -> DeliveryResult {
        sleep(Duration::from_millis(30)).await;
        let behaviour = self.inner().behaviours.get(name).copied().unwrap_or_default();
        match behaviour.towards(&notification.check.name) {
            Behaviour::Takes | Behaviour::FailsAt(..) => {
                self.inner().failing.remove(name);
                self.inner().take(name, &notification);
            }
            Behaviour::Answers(status, after) => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                return result_of(status, after);
            }
            Behaviour::Rejects => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                // The sender drops it, but the receiver's log has it.
                self.inner().take(name, &notification);
                return result_of(413, None);
            }
            Behaviour::Panics => std::panic::resume_unwind(Box::new("the task panics")),
            Behaviour::Hangs => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                std::future::pending().await
            }
        }
        DeliveryResult::Sent
    }

    pub(super) fn set(&self, name: &'static str, behaviour: Behaviour) {
        self.inner().behaviours.insert(name, behaviour);
    }

    pub(super) fn heal(&self) {
        self.inner().behaviours.clear();
    }

    /// Since when a receiver has accepted nothing.
    pub(super) fn failing_since(&self, name: &str) -> Option<Instant> {
        self.inner().failing.get(name).copied()
    }

    /// The runner was killed; it may send again what was received after `durable`.
    pub(super) fn killed(&self, durable: Instant) {
        let mut inner = self.inner();
        let late = inner.received.iter().filter(|(at, ..)| *at >= durable);
        let late: Vec<_> = late.map(|(_, name, id)| (*name, id.clone())).collect();
        inner.may_repeat.extend(late);
        inner.failing.clear();
    }

    /// The runner may have forgotten what it sent.
    pub(super) fn forgive(&self) {
        let mut inner = self.inner();
        inner.is_forgiving = true;
        inner.readers.values_mut().for_each(Reader::forgive);
    }

    /// No alert is open: notifications have to be consistent again from now on.
    pub(super) fn renew(&self) {
        let mut inner = self.inner();
        if inner.is_forgiving {
            inner.is_forgiving = false;
            inner.readers.clear();
        }
    }

    /// The first inconsistency.
    pub(super) fn violation(&self) -> Option<String> {
        self.inner().violation.clone()
    }

    /// Whether a receiver has an open alert of the check.
    pub(super) fn is_alerted(&self, name: &'static str, check: &str) -> bool {
        let inner = self.inner();
        let reader = inner.readers.get(&(name, check.to_owned()));
        reader.is_some_and(Reader::is_alerted)
    }

    /// Receivers that still have an open alert, and of which check.
    pub(super) fn believing(&self) -> Vec<(&'static str, String)> {
        let inner = self.inner();
        let open = inner.readers.iter();
        let open = open.filter(|(_, reader)| reader.is_alerted() && !reader.is_forgiving());
        open.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn received(&self) -> usize {
        self.inner().received.len()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    fn take(&mut self, name: &'static str, notification: &Notification) {
        let id = notification.id();
        let may_repeat = self.may_repeat.contains(&(name, id.clone()));
        self.received.push((Instant::now(), name, id));
        let reader = self.readers.entry((name, notification.check.id.clone()));
        let reader = reader.or_default();
        if self.is_forgiving {
            reader.forgive();
        }
        let sense = reader.read(notification, may_repeat);
        let sense = sense.and_then(|()| self.is_allowed(notification));
        if let Err(violation) = sense {
            self.violation
                .get_or_insert(format!("`{name}` cannot make sense of it: {violation}"));
        }
    }

    /// While a maintenance window is open, only resolved notifications are sent.
    fn is_allowed(&self, notification: &Notification) -> Result<(), String> {
        let Notification { check, event, at, .. } = notification;
        let check = reloads::check(&check.name, 1);
        let is_held = self.windows.iter().any(|window| window.covers(&check, *at));
        if is_held && *event != Event::Resolved {
            Err(format!("{event:?} {} during maintenance", notification.id()))
        } else {
            Ok(())
        }
    }
}
