//! Coalesces identical concurrent queries into one exchange (single flight).
//!
//! Nothing is spawned: the tasks that wait for the result drive the exchange. When one of them is dropped another
//! continues, and when the last one is dropped, so is the exchange with its sockets.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use canary_record::Conversation;

/// Maximum age of an exchange that others may join: a query whose datagram was lost must not delay everyone who
/// retries.
const MAX_JOIN_AGE: Duration = Duration::from_secs(1);

type Exchange<T> = BoxFuture<'static, T>;

/// Exchanges in flight by key. Clones share one table.
#[derive(Debug)]
pub(super) struct SingleFlight<K, T>(Arc<Table<K, T>>);

type Table<K, T> = Mutex<HashMap<K, Entry<T>>>;

struct Entry<T> {
    number: u64,
    since: Instant,
    exchange: WeakShared<Exchange<T>>,
    progress: Arc<Progress>,
}

impl<T> std::fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The progress of an exchange.
#[derive(Debug, Default)]
pub(super) struct Progress {
    has_begun: AtomicBool,
    /// Conversations of the waiting runs that are recorded; usually none.
    conversations: Mutex<Vec<Conversation>>,
}

impl Progress {
    /// Records that a server is being queried.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether a server has been queried; until then a wait says nothing about the servers.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Also records the servers' responses in this conversation from now on.
    pub(super) fn add_conversation(&self, conversation: &Conversation) {
        self.conversations().push(conversation.clone());
    }

    /// Adds a note to the recorded conversations.
    pub(super) fn note(&self, text: impl Fn() -> String) {
        for conversation in &*self.conversations() {
            conversation.note(text());
        }
    }

