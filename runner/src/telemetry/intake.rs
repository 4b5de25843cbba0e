//! What waits for the worker, weighed in bytes: when there is no room, the check that has most waiting makes it.

mod weight;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::Event;
use crate::suite::CheckId;

/// Bytes of events that may wait, as [`weight`] counts them. At 10,000 ordinary runs a second this is more than a second
/// of a stalled worker.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// Makes the two ends; what finds no room is counted in `lost`.
pub(super) fn intake(max_bytes: usize, lost: Arc<AtomicU64>) -> (EventSender, EventReceiver) {
    let waiting = Arc::new(Mutex::new(Waiting {
        max_bytes,
        ..Waiting::default()
    }));
    let (wake_tx, wake_rx) = mpsc::channel(1);
    let sender = EventSender {
        waiting: Arc::clone(&waiting),
        wake: wake_tx,
        lost,
    };
    let wake = wake_rx;
    (sender, EventReceiver { waiting, wake })
}

/// The end of whoever has something to report. Never waits for the worker.
#[derive(Debug, Clone)]
pub(super) struct EventSender {
    /// Each section is one change; only the worker and those that report hold it.
    waiting: Arc<Mutex<Waiting>>,
    wake: mpsc::Sender<()>,
    lost: Arc<AtomicU64>,
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct EventReceiver {
    waiting: Arc<Mutex<Waiting>>,
    wake: mpsc::Receiver<()>,
}

impl EventSender {
    /// Hands an event over, in place of older ones if there is no room.
    pub(super) fn send(&self, event: Event) {
        let lost = lock(&self.waiting).push(event);
        if lost > 0 {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        // It is full when the worker was woken already.
        let _woken = self.wake.try_send(());
    }
}

impl EventReceiver {
    /// Waits until there may be something; false when nobody can send any more.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn ready(&mut self) -> bool {
        self.wake.recv().await.is_some()
    }

    /// The oldest event.
    pub(super) fn pop(&self) -> Option<Event> {
        lock(&self.waiting).pop()
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose an event is; absent of the runner's own.
type Owner = Option<CheckId>;

/// Events in their order, and who has how much of them.
#[derive(Debug, Default)]
struct Waiting {
    max_bytes: usize,
    bytes: usize,
    /// Of the next event.
    number: u64,
    events: BTreeMap<u64, (Owner, usize, Event)>,
    owners: HashMap<Owner, Held>,
    /// Owners by what they have waiting.
    ranks: BTreeSet<(usize, Owner)>,
}

/// What one owner has waiting.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// Oldest first.
    numbers: VecDeque<u64>,
}

impl Waiting {
    /// Returns how many events had to make room.
    fn push(&mut self, event: Event) -> u64 {
        let (owner, weight) = (owner(&event), weight::of(&event));
        let number = self.number;
        self.number += 1;
        self.change(&owner, |held| {
            held.bytes += weight;
            held.numbers.push_back(number);
        });
        self.bytes += weight;
        self.events.insert(number, (owner, weight, event));
        let mut lost = 0;
        while self.bytes > self.max_bytes {
            let heaviest = self.ranks.last().map(|(_, owner)| owner.clone());
            let oldest = heaviest.and_then(|owner| self.owners.get(&owner)?.numbers.front().copied());
            let Some(oldest) = oldest else { break };
            self.remove(oldest);
            lost += 1;
        }
        lost
    }

    fn pop(&mut self) -> Option<Event> {
        let (number, _) = self.events.first_key_value()?;
        let number = *number;
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<Event> {
        let (owner, weight, event) = self.events.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(weight);
        self.change(&owner, |held| {
            held.bytes = held.bytes.saturating_sub(weight);
            // An owner's events leave in their order.
            held.numbers.pop_front();
        });
        Some(event)
    }

    fn change(&mut self, owner: &Owner, change: impl FnOnce(&mut Held)) {
        let held = self.owners.entry(owner.clone()).or_default();
        self.ranks.remove(&(held.bytes, owner.clone()));
        change(held);
        if held.numbers.is_empty() {
            self.owners.remove(owner);
        } else {
            self.ranks.insert((held.bytes, owner.clone()));
        }
    }
}

fn owner(event: &Event) -> Owner {
    match event {
        Event::Finished(run, _) => Some(run.check.id.clone()),
        Event::Missed(check, ..) => Some(check.clone()),
        Event::Suite(_) | Event::Reloaded(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::MissReason;

    fn missed(check: &str) -> Event {
        Event::Missed(CheckId::new(check), MissReason::Overload, 1)
    }

    fn checks(receiver: &EventReceiver) -> Vec<String> {
        let events = std::iter::from_fn(|| receiver.pop());
        let checks = events.filter_map(|event| owner(&event));
        checks.map(|id| id.as_str().to_owned()).collect()
    }

    #[tokio::test]
    async fn events_come_in_their_order_and_end_with_their_senders() {
        let (sender, mut receiver) = intake(MAX_BYTES, Arc::default());
        for check in ["a", "b", "a"] {
            sender.send(missed(check));
        }
        assert!(receiver.ready().await);
        assert_eq!(checks(&receiver), ["a", "b", "a"]);
        drop(sender);
        assert!(!receiver.ready().await);
    }

    #[test]
    fn the_check_that_has_most_waiting_makes_room_and_the_others_lose_nothing() {
        let lost = Arc::new(AtomicU64::new(0));
        let (sender, receiver) = intake(10 * weight::of(&missed("a")), Arc::clone(&lost));
        for check in ["a", "b", "c"] {
            sender.send(missed(check));
        }
        for _ in 0..100 {
            sender.send(missed("loud"));
        }
        for check in ["a", "b", "c"] {
            sender.send(missed(check));
        }
        let left = checks(&receiver);
        let quiet = left.iter().filter(|check| *check != "loud").count();
        assert_eq!((quiet, left.len()), (6, 9), "{left:?}");
        assert_eq!(lost.load(Ordering::Relaxed), 97);
    }
}
