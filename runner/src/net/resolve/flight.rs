//! One exchange for all who ask the same question at the same time.
//!
//! Nothing is spawned: whoever waits for an answer drives the exchange. When one of them is dropped another goes on
//! with it, and when the last one is dropped, so is the exchange, with its sockets.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use crate::record::Conversation;

/// How old an exchange may be for others to join it: a question that was lost on the way must not be waited for by all
/// who ask again.
const JOINED_WITHIN: Duration = Duration::from_secs(1);

type Exchange<T> = BoxFuture<'static, T>;

/// Exchanges under way, by their question. Clones are the same table.
#[derive(Debug)]
pub(super) struct Flights<K, T>(Arc<Table<K, T>>);

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

/// How far an exchange is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    has_begun: AtomicBool,
    /// Of those who wait for it and want to read what each server answers; most often of nobody.
    conversations: Mutex<Vec<Conversation>>,
}

impl Progress {
    /// A server is asked now.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether a server was asked: until then a wait says nothing of servers.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// From now on this conversation has what servers answer.
    pub(super) fn note_in(&self, conversation: &Conversation) {
        self.conversations().push(conversation.clone());
    }

    /// Writes a note where it is wanted.
    pub(super) fn note(&self, text: impl Fn() -> String) {
        for conversation in &*self.conversations() {
            conversation.note(text());
        }
    }

    fn conversations(&self) -> MutexGuard<'_, Vec<Conversation>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part in an exchange: a future of its answer.
pub(super) struct Flight<T> {
    pub(super) exchange: Shared<Exchange<T>>,
    pub(super) progress: Arc<Progress>,
}

impl<K: Clone + Eq + Hash + Send + 'static, T: Clone + Send + Sync + 'static> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(HashMap::new())))
    }

    /// The exchange under way for `question`, or a new one.
    pub(super) fn join(
        &self,
        question: &K,
        exchange: impl FnOnce(Arc<Progress>) -> Exchange<T>,
    ) -> Flight<T> {
        let mut table = lock(&self.0);
        let young = |entry: &&Entry<T>| entry.since.elapsed() < JOINED_WITHIN;
        let known = table.get(question).filter(young).and_then(|entry| {
            let exchange = entry.exchange.upgrade()?;
            let progress = Arc::clone(&entry.progress);
            Some(Flight { exchange, progress })
        });
        if let Some(flight) = known {
            return flight;
        }
        let progress = Arc::new(Progress::default());
        let number = table.get(question).map_or(0, |old| old.number.wrapping_add(1));
        let landing = Landing {
            table: Arc::downgrade(&self.0),
            question: question.clone(),
            number,
        };
        let inner = exchange(Arc::clone(&progress));
        let exchange = async move {
            let _landing = landing;
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
        Flight { exchange, progress }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

/// Takes an exchange out of the table when it ends, and when nobody waits for it any more.
struct Landing<K: Eq + Hash, T> {
    table: Weak<Table<K, T>>,
    question: K,
    number: u64,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let Some(table) = self.table.upgrade() else { return };
        let mut table = lock(&table);
        // Another may have taken its place since.
        if table
            .get(&self.question)
            .is_some_and(|entry| entry.number == self.number)
        {
            table.remove(&self.question);
        }
    }
}

fn lock<K, T>(table: &Table<K, T>) -> MutexGuard<'_, HashMap<K, Entry<T>>> {
    // Every section is one look-up, and one insertion or removal. No exchange is dropped under it.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join;
    use tokio::sync::oneshot;

    use super::*;

    /// Counts those that are alive.
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
    async fn whoever_asks_the_same_question_shares_one_exchange() {
        let (flights, alive) = (Flights::new(), Arc::default());
        let (tx, rx) = oneshot::channel();
        let first = flights.join(&"a", exchange(&alive, rx));
        let second = flights.join(&"a", |_| unreachable!("it is under way"));
        tx.send(7).unwrap();
        assert_eq!(join(first.exchange, second.exchange).await, (7, 7));
        assert_eq!((flights.len(), alive.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn another_goes_on_when_the_one_who_drives_is_dropped() {
        let (flights, alive) = (Flights::new(), Arc::default());
        let (tx, rx) = oneshot::channel();
        let mut first = flights.join(&"a", exchange(&alive, rx));
        let mut second = flights.join(&"a", |_| unreachable!("it is under way"));
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
    async fn the_exchange_ends_with_the_last_who_waits_for_it() {
        let (flights, alive) = (Flights::new(), Arc::default());
        let (_tx, rx) = oneshot::channel();
        let first = flights.join(&"a", exchange(&alive, rx));
        let second = flights.join(&"a", |_| unreachable!("it is under way"));
        drop(first);
        assert_eq!((flights.len(), alive.load(Ordering::Relaxed)), (1, 1));
        drop(second);
        assert_eq!((flights.len(), alive.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn other_questions_have_exchanges_of_their_own() {
        let (flights, alive) = (Flights::new(), Arc::default());
        let ((_one, rx), (_two, other)) = (oneshot::channel(), oneshot::channel());
        let _first = flights.join(&"a", exchange(&alive, rx));
        let _second = flights.join(&"b", exchange(&alive, other));
        assert_eq!((flights.len(), alive.load(Ordering::Relaxed)), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_joins_what_may_have_been_lost_on_the_way() {
        let (flights, alive) = (Flights::new(), Arc::default());
        let ((_lost, rx), (tx, again)) = (oneshot::channel(), oneshot::channel());
        let old = flights.join(&"a", exchange(&alive, rx));
        tokio::time::advance(JOINED_WITHIN).await;
        let new = flights.join(&"a", exchange(&alive, again));
        assert_eq!((flights.len(), alive.load(Ordering::Relaxed)), (1, 2));
        drop(old);
        let third = flights.join(&"a", |_| unreachable!("the new one is under way"));
        tx.send(7).unwrap();
        assert_eq!(join(new.exchange, third.exchange).await, (7, 7));
        assert_eq!(flights.len(), 0);
    }

    /// A waker that counts how often it is woken.
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
