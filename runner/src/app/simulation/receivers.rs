//! Receivers of alerts, and what they make of what they receive.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::reader::Reader;
use super::reloads;
use crate::alert::simulated::{Receiver, judged};
use crate::alert::{Answer, Event, Notification};
use crate::suite::Window;

pub(super) const NAMES: [&str; 2] = ["chat", "pager"];

/// How a receiver fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Takes,
    /// It answers this status, with these seconds to wait, and takes nothing.
    Answers(u16, Option<u64>),
    /// It answers this status to what this check has to tell, or nothing at all, and takes everything else.
    FailsAt(&'static str, Option<u16>),
    /// It says of each notification that it is too large.
    Rejects,
    /// It answers nothing.
    Hangs,
    /// The task that delivers to it panics.
    Panics,
}

impl Mood {
    /// How it fares with what this check has to tell.
    fn towards(self, check: &str) -> Self {
        match self {
            Self::FailsAt(bad, status) if bad == check => {
                status.map_or(Self::Hangs, |status| Self::Answers(status, None))
            }
            mood => mood,
        }
    }
}

/// All receivers. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Receivers(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    windows: Vec<Window>,
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
    /// Nothing begins while one of these is open for its check.
    pub(super) fn expect_silence(&self, windows: &[Window]) {
        self.inner().windows = windows.to_vec();
    }

    pub(super) fn receiver(&self, name: &'static str) -> Receiver {
        let receivers = self.clone();
        Receiver::new(move |notification| receivers.clone().receive(name, notification))
    }

    async fn receive(self, name: &'static str, notification: Notification) -> Answer {
        sleep(Duration::from_millis(30)).await;
        let mood = self.inner().moods.get(name).copied().unwrap_or_default();
        match mood.towards(&notification.check.name) {
            Mood::Takes | Mood::FailsAt(..) => {
                self.inner().failing.remove(name);
                self.inner().take(name, &notification);
            }
            Mood::Answers(status, after) => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                return judged(status, after);
            }
            Mood::Rejects => {
                self.inner().failing.entry(name).or_insert_with(Instant::now);
                // Its sender gives it up; whoever reads the receiver's log knows it all the same.
                self.inner().take(name, &notification);
                return judged(413, None);
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

    /// Nothing is open, whoever was notified of what: what is received from now on has to make sense again.
    pub(super) fn renew(&self) {
        let mut inner = self.inner();
        if inner.is_forgiving {
            inner.is_forgiving = false;
            inner.readers.clear();
        }
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
        if let Err(trouble) = sense {
            self.trouble
                .get_or_insert(format!("`{name}` cannot make sense of it: {trouble}"));
        }
    }

    /// Nothing but the end of an alert comes about while a window of maintenance is open.
    fn is_allowed(&self, notification: &Notification) -> Result<(), String> {
        let Notification { check, event, at, .. } = notification;
        let check = reloads::check(&check.name, 1);
        let is_held = self.windows.iter().any(|window| window.covers(&check, *at));
        match is_held && *event != Event::Resolved {
            true => Err(format!("{event:?} {} during maintenance", notification.id())),
            false => Ok(()),
        }
    }
}
