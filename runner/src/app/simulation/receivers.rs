//! Receivers of alerts, and what they make of what they receive.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::reader::Reader;
use crate::alert::simulated::Receiver;
use crate::alert::{Answer, Failure, Notification};

pub(super) const NAMES: [&str; 2] = ["chat", "pager"];

/// How a receiver fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Takes,
    /// It asks to be tried again later.
    Refuses,
    /// It answers nothing.
    Hangs,
    /// The task that delivers to it panics.
    Panics,
}

/// All receivers. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Receivers(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    moods: BTreeMap<&'static str, Mood>,
    /// By receiver and check.
    readers: BTreeMap<(&'static str, String), Reader>,
    received: Vec<(Instant, &'static str, String)>,
    /// What the runner could not note to be received before it was killed.
    may_repeat: HashSet<(&'static str, String)>,
    /// When each receiver first failed since it last took something.
    failing: BTreeMap<&'static str, Instant>,
    trouble: Option<String>,
    is_forgiving: bool,
}

impl Receivers {
    pub(super) fn receiver(&self, name: &'static str) -> Receiver {
        let receivers = self.clone();
        Receiver::new(move |notification| receivers.clone().receive(name, notification))
    }

    async fn receive(self, name: &'static str, notification: Notification) -> Answer {
        sleep(Duration::from_millis(30)).await;
        let mood = self.inner().moods.get(name).copied().unwrap_or_default();
        match mood {
            Mood::Takes => self.inner().take(name, &notification),
            Mood::Refuses => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                let failure = Failure {
                    word: "http_503".into(),
                    message: "not now".to_owned(),
                };
                return Answer::Later(failure, None);
            }
            Mood::Panics => std::panic::resume_unwind(Box::new("the task panics")),
            Mood::Hangs => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                std::future::pending().await
            }
        }
        Answer::Delivered
    }

    pub(super) fn set(&self, name: &'static str, mood: Mood) {
        self.inner().moods.insert(name, mood);
    }

    pub(super) fn heal(&self) {
        self.inner().moods.clear();
    }

    /// Since when a receiver has taken nothing that was brought to it.
    pub(super) fn failing_since(&self, name: &str) -> Option<Instant> {
        self.inner().failing.get(name).copied()
    }

    /// The runner was killed; what came after `durable` it may send again.
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

    /// What made no sense so far.
    pub(super) fn trouble(&self) -> Option<String> {
        self.inner().trouble.clone()
    }

    /// Whether a receiver knows that a check is not well.
    pub(super) fn is_alerted(&self, name: &'static str, check: &str) -> bool {
        let inner = self.inner();
        let reader = inner.readers.get(&(name, check.to_owned()));
        reader.is_some_and(Reader::is_alerted)
    }

    /// Who still believes that something is not well, and of what.
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
        self.failing.remove(name);
        let id = notification.id();
        let may_repeat = self.may_repeat.contains(&(name, id.clone()));
        self.received.push((Instant::now(), name, id));
        let reader = self.readers.entry((name, notification.check.id.clone()));
        let reader = reader.or_default();
        if self.is_forgiving {
            reader.forgive();
        }
        if let Err(trouble) = reader.read(notification, may_repeat) {
            self.trouble
                .get_or_insert(format!("`{name}` cannot make sense of it: {trouble}"));
        }
    }
}
