//! The bounded queue of events for the worker. When it is full, the check with the most queued bytes loses its oldest
//! event.

mod event_size;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::Event;
use canary_suite::CheckId;

/// Maximum size of the queued events in bytes, as estimated by [`event_size`]. At 10,000 ordinary runs per second, that
/// is more than one second of a stalled worker.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// Creates the two ends of the queue; dropped events are counted in `lost`.
pub(super) fn event_queue(max_bytes: usize, lost: Arc<AtomicU64>) -> (EventSender, EventReceiver) {
    let queue = Arc::new(Mutex::new(EventQueue {
        max_bytes,
        ..EventQueue::default()
    }));
    let (wake_tx, wake_rx) = mpsc::channel(1);
    let sender = EventSender {
        queue: Arc::clone(&queue),
        wake_tx,
        lost,
    };
    (sender, EventReceiver { queue, wake_rx })
}

/// The sending end. Never waits for the worker.
#[derive(Debug, Clone)]
pub(super) struct EventSender {
    /// Each critical section is a single change; only the worker and the senders lock it.
    queue: Arc<Mutex<EventQueue>>,
    wake_tx: mpsc::Sender<()>,
    lost: Arc<AtomicU64>,
}

/// The receiving end, owned by the worker.
#[derive(Debug)]
pub(super) struct EventReceiver {
    queue: Arc<Mutex<EventQueue>>,
    wake_rx: mpsc::Receiver<()>,
}

impl EventSender {
    /// Queues an event, dropping older ones if there is no room.
    pub(super) fn send(&self, event: Event) {
        let lost = lock(&self.queue).push(event);
        if lost > 0 {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        // The channel is full if the worker was already woken.
        let _woken = self.wake_tx.try_send(());
    }
}

impl EventReceiver {
    /// Waits until there may be an event; false when all senders are gone.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn ready(&mut self) -> bool {
        self.wake_rx.recv().await.is_some()
    }

    /// Removes the oldest event.
    pub(super) fn pop(&self) -> Option<Event> {
        lock(&self.queue).pop()
    }
}

fn lock(queue: &Mutex<EventQueue>) -> MutexGuard<'_, EventQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The owner of an event; `None` is the runner itself.
type Owner = Option<CheckId>;

/// Events in order, and the usage of each owner.
#[derive(Debug, Default)]
struct EventQueue {
    max_bytes: usize,
    bytes: usize,
    /// The sequence number of the next event.
    sequence: u64,
    events: BTreeMap<u64, (Owner, usize, Event)>,
    owners: HashMap<Owner, OwnerUsage>,
    /// Owners by queued bytes.
    by_size: BTreeSet<(usize, Owner)>,
}

/// The queued events of one owner.
#[derive(Debug, Default)]
struct OwnerUsage {
    bytes: usize,
    /// Oldest first.
    sequence_numbers: VecDeque<u64>,
}

impl EventQueue {
    /// Returns how many events were dropped.
    fn push(&mut self, event: Event) -> u64 {
        let (owner, size) = (owner(&event), event_size::estimate(&event));
        let sequence = self.sequence;
        self.sequence += 1;
        self.update(&owner, |usage| {
            usage.bytes += size;
            usage.sequence_numbers.push_back(sequence);
        });
        self.bytes += size;
        self.events.insert(sequence, (owner, size, event));
        let mut lost = 0;
        while self.bytes > self.max_bytes {
            let heaviest = self.by_size.last().map(|(_, owner)| owner.clone());
            let oldest =
                heaviest.and_then(|owner| self.owners.get(&owner)?.sequence_numbers.front().copied());
            let Some(oldest) = oldest else { break };
            self.remove(oldest);
            lost += 1;
        }
        lost
    }

    fn pop(&mut self) -> Option<Event> {
        let (sequence, _) = self.events.first_key_value()?;
        let sequence = *sequence;
        self.remove(sequence)
    }

    fn remove(&mut self, sequence: u64) -> Option<Event> {
        let (owner, size, event) = self.events.remove(&sequence)?;
        self.bytes = self.bytes.saturating_sub(size);
        self.update(&owner, |usage| {
            usage.bytes = usage.bytes.saturating_sub(size);
            // Events of an owner leave in order.
            usage.sequence_numbers.pop_front();
        });
        Some(event)
    }

    fn update(&mut self, owner: &Owner, change: impl FnOnce(&mut OwnerUsage)) {
        let usage = self.owners.entry(owner.clone()).or_default();
        self.by_size.remove(&(usage.bytes, owner.clone()));
        change(usage);
        if usage.sequence_numbers.is_empty() {
            self.owners.remove(owner);
        } else {
            self.by_size.insert((usage.bytes, owner.clone()));
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
    use canary_run::account::MissReason;

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
        let (sender, mut receiver) = event_queue(MAX_BYTES, Arc::default());
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
        let (sender, receiver) = event_queue(10 * event_size::estimate(&missed("a")), Arc::clone(&lost));
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