    fn conversations(&self) -> MutexGuard<'_, Vec<Conversation>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to a shared exchange.
pub(super) struct SharedExchange<T> {
    pub(super) exchange: Shared<Exchange<T>>,
    pub(super) progress: Arc<Progress>,
}

impl<K: Clone + Eq + Hash + Send + 'static, T: Clone + Send + Sync + 'static> SingleFlight<K, T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(HashMap::new())))
    }

    /// Joins the exchange in flight for `question`, or starts a new one.
    pub(super) fn join(
        &self,
        question: &K,
        exchange: impl FnOnce(Arc<Progress>) -> Exchange<T>,
    ) -> SharedExchange<T> {
        let mut table = lock(&self.0);
        let young = |entry: &&Entry<T>| entry.since.elapsed() < MAX_JOIN_AGE;
        let known = table.get(question).filter(young).and_then(|entry| {
            let exchange = entry.exchange.upgrade()?;
            let progress = Arc::clone(&entry.progress);
            Some(SharedExchange { exchange, progress })
        });
        if let Some(handle) = known {
            return handle;
        }
        let progress = Arc::new(Progress::default());
        let number = table.get(question).map_or(0, |old| old.number.wrapping_add(1));
        let guard = RemoveOnDrop {
            table: Arc::downgrade(&self.0),
            question: question.clone(),
            number,
        };
        let inner = exchange(Arc::clone(&progress));
        let exchange = async move {
            let _guard = guard;
            inner.await
        };
        let exchange = exchange.boxed().shared();
        if let Some(weak) = exchange.downgrade() {
            let entry = Entry {
                number,
                since: Instant::now(),
                exchange: weak,
                progress: Arc::clone(&progress),
            };
            table.insert(question.clone(), entry);
        }
        SharedExchange { exchange, progress }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

/// Removes an exchange from the table when it ends or nobody waits for it any more.
struct RemoveOnDrop<K: Eq + Hash, T> {
    table: Weak<Table<K, T>>,
    question: K,
    number: u64,
}

impl<K: Eq + Hash, T> Drop for RemoveOnDrop<K, T> {
    fn drop(&mut self) {
        let Some(table) = self.table.upgrade() else { return };
        let mut table = lock(&table);
        // Another exchange may have replaced it.
        if table
            .get(&self.question)
            .is_some_and(|entry| entry.number == self.number)
        {
            table.remove(&self.question);
        }
    }
}

fn lock<K, T>(table: &Table<K, T>) -> MutexGuard<'_, HashMap<K, Entry<T>>> {
    // Critical sections are one lookup and one insertion or removal. No exchange is dropped under the lock.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join;
    use tokio::sync::oneshot;

    use super::*;

    /// Counts live instances.
    struct Alive(Arc<AtomicUsize>);

    impl Alive {
        fn new(count: &Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(count))
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn exchange(
        alive: &Arc<AtomicUsize>,
        rx: oneshot::Receiver<u32>,
    ) -> impl FnOnce(Arc<Progress>) -> Exchange<u32> {
        let alive = Alive::new(alive);
        move |progress| {
            async move {
                progress.begin();
                let answer = rx.await.unwrap();
                drop(alive);
                answer
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn identical_concurrent_queries_share_one_exchange() {
        let (in_flight, alive) = (SingleFlight::new(), Arc::default());
        let (tx, rx) = oneshot::channel();
        let first = in_flight.join(&"a", exchange(&alive, rx));
        let second = in_flight.join(&"a", |_| unreachable!("it is under way"));
        tx.send(7).unwrap();
        assert_eq!(join(first.exchange, second.exchange).await, (7, 7));
        assert_eq!((in_flight.len(), alive.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn another_waiter_continues_when_the_driving_one_is_dropped() {
        let (in_flight, alive) = (SingleFlight::new(), Arc::default());
        let (tx, rx) = oneshot::channel();
        let mut first = in_flight.join(&"a", exchange(&alive, rx));
        let mut second = in_flight.join(&"a", |_| unreachable!("it is under way"));
        let task = counting_waker();
        let mut cx = std::task::Context::from_waker(&task.0);
        assert!(!first.progress.has_begun());
        assert!(first.exchange.poll_unpin(&mut cx).is_pending());
        assert!(second.exchange.poll_unpin(&mut cx).is_pending());
        assert!(second.progress.has_begun());
        drop(first);
        task.1.store(0, Ordering::Relaxed);
        tx.send(7).unwrap();
        assert_eq!(task.1.load(Ordering::Relaxed), 1, "the one that is left is woken");
        assert_eq!(second.exchange.await, 7);
    }

    #[tokio::test]
    async fn the_exchange_ends_with_its_last_waiter() {
        let (in_flight, alive) = (SingleFlight::new(), Arc::default());
        let (_tx, rx) = oneshot::channel();
        let first = in_flight.join(&"a", exchange(&alive, rx));
        let second = in_flight.join(&"a", |_| unreachable!("it is under way"));
        drop(first);
        assert_eq!((in_flight.len(), alive.load(Ordering::Relaxed)), (1, 1));
        drop(second);
        assert_eq!((in_flight.len(), alive.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn other_questions_have_exchanges_of_their_own() {
        let (in_flight, alive) = (SingleFlight::new(), Arc::default());
        let ((_one, rx), (_two, other)) = (oneshot::channel(), oneshot::channel());
        let _first = in_flight.join(&"a", exchange(&alive, rx));
        let _second = in_flight.join(&"b", exchange(&alive, other));
        assert_eq!((in_flight.len(), alive.load(Ordering::Relaxed)), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_joins_what_may_have_been_lost_on_the_way() {
        let (in_flight, alive) = (SingleFlight::new(), Arc::default());
        let ((_lost, rx), (tx, again)) = (oneshot::channel(), oneshot::channel());
        let old = in_flight.join(&"a", exchange(&alive, rx));
        tokio::time::advance(MAX_JOIN_AGE).await;
        let new = in_flight.join(&"a", exchange(&alive, again));
        assert_eq!((in_flight.len(), alive.load(Ordering::Relaxed)), (1, 2));
        drop(old);
        let third = in_flight.join(&"a", |_| unreachable!("the new one is under way"));
        tx.send(7).unwrap();
        assert_eq!(join(new.exchange, third.exchange).await, (7, 7));
        assert_eq!(in_flight.len(), 0);
    }

    /// A waker that counts its wake-ups.
    fn counting_waker() -> (std::task::Waker, Arc<AtomicUsize>) {
        struct Count(Arc<AtomicUsize>);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(AtomicUsize::new(0));
        (Arc::new(Count(Arc::clone(&count))).into(), count)
    }
}
