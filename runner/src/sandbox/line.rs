//! The line of guests that compute for long. They share all workers but one among them, so that a check that has
//! something to do next finds a worker, and measures its target and not its neighbours.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where guests wait that have computed for long; first come, first served.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<Semaphore>);

impl Line {
    /// A line for a runtime with so many workers: all but one are for those who wait in it.
    pub(super) fn beside(workers: usize) -> Self {
        Self(Arc::new(Semaphore::new(workers.saturating_sub(1).max(1))))
    }

    /// Where one guest stands: nowhere yet.
    pub(super) fn place(&self) -> Arc<Place> {
        Arc::new(Place {
            line: Arc::clone(&self.0),
            turn: Mutex::new(None),
        })
    }
}

/// Of one guest.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Semaphore>,
    /// While it is its turn.
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    /// Gives the worker back, and waits behind all others until it is its turn, which lasts until [`Place::leave`].
    ///
    /// Cancellation: gives up the place.
    pub(super) fn queue(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.leave();
        let place = Arc::clone(self);
        Box::pin(async move {
            // Alone in the line it would go on at once, and all others wait.
            tokio::task::yield_now().await;
            // Nobody closes the line.
            let turn = Arc::clone(&place.line).acquire_owned().await.ok();
            *place.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        })
    }

    /// It is the next one's turn.
    pub(super) fn leave(&self) {
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn those_who_compute_leave_one_worker_to_the_others() {
        let line = Line::beside(3);
        let places: Vec<_> = (0..3).map(|_| line.place()).collect();
        places[0].queue().await;
        places[1].queue().await;
        assert_eq!(places[2].queue().now_or_never(), None);
        let mut third = std::pin::pin!(places[2].queue());
        assert!(tokio::task::unconstrained(&mut third).now_or_never().is_none());
        places[0].leave();
        third.await;
    }

    #[tokio::test]
    async fn with_a_single_worker_one_computes() {
        let line = Line::beside(1);
        line.place().queue().await;
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_or_is_gone_holds_up_nobody() {
        let line = Line::beside(2);
        let (first, second, third) = (line.place(), line.place(), line.place());
        first.queue().await;
        let mut waiting = Box::pin(second.queue());
        assert!(waiting.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((waiting, first));
        third.queue().await;
    }

    #[tokio::test]
    async fn who_computes_on_comes_after_those_who_wait() {
        let line = Line::beside(2);
        let (first, second) = (line.place(), line.place());
        first.queue().await;
        let mut waiting = Box::pin(second.queue());
        assert!(waiting.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        assert!(waiting.as_mut().now_or_never().is_none());
        let mut again = Box::pin(first.queue());
        waiting.await;
        assert!(again.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        assert!(again.as_mut().now_or_never().is_none());
        second.leave();
        again.await;
    }
}
